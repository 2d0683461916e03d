"""What is in a TIFF: its directories as plain data, and as a table.

Neither xarray nor zarr is loaded: it is the first thing that one asks of a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

from virtual_tiff.budget import Budget
from virtual_tiff.dtypes import data_type
from virtual_tiff.image import Options, image_array
from virtual_tiff.locations import Location
from virtual_tiff.obspec_source import ObspecSource
from virtual_tiff.tiff import (
    BlockLayout,
    BoundedSource,
    Compression,
    ImageFileDirectory,
    Kind,
    Limits,
    Photometric,
    PlanarConfiguration,
    Predictor,
    ReadAhead,
    Tiff,
    TiffError,
    UnsupportedError,
    block_layout,
    kind_of,
    read_tiff,
)
from virtual_tiff.tiff.errors import printable, source_name

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["BlockInfo", "Code", "DirectoryInfo", "FileInfo", "inspect", "read_info", "render"]

_CONCURRENCY = 16
"""Files that are read at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A tag's value and what the specifications call it."""

    code: int
    name: str | None
    """None if no specification that we know lists the code."""

    def __str__(self) -> str:
        return str(self.code) if self.name is None else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockInfo:
    """How an image is cut into strips or tiles."""

    kind: Literal["strip", "tile"]
    length: int
    width: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryInfo:
    """One directory; what cannot be said is None, and `error` says why."""

    path: str
    """`"0"`, `"1"`, … in the chain; `"0/1"` for a SubIFD."""
    kind: Kind = "image"
    width: int | None = None
    height: int | None = None
    samples: int | None = None
    data_type: str | None = None
    """Zarr's name."""
    compression: Code | None = None
    predictor: Code | None = None
    photometric: Code | None = None
    planar: Code | None = None
    blocks: BlockInfo | None = None
    shape: tuple[int, ...] | None = None
    """Of the Zarr array: (y, x), or (band, y, x)."""
    chunk_shape: tuple[int, ...] | None = None
    chunk_grid: tuple[int, ...] | None = None
    """Chunks along each dimension."""
    codecs: tuple[str, ...] | None = None
    """Their names, in Zarr's order."""
    bytes_on_disk: int | None = None
    """Of the blocks that the file holds."""
    error: str | None = None
    unsupported: bool = False
    """Whether the error is a feature that this package does not do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """One file; without directories if it could not be read, and `error` says why."""

    url: str
    size: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    """ISO 8601."""
    variant: str | None = None
    """`"II"`, `"MM"`, `"II BigTIFF"` or `"MM BigTIFF"`."""
    directories: tuple[DirectoryInfo, ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return asdict(self)


async def inspect(locations: Sequence[Location], *, limits: Limits | None = None) -> list[FileInfo]:
    """Read the directories of files, several at once.

    Returns
    -------
    list of FileInfo
        In the order of the locations. One that cannot be read has an `error`.
    """
    free = asyncio.Semaphore(_CONCURRENCY)

    async def read(location: Location) -> FileInfo:
        async with free:
            return await read_info(location, limits=limits)

    return await asyncio.gather(*map(read, locations))


async def read_info(location: Location, *, limits: Limits | None = None) -> FileInfo:
    """Read the directories of one file."""
    token = source_name.set(location.url)
    source = BoundedSource(
        ObspecSource(location.store, location.path, location.url), limits or Limits()
    )
    try:
        tiff = await read_tiff(ReadAhead(source), limits=limits)
        return _file(tiff, location.url, limits or Limits())
    except TiffError as error:
        return FileInfo(url=location.url, error=str(error.locate(url=location.url)))
    except OSError as error:
        return FileInfo(url=location.url, error=str(error))
    finally:
        source_name.reset(token)


def _file(tiff: Tiff, url: str, limits: Limits) -> FileInfo:
    state = tiff.state
    options = Options(limits=limits, budget=Budget(limits, state.size))
    return FileInfo(
        url=url,
        size=state.size,
        etag=state.etag,
        last_modified=state.last_modified.isoformat() if state.last_modified else None,
        variant=tiff.header.variant.name,
        directories=tuple(_directory(ifd, state.size, options) for ifd in tiff.walk()),
    )


def _directory(ifd: ImageFileDirectory, file_size: int, options: Options) -> DirectoryInfo:
    """Say as much of a directory as can be said."""
    facts: dict[str, Any] = {}
    try:
        for name, fact in _facts(ifd, file_size, options):
            facts[name] = fact  # noqa: PERF403 (what came before an error is kept)
    except TiffError as error:
        facts["error"] = error.message
        facts["unsupported"] = isinstance(error, UnsupportedError)
    return DirectoryInfo(path=ifd.path, **facts)


def _facts(ifd: ImageFileDirectory, file_size: int, options: Options) -> Iterator[tuple[str, Any]]:
    """Yield the facts, the surest first: the first that cannot be said raises."""
    yield "kind", kind_of(ifd)
    yield "width", ifd.ImageWidth
    yield "height", ifd.ImageLength
    yield "samples", ifd.SamplesPerPixel
    yield "compression", _code(Compression, ifd.Compression)
    yield "predictor", _code(Predictor, ifd.Predictor)
    yield "photometric", _code(Photometric, ifd.PhotometricInterpretation)
    yield "planar", _code(PlanarConfiguration, ifd.PlanarConfiguration)
    layout = block_layout(ifd, file_size=file_size, limits=options.limits)
    yield "blocks", _blocks(layout)
    yield "bytes_on_disk", _bytes_on_disk(layout)
    yield "data_type", data_type(ifd)
    yield from _array_facts(ifd, layout, file_size, options)


def _array_facts(
    ifd: ImageFileDirectory, layout: BlockLayout, file_size: int, options: Options
) -> Iterator[tuple[str, Any]]:
    """Yield what `VirtualTIFF` makes of the directory."""
    metadata = image_array(ifd, None, file_size=file_size, options=options, layout=layout).metadata
    shape = tuple(metadata["shape"])
    chunk_shape = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    yield "shape", shape
    yield "chunk_shape", chunk_shape
    yield "chunk_grid", tuple(-(-n // c) for n, c in zip(shape, chunk_shape, strict=True))
    yield "codecs", tuple(codec["name"] for codec in metadata["codecs"])


def _code(codes: type[IntEnum], value: int | None) -> Code | None:
    if value is None:
        return None
    known = value in set(codes)
    return Code(code=value, name=codes(value).name.rstrip("_") if known else None)


def _blocks(layout: BlockLayout) -> BlockInfo:
    grid = layout.grid
    return BlockInfo(
        kind=grid.kind, length=grid.block_length, width=grid.block_width, count=grid.count
    )


def _bytes_on_disk(layout: BlockLayout) -> int:
    pairs = zip(layout.offsets, layout.byte_counts, strict=True)
    return sum(count for offset, count in pairs if offset)


# ------------------------------------------------------------------------------- table


def render(file: FileInfo, name: str) -> RenderableType:
    """Return a file's table for rich.

    Parameters
    ----------
    file
        The file.
    name
        What to call it.

    Raises
    ------
    ImportError
        If rich is not installed.
    """
    from rich import box  # noqa: PLC0415 (an extra: JSON needs no rich)
    from rich.console import Group  # noqa: PLC0415
    from rich.filesize import decimal  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for header in _COLUMNS:
        table.add_column(header, overflow="fold")
    for directory in file.directories:
        table.add_row(*(Text(printable(cell(directory, decimal))) for cell in _COLUMNS.values()))
    facts = [file.variant, decimal(file.size or 0), file.last_modified]
    heading = Text(printable(f"{name}  ({', '.join(fact for fact in facts if fact)})"))
    return Group(heading, table)


type _Human = Callable[[int], str]


def _size(info: DirectoryInfo, _: _Human) -> str:
    if info.width is None or info.height is None:
        return ""
    bands = f", {info.samples} bands" if (info.samples or 1) > 1 else ""
    return f"{info.width} x {info.height}{bands}"


def _blocks_text(info: DirectoryInfo, _: _Human) -> str:
    blocks = info.blocks
    if blocks is None:
        return ""
    plural = "" if blocks.count == 1 else "s"
    return f"{blocks.count} {blocks.kind}{plural} {blocks.width} x {blocks.length}"


def _grid_text(info: DirectoryInfo, _: _Human) -> str:
    if info.chunk_grid is None or info.chunk_shape is None:
        return ""
    return f"{_by(info.chunk_grid)} of {_by(info.chunk_shape)}"


def _codecs_text(info: DirectoryInfo, _: _Human) -> str:
    if info.error is not None:
        return f"{'unsupported' if info.unsupported else 'error'}: {info.error}"
    return ", ".join(info.codecs or ())


def _by(numbers: tuple[int, ...]) -> str:
    return " x ".join(map(str, numbers))


def _text(value: object) -> str:
    return "" if value is None else str(value)


_COLUMNS: dict[str, Callable[[DirectoryInfo, _Human], str]] = {
    "IFD": lambda info, _: info.path,
    "kind": lambda info, _: info.kind,
    "size": _size,
    "type": lambda info, _: _text(info.data_type),
    "compression": lambda info, _: _text(info.compression),
    "predictor": lambda info, _: _text(info.predictor),
    "blocks": _blocks_text,
    "on disk": lambda info, human: "" if info.bytes_on_disk is None else human(info.bytes_on_disk),
    "chunks": _grid_text,
    "codecs": _codecs_text,
}
