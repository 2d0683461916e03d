"""Rational polynomial coefficients: those of GDAL, in the form of rioxarray."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import rasterio
import rioxarray  # noqa: F401 (gives DataArrays `.rio`)
import xarray as xr
from rasterio.rpc import RPC

from support.build import ASCII, DOUBLE, FLOAT, Entry, entry, every_variant, image
from support.pixels import values
from tiff.reading import read
from virtual_tiff.metadata.rpc import rpc_of, rpc_of_domain, rpcs_attribute
from virtual_tiff.tiff import ImageFileDirectory
from virtual_tiff.tiff.errors import TiffWarning

EXTERNAL = Path(__file__).parent.parent.parent / "testdata" / "external"
WITH_RPC = [
    "gdal/alg/data/test_rpc_with_gt_bug_2460.tif",
    "gdal/gcore/data/byte_rpc.tif",
    "gdal/utilities/data/unstable_rpc_with_dem_source.tif",
]
NUMBERS = [1 / (1 + index) for index in range(92)]


def with_entry(*entries: Entry, **options: Any) -> bytes:
    return image(values("u1", 10, 20), extra_entries=list(entries), **options)


def first(data: bytes) -> ImageFileDirectory:
    return read(data).ifds[0]


def gdal_says(data: bytes) -> RPC | None:
    with rasterio.MemoryFile(data) as file, file.open() as dataset:
        return dataset.rpcs


def same(ours: dict[str, Any], theirs: RPC) -> bool:
    """GDAL hands numbers on as text of 15 digits."""
    return all(
        ours[name] == pytest.approx(value, rel=1e-14, abs=0)
        for name, value in theirs.to_dict().items()
    )


@every_variant
def test_the_coefficients_are_those_of_gdal(byteorder: str, big: bool):
    data = with_entry(entry(50844, DOUBLE, NUMBERS), byteorder=byteorder, big=big)
    found, theirs = rpc_of(first(data)), gdal_says(data)
    assert found is not None
    assert theirs is not None
    assert set(found) == set(theirs.to_dict())
    assert same(found, theirs)
    assert found["line_off"] == NUMBERS[2]


def test_single_precision_is_read_as_gdal_reads_it():
    data = with_entry(entry(50844, FLOAT, NUMBERS))
    found, theirs = rpc_of(first(data)), gdal_says(data)
    assert found is not None
    assert theirs is not None
    assert same(found, theirs)


def test_an_image_without_the_tag_has_none():
    assert rpc_of(first(with_entry())) is None


@pytest.mark.parametrize("count", [0, 1, 91, 93])
def test_another_count_is_left_out_as_in_gdal(count: int):
    data = with_entry(entry(50844, DOUBLE, ([*NUMBERS, 1.0])[:count]))
    assert gdal_says(data) is None
    if count:
        with pytest.warns(TiffWarning, match="92"):
            assert rpc_of(first(data)) is None
    else:
        assert rpc_of(first(data)) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_json_has_not_are_left_out(bad: float):
    with pytest.warns(TiffWarning, match="finite"):
        assert rpc_of(first(with_entry(entry(50844, DOUBLE, [bad, *NUMBERS[1:]])))) is None


def test_a_tag_that_is_no_number_is_left_out():
    with pytest.warns(TiffWarning, match="RPCCoefficients"):
        assert rpc_of(first(with_entry(entry(50844, ASCII, b"x" * 92)))) is None


def test_a_tag_that_lies_past_the_end_is_left_out():
    data = with_entry(entry(50844, DOUBLE, [], count=92, offset=2**31))
    with pytest.warns(TiffWarning, match="RPCCoefficients"):
        assert rpc_of(first(data)) is None


@pytest.mark.parametrize("name", WITH_RPC)
def test_real_files(name: str):
    path = EXTERNAL / name
    if not path.exists():
        pytest.skip("the GDAL corpus is not there: run scripts/sync_gdal_tiffs.py")
    found = rpc_of(first(path.read_bytes()))
    with rasterio.open(path) as dataset:
        assert found is not None
        assert same(found, dataset.rpcs)


def test_rioxarray_reads_the_attribute():
    found = rpc_of(first(with_entry(entry(50844, DOUBLE, NUMBERS))))
    assert found is not None
    place = xr.DataArray(0, attrs={"rpcs": rpcs_attribute(found)})
    array = xr.DataArray(values("u1", 10, 20), dims=("y", "x"), coords={"spatial_ref": place})
    assert array.rio.get_rpcs() == RPC(**found)
    # what it writes itself is the same text up to the order of names
    assert json.loads(rpcs_attribute(found)) == RPC(**found).to_dict()


def domain(skip: str = "") -> dict[str, str]:
    texts = RPC(**dict(rpc_of(first(with_entry(entry(50844, DOUBLE, NUMBERS)))))).to_gdal()
    return {name: text for name, text in texts.items() if name != skip}


def test_the_domain_of_gdal_metadata_says_the_same():
    items = domain()
    xml = "".join(f'<Item name="{n}" domain="RPC">{text} m</Item>' for n, text in items.items())
    data = with_entry(entry(42112, ASCII, f"<GDALMetadata>{xml}</GDALMetadata>"))
    theirs = gdal_says(data)
    found = rpc_of_domain({name: f"{text} m" for name, text in items.items()})
    assert found is not None
    assert theirs is not None
    assert same(found, theirs)


def test_the_domain_may_leave_out_the_errors_alone():
    found = rpc_of_domain(domain(skip="ERR_BIAS"))
    assert found is not None
    assert "err_bias" not in found
    with pytest.warns(TiffWarning, match="LINE_OFF"):
        assert rpc_of_domain(domain(skip="LINE_OFF")) is None
    with pytest.warns(TiffWarning, match="20 finite numbers"):
        assert rpc_of_domain(domain() | {"LINE_NUM_COEFF": "1 2 3"}) is None
    assert rpc_of_domain({}) is None
