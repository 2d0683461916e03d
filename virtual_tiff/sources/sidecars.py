"""The files beside a TIFF that belong to it, read: `.aux.xml`, world files, `.ovr`, `.msk`.

What of them counts is GDAL's rule: its `.aux.xml` above the tags, a world file where there is no
transform, overviews and a mask where the file has none of its own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from virtual_tiff.metadata.sidecars import (
    Statements,
    as_part,
    described,
    flags_of_mask,
    parse_pam,
    parse_world_file,
    statements_of_stac,
)
from virtual_tiff.metadata.transform import Affine, affine_of
from virtual_tiff.tiff import (
    BoundedSource,
    ByteSource,
    ImageFileDirectory,
    Limits,
    ReadAhead,
    Reading,
    Tiff,
    TiffError,
    full_images,
    kind_of,
    read_tiff,
    warn,
)

__all__ = ["Beside", "Parts", "with_sidecars"]

_MOST_OF_WORLD_FILE = 4096
"""Bytes of a world file that are read; six numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is taken from outside of a file."""

    files: bool = False
    """Whether the files beside it are read."""
    raster_bands: Sequence[Mapping[str, Any]] = ()
    """STAC's `raster:bands` of its asset."""
    parts: bool = True
    """Whether directories of other files can be exposed; else these only describe."""
    overviews: bool = True
    """Whether overviews are among these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Which directories of a file are in others beside it."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the other file, by the directory's path."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Its name, by the directory's path."""


async def with_sidecars(
    tiff: Tiff,
    beside: Beside,
    source: Callable[[str], ByteSource],
    *,
    name: str,
    limits: Limits,
    reading: Reading,
) -> tuple[Tiff, Parts]:
    """Return a file with all that is said of its first image outside of it.

    `source` returns the source of a file in the same folder, by name.
    """
    if not tiff.ifds or tiff.ifds[0].path != "0" or not tiff.ifds[0].describes_image:
        return tiff, Parts()
    first = tiff.ifds[0]
    below = statements_of_stac(beside.raster_bands) if beside.raster_bands else None
    if not beside.files:
        return replace(tiff, ifds=(described(first, below=below), *tiff.ifds[1:])), Parts()
    pam, world = None, None
    text = await _text(source(f"{name}.aux.xml"), limits)
    if text is not None:
        pam = parse_pam(text, what=f"{name}.aux.xml", limits=limits)
    if (pam is None or pam.affine is None) and affine_of(first) is None:
        world = await _world_file(source, name)
    changed = described(first, above=pam or Statements(), world=world, below=below)
    full = full_images(tiff.ifds)
    kinds = {kind_of(ifd) for ifd in tiff.walk() if full.get(ifd.path) is first}
    wanted = [
        *(["ovr"] if beside.parts and beside.overviews and "overview" not in kinds else []),
        *(["msk"] if beside.parts and "mask" not in kinds else []),
    ]
    directories: list[ImageFileDirectory] = []
    sizes, names = {}, {}
    while wanted:
        prefix = wanted.pop(0)
        for file in (f"{name}.{prefix}", f"{name}.{prefix.upper()}"):
            other = await _tiff(source(file), file, limits, reading)
            if other is not None:
                break
        if other is None or (prefix == "msk" and not flags_of_mask(other.ifds[0])):
            continue
        if prefix == "msk" and beside.overviews:
            wanted.append("msk.ovr")
        for number, ifd in enumerate(other.ifds):
            if not ifd.describes_image:
                continue
            path = "msk" if prefix == "msk" and number == 0 else f"{prefix}.{number}"
            mask = prefix != "ovr" or kind_of(ifd) == "mask"
            directories.append(as_part(ifd, path, mask=mask))
            sizes[path], names[path] = other.state.size, file
    ifds = (changed, *directories, *tiff.ifds[1:])
    return replace(tiff, ifds=ifds), Parts(sizes=sizes, names=names)


async def _world_file(source: Callable[[str], ByteSource], name: str) -> Affine | None:
    stem, dot, suffix = posixpath.basename(name).rpartition(".")
    if not dot:
        return None
    for end in (suffix[:1] + suffix[-1:] + "w", f"{suffix}w", "wld"):
        for spelled in dict.fromkeys((end, end.lower(), end.upper())):
            data = await _bytes(source(f"{stem}.{spelled}"), _MOST_OF_WORLD_FILE)
            if data is not None:
                return parse_world_file(data.decode("latin-1"))
    return None


async def _text(source: ByteSource, limits: Limits) -> str | None:
    data = await _bytes(source, limits.xml_bytes + 1)
    return None if data is None else data.decode("utf-8-sig", "replace")


async def _bytes(source: ByteSource, most: int) -> bytes | None:
    """Return a file's first bytes; None if it does not exist."""
    try:
        (data,) = await source.read_ranges([(0, most)])
    except (FileNotFoundError, PermissionError):  # S3 says the second where listing is refused
        return None
    return bytes(data)


async def _tiff(source: ByteSource, name: str, limits: Limits, reading: Reading) -> Tiff | None:
    try:
        tiff = await read_tiff(ReadAhead(BoundedSource(source, limits), reading), limits=limits)
    except (FileNotFoundError, PermissionError):
        return None
    except TiffError as error:
        warn(f"{name} is left out: {error}")
        return None
    return tiff if tiff.ifds and tiff.ifds[0].describes_image else None
