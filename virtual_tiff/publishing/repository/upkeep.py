"""Old commits are forgotten, and space is freed: Icechunk's expiration and garbage collection.

Both are for ever, and both can hurt a run that is writing: what it has written is in no commit
yet, and so looks like garbage. Hence three rules. Tags and tips of branches are kept, whatever
their age. Nothing younger than a day is touched, unless `force` says that nobody is publishing. And
a local repository is locked meanwhile, as by `publish`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import icechunk

from virtual_tiff.publishing.errors import icechunk_errors
from virtual_tiff.publishing.repository.history import LeftBranch, left_branches, moment
from virtual_tiff.publishing.repository.locking import locked
from virtual_tiff.publishing.repository.opening import Place, manifests_of, repository_at
from virtual_tiff.publishing.repository.target import save_containers, target_of

__all__ = ["Expiration", "Garbage", "collect_garbage", "expire"]

_SAFE = timedelta(days=1)
"""The age that whatever a run may be writing has not reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiration:
    """The result of `expire`."""

    older_than: datetime
    """The time before which commits expire."""
    dry_run: bool
    """Whether nothing was changed."""
    snapshots: tuple[str, ...]
    """Ids of the commits that leave the history, the oldest first."""
    manifests: int
    """Manifests that only these commits have, and that garbage collection then frees."""
    bytes: int
    """The bytes of these manifests. What chunks take, `collect_garbage` tells."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "older_than": self.older_than.isoformat(),
            "dry_run": self.dry_run,
            "snapshots": list(self.snapshots),
            "manifests": self.manifests,
            "bytes": self.bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """The result of `collect_garbage`: what was freed, or would be."""

    older_than: datetime
    """The time before which objects are deleted."""
    dry_run: bool
    """Whether nothing was deleted."""
    snapshots: int
    """Snapshots that were deleted."""
    manifests: int
    """Manifests that were deleted."""
    chunks: int
    """Chunks of coordinates, of the ledger, and copied blocks; pixels lie in the sources."""
    bytes: int
    """The bytes that were freed."""
    failed: int = 0
    """Objects that could not be deleted; the next run tries them again."""
    left: tuple[LeftBranch, ...] = ()
    """Temporary branches, whose data is no garbage: their runs have been killed, or still run."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        names = ("dry_run", "snapshots", "manifests", "chunks", "bytes", "failed")
        return {
            "older_than": self.older_than.isoformat(),
            **{name: getattr(self, name) for name in names},
            "left": [{"name": each.name, "time": each.time.isoformat()} for each in self.left],
        }


def expire(
    repository: Place,
    *,
    older_than: datetime | timedelta,
    dry_run: bool = False,
    force: bool = False,
) -> Expiration:
    """Remove old commits from the history of all branches and tags.

    The newest commit of each branch, tagged commits, and the data of both stay as they are: the
    cube reads as before. Expired commits cannot be opened any more once their space was freed by
    `collect_garbage`, and nothing brings them back. Tag a commit that shall be kept.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage` or `icechunk.Repository`.
    older_than
        The time before which commits expire, or their age.
    dry_run
        Whether to return what would expire, and change nothing.
    force
        Whether the time may be less than a day ago. Give it only if nobody is publishing.

    Returns
    -------
    Expiration
        The commits that have expired, or would.

    Raises
    ------
    ValueError
        If the time is less than a day ago, or has no time zone.
    PublishError
        If there is no repository, or somebody is publishing to a local one.
    """
    limit = _limit(older_than, dry_run=dry_run, force=force)
    with _opened(repository, dry_run=dry_run) as opened:
        expired, kept = _expiring(opened, limit)
        manifests, size = _manifests_of(opened, expired, kept)
        if not dry_run:
            opened.expire_snapshots(limit)
        return Expiration(
            older_than=limit,
            dry_run=dry_run,
            snapshots=tuple(expired),
            manifests=manifests,
            bytes=size,
        )


def collect_garbage(
    repository: Place,
    *,
    older_than: datetime | timedelta,
    dry_run: bool = False,
    force: bool = False,
) -> Garbage:
    """Delete what no branch and no tag reaches any more: expired commits, and killed runs.

    Deleted objects are lost for ever. No commit that a branch or a tag reaches changes.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage` or `icechunk.Repository`.
    older_than
        The time before which an object must have been written to be deleted, or its age.
    dry_run
        Whether to return what would be freed, and delete nothing.
    force
        Whether the time may be less than a day ago. A run that is publishing has objects that no
        commit has yet, and would lose them: give it only if nobody is publishing.

    Returns
    -------
    Garbage
        What was deleted, or would be.

    Raises
    ------
    ValueError
        If the time is less than a day ago, or has no time zone.
    PublishError
        If there is no repository, or somebody is publishing to a local one.
    """
    limit = _limit(older_than, dry_run=dry_run, force=force)
    with _opened(repository, dry_run=dry_run) as opened:
        left = left_branches(opened)
        summary = opened.garbage_collect(limit, dry_run=dry_run)
    return Garbage(
        older_than=limit,
        dry_run=dry_run,
        snapshots=summary.snapshots_deleted,
        manifests=summary.manifests_deleted,
        chunks=summary.chunks_deleted,
        bytes=summary.bytes_deleted,
        failed=summary.objects_failed_to_delete,
        left=left,
    )


def _limit(older_than: datetime | timedelta, *, dry_run: bool, force: bool) -> datetime:
    limit = moment(older_than, "older_than")
    if datetime.now(UTC) - limit < _SAFE and not (force or dry_run):
        msg = (
            f"older_than is {limit.isoformat(timespec='seconds')}, less than a day ago: a run that"
            " is publishing now could lose what it has written; give an earlier time, or"
            " force=True if nobody is publishing"
        )
        raise ValueError(msg)
    return limit


@contextmanager
def _opened(repository: Place, *, dry_run: bool) -> Iterator[icechunk.Repository]:
    """Open a repository; a local one is locked if it will be changed."""
    lock: Any = nullcontext()
    name = "the repository"
    if not isinstance(repository, icechunk.Repository):
        target = target_of(repository)
        name = target.name
        if target.path is None and not dry_run:
            repository_at(repository)  # as Ctrl-C ends a call that only reads
            with icechunk_errors(name):
                save_containers(target.storage(), ())  # with settings that lose no commit
        if target.path is not None and not dry_run:
            lock = locked(target.path, name)
    opened = repository_at(repository)
    with icechunk_errors(name), lock:
        yield opened


def _expiring(repository: icechunk.Repository, limit: datetime) -> tuple[list[str], set[str]]:
    """Return the commits that expire, the oldest first, and those that stay."""
    tips = {
        *map(repository.lookup_branch, repository.list_branches()),
        *map(repository.lookup_tag, repository.list_tags()),
    }
    old: dict[str, datetime] = {}
    kept: set[str] = set()
    for tip in sorted(tips):
        for info in repository.ancestry(snapshot_id=tip):
            if info.id in old or info.id in kept:  # and so are those before it
                break
            if info.id in tips or info.parent_id is None or info.written_at >= limit:
                kept.add(info.id)
            else:
                old[info.id] = info.written_at
    return sorted(old, key=lambda snapshot: old[snapshot]), kept


def _manifests_of(
    repository: icechunk.Repository, expired: list[str], kept: set[str]
) -> tuple[int, int]:
    """Return number and bytes of the manifests that only the expired commits have."""
    files: dict[str, int] = {}
    for snapshot in expired:
        files |= {file.id: file.size_bytes for file in manifests_of(repository, snapshot)}
    for snapshot in kept if files else ():
        for file in manifests_of(repository, snapshot):
            files.pop(file.id, None)
    return len(files), sum(files.values())
