"""Publishers that meet in one place, and publishers that are killed, in processes of their own."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple, Self

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from support.scenes import dated, pixels
from virtual_tiff.publishing import PublishError, publish
from virtual_tiff.publishing.planning import splitting
from virtual_tiff.publishing.repository import batches, references
from virtual_tiff.publishing.repository.writer import Writer
from virtual_tiff.publishing.run import Publication

_PATIENCE = 600
"""Seconds after which a process hangs."""


def context() -> SpawnContext:
    """Processes that share nothing: after a fork, obstore's and Icechunk's threads are missing.

    A fork server is no way out: its preloaded modules are those that the first test of the
    process asked for, and one that has preloaded Icechunk makes children that hang.
    """
    return multiprocessing.get_context("spawn")


def scenes(folder: Path, count: int) -> list[Path]:
    """Files of days that follow each other."""
    return [
        dated(folder / f"{i:03}.tif", f"2023-{1 + i // 28:02}-{1 + i % 28:02}", i)
        for i in range(count)
    ]


def storage_at(place: Path) -> icechunk.Storage:
    """Return the storage of a folder; opening one that is not there would make it."""
    return icechunk.local_filesystem_storage(str(place))


def values_at(place: Path) -> dict[str, NDArray[Any]] | None:
    """Return the published images by their urls; None if there is no commit."""
    return values_in(storage_at(place)) if place.exists() else None


def values_in(storage: icechunk.Storage) -> dict[str, NDArray[Any]] | None:
    """Return the published images by their urls; None if there is no commit."""
    if not icechunk.Repository.exists(storage):
        return None
    config = icechunk.Repository.fetch_config(storage) or icechunk.RepositoryConfig.default()
    local = icechunk.credentials.LocalFileSystemAccess
    prefixes = config.virtual_chunk_containers or {}
    access = icechunk.containers_credentials(dict.fromkeys(prefixes, local))
    repository = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
    if len(list(repository.ancestry(branch="main"))) == 1:
        return None
    group: Any = zarr.open_group(repository.readonly_session("main").store, mode="r")
    urls = [str(url) for url in group["_virtual_tiff/url"][:]]
    places = [json.loads(text)[0] for text in group["_virtual_tiff/coordinates"][:]]
    images = dict(zip(group["time"][:].tolist(), group["0"][...], strict=True))
    assert len(images) == len(urls)
    return {url: images[at] for url, at in zip(urls, places, strict=True)}


def commits_in(storage: icechunk.Storage) -> int:
    """Return the number of commits after the first, empty one."""
    repository = icechunk.Repository.open(storage)
    return len(list(repository.ancestry(branch="main"))) - 1


def same(values: Mapping[str, NDArray[Any]] | None, files: Sequence[Path]) -> bool:
    """Whether these files and no others are published, with the values that GDAL reads."""
    expected = {path.resolve().as_uri(): path for path in files}
    if values is None or set(values) != set(expected):
        return not files and values is None
    return all(np.array_equal(values[url], pixels(path)) for url, path in expected.items())


# ----------------------------------------------------------------------- two publishers


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One of the publishers."""

    files: list[Path]
    to: Path | str
    append: bool = False
    interrupted: bool = False
    """Whether it gets Ctrl-C while it writes."""
    delay: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)


class End(NamedTuple):
    """How a run ended, and the message of its error."""

    state: str
    text: str = ""


def _interrupt(*_: object) -> None:
    time.sleep(0.02)
    raise KeyboardInterrupt


def _publish(run: Run) -> End:
    os.environ |= run.environment
    write = Writer.write
    if run.interrupted:
        Writer.write = _interrupt  # type: ignore[method-assign,assignment]
    try:
        publish(run.files, run.to, concat="time", time="tag", append=run.append)
    except PublishError as error:
        return End("refused", str(error))
    except KeyboardInterrupt:
        return End("interrupted")
    except BaseException as error:  # the other process tells it
        return End("failed", f"{type(error).__name__}: {error}")
    finally:
        Writer.write = write  # type: ignore[method-assign]
    return End("published")


def _publisher(pipe: Connection, barrier: Barrier) -> None:
    """Do the runs that come through a pipe, each together with the other process's."""
    icechunk.set_logs_filter("error")
    while (run := pipe.recv()) is not None:
        barrier.wait(_PATIENCE)
        time.sleep(run.delay)
        pipe.send(_publish(run))


class Publishers:
    """Two processes that publish at once, as often as they are asked."""

    def __init__(self) -> None:
        processes = context()
        self._barrier = processes.Barrier(2)  # kept until the children have it
        self._pipes: list[Connection] = []
        self._children = []
        for _ in range(2):
            pipe, end = processes.Pipe()
            child = processes.Process(target=_publisher, args=(end, self._barrier), daemon=True)
            child.start()
            self._pipes.append(pipe)
            self._children.append(child)

    def meet(self, first: Run, second: Run) -> list[End]:
        """Let both publish at the same moment; return how each ended."""
        for pipe, run in zip(self._pipes, (first, second), strict=True):
            pipe.send(run)
        for pipe in self._pipes:
            assert pipe.poll(_PATIENCE), "the publisher hangs"
        return [pipe.recv() for pipe in self._pipes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe, child in zip(self._pipes, self._children, strict=True):
            pipe.send(None)
            child.join(_PATIENCE)


KINDS = ("new", "new, both append", "append", "nested", "nested, one interrupted")


def trial(
    kind: str, files: Sequence[Path], folder: Path, chance: random.Random, publishers: Publishers
) -> list[str]:
    """Let two publishers meet in a new folder; return how they ended, or raise what is wrong."""
    first, second, base = [files[2]], [files[3]], list(files[:2])
    cube, other = folder / "deep" / "cube", folder / "deep" / "other"
    append = "append" in kind
    if kind == "append":
        publish(base, cube, concat="time", time="tag")
    else:
        base = []
    nested = kind.startswith("nested")
    runs = [
        Run(
            files=first,
            to=cube,
            append=append,
            delay=chance.uniform(0, 0.05),
            interrupted="interrupted" in kind,
        ),
        Run(
            files=second, to=other if nested else cube, append=append, delay=chance.uniform(0, 0.05)
        ),
    ]
    ends = publishers.meet(*runs)
    states = [end.state for end in ends]
    assert "failed" not in states, ends
    if nested:
        assert states == ["interrupted" if runs[0].interrupted else "published", "published"], ends
        assert same(values_at(cube), [] if runs[0].interrupted else first)
        assert same(values_at(other), second)
    else:
        winners = [run for run, state in zip(runs, states, strict=True) if state == "published"]
        assert winners, ends
        assert len(winners) == 1 or append, ends
        assert same(values_at(cube), [*base, *(path for run in winners for path in run.files)])
        assert commits_in(storage_at(cube)) == len(winners) + bool(base)
    litter = [path.name for path in (folder / "deep").iterdir() if "virtual-tiff" in path.name]
    assert not litter
    return states


# -------------------------------------------------------------------------------- kills


def _publish_watched(
    files: list[Path], to: Path, cache: Path, phase: Any, batch: int | None, workers: int
) -> None:
    icechunk.set_logs_filter("error")
    if batch is not None:
        batches.MOST_OF_A_BATCH = batch
        splitting.MOST_REFERENCES = batch
        references.TASK = batch // 2
    commit = Publication._commit

    def watched(*arguments: Any) -> Any:
        phase.value = 1
        found = commit(*arguments)
        phase.value = 2
        return found

    Publication._commit = watched  # type: ignore[method-assign,assignment]
    parallel = workers or False
    publish(files, to, concat="time", time="tag", append=True, cache=cache, parallel=parallel)


def kills(
    count: int,
    files: Sequence[Path],
    folder: Path,
    *,
    half: bool,
    seed: int,
    measured: int = 3,
    batch: int | None = None,
    workers: int = 0,
    resumed: bool = False,
) -> list[int]:
    """Kill publishers while they write; a moment's range is taken of `measured` whole runs.

    `batch` is the number of references of a commit, where a run shall have several. `workers` is
    a number of processes that write references. A run that is `resumed` is killed once more.

    Returns
    -------
    list of int
        How many there were, how many were killed in the write phase, and of these how many left
        the old state, and the new one.
    """
    chance = random.Random(seed)
    cube, cache, kept = folder / "cube", folder / "cache.sqlite", folder / "kept"
    old = list(files[: len(files) // 2]) if half else []
    if half:
        publish(old, kept, concat="time", time="tag", cache=cache)
    processes = context()
    more = (batch, workers)
    duration = min(
        _duration(
            processes, files, folder / f"undisturbed-{n}", cache, kept if half else None, more
        )
        for n in range(measured)
    )
    inside = old_left = new_left = 0
    for _ in range(count):
        shutil.rmtree(cube, ignore_errors=True)
        if half:
            shutil.copytree(kept, cube)
        for _ in range(1 + resumed):
            phase = processes.RawValue("i", 0)  # without a lock: its holder may be killed
            arguments = (list(files), cube, cache, phase, *more)
            child = processes.Process(target=_publish_watched, args=arguments)
            child.start()
            _wait_for(phase, 1, child)
            time.sleep(chance.uniform(0, 0.95) * duration)
            child.kill()
            child.join()
        within = phase.value == 1
        values = values_at(cube)
        is_old, is_new = same(values, old), same(values, files)
        assert is_old or is_new, "neither the old nor the new state"
        inside += within
        old_left += within and is_old
        new_left += within and is_new
        publish(list(files), cube, concat="time", time="tag", append=True, cache=cache)
        assert same(values_at(cube), files)
        assert icechunk.Repository.open(storage_at(cube)).list_branches() == {"main"}
        litter = [path.name for path in folder.iterdir() if "virtual-tiff" in path.name]
        assert is_new or not litter, litter
    return [count, inside, old_left, new_left]


def _duration(
    processes: SpawnContext,
    files: Sequence[Path],
    place: Path,
    cache: Path,
    kept: Path | None,
    more: tuple[int | None, int],
) -> float:
    """Return the seconds of an undisturbed write phase."""
    if kept is not None:
        shutil.copytree(kept, place)
    phase = processes.RawValue("i", 0)  # without a lock: its holder may be killed
    arguments = (list(files), place, cache, phase, *more)
    child = processes.Process(target=_publish_watched, args=arguments)
    child.start()
    _wait_for(phase, 1, child)
    start = time.monotonic()
    _wait_for(phase, 2, child)
    seconds = time.monotonic() - start
    child.join()
    return seconds


def _wait_for(phase: Any, value: int, child: Any) -> None:
    """Wait for a phase, or for the end of a child that has nothing to write."""
    until = time.monotonic() + _PATIENCE
    while phase.value < value and child.is_alive():
        assert time.monotonic() < until, "the publisher hangs"
        time.sleep(0.0005)
    assert phase.value >= value or child.exitcode == 0, "the publisher has failed"
