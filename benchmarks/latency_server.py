"""A file server with latency, for benchmarks: one process, thousands of connections.

`python latency_server.py FOLDER SECONDS` prints its port. It serves each file of the folder
under any name that ends in a slash and the file's name (`/17/scene.tif` is `scene.tif`), so
that a few files stand for thousands; `GET /_requests` gives the number of requests and of
bytes sent.
"""

from __future__ import annotations

import asyncio
import re
import sys
from email.utils import formatdate
from pathlib import Path

_RANGE = re.compile(rb"(?i)\r\nrange: *bytes=(\d+)-(\d*)")


class Server:
    """Answers GET and HEAD after a while.

    Parameters
    ----------
    folder
        What is served, read once.
    latency
        Seconds before each answer.
    """

    def __init__(self, folder: Path, latency: float) -> None:
        self._files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self._latency = latency
        self._requests = self._sent = 0
        modified = formatdate(max(p.stat().st_mtime for p in folder.iterdir()), usegmt=True)
        self._common = f"Accept-Ranges: bytes\r\nLast-Modified: {modified}\r\n"

    async def serve(self) -> None:
        """Serve until the process is ended."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(self._latency)
                writer.write(self._answer(head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, target, _ = head.split(b" ", 2)
        name = target.decode().rpartition("/")[2]
        if name == "_requests":
            body = f"{self._requests} {self._sent}".encode()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        self._requests += 1
        data = self._files.get(name)
        if data is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        start, end, status = 0, len(data), "200 OK"
        extra = self._common + f'ETag: "{name}-{len(data):x}"\r\n'
        if found := _RANGE.search(head):
            start = int(found[1])
            end = min(int(found[2] or end) + 1, end)
            status = "206 Partial Content"
            extra += f"Content-Range: bytes {start}-{end - 1}/{len(data)}\r\n"
        lines = f"HTTP/1.1 {status}\r\n{extra}Content-Length: {end - start}\r\n\r\n"
        body = data[start:end] if method == b"GET" else b""
        self._sent += len(body)
        return lines.encode() + body


if __name__ == "__main__":
    asyncio.run(Server(Path(sys.argv[1]), float(sys.argv[2])).serve())
