"""Make the pictures of docs/gallery/ in docs/images/gallery/.

usage: uv run --extra test python scripts/make_gallery.py [NAME ...]

Each page is run as its tests run it, block after block; its last line saves the picture.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from make_tutorial_pictures import page_run
from matplotlib import pyplot as plt
from PIL import Image

plt.switch_backend("Agg")

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery"
PICTURES = ROOT / "docs" / "images" / "gallery"


def pages() -> list[Path]:
    """Return the pages with a picture."""
    return [page for page in sorted(GALLERY.glob("*.md")) if page.stem != "index"]


def picture(page: Path) -> bytes:
    """Run a page, and return the picture that it saves."""
    with page_run(page):
        plt.close("all")
        with Image.open("picture.png") as drawn:  # fewer colours take a third of the bytes
            few = drawn.convert("RGB").quantize(255)
        few.save(file := BytesIO(), "png", optimize=True)
        return file.getvalue()


if __name__ == "__main__":
    for page in pages():
        if page.stem in sys.argv[1:] or not sys.argv[1:]:
            PICTURES.mkdir(exist_ok=True)
            (PICTURES / f"{page.stem}.png").write_bytes(picture(page))
