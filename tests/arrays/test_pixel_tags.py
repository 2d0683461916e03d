"""Tags that change what pixels mean or where they lie: the list of all that were looked at.

From TIFF 6.0 and its supplements, TIFF/EP, TIFF/IT, RFC 2301 (TIFF-FX), DNG 1.7, and the private
tags that libtiff, tifffile and ExifTool list. What has no row here is a name, a date, a setting
of a camera, or a rendering's wish, and changes no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import zarr

from support.build import (
    ASCII,
    BYTE,
    LONG,
    RATIONAL,
    SHORT,
    Directory,
    Entry,
    Picture,
    build,
    entry,
    image,
    parts,
)
from support.pixels import values, virtual
from virtual_tiff import UnsupportedError
from virtual_tiff.codec_table import arrangements
from virtual_tiff.metadata.tag_attributes import _TAGS
from virtual_tiff.tiff import Tag

PAGE = values("u1", 8, 9)

DECODES = {
    # decide codecs, data type, chunks or the place of blocks
    *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324),
    *(325, 330, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 532, 32996, 32997),
    *(32998, 50674),
}

ATTRIBUTES = {
    # the pixels are as stored; an attribute says what they mean
    *(
        274,
        280,
        281,
        290,
        291,
        300,
        301,
        318,
        319,
        332,
        333,
        334,
        336,
        338,
        340,
        341,
        342,
        346,
        433,
    ),
    *(33421, 33422, 33445, 33446, 33452, 34857, 37439),
    *(50710, 50711, 50712, 50713, 50714, 50715, 50716, 50717, 50718, 50719, 50720, 50829, 50830),
    *(51008, 51009, 51022, 51125, 51177, 51178, 51179, 51180, 51181, 52526, 52536, 532),
}

REFUSED = {50974, 50975, 52547, 559, 34019, 50752}

HARMLESS: dict[str, set[int]] = {
    "for a printer or a halftone, which is in the pixels already": {263, 264, 265, 321, 337},
    "free space of the file": {288, 289},
    "counts damaged fax lines, which the decoder finds itself": {326, 327, 328},
    "a path to clip by, as a drawing": {343, 344, 345},
    "says that the file is a smaller stand-in for another": {351},
    "TIFF-FX: profile, coding methods, version, layers": {
        400,
        401,
        402,
        403,
        404,
        405,
        34687,
        34732,
    },
    "where a chroma sample lies within its unit; libtiff and libjpeg do not shift either": {531},
    "SGI's alpha before ExtraSamples: a sample more, exposed as one": {32995},
    "Pixar: the image is a part of a larger one, or a texture": {33300, 33301, 33302, 33303, 33305},
    "TIFF/IT: separations, run lengths of compressions that are refused, colours of one index": {
        *(34016, 34017, 34020, 34021, 34022, 34023, 34024, 34025, 34026, 34027, 34028, 34029),
        *(34030, 34031, 34032),
    },
    "options of JBIG and T.88, which are refused by their compression": {34232, 34690, 34750},
    "DNG: colour rendering of what the pixels say": {
        *range(50721, 50735),
        *(50737, 50738, 50739, 50778, 50779, 50780, 50879, 50936, 50937, 50938, 50939, 50940),
        *(50964, 50965, 50981, 50982, 51041, 51107, 51108, 51109, 51110, 51112, 51182, 52525),
        *(52529, 52530, 52531, 52532, 52533, 52534, 52535, 52537, 52538, 52543, 52544, 52551),
    },
    "DNG: digests, caches, and how hard an encoder tried": {
        *(50972, 50973, 51111, 51113, 51114, 52548, 52550, 52553, 52554, 52555),
    },
}


def test_no_tag_has_two_decisions_but_one_that_decodes_and_is_shown() -> None:
    rows = [DECODES, ATTRIBUTES, REFUSED, *HARMLESS.values()]
    seen = [tag for row in rows for tag in row]
    assert {tag for tag in seen if seen.count(tag) > 1} == {532}


def test_the_tables_of_the_package_are_the_lists_decisions() -> None:
    assert {int(tag) for tag in arrangements._ARRANGEMENTS} == REFUSED
    assert {int(tag) for tag in _TAGS} >= ATTRIBUTES


ARRANGED: dict[str, tuple[Entry, Entry]] = {
    # a value that moves pixels, and one that does not
    "SubTileBlockSize": (entry(50974, SHORT, [2, 2]), entry(50974, SHORT, [1, 1])),
    "RowInterleaveFactor": (entry(50975, SHORT, 2), entry(50975, SHORT, 1)),
    "ColumnInterleaveFactor": (entry(52547, LONG, 2), entry(52547, LONG, 1)),
    "StripRowCounts": (entry(559, LONG, [3, 5]), entry(559, LONG, [4, 4])),
    "RasterPadding": (entry(34019, SHORT, 2), entry(34019, SHORT, 0)),
    "RawImageSegmentation": (entry(50752, SHORT, [1, 4, 5]), entry(50752, SHORT, [0, 0, 0])),
}


@pytest.mark.parametrize(("moves", "plain"), ARRANGED.values(), ids=ARRANGED)
@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid", "stack"])
def test_pixels_in_another_order_are_refused_by_the_tags_name(
    moves: Entry, plain: Entry, layout: str, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id.split("-")[-1]
    with pytest.raises(UnsupportedError, match=name):
        virtual(image(PAGE, rows_per_strip=4, extra_entries=[moves]), ifd_layout=layout)
    store = virtual(image(PAGE, rows_per_strip=4, extra_entries=[plain]))
    np.testing.assert_array_equal(zarr.open_array(store, path="0", mode="r")[...], PAGE)


def attributes(*more: Entry, array: Any = PAGE) -> dict[str, Any]:
    store = virtual(image(array, extra_entries=more))
    return dict(zarr.open_array(store, path="0", mode="r").attrs)


MEANT: dict[str, tuple[Entry, Any]] = {
    "TIFFTAG_BLACKLEVEL": (entry(50714, RATIONAL, [(1, 2), (512, 1)]), [0.5, 512.0]),
    "TIFFTAG_WHITELEVEL": (entry(50717, LONG, 16383), 16383),
    "TIFFTAG_LINEARIZATIONTABLE": (entry(50712, SHORT, range(256)), list(range(256))),
    "TIFFTAG_CFAPATTERN": (entry(33422, BYTE, [0, 1, 1, 2]), [0, 1, 1, 2]),
    "TIFFTAG_DOTRANGE": (entry(336, BYTE, [0, 255]), [0, 255]),
    "TIFFTAG_MDFILETAG": (entry(33445, LONG, 2), 2),
    "TIFFTAG_STONITS": (entry(37439, 12, [179.0]), 179.0),
    "TIFFTAG_INDEXED": (entry(346, SHORT, 1), 1),
    "TIFFTAG_OPCODELIST2_bytes": (entry(51009, 7, bytes(16)), 16),
    "TIFFTAG_SEMANTICNAME": (entry(52526, ASCII, b"sky\0"), "sky"),
    "TIFFTAG_INKNAMES": (entry(333, ASCII, b"a\0b\0"), "a\nb"),
}


@pytest.mark.parametrize("name", MEANT)
def test_a_tag_that_says_what_values_mean_is_an_attribute(name: str) -> None:
    item, expected = MEANT[name]
    assert attributes(item)[name] == expected


def pages(*more: Sequence[Entry]) -> bytes:
    directories, blocks = parts([Picture(PAGE + n, extra_entries=e) for n, e in enumerate(more)])
    return build([Directory(d.entries, next=d.next) for d in directories], blocks)


def test_pages_whose_values_mean_different_things_are_no_stack() -> None:
    levels = [[entry(50714, SHORT, n)] for n in (10, 10, 20)]
    group = zarr.open_group(virtual(pages(*levels), ifd_layout="stack"), mode="r")
    assert group["0/image"].shape == (2, 8, 9)  # type: ignore[union-attr]
    assert group["2/image"].attrs["TIFFTAG_BLACKLEVEL"] == 20


@pytest.mark.parametrize(("code", "dtype"), [(1, "i2"), (2, "u2"), (3, "f4"), (3, "f8")])
def test_the_old_tag_data_type_is_the_sample_format_as_in_gdal(
    code: int, dtype: str, tmp_path: Path
) -> None:
    data = np.arange(72).reshape(8, 9).astype(dtype) - (dtype != "u2")
    made = image(data, extra_entries=[entry(32996, SHORT, code)], without=[339])
    path = tmp_path / "a.tif"
    path.write_bytes(made)
    array = zarr.open_array(virtual(made), path="0", mode="r")
    with rasterio.open(path) as dataset:
        assert dataset.dtypes[0] == array.dtype
        np.testing.assert_array_equal(array[...], dataset.read(1))
    np.testing.assert_array_equal(array[...], data)


def test_every_tag_of_the_enumeration_that_says_something_of_pixels_is_in_the_list() -> None:
    listed = {*DECODES, *ATTRIBUTES, *REFUSED, *(tag for row in HARMLESS.values() for tag in row)}
    shown = {int(tag) for tag in _TAGS}
    elsewhere = {
        "kind of the directory": {254, 255},
        "texts and places of a page": {269, 270, 285, 286, 287, 297},
        "resolution": {296},
        "GeoTIFF, GDAL": {34735, 34736, 34737, 42112, 42113, 50844, 33550, 33922, 34264},
        "other directories and documents": {34665, 34853, 40965, 700, 33723, 34377, 34675, 37724},
        "marks of a format": {32781, 50706, 50707, 34412, 65324, 65325, *range(65420, 65450)},
        "axes of pages": {33628, 33629, 33630, 33631, 34361, 34362, 43314, *(50838, 50839, 51123)},
    }
    rest = {int(tag) for tag in Tag} - listed - shown
    assert rest <= set().union(*elsewhere.values())
