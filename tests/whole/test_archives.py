"""Random archives: every cube says what GDAL says of its files, or is refused.

`scripts/try_archives.py` runs thousands; `support/archives.py` has the ways in which files of an
archive differ.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.archive_judge import Readers, judge_many, summary
from support.archives import WAYS, random_archive
from support.scenes import dated, pixels
from virtual_tiff.publishing import Published, PublishError, publish

BATCH = 25


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    icechunk.set_logs_filter("error")
    with Readers() as readers:
        yield readers


@pytest.mark.parametrize("first", range(0, 200, BATCH))
def test_cubes_of_random_archives_are_right_or_refused(
    first: int, readers: Readers, tmp_path: Path
) -> None:
    verdict = judge_many(range(first, first + BATCH), tmp_path, readers)
    assert not verdict.wrong, summary(verdict, BATCH)
    assert sum(verdict.right.values()) > BATCH


def test_archives_differ_in_every_way() -> None:
    """Among the archives of the suite each way occurs, and each alone among ten times as many."""
    assert {way for seed in range(200) for way in random_archive(seed).ways} == set(WAYS)
    alone = {archive.ways for archive in map(random_archive, range(2000)) if len(archive.ways) == 1}
    assert alone == {(way,) for way in WAYS}


def test_the_same_seed_is_the_same_archive() -> None:
    assert random_archive(7) == random_archive(7)
    assert random_archive(7) != random_archive(8)


# ----------------------------------------------------------------------------- histories


class Histories(RuleBasedStateMachine):
    """Appends to a stack in any order of what may happen; the cube is what the model says."""

    @initialize()
    def begin(self) -> None:
        icechunk.set_logs_filter("error")
        self.folder = Path(tempfile.mkdtemp())
        self.cube = self.folder / "cube"
        self.files: list[Path] = []
        """Whole files that fit, by day."""
        self.published: list[tuple[Path, np.ndarray[Any, Any]]] = []
        """As they were when they were published."""
        self.clock = 1_600_000_000

    def teardown(self) -> None:
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    def _scene(self, day: int, seed: int, name: str | None = None, **options: Any) -> Path:
        path = self.folder / "scenes" / (name or f"day{day:02}.tif")
        dated(path, f"2023-01-{day:02}", seed, shape=(32, 32), **options)
        self.clock += 10  # another time, in whole seconds
        os.utime(path, (self.clock, self.clock))
        return path

    def _publish(self, files: list[Path], **options: Any) -> Published:
        settings = {"concat": "time", "time": "tag", "append": self.cube.exists()} | options
        return publish(files, self.cube, **settings)

    def _stale(self) -> list[int]:
        return [
            n
            for n, (path, values) in enumerate(self.published)
            if not np.array_equal(pixels(path), values)
        ]

    @rule(count=st.integers(1, 3), seed=st.integers(0, 99), again=st.booleans())
    def append(self, count: int, seed: int, again: bool) -> None:
        first = len(self.files) + 1
        if first + count > 28:
            return
        new = [self._scene(day, seed + day) for day in range(first, first + count)]
        stale = len(self._stale())
        published = self._publish([*self.files, *new] if again else new)
        assert published.files == count
        assert len(published.changed) == (stale if again else 0)
        assert published.unchanged == (len(self.files) - stale if again else 0)
        self.files += new
        self.published += [(path, pixels(path)) for path in new]

    @precondition(lambda self: self.files)
    @rule(data=st.data(), seed=st.integers(100, 200))
    def rewrite(self, data: Any, seed: int) -> None:
        n = data.draw(st.integers(0, len(self.files) - 1))
        self._scene(n + 1, seed)

    @precondition(lambda self: self.files)
    @rule()
    def replace_changed(self) -> None:
        stale = self._stale()
        published = self._publish(self.files, replace_changed=True)
        # a file that was rewritten with the same pixels is another file, too
        assert len(published.replaced) >= len(stale)
        self.published = [(path, pixels(path)) for path, _ in self.published]

    @precondition(lambda self: self.files)
    @rule(what=st.sampled_from(["size", "type", "cut", "missing", "twice"]))
    def refuse(self, what: str) -> None:
        """What does not fit leaves the cube as it was."""
        day = len(self.files) + 1
        if day > 28:
            return
        path = self._scene(day, 5, f"{what}.tif", **{"type": {"dtype": "int32"}}.get(what, {}))
        if what == "size":
            dated(path, f"2023-01-{day:02}", 5, shape=(64, 32))
        elif what == "cut":
            path.write_bytes(path.read_bytes()[:-200])
        elif what == "missing":
            path.unlink()
        elif what == "twice":
            dated(path, f"2023-01-{day - 1:02}", 5, shape=(32, 32))
        with pytest.raises(PublishError):
            self._publish([path])
        if what in ("cut", "missing"):
            kept = self._publish([*self.files, path], on_error="skip")
            assert (kept.files, list(kept.failures)) == (0, [str(path)])

    @precondition(lambda self: self.files)
    @rule()
    def publish_anew(self) -> None:
        with pytest.raises(PublishError, match="holds a repository"):
            self._publish(self.files, append=False)

    @invariant()
    def cube_is_what_was_published(self) -> None:
        if not getattr(self, "published", None):
            return
        access = {f"file://{self.folder}/scenes/": None}
        repository = icechunk.Repository.open(
            icechunk.local_filesystem_storage(str(self.cube)),
            authorize_virtual_chunk_access=icechunk.containers_credentials(
                dict.fromkeys(access, icechunk.credentials.LocalFileSystemAccess)  # type: ignore[arg-type]
            ),
        )
        group = zarr.open_group(repository.readonly_session("main").store, mode="r")
        array: Any = group["0"]
        times: Any = group["time"]
        assert array.shape == (len(self.published), 32, 32)
        days = times[...].astype("M8[us]").astype("M8[D]").astype(str).tolist()
        assert days == [f"2023-01-{n + 1:02}" for n in range(len(self.published))]
        for n, (path, values) in enumerate(self.published):
            if np.array_equal(pixels(path), values):
                # rewritten with the same pixels: it may be refused all the same
                with suppress(icechunk.IcechunkError):
                    assert np.array_equal(array[n], values)
            else:
                with pytest.raises(icechunk.IcechunkError, match="has changed"):
                    array[n]


Histories.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestHistories = Histories.TestCase
