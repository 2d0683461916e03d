"""`move_sources`: the sources of a repository have another prefix now.

Objects move: to another bucket, to another folder, to another server. The references and the ledger
of a repository name them by their urls, so both must change, and in one step. Icechunk could give
a named container another prefix, but our references are absolute, as any reader understands these;
and a container is a setting of the whole repository, so earlier snapshots would change with it. So
each reference is written anew, in one more snapshot. Earlier snapshots refer to the old places, as
they should: whoever has them open reads what they read before, as long as the old objects exist.

The order of the steps, none of which leaves the repository between two states:

1. The ledger is read, and the new url of each source is noted, in a table on disk.
2. Each new object is asked for its state, and compared with the ledger's state of the old one. All
   that are missing or different are named in one error, and nothing is changed.
3. References are read from the last snapshot array by array, some thousands at a time, and written
   in batches (`repository/batches.py`) with the checksum of the new object; then the ledger. The
   branch moves once, at the end. An interrupted run leaves it where it was.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from itertools import batched, count
from pathlib import Path
from typing import Any, Literal, get_args

import icechunk
import numpy as np
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from virtual_tiff.publishing.errors import PublishError, icechunk_errors
from virtual_tiff.publishing.reading.spool import columns_of_state, state_of_columns
from virtual_tiff.publishing.repository import batches
from virtual_tiff.publishing.repository.batches import Batches, remove_left_branches
from virtual_tiff.publishing.repository.checksums import checksum_of
from virtual_tiff.publishing.repository.containers import (
    Container,
    SourceStores,
    containers_of,
    saved_containers,
)
from virtual_tiff.publishing.repository.ledger import (
    LEDGER,
    LedgerRows,
    PublishedRows,
    read_ledger,
)
from virtual_tiff.publishing.repository.records import move_records
from virtual_tiff.publishing.repository.target import save_containers, target_of
from virtual_tiff.publishing.repository.writer import read_back
from virtual_tiff.sources.identity import same_object
from virtual_tiff.sources.object_source import present_state
from virtual_tiff.sources.running import (
    await_thread,
    check_concurrency,
    in_parallel,
    next_or_none,
    run_to_end,
)
from virtual_tiff.sources.urls import (
    file_path,
    is_remote,
    reference_to,
    root_of,
    scheme_of,
    web_path,
)
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import SourceState, redacted

__all__ = ["Check", "Moved", "move_sources", "move_sources_async"]

type Check = Literal["etag", "size", "none"]
CHECKS: tuple[Check, ...] = get_args(Check.__value__)

type Progress = Callable[[str, int, int | None], None]

_BATCH = 8192
"""References that are read at a time, and new objects whose states are in memory."""
_VIRTUAL = 2
"""The kind of chunks that are references, as Icechunk numbers them."""
_SHOWN = 10
"""Objects that an error names."""
_READ_BACK = 8
"""Arrays of which two chunks are read before the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The result of `move_sources`."""

    snapshot: str
    """The commit."""
    branch: str
    """The branch that was changed."""
    sources: int
    """Sources that have a new url."""
    references: int
    """References that have a new url."""
    containers: tuple[str, ...]
    """The prefixes that readers have to authorise, those of earlier snapshots too."""


def move_sources(  # noqa: PLR0913 (options of users)
    repository: str | os.PathLike[str] | icechunk.Storage,
    prefixes: Mapping[str, str],
    *,
    branch: str = "main",
    check: Check = "etag",
    sample: int | None = None,
    store_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    message: str | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Change the references to sources that have moved to another bucket, folder or server.

    All references and the ledger are changed in one commit. Each new object is compared with the
    old one as the ledger has it, before anything is changed. Earlier snapshots still refer to the
    old objects.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), or an
        `icechunk.Storage`.
    prefixes
        By old prefix: the new one. Each is a bucket, a folder or a file: a path or a url. The
        longest old prefix that a source has is replaced.
    branch
        The branch that gets the commit.
    check
        `"etag"`: a new object must have the size and the ETag of the old one; where one of them
        has no ETag, and for local files, size and time. `"size"`: the size alone. The ledger and
        the references have the state of the new object then. `"none"` asks for nothing: the new
        objects are taken to have the ETags and times of the old ones, and readers refuse those
        that have not.
    sample
        Ask only for so many objects, which are chosen by chance. All others are taken to be as
        with `check="none"`; so these must have the ETags and times of the old ones too.
    store_options
        obstore's options of the new objects' store.
    concurrency
        Objects that are asked at the same time.
    message
        The commit's message.
    progress
        Called with what is done, how much of it was done, and how much there is (None if that is
        not known).

    Returns
    -------
    Moved
        The commit, and the numbers of sources and references that have changed.

    Raises
    ------
    ValueError
        If an option is not one of those allowed, or no source has a prefix.
    PublishError
        If a new object is missing or different, or two sources would be one; its `failures` has
        the reason for each. The repository is as it was before.
    """
    return run_to_end(
        move_sources_async(
            repository,
            prefixes,
            branch=branch,
            check=check,
            sample=sample,
            store_options=store_options,
            concurrency=concurrency,
            message=message,
            progress=progress,
        )
    )


async def move_sources_async(  # noqa: PLR0913 (options of users)
    repository: str | os.PathLike[str] | icechunk.Storage,
    prefixes: Mapping[str, str],
    *,
    branch: str = "main",
    check: Check = "etag",
    sample: int | None = None,
    store_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    message: str | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Do the same, asynchronously; see `move_sources`.

    Parameters
    ----------
    repository, prefixes, branch, check, sample, store_options, concurrency, message, progress
        As those of `move_sources`.

    Returns
    -------
    Moved
        The commit, and the numbers of sources and references that have changed.
    """
    check_concurrency(concurrency)
    if check not in CHECKS:
        msg = f"check must be one of {', '.join(CHECKS)}, not {check!r}"
        raise ValueError(msg)
    if sample is not None and (sample < 1 or check == "none"):
        msg = f"sample must be a number of objects that are checked, at least 1, not {sample!r}"
        raise ValueError(msg)
    report = progress or (lambda *_: None)
    with closing(_Sources(_Prefixes(prefixes))) as sources:
        move = _Move(repository, branch, dict(store_options or {}), sources)
        await await_thread(move.find)
        if check != "none":
            asked = sources.asked(sample)
            await _check(asked, move, check, concurrency, report, keep=sample is None)
        return await await_thread(lambda: move.write(message, report))


class _Prefixes:
    """The old prefixes of urls, each with the new one; none ends with a slash."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        if not prefixes:
            msg = "no prefix is given"
            raise ValueError(msg)
        self.names = dict(prefixes)
        """By old prefix as it is given: the new one."""
        pairs: dict[str, tuple[str, str]] = {}
        for name, new_name in prefixes.items():
            new = _prefix(new_name)
            olds = {_prefix(name)}
            if not is_remote(name):  # a link may have taken the place of the folder that moved
                olds.add(_prefix(Path(file_path(name)).absolute().as_uri(), resolve=False))
            if new in olds:
                msg = f"{redacted(name)} and {redacted(new_name)} are the same prefix"
                raise ValueError(msg)
            pairs |= dict.fromkeys(olds, (new, name))
        self._pairs = sorted(pairs.items(), key=lambda pair: -len(pair[0]))

    def of(self, url: str) -> tuple[str, str] | None:
        """Return the new url of one that has an old prefix, and the prefix as it is given."""
        for old, (new, name) in self._pairs:
            if url.startswith(old) and url[len(old) : len(old) + 1] in ("", "/"):
                return new + url[len(old) :], name
        return None

    def new_url(self, url: str) -> str | None:
        """Return the new url of one that has an old prefix; None of any other."""
        moved = self.of(url)
        return None if moved is None else moved[0]


def _prefix(name: str, *, resolve: bool = True) -> str:
    """Return the url of a bucket, a folder or a file, encoded as the urls of the ledger are."""
    scheme = scheme_of(name)
    if scheme == "memory":
        msg = f"{redacted(name)}: no source is in memory"
        raise ValueError(msg)
    if scheme in (None, "file"):
        path = Path(file_path(name))
        return reference_to("file://", (path.resolve() if resolve else path).as_posix()).rstrip("/")
    root = root_of(name)
    if scheme in ("http", "https"):
        path_in_url, query = web_path(name)
        if query:
            msg = f"{redacted(name)}: a prefix has no query"
            raise ValueError(msg)
        return f"{root}{path_in_url}".rstrip("/")
    return reference_to(root, name[len(root) :].lstrip("/")).rstrip("/")


_TABLE = """
CREATE TABLE source (
    number INTEGER PRIMARY KEY, old TEXT UNIQUE, new TEXT UNIQUE,
    size INTEGER, etag TEXT, modified INTEGER);
"""


@dataclass(frozen=True, slots=True)
class _Source:
    """A source that has moved."""

    number: int
    """Of its row in the ledger."""
    old: str
    new: str
    state: SourceState


class _Sources:
    """The sources that have moved, in a table on disk: there may be millions of them."""

    def __init__(self, prefixes: _Prefixes) -> None:
        self.prefixes = prefixes
        # the steps of a move are in several threads, one after another
        self._db = sqlite3.connect("", check_same_thread=False)
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_TABLE)

    def close(self) -> None:
        self._db.close()

    def find(self, rows: PublishedRows) -> None:
        """Note the sources that have a prefix.

        Raises
        ------
        ValueError
            If none has one of the prefixes.
        PublishError
            If two sources would be one.
        """
        used = set()
        example = ""
        for row in rows.every():
            example = example or row.url
            if (moved := self.prefixes.of(row.url)) is None:
                continue
            new, name = moved
            used.add(name)
            values = (row.number, row.url, new, *columns_of_state(row.state)[:3])
            try:
                self._db.execute("INSERT INTO source VALUES (?,?,?,?,?,?)", values)
            except sqlite3.IntegrityError as error:
                msg = f"two sources would be {redacted(new)}; give other prefixes"
                raise PublishError(msg) from error
        for name in self.prefixes.names:
            if name not in used:
                first = f"; one of the sources is {redacted(example)}" if example else ""
                msg = f"no source of the repository has the prefix {redacted(name)}{first}"
                raise ValueError(msg)
        for some in batched(self, _BATCH):
            for row in rows.of_urls([source.new for source in some]):
                if self.prefixes.of(row.url) is None:
                    msg = f"{redacted(row.url)} is another source of the repository already"
                    raise PublishError(msg)

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM source").fetchone()[0])

    def __iter__(self) -> Iterator[_Source]:
        last = -1
        query = "SELECT * FROM source WHERE number > ? ORDER BY number LIMIT 1000"
        while page := self._db.execute(query, (last,)).fetchall():
            yield from map(_source, page)
            last = page[-1][0]

    def asked(self, sample: int | None) -> tuple[Iterable[_Source], int]:
        """Return those that are asked, and their number: all, or some by chance."""
        total = len(self)
        if sample is None or sample >= total:
            return self, total
        numbers = self._db.execute("SELECT number FROM source ORDER BY number").fetchall()
        chosen = random.sample(numbers, sample)
        query = "SELECT * FROM source WHERE number = ?"
        return [_source(self._db.execute(query, number).fetchone()) for number in chosen], sample

    def set_states(self, states: Iterable[tuple[_Source, SourceState]]) -> None:
        """Take the states of new objects."""
        self._db.executemany(
            "UPDATE source SET size = ?, etag = ?, modified = ? WHERE number = ?",
            [(*columns_of_state(state)[:3], source.number) for source, state in states],
        )

    def of_urls(self, urls: Iterable[str]) -> dict[str, _Source]:
        """Return sources by their old urls."""
        query = "SELECT * FROM source WHERE old IN (SELECT value FROM json_each(?))"
        rows = self._db.execute(query, (json.dumps(list(urls)),))
        return {source.old: source for source in map(_source, rows)}


def _source(row: Sequence[Any]) -> _Source:
    number, old, new, *state = row
    return _Source(number, old, new, state_of_columns(*state))


async def _check(
    asked: tuple[Iterable[_Source], int],
    move: _Move,
    check: Check,
    concurrency: int,
    report: Progress,
    *,
    keep: bool,
) -> None:
    """Compare the new objects with the old ones; `keep` notes the states of the new ones.

    Raises
    ------
    PublishError
        If some are missing or different; it names them.
    """
    some, total = asked
    failures: dict[str, str] = {}
    states: list[tuple[_Source, SourceState]] = []
    numbers = count(1)

    async def work(source: _Source) -> None:
        at = move.stores.locate(source.new)
        try:
            now = await present_state(at.store, at.path, at.url)
        except OSError as error:
            failures[source.new] = str(error)
        else:
            if words := _difference(source, now, check, kept=not keep):
                failures[source.new] = words
            states.append((source, now))
        report("checking objects", next(numbers), total)

    for batch in batched(some, _BATCH):
        await in_parallel(batch, work, min(concurrency, len(batch)))
        if keep:
            move.sources.set_states(states)
        states.clear()
    if failures:
        named = "".join(
            f"\n  {redacted(url)}: {words.removeprefix(f'{redacted(url)}: ')}"
            for url, words in list(failures.items())[:_SHOWN]
        )
        more = f"\n  and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
        hint = (
            "\nIf only the ETags or times differ because the objects were copied, compare"
            " the sizes alone (check='size')"
        )
        msg = (
            f"{len(failures)} of {total:,} new objects are missing or are not what was"
            f" published; nothing was changed:{named}{more}{hint if check == 'etag' else ''}"
        )
        raise PublishError(msg, failures)


def _difference(source: _Source, now: SourceState, check: Check, *, kept: bool) -> str | None:
    """Return how a new object differs from the old one, in words; None if it does not.

    `kept`: the references get the checksum of the old one.
    """
    before = source.state
    if check == "etag" or before.size != now.size:
        comparison = same_object(before, now, url=source.new)
        if not comparison.same:
            return comparison.words
    if kept and checksum_of(source.new, before) != checksum_of(source.new, now):
        return (
            "readers would refuse it, as its ETag or time is another one; check all objects, so"
            " that the new ones are noted"
        )
    return None


class _Move:
    """One run: `find`, then the check of the objects, and `write`."""

    def __init__(
        self,
        place: str | os.PathLike[str] | icechunk.Storage,
        branch: str,
        options: dict[str, Any],
        sources: _Sources,
    ) -> None:
        self._target = target_of(place)
        self._branch = branch
        self._options = options
        self.sources = sources

    def find(self) -> None:
        """Read the ledger, and find the sources that have moved."""
        name = self._target.name
        with icechunk_errors(name):
            repository = self._target.opened(append=True)
            if repository is None:
                msg = f"{name}: there is no repository, or nothing is published in it"
                raise PublishError(msg)
            if self._branch not in repository.list_branches():
                msg = f"{name} has no branch {self._branch!r}"
                raise ValueError(msg)
            self._base = repository.lookup_branch(self._branch)
            store = repository.readonly_session(snapshot_id=self._base).store
            self._ledger, rows = read_ledger(store)
            self.sources.find(rows)
            self.stores = SourceStores(repository.config, self._options)
            saved = saved_containers(repository.config, self._options)
        locations = (self.stores.locate(source.new) for source in self.sources)
        new = containers_of(locations, self._options, saved)
        self._containers: tuple[Container, ...] = (*saved, *new)

    def write(self, message: str | None, report: Progress) -> Moved:
        """Write the references and the ledger, and move the branch."""
        target, sources = self._target, self.sources
        prefixes = ", ".join(f"{old} to {new}" for old, new in sources.prefixes.names.items())
        message = message or f"{counted(len(sources), 'source')} moved from {redacted(prefixes)}"
        with icechunk_errors(target.name):
            with target.writing(self._containers) as repository:
                if repository.lookup_branch(self._branch) != self._base:
                    msg = f"{target.name}: another publisher has committed meanwhile; start again"
                    raise PublishError(msg)
                with Batches(
                    repository,
                    target.name,
                    self._branch,
                    self._base,
                    message=message,
                    several=True,
                ) as sessions:
                    base = repository.readonly_session(snapshot_id=self._base).store
                    written, paths = self._write_references(base, sessions, report)
                    rows = LedgerRows(sessions.store, self._ledger.rows, 0)
                    rows.move_sources((each.number, each.new, each.state) for each in sources)
                    rows.finish(self._ledger)
                    move_records(sessions.store, sources.prefixes.new_url)
                    read_back(sessions.store, paths[:_READ_BACK])
                    metadata = {"virtual_tiff": version("virtual-tiff")}
                    snapshot = sessions.commit(metadata)
                remove_left_branches(repository)
            if target.path is None:
                save_containers(target.storage(), self._containers)
        return Moved(
            snapshot=snapshot,
            branch=self._branch,
            sources=len(sources),
            references=written,
            containers=tuple(container.prefix for container in self._containers),
        )

    def _write_references(
        self, base: icechunk.IcechunkStore, sessions: Batches, report: Progress
    ) -> tuple[int, list[str]]:
        """Write all references anew; return their number, and the paths of their arrays."""
        written = waiting = 0
        paths: dict[str, None] = {}
        for path in sync(_array_paths(base)):
            for chunks, urls, offsets, lengths in _references(base, path):
                moved = {url for url in set(urls) if self.sources.prefixes.of(url) is not None}
                if not moved:
                    continue
                sources = self.sources.of_urls(moved)
                if unknown := moved - sources.keys():
                    msg = f"{redacted(unknown.pop())} is referred to, but is not in the ledger"
                    raise PublishError(msg)
                specs = [
                    _spec(chunk, sources[url], offset, length)
                    for chunk, url, offset, length in zip(
                        chunks, urls, offsets, lengths, strict=True
                    )
                    if url in sources
                ]
                if sessions.store.set_virtual_refs(path, specs, validate_containers=True):
                    msg = f"{path}: Icechunk has no container for its new references"
                    raise PublishError(msg)
                paths[path] = None
                written += len(specs)
                waiting += len(specs)
                report("writing references", written, None)
                if waiting >= batches.MOST_OF_A_BATCH:
                    sessions.end_batch()
                    waiting = 0
        return written, list(paths)


def _spec(chunk: list[int], source: _Source, offset: int, length: int) -> icechunk.VirtualChunkSpec:
    checksum = checksum_of(source.new, source.state)
    etag = checksum if isinstance(checksum, str) else None
    time = None if isinstance(checksum, str) else checksum
    return icechunk.VirtualChunkSpec(chunk, source.new, offset, length, etag, time)


async def _array_paths(store: icechunk.IcechunkStore) -> list[str]:
    """Return the paths of all arrays but those of the ledger."""
    prototype = default_buffer_prototype()
    paths: list[str] = []
    groups = [""]
    while groups:
        group = groups.pop()
        async for name in store.list_dir(group):
            path = f"{group}/{name}" if group else name
            if path == LEDGER or (data := await store.get(f"{path}/zarr.json", prototype)) is None:
                continue
            is_group = json.loads(data.to_bytes())["node_type"] == "group"
            (groups if is_group else paths).append(path)
    return sorted(paths)


def _references(
    store: icechunk.IcechunkStore, path: str
) -> Iterator[tuple[list[list[int]], list[str], list[int], list[int]]]:
    """Yield chunks, urls, offsets and lengths of an array's references, some at a time."""
    batches_of_chunks = aiter(store.array_chunk_iterator(path, _BATCH))
    while batch := sync(next_or_none(batches_of_chunks)):
        chunks, kinds, urls, offsets, lengths, _ = batch
        virtual = np.flatnonzero(kinds == _VIRTUAL)
        if len(virtual):
            some = (chunks[virtual], offsets[virtual], lengths[virtual])
            numbers, starts, sizes = (each.tolist() for each in some)
            yield numbers, [urls[i] for i in virtual.tolist()], starts, sizes
