"""The gallery: pages of few lines, whose pictures are those that their code makes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from docs.fenced import blocks_of
from support.scripts import load_script

MADE: Any = load_script("make_gallery")
PAGES: list[Path] = MADE.pages()


def test_there_are_four_cubes() -> None:
    index = (MADE.GALLERY / "index.md").read_text(encoding="utf-8")
    assert len(PAGES) == 4
    for page in PAGES:
        assert f"]({page.name})" in index
        picture = MADE.PICTURES / f"{page.stem}.png"
        assert picture.stat().st_size < 300_000
        assert f"(../images/gallery/{picture.name})" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_at_most_thirty_lines_of_code(page: Path) -> None:
    texts = [block.text for block in blocks_of(page) if block.language != "text"]
    assert sum(bool(line.strip()) for text in texts for line in text.splitlines()) <= 30


def colours(picture: Path | BytesIO) -> NDArray[np.int64]:
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_picture_is_not_stale(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICECHUNK_LOG", "error")
    drawn = colours(BytesIO(MADE.picture(page)))
    kept = colours(MADE.PICTURES / f"{page.stem}.png")
    assert drawn.shape == kept.shape
    # versions of matplotlib draw letters and lines a little apart
    assert np.abs(drawn - kept).mean() < 4
