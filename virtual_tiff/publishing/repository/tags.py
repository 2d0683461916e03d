"""Tags: names of commits that stay, as those of releases."""

from __future__ import annotations

import icechunk

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.sources.object_source import first_line

__all__ = ["check_tag_is_new", "create_tag"]


def check_tag_is_new(repository: icechunk.Repository, tag: str | None, name: str) -> None:
    """Refuse a tag that exists: Icechunk never moves one."""
    if tag is not None and tag in repository.list_tags():
        msg = f"{name}: the tag {tag!r} exists already; give another name"
        raise PublishError(msg)


def create_tag(repository: icechunk.Repository, tag: str | None, snapshot: str, name: str) -> None:
    """Give a commit a tag, if one is wanted; an error says that the commit was made."""
    if tag is None:
        return
    try:
        repository.create_tag(tag, snapshot)
    except icechunk.IcechunkError as error:
        msg = (
            f"{name}: the files are published as {snapshot}, but the tag {tag!r} was not created:"
            f" {first_line(error)}; tag the commit by"
            f" icechunk.Repository.create_tag(tag, {snapshot!r})"
        )
        raise PublishError(msg) from error
