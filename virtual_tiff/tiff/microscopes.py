"""Where the tags of microscopes point to: what no directory holds, as names and times.

Zeiss' CZ_LSMINFO and MetaMorph's UIC1tag have offsets of blocks elsewhere in the file; the value of
MetaMorph's UIC4tag, and of UIC1tag, is longer than its count says. The rules are those of tifffile
(`CZ_LSMINFO`, `read_uic1tag`, `read_uic4tag`). What the blocks say is not read here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from .constants import Tag
from .entry import Entry
from .header import Variant

__all__ = ["pointed_by_microscope", "pointed_by_value"]

_LSM_BYTES = 136
"""Of CZ_LSMINFO, that have what is read here."""
_LSM_COLORS, _LSM_TIMES, _LSM_TIME_STAMPS = 108, 24, 132
"""Where it has the offset of ChannelColors, DimensionTime, the offset of TimeStamps."""
_COLORS_BYTES = 2**12
_MOST = 2**14
"""Times, planes or items that are followed."""
_UIC1_PAIR, _UIC4_PLANE = 8, 64
"""Bytes of an item; of each plane: positions of the stage and the chip, a short label, a height."""
_UIC1_VALUES = {4: 8, 5: 8, 6: 64}
"""Bytes where the items XCalibration, YCalibration and CalibrationUnits point to."""


def pointed_by_microscope(
    entries: Mapping[int, Entry], tag: int, variant: Variant
) -> list[tuple[int, int]]:
    """Return offset and bytes of the blocks that a tag of a microscope leads to.

    Parameters
    ----------
    entries
        Of one directory; that of `tag` has its value.
    tag
        Number of the tag.
    variant
        The file's variant.
    """
    entry = entries[tag]
    data = entry.data or b""
    order = "<" if variant.byte_order == "little" else ">"
    if tag == Tag.CZ_LSMINFO and len(data) >= _LSM_BYTES:
        (times,) = struct.unpack_from(f"{order}i", data, _LSM_TIMES)
        (colors,) = struct.unpack_from(f"{order}I", data, _LSM_COLORS)
        (stamps,) = struct.unpack_from(f"{order}I", data, _LSM_TIME_STAMPS)
        ranges = [(colors, _COLORS_BYTES), (stamps, 8 + 8 * max(0, min(times, _MOST)))]
        return [(offset, nbytes) for offset, nbytes in ranges if offset]
    if entry.nbytes > variant.inline_bytes and entry.count <= _MOST:
        if tag == Tag.UIC1tag:
            return [(entry.offset, _UIC1_PAIR * entry.count)]
        if tag == Tag.UIC4tag:
            return [(entry.offset, _UIC4_PLANE * (entry.count + 1))]
    return []


def pointed_by_value(
    entries: Mapping[int, Entry], offset: int, data: bytes, variant: Variant
) -> list[tuple[int, int]]:
    """Return offset and bytes of the blocks that a block of `pointed_by_microscope` leads to."""
    entry = entries.get(Tag.UIC1tag)
    if entry is None or entry.offset != offset:
        return []
    order = "<" if variant.byte_order == "little" else ">"
    whole = len(data) // _UIC1_PAIR * _UIC1_PAIR
    pairs = struct.iter_unpack(f"{order}2I", data[:whole])
    return [(value, _UIC1_VALUES[item]) for item, value in pairs if item in _UIC1_VALUES and value]
