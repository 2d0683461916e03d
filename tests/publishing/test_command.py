"""`virtual-tiff publish`: what it prints of a run, and how it ends."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from support.scenes import dated, scene
from virtual_tiff.cli import common
from virtual_tiff.cli import publish as cli_publish
from virtual_tiff.cli.main import main


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def scenes(tmp_path: Path) -> list[str]:
    folder = tmp_path / "scenes"
    return [str(dated(folder / f"{i}.tif", f"2023-01-0{i + 1}", i)) for i in range(3)]


def said(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().err


def test_the_same_command_again(
    scenes: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cube = str(tmp_path / "cube")
    command = ["publish", "--to", cube, "--concat", "time", "--time", "tag", "--append"]
    assert main([*command, *scenes[:2]]) == 0
    assert f"published 2 files with 12 references to {cube}" in said(capfd)
    assert main([*command, *scenes]) == 0
    text = said(capfd)
    assert "published 1 file with 6 references" in text
    assert "published before and unchanged: 2 files" in text
    assert main([*command, *scenes]) == 0
    text = said(capfd)
    assert f"nothing is new: main of {cube} is still " in text
    assert "published before and unchanged: 3 files" in text


def test_changed_files_are_said(
    scenes: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["publish", "--to", str(tmp_path / "cube"), "--concat", "n", "--append"]
    assert main([*command, *scenes]) == 0
    dated(Path(scenes[1]), "2023-01-02", seed=9, compress="deflate", zlevel=1)
    assert main([*command, *scenes]) == 3
    assert f"(see --replace-changed): file://{scenes[1]}" in said(capfd)
    assert main([*command, *scenes, "--replace-changed"]) == 0
    assert "changed, and published again: 1 file" in said(capfd)


def test_every_skipped_file_and_its_error(
    scenes: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"this is no TIFF")
    command = ["publish", *scenes, str(bad), "--to", str(tmp_path / "cube"), "--quiet"]
    assert main(command) == 1
    assert "1 of 4 files cannot be published" in said(capfd)
    assert main([*command, "--on-error", "skip"]) == 4
    (line,) = said(capfd).splitlines()
    assert line.startswith(f"virtual-tiff: error: {bad}: ")
    assert "not a TIFF" in line


@pytest.mark.long
def test_lines_in_a_log(
    scenes: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(common, "SECONDS_BETWEEN_LINES", 0)
    assert main(["publish", *scenes, "--to", str(tmp_path / "cube")]) == 0
    lines = said(capfd).splitlines()
    assert lines[2].startswith("virtual-tiff: reading directories: 3 of 3, 18 references, ")
    assert lines[2].endswith(" left")
    assert any(line.startswith("virtual-tiff: writing references: 3 of 3, 18 ") for line in lines)
    assert any(line.startswith("virtual-tiff: committing: 3 of 3, ") for line in lines)
    assert main(["verify", str(tmp_path / "cube")]) == 0
    assert "virtual-tiff: asking sources: 3 of 3, about 0 s left" in said(capfd)
    assert main(["publish", *scenes, "--to", str(tmp_path / "verbose"), "-v"]) == 0
    (line,) = (line for line in said(capfd).splitlines() if f"read file://{scenes[0]}: " in line)
    assert re.search(r": \d of 3 files, \d+ references, ", line)
    assert main(["publish", *scenes, "--to", str(tmp_path / "other"), "--quiet"]) == 0
    assert said(capfd) == ""


def test_a_list_of_files(
    scenes: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.txt").write_text("# three days\n" + "\n".join(scenes) + "\n")
    command = ["publish", f"@{tmp_path}/list.txt", "--to", str(tmp_path / "cube")]
    assert main([*command, "--concat", "t", "--values", r"(\d)\.tif"]) == 0
    assert "  data  uint16 (t: 3, y: 64, x: 96)" in said(capfd)


@pytest.mark.long
def test_what_was_read_is_kept_unless_told_otherwise(scenes: list[str], tmp_path: Path) -> None:
    cache = tmp_path / "mine.sqlite"
    of_runs = Path(os.environ["XDG_CACHE_HOME"]) / "virtual-tiff" / "runs"
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no TIFF")
    command = ["publish", "--quiet", *scenes]
    assert main([*command, str(bad), "--to", str(tmp_path / "a"), "--no-cache"]) == 1
    assert not of_runs.exists()
    assert main([*command, "--to", str(tmp_path / "b"), "--cache", str(cache)]) == 0
    assert cache.exists()
    assert main([*command, str(bad), "--to", str(tmp_path / "c")]) == 1
    assert list(of_runs.glob("*.sqlite"))
    assert main([*command, "--to", str(tmp_path / "c")]) == 0
    assert not of_runs.parent.exists()


def test_the_summary_of_many_arrays_and_of_skipped_files(
    scenes: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli_publish, "_MOST_LISTED", 2)
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"this is no TIFF")
    command = ["publish", *scenes, str(bad), "--to", str(tmp_path / "cube"), "--on-error", "skip"]
    assert main(command) == 4
    lines = said(capfd).splitlines()
    assert [line for line in lines if line.startswith("  ")][2:] == ["  and 1 more array"]
    assert "left out, because of the errors above: 1 file" in lines


@pytest.mark.long
def test_the_summary_of_positions_without_a_file_and_of_tiles_that_overlap(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ("red_1", "red_2", "nir_1")
    days = [str(scene(tmp_path / f"{name}.tif", n)) for n, name in enumerate(names)]
    command = ["publish", *days, "--concat", "n", "--values", r"_(\d)", "--variable", "(red|nir)_"]
    assert main([*command, "--to", str(tmp_path / "cube")]) == 0
    text = said(capfd)
    assert "positions without a file, which read as the fill value: 1" in text
    assert "not shown" not in text
    assert "largest distance" not in text
    tiles = [
        str(scene(tmp_path / f"{n}.tif", n, shape=(32, 32), at=(500_000 + x, 4_650_000 - y)))
        for n, (x, y) in enumerate([(0, 0), (320, 0), (0, 320)])
    ]
    again = str(scene(tmp_path / "again.tif", 9, shape=(32, 32), at=(500_320.0, 4_650_000)))
    overlap = ["publish", *tiles, again, "--concat", "y,x", "--overlap", "last", "--to"]
    assert main([*overlap, str(tmp_path / "other")]) == 0
    assert "hidden below other files: 1 file" in said(capfd)
    beside = str(scene(tmp_path / "off.tif", 9, shape=(32, 32), at=(500_323.0, 4_650_000)))
    shifted = ["publish", tiles[0], beside, "--concat", "y,x", "--snap", "0.4", "--to"]
    assert main([*shifted, str(tmp_path / "snapped")]) == 0
    assert "largest distance of a file from the common grid: 0.3 pixels" in said(capfd)
