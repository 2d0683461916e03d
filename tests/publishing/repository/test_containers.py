"""Containers of Icechunk: where references may lead, and how their objects are read."""

from __future__ import annotations

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
)
from virtual_tiff.publishing.repository.target import target_of
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
    store, path = stores.resolve("gs://bucket/a/1.tif")
    assert type(store).__name__ == "GCSStore"
    assert store.config["skip_signature"]
    assert path == "a/1.tif"


def test_who_pays_for_requests_is_known_from_the_container() -> None:
    store = icechunk.s3_store(region="eu-west-1", requester_pays=True)
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer("s3://bucket/a/", store))
    source, _ = SourceStores(config, {"access_key_id": "a", "secret_access_key": "b"}).resolve(
        "s3://bucket/a/1.tif"
    )
    assert source.config["region"] == "eu-west-1"
    assert source.config["request_payer"]


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
