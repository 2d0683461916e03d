"""A file server with latency, for benchmarks: one process, thousands of connections.

`python latency_server.py FOLDER SECONDS` prints its address. It serves each file of the folder
under any name that ends in a slash and the file's name (`/17/scene.tif` is `scene.tif`), so
that a few files stand for thousands. `GET /_log` tells GETs, HEADs and bytes since it was last
asked for.

It does little else, so that on a machine of two processors the client is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from typing import Any

_RANGE = re.compile(rb"(?i)\r\nrange: *bytes=(\d+)-(\d*)")
_SMALL = 2**16
"""Bytes of an answer that is kept for the next one who asks for the same."""


class Server(asyncio.Protocol):
    """Answers GET and HEAD of a folder's files, with ranges, each after the latency."""

    folder: Path
    latency: float
    log: dict[str, int] = {"gets": 0, "heads": 0, "bytes": 0}  # noqa: RUF012 (one for all)

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 (asyncio's base says so)
        """Begin a connection."""
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Take requests as they come, and answer each after the latency."""
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            request, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            method, target, _ = request.split(b" ", 2)
            if target == b"/_log":
                body = json.dumps(Server.log).encode()
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                self.transport.write(body)
                Server.log.update(gets=0, heads=0, bytes=0)
                continue
            found = _RANGE.search(request)
            wanted = None if found is None else (int(found[1]), found[2])
            name = target.rpartition(b"/")[2].decode()
            self.loop.call_later(self.latency, self.answer, method == b"GET", name, wanted)

    def answer(self, get: bool, name: str, wanted: tuple[int, bytes] | None) -> None:  # noqa: FBT001
        """Log a request and send what it asks for."""
        head, start, nbytes = _head(name, wanted)
        Server.log["gets" if get else "heads"] += 1
        if not get:
            self.transport.write(head)
            return
        Server.log["bytes"] += nbytes
        read = _read if nbytes <= _SMALL else _read.__wrapped__
        self.transport.write(head + read(name, start, nbytes))  # in one packet


@lru_cache(maxsize=4096)
def _head(name: str, wanted: tuple[int, bytes] | None) -> tuple[bytes, int, int]:
    """Return status and headers, where the bytes begin and how many they are."""
    path = Server.folder / name
    try:
        stat = path.stat()
    except OSError:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0, 0
    start, end, status = 0, stat.st_size, "200 OK"
    lines = [
        f'ETag: "{name}-{stat.st_size:x}"',
        f"Last-Modified: {formatdate(stat.st_mtime, usegmt=True)}",
        "Accept-Ranges: bytes",
    ]
    if wanted is not None:
        start, last = wanted
        end = min(int(last) + 1, end) if last else end
        status = "206 Partial Content"
        lines.append(f"Content-Range: bytes {start}-{end - 1}/{stat.st_size}")
    head = "\r\n".join([f"HTTP/1.1 {status}", *lines, f"Content-Length: {end - start}", "", ""])
    return head.encode(), start, end - start


@lru_cache(maxsize=1024)
def _read(name: str, start: int, nbytes: int) -> bytes:
    if not nbytes:
        return b""
    with (Server.folder / name).open("rb") as file:
        return os.pread(file.fileno(), nbytes, start)


async def serve(folder: Path, latency: float) -> None:
    """Serve until the process is ended; the first line printed is the address."""
    Server.folder, Server.latency = folder, latency
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def serving(folder: Path, latency: float) -> Iterator[str]:
    """Run the server in a process of its own; gives its address."""
    command = [sys.executable, __file__, str(folder), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
