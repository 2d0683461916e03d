"""`remove`: files are taken out of a repository, in one commit.

A removed file needs not exist any more, so nothing is listed, and names are compared with the urls
in the ledger. The cube becomes the one that the files which stay would make (`rearrangement`): a
date without a file is gone, and so is a row of tiles at the edge of a mosaic; a tile between others
leaves a hole. With `keep_places` all arrays keep their shape, and the files leave holes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import icechunk

from virtual_tiff.publishing.errors import PublishError, icechunk_errors
from virtual_tiff.publishing.options import PublishOptions
from virtual_tiff.publishing.planning.plan import Plan
from virtual_tiff.publishing.reading.spool import Spool
from virtual_tiff.publishing.rearrangement import with_kept_options
from virtual_tiff.publishing.repository.keys import metadata_of
from virtual_tiff.publishing.repository.target import target_of
from virtual_tiff.publishing.run import Publication
from virtual_tiff.sources.listings import NameMatcher, names_of_list
from virtual_tiff.sources.running import interruptible, run_to_end
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import redacted

__all__ = ["Removed", "remove"]

_SHOWN = 10
"""Names that an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The result of `remove`."""

    snapshot: str
    """The commit's id; of a dry run that of the last commit."""
    branch: str
    """The branch that was changed."""
    files: tuple[str, ...]
    """The urls of the files."""
    deleted: tuple[str, ...]
    """Paths of groups and arrays that have no file left, or that were coordinates of the files."""
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    """By path of an array whose shape changes: the shape before and after."""
    read_again: int
    """Files that stay, and that were read again."""
    dry_run: bool
    """Whether nothing was changed."""
    repository: icechunk.Repository | None = field(default=None, repr=False, compare=False)
    """The repository, opened anew for reading; None after a dry run."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "snapshot": self.snapshot,
            "branch": self.branch,
            "dry_run": self.dry_run,
            "files": [redacted(url) for url in self.files],
            "deleted": list(self.deleted),
            "shapes": {path: [list(each) for each in both] for path, both in self.shapes.items()},
            "read_again": self.read_again,
        }


def remove(  # noqa: PLR0913 (one keyword an option)
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    repository: str | os.PathLike[str] | icechunk.Storage,
    *,
    keep_places: bool = False,
    dry_run: bool = False,
    branch: str = "main",
    message: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    store_options: Mapping[str, Any] | None = None,
    concurrency: int = 64,
) -> Removed:
    """Remove files from a published repository, in one commit.

    The cube becomes the cube of the other files. A position along a new dimension without a file
    is removed, and later positions move up. A tile of a mosaic leaves a hole, or makes the mosaic
    smaller if it was the last one at an edge. The group of a file is deleted, and so is a group of
    a layout without files. Other groups keep their names.

    Parameters
    ----------
    sources
        One or several of: a path or url; a directory or a prefix, for all files below it; a glob;
        `@list.txt`, a file with one of these a line; `-`, the same from standard input. They are
        compared with what is published, so the files need not exist.
    repository
        A local path, `s3://bucket/prefix`, … or an `icechunk.Storage`, as for `publish`.
    keep_places
        Whether the arrays keep their shapes, coordinates and attributes: the files leave holes,
        which read as the fill value until another file is published at the same place.
    dry_run
        Whether to say only what would be removed.
    branch
        The branch of the commit.
    message
        Of the commit; None is the number of files.
    metadata
        Further metadata of the commit.
    store_options
        obstore's options of the files' stores: files that stay are read again in some cases.
    concurrency
        Files that are read at the same time.

    Returns
    -------
    Removed
        The commit, and the files that were removed.

    Raises
    ------
    ValueError
        If an option is not one of those allowed.
    PublishError
        If a source is not published in the repository; it names them all. Nothing is changed then.
    """
    options = PublishOptions(
        append=True,
        branch=branch,
        message=message,
        metadata=metadata,
        store_options=store_options,
        concurrency=concurrency,
    )
    removal = Removal((), target_of(repository), options, Spool(None), keep_places=keep_places)
    with removal:
        interruptible(removal.select)(list(_names(sources)))
        while removal.plan():
            run_to_end(removal.read_again())
        return removal.finished(dry_run=dry_run)


def _names(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> Iterator[str]:
    several = [sources] if isinstance(sources, str | os.PathLike) else sources
    for source in several:
        name = os.fspath(source)
        if name == "-" or name.startswith("@"):
            text = sys.stdin.read() if name == "-" else Path(name[1:]).read_text(encoding="utf-8")
            yield from names_of_list(text.split("\n"))
        else:
            yield name


@dataclass(slots=True)
class Removal(Publication):
    """One run that removes files: `select`, `plan` and `read_again`, `finished`."""

    def select(self, names: list[str]) -> None:
        """Find the published files that the names stand for.

        Raises
        ------
        PublishError
            If there is no repository or no branch, if a name stands for none, or for all.
        """
        self._look_at_target()
        repository, ledger, place = self._repository, self.ledger, self.target.name
        if repository is None or ledger is None or self.published is None:
            msg = f"{place}: there is no repository with published files"
            raise PublishError(msg)
        with icechunk_errors(place):
            if self.options.branch not in repository.list_branches():
                msg = f"{place} has no branch {self.options.branch!r}"
                raise PublishError(msg)
        self.web = self._web_references()
        if self.web is not None:
            names = list(map(self.web.url_of, names))
        matcher = NameMatcher(names)
        used: set[str] = set()
        gone: dict[str, str] = {}
        total = 0
        for row in self.published.every():
            total += 1
            if of_url := matcher.names_of(row.url):
                used.update(of_url)
                gone[row.url] = row.group
        if unused := [redacted(name) for name in names if name not in used]:
            more = f", and {len(unused) - _SHOWN} more" if len(unused) > _SHOWN else ""
            msg = f"not published in {place}: {', '.join(unused[:_SHOWN])}{more}"
            raise PublishError(msg)
        if not names:
            msg = "no files are named"
            raise ValueError(msg)
        if len(gone) == total and not self.keep_places:
            msg = f"these are all files of {place}; delete the repository instead"
            raise PublishError(msg)
        if self.keep_places and ledger.layout == "group per file":
            msg = f"each file of {place} has a group of its own, which has no place to be kept"
            raise ValueError(msg)
        self.gone = gone
        # the groups have their names, whatever gave them
        options = replace(
            self.options, per_scene=ledger.per_scene or (), concat=ledger.axes or None
        )
        self.options = with_kept_options(options, self._kept_options).settled(
            published=ledger.portable
        )
        self._find_containers()

    def _message(self, _: Plan) -> str:
        return f"{counted(len(self.gone), 'TIFF')} removed"

    def finished(self, *, dry_run: bool) -> Removed:
        """Write the plan, unless it is a dry run, and return the result."""
        store = self._base_store()
        result = None if self._rearrangement is None else self._rearrangement.result
        shapes = {}
        shapes_after = {} if result is None else result.shapes
        for path, after in shapes_after.items():
            metadata = metadata_of(store, path) or {"shape": after}
            if metadata["shape"] != list(after):
                shapes[path] = (tuple(metadata["shape"]), tuple(after))
        published = None if dry_run else self.write()
        return Removed(
            snapshot=str(self._base) if published is None else published.snapshot,
            branch=self.options.branch,
            files=tuple(self.gone),
            deleted=tuple(self.gone.values()) if result is None else tuple(result.removed),
            shapes=shapes,
            read_again=self.spool.count_again(),
            dry_run=dry_run,
            repository=None if published is None else published.repository,
        )
