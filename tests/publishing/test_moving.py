"""`move_sources`: references and ledger follow sources that have another prefix now."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from support.published import s3_options
from support.s3 import S3
from support.scenes import commits, dated, pixels, scene
from virtual_tiff import open_published, publish, remove, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, move_sources
from virtual_tiff.publishing import moving as module
from virtual_tiff.publishing.repository import batches

STACK: dict[str, Any] = {"concat": "time", "time": "tag"}


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def days(folder: Path, numbers: range) -> list[Path]:
    return [dated(folder / f"day{n}.tif", f"2023-01-{n:02}", n) for n in numbers]


def values(place: Any, **options: Any) -> Any:
    return zarr.open_group(open_published(place, **options), mode="r")["0"][...]


def urls(place: Any) -> set[str]:
    session = icechunk.Repository.open(
        icechunk.local_filesystem_storage(str(place))
    ).readonly_session("main")
    return set(session.all_virtual_chunk_locations())


def tip(place: Path) -> str:
    storage = icechunk.local_filesystem_storage(str(place))
    return icechunk.Repository.open(storage).lookup_branch("main")


@pytest.mark.long
def test_local_files_that_moved(tmp_path: Path) -> None:
    old, new, cube = tmp_path / "old", tmp_path / "new" / "deeper", tmp_path / "cube"
    files = days(old / "a b", range(1, 5))
    expected = np.stack([pixels(path) for path in files])
    published = publish(files, cube, **STACK)
    new.parent.mkdir()
    shutil.move(old, new)
    reports: list[tuple[str, int, int | None]] = []
    moved = move_sources(cube, {str(old): f"{new}/"}, progress=lambda *each: reports.append(each))
    assert (moved.sources, moved.branch) == (4, "main")
    assert moved.references == sum(array.references for array in published.arrays)
    assert reports[3] == ("checking objects", 4, 4)
    assert reports[-1] == ("writing references", moved.references, None)
    moved_files = [new / "a b" / path.name for path in files]
    assert urls(cube) <= {path.as_uri() for path in moved_files}
    np.testing.assert_array_equal(values(cube), expected)
    assert verify(cube).counts["unchanged"] == 4
    message = f"4 sources moved from {old} to {new}/"
    assert commits(publish(moved_files, cube, append=True, **STACK))[0] == message
    more = days(new / "a b", range(5, 7))
    published = publish([*moved_files, *more], cube, append=True, **STACK)
    assert (published.files, published.unchanged) == (2, 4)
    np.testing.assert_array_equal(
        values(cube), np.concatenate([expected, [pixels(path) for path in more]])
    )
    shutil.copytree(new, old)  # an earlier snapshot refers to the old files
    for path in files:
        os.utime(path, ns=((new / "a b" / path.name).stat().st_mtime_ns,) * 2)
    first = [each.id for each in published.repository.ancestry(branch="main")][-2]
    np.testing.assert_array_equal(values(cube, snapshot=first), expected)


@pytest.mark.long
def test_files_that_moved_are_not_read_again_for_a_late_scene(tmp_path: Path) -> None:
    """The records of files have their new urls, also those of removed files with a place."""
    old, new, cube = tmp_path / "old", tmp_path / "new", tmp_path / "cube"
    files = days(old, range(2, 6))
    expected = np.stack([pixels(path) for path in files])
    publish(files, cube, **STACK)
    remove([files[1]], cube, keep_places=True)
    shutil.move(old, new)
    move_sources(cube, {str(old): str(new)})
    (new / files[3].name).rename(tmp_path / "away.tif")  # a reader would fail
    (late,) = days(new, range(1, 2))
    published = publish([late], cube, append=True, **STACK)
    (tmp_path / "away.tif").rename(new / files[3].name)
    assert (published.files, published.missing) == (1, 1)
    np.testing.assert_array_equal(
        values(cube)[[0, 1, 3, 4]], np.stack([pixels(late), *expected[[0, 2, 3]]])
    )
    assert publish([new / files[1].name], cube, append=True, **STACK).missing == 0
    np.testing.assert_array_equal(values(cube)[1:], expected)


@pytest.mark.long
def test_another_bucket(s3: S3, tmp_path: Path) -> None:
    cube, other = tmp_path / "cube", s3.with_bucket("other")
    options = s3_options(s3)
    keys = {name: options[name] for name in ("access_key_id", "secret_access_key")}
    files = days(tmp_path / "files", range(1, 4))
    names = [s3.upload(path, f"scenes/{path.name}") for path in files]
    publish(names, cube, store_options=options, **STACK)
    expected = np.stack([pixels(path) for path in files])
    prefixes = {s3.url("scenes"): other.url("images/")}
    before = tip(cube)
    other.upload(files[0], f"images/{files[0].name}")
    other.put(f"images/{files[1].name}", b"")
    with pytest.raises(PublishError, match="2 of 3 new objects are missing or are not") as error:
        move_sources(cube, prefixes, store_options=options)
    assert set(error.value.failures) == {other.url(f"images/{path.name}") for path in files[1:]}
    assert "its size was" in error.value.failures[other.url(f"images/{files[1].name}")]
    assert tip(cube) == before
    moved_names = [other.upload(path, f"images/{path.name}") for path in files]
    moved = move_sources(cube, prefixes, store_options=options)
    assert moved.containers == (s3.url("scenes/"), other.url("images/"))
    for name in names:
        s3.store().delete(name.removeprefix(s3.url()))
    np.testing.assert_array_equal(values(cube, store_options=keys), expected)
    assert verify(cube, store_options=options).ok
    more = days(tmp_path / "files", range(4, 5))
    moved_names.append(other.upload(more[0], f"images/{more[0].name}"))
    published = publish(moved_names, cube, store_options=options, append=True, **STACK)
    assert (published.files, published.unchanged) == (1, 3)
    np.testing.assert_array_equal(values(cube, store_options=keys)[:3], expected)
    other.upload(more[0], f"images/{files[0].name}")  # readers notice that it changes
    with pytest.raises(icechunk.IcechunkError):
        values(cube, store_options=keys)


@pytest.mark.long
def test_copies_are_compared_by_size_where_the_user_says_so(tmp_path: Path) -> None:
    old, new, cube = tmp_path / "old", tmp_path / "new", tmp_path / "cube"
    files = days(old, range(1, 4))
    expected = np.stack([pixels(path) for path in files])
    publish(files, cube, **STACK)
    shutil.copytree(old, new)
    for path in new.iterdir():
        os.utime(path, (2e9, 2e9))
    with pytest.raises(PublishError, match=r"its time was(.|\n)*check=.size") as error:
        move_sources(cube, {str(old): str(new)})
    assert len(error.value.failures) == 3
    with pytest.raises(PublishError, match="readers would refuse it"):
        move_sources(cube, {str(old): str(new)}, check="size", sample=2)
    move_sources(cube, {str(old): str(new)}, check="size")
    shutil.rmtree(old)
    np.testing.assert_array_equal(values(cube), expected)
    assert verify(cube).ok


@pytest.mark.parametrize("options", [{"check": "none"}, {"sample": 1}, {"sample": 9}])
def test_fewer_objects_are_asked(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, cube = tmp_path / "old", tmp_path / "new", tmp_path / "cube"
    files = days(old, range(1, 4))
    expected = np.stack([pixels(path) for path in files])
    publish(files, cube, **STACK)
    old.rename(new)
    asked: list[str] = []
    state = module.present_state

    async def noted(store: Any, path: str, url: str) -> Any:
        asked.append(url)
        return await state(store, path, url)

    monkeypatch.setattr(module, "present_state", noted)
    move_sources(cube, {str(old): str(new)}, **options)
    assert len(asked) == min(options.get("sample", 0), 3)
    np.testing.assert_array_equal(values(cube), expected)
    assert verify(cube).ok


def test_groups_and_several_prefixes(tmp_path: Path) -> None:
    """Prefixes end where a name ends; the longest one is replaced; each prefix is one of some."""
    names = ["a/1.tif", "a/deep/2.tif", "ab/3.tif", "c/4.tif"]
    files = [scene(tmp_path / "in" / name, seed) for seed, name in enumerate(names)]
    cube = tmp_path / "cube"
    publish(files, cube)
    expected = [pixels(path) for path in files]
    root = tmp_path / "out"
    for name, to in {"a/deep/2.tif": "x/2.tif", "a/1.tif": "y/1.tif", "c/4.tif": "5.tif"}.items():
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).rename(root / to)
    prefixes = {"a": "y", "a/deep": "x", "c/4.tif": "5.tif"}
    moved = move_sources(
        cube, {f"{tmp_path}/in/{old}": f"file://{root}/{new}" for old, new in prefixes.items()}
    )
    assert (moved.sources, moved.references) == (3, len(expected[0].ravel()) // 1024 * 3)
    paths = [root / "y/1.tif", root / "x/2.tif", files[2], root / "5.tif"]
    assert urls(cube) == {path.as_uri() for path in paths}
    group: Any = zarr.open_group(open_published(cube), mode="r")
    for name, values_of_file in zip("1234", expected, strict=True):
        np.testing.assert_array_equal(group[f"{name}/0"][...], values_of_file)
    assert verify(cube).ok


def test_many_references_move_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The branch moves once, and an interruption between two batches changes nothing."""
    old, new, cube = tmp_path / "old", tmp_path / "new", tmp_path / "cube"
    files = days(old, range(1, 7))
    expected = np.stack([pixels(path) for path in files])
    published = publish(files, cube, **STACK)
    before = tip(cube)
    old.rename(new)
    monkeypatch.setattr(batches, "MOST_OF_A_BATCH", 10)
    monkeypatch.setattr(module, "_BATCH", 4)
    ended: list[str] = []
    end_batch = batches.Batches.end_batch

    def interrupted(sessions: batches.Batches) -> None:
        end_batch(sessions)
        ended.append("")
        if len(ended) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(batches.Batches, "end_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            move_sources(cube, {str(old): str(new)})
    assert tip(cube) == before
    assert published.repository.list_branches() == {"main"}
    assert all(url.startswith(old.as_uri()) for url in urls(cube))
    move_sources(cube, {str(old): str(new)}, message="all moved")
    assert commits(published)[0] == "all moved"
    assert len(commits(published)) > 3
    assert published.repository.list_branches() == {"main"}
    np.testing.assert_array_equal(values(cube), expected)


def test_wrong_use_changes_nothing(tmp_path: Path) -> None:
    cube = tmp_path / "cube"
    files = [scene(tmp_path / name, seed) for seed, name in enumerate(["a/1.tif", "b/1.tif"])]
    publish(files, cube)
    before = tip(cube)
    a, b = tmp_path / "a", tmp_path / "b"
    wrong: list[tuple[Mapping[str, str], dict[str, Any], type[Exception], str]] = [
        ({}, {}, ValueError, "no prefix is given"),
        ({str(a): str(a)}, {}, ValueError, "are the same prefix"),
        ({str(tmp_path / "c"): str(b)}, {}, ValueError, r"has the prefix \S+/c; one of the sou"),
        ({"s3://bucket": str(b)}, {}, ValueError, "no source of the repository has the prefix"),
        ({f"{a}/1": str(b)}, {}, ValueError, "no source of the repository has the prefix"),
        ({"memory://a": str(b)}, {}, ValueError, "no source is in memory"),
        ({str(a): str(b)}, {}, PublishError, "is another source of the repository already"),
        ({str(a): f"{b}/c", str(b): f"{b}/c"}, {}, PublishError, "two sources would be"),
        ({str(a): f"{b}/c"}, {"check": "all"}, ValueError, "check must be one of etag, size"),
        ({str(a): f"{b}/c"}, {"sample": 0}, ValueError, "sample must be a number of objects"),
        ({str(a): f"{b}/c"}, {"branch": "dev"}, ValueError, "has no branch 'dev'"),
        ({str(a): f"{b}/c"}, {}, PublishError, "1 of 1 new objects are missing"),
    ]
    for prefixes, options, kind, words in wrong:
        with pytest.raises(kind, match=words):
            move_sources(cube, prefixes, **options)
    assert tip(cube) == before
    with pytest.raises(PublishError, match="there is no repository"):
        move_sources(tmp_path / "nothing", {str(a): str(b)})
    assert not (tmp_path / "nothing").exists()


@pytest.mark.long
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, cube = tmp_path / "old", tmp_path / "new", tmp_path / "cube"
    files = days(old, range(1, 3))
    publish(files, cube, **STACK)
    old.rename(new)
    assert main(["move", str(cube), str(old)]) == 2
    assert "give one old prefix and one new one" in capsys.readouterr().err
    assert main(["move", str(cube), "--rewrite-prefix", str(old), str(tmp_path / "no")]) == 1
    assert "2 of 2 new objects are missing" in capsys.readouterr().err
    assert main(["move", str(cube), "--rewrite-prefix", str(old), str(new)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("moved 2 sources, ")
    assert f"containers for readers: {old.as_uri()}/, {new.as_uri()}/\n" in out
    new.rename(old)
    assert main(["move", str(cube), str(new), str(old), "--sample", "1", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert verify(cube).ok
