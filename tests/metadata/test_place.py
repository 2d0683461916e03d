"""Where an image, its overviews, its masks and parts of them lie."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from support.build import DOUBLE, LONG, SHORT, Picture, entry, image, images
from support.pixels import directory, values
from virtual_tiff.metadata.place import Place, place_of
from virtual_tiff.metadata.transform import Affine, GroundControlPoint, affine_of
from virtual_tiff.tiff import TiffWarning

SPECIAL = Path(__file__).parent.parent.parent / "testdata" / "special"

SCALE = entry(33550, DOUBLE, [10.0, 20.0, 0.0])
TIEPOINT = entry(33922, DOUBLE, [0.0, 0.0, 0.0, 500_000.0, 4_000_000.0, 0.0])
KEYS = entry(34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633])
FULL = Affine(10, 0, 500_000, 0, -20, 4_000_000)
OVERVIEW, MASK = entry(254, LONG, 1), entry(254, LONG, 4)


def placed(*shape: int, tags: tuple[Any, ...] = (SCALE, TIEPOINT, KEYS)) -> Picture:
    return Picture(values("u1", *shape), extra_entries=tags)


def of(data: bytes, index: int = 0, full: int | None = None) -> Place | None:
    """The place of a directory; `full` is the number of its image."""
    return place_of(directory(data, index), None if full is None else directory(data, full))


def found(data: bytes, index: int = 0, full: int | None = None) -> Place:
    place = of(data, index, full)
    assert place is not None
    return place


def test_an_image_without_tags_of_place_has_none():
    assert of(images([placed(8, 8, tags=())])) is None


def test_it_is_read_once():
    ifd = directory(images([placed(8, 8)]))
    assert place_of(ifd) is place_of(ifd)


def test_what_the_tags_say():
    place = found(images([placed(30, 40)]))
    assert (place.length, place.width, place.affine) == (30, 40, FULL)
    assert place.crs is not None
    assert place.crs.code == "EPSG:32633"


@pytest.mark.parametrize("kind", [OVERVIEW, MASK], ids=["overview", "mask"])
@pytest.mark.parametrize("size", [(15, 20), (7, 9), (30, 40), (1, 1)])
def test_an_overview_or_mask_covers_its_image(kind: Any, size: tuple[int, int]):
    data = images([placed(30, 40), placed(*size, tags=(kind,))])
    place = found(data, 1, 0)
    assert place.affine is not None
    assert place.affine.at(0, 0) == FULL.at(0, 0)
    assert place.affine.at(*reversed(size)) == pytest.approx(FULL.at(40, 30), rel=1e-15)
    assert place.crs == found(data).crs


def test_what_the_image_says_stands_above_what_an_overview_does():
    """Some writers copy the tags to the overviews without a change."""
    data = images([placed(30, 40), placed(15, 20, tags=(SCALE, TIEPOINT, OVERVIEW))])
    assert found(data, 1, 0).affine == FULL.scaled(2, 2)


def test_an_overview_of_an_image_without_a_place_has_its_own():
    data = images([placed(30, 40, tags=()), placed(15, 20, tags=(SCALE, TIEPOINT, OVERVIEW))])
    assert found(data, 1, 0).affine == FULL


def test_a_point_raster_is_half_a_pixel_away_in_overviews_too():
    point = entry(34735, SHORT, [1, 1, 0, 2, 1025, 0, 1, 2, 3072, 0, 1, 32633])
    data = images([placed(30, 40, tags=(SCALE, TIEPOINT, point)), placed(15, 20, tags=(OVERVIEW,))])
    full, half = found(data).affine, found(data, 1, 0).affine
    assert full is not None
    assert half is not None
    assert full.at(0, 0) == half.at(0, 0) == (499_995, 4_000_010)


ROTATED = Affine(8.0, 3.0, 500_000.0, -2.0, -7.0, 4_000_000.0)


@pytest.mark.parametrize("affine", [FULL, ROTATED], ids=["north-up", "rotated"])
def test_overviews_and_windows_are_those_of_rasterio(affine: Affine):
    profile = {"driver": "GTiff", "width": 101, "height": 67, "count": 1, "dtype": "u1"}
    a = rasterio.Affine(affine.a, affine.b, affine.c, affine.d, affine.e, affine.f)
    place = Place(length=67, width=101, affine=affine)
    with rasterio.MemoryFile() as file:
        with file.open(**profile, transform=a, crs="EPSG:32633") as dataset:
            dataset.write(np.ones((1, 67, 101), "u1"))
            dataset.build_overviews([2, 4, 8])
            for window in [(0, 0, 101, 67), (16, 32, 20, 30), (100, 66, 1, 1)]:
                column, row, width, length = window
                part = place.window(row, column, length, width)
                assert (part.length, part.width) == (length, width)
                same(part.affine, dataset.window_transform(Window(*window)))
        for level in range(3):
            with rasterio.open(io.BytesIO(file.getbuffer()), overview_level=level) as dataset:
                same(place.resized(*dataset.shape).affine, dataset.transform)


def same(ours: Affine | None, theirs: Any) -> None:
    assert ours is not None
    numbers = (ours.a, ours.b, ours.c, ours.d, ours.e, ours.f)
    assert numbers == pytest.approx(tuple(theirs)[:6], rel=1e-12)


def test_a_window_of_an_overview_is_a_part_of_it():
    place = Place(length=60, width=80, affine=FULL).resized(30, 40).window(5, 10, 8, 8)
    assert place.affine == FULL.scaled(2, 2).shifted(10, 5)


def test_control_points_move_with_a_window_and_shrink_with_an_overview():
    points = (GroundControlPoint(10, 20, 1, 2, 3), GroundControlPoint(30, 40, 4, 5, 6))
    place = Place(length=60, width=80, points=points)
    assert place.resized(30, 40).points == (
        GroundControlPoint(5, 10, 1, 2, 3),
        GroundControlPoint(15, 20, 4, 5, 6),
    )
    assert place.window(20, 10, 5, 5).points == (
        GroundControlPoint(0, 0, 1, 2, 3),
        GroundControlPoint(20, 20, 4, 5, 6),
    )


def rpc() -> dict[str, float | list[float]]:
    number = dict.fromkeys(
        ["err_bias", "err_rand", "lat_off", "long_off", "height_off"], 0.0
    ) | dict.fromkeys(["lat_scale", "long_scale", "height_scale"], 1.0)
    lists = dict.fromkeys(["line_num_coeff", "line_den_coeff"], [1.0] * 20)
    lists |= dict.fromkeys(["samp_num_coeff", "samp_den_coeff"], [1.0] * 20)
    own = {"line_off": 100.0, "samp_off": 200.0, "line_scale": 101.0, "samp_scale": 202.0}
    return {**number, **own, **lists}


def test_rational_polynomials_move_with_a_window():
    moved = Place(length=200, width=400, rpc=rpc()).window(30, 50, 10, 10).rpc
    assert moved == rpc() | {"line_off": 70.0, "samp_off": 150.0}


def test_rational_polynomials_shrink_with_an_overview_as_gdals():
    """Of GDALOverviewDataset::GetMetadata: (offset + 0.5) / ratio - 0.5, scale / ratio."""
    shrunk = Place(length=200, width=400, rpc=rpc()).resized(100, 100).rpc
    assert shrunk == rpc() | {
        "line_off": 100.5 / 2 - 0.5,
        "samp_off": 200.5 / 4 - 0.5,
        "line_scale": 50.5,
        "samp_scale": 50.5,
    }


def test_places_are_compared_by_what_they_say():
    place = Place(length=60, width=80, affine=FULL, rpc=rpc())
    assert place.key == Place(length=60, width=80, affine=FULL, rpc=rpc()).key
    hash(place.key)
    others = [
        place.window(0, 1, 60, 79),
        Place(length=60, width=80, affine=FULL),
        Place(length=60, width=80, rpc=rpc()),
    ]
    assert place.key not in [other.key for other in others]


SCALES: dict[str, tuple[float, ...]] = {
    "none": (),
    "three": (10, 20, 0),
    "two": (10, 20),
    "one": (10,),
    "negative x": (-10, 20, 0),
    "negative y": (10, -20, 0),
    "zero x": (0, 20, 0),
    "zero y": (10, 0, 0),
    "ones": (1, 1, 0),
}
TIEPOINTS: dict[str, tuple[float, ...]] = {
    "none": (),
    "one": (2, 3, 0, 5e5, 4e6, 0),
    "short": (0, 0, 0, 5e5, 4e6),
    "two": (0, 0, 0, 5e5, 4e6, 0, 5, 5, 0, 500_050, 3_999_900, 0),
}
MATRICES: dict[str, tuple[float, ...]] = {
    "none": (),
    "rotated": (2, 1, 0, 100, 1, -3, 0, 200, 0, 0, 0, 0, 0, 0, 0, 1),
    "short": (2, 0, 0, 100, 0, -3),
}
RASTER_TYPES: dict[str, tuple[Any, ...]] = {
    "no keys": (),
    "area": (KEYS,),
    "point": (entry(34735, SHORT, [1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 2]),),
}


@pytest.mark.parametrize("raster_type", RASTER_TYPES)
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("tiepoints", TIEPOINTS)
@pytest.mark.parametrize("scale", SCALES)
def test_any_of_the_three_tags_give_the_transform_and_points_of_gdal(
    scale: str, tiepoints: str, matrix: str, raster_type: str
):
    numbers = {33550: SCALES[scale], 33922: TIEPOINTS[tiepoints], 34264: MATRICES[matrix]}
    tags = tuple(entry(tag, DOUBLE, list(found)) for tag, found in numbers.items() if found)
    data = images([placed(8, 8, tags=(*tags, *RASTER_TYPES[raster_type]))])
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        transform, points = dataset.transform.to_gdal(), len(dataset.gcps[0])
    place = of(data)
    affine = place.affine if place is not None else None
    assert (affine.gdal if affine is not None else (0, 1, 0, 0, 0, 1)) == pytest.approx(transform)
    assert (len(place.points) if place is not None else 0) == points


def test_a_transform_that_is_not_finite_is_ignored() -> None:
    entries = [
        entry(33550, DOUBLE, [1e308, 1e308, 0]),
        entry(33922, DOUBLE, [100, 100, 0, 1, 1, 0]),
    ]
    ifd = directory(image(values("u1", 4, 5), extra_entries=entries))
    with pytest.warns(TiffWarning, match="the transform is ignored: its numbers are not finite"):
        assert affine_of(ifd) is None
