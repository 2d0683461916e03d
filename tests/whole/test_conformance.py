"""Every directory of every file of the synced corpora, against GDAL and tifffile.

`scripts/sync_*.py` fill the folders; without them there is one skipped test that says so.
"""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path
from typing import Any

import pytest
import tifffile

from support.oracle import judge
from virtual_tiff.tiff import FormatError, Limits, MemorySource, ReadAhead, TiffError, read_tiff

EXTERNAL = Path(__file__).parent.parent.parent / "testdata" / "external"
CORPORA = {
    "gdal": ("scripts/sync_gdal_tiffs.py", 600),
    "rasterio": ("scripts/sync_rasterio_tiffs.py", 25),
    "geotiff-test-data": ("scripts/sync_geotiff_test_data.py", 1),
    "urls": ("scripts/sync_external_tiffs.py", 1),
}
MOST_FILE_BYTES = 64 * 2**20
MOST_DIRECTORIES = 200
"""Of one file: some of GDAL's have thousands, all alike."""

EXPECTED: dict[tuple[str, str], tuple[str, str]] = {
    ("gdal/gcore/data/corrupted_deflate_singlestrip.tif", "0"): (
        "unreadable",
        "damaged on purpose: GDAL refuses the block; tifffile gives zeros for it",
    ),
    ("gdal/gcore/data/corrupted_deflate_singlestrip.tif", "1"): (
        "unreadable",
        "the second directory is garbage without ImageLength; tifffile makes an image of nothing",
    ),
    ("gdal/gcore/data/packbits-not-enough-data.tif", "0"): (
        "unreadable",
        "damaged on purpose: GDAL refuses the block; tifffile gives what there is of it",
    ),
    ("gdal/gcore/data/gtiff/ossfuzz_470691578.tif", "0"): (
        "wrong",
        "fax of garbage, by a fuzzer: GDAL refuses it, tifffile gives zeros, we 109 ones",
    ),
    ("gdal/gcore/data/uint33.tif", "0"): (
        "refused",
        "33 bits in a strip of 64: GDAL refuses it, tifffile gives an empty array",
    ),
}
"""File and directory, to the verdict and the reason: what is known not to be right."""


def files(corpus: str) -> list[Path]:
    """The corpus's TIFFs, by name."""
    found = sorted((EXTERNAL / corpus).rglob("*"))
    return [p for p in found if p.suffix.lower() in {".tif", ".tiff", ".btf"}]


def cases() -> list[object]:
    """A case for each file; for a missing corpus one that is skipped and says what to do."""
    found: list[object] = []
    for corpus, (script, _) in CORPORA.items():
        there = files(corpus)
        reason = f"the {corpus} corpus is not there: run {script}"
        if not there:
            found.append(pytest.param(None, marks=pytest.mark.skip(reason=reason), id=corpus))
        found += [pytest.param(p, id=f"{corpus}/{p.relative_to(EXTERNAL / corpus)}") for p in there]
    return found


def directories(path: Path) -> list[tuple[str, int | None]]:
    """Path and offset of all directories, SubIFDs too; the first for what we cannot parse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            source = ReadAhead(MemorySource(path.read_bytes()))
            tiff = asyncio.run(read_tiff(source, limits=Limits()))
        except TiffError:
            return [("0", None)]
    found = [(ifd.path, None if ifd.path == "0" else ifd.offset) for ifd in tiff.walk()]
    return found[:MOST_DIRECTORIES]


@pytest.mark.long
@pytest.mark.parametrize("path", cases())
def test_every_directory_is_right_or_refused_for_a_reason(path: Path) -> None:
    if path.stat().st_size > MOST_FILE_BYTES:
        pytest.skip("larger than what this suite reads")
    corpus = next(c for c in CORPORA if (EXTERNAL / c) in path.parents)
    name = f"{corpus}/{path.relative_to(EXTERNAL / corpus)}"
    surprises = []
    for ifd, offset in directories(path):
        result = judge(path, ifd, offset)
        expected, _ = EXPECTED.get((name, ifd), (None, ""))
        if expected is None and result.verdict in {"right", "good error", "no oracle"}:
            continue
        if result.verdict != expected:
            surprises.append(f"IFD {ifd}: {result.verdict}, {result.detail}")
    assert not surprises, "\n".join(surprises)


NOT_A_TIFF = "gdal/gdrivers/data/dimap/IMAGERY.TIF"  # a VRT

OTHER_DIRECTORIES = {
    "gdal/gcore/data/gtiff/ossfuzz_470691578.tif": (
        1,
        (
            "by a fuzzer: its 32 SubIFDs lie within the first directory or past the end; tifffile "
            "lists them, we leave them out with a warning, and GDAL opens none"
        ),
    )
}
"""File, to the number of directories that we find and why tifffile finds others."""


def by_tifffile(path: Path) -> list[tuple[str, int]]:
    """Path and offset of all directories, SubIFDs too."""
    found: list[tuple[str, int]] = []

    def walk(pages: Any, above: str) -> None:
        for number in range(len(pages)):
            page = pages[number]
            name = f"{above}{number}"
            found.append((name, page.offset))
            whole = page.aspage() if isinstance(page, tifffile.TiffFrame) else page
            if whole.subifds:
                walk(whole.pages, f"{name}/")

    with tifffile.TiffFile(path) as file:
        walk(file.pages, "")
    return found


@pytest.mark.parametrize("path", cases())
def test_the_directories_are_those_that_tifffile_finds(path: Path) -> None:
    if path.stat().st_size > MOST_FILE_BYTES:
        pytest.skip("larger than what this suite reads")
    corpus = next(c for c in CORPORA if (EXTERNAL / c) in path.parents)
    name = f"{corpus}/{path.relative_to(EXTERNAL / corpus)}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = ReadAhead(MemorySource(path.read_bytes()))
        if name == NOT_A_TIFF:
            with pytest.raises(FormatError, match="not a TIFF"):
                asyncio.run(read_tiff(source))
            with pytest.raises(tifffile.TiffFileError, match="not a TIFF"):
                by_tifffile(path)
            return
        tiff = asyncio.run(read_tiff(source))
    ours = sorted((ifd.path, ifd.offset) for ifd in tiff.walk())
    if name in OTHER_DIRECTORIES:
        assert len(ours) == OTHER_DIRECTORIES[name][0]
        return
    assert ours == sorted(by_tifffile(path))


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_corpus_is_whole(corpus: str) -> None:
    script, least = CORPORA[corpus]
    if not files(corpus):
        pytest.skip(f"the {corpus} corpus is not there: run {script}")
    assert len(files(corpus)) >= least


def test_every_exception_has_a_reason() -> None:
    assert all(reason for _, reason in EXPECTED.values())
