"""A real browser: headless Chromium, which opens a page that was bundled by esbuild.

Chromium is Debian's package (`apt-get install chromium`); the packages of npm are installed once
into the user's cache. Where something is missing the test that asks is skipped and says why.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from support.node import Packages, installed, packed_codecs

PAGES = Packages(
    (
        "zarrita@0.7.5",
        "@earthmover/icechunk@2.2.2",
        "@earthmover/icechunk-wasm32-wasi@2.2.2",
    ),
    ("--cpu=wasm32",),
)
"""What the pages of `javascript/examples` are made of."""

MAPS = Packages(
    (
        *PAGES.names,
        "ol@10.11.0",
        "maplibre-gl@5.24.1",
        "@carbonplan/zarr-layer@0.5.0",
        *(f"@deck.gl/{name}@9.4.0" for name in ("core", "layers", "geo-layers", "mesh-layers")),
        "@developmentseed/deck.gl-raster@0.2.0",
    ),
    PAGES.options,
)
"""The same with libraries of maps."""

VIV = Packages(("@hms-dbmi/viv@0.21.0",), ("--legacy-peer-deps=false",))
"""viv, with what it draws with."""

_BUNDLER = Packages(("esbuild@0.28.2",))
"""By itself: the others are installed for WebAssembly, and this one is a program."""

_SECONDS = 120
_WORKER = "@earthmover/icechunk-wasm32-wasi/wasi-worker-browser.mjs"
"""Where a page looks for Icechunk's worker, unless its bundler knows better."""
_ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
"""Icechunk's threads share memory, which browsers allow a page that is isolated from others."""
ANY_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Content-Range, ETag, Last-Modified",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""What a server of files answers pages of other origins with."""


def bundled(page: Path, folder: Path, packages: Packages = PAGES) -> Path:
    """Bundle a page as its makers would, with what Icechunk needs beside it; return its folder.

    Our own module is the package that npm makes of it.
    """
    home = installed(packages)
    modules = home / "node_modules"
    bundler = installed(_BUNDLER) / "node_modules"
    module_path = f"{modules}{os.pathsep}{packed_codecs()}"
    shutil.copytree(page, folder, dirs_exist_ok=True)
    common = ["--bundle", "--format=esm", "--platform=browser", "--log-level=error"]
    script = next(page.glob("*.mjs"))
    entries = [(script, folder / f"{script.stem}.js")]
    reader = page.parent / "icechunk.mjs"
    if reader.exists():
        wasm = modules / "@earthmover" / "icechunk-wasm32-wasi"
        shutil.copy(next(wasm.glob("*.wasm")), folder)
        entries.append((reader, folder / "icechunk.js"))
        entries.append((wasm / "wasi-worker-browser.mjs", folder / _WORKER))
    for entry, out in entries:
        command = [
            *("node", str(bundler / "esbuild" / "bin" / "esbuild"), str(entry), *common),
            *("--target=esnext", f"--outfile={out}"),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={"NODE_PATH": module_path, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        )
        assert not done.returncode, done.stderr
    return folder


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a page from 127.0.0.1, isolated from other origins."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in _ISOLATED.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class Browser:
    """One page of a headless Chromium, asked over the DevTools protocol; closed by `with`."""

    def __init__(self, width: int = 1200, height: int = 800) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            pytest.skip("chromium is not installed")
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = [
            *("--headless=new", "--no-sandbox", "--hide-scrollbars"),
            *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
            *("--disable-background-networking", "--no-first-run", "--remote-debugging-port=0"),
            *("--disable-component-update", f"--window-size={width},{height}"),
        ]
        command = [program, *options, f"--user-data-dir={self._profile.name}", "about:blank"]
        # what it keeps beside its profile goes there too
        home = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), self._profile.name)
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | home
        )
        self._url = self._address()
        self._size = width, height
        self._messages = 0
        self.log: list[str] = []
        """What the page wrote to the console, and its errors."""

    def _address(self) -> str:
        """Return where the page is asked, once Chromium says it."""
        file = Path(self._profile.name, "DevToolsActivePort")
        end = time.monotonic() + _SECONDS
        while not (file.exists() and file.read_text().count("\n")):
            assert time.monotonic() < end, "Chromium has not started"
            time.sleep(0.05)
        port = file.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            pages = json.load(answer)
        return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))

    async def __aenter__(self) -> Self:
        self._socket: WebSocketClientConnection = await websocket_connect(
            self._url, max_message_size=2**28
        )
        width, height = self._size
        await self._ask("Runtime.enable")
        await self._ask("Log.enable")
        await self.resize(width, height)
        return self

    async def resize(self, width: int, height: int) -> None:
        """Show the page at another size, as a phone does if it is narrow."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        await self._ask("Emulation.setDeviceMetricsOverride", size)

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._profile.cleanup()

    async def open(self, url: str, *, until: str = "document.readyState === 'complete'") -> None:
        """Open a page, and wait until an expression of JavaScript is true."""
        await self._ask("Page.navigate", {"url": url})
        await self.wait(until)

    async def wait(self, until: str) -> None:
        """Wait until an expression of JavaScript is true."""
        try:
            async with asyncio.timeout(_SECONDS):
                # an error is an answer too: what is asked for may not be defined yet
                while not (await self._evaluated(until))["result"].get("value"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            msg = f"{until} was not true within {_SECONDS} s; the page said {self.log[-5:]}"
            raise AssertionError(msg) from None

    async def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives, as JSON has it; it must not fail."""
        answer = await self._evaluated(expression)
        if details := answer.get("exceptionDetails"):
            text = details.get("exception", {}).get("description", details["text"])
            msg = f"{expression} failed: {text}; the page said {self.log[-5:]}"
            raise AssertionError(msg)
        return answer["result"].get("value")

    async def _evaluated(self, expression: str) -> Any:
        options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        return await self._ask("Runtime.evaluate", options)

    async def enter(self, text: str) -> None:
        """Enter a text where the page has its focus."""
        await self._ask("Input.insertText", {"text": text})

    async def screenshot(self, path: Path) -> Path:
        """Save a picture of the page."""
        data = (await self._ask("Page.captureScreenshot", {"format": "png"}))["data"]
        path.write_bytes(b64decode(data))  # noqa: ASYNC240 (nothing else goes on)
        return path

    async def _ask(self, method: str, parameters: Mapping[str, Any] | None = None) -> Any:
        self._messages += 1
        number = self._messages
        message = {"id": number, "method": method, "params": dict(parameters or {})}
        await self._socket.write_message(json.dumps(message))
        while True:
            text = await self._socket.read_message()
            assert text is not None, "Chromium has closed the connection"
            answer = json.loads(text)
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer)

    def _note(self, event: Mapping[str, Any]) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.consoleAPICalled":
            values = (str(each.get("value", each)) for each in parameters["args"])
            self.log.append(" ".join(values))
        elif event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            self.log.append(f"error: {text}")
        elif event.get("method") == "Log.entryAdded":
            entry = parameters["entry"]
            self.log.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
