"""What others read of what we publish: zarrita with our module, zarrs, tensorstore, GDAL.

They share no code with the parser, and (but for zarrs and zarr-python) none with each other.
GDAL and tifffile read the files themselves, and say what is right.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from support.http import HttpServer
from support.node import (
    CODECS,
    Repository,
    export_zarr,
    module_names,
    read_with_zarrita,
    run_page,
    run_with_module,
)
from support.pixels import values
from virtual_tiff import publish
from virtual_tiff.codec_table.readers import IMPLEMENTATIONS, Implementation

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import _interoperability as measuring  # noqa: E402
import make_interoperability as script  # noqa: E402

PACKAGES = {"zarrs": "zarrs", "tensorstore": "tensorstore"}
"""Readers that are packages of their own."""


@pytest.fixture(scope="module")
def cases() -> Sequence[measuring.Case]:
    files = sorted((ROOT / "testdata" / "matrix").glob("*.tif"))
    found = measuring.find_cases(files)
    assert len(found) == len(files) > 80
    return found


@pytest.fixture(scope="module")
def exported(
    cases: Sequence[measuring.Case], tmp_path_factory: pytest.TempPathFactory
) -> measuring.Exported:
    found = measuring.export(cases, tmp_path_factory.mktemp("plain"))
    assert len(found.arrays) == len(cases)
    return found


def engine_has() -> set[str]:
    """Data types of zarrita that newer versions of Node have."""
    there = run_with_module("answer(typeof Float16Array)") == "function"
    return {"float16"} if there else set()


def implementation(reader: str) -> Implementation:
    return next(known for known in IMPLEMENTATIONS if known.name == reader)


@pytest.mark.long
@pytest.mark.parametrize(
    "reader",
    [known.name for known in IMPLEMENTATIONS if known.name != "zarr-python + virtual-tiff"],
)
def test_a_plain_store_is_read_as_the_table_says(
    reader: str, cases: Sequence[measuring.Case], exported: measuring.Exported
):
    known = implementation(reader)
    grades = measuring.measure(cases, exported, script.READERS[reader])
    lacks = known.lacks - engine_has()
    surprises = {}
    for number, grade in enumerate(grades):
        metadata = exported.metadata(number)
        data_type = metadata["data_type"]
        should = data_type not in lacks and all(map(known.has, exported.codecs(number)))
        # GDAL's driver takes a transpose for nothing, without an error
        silent = reader == "GDAL" and "transpose" in exported.codecs(number)
        allowed = {"right"} if should else {"refused", "wrong", "right"} if silent else {"refused"}
        if grade not in allowed:
            surprises[cases[number].path.name] = grade
    assert not surprises
    assert "right" in grades


@pytest.mark.long
def test_our_module_lets_zarrita_read_all_but_complex_numbers(
    cases: Sequence[measuring.Case], exported: measuring.Exported
):
    grades = measuring.measure(cases, exported, measuring.zarrita(codecs=True))
    has = script.reader_has("zarrita + our module, Node", module_names())
    lacks = implementation("zarrita").lacks - engine_has()
    wanted: list[str] = []
    for number in range(len(cases)):
        known = all(map(has, exported.codecs(number)))
        there = exported.metadata(number)["data_type"] not in lacks
        wanted.append("right" if known and there else "refused")
    assert grades == wanted
    assert grades.count("right") > 50


@pytest.mark.long
@pytest.mark.parametrize("reader", ["zarrs", "zarrita"])
def test_a_portable_store_is_read_by_all(
    reader: str, portable: measuring.Exported, cases: Sequence[measuring.Case]
):
    grades = measuring.measure(cases, portable, script.READERS[reader])
    assert {grades[number] for number in portable.arrays} == {"right"}


@pytest.fixture(scope="module")
def portable(
    cases: Sequence[measuring.Case], tmp_path_factory: pytest.TempPathFactory
) -> measuring.Exported:
    found = measuring.export(cases, tmp_path_factory.mktemp("portable"), portable=True)
    assert len(found.arrays) > 20
    assert len(found.arrays) + len(found.refused) == len(cases)
    return found


@pytest.mark.long
def test_a_repository_is_read_with_our_module(tmp_path: Path):
    """From where the file lies, by Icechunk in JavaScript."""
    expected = values("u2", 100, 120)
    options = {"compression": "lzw", "predictor": 2, "rowsperstrip": 32}
    tifffile.imwrite(tmp_path / "a.tif", expected, byteorder=">", **options)
    with HttpServer(tmp_path) as server:
        published = publish(f"{server.url}/a.tif", str(tmp_path / "repository"))
        repository = Repository(url=f"{server.url}/repository", containers=published.containers)
        part = read_with_zarrita(
            repository, published.arrays[0].path, [slice(60, 100), slice(20, 90)], codecs=True
        )
    np.testing.assert_array_equal(part, expected[60:100, 20:90])


# ---- what the documents say


def blocks(path: Path) -> list[str]:
    """The JavaScript of a document."""
    return re.findall(
        r"^```js\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, Any]:
    """A plain store with an array `scene/0`, and its pixels."""
    expected = np.full((40, 50), 90, "u1")
    tifffile.imwrite(tmp_path / "scene.tif", expected, compression="jpeg", rowsperstrip=16)
    published = publish(str(tmp_path / "scene.tif"), str(tmp_path / "repository"))
    session = published.repository.readonly_session("main")
    return export_zarr(session.store, tmp_path / "exported"), expected


@pytest.mark.long
def test_the_readme_of_the_module(scene: tuple[Path, Any], tmp_path: Path):
    """Its first block reads a store, its second brings the decoder that the store needs."""
    folder, expected = scene
    first, second = blocks(CODECS.parent / "README.md")
    with HttpServer(folder) as server:
        page = f"{second}\n{first}".replace("https://example.com/exported", server.url)
        printed = run_page(page, tmp_path)
    shape, data = printed.split("]", 1)
    assert re.findall(r"\d+", shape) == ["2", "3"]
    assert [int(n) for n in re.findall(r"\d+", data)] == expected[:2, :3].ravel().tolist()


@pytest.mark.long
def test_the_document_registers_the_module(tmp_path: Path):
    (only,) = blocks(script.DOCUMENT)
    printed = run_page(f"{only}\nconsole.log(zarr.registry.has('virtual_tiff.pad'))", tmp_path)
    assert printed == "true\n"


def test_the_table_of_codecs_is_not_stale():
    assert script.codec_section(module_names()) in script.DOCUMENT.read_text(encoding="utf-8")


def test_the_module_has_no_codec_that_no_array_names():
    names = {name for kind in module_names().values() for name in kind}
    assert names <= set(script.codec_table_names())


def test_the_readme_of_the_module_names_its_codecs():
    text = (CODECS.parent / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert named == {name for kind in module_names().values() for name in kind}


def test_the_figures_are_of_all_readers():
    text = script.DOCUMENT.read_text(encoding="utf-8")
    section = text.split("## How many files")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[2:]] == list(script.READERS)


def test_a_stale_table_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any):
    names: Mapping[str, Sequence[str]] = {"own": ["virtual_tiff.bits"]}
    document = tmp_path / "interoperability.md"
    document.write_text(script.codec_section(module_names()), encoding="utf-8")
    monkeypatch.setattr(script, "DOCUMENT", document)
    monkeypatch.setattr(sys, "argv", ["make_interoperability.py", "--check"])
    assert script.main() == 0
    monkeypatch.setattr(script, "module_names", lambda: names)
    assert script.main() == 1
    assert "is stale" in capsys.readouterr().err
