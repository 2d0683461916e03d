"""The history of a repository in words: commits, and what each did to the files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import icechunk

from virtual_tiff.publishing.errors import icechunk_errors
from virtual_tiff.publishing.repository.batches import PART, is_temporary
from virtual_tiff.publishing.repository.opening import Place, repository_at, session_of

__all__ = ["FILES", "Commit", "History", "LeftBranch", "left_branches", "log", "moment"]

FILES = "virtual_tiff_files"
"""Metadata of a commit: how many files it added, replaced and removed, as `{"added": 3}`, and how
many arrays it wrote to, as `{"arrays": 2}`."""

_COUNTS = ("added", "replaced", "removed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit: a run of `publish`, or of another program."""

    id: str
    """The snapshot, as `open_published(…, snapshot=…)` takes it."""
    time: datetime
    """When it was made, in UTC."""
    message: str
    """Its message."""
    added: int | None = None
    """Files that it added; None of commits that do not record it, as those of other programs."""
    replaced: int | None = None
    """Files whose references it wrote anew."""
    removed: int | None = None
    arrays: int | None = None
    """Arrays of images that it wrote to."""
    parts: int = 0
    """Commits of batches that belong to its run, and are not listed."""
    version: str | None = None
    """The version of virtual_tiff that made it; None if another program did."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The metadata that the publisher gave."""
    branches: tuple[str, ...] = ()
    """Branches of which it is the newest commit."""
    tags: tuple[str, ...] = ()
    """The tags that name it."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data; the time is in ISO 8601."""
        names = (*_COUNTS, "arrays", "parts", "version", "metadata", "branches", "tags")
        rest = {name: getattr(self, name) for name in names}
        return {"id": self.id, "time": self.time.isoformat(), "message": self.message, **rest}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBranch:
    """The temporary branch of a run that has been killed, or is still running."""

    name: str
    """The name of the branch."""
    time: datetime
    """The time of its newest commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The history of a branch, the newest commit first."""

    branch: str
    """The branch."""
    commits: tuple[Commit, ...]
    """The commits, the newest first."""
    branches: tuple[str, ...]
    """All branches of the repository, but for temporary ones."""
    tags: tuple[str, ...]
    """All tags of the repository."""
    left: tuple[LeftBranch, ...] = ()
    """Temporary branches: their runs have been killed, or are still running."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "branch": self.branch,
            "commits": [commit.to_json() for commit in self.commits],
            "branches": list(self.branches),
            "tags": list(self.tags),
            "left": [{"name": each.name, "time": each.time.isoformat()} for each in self.left],
        }


def log(repository: Place, *, branch: str = "main", limit: int | None = None) -> History:
    """Return the history of a branch of a published repository.

    Parameters
    ----------
    repository
        A local path, `s3://bucket/prefix` (with the credentials of the environment), an
        `icechunk.Storage` or `icechunk.Repository`.
    branch
        The branch.
    limit
        How many of the newest commits; None is all of them.

    Returns
    -------
    History
        The commits, the newest first.

    Raises
    ------
    ValueError
        If there is no such branch, or the limit is not positive.
    PublishError
        If there is no repository.
    """
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        msg = f"limit must be a positive whole number or None, not {limit!r}"
        raise ValueError(msg)
    opened = repository_at(repository)
    with icechunk_errors("the repository"):
        tip = session_of(opened, branch=branch).snapshot_id
        tags = {name: opened.lookup_tag(name) for name in sorted(opened.list_tags())}
        branches = {name: opened.lookup_branch(name) for name in sorted(opened.list_branches())}
        shown = {name: at for name, at in branches.items() if not is_temporary(name)}
        return History(
            branch=branch,
            commits=tuple(islice(_commits(opened, tip, shown, tags), limit)),
            branches=tuple(shown),
            tags=tuple(tags),
            left=left_branches(opened),
        )


def moment(given: datetime | timedelta, name: str) -> datetime:
    """Return a time that an option gives, or an age of now.

    Raises
    ------
    ValueError
        If the time has no zone.
    """
    time = datetime.now(UTC) - given if isinstance(given, timedelta) else given
    if time.tzinfo is None:
        msg = f"{name} must have a time zone, as {time.isoformat()}+00:00"
        raise ValueError(msg)
    return time


def left_branches(repository: icechunk.Repository) -> tuple[LeftBranch, ...]:
    """Return the temporary branches of runs that have been killed, or are still running."""
    names = sorted(filter(is_temporary, repository.list_branches()))
    tips = (repository.lookup_snapshot(repository.lookup_branch(name)) for name in names)
    return tuple(
        LeftBranch(name=name, time=tip.written_at) for name, tip in zip(names, tips, strict=True)
    )


def _commits(
    repository: icechunk.Repository,
    tip: str,
    branches: Mapping[str, str],
    tags: Mapping[str, str],
) -> Iterator[Commit]:
    """Yield the commits, those of batches counted in the one that ends their run."""
    names: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for kind, references in enumerate((branches, tags)):
        for name, snapshot in references.items():
            names[snapshot][kind].append(name)
    pending: tuple[icechunk.SnapshotInfo, int] | None = None
    for info in repository.ancestry(snapshot_id=tip):
        is_part = PART in info.metadata
        # a part that has a name, or whose run has no other commit, is shown as what it is
        if is_part and pending is not None and info.id not in names:
            pending = pending[0], pending[1] + 1
            continue
        if pending is not None:
            yield _commit(*pending, *names.get(pending[0].id, ((), ())))
        pending = info, 0
    if pending is not None:
        yield _commit(*pending, *names.get(pending[0].id, ((), ())))


def _commit(
    info: icechunk.SnapshotInfo, parts: int, branches: Sequence[str], tags: Sequence[str]
) -> Commit:
    metadata = dict(info.metadata)
    version = metadata.pop("virtual_tiff", None)
    counts = metadata.pop(FILES, None)
    kept = {key: value for key, value in metadata.items() if not key.startswith("__")}
    known: dict[str, int | None] = {}
    if isinstance(counts, Mapping):
        known = {name: int(counts.get(name, 0)) for name in (*_COUNTS, "arrays")}
    return Commit(
        id=info.id,
        time=info.written_at,
        message=info.message,
        parts=parts,
        version=None if version is None else str(version),
        metadata=kept,
        branches=tuple(branches),
        tags=tuple(tags),
        **known,
    )
