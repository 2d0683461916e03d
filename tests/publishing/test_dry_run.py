"""A dry run says what a run would do, and writes nothing."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from support.scenes import scene
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import Published, PublishError, publish

DIFFERENT = {"snapshot", "dry_run", "how_to_open", "requests", "bytes_read", "_opened"}
"""Fields in which a dry run differs from the run."""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same(dry: Published, done: Published) -> None:
    for one in fields(Published):
        if one.name not in DIFFERENT:
            assert getattr(dry, one.name) == getattr(done, one.name), one.name


@pytest.mark.parametrize(
    "options",
    [
        {"concat": "day", "values": r"_(\d+)\.tif"},
        {"concat": "y,x"},
        {},
        {"concat": "day", "values": r"_(\d+)\.tif", "portable": True},
        {"bbox": (500_000, 4_640_000, 500_100, 4_660_000)},
        {"concat": "day", "values": r"_(\d+)\.tif", "layout": "group per signature"},
    ],
    ids=str,
)
def test_a_dry_run_says_what_the_run_does(options: dict[str, Any], tmp_path: Path) -> None:
    tiles = options.get("concat") == "y,x" or "layout" in options or "bbox" in options
    at = [(500_000 + tiles * n * 960, 4_650_000) for n in range(3)]
    files = [scene(tmp_path / f"in/a_{n}.tif", n, at=at[n]) for n in range(3)]
    cube = tmp_path / "cube"
    dry = publish(files, cube, dry_run=True, **options)
    assert not cube.exists()
    assert (dry.dry_run, dry.snapshot, dry.how_to_open[:0]) == (True, "", "")
    assert dry.requests == 3
    with pytest.raises(PublishError, match="a dry run publishes nothing"):
        _ = dry.repository
    done = publish(files, cube, **options)
    assert_same(dry, done)
    # what the dry run has read was kept, but of files outside of the box
    assert done.requests == len(done.outside)


@pytest.mark.long
@pytest.mark.parametrize("number", [1, 7])
def test_a_dry_run_of_an_append(number: int, tmp_path: Path) -> None:
    """At the end of a stack, or before it, where all files are arranged anew."""
    options: dict[str, Any] = {"concat": "day", "values": r"_(\d+)\.tif", "append": True}
    cube = tmp_path / "cube"
    publish([scene(tmp_path / f"a_{n}.tif", n) for n in (3, 5)], cube, **options)
    before = contents(cube)
    new = scene(tmp_path / f"a_{number}.tif", number)
    dry = publish([new], cube, dry_run=True, tag="new", **options)
    assert dry.new
    assert contents(cube) == before
    assert_same(dry, publish([new], cube, **options))
    before = contents(cube)
    again = publish([new], cube, dry_run=True, tag="new", **options)
    assert (again.new, contents(cube)) == (False, before)


def test_a_dry_run_fails_as_the_run_would(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"no TIFF")
    with pytest.raises(PublishError, match="not a TIFF"):
        publish([bad, scene(tmp_path / "a.tif")], tmp_path / "r", dry_run=True)


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = [str(scene(tmp_path / f"a_{n}.tif", n)) for n in range(2)]
    (tmp_path / "bad.tif").write_bytes(b"no TIFF")
    command = ["publish", *files, str(tmp_path / "bad.tif"), "--to", str(tmp_path / "cube")]
    command += ["--concat", "n", "--dry-run", "--on-error", "skip", "--no-cache"]
    assert main(command) == 4
    printed = capfd.readouterr()
    assert printed.out == ""
    for words in (
        "dry run: nothing was written. It would publish 2 files with 12 references to",
        "of the files, by 3 requests",
        f"readers authorise file://{tmp_path}/",
        "  data  uint16 (n: 2, y: 64, x: 96)",
        "left out, because of the errors above: 1 file",
        "bad.tif: not a TIFF",
    ):
        assert words in printed.err
    assert main([*command, "--json"]) == 4
    assert json.loads(capfd.readouterr().out)["dry_run"] is True
    assert not (tmp_path / "cube").exists()
