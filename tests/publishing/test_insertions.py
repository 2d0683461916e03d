"""Files that go between others: the cube is the one that a publication of all files makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import zarr

from support.cubes import contents, differences
from support.http import HttpServer
from support.scenes import group_of, pixels, read, scene
from virtual_tiff.publishing import Published, PublishError, publish
from virtual_tiff.publishing.run import Publication

pytestmark = pytest.mark.usefixtures("rectilinear")

TIME = r"_(?P<time>\d{8})\.tif"
BAND = r"_(?P<band>B\d)_(?P<time>\d{8})\.tif"
YX = {"concat": "y,x"}
CUBE = {"concat": "time,y,x", "time": TIME}

type Files = Callable[..., Path]


@pytest.fixture
def tile(tmp_path: Path) -> Files:
    """Write the file of a row, a column, a day and a band."""

    def write(row: int, column: int, day: int = 1, band: str = "B1", **options: Any) -> Path:
        length, width = options.setdefault("shape", (64, 64))
        overviews = options.pop("overviews", ())
        path = tmp_path / "s" / f"t{row}{column}_{band}_202301{day:02}.tif"
        corner = (500_000 + 10 * width * column, 4_650_000 - 10 * length * row)
        seed = 1000 * row + 100 * column + 10 * day + int(band[1])
        scene(path, seed, at=corner, **options)
        if overviews:
            with rasterio.open(path, "r+") as file:
                file.build_overviews(overviews)
        return path

    return write


def is_fresh(published: Published, files: list[Path], **options: Any) -> None:
    fresh = publish(files, "memory://", **options)
    assert not list(differences(contents(published), contents(fresh)))
    for name in ("missing", "covered", "shift"):
        assert getattr(published, name) == getattr(fresh, name)


ADDED: dict[str, tuple[dict[str, Any], list[Any], list[Any]]] = {
    "a tile to the right": (YX, [(1, 1)], [(1, 2)]),
    "a tile to the left, which moves all": (YX, [(1, 1), (1, 2)], [(1, 0)]),
    "tiles above and far to the right": (YX, [(1, 1), (2, 2)], [(0, 0), (0, 3)]),
    "a tile in a hole": (YX, [(0, 0), (2, 2)], [(1, 1)]),
    "a row, of tiles along y": ({"concat": "y"}, [(1, 0), (2, 0)], [(0, 0), (4, 0)]),
    "the last date of a cube of tiles": (CUBE, [(0, 0, 1), (0, 1, 1)], [(0, 0, 2), (0, 1, 2)]),
    "an early date": (CUBE, [(0, 0, 5), (0, 1, 5)], [(0, 0, 2)]),
    "a late tile of a date": (CUBE, [(0, 0, 5), (0, 1, 6)], [(0, 1, 5)]),
    "a new tile of an early date": (CUBE, [(1, 1, 5), (1, 2, 6)], [(0, 0, 4)]),
    "a band and a date between": (
        {"concat": "band,time", "values": BAND},
        [(0, 0, 1, "B1"), (0, 0, 1, "B3"), (0, 0, 3, "B1")],
        [(0, 0, 2, "B2")],
    ),
    "a band, a date and a tile": (
        {"concat": "band,time,y,x", "values": BAND},
        [(0, 0, 1, "B1"), (0, 1, 1, "B3"), (0, 0, 3, "B1")],
        [(0, 0, 2, "B2"), (1, 0, 2, "B1")],
    ),
    "dates of a stack": (
        {"concat": "time", "time": TIME},
        [(0, 0, 1), (0, 0, 4), (0, 0, 6)],
        [(0, 0, 2), (0, 0, 5), (0, 0, 9)],
    ),
    "texts of a stack": (
        {"concat": "band", "values": r"_(B\d)_"},
        [(0, 0, 1, "B2"), (0, 0, 1, "B9")],
        [(0, 0, 1, "B4"), (0, 0, 1, "B1")],
    ),
    "a date of one of two variables": (
        {"concat": "time", "time": TIME, "variable": r"_(B\d)_"},
        [(0, 0, day, band) for day in (3, 5) for band in ("B1", "B2")],
        [(0, 0, 4, "B1")],
    ),
    "tiles of two mosaics": (
        YX | {"layout": "group per signature"},
        [(0, 0), (0, 1), (3, 1, 1, "B1", {"dtype": "uint8"})],
        [(0, 2), (3, 0, 1, "B1", {"dtype": "uint8"})],
    ),
    "an early date of one tile": (
        {"concat": "time", "time": TIME, "layout": "group per signature"},
        [(0, 0, 1), (0, 1, 3)],
        [(0, 1, 2), (0, 2, 4)],
    ),
    "a date of one of two groups": (
        {"concat": "time", "time": TIME, "group": r"t(\d\d)_"},
        [(0, 0, 3), (0, 1, 3)],
        [(0, 1, 1)],
    ),
    "a date of one of two resolutions": (
        {"concat": "time", "time": TIME, "layout": "group per resolution"},
        [(0, 0, 3), (0, 0, 3, "B2", {"transform": rasterio.Affine(20, 0, 0, 0, -20, 0)})],
        [(0, 0, 1)],
    ),
    "a tile with overviews": (
        YX,
        [(0, 1, 1, "B1", {"overviews": [2]}), (0, 2, 1, "B1", {"overviews": [2]})],
        [(0, 0, 1, "B1", {"overviews": [2]})],
    ),
    "an attribute that differs from now on": (
        {"concat": "time", "time": TIME},
        [(0, 0, day, "B1", {"tags": {"sensor": "A"}}) for day in (2, 3)],
        [(0, 0, 1, "B1", {"tags": {"sensor": "B"}})],
    ),
}


def _written(tile: Files, names: list[Any]) -> list[Path]:
    return [tile(*name[:4], **(name[4] if len(name) > 4 else {})) for name in names]


@pytest.mark.long
@pytest.mark.parametrize("case", ADDED)
def test_files_between_others(
    case: str, tile: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No published file is read again, and a further run finds nothing new."""
    options, before, after = ADDED[case]
    monkeypatch.setattr(Publication, "read_again", None)
    first, then = _written(tile, before), _written(tile, after)
    publish(first, tmp_path / "cube", **options)
    published = publish([*first, *then], tmp_path / "cube", append=True, **options)
    assert (published.files, published.unchanged) == (len(then), len(first))
    is_fresh(published, [*first, *then], **options)
    again = publish([*first, *then], tmp_path / "cube", append=True, **options)
    assert not again.new


READ_AGAIN: dict[str, tuple[dict[str, Any], list[Any], list[Any], int]] = {
    # a part of a block is shown where the next file covers it
    "a file over another": (
        YX | {"overlap": "last"},
        [(0, 0, 1, "B1", {"shape": (64, 64)}), (0, 1, 1, "B1", {"shape": (64, 64)})],
        [(0, 2, 1, "B1", {"transform": rasterio.Affine(10, 0, 500_960, 0, -10, 4_650_000)})],
        1,
    ),
    "chunks of several lengths": (
        YX | {"grid": "rectilinear"},
        [(row, 0, 1, "B1", {"shape": (50, 64)}) for row in (1, 2)],
        [(0, 0, 1, "B1", {"shape": (50, 64)})],
        2,
    ),
    "chunks of several lengths, at the end": (
        YX | {"grid": "rectilinear"},
        [(row, 0, 1, "B1", {"shape": (50, 64)}) for row in (0, 1)],
        [(2, 0, 1, "B1", {"shape": (50, 64)})],
        0,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("case", READ_AGAIN)
def test_published_files_are_read_again_where_references_cannot_be_moved(
    case: str, tile: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, before, after, expected = READ_AGAIN[case]
    again: list[str] = []
    read_again = Publication.read_again

    async def noted(self: Publication) -> None:
        again.extend(self._unread)
        await read_again(self)

    monkeypatch.setattr(Publication, "read_again", noted)
    first, then = _written(tile, before), _written(tile, after)
    publish(first, tmp_path / "cube", **options)
    # the repository remembers how files may lie
    published = publish(then, tmp_path / "cube", append=True)
    assert (published.files, len(again)) == (len(then), expected)
    assert not published.replaced
    is_fresh(published, [*first, *then], **options)
    assert not publish([*first, *then], tmp_path / "cube", append=True).new


def without_records(cube: Path) -> None:
    """Make the repository one of an earlier version, which kept no records."""
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(cube)))
    session = repository.writable_session("main")
    group = zarr.open_group(session.store, path="_virtual_tiff", mode="r+")
    del group["records"]
    session.commit("an earlier version")


@pytest.mark.long
def test_files_of_an_earlier_version_are_read_again(tile: Files, tmp_path: Path) -> None:
    files = [tile(0, 0, day) for day in (2, 4, 3)]
    options = {"concat": "time", "time": TIME}
    publish(files[:2], tmp_path / "cube", **options)
    without_records(tmp_path / "cube")
    published = publish(files[2], tmp_path / "cube", append=True, time=TIME)
    assert published.files == 1
    is_fresh(published, [files[0], files[2], files[1]], **options)


def test_a_mosaic_of_an_earlier_version(tile: Files, tmp_path: Path) -> None:
    files = [tile(0, column) for column in (1, 2, 0)]
    publish(files[:2], tmp_path / "cube", **YX)
    without_records(tmp_path / "cube")
    is_fresh(publish(files[2], tmp_path / "cube", append=True), files, **YX)


@pytest.mark.long
def test_a_file_that_has_to_be_read_again_and_cannot(tile: Files, tmp_path: Path) -> None:
    """The error names it; what is published stays as it was, and the file can be replaced."""
    files = [tile(0, 0, day) for day in (2, 4, 3)]
    options = {"concat": "time", "time": TIME}
    before = publish(files[:2], tmp_path / "cube", **options)
    without_records(tmp_path / "cube")
    kept = files[1].rename(tmp_path / "kept.tif")
    words = "cannot be read again. Replace .* or remove them first"
    with pytest.raises(PublishError, match=words) as missing:
        publish(files[2], tmp_path / "cube", append=True, time=TIME)
    assert list(missing.value.failures) == [f"file://{files[1]}"]
    kept.write_bytes(tile(0, 0, 5).read_bytes())
    kept.rename(files[1])
    with pytest.raises(PublishError, match="it has changed since it was published"):
        publish(files[2], tmp_path / "cube", append=True, time=TIME)
    assert before.repository.readonly_session("main").store.read_only
    published = publish(files[2], tmp_path / "cube", append=True, time=TIME, replace_changed=True)
    assert published.replaced == (f"file://{files[1]}",)
    is_fresh(published, [files[0], files[2], files[1]], **options)


def test_a_late_file_of_a_remote_archive_costs_the_requests_of_one_file(
    tile: Files, http_server: HttpServer
) -> None:
    files = [tile(0, 0, day) for day in (1, 2, 4, 3)]
    urls = [http_server.put(path.name, path.read_bytes()) for path in files]
    storage = icechunk.in_memory_storage()
    publish(urls[:3], storage, concat="time", time=TIME)
    http_server.requests.clear()
    published = publish(urls[3], storage, append=True, time=TIME)
    assert (http_server.heads, http_server.gets) == (0, 1)
    expected = np.stack([pixels(files[n]) for n in (0, 1, 3, 2)])
    np.testing.assert_array_equal(read(published), expected)


@pytest.mark.long
def test_an_array_that_was_changed_by_hand_is_made_anew(tile: Files, tmp_path: Path) -> None:
    files = [tile(0, 0, day) for day in (1, 2, 4, 3)]
    options = {"concat": "time", "time": TIME}
    publish(files[:3], tmp_path / "cube", **options)
    storage = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    session = icechunk.Repository.open(storage).writable_session("main")
    times: Any = zarr.open_group(session.store, mode="r+")["time"]
    times[:] = times[:][::-1]
    session.commit("by hand")
    published = publish(files[3], tmp_path / "cube", append=True, time=TIME)
    is_fresh(published, sorted(files), **options)


def test_a_file_without_the_coordinate_of_the_others(tile: Files, tmp_path: Path) -> None:
    publish([tile(0, 0, 1), tile(0, 1, 1)], tmp_path / "cube", **CUBE)
    with pytest.raises(PublishError, match="a coordinate along time, and others none"):
        publish(tile(0, 0, 2), tmp_path / "cube", append=True)


def test_an_image_that_a_document_declares_cannot_be_changed_by_files(
    tile: Files, tmp_path: Path
) -> None:
    tiles = [tile(0, column) for column in (0, 1, 2)]
    table = tmp_path / "tiles.csv"
    table.write_text("path,row,column\n" + "".join(f"{t},0,{n}\n" for n, t in enumerate(tiles[:2])))
    publish(table, tmp_path / "cube")
    with pytest.raises(PublishError, match=r"the image that .*tiles\.csv declares"):
        publish(tiles[2], tmp_path / "cube", append=True)


@pytest.mark.long
def test_other_groups_are_left_alone(tile: Files, tmp_path: Path) -> None:
    """A late date of one group writes nothing of another one."""
    options = {"concat": "time", "time": TIME, "group": r"t(\d\d)_"}
    publish([tile(0, column, 3) for column in (0, 1)], tmp_path / "cube", **options)
    published = publish(tile(0, 1, 1), tmp_path / "cube", append=True, time=TIME)
    assert {array.path.split("/")[0] for array in published.arrays} == {"01"}
    assert group_of(published)["00/0"].shape == (1, 64, 64)
    # its state is kept: the next date is appended to it
    published = publish(tile(0, 0, 5), tmp_path / "cube", append=True, time=TIME)
    assert group_of(published)["00/0"].shape == (2, 64, 64)
