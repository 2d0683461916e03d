"""Adding to a repository: what is new, what is there, what has changed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from support.http import HttpServer
from support.scenes import commits, dataset_of, dated, group_of, pixels, read, scene
from virtual_tiff.publishing import Published, PublishError, publish


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


@pytest.fixture
def scenes(tmp_path: Path) -> list[Path]:
    """Four days, in order; old enough that a rewritten one has another time."""
    found = []
    for i in range(4):
        path = dated(tmp_path / "scenes" / f"day{i}.tif", f"2023-01-0{i + 1}", seed=i)
        os.utime(path, (time.time() - 1000,) * 2)
        found.append(path)
    return found


def run(files: Any, cube: Path, **options: Any) -> Published:
    settings = {"concat": "time", "time": "tag", "append": True} | options
    return publish(files, cube, **settings)


def ledger(published: Published) -> dict[str, list[Any]]:
    group: Any = group_of(published)["_virtual_tiff"]
    return {name: array[...].tolist() for name, array in group.arrays()}


@pytest.mark.long
def test_new_files_go_to_the_end(scenes: list[Path], tmp_path: Path) -> None:
    run(scenes[:2], tmp_path / "cube")
    published = run(scenes, tmp_path / "cube")
    assert (published.files, published.unchanged) == (2, 2)
    assert commits(published) == ["2 TIFFs along time", "2 TIFFs along time"]
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes]))
    once = publish(scenes, "memory://", concat="time", time="tag")
    for one, other in ((dataset_of(published), dataset_of(once)),):
        assert one.identical(other)


def test_twice_is_once(scenes: list[Path], tmp_path: Path) -> None:
    first = run(scenes, tmp_path / "cube")
    again = run(scenes, tmp_path / "cube")
    assert not again.new
    assert again.snapshot == first.snapshot
    assert (again.files, again.unchanged, again.changed) == (0, 4, ())
    assert len(commits(again)) == 1
    assert again.how_to_open == first.how_to_open


def test_one_place_twice(scenes: list[Path], tmp_path: Path) -> None:
    run(scenes[:2], tmp_path / "cube")
    twin = dated(tmp_path / "scenes" / "twin.tif", "2023-01-02")
    with pytest.raises(
        PublishError,
        match=r"twin\.tif: another file is published already",
    ):
        run(twin, tmp_path / "cube")


def rewrite(path: Path, day: str, seed: int, **options: Any) -> None:
    dated(path, day, seed, **options)
    os.utime(path, (time.time() - 100,) * 2)


def test_changed_files_are_reported_and_left(scenes: list[Path], tmp_path: Path) -> None:
    run(scenes, tmp_path / "cube")
    rewrite(scenes[1], "2023-01-02", seed=77)
    published = run(scenes, tmp_path / "cube")
    assert not published.new
    assert published.changed == (f"file://{scenes[1]}",)
    assert published.unchanged == 3
    with pytest.raises(icechunk.IcechunkError, match="has changed"):
        read(published)


@pytest.mark.long
def test_changed_files_are_replaced_on_request(scenes: list[Path], tmp_path: Path) -> None:
    run(scenes[:3], tmp_path / "cube")
    rewrite(scenes[1], "2023-01-02", seed=77)
    published = run(scenes, tmp_path / "cube", replace_changed=True)
    assert published.replaced == (f"file://{scenes[1]}",)
    assert (published.files, published.unchanged) == (2, 2)
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes]))
    times = dataset_of(published)["time"].values.astype("M8[us]").astype(int).tolist()
    assert [json.loads(text) for text in ledger(published)["coordinates"]] == [[t] for t in times]
    assert ledger(published)["size"] == [path.stat().st_size for path in scenes]
    assert not run(scenes, tmp_path / "cube").new


@pytest.mark.long
def test_chunks_that_a_changed_file_has_no_more_are_missing(tmp_path: Path) -> None:
    paths = [dated(tmp_path / "s" / f"{i}.tif", f"2023-01-0{i + 1}", i, nodata=0) for i in (0, 1)]
    for path in paths:
        os.utime(path, (time.time() - 1000,) * 2)
    run(paths, tmp_path / "cube")
    import rasterio

    profile = rasterio.open(paths[0]).profile | {"SPARSE_OK": True}
    with rasterio.open(paths[0], "w", **profile) as dataset:
        dataset.update_tags(TIFFTAG_DATETIME="2023:01:01 10:15:00")
        dataset.write(np.full((1, 32, 32), 5, "u2"), window=((0, 32), (0, 32)))
    os.utime(paths[0], (time.time() - 100,) * 2)
    published = run(paths, tmp_path / "cube", replace_changed=True)
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in paths]))
    assert (read(published)[0, 32:] == 0).all()


@pytest.mark.long
def test_a_changed_file_of_another_day(scenes: list[Path], tmp_path: Path) -> None:
    """It goes to its new place, before and after those that stay."""
    run(scenes[:3], tmp_path / "cube")
    for day, order in (("2023-01-05", (0, 2, 1)), ("2022-12-05", (1, 0, 2))):
        rewrite(scenes[1], day, seed=77)
        published = run(scenes[:3], tmp_path / "cube", replace_changed=True)
        assert published.replaced == (f"file://{scenes[1]}",)
        expected = np.stack([pixels(scenes[n]) for n in order])
        np.testing.assert_array_equal(read(published), expected)
        fresh = publish(scenes[:3], "memory://", concat="time", time="tag")
        assert dataset_of(published).identical(dataset_of(fresh))


def test_files_that_do_not_fit_on_what_is_published(scenes: list[Path], tmp_path: Path) -> None:
    run(scenes[:2], tmp_path / "cube")
    dated(scenes[2], "2023-01-03", predictor=2)
    with pytest.raises(PublishError) as caught:
        run(scenes, tmp_path / "cube")
    assert str(caught.value).splitlines()[:2] == [
        "the files cannot be added to what is published:",
        f"  {scenes[2]}: array 0: Predictor 2, the others 1",
    ]


@pytest.mark.long
def test_attributes_become_coordinates_when_they_differ(tmp_path: Path) -> None:
    """What all files had until now is a column from now on, with the old values before."""
    tags = [{"cloud": "3", "sensor": "A"}, {"cloud": "3", "sensor": "A"}, {"cloud": "7"}]
    files = [
        dated(tmp_path / "s" / f"{i}.tif", f"2023-01-0{i + 1}", i, tags=own)
        for i, own in enumerate(tags)
    ]
    first = run(files[:2], tmp_path / "cube")
    assert {"cloud", "sensor"} <= set(group_of(first)["0"].attrs)
    dataset = dataset_of(run(files, tmp_path / "cube"))
    assert {"cloud", "sensor"} <= set(dataset.coords)
    assert dataset["sensor"].values.tolist() == ["A", "A", ""]
    assert dataset["cloud"].values.tolist()[:2] == ["3", "3"]
    assert dataset.identical(dataset_of(publish(files, "memory://", concat="time", time="tag")))


@pytest.mark.long
def test_gaps_of_a_variable_are_filled_later(tmp_path: Path) -> None:
    options = {"time": None, "values": r"_(\d)_", "variable": r"_(B\d)\."}
    files = {
        (day, band): scene(tmp_path / "s" / f"s_{day}_{band}.tif", day * 10 + i)
        for day in (1, 2)
        for i, band in enumerate(("B1", "B2"))
    }
    some = [path for key, path in files.items() if key != (1, "B2")]
    published = run(some, tmp_path / "cube", **options)
    assert published.missing == 1
    assert (read(published, "B2")[0] == 0).all()
    published = run(list(files.values()), tmp_path / "cube", **options)
    assert (published.files, published.missing) == (1, 0)
    for band in ("B1", "B2"):
        expected = np.stack([pixels(files[day, band]) for day in (1, 2)])
        np.testing.assert_array_equal(read(published, band), expected)


@pytest.mark.long
def test_without_coordinates_files_are_counted(scenes: list[Path], tmp_path: Path) -> None:
    options = {"time": None, "concat": "n"}
    run(scenes[2:], tmp_path / "cube", **options)
    published = run(scenes, tmp_path / "cube", **options)
    order = [2, 3, 0, 1]
    np.testing.assert_array_equal(read(published), np.stack([pixels(scenes[i]) for i in order]))


@pytest.mark.long
def test_groups_are_added(scenes: list[Path], tmp_path: Path) -> None:
    options = {"concat": None, "time": None}
    run(scenes[:2], tmp_path / "cube", **options)
    published = run(scenes, tmp_path / "cube", **options)
    assert (published.files, published.unchanged) == (2, 2)
    for path in scenes:
        np.testing.assert_array_equal(read(published, f"{path.stem}/0"), pixels(path))
    rewrite(scenes[0], "2023-01-01", seed=9)
    published = run(scenes, tmp_path / "cube", replace_changed=True, **options)
    np.testing.assert_array_equal(read(published, "day0/0"), pixels(scenes[0]))
    assert len(ledger(published)["url"]) == 4


def test_group_that_is_taken(scenes: list[Path], tmp_path: Path) -> None:
    options = {"concat": None, "time": None}
    run(scenes[0], tmp_path / "cube", **options)
    twin = dated(tmp_path / "other" / "day0.tif", "2023-01-01")
    with pytest.raises(PublishError, match="the group 'day0' of another file is published already"):
        run(twin, tmp_path / "cube", **options)


@pytest.mark.long
def test_signatures_keep_their_groups(scenes: list[Path], tmp_path: Path) -> None:
    odd = [dated(tmp_path / "o" / f"{i}.tif", f"2023-01-0{i}", i, predictor=2) for i in (1, 2)]
    options = {"layout": "group per signature"}
    run([*scenes[:2], odd[0]], tmp_path / "cube", **options)
    published = run([*scenes, *odd], tmp_path / "cube", **options)
    assert published.files == 3
    for name, files in (("signature_1", scenes), ("signature_2", odd)):
        found = read(published, f"{name}/0")
        np.testing.assert_array_equal(found, np.stack([pixels(path) for path in files]))


@pytest.mark.long
def test_another_arrangement(scenes: list[Path], tmp_path: Path) -> None:
    run(scenes[:2], tmp_path / "cube")
    with pytest.raises(ValueError, match="was published with concat"):
        run(scenes, tmp_path / "cube", concat="n")
    with pytest.raises(ValueError, match="was published with layout 'stack'"):
        run(scenes, tmp_path / "cube", layout="group per signature")
    assert run(scenes, tmp_path / "cube", concat=None).files == 2  # as before


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (
            {"concat": "time"},
            {"concat": "n"},
            r"was published with concat \('time',\), not \('n',\)",
        ),
        (
            {"concat": "n"},
            {"concat": "y,x"},
            r"was published with concat \('n',\), not \('y', 'x'\)",
        ),
        ({"concat": "y,x"}, {"concat": "x,y"}, r"concat \('y', 'x'\), not \('x', 'y'\)"),
        ({"concat": "y,x"}, {"concat": "time"}, r"concat \('y', 'x'\), not \('time',\)"),
        ({"concat": None}, {"concat": "n"}, r"was published with concat \(\), not \('n',\)"),
        ({"concat": "y,x"}, {"concat": None}, r"more\.tif and .*0\.tif overlap in array 0"),
        (
            {"concat": "n", "layout": "group per signature"},
            {"concat": "time", "layout": "group per signature"},
            r"was published with concat \('n',\), not \('time',\)",
        ),
    ],
)
def test_files_are_appended_along_the_dimension_of_the_repository_alone(
    tmp_path: Path, first: dict[str, Any], then: dict[str, Any], words: str
) -> None:
    """Refused, and what was published is left as it was."""
    tiles = [
        scene(tmp_path / "s" / f"{i}.tif", i, at=(500_000 + 960 * i, 4_650_000)) for i in (0, 1)
    ]
    twin = [scene(tmp_path / "s" / f"twin{i}.tif", i) for i in (0, 1)]
    files = tiles if first["concat"] == "y,x" else twin
    storage = icechunk.in_memory_storage()
    before = publish(files, storage, **first)
    more = scene(tmp_path / "s" / "more.tif", 2)
    error = ValueError if then["concat"] else PublishError
    with pytest.raises(error, match=words):
        publish([*files, more], storage, append=True, **then)
    session = before.repository.readonly_session("main")
    assert session.snapshot_id == before.snapshot


@pytest.mark.long
@pytest.mark.parametrize(
    ("first", "then", "kinds"),
    [
        ([1, 2], ["x"], ("int", "text")),
        (["1", "2"], [3], ("text", "int")),
        ([1, 2], [2.5], ("int", "float")),
        ([1, 2], None, ("int", "none")),
        (None, [3], ("none", "int")),
    ],
)
def test_coordinates_of_another_kind_are_not_appended(
    tmp_path: Path, first: Any, then: Any, kinds: tuple[str, str]
) -> None:
    files = [scene(tmp_path / "s" / f"{i}.tif", i) for i in range(3)]
    storage = icechunk.in_memory_storage()
    before = publish(files[:2], storage, concat="n", values=first)
    words = f"of n are of the kind '{kinds[0]}', those of the new files of the kind '{kinds[1]}'"
    with pytest.raises(PublishError, match=words):
        publish(files[2:], storage, append=True, values=then)
    assert before.repository.readonly_session("main").snapshot_id == before.snapshot


def test_repository_of_somebody_else(scenes: list[Path], tmp_path: Path) -> None:
    storage = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    session = icechunk.Repository.create(storage).writable_session("main")
    zarr.create_group(session.store)
    session.commit("mine")
    with pytest.raises(PublishError, match="not published by this package"):
        run(scenes, tmp_path / "cube")


def test_new_places_are_containers_too(scenes: list[Path], http_server: HttpServer) -> None:
    storage = icechunk.in_memory_storage()
    first = publish(scenes[:2], storage, concat="time", time="tag")
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes[2:]]
    published = publish(urls, storage, append=True, time="tag", check=True)
    assert published.containers == (*first.containers, f"{http_server.url}/")
    np.testing.assert_array_equal(read(published), np.stack([pixels(p) for p in scenes]))


def test_unchanged_urls_cost_one_head_each(scenes: list[Path], http_server: HttpServer) -> None:
    storage = icechunk.in_memory_storage()
    urls = [http_server.put(path.name, path.read_bytes()) for path in scenes]
    publish(urls, storage, concat="time", time="tag")
    http_server.requests.clear()
    assert not publish(urls, storage, append=True, time="tag").new
    assert (http_server.heads, http_server.gets) == (4, 0)


def test_somebody_else_commits_meanwhile(scenes: list[Path], tmp_path: Path) -> None:
    run(scenes[:1], tmp_path / "cube")

    def intrude(now: Any) -> None:
        if now.files == now.total:
            run(scenes[:2], tmp_path / "cube")

    with pytest.raises(PublishError, match="another publisher"):
        run(scenes[:2], tmp_path / "cube", progress=intrude)
