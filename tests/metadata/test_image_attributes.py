"""What the tags say about the meaning of pixels: attributes and nodata."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from xarray.backends.zarr import FillValueCoder

from support.build import (
    ASCII,
    BYTE,
    DOUBLE,
    LONG,
    RATIONAL,
    SHORT,
    Entry,
    Picture,
    entry,
    image,
    images,
)
from support.pixels import directory, stored_metadata, values, virtual
from virtual_tiff.metadata.image_attributes import attributes, band_coordinates, nodata
from virtual_tiff.tiff import TiffWarning

GEOKEYS = {
    1024: "model_type",
    1025: "raster_type",
    1026: "citation",
    2048: "geographic_type",
    2057: "geog_semi_major_axis",
    3072: "projected_type",
    3095: "proj_straight_vert_pole_long",
}
"""Some of the names that virtual-tiff 0.5.0 gave to GeoTIFF's keys: of each group one."""


def tiff(dtype: str = "u1", *entries: Entry) -> bytes:
    return image(values(dtype, 4, 5), extra_entries=entries)


def attributes_of(*entries: Entry, dtype: str = "u1") -> dict[str, Any]:
    """The attributes beyond those that every file here has."""
    found = attributes(directory(tiff(dtype, *entries)), np.dtype(dtype).name)
    assert (found.pop("photometric_interpretation"), found.pop("colorinterp")) == (1, "gray")
    return found


def geokeys(*keys: tuple[int, int, int, int], text: str = "", numbers: Any = ()) -> list[Entry]:
    """GeoKeyDirectory, GeoAsciiParams and GeoDoubleParams."""
    found = [entry(34735, SHORT, [1, 1, 1, len(keys), *(n for key in keys for n in key)])]
    if numbers:
        found.append(entry(34736, DOUBLE, numbers))
    return [*found, entry(34737, ASCII, text)] if text else found


# ---- GeoKeys


def test_geokeys_have_the_names_of_0_5_0():
    keys = [(key, 0, 1, number) for number, key in enumerate(GEOKEYS)]
    found = attributes_of(*geokeys(*keys))
    assert found.pop("AREA_OR_POINT") == "Area"
    assert found == {name: number for number, name in enumerate(GEOKEYS.values())}


def test_a_geokey_may_be_text():
    keys = geokeys((1026, 34737, 7, 0), (2049, 34737, 7, 7), text="WGS 84|second|")
    assert attributes_of(*keys) == {"citation": "WGS 84", "geog_citation": "second"}


def test_a_geokey_may_be_a_float():
    keys = geokeys((2057, 34736, 1, 1), numbers=[1.5, 6378137.0])
    assert attributes_of(*keys) == {"geog_semi_major_axis": 6378137.0}


def test_a_geokey_may_be_several_floats():
    keys = geokeys((2057, 34736, 2, 0), numbers=[1.5, 2.5])
    assert attributes_of(*keys) == {"geog_semi_major_axis": [1.5, 2.5]}


def test_an_unknown_geokey_is_no_attribute():
    assert attributes_of(*geokeys((9999, 0, 1, 5))) == {}


def test_a_geokey_that_lacks_its_value_is_left_out_with_a_warning():
    keys = geokeys((2057, 34736, 1, 5), (1024, 0, 1, 2), numbers=[1.5])
    with pytest.warns(TiffWarning, match=r"GeoKey \w+ \(2057\) is ignored"):
        assert attributes_of(*keys) == {"model_type": 2}


# ---- tags

TAGS: dict[str, tuple[Entry, Any]] = {
    "model_pixel_scale": (entry(33550, DOUBLE, [10.0, 20.0, 0.0]), [10.0, 20.0, 0.0]),
    "model_tiepoint": (entry(33922, DOUBLE, [0, 0, 0, 5e5, 4e6, 0]), [0.0, 0.0, 0.0, 5e5, 4e6, 0]),
    "model_transformation": (entry(34264, DOUBLE, range(16)), [float(n) for n in range(16)]),
    "gdal_no_data": (entry(42113, ASCII, "300"), "300"),
}


@pytest.mark.parametrize("name", TAGS)
def test_a_tag_is_an_attribute_as_in_0_5_0(name: str):
    item, value = TAGS[name]
    assert attributes_of(item) == {name: value}


@pytest.mark.parametrize("photometric", [0, 1])
def test_the_photometric_interpretation_is_a_number(photometric: int):
    found = attributes(directory(image(values("u1", 4, 5), photometric=photometric)), "uint8")
    assert found["photometric_interpretation"] == photometric


def test_an_absent_tag_is_no_attribute():
    found = attributes(directory(image(values("u1", 4, 5), without=[262])), "uint8")
    assert found == {"colorinterp": "gray"}


def test_zero_is_a_value():
    scale = entry(33550, DOUBLE, [0.0, 0.0, 0.0])
    assert attributes_of(scale) == {"model_pixel_scale": [0.0, 0.0, 0.0]}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_left_out(number: float):
    assert attributes_of(entry(33550, DOUBLE, [1.0, number, 0.0])) == {}


def test_a_tag_of_a_wrong_field_type_is_left_out_with_a_warning():
    with pytest.warns(TiffWarning, match="ModelPixelScale is ignored"):
        assert attributes_of(entry(33550, ASCII, "10 10 0")) == {}


def described(**tags: Any) -> dict[str, Any]:
    """The attributes of a file that GDAL wrote with these tags, and GDAL's own words for them."""
    options = {"width": 3, "height": 2, "count": 1, "dtype": "uint8"}
    with rasterio.MemoryFile() as file:
        with file.open(driver="GTiff", **options) as dataset:
            dataset.write(np.ones((1, 2, 3), "u1"))
            dataset.update_tags(**tags)
        with file.open() as dataset:
            said = dataset.tags()
        found = attributes(directory(file.read()), "uint8")
    assert {name: str(found[name]) for name in said} == said
    return found


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_descriptive_tags_have_gdals_names():
    found = described(
        TIFFTAG_DOCUMENTNAME="a",
        TIFFTAG_IMAGEDESCRIPTION="two\nlines",
        TIFFTAG_SOFTWARE="c",
        TIFFTAG_DATETIME="2020:01:02 03:04:05",
        TIFFTAG_ARTIST="e",
        TIFFTAG_HOSTCOMPUTER="f",
        TIFFTAG_COPYRIGHT="g",
        TIFFTAG_XRESOLUTION="72.5",
        TIFFTAG_YRESOLUTION="300",
        TIFFTAG_RESOLUTIONUNIT="3",
        TIFFTAG_MINSAMPLEVALUE="4",
        TIFFTAG_MAXSAMPLEVALUE="5",
    )
    assert found["TIFFTAG_XRESOLUTION"] == 72.5
    assert found["TIFFTAG_RESOLUTIONUNIT"] == "3 (pixels/cm)"


OTHER_TAGS: dict[str, tuple[Entry, Any]] = {
    "TIFFTAG_MAKE": (entry(271, ASCII, "a"), "a"),
    "TIFFTAG_MODEL": (entry(272, ASCII, "b"), "b"),
    "TIFFTAG_PAGENAME": (entry(285, ASCII, "c"), "c"),
    "TIFFTAG_ORIENTATION": (entry(274, SHORT, 6), 6),
    "TIFFTAG_COPYRIGHT": (entry(33432, ASCII, "eye\0hand"), "eye\nhand"),
    "TIFFTAG_SOFTWARE": (entry(305, ASCII, "soft\0rubbish"), "soft"),
    "icc_profile_bytes": (entry(34675, BYTE, b"profile"), 7),
    "xmp_bytes": (entry(700, BYTE, b"<xmp/>"), 6),
}


@pytest.mark.parametrize("name", OTHER_TAGS)
def test_other_tags(name: str):
    item, value = OTHER_TAGS[name]
    assert attributes_of(item) == {name: value}


def test_the_usual_orientation_and_empty_texts_are_no_attributes():
    assert attributes_of(entry(274, SHORT, 1), entry(270, ASCII, "")) == {}


def test_a_text_of_a_book_is_no_attribute():
    with pytest.warns(TiffWarning, match="ImageDescription has 70,000 characters"):
        assert attributes_of(entry(270, ASCII, "x" * 70_000)) == {}


@pytest.mark.parametrize(("key", "word"), [(1, "Area"), (2, "Point")])
def test_what_a_pixel_stands_for_has_gdals_name(key: int, word: str):
    assert attributes_of(*geokeys((1025, 0, 1, key)))["AREA_OR_POINT"] == word


# ---- colours

COLOURS: dict[str, dict[str, Any]] = {
    "grey": {"shape": (4, 5)},
    "grey of no interpretation": {"shape": (4, 5), "without": [262]},
    "inverted": {"shape": (4, 5), "photometric": 0},
    "inverted 32 bits": {"shape": (4, 5), "dtype": "u4", "photometric": 0},
    "two bands": {"shape": (4, 5, 2)},
    "rgb": {"shape": (4, 5, 3)},
    "rgba": {"shape": (4, 5, 4), "extra_entries": [entry(338, SHORT, [2])]},
    "premultiplied": {"shape": (4, 5, 4), "extra_entries": [entry(338, SHORT, [1])]},
    "rgb and more": {"shape": (4, 5, 5), "extra_entries": [entry(338, SHORT, [0, 2])]},
    "inks": {"shape": (4, 5, 4), "dtype": "u2", "photometric": 5},
    "inks and alpha": {
        "shape": (4, 5, 5),
        "dtype": "u2",
        "photometric": 5,
        "extra_entries": [entry(338, SHORT, [2])],
    },
    "palette": {
        "shape": (4, 5),
        "photometric": 3,
        "extra_entries": [entry(320, SHORT, list(range(768)))],
    },
    "two colours": {"shape": (4, 5), "bits": 1},
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", COLOURS)
def test_colours_are_rasterios(kind: str):
    options = dict(COLOURS[kind])
    pixels = values(options.pop("dtype", "u1"), *options.pop("shape"))
    data = image(pixels & 1 if "bits" in options else pixels, **options)
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        truth = [colour.name for colour in dataset.colorinterp]
    ifd, dtype = directory(data), pixels.dtype.name
    own = attributes(ifd, dtype).get("colorinterp", "undefined")
    assert band_coordinates(ifd, dtype).get("colorinterp", [own] * len(truth)) == truth


def test_inverted_greys_are_a_palette():
    ifd = directory(image(values("u1", 4, 5) & 3, bits=2, photometric=0))
    greys = [65535, 43690, 21845, 0]
    assert attributes(ifd, "uint8")["color_map"] == [[grey] * 3 for grey in greys]


def test_attributes_are_json():
    items = [item for item, _ in TAGS.values()]
    found = attributes_of(*items, *geokeys((1026, 34737, 7, 0), text="WGS 84|"))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


# ---- nodata


def nodata_of(text: str, dtype: str) -> Any:
    found = directory(tiff(dtype, entry(42113, ASCII, text)))
    return nodata(found, np.dtype(dtype).name)


INTEGERS = [
    ("u1", "0", 0),
    ("u1", "255", 255),
    ("i1", "-128", -128),
    ("u2", "65535", 65535),
    ("i2", "-9999", -9999),
    ("i2", " -9999 ", -9999),
    ("i2", "+7", 7),
    ("i2", "-9999.0", -9999),
    ("i2", "-1e3", -1000),
    ("u4", "4294967295", 2**32 - 1),
    ("i8", "9223372036854775807", 2**63 - 1),
    ("i8", "-9223372036854775808", -(2**63)),
    ("i8", "9007199254740993", 2**53 + 1),
    ("u8", "18446744073709551615", 2**64 - 1),
    ("u8", "18446744073709551614", 2**64 - 2),
]


@pytest.mark.parametrize(("dtype", "text", "number"), INTEGERS)
def test_nodata_of_integers_loses_no_digit(dtype: str, text: str, number: int):
    found = nodata_of(text, dtype)
    assert (type(found), found) == (int, number)


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        ("u1", "256"),
        ("u1", "-1"),
        ("u1", "-0.4"),
        ("u1", "255.5"),
        ("i1", "128"),
        ("i2", "-32769"),
        ("u2", "-9999"),
        ("u1", "1e400"),
        ("i4", "-3.4028234663852886e+38"),
    ],
)
def test_nodata_out_of_the_types_range_is_none(dtype: str, text: str):
    assert nodata_of(text, dtype) is None


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1.#QNAN"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4"])
def test_nodata_that_no_integer_is_is_none(dtype: str, text: str):
    assert nodata_of(text, dtype) is None


@pytest.mark.parametrize(
    ("dtype", "text", "number"), [("u1", "7.9", 7), ("i2", "-0.4", 0), ("u2", "1,5", 1)]
)
def test_a_fraction_is_cut_off_as_gdal_masks(dtype: str, text: str, number: int):
    assert nodata_of(text, dtype) == number
    assert masked_by_gdal(text, dtype, number)


@pytest.mark.parametrize(
    ("dtype", "text", "number"),
    [
        ("i8", "-9999.0", -9999),
        ("i8", "9223372036854775808", 2**63 - 1),
        ("i8", "-9223372036854775809", -(2**63)),
        ("u8", "18446744073709551616", 2**64 - 1),
        ("u8", "-1", 2**64 - 1),
    ],
)
def test_64_bits_are_read_as_by_c(dtype: str, text: str, number: int):
    assert nodata_of(text, dtype) == number
    assert masked_by_gdal(text, dtype, number)


@pytest.mark.parametrize("text", [" ", "none", "x5", "--1", "-", "e5", "-nan"])
@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "c8"])
def test_nodata_that_is_no_number_is_0_as_in_gdal(dtype: str, text: str):
    with pytest.warns(TiffWarning, match="read as 0, as in GDAL"):
        assert nodata_of(text, dtype) == 0
    assert dtype == "c8" or masked_by_gdal(text, dtype, 0)


@pytest.mark.parametrize(("text", "number"), [("1e3", 1), ("7.5", 7), ("nan", 0), ("12m", 12)])
@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_64_bits_end_where_digits_do_as_in_gdal(dtype: str, text: str, number: int):
    with pytest.warns(TiffWarning, match=f"read as {number}, as in GDAL"):
        assert nodata_of(text, dtype) == number
    assert masked_by_gdal(text, dtype, number)


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4"])
def test_an_empty_text_is_no_nodata(dtype: str):
    assert nodata_of("", dtype) is None


def masked_by_gdal(text: str, dtype: str, number: int) -> bool:
    """Whether GDAL masks a pixel of this number, and none of another one."""
    pixels = np.array([[number, 99]], dtype)
    data = image(pixels, extra_entries=[entry(42113, ASCII, text)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.MemoryFile(data) as file, file.open() as dataset:
            masks: list[list[int]] = dataset.read_masks(1).tolist()
    return masks == [[0, 255]]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("text", ["nan", "NaN", "NAN", " nan"])
def test_nodata_may_be_nan(dtype: str, text: str):
    assert math.isnan(nodata_of(text, dtype))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize(("text", "number"), [("inf", math.inf), ("-inf", -math.inf)])
def test_nodata_may_be_infinite(dtype: str, text: str, number: float):
    assert nodata_of(text, dtype) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("-9999", -9999.0), ("0.5", 0.5), ("-1.7976931348623157e+308", -1.7976931348623157e308)],
)
def test_nodata_of_floats(text: str, number: float):
    assert nodata_of(text, "f8") == number


def test_nodata_of_complex_numbers():
    assert nodata_of("0.5", "c8") == 0.5 + 0j


def test_without_the_tag_there_is_no_nodata():
    assert nodata(directory(tiff()), "uint8") is None


def nodata_of_gdal(text: str, dtype: str) -> float | None:
    data = tiff(dtype, entry(42113, ASCII, text))
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        found: float | None = dataset.nodata
    return found


OLD_WINDOWS = ["1.#QNAN", "-1.#QNAN", "-1.#IND", "1.#INF", "-1.#INF"]
"""What Microsoft's C library made of numbers that are none."""


@pytest.mark.filterwarnings(
    "ignore::rasterio.errors.NotGeoreferencedWarning", "ignore:.*as in GDAL"
)
@pytest.mark.parametrize(
    "text",
    [
        *OLD_WINDOWS,
        *("+inf", "INF", "infx", "-Infinity", "nanx", "+nan", "-nan", "1.#IND", "-1.#SNAN", "+-1"),
        *("\t5", "-", "٣", "1.#inf", "1.#qnan", "+1.#INF", ",5", "1.5,7"),
        *("7 and more", "7m", "-9999.5x", "1_000", "1e3", "1e3e4", ".5", "5.", "+5", "0x10"),
        "1.#QNAN0",
        "1,5",
    ],
)
def test_a_text_that_begins_with_a_number_is_read_as_in_gdal(text: str):
    found, gdals = nodata_of(text, "f8"), nodata_of_gdal(text, "f8")
    assert str(found) == str(gdals)


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("dtype", ["u1", "u8", "f4", "c8"])
def test_many_digits_are_no_crash(dtype: str, digits: int):
    assert nodata_of("9" * digits, dtype) in (None, 2**64 - 1, math.inf, complex(math.inf))


# ---- _FillValue, as xarray takes it


def fill_value(text: str, dtype: str) -> tuple[Any, Any]:
    """(`_FillValue` as xarray decodes it, Zarr's `fill_value`)."""
    data = stored_metadata(virtual(tiff(dtype, entry(42113, ASCII, text))))
    encoded = data["attributes"].get("_FillValue")
    decoded = None if encoded is None else FillValueCoder.decode(encoded, np.dtype(dtype).name)
    return decoded, data["fill_value"]


@pytest.mark.parametrize(("dtype", "text", "number"), INTEGERS)
def test_fill_value_of_integers(dtype: str, text: str, number: int):
    assert fill_value(text, dtype) == (number, number)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("text", ["-9999", "0.5", "0", "-32768"])
def test_fill_value_of_floats(dtype: str, text: str):
    assert fill_value(text, dtype) == (float(text), float(text))


@pytest.mark.parametrize(("text", "name"), [("inf", "Infinity"), ("-inf", "-Infinity")])
def test_an_infinite_fill_value(text: str, name: str):
    assert fill_value(text, "f4") == (float(text), name)


def test_a_fill_value_of_nan():
    decoded, written = fill_value("nan", "f4")
    assert (math.isnan(decoded), written) == (True, "NaN")


def test_a_complex_fill_value():
    assert fill_value("0.5", "c8") == (0.5 + 0j, [0.5, 0.0])


def test_xarrays_own_coding_is_ours():
    for text, dtype in (("-9999", "f4"), ("7", "u1"), ("0.5", "c16")):
        encoded = attributes_of(entry(42113, ASCII, text), dtype=dtype)["_FillValue"]
        number = np.dtype(dtype).type(complex(text) if dtype[0] == "c" else float(text))
        assert encoded == FillValueCoder.encode(number, np.dtype(dtype))


def test_without_nodata_there_is_no_fill_value_attribute():
    assert "_FillValue" not in attributes_of()
    assert stored_metadata(virtual(tiff()))["fill_value"] == 0


def test_nodata_out_of_range_is_kept_as_text_alone():
    assert attributes_of(entry(42113, ASCII, "300")) == {"gdal_no_data": "300"}


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        ("u1", "7"),
        ("i2", "-9999"),
        ("i8", "9007199254740993"),
        ("u8", "18446744073709551615"),
        ("f4", "-9999"),
        ("f4", "-3.4028234663852886e+38"),
        ("f8", "-1.7976931348623157e+308"),
        ("f4", "nan"),
        ("c8", "0.5"),
        ("f4", "-3.4e38"),
        ("f4", "0.1"),
        ("f2", "0.1"),
    ],
)
def test_xarray_masks_the_pixels_that_are_nodata(dtype: str, text: str):
    pixels = np.full((2, 3), 1, dtype)
    pixels[0, 1] = int(text) if pixels.dtype.kind in "iu" else complex(text).real
    data = image(pixels, extra_entries=[entry(42113, ASCII, text)])
    masked = np.isnan(xr.open_zarr(virtual(data))["0"].values)
    assert np.argwhere(masked).tolist() == [[0, 1]]


def test_nodata_of_another_field_type_is_ignored_with_a_warning():
    with pytest.warns(TiffWarning, match="GDAL_NODATA"):
        assert nodata(directory(tiff("u1", entry(42113, LONG, [7, 8, 9]))), "uint8") is None


@pytest.mark.parametrize("tag", [282, 283])
def test_a_resolution_that_is_no_number_is_left_out(tag: int) -> None:
    for numerator, denominator in ((0, 0), (1, 0)):
        entries = entry(tag, RATIONAL, [numerator, denominator])
        assert attributes_of(entries) == {}


def test_a_tag_of_very_many_numbers_is_no_attribute() -> None:
    with pytest.warns(TiffWarning, match="TransferFunction has 65,537 numbers"):
        found = attributes_of(entry(301, SHORT, [7] * 65_537))
    assert found == {}


def test_an_overview_without_a_colour_map_has_that_of_its_image() -> None:
    colours = [*range(256)] * 3
    pages = [
        Picture(values("u1", 8, 10), photometric=3, extra_entries=[entry(320, SHORT, colours)]),
        Picture(values("u1", 4, 5), photometric=3, extra_entries=[entry(254, LONG, 1)]),
    ]
    store = virtual(images(pages))
    full, overview = (stored_metadata(store, name)["attributes"] for name in "01")
    assert full["color_map"] == [[n, n, n] for n in range(256)]
    assert overview["color_map"] == full["color_map"]
