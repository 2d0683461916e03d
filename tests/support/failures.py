"""Servers that fail as those of the world do: one request in so many, each time in another way."""

from __future__ import annotations

import struct
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

type Kind = int | Literal["reset", "close", "stall", "cut", "short", "range"]
"""A status; or what happens to the connection.

reset: it ends without an answer. close: the same, politely. stall: nothing comes, until the
client has enough. cut: the body ends before its Content-Length. short: Content-Length is of the
half that is sent, whatever was asked for. range: Content-Range is of other bytes.
"""

EVERY_KIND: tuple[Kind, ...] = (500, "reset", "stall", "short", 429, "cut", 503, "close")


class Failures:
    """Says which requests fail, and how.

    Parameters
    ----------
    every
        One request in so many fails; 1 is all of them.
    kinds
        How, in turn.
    at_most
        Failures, after which all is well; None does not end.
    stall
        Seconds for which a stalled connection is held.
    """

    def __init__(
        self,
        every: int = 20,
        kinds: Sequence[Kind] = EVERY_KIND,
        *,
        at_most: int | None = None,
        stall: float = 5,
    ) -> None:
        self.every = every
        self.at_most = at_most
        self.stall = stall
        self.seen = 0
        self.failed: Counter[Kind] = Counter()
        self._kinds = cycle(kinds)
        self._lock = threading.Lock()

    def next(self) -> Kind | None:
        """How this request fails; None if it does not."""
        with self._lock:
            self.seen += 1
            over = self.at_most is not None and self.failed.total() >= self.at_most
            if over or self.seen % self.every:
                return None
            kind = next(self._kinds)
            self.failed[kind] += 1
            return kind


def send_failure(
    handler: BaseHTTPRequestHandler,
    kind: Kind,
    answer: Callable[[], tuple[int, dict[str, str], bytes]],
    wait: Callable[[float], object],
    stall: float,
) -> None:
    """Fail; `answer` makes what would have been sent, `wait` can be cut short by the server."""
    if isinstance(kind, int):
        _send(handler, kind, {"Content-Length": "0"}, b"")
        return
    if kind in ("reset", "close", "stall"):
        if kind == "stall":
            wait(stall)
        if kind == "reset":
            handler.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        return
    status, headers, body = answer()
    headers = {name: value for name, value in headers.items() if name.title() != "Content-Length"}
    if kind == "range":
        headers |= {"Content-Range": f"bytes 1-{len(body)}/{len(body) + 1}"}
        _send(handler, status, headers | {"Content-Length": str(len(body))}, body)
        return
    half = body[: len(body) // 2]
    headers["Content-Length"] = str(len(half if kind == "short" else body))
    handler.close_connection = kind == "cut"
    _send(handler, status, headers, half)


def _send(
    handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


class FailingProxy:
    """Stands before a server, here S3, and fails in its stead while the context lasts.

    Reads fail as `failures` says, and all other requests as `writes` does, if there are such.
    """

    def __init__(
        self, upstream: str, failures: Failures, *, writes: Failures | None = None
    ) -> None:
        self.failures = failures
        self.writes = writes
        self.upstream = urlsplit(upstream).netloc
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request."""
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, self._stopping.wait))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(proxy: FailingProxy, wait: Callable[[float], object]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def _forward(self) -> tuple[int, dict[str, str], bytes]:
            body = self._body or None
            connection = HTTPConnection(proxy.upstream)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
            headers = {k: v for k, v in answer.getheaders() if k.lower() != "transfer-encoding"}
            connection.close()
            headers.setdefault("Content-Length", str(len(data)))
            return answer.status, headers, data

        def _answer(self) -> None:
            proxy.requests.append((self.command, self.path))
            # read in any case: the next request on this connection follows it
            self._body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            failures = proxy.failures if self.command == "GET" else proxy.writes
            kind = failures.next() if failures is not None else None
            if kind is not None and failures is not None:
                send_failure(self, kind, self._forward, wait, failures.stall)
            else:
                _send(self, *self._forward())

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    return Handler
