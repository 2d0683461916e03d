"""What was published, as the user gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """Chunks that lie in the files; the others are missing and read as the fill value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published."""

    snapshot: str
    """The commit's id."""
    branch: str
    files: int
    arrays: tuple[PublishedArray, ...]
    containers: tuple[str, ...]
    """Url prefixes that a reader has to authorise."""
    left_out: Mapping[str, tuple[str, ...]]
    """By path of the array (or group): attributes in which the stacked files differ."""
    readers_need: tuple[str, ...]
    """Python packages beside icechunk, zarr and xarray that have codecs of the arrays."""
    how_to_open: str
    """Five lines of Python, for people who do not have this package."""
    repository: icechunk.Repository = field(repr=False, compare=False)
    """Opened anew for reading, with its containers authorised."""

    @property
    def references(self) -> int:
        """References of all arrays."""
        return sum(array.references for array in self.arrays)
