"""S3 on loopback: moto's server, a bucket, and obstore stores that read it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from obstore.store import S3Store

SETTINGS: dict[str, Any] = {
    "access_key_id": "testing",
    "secret_access_key": "testing",
    "region": "us-east-1",
}
"""Moto accepts any credentials, but icechunk and obstore want some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """A bucket of a running server."""

    endpoint: str
    bucket: str

    def with_bucket(self, name: str) -> S3:
        """Another, new bucket; S3 wants names of three letters or more."""
        # Plain HTTP, as boto3 takes a second to load; and never through a proxy.
        request = Request(f"{self.endpoint}/{name}", method="PUT")
        with build_opener(ProxyHandler({})).open(request):
            return replace(self, bucket=name)

    def store(self, prefix: str | None = None, **settings: Any) -> S3Store:
        """An obstore store of the bucket; `settings` are those of `S3Store`."""
        return S3Store(
            self.bucket,
            prefix=prefix,
            endpoint=self.endpoint,
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
            **{**SETTINGS, **settings},
        )

    def environment(self) -> dict[str, str]:
        """The variables by which any client finds the server."""
        return {
            "AWS_ACCESS_KEY_ID": SETTINGS["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": SETTINGS["secret_access_key"],
            "AWS_REGION": SETTINGS["region"],
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def at(self, endpoint: str) -> S3:
        """The same bucket by way of another server."""
        return replace(self, endpoint=endpoint)

    def url(self, key: str = "") -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, data: bytes) -> str:
        """Store bytes; gives their url."""
        self.store().put(key, data)
        return self.url(key)

    def make_public(self, url: str) -> None:
        """Let everybody read an object, without a signature."""
        headers = {"x-amz-acl": "public-read", "Authorization": "AWS testing:testing"}
        key = url.removeprefix(self.url())
        address = f"{self.endpoint}/{self.bucket}/{key}?acl"
        with build_opener(ProxyHandler({})).open(Request(address, method="PUT", headers=headers)):
            pass

    def upload(self, path: Path, key: str | None = None) -> str:
        """Store a file, by default under its name; gives its url."""
        return self.put(key or path.name, path.read_bytes())


@contextmanager
def s3_server(bucket: str = "bucket") -> Iterator[S3]:
    """Run a server with one bucket on a free port of 127.0.0.1."""
    from moto.server import ThreadedMotoServer  # takes seconds to load

    # werkzeug prints every request, unless its logger has a level already.
    logger = logging.getLogger("werkzeug")
    level = logger.level
    logger.setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3(endpoint=f"http://{host}:{port}", bucket="").with_bucket(bucket)
    finally:
        server.stop()
        logger.setLevel(level)


@contextmanager
def s3_process() -> Iterator[S3]:
    """Run the same server in its own process."""
    tests = str(Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-m", "support.s3"],
        env=os.environ | {"PYTHONPATH": tests},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield S3(endpoint=process.stdout.readline().strip(), bucket="bucket")
        process.stdin.close()


if __name__ == "__main__":  # until its standard input ends
    with s3_server() as running:
        print(running.endpoint, flush=True)
        sys.stdin.read()
