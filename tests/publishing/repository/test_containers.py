"""Containers of Icechunk: where references may lead, and how their objects are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import icechunk
import pytest
from obstore.store import AzureStore

from support.locations import locate
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.repository import target
from virtual_tiff.publishing.repository.containers import (
    Container,
    SourceStores,
    config_with,
    containers_of,
    saved_containers,
    saved_options,
)
from virtual_tiff.publishing.repository.target import target_of
from virtual_tiff.sources.access import is_true, kind_of, plain_options, with_saved
from virtual_tiff.sources.locations import Location


def made(*urls: str, **options: Any) -> tuple[Container, ...]:
    return containers_of(locate(list(urls), options), options)


def test_containers_of_google_cloud_storage() -> None:
    (container,) = made("gs://bucket/a/b/1.tif", "gs://bucket/a/c/2.tif")
    assert container.prefix == "gs://bucket/a/"
    assert isinstance(container.store, type(icechunk.gcs_store()))
    assert container.code == "icechunk.gcs_credentials(from_env=True)"
    (again,) = saved_containers(config_with([container]), {})
    assert (again.prefix, again.code) == (container.prefix, container.code)


def test_containers_of_azure() -> None:
    store = AzureStore("container", account_name="account")
    url = "az://container/a/1.tif"
    location = Location(name=url, url=url, store=store, path="a/1.tif")
    (container,) = containers_of([location], {})
    assert container.prefix == "az://container/a/"
    assert container.code == "icechunk.azure_credentials(from_env=True)"


def test_options_of_a_cloud_that_is_not_s3_are_passed_on() -> None:
    options = {"skip_signature": True}
    (container,) = made("gs://bucket/a/1.tif")
    stores = SourceStores(config_with([container]), options)
    at = stores.locate("gs://bucket/a/1.tif")
    assert type(at.store).__name__ == "GCSStore"
    assert at.store.config["skip_signature"]
    assert at.path == "a/1.tif"


def test_who_pays_for_requests_is_known_from_the_container() -> None:
    store = icechunk.s3_store(region="eu-west-1", requester_pays=True)
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer("s3://bucket/a/", store))
    stores = SourceStores(config, {"access_key_id": "a", "secret_access_key": "b"})
    source = stores.locate("s3://bucket/a/1.tif").store
    assert source.config["region"] == "eu-west-1"
    assert source.config["request_payer"] == "true"


def prefixes(*urls: str, known: Sequence[str] = (), **options: Any) -> list[str]:
    saved = [container for prefix in known for container in made(f"{prefix}0.tif")]
    made_of = containers_of(locate(list(urls), options), options, saved)
    return [container.prefix for container in made_of]


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (["file:///a/b/1.tif"], ["file:///a/b/"]),
        (["file:///a/b/1.tif", "file:///a/b/2.tif"], ["file:///a/b/"]),
        (["file:///a/b/1.tif", "file:///a/c/d/2.tif"], ["file:///a/"]),
        (["file:///a/b/1.tif", "file:///c/b/2.tif"], ["file:///a/b/", "file:///c/b/"]),
        (["file:///a/b/1.tif", "file:///a/b c/2.tif"], ["file:///a/"]),
        (["file:///a/b%20c/d/1.tif"], ["file:///a/"]),  # of percents Icechunk finds none again
        (["https://h/a/1.tif", "https://h/b/2.tif"], ["https://h/"]),
        (["https://h/a/1.tif", "http://h/a/2.tif"], ["https://h/a/", "http://h/a/"]),
        (["https://h/a/1.tif", "https://g/a/2.tif"], ["https://h/a/", "https://g/a/"]),
        (["https://h/1.tif"], ["https://h/"]),
        (["https://h/a%20b/1.tif"], ["https://h/"]),
        (["s3://b/a/1.tif", "s3://b/ab/2.tif"], ["s3://b/"]),
        (["s3a://b/a/1.tif", "s3://b/a/2.tif"], ["s3://b/a/"]),
        (["s3://b/a/1.tif", "s3://b/a/c/2.tif", "s3://c/3.tif"], ["s3://b/a/", "s3://c/"]),
    ],
)
def test_a_container_for_each_bucket_host_or_directory(
    urls: list[str], expected: list[str]
) -> None:
    assert prefixes(*urls) == expected


def test_files_below_a_saved_container_need_no_other() -> None:
    urls = ("s3://b/a/1.tif", "s3://b/a/c/2.tif")
    assert prefixes(*urls, known=["s3://b/a/"]) == []
    assert prefixes(*urls, known=["s3://b/a/c/"]) == ["s3://b/a/"]
    assert prefixes(*urls, known=["s3://b/c/", "s3://b/a/c/"]) == ["s3://b/a/"]


@pytest.mark.parametrize("url", ["file:///1.tif", "file:///a%20b/1.tif"])
def test_files_below_the_root_alone_are_refused(url: str) -> None:
    with pytest.raises(PublishError, match=r"1\.tif: Icechunk reads local files only below a dir"):
        prefixes(url)


S3_OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "none": ({}, {"anonymous": False, "force_path_style": False, "endpoint_url": None}),
    "a region": ({"region": "x"}, {"region": "x"}),
    "unsigned": ({"skip_signature": "on"}, {"anonymous": True}),
    "a service": (
        {"endpoint": "https://h"},
        {
            "endpoint_url": "https://h", "allow_http": False, "force_path_style": True,
        },
    ),
    "a service without TLS": ({"endpoint": "http://h:9"}, {"allow_http": True}),
    "buckets in the names of hosts": (
        {"endpoint": "https://h", "virtual_hosted_style_request": True},
        {"force_path_style": False, "endpoint_url": "https://h"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", S3_OPTIONS)
def test_containers_of_s3_know_the_service(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    options, expected = S3_OPTIONS[how]
    (container,) = made("s3://b/a/1.tif", **options)
    settings = container.store._0
    assert {name: getattr(settings, name) for name in expected} == expected


def test_the_code_for_readers_has_no_secret() -> None:
    secrets = {"access_key_id": "hush", "secret_access_key": "hush", "session_token": "hush"}
    (container,) = made("s3://b/a/1.tif", **secrets)
    assert container.code == "icechunk.s3_credentials(from_env=True)"
    assert "Static" in type(container.credentials).__name__
    saved = config_with([container])
    assert "hush" not in repr(saved)
    (unsigned,) = saved_containers(saved, {"skip_signature": True})
    assert unsigned.code == "icechunk.s3_credentials(anonymous=True)"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file:///a/1.tif", "LocalFileSystemAccess"),
        ("http://h/a/1.tif", "HttpAccess"),
        ("https://h/a/1.tif", "HttpAccess"),
    ],
)
def test_files_and_servers_need_no_credentials(url: str, name: str) -> None:
    (container,) = made(url)
    assert container.code == f"icechunk.credentials.{name}"
    assert container.credentials is getattr(icechunk.credentials, name)
    (again,) = saved_containers(config_with([container]), {})
    assert (again.prefix, again.code) == (container.prefix, container.code)


@pytest.mark.parametrize(
    ("value", "true"),
    [
        (True, True), ("True", True), ("1", True), (1, True), ("yes", True), ("on", True),
        ("Y", True), (False, False), ("0", False), ("no", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_switches_are_read_as_obstore_reads_them(value: Any, true: bool) -> None:
    assert is_true(value) == true


def options_of(root: str, options: dict[str, Any], *saved: Container) -> dict[str, Any]:
    options = SourceStores(config_with(saved), options)._options_of(root)
    return with_saved(options, saved_options(saved).get(root, {}), kind_of(root))


SERVICE = Container(
    prefix="s3://b/a/", credentials=None, code="",
    store=icechunk.s3_store(
        region="eu", endpoint_url="https://h", anonymous=True, force_path_style=True
    ),
)  # fmt: skip


def test_sources_are_asked_with_what_their_container_knows() -> None:
    known = {
        "region": "eu", "endpoint": "https://h", "virtual_hosted_style_request": False,
        "skip_signature": True, "request_payer": False,
    }  # fmt: skip
    assert options_of("s3://b", {}, SERVICE) == known
    assert options_of("s3://b2", {}, SERVICE) == {}
    assert options_of("s3://b", {"timeout": "1s"}, SERVICE) == known | {"timeout": "1s"}


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        ({"region": "x"}, ["region"]),
        ({"aws_region": "x"}, ["region"]),
        ({"endpoint": "http://x"}, ["endpoint", "virtual_hosted_style_request"]),
        ({"aws_endpoint_url": "http://x"}, ["endpoint", "virtual_hosted_style_request"]),
        ({"secret_access_key": "x", "access_key_id": "y"}, ["skip_signature"]),
        ({"skip_signature": False}, []),
    ],
)
def test_options_go_before_what_a_container_knows(
    given: dict[str, Any], lacking: list[str]
) -> None:
    known = options_of("s3://b", {}, SERVICE)
    expected = {name: value for name, value in known.items() if name not in lacking}
    plain = plain_options(given)
    plain = {{"endpoint_url": "endpoint"}.get(name, name): value for name, value in plain.items()}
    assert options_of("s3://b", given, SERVICE) == expected | plain


def test_options_of_buckets_are_not_for_servers_beside_them() -> None:
    options = {"region": "x", "timeout": "1s"}
    assert options_of("file://", options, SERVICE) == {}
    assert options_of("https://h", options, SERVICE) == {"timeout": "1s"}
    # without a bucket nothing is left out, so that a wrong option is an error
    (server,) = made("https://h/a/1.tif")
    assert options_of("https://h", options, server) == options
    (local,) = made("file:///a/1.tif")
    assert options_of("http://h", options, server, local) == options
    assert options_of("gs://b", options, SERVICE) == options


def test_a_host_has_one_store() -> None:
    (server,) = made("https://h/a/1.tif")
    stores = SourceStores(config_with([server]), {})
    one = stores.locate("https://h/a/1.tif")
    assert one.store is stores.locate("https://h/b/2.tif").store
    assert one.path == "a/1.tif"
    assert stores.locate("https://g/a/1.tif").store is not one.store
    with pytest.raises(ValueError, match="region"):
        SourceStores(config_with([server]), {"region": "x"}).locate("https://h/a/1.tif")


def test_small_reads_are_one_request_and_manifests_are_split() -> None:
    config = config_with([], splits={"time": 128, "y": 64})
    assert config.storage is not None
    concurrency = config.storage.concurrency
    assert concurrency is not None
    assert concurrency.ideal_concurrent_request_size == 8 * 1024 * 1024
    assert concurrency.max_concurrent_requests_for_object == 5
    text = repr(config.manifest)
    for part in ("^time$", "128", "^y$", "64"):
        assert part in text
    # what is saved already stays as it is
    saved = icechunk.RepositoryConfig.default()
    assert config_with([], saved, splits={"y": 5}) is saved
    assert saved.storage is None


# ------------------------------------------------------------------------------ the target


def test_a_repository_in_azure_needs_the_name_of_an_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="needs the name of the account in the environment"):
        target_of("az://container/cube")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "account")
    assert target_of("az://container/cube").name == "az://container/cube"


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(PublishError, match=r"cube: .*file/a cannot be made: Not a directory"),
        target._parents_of(tmp_path / "file" / "a" / "cube", "cube"),
    ):
        pass


def test_a_folder_that_is_there_is_no_error_however_the_system_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of / some systems say that it is a directory, or that it cannot be written to."""
    mkdir = Path.mkdir

    def refuses(path: Path, *arguments: Any, **options: Any) -> None:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory", str(path))
        mkdir(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuses)
    with target._parents_of(tmp_path / "a" / "b" / "cube", "cube"):
        assert (tmp_path / "a" / "b").is_dir()
