"""What is said of a refusal: each row of the table, by real clients and a server that refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import icechunk
import pytest
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store, from_url

from support.s3 import without_aws
from virtual_tiff import open_published
from virtual_tiff.cli.main import main
from virtual_tiff.publishing.errors import PublishError, icechunk_errors
from virtual_tiff.sources.access import _Credentials
from virtual_tiff.sources.advice import (
    ADVICE,
    BAD_PROFILE,
    BROKEN,
    IGNORED_RANGE,
    NO_ANSWER,
    NO_CREDENTIALS,
    NO_LOGIN,
    NO_REGION,
    Row,
)
from virtual_tiff.sources.object_source import store_error

ROOTS = {"s3": "s3://bucket", "gs": "gs://bucket", "az": "az://bucket", "http": "http://host"}
CODES = {
    *((400, "ExpiredToken"), (400, "AuthorizationHeaderMalformed"), (301, "PermanentRedirect")),
    *((403, "AccessDenied"), (403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch")),
    *((503, "SlowDown"), (429, "TooManyRequests"), (404, "NoSuchBucket")),
    *((code, "InternalError") for code in (500, 502, 504)),
    (401, "AccessDenied"),
}
"""Statuses of S3 and the codes that it gives with them."""


class Refusing(ThreadingHTTPServer):
    """A server that has one answer."""

    status = 403
    code = "Any"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: Icechunk hangs up before an answer has ended."""


class _Handler(BaseHTTPRequestHandler):
    server: Refusing
    wbufsize = -1
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        body = f"<Error><Code>{self.server.code}</Code></Error>".encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_PROPFIND = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[Refusing]:
    refusing = Refusing(("127.0.0.1", 0), _Handler)
    threading.Thread(target=refusing.serve_forever, args=(0.02,), daemon=True).start()
    yield refusing
    refusing.shutdown()
    refusing.server_close()


def store(kind: str, url: str) -> Any:
    once: Any = {"retry_config": {"max_retries": 0}, "client_options": {"allow_http": True}}
    if kind == "s3":
        keys = {"access_key_id": "k", "secret_access_key": "s", "region": "us-east-1"}
        return S3Store("bucket", endpoint=url, **keys, **once)
    if kind == "gs":
        return GCSStore("bucket", google_base_url=url, skip_signature=True, **once)
    if kind == "az":
        return AzureStore("bucket", account_name="a", account_key="a2V5", endpoint=url, **once)
    return HTTPStore.from_url(url, **once)


def storage(kind: str, url: str) -> icechunk.Storage:
    if kind == "s3":
        return icechunk.s3_storage(
            bucket="bucket",
            prefix="p",
            endpoint_url=url,
            allow_http=True,
            force_path_style=True,
            access_key_id="k",
            secret_access_key="s",
            region="us-east-1",
        )
    if kind == "gs":
        config = {"google_base_url": url, "allow_http": "true", "skip_signature": "true"}
        return icechunk.gcs_storage(bucket="bucket", prefix="p", anonymous=True, config=config)
    config = {"azure_storage_endpoint": url, "allow_http": "true"}
    return icechunk.azure_storage(
        account="a", container="bucket", prefix="p", access_key="a2V5", config=config
    )


def failure(kind: str, deed: str, url: str) -> str:
    """Return what is said of an attempt."""
    if deed == "open":
        once = icechunk.StorageSettings(retries=icechunk.StorageRetriesSettings(1, 1, 1))
        config = icechunk.RepositoryConfig(storage=once)
        with pytest.raises(PublishError) as said, icechunk_errors(f"{ROOTS[kind]}/p"):
            icechunk.Repository.open(storage(kind, url), config)
        return str(said.value)
    try:
        if deed == "read":
            store(kind, url).get("k.tif", options={"range": (0, 10)}).bytes()
        else:
            store(kind, url).list("k").collect()
    except Exception as error:
        return str(store_error(error, f"{ROOTS[kind]}/k.tif", deed=deed))
    pytest.fail("the server did not refuse")


ROWS = [
    pytest.param(kind, status, deed, row.words, id=f"{kind}-{status}-{deed}-{n}")
    for n, row in enumerate(ADVICE)
    for kind in row.kinds
    for status in row.statuses
    for deed in row.deeds
    if status not in (BAD_PROFILE, BROKEN, NO_CREDENTIALS, NO_LOGIN, NO_REGION)
    and kind != "file"
    and (kind, deed) != ("http", "open")
    and (status, deed) != (404, "open")  # it is said to a writer: for a reader there is nothing
]


@pytest.mark.parametrize(("kind", "status", "deed", "words"), ROWS)
def test_each_row_is_said(kind: str, status: int, deed: str, words: str, server: Refusing) -> None:
    server.status = status or 403
    server.code = next((code for known, code in sorted(CODES) if known == status), "Any")
    address = f"http://127.0.0.1:{server.server_port if status != NO_ANSWER else 9}"
    message = failure(kind, deed, address)
    assert words in message
    assert message.startswith(ROOTS[kind])
    assert "\n" not in message


@pytest.mark.parametrize(("status", "code"), sorted(CODES))
def test_each_code_of_s3_is_understood(status: int, code: str, server: Refusing) -> None:
    server.status, server.code = status, code
    rows = [row for row in ADVICE if "s3" in row.kinds and status in row.statuses]
    deed = "open" if status != 404 else "read"
    address = f"http://127.0.0.1:{server.server_port}"
    assert any(row.words in failure("s3", deed, address) for row in rows)


def of_status(status: int, kind: str) -> list[Row]:
    return [row for row in ADVICE if kind in row.kinds and status in row.statuses]


@pytest.mark.parametrize("kind", ["s3", "gs", "az"])
def test_no_credentials(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virtual_tiff.sources.access._is_installed", lambda _: False)
    with pytest.raises(PermissionError) as said:
        _Credentials(ROOTS[kind], kind)()
    rows = [row for row in of_status(NO_CREDENTIALS, kind) if "read" in row.deeds]
    assert len(rows) == 2
    assert str(said.value).startswith(f"no credentials for {ROOTS[kind]}; ")
    assert all(row.words in str(said.value) for row in rows)
    passed_on = store_error(ValueError(f"obstore failed: {said.value}"), f"{ROOTS[kind]}/k.tif")
    assert str(passed_on) == str(said.value)


def _refuse_login() -> Any:
    msg = "401 Unauthorized"
    raise ValueError(msg)


@pytest.mark.parametrize("kind", ["s3", "gs", "az"])
def test_a_provider_that_fails(kind: str) -> None:
    account = {"account_name": "a"} if kind == "az" else {}
    store = from_url(f"{ROOTS[kind]}/", credential_provider=_refuse_login, **account)
    with pytest.raises(BaseError) as caught:
        store.get("k.tif")
    (words,) = (row.words for row in ADVICE if NO_LOGIN in row.statuses)
    assert f"401 Unauthorized; {words}" in str(store_error(caught.value, f"{ROOTS[kind]}/k.tif"))


def test_an_answer_of_a_repository_that_ends_early() -> None:
    words = "I/O error: streaming error: error reading a body from connection: end of file"
    lost = pytest.raises(PublishError, match="and nothing is lost; run this again")
    with lost, icechunk_errors("s3://bucket/p"):
        raise icechunk.StorageError(words)


def test_a_storage_that_has_no_name_gets_no_advice_on_files() -> None:
    words = "unhandled error: AccessDenied"
    refused = pytest.raises(PublishError, match=rf"{words}$")
    with refused, icechunk_errors("the storage"):
        raise icechunk.StorageError(words)


def test_a_file_that_may_not_be_read() -> None:
    (words,) = (row.words for row in ADVICE if "file" in row.kinds)
    assert words in str(store_error(PermissionError("denied"), "file:///d/1.tif"))
    assert words in str(store_error(PermissionError("denied"), "d/1.tif"))


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_a_web_server_no_longer_has(status: int, server: Refusing) -> None:
    server.status = status
    address = f"http://127.0.0.1:{server.server_port}/"
    with pytest.raises((BaseError, FileNotFoundError)) as caught:
        store("http", address).head("k.tif")
    said = store_error(caught.value, f"{address}k.tif")
    assert isinstance(said, FileNotFoundError)
    assert "no such object" in str(said)


def test_no_row_is_hidden_by_another() -> None:
    assert len({row.words for row in ADVICE}) == len(ADVICE)
    assert IGNORED_RANGE in {status for row in ADVICE for status in row.statuses}


def test_a_repository_without_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    without_aws(monkeypatch)
    with pytest.raises(PublishError) as said:
        open_published("s3://bucket/cube")
    assert all(row.words in str(said.value) for row in of_status(NO_REGION, "s3"))


def test_a_repository_without_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The options of the command are for the files' stores."""
    without_aws(monkeypatch)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    options = ["--anonymous", "--store-option", "access_key_id=k"]
    assert main(["verify", "s3://bucket/cube", *options]) == 1
    said = capsys.readouterr().err
    rows = [row for row in of_status(NO_CREDENTIALS, "s3") if "open" in row.deeds]
    assert len(rows) == 3
    assert all(row.words in said for row in rows)


_TOKEN = "Error performing token request: Error performing GET http://169.254.169.254/"


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        (
            "s3",
            NO_CREDENTIALS,
            "dispatch failure: other: no providers in chain provided credentials",
        ),
        ("gs", NO_CREDENTIALS, f"Generic GCS error: {_TOKEN}computeMetadata - status code: 403"),
        ("az", NO_CREDENTIALS, f"Generic MicrosoftAzure error: {_TOKEN}metadata - error sending"),
        ("s3", NO_CREDENTIALS, "loading credentials: failed to load IMDS session token: forbidden"),
        ("s3", NO_LOGIN, "an error occurred while loading credentials: the SSO token has expired"),
        ("s3", 404, "service error: NoSuchBucket: The specified bucket does not exist"),
    ],
)
def test_a_repository_that_cannot_be_reached(kind: str, status: int, error: str) -> None:
    words = "; ".join(row.words for row in of_status(status, kind) if "open" in row.deeds)
    with pytest.raises(PublishError) as said, icechunk_errors(f"{ROOTS[kind]}/p"):
        raise icechunk.StorageError(error)
    assert words
    assert str(said.value).endswith(f"{error}; {words}")


def test_a_repository_by_a_profile_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text("[profile other]\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(PublishError, match="check AWS_PROFILE") as said:
        open_published("s3://bucket/cube")
    assert "no server answers" not in str(said.value)
