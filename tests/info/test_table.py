"""Tables of files on narrow terminals, and of many files."""

from __future__ import annotations

import asyncio
import shutil
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from support.scenes import scene
from virtual_tiff.cli.main import main
from virtual_tiff.info import FileInfo, inspect, render, render_alike
from virtual_tiff.sources.finding import find_files

TESTDATA = Path(__file__).parents[2] / "testdata"
SPECIAL = sorted((TESTDATA / "special").glob("*.tif"))
SERIES = sorted((TESTDATA / "series").glob("*.tif"))


def files_of(paths: list[Path]) -> list[FileInfo]:
    locations = [file.location for file in find_files(paths, for_references=False)]
    return asyncio.run(inspect(locations))


def printed(table: RenderableType, width: int) -> str:
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def words(text: str) -> set[str]:
    return set(text.replace("─", " ").split())


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_word_is_split(width: int) -> None:
    for path, file in zip(SPECIAL, files_of(SPECIAL), strict=True):
        narrow = printed(render(file, path.name), width)
        assert max(map(len, narrow.splitlines())) <= width
        # a paragraph has semicolons that a table has not
        narrow_words = {word.rstrip(";") for word in words(narrow)}
        assert narrow_words <= {
            word.rstrip(";") for word in words(printed(render(file, path.name), 1000))
        }


def test_files_of_another_crs_or_nodata_are_told_apart(tmp_path: Path) -> None:
    paths = [scene(tmp_path / f"{n}.tif", n) for n in range(3)]
    paths.append(scene(tmp_path / "zone.tif", crs="EPSG:32634"))
    paths.append(scene(tmp_path / "nodata.tif", nodata=255))
    text = printed(render_alike(files_of(paths), [path.name for path in paths]), 200)
    rows = [line.split() for line in text.splitlines()]
    assert ["files", "CRS", "nodata", "as"] in rows
    assert ["3", "EPSG:32633", "0.tif"] in rows
    assert ["1", "EPSG:32634", "zone.tif"] in rows
    assert ["1", "EPSG:32633", "255", "nodata.tif"] in rows
    assert "pixel size: 10 x 10" in text
    single = printed(render(files_of(paths[-1:])[0], "nodata.tif"), 100)
    assert "IFD 0: CRS EPSG:32633, pixel size 10 x 10, nodata 255" in single


def test_many_files_are_one_table(tmp_path: Path) -> None:
    for n in range(60):
        shutil.copy(SERIES[0], tmp_path / f"scene_{n}.tif")
    shutil.copy(TESTDATA / "special" / "strips_many.tif", tmp_path / "other.tif")
    paths = sorted(tmp_path.glob("*.tif"))
    files = files_of(paths)
    names = [path.name for path in paths]
    for width in (60, 80, 200):
        text = printed(render_alike(files, names), width)
        lines = text.splitlines()
        assert lines[0].startswith("61 files  (")
        assert len(lines) < 20
        assert " variant: II" in lines
        assert "60" in text
        assert "other.tif" in text
        assert "scene_0.tif" in text
        assert "scene_1.tif" not in text
    alike = [file for file, name in zip(files, names, strict=True) if name != "other.tif"]
    text = printed(render_alike(alike, [n for n in names if n != "other.tif"]), 80)
    assert " size: 60 x 40" in text.splitlines()
    assert "scene_0.tif" not in text


def test_advice_of_many_files_is_said_once(tmp_path: Path) -> None:
    for n in range(5):
        whole = (TESTDATA / "special" / "strips_many.tif").read_bytes()
        (tmp_path / f"cut_{n}.tif").write_bytes(whole[:-100])
    paths = sorted(tmp_path.glob("*.tif"))
    text = printed(render_alike(files_of(paths), [path.name for path in paths]), 1000)
    assert text.count("truncated (5 files): cut_0.tif: ") == 1
    assert text.count("to solve it: ") == 1


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.tif").write_bytes(b"no TIFF")
    sources = [*map(str, SPECIAL[:6]), str(tmp_path / "bad.tif")]
    assert main(["info", *sources]) == 1
    output = capsys.readouterr()
    assert output.out.startswith("6 files  (")
    assert "not a TIFF" in output.err
    assert "bad.tif" in output.err
    assert main(["info", "--each", *sources[:6]]) == 0
    assert capsys.readouterr().out.count("IFD  kind") == 6
