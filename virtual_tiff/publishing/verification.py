"""`verify`: which sources have changed since they were published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

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

if TYPE_CHECKING:
    import icechunk

__all__ = ["Source", "Status", "Verification", "change", "verify", "verify_async"]

type Status = Literal["unchanged", "changed", "missing", "unreachable", "truncated", "unknown"]
"""`truncated`: it has not changed, and was truncated already when it was published. `unknown`: it
exists, but nothing tells whether it has changed since it was published."""

STATUSES: tuple[Status, ...] = get_args(Status.__value__)

_GOOD: tuple[Status, ...] = ("unchanged", "unknown")

_BATCH = 16384
"""Sources that are in memory at a time, as many as a chunk of the ledger has; those that are
unchanged leave nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of a published repository."""

    url: str
    status: Status
    before: SourceState | None = None
    """At the parse; None if the repository does not say."""
    now: SourceState | None = None
    """None if the source could not be asked; in `Verification.sources`, of one that is not among
    `differing`, what it was before."""
    error: str | None = None
    """What has changed, or why it cannot be told."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data; times are in ISO 8601."""
        plain = asdict(self) | {"url": redacted(self.url)}
        for state in (plain["before"], plain["now"]):
            if state is not None and state["last_modified"] is not None:
                state["last_modified"] = state["last_modified"].isoformat()
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What has become of the sources."""

    snapshot: str
    """The commit whose sources were asked for."""
    has_ledger: bool
    """Whether the repository says what its sources were. Of one that does not (published
    by others), a change cannot be told: what is there is `unknown`."""
    counts: Mapping[Status, int]
    differing: tuple[Source, ...]
    """Those that are not `unchanged`, in the order of the repository; without a ledger those
    that are missing or unreachable, as all others are `unknown`."""
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
        Whose newest commit is verified.
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
    inquiry = _Inquiry(stores, concurrency)
    batches = known_sources(session, _BATCH)
    while batch := await await_thread(lambda: next(batches, None)):
        await inquiry.ask(batch, total, progress)
    return Verification(
        snapshot=session.snapshot_id,
        has_ledger=total is not None,
        counts={status: inquiry.counts[status] for status in STATUSES},
        differing=tuple(inquiry.differing),
        _all=lambda: _one_by_one(session),
    )


def _one_by_one(session: icechunk.Session) -> Iterator[KnownSource]:
    for batch in known_sources(session, _BATCH):
        yield from batch


def _usual(known: KnownSource) -> Status:
    """Return the status of sources that are not kept: there may be a million of them."""
    return "unknown" if known.state is None else "unchanged"


class _Inquiry:
    """Asks sources, some at the same time, and keeps what differs."""

    def __init__(self, stores: SourceStores, concurrency: int) -> None:
        self._stores = stores
        self._concurrency = concurrency
        self.counts: Counter[Status] = Counter()
        self.differing: list[Source] = []

    async def ask(
        self,
        batch: list[KnownSource],
        total: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        """Ask a batch of sources."""
        differing: list[Source | None] = [None] * len(batch)
        queue = iter(enumerate(batch))

        async def work() -> None:
            for place, known in queue:  # one iterator for all: each is asked once
                source = await self._asked(known)
                self.counts[source.status] += 1
                if source.status != _usual(known):
                    differing[place] = source
                if progress is not None:
                    done = sum(self.counts.values())
                    progress(done, total if total is not None else done)

        await in_parallel(work, min(self._concurrency, len(batch)))
        self.differing += [source for source in differing if source is not None]

    async def _asked(self, known: KnownSource) -> Source:
        url, before = known.url, known.state
        store, path = self._stores.resolve(url)
        status: Status
        try:
            now = await present_state(store, path, url)
        except OSError as error:
            status = "missing" if isinstance(error, FileNotFoundError) else "unreachable"
            return Source(url=url, status=status, before=before, error=str(error))
        status, words = change(url, before, now)
        if status in _GOOD:
            lost = known.truncated
            if lost is None:  # the ledger does not say it
                lost = await _parts_lost(store, path, url)
            if lost:
                status, words = "truncated", lost
        return Source(url=url, status=status, before=before, now=now, error=words)


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
    """Return whether a source has changed, and how, in words; see `same_object`.

    Parameters
    ----------
    url
        Of the source.
    before, now
        What it was at the parse (None: not known), and what it is.
    """
    if before is None:
        return "unknown", "the repository does not say what it was when it was published"
    comparison = same_object(before, now, url=url)
    return _STATUS_OF[comparison.answer], comparison.words


_STATUS_OF: dict[str, Literal["unchanged", "changed", "unknown"]] = {
    "same": "unchanged",
    "other": "changed",
    "unknown": "unknown",
}
