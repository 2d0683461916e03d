"""A cron job that follows an archive: files come late, change, end, and move.

`docs/how-to/rolling-archive.md` shows the commands. A status of 0 says that the cube can be read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from support.scenes import dated, pixels
from virtual_tiff import open_published
from virtual_tiff.cli.main import main

Command = Callable[..., int]

pytestmark = pytest.mark.long


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for day in (1, 3):
        dated(folder / f"slot{day}.tif", f"2023-01-0{day}", day)
    return folder


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    return tmp_path / "cube"


@pytest.fixture
def cron(archive: Path, cube: Path) -> Command:
    """The line of the crontab, which has run once."""
    line = ["publish", str(archive), "--to", str(cube), "--concat", "time", "--time", "tag"]
    line += ["--append", "--quiet"]

    def run(*options: str) -> int:
        return main([*line, *options])

    assert run() == 0
    return run


def holds(cube: Path, scenes: dict[str, Path]) -> bool:
    """Whether the cube has these days, with the pixels that GDAL reads in these files."""
    ds = xr.open_zarr(open_published(cube), consolidated=False, mask_and_scale=False)
    days = [str(day)[:10] for day in ds["time"].values]
    values = ds["data"].values
    return days == list(scenes) and all(
        np.array_equal(value, pixels(path))
        for value, path in zip(values, scenes.values(), strict=True)
    )


@pytest.mark.parametrize("options", [(), ("--on-error", "skip")])
def test_a_late_file(archive: Path, cube: Path, cron: Command, options: tuple[str, ...]) -> None:
    late = dated(archive / "late.tif", "2023-01-02", 2)
    if options:
        (archive / "half-uploaded.tif").write_bytes(b"II*\0")
        assert cron() == 1
    assert cron(*options) == (4 if options else 0)
    days = {"2023-01-01": archive / "slot1.tif", "2023-01-02": late}
    assert holds(cube, days | {"2023-01-03": archive / "slot3.tif"})


def test_an_overwritten_name(
    archive: Path, cube: Path, cron: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has another time now. The cube cannot be read there, so the status is not 0."""
    new = dated(archive / "slot1.tif", "2023-01-05", 5)
    dated(archive / "slot4.tif", "2023-01-04", 4)
    for _ in range(2):  # with a new file, and without one
        assert cron() == 3
        said = capfd.readouterr().err
        assert f"(see --replace-changed): 1 file: {new.as_uri()}" in said
    assert cron("--replace-changed") == 0
    names = {"2023-01-03": "slot3.tif", "2023-01-04": "slot4.tif", "2023-01-05": "slot1.tif"}
    assert holds(cube, {day: archive / name for day, name in names.items()})
    assert cron() == 0
    assert main(["verify", str(cube)]) == 0


def test_a_deleted_file(archive: Path, cube: Path, cron: Command) -> None:
    (archive / "slot1.tif").unlink()
    dated(archive / "slot4.tif", "2023-01-04", 4)
    assert cron() == 0
    assert main(["verify", str(cube)]) == 1
    assert main(["remove", str(cube), str(archive / "slot1.tif")]) == 0
    days = {"2023-01-03": archive / "slot3.tif", "2023-01-04": archive / "slot4.tif"}
    assert holds(cube, days)
    assert main(["verify", str(cube)]) == 0


@pytest.mark.usefixtures("cron")
def test_a_moved_archive(archive: Path, cube: Path) -> None:
    old, new = archive, archive.with_name("new")
    shutil.move(old, new)
    assert main(["move", str(cube), str(old), str(new)]) == 0
    line = ["publish", str(new), "--to", str(cube), "--concat", "time", "--time", "tag"]
    late = dated(new / "late.tif", "2023-01-02", 2)
    assert main([*line, "--append", "--quiet"]) == 0
    days = {"2023-01-01": new / "slot1.tif", "2023-01-02": late}
    assert holds(cube, days | {"2023-01-03": new / "slot3.tif"})
    assert main(["verify", str(cube)]) == 0
