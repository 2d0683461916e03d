"""Files beside a TIFF: what `open` makes of them is what GDAL makes of them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (the accessor)
import xarray as xr
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import from_origin

import virtual_tiff
from support.http import HttpServer

CUSTOM = (
    'PROJCS["mine",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Lambert_Conformal_Conic_'
    '2SP"],PARAMETER["standard_parallel_1",40],PARAMETER["standard_parallel_2",50],PARAMETER['
    '"latitude_of_origin",45],PARAMETER["central_meridian",3],PARAMETER["false_easting",7],'
    'PARAMETER["false_northing",9],UNIT["metre",1]]'
)
PAM = """<PAMDataset>
  <SRS dataAxisToSRSAxisMapping="1,2">{crs}</SRS>
  <GeoTransform> 5.0e+05, 1.0e+01, 0, 6.0e+06, 0, -1.0e+01</GeoTransform>
  <Metadata><MDI key="A">pam</MDI><MDI key="C">&amp; &lt;ö</MDI></Metadata>
  <Metadata domain="D"><MDI key="X">pam</MDI></Metadata>
  <PAMRasterBand band="1"><Description>one</Description><NoDataValue>7</NoDataValue>
  <UnitType>km</UnitType><Offset>5</Offset><Scale>6</Scale><ColorInterp>Blue</ColorInterp>
  <Metadata><MDI key="STATISTICS_MEAN">4.5</MDI></Metadata></PAMRasterBand>
</PAMDataset>"""


def write(path: Path, *, said: bool = True, **options: Any) -> np.ndarray[Any, Any]:
    pixels = np.arange(200, dtype="u2").reshape(1, 10, 20)
    profile: dict[str, Any] = {"width": 20, "height": 10, "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", **profile, **options) as file:
        file.write(pixels)
        if said:
            file.scales, file.offsets, file.units, file.descriptions = (2,), (1,), ("m",), ("in",)
            file.update_tags(A="in the file", B="in the file")
            file.colorinterp = (ColorInterp.red,)
    return pixels


def compare(path: Path, **options: Any) -> xr.DataArray:
    """Compare all that both say of a file's one band; return ours."""
    with rasterio.open(path) as file:
        dataset: Any = virtual_tiff.open(path, **options)
        image = dataset["0"]
        assert dataset.rio.crs == file.crs
        assert tuple(dataset.rio.transform()) == pytest.approx(tuple(file.transform))
        assert image.encoding.get("_FillValue") == file.nodata
        assert image.encoding.get("scale_factor", 1) == file.scales[0]
        assert image.encoding.get("add_offset", 0) == file.offsets[0]
        assert image.attrs.get("units") == file.units[0]
        assert image.attrs.get("long_name") == file.descriptions[0]
        assert image.attrs["colorinterp"] == file.colorinterp[0].name
        for name, value in file.tags().items():
            assert image.attrs[name] == value
        for name, value in file.tags(1).items():
            assert str(image.attrs[name]) == value
        domains = json.loads(image.attrs.get("gdal_metadata_domains", "{}"))
        assert domains.get("D", {}) == file.tags(ns="D")
        expected = file.read(1, masked=True).astype("f8") * file.scales[0] + file.offsets[0]
        np.testing.assert_allclose(image.values.astype("f8"), expected.filled(np.nan))
    return image


INSIDE = {"nodata": 3, "crs": "EPSG:32633", "transform": from_origin(0, 100, 10, 10)}


@pytest.mark.parametrize("inside", [True, False], ids=["above the tags", "without tags"])
@pytest.mark.parametrize("crs", ["EPSG:32634", CUSTOM], ids=["a code", "a WKT"])
def test_aux_xml_counts_more_than_the_tags(tmp_path: Path, crs: str, inside: bool) -> None:
    path = tmp_path / "a.tif"
    write(path, said=inside, **(INSIDE if inside else {}))
    (tmp_path / "a.tif.aux.xml").write_text(PAM.format(crs=crs), encoding="utf-8")
    (tmp_path / "a.tfw").write_text("30\n0\n0\n-30\n15\n100\n")
    image = compare(path)
    assert image.attrs["C"] == "& <ö"


@pytest.mark.parametrize("text", ["", "<PAMDataset>", "<Other/>", "<PAMDataset/>"])
def test_aux_xml_that_says_nothing_changes_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.tif"
    write(path, **INSIDE)
    plain = virtual_tiff.open(path, sidecars=False)
    (tmp_path / "a.tif.aux.xml").write_text(text)
    if text == "<PAMDataset/>":
        compare(path)
    else:
        with pytest.warns(virtual_tiff.TiffWarning, match=r"a\.tif\.aux\.xml"):
            assert virtual_tiff.open(path).identical(plain)


HOSTILE = {
    "a long WKT": f'<SRS>LOCAL_CS["{"x" * 70_000}"]</SRS>',
    "a large code": "<SRS>EPSG:999999999999</SRS>",
    "no numbers": "<GeoTransform>a,b,c,d,e,f</GeoTransform><GCPList><GCP Pixel='x'/></GCPList>",
    "numbers without end": f"<GeoTransform>{'9' * 5000},1,0,inf,0,nan</GeoTransform>",
    "an epoch": '<SRS coordinateEpoch="inf">EPSG:4326</SRS>',
    "a large band": f'<PAMRasterBand band="{"9" * 5000}"><Scale>2</Scale></PAMRasterBand>',
    "no band": '<PAMRasterBand band="0"><Scale>2</Scale></PAMRasterBand>',
    "no nodata": '<PAMRasterBand band="1"><NoDataValue>x</NoDataValue></PAMRasterBand>',
    "odd names": '<Metadata><MDI key="nodata">1</MDI><MDI key="a&quot;/&gt;">&lt;</MDI></Metadata>',
    "texts": "<PAMRasterBand band='1'><Scale>x</Scale><ColorInterp>?</ColorInterp></PAMRasterBand>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_aux_xml_cannot_break_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tif"
    pixels = write(path, said=False, crs="EPSG:32633", transform=from_origin(0, 100, 10, 10))
    (tmp_path / "a.tif.aux.xml").write_text(f"<PAMDataset>{HOSTILE[name]}</PAMDataset>")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", virtual_tiff.TiffWarning)
        image = virtual_tiff.open(path, chunks=None)["0"]
    np.testing.assert_array_equal(np.nan_to_num(image.values), pixels[0])


def test_a_pixel_that_is_a_point_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with rasterio.Env(GTIFF_POINT_GEO_IGNORE=False):
        write(path, **INSIDE)
        with rasterio.open(path, "r+") as file:
            file.update_tags(AREA_OR_POINT="Point")
    crs = "<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>"
    moved = "<PAMDataset><GeoTransform>1,2,0,3,0,-2</GeoTransform></PAMDataset>"
    for text in (crs, moved):
        (tmp_path / "a.tif.aux.xml").write_text(text)
        with rasterio.open(path) as file:
            dataset: Any = virtual_tiff.open(path)
            assert dataset.rio.crs == file.crs
            assert dataset.rio.transform() == file.transform


def test_control_points_of_aux_xml(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, said=False)
    points = "".join(
        f'<GCP Id="{n}" Pixel="{x}" Line="{y}" X="{10 + x}" Y="{50 - y}" Z="{n}"/>'
        for n, (x, y) in enumerate([(0, 0), (20, 0), (20, 10)])
    )
    text = f'<PAMDataset><GCPList Projection="EPSG:4326">{points}</GCPList></PAMDataset>'
    (tmp_path / "a.tif.aux.xml").write_text(text)
    with rasterio.open(path) as file:
        points_of_gdal, crs = file.gcps
    dataset: Any = virtual_tiff.open(path)
    assert dataset.rio.crs == crs
    ours = dataset.rio.get_gcps()
    assert [(p.row, p.col, p.x, p.y, p.z) for p in ours] == [
        (p.row, p.col, p.x, p.y, p.z) for p in points_of_gdal
    ]


@pytest.mark.parametrize("suffix", ["tfw", "TFW", "tifw", "wld"])
@pytest.mark.parametrize("inside", [{}, {"crs": "EPSG:32633"}, INSIDE], ids=["none", "crs", "all"])
def test_a_world_file_counts_without_a_transform(
    tmp_path: Path, suffix: str, inside: dict[str, Any]
) -> None:
    path = tmp_path / "a.tif"
    write(path, **inside)
    (tmp_path / f"a.{suffix}").write_text("30\n1\n2\n-30,5\n15\n100\n")
    compare(path)


@pytest.mark.parametrize("suffix", ["tfw", "TFW", "wld", "tifw"])
def test_a_world_file_of_a_name_in_upper_case(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "A.TIF"
    write(path)
    (tmp_path / f"A.{suffix}").write_text("30\n0\n0\n-30\n15\n100\n")
    compare(path)


def test_a_world_file_of_nonsense_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path)
    (tmp_path / "a.tfw").write_text("30\n0\nx\n")
    assert "x" not in virtual_tiff.open(path).coords


# ---- overviews and masks


def with_parts(path: Path, *, overviews: bool = True) -> None:
    rows = np.arange(256 * 256 * 3, dtype="u4").reshape(3, 256, 256)
    profile: dict[str, Any] = {"width": 256, "height": 256, "count": 3, "dtype": "uint8"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
        rasterio.open(path, "w", driver="GTiff", **profile, photometric="RGB", **SPREAD) as file,
    ):
        file.write((rows % 251).astype("u1"))
        mask = np.full((256, 256), 255, "u1")
        mask[:99, 7:] = 0
        file.write_mask(mask)
    if overviews:
        with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4], Resampling.nearest)


SPREAD = {"crs": "EPSG:32633", "transform": from_origin(0, 100, 10, 10)}


def test_the_mask_beside_a_file_makes_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "a b.tif"
    with_parts(path, overviews=False)
    assert (tmp_path / "a b.tif.msk").exists()
    for chunks in (None, {}):
        image: Any = virtual_tiff.open(path, masked=True, chunks=chunks)["0"]
        with rasterio.open(path) as file:
            expected = file.read(masked=True).astype("f4").filled(np.nan)
        np.testing.assert_array_equal(image.values, expected)
    assert np.isfinite(virtual_tiff.open(path, masked=True, sidecars=False)["0"].values).all()


def test_a_file_called_msk_that_is_no_mask_of_gdal_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, **INSIDE)
    (tmp_path / "a.tif.msk").write_bytes(path.read_bytes())
    with rasterio.open(path) as file:
        assert [flag.name for flag in file.mask_flag_enums[0]] == ["nodata"]
    assert list(virtual_tiff.open(path).data_vars) == ["0"]


def test_overviews_beside_a_file_are_the_levels_of_its_pyramid(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with_parts(path)
    assert (tmp_path / "a.tif.ovr").exists()
    tree: Any = virtual_tiff.open(path, ifd_layout="pyramid")
    assert list(tree.children) == ["0", "1", "2"]
    assert len(tree.attrs["multiscales"]["layout"]) == 3
    for number, level in enumerate((None, 0, 1)):
        options = {} if level is None else {"overview_level": level}
        with rasterio.open(path, **options) as file:
            image = tree[f"{number}/image"]
            np.testing.assert_array_equal(image.values, file.read())
            assert image.rio.transform() == file.transform
            assert image.rio.crs == file.crs
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(tree["0/mask"].values, file.read_masks(1))
    assert set(virtual_tiff.open(path, overviews=[1]).data_vars) >= {"0", "ovr.1", "msk"}
    assert list(virtual_tiff.open(path).data_vars) == ["0", "msk"]


def test_overviews_and_masks_with_names_in_upper_case(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with_parts(path)
    for end in ("ovr", "msk"):
        (tmp_path / f"a.tif.{end}").rename(tmp_path / f"a.tif.{end.upper()}")
    dataset = virtual_tiff.open(path, overviews=[1])
    with rasterio.open(path, overview_level=1) as file:
        np.testing.assert_array_equal(dataset["ovr.1"].values, file.read())
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(dataset["msk"].values, file.read_masks(1))


def test_overviews_and_masks_in_the_file_count_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with_parts(path)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2], Resampling.nearest)
    with rasterio.open(path) as file:
        levels = file.overviews(1)
    tree = virtual_tiff.open(path, ifd_layout="pyramid")
    assert len(tree.children) == 1 + len(levels)


def test_a_broken_file_of_overviews_is_named_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path)
    (tmp_path / "a.tif.ovr").write_bytes(b"no TIFF at all")
    with pytest.warns(virtual_tiff.TiffWarning, match=r"a\.tif\.ovr is left out"):
        assert list(virtual_tiff.open(path, overviews=True).data_vars) == ["0"]


def test_remote_files_beside_a_file_are_read_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with_parts(path)
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    with HttpServer(tmp_path) as server:
        plain = virtual_tiff.open(f"{server.url}/a.tif")
        assert server.count("GET") == 1
        assert list(plain.data_vars) == ["0"]
        dataset: Any = virtual_tiff.open(f"{server.url}/a.tif", sidecars=True, overviews=True)
        assert server.count("GET") <= 8
        assert dataset.rio.crs == "EPSG:4326"
        with rasterio.open(path, overview_level=0) as file:
            np.testing.assert_array_equal(dataset["ovr.0"].values, file.read())
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(dataset["msk"].values, file.read_masks(1))


# ---- STAC


def item(path: Path, **asset: Any) -> dict[str, Any]:
    tiff = {"href": str(path), "type": "image/tiff; application=geotiff", **asset}
    return {"type": "Feature", "id": "a", "properties": {}, "assets": {"B04": tiff}}


BANDS = {
    "raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 7, "unit": "1"}],
    "bands": [{"raster:scale": 0.0001, "raster:offset": -0.1, "nodata": 7, "unit": "1"}],
}


@pytest.mark.parametrize("name", BANDS)
def test_bands_of_a_stac_item_count_where_the_file_is_silent(tmp_path: Path, name: str) -> None:
    path, document = tmp_path / "a.tif", tmp_path / "item.json"
    pixels = write(path, said=False)[0]
    document.write_text(json.dumps(item(path, **{name: BANDS[name]})))
    assert virtual_tiff.open(document)["0"].dtype == "u2"
    expected = np.where(pixels == 7, np.nan, pixels * 0.0001 - 0.1)
    for given in (document, json.loads(document.read_text())):
        image = virtual_tiff.open(given, raster_bands=True)["0"]
        np.testing.assert_allclose(image.values, expected)
        assert image.attrs["units"] == "1"
    image = virtual_tiff.open(path, raster_bands=BANDS[name])["0"]
    np.testing.assert_allclose(image.values, expected)


def test_what_the_file_says_counts_more_than_stac(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, **INSIDE)
    plain = virtual_tiff.open(path)
    assert virtual_tiff.open(path, raster_bands=BANDS["bands"]).identical(plain)


def test_an_item_of_several_assets_needs_the_key_of_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path)
    two = item(path)
    other = tmp_path / "b.tif"
    write(other)
    two["assets"]["B05"] = two["assets"]["B04"] | {"href": str(other)}
    with pytest.raises(ValueError, match=r"asset=, one of B04, B05"):
        virtual_tiff.open(two)
    assert list(virtual_tiff.open(two, asset="B05").data_vars) == ["0"]
    with pytest.raises(ValueError, match="the asset has none"):
        virtual_tiff.open(two, asset="B05", raster_bands=True)
    with pytest.raises(ValueError, match="named by no STAC item"):
        virtual_tiff.open(path, raster_bands=True)
    with pytest.raises(ValueError, match="a mapping for each band"):
        virtual_tiff.open(path, raster_bands=[1])  # type: ignore[list-item]
    odd = [{"scale": "\ud800", "nodata": "\ud800"}]
    with pytest.warns(virtual_tiff.TiffWarning):
        assert virtual_tiff.open(path, raster_bands=odd)["0"].shape == (10, 20)
