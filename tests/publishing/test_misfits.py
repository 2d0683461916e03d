"""Files that cannot be arranged with the others: `on_error="skip"` publishes these."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.scenes import pixels, read, scene
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, publish
from virtual_tiff.publishing.result import Published

DAYS: dict[str, Any] = {"concat": "day", "values": r"_(\d+)\.tif", "on_error": "skip"}


def archive(folder: Path) -> dict[str, Path]:
    """Four days of one place, and files that are no fifth."""
    files = {f"day_{n}": scene(folder / f"day_{n}.tif", n) for n in (1, 2, 3, 4)}
    files["type"] = scene(folder / "type_5.tif", 5, dtype="float32")
    files["size"] = scene(folder / "size_6.tif", 6, shape=(64, 128))
    files["place"] = scene(folder / "place_7.tif", 7, at=(600_000, 4_650_000))
    files["twice"] = scene(folder / "twice_2.tif", 8)
    return files


WHY = {
    "type": "data type float32, the others uint16",
    "size": "shape 64 x 128, the others 64 x 96",
    "place": "spatial:transform",
    "twice": "it has the position of .*day_2.tif: day 2",
}


def assert_left_out(published: Published, files: dict[str, Path], names: list[str]) -> None:
    """Whether these, and no others, are left out, each with its reason."""
    assert {Path(name).stem for name in published.failures} == {files[n].stem for n in names}
    for name in names:
        (why,) = (why for file, why in published.failures.items() if files[name].stem in file)
        assert re.search(WHY[name], why), why


def test_a_stack(tmp_path: Path) -> None:
    files = archive(tmp_path)
    published = publish(list(files.values()), "memory://", **DAYS)
    assert_left_out(published, files, ["type", "size", "place", "twice"])
    for n in (1, 2, 3, 4):
        np.testing.assert_array_equal(read(published)[n - 1], pixels(files[f"day_{n}"]))


def test_most_files_decide_and_not_the_first(tmp_path: Path) -> None:
    files = archive(tmp_path)
    few = [files[name] for name in ("type", "day_1", "day_3", "day_4")]
    published = publish(few, "memory://", **DAYS)
    assert_left_out(published, files, ["type"])


@pytest.mark.long
def test_files_that_are_published_decide(tmp_path: Path) -> None:
    files = archive(tmp_path)
    cube = tmp_path / "cube"
    publish([files["day_2"]], cube, **DAYS)
    others = [scene(tmp_path / f"other_{n}.tif", n, dtype="float32") for n in (11, 12, 13)]
    published = publish([files["day_3"], files["twice"], *others], cube, append=True, **DAYS)
    assert published.files == 1
    assert set(published.failures) == {str(files["twice"]), *map(str, others)}
    assert "published already at day 2" in published.failures[str(files["twice"])]
    # a file before the published ones: all are arranged anew
    published = publish([files["day_1"], files["type"]], cube, append=True, **DAYS)
    assert set(published.failures) == {str(files["type"])}
    for n in (1, 2, 3):
        np.testing.assert_array_equal(read(published)[n - 1], pixels(files[f"day_{n}"]))
    # if all are misfits, nothing is new
    published = publish([files["size"]], cube, append=True, **DAYS)
    assert not published.new
    assert set(published.failures) == {str(files["size"])}


def test_tiles(tmp_path: Path) -> None:
    left = scene(tmp_path / "a.tif", 1)
    right = scene(tmp_path / "b.tif", 2, at=(500_960, 4_650_000))
    other = scene(tmp_path / "c.tif", 3, at=(501_920, 4_650_000), dtype="float32")
    published = publish([other, left, right], "memory://", concat="y,x", on_error="skip")
    assert set(published.failures) == {str(other)}
    expected = np.concatenate([pixels(left), pixels(right)], axis=1)
    np.testing.assert_array_equal(read(published), expected)


def test_files_without_a_time(tmp_path: Path) -> None:
    files = archive(tmp_path)
    timed = scene(tmp_path / "timed.tif", 9, tags={"TIFFTAG_DATETIME": "2023:01:01 00:00:00"})
    sources = [files["day_1"], timed, files["day_2"]]
    options: dict[str, Any] = {"concat": "time", "time": "tag"}
    published = publish(sources, "memory://", on_error="skip", **options)
    assert set(published.failures.values()) == {"it has no tag DateTime that holds a time"}
    assert published.files == 1
    with pytest.raises(PublishError, match=r"day_1.tif, .*day_2.tif have no tag DateTime"):
        publish(sources, "memory://", **options)


def test_nothing_fits(tmp_path: Path) -> None:
    files = archive(tmp_path)
    with pytest.raises(PublishError, match="no tag DateTime"):
        publish([files["day_1"]], tmp_path / "r", concat="time", time="tag", on_error="skip")
    assert not (tmp_path / "r").exists()


def test_a_published_file_that_has_changed_is_never_left_out(tmp_path: Path) -> None:
    """Its references would stay, and could not be read."""
    files = archive(tmp_path)
    cube = tmp_path / "cube"
    publish([files["day_1"], files["day_2"]], cube, **DAYS)
    scene(files["day_2"], 2, dtype="float32")
    again: dict[str, Any] = {"append": True, "replace_changed": True}
    with pytest.raises(PublishError, match="data type float32"):
        publish([files["day_1"], files["day_2"]], cube, **again, **DAYS)


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archive(tmp_path / "in")
    command = ["publish", str(tmp_path / "in"), "--to", str(tmp_path / "cube")]
    command += ["--concat", "day", "--values", r"_(\d+)\.tif", "--no-cache"]
    assert main(command) == 1
    assert "--on-error skip" in capfd.readouterr().err
    assert main([*command, "--on-error", "skip"]) == 4
    lines = capfd.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("virtual-tiff: error: ")]) == 4
    assert "left out, because of the errors above: 4 files" in lines
