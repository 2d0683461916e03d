"""The ghost area of a COG: what its writer says of the file's layout.

GDAL's COG driver writes a text right behind the header, where no directory or tag points
("Header ghost area" in GDAL's documentation of the COG driver)::

    GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes
    LAYOUT=IFDS_BEFORE_DATA
    BLOCK_ORDER=ROW_MAJOR
    BLOCK_LEADER=SIZE_AS_UINT4
    BLOCK_TRAILER=LAST_4_BYTES_REPEATED
    KNOWN_INCOMPATIBLE_EDITION=NO

It is a hint and is used as one: it decides which bytes are fetched together, never what
they mean. Writers that know nothing of it can make it untrue without a trace; those that
know set KNOWN_INCOMPATIBLE_EDITION to YES.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["GHOST_BYTES", "Ghost", "parse_ghost"]

GHOST_BYTES = 512
"""Bytes of the file within which `parse_ghost` looks; known ghost areas end before 300."""

_FIRST_LINE = re.compile(rb"GDAL_STRUCTURAL_METADATA_SIZE=(\d{6}) bytes\n")

_MARGIN = 16 * 1024
"""Bytes for the overviews' entries and small values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """The claims of a ghost area that help to read directories."""

    ifds_before_data: bool
    """All directories and their values lie before the first block."""
    masks: bool
    """Each image has a mask, whose directory follows its own."""

    def rest_of_header(self, value_bytes: int) -> int:
        """Return how many bytes of directories and values to expect behind a directory.

        GDAL itself puts all directories first and then all arrays, so that the first read
        mostly has the former; other writers of COGs put its arrays behind each directory.
        Either way they lie close together, and their sizes follow from one another: each
        overview has at most a quarter of the blocks of the one before it, all together
        a third; a mask has as many as its image.

        Parameters
        ----------
        value_bytes
            Bytes of that directory's out-of-line values, the arrays of its blocks most of all.
        """
        overviews = value_bytes // 3
        return overviews * (5 if self.masks else 1) + _MARGIN


def parse_ghost(data: bytes | memoryview, header_bytes: int) -> Ghost | None:
    """Read the ghost area behind the header; None if there is none that still holds.

    `data` are `GHOST_BYTES` of the file, or all that there are. An area that says that the file was
    edited, or whose end is missing, does not hold.
    """
    start = bytes(data[header_bytes:GHOST_BYTES])
    first = _FIRST_LINE.match(start)
    if first is None:
        return None
    end = first.end() + int(first[1])
    if end > len(start):
        return None
    lines = (line.partition(b"=") for line in start[first.end() : end].split(b"\n"))
    claims = {key.strip(): value.strip() for key, _, value in lines}
    if claims.get(b"KNOWN_INCOMPATIBLE_EDITION", b"NO") != b"NO":
        return None
    return Ghost(
        ifds_before_data=claims.get(b"LAYOUT") == b"IFDS_BEFORE_DATA",
        masks=claims.get(b"MASK_INTERLEAVED_WITH_IMAGERY") == b"YES",
    )
