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
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import icechunk
import numpy as np
import pytest
import rasterio
import zarr
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.archive_judge import Readers, judge_many, summary
from support.archives import WAYS, random_archive
from support.cubes import contents, contents_of, differences
from support.scenes import dated, pixels, scene
from virtual_tiff import open_published
from virtual_tiff.publishing import (
    Published,
    PublishError,
    collect_garbage,
    expire,
    log,
    move_sources,
    publish,
    remove,
)

BATCH = 25
TIME = r"_(?P<time>\d{8})\.tif"


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    icechunk.set_logs_filter("error")
    with Readers() as readers:
        yield readers


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 200, BATCH))
def test_cubes_of_random_archives_are_right_or_refused(
    first: int, readers: Readers, tmp_path: Path
) -> None:
    verdict = judge_many(range(first, first + BATCH), tmp_path, readers)
    assert not verdict.wrong, summary(verdict, BATCH)
    assert sum(verdict.right.values()) > BATCH


@pytest.mark.long
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
TestHistories = pytest.mark.long(Histories.TestCase)


class Lives(RuleBasedStateMachine):
    """Files come in any order, change and go; the cube is that of a publication of all of them."""

    kinds: ClassVar[dict[str, dict[str, Any]]] = {
        "stack": {"concat": "time", "time": TIME},
        "mosaic": {"concat": "y,x"},
        "cube of tiles": {"concat": "time,y,x", "time": TIME},
        "group per file": {},
    }
    places: ClassVar[dict[str, list[tuple[int, int, int]]]] = {
        "stack": [(0, 0, day) for day in range(1, 8)],
        "mosaic": [(row, column, 1) for row in range(3) for column in range(3)],
        "cube of tiles": [(row, row, day) for row in range(3) for day in range(1, 4)],
        "group per file": [(row, 0, 1) for row in range(5)],
    }

    @initialize(kind=st.sampled_from(sorted(kinds)))
    def begin(self, kind: str) -> None:
        icechunk.set_logs_filter("error")
        self.options = self.kinds[kind]
        self.all_places = self.places[kind]
        self.folder = Path(tempfile.mkdtemp())
        self.scenes = self.folder / "scenes"
        self.cube = self.folder / "cube"
        self.files: dict[tuple[int, int, int], Path] = {}
        self.clock = 1_600_000_000
        self.result: Any = None

    def teardown(self) -> None:
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    def _write(self, place: tuple[int, int, int], seed: int) -> Path:
        row, column, day = place
        path = self.scenes / f"t{row}{column}_202301{day:02}.tif"
        corner = (500_000 + 320 * column, 4_650_000 - 320 * row)
        tags = {"sensor": "AB"[seed % 5 == 0], "run": str(seed)}
        # some blocks of some files are sparse, so that the number of references differs
        scene(path, seed, shape=(32, 32), block=16, at=corner, tags=tags, nodata=0)
        if seed % 3 == 0:
            with rasterio.open(path) as file:
                profile = file.profile | {"SPARSE_OK": True}
            with rasterio.open(path, "w", **profile) as file:
                file.update_tags(**tags)
                file.write(np.full((1, 16, 16), 1 + seed, "u2"), window=((0, 16), (0, 16)))
        self.clock += 10
        os.utime(path, (self.clock, self.clock))
        return path

    @rule(data=st.data(), seed=st.integers(0, 99))
    def append(self, data: Any, seed: int) -> None:
        free = [place for place in self.all_places if place not in self.files]
        if not free:
            return
        some = data.draw(st.lists(st.sampled_from(free), min_size=1, max_size=3, unique=True))
        new = {place: self._write(place, seed + n) for n, place in enumerate(some)}
        append = self.cube.exists()
        self.result = publish(list(new.values()), self.cube, append=append, **self.options)
        self.files |= new
        self._compare()

    @precondition(lambda self: self.files)
    @rule(data=st.data(), seed=st.integers(100, 199))
    def replace(self, data: Any, seed: int) -> None:
        place = data.draw(st.sampled_from(sorted(self.files)))
        self._write(place, seed)
        files = list(self.files.values())
        options = self.options | {"append": True, "replace_changed": True}
        self.result = publish(files, self.cube, **options)
        assert self.result.replaced == (f"file://{self.files[place]}",)
        self._compare()

    @precondition(lambda self: len(self.files) > 1)
    @rule(data=st.data())
    def remove(self, data: Any) -> None:
        most = len(self.files) - 1
        places = st.lists(st.sampled_from(sorted(self.files)), min_size=1, unique=True)
        gone = [self.files.pop(place) for place in data.draw(places)[:most]]
        for path in gone:
            path.unlink()
        self.result = remove(gone, self.cube)
        assert set(self.result.files) == {f"file://{path}" for path in gone}
        self._compare()

    @precondition(lambda self: self.files)
    @rule()
    def move(self) -> None:
        """The folder of the files has another name from now on."""
        old, self.scenes = self.scenes, self.scenes.with_name(f"{self.scenes.name}_")
        old.rename(self.scenes)
        self.files = {place: self.scenes / path.name for place, path in self.files.items()}
        assert move_sources(self.cube, {str(old): str(self.scenes)}).sources == len(self.files)
        self._compare()

    @precondition(lambda self: self.files)
    @rule()
    def forget(self) -> None:
        """All commits but the newest one go, and what only they had."""
        expire(self.cube, older_than=timedelta(0), force=True)
        collect_garbage(self.cube, older_than=timedelta(0), force=True)
        assert len(log(self.cube).commits) <= 2
        self._compare()

    def _compare(self) -> None:
        fresh = publish(list(self.files.values()), "memory://", **self.options)
        assert not list(differences(contents_of(open_published(self.cube)), contents(fresh)))


_LIVES = int(os.environ.get("VIRTUAL_TIFF_HISTORIES", "8"))
"""Histories that are tried: a thousand take some half an hour."""

Lives.TestCase.settings = settings(
    max_examples=_LIVES,
    stateful_step_count=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLives = pytest.mark.long(Lives.TestCase)
