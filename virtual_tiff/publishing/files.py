"""The files that are published: all of them parsed, with what they were at that moment."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestArray, ManifestGroup

from virtual_tiff.locations import Location
from virtual_tiff.obspec_source import run_in_thread
from virtual_tiff.parser import VirtualTIFF
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.tiff import SourceState, TiffError, TiffWarning

__all__ = ["JSON", "ParsedFile", "checksum", "parse_all", "run", "warn_of_unknown_times"]

type JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFile:
    """What one file gives."""

    name: str
    """As the user wrote it."""
    url: str
    state: SourceState
    """What the object was when it was parsed."""
    arrays: Mapping[str, ManifestArray]
    """By their path, as `"0"` or `"0/0"`."""
    groups: Mapping[str, JSON]
    """Attributes of each group by its path; that of the root is empty."""


class _Registry(ObjectStoreRegistry[Any]):
    """Serves the locations that it was made of, whatever their urls look like."""

    def __init__(self, locations: Iterable[Location]) -> None:
        super().__init__()
        self._places = {location.url: (location.store, location.path) for location in locations}

    def resolve(self, url: str) -> tuple[Any, str]:
        return self._places[url]


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also within a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return run_in_thread(work)  # in a notebook


async def parse_all(
    parser: VirtualTIFF,
    locations: Sequence[Location],
    concurrency: int,
    progress: Callable[[int, int], None] | None,
) -> list[ParsedFile]:
    """Parse the files, in their order; report all that fail at once."""
    registry = _Registry(locations)
    failures: dict[str, Exception] = {}
    found: dict[str, ParsedFile] = {}
    queue = iter(locations)

    async def work() -> None:
        for location in queue:  # one iterator for all workers: each file is taken once
            try:
                found[location.url] = await _parse(parser, location, registry)
            except (TiffError, OSError, ValueError) as error:
                failures[location.url] = error
            if progress is not None:
                progress(len(found) + len(failures), len(locations))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(locations))):
            group.create_task(work())
    _report(
        {loc.name: failures[loc.url] for loc in locations if loc.url in failures}, len(locations)
    )
    return [found[location.url] for location in locations]


async def _parse(parser: VirtualTIFF, location: Location, registry: _Registry) -> ParsedFile:
    store, state = await parser.parse_with_state(location.url, registry)
    return ParsedFile(
        name=location.name,
        url=location.url,
        state=state,
        arrays=dict(_arrays(store.group)),
        groups=dict(_groups(store.group)),
    )


def _report(failures: Mapping[str, Exception], total: int) -> None:
    if not failures:
        return
    first = next(iter(failures.values()))
    if total == 1:
        raise PublishError(str(first), failures) from first
    lines = [f"\n  {name}: {error}" for name, error in failures.items()]
    msg = f"{len(failures)} of {total} files cannot be published:{''.join(lines)}"
    raise PublishError(msg, failures) from first


def _arrays(group: ManifestGroup, at: str = "") -> Iterator[tuple[str, ManifestArray]]:
    for name, array in group.arrays.items():
        yield at + name, array
    for name, child in group.groups.items():
        yield from _arrays(child, f"{at}{name}/")


def _groups(group: ManifestGroup, at: str = "") -> Iterator[tuple[str, JSON]]:
    yield at.rstrip("/"), dict(group.metadata.attributes)
    for name, child in group.groups.items():
        yield from _groups(child, f"{at}{name}/")


def checksum(state: SourceState) -> datetime | None:
    """Return what Icechunk compares with the source at each read; None if nothing serves.

    Icechunk compares whole seconds: a fractional time, rounded down, would be older than
    the source itself. ETags do not serve: it sends them without their quotes.
    """
    modified = state.last_modified
    if modified is None or modified.timestamp() == 0:  # obstore's for an absent header
        return None
    whole = modified.replace(microsecond=0)
    return whole if whole == modified else whole + timedelta(seconds=1)


def warn_of_unknown_times(files: Sequence[ParsedFile]) -> None:
    """Warn of sources whose changes readers will not notice; in the name of the caller's caller."""
    unknown = [file for file in files if checksum(file.state) is None]
    if unknown:
        text = (
            f"{len(unknown)} of {len(files)} sources have no modification time, so readers"
            f" will not notice when they change; one is {unknown[0].url}"
        )
        warnings.warn(text, TiffWarning, stacklevel=3)
