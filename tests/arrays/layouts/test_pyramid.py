"""`ifd_layout="pyramid"`: a group a resolution, for DataTree, Icechunk and map clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (gives DataArrays `.rio`)
import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore
from rasterio.enums import Resampling
from rasterio.shutil import copy
from virtualizarr import open_virtual_datatree

from support.build import DOUBLE, LONG, SHORT, Picture, entry, image, images
from support.conventions import check
from support.http import HttpServer
from support.node import Repository, group_attributes, read_with_zarrita
from support.pixels import LOCAL, values, virtual
from virtual_tiff import VirtualTIFF
from virtual_tiff.store import CheckedManifestStore
from virtual_tiff.tiff import TiffWarning

SPECIAL = Path(__file__).parent.parent.parent.parent / "testdata" / "special"
COGS = ["cog", "cog_rgb", "cog_rgb_mask", "cog_float_nan_predictor", "cog_bigtiff_zstd"]
OVERVIEW, MASK = entry(254, LONG, 1), entry(254, LONG, 4)
PLACE = [
    entry(33550, DOUBLE, [10.0, 10.0, 0.0]),
    entry(33922, DOUBLE, [0.0, 0.0, 0.0, 500_000.0, 4_000_000.0, 0.0]),
    entry(34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633]),
]


def special(name: str, **options: Any) -> CheckedManifestStore:
    parser = VirtualTIFF(ifd_layout="pyramid", **options)
    return parser((SPECIAL / f"{name}.tif").as_uri(), LOCAL)


def pyramid(data: bytes, **options: Any) -> CheckedManifestStore:
    return virtual(data, ifd_layout="pyramid", **options)


def tree(store: Any, **options: Any) -> xr.DataTree:
    options = {"mask_and_scale": False, **options}
    return xr.open_datatree(store, engine="zarr", consolidated=False, zarr_format=3, **options)


def members(store: CheckedManifestStore) -> dict[str, list[str]]:
    """The images and masks of each group."""
    return {
        name: [array for array in group.arrays if array in ("image", "mask")]
        for name, group in store.group.groups.items()
    }


def layout(store: CheckedManifestStore) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.group.metadata.attributes["multiscales"]["layout"]
    return found


# ---- DataTree


@pytest.mark.parametrize("name", COGS)
def test_each_level_is_an_overview_of_rasterio(name: str):
    path = SPECIAL / f"{name}.tif"
    opened = tree(special(name))
    with rasterio.open(path) as dataset:
        count = len(dataset.overviews(1))
    assert [child.name for child in opened.children.values()] == list(map(str, range(count + 1)))
    assert not opened.data_vars
    for level in range(count + 1):
        options = {} if level == 0 else {"overview_level": level - 1}
        found = opened[str(level)].dataset
        with rasterio.open(path, **options) as dataset:
            pixels = found["image"].values
            np.testing.assert_array_equal(
                pixels if pixels.ndim == 3 else pixels[None], dataset.read()
            )
            assert found["image"].rio.crs == dataset.crs
            np.testing.assert_allclose(
                found["image"].rio.transform(), dataset.transform, rtol=1e-12
            )
            if "mask" in found:
                np.testing.assert_array_equal(found["mask"].values * 255, dataset.dataset_mask())
                assert found["mask"].dims == found["image"].dims[-2:]


def test_masks_stand_beside_their_images():
    found = members(special("cog_rgb_mask"))
    assert found == {"0": ["image", "mask"], "1": ["image", "mask"], "2": ["image", "mask"]}


@pytest.mark.parametrize("name", COGS)
def test_it_opens_masked_and_scaled_too(name: str):
    with rasterio.open(SPECIAL / f"{name}.tif", overview_level=0) as dataset:
        expected = dataset.read(masked=True).astype("f8").filled(np.nan)
        nodata = dataset.nodata
    found = tree(special(name), mask_and_scale=True)["1/image"].values
    if nodata is not None:
        np.testing.assert_allclose(found.reshape(expected.shape), expected, equal_nan=True)


# ---- the conventions


@pytest.mark.parametrize("name", COGS)
def test_the_root_follows_the_conventions(name: str):
    store = special(name)
    attributes = store.group.metadata.attributes
    node = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    assert check(node) == {"multiscales", "spatial", "proj"}
    with rasterio.open(SPECIAL / f"{name}.tif") as dataset:
        assert attributes["spatial:bbox"] == pytest.approx(list(dataset.bounds))
    for entry_ in layout(store):
        array = store.group.groups[entry_["asset"]].arrays["image"]
        own = array.metadata.attributes
        assert entry_["spatial:shape"] == list(array.shape[-2:]) == own["spatial:shape"]
        assert entry_["spatial:transform"] == own["spatial:transform"]


def test_scales_are_those_of_the_sizes():
    assert [entry_["transform"]["scale"] for entry_ in layout(special("cog"))] == [
        [1.0, 1.0],
        [2.0, 2.0],
        [4.0, 4.0],
    ]
    odd = [Picture(values("u1", 21, 29)), Picture(values("u1", 11, 15), extra_entries=[OVERVIEW])]
    assert layout(pyramid(images(odd)))[1]["transform"]["scale"] == [21 / 11, 29 / 15]


def test_an_image_without_a_place_has_levels_all_the_same():
    pages = [Picture(values("u1", 40, 60)), Picture(values("u1", 20, 30), extra_entries=[OVERVIEW])]
    store = pyramid(images(pages))
    attributes = store.group.metadata.attributes
    node = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    assert check(node) == {"multiscales"}
    assert members(store) == {"0": ["image"], "1": ["image"]}


# ---- which groups


def test_an_image_without_overviews_is_a_pyramid_of_one_level():
    assert members(pyramid(image(values("u1", 5, 7)))) == {"0": ["image"]}


def test_overviews_are_sorted_by_size():
    sizes = [(40, 60), (10, 15), (20, 30)]
    pages = [
        Picture(values("u1", *size), extra_entries=[OVERVIEW] if number else [])
        for number, size in enumerate(sizes)
    ]
    store = pyramid(images(pages))
    found = [store.group.groups[level].arrays["image"].shape for level in "012"]
    assert found == [(40, 60), (20, 30), (10, 15)]


def test_several_images_are_a_group_each():
    pages = [
        Picture(values("u1", 40, 60)),
        Picture(values("u1", 20, 30), extra_entries=[OVERVIEW]),
        Picture(values("u1", 16, 24, 3)),
        Picture(values("u1", 16, 24), extra_entries=[MASK]),
    ]
    store = pyramid(images(pages))
    assert not store.group.arrays
    names = {name: sorted(group.groups) for name, group in store.group.groups.items()}
    assert names == {"0": ["0", "1"], "2": ["0"]}
    opened = tree(store)
    assert opened["2/0/mask"].shape == (16, 24)
    assert opened["2/0/image"].shape == (3, 16, 24)
    for group in store.group.groups.values():
        attributes = group.metadata.attributes
        check({"zarr_format": 3, "node_type": "group", "attributes": attributes})


def test_a_mask_of_a_size_that_no_level_has_is_left_out_with_a_warning():
    pages = [Picture(values("u1", 40, 60)), Picture(values("u1", 13, 17), extra_entries=[MASK])]
    with pytest.warns(TiffWarning, match="IFD 1: the mask is left out: no image has its size"):
        store = pyramid(images(pages))
    assert members(store) == {"0": ["image"]}


def test_subifds_are_levels():
    found = members(special("subifds"))
    assert found == {"0": ["image"], "1": ["image"], "2": ["image"]}


def test_masks_alone_are_levels():
    sole = Picture(values("u1", 8, 8), extra_entries=[MASK])
    assert members(pyramid(images([sole]))) == {"0": ["image"]}


@pytest.mark.parametrize("ifd", [0, 1])
def test_one_directory_is_one_level(ifd: int):
    store = special("cog", ifd=ifd)
    assert members(store) == {"0": ["image"]}
    (only,) = layout(store)
    assert only["transform"] == {"scale": [1.0, 1.0], "translation": [0.0, 0.0]}
    options = {} if ifd == 0 else {"overview_level": ifd - 1}
    with rasterio.open(SPECIAL / "cog.tif", **options) as dataset:
        assert only["spatial:transform"] == pytest.approx(list(dataset.transform)[:6])


@pytest.mark.parametrize(
    ("overviews", "shapes"), [(False, [(40, 60)]), ([1], [(40, 60), (10, 15)]), (True, None)]
)
def test_overviews_can_be_left_out(overviews: Any, shapes: list[tuple[int, int]] | None):
    store = special("cog", overviews=overviews)
    found = [store.group.groups[level["asset"]].arrays["image"].shape for level in layout(store)]
    assert found == (shapes or [(40, 60), (20, 30), (10, 15)])
    assert [level["asset"] for level in layout(store)] == list(map(str, range(len(found))))


# ---- with a window


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of 16 x 16 at all levels, so that a window begins elsewhere in each."""
    folder = tmp_path_factory.mktemp("large")
    profile = {"width": 250, "height": 190, "count": 3, "dtype": "uint8", "driver": "GTiff"}
    place = rasterio.transform.from_origin(500_000, 4_000_000, 10, 10)
    with rasterio.open(
        folder / "plain.tif", "w", transform=place, crs="EPSG:32633", **profile
    ) as file:
        file.write(values("u1", 3, 190, 250))
        file.write_mask(values("u1", 190, 250) > 99)
    options = {"blocksize": 128, "overview_resampling": "nearest", "overviews": "ignore_existing"}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        options = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
        copy(folder / "plain.tif", folder / "a.tif", driver="GTiff", **options)
        with rasterio.open(folder / "a.tif", "r+") as file:
            file.build_overviews([2, 4], Resampling.nearest)
    return folder / "a.tif"


WINDOWS = [(40, 24, 100, 90), (0, 0, 250, 190), (249, 189, 1, 1), (17, 100, 30, 5)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_levels_of_a_window_lie_where_rasterio_has_them(
    large: Path, window: tuple[int, int, int, int]
):
    store = VirtualTIFF(ifd_layout="pyramid", window=window)(large.as_uri(), LOCAL)
    opened = tree(store)
    first = None
    for level in layout(store):
        number = int(level["asset"])
        options = {} if number == 0 else {"overview_level": number - 1}
        array = opened[f"{number}/image"]
        with rasterio.open(large, **options) as dataset:
            transform = array.rio.transform(recalc=True) if min(array.shape[-2:]) > 1 else None
            corner = rasterio.Affine(*level["spatial:transform"])
            column, row = (round(n) for n in ~dataset.transform @ (corner.c, corner.f))
            part = rasterio.windows.Window(column, row, array.shape[-1], array.shape[-2])
            expected = dataset.window_transform(part)
            np.testing.assert_allclose(level["spatial:transform"], list(expected)[:6], rtol=1e-12)
            if transform is not None:
                np.testing.assert_allclose(transform, expected, rtol=1e-9)
            np.testing.assert_array_equal(array.values, dataset.read(window=part))
        if first is None:
            first = corner
        # what the convention's own transform says of the same corner, in pixels of level 0
        down, across = level["transform"]["translation"]
        assert (across, down) == pytest.approx(~first @ (corner.c, corner.f), abs=1e-6)
        scale_down, scale_across = level["transform"]["scale"]
        assert (scale_across, scale_down) == pytest.approx(
            (corner.a / first.a, corner.e / first.e), rel=1e-12
        )


@pytest.mark.parametrize("layout_name", ["pyramid", "flat"])
def test_a_mask_that_begins_elsewhere_is_not_taken_for_the_images(layout_name: Any):
    """Rows 7 to 13: of strips of 4 rows those are 4 to 15, of strips of 6 rows 6 to 17."""
    mask = values("u1", 40, 20) % 2
    pages = [
        Picture(values("u1", 40, 20), rows_per_strip=4, compression=8),
        Picture(mask, rows_per_strip=6, compression=8, extra_entries=[MASK]),
    ]
    window = (0, 7, 20, 7)
    data = images(pages)
    if layout_name == "pyramid":
        with pytest.warns(TiffWarning, match="IFD 1: the mask is left out"):
            assert members(pyramid(data, window=window)) == {"0": ["image"]}
        return
    dataset = xr.open_zarr(virtual(data, window=window))
    assert (dataset["0"].dims, dataset["1"].dims) == (("y", "x"), ("y_1", "x_1"))


def test_levels_of_which_one_block_each_is_left_keep_their_own_masks():
    """All six parts have 16 x 16 pixels."""
    pages = []
    for level, size in enumerate([(128, 128), (64, 64), (32, 32)]):
        kinds = ([], [MASK]) if level == 0 else ([OVERVIEW], [entry(254, LONG, 5)])
        mask = np.full(size, level + 1, "u1")
        pages.append(Picture(values("u1", *size), tile=(16, 16), extra_entries=kinds[0]))
        pages.append(Picture(mask, tile=(16, 16), extra_entries=kinds[1]))
    data, window = images(pages), (0, 0, 1, 1)
    opened = tree(pyramid(data, window=window))
    assert [int(opened[f"{level}/mask"][0, 0]) for level in range(3)] == [1, 2, 3]
    dataset = xr.open_zarr(virtual(data, window=window))
    assert [dataset[str(number)].dims[0] for number in range(6)] == [
        "y",
        "y",
        "y_2",
        "y_2",
        "y_4",
        "y_4",
    ]


# ---- Icechunk


@pytest.fixture(autouse=True)
def quiet() -> None:
    icechunk.set_logs_filter("error")


def repository(folder: Path, prefix: str) -> icechunk.Repository:
    """An empty repository that may point to files below a url."""
    if prefix.startswith("file:"):
        store: Any = icechunk.local_filesystem_store(prefix.removeprefix("file://"))
        access: Any = icechunk.credentials.LocalFileSystemAccess
    else:
        store, access = icechunk.http_store(), icechunk.credentials.HttpAccess
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    return icechunk.Repository.create(
        icechunk.local_filesystem_storage(str(folder)),
        config,
        authorize_virtual_chunk_access={prefix: access},
    )


def write(url: str, registry: Any, folder: Path, prefix: str) -> None:
    """As a user of VirtualiZarr does it."""
    parser = VirtualTIFF(ifd_layout="pyramid")
    virtual_tree = open_virtual_datatree(url, registry=registry, parser=parser)
    session = repository(folder, prefix).writable_session("main")
    virtual_tree.vz.to_icechunk(session.store)
    session.commit("a pyramid")


FRESH = """
import icechunk, json, sys, xarray as xr, rioxarray
import numpy as np
folder, prefix = sys.argv[1:]
icechunk.set_logs_filter("error")
access = {prefix: icechunk.credentials.LocalFileSystemAccess}
storage = icechunk.local_filesystem_storage(folder)
repository = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
store = repository.readonly_session("main").store
tree = xr.open_datatree(
    store, engine="zarr", consolidated=False, zarr_format=3, mask_and_scale=False
)
assert "virtual_tiff.parser" not in sys.modules
found = {}
for level in tree.attrs["multiscales"]["layout"]:
    array = tree[level["asset"] + "/image"]
    found[level["asset"]] = {
        "shape": array.shape,
        "sum": float(np.nansum(array.values.astype("f8"))),
        "crs": array.rio.crs.to_epsg(),
        "transform": list(array.rio.transform())[:6],
        "names": sorted(map(str, tree[level["asset"]].dataset.variables)),
    }
print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.parametrize("name", ["cog_rgb_mask", "cog_float_nan_predictor", "cog_bigtiff_zstd"])
def test_a_repository_opens_in_a_fresh_process(name: str, tmp_path: Path):
    path = SPECIAL / f"{name}.tif"
    prefix = f"{SPECIAL.as_uri()}/"
    write(path.as_uri(), LOCAL, tmp_path / "repository", prefix)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FRESH, str(tmp_path / "repository"), prefix],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout)
    assert list(found) == ["0", "1", "2"]
    for number, level in found.items():
        options = {} if number == "0" else {"overview_level": int(number) - 1}
        with rasterio.open(path, **options) as dataset:
            pixels = dataset.read()
            assert tuple(level["shape"])[-2:] == dataset.shape
            assert level["crs"] == dataset.crs.to_epsg()
            assert level["transform"] == pytest.approx(list(dataset.transform)[:6])
        assert level["sum"] == pytest.approx(np.nansum(pixels.astype("f8")))
        assert {"image", "x", "y", "spatial_ref"} <= set(level["names"])
        assert ("mask" in level["names"]) is name.endswith("mask")


# ---- zarrita


@pytest.fixture
def served(tmp_path: Path) -> Iterator[HttpServer]:
    with HttpServer(tmp_path) as server:
        yield server


@pytest.mark.long
@pytest.mark.parametrize("compress", ["deflate", "zstd"])
def test_zarrita_reads_a_tile_of_a_level(served: HttpServer, tmp_path: Path, compress: str):
    """Levels from the convention; the tile's bytes come from the TIFF itself."""
    pixels = values("u2", 1, 128, 192)
    with rasterio.open(
        tmp_path / "a.tif",
        "w",
        driver="GTiff",
        width=192,
        height=128,
        count=1,
        dtype="uint16",
        tiled=True,
        blockxsize=32,
        blockysize=32,
        compress=compress,
        crs="EPSG:32633",
        transform=rasterio.transform.from_origin(500_000, 4_000_000, 10, 10),
    ) as file:
        file.write(pixels)
        file.build_overviews([2, 4], Resampling.nearest)
    prefix = f"{served.url}/"
    store = HTTPStore.from_url(served.url, client_options={"allow_http": True})
    registry = ObjectStoreRegistry({served.url: store})
    write(f"{served.url}/a.tif", registry, tmp_path / "repository", prefix)
    there = Repository(url=f"{served.url}/repository", containers=[prefix])
    attributes = group_attributes(there)
    levels = attributes["multiscales"]["layout"]
    assert [level["asset"] for level in levels] == ["0", "1", "2"]
    assert attributes["proj:code"] == "EPSG:32633"
    last = levels[-1]
    served.requests.clear()
    tile = read_with_zarrita(there, f"{last['asset']}/image", [slice(0, 32), slice(32, 48)])
    with rasterio.open(tmp_path / "a.tif", overview_level=1) as dataset:
        assert last["spatial:shape"] == list(dataset.shape)
        np.testing.assert_array_equal(tile, dataset.read(1)[0:32, 32:48])
    assert served.count("GET", "a.tif") == 1


@pytest.mark.long
def test_zarrita_reads_the_coordinates(served: HttpServer, tmp_path: Path):
    (tmp_path / "a.tif").write_bytes(image(values("u1", 16, 24), extra_entries=PLACE))
    prefix = f"{served.url}/"
    store = HTTPStore.from_url(served.url, client_options={"allow_http": True})
    registry = ObjectStoreRegistry({served.url: store})
    write(f"{served.url}/a.tif", registry, tmp_path / "repository", prefix)
    there = Repository(url=f"{served.url}/repository", containers=[prefix])
    found = read_with_zarrita(there, "0/x")
    np.testing.assert_array_equal(found, 500_005 + 10.0 * np.arange(24))
