"""How much a file may ask for.

Each limit has a name, a default that real files stay below, and an error that
names it. A count that the file states is checked against the file's own size as
well, so a limit only decides about files that are really that large.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from .errors import LimitError

__all__ = ["Limits"]

_MOST_DEPTH = 100
"""The tree of SubIFDs is walked by recursion, and Python's own limit is 1000 calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what one file may cost; lift one with `Limits(name=value)`.

    All values are inclusive maxima and must be positive integers.
    """

    directories: int = 100_000
    """Directories (IFDs and SubIFDs) in one file."""

    entries: int = 4_096
    """Entries in one directory. The largest known writer (DNG) stays below 200."""

    value_bytes: int = 2**31
    """Bytes of out-of-line values in one file: 2 GiB hold the offsets and counts of
    134 million BigTIFF tiles."""

    shared_values: int = 2**27
    """Bytes of values beyond the size of the file itself: directories may share a colour
    profile, but thousands that share a megabyte are work without end."""

    requests: int = 2**15
    """Requests for one file. A chain of scattered directories takes one for each."""

    fetched_bytes: int = 2**32
    """Bytes that are read of one file, of which most are values, and what lies between."""

    subifd_depth: int = 8
    """Nesting of SubIFDs (tag 330); at most 100, where no file can mean anything."""

    missing_blocks: int = 1_000_000
    """Blocks that a too short StripOffsets or TileOffsets may leave out (they read
    as missing). libtiff's LIBTIFF_STRILE_ARRAY_MAX_RESIZE_COUNT. And blocks of all images
    of a file beyond those for whose offsets it has room."""

    blocks: int = 2**28
    """Strips or tiles of one image, and of all images of a file together."""

    block_bytes: int = 2**29
    """Bytes of one decoded block: who reads a pixel of it holds all of it, at times twice."""

    samples: int = 2**20
    """Samples of a pixel, summed over the images of a file. One image has 65,535 at most."""

    geokeys: int = 1_024
    """GeoKeys of one directory; with more its GeoKeys are left out, with a warning."""

    xml_bytes: int = 2**26
    """Bytes of one document in XML; a larger one is left out, with a warning. OME-XML with a
    `Plane` and a `TiffData` for each of 100,000 planes has some 30 MB."""

    xml_depth: int = 64
    """Nesting of elements in XML; a deeper document is left out, with a warning."""

    xml_elements: int = 2**20
    """Elements in XML, each of 4 bytes of text and 100 or more of memory; a document of more
    is left out, with a warning."""

    coordinates: int = 2**24
    """Rows and columns of all images of a file for which coordinates are written down, 8
    bytes each; images beyond are without `x` and `y`, with a warning."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                msg = f"Limits({field.name}=…) must be a positive integer, not {value!r}"
                raise ValueError(msg)
        if self.subifd_depth > _MOST_DEPTH:
            msg = f"Limits(subifd_depth=…) can be {_MOST_DEPTH} at most, not {self.subifd_depth}"
            raise ValueError(msg)

    def check(
        self, name: str, value: int, what: str, *, ifd: str | None = None, of_file: bool = False
    ) -> None:
        """Raise `LimitError` if `value` is above the limit called `name`.

        `of_file` says that the value is of the whole file, see `LimitError.of_file`.
        """
        limit = getattr(self, name)
        if value > limit:
            msg = f"{what}: {value:,} is above the limit {name}={limit:,}; "
            error = LimitError(msg + f"if the file is sound, pass Limits({name}={value})", ifd=ifd)
            error.of_file = of_file
            raise error

    def check_shared(self, name: str, used: int, room: int, what: str, *, ifd: str | None) -> None:
        """Raise `LimitError` if a file uses more than it has room for, and the limit above that."""
        what = f"{what}, beyond the {room:,} that the file has room for"
        self.check(name, used - room, what, ifd=ifd, of_file=True)
