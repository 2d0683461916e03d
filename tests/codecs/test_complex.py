"""`virtual_tiff.complex_parts`: complex integers and halves, with and without predictor 2."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
import rasterio
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import NDBuffer, default_buffer_prototype
from zarr.registry import get_codec_class

from support.build import SHORT, entry, image
from support.pixels import (
    bands_first,
    buffer,
    by_gdal,
    by_tifffile,
    chunk_spec,
    read,
    stored_metadata,
    virtual,
    zarr_array,
)
from virtual_tiff.codecs.samples.complex_parts import ComplexPartsCodec

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

PARTS = {"int8": (5, 16), "int16": (5, 32), "int32": (5, 64), "float16": (6, 32)}
"""Part -> SampleFormat, BitsPerSample."""
COMPLEX = {"int8": "complex64", "int16": "complex64", "int32": "complex128", "float16": "complex64"}
BLOCKS: dict[str, dict[str, Any]] = {"strips": {"rows_per_strip": 8}, "tiles": {"tile": (16, 16)}}
PIPELINES = ["BatchedCodecPipeline", "FusedCodecPipeline"]

every_part = pytest.mark.parametrize("part", PARTS)
every_order = pytest.mark.parametrize("byteorder", ["II", "MM"])


def parts(part: str, *shape: int) -> NDArray[Any]:
    """Real and imaginary parts of shape (…, 2), of every bit pattern of an integer."""
    random = np.random.default_rng(7)
    if part == "float16":
        return random.normal(size=(*shape, 2)).astype(part)
    info = np.iinfo(part)
    return random.integers(info.min, info.max, (*shape, 2), part, endpoint=True)


def as_complex(found: NDArray[Any], part: str) -> NDArray[Any]:
    return (found[..., 0].astype("f8") + 1j * found[..., 1]).astype(COMPLEX[part])


def words(found: NDArray[Any]) -> NDArray[Any]:
    """Pairs as unsigned integers whose lower half is the real part."""
    size = found.itemsize
    return np.ascontiguousarray(found).view(f"<u{2 * size}")[..., 0]


def tiff(
    part: str, pairs: NDArray[Any], byteorder: str, predictor: int = 1, **options: Any
) -> bytes:
    """Pairs of shape (rows, columns, 2) or (rows, columns, samples, 2), as libtiff stores them."""
    sample_format, bits = PARTS[part]
    samples = pairs.shape[2] if pairs.ndim == 4 else 1
    numbers = words(pairs)
    order = "<" if byteorder == "II" else ">"

    def encoded(block: NDArray[Any]) -> bytes:
        if predictor == 2:
            block = np.concatenate([block[:, :1], np.diff(block, axis=1)], axis=1)
        if predictor == 2 or part == "float16":
            return block.astype(f"{order}u{block.itemsize}").tobytes()
        split = (
            np.ascontiguousarray(block)
            .astype(f"<u{block.itemsize}")
            .view(f"<{pairs.dtype.str[1:]}")
        )
        return split.astype(split.dtype.newbyteorder(order)).tobytes()

    entries = [
        entry(258, SHORT, [bits] * samples),
        entry(317, SHORT, predictor),
        entry(339, SHORT, [sample_format] * samples),
    ]
    return image(
        numbers,
        byteorder=byteorder,
        compression=8,
        encode_block=lambda block: zlib.compress(encoded(block)),
        extra_entries=entries,
        photometric=1,
        **options,
    )


# ---- files


@every_part
@every_order
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("block", BLOCKS)
def test_one_sample(part: str, byteorder: str, predictor: int, block: str):
    pairs = parts(part, 21, 29)
    found = read(tiff(part, pairs, byteorder, predictor, **BLOCKS[block]))
    assert found.dtype == COMPLEX[part]
    np.testing.assert_array_equal(found, as_complex(pairs, part))


@every_part
@every_order
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("planar", [1, 2], ids=["chunky", "planar"])
def test_several_samples(part: str, byteorder: str, predictor: int, planar: int):
    pairs = parts(part, 21, 29, 3)
    found = read(tiff(part, pairs, byteorder, predictor, planar=planar, rows_per_strip=8))
    np.testing.assert_array_equal(found, bands_first(as_complex(pairs, part)))


@pytest.mark.parametrize("part", ["int16", "int32", "float16"])
@every_order
@pytest.mark.parametrize("predictor", [1, 2])
def test_gdal_reads_the_same(part: str, byteorder: str, predictor: int):
    """GDAL's words of predictor 2 and of halves are what `tiff` and the codecs take them for."""
    data = tiff(part, parts(part, 21, 29, 3), byteorder, predictor, rows_per_strip=8)
    # rasterio has no wider type for complex integers than complex64
    np.testing.assert_array_equal(read(data).astype("complex64"), by_gdal(data))


@pytest.mark.parametrize("part", ["int16", "int32"])
@every_order
def test_tifffile_reads_the_same(part: str, byteorder: str):
    data = tiff(part, parts(part, 21, 29), byteorder)
    np.testing.assert_array_equal(read(data), by_tifffile(data))


@pytest.mark.parametrize("dtype", ["complex_int16", "complex64"])
@pytest.mark.parametrize("endianness", ["LITTLE", "BIG"])
@pytest.mark.parametrize("predictor", [1, 2])
def test_what_gdal_writes(dtype: str, endianness: str, predictor: int):
    pixels = as_complex(parts("int16", 2, 21, 29), "int16")
    options: dict[str, Any] = {"compress": "lzw", "ENDIANNESS": endianness, "predictor": predictor}
    with rasterio.MemoryFile() as file:
        with file.open(
            driver="GTiff", height=21, width=29, count=2, dtype=dtype, **options
        ) as dataset:
            dataset.write(pixels)
        data = file.read()
    np.testing.assert_array_equal(read(data), pixels)


@every_order
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_floats_without_predictor_need_no_codec_of_ours(dtype: str, byteorder: str):
    pixels = as_complex(parts("int16", 21, 29), "int16").astype(dtype)
    data = image(pixels, byteorder=byteorder, rows_per_strip=8)
    names = [step["name"] for step in stored_metadata(virtual(data))["codecs"]]
    assert names == ["bytes"]
    np.testing.assert_array_equal(read(data), pixels)


@pytest.mark.parametrize("path", PIPELINES)
def test_both_pipelines_decode(path: str):
    pairs = parts("int16", 21, 29, 3)
    data = tiff("int16", pairs, "MM", 2, rows_per_strip=8)
    with zarr.config.set({"codec_pipeline.path": f"zarr.core.codec_pipeline.{path}"}):
        found = read(data)
    np.testing.assert_array_equal(found, bands_first(as_complex(pairs, "int16")))


def test_a_window_of_a_file():
    pairs = parts("int32", 21, 29)
    array = zarr_array(virtual(tiff("int32", pairs, "II", tile=(16, 16))))
    np.testing.assert_array_equal(array[10:20, 5], as_complex(pairs, "int32")[10:20, 5])


@every_part
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("change", [-1, -100])
def test_a_shorter_block_raises(part: str, predictor: int, change: int):
    sample_format, bits = PARTS[part]
    entries = [
        entry(258, SHORT, bits),
        entry(317, SHORT, predictor),
        entry(339, SHORT, sample_format),
    ]
    data = image(
        np.zeros((21, 29), "u1"),
        compression=8,
        encode_block=lambda block: zlib.compress(bytes(block.size * bits // 8 + change)),
        extra_entries=entries,
    )
    with pytest.raises(ValueError, match=r"block 0/c/0/0 of .*(cannot reshape|larger dtype)"):
        read(data)


# ---- the codec


def nd_buffer(array: NDArray[Any]) -> NDBuffer:
    return default_buffer_prototype().nd_buffer.from_numpy_array(array)


@every_part
def test_the_last_axis_is_real_and_imaginary(part: str):
    codec = ComplexPartsCodec(part=part)
    spec = chunk_spec(2, 3, dtype=COMPLEX[part])
    resolved = codec.resolve_metadata(spec)
    assert (resolved.shape, resolved.dtype.to_native_dtype()) == ((2, 3, 2), np.dtype(part))
    pairs = parts(part, 2, 3)
    found = codec._decode_sync(nd_buffer(pairs), spec).as_numpy_array()
    np.testing.assert_array_equal(found, as_complex(pairs, part))


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_a_type_that_is_not_complex_is_refused(dtype: str):
    with pytest.raises(
        ValueError, match=r"complex_parts: an array of .* cannot have parts of type int16"
    ):
        ComplexPartsCodec(part="int16").resolve_metadata(chunk_spec(2, dtype=dtype))


def test_a_type_that_cannot_hold_the_parts_is_refused():
    with pytest.raises(ValueError, match="type complex64 cannot have parts of type int32"):
        ComplexPartsCodec(part="int32").resolve_metadata(chunk_spec(2, dtype="complex64"))


@every_part
def test_the_round_trip_changes_nothing(part: str):
    data = {"name": "virtual_tiff.complex_parts", "configuration": {"part": part}}
    assert get_codec_class(data["name"]) is ComplexPartsCodec
    assert ComplexPartsCodec.from_dict(dict(data)).to_dict() == data


@pytest.mark.parametrize(
    "configuration", [{}, {"part": "int64"}, {"part": 1}, {"part": ["int8"]}, {"more": 1}], ids=str
)
def test_another_metadata_is_a_value_error(configuration: dict[str, Any]):
    with pytest.raises(ValueError, match=r"virtual_tiff\.complex_parts"):
        ComplexPartsCodec.from_dict(
            {"name": "virtual_tiff.complex_parts", "configuration": configuration}
        )


def test_encoding_is_refused_with_advice():
    with pytest.raises(NotImplementedError, match="choose other codecs"):
        ComplexPartsCodec(part="int8")._encode_sync(buffer(b""), chunk_spec(1, dtype="complex64"))
