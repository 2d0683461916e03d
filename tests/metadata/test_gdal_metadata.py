"""GDAL_METADATA: what of it is attributes, what is coordinates of bands, what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from xarray.backends.zarr import FillValueCoder

from support.build import ASCII, BYTE, DOUBLE, LONG, Entry, entry, image
from support.pixels import directory, values
from virtual_tiff.metadata.image_attributes import (
    attributes,
    band_coordinates,
    missing_value,
    nodata,
)
from virtual_tiff.tiff import ImageFileDirectory, TiffWarning

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SILENT = ("photometric_interpretation", "extra_samples", "colorinterp")
"""Attributes that have other tests."""


def gdal_metadata(xml: str, field_type: int = ASCII) -> Entry:
    text: Any = xml if field_type == ASCII else xml.encode()
    return entry(42112, field_type, text)


def items(*xml: str) -> Entry:
    return gdal_metadata(f"<GDALMetadata>{''.join(xml)}</GDALMetadata>")


def file_of(*entries: Entry, bands: int = 1, dtype: str = "u1") -> bytes:
    shape = (4, 5) if bands == 1 else (4, 5, bands)
    return image(values(dtype, *shape), photometric=1, extra_entries=entries)


def attributes_of(*entries: Entry, bands: int = 1, dtype: str = "u1") -> dict[str, Any]:
    ifd = directory(file_of(*entries, bands=bands, dtype=dtype))
    found = attributes(ifd, np.dtype(dtype).name)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return {name: value for name, value in found.items() if name not in SILENT}


def coordinates_of(*entries: Entry, bands: int = 2, dtype: str = "u1") -> dict[str, Any]:
    found = band_coordinates(
        directory(file_of(*entries, bands=bands, dtype=dtype)), np.dtype(dtype).name
    )
    found.pop("colorinterp", None)
    return dict(found)


def role(name: str, text: str, band: int = 0) -> str:
    return f'<Item name="{name.upper()}" sample="{band}" role="{name}">{text}</Item>'


def band_item(name: str, text: str, band: int = 0) -> str:
    return f'<Item name="{name}" sample="{band}">{text}</Item>'


# ---- the file


def test_the_item_unsigned_is_one_attribute_which_readers_apply():
    found = attributes_of(items('<Item name="_Unsigned">true</Item>'), dtype="i1")
    assert found == {"_Unsigned": "true"}
    floats = attributes_of(items('<Item name="_Unsigned">true</Item>'), dtype="f4")
    assert floats == {"GDAL_METADATA:_Unsigned": "true"}


def test_items_are_attributes():
    found = attributes_of(items('<Item name="A">1</Item>', '<Item name="B">two</Item>'))
    assert found == {"A": "1", "B": "two"}


def test_an_empty_item_is_an_empty_text():
    assert attributes_of(items('<Item name="A"></Item>', '<Item name="B"/>')) == {"A": "", "B": ""}


def test_items_of_another_domain_are_a_dict():
    found = attributes_of(
        items(
            '<Item name="a" domain="EXTRA">1</Item>',
            '<Item name="b" domain="EXTRA">2</Item>',
            '<Item name="c" domain="xml:FOO">&lt;a/&gt;</Item>',
            '<Item name="LAYOUT" domain="IMAGE_STRUCTURE">COG</Item>',
        )
    )
    assert found == {"gdal_metadata_domains": {"EXTRA": {"a": "1", "b": "2"}, "xml:FOO": "<a/>"}}


def test_domains_of_bands_stand_beside_the_files():
    item = '<Item name="a" domain="D" sample="1">x</Item>'
    assert attributes_of(items(item), bands=2) == {
        "gdal_band_metadata_domains": {"2": {"D": {"a": "x"}}}
    }
    assert attributes_of(items(item.replace('"1"', '"0"'))) == {
        "gdal_metadata_domains": {"D": {"a": "x"}}
    }


TEXTS = [
    '<Item name="a">  x y  </Item>',
    '<Item name="a">&lt;&#228;&gt;</Item>',
    '<Item name="a">x&amp;lt;&amp;amp;&amp;#228;y</Item>',
    '<Item name="a"><![CDATA[x<y]]></Item>',
    '<Item name="Höhe">µm</Item>',
    '<item NAME="a">1</item>',
    '<Item name="a" sample="-1">1</Item><Item name="b" sample="-2">1</Item>',
    '<Item name="a" sample="x">1</Item><Item name="b" sample=" 0">1</Item>',
    '<Item name="a" sample="7">1</Item>',
    '<Item name="a" sample="99999">1</Item>',
    '<Item name="a" role="scale">1</Item>',
    '<Item name="a" sample="0" role="strange">1</Item>',
    '<Item name="a">2<b/></Item>',
    '<g><Item name="a">1</Item></g>',
    "<Item>without a name</Item>",
    "<!-- of GDAL --><Item name='a'>1</Item>",
]


@pytest.mark.parametrize("text", TEXTS)
def test_items_are_read_as_by_gdal(text: str):
    data = file_of(items(text))
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        truth = {**dataset.tags(), **dataset.tags(1)}
    assert attributes_of(items(text)) == truth


def test_references_to_no_character_stay():
    """XML itself allows none of them, but GDAL's second escaping may hold them."""
    for reference in ("&#0;", "&#xD800;", "&#1114112;", "&#99999999999;"):
        text = reference.replace("&", "&amp;")
        assert attributes_of(items(f'<Item name="a">{text}</Item>')) == {"a": reference}


def test_what_gdal_escapes_comes_back():
    text = "a<b>&amp;'\"ü"
    with rasterio.MemoryFile() as file:
        with file.open(driver="GTiff", width=3, height=2, count=1, dtype="uint8") as dataset:
            dataset.write(np.ones((1, 2, 3), "u1"))
            dataset.update_tags(a=text)
        assert attributes(directory(file.read()), "uint8")["a"] == text


@pytest.mark.parametrize(("text", "read"), [("R&D & x", "R&D & x"), ("a\x01b", "ab")])
def test_what_xml_forbids_is_mended(text: str, read: str):
    assert attributes_of(items(f'<Item name="a">{text}</Item>')) == {"a": read}


@pytest.mark.parametrize(
    "xml",
    [
        '<!DOCTYPE GDALMetadata><GDALMetadata><Item name="A">1</Item></GDALMetadata>',
        '<!DOCTYPE x [<!ENTITY a "b">]><GDALMetadata><Item name="A">&a;</Item></GDALMetadata>',
        '<?xml version="1.0"?>\n<!DOCTYPE x SYSTEM "file:///etc/passwd"><GDALMetadata/>',
        '<!-- a --><!DOCTYPE x><GDALMetadata><Item name="A">1</Item></GDALMetadata>',
    ],
)
def test_a_document_type_is_refused_with_a_warning(xml: str):
    with pytest.warns(TiffWarning, match="GDAL_METADATA is ignored: a document type"):
        assert attributes_of(gdal_metadata(xml)) == {}


def test_entities_of_entities_are_not_expanded():
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    xml = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><x><Item name="A">&e11;</Item></x>'
    with pytest.warns(TiffWarning, match="ignored"):
        assert attributes_of(gdal_metadata(xml)) == {}


@pytest.mark.parametrize("xml", ["no XML", "<GDALMetadata>", "<a></b>", "<!doctype x><a/>"])
def test_what_is_no_xml_is_ignored_with_a_warning(xml: str):
    with pytest.warns(TiffWarning, match="GDAL_METADATA is not XML and is ignored"):
        assert attributes_of(gdal_metadata(xml)) == {}


def test_deep_xml_is_no_crash():
    with pytest.warns(TiffWarning, match="above the limit xml_depth=64"):
        assert attributes_of(gdal_metadata("<a>" * 50_000 + "</a>" * 50_000)) == {}


def test_bytes_are_read_as_text():
    xml = '<GDALMetadata><Item name="A">1</Item></GDALMetadata>'
    assert attributes_of(gdal_metadata(xml, BYTE)) == {"A": "1"}


def test_an_item_does_not_take_the_place_of_a_tag():
    scale = entry(33550, DOUBLE, [10.0, 20.0, 0.0])
    found = attributes_of(scale, items('<Item name="model_pixel_scale">other</Item>'))
    assert found == {"model_pixel_scale": [10.0, 20.0, 0.0]}


@pytest.mark.parametrize(
    "name",
    [
        *("scale_factor", "add_offset", "dtype", "coordinates", "grid_mapping", "calendar"),
        *("nodata", "_Unsigned", "spatial:transform", "proj:code", "zarr_conventions"),
        "GeoTransform",
    ],
)
def test_a_text_does_not_change_what_readers_make_of_pixels(name: str):
    found = attributes_of(items(f'<Item name="{name}">7</Item>'))
    assert found == {f"GDAL_METADATA:{name}": "7"}


# ---- nodata in items


def fill(*xml: str, tag: str | None = None, dtype: str = "i2") -> dict[str, Any]:
    entries = [items(*xml)] if tag is None else [items(*xml), entry(42113, ASCII, tag)]
    found = attributes_of(*entries, dtype=dtype)
    if "_FillValue" in found:
        found["_FillValue"] = FillValueCoder.decode(found["_FillValue"], np.dtype(dtype).name)
    return found


def test_an_items_fill_value_counts_where_the_tag_is_absent():
    text = '<Item name="_FillValue">-9999</Item><Item name="missing_value">-9999</Item>'
    assert fill(text) == {"_FillValue": -9999, "missing_value": -9999}
    assert fill(text, dtype="f4") == {"_FillValue": -9999.0, "missing_value": -9999.0}
    assert fill('<Item name="missing_value">-1.0</Item>') == {"_FillValue": -1, "missing_value": -1}
    assert missing_value(directory(file_of(items(text), dtype="i2")), "int16") == -9999


def test_the_tag_stands_above_items():
    text = '<Item name="_FillValue">-1</Item><Item name="missing_value">-9999</Item>'
    with pytest.warns(TiffWarning, match="_FillValue '-1' of GDAL_METADATA contradicts"):
        found = fill(text, tag="-9999")
    assert found == {"_FillValue": -9999, "missing_value": -9999, "gdal_no_data": "-9999"}


def test_a_variables_own_is_dropped_if_it_says_the_same():
    text = '<Item name="swe#_FillValue">-9999.0</Item><Item name="swe#missing_value">5</Item>'
    assert fill(text, tag="-9999") == {
        "_FillValue": -9999,
        "gdal_no_data": "-9999",
        "swe#missing_value": "5",
    }


def test_a_fill_value_of_nan():
    text = '<Item name="_FillValue">nan</Item><Item name="missing_value">1.#QNAN</Item>'
    found = fill(text, dtype="f4")
    assert math.isnan(found.pop("_FillValue"))
    assert found == {}


@pytest.mark.parametrize("text", ["none", "", "7x", "1e9", "0.5"])
def test_an_item_that_no_pixel_can_be_is_no_nodata(text: str):
    xml = f'<Item name="_FillValue">{text}</Item>'
    assert nodata(directory(file_of(items(xml))), "uint8") is None
    assert fill(xml, dtype="u1") == {"GDAL_METADATA:_FillValue": text}


# ---- bands


def test_one_bands_scale_offset_unit_and_name_are_attributes():
    found = attributes_of(
        items(
            role("scale", "0.1"),
            role("offset", "-5"),
            role("unittype", "K"),
            role("description", "air"),
        )
    )
    assert found == {"scale_factor": 0.1, "add_offset": -5.0, "units": "K", "long_name": "air"}


def test_what_bands_share_is_an_attribute():
    xml = [role("scale", "0.1", band) + role("unittype", "K", band) for band in (0, 1)]
    assert attributes_of(items(*xml), bands=2) == {"scale_factor": 0.1, "units": "K"}
    assert coordinates_of(items(*xml)) == {"band": [1, 2]}


def test_what_differs_is_a_coordinate():
    entries = items(
        *(role("scale", "0.1", 0), role("scale", "0.2", 1), role("offset", "3", 0)),
        *(role("offset", "3", 1), role("unittype", "K", 1)),
    )
    assert coordinates_of(entries) == {
        "band": [1, 2],
        "scale_factor": [0.1, 0.2],
        "add_offset": [3.0, 3.0],
        "units": ["", "K"],
    }
    # the offset alone, which they share, would be applied without the scale
    assert attributes_of(entries, bands=2) == {"scales": [0.1, 0.2], "offsets": [3.0, 3.0]}


def test_names_are_the_bands():
    entries = items(role("description", "red edge", 0), role("description", "nir", 1))
    assert coordinates_of(entries) == {"band": ["red edge", "nir"]}
    assert attributes_of(entries, bands=2) == {"long_name": ["red edge", "nir"]}


@pytest.mark.parametrize("odd", ["n/a", "1,5", "", "0x10"])
def test_statistics_of_which_one_bands_is_no_number_are_texts(odd: str):
    """As GDAL has them; a band without any has an empty text."""
    xml = [band_item("STATISTICS_MEAN", "1.5", 0), band_item("STATISTICS_MEAN", odd, 1)]
    xml.append(band_item("STATISTICS_MAXIMUM", "7", 2))
    found = coordinates_of(items(*xml), bands=3)
    assert found["STATISTICS_MEAN"] == ["1.5", odd, ""]
    assert str(found["STATISTICS_MAXIMUM"]) == "[nan, nan, 7.0]"


@pytest.mark.parametrize("names", [("a", "a"), ("a", "")])
def test_names_that_are_not_every_bands_own_are_no_coordinate(names: tuple[str, str]):
    entries = items(*(role("description", name, band) for band, name in enumerate(names)))
    assert coordinates_of(entries) == {"band": [1, 2]}
    assert attributes_of(entries, bands=2) == {"long_name": list(names)}


def test_statistics_are_numbers():
    xml = band_item("STATISTICS_MEAN", "1.5") + band_item("STATISTICS_MAXIMUM", "255")
    assert attributes_of(items(xml)) == {"STATISTICS_MEAN": 1.5, "STATISTICS_MAXIMUM": 255}


def test_statistics_of_bands_are_coordinates():
    entries = items(
        band_item("STATISTICS_MEAN", "1.5", 1),
        band_item("STATISTICS_MINIMUM", "0", 0),
        band_item("STATISTICS_MINIMUM", "0", 1),
    )
    found = coordinates_of(entries)
    mean = found.pop("STATISTICS_MEAN")
    assert (math.isnan(mean[0]), mean[1], found) == (True, 1.5, {"band": [1, 2]})
    assert attributes_of(entries, bands=2) == {"STATISTICS_MINIMUM": 0}


@pytest.mark.parametrize(
    ("item", "name"),
    [
        *(("wave length", "wave_length"), ("x", "item_x"), ("band_2", "item_band_2")),
        *(("0.1", "item_0_1"), ("#", "item_"), ("spatial_ref", "item_spatial_ref")),
        ("time#units", "time_units"),
    ],
)
def test_coordinates_have_names_of_one_word_that_nothing_else_has(item: str, name: str):
    found = coordinates_of(items(band_item(item, "a", 0), band_item(item, "b", 1)))
    assert found == {"band": [1, 2], name: ["a", "b"]}


def test_bands_that_the_file_does_not_have_say_nothing():
    assert attributes_of(items(role("scale", "0.1", 3), band_item("a", "b", 3)), bands=2) == {}


def test_a_selection_of_bands_is_judged_by_itself():
    xml = [role("scale", str(scale), band) for band, scale in enumerate((0.5, 0.5, 2.0))]
    ifd = directory(file_of(items(*xml, role("description", "c", 2)), bands=3))
    first = attributes(ifd, "uint8", bands=[0, 1])
    assert (first["scale_factor"], "long_name" in first) == (0.5, False)
    last = attributes(ifd, "uint8", bands=[2])
    assert (last["scale_factor"], last["long_name"]) == (2.0, "c")
    assert band_coordinates(ifd, "uint8", bands=[1, 0])["band"] == [2, 1]
    assert band_coordinates(ifd, "uint8", bands=[2])["band"] == ["c"]


@pytest.mark.parametrize("text", ["x", "nan", "inf"])
def test_a_scale_that_is_no_number_is_ignored_with_a_warning(text: str):
    with pytest.warns(TiffWarning, match="is not a number and is ignored"):
        assert attributes_of(items(role("scale", text))) == {}


@pytest.mark.parametrize("unit", ["days since 2000-01-01", "seconds"])
def test_a_unit_of_time_does_not_make_dates_of_pixels(unit: str):
    assert attributes_of(items(role("unittype", unit))) == {"unit_type": unit}
    found = attributes_of(items(f'<Item name="units">{unit}</Item>'))
    assert found == {"GDAL_METADATA:units": unit}


def test_complex_numbers_are_not_scaled_by_xarray():
    found = attributes_of(items(role("scale", "2")), dtype="c8")
    assert found == {"scales": [2.0], "offsets": [0.0]}


def test_one_sample_a_pixel_has_no_coordinates():
    assert coordinates_of(items(role("description", "a")), bands=1) == {}


def test_items_of_few_of_many_bands_do_not_become_columns():
    xml = [band_item(f"a{i}", "1", i) for i in range(300)]
    pixels = np.zeros((1, 1, 500), "u1")
    ifd = directory(image(pixels, photometric=1, extra_entries=[items(*xml)]))
    with pytest.warns(TiffWarning, match="too many items of single bands"):
        assert set(band_coordinates(ifd, "uint8")) == {"band", "colorinterp"}


# ---- colours


@pytest.mark.parametrize("colour", ColorInterp, ids=lambda colour: colour.name)
def test_every_colour_of_rasterio_has_its_name(colour: ColorInterp):
    with rasterio.MemoryFile() as file:
        with file.open(driver="GTiff", width=3, height=2, count=2, dtype="uint8") as dataset:
            dataset.write(np.ones((2, 2, 3), "u1"))
            dataset.colorinterp = [colour, ColorInterp.green]
        with file.open() as dataset:
            truth = [found.name for found in dataset.colorinterp]
        ifd = directory(file.read())
    shared = attributes(ifd, "uint8").get("colorinterp")
    found = band_coordinates(ifd, "uint8").get("colorinterp", [shared] * 2)
    assert found == truth


# ---- overviews


def overview(*entries: Entry, bands: int = 1) -> ImageFileDirectory:
    return directory(file_of(*entries, bands=bands))


def test_an_overview_has_the_meaning_of_its_image():
    xml = [role("scale", "0.1"), role("description", "air"), role("unittype", "K")]
    base = overview(
        items(*xml, band_item("STATISTICS_MEAN", "5"), '<Item name="A">1</Item>'),
        entry(42113, ASCII, "7"),
    )
    found = attributes(overview(), "uint8", base=base)
    assert {name: found[name] for name in found if name not in SILENT} == {
        "scale_factor": 0.1,
        "long_name": "air",
        "units": "K",
        "_FillValue": 7,
    }


def test_an_overviews_own_tags_stand_above_its_images():
    base = overview(items(role("scale", "0.1")), entry(42113, ASCII, "7"))
    own = overview(items(role("scale", "0.2")), entry(42113, ASCII, "8"))
    found = attributes(own, "uint8", base=base)
    assert (found["scale_factor"], found["_FillValue"]) == (0.2, 8)


def test_an_overviews_bands_are_called_as_its_images():
    base = overview(items(role("description", "a", 0), role("description", "b", 1)), bands=2)
    found = band_coordinates(overview(bands=2), "uint8", base=base)
    assert found == {"band": ["a", "b"], "colorinterp": ["gray", "undefined"]}


def test_a_mask_does_not_have_the_meaning_of_its_image():
    base = overview(items(role("scale", "0.1")), entry(42113, ASCII, "7"))
    mask = directory(
        image(values("u1", 4, 5) & 1, bits=1, photometric=4, extra_entries=[entry(254, LONG, 4)])
    )
    assert attributes(mask, "uint8", base=base) == {"photometric_interpretation": 4}
