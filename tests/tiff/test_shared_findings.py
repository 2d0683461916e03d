"""What is found out of one file and holds for the next: only where that says the same."""

from __future__ import annotations

import asyncio
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obstore.store import MemoryStore

from support.pixels import in_memory
from virtual_tiff import TiffWarning, VirtualTIFF
from virtual_tiff.arrays.nodes import FileArray, Group
from virtual_tiff.tiff import MemorySource, Tag, Tiff, TiffError, read_tiff
from virtual_tiff.tiff.shared_findings import FINDINGS, VARYING, _interned

TESTDATA = Path(__file__).parent.parent.parent / "testdata"
OURS = sorted(TESTDATA.glob("[ms]*/*.tif"))
GDAL = sorted((TESTDATA / "external" / "gdal").rglob("*.tif"))

_PLACED = VARYING - {
    *(Tag.StripOffsets, Tag.StripByteCounts, Tag.TileOffsets, Tag.TileByteCounts),
    *(Tag.SubIFDs, Tag.ExifIFD, Tag.GPSIFD, Tag.FreeOffsets),
}
"""Varying tags whose values can be changed, and the file stays one."""


def forget() -> None:
    """Forget what was found out so far."""
    _interned.cache_clear()
    FINDINGS._found.clear()


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
    return found, [str(w.message) for w in caught if w.category is TiffWarning]


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
    """Return a file that differs in the values of varying tags alone."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for ifd in tiff_of(data).walk():
        for tag in _PLACED & ifd.entries.keys():
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


@pytest.mark.skipif(not GDAL, reason="scripts/sync_gdal_tiffs.py was not run")
def test_files_of_the_corpus_after_others_of_their_form_are_as_alone():
    for path in GDAL:
        check(path)


def check(path: Path) -> None:
    data = path.read_bytes()
    try:
        others = [other_values(data, seed) for seed in range(2)]
    except TiffError:
        return
    for parser in parsers():
        forget()
        alone = described(data, parser)
        assert described(data, parser) == alone  # what is known says the same
        for other in others:
            after = described(other, parser)
            forget()
            assert after == described(other, parser), path.name
            described(data, parser)  # known again, for the next one


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


def test_what_is_kept_is_bounded():
    forget()
    data = bytearray((TESTDATA / "special" / "geo_bands.tif").read_bytes())
    entry = tiff_of(bytes(data)).ifds[0].entries[Tag.GDAL_METADATA]
    assert entry.data is not None
    at = entry.offset + entry.data.index(b"<Item") - 1
    for number in range(5000):
        data[at : at + 1] = bytes([9 + number % 2])
        tiff = tiff_of(bytes(data))
        FINDINGS.keep(("other", number), tiff)
    assert len(FINDINGS._found) <= 1024
