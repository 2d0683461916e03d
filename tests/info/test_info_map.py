"""The map of a file: true to tifffile's positions, bounded, and safe to show."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile

from support.build import (
    ASCII,
    LONG,
    LONG8,
    SHORT,
    Directory,
    Picture,
    build,
    entry,
    every_variant,
    image,
    parts,
)
from support.clock import soon
from support.locations import locate
from virtual_tiff.cli.main import main
from virtual_tiff.info import Examined, examine
from virtual_tiff.info.extents import Spans, gaps
from virtual_tiff.info.map import WIDTH, map_svg

SPECIAL = Path(__file__).parents[2] / "testdata" / "special"
SVG = "{http://www.w3.org/2000/svg}"
COLOURS = {"header": "#1a1a1a", "directories": "#c8321e", "values of tags": "#f0a020"}


def examined(path: Path) -> Examined:
    (location,) = locate([path])
    return asyncio.run(examine(location))


class Drawn:
    """The rectangles and lines of text of a map."""

    def __init__(self, document: bytes) -> None:
        self.root = ET.fromstring(document)
        self.texts = [element.text or "" for element in self.root.iter(f"{SVG}text")]
        sheet, *self.boxes = self.root.iter(f"{SVG}rect")
        assert sheet.get("width") == "100%"
        self.height = int(self.root.get("height") or 0)


def drawn_map(path: Path, name: str = "a.tif") -> bytes:
    found = examined(path)
    assert found.extents is not None
    return map_svg(found.info, found.extents, name)


def pairs(spans: Spans) -> set[tuple[int, int]]:
    return set(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))


# -------------------------------------------------------------------------- where it lies


@pytest.mark.parametrize(
    "name",
    ["cog_rgb_mask", "cog_bigtiff_zstd", "subifds_mm_bigtiff", "sparse_tiles", "strips_many"],
)
def test_positions_are_those_of_tifffile(name: str) -> None:
    path = SPECIAL / f"{name}.tif"
    found = examined(path)
    assert found.extents is not None
    with tifffile.TiffFile(path) as tiff:
        pages = [p for page in tiff.pages for p in (page, *(page.pages or ()))]
        assert found.extents.directories.starts.tolist() == [page.offset for page in pages]
        values = {
            (tag.valueoffset, tag.valueoffset + tag.valuebytecount)
            for page in pages
            for tag in page.tags
            if not page.offset < tag.valueoffset < page.offset + 2000
            or tag.valuebytecount > tiff.tiff.offsetsize
        }
        for info, page in zip(found.info.directories, pages, strict=True):
            blocks = zip(page.dataoffsets, page.databytecounts, strict=True)
            expected = {(offset, offset + count) for offset, count in blocks if count}
            assert pairs(found.extents.blocks[info.path]) == expected
    assert pairs(found.extents.values) == values


@every_variant
def test_nothing_lies_in_a_file_but_what_was_written(byteorder: str, big: bool, tmp_path: Path):
    """The writer of the tests leaves no gaps but those of alignment."""
    path = tmp_path / "a.tif"
    array = np.arange(64 * 64, dtype="u2").reshape(64, 64)
    path.write_bytes(image(array, tile=(16, 16), byteorder=byteorder, big=big))
    found = examined(path)
    assert found.extents is not None
    free = gaps(found.extents)
    assert free.nbytes < 32
    known = found.extents.all()
    assert known.nbytes + free.nbytes == path.stat().st_size


def test_gaps_are_what_is_left() -> None:
    path = SPECIAL / "cog.tif"
    found = examined(path)
    assert found.extents is not None
    covered = np.zeros(path.stat().st_size, bool)
    for start, end in pairs(found.extents.all()):
        covered[start:end] = True
    free = gaps(found.extents)
    assert free.nbytes == (~covered).sum()
    assert not any(covered[start:end].any() for start, end in pairs(free))


# ------------------------------------------------------------------------------- pictures


def test_the_picture_shows_what_lies_where() -> None:
    """Each cell of the whole file's panel, beside the bytes that it stands for."""
    path = SPECIAL / "cog_rgb.tif"
    found = examined(path)
    assert found.extents is not None
    kinds = np.full(path.stat().st_size, "nothing points here", dtype=object)
    for info in found.info.directories:
        for start, end in pairs(found.extents.blocks[info.path]):
            kinds[start:end] = f"IFD {info.path}, {info.kind}"
    for name in ("values", "directories", "header"):
        for start, end in pairs(getattr(found.extents, name)):
            kinds[start:end] = "values of tags" if name == "values" else name
    seen = set()
    for box in Drawn(drawn_map(path)).boxes:
        name, _, place = (box.findtext(f"{SVG}title") or "").partition(": ")
        if place:
            start, end = (int(part.replace(",", "")) for part in place.split(" to "))
            assert name in kinds[max(0, start - 4) : end + 4]
            seen.add(name)
    assert seen == set(kinds)


def test_svg_is_a_document_with_legend_scale_and_title() -> None:
    drawn = Drawn(drawn_map(SPECIAL / "cog_rgb.tif", "my file.tif"))
    assert drawn.root.tag == f"{SVG}svg"
    texts = drawn.texts
    assert texts[0] == "my file.tif"
    assert any(text.startswith("The whole file: a row is 1.0 kB") for text in texts)
    assert {"0", "1.0 kB", "9.0 kB"} <= set(texts)
    for words in ("header: 8 bytes", "directories: 3 with", "values of tags: ", "nothing points"):
        assert any(text.startswith(words) for text in texts), words
    assert "IFD 0, image: 60 x 40, 12 tiles, 6.3 kB" in texts
    assert set(COLOURS.values()) <= {box.get("fill") for box in drawn.boxes}
    for box in drawn.boxes:
        assert int(box.get("x") or 0) + int(box.get("width") or 0) <= WIDTH
        assert int(box.get("y") or 0) + int(box.get("height") or 0) <= drawn.height


def test_hostile_names_are_text(tmp_path: Path) -> None:
    name = "</title><script>alert(1)</script>&\x1b[2J\uffff\u202e" + "x" * 5000
    document = drawn_map(SPECIAL / "cog.tif", name)
    assert {element.tag for element in ET.fromstring(document).iter()} <= {
        f"{SVG}{tag}" for tag in ("svg", "title", "rect", "text")
    }
    assert b"<script" not in document
    assert len(document) < 100_000


@pytest.mark.long
def test_a_million_blocks_are_a_bounded_picture(tmp_path: Path) -> None:
    """Every second block is out of order, and between them are gaps."""
    count = 2**20
    offsets = (np.arange(count, dtype="<u8") ^ 1) * 128 + 2**25
    lengths = np.full(count, 100, "<u2")
    tags = {256: 16, 257: 16 * count, 322: 16, 323: 16}
    entries = [entry(tag, LONG, n) for tag, n in tags.items()]
    entries += [entry(258, SHORT, 8), entry(259, SHORT, 8), entry(262, SHORT, 1)]
    entries += [
        entry(324, LONG8, count=count, offset=4096),
        entry(325, SHORT, count=count, offset=4096 + offsets.nbytes),
    ]
    entries.sort(key=lambda e: e.tag)
    path = tmp_path / "a.tif"
    with path.open("wb") as file:
        file.write(build([Directory(entries)], big=True).ljust(4096, b"\0"))
        file.write(offsets.tobytes() + lengths.tobytes())
        file.truncate(2**25 + count * 128)
    found = examined(path)
    assert found.extents is not None
    assert len(found.extents.blocks["0"]) == count
    with soon(10):
        document = map_svg(found.info, found.extents, "a.tif")
    assert len(Drawn(document).boxes) < 5000
    assert len(document) < 1_000_000


@pytest.mark.long
def test_many_directories_are_a_bounded_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for _ in range(300):
            tiff.write(np.zeros((4, 4), "u1"), contiguous=False, metadata=None)
    drawn = Drawn(drawn_map(path))
    assert "and the blocks of 288 more images" in drawn.texts
    assert drawn.height < 900


def test_a_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    whole = (SPECIAL / "cog.tif").read_bytes()
    path = tmp_path / "a.tif"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with tifffile.TiffFile(SPECIAL / "cog.tif") as tiff:
        ends = [
            offset + count
            for page in tiff.pages
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    past = sum(end > path.stat().st_size for end in ends)
    assert f"past the end of the file: {past} blocks" in Drawn(drawn_map(path)).texts


@pytest.mark.parametrize("value", [2**63 + 5, 2**64 - 1, 2**62])
def test_places_that_no_file_has(value: int, tmp_path: Path) -> None:
    entries = [entry(tag, SHORT, 8) for tag in (256, 257, 258)]
    entries += [entry(259, SHORT, 1), entry(262, SHORT, 1)]
    entries += [entry(273, LONG8, value), entry(279, LONG8, value), entry(305, ASCII, "x" * 20)]
    path = tmp_path / "a.tif"
    path.write_bytes(build([Directory(entries)], big=True))
    assert "past the end of the file: 1 block" in Drawn(drawn_map(path)).texts


# ------------------------------------------------------------------------- command line


@pytest.mark.parametrize("ending", ["svg", "SVG"])
def test_command(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / f"map.{ending}"
    assert main(["info", "--json", "--map", str(picture), str(SPECIAL / "cog.tif")]) == 0
    printed = capsys.readouterr()
    (file,) = json.loads(printed.out)
    assert len(file["directories"]) == 3
    assert picture.read_bytes().startswith(b"<svg xml")


def test_a_map_of_a_sparse_file_says_what_is_left_out() -> None:
    path = SPECIAL / "sparse_tiles.tif"
    with tifffile.TiffFile(path) as tiff:
        missing = sum(count == 0 for page in tiff.pages for count in page.databytecounts)
    assert missing
    blocks = f"{missing} block" + ("" if missing == 1 else "s")
    assert f"left out of the file (sparse): {blocks}" in Drawn(drawn_map(path)).texts


def test_a_map_of_a_file_whose_directories_lie_far_behind_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(
        image(np.zeros((300, 300), "u1"), rows_per_strip=10, order=("blocks", "directories"))
    )
    texts = Drawn(drawn_map(path)).texts
    assert any(text.startswith("The 64 KiB from the first directory on") for text in texts)


def test_a_map_draws_a_directory_that_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    (picture,), blocks = parts([Picture(np.zeros((8, 9), "u1"))])
    path.write_bytes(build([picture, Directory([entry(305, ASCII, "no image")])], blocks))
    drawn = Drawn(drawn_map(path))
    assert any(text.startswith("directories: 2 with") for text in drawn.texts)


def test_a_directory_that_is_no_image_has_an_empty_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    (picture,), blocks = parts([Picture(np.zeros((8, 9), "u1"))])
    path.write_bytes(build([picture, Directory([entry(305, ASCII, "no image")])], blocks))
    assert main(["info", str(path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["9", "x", "8"] in [line[2:5] for line in lines]
    assert next(line for line in lines if line[:1] == ["1"])[1:] in (["image"], ["other"])
