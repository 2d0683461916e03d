"""From a byte source to the directories of a TIFF.

`Walk` knows the rules and never awaits; here is the input. Each step is one batch of all
the directories and out-of-line values that are known by then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from .errors import FormatError, TiffError, warn
from .ghost import GHOST_BYTES, Ghost, parse_ghost
from .header import HEADER_BYTES, Header, parse_header
from .ifd import ImageFileDirectory
from .large import (
    PROBE_BYTES,
    contradictions,
    is_large,
    large_header,
    possible_directories,
    unwrapped,
)
from .limits import Limits
from .losses import Loss
from .source import Anticipating, ByteSource, SourceState
from .subfiles import full_images
from .walk import Request, Walk

__all__ = ["Tiff", "read_tiff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiff:
    """A file's header and directories."""

    header: Header
    """The header of the file."""
    state: SourceState
    """What the file was when it was read."""
    ifds: tuple[ImageFileDirectory, ...]
    """The directories of the chain, in its order; or the one that was asked for."""
    refused: Mapping[str, TiffError] = field(default_factory=dict)
    """Why directories beyond the first cannot be read, by their paths; a warning said so. The
    chain ends at the first of its own, and a SubIFD is missing among its siblings."""
    full_image: ImageFileDirectory | None = None
    """If the one that was asked for is an overview or a mask: the image at full resolution
    that it belongs to, with what its tags say of place and meaning, and no more."""
    losses: tuple[Loss, ...] = ()
    """Directories and values of tags that lie beyond the file's end; blocks are not looked at."""

    def walk(self) -> Iterator[ImageFileDirectory]:
        """All directories: each of the chain with its SubIFDs behind it."""
        yield from _descend(self.ifds)


def with_meant_offsets(tiff: Tiff, wanted: int | str | None, *, lsm: bool) -> Tiff:
    """Return a classic TIFF above 4 GiB with offsets that are those that are meant.

    Parameters
    ----------
    tiff
        All of its directories; of an NDPI file perhaps one.
    wanted
        The directory that is asked for; None for all.
    lsm
        Whether it is an LSM file.

    Raises
    ------
    TiffError
        If the first directory, or the one asked for, has others.
    """
    path = None if wanted is None else str(wanted)
    ifds, refused = tiff.ifds, dict(tiff.refused)
    if lsm:
        ifds = unwrapped(ifds, tiff.state.size)
    else:
        refused |= contradictions(ifds, tiff.state.size)
    for of in ("0", path):
        if of in refused and path in (None, of):
            raise refused[of]
    said = refused.keys() - tiff.refused.keys()
    if path is None:
        for each in list(said):
            warn(f"IFD {each} is left out because it cannot be read: {refused[each]}")
        return replace(tiff, ifds=_without(ifds, said), refused=refused)
    nodes = {ifd.path: ifd for ifd in _descend(ifds)}
    if path not in nodes:
        msg = f"the file has no IFD {path!r}; it has {', '.join(list(nodes)[:20])}"
        raise FormatError(msg)
    full = tiff.full_image or full_images(ifds).get(path)
    losses = tuple(loss for loss in tiff.losses if loss.ifd == path)
    return replace(tiff, ifds=(nodes[path],), refused=refused, full_image=full, losses=losses)


def _without(
    ifds: Iterable[ImageFileDirectory], paths: Collection[str]
) -> tuple[ImageFileDirectory, ...]:
    """Return directories without those of some paths, and what is below these."""
    return tuple(
        replace(ifd, subifds=_without(ifd.subifds, paths)) if ifd.subifds else ifd
        for ifd in ifds
        if ifd.path not in paths
    )


def _descend(ifds: Iterable[ImageFileDirectory]) -> Iterator[ImageFileDirectory]:
    for ifd in ifds:
        yield ifd
        yield from _descend(ifd.subifds)


async def read_tiff(
    source: ByteSource, *, ifd: int | str | None = None, limits: Limits | None = None
) -> Tiff:
    """Read the header and the directories of a TIFF.

    Parameters
    ----------
    source
        Where the bytes are. Wrap it in `ReadAhead`, or each step asks for a few bytes.
    ifd
        Read this directory alone (`0`, `"0/1"` for a SubIFD): those before it in the chain
        are passed through without their values, those behind it are not looked at. None
        reads all.
    limits
        What the file may ask for.

    Returns
    -------
    Tiff
        The chain of directories.

    Raises
    ------
    FormatError, TruncatedError
        If the first directory, or the one asked for, cannot be read. Another one that
        cannot ends its chain with a warning, as in GDAL: the images before it are sound. A
        SubIFD that cannot is left out with a warning.
    LimitError
        If the first directory, the one asked for, or the file as a whole asks for more than
        `limits` allow.
    """
    (start,) = await source.read_ranges([(0, HEADER_BYTES)])
    state = source.state
    if state is None:
        msg = f"{type(source).__name__} must have a state after a read; see ByteSource.state"
        raise TypeError(msg)
    header = parse_header(start)
    hints = source if isinstance(source, Anticipating) else None
    ghost = await _ghost(source, hints, header)
    large, lsm = is_large(header, state.size), False
    if large:
        header, lsm = await _large_header(source, header, start, state.size)
    # offsets of 32 bits in a larger file are judged by all of its directories
    alone = None if large and not header.variant.high_words else ifd
    walk = Walk(header.variant, state.size, limits or Limits(), alone, ghost)
    await _follow(walk, source, hints, header.first_ifd_offset)
    tiff = Tiff(
        header=replace(header, variant=walk.variant),
        state=state,
        ifds=walk.finish(),
        refused=walk.refused,
        full_image=walk.full_image(),
        losses=tuple(walk.losses),
    )
    return with_meant_offsets(tiff, ifd, lsm=lsm) if large else tiff


async def _large_header(
    source: ByteSource, header: Header, start: memoryview, size: int
) -> tuple[Header, bool]:
    """Return the header of a classic TIFF above 4 GiB, and whether it is an LSM."""
    places = possible_directories(header, start, size)
    buffers = await source.read_ranges([(at, min(at + PROBE_BYTES, size)) for at in places])
    return large_header(header, dict(zip(places, buffers, strict=True)))


async def _ghost(source: ByteSource, hints: Anticipating | None, header: Header) -> Ghost | None:
    """Return the ghost area, where reading it costs nothing: it is only a hint."""
    start = (0, GHOST_BYTES)
    if hints is None or not hints.holds([start]):
        return None
    (data,) = await source.read_ranges([start])
    return parse_ghost(data, header.variant.header_bytes)


async def _follow(walk: Walk, source: ByteSource, hints: Anticipating | None, first: int) -> None:
    """Give a walk its bytes until it wants no more.

    Directories that are there already are looked at before anything is asked for, so that
    one batch takes what all of them want.
    """
    directories, values = walk.begin(first), list[Request]()
    while directories or values:
        places = [request.range for request in directories]
        if hints is not None and directories and hints.holds(places):
            batch, values_left = directories, values
        else:
            batch, values_left = directories + values, []
            expected = walk.likely(batch)
            if hints is not None and expected is not None:
                hints.expect(expected)
        buffers = await source.read_ranges([request.range for request in batch])
        directories, values = [], values_left
        for request in walk.receive(batch, buffers):
            (values if request.node is None else directories).append(request)
        if not directories and not values:
            directories = walk.descend()
