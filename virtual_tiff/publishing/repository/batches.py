"""A run's commit in batches: memory for some of the references, and one moment when all are there.

A session of Icechunk holds each reference that was written to it (some 270 bytes) until it is
committed, and the commit takes more (450 bytes). So a run with many references commits them in
batches, on a temporary branch. At the end the user's branch moves to the tip of that branch, in one
step, which Icechunk refuses if the user's branch is not where it was when the run began. Until then
nobody who reads the user's branch sees anything of the run.

The commits of the batches stay in the history, between the earlier commit and that of the run,
which has the user's message and metadata. They have the metadata `PART`, with the number of the
batch, by which they can be told apart. Icechunk can expire them. A run that fits in one batch is
one plain commit on the user's branch.

A run that is killed leaves its temporary branch. The name of the branch says where the run began,
and which branch it would have moved. Once that branch has moved, by whichever run, the temporary
branch is of no use: its run, were it alive, could not end well. So each run that ends well removes
these branches, and needs no guess about which publisher is alive. It takes nothing over from them:
the records of files that were read are in the cache, and references are written in microseconds.
What such a branch has written remains in the storage until Icechunk's garbage is collected.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

import icechunk

from virtual_tiff.publishing.errors import MEANWHILE, PublishError

__all__ = ["MOST_OF_A_BATCH", "PART", "Batches", "is_temporary", "remove_left_branches"]

MOST_OF_A_BATCH = 65_536
"""References of a commit: less than 100 MB of memory."""

PART = "virtual_tiff_part"
"""Metadata of the commits of batches, which are no whole run."""

_TEMPORARY = "_virtual_tiff/"


class Batches:
    """The sessions in which a run writes, one after another.

    `branch` gets the commit, with the message, on its tip `base`. A run with more than one batch
    has several sessions.
    """

    def __init__(
        self,
        repository: icechunk.Repository,
        name: str,
        branch: str,
        base: str,
        *,
        message: str,
        several: bool,
    ) -> None:
        self._repository = repository
        self._name = name
        self._target = branch
        self._base = base
        self._message = message
        self._branch = branch
        if several:
            self._branch = f"{_TEMPORARY}{base}/{secrets.token_hex(4)}/{branch}"
        self._parts = 0

    def __enter__(self) -> Self:
        if self._branch != self._target:
            self._repository.create_branch(self._branch, self._base)
        self._session = self._repository.writable_session(self._branch)
        return self

    def __exit__(self, *_: object) -> None:
        if self._branch != self._target:
            with suppress(icechunk.IcechunkError):
                self._repository.delete_branch(self._branch)

    @property
    def several(self) -> bool:
        """Whether a batch can end before the run does."""
        return self._branch != self._target

    @property
    def store(self) -> icechunk.IcechunkStore:
        """The store of the present session."""
        return self._session.store

    @property
    def session(self) -> icechunk.Session:
        """The present session."""
        return self._session

    def end_batch(self) -> None:
        """Commit what was written so far to the temporary branch, and begin the next batch."""
        self._parts += 1
        self._commit(f"part {self._parts} of: {self._message}", {PART: self._parts})
        self._session = self._repository.writable_session(self._branch)

    def commit(self, metadata: Mapping[str, Any]) -> str:
        """Commit the rest, and move the user's branch; return the id of the commit."""
        snapshot = self._commit(self._message, metadata)
        if self.several:
            self._repository.reset_branch(self._target, snapshot, from_snapshot_id=self._base)
        return snapshot

    def _commit(self, message: str, metadata: Mapping[str, Any]) -> str:
        try:
            return self._session.commit(message, metadata=dict(metadata))
        except icechunk.RefNotFoundError as error:  # another run has ended, and removed the branch
            raise PublishError(MEANWHILE.format(self._name)) from error


def is_temporary(branch: str) -> bool:
    """Whether a branch is that of a run which has not ended."""
    return branch.startswith(_TEMPORARY)


def remove_left_branches(repository: icechunk.Repository) -> None:
    """Remove the temporary branches of runs that can no longer end well."""
    branches = repository.list_branches()
    for branch in filter(is_temporary, branches):
        base, _, target = branch.removeprefix(_TEMPORARY).split("/", 2)
        if target not in branches or repository.lookup_branch(target) != base:
            with suppress(icechunk.IcechunkError):  # another run removes it too
                repository.delete_branch(branch)
