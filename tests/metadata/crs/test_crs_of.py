"""What `crs_of` gives: its fields, its warnings, its cost, and that no file breaks it."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyproj
import pytest
import rioxarray  # noqa: F401 (it adds `.rio`)
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.build import ASCII, DOUBLE, SHORT, Directory, build, entry, every_variant, image
from virtual_tiff.metadata.crs import crs_of
from virtual_tiff.metadata.crs.build import build as build_crs
from virtual_tiff.metadata.crs.registry import BuiltIn, registry
from virtual_tiff.tiff import GeoKey, TiffWarning
from virtual_tiff.tiff.errors import source_name

from .oracle import GEOTIFF_1_0, Keys, first_ifd, gdal, ours, same, tiff
from .test_keys import TM, USER


def test_a_file_without_geokeys_has_no_crs() -> None:
    assert crs_of(first_ifd(image(np.zeros((2, 2), "u1")))) is None


@every_variant
def test_every_variant_of_tiff(byteorder: str, big: bool) -> None:
    shorts = [1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326]
    data = build([Directory([entry(34735, SHORT, shorts)])], byteorder=byteorder, big=big)
    crs = crs_of(first_ifd(data))
    assert crs is not None
    assert crs.code == "EPSG:4326"


def test_a_damaged_directory_has_no_crs() -> None:
    data = build([Directory([entry(34735, ASCII, b"no numbers\0")])])
    with pytest.warns(TiffWarning, match="GeoKeys"):
        assert crs_of(first_ifd(data)) is None


PLACE = [1024, 0, 1, 2, 2048, 0, 1, 4326]
DIRECTORIES: dict[str, tuple[list[int], list[float] | None, bytes | None]] = {
    "whole": ([1, 1, 0, 2, *PLACE], None, None),
    "fewer keys than claimed": ([1, 1, 0, 3, *PLACE], None, None),
    "more keys than claimed": ([1, 1, 0, 1, *PLACE], None, None),
    "of version 2": ([2, 1, 0, 2, *PLACE], None, None),
    "of version 0": ([0, 1, 0, 2, *PLACE], None, None),
    "of revision 2": ([1, 2, 0, 2, *PLACE], None, None),
    "a number is lost": ([1, 1, 0, 3, *PLACE, 2057, 34736, 1, 0], None, None),
    "a number is behind the others": ([1, 1, 0, 3, *PLACE, 2057, 34736, 1, 5], [1.0], None),
    "text is lost": ([1, 1, 0, 3, *PLACE, 2049, 34737, 5, 0], None, None),
    "text is shorter": ([1, 1, 0, 3, *PLACE, 2049, 34737, 50, 0], None, b"abc|\0"),
    "text is behind the rest": ([1, 1, 0, 3, *PLACE, 2049, 34737, 4, 9], None, b"abc|\0"),
    "another tag": ([1, 1, 0, 3, *PLACE, 2049, 65000, 4, 9], None, None),
    "one key twice": ([1, 1, 0, 3, *PLACE, 2048, 0, 1, 4267], None, None),
    "no value": ([1, 1, 0, 2, 1024, 0, 0, 2, 2048, 0, 1, 4326], None, None),
    "two values in one": ([1, 1, 0, 2, 1024, 0, 2, 2, 2048, 0, 1, 4326], None, None),
    "no keys": ([1, 1, 0, 0], None, None),
}


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_crs_is_whole_or_not_there(name: str) -> None:
    shorts, doubles, text = DIRECTORIES[name]
    entries = [
        entry(33550, DOUBLE, [1.0, 1.0, 0.0]),
        entry(33922, DOUBLE, [0.0, 0.0, 0.0, 10.0, 20.0, 0.0]),
        entry(34735, SHORT, shorts),
        *([entry(34736, DOUBLE, doubles)] if doubles else []),
        *([entry(34737, ASCII, text)] if text else []),
    ]
    data = image(np.zeros((2, 2), "u1"), extra_entries=entries)
    crs, said = ours(data)
    expected = gdal(data)
    if expected is None:
        assert crs is None
        assert said or name == "no keys"
    else:
        assert crs is not None
        assert same(crs.text, expected)


def test_warnings_come_with_each_file_and_name_it() -> None:
    data = tiff({1024: 1, 3072: 12345})
    for name in ("file:///one.tif", "file:///two.tif"):
        ifd = first_ifd(data)
        token = source_name.set(name)
        try:
            with pytest.warns(TiffWarning, match=f"{name}: GeoKey ProjectedCRSGeoKey"):
                crs_of(ifd)
        finally:
            source_name.reset(token)


def calls_of(work: Callable[[], object]) -> int:
    """Return how many Python functions are called."""
    counts: Counter[str] = Counter()
    sys.setprofile(lambda _, event, __: counts.update([event]))
    try:
        work()
    finally:
        sys.setprofile(None)
    return counts["call"]


def test_the_second_file_with_these_keys_costs_a_lookup() -> None:
    data = tiff({**USER, **TM, 3076: 9001, 1026: "this test's own name"})
    one, other = first_ifd(data), first_ifd(data)
    first, second = calls_of(lambda: crs_of(one)), calls_of(lambda: crs_of(other))
    assert second * 5 < first
    assert crs_of(one) == crs_of(other)


def test_numbers_of_two_types_are_not_one_in_the_cache() -> None:
    feet, no_feet = ({1024: 1, 3072: 32631, 3076: code} for code in (9003, 9003.0))
    one, other = ours(tiff(feet))[0], ours(tiff(no_feet))[0]
    assert one is not None
    assert other is not None
    assert (one.unit, other.unit) == ("US survey foot", "metre")


def test_the_epoch_stands_apart() -> None:
    crs, _ = ours(tiff({1024: 2, 2048: 4326, 5120: 2020.5}))
    assert crs is not None
    assert crs.epoch == 2020.5
    assert pyproj.CRS(crs.text) == pyproj.CRS(4326)


def test_projjson_and_wkt_are_one() -> None:
    crs, _ = ours(tiff({**USER, **TM, 3076: 9003, 4096: 5703}))
    assert crs is not None
    assert pyproj.CRS.from_json_dict(crs.projjson).equals(pyproj.CRS(crs.wkt))


@pytest.mark.parametrize(
    ("keys", "kind", "units"),
    [
        ({1024: 1, 3072: 32633}, "projected", ("metre", "metre")),
        ({1024: 1, 3072: 2264}, "projected", ("0.304800609601219 metre",) * 2),
        ({1024: 2, 2048: 4326}, "geographic", ("degrees_east", "degrees_north")),
        ({1024: 2, 2048: 4979}, "geographic", ("degrees_east", "degrees_north")),
        ({1024: 2, 2048: 4807}, "geographic", ("0.9 degree", "0.9 degree")),
        ({1024: 2, 2048: 4326, 4096: 3855}, "geographic", ("degrees_east", "degrees_north")),
        ({1024: 3, 2048: 4978}, "geocentric", ("metre", "metre")),
        ({1026: "site", 3076: 9001}, "local", ("metre", "metre")),
        ({1026: "site"}, "local", (None, None)),
    ],
)
def test_attributes_of_coordinates(
    keys: Keys, kind: str, units: tuple[str | None, str | None]
) -> None:
    crs, _ = ours(tiff(keys))
    assert crs is not None
    assert crs.kind == kind
    x, y = crs.coordinate_attributes("x"), crs.coordinate_attributes("y")
    assert (x["axis"], y["axis"]) == ("X", "Y")
    assert (x.get("units"), y.get("units")) == units
    assert ("standard_name" in x) == (kind in ("projected", "geographic"))


@pytest.mark.parametrize("code", [32633, 4326, 3857])
def test_attributes_of_coordinates_are_rioxarrays(code: int) -> None:
    array: Any = xr.DataArray(
        [[0.0, 1.0]] * 2, dims=("y", "x"), coords={"x": [0.0, 1.0], "y": [0.0, 1.0]}
    )
    expected = array.rio.write_crs(code).rio.write_coordinate_system()
    crs, _ = ours(tiff({1024: 2, 2048: code} if code == 4326 else {1024: 1, 3072: code}))
    assert crs is not None
    assert crs.coordinate_attributes("x") == expected.x.attrs
    assert crs.coordinate_attributes("y") == expected.y.attrs


# No file breaks it


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({1024: 2, 2057: -1.0}, "EllipsoidSemiMajorAxisGeoKey (2057)"),
        ({1024: 2, 2057: 1.0, 2058: 2.0}, "EllipsoidSemiMinorAxisGeoKey (2058)"),
    ],
)
def test_sizes_that_no_ellipsoid_has_leave_no_crs(keys: Keys, named: str) -> None:
    crs, said = ours(tiff(keys))
    assert crs is None
    assert any(f"GeoKey {named}" in one for one in said)


CODES = st.sampled_from(
    [
        *(0, 1, 2, 3, 7, 15, 17, 28, 9815, 32767, 32768, 65535, 4326, 4267, 4807, 4979, 32631),
        *(2193, 5773, 6326, 6807, 7030, 8903, 9003, 9102, 9105, 16031, 10406, 3856, 5514, 1027),
        *(5103, 6030),
    ]
)
NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 90.0, -90.0, 6378137.0, 298.257]))
TEXTS = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "GCS Name = x|Datum = D_y|Ellipsoid = GRS_1980|Primem = Paris|AUnits = Grad|",
            "PCS Name = q|LUnits = feet|",
            "ESRI PE String = GEOGCS[",
            "IMAGINE GeoTIFF Support\n$ $\nUnits = feet\nState Plane Zone 406",
            "WGS_1984_Web_Mercator",
        ]
    ),
)
VALUES = st.one_of(
    CODES, NUMBERS, TEXTS, st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(CODES, CODES)
)
KEYS = st.dictionaries(st.sampled_from([int(key) for key in GeoKey]), VALUES, max_size=24)


@pytest.mark.long
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(KEYS, st.sampled_from([1, 2, 3, None]))
def test_any_keys_give_a_crs_or_none(keys: dict[int, Any], model: int | None) -> None:
    if model is not None:
        keys = {**keys, 1024: model}
    for epsg in (registry(), BuiltIn()):
        crs, said = build_crs(keys, GEOTIFF_1_0, epsg)
        assert crs is None or crs.text
        assert all(one.startswith("GeoKey ") for one in said)
        if crs is not None and epsg.complete:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pyproj.CRS(crs.text)
