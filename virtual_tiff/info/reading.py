"""From files to what is said of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from virtual_tiff.arrays.budget import Budget
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.arrays.image import Options, charge, image_array, losses_of
from virtual_tiff.codec_table.readers import readers
from virtual_tiff.info.advice import Subject, advise
from virtual_tiff.info.extents import Extents, extents_of
from virtual_tiff.info.model import BlockInfo, Code, DirectoryInfo, FileInfo
from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.object_source import ObspecSource
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
    truncation,
)
from virtual_tiff.tiff.errors import source_name
from virtual_tiff.tiff.redaction import redacted

__all__ = ["Examined", "examine", "inspect", "read_info"]

_CONCURRENCY = 16
"""Files that are read at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One file: what is said of it, and where its parts lie."""

    info: FileInfo
    extents: Extents | None = None
    """None if the file could not be read."""


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
    return (await examine(location, limits=limits)).info


async def examine(location: Location, *, limits: Limits | None = None) -> Examined:
    """Read the directories of one file, and say where in it everything lies."""
    token = source_name.set(location.url)
    limits = limits or Limits()
    source = CountingSource(ObspecSource(location.store, location.path, location.url))
    try:
        tiff = await read_tiff(ReadAhead(BoundedSource(source, limits)), limits=limits)
        return _examined(tiff, source, location.url, limits)
    except (TiffError, OSError) as error:
        said = error.locate(url=location.url) if isinstance(error, TiffError) else error
        return Examined(info=FileInfo(url=redacted(location.url), error=str(said)))
    finally:
        source_name.reset(token)


def _examined(tiff: Tiff, source: CountingSource, url: str, limits: Limits) -> Examined:
    state = tiff.state
    reading = _Reading(
        file_size=state.size,
        options=Options(limits=limits, budget=Budget(limits, state.size)),
        full={path: ifd.path for path, ifd in full_images(tiff.ifds).items()},
    )
    directories = tuple(map(reading.directory, tiff.walk()))
    extents = extents_of(tiff, reading.layouts)
    losses = [*reading.losses, *tiff.losses]
    info = FileInfo(
        url=redacted(url),
        size=state.size,
        etag=state.etag,
        last_modified=state.last_modified.isoformat() if state.last_modified else None,
        variant=tiff.header.variant.name,
        directories=directories,
        requests=source.requests,
        round_trips=source.batches,
        truncated=truncation(losses, state.size) if losses else None,
    )
    told = [*directories, *map(_refused, tiff.refused.values())]
    subjects = [
        Subject(info=info, layout=reading.layouts.get(info.path), file_size=state.size)
        for info in directories
    ]
    advice = advise(info, subjects, extents)
    told.sort(key=lambda directory: [int(part) for part in directory.path.split("/")])
    return Examined(info=replace(info, directories=tuple(told), advice=advice), extents=extents)


def _refused(error: TiffError) -> DirectoryInfo:
    """Return what can be said of a directory of which not even the entries can be read."""
    return DirectoryInfo(
        path=error.ifd or "",
        offset=error.offset,
        error=error.message,
        unsupported=isinstance(error, UnsupportedError),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Says as much of each directory as can be said, and keeps its blocks."""

    file_size: int
    options: Options
    full: Mapping[str, str]
    """The path of the image that an overview or a mask belongs to, by the latter's."""
    layouts: dict[str, BlockLayout] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    """Blocks beyond the file's end."""

    def directory(self, ifd: ImageFileDirectory) -> DirectoryInfo:
        facts: dict[str, Any] = {}
        try:
            for name, fact in self._facts(ifd):
                facts[name] = fact  # noqa: PERF403 (what came before an error is kept)
        except TiffError as error:
            facts["error"] = error.message
            facts["unsupported"] = isinstance(error, UnsupportedError)
        return DirectoryInfo(path=ifd.path, **facts)

    def _facts(self, ifd: ImageFileDirectory) -> Iterator[tuple[str, Any]]:
        """Yield the facts, the surest first: the first that cannot be said raises."""
        yield "offset", ifd.offset
        yield "kind", kind_of(ifd)
        yield "overview_of", self.full.get(ifd.path)
        yield "width", ifd.ImageWidth
        yield "height", ifd.ImageLength
        yield "samples", ifd.SamplesPerPixel
        yield "compression", _code(Compression, ifd.Compression)
        yield "predictor", _code(Predictor, ifd.Predictor)
        yield "photometric", _code(Photometric, ifd.PhotometricInterpretation)
        yield "planar", _code(PlanarConfiguration, ifd.PlanarConfiguration)
        layout = block_layout(ifd, file_size=self.file_size, limits=self.options.limits)
        self.layouts[ifd.path] = layout
        yield "blocks", _blocks(layout)
        yield "bytes_on_disk", _bytes_on_disk(layout)
        yield "data_type", data_type(ifd)
        yield from self._array_facts(ifd, layout)

    def _array_facts(
        self, ifd: ImageFileDirectory, layout: BlockLayout
    ) -> Iterator[tuple[str, Any]]:
        """Yield what `VirtualTIFF` makes of the directory."""
        charge(ifd, self.options)
        image = image_array(
            ifd, None, file_size=self.file_size, options=self.options, layout=layout
        )
        lost = losses_of(ifd, image.chunks)
        self.losses.extend(lost)
        yield "lost_blocks", sum(loss.blocks for loss in lost)
        metadata = image.metadata
        shape = tuple(metadata["shape"])
        chunk_shape = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
        yield "shape", shape
        yield "chunk_shape", chunk_shape
        yield "chunk_grid", tuple(-(-n // c) for n, c in zip(shape, chunk_shape, strict=True))
        yield "codecs", tuple(codec["name"] for codec in metadata["codecs"])
        yield "readable_by", readers(metadata["codecs"], metadata["data_type"])


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
