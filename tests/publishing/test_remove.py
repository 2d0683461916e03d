"""Files that are removed: the cube is the one of those that stay, or has holes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from support.cubes import contents, differences
from support.http import HttpServer
from support.scenes import commits, group_of, pixels, read, scene
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import Published, PublishError, Removed, publish, remove

pytestmark = pytest.mark.usefixtures("rectilinear")

TIME = r"_(?P<time>\d{8})\.tif"
STACK = {"concat": "time", "time": TIME}
YX = {"concat": "y,x"}
CUBE = {"concat": "time,y,x", "time": TIME}

type Files = Callable[..., Path]


@pytest.fixture
def tile(tmp_path: Path) -> Files:
    """Write the file of a row, a column and a day."""

    def write(row: int, column: int, day: int = 1, **options: Any) -> Path:
        path = tmp_path / "s" / f"t{row}{column}_202301{day:02}.tif"
        corner = (500_000 + 640 * column, 4_650_000 - 640 * row)
        return scene(path, 100 * row + 10 * column + day, shape=(64, 64), at=corner, **options)

    return write


def nodes(removed: Removed) -> dict[str, Any]:
    return contents(_opened(removed))


def _opened(removed: Removed) -> Any:
    return type("Opened", (), {"repository": removed.repository, "branch": removed.branch})


def ledger_urls(cube: Path) -> list[str]:
    storage = icechunk.local_filesystem_storage(str(cube))
    store = icechunk.Repository.open(storage).readonly_session("main").store
    urls: Any = zarr.open_group(store, path="_virtual_tiff", mode="r")["url"]
    return sorted(urls[:].tolist())


ALIKE: dict[str, tuple[dict[str, Any], list[Any], list[int]]] = {
    "the first, the middle and the last date": (
        STACK,
        [(0, 0, day) for day in (1, 2, 3, 4, 5)],
        [0, 2, 4],
    ),
    "a tile between others": (YX, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)], [1]),
    "the corner of a mosaic": (YX, [(0, 0), (0, 1), (1, 0), (1, 1)], [0, 1]),
    "a date of a cube of tiles": (
        CUBE,
        [(0, 0, 1), (0, 1, 1), (0, 0, 2), (0, 1, 2), (0, 1, 3)],
        [2, 3],
    ),
    "a tile of a date": (CUBE, [(0, 0, 1), (0, 1, 1), (0, 0, 2), (0, 1, 2)], [3]),
    "the scene whose attribute differs": (
        STACK,
        [(0, 0, day, {"tags": {"sensor": "AB"[day == 2]}}) for day in (1, 2, 3)],
        [1],
    ),
    "a list that differs": (
        STACK,
        [(0, 0, day, {"tags": {"TIFFTAG_SOFTWARE": "a" * day}}) for day in (1, 2)],
        [0],
    ),
    "a whole signature": (
        YX | {"layout": "group per signature"},
        [(0, 0), (0, 1), (3, 1, 1, {"dtype": "uint8"})],
        [2],
    ),
    "the files of one of two groups": (
        STACK | {"group": r"t(\d\d)_"},
        [(0, 0, 1), (0, 0, 2), (0, 1, 1)],
        [2],
    ),
    "the group of a file": ({}, [(0, 0), (0, 1), (0, 2)], [1]),
    "without coordinates": ({"concat": "n"}, [(0, 0, day) for day in (1, 2, 3)], [1]),
    "chunks of several lengths": (YX | {"grid": "rectilinear"}, [(0, 0), (1, 0), (2, 0)], [0]),
}


@pytest.mark.long
@pytest.mark.parametrize("case", ALIKE)
def test_the_cube_is_that_of_the_files_that_stay(case: str, tile: Files, tmp_path: Path) -> None:
    options, names, gone = ALIKE[case]
    files = [tile(*name[:3], **(name[3] if len(name) > 3 else {})) for name in names]
    publish(files, tmp_path / "cube", **options)
    for n in gone:
        files[n].unlink()  # they need not exist
    removed = remove([files[n] for n in gone], tmp_path / "cube")
    assert removed.files == tuple(f"file://{files[n]}" for n in gone)
    stay = [path for n, path in enumerate(files) if n not in gone]
    fresh = publish(stay, "memory://", **options)
    assert not list(differences(nodes(removed), contents(fresh)))
    assert ledger_urls(tmp_path / "cube") == sorted(f"file://{path}" for path in stay)
    assert commits(_opened(removed))[0] == f"{len(gone)} TIFF{'s' * (len(gone) > 1)} removed"
    # nothing is left of them: further runs go on from here
    assert not publish(stay, tmp_path / "cube", append=True, **options).new


@pytest.mark.long
def test_places_are_kept_on_request(tile: Files, tmp_path: Path) -> None:
    """The files leave holes, which outlast further runs, until others are published there."""
    files = [tile(0, 0, day, nodata=0) for day in (2, 3, 4, 5)]
    before = contents(publish(files[:3], tmp_path / "cube", **STACK))
    removed = remove(files[1], tmp_path / "cube", keep_places=True)
    after = nodes(removed)
    expected = np.stack([pixels(files[0]), 0 * pixels(files[1]), pixels(files[2])])
    np.testing.assert_array_equal(after["0"][1], expected)
    assert list(differences(before, after)) == ["0 has other values"]
    assert ledger_urls(tmp_path / "cube") == sorted(f"file://{files[n]}" for n in (0, 2))
    early = tile(0, 0, 1, nodata=0)
    published = publish([early, files[3]], tmp_path / "cube", append=True, time=TIME)
    assert read(published).shape == (5, 64, 64)
    assert not read(published)[2].any()
    published = publish(files[1], tmp_path / "cube", append=True, time=TIME)
    fresh = publish([early, *files], "memory://", **STACK)
    assert not list(differences(contents(published), contents(fresh)))
    # and again, by a file of another name
    remove(files[1], tmp_path / "cube", keep_places=True)
    twin = files[1].rename(files[1].with_name("twin_20230103.tif"))
    publish(twin, tmp_path / "cube", append=True, time=TIME)
    removed = remove(early, tmp_path / "cube")
    fresh = publish([files[0], twin, *files[2:]], "memory://", **STACK)
    assert not list(differences(nodes(removed), contents(fresh)))


@pytest.mark.long
def test_a_mosaic_keeps_its_size_on_request(tile: Files, tmp_path: Path) -> None:
    tiles = [tile(0, column) for column in (0, 1, 2)]
    before = contents(publish(tiles, tmp_path / "cube", **YX))
    after = nodes(remove(tiles[0], tmp_path / "cube", keep_places=True))
    assert list(differences(before, after)) == ["0 has other values"]
    published = publish(tiles[0], tmp_path / "cube", append=True)
    assert not list(differences(before, contents(published)))


def test_a_file_that_another_one_covered_is_shown_again(tmp_path: Path) -> None:
    """Its references are read again; a dry run says so, too."""
    files = [
        scene(tmp_path / "s" / f"{n}.tif", n, shape=(64, 64), at=(500_000 + 320 * n, 4_650_000))
        for n in (0, 1)
    ]
    publish(files, tmp_path / "cube", overlap="last", **YX)
    assert remove(files[1], tmp_path / "cube", dry_run=True).read_again == 1
    removed = remove(files[1], tmp_path / "cube")
    assert removed.read_again == 1
    np.testing.assert_array_equal(nodes(removed)["0"][1], pixels(files[0]))


def named(tmp_path: Path) -> dict[str, list[str]]:
    """Names by what they stand for."""
    folder = tmp_path / "s"
    return {
        "a": [f"file://{folder}/a/1.tif", "a/1.tif", f"{folder}/a/../a/1.tif", "a/1*", "a/?.tif"],
        "ab": ["[ab]/1.tif", "**/[!c]/1.tif", f"{folder}/[ab]/*"],
        "b": ["b", "b/", f"{folder}/b", f"file://{folder}/b", "@list.txt"],
    }


@pytest.mark.parametrize("what", ["a", "ab", "b"])
def test_names(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths, urls, folders, globs and lists, of files that are gone."""
    files = [scene(tmp_path / "s" / name / "1.tif", n) for n, name in enumerate("abc")]
    publish(files, tmp_path / "cube")
    (tmp_path / "list.txt").write_text(f"# one\n{files[1]}\n")
    for path in files:
        path.unlink()
    for name in named(tmp_path)[what]:
        monkeypatch.chdir(tmp_path if name.startswith("@") else tmp_path / "s")
        removed = remove(name, tmp_path / "cube", dry_run=True)
        assert [url.split("/")[-2] for url in removed.files] == list(what), name


def test_urls_and_prefixes(tile: Files, http_server: HttpServer) -> None:
    urls = [http_server.put(f"d{n}/{n} a.tif", tile(0, 0, n + 1).read_bytes()) for n in range(4)]
    storage = icechunk.in_memory_storage()
    publish(urls, storage)
    for name, n in (
        (urls[0], 0),
        (f"{http_server.url}/d1/", 1),
        (f"{http_server.url}/d2/*.tif", 2),
    ):
        assert remove(name, storage, dry_run=True).files == (urls[n],)


def test_a_wrong_name_removes_nothing(tile: Files, tmp_path: Path) -> None:
    files = [tile(0, 0, day) for day in (1, 2)]
    before = publish(files, tmp_path / "cube", **STACK)
    wrong = [f"wrong{n}.tif" for n in range(12)]
    with pytest.raises(
        PublishError, match=r"not published in .*: wrong0\.tif, .*, and 2 more"
    ) as e:
        remove([files[0], *wrong], tmp_path / "cube")
    assert "t00" not in str(e.value)
    with pytest.raises(PublishError, match="these are all files of"):
        remove(tmp_path / "s", tmp_path / "cube")
    with pytest.raises(ValueError, match="no files are named"):
        remove([], tmp_path / "cube")
    with pytest.raises(PublishError, match="has no branch 'other'"):
        remove(files[0], tmp_path / "cube", branch="other")
    with pytest.raises(PublishError, match="there is no repository"):
        remove(files[0], tmp_path / "nothing")
    assert len(commits(before)) == 1


def test_a_group_of_a_file_has_no_place(tile: Files, tmp_path: Path) -> None:
    files = [tile(0, 0), tile(0, 1)]
    publish(files, tmp_path / "cube")
    with pytest.raises(ValueError, match="no place to be kept"):
        remove(files[0], tmp_path / "cube", keep_places=True)


@pytest.mark.long
def test_groups_that_a_function_named(tile: Files, tmp_path: Path) -> None:
    """They are not asked for again, and a later append still is."""
    files = [tile(0, column, day) for column in (0, 1) for day in (1, 2)]
    options = STACK | {"group": lambda url: url[-14:-13]}
    publish(files, tmp_path / "cube", **options)
    removed = remove(files[0], tmp_path / "cube")
    fresh = publish(files[1:], "memory://", **options)
    assert not list(differences(nodes(removed), contents(fresh)))
    with pytest.raises(ValueError, match="give it again"):
        publish(files, tmp_path / "cube", append=True, time=TIME)


def test_somebody_else_commits_meanwhile(
    tile: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from virtual_tiff.publishing.removal import Removal

    files = [tile(0, 0, day) for day in (1, 2, 3)]
    publish(files[:2], tmp_path / "cube", **STACK)
    write = Removal.write

    def late(self: Removal) -> Published:
        publish(files[2], tmp_path / "cube", append=True, time=TIME)
        return write(self)

    monkeypatch.setattr(Removal, "write", late)
    with pytest.raises(PublishError, match="another publisher has committed meanwhile"):
        remove(files[0], tmp_path / "cube")


@pytest.mark.long
def test_command(tile: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tile(0, 0, day) for day in (1, 2, 3)]
    published = publish(files, tmp_path / "cube", **STACK)
    cube = os.fspath(tmp_path / "cube")
    assert main(["remove", cube, os.fspath(files[1]), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"would be removed  file://{files[1]}",
        "would be smaller  0: 3 x 64 x 64 becomes 2 x 64 x 64",
        f"1 file of {cube} would be removed; nothing was changed",
    ]
    assert group_of(published)["0"].shape == (3, 64, 64)
    assert main(["remove", cube, "wrong.tif"]) == 1
    assert "not published in" in capsys.readouterr().err
    arguments = [os.fspath(files[1]), "--keep-places", "--message", "clouds", "--json"]
    assert main(["remove", cube, *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == {
        "snapshot": report["snapshot"],
        "branch": "main",
        "dry_run": False,
        "files": [f"file://{files[1]}"],
        "deleted": [],
        "shapes": {},
        "read_again": 0,
    }
    assert commits(published)[0] == "clouds"
