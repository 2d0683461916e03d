"""`tune_zarr`: the same pixels, metadata and errors; settings that go back."""

from __future__ import annotations

import asyncio
import pickle
import zlib
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import pytest
import zarr
from zarr.core.array_spec import ArraySpec
from zarr.registry import get_codec_class
from zarr.storage import MemoryStore

from support.build import image
from support.pixels import chunk_spec, read, virtual, zarr_array
from virtual_tiff import tune_zarr
from virtual_tiff.codecs.guard import fast
from virtual_tiff.codecs.guard.bounded import BoundedDecoder, Fresh

FUSED = "FusedCodecPipeline"
PIXELS = (np.arange(64 * 48, dtype="u2").reshape(64, 48) * 37) % 5000
ZLIB = {"name": "numcodecs.zlib", "configuration": {"level": 1}}
CODECS: dict[str, dict[str, Any]] = {
    "numcodecs.zlib": {"level": 1},
    "zstd": {"level": 0, "checksum": False},
    "imagecodecs_lzw": {},
    "imagecodecs_packbits": {},
    "imagecodecs_delta": {"axis": -1, "dist": 1},
    "imagecodecs_floatpred": {"axis": -1, "dist": 1},
}
ENCODE = {
    "numcodecs.zlib": zlib.compress,
    "zstd": imagecodecs.zstd_encode,
    "imagecodecs_lzw": imagecodecs.lzw_encode,
    "imagecodecs_packbits": imagecodecs.packbits_encode,
}
BY_NUMBER = {
    5: imagecodecs.lzw_encode,
    8: zlib.compress,
    32773: imagecodecs.packbits_encode,
    50000: imagecodecs.zstd_encode,
}
"""Compression to its encoder."""


@pytest.fixture(autouse=True)
def zarr_stays_as_it_was() -> Iterator[None]:
    with zarr.config.set({"async.concurrency": 10}):  # another test may have opened a cube
        before = settings()
        yield
        assert settings() == before


def settings() -> dict[str, Any]:
    names = ["async.concurrency", "codec_pipeline", "codecs", "threading.max_workers"]
    return {name: pickle.loads(pickle.dumps(zarr.config.get(name))) for name in names}


def made(name: str, classes: dict[str, type[Any]]) -> Any:
    return classes[name].from_dict({"name": name, "configuration": CODECS[name]})


def standard(name: str) -> Any:
    return get_codec_class(name).from_dict({"name": name, "configuration": CODECS[name]})


def buffer(data: bytes) -> Any:
    return chunk_spec(1, 1).prototype.buffer.from_bytes(data)


def pipeline(array: Any) -> str:
    return type(array.async_array.codec_pipeline).__name__


# What it sets


def test_it_says_what_it_set():
    with tune_zarr(concurrency=7, threads=3) as tuning:
        assert tuning.settings["async.concurrency"] == zarr.config.get("async.concurrency") == 7
        assert zarr.config.get("codec_pipeline.max_workers") == 3
        assert FUSED in zarr.config.get("codec_pipeline.path")
        assert all(get_codec_class(name) is fast.FAST[name] for name in fast.FAST)
    assert "async.concurrency: 7" in repr(tuning)


def test_parts_can_be_left_out():
    before = settings()
    with tune_zarr(fused=False, codecs=False) as tuning:
        assert list(tuning.settings) == ["async.concurrency"]
        assert settings() == before | {"async.concurrency": 64}


@pytest.mark.parametrize("name", ["concurrency", "threads"])
def test_a_number_that_is_not_positive_is_refused(name: str):
    wrong: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name}=0 must be a positive whole number"):
        tune_zarr(**wrong)


def test_importing_the_package_or_reading_tunes_nothing():
    before = settings()
    read(image(PIXELS, compression=8, rows_per_strip=16))
    assert settings() == before


# Setting back


def test_undoing_twice_is_undoing_once():
    tuning = tune_zarr()
    tuning.undo()
    zarr.config.set({"async.concurrency": 12})
    try:
        tuning.undo()
        assert zarr.config.get("async.concurrency") == 12
    finally:
        zarr.config.set({"async.concurrency": 10})


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_are_undone_in_any_order(order: tuple[int, int]):
    tunings = [tune_zarr(concurrency=20), tune_zarr(concurrency=30)]
    tunings[order[0]].undo()
    assert zarr.config.get("async.concurrency") == [30, 20][order[0] == 1]
    assert FUSED in zarr.config.get("codec_pipeline.path")
    tunings[order[1]].undo()


def test_what_others_set_since_stays():
    tuning = tune_zarr()
    with zarr.config.set({"async.concurrency": 99}):
        tuning.undo()
        assert zarr.config.get("async.concurrency") == 99
    zarr.config.set({"async.concurrency": 10})


# The same pixels, metadata and errors


def stored(**options: Any) -> bytes:
    """A TIFF that tifffile wrote."""
    import io

    import tifffile

    out = io.BytesIO()
    pixels = options.pop("pixels")
    tifffile.imwrite(out, pixels, **options)
    return out.getvalue()


FLOATS = np.random.default_rng(0).standard_normal((64, 48)).astype("f4")
RGB = np.random.default_rng(1).integers(0, 50, (64, 48, 3), dtype="u1")
WRITTEN: dict[str, dict[str, Any]] = {
    f"{compression} {predictor} {byteorder} {name}": {
        "pixels": pixels,
        "compression": compression,
        "predictor": predictor,
        "byteorder": byteorder,
        **shape,
    }
    for compression in ("zlib", "zstd", "lzw")
    for byteorder in "<>"
    for name, pixels, predictor, shape in (
        ("u2", PIXELS, 2, {"tile": (32, 32)}),
        ("u2 strips", PIXELS, 2, {"rowsperstrip": 17}),
        ("f4", FLOATS, 3, {"tile": (32, 32)}),
        ("f8", FLOATS.astype("f8"), 3, {"rowsperstrip": 17}),
        ("f2", FLOATS.astype("f2"), 3, {"tile": (32, 32)}),
        ("rgb", RGB, 2, {"tile": (32, 32), "photometric": "rgb"}),
        ("rgb f4", RGB.astype("f4") / 7, 3, {"tile": (32, 32), "photometric": "rgb"}),
    )
}


@pytest.mark.parametrize("name", WRITTEN)
def test_pixels_and_metadata_are_the_same(name: str):
    data = stored(**WRITTEN[name])
    expected = WRITTEN[name]["pixels"]
    if expected.ndim == 3:
        expected = expected.transpose(2, 0, 1)
    plain = zarr_array(virtual(data))
    with tune_zarr():
        tuned = zarr_array(virtual(data))
        assert pipeline(tuned) == FUSED
        np.testing.assert_array_equal(tuned[...], expected)
        np.testing.assert_array_equal(tuned[..., 5:40, 7:9], expected[..., 5:40, 7:9])
    np.testing.assert_array_equal(plain[...], expected)
    assert tuned.metadata.to_dict() == plain.metadata.to_dict()


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("compression", [5, 8, 32773, 50000])
def test_a_block_that_ends_too_early_raises(compression: int, *, tuned: bool):
    encode = BY_NUMBER[compression]
    data = image(
        PIXELS, compression=compression, encode=lambda raw: encode(raw[:-3]), tile=(64, 48)
    )
    settings = tune_zarr() if tuned else None
    try:
        with pytest.raises(ValueError, match=r"block 0/c/0/0 of memory:///a\.tif does not decode"):
            read(data)
    finally:
        if settings:
            settings.undo()


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("compression", [5, 8, 32773, 50000])
def test_a_block_that_goes_on_is_cut(compression: int, *, tuned: bool):
    encode = BY_NUMBER[compression]
    data = image(
        PIXELS, compression=compression, encode=lambda raw: encode(raw + bytes(9)), tile=(64, 48)
    )
    expected = read(image(PIXELS))
    settings = tune_zarr() if tuned else None
    try:
        np.testing.assert_array_equal(read(data), expected)
    finally:
        if settings:
            settings.undo()


@pytest.mark.parametrize("name", ENCODE)
def test_a_block_that_goes_on_is_not_decoded_to_its_end(name: str):
    import tracemalloc

    bomb = buffer(ENCODE[name](bytes(300_000)))
    codec, spec = BoundedDecoder({"name": name, "configuration": {}}), chunk_spec(8, 8)
    tracemalloc.start()
    try:
        if name == "zstd":  # its decoder works a frame at a time
            with pytest.raises(RuntimeError, match="ZSTD"):
                codec._decode_sync(bomb, spec)
        else:
            assert codec._decode_sync(bomb, spec).to_bytes() == bytes(64)
        assert tracemalloc.get_traced_memory()[1] < 50_000
    finally:
        tracemalloc.stop()


# The codecs


@pytest.mark.parametrize("name", ENCODE)
@pytest.mark.parametrize("size", [1, 63, 64, 65, 5000])
def test_for_any_array_they_give_what_the_standard_ones_give(name: str, size: int):
    encoded, spec = buffer(ENCODE[name]((bytes(range(256)) * 20)[:size])), chunk_spec(8, 8)
    assert made(name, fast.FAST)._decode_sync(encoded, spec).to_bytes() == (
        standard(name)._decode_sync(encoded, spec).to_bytes()
    )


@pytest.mark.parametrize("name", ENCODE)
def test_damaged_data_raise_what_they_raise_from_the_standard_ones(name: str):
    damaged, spec = buffer(b"\x80\x00\xff" * 7 + b"\x05"), chunk_spec(8, 8)
    outcomes = []
    for codec in (made(name, fast.FAST), standard(name)):
        try:
            outcomes.append(codec._decode_sync(damaged, spec).to_bytes())
        except Exception as error:
            outcomes.append(repr(error))
    assert outcomes[0] == outcomes[1]


FLOAT_CHUNKS = {
    "pixels": ((6, 10), -1, 1),
    "samples": ((6, 10, 3), -2, 1),
    "a plane": ((1, 6, 10), -1, 1),
    "X2": ((6, 10), -1, 2),
    "X4 of samples": ((6, 8, 3), -2, 4),
    "a row that does not divide": ((6, 9), -1, 2),
}


def float_spec(shape: tuple[int, ...], dtype: str) -> ArraySpec:
    return chunk_spec(*shape, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", FLOAT_CHUNKS)
@pytest.mark.parametrize("writable", [False, True])
def test_floats_are_bit_by_bit_the_same(name: str, dtype: str, *, writable: bool):
    shape, axis, dist = FLOAT_CHUNKS[name]
    spec = float_spec(shape, dtype)
    data = np.random.default_rng(2).integers(0, 256, np.prod(shape) * np.dtype(dtype).itemsize)
    configuration = {"configuration": {"axis": axis, "dist": dist}}
    found = []
    for kind in (fast.FastFloatpred, fast.FastFloatpred.__mro__[2]):
        chunk = data.astype("u1").view(Fresh if writable else np.ndarray)
        codec = kind.from_dict({"name": "imagecodecs_floatpred", **configuration})
        try:
            decoded = codec._decode_sync(spec.prototype.buffer.from_array_like(chunk), spec)
            found.append(decoded.as_numpy_array().tobytes())
        except (RuntimeError, ValueError) as error:
            found.append(str(error))
        if not writable:
            np.testing.assert_array_equal(chunk, data)
    assert found[0] == found[1]


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
@pytest.mark.parametrize("shape", [(4, 6), (0, 6)], ids=str)
def test_floats_that_the_fast_predictor_leaves_to_the_standard_one(
    dtype: str, shape: tuple[int, ...]
):
    spec = float_spec(shape, dtype)
    data = np.random.default_rng(3).integers(0, 256, np.prod(shape) * np.dtype(dtype).itemsize)
    found = []
    for kind in (fast.FastFloatpred, fast.FastFloatpred.__mro__[2]):
        codec = kind.from_dict({"name": "imagecodecs_floatpred", "configuration": {"axis": -1}})
        chunk = data.astype("u1")
        try:
            decoded = codec._decode_sync(spec.prototype.buffer.from_array_like(chunk), spec)
            found.append(decoded.as_numpy_array().tobytes())
        except (RuntimeError, ValueError) as error:
            found.append(f"{type(error).__name__}: {error}".encode())
    assert found[0] == found[1]


def test_a_predictor_is_undone_in_place_only_in_fresh_memory():
    spec, delta = chunk_spec(4, 4), made("imagecodecs_delta", fast.FAST)
    theirs = np.ones((4, 4), "u1")
    delta._decode_sync(spec.prototype.nd_buffer.from_numpy_array(theirs), spec)
    assert theirs.max() == 1
    ours = np.ones((4, 4), "u1").view(Fresh)
    delta._decode_sync(spec.prototype.nd_buffer.from_numpy_array(ours), spec)
    assert ours[0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", CODECS)
def test_they_equal_and_are_written_as_the_standard_ones(name: str):
    codec, other = made(name, fast.FAST), standard(name)
    assert codec.to_dict() == other.to_dict()
    assert codec == other
    assert other == codec
    assert codec != "something else"
    again = pickle.loads(pickle.dumps(codec))
    assert (type(again), again) == (type(codec), codec)
    assert hash(again) == hash(codec)


def test_arrays_of_others_are_read_and_written():
    with tune_zarr():
        array = zarr.create_array(
            MemoryStore(), shape=(64, 48), chunks=(16, 16), dtype="u2", compressors=[ZLIB]
        )
        array[...] = PIXELS
        assert type(array.metadata.codecs[-1]) is fast.FastZlib
        np.testing.assert_array_equal(array[...], PIXELS)
        texts = zarr.create_array(
            MemoryStore(), shape=(3,), chunks=(3,), dtype=str, compressors=[ZLIB]
        )
        texts[...] = ["a" * 500, "b", "c"]
        assert texts[0] == "a" * 500


# The store without an event loop


def test_the_store_is_read_in_threads_where_it_is_local():
    store: Any = virtual(image(PIXELS, rows_per_strip=16))
    assert store._supports_sync_io
    found = store.get_sync("0/c/0/0")
    awaited = asyncio.run(store.get("0/c/0/0", chunk_spec(1, 1).prototype))
    assert found.to_bytes() == awaited.to_bytes()
    assert store.get_sync("0/zarr.json").to_bytes().startswith(b"{")
    assert store.get_sync("1/zarr.json") is None


def test_parts_of_a_value_are_read():
    from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest

    store: Any = virtual(image(PIXELS, rows_per_strip=16))
    whole = store.get_sync("0/c/0/0").to_bytes()
    for wanted, part in (
        (RangeByteRequest(3, 9), whole[3:9]),
        (OffsetByteRequest(5), whole[5:]),
        (SuffixByteRequest(7), whole[-7:]),
    ):
        prototype = chunk_spec(1, 1).prototype
        assert store.get_sync("0/c/0/0", byte_range=wanted).to_bytes() == part
        assert asyncio.run(store.get("0/c/0/0", prototype, wanted)).to_bytes() == part


def test_the_store_cannot_be_written():
    store: Any = virtual(image(PIXELS, rows_per_strip=16))
    with pytest.raises(ValueError, match="is read-only"):
        store.set_sync("0/c/0/0", buffer(b""))
    with pytest.raises(ValueError, match="is read-only"):
        store.delete_sync("0/c/0/0")


def test_a_lost_file_is_an_os_error_when_tuned():
    from support.pixels import in_memory
    from virtual_tiff import VirtualTIFF

    registry = in_memory({"a.tif": image(PIXELS, rows_per_strip=16)})
    store = VirtualTIFF()("memory:///a.tif", registry)
    registry.resolve("memory:///a.tif")[0].delete("a.tif")
    with tune_zarr(), pytest.raises(FileNotFoundError, match="block 0/c/0/0"):
        zarr_array(store)[...]
