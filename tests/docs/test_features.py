"""What README says of us beside others, and that what scripts make of the code is not stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from docs.fenced import ROOT
from support.scripts import load_script

COMPARED: Any = load_script("compare_readers")
FEATURES: dict[str, Any] = load_script("make_feature_table").features()
ROWS = FEATURES["row"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    COMPARED.make(folder)
    return folder


@pytest.mark.parametrize("name", [row["file"] for row in ROWS if "file" in row])
def test_we_read_what_gdal_reads(name: str, files: Path) -> None:
    found = COMPARED.by_virtual_tiff(files / f"{name}.tif")
    expected = np.load(files / f"{name}.npy")
    assert expected.any()
    assert COMPARED.agrees(found, expected, name)


def test_the_files_and_the_rows_are_the_same() -> None:
    assert {row["file"] for row in ROWS if "file" in row} == set(COMPARED.FILES)


@pytest.mark.parametrize("row", ROWS, ids=[row["feature"] for row in ROWS])
def test_a_row_is_held_by_a_test(row: dict[str, Any]) -> None:
    path, _, name = row["test"].partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert "def test_" in text
    assert f"def {name}(" in text
    assert len(row["cells"]) == len(FEATURES["peers"])


def test_the_table_is_not_stale() -> None:
    made: Any = load_script("make_feature_table")
    assert made.DOCUMENT.read_text(encoding="utf-8") == made.document()


@pytest.mark.filterwarnings("ignore")
def test_the_picture_is_not_stale() -> None:
    made: Any = load_script("make_readme_picture")
    assert made.PICTURE.read_text(encoding="utf-8") == made.picture()
    assert made.PICTURE.stat().st_size < 200_000


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_the_plot_of_the_cube_is_not_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICECHUNK_LOG", "error")
    made: Any = load_script("make_readme_plot")
    made.draw(tmp_path / "cube.png")
    drawn, kept = (
        imagecodecs.png_decode(path.read_bytes()) for path in (tmp_path / "cube.png", made.PICTURE)
    )
    assert drawn.shape == kept.shape
    # versions of matplotlib draw letters and lines a little apart
    assert np.abs(drawn.astype("i2") - kept.astype("i2")).mean() < 3


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_the_pictures_of_tutorials_are_not_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICECHUNK_LOG", "error")
    made: Any = load_script("make_tutorial_pictures")
    for path, picture in made.pictures().items():
        assert path.read_text(encoding="utf-8") == picture
        assert path.stat().st_size < 200_000


# ---- the diagram


@pytest.mark.long
def test_the_diagrams_are_not_stale() -> None:
    made: Any = load_script("make_architecture_diagram")
    for path, picture in made.pictures().items():
        assert path.read_text(encoding="utf-8") == picture


def test_the_diagram_leaves_out_what_is_implied() -> None:
    made: Any = load_script("make_architecture_diagram")
    graph = dict.fromkeys(made.ROOMS, frozenset()) | {
        "cli": {"door", "core"},
        "door": {"core"},
    }
    assert list(made.arrows(graph)) == [("cli", "door"), ("door", "core")]
    with pytest.raises(SystemExit, match="circle"):
        made.below({"cli": {"door"}, "door": {"cli"}})
    with pytest.raises(SystemExit, match="has no room"):
        made.room_of("virtual_tiff.nowhere")
