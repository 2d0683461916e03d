"""How a repository is written and asked for: settings that are saved in it, and travel with it.

Icechunk saves the settings that suit the place where a repository is made. A folder of a disk has
no conditional writes; there a lock keeps publishers apart. If the folder is copied to a bucket, the
settings go with it: Icechunk then moves a branch without a condition, and of two publishers who
commit at the same time both are told that they have, and one commit is gone. In the same way they
say that a failed request is not repeated, which is right for a disk, and wrong for sources that are
asked for over a network. The other way round, a folder cannot be written to with a bucket's
settings.

So whoever writes saves the settings that suit the place where the repository is, and retries that
suit a network; who only reads takes the retries.
"""

from __future__ import annotations

import icechunk

__all__ = ["ONE_REQUEST", "RETRIES", "remarks_on", "suitable_settings", "with_retries"]

ONE_REQUEST = icechunk.StorageConcurrencySettings(
    max_concurrent_requests_for_object=5, ideal_concurrent_request_size=8 * 2**20
)
"""Reads of less than 8 MiB are one request: by default Icechunk cuts each chunk into five, which
is worth it for large chunks alone."""

RETRIES = icechunk.StorageRetriesSettings(
    max_tries=10, initial_backoff_ms=100, max_backoff_ms=180_000
)
"""Tries, and the first and the longest wait between them in milliseconds: Icechunk's default for
buckets."""


def is_unsafe(storage: icechunk.Storage, saved: icechunk.StorageSettings | None) -> bool:
    """Whether commits can be lost: a repository has the settings of a disk, and lies elsewhere."""
    return (
        _has_conditions(storage)
        and saved is not None
        and saved.unsafe_use_conditional_update is False
        # a store without conditional writes, whose user says so, has metadata
        and saved.unsafe_use_metadata is False
    )


def suitable_settings(
    storage: icechunk.Storage, saved: icechunk.StorageSettings | None
) -> icechunk.StorageSettings | None:
    """Return the settings to be saved in place of others; None if those are suitable."""
    if saved is None:
        return None
    changed = with_retries(saved)
    if is_unsafe(storage, saved):
        saved.unsafe_use_conditional_update = saved.unsafe_use_metadata = changed = True
    elif not _has_conditions(storage) and (
        saved.unsafe_use_conditional_update or saved.unsafe_use_metadata
    ):
        saved.unsafe_use_conditional_update = saved.unsafe_use_metadata = False
        changed = True
    return saved if changed else None


def remarks_on(repository: icechunk.Repository) -> tuple[str, ...]:
    """Return what is wrong with the settings that a repository has saved, in words."""
    saved = icechunk.Repository.fetch_config(repository.storage)  # opened with others, perhaps
    settings = None if saved is None else saved.storage
    remarks = []
    mended = "publish, remove and move of this package mend its settings when they write to it"
    if is_unsafe(repository.storage, settings):
        remarks.append(
            "the repository was made on a disk and copied: of two programs that commit to it at"
            f" the same time, the commit of one can be lost. {mended}"
        )
    prefixes = () if saved is None else saved.virtual_chunk_containers or ()
    network = any(not prefix.startswith("file:") for prefix in prefixes)
    if network and settings is not None and with_retries(settings):
        remarks.append(
            "the repository has the setting max_tries 1: a reader who does not use open_published"
            f" fails at the first request that a server refuses for being too busy (429). {mended}"
        )
    return tuple(remarks)


def with_retries(settings: icechunk.StorageSettings) -> bool:
    """Let failed requests be repeated; return whether they were not."""
    if settings.retries is None or (settings.retries.max_tries or 10) > 1:
        return False
    settings.retries = RETRIES
    return True


def _has_conditions(storage: icechunk.Storage) -> bool:
    return storage.default_settings().unsafe_use_conditional_update is not False
