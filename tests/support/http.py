"""A file server on loopback that keeps a log: what was asked, and how much was sent."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import Event, Thread
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from support.failures import Failures, send_failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One line of the server's log."""

    method: str
    path: str
    """Without its leading slash, as `HttpServer.put` takes it."""
    range: str | None
    """The Range header as it came."""
    status: int
    size: int
    """Bytes of the body that was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A file that can be sent."""

    size: int
    modified: int
    etag: str
    read: Callable[[int, int], bytes]


class HttpServer:
    """Serve a folder or bytes by name from 127.0.0.1 while the context lasts.

    Parameters
    ----------
    files
        A folder, or the bytes of each path; nothing leaves an empty server to be filled by `put`.
    latency
        Seconds that each request waits before its answer; may be set at any time.
    ranges
        False is a server that ignores Range and always sends the whole file.
    etags, times
        Whether ETag (strong or weak) and Last-Modified are sent; may be set at any time.
    if_match
        `"strict"` compares If-Match as RFC 9110 wants, `"lenient"` without the quotes,
        `"ignored"` not at all (nor If-Unmodified-Since); may be set at any time.
    failures
        Which requests fail; may be set at any time.
    """

    def __init__(
        self,
        files: Path | Mapping[str, bytes] | None = None,
        *,
        latency: float = 0.0,
        ranges: bool = True,
        etags: Literal["strong", "weak", "none"] = "strong",
        times: bool = True,
        if_match: Literal["strict", "lenient", "ignored"] = "strict",
        failures: Failures | None = None,
    ) -> None:
        self.latency = latency
        self.ranges = ranges
        self.etags = etags
        self.times = times
        self.if_match = if_match
        self.failures = failures
        self.refuse_head = False
        self.required: dict[str, str] = {}
        """Headers without which each request is refused with 401."""
        self.redirects: dict[str, tuple[int, str]] = {}
        """Status and Location that paths answer with."""
        self.alter: Callable[[dict[str, str], bytes], bytes] | None = None
        """Changes the headers and the body of each answer that has one: a cache between."""
        self.headers: Mapping[str, str] = {}
        """Sent with each answer, that of an error too."""
        self.on_request: Callable[[str], None] | None = None
        """Called with the path of each request, before it is answered."""
        self.requests: list[Request] = []
        self._folder = files if isinstance(files, Path) else None
        self._memory: dict[str, _Found] = {}
        self._server = _Server(self)
        if files is not None and not isinstance(files, Path):
            for path, data in files.items():
                self.put(path, data)

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._thread.join()

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, path: str, data: bytes, *, modified: float | None = None) -> str:
        """Serve (or replace) a file, beside the folder's; gives its url."""
        etag = hashlib.sha256(data).hexdigest()[:16]
        self._memory[path] = _Found(
            size=len(data),
            modified=int(time.time() if modified is None else modified),
            etag=f'"{etag}"',
            read=lambda start, end: data[start:end],
        )
        return f"{self.url}/{quote(path)}"

    def remove(self, path: str) -> None:
        """Serve a file no longer."""
        del self._memory[path]

    def count(self, method: str, path: str | None = None) -> int:
        """Requests of one method, for one path or all."""
        return sum(r.method == method and path in (None, r.path) for r in self.requests)

    @property
    def gets(self) -> int:
        return self.count("GET")

    @property
    def heads(self) -> int:
        return self.count("HEAD")

    @property
    def sent(self) -> int:
        """Bytes of all bodies sent."""
        return sum(request.size for request in self.requests)

    def find(self, path: str) -> _Found | None:
        if path in self._memory:
            return self._memory[path]
        if self._folder is None:
            return None
        file = (self._folder / path).resolve()
        if not file.is_relative_to(self._folder.resolve()) or not file.is_file():
            return None
        stat = file.stat()
        return _Found(
            size=stat.st_size,
            modified=int(stat.st_mtime),
            etag=f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
            read=lambda start, end: _read(file, start, end),
        )


def _read(file: Path, start: int, end: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(end - start)


def _byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, end) of a single range, None for what RFC 9110 lets a server ignore.

    An empty result (start >= end) is a range that cannot be satisfied.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _precondition(headers: Mapping[str, str], found: _Found, *, lenient: bool) -> HTTPStatus | None:
    """The status that If-Match and its kin ask for, None where they hold (RFC 9110, 13.2.2)."""

    def names(header: str) -> bool:
        tags = [tag.strip() for tag in headers[header].split(",")]
        if lenient:
            return found.etag.strip('"') in [tag.strip('"') for tag in tags]
        # If-Match compares strongly: a weak tag equals none, not even itself
        weak = found.etag.startswith("W/") and header == "If-Match"
        return "*" in tags or (found.etag in tags and not weak)

    def newer(header: str) -> bool:
        return found.modified > parsedate_to_datetime(headers[header]).timestamp()

    if "If-Match" in headers:
        if not names("If-Match"):
            return HTTPStatus.PRECONDITION_FAILED
    elif "If-Unmodified-Since" in headers and newer("If-Unmodified-Since"):
        return HTTPStatus.PRECONDITION_FAILED
    if "If-None-Match" in headers:
        if names("If-None-Match"):
            return HTTPStatus.NOT_MODIFIED
    elif "If-Modified-Since" in headers and not newer("If-Modified-Since"):
        return HTTPStatus.NOT_MODIFIED
    return None


@dataclass(slots=True, kw_only=True)
class _Answer:
    status: HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)
    body: tuple[int, int] = (0, 0)
    """What to send of the file."""


def _answer(owner: HttpServer, found: _Found | None, headers: Mapping[str, str]) -> _Answer:
    if found is None:
        return _Answer(status=HTTPStatus.NOT_FOUND)
    if owner.etags == "weak":
        found = replace(found, etag=f"W/{found.etag}")
    validators = {} if owner.etags == "none" else {"ETag": found.etag}
    if owner.times:
        validators["Last-Modified"] = formatdate(found.modified, usegmt=True)
    refused = None
    if owner.if_match != "ignored":
        refused = _precondition(headers, found, lenient=owner.if_match == "lenient")
    if refused is not None:
        return _Answer(status=refused, headers=validators)
    whole = (0, found.size)
    if not owner.ranges:
        return _Answer(status=HTTPStatus.OK, headers=validators, body=whole)
    validators["Accept-Ranges"] = "bytes"
    wanted = _byte_range(headers.get("Range"), found.size)
    if wanted is None:
        return _Answer(status=HTTPStatus.OK, headers=validators, body=whole)
    start, end = wanted
    if start >= end:
        validators["Content-Range"] = f"bytes */{found.size}"
        return _Answer(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=validators)
    validators["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
    return _Answer(status=HTTPStatus.PARTIAL_CONTENT, headers=validators, body=wanted)


class _Server(ThreadingHTTPServer):
    # Joined when the server closes; `stop` first ends what they wait for.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, owner: HttpServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner
        self.stopping = Event()
        self.connections: set[socket] = set()

    def stop(self) -> None:
        """End the server, and the connections that its clients would keep alive."""
        self.stopping.set()
        self.shutdown()
        for connection in list(self.connections):
            with suppress(OSError):  # the client was faster
                connection.shutdown(SHUT_RDWR)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that goes away is no news
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one packet: otherwise delayed acknowledgement costs 40 ms a request.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        self._respond(with_body=False)

    def _respond(self, *, with_body: bool) -> None:
        owner = self.server.owner
        self.server.stopping.wait(owner.latency)
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        if owner.on_request is not None:
            owner.on_request(path)
        kind = owner.failures.next() if owner.failures is not None and with_body else None
        if kind is not None and owner.failures is not None:

            def answer() -> tuple[int, dict[str, str], bytes]:
                return self._answer(path, with_body=with_body)

            wait = self.server.stopping.wait
            send_failure(self, kind, answer, wait, owner.failures.stall)
            return
        status, sent, body = self._answer(path, with_body=with_body)
        self.send_response(status)
        for name, value in {**sent, **owner.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, path: str, *, with_body: bool) -> tuple[int, dict[str, str], bytes]:
        owner = self.server.owner
        if any(self.headers[name] != value for name, value in owner.required.items()):
            return HTTPStatus.UNAUTHORIZED, {"Content-Length": "0"}, b""
        if owner.refuse_head and self.command == "HEAD":
            return HTTPStatus.METHOD_NOT_ALLOWED, {"Content-Length": "0"}, b""
        if path in owner.redirects:
            status, location = owner.redirects[path]
            wanted = self.headers["Range"]
            owner.requests.append(
                Request(method=self.command, path=path, range=wanted, status=status, size=0)
            )
            return status, {"Location": location, "Content-Length": "0"}, b""
        found = owner.find(path)
        headers = {name.title(): value for name, value in self.headers.items()}
        answer = _answer(owner, found, headers)
        start, end = answer.body
        body = found.read(start, end) if found is not None and with_body else b""
        # Logged before it is sent, so that a client holding the answer always finds the line.
        owner.requests.append(
            Request(
                method=self.command,
                path=path,
                range=self.headers["Range"],
                status=answer.status,
                size=len(body),
            )
        )
        if answer.status != HTTPStatus.NOT_MODIFIED:
            answer.headers["Content-Length"] = str(end - start)
        if owner.alter is not None and body:
            body = owner.alter(answer.headers, body)
        return answer.status, answer.headers, body

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base's name
        """Quiet: the log is `HttpServer.requests`."""
