"""Texts of bands are attributes of a cube's arrays: xarray's `chunks="auto"` takes no texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr  # noqa: F401 (the accessor)
import pytest
import rasterio
import rioxarray  # noqa: F401 (the accessor)
import tifffile
import xarray as xr
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin

from support.cubes import contents, differences, in_the_form_of_before
from virtual_tiff import open_published, publish
from virtual_tiff.publishing import PublishError, remove

SIZE = 64
NAMES, UNITS = ["a", "b", "c"], ["m", "m", "K"]
SENSORS = ["S1", "S2", "S3"]
RGB = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]


def rgb(path: Path, seed: int, column: int = 0, **options: Any) -> Path:
    """Write three bands, with names, units and items of each."""
    profile: dict[str, Any] = {"width": SIZE, "height": SIZE, "count": 3, "dtype": "uint8"}
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32, "photometric": "MINISBLACK"}
    transform = from_origin(500_000 + 10 * SIZE * column, 4_600_000, 10, 10)
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:32632", transform=transform, **profile, **tiles
    ) as file:
        file.write(np.random.default_rng(seed).integers(0, 255, (3, SIZE, SIZE)).astype("u1"))
        file.colorinterp = options.get("colours", RGB)
        for band, name in enumerate(options.get("names", NAMES), 1):
            file.set_band_description(band, name)
            file.set_band_unit(band, UNITS[band - 1])
            file.update_tags(band, SENSOR=SENSORS[band - 1], STATISTICS_MEAN=str(seed + band))
    return path


def opened(store: Any, **options: Any) -> Any:
    return xr.open_zarr(store, consolidated=False, **{"chunks": "auto"} | options)


def check(dataset: Any, path: Path, name: str = "0") -> None:
    """Compare with what GDAL says of a file."""
    with rasterio.open(path) as file:
        array = dataset[name]
        colours = [colour.name for colour in file.colorinterp]
        assert array.attrs["colorinterp"] == colours
        assert array.attrs["band_units"] == [*file.units]
        assert array.attrs["SENSOR"] == [file.tags(b)["SENSOR"] for b in file.indexes]
        assert {"colorinterp", "units", "SENSOR", "band_units"}.isdisjoint(dataset.variables)
        assert dataset.rio.crs == array.rio.crs == file.crs
        assert array.rio.transform() == file.transform
        assert array.odc.geobox.affine == file.transform
        assert array.chunks is not None


def test_a_group_for_each_file(tmp_path: Path) -> None:
    path = rgb(tmp_path / "a.tif", 0)
    published = publish(path, tmp_path / "cube")
    dataset = opened(open_published(tmp_path / "cube"), group="a")
    check(dataset, path)
    np.testing.assert_array_equal(dataset["0"], rasterio.open(path).read())
    assert dataset.band.values.tolist() == NAMES
    assert [array.path for array in published.coordinates if array.data_type == "string"] == [
        "a/band"
    ]


OPTIONS: dict[str, Any] = {"concat": "n", "values": r"/(\d)\.tif", "append": True}


@pytest.mark.long
@pytest.mark.parametrize("portable", [False, True])
def test_a_stack_and_what_is_appended_replaced_and_removed(
    tmp_path: Path, *, portable: bool
) -> None:
    paths = [rgb(tmp_path / f"{n}.tif", n) for n in (1, 3, 2)]
    cube = tmp_path / "cube"
    for count in (1, 2, 3):  # the second at the end, the third in between
        publish(paths[:count], cube, portable=portable, **OPTIONS)
        dataset = opened(open_published(cube))
        check(dataset.transpose(..., "y", "x"), paths[0])
    dataset = dataset.transpose("n", "band", "y", "x")
    np.testing.assert_array_equal(dataset["0"], [rasterio.open(paths[n]).read() for n in (0, 2, 1)])
    rgb(paths[1], 7)
    publish(paths, cube, replace_changed=True, **OPTIONS)
    remove([paths[0]], cube)
    dataset = opened(open_published(cube)).transpose("n", "band", "y", "x")
    check(dataset, paths[1])
    np.testing.assert_array_equal(dataset["0"], [rasterio.open(paths[n]).read() for n in (2, 1)])


@pytest.mark.long
def test_tiles_and_what_is_added_to_them(tmp_path: Path) -> None:
    paths = [rgb(tmp_path / f"{n}.tif", n, n) for n in (0, 1)]
    for count in (1, 2):
        publish(paths[:count], tmp_path / "cube", concat="y,x", append=True)
        dataset = opened(open_published(tmp_path / "cube"))
        check(dataset, paths[0])
    np.testing.assert_array_equal(dataset["0"][..., SIZE:], rasterio.open(paths[1]).read())


def test_a_cube_of_several_new_dimensions(tmp_path: Path) -> None:
    paths = [rgb(tmp_path / f"{n}.tif", n) for n in (0, 1, 2, 3)]
    values = {"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]}
    publish(paths, tmp_path / "cube", concat="a,b", values=values)
    check(opened(open_published(tmp_path / "cube")), paths[0])


def test_bands_that_are_put_together(tmp_path: Path) -> None:
    paths = [rgb(tmp_path / f"{n}.tif", n, colours=RGB[:: 1 - 2 * n]) for n in (0, 1)]
    cube = tmp_path / "cube"
    for count in (1, 2):
        published = publish(paths[:count], cube, concat="band", append=True)
        dataset = opened(open_published(cube))
        names = [colour.name for colour in (*RGB, *RGB[::-1])]
        assert dataset["0"].attrs["colorinterp"] == names[: 3 * count]
        assert dataset["0"].attrs["band_units"] == UNITS * count
        assert dataset["0"].attrs["SENSOR"] == SENSORS * count
        assert dataset.band.values.tolist() == NAMES * count
        assert "colorinterp" not in dataset.coords
    whole = publish(paths, "memory://", concat="band")
    assert not list(differences(contents(published), contents(whole)))


def test_lists_of_bands_that_are_put_together(tmp_path: Path) -> None:
    """GDAL's names, scales and offsets of all bands, which differ from file to file."""
    paths = [rgb(tmp_path / f"{n}.tif", n, names=[f"{n}{each}" for each in NAMES]) for n in (0, 1)]
    for n, path in enumerate(paths):
        with rasterio.open(path, "r+") as file:
            file.scales, file.offsets = (1 + n, 2, 3), (0, n, 5)
    expected: dict[str, list[Any]] = {"long_name": [], "scales": [], "offsets": []}
    for count, path in enumerate(paths, 1):
        with rasterio.open(path) as file:
            expected["long_name"] += file.descriptions
            expected["scales"] += file.scales
            expected["offsets"] += file.offsets
        publish(paths[:count], tmp_path / "cube", concat="band", append=True)
        dataset = opened(open_published(tmp_path / "cube"))
        assert {name: dataset["0"].attrs[name] for name in expected} == expected
        assert dataset.band.values.tolist() == expected["long_name"]
        assert dataset.scale_factor.values.tolist() == expected["scales"]
        assert not expected.keys() & {*dataset.variables}


def test_variables_with_other_texts(tmp_path: Path) -> None:
    """Each has its own: there is no coordinate that they have to share."""
    paths = [
        rgb(tmp_path / "one_1.tif", 1),
        rgb(tmp_path / "two_1.tif", 2, colours=RGB[::-1]),
    ]
    publish(paths, tmp_path / "cube", concat="n", variable="(one|two)_", values=r"_(\d)")
    dataset = opened(open_published(tmp_path / "cube"))
    check(dataset, paths[0], "one")
    check(dataset, paths[1], "two")


@pytest.mark.parametrize("attributes", [True, False])
def test_files_with_other_colours_are_refused(tmp_path: Path, *, attributes: bool) -> None:
    paths = [rgb(tmp_path / "1.tif", 1), rgb(tmp_path / "2.tif", 2, colours=RGB[::-1])]
    with in_the_form_of_before(text_attributes=attributes):
        publish(paths[:1], tmp_path / "cube", **OPTIONS)
    with pytest.raises(PublishError, match="colorinterp"):
        publish(paths, tmp_path / "cube", **OPTIONS)


@pytest.mark.long
@pytest.mark.parametrize("concat", ["n", "band", "y,x", None])
def test_a_repository_of_before_keeps_its_coordinates(tmp_path: Path, concat: str | None) -> None:
    paths = [rgb(tmp_path / f"{n}.tif", n, n * (concat == "y,x")) for n in (1, 2, 3)]
    options = {"concat": concat, "values": r"/(\d)\.tif" if concat == "n" else None}
    cube = tmp_path / "cube"
    with in_the_form_of_before(text_attributes=False):
        publish(paths[:2], cube, **options)
        whole = publish(paths, "memory://", **options)
    added = publish(paths, cube, append=True, **options)
    assert not list(differences(contents(added), contents(whole)))
    dataset = opened(open_published(cube), chunks=None, group=None if concat else "2")
    assert {"colorinterp", "units", "SENSOR"} <= set(dataset.coords)
    rgb(paths[1], 9, 2 * (concat == "y,x"))
    publish(paths, cube, append=True, replace_changed=True, **options)
    removed = remove([paths[0]], cube)
    with in_the_form_of_before(text_attributes=False):
        rest = publish(paths[1:], "memory://", **options)
    assert not list(differences(contents(removed), contents(rest)))


def test_texts_along_a_new_dimension_stay_coordinates(tmp_path: Path) -> None:
    """Each file has another one. Dask chooses the sizes of the other dimensions."""
    paths = [rgb(tmp_path / f"{n}.tif", n) for n in (1, 2)]
    for path in paths:
        with rasterio.open(path, "r+") as file:
            file.update_tags(SCENE=path.stem)
    publish(paths, tmp_path / "cube", **OPTIONS)
    store = open_published(tmp_path / "cube")
    with pytest.raises(NotImplementedError, match="auto rechunking"):  # docs/upstream.md
        opened(store)
    dataset = opened(store, chunks={"y": "auto", "x": "auto"})
    assert dataset.SCENE.values.tolist() == ["1", "2"]
    check(dataset, paths[0])
    assert dataset["0"].chunks[-2:] == ((SIZE,), (SIZE,))
    check(opened(store, drop_variables=["SCENE"]), paths[0])


PLANES = np.arange(3 * 16 * 16, dtype="u1").reshape(3, 16, 16)
LABELS: dict[str, Any] = {"imagej": True, "metadata": {"axes": "ZYX", "Labels": ["p", "q", "r"]}}
POSITIONS: dict[str, Any] = {
    "ome": True,
    "metadata": {"axes": "ZYX", "Plane": {"PositionZ": [0.0, 1.0, 2.0]}},
}


@pytest.mark.parametrize(("options", "name"), [(LABELS, "label"), (POSITIONS, "position_z")])
def test_what_is_said_of_each_plane(options: dict[str, Any], name: str, tmp_path: Path) -> None:
    """Of files that are stacked it is kept; where planes are put together each file has other."""
    paths = [tmp_path / f"{n}.tif" for n in (0, 1)]
    for path in paths:
        tifffile.imwrite(path, PLANES, **options)
    publish(paths, tmp_path / "stack", ifd_layout="stack", **OPTIONS)
    dataset = opened(open_published(tmp_path / "stack"), chunks={"y": "auto", "x": "auto"})
    if name == "label":
        assert dataset.image.attrs[name] == ["p", "q", "r"]
    else:
        assert dataset[name].values.tolist() == [0, 1, 2]
    published = publish(
        paths, tmp_path / "z", concat="z", layout="stack", ifd_layout="stack", append=True
    )
    assert name in published.left_out["image"]
    dataset = opened(open_published(tmp_path / "z"), chunks=None)
    np.testing.assert_array_equal(dataset.image, np.concatenate([PLANES, PLANES]))
    assert name not in {*dataset.variables, *dataset.image.attrs}
