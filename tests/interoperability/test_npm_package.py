"""Our package of npm has types, and examples and documents name the versions that are tested."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.browser import MAPS, VIV
from support.node import Packages, installed, packed_codecs, run_with_module

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


TYPESCRIPT = Packages(("typescript@5.9.3", "zarrita@0.7.5"))
RIGHT = """
import * as zarr from "zarrita";
import { codecNames, registerCodecs, registerImageDecoder } from "virtual-tiff-codecs";

registerCodecs(zarr.registry);
registerImageDecoder(codecNames.hooked[0], async (bytes, { width, height, samples }) => ({
  data: new Uint8Array(bytes.length), width, height, samples,
}));
"""


@pytest.mark.long
def test_the_package_has_types_of_all_that_it_exports(tmp_path: Path) -> None:
    modules = installed(TYPESCRIPT) / "node_modules"
    shutil.copytree(packed_codecs(), tmp_path / "node_modules")
    (tmp_path / "node_modules" / "zarrita").symlink_to(modules / "zarrita")
    compiler = ["node", str(modules / "typescript" / "bin" / "tsc")]
    options = ["--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext"]
    exported = run_with_module("answer(Object.keys(module))")
    (tmp_path / "right.mts").write_text(RIGHT)
    (tmp_path / "wrong.mts").write_text(RIGHT.replace("registry", "root"))
    assert all(name in RIGHT for name in exported)
    for name, status in (("right.mts", 0), ("wrong.mts", 2)):
        done = subprocess.run(
            [*compiler, *options, name], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stdout
