"""Truncated files: refused by `publish` unless it is told otherwise, found by `info` and `verify`.

Which cuts leave a file whole is computed without the package: tifffile says where directories,
values and blocks end, and a file is whole if it has the last byte of all of them.
"""

from __future__ import annotations

import os
import random
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from rasterio.enums import Resampling

from support.build import image as tiff_of
from support.pixels import read, virtual, zarr_array
from support.scenes import group_of
from support.warned import of_tiff
from virtual_tiff import TiffWarning, VirtualTIFF, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, publish

CUTS = int(os.environ.get("VIRTUAL_TIFF_CUTS", "160"))
"""Cut files in one run of the suite. The whole of issue 13 was VIRTUAL_TIFF_CUTS=3000."""

_TESTDATA = Path(__file__).resolve().parents[2] / "testdata"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    icechunk.set_logs_filter("error")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --------------------------------------------------------------------------------- files


def _noise(*shape: int, dtype: str = "uint8") -> np.ndarray[Any, Any]:
    top = 2 ** (8 * np.dtype(dtype).itemsize) - 1 if np.dtype(dtype).kind == "u" else 1000
    return np.random.default_rng(7).integers(0, top, shape).astype(dtype)


def _gdal(path: Path, *, size: int = 160, bands: int = 1, dtype: str = "uint8", **options: Any):
    settings = {"driver": "GTiff", "height": size, "width": size, "count": bands, "dtype": dtype}
    overviews, mask = options.pop("overviews", False), options.pop("mask", False)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **settings | options) as file,
    ):
        file.write(_noise(bands, size, size, dtype=dtype))
        if mask:
            file.write_mask(_noise(size, size) > 100)
    if overviews:
        with rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4], Resampling.nearest)


def _tifffile(path: Path, *, pages: int = 1, subifds: int = 0, **options: Any) -> None:
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False)) as file:
        for _ in range(pages):
            file.write(_noise(120, 100), subifds=subifds, metadata=None, **options)
            for _ in range(subifds):
                file.write(_noise(60, 50), subfiletype=1, metadata=None, **options)


TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}
KINDS: dict[str, Callable[[Path], None]] = {
    "strips": lambda p: _gdal(p, blockysize=16),
    "strips of 16 bits": lambda p: _gdal(p, blockysize=16, dtype="uint16"),
    "one strip": lambda p: _gdal(p, blockysize=160),
    "one strip of deflate": lambda p: _gdal(p, blockysize=160, compress="deflate"),
    "one strip of PackBits": lambda p: _gdal(p, blockysize=160, compress="packbits"),
    "one strip of LZW": lambda p: _gdal(p, blockysize=160, compress="lzw"),
    "strips of deflate": lambda p: _gdal(p, blockysize=16, compress="deflate", predictor=2),
    "strips, the last short": lambda p: _gdal(p, blockysize=48, compress="zstd"),
    "tiles": lambda p: _gdal(p, **TILED),
    "tiles of LZW": lambda p: _gdal(p, **TILED, compress="lzw"),
    "tiles of Zstandard": lambda p: _gdal(p, **TILED, compress="zstd"),
    "tiles of LZMA": lambda p: _gdal(p, **TILED, compress="lzma"),
    "tiles of PackBits": lambda p: _gdal(p, **TILED, compress="packbits"),
    "tiles of JPEG": lambda p: _gdal(
        p, **TILED, bands=3, compress="jpeg", photometric="ycbcr", interleave="pixel"
    ),
    "tiles of WebP": lambda p: _gdal(p, **TILED, bands=3, compress="webp", interleave="pixel"),
    "tiles of LERC": lambda p: _gdal(p, **TILED, compress="lerc", dtype="float32"),
    "planar strips": lambda p: _gdal(p, bands=3, interleave="band", blockysize=16),
    "planar tiles": lambda p: _gdal(p, **TILED, bands=3, interleave="band", compress="deflate"),
    "BigTIFF": lambda p: _gdal(p, **TILED, compress="deflate", bigtiff="yes"),
    "big-endian": lambda p: _gdal(p, blockysize=16, dtype="uint16", endianness="big"),
    "sparse": lambda p: _gdal(p, **TILED, sparse_ok=True, compress="deflate"),
    "1 bit": lambda p: _gdal(p, blockysize=16, nbits=1, compress="ccittfax4"),
    "overviews": lambda p: _gdal(p, **TILED, compress="deflate", overviews=True),
    "mask": lambda p: _gdal(p, **TILED, compress="deflate", mask=True),
    "COG": lambda p: _gdal(p, driver="COG", size=600, blocksize=128, compress="deflate"),
    "COG with mask": lambda p: _gdal(p, driver="COG", size=300, blocksize=128, mask=True),
    "pages": lambda p: _tifffile(p, pages=4),
    "pages of deflate": lambda p: _tifffile(p, pages=3, compression="deflate", rowsperstrip=32),
    "BigTIFF pages": lambda p: _tifffile(p, pages=3, bigtiff=True),
    "SubIFDs": lambda p: _tifffile(p, subifds=2, tile=(32, 32), compression="deflate"),
}
"""Files of GDAL and tifffile, by what can be cut of them."""

EXTERNAL = ("external", "matrix", "special", "series")
"""Folders of the test data; which of their files are small and tifffile understands is found."""


# --------------------------------------------------------------------------------- truth


@dataclass(frozen=True)
class Part:
    """Bytes of a file that something needs."""

    ifd: int
    is_block: bool
    start: int
    end: int


def parts_of(data: bytes) -> list[Part]:
    """Every directory, value and block of a file, by tifffile."""
    with tifffile.TiffFile(BytesIO(data)) as file:
        pages = [*file.pages]
        for page in pages:
            pages += page.pages or ()
        return [
            part for i, page in enumerate(pages) for part in _parts_of_page(file, i, page, data)
        ]


def _parts_of_page(file: Any, i: int, page: Any, data: bytes) -> Iterator[Part]:
    tiff = file.tiff
    (count,) = struct.unpack_from(tiff.tagnoformat, data, page.offset)
    entries = page.offset + tiff.tagnosize + count * tiff.tagsize
    chained = page.index is not None and not isinstance(page.index, tuple)
    yield Part(i, False, page.offset, entries + (tiff.offsetsize if chained else 0))
    for tag in page.tags:
        if tag.valuebytecount > tiff.offsetsize:
            yield Part(i, False, tag.valueoffset, tag.valueoffset + tag.valuebytecount)
    tags = (324, 325) if 324 in page.tags else (273, 279)
    offsets, counts = (np.atleast_1d(page.tags[tag].value).tolist() for tag in tags)
    for number, (offset, nbytes) in enumerate(zip(offsets, counts, strict=True)):
        if nbytes:
            yield Part(i, True, offset, offset + min(nbytes, _strip_bytes(page, number, nbytes)))


def _strip_bytes(page: Any, number: int, otherwise: int) -> int:
    """The bytes that a strip without compression has; writers state more of the last one."""
    if page.compression != 1 or page.is_tiled or page.photometric == 6:
        return otherwise
    samples = 1 if page.planarconfig == 2 else page.samplesperpixel
    row_bytes = -(-page.imagewidth * samples * page.bitspersample // 8)
    strips = -(-page.imagelength // page.rowsperstrip)
    rows = min(page.rowsperstrip, page.imagelength - number % strips * page.rowsperstrip)
    return int(row_bytes * rows)


def needed(data: bytes) -> int:
    """The bytes that a file must have to be whole."""
    return max(part.end for part in parts_of(data))


_PADDING = 64
"""Bytes behind all that is needed; a file that lost some of them is whole."""


def cuts(data: bytes, number: int, random_: random.Random) -> list[int]:
    """Lengths to cut a file to: at and around the ends of its parts, and anywhere."""
    ends = sorted({part.end for part in parts_of(data)})
    near = [end - random_.choice((0, 1, 2, 7)) for end in random_.sample(ends, min(4, len(ends)))]
    whole = needed(data)
    found = {whole - 1, *near, *(random_.randrange(8, whole) for _ in range(2 * number))}
    truncated = sorted(size for size in found if 8 <= size < whole)
    chosen = random_.sample(truncated, k=min(number, len(truncated)))
    return [*chosen, random_.randrange(whole, whole + _PADDING)]


_NO_PARTS = {
    "bigtiff_header_extract.tif",  # no StripOffsets
    "classictiff_one_block_byte.tif",  # StripByteCounts is no number
    "corrupted_deflate_singlestrip.tif",  # no StripByteCounts
    "huge-implied-number-strips.tif",  # no StripByteCounts
    "huge-number-strips.tif",  # no StripOffsets
    "many_blocks_truncated.tif",  # no StripOffsets
    "minimum_tiff_tags_with_warning.tif",  # no StripByteCounts
    "missing_tilebytecounts_and_offsets.tif",
    "one_strip_nobytecount.tif",  # no StripByteCounts
    "ossfuzz_470691578.tif",  # tifffile: corrupted tag list
    "packbits-not-enough-data.tif",  # no StripByteCounts
    "stripbytecounts_count_not_same_as_stripoffsets_count.tif",
}
"""Files of GDAL whose tags do not say where their parts are."""


def _understood(path: Path) -> bool:
    """Whether tifffile says that a file of the test data is whole."""
    if path.name in _NO_PARTS:
        return False
    data = path.read_bytes()
    with tifffile.TiffFile(BytesIO(data)) as file:
        plain = all(page.compression != 6 for page in file.pages)
    return plain and needed(data) <= len(data)


def _samples(folder: Path) -> dict[str, bytes]:
    found = {}
    for number, (name, make) in enumerate(KINDS.items()):
        path = folder / f"kind{number}.tif"
        make(path)
        found[name] = path.read_bytes()
    return found


def _published(folder: Path, **options: Any) -> tuple[set[str], dict[str, str]]:
    """Publish all files of a folder; return the names that were, and the errors of the others."""
    try:
        published = publish(folder, "memory://", on_error="skip", concurrency=8, **options)
    except PublishError as error:
        return set(), dict(error.failures)
    failed = {Path(name).name: words for name, words in published.failures.items()}
    return {path.name for path in folder.iterdir()} - failed.keys(), failed


def _check_cuts(folder: Path, files: dict[str, bytes], number: int) -> tuple[int, int]:
    """Publish cut files; return how many were truncated, and how many cut and whole."""
    random_ = random.Random(13)
    folder.mkdir()
    truncated: set[str] = set()
    whole: set[str] = set()
    for i, data in enumerate(files.values()):
        end = needed(data)
        for size in cuts(data, number, random_):
            cut = f"{i:04}_{size}.tif"
            (folder / cut).write_bytes((data[:end] + bytes(_PADDING))[:size])
            (truncated if size < end else whole).add(cut)
    published, failed = _published(folder)
    wrong = {f"{name} ({list(files)[int(name[:4])]})" for name in published & truncated}
    assert not wrong
    assert not {name: failed[name] for name in whole & failed.keys()}
    return len(truncated), len(whole)


# --------------------------------------------------------------------------------- tests


@pytest.mark.long
def test_no_cut_file_of_any_kind_is_published_as_whole(tmp_path: Path) -> None:
    files = _samples(tmp_path)
    truncated, whole = _check_cuts(tmp_path / "cut", files, max(1, CUTS // len(files)))
    print(f"{truncated} truncated files refused, {whole} cut and whole")
    assert truncated >= CUTS // 2


@pytest.mark.skipif(CUTS < 1000, reason="cuts each file of the test data: VIRTUAL_TIFF_CUTS=3000")
def test_no_cut_file_of_the_test_data_is_published_as_whole(tmp_path: Path) -> None:
    paths = [p for folder in EXTERNAL for p in sorted((_TESTDATA / folder).rglob("*.tif"))]
    paths = [p for p in paths if p.stat().st_size < 300_000 and _understood(p)]
    originals = tmp_path / "originals"
    originals.mkdir()
    names = {f"{i:04}.tif": path for i, path in enumerate(paths)}
    for name, path in names.items():
        (originals / name).write_bytes(path.read_bytes())
    published, _ = _published(originals)
    files = {str(names[name]): names[name].read_bytes() for name in sorted(published)}
    truncated, whole = _check_cuts(tmp_path / "cut", files, max(1, CUTS // len(files)))
    print(f"{len(files)} files: {truncated} truncated refused, {whole} cut and whole")


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_published_as_it_was_written(kind: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path / "a.tif")
    published = publish(tmp_path / "a.tif", "memory://", check=True)
    assert (published.lost, published.truncated) == (0, {})


@pytest.fixture
def cut(tmp_path: Path) -> tuple[Path, int, int]:
    """A COG cut in the middle, and how many blocks of its first image are lost, of how many."""
    path = tmp_path / "cut.tif"
    KINDS["COG"](path)
    data = path.read_bytes()
    size = len(data) // 2
    path.write_bytes(data[:size])
    blocks = [part for part in parts_of(data) if part.is_block]
    first = [part for part in blocks if part.ifd == 0]
    lost = [part for part in blocks if part.end > size]
    assert {part.ifd for part in lost} == {0}
    return path, len(lost), len(first)


def test_the_error_says_how_many_blocks_of_which_directory_are_lost(
    cut: tuple[Path, int, int], tmp_path: Path
) -> None:
    path, lost, count = cut
    with pytest.raises(PublishError, match=rf"{lost} of {count} tiles of IFD 0 lie beyond its end"):
        publish(path, tmp_path / "cube")
    assert not (tmp_path / "cube").exists()


def test_each_directory_that_would_be_published_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    KINDS["overviews"](path)
    data = path.read_bytes()
    ifds = {part.ifd for part in parts_of(data) if part.is_block and part.end > 30_000}
    path.write_bytes(data[:30_000])
    with pytest.raises(PublishError) as caught:
        publish(path, "memory://")
    assert [f"of IFD {ifd}" in str(caught.value) for ifd in sorted(ifds)] == [True] * len(ifds)


def test_a_truncated_file_is_left_out(cut: tuple[Path, int, int], tmp_path: Path) -> None:
    KINDS["tiles"](tmp_path / "whole.tif")
    published = publish(tmp_path, "memory://", on_error="skip")
    assert published.files == 1
    assert list(published.failures) == [str(cut[0])]


def test_what_a_truncated_file_has_can_be_published(cut: tuple[Path, int, int]) -> None:
    path, lost, count = cut
    published = publish(path, "memory://", truncated="missing", check=True)
    assert published.lost == lost
    assert list(published.truncated) == [str(path)]
    array: Any = group_of(published)["cut/0"]
    image = _noise(1, 600, 600)[0]
    read = array[...]
    same = [
        (read[y : y + 128, x : x + 128] == image[y : y + 128, x : x + 128]).all()
        for y in range(0, 600, 128)
        for x in range(0, 600, 128)
    ]
    assert (same.count(True), len(same)) == (count - lost, count)
    assert published.references == sum(1 for p in parts_of_overviews(path)) + count - lost


def parts_of_overviews(path: Path) -> list[Part]:
    return [p for p in parts_of(path.read_bytes()) if p.is_block and p.ifd]


def test_references_to_lost_blocks_can_be_kept(cut: tuple[Path, int, int]) -> None:
    path, lost, _ = cut
    published = publish(path, "memory://", truncated="keep")
    assert published.lost == lost
    array: Any = group_of(published)["cut/0"]
    with pytest.raises(icechunk.IcechunkError, match="range"):
        array[...]


def test_lost_blocks_are_counted_again_from_the_cache(
    cut: tuple[Path, int, int], tmp_path: Path
) -> None:
    path, lost, _ = cut
    options = {"cache": tmp_path / "cache.sqlite", "truncated": "missing"}
    for _ in range(2):
        published = publish(path, "memory://", **options)
        assert (published.lost, list(published.truncated)) == (lost, [str(path)])
    with pytest.raises(PublishError, match="truncated"):  # another recipe
        publish(path, "memory://", cache=options["cache"])


def test_only_what_is_selected_counts(cut: tuple[Path, int, int]) -> None:
    path = cut[0]
    assert publish(path, "memory://", ifd=1).lost == 0
    with pytest.raises(PublishError, match="truncated"):
        publish(path, "memory://", overviews=False)


def test_only_the_bands_that_are_selected_count(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    KINDS["planar strips"](path)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert publish(path, "memory://", bands=[1, 2]).lost == 0
    with pytest.raises(PublishError, match="1 of 10 strips of IFD 0 lies"):
        publish(path, "memory://", bands=[3])


def test_an_image_that_is_not_exposed_may_lose_its_tags(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    KINDS["pages"](path)
    data = path.read_bytes()
    path.write_bytes(data[: max(part.end for part in parts_of(data) if part.ifd == 0)])
    with pytest.raises(PublishError, match="the file is truncated: IFD 1 lies beyond its end"):
        publish(path, "memory://")
    assert publish(path, "memory://", ifd=0).files == 1


@pytest.mark.parametrize("surplus", [1, 1000])
def test_a_strip_whose_count_is_too_large_is_whole_without_compression(
    surplus: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(_with_surplus(surplus))
    with rasterio.open(path) as file:
        image = file.read(1)
    published = publish(path, "memory://", check=True)
    found: Any = group_of(published)["a/0"]
    np.testing.assert_array_equal(found[...], image)


@pytest.mark.parametrize("count", [1, 60, 61, 119])
def test_a_count_that_is_too_small_for_the_pixels_is_read_on_as_gdal_does(
    count: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    pixels = _noise(1, 18, 30)[0].astype("u1")
    path.write_bytes(_stating(tiff_of(pixels, rows_per_strip=4), 2, count))
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), pixels)
    with pytest.warns(UserWarning, match="byte counts of 1 uncompressed strip are"):
        np.testing.assert_array_equal(read(path.read_bytes()), pixels)
    with pytest.warns(UserWarning, match="byte counts of 1 uncompressed strip are"):
        published = publish(path, "memory://", check=True)
    found: Any = group_of(published)["a/0"]
    np.testing.assert_array_equal(found[...], pixels)


@pytest.mark.parametrize("rows", [2, 3])
def test_an_uncompressed_strip_that_is_short_in_truth_is_refused_like_a_lost_one(
    rows: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    pixels = _noise(1, 18, 30)[0].astype("u1")
    blocks = iter(range(5))

    def encode(raw: bytes) -> bytes:
        return raw[: rows * 30] if next(blocks) == 2 else raw

    path.write_bytes(tiff_of(pixels, rows_per_strip=4, encode=encode))
    words = "byte counts are too small: 1 of 5 strips of IFD 0 has fewer bytes than the pixels"
    for truncated in ("refuse", "keep"):
        with pytest.raises(PublishError, match=words):
            publish(path, "memory://", truncated=truncated)
    published = publish(path, "memory://", truncated="missing")
    found: Any = group_of(published)["a/0"]
    expected = pixels.copy()
    expected[8:12] = 0
    np.testing.assert_array_equal(found[...], expected)
    with pytest.warns(UserWarning, match=words):
        array = zarr_array(virtual(path.read_bytes()))
    np.testing.assert_array_equal(array[:8], pixels[:8])
    np.testing.assert_array_equal(array[12:], pixels[12:])
    with pytest.raises(ValueError, match="block 0/c/2/0"):
        array[8:12]


def test_verify_calls_no_file_truncated_that_has_too_small_byte_counts_alone(
    tmp_path: Path,
) -> None:
    blocks = iter(range(5))

    def encode(raw: bytes) -> bytes:
        return raw[:60] if next(blocks) == 2 else raw

    data = tiff_of(_noise(1, 18, 30)[0].astype("u1"), rows_per_strip=4, encode=encode)
    (tmp_path / "a.tif").write_bytes(data)
    published = publish(tmp_path / "a.tif", tmp_path / "cube", truncated="missing")
    assert published.lost == 1
    assert verify(tmp_path / "cube").counts["unchanged"] == 1


def test_verify_says_of_a_source_what_was_published_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from virtual_tiff.publishing import verification

    KINDS["tiles"](tmp_path / "whole.tif")
    data = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[:-10])
    publish(tmp_path, tmp_path / "cube", truncated="missing")
    monkeypatch.setattr(verification, "VirtualTIFF", None)  # no directory is read
    statuses = {Path(s.url).name: s.status for s in verify(tmp_path / "cube").sources()}
    assert statuses == {"cut.tif": "truncated", "whole.tif": "unchanged"}


def _stating(data: bytes, strip: int, count: int) -> bytes:
    """Let a TIFF of five strips of 120 bytes, but for the last, state another count."""
    counts = [120, 120, 120, 120, 60]
    true = struct.pack("<5I", *counts)
    counts[strip] = count
    return data.replace(true, struct.pack("<5I", *counts))


def _with_surplus(surplus: int) -> bytes:
    """A file of five strips whose last ends with the file, and is said to be longer."""
    pixels = _noise(40, 30).tobytes()
    entries = {256: (3, [30]), 257: (3, [40]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1])}
    offset = 8 + 2 + 12 * 9 + 4
    blocks = offset + 2 * 4 * 5
    entries |= {
        273: (4, [blocks + 240 * i for i in range(5)]),
        277: (3, [1]),
        278: (3, [8]),
        279: (4, [240, 240, 240, 240, 240 + surplus]),
    }
    directory, values = b"", b""
    for tag, (kind, numbers) in entries.items():
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(packed) > 4:
            packed, values = struct.pack("<I", offset + len(values)), values + packed
        directory += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return head + directory + bytes(4) + values + pixels


def test_a_stack_of_imagej_that_has_lost_images(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, _noise(5, 30, 40), imagej=True)
    assert publish(path, "memory://", ifd_layout="stack").lost == 0
    data = path.read_bytes()
    end = int(tifffile.TiffFile(path).pages[0].dataoffsets[0]) + 3 * 30 * 40
    path.write_bytes(data[:end])
    with pytest.raises(PublishError, match="2 of ImageJ's 5 images after IFD 0"):
        publish(path, "memory://", ifd_layout="stack")


# ----------------------------------------------------------------------- the check before


def test_what_does_not_read_back_is_not_committed(
    cut: tuple[Path, int, int], tmp_path: Path
) -> None:
    with pytest.raises(PublishError, match="nothing was published: cut/0 cannot be read back"):
        publish(cut[0], tmp_path / "cube", truncated="keep", check=True)
    assert not (tmp_path / "cube").exists()


def test_an_append_that_does_not_read_back_leaves_the_branches(
    cut: tuple[Path, int, int], tmp_path: Path
) -> None:
    KINDS["tiles"](tmp_path / "whole.tif")
    before = publish(tmp_path / "whole.tif", tmp_path / "cube")
    options = {"append": True, "truncated": "keep", "check": True}
    for branch in ("main", "other"):
        with pytest.raises(PublishError, match="nothing was published"):
            publish(cut[0], tmp_path / "cube", branch=branch, **options)
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(tmp_path / "cube"))
    assert repository.list_branches() == {"main"}
    assert repository.lookup_branch("main") == before.snapshot


# ------------------------------------------------------------------- who else says it


def test_a_virtual_store_opens_with_a_warning(cut: tuple[Path, int, int]) -> None:
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore

    path, lost, count = cut
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    with pytest.warns(TiffWarning, match=f"{lost} of {count} tiles of IFD 0 lie beyond") as said:
        store = VirtualTIFF()(path.as_uri(), registry)
    assert len(of_tiff(said)) == 1
    array: Any = zarr.open_group(store, mode="r")["0"]
    np.testing.assert_array_equal(array[:128, :128], _noise(1, 600, 600)[0, :128, :128])


def test_info_marks_it(cut: tuple[Path, int, int], capsys: pytest.CaptureFixture[str]) -> None:
    import json

    path, lost, count = cut
    main(["info", str(path), "--json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert f"{lost} of {count} tiles of IFD 0" in found["truncated"]
    assert found["directories"][0]["lost_blocks"] == lost
    assert found["directories"][1]["lost_blocks"] == 0
    assert found["advice"][0]["code"] == "truncated"
    main(["info", str(path)])
    assert f"{lost} of {count} tiles" in " ".join(capsys.readouterr().out.split())


def test_verify_finds_it(cut: tuple[Path, int, int], tmp_path: Path) -> None:
    path, lost, count = cut
    publish(path, tmp_path / "cube", truncated="missing")
    found = verify(tmp_path / "cube")
    assert not found.ok
    assert found.counts["truncated"] == 1
    assert f"{lost} of {count} tiles of IFD 0" in str(found.differing[0].error)


def test_verify_finds_it_in_repositories_of_before(
    cut: tuple[Path, int, int], tmp_path: Path
) -> None:
    KINDS["tiles"](tmp_path / "whole.tif")
    published = publish(tmp_path, "memory://", truncated="keep")
    session = published.repository.writable_session("main")
    ledger = zarr.open_group(session.store, path="_virtual_tiff", mode="r+")
    del ledger["truncated"]
    session.commit("as it was written before")
    found = verify(published.repository)
    assert [source.status for source in found.sources()] == ["truncated", "unchanged"]


def test_verify_reads_no_directory_where_all_were_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from virtual_tiff.publishing import verification

    KINDS["tiles"](tmp_path / "whole.tif")
    publish(tmp_path / "whole.tif", tmp_path / "cube")
    monkeypatch.setattr(verification, "VirtualTIFF", None)
    assert verify(tmp_path / "cube").ok


def test_the_command_publishes_what_there_is(
    cut: tuple[Path, int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, lost, _ = cut
    command = ["publish", str(path), "--to", str(tmp_path / "cube"), "--no-cache"]
    assert main(command) != 0
    assert "--truncated missing" in capsys.readouterr().err
    assert main([*command, "--truncated", "missing"]) == 0
    assert f"truncated: 1 file, with {lost} blocks lost" in capsys.readouterr().err
