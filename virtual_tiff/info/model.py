"""What is said of a file, as records.

The sentence under each field is its row in docs/command-line.md, which
`scripts/make_command_line_docs.py` makes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from virtual_tiff.tiff import Kind

__all__ = ["SCHEMA_VERSION", "Advice", "BlockInfo", "Code", "DirectoryInfo", "FileInfo"]

SCHEMA_VERSION = 1
"""Grows when a key of the JSON goes or means something else; a new key does not change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A tag's value and what the specifications call it."""

    code: int
    """The number in the file."""
    name: str | None
    """Its name; null if no specification that we know lists the code."""

    def __str__(self) -> str:
        return str(self.code) if self.name is None else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockInfo:
    """How an image is cut into strips or tiles."""

    kind: Literal["strip", "tile"]
    """What TIFF calls a block."""
    length: int
    """Rows of a block; the last strip may hold fewer."""
    width: int
    """Columns of a block."""
    count: int
    """Blocks of the image, those that the file leaves out among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Something that makes the file incomplete, or slow to read from object storage."""

    code: str
    """What it is, for programs; see the table of advice."""
    directories: tuple[str, ...]
    """Paths of the directories that it is about."""
    message: str
    """What was found, with its numbers."""
    remedy: str
    """What to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryInfo:
    """One directory; what cannot be said is None, and `error` says why."""

    path: str
    """`"0"`, `"1"`, … in the chain; `"0/1"` for a SubIFD."""
    kind: Kind = "image"
    """What the tag NewSubfileType says it is."""
    width: int | None = None
    """Columns of the image."""
    height: int | None = None
    """Rows of the image."""
    samples: int | None = None
    """Samples of a pixel."""
    data_type: str | None = None
    """Of the Zarr array, by Zarr's name."""
    compression: Code | None = None
    """Tag 259."""
    predictor: Code | None = None
    """Tag 317."""
    photometric: Code | None = None
    """Tag 262, PhotometricInterpretation."""
    planar: Code | None = None
    """Tag 284, PlanarConfiguration."""
    blocks: BlockInfo | None = None
    """How the image is cut."""
    shape: tuple[int, ...] | None = None
    """Of the Zarr array: (y, x), or (band, y, x)."""
    chunk_shape: tuple[int, ...] | None = None
    """Of the Zarr array; strips without compression may be joined to larger chunks."""
    chunk_grid: tuple[int, ...] | None = None
    """Chunks along each dimension."""
    codecs: tuple[str, ...] | None = None
    """Their names, in Zarr's order."""
    bytes_on_disk: int | None = None
    """Of the blocks that the file holds."""
    lost_blocks: int | None = None
    """Blocks that the file lacks, wholly or in part: it is truncated, or a byte count is too
    small."""
    error: str | None = None
    """Why the rest cannot be said."""
    unsupported: bool = False
    """Whether the error is a feature that this package does not do."""
    offset: int | None = None
    """Where the directory begins in the file."""
    overview_of: str | None = None
    """Of an overview or a mask: the path of the image that it belongs to."""
    readable_by: tuple[str, ...] | None = None
    """Zarr implementations that have all codecs of the array and its data type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """One file; without directories if it could not be read, and `error` says why."""

    url: str
    """Where it is, percent-encoded."""
    size: int | None = None
    """Bytes of the file."""
    etag: str | None = None
    """As the store gave it, quotes included."""
    last_modified: str | None = None
    """ISO 8601."""
    variant: str | None = None
    """`"II"`, `"MM"`, `"II BigTIFF"`, `"MM BigTIFF"` or, of a slide above 4 GiB, `"II NDPI"`."""
    directories: tuple[DirectoryInfo, ...] = ()
    """Each of the chain, with its SubIFDs behind it."""
    error: str | None = None
    """Why the file could not be read."""
    schema_version: int = SCHEMA_VERSION
    """Grows when a key goes or means something else; new keys may come at any time."""
    requests: int | None = None
    """Ranges that were asked for to read all directories and values of tags."""
    round_trips: int | None = None
    """Times that an answer had to be waited for; requests of one trip are sent together."""
    advice: tuple[Advice, ...] = ()
    """What makes the file incomplete, or slow to read from object storage."""
    truncated: str | None = None
    """What lies beyond the end of the file; null if it has all that its directories promise."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return it as a table, for notebooks."""
        from virtual_tiff.info.table import file_html  # noqa: PLC0415 (notebooks alone)

        return file_html(self)
