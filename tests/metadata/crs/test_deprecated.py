"""Deprecated EPSG codes: what GDAL makes of them."""

from __future__ import annotations

import pytest
from pyproj.database import get_codes
from pyproj.enums import PJType

from virtual_tiff.metadata.crs.deprecated import _REPLACEMENTS, current_code

from .oracle import gdal, ours, same, tiff

PROJECTED = {
    code
    for code in map(int, get_codes("EPSG", PJType.PROJECTED_CRS, allow_deprecated=True))
    if code in _REPLACEMENTS
}
KEPT = [2191, 3103, 3356, 26432, 26814, 26823]
"""Of several replacements, or of one in other units."""


@pytest.mark.long
@pytest.mark.parametrize("code", sorted(PROJECTED - {2163}))
def test_a_projected_crs_is_the_one_that_replaces_it(code: int) -> None:
    data = tiff({1024: 1, 1025: 1, 3072: code})
    crs, _ = ours(data)
    expected = gdal(data)
    assert crs is not None
    assert expected is not None
    assert crs.code == f"EPSG:{current_code(code)}"
    assert same(crs.text, expected)


def test_web_mercator_has_one_code() -> None:
    crs, _ = ours(tiff({1024: 1, 1025: 1, 3072: 3785}))
    assert crs is not None
    assert crs.code == "EPSG:3857"


@pytest.mark.parametrize("code", KEPT)
def test_a_code_without_one_replacement_in_its_units_stays(code: int) -> None:
    crs, _ = ours(tiff({1024: 1, 1025: 1, 3072: code}))
    assert crs is not None
    assert crs.code == f"EPSG:{code}"


def test_keys_beside_the_code_are_compared_with_the_deprecated_definition() -> None:
    data = tiff({1024: 1, 1025: 1, 3072: 2037, 2048: 4140})
    crs, _ = ours(data)
    expected = gdal(data)
    assert crs is not None
    assert expected is not None
    assert crs.code == "EPSG:2037"
    assert expected.to_epsg() == 2037
