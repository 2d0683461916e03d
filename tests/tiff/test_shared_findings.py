"""What is found out of one file and holds for the next: only where that says the same."""

from __future__ import annotations

import ast
import asyncio
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

import virtual_tiff
from support.build import ASCII, SHORT, Picture, entry, images
from support.pixels import in_memory
from support.warned import of_tiff
from virtual_tiff import VirtualTIFF
from virtual_tiff.arrays.nodes import FileArray, Group
from virtual_tiff.tiff import ImageFileDirectory, MemorySource, Tag, Tiff, TiffError, read_tiff
from virtual_tiff.tiff.shared_findings import FINDINGS, Reads, _interned

TESTDATA = Path(__file__).parent.parent.parent / "testdata"
OURS = sorted(TESTDATA.glob("[ms]*/*.tif"))
GDAL = sorted((TESTDATA / "external" / "gdal").rglob("*.tif"))

_VARYING = frozenset(
    {
        *(Tag.ModelPixelScale, Tag.ModelTiepoint, Tag.ModelTransformation, Tag.RPCCoefficients),
        *(Tag.GDAL_METADATA, Tag.GEO_METADATA, Tag.TIFF_RSID, Tag.XMP, Tag.DateTime),
        *(Tag.DocumentName, Tag.ImageDescription, Tag.PageName),
    }
)
"""Tags that differ from file to file in an archive."""


def forget() -> None:
    """Forget what was found out so far."""
    _interned.cache_clear()
    FINDINGS._made.clear()


def tiff_of(data: bytes) -> Tiff:
    return asyncio.run(read_tiff(MemorySource(data)))


def described(data: bytes, parser: VirtualTIFF) -> Any:
    """All that is made of a file, and what was warned of; or the error."""
    store = MemoryStore()
    store.put("a.tif", data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            group, _ = asyncio.run(parser.parse_nodes(store, "a.tif", url="memory:///a.tif"))
        except (TiffError, ValueError) as error:
            found: Any = type(error), str(error)
        else:
            found = plain(group)
    return found, [str(w.message) for w in of_tiff(caught)]


def plain(group: Group) -> Any:
    arrays = {
        name: (repr(array.metadata), array.offsets.tolist(), array.byte_counts.tolist())
        if isinstance(array, FileArray)
        else (repr(array.metadata), array.data)
        for name, array in group.arrays.items()
    }
    groups = {name: plain(child) for name, child in group.groups.items()}
    return arrays, groups, repr(group.attributes)


def other_values(data: bytes, seed: int) -> bytes:
    """Return a file that differs in the values of `_VARYING` alone."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for ifd in tiff_of(data).walk():
        for tag in _VARYING & ifd.entries.keys():
            entry = ifd.entries[tag]
            if entry.data is None:
                continue
            value = bytearray(entry.data)
            if entry.field_type.name == "DOUBLE":
                numbers = np.frombuffer(value, dtype=np.float64).copy()
                order = numbers if ifd.variant.native else numbers.byteswap()
                order = order + chance.randrange(1, 9)
                value[:] = (order if ifd.variant.native else order.byteswap()).tobytes()
            elif entry.field_type.nbytes == 1:  # digits stand for digits, so that XML stays XML
                for at, byte in enumerate(value):
                    if chr(byte).isdigit():
                        value[at] = ord(chance.choice("123456789"))
            changed[entry.offset : entry.offset + len(value)] = value
    return bytes(changed)


def parsers() -> Iterator[VirtualTIFF]:
    yield VirtualTIFF()
    yield VirtualTIFF(ifd_layout="nested", samples="stored")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_file_after_one_of_its_form_is_as_it_is_alone(path: Path):
    check(path)


@pytest.mark.long
@pytest.mark.skipif(not GDAL, reason="scripts/sync_gdal_tiffs.py was not run")
def test_files_of_the_corpus_after_others_of_their_form_are_as_alone():
    for path in GDAL:
        check(path, others=1)


def check(path: Path, others: int = 2) -> None:
    data = path.read_bytes()
    try:
        changed = [other_values(data, seed) for seed in range(others)]
    except TiffError:
        return
    for parser in parsers():
        forget()
        alone = described(data, parser)
        assert described(data, parser) == alone  # what is known says the same
        for other in changed:
            after = described(other, parser)
            forget()
            assert after == described(other, parser), path.name
            described(data, parser)  # known again, for the next one


def changed_tags(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that differ from one in the value of a single tag of a single directory.

    All bytes of the value are changed, or the last one, or the first one.
    """
    for ifd in tiff_of(data).walk():
        for tag, value in ifd.entries.items():
            if not value.data or tag == Tag.SubIFDs:
                continue
            for places in (range(len(value.data)), [len(value.data) - 1], [0]):
                changed = bytearray(data)
                for at in places:
                    changed[value.offset + at] = (changed[value.offset + at] + 1) % 256
                yield f"IFD {ifd.path}, tag {tag}", bytes(changed)


@pytest.mark.long
@pytest.mark.parametrize("path", OURS[::7], ids=lambda path: path.stem)
def test_files_that_differ_in_one_tag_share_nothing_that_depends_on_it(path: Path):
    data, parser = path.read_bytes(), VirtualTIFF()
    for what, other in changed_tags(data):
        forget()
        alone = described(other, parser)
        forget()
        described(data, parser)
        assert described(other, parser) == alone, what


def text_of(ifd: ImageFileDirectory, tag: int) -> str | None:
    return ifd.text(tag)


def length_of_text(ifd: ImageFileDirectory, tag: int) -> int:
    return len(ifd.remembered(text_of, tag) or "")


def text_of_full(ifd: ImageFileDirectory, full: ImageFileDirectory) -> tuple[str | None, int]:
    return full.remembered(text_of, Tag.Software), ifd.ImageWidth


def first_text(ifd: ImageFileDirectory) -> str | None:
    return ifd.text(Tag.Software) if ifd.ImageWidth == 1 else ifd.text(Tag.Artist)


def untold(ifd: ImageFileDirectory, holder: tuple[Any, ...]) -> str | None:
    """Read a directory that no argument is: not to be kept."""
    other: ImageFileDirectory = holder[0].ifd
    return other.text(Tag.Software)


class Holder:
    """Hides a directory from the memo; all are equal."""

    def __init__(self, ifd: ImageFileDirectory) -> None:
        self.ifd = ifd

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holder)

    def __hash__(self) -> int:
        return 0


texts = st.text("ab", min_size=1, max_size=3)


def directories(software: str, artist: str, width: int = 1) -> Any:
    """Two directories of one file that say the same."""
    entries = [
        entry(Tag.Software, ASCII, software.encode() + b"\0"),
        entry(Tag.Artist, ASCII, artist.encode() + b"\0"),
    ]
    page = Picture(np.zeros((1, width), np.uint8), extra_entries=entries)
    return tiff_of(images([page, page])).ifds


@pytest.mark.long
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(texts, texts, st.integers(1, 2)), min_size=2, max_size=12))
def test_what_is_remembered_is_what_the_function_returns(files: list[tuple[str, str, int]]):
    for software, artist, width in files:
        overview, full = directories(software, artist, width)
        for tag, text in ((Tag.Software, software), (Tag.Artist, artist)):
            assert overview.remembered(length_of_text, tag) == len(text)
            assert overview.remembered(text_of, tag) == text
        assert overview.remembered(text_of_full, full) == (software, width)
        assert overview.remembered(first_text) == (software if width == 1 else artist)
        assert overview.remembered(untold, (Holder(full),)) == software


@pytest.mark.long
def test_what_makes_a_shared_value_is_a_function_of_a_module():
    """A closure could read a directory that is not among the arguments."""
    package = Path(virtual_tiff.__file__).parent
    calls = 0
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ifd.remembered":
                calls += 1
                assert ast.unparse(node.args[0]) in functions, f"{path}: {ast.unparse(node)}"
    assert calls >= 14


def test_what_is_remembered_is_worked_out_once():
    forget()
    calls = []
    for artist in ("a", "b", "c"):
        first, _ = directories("made by us", artist)
        calls.append(first.remembered(counted))
        assert first.remembered(counted) is calls[-1]
    assert calls[0] is calls[1] is calls[2]
    first, _ = directories("made by me", "a")
    assert first.remembered(counted) is not calls[0]


def counted(ifd: ImageFileDirectory) -> list[str | None]:
    return [ifd.text(Tag.Software)]


@pytest.mark.long
def test_all_files_in_one_process_are_as_alone():
    """Forms of many files at a time, in whatever order."""
    parser = VirtualTIFF()
    contents = [path.read_bytes() for path in OURS]
    alone = []
    for data in contents:
        forget()
        alone.append(described(data, parser))
    for data, expected in sorted(zip(contents, alone, strict=True), key=lambda pair: pair[0][-64:]):
        assert described(data, parser) == expected


def test_a_warning_is_given_for_each_file():
    data = (TESTDATA / "special" / "geo_nodata.tif").read_bytes()
    entry = tiff_of(data).ifds[0].entries[Tag.GDAL_NODATA]
    assert entry.data is not None
    broken = bytearray(data)
    broken[entry.offset : entry.offset + 2] = b"no"
    for _ in range(3):
        _, said = described(bytes(broken), VirtualTIFF())
        assert any("GDAL_NODATA" in text for text in said)


def test_attributes_of_one_store_are_not_those_of_another():
    registry = in_memory({"a.tif": (TESTDATA / "special" / "cog.tif").read_bytes()})
    first, second = (VirtualTIFF()("memory:///a.tif", registry).group for _ in range(2))
    before = repr(second.arrays["0"].metadata.attributes)

    def spoil(found: Any) -> None:
        for value in list(found.values() if isinstance(found, dict) else found):
            if isinstance(value, dict | list):
                spoil(value)
        found.clear()

    spoil(first.arrays["0"].metadata.attributes)
    assert repr(second.arrays["0"].metadata.attributes) == before
    third = VirtualTIFF()("memory:///a.tif", registry).group
    assert repr(third.arrays["0"].metadata.attributes) == before


@pytest.mark.long
def test_what_is_kept_is_bounded():
    forget()
    data = bytearray((TESTDATA / "special" / "geo_bands.tif").read_bytes())
    entry = tiff_of(bytes(data)).ifds[0].entries[Tag.GDAL_METADATA]
    assert entry.data is not None
    at = entry.offset + entry.data.index(b"<Item") - 1
    for number in range(5000):
        data[at : at + 1] = bytes([9 + number % 2])
        tiff = tiff_of(bytes(data))
        FINDINGS.keep((Reads(()), b"%d" % number), tiff)
    kept = len(FINDINGS._made)
    FINDINGS.keep((Reads(()), bytes(5000)), tiff)  # too long to be compared for each file
    assert len(FINDINGS._made) == kept
    assert len(FINDINGS._made) <= 1024


def test_values_beyond_a_bound_are_worked_out_again_and_not_kept():
    """Where files have thousands of values or ways, what is kept has its bounds."""
    forget()
    first, _ = directories("a", "b")
    for tag in range(60_000, 60_400):  # more than are kept for one form
        assert first.remembered(text_of, tag) is None
    for artist in ("c", "d", "e"):
        other, _ = directories("a", artist)
        assert other.remembered(text_of, 60_399) is None
        assert other.remembered(text_of, Tag.Artist) == artist
    assert len(FINDINGS._made) <= 1024


def test_a_fields_description_is_had_from_the_class():
    assert ImageFileDirectory.ImageWidth is ImageFileDirectory.__dict__["ImageWidth"]


def test_a_directory_whose_form_is_not_kept_is_read_all_the_same():
    """Values of many kilobytes make no form: nothing is shared, beside it or of it."""
    entries = [
        *(entry(tag, SHORT, list(range(1000))) for tag in range(50_000, 50_012)),
        entry(Tag.Software, ASCII, b"us\0"),
    ]
    small, large = (
        tiff_of(images([Picture(np.zeros((1, 1), np.uint8), extra_entries=more)])).ifds[0]
        for more in (entries[-1:], entries)
    )
    assert large.form is None
    assert small.remembered(text_of_full, large) == ("us", 1)
    assert large.remembered(text_of_full, small) == ("us", 1)


def all_tags(ifd: ImageFileDirectory) -> list[int]:
    return [entry.count for entry in ifd.entries.values()]


def all_counts(ifd: ImageFileDirectory) -> dict[int, int]:
    return {tag: entry.count for tag, entry in ifd.entries.items()}


@pytest.mark.parametrize("function", [all_tags, all_counts])
def test_what_reads_all_tags_depends_on_each(function: Any):
    forget()
    for artist in ("a", "bb", "ccc"):
        first, _ = directories("us", artist)
        assert first.remembered(function) == function(first)


def text_by_width(ifd: ImageFileDirectory) -> tuple[str | None, str | None]:
    return ifd.text(Tag.Software), ifd.text(60_000 + len(ifd.text(Tag.Software) or ""))


def test_a_function_that_reads_other_tags_in_each_file_is_right_and_bounded():
    """After some ways nothing more is kept of it; what it returns stays right."""
    forget()
    for _ in range(2):
        for length in range(1, 12):
            first, _ = directories("s" * length, "a")
            assert first.remembered(text_by_width) == text_by_width(first)
    assert len(FINDINGS._made) <= 1024
