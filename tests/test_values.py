"""What the tags say about the meaning of pixels: attributes and nodata."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from xarray.backends.zarr import FillValueCoder

from support.build import ASCII, BYTE, DOUBLE, LONG, SHORT, Entry, entry, image
from support.pixels import directory, stored_metadata, values, virtual
from virtual_tiff.tiff import TiffWarning
from virtual_tiff.values import attributes, nodata

GEOKEYS = {
    1024: "model_type",
    1025: "raster_type",
    1026: "citation",
    2048: "geographic_type",
    2049: "geog_citation",
    2050: "geog_geodetic_datum",
    2051: "geog_prime_meridian",
    2052: "geog_linear_units",
    2053: "geog_linear_unit_size",
    2054: "geog_angular_units",
    2055: "geog_angular_unit_size",
    2056: "geog_ellipsoid",
    2057: "geog_semi_major_axis",
    2058: "geog_semi_minor_axis",
    2059: "geog_inv_flattening",
    2060: "geog_azimuth_units",
    2061: "geog_prime_meridian_long",
    3072: "projected_type",
    3073: "proj_citation",
    3074: "projection",
    3075: "proj_coord_trans",
    3076: "proj_linear_units",
    3077: "proj_linear_unit_size",
    3078: "proj_std_parallel1",
    3079: "proj_std_parallel2",
    3080: "proj_nat_origin_long",
    3081: "proj_nat_origin_lat",
    3082: "proj_false_easting",
    3083: "proj_false_northing",
    3084: "proj_false_origin_long",
    3085: "proj_false_origin_lat",
    3086: "proj_false_origin_easting",
    3087: "proj_false_origin_northing",
    3088: "proj_center_long",
    3089: "proj_center_lat",
    3090: "proj_center_easting",
    3091: "proj_center_northing",
    3092: "proj_scale_at_nat_origin",
    3093: "proj_scale_at_center",
    3094: "proj_azimuth_angle",
    3095: "proj_straight_vert_pole_long",
    4096: "vertical",
    4097: "vertical_citation",
    4098: "vertical_datum",
    4099: "vertical_units",
}
"""GeoTIFF 1.1's keys and the names that virtual-tiff 0.5.0 gave them."""


def tiff(dtype: str = "u1", *entries: Entry) -> bytes:
    return image(values(dtype, 4, 5), extra_entries=entries)


def attributes_of(*entries: Entry, dtype: str = "u1") -> dict[str, Any]:
    """The attributes beyond `photometric_interpretation`, which every file here has."""
    found = attributes(directory(tiff(dtype, *entries)), np.dtype(dtype).name)
    return {k: v for k, v in found.items() if k != "photometric_interpretation"}


def geokeys(*keys: tuple[int, int, int, int], text: str = "", numbers: Any = ()) -> list[Entry]:
    """GeoKeyDirectory, GeoAsciiParams and GeoDoubleParams."""
    found = [entry(34735, SHORT, [1, 1, 1, len(keys), *(n for key in keys for n in key)])]
    if numbers:
        found.append(entry(34736, DOUBLE, numbers))
    return [*found, entry(34737, ASCII, text)] if text else found


# ---- GeoKeys


def test_every_geokey_of_0_5_0_has_its_name():
    keys = [(key, 0, 1, number) for number, key in enumerate(GEOKEYS)]
    found = attributes_of(*geokeys(*keys))
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
    "gdal_no_data": (entry(42113, ASCII, "x"), "x"),
}


@pytest.mark.parametrize("name", TAGS)
def test_a_tag_is_an_attribute_as_in_0_5_0(name: str):
    item, value = TAGS[name]
    assert attributes_of(item) == {name: value}


@pytest.mark.parametrize("photometric", [0, 1])
def test_the_photometric_interpretation_is_a_number(photometric: int):
    found = attributes(directory(image(values("u1", 4, 5), photometric=photometric)), "uint8")
    assert found == {"photometric_interpretation": photometric}


def test_an_absent_tag_is_no_attribute():
    assert attributes(directory(image(values("u1", 4, 5), without=[262])), "uint8") == {}


def test_zero_is_a_value():
    scale = entry(33550, DOUBLE, [0.0, 0.0, 0.0])
    assert attributes_of(scale) == {"model_pixel_scale": [0.0, 0.0, 0.0]}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_left_out(number: float):
    assert attributes_of(entry(33550, DOUBLE, [1.0, number, 0.0])) == {}


def test_a_tag_of_a_wrong_field_type_is_left_out_with_a_warning():
    with pytest.warns(TiffWarning, match="model_pixel_scale is ignored"):
        assert attributes_of(entry(33550, ASCII, "10 10 0")) == {}


def test_attributes_are_json():
    items = [item for item, _ in TAGS.values()]
    found = attributes_of(*items, *geokeys((1026, 34737, 7, 0), text="WGS 84|"))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


# ---- GDAL_METADATA


def gdal_metadata(xml: str, field_type: int = ASCII) -> Entry:
    text: Any = xml if field_type == ASCII else xml.encode()
    return entry(42112, field_type, text)


def items(*xml: str) -> Entry:
    return gdal_metadata(f"<GDALMetadata>{''.join(xml)}</GDALMetadata>")


def test_items_are_attributes():
    found = attributes_of(items('<Item name="A">1</Item>', '<Item name="B">two</Item>'))
    assert found == {"A": "1", "B": "two"}


def test_an_empty_item_is_an_empty_text():
    assert attributes_of(items('<Item name="A"></Item>', '<Item name="B"/>')) == {"A": "", "B": ""}


def test_references_in_items_are_resolved():
    assert attributes_of(items('<Item name="A">&lt;&amp;&#228;</Item>')) == {"A": "<&ä"}


def test_items_in_utf_8_are_read():
    assert attributes_of(items('<Item name="Höhe">µm</Item>')) == {"Höhe": "µm"}


@pytest.mark.parametrize(
    "item",
    [
        '<Item name="SCALE" sample="0" role="scale">0.1</Item>',
        '<Item name="STATISTICS_MEAN" sample="2">5</Item>',
        '<Item name="LAYOUT" domain="IMAGE_STRUCTURE">COG</Item>',
        "<Item>without a name</Item>",
    ],
)
def test_items_of_a_band_or_another_domain_do_not_speak_for_the_array(item: str):
    assert attributes_of(items(item, '<Item name="A">1</Item>')) == {"A": "1"}


@pytest.mark.parametrize(
    "xml",
    [
        '<!DOCTYPE GDALMetadata><GDALMetadata><Item name="A">1</Item></GDALMetadata>',
        '<!DOCTYPE x [<!ENTITY a "b">]><GDALMetadata><Item name="A">&a;</Item></GDALMetadata>',
        '<?xml version="1.0"?>\n<!DOCTYPE x SYSTEM "file:///etc/passwd"><GDALMetadata/>',
        '<!-- a --><!DOCTYPE x><GDALMetadata><Item name="A">1</Item></GDALMetadata>',
        '<!doctype x><GDALMetadata><Item name="A">1</Item></GDALMetadata>',
    ],
)
def test_a_document_type_is_refused_with_a_warning(xml: str):
    with pytest.warns(TiffWarning, match="GDAL_METADATA with a declaration is ignored"):
        assert attributes_of(gdal_metadata(xml)) == {}


def test_entities_of_entities_are_not_expanded():
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    xml = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><x><Item name="A">&e11;</Item></x>'
    with pytest.warns(TiffWarning, match="ignored"):
        assert attributes_of(gdal_metadata(xml)) == {}


def test_comments_are_allowed():
    found = attributes_of(items("<!-- of GDAL -->", '<Item name="A">1</Item>'))
    assert found == {"A": "1"}


@pytest.mark.parametrize("xml", ["no XML", "<GDALMetadata>", "<a></b>", "<a>&unknown;</a>", "\x01"])
def test_what_is_no_xml_is_ignored_with_a_warning(xml: str):
    with pytest.warns(TiffWarning, match="GDAL_METADATA is no XML and ignored"):
        assert attributes_of(gdal_metadata(xml)) == {}


def test_deep_xml_is_no_crash():
    assert attributes_of(gdal_metadata("<a>" * 50_000 + "</a>" * 50_000)) == {}


def test_bytes_are_read_as_text():
    xml = '<GDALMetadata><Item name="A">1</Item></GDALMetadata>'
    assert attributes_of(gdal_metadata(xml, BYTE)) == {"A": "1"}


@pytest.mark.parametrize("name", ["gdal_no_data", "model_pixel_scale"])
def test_an_item_does_not_take_the_place_of_a_tag(name: str):
    item, value = TAGS[name]
    assert attributes_of(item, items(f'<Item name="{name}">other</Item>')) == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [("_FillValue", "-9999"), ("_FillValue", "nan"), ("scale_factor", "0.1"), ("add_offset", "5")],
)
def test_items_with_names_of_cf_do_not_break_xarray(name: str, text: str):
    data = tiff("f4", items(f'<Item name="{name}">{text}</Item>'))
    assert xr.open_zarr(virtual(data))["0"].load().shape == (4, 5)


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
        ("i1", "128"),
        ("i2", "-32769"),
        ("u2", "-9999"),
        ("u8", "18446744073709551616"),
        ("i8", "9223372036854775808"),
        ("u8", "-1"),
        ("u1", "1e400"),
        ("i4", "-3.4028234663852886e+38"),
    ],
)
def test_nodata_out_of_the_types_range_is_none(dtype: str, text: str):
    assert nodata_of(text, dtype) is None


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "0.5"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "u8"])
def test_nodata_that_no_integer_is_is_none(dtype: str, text: str):
    assert nodata_of(text, dtype) is None


@pytest.mark.parametrize("text", ["", " ", "none", "x5", "--1", "-", "e5"])
@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "c8"])
def test_nodata_that_is_no_number_is_none(dtype: str, text: str):
    assert nodata_of(text, dtype) is None


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


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    "text",
    [
        *OLD_WINDOWS,
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
    assert nodata_of("9" * digits, dtype) in (None, math.inf, complex(math.inf))


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
