"""In notebooks a file and a virtual store are tables."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tifffile
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from support.build import ASCII, entry, image
from support.locations import locate
from virtual_tiff import VirtualTIFF
from virtual_tiff.info import FileInfo, inspect
from virtual_tiff.store import CheckedManifestStore
from virtual_tiff.text.html import MOST_ROWS

SPECIAL = Path(__file__).parents[2] / "testdata" / "special"
HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(2)>&\x1b[2J'


class Page(HTMLParser):
    """The tags of a page, whether they are closed, and the cells of its rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def page(value: FileInfo | CheckedManifestStore) -> Page:
    found = Page(value._repr_html_())
    assert found.tags <= {"div", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.attributes <= {"style"}
    return found


def about(path: Path) -> FileInfo:
    return asyncio.run(inspect(locate([path])))[0]


def store(path: Path, **options: object) -> CheckedManifestStore:
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    return VirtualTIFF(**options)(path.as_uri(), registry)


def test_a_file() -> None:
    found = page(about(SPECIAL / "cog_rgb.tif"))
    assert len(found.rows) == 1 + 3
    assert found.rows[1][:4] == ["0", "image", "60 x 40, 3 bands", "uint8"]
    assert "read by zarr-python, zarrs, zarrita" in found.text


def test_a_file_that_cannot_be_read() -> None:
    assert "no such file" in page(about(SPECIAL / "no.tif")).text


@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid"])
def test_a_store(layout: str) -> None:
    found = page(store(SPECIAL / "cog_rgb.tif", ifd_layout=layout))
    rows = {row[0]: row for row in found.rows}
    names = {"flat": "0", "nested": "0", "pyramid": "0/image"}
    row = next(rows[name] for name in rows if name in (names[layout], f"{names[layout]}/0"))
    assert row[1].endswith(": 60")
    assert row[2] == "uint8"
    assert row[5] == "transpose, bytes, numcodecs.zlib"
    assert "cog_rgb.tif" in found.text


def test_an_array_in_a_store_has_the_readers_that_info_says() -> None:
    for path in sorted(SPECIAL.glob("*.tif")):
        file = about(path)
        found = page(store(path, ifd=0, coordinates=False))
        (head, row) = found.rows
        assert head[-1] == "read by"
        assert f"read by {row[-1]}" in page(file).text, path


def test_what_files_say_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    said = entry(42112, ASCII, "<GDALMetadata>" + HOSTILE)
    described = entry(270, ASCII, HOSTILE)
    path.write_bytes(image(np.zeros((4, 4), "u1"), extra_entries=[described, said]))
    for found in (page(about(path)), page(store(path))):
        assert "\x1b" not in found.text
        assert "<script" not in found.text
    hostile = FileInfo(url=HOSTILE, error=HOSTILE)
    found = page(hostile)
    assert "<script>alert" in found.text  # as text: `page` has looked at the tags


@pytest.mark.long
def test_rows_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for _ in range(MOST_ROWS + 70):
            tiff.write(np.zeros((4, 4), "u1"), contiguous=False, metadata=None)
    for found in (page(about(path)), page(store(path, coordinates=False))):
        assert len(found.rows) == 1 + MOST_ROWS
        assert "and 70 more rows" in found.text
