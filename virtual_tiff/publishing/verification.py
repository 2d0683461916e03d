"""`verify`: which sources have changed since they were published."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import chain, count
from typing import Any, Literal, get_args

import icechunk
import numpy as np
from numpy.typing import NDArray

from virtual_tiff.parser import VirtualTIFF
from virtual_tiff.publishing.repository.containers import SourceStores
from virtual_tiff.publishing.repository.history import moment
from virtual_tiff.publishing.repository.ledger import (
    KnownSource,
    known_sources,
    number_of_sources,
    number_of_urls,
    rows_since,
)
from virtual_tiff.publishing.repository.opening import Place, repository_at, session_of
from virtual_tiff.publishing.repository.settings import remarks_on
from virtual_tiff.sources.identity import same_object
from virtual_tiff.sources.listed_states import (
    LEAST_OF_A_PAGE,
    listed_states,
    lists_from_a_key,
)
from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.object_source import present_state
from virtual_tiff.sources.running import await_thread, check_concurrency, in_parallel, run_to_end
from virtual_tiff.tiff import SourceState, TiffError, redacted, truncation

__all__ = ["Source", "Status", "Verification", "change", "verify", "verify_async"]

type Status = Literal["unchanged", "changed", "missing", "unreachable", "truncated", "unknown"]
"""`truncated`: it has not changed, and was truncated already when it was published. `unknown`: it
exists, but nothing tells whether it has changed since it was published."""

STATUSES: tuple[Status, ...] = get_args(Status.__value__)

_GOOD: tuple[Status, ...] = ("unchanged", "unknown")

_BATCH = 16384
"""Sources that are in memory at a time, as many as two chunks of the ledger have; those that are
unchanged are not kept."""

_LISTED_TOGETHER = 2048
"""Sources that one listing goes through; several listings run at the same time."""

MOST_DIFFERING = 10_000
"""Differing sources that a `Verification` keeps: an archive of millions may have moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of a published repository."""

    url: str
    """Its url, as in the references."""
    status: Status
    """The result of the comparison."""
    before: SourceState | None = None
    """Its state when it was parsed; None if the repository does not record it."""
    now: SourceState | None = None
    """Its present state; None if the source could not be asked. `Verification.sources` repeats the
    state before for a source that has not changed."""
    error: str | None = None
    """The change, or the reason why it cannot be told."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data; times are in ISO 8601."""
        plain = asdict(self) | {"url": redacted(self.url)}
        for state in (plain["before"], plain["now"]):
            if state is not None and state["last_modified"] is not None:
                state["last_modified"] = state["last_modified"].isoformat()
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of `verify`: the state of each source."""

    snapshot: str
    """The commit whose sources were asked for."""
    has_ledger: bool
    """Whether the repository records the state of its sources. If it does not (others published
    it), no change can be told, and sources that exist are `unknown`."""
    counts: Mapping[Status, int]
    """The number of sources of each status."""
    differing: tuple[Source, ...]
    """The sources that are not `unchanged`, in the order of the repository, the first 10,000;
    without a ledger the missing and the unreachable ones, as all others are `unknown`."""
    left_out: int = 0
    """Differing sources beyond those; `verify(…, on_source=…)` is told of all."""
    of: int | None = None
    """The number of sources that the repository has, if some were not asked (`sample`, `since`)."""
    remarks: tuple[str, ...] = ()
    """What is wrong with the repository itself, in words."""
    _all: Callable[[], Iterator[KnownSource]] = field(repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether no source has changed, is missing, unreachable or truncated."""
        return not any(self.counts[status] for status in STATUSES if status not in _GOOD)

    @property
    def total(self) -> int:
        """Sources that were asked."""
        return sum(self.counts.values())

    def sources(self) -> Iterator[Source]:
        """Yield each source, in the order of the repository, from which it is read again.

        Returns
        -------
        iterator of Source
            One for each source that was asked.

        Raises
        ------
        ValueError
            If more than 10,000 sources differ: not all of them were kept.
        """
        if self.left_out:
            more = f"{self.left_out:,} differing sources were not kept"
            msg = f"{more}; give verify a function on_source"
            raise ValueError(msg)
        differing = {source.url: source for source in self.differing}
        for known in self._all():
            yield differing.get(known.url) or Source(
                url=known.url, status=_usual(known), before=known.state, now=known.state
            )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, of the sources those that are not unchanged."""
        return {
            "ok": self.ok,
            "snapshot": self.snapshot,
            "has_ledger": self.has_ledger,
            "counts": dict(self.counts),
            **({"remarks": list(self.remarks)} if self.remarks else {}),
            **({} if self.of is None else {"of": self.of}),
            **({"left_out": self.left_out} if self.left_out else {}),
            "differing": [source.to_json() for source in self.differing],
        }


def verify(  # noqa: PLR0913 (the options of a command)
    repository: Place,
    *,
    branch: str = "main",
    sample: int | None = None,
    since: datetime | timedelta | str | None = None,
    store_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    progress: Callable[[int, int], None] | None = None,
    on_source: Callable[[Source], None] | None = None,
) -> Verification:
    """Compare the sources of a published repository with their state when they were published.

    If the store can list from a key on (S3, GCS), one request lists a thousand sources with a
    common prefix; other sources take one request each.

    The size and the ETag are compared if the source had an ETag and has one, else the size and the
    time of modification. For local files it is always the size and the time.

    The ledger records for each source whether it was truncated when it was published. If it does
    not (an earlier version wrote it), the directories of unchanged sources are read to find
    truncated ones.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage` or `icechunk.Repository`.
    branch
        The branch whose newest commit is verified.
    sample
        Verify only this number of random sources. If one source in a hundred has changed, 300 find
        one in 95 of 100 runs.
    since
        Verify only sources whose references were written after a time, within an age, or after the
        commit of a tag or of a snapshot's id. If the history does not reach so far, all sources.
    store_options
        obstore's options of the stores of the sources. The default of the region, the endpoint and
        whether requests are signed is in the repository.
    concurrency
        The number of requests at the same time.
    progress
        Called with the number of sources that were verified, and the number of all.
    on_source
        Called with each source as soon as its state is known, in the order of the repository.

    Returns
    -------
    Verification
        The state of the sources: counts, and those that differ.

    Raises
    ------
    ValueError
        If an option is not one of those allowed.
    PublishError
        If there is no repository. Changed or missing sources raise no error.
    """
    work = verify_async(
        repository,
        branch=branch,
        sample=sample,
        since=since,
        store_options=store_options,
        concurrency=concurrency,
        progress=progress,
        on_source=on_source,
    )
    return run_to_end(work)


async def verify_async(  # noqa: PLR0913 (the options of a command)
    repository: Place,
    *,
    branch: str = "main",
    sample: int | None = None,
    since: datetime | timedelta | str | None = None,
    store_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    progress: Callable[[int, int], None] | None = None,
    on_source: Callable[[Source], None] | None = None,
) -> Verification:
    """Do the same, asynchronously; see `verify`.

    Parameters
    ----------
    repository, branch, sample, since, store_options, concurrency, progress, on_source
        As those of `verify`.

    Returns
    -------
    Verification
        The state of the sources: counts, and those that differ.
    """
    check_concurrency(concurrency)
    if sample is not None and sample < 1:
        msg = f"sample must be a positive number of sources, not {sample}"
        raise ValueError(msg)
    opened = await await_thread(lambda: repository_at(repository))
    session = await await_thread(lambda: session_of(opened, branch=branch))
    total = await await_thread(lambda: number_of_sources(session))
    rows = await await_thread(lambda: _rows_to_ask(opened, session, total, since, sample))
    to_ask = total if rows is None else len(rows)
    stores = SourceStores(opened.config, store_options or {})
    counts: Counter[Status] = Counter()
    differing: list[Source] = []
    asked = count(1)

    def report() -> None:
        if progress is not None:
            number = next(asked)
            progress(number, number if to_ask is None else to_ask)

    batches = known_sources(session, _BATCH, rows)
    while batch := await await_thread(lambda: next(batches, None)):
        sources = await _ask(batch, stores, concurrency, report)
        for source, known in zip(sources, batch, strict=True):
            counts[source.status] += 1
            if source.status != _usual(known) and len(differing) < MOST_DIFFERING:
                differing.append(source)
            if on_source is not None:
                on_source(source)
    usual: Status = "unknown" if total is None else "unchanged"
    return Verification(
        snapshot=session.snapshot_id,
        has_ledger=total is not None,
        counts={status: counts[status] for status in STATUSES},
        differing=tuple(differing),
        left_out=counts.total() - counts[usual] - len(differing),
        of=total if rows is not None else None,
        remarks=remarks_on(opened),
        _all=lambda: chain.from_iterable(known_sources(session, _BATCH, rows)),
    )


def _rows_to_ask(
    repository: icechunk.Repository,
    session: icechunk.Session,
    total: int | None,
    since: datetime | timedelta | str | None,
    sample: int | None,
) -> NDArray[np.int64] | None:
    """Return the numbers of the sources that are asked; None is all."""
    rows: NDArray[np.int64] | None = None
    if since is not None and (earlier := _commit_at(repository, session, since)) is not None:
        rows = rows_since(session, session_of(repository, snapshot=earlier))
    if sample is not None:
        if rows is None:
            rows = np.arange(total if total is not None else number_of_urls(session))
        if sample < len(rows):
            rows = np.sort(np.random.default_rng().choice(rows, sample, replace=False))
    return rows


def _commit_at(
    repository: icechunk.Repository, session: icechunk.Session, since: datetime | timedelta | str
) -> str | None:
    """Return the commit whose sources need not be asked; None if the history begins later."""
    if isinstance(since, str):
        if since in repository.list_tags():
            return repository.lookup_tag(since)
        return session_of(repository, snapshot=since).snapshot_id
    time = moment(since, "since")
    commits = repository.ancestry(snapshot_id=session.snapshot_id)
    return next((commit.id for commit in commits if commit.written_at <= time), None)


def _usual(known: KnownSource) -> Status:
    """Return the status of sources that are not kept: there may be a million of them."""
    return "unknown" if known.state is None else "unchanged"


async def _ask(
    batch: list[KnownSource], stores: SourceStores, concurrency: int, report: Callable[[], None]
) -> list[Source]:
    """Ask sources, some at the same time; return what each is now, in their order."""
    places = [stores.locate(known.url) for known in batch]
    listed = await _listed(batch, places, concurrency)
    sources: dict[int, Source] = {}

    async def work(numbered: tuple[int, KnownSource]) -> None:
        number, known = numbered
        url, before = known.url, known.state
        store, path = places[number].store, places[number].path
        status: Status
        words: str | None
        now = listed.get(url)
        try:
            if now is None or before is None or not same_object(before, now, url=url).same:
                now = await present_state(store, path, url)
        except OSError as error:
            status = "missing" if isinstance(error, FileNotFoundError) else "unreachable"
            now, words = None, str(error)
        else:
            status, words = change(url, before, now)
        if status in _GOOD:
            lost = known.truncated
            if lost is None:  # the ledger does not say it
                lost = await _parts_lost(store, path, url)
            if lost:
                status, words = "truncated", lost
        sources[number] = Source(url=url, status=status, before=before, now=now, error=words)
        report()

    await in_parallel(enumerate(batch), work, min(concurrency, len(batch)))
    return [sources[number] for number in range(len(batch))]


async def _listed(
    batch: Sequence[KnownSource], places: Sequence[Location], concurrency: int
) -> dict[str, SourceState]:
    """Return by url the present states of sources that listings tell more cheaply."""
    states: dict[str, SourceState] = {}
    urls: dict[int, dict[str, str]] = defaultdict(dict)
    by_number: dict[int, Any] = {}
    for known, at in zip(batch, places, strict=True):
        if known.state is not None and lists_from_a_key(at.store):
            by_number[id(at.store)] = at.store
            urls[id(at.store)][at.path] = known.url
    parts = [
        (number, paths[start : start + _LISTED_TOGETHER])
        for number, paths in ((number, sorted(of_paths)) for number, of_paths in urls.items())
        for start in range(0, len(paths), _LISTED_TOGETHER)
        if len(paths) - start >= LEAST_OF_A_PAGE
    ]

    async def work(part: tuple[int, list[str]]) -> None:
        number, paths = part
        for path, state in (await listed_states(by_number[number], paths)).items():
            states[urls[number][path]] = state

    await in_parallel(parts, work, min(concurrency, max(1, len(parts))))
    return states


async def _parts_lost(store: Any, path: str, url: str) -> str | None:  # noqa: ANN401 (obstore's union)
    """Read a file's directories; return which parts it has lost, None if it is whole or unread."""
    try:
        nodes, state = await VirtualTIFF(coordinates=False).parse_nodes(store, path, url=url)
    except (TiffError, OSError):
        return None
    return truncation(nodes.losses, state.size) if nodes.losses else None


def change(
    url: str, before: SourceState | None, now: SourceState
) -> tuple[Literal["unchanged", "changed", "unknown"], str | None]:
    """Return whether a source has changed since its parse, and how, in words; see `same_object`."""
    if before is None:
        return "unknown", "the repository does not record its state when it was published"
    comparison = same_object(before, now, url=url)
    answers: dict[str, Literal["unchanged", "changed", "unknown"]]
    answers = {"same": "unchanged", "other": "changed", "unknown": "unknown"}
    return answers[comparison.answer], comparison.words
