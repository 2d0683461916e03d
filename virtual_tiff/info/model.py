"""The records of `info`: a file, its directories, advice.

The sentence under each field is its row in docs/command-line.md, which
`scripts/make_command_line_docs.py` makes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from virtual_tiff.tiff import Kind

__all__ = ["SCHEMA_VERSION", "Advice", "BlockInfo", "Code", "DirectoryInfo", "FileInfo"]

SCHEMA_VERSION = 1
"""Increases when a key of the JSON is removed or changes its meaning, not with a new key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A tag's value, and its name in the specifications."""

    code: int
    """The number in the file."""
    name: str | None
    """The name; null if no specification that this package knows lists the code."""

    def __str__(self) -> str:
        return str(self.code) if self.name is None else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockInfo:
    """How an image is cut into strips or tiles."""

    kind: Literal["strip", "tile"]
    """Strips or tiles."""
    length: int
    """Rows of a block; the last strip may hold fewer."""
    width: int
    """Columns of a block."""
    count: int
    """Blocks of the image, including those that the file leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Something that makes the file incomplete, or slow to read from object storage."""

    code: str
    """A code for programs; see the table of advice."""
    directories: tuple[str, ...]
    """Paths of the directories that the advice concerns."""
    message: str
    """The problem, with its numbers."""
    remedy: str
    """The command or action that solves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryInfo:
    """One directory; fields that cannot be determined are None, and `error` says why."""

    path: str
    """`"0"`, `"1"`, … in the chain; `"0/1"` for a SubIFD."""
    kind: Kind = "image"
    """The kind of image, by the tag NewSubfileType."""
    width: int | None = None
    """Columns of the image."""
    height: int | None = None
    """Rows of the image."""
    samples: int | None = None
    """Samples of a pixel."""
    data_type: str | None = None
    """Data type of the Zarr array, by Zarr's name."""
    compression: Code | None = None
    """Value of tag 259."""
    predictor: Code | None = None
    """Value of tag 317."""
    photometric: Code | None = None
    """Value of tag 262, PhotometricInterpretation."""
    planar: Code | None = None
    """Value of tag 284, PlanarConfiguration."""
    blocks: BlockInfo | None = None
    """The strips or tiles of the image."""
    shape: tuple[int, ...] | None = None
    """Shape of the Zarr array: (y, x), or (band, y, x)."""
    chunk_shape: tuple[int, ...] | None = None
    """Shape of its chunks; strips without compression may be merged into larger chunks."""
    chunk_grid: tuple[int, ...] | None = None
    """Number of chunks along each dimension."""
    codecs: tuple[str, ...] | None = None
    """Names of the array's codecs, in Zarr's order."""
    bytes_on_disk: int | None = None
    """Bytes of the blocks that the file holds."""
    lost_blocks: int | None = None
    """Number of blocks that the file lacks, wholly or in part: it is truncated, or a byte count
    is too small."""
    error: str | None = None
    """Why the other fields cannot be determined."""
    unsupported: bool = False
    """Whether the error is that this package does not support a feature."""
    offset: int | None = None
    """Offset of the directory in the file."""
    overview_of: str | None = None
    """The path of the image that an overview or a mask belongs to."""
    crs: str | None = None
    """Code of the CRS, or the name of one without a code."""
    pixel_size: tuple[float, float] | None = None
    """Width and height of a pixel, in units of the CRS."""
    nodata: str | None = None
    """Text of tag 42113, GDAL_NODATA."""
    readable_by: tuple[str, ...] | None = None
    """Zarr implementations that have the data type and all codecs of the array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """One file; without directories if it could not be read, and `error` says why."""

    url: str
    """Url of the file, percent-encoded."""
    size: int | None = None
    """Size of the file in bytes."""
    etag: str | None = None
    """ETag as the store gave it, quotes included."""
    last_modified: str | None = None
    """Time of the last modification, ISO 8601."""
    variant: str | None = None
    """`"II"`, `"MM"`, `"II BigTIFF"`, `"MM BigTIFF"` or, for a slide of Hamamatsu, `"II NDPI"`."""
    directories: tuple[DirectoryInfo, ...] = ()
    """The directories of the chain, each followed by its SubIFDs."""
    error: str | None = None
    """Why the file could not be read."""
    schema_version: int = SCHEMA_VERSION
    """Increases when a key is removed or changes its meaning; new keys may come at any time."""
    requests: int | None = None
    """Number of ranges that were requested to read all directories and values of tags."""
    round_trips: int | None = None
    """Number of times that an answer had to be waited for; the requests of one trip are sent
    together."""
    advice: tuple[Advice, ...] = ()
    """The problems that make the file incomplete, or slow to read from object storage."""
    truncated: str | None = None
    """The parts that lie beyond the end of the file; null if the file is complete."""
    images: str | None = None
    """The images of a slide, and of a pyramid that no tag marks, with their levels; null of others,
    whose kinds of directories say it."""

    def to_json(self) -> dict[str, Any]:
        """Return the record as values of JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return the file as a table, for notebooks."""
        from virtual_tiff.info.table import file_html  # noqa: PLC0415 (notebooks alone)

        return file_html(self)
