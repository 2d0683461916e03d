"""The ghost area of a COG: a hint about the layout, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_tiff.tiff.ghost import GHOST_BYTES, Ghost, parse_ghost

HEADER = b"II*\x00\xc0\x00\x00\x00"


def ghost(*lines: bytes, size: int | None = None) -> bytes:
    """A file's beginning with these lines in its ghost area."""
    text = b"".join(lines)
    nbytes = len(text) if size is None else size
    return HEADER + b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % nbytes + text


LAYOUT = b"LAYOUT=IFDS_BEFORE_DATA\n"
REST = b"BLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\nBLOCK_TRAILER=LAST_4_BYTES_REPEATED\n"
SOUND = b"KNOWN_INCOMPATIBLE_EDITION=NO\n "
MASKS = b"MASK_INTERLEAVED_WITH_IMAGERY=YES\n"

FOUND: dict[str, tuple[bytes, Ghost | None]] = {
    "as GDAL writes it": (
        ghost(LAYOUT, REST, SOUND),
        Ghost(ifds_before_data=True, masks=False),
    ),
    "with masks": (ghost(LAYOUT, REST, SOUND, MASKS), Ghost(ifds_before_data=True, masks=True)),
    "another layout": (ghost(b"LAYOUT=X\n"), Ghost(ifds_before_data=False, masks=False)),
    "empty": (ghost(), Ghost(ifds_before_data=False, masks=False)),
    "with the pixels behind it": (
        ghost(LAYOUT, SOUND) + b"\nLAYOUT=X\n" * 100,
        Ghost(ifds_before_data=True, masks=False),
    ),
    "edited": (ghost(LAYOUT, REST, b"KNOWN_INCOMPATIBLE_EDITION=YES\n"), None),
    "not there": (HEADER + b"\x0e\x00" * 100, None),
    "nothing behind the header": (HEADER, None),
    "longer than what was read": (ghost(LAYOUT, size=999), None),
    "a size that is no number": (ghost(LAYOUT).replace(b"=0000", b"=00x0"), None),
}


@pytest.mark.parametrize(("data", "expected"), FOUND.values(), ids=FOUND)
def test_a_ghost_area_is_read(data: bytes, expected: Ghost | None) -> None:
    assert parse_ghost(data, 8) == expected
    assert parse_ghost(memoryview(data), 8) == expected
    assert parse_ghost(bytes(8) + data, 16) == expected


def test_what_is_expected_behind_a_directory_is_a_third_and_with_masks_five() -> None:
    plain, masked = (Ghost(ifds_before_data=True, masks=masks) for masks in (False, True))
    small = plain.rest_of_header(0)
    assert small == masked.rest_of_header(0) > 0
    assert plain.rest_of_header(300_000) - small == 100_000
    assert masked.rest_of_header(300_000) - small == 500_000


@given(st.binary(max_size=2 * GHOST_BYTES))
def test_any_bytes_are_a_ghost_area_or_none(data: bytes) -> None:
    start = ghost()[:-1]
    assert isinstance(parse_ghost(start + data, 8), Ghost | None)
    assert isinstance(parse_ghost(data, 8), Ghost | None)
