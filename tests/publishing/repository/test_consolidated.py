"""Consolidated metadata: readers over plain HTTP, who can list nothing, find all arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import zarr
from obstore.store import HTTPStore

from support.http import HttpServer
from support.node import export_zarr
from support.scenes import dated, pixels, scene
from virtual_tiff.publishing import publish
from virtual_tiff.publishing.removal import remove
from virtual_tiff.publishing.repository import consolidated
from virtual_tiff.publishing.repository.consolidated import consolidated_members


def members(result: Any) -> dict[str, Any]:
    return consolidated_members(result.repository.readonly_session("main").store)


def actual(result: Any) -> dict[str, Any]:
    """The same from each node, as Icechunk lists them."""
    store = result.repository.readonly_session("main").store
    nodes = zarr.open_group(store, mode="r").members(max_depth=None)
    metadata = {path: node.metadata for path, node in nodes if not path.startswith("_virtual_tiff")}
    return {path: json.loads(json.dumps(each.to_dict())) for path, each in metadata.items()}


def check(result: Any) -> None:
    """All nodes are there, but for the ledger, and say what they say themselves."""
    expected = actual(result)
    assert members(result).keys() == expected.keys()
    for path, metadata in members(result).items():
        for name in ("node_type", "attributes", "shape", "dimension_names"):
            known = expected[path].get(name)
            assert metadata.get(name) == (list(known) if isinstance(known, tuple) else known), path


@pytest.mark.long
def test_each_run_writes_it_anew(tmp_path: Path) -> None:
    days = ("2023-01-01", "2023-01-02", "2023-01-03")
    files = [dated(tmp_path / f"{day}.tif", day, n) for n, day in enumerate(days)]
    target = tmp_path / "cube"
    options: Any = {"concat": "time", "time": "tag"}
    check(publish(files[1:2], target, **options))
    check(publish(files[2:], target, append=True, time="tag"))
    check(publish(files[:1], target, append=True, time="tag"))  # in front: all is arranged anew
    result: Any = remove([str(files[1])], target)
    check(result)
    assert members(result)["0"]["shape"][0] == 2


@pytest.mark.long
def test_xarray_reads_over_http(tmp_path: Path) -> None:
    path = dated(tmp_path / "a.tif", "2023-01-01")
    done = publish([path], tmp_path / "cube", concat="time", time="tag")
    folder = export_zarr(done.repository.readonly_session("main").store, tmp_path / "plain")
    with HttpServer(folder) as server:
        http = HTTPStore(server.url, client_options={"allow_http": True})
        store = zarr.storage.ObjectStore(http, read_only=True)
        with xr.open_zarr(store, chunks=None) as ds:
            assert list(ds.data_vars) == ["0"]
            assert ds["0"][0].values.tolist() == pixels(path).tolist()
        assert server.count("GET", "zarr.json") <= 2


@pytest.mark.long
def test_a_repository_with_very_many_groups_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [scene(tmp_path / f"{n}.tif", n) for n in range(4)]
    check(publish(files[:3], tmp_path / "cube"))
    monkeypatch.setattr(consolidated, "_MOST_MEMBERS", 4)
    assert members(publish(files[3:], tmp_path / "cube", append=True)) == {}
    monkeypatch.undo()
    monkeypatch.setattr(consolidated, "_MOST_BYTES", 20_000)
    check(publish(files[:1], "memory://"))
    assert members(publish(files, "memory://")) == {}
