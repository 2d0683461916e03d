"""Uncompressed images of one strip whose RowsPerStrip or StripByteCounts cannot be right.

RowsPerStrip is 2**32 - 1 by default, so that its product with a row's bytes overflows 32 bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from support.build import LONG, SHORT, Directory, Entry, block_at, build, entry
from support.pixels import by_gdal, read
from support.scenes import group_of
from virtual_tiff.publishing import publish

HEIGHT, WIDTH = 37, 29
RANDOM = np.random.default_rng(2)

KINDS: dict[str, dict[str, Any]] = {
    "bytes": {"bits": [8], "planar": 1, "photometric": 1},
    "words": {"bits": [16], "planar": 1, "photometric": 1},
    "bilevel": {"bits": [1], "planar": 1, "photometric": 1},
    "four bits": {"bits": [4], "planar": 1, "photometric": 1},
    "interleaved": {"bits": [8] * 3, "planar": 1, "photometric": 2},
    "planar": {"bits": [8] * 3, "planar": 2, "photometric": 2},
}
ROWS = [2**32 - 1, 2**31, 2**30, HEIGHT + 1, HEIGHT, 0, None]
COUNTS = ["right", "absent", "zero", "smaller", "larger", "huge"]


def one_strip(kind: str, rows: int | None, counts: str, *, big: bool = False) -> bytes:
    """A TIFF of one strip for each plane, of random bytes, with room after the last."""
    bits, planar = KINDS[kind]["bits"], KINDS[kind]["planar"]
    planes = len(bits) if planar == 2 else 1
    row = -(-WIDTH * sum(bits) // planes // 8)
    size = row * HEIGHT
    blocks = [RANDOM.bytes(size) for _ in range(planes)]
    stated = {"right": size, "zero": 0, "smaller": size // 2, "larger": size + 1000, "huge": 2**31}
    entries: list[Entry] = [
        entry(256, LONG, WIDTH),
        entry(257, LONG, HEIGHT),
        entry(258, SHORT, bits),
        entry(259, SHORT, 1),
        entry(262, SHORT, KINDS[kind]["photometric"]),
        entry(273, LONG, [block_at(number) for number in range(planes)]),
        entry(277, SHORT, len(bits)),
        *([] if rows is None else [entry(278, LONG, rows)]),
        *([] if counts == "absent" else [entry(279, LONG, [stated[counts]] * planes)]),
        entry(284, SHORT, planar),
    ]
    return build([Directory(entries)], blocks, big=big) + bytes(2000)


def expected(data: bytes) -> np.ndarray[Any, Any] | None:
    """What GDAL reads; None if it fails."""
    try:
        return by_gdal(data)
    except rasterio.errors.RasterioError:
        return None


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_one_strip_reads_as_gdal_reads_it(kind: str, counts: str):
    compared = 0
    for rows in ROWS:
        data = one_strip(kind, rows, counts)
        by_others = expected(data)
        if by_others is None:
            continue
        compared += 1
        for merge_strips in (True, False):
            found = read(data, merge_strips=merge_strips)
            np.testing.assert_array_equal(found, by_others, err_msg=str(rows))
    assert compared


@pytest.mark.parametrize("rows", [2**32 - 1, 2**31, None])
@pytest.mark.parametrize("kind", ["bytes", "bilevel", "interleaved"])
@pytest.mark.filterwarnings("ignore")
def test_one_strip_is_published_as_gdal_reads_it(kind: str, rows: int | None, tmp_path: Path):
    for counts in ("right", "smaller", "larger"):
        data = one_strip(kind, rows, counts, big=counts == "right")
        (tmp_path / f"{counts}.tif").write_bytes(data)
        published = publish(tmp_path / f"{counts}.tif", "memory://", check=True)
        found: Any = group_of(published)[f"{counts}/0"]
        np.testing.assert_array_equal(found[...], by_gdal(data))
