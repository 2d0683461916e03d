"""The files of a run read: here with bounded concurrency, or by the workers of an engine."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import islice
from typing import Any, Literal

from virtual_tiff.arrays.nodes import Group, without_lost
from virtual_tiff.arrays.one_dataset import texts_as_attributes
from virtual_tiff.arrays.selection.selection import OutsideError
from virtual_tiff.parser import VirtualTIFF
from virtual_tiff.publishing.engines import Engine
from virtual_tiff.publishing.finding.items import Item
from virtual_tiff.publishing.reading.copied_blocks import copies
from virtual_tiff.publishing.reading.portable import Portability, portable_group
from virtual_tiff.publishing.reading.record import Block, Failure, Lost, Record, record_of
from virtual_tiff.publishing.reading.spool import Spool
from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.object_source import (
    check_unchanged,
    present_state,
    source_of,
)
from virtual_tiff.sources.running import in_parallel, run_in_thread
from virtual_tiff.tiff import SourceState, TiffError, TruncatedError, redacted, truncation

__all__ = ["Progress", "Reader", "Tally", "Truncated", "look_up", "parse_here", "parse_there"]

type Truncated = Literal["refuse", "missing", "keep"]
"""How a truncated file is published: it is an error; the chunks that it has lost are missing; or
they are referred to like all others."""

_BATCH, _LARGE_BATCH = 64, 256
"""Files that a worker is sent at once: at first, and when they are known to have few references."""
_REFERENCES = 16_384
"""References that a large batch has at most, by the mean of the files that were read."""
_LAST = 16
"""Batches are smaller when fewer of them are left."""
_FOUND = 1000
"""Files after which it is reported how many were found."""
_SAVE_EVERY = 1.0
"""Seconds after which what was read is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a run."""

    files: int
    """Files that were read, were found in the cache, or failed; of the other stages, those that
    were found, or whose references were written."""
    total: int
    """All files; 0 while they are looked for."""
    references: int
    """References to the chunks of these files."""
    bytes: int
    """Bytes of these files: they are published without being copied."""
    failed: int
    """Files that could not be read."""
    stage: Literal["finding", "reading", "writing", "committing"] = "reading"
    """The stage of the run, in words."""
    last: str = ""
    """The url of the file that was read last, or failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How a file is read."""

    parser: VirtualTIFF
    portable: Portability | None = None
    """The limits of a portable store; None for any other."""
    truncated: Truncated = "refuse"
    """How a truncated file is published."""
    per_scene: tuple[str, ...] = ()
    """Attributes of `spatial_ref` that become coordinates along the new dimension."""
    joined: tuple[str, ...] = ()
    """Axes along which the files are put together; those that files lack change nothing."""
    text_attributes: bool = True
    """Whether texts of bands are attributes of the arrays; else they are coordinates."""
    image_sets: bool = False
    """Whether the files of a multi-file OME-TIFF are put together as their OME-XML says."""

    @property
    def recipe(self) -> str:
        """All that a record depends on beside its file."""
        return f"{self!r} virtual-tiff {version('virtual-tiff')}"


class Tally:
    """Counts the files, and reports the progress."""

    def __init__(self, total: int, report: Callable[[Progress], None] | None) -> None:
        self._report = report or (lambda _: None)
        self._now = Progress(files=0, total=total, references=0, bytes=0, failed=0)

    @property
    def mean(self) -> int:
        """Return the references of a file, on average; many while nothing is known of them."""
        read = self._now.files - self._now.failed
        return self._now.references // read if read else _REFERENCES

    def start(self, files: int, references: int, size: int) -> None:
        """Count the files that need not be read."""
        self._now = replace(self._now, files=files, references=references, bytes=size)

    def found(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items, and report how many were found."""
        for number, item in enumerate(items, 1):
            if number % _FOUND == 0:
                self._report(replace(self._now, files=number, stage="finding"))
            yield item

    def wrote(self, files: int, references: int, *, last: bool = False) -> None:
        """Report what is written, and whether only the commit is left."""
        stage: Literal["writing", "committing"] = "committing" if last else "writing"
        self._report(replace(self._now, files=files, references=references, stage=stage))

    def add(self, result: Record | Failure) -> None:
        """Count one file, and report."""
        now = self._now
        if isinstance(result, Failure):
            failed = now.failed + (not result.outside)
            self._now = replace(now, files=now.files + 1, failed=failed, last=result.url)
        else:
            self._now = replace(
                now,
                files=now.files + 1,
                references=now.references + result.count,
                bytes=now.bytes + result.state.size,
                last=result.url,
            )
        self._report(self._now)


async def parse_one(reader: Reader, location: Location) -> Record | Failure:
    """Read one file; a failure is a result like others."""
    try:
        nodes, state = await reader.parser.parse_nodes(
            location.store, location.path, url=location.url, of_set=reader.image_sets
        )
        losses = nodes.losses
        # uncompressed blocks of too few bytes are never kept: a reader of the cube could not
        # tell one from a last strip
        keep = reader.truncated == "keep" and not any(loss.short for loss in losses)
        if losses and reader.truncated == "missing":
            nodes = without_lost(nodes)
        elif losses and not keep:
            msg = f"{truncation(losses, state.size)}; {_REMEDY}"
            return Failure(location.url, str(TruncatedError(msg, url=location.url)))
        blocks: list[Block] = []
        if reader.portable is not None:
            nodes, blocks = await _portable(nodes, state, location, reader.portable)
        if reader.text_attributes:  # of bands that are put together, those of all files are
            nodes = texts_as_attributes(nodes, but_along=reader.joined)
        lost = None
        if losses:
            lost = Lost(
                words=truncation(losses, state.size),
                blocks=sum(loss.blocks for loss in losses),
                ends_early=not all(loss.short for loss in losses),
            )
        return record_of(
            location.url,
            nodes,
            state,
            blocks=blocks,
            lost=lost,
            per_scene=reader.per_scene,
            join_bands="band" in reader.joined,
        )
    except OutsideError as error:
        return Failure(location.url, str(error), outside=True)
    except (TiffError, OSError, ValueError) as error:
        return Failure(location.url, str(error))
    except Exception as error:  # noqa: BLE001 (one file must not take the others with it)
        message = redacted(f"{location.url}: {type(error).__name__}: {error}")
        return Failure(location.url, message)


_REMEDY = (
    "copy it again, leave it out (on_error='skip'), or publish what it has with truncated='missing'"
)


async def _portable(
    nodes: Group, state: SourceState, location: Location, asked: Portability
) -> tuple[Group, list[Block]]:
    """Return a file in codecs that all read, and the blocks that are copied for that."""
    try:
        nodes, short = portable_group(nodes, state.size, asked)
        source = source_of(location.store, location.path, location.url)
        blocks = await copies(short, source)
    except TiffError as error:
        raise error.locate(url=location.url) from error.__cause__
    if source.state is not None:
        check_unchanged(state, source.state, location.url)
    return nodes, blocks


type _Results = list[tuple[int, Record | Failure]]


@contextmanager
def _taking(spool: Spool, tally: Tally) -> Iterator[Callable[[_Results], None]]:
    """Yield what takes results by the numbers of the items; in the end, all are saved."""
    saved = time.monotonic()

    def take(results: _Results) -> None:
        nonlocal saved
        for n, result in results:
            spool.add(n, result)
            tally.add(result)
        if time.monotonic() - saved > _SAVE_EVERY:
            spool.save()
            saved = time.monotonic()

    try:
        yield take
    finally:
        spool.save()


async def parse_here(reader: Reader, spool: Spool, tally: Tally, *, concurrency: int) -> None:
    """Read the new items in this process."""
    with _taking(spool, tally) as take:

        async def work(numbered: tuple[int, Item]) -> None:
            n, item = numbered
            take([(n, await parse_one(reader, item.location))])

        await in_parallel(spool.items("status = 'new'"), work, concurrency)


async def look_up(spool: Spool, *, concurrency: int) -> None:
    """Ask for the present state of the items of which an earlier one is known."""

    async def work(numbered: tuple[int, Item]) -> None:
        n, item = numbered
        location = item.location
        # an item without a state is read; then the reason is reported, if it persists
        with suppress(OSError):
            spool.set_state(n, await present_state(location.store, location.path, location.url))

    await in_parallel(spool.items(spool.known()), work, concurrency)


# ------------------------------------------------------------------------------ engines


def parse_there(
    engine: Engine, reader: Reader, spool: Spool, tally: Tally, *, concurrency: int
) -> None:
    """Read the new items by the workers of an engine."""
    items = ((n, item.location) for n, item in spool.items("status = 'new'"))
    count = spool.count("new")
    function = partial(parse_batch, reader, concurrency)
    with _taking(spool, tally) as take:
        for batches in _batches(items, count, tally):
            for results in engine.results(function, batches, lost=_not_read):
                take(results)


type _Numbered = tuple[int, Location]


def _batches(
    items: Iterator[_Numbered], count: int, tally: Tally
) -> Iterator[Iterator[list[_Numbered]]]:
    """Divide files into batches: large ones, as a scheduler takes some milliseconds for each.

    Of many files the first ones are read before the others, as they tell how many references a
    file has. The last batches are small, so that all workers end at about the same time.
    """

    def rest(most: int) -> Iterator[list[_Numbered]]:
        left = count
        while batch := list(islice(items, min(max(_BATCH, left // _LAST), most))):
            left -= len(batch)
            yield batch

    if count > _LAST * _BATCH:
        yield iter([list(islice(items, _BATCH))])
    yield rest(max(_BATCH, min(_LARGE_BATCH, _REFERENCES // max(1, tally.mean))))


def _not_read(numbered: _Numbered, reason: str) -> _Results:
    """Return the result for a file of which each worker dies."""
    n, location = numbered
    return [(n, Failure(location.url, f"it cannot be read: {reason}"))]


def parse_batch(reader: Reader, concurrency: int, locations: Sequence[_Numbered]) -> _Results:
    """Read some numbered files, so many at the same time, wherever this runs."""
    results: _Results = []

    async def work(numbered: _Numbered) -> None:
        n, location = numbered
        store = _one_of_equal(location.store)
        results.append((n, await parse_one(reader, replace(location, store=store))))

    # a worker may have a running event loop, as those of Dask do
    run_in_thread(in_parallel(locations, work, min(concurrency, len(locations))))
    return list(_with_shared_texts(results))


def _with_shared_texts(results: _Results) -> Iterator[tuple[int, Record | Failure]]:
    """Yield the results, with what files share once: it is sent once then."""
    texts: dict[str, str] = {}
    for n, result in results:
        if isinstance(result, Failure):
            yield n, result
            continue
        # those of the same template have the same chunks of coordinates
        inline = () if result.template in texts else result.inline
        template, loose = (texts.setdefault(text, text) for text in (result.template, result.loose))
        yield n, replace(result, template=template, loose=loose, inline=inline)


def _one_of_equal(store: Any) -> Any:  # noqa: ANN401 (of obstore or of this package)
    """Return the same store for equal ones: each that arrives has no open connections yet."""
    for known in _stores:
        if known == store:
            return known
    _stores.append(store)
    return store


_stores: deque[Any] = deque(maxlen=16)
