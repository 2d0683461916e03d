"""Figures of the documents that can be counted again in seconds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from docs.fenced import ROOT
from virtual_tiff import LimitError, TiffError, VirtualTIFF

EXTERNAL = ROOT / "testdata" / "external"
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def within_limits(corpus: str) -> tuple[int, int]:
    """How many TIFFs a corpus has, and how many do not exceed a limit."""
    files = [p for p in (EXTERNAL / corpus).rglob("*") if p.suffix.lower() in (".tif", ".tiff")]
    if not files:
        pytest.skip(f"{EXTERNAL / corpus} is empty: see scripts/sync_{corpus}_tiffs.py")
    registry: ObjectStoreRegistry[Any] = ObjectStoreRegistry({"file://": LocalStore()})
    beyond = sum(exceeds_a_limit(path, registry) for path in files)
    return len(files), len(files) - beyond


def exceeds_a_limit(path: Path, registry: ObjectStoreRegistry[Any]) -> bool:
    try:
        VirtualTIFF()(path.absolute().as_uri(), registry)
    except LimitError:
        return True
    except TiffError:
        return False
    return False


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_the_corpora_are_within_the_limits_as_reliability_says() -> None:
    text = " ".join(RELIABILITY.split())
    rasterio = re.search(r"All (\d+) TIFFs of rasterio's test suite are within", text)
    gdal = re.search(r"so are (\d+) of the (\d+) TIFFs of GDAL's", text)
    assert rasterio is not None
    assert gdal is not None
    assert within_limits("rasterio") == (int(rasterio[1]), int(rasterio[1]))
    assert within_limits("gdal") == (int(gdal[2]), int(gdal[1]))


def test_the_performance_of_the_first_screen_is_that_of_the_table() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    seconds = re.search(r"^\| seconds \| ([\d.]+)", text, re.MULTILINE)
    memory = re.search(r"^\| peak MB \| ([\d.]+)", text, re.MULTILINE)
    assert seconds is not None
    assert memory is not None
    for page in ("README.md", "docs/index.md"):
        shown = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert f"published in {float(seconds[1]):.1f} s, with {memory[1]} MB of memory" in shown
