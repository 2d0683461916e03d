"""Portable stores: what zarr-python, zarrs and zarrita read alike, with no codec of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from numpy.typing import NDArray
from zarr.core.sync import sync

from support import node
from support.http import HttpServer
from support.scenes import dated, group_of, pixels, read, scene
from virtual_tiff import VirtualTIFF, verify
from virtual_tiff.cli import main as cli
from virtual_tiff.publishing import Published, PublishError, publish
from virtual_tiff.publishing.reading.copied_blocks import _inflated
from virtual_tiff.publishing.reading.portable import Portability

CODECS = {"bytes", "zstd", "numcodecs.zlib"}
STRIPS: dict[str, Any] = {"shape": (20, 13), "tiled": False, "blockysize": 7}
"""Two strips of seven rows, and one of six."""


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def stored(path: Path) -> NDArray[Any]:
    """What GDAL reads, the samples of a pixel where the file has them."""
    found = pixels(path)
    with tifffile.TiffFile(path) as file:
        together = file.pages.first.planarconfig == 1
    return np.moveaxis(found, 0, -1) if found.ndim == 3 and together else found


# ------------------------------------------------------------------- one store, all readers


@dataclass(frozen=True, kw_only=True)
class Archive:
    files: Mapping[str, Path]
    """By group."""
    published: Published
    cube: Path
    plain: Path
    """The same as files of a plain Zarr store."""


def write_archive(folder: Path) -> Iterator[Path]:
    kinds = product(("none", "deflate", "zstd"), ("LITTLE", "BIG"), ("uint8", "uint16", "float32"))
    for seed, (compress, endian, dtype) in enumerate(kinds):
        if compress == "none":
            yield from write_uncompressed(folder, seed, endian, dtype)
            continue
        options = {"compress": compress, "ENDIANNESS": endian, "dtype": dtype}
        name = f"{compress}_{endian}_{dtype}"
        yield scene(folder / f"{name}_one.tif", seed, **STRIPS | options)
        for interleave in ("pixel", "band"):
            three = options | {"shape": (3, 20, 13), "interleave": interleave}
            yield scene(folder / f"{name}_{interleave}.tif", seed, **STRIPS | three)
    for compress, interleave in product(("none", "deflate", "zstd"), ("pixel", "band")):
        three = {"shape": (3, 40, 50), "compress": compress, "interleave": interleave}
        yield scene(folder / f"tiled_{compress}_{interleave}.tif", block=16, **three)


def write_uncompressed(folder: Path, seed: int, endian: str, dtype: str) -> Iterator[Path]:
    random = np.random.default_rng(seed)
    for name, shape, planar in (
        ("one", (20, 13), None),
        ("pixel", (20, 13, 3), "contig"),
        ("band", (3, 20, 13), "separate"),
    ):
        data = random.integers(1, 200, shape).astype(dtype)
        path = folder / f"none_{endian}_{dtype}_{name}.tif"
        yield strips(path, data, planarconfig=planar, byteorder="<" if endian == "LITTLE" else ">")


def strips(path: Path, data: NDArray[Any], **options: Any) -> Path:
    """Write strips of seven rows; behind the last one the file ends."""
    settings = {"rowsperstrip": 7, "photometric": "minisblack", "metadata": None} | options
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, data, **settings)
    return path


ONE = np.random.default_rng(5).integers(0, 255, (20, 13), dtype="u1")
PLANES = np.random.default_rng(6).integers(0, 255, (3, 20, 13), dtype="u1")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("portable")
    files = {path.stem: path for path in write_archive(folder / "files")}
    published = publish(files.values(), folder / "cube", portable=True, merge_strips=False)
    store = published.repository.readonly_session("main").store
    plain = node.export_zarr(store, folder / "plain")
    return Archive(files=files, published=published, cube=folder / "cube", plain=plain)


def in_fresh_process(code: str, archive: Archive, into: Path) -> dict[str, NDArray[Any]]:
    """Run what makes a `group` where neither we nor imagecodecs can be imported; read its `0`."""
    block = "import sys; sys.modules |= dict.fromkeys(('virtual_tiff', 'imagecodecs'))"
    save = f"""
found = {{name: group[name + '/0'][...] for name in {list(archive.files)}}}
numpy.savez({str(into)!r}, **found)
"""
    whole = f"{block}\nimport numpy, zarr\n{code}\n{save}"
    done = subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(into) as found:
        return dict(found)


def by_zarr(archive: Archive, folder: Path) -> Mapping[str, NDArray[Any]]:
    code = f"""
import icechunk
storage = icechunk.local_filesystem_storage({str(archive.cube)!r})
access = dict.fromkeys({archive.published.containers}, icechunk.credentials.LocalFileSystemAccess)
repo = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
group = zarr.open_group(repo.readonly_session("main").store, mode="r")
"""
    return in_fresh_process(code, archive, folder / "found.npz")


def by_zarrs(archive: Archive, folder: Path) -> Mapping[str, NDArray[Any]]:
    # strict: without zarr-python's codecs for those that zarrs lacks
    code = f"""
import zarrs
zarr.config.set(
    {{"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}}
)
group = zarr.open_group({str(archive.plain)!r}, mode="r")
pipeline = group[{next(iter(archive.files))!r} + "/0"]._async_array.codec_pipeline
assert isinstance(pipeline, zarrs.ZarrsCodecPipeline), pipeline
"""
    return in_fresh_process(code, archive, folder / "found.npz")


def by_zarrita(archive: Archive, folder: Path) -> Mapping[str, NDArray[Any]]:
    found = node.read_many(archive.plain, [(f"{name}/0", None) for name in archive.files])
    errors = [str(one) for one in found if isinstance(one, node.ZarritaError)]
    assert not errors
    return dict(zip(archive.files, found, strict=True))  # type: ignore[arg-type]


@pytest.mark.long
@pytest.mark.parametrize("reader", [by_zarr, by_zarrs, by_zarrita])
def test_every_reader_has_the_pixels_of_gdal(
    reader: Callable[[Archive, Path], Mapping[str, NDArray[Any]]],
    archive: Archive,
    tmp_path: Path,
) -> None:
    found = reader(archive, tmp_path)
    assert len(archive.files) == 60
    for name, path in archive.files.items():
        np.testing.assert_array_equal(found[name], stored(path), err_msg=name)


@pytest.mark.long
def test_only_codecs_that_all_have(archive: Archive) -> None:
    assert archive.published.readers_need == ()
    assert archive.published.portable
    for name in archive.files:
        metadata = json.loads((archive.plain / name / "0" / "zarr.json").read_text())
        assert {codec["name"] for codec in metadata["codecs"]} <= CODECS
        assert all(codec["configuration"] for codec in metadata["codecs"])


def test_attributes_and_coordinates_stay(archive: Archive) -> None:
    plain = publish(archive.files["deflate_BIG_uint16_one"], "memory://")
    for name, array in group_of(plain)["deflate_BIG_uint16_one"].arrays():  # type: ignore[union-attr]
        same: Any = group_of(archive.published)[f"deflate_BIG_uint16_one/{name}"]
        assert dict(same.attrs) == dict(array.attrs)
        assert same.metadata.dimension_names == array.metadata.dimension_names


def short_strips(path: Path) -> tuple[int, int, int]:
    """By tifffile: how many planes there are, how many end too late in the file to go on."""
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        planes = page.samplesperpixel if page.planarconfig == 2 else 1
        size = 7 * 13 * page.dtype.itemsize * page.samplesperpixel // planes
        lasts = [page.dataoffsets[3 * plane + 2] for plane in range(planes)]
    return planes, sum(at + size > path.stat().st_size for at in lasts), size


def test_what_was_copied_is_told(archive: Archive) -> None:
    """Of compressed files each short strip, of others those behind which the file ends."""
    store = archive.published.repository.readonly_session("main").store
    arrays = {array.path: array for array in archive.published.arrays}
    for name, path in archive.files.items():
        array = arrays[f"{name}/0"]
        if name.startswith("tiled"):
            assert (array.inlined, array.inlined_bytes) == (0, 0)
            continue
        planes, at_end, size = short_strips(path)
        assert array.inlined == (at_end if name.startswith("none") else planes), name
        assert array.references == 3 * planes - array.inlined
        if name.startswith("none"):
            assert array.inlined_bytes == at_end * size
    own = sum(chunk.inlined for chunk in arrays.values())
    assert archive.published.inlined == own > 50
    nbytes = sum(array.inlined_bytes for array in arrays.values())
    assert archive.published.inlined_bytes == nbytes > 0
    keys = [f"{name}/0/c/2/0" for name in archive.files if name.endswith("_one")]
    for key in keys:
        size = sync(store.getsize(key))
        array = arrays[key.removesuffix("/c/2/0")]
        assert not array.inlined or size == array.inlined_bytes


@pytest.mark.long
def test_texts_are_read(tmp_path: Path) -> None:
    """An array of texts, as band names and the coordinates of attributes are."""
    path = scene(tmp_path / "a.tif", shape=(20, 13))
    twin = scene(tmp_path / "b.tif", shape=(20, 13))
    published = publish([path, twin], "memory://", concat="n", values=r"/(\w)\.tif", portable=True)
    plain = node.export_zarr(
        published.repository.readonly_session("main").store, tmp_path / "plain"
    )
    pipeline = "zarrs.ZarrsCodecPipeline"
    with zarr.config.set({"codec_pipeline.path": pipeline}):
        found: Any = zarr.open_group(plain, mode="r")["n"]
        assert found[...].tolist() == ["a", "b"]
    home = node.installed() / "node_modules"
    code = f"""
const zarr = await import({str(home / "zarrita/dist/src/index.js")!r});
const {{ default: Files }} = await import({str(home / "@zarrita/storage/dist/src/fs.js")!r});
const array = await zarr.open.v3(zarr.root(new Files({str(plain)!r})).resolve("/n"));
console.log(JSON.stringify((await zarr.get(array)).data));
"""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout or "null") == ["a", "b"], done.stderr


# ------------------------------------------------------------------------ how it is done


def test_a_reference_goes_on_where_the_file_does(tmp_path: Path) -> None:
    """What lies behind the last strip is no pixel, so any bytes will do, as long as some are."""
    path = strips(tmp_path / "a.tif", ONE)
    at_end = publish(path, "memory://", portable=True, merge_strips=False)
    assert (at_end.references, at_end.inlined, at_end.inlined_bytes) == (2, 1, 7 * 13)
    np.testing.assert_array_equal(read(at_end, "a/0"), pixels(path))
    with path.open("ab") as file:
        file.write(b"\xff" * 13)  # one row more
    longer = publish(path, "memory://", portable=True, merge_strips=False)
    assert (longer.references, longer.inlined) == (3, 0)
    np.testing.assert_array_equal(read(longer, "a/0"), pixels(path))


@pytest.mark.long
def test_a_run_of_strips_is_cut_so_that_little_is_copied(tmp_path: Path) -> None:
    """8.6 MB with a prime number of rows: no chunk size leaves no rest."""
    data = np.random.default_rng(1).integers(0, 255, (4099, 2100), dtype="u1")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, rowsperstrip=16)
    published = publish(path, "memory://", portable=True, ifd=0)
    (array,) = published.arrays
    assert array.inlined <= 1
    assert array.inlined_bytes <= 2**20
    assert array.references < 20
    np.testing.assert_array_equal(read(published, "a/0"), data)


def test_rows_that_are_a_whole_number_of_small_chunks_leave_nothing_to_copy(tmp_path: Path) -> None:
    """A mebibyte is 32 rows of these: 96 rows are three chunks, though not of 64 rows."""
    data = np.random.default_rng(1).integers(0, 255, (96, 2**15), dtype="u1")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, rowsperstrip=64)
    published = publish(path, "memory://", portable=True, ifd=0, merge_strips=False)
    (array,) = published.arrays
    assert (array.inlined, array.references) == (0, 3)
    np.testing.assert_array_equal(read(published, "a/0"), data)


@pytest.mark.parametrize(
    ("pixels", "words"), [(b"a" * 200, "holds more than a block"), (b"ab" * 50, "ends early")]
)
def test_a_stream_of_another_length_than_its_block_says_which(pixels: bytes, words: str) -> None:
    stored = zlib.compress(pixels)
    assert _inflated(memoryview(stored), len(pixels)) == pixels
    cut = stored if "more" in words else stored[:-5]
    with pytest.raises(ValueError, match=words):
        _inflated(memoryview(cut), 100)


def test_last_strips_that_writers_have_filled_up(tmp_path: Path) -> None:
    """Their references can stay: TIFF 6.0 allows no such strips, but there are some."""
    path = strips(tmp_path / "a.tif", ONE, rowsperstrip=20, compression="zlib")
    blocks = [zlib.compress(ONE[at : at + 7].tobytes().ljust(91, b"\x07")) for at in (0, 7, 14)]
    raw = bytearray(path.read_bytes())
    offsets = []
    for block in blocks:
        offsets.append(len(raw))
        raw += block
    path.write_bytes(raw)
    counts = [len(block) for block in blocks]
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages.first.tags
        tags["RowsPerStrip"].overwrite(7)
        tags["StripOffsets"].overwrite(offsets)
        tags["StripByteCounts"].overwrite(counts)
    published = publish(path, "memory://", portable=True)
    assert (published.references, published.inlined) == (3, 0)
    np.testing.assert_array_equal(read(published, "a/0"), ONE)


def test_requests(http_server: HttpServer, tmp_path: Path) -> None:
    """One more for the last strip; none where nothing is to be copied."""
    path = strips(tmp_path / "a.tif", ONE, compression="zlib")
    short = http_server.put("short.tif", path.read_bytes())
    tiled = http_server.put("tiled.tif", scene(tmp_path / "b.tif").read_bytes())
    assert publish(tiled, "memory://", portable=True).inlined == 0
    assert [request.method for request in http_server.requests] == ["GET"]
    assert publish(short, "memory://", portable=True).inlined == 1
    ranges = [request for request in http_server.requests if request.path == "short.tif"]
    assert [request.method for request in ranges] == ["GET", "GET"]
    with tifffile.TiffFile(path) as file:
        assert ranges[1].size == file.pages.first.databytecounts[-1]


def test_missing_strips_stay_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    settings = {"driver": "GTiff", "height": 20, "width": 13, "count": 1, "dtype": "uint8"}
    sparse = {"blockysize": 7, "compress": "deflate", "SPARSE_OK": True, "nodata": 9}
    with rasterio.open(path, "w", **settings, **sparse) as dataset:
        dataset.write(np.ones((1, 7, 13), "u1"), window=((0, 7), (0, 13)))
    published = publish(path, "memory://", portable=True)
    assert (published.references, published.inlined) == (1, 0)
    np.testing.assert_array_equal(read(published, "a/0"), pixels(path))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_stacks(compression: str | None, tmp_path: Path) -> None:
    """A copied block goes to its file's place along the new dimension."""
    data = np.stack([np.moveaxis(PLANES, 0, -1) + np.uint8(i) for i in range(3)])
    paths = [
        strips(tmp_path / f"{i}.tif", one, planarconfig="contig", compression=compression)
        for i, one in enumerate(data)
    ]
    published = publish(
        paths, "memory://", concat="n", portable=True, merge_strips=False, check=True
    )
    (array,) = published.arrays
    assert (array.shape, array.inlined, array.references) == ((3, 20, 13, 3), 3, 6)
    np.testing.assert_array_equal(read(published), np.stack([stored(path) for path in paths]))


def test_pages_of_a_stack(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 9999, (4, 20, 13), dtype="u2")
    path = tmp_path / "a.tif"
    strips(path, data, compression="zlib")
    published = publish(path, "memory://", ifd_layout="stack", portable=True)
    (array,) = published.arrays
    assert (array.inlined, array.references) == (4, 8)
    np.testing.assert_array_equal(read(published, array.path), data)


def test_tiles_of_one_image(tmp_path: Path) -> None:
    """The short strip of the southern tile is the whole's last one."""
    north = scene(tmp_path / "n.tif", 1, **STRIPS | {"shape": (14, 13)})
    south = scene(tmp_path / "s.tif", 2, **STRIPS, at=(500_000, 4_650_000 - 140))
    published = publish([north, south], "memory://", concat="y", portable=True)
    assert published.inlined == 1
    np.testing.assert_array_equal(read(published), np.vstack([pixels(north), pixels(south)]))


def test_cache_and_workers_keep_the_copies(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif", **STRIPS)
    cache = tmp_path / "cache.sqlite"
    plain = publish(path, "memory://", cache=cache)
    assert (plain.inlined, plain.readers_need) == (0, ("virtual-tiff",))
    first = publish(path, "memory://", cache=cache, portable=True)
    again = publish(path, "memory://", cache=cache, portable=True)
    with ThreadPoolExecutor(1) as executor:
        sent = publish(path, "memory://", portable=True, parallel=executor)
    for published in (first, again, sent):
        assert (published.inlined, published.arrays) == (1, first.arrays)
        np.testing.assert_array_equal(read(published, "a/0"), pixels(path))


# ----------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compress": "lzw"}, ["Compression LZW (codec imagecodecs_lzw)", "tag Compression"]),
        (
            {"compress": "jpeg", "dtype": "uint8"},
            ["Compression JPEG (codec imagecodecs_jpeg)", "tag Compression"],
        ),
        ({"compress": "packbits"}, ["Compression PackBits", "tag Compression"]),
        (
            {"compress": "lzma"},
            ["zarrs and zarrita cannot read", "Compression LZMA", "tag Compression"],
        ),
        ({"predictor": 2}, ["Predictor 2 (codec imagecodecs_delta)", "tag Predictor"]),
        (
            {"compress": "lzw", "predictor": 3, "dtype": "float32"},
            ["Predictor 3 (codec imagecodecs_floatpred) and Compression LZW", "tag Predictor"],
        ),
        ({"dtype": "uint8", "nbits": 1}, ["not whole bytes", "tag BitsPerSample"]),
        ({"dtype": "complex64"}, ["zarrita cannot read", "complex64", "tag SampleFormat"]),
        ({"dtype": "float32", "nbits": 16}, ["zarrita cannot read", "float16", "tag SampleFormat"]),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_what_would_be_copied_whole_is_refused(
    options: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    """Named are the file, the tag and the codec, and what to do."""
    path = scene(tmp_path / "bad.tif", **options)
    with pytest.raises(PublishError) as caught:
        publish(path, tmp_path / "cube", portable=True)
    said = str(caught.value)
    for word in [*words, "bad.tif", "Publish without portable", "gdal_translate"]:
        assert word in said
    assert not (tmp_path / "cube").exists()


def test_others_can_be_published(tmp_path: Path) -> None:
    good = scene(tmp_path / "good.tif", **STRIPS)
    bad = scene(tmp_path / "bad.tif", compress="lzw")
    published = publish([good, bad], "memory://", portable=True, on_error="skip")
    assert [array.path for array in published.arrays] == ["good/0"]
    assert list(published.failures) == [str(bad)]


@pytest.mark.parametrize(
    ("compress", "words"), [("deflate", "cannot be decoded"), ("zstd", "cannot be decoded")]
)
def test_a_damaged_strip_is_its_files_error(compress: str, words: str, tmp_path: Path) -> None:
    good = scene(tmp_path / "good.tif", **STRIPS, compress=compress)
    bad = Path(shutil.copy(good, tmp_path / "bad.tif"))
    with tifffile.TiffFile(bad) as file:
        at = file.pages.first.dataoffsets[-1]
    data = bytearray(bad.read_bytes())
    data[at : at + 8] = b"\xff" * 8
    bad.write_bytes(data)
    published = publish([good, bad], "memory://", portable=True, on_error="skip")
    assert published.files == 1
    assert words in published.failures[str(bad)]
    assert f"offset {at}" in published.failures[str(bad)]


def test_a_strip_of_other_length_is_its_files_error(tmp_path: Path) -> None:
    path = strips(tmp_path / "a.tif", np.ones((21, 13), "u1"), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages.first.tags["ImageLength"].overwrite(20)
        file.pages.first.tags["RowsPerStrip"].overwrite(8)
    with pytest.raises(PublishError, match=r"91 bytes of pixels; the tags promise 52, or 104"):
        publish(path, "memory://", portable=True)


def test_a_file_that_ends_within_the_strip(tmp_path: Path) -> None:
    path = strips(tmp_path / "a.tif", ONE, compression="zlib")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(PublishError, match=r"1 of 3 strips of IFD 0 lies beyond its end"):
        publish(path, "memory://", portable=True)


def test_a_file_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of one file beside references to another would be neither."""
    path = scene(tmp_path / "a.tif", **STRIPS)
    parse = VirtualTIFF.parse_nodes

    async def then_changed(*args: Any, **kwargs: Any) -> Any:
        found = await parse(*args, **kwargs)
        path.write_bytes(path.read_bytes() + b"more")
        return found

    monkeypatch.setattr(VirtualTIFF, "parse_nodes", then_changed)
    with pytest.raises(PublishError, match=r"a\.tif: changed while it was read"):
        publish(path, "memory://", portable=True)


# -------------------------------------------------------------------------------- bound


@pytest.mark.parametrize(
    ("nbytes", "most"),
    [(100, 2**20), (20 * 2**20, 2**20), (40 * 2**20, 2**21), (10**9, 5 * 10**7)],
)
def test_bound_is_a_mebibyte_or_five_percent(nbytes: int, most: int) -> None:
    assert Portability().most(nbytes) == most
    assert Portability(inline_limit=7).most(nbytes) == 7


def test_more_than_the_bound_is_refused(tmp_path: Path) -> None:
    """Two strips, the second a little shorter: to copy it is to copy half the file."""
    data = np.random.default_rng(1).integers(0, 255, (1900, 1300), dtype="u1")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, rowsperstrip=1000, compression="zlib")
    refused = r"image takes 1,16\d,\d{3} bytes; the limit is 1,048,576\. Raise inline_limit"
    with pytest.raises(PublishError, match=refused):
        publish(path, "memory://", portable=True)
    published = publish(path, "memory://", portable=True, inline_limit=2**21)
    assert 2**20 < published.inlined_bytes <= 2**21
    np.testing.assert_array_equal(read(published, "a/0"), data)


def test_bound_of_nothing(tmp_path: Path) -> None:
    whole = scene(tmp_path / "whole.tif", **STRIPS | {"shape": (21, 13)})
    short = scene(tmp_path / "short.tif", **STRIPS)
    assert publish(whole, "memory://", portable=True, inline_limit=0).inlined == 0
    with pytest.raises(PublishError, match="the limit is 0"):
        publish(short, "memory://", portable=True, inline_limit=0)


def test_bound_of_memory(tmp_path: Path) -> None:
    """A few bytes can state a strip of gigabytes, whose end would be filled up."""
    path = strips(tmp_path / "a.tif", PLANES, compression="zlib", planarconfig="separate")
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages.first.tags
        tags["ImageWidth"].overwrite(2**16)
        tags["ImageLength"].overwrite(20000)
        tags["RowsPerStrip"].overwrite(8000)
    with pytest.raises(PublishError, match="take 1,572,864,000 bytes when they are decoded"):
        publish(path, "memory://", portable=True)


# ------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"portable": "yes"}, "portable must be one of"),
        ({"portable": True, "samples": "first"}, "portable needs samples=.stored."),
        ({"portable": True, "inline_limit": -1}, "inline_limit must be None or a number"),
        ({"inline_limit": 7}, "inline_limit needs portable=True"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        publish(scene(tmp_path / "a.tif"), "memory://", **options)


@pytest.mark.long
def test_what_is_appended_is_portable_too(tmp_path: Path) -> None:
    days = [
        dated(tmp_path / f"{i}.tif", f"2023-01-0{i}", seed=i, **STRIPS | {"shape": (3, 20, 13)})
        for i in (1, 2, 3)
    ]
    cube = tmp_path / "cube"
    options: dict[str, Any] = {"concat": "time", "time": "tag", "append": True}
    publish(days[:1], cube, **options, portable=True)
    unsaid = publish(days[:2], cube, **options)
    assert (unsaid.portable, unsaid.inlined, unsaid.unchanged) == (True, 1, 1)
    said = publish(days, cube, **options, portable=True)
    assert (said.portable, said.inlined) == (True, 1)
    np.testing.assert_array_equal(read(said), np.stack([stored(path) for path in days]))
    lzw = dated(tmp_path / "4.tif", "2023-01-04", **STRIPS | {"compress": "lzw"})
    with pytest.raises(PublishError, match="Compression LZW"):
        publish(lzw, cube, **options)
    for wrong in ({"portable": False}, {"samples": "first"}):
        with pytest.raises(ValueError, match="portable"):
            publish(lzw, cube, **options, **wrong)


# --------------------------------------------------------------------------- for readers


def five_files(folder: Path) -> dict[str, Path]:
    kinds: dict[str, dict[str, Any]] = {
        "none": {"compress": "none"},
        "deflate": {"compress": "deflate"},
        "zstd": {"compress": "zstd", "ENDIANNESS": "BIG", "dtype": "uint16"},
        "lzw": {"compress": "lzw"},
        "half": {"dtype": "float16", "compress": "zstd"},
    }
    return {
        name: scene(folder / f"{name}.tif", shape=(32, 16), block=16, **options)
        for name, options in kinds.items()
    }


READ_BY = {
    "zarr-python,zarrs,zarrita": ["none", "deflate", "zstd"],
    "zarrs, Zarr-Python": ["none", "deflate", "zstd", "half"],
    "tensorstore": ["none", "zstd", "half"],
    "gdal,tensorstore": ["none", "zstd", "half"],
    "zarr-python + imagecodecs-zarr": ["none", "deflate", "zstd", "lzw", "half"],
}


@pytest.mark.long
@pytest.mark.parametrize("names", READ_BY)
def test_files_that_one_of_the_readers_cannot_read_are_refused(tmp_path: Path, names: str) -> None:
    files = five_files(tmp_path)
    published = publish(files.values(), "memory://", portable=names, on_error="skip")
    taken = {array.path.split("/")[0] for array in published.arrays}
    assert sorted(taken) == sorted(READ_BY[names])
    assert len(published.failures) == len(files) - len(taken)
    assert all("portable" in str(error) for error in published.failures.values())
    plain = node.export_zarr(
        published.repository.readonly_session("main").store, tmp_path / "plain"
    )
    asked = [{"array": f"{name}/0", "selection": [None, None]} for name in taken]
    for reader in published.portable_readers:
        if reader == "zarrita":
            continue  # see above
        request = {"store": str(plain), "into": str(tmp_path), "reads": asked}
        done = subprocess.run(
            [sys.executable, str(READERS), reader.removeprefix("zarr-python ")],
            input=json.dumps(request), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout) == [None] * len(taken), reader
        for number, name in enumerate(taken):
            found = np.load(tmp_path / f"{number}.npy")
            np.testing.assert_array_equal(found, stored(files[name]), err_msg=f"{reader} {name}")


READERS = Path(__file__).parents[3] / "scripts" / "_zarr_readers.py"


def test_a_short_strip_that_cannot_be_filled_up_is_refused(tmp_path: Path) -> None:
    path = scene(tmp_path / "a.tif", **STRIPS | {"compress": "lzw"})
    with pytest.raises(PublishError, match=r"fewer rows.*Compression LZW"):
        publish(path, "memory://", portable="zarr-python + imagecodecs-zarr")


def test_an_append_is_for_the_readers_of_the_repository(tmp_path: Path) -> None:
    files, cube = five_files(tmp_path), tmp_path / "cube"
    publish(files["none"], cube, portable=["GDAL", "tensorstore"])
    more = publish(files["zstd"], cube, append=True)
    assert more.portable_readers == ("tensorstore", "GDAL")
    with pytest.raises(PublishError, match="tensorstore and GDAL cannot read"):
        publish(files["deflate"], cube, append=True)
    with pytest.raises(ValueError, match=r"portable=\('tensorstore', 'GDAL'\), not True"):
        publish(files["deflate"], cube, append=True, portable=True)


def test_readers_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = five_files(tmp_path)
    name, cube = str(files["half"]), str(tmp_path / "cube")
    assert cli.main(["publish", "--portable", "zarrs,tensorstore", name, "--to", cube]) == 0
    assert "portable: zarrs and tensorstore read it" in capsys.readouterr().err
    for arguments in (["--portable", name], [name, "--portable"]):
        assert cli.main(["publish", *arguments, "--to", str(tmp_path / "other")]) == 1
        assert "zarrita cannot read float16" in capsys.readouterr().err
    assert cli.main(["publish", name, "--portable=zarsr", "--to", cube]) == 2
    assert "names of readers" in capsys.readouterr().err


def test_other_repositories_do_not_become_portable(tmp_path: Path) -> None:
    one, two = scene(tmp_path / "a.tif"), scene(tmp_path / "b.tif")
    first = publish(one, tmp_path / "cube")
    assert not first.portable
    with pytest.raises(ValueError, match="published with portable=False, not True"):
        publish(two, tmp_path / "cube", append=True, portable=True)
    assert not publish(two, tmp_path / "cube", append=True).portable


@pytest.mark.long
def test_changed_files_are_replaced(tmp_path: Path) -> None:
    """The short strip is a copy before, a reference after, and a copy again."""
    path, cube = tmp_path / "a.tif", tmp_path / "cube"
    for seed, more in ((1, b""), (2, bytes(100)), (3, b"")):
        strips(path, ONE + np.uint8(seed))
        path.write_bytes(path.read_bytes() + more)
        stamp = 1_600_000_000 + seed
        os.utime(path, (stamp, stamp))
        published = publish(
            path, cube, append=True, replace_changed=True, merge_strips=False, portable=True
        )
        assert published.inlined == (not more)
        np.testing.assert_array_equal(read(published, "a/0"), pixels(path))
    assert verify(str(cube)).ok
    strips(path, ONE)
    assert not verify(str(cube)).ok


# -------------------------------------------------------------------------- command line


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = scene(tmp_path / "a.tif", **STRIPS)
    command = ["publish", str(path), "--to", str(tmp_path / "cube"), "--no-cache", "--portable"]
    assert cli.main(command) == 0
    said = capsys.readouterr().err
    assert "portable: zarr-python, zarrs and zarrita read it; 1 block copied (" in said
    assert "a/0  uint16 (y: 20, x: 13), 1 block copied (" in said
    assert "readers need" not in said
    shutil.rmtree(tmp_path / "cube")
    assert cli.main([*command, "--inline-limit", "0"]) == 1
    assert "--inline-limit" in capsys.readouterr().err


def test_command_line_says_so_where_nothing_was_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scene(tmp_path / "a.tif")
    to = ["--to", str(tmp_path / "cube"), "--no-cache", "--portable"]
    assert cli.main(["publish", str(path), *to]) == 0
    assert "zarrita read it; no block was copied" in capsys.readouterr().err
