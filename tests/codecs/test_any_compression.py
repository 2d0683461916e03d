"""`virtual_tiff.any_compression`: a block says by its first bytes how it is compressed."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from numcodecs.zstd import Zstd
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import default_buffer_prototype
from zarr.dtype import parse_dtype

from virtual_tiff import open_published
from virtual_tiff.codecs.samples.any_compression import AnyCompressionCodec
from virtual_tiff.publishing import PublishError, publish

PIXELS = np.arange(16, dtype="uint8").tobytes()


def decoded(data: bytes, lengths: list[int] | None = None) -> bytes:
    prototype = default_buffer_prototype()
    dtype = parse_dtype("uint8", zarr_format=3)
    spec = ArraySpec((4, 4), dtype, 0, ArrayConfig.from_dict({}), prototype)  # type: ignore[arg-type]
    buffer = prototype.buffer.from_bytes(data)
    return AnyCompressionCodec(lengths or [])._decode_sync(buffer, spec).to_bytes()


@pytest.mark.parametrize(
    "data",
    [PIXELS, zlib.compress(PIXELS), zlib.compress(PIXELS, 0), Zstd().encode(PIXELS)],
)
def test_blocks_of_three_kinds(data: bytes) -> None:
    assert decoded(data) == PIXELS


@pytest.mark.parametrize("start", [b"\x78\x9c", b"\x78\x01", b"\x28\xb5\x2f\xfd"])
def test_samples_that_begin_as_a_compressed_block(start: bytes) -> None:
    pixels = (start + PIXELS)[:16]
    assert decoded(pixels) == pixels
    assert decoded(zlib.compress(pixels)) == pixels


def test_a_short_last_strip_has_a_length_of_its_own() -> None:
    assert decoded(PIXELS[:8], [16, 8]) == PIXELS[:8]


@pytest.mark.parametrize("data", [PIXELS[:8], zlib.compress(PIXELS)[:-6], b""])
def test_others_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="neither zlib nor Zstandard"):
        decoded(data)


def scene(path: Path, value: int, **options: Any) -> Path:
    profile = {
        "driver": "GTiff", "height": 40, "width": 40, "count": 1, "dtype": "uint16",
        "crs": "EPSG:32633", "transform": Affine(10, 0, 500000, 0, -10, 4650000),
    } | options  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.arange(1600, dtype="uint16").reshape(1, 40, 40) + value)
    return path


@pytest.mark.parametrize("layout", [{"tiled": True, "blockxsize": 16, "blockysize": 16},
                                    {"blockysize": 16}])  # fmt: skip
def test_files_of_several_compressions_are_one_stack(layout: Any, tmp_path: Path) -> None:
    files = [
        scene(tmp_path / f"{n}.tif", n, **layout, **({"compress": name} if name else {}))
        for n, name in enumerate(["deflate", "zstd", None])
    ]
    with pytest.raises(PublishError, match="Compression"):
        publish(files[:2], "memory://", concat="n")
    to = tmp_path / "cube"
    published = publish(files, to, concat="n", any_compression=True, merge_strips=False)
    assert published.readers_need == ("virtual-tiff",)
    array: Any = zarr.open_group(open_published(to), mode="r")["0"]
    for n, path in enumerate(files):
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(array[n], file.read(1))


def test_portable_has_no_codec_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="any_compression needs a codec"):
        publish(scene(tmp_path / "a.tif", 0), "memory://", portable=True, any_compression=True)
