"""S3 on loopback: moto's server, a bucket, and obstore stores that read it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote
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
    keys: tuple[str, str] = (SETTINGS["access_key_id"], SETTINGS["secret_access_key"])
    """Name and secret of the key; a server of `s3_process(enforced=True)` refuses all others."""

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
            **{**SETTINGS, **self.credentials(), **settings},
        )

    def credentials(self) -> dict[str, str]:
        """The key as obstore's options."""
        return {"access_key_id": self.keys[0], "secret_access_key": self.keys[1]}

    def environment(self) -> dict[str, str]:
        """The variables by which any client finds the server."""
        return {
            "AWS_ACCESS_KEY_ID": self.keys[0],
            "AWS_SECRET_ACCESS_KEY": self.keys[1],
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
        address = f"{self.endpoint}/{self.bucket}/{quote(key)}?acl"
        with build_opener(ProxyHandler({})).open(Request(address, method="PUT", headers=headers)):
            pass

    def allow_pages(self) -> None:
        """Let pages of other origins read the bucket, as `docs/how-to/browsers.md` says."""
        exposed = ("Content-Range", "ETag", "Last-Modified")
        rule = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
        rule += "".join(f"<ExposeHeader>{name}</ExposeHeader>" for name in exposed)
        document = f"<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>"
        headers = {"Content-Type": "application/xml", "Authorization": "AWS testing:testing"}
        address = f"{self.endpoint}/{self.bucket}?cors"
        request = Request(address, document.encode(), headers, method="PUT")
        with build_opener(ProxyHandler({})).open(request):
            pass

    def upload(self, path: Path, key: str | None = None) -> str:
        """Store a file, by default under its name; gives its url."""
        return self.put(key or path.name, path.read_bytes())


def without_aws(environment: Any) -> None:
    """Take all settings of AWS from the environment, by pytest's `monkeypatch`."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        environment.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        environment.setenv(name, "/nowhere")
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")


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
def s3_process(*, enforced: bool = False) -> Iterator[S3]:
    """Run the same server in its own process; where it is `enforced`, with a key of its own."""
    tests = str(Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-m", "support.s3", *(["enforced"] if enforced else [])],
        env=os.environ | {"PYTHONPATH": tests},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        endpoint, name, secret = process.stdout.readline().split()
        yield S3(endpoint=endpoint, bucket="bucket", keys=(name, secret))
        process.stdin.close()


def _enforce_one_key() -> tuple[str, str]:
    """Let this process's server check each signature; return the key that it knows."""
    from moto import settings
    from moto.iam.models import iam_backends

    users = iam_backends["123456789012"]["aws"]
    users.create_user(region_name="us-east-1", user_name="publisher")
    rights = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    users.put_user_policy("publisher", "all", document)
    key = users.create_access_key("publisher")
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    return key.access_key_id, key.secret_access_key


if __name__ == "__main__":  # until its standard input ends
    with s3_server() as running:
        keys = _enforce_one_key() if "enforced" in sys.argv else running.keys
        print(running.endpoint, *keys, flush=True)
        sys.stdin.read()
