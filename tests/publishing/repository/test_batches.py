"""A run of many references: several commits on a temporary branch, and one move of the branch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from support.made import publish_made
from support.scenes import commits, dated, pixels, read, scene
from virtual_tiff.publishing import Published, PublishError, publish
from virtual_tiff.publishing.planning import splitting
from virtual_tiff.publishing.repository import batches, references
from virtual_tiff.publishing.repository.writer import Writer
from virtual_tiff.tiff import TiffWarning

TIME = r"_(?P<time>\d{8})"
BLOCKS = 6
"""Of a scene."""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("scenes")
    return [dated(folder / f"{i:02}.tif", f"2023-01-{i + 1:02}", i) for i in range(12)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two dates are a manifest, and four a batch."""
    monkeypatch.setattr(splitting, "MOST_REFERENCES", 2 * BLOCKS)
    monkeypatch.setattr(batches, "MOST_OF_A_BATCH", 4 * BLOCKS)


def branches(published: Published) -> set[str]:
    return set(published.repository.list_branches())


@pytest.mark.long
@pytest.mark.usefixtures("small")
def test_many_references_are_committed_in_batches(scenes: list[Path], tmp_path: Path) -> None:
    published = publish(
        scenes[::-1],
        tmp_path / "cube",
        concat="time",
        time="tag",
        message="January",
        metadata={"by": "us"},
        check=True,
    )
    np.testing.assert_array_equal(read(published), np.stack([pixels(path) for path in scenes]))
    assert branches(published) == {"main"}
    last, *parts, _ = published.repository.ancestry(branch="main")
    assert (last.id, last.message, last.metadata["by"]) == (published.snapshot, "January", "us")
    assert batches.PART not in last.metadata
    assert [(part.message, part.metadata[batches.PART]) for part in parts] == [
        (f"part {n} of: January", n) for n in range(len(parts), 0, -1)
    ]
    assert len(parts) == 2
    # no manifest was written twice: all that are in the storage are those of the cube
    manifests = published.repository.list_manifest_files(last.id)
    of_images = [file for file in manifests if file.num_chunk_refs == 2 * BLOCKS]
    assert len(of_images) == 6


@pytest.mark.long
@pytest.mark.usefixtures("small")
def test_an_append_writes_one_manifest_anew(scenes: list[Path], tmp_path: Path) -> None:
    run = {"concat": "time", "time": "tag", "append": True}
    first = publish(scenes[:9], tmp_path / "cube", **run)
    before = {file.id for file in first.repository.list_manifest_files(first.snapshot)}
    second = publish(scenes, tmp_path / "cube", **run)
    after = second.repository.list_manifest_files(second.snapshot)
    kept = [file for file in after if file.id in before and file.num_chunk_refs == 2 * BLOCKS]
    assert len(kept) == 4
    assert len(commits(second)) == 2 + 2
    np.testing.assert_array_equal(read(second), np.stack([pixels(path) for path in scenes]))


@pytest.mark.long
def test_few_references_are_one_commit(scenes: list[Path], tmp_path: Path) -> None:
    assert len(commits(publish(scenes, tmp_path / "cube", concat="time", time="tag"))) == 1


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        {"concat": ("time", "y", "x"), "time": TIME, "group": r"(B\d\d)"},
        {"concat": "time", "time": TIME, "variable": r"(B\d\d)", "group": r"(T\d\d)_"},
        {"concat": ("y", "x"), "group": r"_(\d{8}_B\d\d)"},
        {"concat": "n", "layout": "group per signature"},
        {},
    ],
    ids=["tile cubes", "variables", "mosaics", "signatures", "groups"],
)
def test_batches_are_the_same_cube_as_one_commit(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        scene(
            tmp_path / f"T{row}{column}_2023010{day}_B0{band}.tif",
            seed,
            at=(500_000 + 960 * column, 4_650_000 - 640 * row),
        )
        for seed, (row, column, day, band) in enumerate(product((0, 1), (0, 1), (1, 2), (3, 4)))
    ]
    one = publish(files, tmp_path / "one", **options)
    monkeypatch.setattr(splitting, "MOST_REFERENCES", 8)
    monkeypatch.setattr(batches, "MOST_OF_A_BATCH", 20)
    several = publish(files, tmp_path / "several", **options)
    assert len(commits(several)) > 4 > len(commits(one)) == 1
    assert keys_of(several) == keys_of(one)


@pytest.mark.long
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "options",
    [
        {"concat": "time", "time": TIME, "variable": r"(B\d\d)", "group": r"(T\d\d)_"},
        {"concat": ("y", "x"), "group": r"_(\d{8}_B\d\d)", "check": True},
    ],
    ids=["stacks", "mosaics"],
)
@pytest.mark.parametrize("able", [True, False], ids=["able", "not able to open the repository"])
def test_workers_write_the_same_cube(
    options: dict[str, Any], able: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        scene(
            tmp_path / f"T0{column}_202301{day:02}_B03.tif", day, at=(500_000 + 960 * column, 4e6)
        )
        for column, day in product((0, 1), range(1, 7))
    ]
    one = publish(files, tmp_path / "one", **options)
    monkeypatch.setattr(references, "TASK", BLOCKS)
    threads, write = set(), references.write_references

    def noted(*arguments: Any) -> Any:
        threads.add(threading.current_thread().name)
        if not able and threading.current_thread() is not threading.main_thread():
            msg = "no such disk"
            raise icechunk.IcechunkError(msg)
        return write(*arguments)

    monkeypatch.setattr(references, "write_references", noted)
    with ThreadPoolExecutor(2, "worker") as executor, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TiffWarning)
        several = publish(files, tmp_path / "several", parallel=executor, **options)
    assert threads & {"worker_0", "worker_1"}
    told = [str(one.message) for one in said if "cannot open the repository" in str(one.message)]
    assert len(told) == (0 if able else 1)
    assert len(commits(several)) > 2
    assert branches(several) == {"main"}
    assert keys_of(several) == keys_of(one)
    assert several.arrays == one.arrays


def keys_of(published: Published) -> dict[str, Any]:
    """All nodes, their metadata and their values."""
    with zarr.config.set({"array.rectilinear_chunks": True}):
        group = zarr.open_group(published.repository.readonly_session("main").store, mode="r")
        return {
            path: (
                node.metadata.to_dict(),
                None if isinstance(node, zarr.Group) else node[...].tolist(),
            )
            for path, node in group.members(max_depth=None)
        }


# ----------------------------------------------------------------- what others do meanwhile


@pytest.mark.long
@pytest.mark.usefixtures("small")
def test_another_commit_meanwhile_is_an_error(
    scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = icechunk.in_memory_storage()
    run = {"concat": "time", "time": "tag", "append": True}
    publish(scenes[:2], place, **run)
    theirs = []
    write = Writer.write

    def meanwhile(writer: Writer, plan: Any) -> Any:
        written = write(writer, plan)
        session = icechunk.Repository.open(place).writable_session("main")
        zarr.create_group(session.store, path="theirs")
        theirs.append(session.commit("theirs"))
        return written

    monkeypatch.setattr(Writer, "write", meanwhile)
    with pytest.raises(PublishError, match="another publisher has committed meanwhile"):
        publish(scenes, place, **run)
    repository = icechunk.Repository.open(place)
    assert repository.lookup_branch("main") == theirs[0]
    assert repository.list_branches() == {"main"}


@pytest.mark.long
@pytest.mark.usefixtures("small")
def test_a_branch_that_another_run_has_removed_is_a_conflict(
    scenes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = icechunk.in_memory_storage()
    run = {"concat": "time", "time": "tag", "append": True}
    publish(scenes[:2], place, **run)
    end_batch = batches.Batches.end_batch

    def overtaken(self: batches.Batches) -> None:
        monkeypatch.setattr(batches.Batches, "end_batch", end_batch)
        publish(scenes[:3], place, **run)
        end_batch(self)

    monkeypatch.setattr(batches.Batches, "end_batch", overtaken)
    with pytest.raises(PublishError, match="another publisher has committed meanwhile"):
        publish(scenes, place, **run)
    published = publish(scenes, place, **run)
    assert branches(published) == {"main"}
    np.testing.assert_array_equal(read(published), np.stack([pixels(path) for path in scenes]))


@pytest.mark.long
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("moved", [False, True], ids=["before it moved", "after it moved"])
def test_a_branch_that_was_left_is_removed_by_the_next_run(
    moved: bool, scenes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`delete_branch` that does nothing leaves what `kill -9` leaves."""
    run = {"concat": "time", "time": "tag", "append": True}
    publish(scenes[:2], tmp_path / "cube", **run)

    def killed(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(icechunk.Repository, "delete_branch", lambda *_: None)
        if not moved:
            patch.setattr(icechunk.Repository, "reset_branch", killed)
            with pytest.raises(SystemExit):
                publish(scenes, tmp_path / "cube", **run)
        else:
            publish(scenes, tmp_path / "cube", **run)
    storage = icechunk.local_filesystem_storage(str(tmp_path / "cube"))
    left = icechunk.Repository.open(storage).list_branches() - {"main"}
    assert len(left) == 1
    assert batches.is_temporary(*left)
    published = publish(scenes, tmp_path / "cube", **run)
    assert published.new is not moved
    assert branches(published) == {"main"}
    np.testing.assert_array_equal(read(published), np.stack([pixels(path) for path in scenes]))


@pytest.mark.long
@pytest.mark.usefixtures("small")
def test_a_branch_of_a_run_that_can_end_well_is_left_alone(scenes: list[Path]) -> None:
    place = icechunk.in_memory_storage()
    run = {"concat": "time", "time": "tag", "append": True}
    publish(scenes[:2], place, **run)
    repository = icechunk.Repository.open(place)
    base = repository.lookup_branch("main")
    for name in ("alive/main", "of a run that failed/other"):
        repository.create_branch(f"_virtual_tiff/{base}/{name}", base)
    publish(scenes, place, branch="dev", **run)
    assert repository.list_branches() == {"main", "dev", f"_virtual_tiff/{base}/alive/main"}


@pytest.mark.usefixtures("small")
def test_a_first_run_that_was_killed_does_not_stand_in_the_way(scenes: list[Path]) -> None:
    place = icechunk.in_memory_storage()
    repository = icechunk.Repository.create(place)
    base = repository.lookup_branch("main")
    repository.create_branch(f"_virtual_tiff/{base}/killed/main", base)
    session = repository.writable_session(f"_virtual_tiff/{base}/killed/main")
    zarr.create_group(session.store, path="half")
    session.commit("part 1 of: all")
    published = publish(scenes, place, concat="time", time="tag")
    assert branches(published) == {"main"}
    np.testing.assert_array_equal(read(published), np.stack([pixels(path) for path in scenes]))


def test_a_temporary_branch_is_no_branch_of_a_user(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="none that runs use"):
        publish(path, tmp_path / "cube", branch="_virtual_tiff/mine")


# ----------------------------------------------------------------------------------- memory


@pytest.mark.long
def test_memory_does_not_follow_the_references(tmp_path: Path) -> None:
    """In processes of their own; without batches a million takes 500 MB more."""
    peaks = []
    for files in (400, 1_600):
        folder = tmp_path / str(files)
        folder.mkdir()
        program = Path(publish_made.__code__.co_filename)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(program), str(files), "256", str(folder)],
            env=os.environ | {"PYTHONPATH": str(program.parents[1])},
            capture_output=True,
            check=True,
            text=True,
        )
        figures = json.loads(done.stdout.splitlines()[-1])
        assert figures["references"] == files * 256
        assert figures["largest_manifest_MB"] < 6
        peaks.append(figures["peak_MB"] - figures["imports_MB"])
    assert peaks[1] < 250
    assert peaks[1] - peaks[0] < 80
