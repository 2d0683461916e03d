"""Statements of a document about the whole image, taken into the metadata of plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numcodecs.vlen import VLenUTF8
from pyproj import CRS

from virtual_tiff.arrays.convention_entries import SPATIAL
from virtual_tiff.arrays.coordinates import band_array
from virtual_tiff.metadata.crs import build
from virtual_tiff.metadata.crs.registry import BuiltIn
from virtual_tiff.metadata.transform import Affine
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.planning import declared
from virtual_tiff.publishing.planning.declared import (
    DeclaredPlaces,
    declare,
    declared_nodata,
    with_names,
)
from virtual_tiff.publishing.planning.plan import Column
from virtual_tiff.publishing.planning.tile_grid import Tile
from virtual_tiff.sources.declared_grid import DeclaredBand, DeclaredGrid

TRANSFORM = (500_000.0, 10.0, 0.0, 4_650_000.0, 0.0, -10.0)
"""GDAL's geotransform of `NORTH_UP`."""

# ------------------------------------------------------------------------------- places


def places(*of_files: tuple[int, ...], **grid: Any) -> DeclaredPlaces:
    """The places (row, column, length, width) that a VRT of no size declares."""
    grid = {"name": "m.vrt", "kind": "GDAL VRT"} | grid
    return DeclaredPlaces(grid=DeclaredGrid(**grid), places=np.array(of_files, dtype=np.int64))


def starts(
    of_document: DeclaredPlaces, full: tuple[int, int], size: tuple[int, int] | None = None
) -> list[list[int]]:
    """First row and column of each file, all of one size, in the image or an overview of `size`."""
    names = [f"{n}.tif" for n in range(len(of_document.places))]
    sizes = (np.array([each or full] * len(names)) for each in (full, size))
    _, found, shift = of_document.tile_grid("0", names, [None] * len(names), *sizes, 0.01)
    assert shift == 0
    return found.tolist()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("GDAL VRT", "m.vrt: a.tif and b.tif overlap. GDAL shows the earlier file where the later"),
        ("table of tiles", "a.tif and b.tif overlap"),
    ],
)
def test_only_of_gdals_documents_the_error_says_what_gdal_does(kind: str, words: str) -> None:
    text = places((0, 0, 0, 0), kind=kind).overlap(PublishError("a.tif and b.tif overlap"))
    assert text.startswith(words)
    assert ("GDAL" in text) == (kind == "GDAL VRT")


def test_the_document_is_named_without_its_secrets() -> None:
    of = places((0, 0, 0, 0), name="https://user:secret@host/m.vrt")
    assert "secret" not in of.overlap(PublishError("overlap"))


def test_places_count_from_the_first_tile_of_a_table_that_has_no_size() -> None:
    assert starts(places((5, 7, 0, 0), (9, 7, 0, 0)), (4, 4)) == [[0, 0], [4, 0]]
    whole = places((5, 7, 0, 0), (9, 7, 0, 0), size=(20, 20))
    assert starts(whole, (4, 4)) == [[5, 7], [9, 7]]


@pytest.mark.parametrize(
    ("size", "first"),
    [
        (99, 0),  # by 0.0099 pixels
        (100, 0),  # by 0.01
        (9_901, 1),  # by 0.0099, from below
        (101, None),
        (9_899, None),
        (5_000, None),
    ],
)
def test_an_overview_may_be_off_its_pixels_by_a_hundredth(size: int, first: int | None) -> None:
    """The file begins at row 1 of 10,000, and the overview has `size` rows in place of these."""
    of_document = places((1, 0, 0, 0), size=(20_000, 20_000))
    if first is None:
        words = rf"m\.vrt: 0\.tif: array 0 would begin at row {size / 10_000:.10g} and column 0, be"
        with pytest.raises(PublishError, match=words):
            starts(of_document, (10_000, 10_000), (size, size))
    else:
        assert starts(of_document, (10_000, 10_000), (size, size)) == [[first, 0]]


def test_a_column_between_pixels_is_named_with_its_file() -> None:
    of_document = places((0, 0, 0, 0), (0, 2, 0, 0), size=(20, 20))
    with pytest.raises(PublishError, match=r"1\.tif: .* at row 0 and column 0\.5, between pixels"):
        starts(of_document, (8, 8), (2, 2))


@pytest.mark.parametrize(
    ("whole", "full", "size", "shape"),
    [
        ((100, 60), (10, 10), (10, 10), (100, 60)),
        ((100, 60), (10, 10), (5, 5), (50, 30)),
        ((101, 60), (10, 10), (5, 5), (51, 30)),  # half a pixel of the overview is one
        ((20_000, 60), (10_000, 10), (99, 5), (198, 30)),
        ((10_001, 60), (10_000, 10), (100, 5), (100, 30)),  # a hundredth is not
        ((10_002, 60), (10_000, 10), (100, 5), (101, 30)),
    ],
)
def test_the_size_of_an_overview_of_the_whole(
    whole: tuple[int, int], full: tuple[int, int], size: tuple[int, int], shape: tuple[int, int]
) -> None:
    of_document = places((0, 0, 0, 0), size=whole)
    assert of_document.shape(np.array([full]), np.array([size])) == shape


def test_a_document_without_a_size_declares_none() -> None:
    assert places((0, 0, 0, 0)).shape(np.array([[4, 4]]), np.array([[4, 4]])) == (0, 0)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ((4, 6), None),
        ((0, 0), None),  # the document does not say
        ((4, 0), None),
        ((0, 5), "it takes 5x0 pixels of 0.tif, which has 6x4"),
        ((3, 6), "it takes 6x3 pixels of 0.tif, which has 6x4; a part of a file cannot be shown"),
        ((5, 6), "it takes 6x5 pixels"),
    ],
)
def test_a_file_has_the_size_that_the_document_says(
    stated: tuple[int, int], words: str | None
) -> None:
    of_document = places((0, 0, *stated))
    if words is None:
        assert starts(of_document, (4, 6)) == [[0, 0]]
    else:
        with pytest.raises(PublishError, match=words):
            starts(of_document, (4, 6))


def test_tiles_count_rows_and_columns_of_files() -> None:
    of_document = places((3, 1, 0, 0), (3, 2, 0, 0), (5, 1, 0, 0), unit="tiles")
    assert starts(of_document, (4, 6)) == [[0, 0], [0, 6], [8, 0]]


@pytest.mark.long
@pytest.mark.parametrize(("last", "refused"), [(10_000_000, False), (10_000_001, True)])
def test_the_most_rows_of_tiles(last: int, refused: bool) -> None:
    of_document = places((0, 0, 0, 0), (last, 0, 0, 0), unit="tiles")
    if refused:
        with pytest.raises(PublishError, match=r"1\.tif: row 10,000,001 is too far away"):
            starts(of_document, (4, 4))
    else:
        assert starts(of_document, (4, 4)) == [[0, 0], [4 * last, 0]]


@pytest.mark.parametrize("length", [1, 4])
def test_an_empty_row_is_as_long_as_the_others(length: int) -> None:
    of_document = places((3, 0, 0, 0), (5, 0, 0, 0), unit="tiles")
    assert starts(of_document, (length, 4)) == [[0, 0], [2 * length, 0]]


def test_an_empty_row_among_others_of_two_lengths_is_named() -> None:
    of_document = places(*((row, 0, 0, 0) for row in (3, 4, 6)), unit="tiles")
    sizes = np.array([[4, 4], [8, 4], [4, 4]])
    with pytest.raises(PublishError, match="no file is in row 5, and the others are of several"):
        of_document.tile_grid("0", list("abc"), [None] * 3, sizes, sizes, 0.01)


def test_an_empty_row_before_a_shorter_last_one() -> None:
    """The last row of tiles may be shorter, so it does not say how long the empty row is."""
    of_document = places((0, 0, 0, 0), (2, 0, 0, 0), unit="tiles")
    sizes = np.array([[4, 4], [3, 4]])
    _, found, _ = of_document.tile_grid("0", ["a", "b"], [None, None], sizes, sizes, 0.01)
    assert found.tolist() == [[0, 0], [8, 0]]


def test_a_tile_shorter_than_others_of_its_row_may_be_in_the_last_row_alone() -> None:
    sizes = np.array([[4, 4], [4, 4], [4, 4], [3, 4]])
    tiles = [None] * 4
    last = places((0, 0, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0), unit="tiles")
    _, found, _ = last.tile_grid("0", list("abcd"), tiles, sizes, sizes, 0.01)
    assert found.tolist() == [[0, 0], [0, 4], [4, 0], [4, 4]]
    first = places((1, 0, 0, 0), (1, 1, 0, 0), (0, 0, 0, 0), (0, 1, 0, 0), unit="tiles")
    with pytest.raises(PublishError, match="d is shorter than other files of row 0, so that"):
        first.tile_grid("0", list("abcd"), tiles, sizes, sizes, 0.01)


def test_a_table_has_the_transform_of_its_files() -> None:
    """Where the first file is not the first tile, too."""
    affine = Affine(10, 0, 500_000, 0, -10, 4_650_000)
    tiles = [
        Tile(name=f"{n}.tif", affine=affine.shifted(across, down), length=4, width=6)
        for n, (across, down) in enumerate([(6, 4), (0, 4), (6, 0)])
    ]
    of_document = places((14, 26, 0, 0), (14, 20, 0, 0), (10, 26, 0, 0), kind="table of tiles")
    sizes = np.array([[4, 6]] * 3)
    of_whole, found, shift = of_document.tile_grid("0", list("abc"), tiles, sizes, sizes, 0.01)
    assert of_whole == affine
    assert found.tolist() == [[4, 6], [4, 0], [0, 6]]
    assert shift == 0


@pytest.mark.parametrize("size", [(4, 6), (2, 3), (4, 3)])
def test_an_overview_has_the_transform_of_its_pixels(size: tuple[int, int]) -> None:
    of_document = places((0, 0, 0, 0), size=(8, 12), transform=TRANSFORM)
    full, sizes = np.array([[4, 6]]), np.array([size])
    whole, _, _ = of_document.tile_grid("1", ["a"], [None], full, sizes, 0.01)
    down, across = 4 / size[0], 6 / size[1]
    assert whole == Affine(10 * across, 0, 500_000, 0, -10 * down, 4_650_000)


NORTH_UP = Affine(10, 0, 500_000, 0, -10, 4_650_000)


def at(row: float, column: float) -> Tile:
    return Tile(name="a.tif", affine=NORTH_UP.shifted(column, row), length=4, width=6)


def by_transforms(*tiles: Tile | None, **grid: Any) -> tuple[Any, list[list[int]], float]:
    """Files of an index that has no place for them."""
    of_document = places(*[(0, 0, 0, 0)] * len(tiles), unit="transforms", **grid)
    sizes = np.array([[4, 6]] * len(tiles))
    names = [f"{n}.tif" for n in range(len(tiles))]
    whole, found, shift = of_document.tile_grid("0", names, tiles, sizes, sizes, 0.01)
    return whole, found.tolist(), shift


def test_files_of_an_index_lie_where_their_transforms_say() -> None:
    whole, found, shift = by_transforms(at(4, 6), at(0, 6.005))
    assert (whole, found) == (NORTH_UP.shifted(6.005, 0), [[4, 0], [0, 0]])
    assert shift == pytest.approx(0.005)


@pytest.mark.parametrize("size", [None, (20, 30)])
def test_files_of_an_index_lie_in_the_whole_that_it_declares(size: tuple[int, int] | None) -> None:
    tiles = (at(4, 6), at(0, 6.005), at(-4, -12))  # the last lies outside of it
    whole, found, shift = by_transforms(*tiles, transform=TRANSFORM, size=size)
    assert (whole, found) == (NORTH_UP, [[4, 6], [0, 6], [-4, -12]])
    assert shift == pytest.approx(0.005)


def test_a_file_of_an_index_without_a_transform_is_named() -> None:
    with pytest.raises(PublishError, match=r"m\.vrt: 1\.tif has no transform, and nothing else"):
        by_transforms(at(0, 0), None)


@pytest.mark.parametrize("where", [(5, 6), (4, 7), (5, 7)])
def test_a_table_that_contradicts_transforms_names_the_file_and_both_places(
    where: tuple[int, int],
) -> None:
    tiles = [at(2, 3), at(-2, -3), at(6, 9)]
    of_document = places((5, 7, 0, 0), (1, 1, 0, 0), (5 + where[0], 7 + where[1], 0, 0))
    sizes = np.array([[4, 6]] * 3)
    words = (
        f"m.vrt: c is placed {where[0]} rows and {where[1]} columns from a, but by the transforms"
        " of the files it lies 4 rows and 6 columns from it. Correct one of them"
    )
    with pytest.raises(PublishError, match=words):
        of_document.tile_grid("0", list("abc"), tiles, sizes, sizes, 0.01)


# ------------------------------------------------------------------------------ meaning

UTM = "EPSG:32633"


def image(*, bands: int = 1, **attributes: Any) -> dict[str, Any]:
    """The metadata of an image of 4 x 6 pixels in chunks of all bands."""
    names = ["band", "y", "x"] if bands > 1 else ["y", "x"]
    return {
        "shape": [*([bands] if bands > 1 else []), 4, 6], "data_type": "uint16",
        "fill_value": 0, "codecs": [], "dimension_names": names, "attributes": attributes,
    }  # fmt: skip


type Inline = dict[str, tuple[dict[str, Any], bytes]]


def changed(
    metadata: dict[str, Any], inline: Inline | None = None, *, holes: bool = False, **grid: Any
) -> tuple[dict[str, Any], Inline]:
    """An array, and the coordinates beside it, after a VRT has declared something."""
    arrays, inline = {"0": metadata}, inline or {}
    bands = grid.pop("bands", ())
    of_document = DeclaredGrid(name="m.vrt", kind="GDAL VRT", bands=tuple(bands), **grid)
    declare(of_document, arrays, inline, {"0": metadata["dimension_names"]}, holes=holes)
    return arrays["0"], inline


@pytest.mark.parametrize(
    ("scale", "kept"),
    [([10.0, 10.0, 0.0], True), ([20.0, 10.0, 0.0], False), ([10.0, 20.0, 0.0], False)],
)
def test_the_pixel_scale_of_a_tile_is_kept_where_the_document_has_the_same(
    scale: list[float], kept: bool
) -> None:
    array = image(model_pixel_scale=scale, model_tiepoint=[0.0], model_transformation=[0.0])
    attributes = changed(array, transform=TRANSFORM)[0]["attributes"]
    assert ("model_pixel_scale" in attributes) == kept
    assert not {"model_tiepoint", "model_transformation"} & set(attributes)


def test_a_document_without_a_transform_leaves_the_tags_of_the_place() -> None:
    array = image(model_pixel_scale=[1.0, 1.0, 0.0], model_tiepoint=[0.0])
    assert changed(array, items=(("title", "all"),))[0]["attributes"] == {
        "model_pixel_scale": [1.0, 1.0, 0.0],
        "model_tiepoint": [0.0],
        "title": "all",
    }


def test_a_document_gives_files_their_place() -> None:
    array, inline = changed(image(), transform=TRANSFORM, crs=UTM)
    assert array["attributes"]["spatial:transform"] == [10, 0, 500_000, 0, -10, 4_650_000]
    assert array["attributes"]["proj:code"] == UTM
    assert array["attributes"]["coordinates"] == array["attributes"]["grid_mapping"]
    assert sorted(inline) == ["spatial_ref", "x", "y"]
    x = np.frombuffer(inline["x"][1], "<f8")
    assert x.tolist() == [500_005 + 10 * n for n in range(6)]


def test_a_place_stands_beside_the_conventions_and_coordinates_of_the_files() -> None:
    other, spatial = {"uuid": "another"}, SPATIAL[0]
    array = image(
        zarr_conventions=[other, spatial], coordinates="colorinterp spatial_ref",
        grid_mapping="spatial_ref",
    )  # fmt: skip
    changed_array, inline = changed(
        array, {"spatial_ref": ({"attributes": {"note": "kept"}}, b"")}, transform=TRANSFORM
    )
    attributes = changed_array["attributes"]
    assert attributes["zarr_conventions"] == [other, *SPATIAL]
    assert attributes["coordinates"] == "spatial_ref colorinterp"
    assert inline["spatial_ref"][0]["attributes"]["note"] == "kept"
    assert "GeoTransform" in inline["spatial_ref"][0]["attributes"]


@pytest.mark.parametrize(("crs", "named"), [(UTM, True), (None, False)])
def test_files_with_a_transform_need_no_more_than_a_crs(crs: str | None, named: bool) -> None:
    """Their transform, of the whole by now, is the document's."""
    array = image(**{"spatial:transform": [20, 0, 0, 0, -20, 0]})
    attributes = changed(array, transform=TRANSFORM, crs=crs)[0]["attributes"]
    assert attributes["spatial:transform"] == [20, 0, 0, 0, -20, 0]
    assert ("proj:code" in attributes) == named


def test_columns_of_a_rotated_whole_have_no_coordinates() -> None:
    """Each pixel has an x of its own; GDAL's transform alone says where it lies."""
    rotated = (500_000.0, 6.0, 8.0, 4_650_000.0, 8.0, -6.0)
    array, inline = changed(image(), transform=rotated, crs=UTM)
    assert array["attributes"]["spatial:transform"] == [6, 8, 500_000, 8, -6, 4_650_000]
    assert list(inline) == ["spatial_ref"]


@pytest.mark.parametrize(
    ("of_bands", "words"),
    [
        (["7", "7"], None),
        ([None, None], None),
        (["7", "8"], "its bands have several nodata values; an array has one"),
        (["7", None], "its bands have several nodata values"),
    ],
)
def test_the_bands_of_a_document_have_one_nodata_value(
    of_bands: list[str | None], words: str | None
) -> None:
    bands = [DeclaredBand(nodata=nodata) for nodata in of_bands]
    if words is None:
        changed(image(bands=2), bands=bands)
    else:
        with pytest.raises(PublishError, match=rf"m\.vrt: {words}"):
            changed(image(bands=2), bands=bands)


@pytest.mark.parametrize(
    ("fill", "holes"), [(0, True), (0.0, True), ([0.0, 0.0], True), (7, False)]
)
def test_pixels_without_a_file_are_0_where_a_document_has_no_nodata(fill: Any, holes: bool) -> None:
    array = image() | {"fill_value": fill}
    assert changed(array, bands=[DeclaredBand()], holes=holes)[0]["fill_value"] == fill
    with pytest.raises(PublishError, match=r"and its files have 7\. Add NoDataValue to it"):
        changed(image() | {"fill_value": 7}, bands=[DeclaredBand()], holes=True)


@pytest.mark.parametrize(
    ("nodata", "data_type", "number"),
    [
        (["-9999"], None, -9999),
        (["+7"], "uint8", 7),
        (["9223372036854775807"], "int64", 9223372036854775807),  # no float has it
        (["-9999.5"], None, -9999.5),
        (["0.1"], "float32", float(np.float32(0.1))),  # as the files have it
        (["0.1"], "float64", 0.1),
        (["7", "7"], None, 7),
        (["7", "8"], None, None),
        ([None], None, None),
        ([], None, None),
        (["none"], None, None),
        (["7"], "complex64", None),
    ],
)
def test_the_nodata_value_that_a_document_declares(
    nodata: list[str | None], data_type: str | None, number: float | None
) -> None:
    bands = tuple(DeclaredBand(nodata=text, data_type=data_type) for text in nodata)
    found = declared_nodata(DeclaredGrid(name="m.vrt", kind="GDAL VRT", bands=bands))
    assert (found, type(found)) == (number, type(number))


def test_nodata_that_is_no_number() -> None:
    bands = (DeclaredBand(nodata="nan", data_type="float32"),)
    found = declared_nodata(DeclaredGrid(name="m.vrt", kind="GDAL VRT", bands=bands))
    assert found is not None
    assert np.isnan(found)


@pytest.mark.parametrize(
    ("colours", "same"),
    [
        (((1, 2, 3, 255),), True),
        (((2, 2, 3, 255),), True),  # GDAL rounds
        (((3, 2, 3, 255),), False),
        (((1, 2, 5, 255),), False),
        (((1, 2, 3, 0),), True),  # a palette of a TIFF has no alpha
        (((1, 2, 3), (255, 254, 253)), True),
        (((1, 2, 3), (255, 252, 255)), False),
    ],
)
def test_colours_are_those_of_the_files_but_for_rounding(
    colours: tuple[tuple[int, ...], ...], same: bool
) -> None:
    array = image(color_map=[[257, 514, 771], [65024, 65024, 65024], [0, 0, 0]])
    bands = [DeclaredBand(colours=colours)]
    if same:
        changed(array, bands=bands)
    else:
        with pytest.raises(PublishError, match="its colour table is not that of its files"):
            changed(array, bands=bands)
    with pytest.raises(PublishError, match="its colour table is not that of its files"):
        changed(image(), bands=bands)  # which have none


def scaled(coordinates: str) -> tuple[dict[str, Any], Inline]:
    """An image of two bands, each with a scale of its own: coordinates along `band`."""
    inline: Inline = {}
    for name, values in {"scale_factor": [1.0, 2.0], "add_offset": [0.0, 5.0]}.items():
        array = band_array(values, "band")
        inline[name] = (array.metadata, array.data)
    return image(bands=2, scales=[1.0, 2.0], offsets=[0.0, 5.0], coordinates=coordinates), inline


@pytest.mark.parametrize("others", ["spatial_ref", "spatial_ref colorinterp", ""])
def test_one_scale_of_all_bands_takes_the_place_of_coordinates(others: str) -> None:
    array, inline = scaled(f"{others} scale_factor add_offset".strip())
    array, inline = changed(array, inline, bands=[DeclaredBand(scale=0.5, offset=3.0)] * 2)
    attributes = array["attributes"]
    assert (attributes["scale_factor"], attributes["add_offset"]) == (0.5, 3)
    assert not {"scales", "offsets"} & set(attributes)
    assert not inline
    assert attributes.get("coordinates") == (others or None)


def test_several_scales_are_coordinates_in_place_of_those_of_the_files() -> None:
    array, inline = scaled("spatial_ref scale_factor add_offset")
    bands = [DeclaredBand(scale=scale) for scale in (3.0, None)]
    array, inline = changed(array, inline, bands=bands)
    assert array["attributes"]["scales"] == [3, 1]
    assert array["attributes"]["coordinates"] == "spatial_ref scale_factor add_offset"
    assert np.frombuffer(inline["scale_factor"][1], "<f8").tolist() == [3, 1]
    assert np.frombuffer(inline["add_offset"][1], "<f8").tolist() == [0, 0]


@pytest.mark.parametrize(
    ("colours", "attribute", "column"),
    [
        (["red", "nir"], None, ["red", "nir"]),
        (["nir", "nir"], "nir", None),
        (["nir", None], None, ["nir", ""]),
        (["undefined", None], "grey", None),  # the document does not say
        (["undefined", "undefined"], "grey", None),
    ],
)
def test_colours_of_bands(
    colours: list[str | None], attribute: str | None, column: list[str] | None
) -> None:
    bands = [DeclaredBand(colour=colour) for colour in colours]
    array, inline = changed(image(bands=2, colorinterp="grey"), bands=bands)
    assert array["attributes"].get("colorinterp") == attribute
    assert array["attributes"].get("coordinates") == (column and "colorinterp")
    texts = VLenUTF8().decode(inline["colorinterp"][1]).tolist() if inline else None
    assert texts == column


def test_one_unit_of_all_bands_takes_the_place_of_a_list() -> None:
    array, inline = changed(
        image(bands=2, band_units=["m", "K"]), bands=[DeclaredBand(unit="ft")] * 2
    )
    assert array["attributes"]["units"] == "ft"
    assert "band_units" not in array["attributes"]
    assert not inline


def test_files_that_are_bands_have_coordinates_along_the_new_dimension() -> None:
    """But for its own, the names: they are those of the whole."""
    array = image(bands=2, long_name="a tile's")
    arrays, inline = {"g/0": array}, dict[str, Any]()
    bands = tuple(DeclaredBand(description=f"b{n}", unit="m" * n, scale=2) for n in (1, 2))
    grid = DeclaredGrid(name="m.vrt", kind="GDAL VRT", axes=("band", "y", "x"), bands=bands)
    declare(grid, arrays, inline, {"g/0": ["y", "x"]}, holes=False)
    assert arrays["g/0"]["attributes"] == {
        "long_name": ["b1", "b2"], "scale_factor": 2, "coordinates": "units",
    }  # fmt: skip
    assert list(inline) == ["g/units"]
    assert VLenUTF8().decode(inline["g/units"][1]).tolist() == ["m", "mm"]
    # the same document of files whose arrays have no such dimension
    arrays, inline = {"g/0": image(long_name="a tile's")}, {}
    declare(grid, arrays, inline, {"g/0": ["y", "x"]}, holes=False)
    assert "coordinates" not in arrays["g/0"]["attributes"]
    assert not inline


def test_a_mask_keeps_what_it_says() -> None:
    arrays = {"0": image(scale_factor=3.0), "1": image(photometric_interpretation=4)}
    bands = (DeclaredBand(scale=2.0),)
    grid = DeclaredGrid(name="m.vrt", kind="GDAL VRT", bands=bands, items=(("title", "all"),))
    declare(grid, arrays, {}, {"0": ["y", "x"], "1": ["y", "x"]}, holes=False)
    assert arrays["0"]["attributes"]["scale_factor"] == 2
    assert "scale_factor" not in arrays["1"]["attributes"]
    assert arrays["1"]["attributes"]["title"] == "all"
    no_bands = DeclaredGrid(name="m.vrt", kind="GDAL VRT")
    declare(no_bands, arrays, {}, {"0": ["y", "x"], "1": ["y", "x"]}, holes=False)
    assert arrays["0"]["attributes"]["scale_factor"] == 2


def test_names_are_the_coordinate_of_a_new_dimension_of_bands() -> None:
    bands = tuple(DeclaredBand(description=name) for name in ("red", "nir"))
    grid = DeclaredGrid(name="m.vrt", kind="GDAL VRT", axes=("band", "y", "x"), bands=bands)
    numbers = Column(path="a/band", dimension="band", data_type="int64", values=[1, 2])
    named = with_names(grid, numbers)
    assert (named.path, named.data_type, named.values) == ("a/band", "string", ["red", "nir"])
    others = Column(path="a/band", dimension="band", data_type="int64", values=[1, 3])
    times = Column(path="a/time", dimension="time", data_type="int64", values=[1, 2])
    for column in (others, times):
        assert with_names(grid, column) is column
    same = DeclaredGrid(name="m.vrt", kind="GDAL VRT", bands=(DeclaredBand(),) * 2)
    assert with_names(same, numbers) is numbers


# ---------------------------------------------------------------------------------- CRS


@pytest.mark.parametrize("of_files", [None, UTM])
def test_a_crs_that_nobody_can_read_is_refused(of_files: str | None) -> None:
    attributes = {} if of_files is None else {"proj:code": of_files}
    with pytest.raises(PublishError, match=r"m\.vrt: its CRS Nowhere cannot be read"):
        changed(image(**attributes), crs='PROJCS["Nowhere"]')
    with pytest.raises(PublishError, match=r"m\.vrt: its CRS x{60} cannot be read"):
        changed(image(**attributes), crs="x" * 99)


def test_without_pyproj_a_crs_that_is_no_code_cannot_be_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (build, declared):
        monkeypatch.setattr(module, "registry", BuiltIn)
    words = r"m\.vrt: to compare its CRS Nowhere with that of its files, pyproj is needed: pip inst"
    with pytest.raises(PublishError, match=words):
        changed(image(), crs='PROJCS["Nowhere"]')
    changed(image(**{"proj:code": UTM}), crs=UTM)  # codes can be


@pytest.mark.parametrize("reference", ["spatial_ref", "crs"])
def test_the_crs_of_files_may_be_in_their_grid_mapping(reference: str) -> None:
    """Files without a code have their CRS as WKT there."""
    wkt = CRS.from_epsg(32634).to_wkt()
    inline: Inline = {reference: ({"attributes": {"crs_wkt": wkt}}, b"")}
    named = {} if reference == "spatial_ref" else {"grid_mapping": reference}
    changed(image(**named), inline, crs="EPSG:32634")  # that of the files
    words = "its CRS is EPSG:32633, and that of its files WGS 84 / UTM zone 34N; references cannot"
    with pytest.raises(PublishError, match=words):
        changed(image(**named), inline, crs=UTM)
