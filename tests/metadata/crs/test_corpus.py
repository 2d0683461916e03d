"""The CRS of every georeferenced file: the project's own test data and the synced corpora."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path

import pytest
import rasterio

from virtual_tiff.metadata.crs import crs_of
from virtual_tiff.tiff import MemorySource, read_tiff

from .oracle import gdal, same

TESTDATA = Path(__file__).resolve().parents[3] / "testdata"
EXTERNAL = TESTDATA / "external"
CORPORA = {"gdal": "scripts/sync_gdal_tiffs.py", "rasterio": "scripts/sync_rasterio_tiffs.py"}
MOST_BYTES = 64 * 2**20

NO_CRS_IN_GDAL = {
    "gdal/gcore/data/byte_gcp.tif": "the CRS of its ground control points",
    "gdal/gcore/data/byte_gcp_pixelispoint.tif": "the CRS of its ground control points",
    "gdal/gcore/data/cint_sar.tif": "the CRS of its ground control points",
}


def tiffs(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*")) if folder.is_dir() else []
    return [path for path in found if path.suffix.lower() in {".tif", ".tiff", ".btf"}]


def cases() -> list[object]:
    own = [path for name in ("matrix", "special", "series") for path in tiffs(TESTDATA / name)]
    found: list[object] = [pytest.param(p, id=str(p.relative_to(TESTDATA))) for p in own]
    for corpus, script in CORPORA.items():
        there = tiffs(EXTERNAL / corpus)
        if not there:
            reason = f"the {corpus} corpus is not there: run {script}"
            found.append(pytest.param(None, marks=pytest.mark.skip(reason=reason), id=corpus))
        found += [pytest.param(p, id=str(p.relative_to(EXTERNAL))) for p in there]
    return found


@pytest.mark.parametrize("path", cases())
def test_the_crs_is_gdals(path: Path) -> None:
    if path.stat().st_size > MOST_BYTES:
        pytest.skip("larger than what this suite reads")
    try:
        expected = gdal(path)
    except Exception:  # what GDAL cannot open has no CRS to compare
        pytest.skip("GDAL does not open it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiff = asyncio.run(read_tiff(MemorySource(path.read_bytes()), ifd=0))
        crs = crs_of(tiff.ifds[0])
    name = str(path.relative_to(EXTERNAL if EXTERNAL in path.parents else TESTDATA))
    if expected is None:
        assert (crs is not None) == (name in NO_CRS_IN_GDAL)
        if crs is not None:
            with rasterio.open(path, driver="GTiff") as dataset:
                assert same(crs.text, dataset.gcps[1])
        return
    assert crs is not None
    assert same(crs.text, expected), f"{crs.text}\n{expected.to_wkt()}"
