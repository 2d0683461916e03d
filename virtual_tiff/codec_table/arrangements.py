"""Tags that put pixels elsewhere than strips and tiles do, and are refused by name.

A reader that ignores one of them returns an image of the right size in the wrong order. The other
tags that change what a pixel means are in `tag_attributes`; the list of all that were looked
at is in tests/arrays/test_pixel_tags.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from virtual_tiff.tiff import ImageFileDirectory, Tag, UnsupportedError

__all__ = ["check_arrangement"]


@dataclass(frozen=True, slots=True)
class _Arrangement:
    """One row of the table."""

    is_plain: Callable[[ImageFileDirectory, Sequence[int]], bool]
    """Whether the values leave the pixels where strips and tiles put them."""
    meaning: str
    """What other values do."""


def _ones(_ifd: ImageFileDirectory, values: Sequence[int]) -> bool:
    return all(value == 1 for value in values)


def _first_is_0(_ifd: ImageFileDirectory, values: Sequence[int]) -> bool:
    return values[0] == 0


def _rows_of_equal_strips(ifd: ImageFileDirectory, values: Sequence[int]) -> bool:
    rows = min(ifd.RowsPerStrip, ifd.ImageLength)
    return all(value == rows for value in values[:-1]) and values[-1] <= rows


_ARRANGEMENTS: dict[Tag, _Arrangement] = {
    # DNG 1.2
    Tag.SubTileBlockSize: _Arrangement(
        _ones, "the pixels of a tile are stored in blocks of {} (rows, columns)"
    ),
    Tag.RowInterleaveFactor: _Arrangement(
        _ones, "the rows of the image are stored in {} interleaved fields"
    ),
    # DNG 1.7
    Tag.ColumnInterleaveFactor: _Arrangement(
        _ones, "the columns of the image are stored in {} interleaved fields"
    ),
    # RFC 2301, profile M
    Tag.StripRowCounts: _Arrangement(
        _rows_of_equal_strips, "the strips have different numbers of rows: {}"
    ),
    # TIFF/IT
    Tag.RasterPadding: _Arrangement(
        _first_is_0, "the rows are padded to more than a byte (RasterPadding {})"
    ),
    # Canon CR2
    Tag.RawImageSegmentation: _Arrangement(
        _first_is_0, "the image is stored in vertical slices (count, width, last width): {}"
    ),
}

_MOST_SHOWN = 4


def check_arrangement(ifd: ImageFileDirectory) -> None:
    """Refuse an image whose pixels are not where its strips or tiles put them.

    Raises
    ------
    UnsupportedError
        It names the tag and its values.
    """
    for tag, row in _ARRANGEMENTS.items():
        values = ifd.integers(tag) if tag in ifd.entries else None
        if values is None or row.is_plain(ifd, values):
            continue
        shown = ", ".join(map(str, values[:_MOST_SHOWN])) + (", …" * (len(values) > _MOST_SHOWN))
        msg = f"{row.meaning.format(shown)}; no codec brings them into order"
        raise UnsupportedError(msg, tag=tag, ifd=ifd.path)
