"""What was published, as the user gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import icechunk

__all__ = ["Published", "PublishedArray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedArray:
    """An array of the repository."""

    path: str
    shape: tuple[int, ...]
    dimensions: tuple[str, ...]
    data_type: str
    references: int
    """Chunks that lie in the files of this run; others are missing, or were there before."""
    stacked: bool = False
    """Whether its first dimension is the one that files are stacked along."""

    def with_references(self, references: int) -> PublishedArray:
        """Return the same with another number of references."""
        return replace(self, references=references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published."""

    snapshot: str
    """The commit's id; if nothing was new that of the last one."""
    branch: str
    files: int
    """That this run has written references to."""
    arrays: tuple[PublishedArray, ...]
    """Those of the images."""
    coordinates: tuple[PublishedArray, ...] = ()
    """The others."""
    containers: tuple[str, ...]
    """Url prefixes that a reader has to authorise."""
    left_out: Mapping[str, tuple[str, ...]]
    """By path of the array (or group): attributes in which the files differ, and that are no
    coordinates."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By name: files that could not be read, and why (with `on_error="skip"`)."""
    unchanged: int = 0
    """Files that were published before, and are what they were."""
    changed: tuple[str, ...] = ()
    """Urls of files that have changed since they were published, and were left as they are."""
    replaced: tuple[str, ...] = ()
    """Urls of files that have changed, whose references are new."""
    missing: int = 0
    """Places of a stack without a file: they read as the fill value."""
    new: bool = True
    """Whether there was anything to commit."""
    readers_need: tuple[str, ...]
    """Python packages beside icechunk, zarr and xarray that have codecs of the arrays."""
    how_to_open: str
    """Five lines of Python, for people who do not have this package."""
    repository: icechunk.Repository = field(repr=False, compare=False)
    """Opened anew for reading, with its containers authorised."""

    @property
    def references(self) -> int:
        """References of all arrays that this run has written."""
        return sum(array.references for array in self.arrays)
