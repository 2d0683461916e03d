"""`open_published`: what it authorises, and what it refuses."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import xarray
import zarr

from support.http import HttpServer
from support.made import publish_made
from support.published import (
    file_container,
    http_container,
    publish_one,
    s3_container,
    s3_options,
    with_ledger,
)
from support.s3 import S3
from virtual_tiff import open_published, publish
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.reading import workers
from virtual_tiff.publishing.repository import containers

PLAIN = Path(__file__).parents[3] / "testdata" / "special" / "strips_many.tif"
"""A file without compression, whose codecs need not be told."""
GEOREFERENCED = min((PLAIN.parents[1] / "series").glob("*.tif"))


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def pixels() -> Any:
    with rasterio.open(PLAIN) as dataset:
        return dataset.read(1)


def first(store: Any) -> Any:
    array: Any = zarr.open_group(store, mode="r")["0"]
    return np.asarray(array[...])


async def kept(folder: Path, url: str, containers: Any, **options: Any) -> Path:
    """The repository of one file, in a folder; opened anew it knows no access."""
    repository = await publish_one(url, containers, storage=folder, **options)
    assert repository is not None
    return folder


async def test_local_files_are_opened(tmp_path: Path) -> None:
    path = Path(shutil.copy2(PLAIN, tmp_path))
    place = await kept(tmp_path / "cube", path.as_uri(), file_container(str(tmp_path)))
    for given in (place, str(place), icechunk.local_filesystem_storage(str(place))):
        np.testing.assert_array_equal(first(open_published(given)), pixels())


async def test_a_small_chunk_is_one_request(tmp_path: Path, http_server: HttpServer) -> None:
    """The repository was saved with Icechunk's own settings: five requests a chunk."""
    url = http_server.put("a.tif", PLAIN.read_bytes())
    place = await kept(tmp_path / "cube", url, http_container(http_server))
    group = zarr.open_group(open_published(place), mode="r")
    http_server.requests.clear()
    array: Any = group["0"]
    np.testing.assert_array_equal(array[...], pixels())
    assert http_server.gets == array.nchunks


def test_zarr_makes_more_requests_at_once_unless_the_user_has_set_it() -> None:
    default = zarr.config.defaults[0]["async"]["concurrency"]
    repository = with_ledger({})
    with zarr.config.set({"async.concurrency": default}):
        open_published(repository)
        assert zarr.config.get("async.concurrency") == 64
    for own in (3, 200):
        with zarr.config.set({"async.concurrency": own}):
            open_published(repository)
            assert zarr.config.get("async.concurrency") == own


async def test_s3_with_keys(tmp_path: Path, s3: S3) -> None:
    s3.upload(PLAIN, "test_open/a.tif")
    place = await kept(
        tmp_path / "cube", s3.url("test_open/a.tif"), s3_container(s3), options=s3_options(s3)
    )
    keys = {"access_key_id": "testing", "secret_access_key": "testing"}
    np.testing.assert_array_equal(first(open_published(place, store_options=keys)), pixels())
    given = {s3.url(): icechunk.s3_credentials(**keys)}
    np.testing.assert_array_equal(first(open_published(place, credentials=given)), pixels())


@pytest.mark.parametrize(
    ("prefix", "anonymous", "options", "kind"),
    [
        ("s3://b/", True, {}, "Anonymous"),
        ("s3://b/", False, {}, "FromEnv"),
        ("s3://b/", False, {"skip_signature": "true"}, "Anonymous"),
        ("s3://b/", True, {"skip_signature": False}, "FromEnv"),
        ("s3://b/", True, {"access_key_id": "a", "secret_access_key": "b"}, "Static"),
        ("gs://b/", False, {}, "FromEnv"),
        ("gs://b/", False, {"skip_signature": True}, "Anonymous"),
        ("az://b/", False, {}, "FromEnv"),
        ("https://h/", False, {}, "HttpAccess"),
        ("file:///d/", False, {}, "LocalFileSystemAccess"),
    ],
)
def test_access_is_that_of_the_publisher(
    prefix: str,
    anonymous: bool,
    options: dict[str, Any],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("GOOGLE_BEARER_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY"):
        monkeypatch.setenv(name, "a2V5")  # else Google's and Azure's packages are asked
    store = icechunk.s3_store(region="x", anonymous=anonymous)
    credentials = containers._with_access(prefix, store, options).credentials
    assert kind in type(credentials).__name__


async def test_branch_tag_and_snapshot(tmp_path: Path) -> None:
    repository = with_ledger({}, tmp_path / "cube")
    snapshot = repository.lookup_branch("main")
    repository.create_tag("v1", snapshot)
    for options in ({"tag": "v1"}, {"snapshot": snapshot}, {"branch": "main"}):
        assert open_published(repository, **options).session.snapshot_id == snapshot


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tag": "v2"}, "the repository has no tag 'v2'; it has none"),
        ({"branch": "x", "tag": "y"}, "give one of branch, tag and snapshot"),
        ({"snapshot": "nonsense"}, "the repository has no snapshot 'nonsense'"),
        ({"store_options": {"region": "x"}}, "region: no such store option"),
        (
            {"credentials": {"s3://b/": None}},
            "the repository has no container s3://b/; its containers are none",
        ),
    ],
)
def test_wrong_ways_to_open(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with_ledger({}, tmp_path / "cube")
    with pytest.raises(ValueError, match=words):
        open_published(tmp_path / "cube", **options)


def test_an_open_repository_takes_no_credentials() -> None:
    with pytest.raises(ValueError, match="open already"):
        open_published(with_ledger({}), store_options={"skip_signature": True})


def test_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="there is no Icechunk repository"):
        open_published(tmp_path / "nowhere")


async def test_references_without_a_container(tmp_path: Path, http_server: HttpServer) -> None:
    url = http_server.put("a.tif", PLAIN.read_bytes())
    place = await kept(tmp_path / "cube", url, http_container(http_server), save=False)
    with pytest.raises(PublishError, match="no virtual chunk container is saved"):
        open_published(place)


@pytest.mark.long
def test_coordinates_are_preloaded_whatever_their_names(tmp_path: Path) -> None:
    """And after many variables: a session fetches their manifests before it is asked for them."""
    (tmp_path / "files").mkdir()
    for variable in range(52):
        shutil.copy2(GEOREFERENCED, tmp_path / "files" / f"v{variable}_1.tif")
    publish(
        tmp_path / "files",
        tmp_path / "cube",
        concat="run",
        values=r"_(\d)\.tif",
        variable=r"(v\d+)_",
    )
    with HttpServer(tmp_path / "cube") as server:

        def manifests() -> int:
            return sum(request.path.startswith("manifests/") for request in server.requests)

        repository = icechunk.Repository.open(icechunk.http_storage(server.url))
        session = repository.readonly_session("main")
        deadline = time.monotonic() + 20
        while manifests() < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert manifests() == 3  # of run, y and x
        group = zarr.open_group(session.store, mode="r")
        for name in ("run", "y", "x"):
            assert len(np.asarray(group[name]))
        assert manifests() == 3
        chunk: Any = group["v51"]
        with pytest.raises(icechunk.IcechunkError):  # nobody has authorised it
            chunk[0, 0, 0]
        assert manifests() == 4


@pytest.mark.long
def test_the_first_pixel_of_many_references_costs_one_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the requests of a reader who opens the repository from a web server."""
    monkeypatch.setattr(workers, "parse_one", workers.parse_one)  # it is put back
    published = publish_made(tmp_path, 200, 1024)
    assert published.references == 204_800
    with HttpServer(tmp_path / "cube") as server:
        repository = icechunk.Repository.open(icechunk.http_storage(server.url))
        store = repository.readonly_session("main").store
        dataset = xarray.open_zarr(store, chunks=None, consolidated=False)
        assert dataset["0"].shape == (200, 512, 512)
        with pytest.raises(icechunk.IcechunkError):  # nobody has authorised its file
            np.asarray(dataset["0"][77, 3, 3])
        sizes = [each.size for each in server.requests if each.path.startswith("manifests/")]
        assert len(sizes) == 4  # of time, y, x and the date
        assert max(sizes) < 600_000
        assert len(server.requests) <= 16
        assert server.sent < 1_000_000
