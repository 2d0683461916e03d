"""The first bytes of a TIFF: byte order, variant, first directory.

TIFF 6.0 section 2 ("Image File Header") and the BigTIFF design. The four variants
(II or MM x classic or BigTIFF) are compiled once; nothing below this module names
a byte order again.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, field
from typing import Literal

from .errors import FormatError, TruncatedError

__all__ = ["HEADER_BYTES", "NDPI", "Header", "Variant", "parse_header"]

HEADER_BYTES = 16
"""Bytes that `parse_header` wants: a BigTIFF header. A classic one has 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Byte order and offset size of a file, with its structures compiled."""

    byte_order: Literal["little", "big"]
    """`little` (II) or `big` (MM)."""
    bigtiff: bool
    """Whether offsets have 8 bytes."""
    header_bytes: int
    """The length of the header."""
    entry_count: struct.Struct = field(compare=False)
    """Reads the number of entries of a directory."""
    entry: struct.Struct = field(compare=False)
    """Tag, field type, count, and the raw bytes of the value or its offset."""
    offset: struct.Struct = field(compare=False)
    """Reads an offset."""
    high_words: bool = False
    """Whether the high words of a directory's values stand behind it, as in NDPI; see `large`."""

    @property
    def inline_bytes(self) -> int:
        """Bytes of the largest value that stands within its entry."""
        return 8 if self.bigtiff else 4

    @property
    def entry_bytes(self) -> int:
        """Bytes from one entry to the next in the file."""
        return 20 if self.bigtiff else 12

    @property
    def name(self) -> str:
        """`"II"`, `"MM"`, `"II BigTIFF"`, `"MM BigTIFF"` or `"II NDPI"`."""
        order = "II" if self.byte_order == "little" else "MM"
        if self.high_words:
            return f"{order} NDPI"
        return order + (" BigTIFF" if self.bigtiff else "")

    @property
    def native(self) -> bool:
        """Whether values need no byte swap on this machine."""
        return self.byte_order == sys.byteorder

    def __reduce__(self) -> tuple[object, ...]:
        # struct.Struct does not pickle, and there are only these five
        return (_variant, (self.name,))


def _compile(byte_order: Literal["little", "big"], *, bigtiff: bool) -> Variant:
    order = "<" if byte_order == "little" else ">"
    return Variant(
        byte_order=byte_order,
        bigtiff=bigtiff,
        header_bytes=16 if bigtiff else 8,
        entry_count=struct.Struct(order + ("Q" if bigtiff else "H")),
        entry=struct.Struct(order + ("HHQ8s" if bigtiff else "HHI4s")),
        offset=struct.Struct(order + ("Q" if bigtiff else "I")),
    )


_VARIANTS = {
    "II": _compile("little", bigtiff=False),
    "MM": _compile("big", bigtiff=False),
    "II BigTIFF": _compile("little", bigtiff=True),
    "MM BigTIFF": _compile("big", bigtiff=True),
}

NDPI = Variant(
    byte_order="little",
    bigtiff=False,
    header_bytes=12,
    entry_count=struct.Struct("<H"),
    entry=struct.Struct("<HHI8s"),  # with the high word, which the file has behind the directory
    offset=struct.Struct("<Q"),
    high_words=True,
)
"""Hamamatsu's form of the classic TIFF; its signature is that of `II`."""

_VARIANTS["II NDPI"] = NDPI

_SIGNATURES = {
    b"II\x2a\x00": _VARIANTS["II"],
    b"MM\x00\x2a": _VARIANTS["MM"],
    b"II\x2b\x00": _VARIANTS["II BigTIFF"],
    b"MM\x00\x2b": _VARIANTS["MM BigTIFF"],
}

_BIGTIFF_OFFSET_SIZE = {"little": b"\x08\x00\x00\x00", "big": b"\x00\x08\x00\x00"}
"""Bytes 4-7 of a BigTIFF: offset size 8, then a constant 0."""


def _variant(name: str) -> Variant:
    return _VARIANTS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first 8 (classic) or 16 (BigTIFF) bytes say."""

    variant: Variant
    """The byte order and the size of offsets."""
    first_ifd_offset: int
    """The offset of the first directory, in bytes."""


def parse_header(data: bytes | memoryview) -> Header:
    """Read the header of a classic TIFF (42) or a BigTIFF (43).

    Parameters
    ----------
    data
        The first bytes of the file; `HEADER_BYTES` of them, or all that there are.

    Returns
    -------
    Header
        The byte order, the variant, and the offset of the first directory.

    Raises
    ------
    FormatError
        If these are not the first bytes of a TIFF; it says what they are.
    TruncatedError
        If the file ends within its header.
    """
    start = bytes(data[:HEADER_BYTES])
    variant = _SIGNATURES.get(start[:4])
    if variant is None:
        if not start:
            msg = "the file is empty"
            raise TruncatedError(msg, offset=0)
        if any(signature.startswith(start) for signature in _SIGNATURES):
            msg = f"the file ends after {len(start)} bytes, within the TIFF header"
            raise TruncatedError(msg, offset=0)
        msg = f"not a TIFF: the first bytes are {start[:8]!r}, not II*\\0, MM\\0*, II+\\0 or MM\\0+"
        raise FormatError(msg, offset=0)
    if len(start) < variant.header_bytes:
        msg = f"the file ends after {len(start)} bytes; the header takes {variant.header_bytes}"
        raise TruncatedError(msg, offset=0)
    if variant.bigtiff and start[4:8] != _BIGTIFF_OFFSET_SIZE[variant.byte_order]:
        msg = f"a BigTIFF has offsets of 8 bytes; this header says {start[4:8]!r}"
        raise FormatError(msg, offset=4)
    (first,) = variant.offset.unpack_from(start, 8 if variant.bigtiff else 4)
    return Header(variant=variant, first_ifd_offset=first)
