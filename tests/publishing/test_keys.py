"""Keys: two services that check signatures, each with its own; temporary ones that are renewed."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from obstore.auth.earthdata import NasaEarthdataCredentialProvider

from support.fresh import run
from support.s3 import S3, s3_process
from virtual_tiff import open_published, publish, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, access

SERIES = sorted((Path(__file__).parents[2] / "testdata" / "series").glob("*.tif"))
STACK: dict[str, Any] = {"concat": "time", "time": "tag"}
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def archive() -> Iterator[S3]:
    """The service of the files."""
    with s3_process(enforced=True) as server:
        yield server


@pytest.fixture(scope="module")
def ours() -> Iterator[S3]:
    """The service of the repository; both have a bucket of the same name."""
    with s3_process(enforced=True) as server:
        yield server


@pytest.fixture(autouse=True)
def _environment(ours: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "EARTHDATA_"))]:
        monkeypatch.delenv(name)
    for name, value in ours.environment().items():
        monkeypatch.setenv(name, value)


def is_whole(**options: Any) -> bool:
    ds = xr.open_zarr(open_published(**options), consolidated=False)
    return bool(ds["0"].values.any()) and ds.sizes["time"] == len(SERIES)


def test_files_and_repository_in_two_services(
    archive: S3, ours: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = [archive.upload(path, f"scenes/{path.name}") for path in SERIES]
    cube = ours.url("cube")
    place, keys = {"endpoint": archive.endpoint, "region": "us-east-1"}, archive.credentials()
    publish(urls[:1], cube, **STACK, store_options=place | keys, check=True)
    published = publish(urls, cube, **STACK, append=True, store_options=keys, check=True)
    assert is_whole(repository=cube, store_options=keys)
    assert verify(cube, store_options=keys).ok
    assert not any(secret in published.how_to_open for secret in (*keys.values(), *ours.keys))
    for meta in ours.store().list("cube").collect():
        data = bytes(ours.store().get(meta["path"]).bytes())
        assert not any(secret.encode() in data for secret in (*keys.values(), *ours.keys))

    # a key of one is refused by the other: the environment has that of the repository
    with pytest.raises(PublishError, match=r"InvalidAccessKeyId; check the credentials"):
        publish(urls[:1], tmp_path / "none", store_options=place)
    assert verify(cube).counts["unreachable"] == len(SERIES)
    with pytest.raises(Exception, match="InvalidAccessKeyId"):
        is_whole(repository=cube)
    # as a reader has them who has one key for both: of a repository on a disk
    local = publish(urls, tmp_path / "cube", **STACK, store_options=place | keys)
    code = local.how_to_open + "\nprint(ds['0'].values.any(), ds.sizes['time'])"
    assert run(code, archive.environment()).split() == ["True", "3"]

    with pytest.MonkeyPatch.context() as patch:
        for name, value in archive.environment().items():
            if "KEY" in name:
                patch.setenv(name, value)
        for command in ("access", "verify"):
            assert main([command, cube]) == 1
            assert "check the credentials of the repository" in capsys.readouterr().err


@contextmanager
def earthdata(service: S3) -> Iterator[Any]:
    """Run what gives keys for an archive to a holder of a token, and takes back the one before."""
    import boto3

    name, secret = service.keys
    users = boto3.client(
        "iam",
        endpoint_url=service.endpoint,
        region_name="us-east-1",
        aws_access_key_id=name,
        aws_secret_access_key=secret,
    )

    class Login(ThreadingHTTPServer):
        asked = 0
        seconds = 1
        key: Any = None
        url = ""

        def end(self) -> None:
            users.delete_access_key(UserName="publisher", AccessKeyId=self.key["AccessKeyId"])

        def renew(self) -> None:
            if self.key is not None:
                self.end()
            self.key = users.create_access_key(UserName="publisher")["AccessKey"]

    class Handler(BaseHTTPRequestHandler):
        server: Login

        def do_GET(self) -> None:
            self.server.asked += 1
            if self.headers["Authorization"] != "Bearer t0ken":
                self.send_response(307)
                self.send_header("Location", "https://urs.earthdata.nasa.gov/oauth/authorize")
                self.end_headers()
                return
            until = datetime.now(UTC) + timedelta(seconds=self.server.seconds)
            names = {"accessKeyId": "AccessKeyId", "secretAccessKey": "SecretAccessKey"}
            keys = {ours: self.server.key[theirs] for ours, theirs in names.items()}
            body = keys | {"sessionToken": None, "expiration": until.isoformat(" ", "seconds")}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = Login(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_port}/s3credentials"
    server.renew()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.end()
    server.shutdown()
    server.server_close()


def test_temporary_keys_are_renewed_during_a_run(archive: S3, tmp_path: Path) -> None:
    pytest.importorskip("boto3")
    urls = [archive.upload(path, f"earthdata/{path.name}") for path in SERIES]
    with earthdata(archive) as login:
        provider = NasaEarthdataCredentialProvider(login.url, auth="t0ken")
        options = {"credential_provider": provider, "endpoint": archive.endpoint}
        before = login.key

        def renew(_: Any) -> None:
            if login.asked and login.key is before:
                time.sleep(0.2)  # obstore asks no sooner for other keys
                login.renew()

        published = publish(
            urls, tmp_path / "cube", **STACK, store_options=options, concurrency=1, cache=False,
            progress=renew, check=True,
        )  # fmt: skip
        assert login.key is not before
        assert login.asked > 1
        assert "t0ken" not in published.how_to_open
        (container,) = access(tmp_path / "cube").containers
        assert container.settings["region"] == "us-west-2"  # as the provider says
        assert not container.settings["skip_signature"]

        reader = {"credential_provider": provider}
        store = open_published(tmp_path / "cube", store_options=reader)
        ds = xr.open_zarr(store, consolidated=False, chunks=None)
        assert ds["0"][0].values.any()
        login.renew()
        time.sleep(1.1)  # until the one before has ended
        assert ds["0"][2].values.any()
        assert verify(tmp_path / "cube", store_options=reader).ok
        assert publish(urls, tmp_path / "cube", **STACK, append=True, store_options=reader)


def test_a_profile_asks_earthdata_by_the_program_of_the_documents(
    archive: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("boto3")
    url = archive.upload(SERIES[0], "earthdata/profile.tif")
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "earthdata.md").read_text()
    (program,) = [
        code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "argv" in code
    ]
    (tmp_path / "keys.py").write_text(program)
    with earthdata(archive) as login:
        login.seconds = 3600
        process = f"{sys.executable} {tmp_path / 'keys.py'} {login.url}"
        (tmp_path / "config").write_text(
            f"[profile earthdata]\nregion = us-west-2\ncredential_process = {process}\n"
        )
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_PROFILE", "earthdata")
        monkeypatch.setenv("AWS_ENDPOINT_URL", archive.endpoint)
        monkeypatch.setenv("EARTHDATA_TOKEN", "t0ken")
        published = publish([url], tmp_path / "cube", **STACK, check=True)
        assert login.asked > 0
        (container,) = access(tmp_path / "cube").containers
        assert container.settings["region"] == "us-west-2"
        shown = run(published.how_to_open + "\nprint(ds['0'].values.any())")
        assert shown.strip() == "True"


def test_a_login_that_is_refused_is_one_line(archive: S3, tmp_path: Path) -> None:
    url = archive.upload(SERIES[0], "earthdata/1.tif")
    with earthdata(archive) as login:
        options = {
            "credential_provider": NasaEarthdataCredentialProvider(login.url, auth="another"),
            "endpoint": archive.endpoint,
        }
        with pytest.raises(PublishError, match=r"401.*; check the login of the program that"):
            publish([url], tmp_path / "cube", store_options=options)
