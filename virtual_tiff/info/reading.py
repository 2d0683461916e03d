"""Reads the directories of files, and makes the records of `info` of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from math import hypot
from typing import Any

from virtual_tiff.arrays.budget import Budget
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.arrays.image import Options, charge, image_array, losses_of
from virtual_tiff.arrays.nodes import chunk_counts
from virtual_tiff.arrays.series import series_of
from virtual_tiff.codec_table import compression_name
from virtual_tiff.codec_table.readers import readers
from virtual_tiff.info.advice import advise
from virtual_tiff.info.extents import Extents, extents_of
from virtual_tiff.info.model import BlockInfo, Code, DirectoryInfo, FileInfo
from virtual_tiff.metadata.nodata import nodata_text
from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.object_source import ObspecSource
from virtual_tiff.sources.running import in_parallel
from virtual_tiff.text.numbers import counted, listed
from virtual_tiff.tiff import (
    BlockLayout,
    BoundedSource,
    Compression,
    CountingSource,
    ImageFileDirectory,
    Limits,
    Loss,
    Photometric,
    PlanarConfiguration,
    Predictor,
    ReadAhead,
    Tiff,
    TiffError,
    UnsupportedError,
    block_layout,
    full_images,
    kind_of,
    read_tiff,
    redacted,
    source_name,
    truncation,
)

__all__ = ["Examined", "examine", "inspect"]

_CONCURRENCY = 16
"""Files that are read at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One file: its record, and where its parts lie."""

    info: FileInfo
    extents: Extents | None = None
    """None if the file could not be read."""


async def inspect(
    locations: Sequence[Location],
    *,
    limits: Limits | None = None,
    on_error: Callable[[Exception], None] | None = None,
) -> list[FileInfo]:
    """Read the directories of files, several at once.

    Parameters
    ----------
    locations
        The files.
    limits
        As `VirtualTIFF` takes them.
    on_error
        Called with the error of each file that cannot be read.

    Returns
    -------
    list of FileInfo
        In the order of the locations. One that cannot be read has an `error`.
    """
    files: dict[int, FileInfo] = {}

    async def read(numbered: tuple[int, Location]) -> None:
        number, location = numbered
        files[number] = (await examine(location, limits=limits, on_error=on_error)).info

    await in_parallel(enumerate(locations), read, _CONCURRENCY)
    return [files[number] for number in range(len(locations))]


async def examine(
    location: Location,
    *,
    limits: Limits | None = None,
    on_error: Callable[[Exception], None] | None = None,
) -> Examined:
    """Read the directories of one file, and say where in it everything lies; see `inspect`."""
    token = source_name.set(location.url)
    limits = limits or Limits()
    source = CountingSource(ObspecSource(location.store, location.path, location.url))
    try:
        tiff = await read_tiff(ReadAhead(BoundedSource(source, limits)), limits=limits)
        return _examined(tiff, source, redacted(location.url), limits)
    except (TiffError, OSError) as error:
        if isinstance(error, TiffError):
            error.locate(url=location.url)
        if on_error is not None:
            on_error(error)
        return Examined(info=FileInfo(url=redacted(location.url), error=str(error)))
    finally:
        source_name.reset(token)


def _examined(tiff: Tiff, source: CountingSource, url: str, limits: Limits) -> Examined:
    """Return the record of a file whose directories were read."""
    state = tiff.state
    options = Options(limits=limits, budget=Budget(limits, state.size))
    full = {path: ifd.path for path, ifd in full_images(tiff.ifds).items()}
    layouts: dict[str, BlockLayout] = {}
    losses: list[Loss] = []
    directories = []
    for ifd in tiff.walk():
        facts: dict[str, Any] = {}
        try:
            for name, fact in _facts(ifd, state.size, options, layouts, losses):
                facts[name] = fact  # noqa: PERF403 (what came before an error is kept)
        except TiffError as error:
            facts["error"] = error.message
            facts["unsupported"] = isinstance(error, UnsupportedError)
        info = DirectoryInfo(path=ifd.path, overview_of=full.get(ifd.path), **facts)
        directories.append(info)
    losses += tiff.losses
    extents = extents_of(tiff, layouts)
    file = FileInfo(
        url=url,
        size=state.size,
        etag=state.etag,
        last_modified=state.last_modified.isoformat() if state.last_modified else None,
        variant=tiff.header.variant.name,
        directories=tuple(directories),
        requests=source.requests,
        round_trips=source.batches,
        truncated=truncation(losses, state.size) if losses else None,
        images=_images(tiff),
    )
    # of these directories not even the entries can be read
    refused = [
        DirectoryInfo(
            path=error.ifd or "",
            offset=error.offset,
            error=error.message,
            unsupported=isinstance(error, UnsupportedError),
        )
        for error in tiff.refused.values()
    ]
    shown = sorted(
        [*directories, *refused], key=lambda info: [int(part) for part in info.path.split("/")]
    )
    file = replace(file, directories=tuple(shown), advice=advise(file, layouts, extents))
    return Examined(info=file, extents=extents)


def _images(tiff: Tiff) -> str | None:
    """Return in words which images the directories are, if their kinds do not say it."""
    ifds = [ifd for ifd in tiff.walk() if ifd.describes_image]
    full = full_images(tiff.ifds)
    try:
        series = series_of(ifds, full)
    except TiffError:  # a directory that decides cannot be read; its line says why
        return None
    if series.format is None and not series.names and series.owners.keys() <= full.keys():
        return None
    masks = {ifd.path for ifd in ifds if kind_of(ifd) == "mask"}
    levels = Counter(image.path for path, image in series.owners.items() if path not in masks)
    alone = {ifd.path for ifd in ifds} - masks - series.owners.keys() - series.names.keys()
    images = [f"image {path} with {counted(levels[path] + 1, 'level')}" for path in sorted(alone)]
    names = [f"{name} {path}" for path, name in series.names.items()]
    return f"{series.format or 'pyramid'}: {listed([*images, *names], 8)}"


def _facts(
    ifd: ImageFileDirectory,
    file_size: int,
    options: Options,
    layouts: dict[str, BlockLayout],
    losses: list[Loss],
) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a directory's record, the surest first, until one raises.

    Its blocks are kept in `layouts`, and those that lie beyond the file's end in `losses`.
    """
    yield "offset", ifd.offset
    yield "kind", kind_of(ifd)
    yield "width", ifd.ImageWidth
    yield "height", ifd.ImageLength
    yield "samples", ifd.SamplesPerPixel
    yield "compression", _code(Compression, ifd.Compression)
    yield "predictor", _code(Predictor, ifd.Predictor)
    yield "photometric", _code(Photometric, ifd.PhotometricInterpretation)
    yield "planar", _code(PlanarConfiguration, ifd.PlanarConfiguration)
    layout = block_layout(ifd, file_size=file_size, limits=options.limits)
    layouts[ifd.path] = layout
    grid = layout.grid
    yield (
        "blocks",
        BlockInfo(
            kind=grid.kind, length=grid.block_length, width=grid.block_width, count=grid.count
        ),
    )
    blocks = zip(layout.offsets, layout.byte_counts, strict=True)
    yield "bytes_on_disk", sum(count for offset, count in blocks if offset)
    yield "data_type", data_type(ifd)
    # what `VirtualTIFF` makes of the directory
    charge(ifd, options)
    image = image_array(ifd, None, file_size=file_size, options=options, layout=layout)
    lost = losses_of(ifd, image.chunks)
    losses.extend(lost)
    yield "lost_blocks", sum(loss.blocks for loss in lost)
    if image.place is not None:
        affine, crs = image.place.affine, image.place.crs
        yield "crs", crs and (crs.code or _name_of(crs.text))
        yield "pixel_size", affine and (hypot(affine.a, affine.d), hypot(affine.b, affine.e))
    yield "nodata", nodata_text(ifd) or None
    metadata = image.metadata
    shape = tuple(metadata["shape"])
    chunk_shape = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    yield "shape", shape
    yield "chunk_shape", chunk_shape
    yield "chunk_grid", chunk_counts(shape, chunk_shape)
    yield "codecs", tuple(codec["name"] for codec in metadata["codecs"])
    yield "readable_by", readers(metadata["codecs"], metadata["data_type"])


def _name_of(wkt: str) -> str:
    """Return the name of a CRS, which stands first in its WKT."""
    return wkt.partition('"')[2].partition('"')[0] or "a CRS without a name"


def _code(codes: type[IntEnum], value: int | None) -> Code | None:
    if value is None:
        return None
    if value in set(codes):
        return Code(code=value, name=codes(value).name.rstrip("_"))
    # a compression of another package has a name, too
    return Code(code=value, name=compression_name(value) if codes is Compression else None)
