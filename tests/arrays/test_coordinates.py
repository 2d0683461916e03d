"""The arrays beside the images: `x`, `y`, `band`, what differs between bands, `spatial_ref`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from virtualizarr import open_virtual_dataset
from zarr.core.buffer import BufferPrototype, cpu, default_buffer_prototype
from zarr.core.sync import sync

from support.build import ASCII, DOUBLE, SHORT, Picture, entry, image, images
from support.pixels import LOCAL, in_memory, stored_metadata, values, virtual
from virtual_tiff import VirtualTIFF
from virtual_tiff.arrays.coordinates import axis_array
from virtual_tiff.metadata.place import Place
from virtual_tiff.store import CheckedManifestStore
from virtual_tiff.tiff import Limits, TiffWarning

SPECIAL = Path(__file__).parent.parent.parent / "testdata" / "special"

SCALE = entry(33550, DOUBLE, [10.0, 20.0, 0.0])
TIEPOINT = entry(33922, DOUBLE, [0.0, 0.0, 0.0, 500_000.0, 4_000_000.0, 0.0])
UTM = entry(34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633])
DEGREES = entry(34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326])
PLACED = (SCALE, TIEPOINT, UTM)


def special(name: str, **options: Any) -> CheckedManifestStore:
    return VirtualTIFF(**options)((SPECIAL / f"{name}.tif").as_uri(), LOCAL)


def metadata_item(*items: str) -> Any:
    return entry(42112, ASCII, f"<GDALMetadata>{''.join(items)}</GDALMetadata>")


def described(*names: str) -> Any:
    return metadata_item(
        *(
            f'<Item name="DESCRIPTION" sample="{i}" role="description">{name}</Item>'
            for i, name in enumerate(names)
        )
    )


# ---- which there are


def test_those_of_a_placed_image():
    members = special("geo_nodata").group.arrays
    assert list(members) == ["0", "y", "x", "spatial_ref"]


def test_those_of_an_image_of_several_bands_without_a_place():
    members = virtual(image(values("u1", 5, 7, 3))).group.arrays
    assert {name: array.metadata.dimension_names for name, array in members.items()} == {
        "0": ("band", "y", "x"),
        "band": ("band",),
    }
    assert members["0"].metadata.attributes["colorinterp"] == ["red", "green", "blue"]


def test_an_image_that_says_nothing_has_none():
    assert list(virtual(image(values("u1", 5, 7))).group.arrays) == ["0"]


def test_a_cogs_levels_have_their_own_axes_and_share_a_grid_mapping():
    assert {
        name: array.metadata.dimension_names
        for name, array in special("cog").group.arrays.items()
        if not name.isdecimal()
    } == {
        "x": ("x",),
        "y": ("y",),
        "spatial_ref": (),
        "x_1": ("x_1",),
        "y_1": ("y_1",),
        "x_2": ("x_2",),
        "y_2": ("y_2",),
    }


def test_a_mask_shares_those_of_its_image():
    arrays = special("cog_rgb_mask").group.arrays
    dimensions = {n: a.metadata.dimension_names for n, a in arrays.items() if n.isdecimal()}
    pairs = [(d[-2:], arrays[n].metadata.attributes["grid_mapping"]) for n, d in dimensions.items()]
    assert len(set(pairs)) == len(pairs) / 2
    assert dimensions["0"] == ("band", "y", "x")
    assert ("y", "x") in [d for n, d in dimensions.items() if n != "0"]


def test_pages_of_one_size_at_two_places_have_two():
    moved = entry(33922, DOUBLE, [0.0, 0.0, 0.0, 600_000.0, 4_000_000.0, 0.0])
    pages = [
        Picture(values("u1", 4, 5), extra_entries=PLACED),
        Picture(values("u1", 4, 5), extra_entries=[SCALE, moved, UTM]),
        Picture(values("u1", 4, 5), extra_entries=PLACED),
    ]
    dataset = xr.open_zarr(virtual(images(pages)))
    assert [dataset[name].dims for name in "012"] == [("y", "x"), ("y_1", "x_1"), ("y", "x")]
    assert float(dataset["x_1"][0]) == 600_005


def test_bands_that_are_called_otherwise_have_a_dimension_of_their_own():
    pages = [
        Picture(values("u1", 4, 5, 2), extra_entries=[described(*names)])
        for names in (("a", "b"), ("c", "d"), ("a", "b"))
    ]
    dataset = xr.open_zarr(virtual(images(pages)))
    assert [dataset[name].dims[0] for name in "012"] == ["band", "band_1", "band"]
    assert dataset["band_1"].values.tolist() == ["c", "d"]


@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid"])
def test_none_where_they_are_not_wanted(layout: Any):
    group = special("cog_rgb_mask", ifd_layout=layout, coordinates=False).group
    groups = [group, *group.groups.values()]
    arrays = {name: array for each in groups for name, array in each.arrays.items()}
    assert all(name.isdecimal() or name in ("image", "mask") for name in arrays)
    for array in arrays.values():
        assert not {"coordinates", "grid_mapping"} & set(array.metadata.attributes)
        assert "proj:code" in array.metadata.attributes


def test_they_cost_no_chunk_of_the_file():
    for name, array in special("cog_rgb_mask").group.arrays.items():
        if not name.isdecimal():
            assert (
                array.manifest.has_inlined_chunks
                if hasattr(array.manifest, "has_inlined_chunks")
                else True
            )
            paths = {chunk["path"] for chunk in array.manifest.dict().values()}
            assert not any(path.startswith("file:") for path in paths)


@pytest.mark.parametrize("axis", ["width", "length"])
def test_axes_of_a_monstrous_image_are_left_out(axis: str):
    """400 bytes must not become gigabytes; a missing block may be of any size."""
    size = {"width": 256, "length": 257}
    entries = [
        *PLACED,
        entry(size[axis], 4, 2_000_000_000),
        entry(278, 4, 2_000_000_000 if axis == "length" else 1),
    ]
    data = image(values("u1", 1, 1), sparse=[0], extra_entries=entries)
    with pytest.warns(
        TiffWarning,
        match=r"images get no coordinates x and y: .* pass Limits\(coordinates=2000000001\)",
    ):
        store = virtual(data)
    assert list(store.group.arrays) == ["0", "spatial_ref"]


@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid"])
def test_axes_are_left_out_where_all_of_a_files_are_too_many(layout: Any):
    """Each of them would do alone: what a file may cost does not grow with its directories."""
    pages = [Picture(values("u1", 10 + i, 20), extra_entries=PLACED) for i in range(5)]
    data = images(pages)
    assert _axes(virtual(data, ifd_layout=layout)) == 10
    with pytest.warns(TiffWarning, match="images get no coordinates"):
        few = virtual(data, ifd_layout=layout, limits=Limits(coordinates=100))
    assert 2 <= _axes(few) <= 6


def _axes(store: CheckedManifestStore) -> int:
    tree = xr.open_datatree(store, engine="zarr", consolidated=False, zarr_format=3)
    return sum(str(name)[0] in "xy" for node in tree.subtree for name in node.coords)


# ---- x and y


@pytest.mark.parametrize(
    "name", ["geo_nodata", "geo_degrees", "geo_point", "geo_bands", "cog", "cog_rgb_mask"]
)
def test_x_and_y_are_those_of_rioxarray(name: str):
    with rioxarray.open_rasterio(SPECIAL / f"{name}.tif") as expected:
        found = xr.open_zarr(special(name))["0"]
        np.testing.assert_allclose(found.x, expected.x, rtol=1e-14)
        np.testing.assert_allclose(found.y, expected.y, rtol=1e-14)
        assert found.x.dtype == found.y.dtype == np.float64


@pytest.mark.parametrize("keys", [UTM, DEGREES, None], ids=["metres", "degrees", "nothing"])
def test_their_attributes_are_those_of_rioxarray(keys: Any):
    tags = [SCALE, TIEPOINT, *([] if keys is None else [keys])]
    data = image(values("u1", 5, 7), extra_entries=tags)
    dataset = xr.open_zarr(virtual(data))
    if keys is None:
        assert (dataset.x.attrs, dataset.y.attrs) == ({"axis": "X"}, {"axis": "Y"})
        return
    written = xr.DataArray(
        np.zeros((2, 2)), dims=("y", "x"), coords={"y": [0.0, 1], "x": [0.0, 1]}
    ).rio.write_crs(dataset["0"].rio.crs)
    expected = written.rio.write_coordinate_system()
    for axis in "xy":
        assert dataset[axis].attrs == expected[axis].attrs


def test_a_rotated_image_has_a_transform_and_no_axes():
    dataset = xr.open_zarr(special("geo_rotated"))
    assert not {"x", "y"} & set(dataset.coords)
    with rasterio.open(SPECIAL / "geo_rotated.tif") as expected:
        assert dataset["0"].rio.transform(recalc=False) == expected.transform


def test_they_become_indexes():
    array = xr.open_zarr(special("geo_nodata"))["0"]
    x, y = float(array.x[3]), float(array.y[5])
    assert array.sel(x=x, y=y).equals(array.isel(x=3, y=5))


# ---- spatial_ref


def test_spatial_ref_is_the_scalar_that_rioxarray_writes():
    with rioxarray.open_rasterio(SPECIAL / "geo_nodata.tif") as expected:
        found = xr.open_zarr(special("geo_nodata"))["0"]
        assert found.spatial_ref.dtype == expected.spatial_ref.dtype == np.int64
        assert (found.spatial_ref.shape, int(found.spatial_ref)) == ((), 0)
        numbers = list(map(float, found.spatial_ref.attrs["GeoTransform"].split()))
        wanted = list(map(float, expected.spatial_ref.attrs["GeoTransform"].split()))
        assert numbers == wanted
        assert found.spatial_ref.attrs["crs_wkt"] == found.spatial_ref.attrs["spatial_ref"]


def test_an_array_names_it_twice():
    """With `grid_mapping` alone the default `open_zarr` makes it a variable, not a coordinate."""
    attributes = stored_metadata(special("geo_bands"))["attributes"]
    assert attributes["grid_mapping"] == "spatial_ref"
    assert attributes["coordinates"].split()[0] == "spatial_ref"
    assert "spatial_ref" in xr.open_zarr(special("geo_bands")).coords


def test_every_name_in_coordinates_is_there():
    for path in sorted(SPECIAL.glob("*.tif")):
        arrays = VirtualTIFF()(path.as_uri(), LOCAL).group.arrays
        for array in arrays.values():
            listed = array.metadata.attributes.get("coordinates", "").split()
            assert set(listed) <= set(arrays), path.name


# ---- bands


def test_bands_have_numbers_from_1():
    dataset = xr.open_zarr(virtual(image(values("u1", 5, 7, 3))))
    assert dataset.band.values.tolist() == [1, 2, 3]
    assert dataset.band.dtype == np.int64


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("red", "nir"), ["red", "nir"]),
        (("Wasserhöhe", "深さ"), ["Wasserhöhe", "深さ"]),
        (("same", "same"), [1, 2]),
        (("one", ""), [1, 2]),
    ],
)
def test_bands_have_their_names_where_each_has_one(
    names: tuple[str, str], expected: list[str] | list[int]
):
    data = image(values("u1", 5, 7, 2), extra_entries=[described(*names)])
    assert xr.open_zarr(virtual(data)).band.values.tolist() == expected


def test_a_band_is_selected_by_its_name():
    pixels = values("u1", 5, 7, 2)
    data = image(pixels, extra_entries=[described("red", "nir")])
    array = xr.open_zarr(virtual(data))["0"]
    np.testing.assert_array_equal(array.sel(band="nir"), pixels[:, :, 1])


def test_what_differs_between_bands_is_a_coordinate():
    scales = metadata_item(
        '<Item name="SCALE" sample="0" role="scale">0.5</Item>',
        '<Item name="OFFSET" sample="1" role="offset">-3</Item>',
        '<Item name="UNITTYPE" sample="1" role="unittype">m</Item>',
    )
    dataset = xr.open_zarr(virtual(image(values("u2", 5, 7, 2), extra_entries=[scales])))
    array = dataset["0"]
    assert array.scale_factor.values.tolist() == [0.5, 1.0]
    assert array.add_offset.values.tolist() == [0.0, -3.0]
    assert array.attrs["band_units"] == ["", "m"]
    assert array.dtype == np.uint16
    assert {array[name].dims for name in ("scale_factor", "add_offset")} == {("band",)}


# ---- where they go


def inlined(store: CheckedManifestStore, key: str) -> bytes:
    found = sync(store.get(key, default_buffer_prototype()))
    assert found is not None
    return found.to_bytes()


def test_a_plain_zarr_reader_has_them():
    store = special("geo_nodata")
    metadata = json.loads(inlined(store, "x/zarr.json"))
    assert metadata["data_type"] == "float64"
    found = np.frombuffer(inlined(store, "x/c/0"), "<f8")
    assert found.shape == tuple(metadata["shape"])


def test_a_virtual_dataset_holds_them():
    """`loadable_variables` defaults to the coordinates of dimensions: they become numbers."""
    url = (SPECIAL / "cog_rgb_mask.tif").as_uri()
    dataset = open_virtual_dataset(url, registry=LOCAL, parser=VirtualTIFF())
    assert {"x", "y", "x_2", "band", "spatial_ref"} <= set(dataset.variables)
    assert isinstance(dataset["x"].variable._data, object)
    np.testing.assert_array_equal(dataset["band"].values, [1, 2, 3])


def test_texts_survive_a_store_in_memory():
    data = image(values("u1", 5, 7, 2), extra_entries=[described("é", "x" * 300)])
    store = VirtualTIFF()("memory:///a.tif", in_memory({"a.tif": data}))
    assert xr.open_zarr(store).band.values.tolist() == ["é", "x" * 300]


def test_another_buffer_than_zarrs_own_has_the_bytes_of_the_block() -> None:
    """As that of a GPU: it cannot carry what a guard asks of a block."""

    class Other(cpu.Buffer):
        pass

    store = special("strips_many")
    prototype = BufferPrototype(buffer=Other, nd_buffer=cpu.NDBuffer)
    plain = store.get_sync("0/c/0/0")
    other = store.get_sync("0/c/0/0", prototype=prototype)
    assert type(other) is Other
    assert plain is not None
    assert other.to_bytes() == plain.to_bytes()


def test_coordinates_of_an_image_without_a_transform_are_refused() -> None:
    place = Place(length=4, width=5, affine=None, crs=None)
    with pytest.raises(ValueError, match="the image has no transform, so its pixels have no x"):
        axis_array(place, "x", "x")
