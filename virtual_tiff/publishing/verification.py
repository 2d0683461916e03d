"""`verify`: which sources have changed since they were published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from typing import Any, Literal, get_args

from virtual_tiff.parser import VirtualTIFF
from virtual_tiff.publishing.repository.containers import SourceStores
from virtual_tiff.publishing.repository.ledger import (
    KnownSource,
    known_sources,
    number_of_sources,
)
from virtual_tiff.publishing.repository.opening import Place, repository_at, session_of
from virtual_tiff.sources.identity import same_object
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
"""Sources that are in memory at a time, as many as a chunk of the ledger has; those that are
unchanged are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of a published repository."""

    url: str
    status: Status
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
    differing: tuple[Source, ...]
    """The sources that are not `unchanged`, in the order of the repository; without a ledger the
    missing and the unreachable ones, as all others are `unknown`."""
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
        """Yield each source, in the order of the repository, from which it is read again."""
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
            "differing": [source.to_json() for source in self.differing],
        }


def verify(
    repository: Place,
    *,
    branch: str = "main",
    store_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Ask each source of a published repository what it is now, and compare.

    Size and ETag are compared, where the source had one and has one; else size and time of
    modification. Of local files it is always size and time.

    The ledger says of each source whether it was truncated when it was published. Where it does
    not (an earlier version wrote it), the directories of sources that have not changed are read
    too, and truncated ones are found.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage` or `icechunk.Repository`.
    branch
        The branch whose newest commit is verified.
    store_options
        obstore's options of the sources' stores. Region, endpoint and whether to sign are
        taken from the repository where they are not given.
    concurrency
        Sources that are asked at the same time.
    progress
        Called with the number of sources asked, and of all sources.

    Raises
    ------
    ValueError
        If an option is not one of those allowed.
    PublishError
        If there is no repository. What is wrong with sources raises nothing.
    """
    work = verify_async(
        repository,
        branch=branch,
        store_options=store_options,
        concurrency=concurrency,
        progress=progress,
    )
    return run_to_end(work)


async def verify_async(
    repository: Place,
    *,
    branch: str = "main",
    store_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Do the same, asynchronously; see `verify`."""
    check_concurrency(concurrency)
    opened = await await_thread(lambda: repository_at(repository))
    session = await await_thread(lambda: session_of(opened, branch=branch))
    total = await await_thread(lambda: number_of_sources(session))
    stores = SourceStores(opened.config, store_options or {})
    counts: Counter[Status] = Counter()
    differing: list[Source] = []
    asked = count(1)

    def report() -> None:
        if progress is not None:
            number = next(asked)
            progress(number, number if total is None else total)

    batches = known_sources(session, _BATCH)
    while batch := await await_thread(lambda: next(batches, None)):
        sources = await _ask(batch, stores, concurrency, report)
        counts.update(source.status for source in sources)
        differing += [
            source
            for source, known in zip(sources, batch, strict=True)
            if source.status != _usual(known)
        ]
    return Verification(
        snapshot=session.snapshot_id,
        has_ledger=total is not None,
        counts={status: counts[status] for status in STATUSES},
        differing=tuple(differing),
        _all=lambda: chain.from_iterable(known_sources(session, _BATCH)),
    )


def _usual(known: KnownSource) -> Status:
    """Return the status of sources that are not kept: there may be a million of them."""
    return "unknown" if known.state is None else "unchanged"


async def _ask(
    batch: list[KnownSource], stores: SourceStores, concurrency: int, report: Callable[[], None]
) -> list[Source]:
    """Ask sources, some at the same time; return what each is now, in their order."""
    sources: dict[int, Source] = {}

    async def work(numbered: tuple[int, KnownSource]) -> None:
        number, known = numbered
        url, before = known.url, known.state
        store, path = stores.resolve(url)
        status: Status
        now = None
        try:
            now = await present_state(store, path, url)
        except OSError as error:
            status = "missing" if isinstance(error, FileNotFoundError) else "unreachable"
            words: str | None = str(error)
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
