"""The table of Zarr implementations, held to what the implementations do.

For each chain of codecs that the files of the repository give, an array of one file is written
out, its chunks being the file's own blocks, and read with every implementation.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import zarr

from support.node import ZarritaError, read_with_zarrita
from virtual_tiff.arrays.image import Options, image_array
from virtual_tiff.codec_table.readers import IMPLEMENTATIONS, codec_names, readers
from virtual_tiff.codec_table.rows import descriptions
from virtual_tiff.tiff import MemorySource, read_tiff

TESTDATA = Path(__file__).parents[2] / "testdata"
NAMES = [known.name for known in IMPLEMENTATIONS]

_COMMON = {"bytes", "transpose", "zstd", "numcodecs.zlib"}

type Stores = dict[Path, Path]
"""Folders of arrays, and the TIFFs that they are of."""


def exported(path: Path, folder: Path) -> dict[str, Any]:
    """Write the first image of a file as a Zarr array; return its metadata."""
    data = path.read_bytes()
    tiff = asyncio.run(read_tiff(MemorySource(data)))
    array = image_array(tiff.ifds[0], None, file_size=len(data), options=Options())
    metadata = array.metadata | {"attributes": {}}
    folder.mkdir()
    (folder / "zarr.json").write_text(json.dumps(metadata))
    for index in zip(*np.nonzero(array.chunks.byte_counts), strict=True):
        key = index[-len(metadata["shape"]) :]
        chunk = folder.joinpath("c", *map(str, key))
        chunk.parent.mkdir(parents=True, exist_ok=True)
        start, count = (int(a[index]) for a in (array.chunks.offsets, array.chunks.byte_counts))
        chunk.write_bytes(data[start : start + count])
    return metadata


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """An array for each chain of codecs, and for each data type that somebody lacks.

    Of chains with two codecs that are rare none: they say nothing that others do not.
    """
    folder = tmp_path_factory.mktemp("arrays")
    special = {dtype for known in IMPLEMENTATIONS for dtype in known.lacks}
    found: dict[tuple[tuple[str, ...], str | None], tuple[Path, Path]] = {}
    # several bytes a sample first: only there an order of bytes, or of samples, shows
    files = sorted(TESTDATA.glob("[ms]*/*.tif"), key=lambda p: ("uint16" not in p.name, p.name))
    for path in files:
        target = folder / path.stem
        metadata = exported(path, target)
        dtype = metadata["data_type"]
        chain = tuple(codec_names(metadata["codecs"]))
        if len(set(chain) - _COMMON) < 2:
            found.setdefault((chain, dtype if dtype in special else None), (target, path))
    chains, dtypes = zip(*found, strict=True)
    assert special <= set(dtypes)
    named = {each.name for each in descriptions() if IMPLEMENTATIONS[0].has(each.name)}
    assert len(named) > 4
    assert named <= {name for chain in chains for name in chain}
    return dict(found.values())


def expected(path: Path, ndim: int) -> Any:
    with rasterio.open(path) as dataset:
        return dataset.read() if ndim == 3 else dataset.read(1)


def readable(
    stores: Stores, read: Callable[[Path], Any], refusal: type[Exception], words: str
) -> set[str]:
    """Return the arrays that a reader reads right; it refuses others in its own words."""
    found = set()
    for folder, path in stores.items():
        ndim = len(json.loads((folder / "zarr.json").read_text())["shape"])
        try:
            pixels = read(folder)
        except refusal as error:
            assert re.search(words, str(error)), error  # noqa: PT017 (of a reader, not of a test)
            continue
        pixels = pixels[0] if pixels.ndim > ndim else pixels
        if np.array_equal(pixels, expected(path, ndim), equal_nan=pixels.dtype.kind in "fc"):
            found.add(folder.name)
    return found


def said(stores: Iterable[Path], name: str) -> set[str]:
    """The arrays that the table says it reads."""
    found = set()
    for folder in stores:
        metadata = json.loads((folder / "zarr.json").read_text())
        if name in readers(metadata["codecs"], metadata["data_type"]):
            found.add(folder.name)
    return found


def test_tensorstore(stores: Stores) -> None:
    import tensorstore

    def read(folder: Path) -> Any:
        spec = {"driver": "zarr3", "kvstore": folder.as_uri() + "/"}
        return tensorstore.open(spec).result().read().result()

    words = 'Error parsing object member "(codecs|data_type)"'
    read_right = readable(stores, read, ValueError, words)
    assert read_right == said(stores, "tensorstore") != set()


def test_zarrs(stores: Stores) -> None:
    from zarrs.pipeline import UnsupportedMetadataError

    pipeline = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}

    def read(folder: Path) -> Any:
        return zarr.open_array(folder, mode="r")[...]

    with zarr.config.set(pipeline):
        read_right = readable(stores, read, UnsupportedMetadataError, "^$")
    assert read_right == said(stores, "zarrs") != set()


@pytest.mark.long
def test_zarrita(stores: Stores) -> None:
    words = "Unknown (codec|or unsupported dataType)"
    read = readable(stores, lambda folder: read_with_zarrita(folder, "/"), ZarritaError, words)
    table = said(stores, "zarrita")
    assert table <= read
    # an engine that has Float16Array reads more than the table promises
    assert read - table <= {p.name for p in stores if '"float16"' in (p / "zarr.json").read_text()}
    assert table != set()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal(stores: Stores) -> None:
    with rasterio.Env() as env:
        if "Zarr" not in env.drivers():
            pytest.skip("this GDAL has no Zarr driver")

    def read(folder: Path) -> Any:
        with rasterio.open(f'ZARR:"{folder}"') as dataset:
            return dataset.read()

    right = readable(stores, read, rasterio.errors.RasterioIOError, "Unsupported codec")
    table = said(stores, "GDAL")
    assert table <= right
    # `transpose` is ignored, which does not show where samples are single bytes of one value
    assert right - table <= {p.name for p in stores if "transpose" in (p / "zarr.json").read_text()}
    assert table != set()


_ZARR_PYTHON = """
import json, sys
from importlib import metadata
everything = metadata.entry_points
without = json.loads(sys.argv[1])
def entry_points(**wanted):
    found = everything(**wanted)
    left = (e for e in found if e.dist is None or e.dist.name not in without)
    return metadata.EntryPoints(left)
metadata.entry_points = entry_points
import zarr
for folder in sys.stdin.read().splitlines():
    try:
        pixels = zarr.open_array(folder, mode="r")[...]
    except zarr.errors.UnknownCodecError:
        continue
    pixels.tofile(folder + "/pixels")
"""
"""zarr-python as it is where some packages are not installed."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("zarr-python", ["imagecodecs-zarr", "virtual-tiff"]),
        ("zarr-python + imagecodecs-zarr", ["virtual-tiff"]),
        ("zarr-python + virtual-tiff", []),
    ],
)
def test_zarr_python(name: str, without: list[str], stores: Stores) -> None:
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ZARR_PYTHON, json.dumps(without)],
        input="\n".join(map(str, stores)),
        text=True,
        check=True,
    )

    def read(folder: Path) -> Any:
        metadata = json.loads((folder / "zarr.json").read_text())
        made = folder / "pixels"
        pixels = np.fromfile(made, metadata["data_type"]).reshape(metadata["shape"])
        made.unlink()
        return pixels

    read_right = readable(stores, read, FileNotFoundError, "pixels")
    assert read_right == said(stores, name) != set()


def test_what_has_more_reads_more() -> None:
    """`info` shows of zarr-python the least that it takes."""
    alone, imagecodecs, ours = IMPLEMENTATIONS[:3]
    assert [k.name for k in (alone, imagecodecs, ours)] == NAMES[:3]
    has = [{each.name for each in descriptions() if k.has(each.name)} for k in IMPLEMENTATIONS[:3]]
    assert has[0] < has[1] < has[2]


def test_a_codec_within_a_codec_counts() -> None:
    inner = {"name": "imagecodecs_y", "configuration": {}}
    wrapped = [{"name": "virtual_tiff.x", "configuration": {"codec": inner}}]
    assert list(codec_names(wrapped)) == ["virtual_tiff.x", "imagecodecs_y"]
    assert readers(wrapped, "uint8") == ("zarr-python + virtual-tiff",)
