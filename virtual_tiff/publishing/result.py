"""The result of `publish`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import icechunk

from virtual_tiff.publishing.errors import PublishError

__all__ = ["Published", "PublishedArray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedArray:
    """An array of the repository."""

    path: str
    """Its path in the repository, such as `group/data`."""
    shape: tuple[int, ...]
    """Its length along each dimension."""
    dimensions: tuple[str, ...]
    """The names of the dimensions."""
    data_type: str
    """Zarr's name of the data type, such as `uint16`."""
    references: int
    """Chunks that lie in the files of this run; others are missing, or were there before."""
    stacked: bool = False
    """Whether its first dimension is the one that files are stacked along."""
    inlined: int = 0
    """Chunks that this run has copied into the repository (with `portable=True`)."""
    inlined_bytes: int = 0
    """The bytes of these chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The result of `publish`."""

    snapshot: str
    """The commit's id; if nothing was new, the id of the last commit."""
    branch: str
    """The branch that was published to."""
    files: int
    """Files that this run has written references to."""
    arrays: tuple[PublishedArray, ...]
    """The arrays of the images."""
    coordinates: tuple[PublishedArray, ...] = ()
    """The other arrays."""
    containers: tuple[str, ...]
    """Url prefixes that a reader has to authorise."""
    new_containers: tuple[str, ...] = ()
    """Those that a repository with others got by this run: the code by which readers opened it
    before does not authorise them."""
    left_out: Mapping[str, tuple[str, ...]]
    """By path of the array (or group): attributes in which the files differ, and that are no
    coordinates."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By name: files that cannot be read or arranged with the others, and why (with
    `on_error="skip"`)."""
    outside: tuple[str, ...] = ()
    """Names of files that have no pixel of the window or the box, and are left out."""
    truncated: Mapping[str, str] = field(default_factory=dict)
    """By name: truncated files that this run has published, and what they lack."""
    lost: int = 0
    """Strips and tiles that these files have lost."""
    unchanged: int = 0
    """Files that were published before, and have not changed."""
    changed: tuple[str, ...] = ()
    """Urls of files that have changed since they were published, and were left as they are."""
    replaced: tuple[str, ...] = ()
    """Urls of files that have changed, whose references are new."""
    missing: int = 0
    """Positions of a stack that have no file: they read as the fill value."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """By path: overviews that are left out, as they do not fit into the whole, and why."""
    covered: int = 0
    """Files of which nothing is shown, as other files lie upon them."""
    shift: float = 0.0
    """The largest distance of a file from the common grid, in pixels."""
    portable: bool = False
    """Whether the readers of `portable_readers` read all arrays without codecs of ours."""
    portable_readers: tuple[str, ...] = ()
    """The readers that a portable repository is for; empty if it is not portable."""
    new: bool = True
    """Whether there was anything to commit."""
    dry_run: bool = False
    """Whether nothing was written: the result says what would be, and `snapshot` is the last
    commit, or empty."""
    requests: int | None = None
    """Requests for bytes of the files; None where workers have read them."""
    bytes_read: int | None = None
    """The bytes of the files that were read."""
    readers_need: tuple[str, ...]
    """Python packages beside icechunk, zarr and xarray that readers need for the codecs."""
    how_to_open: str
    """Six lines of Python, for people who do not have this package."""
    _opened: icechunk.Repository | None = field(repr=False, compare=False)

    @property
    def repository(self) -> icechunk.Repository:
        """The repository, opened anew for reading, with its containers authorised.

        After a dry run it is a `PublishError`.
        """
        if self._opened is None:
            msg = "a dry run publishes nothing: publish without dry_run"
            raise PublishError(msg)
        return self._opened

    def to_json(self) -> dict[str, Any]:
        """Return all but the repository as plain data, for JSON."""
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "_opened"}
        for name in ("arrays", "coordinates"):
            plain[name] = [asdict(array) for array in plain[name]]
        counts = ("references", "inlined", "inlined_bytes")
        plain |= {name: getattr(self, name) for name in counts}
        return plain | {name: dict(v) for name, v in plain.items() if isinstance(v, Mapping)}

    @property
    def references(self) -> int:
        """References of all arrays that this run has written."""
        return sum(array.references for array in self.arrays)

    @property
    def inlined(self) -> int:
        """Chunks of all arrays that this run has copied."""
        return sum(array.inlined for array in self.arrays)

    @property
    def inlined_bytes(self) -> int:
        """The bytes of these chunks."""
        return sum(array.inlined_bytes for array in self.arrays)
