"""Settings that a repository saves, where it is made and where it is copied to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from support.s3 import S3, SETTINGS, s3_process
from support.scenes import dated, pixels
from virtual_tiff import open_published, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import expire, publish, remove
from virtual_tiff.publishing.repository.settings import suitable_settings

STACK: dict[str, Any] = {"concat": "time", "time": "tag"}


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """A server in its own process: Icechunk holds the lock of Python while it moves references."""
    with s3_process() as server:
        yield server


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("scenes")
    return [dated(folder / f"{n}.tif", f"2023-01-0{n + 1}", n) for n in range(4)]


def on_s3(s3: S3, prefix: str) -> icechunk.Storage:
    return icechunk.s3_storage(
        bucket=s3.bucket,
        prefix=prefix,
        endpoint_url=s3.endpoint,
        allow_http=True,
        force_path_style=True,
        **SETTINGS,
    )


def saved(storage: icechunk.Storage) -> tuple[bool | None, bool | None, int | None]:
    config = icechunk.Repository.fetch_config(storage)
    assert config is not None
    settings = config.storage
    assert settings is not None
    tries = settings.retries and settings.retries.max_tries
    return settings.unsafe_use_conditional_update, settings.unsafe_use_metadata, tries


def copied(place: Path, s3: S3, prefix: str) -> icechunk.Storage:
    """Copy a repository of a disk to a bucket, key by key."""
    for path in place.rglob("*"):
        if path.is_file():
            s3.upload(path, f"{prefix}/{path.relative_to(place).as_posix()}")
    return on_s3(s3, prefix)


def test_a_new_repository_repeats_what_fails(scenes: list[Path], tmp_path: Path) -> None:
    publish(scenes[:2], tmp_path / "cube", **STACK)
    local = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    assert saved(local) == (False, False, 10)


@pytest.mark.long
def test_a_copy_in_a_bucket_gets_settings_that_lose_no_commit(
    scenes: list[Path], tmp_path: Path, s3: S3
) -> None:
    publish(scenes[:2], tmp_path / "cube", **STACK)
    for n, write in enumerate(
        (
            lambda place: publish(scenes[2:3], place, append=True, **STACK),
            lambda place: publish(scenes[:2], place, append=True, **STACK),  # nothing is new
            lambda place: remove(scenes[:1], place),
        )
    ):
        storage = copied(tmp_path / "cube", s3, f"test_settings/{n}")
        assert saved(storage) == (False, False, 10)
        write(storage)
        assert saved(storage) == (True, True, 10)
    # and back on a disk, which has no conditional writes
    back = tmp_path / "back"
    for meta in s3.store().list("test_settings/0").collect():
        path = back / meta["path"].removeprefix("test_settings/0/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(s3.store().get(meta["path"]).bytes()))
    publish(scenes[3:], back, append=True, **STACK)
    assert saved(icechunk.local_filesystem_storage(str(back)))[:2] == (False, False)
    group: Any = zarr.open_group(open_published(back), mode="r")
    np.testing.assert_array_equal(group["0"][...], np.stack([pixels(path) for path in scenes]))


@pytest.mark.long
def test_who_verifies_is_told(
    scenes: list[Path], tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    publish(scenes[:2], tmp_path / "cube", **STACK)
    assert verify(tmp_path / "cube").remarks == ()
    storage = copied(tmp_path / "cube", s3, "test_settings/verify.zarr")
    (remark,) = verify(storage).remarks
    assert "made on a disk and copied" in remark
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    assert main(["verify", s3.url("test_settings/verify.zarr")]) == 0
    assert "the commit of one can be lost" in capsys.readouterr().out
    for name in ("test_settings/verify.zarr", "test_settings/verify.zarr/"):
        assert main(["info", s3.url(name)]) == 0
        shown = capsys.readouterr().out
        assert "an Icechunk repository" in shown
        assert f"{scenes[0].parent.as_uri()}/" in shown
        assert "the commit of one can be lost" in shown
    expire(s3.url("test_settings/verify.zarr"), older_than=timedelta(days=2))
    assert verify(storage).remarks == ()


@pytest.mark.long
def test_an_earlier_version_saved_that_nothing_is_repeated(
    scenes: list[Path], tmp_path: Path
) -> None:
    """A reader of remote sources would fail at the first 429."""
    place = tmp_path / "cube"
    publish(scenes[:2], place, **STACK)
    storage = icechunk.local_filesystem_storage(str(place))
    config = icechunk.Repository.fetch_config(storage)
    assert config is not None
    config.storage = icechunk.StorageSettings(retries=icechunk.StorageRetriesSettings(1, 0, 0))
    icechunk.Repository.open(storage, config).save_config()
    assert saved(storage)[2] == 1
    settings = open_published(place).session.config.storage
    assert settings is not None
    assert settings.retries is not None
    assert settings.retries.max_tries == 10
    publish(scenes[2:3], place, append=True, **STACK)
    assert saved(storage)[2] == 10


@pytest.mark.long
def test_a_repository_whose_readers_try_once_says_so(
    s3: S3, scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Of sources over a network; those of a disk need no second try."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    urls = [s3.upload(path, f"tries/{path.name}") for path in scenes[:2]]
    for sources, place in ((urls, tmp_path / "remote"), (scenes[:2], tmp_path / "local")):
        publish(sources[:1], place, **STACK)
        storage = icechunk.local_filesystem_storage(str(place))
        config = icechunk.Repository.fetch_config(storage)
        assert config is not None
        config.storage = icechunk.StorageSettings(retries=icechunk.StorageRetriesSettings(1, 0, 0))
        icechunk.Repository.open(storage, config).save_config()
        for command in (["verify"], ["info"], ["access"]):
            assert main([*command, str(place)]) == 0
            assert ("max_tries 1" in capsys.readouterr().out) == (sources is urls)
        publish(sources[1:], place, append=True, **STACK)
        assert verify(place).remarks == ()


def test_what_a_user_says_of_a_store_without_conditional_writes_stays() -> None:
    storage = icechunk.s3_storage(bucket="b", prefix="p", region="us-east-1")
    by_user = icechunk.StorageSettings(unsafe_use_conditional_update=False)
    assert suitable_settings(storage, by_user) is None
    assert suitable_settings(storage, None) is None
    assert suitable_settings(storage, storage.default_settings()) is None
