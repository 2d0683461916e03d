"""The versions of npm's packages that are tested are those that the examples and documents name."""

from __future__ import annotations

import json
from pathlib import Path

from support.browser import MAPS, VIV

ROOT = Path(__file__).parents[2]
TESTED = dict(name.rsplit("@", 1) for name in MAPS.names)


def test_the_examples_depend_on_what_is_tested() -> None:
    package = json.loads((ROOT / "javascript" / "examples" / "package.json").read_text())
    ours = {"esbuild-wasm", "proj4", "virtual-tiff-codecs"}
    assert {k: v for k, v in package["dependencies"].items() if k not in ours} == TESTED
    page_scripts = {path.name for path in (ROOT / "javascript" / "examples").glob("*/*.mjs")}
    assert {name for name in page_scripts if name in package["scripts"]["build"]} == page_scripts


def test_the_documents_name_what_is_tested() -> None:
    lines = (ROOT / "docs" / "how-to" / "browsers.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| ")]
    named = {row[1].split()[0]: row[2].strip() for row in rows}
    (viv,) = VIV.names
    assert named["zarrita"] == TESTED["zarrita"]
    assert named["OpenLayers"] == TESTED["ol"]
    assert named["carbonplan's"] == TESTED["@carbonplan/zarr-layer"]
    assert named["deck.gl-raster"] == TESTED["@developmentseed/deck.gl-raster"]
    assert named["viv"] == viv.rsplit("@", 1)[1]
