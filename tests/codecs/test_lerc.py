"""LERC: what libtiff reads of its masks, its additional compression and its bands.

Each file is compared with GDAL, whose libtiff and liblerc are builds of their own.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.io import MemoryFile
from zarr.registry import get_codec_class

from support.build import LONG, SHORT, Entry, entry, image
from support.pixels import (
    bands_first,
    buffer,
    by_gdal,
    chunk_spec,
    read,
    stored_metadata,
    values,
    virtual,
)
from virtual_tiff.codecs.guard.images import ImageDecoder
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.codecs.images.lerc import LercCodec
from virtual_tiff.tiff import UnsupportedError

STANDARD = ImageDecoder({"name": "imagecodecs_lerc", "configuration": {}})

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

type Pixels = NDArray[Any]

VALID = np.random.default_rng(3).random((40, 24)) > 0.3
"""A mask of the image of these tests."""

ALPHA, UNSPECIFIED = 2, 0

CODEC = LercCodec()
JSON = {
    "name": "virtual_tiff.lerc",
    "configuration": {"compression": None, "alpha": False, "endian": "little"},
}


def parameters(additional: int = 0, version: int = 4) -> Entry:
    return entry(50674, LONG, [version, additional])


def plain(block: Pixels) -> bytes:
    data: bytes = imagecodecs.lerc_encode(np.ascontiguousarray(block), level=0)
    return data


def masked(block: Pixels) -> bytes:
    """A blob whose pixels are invalid where `VALID` says so."""
    mask = VALID[: block.shape[0]]
    data: bytes = imagecodecs.lerc_encode(np.ascontiguousarray(block), level=0, masks=mask)
    return data


def bands(block: Pixels, masks: Pixels | None = None) -> bytes:
    """A blob for each sample."""
    planes = np.ascontiguousarray(np.moveaxis(block, -1, 0))
    data: bytes = imagecodecs.lerc_encode(planes, level=0, planar=True, masks=masks)
    return data


def without_last(block: Pixels) -> bytes:
    """The mask in place of the last sample."""
    rest = block[..., :-1]
    return masked(rest[..., 0] if rest.shape[-1] == 1 else rest)


def tiff(pixels: Pixels, encode: Callable[[Pixels], bytes] = plain, **options: Any) -> bytes:
    extra = options.pop("extra_entries", [])
    return image(
        pixels,
        compression=34887,
        encode_block=encode,
        extra_entries=[parameters(), *extra],
        **options,
    )


def same(found: Pixels, expected: Pixels) -> bool:
    equal_nan = found.dtype.kind == "f"
    return found.dtype == expected.dtype and np.array_equal(found, expected, equal_nan=equal_nan)


def codecs(data: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stored_metadata(virtual(data))["codecs"]
    return found


# ---- every type, against GDAL


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("blocks", [{"rows_per_strip": 16}, {"tile": (16, 16)}], ids=str)
def test_one_sample_reads_as_in_gdal(dtype: str, byteorder: str, blocks: dict[str, Any]):
    data = tiff(values(dtype, 40, 24), byteorder=byteorder, **blocks)
    assert same(read(data), by_gdal(data))


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4"])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("samples", [2, 3, 5])
def test_several_samples_read_as_in_gdal(dtype: str, byteorder: str, planar: int, samples: int):
    pixels = values(dtype, 40, 24, samples)
    data = tiff(pixels, byteorder=byteorder, planar=planar, rows_per_strip=16)
    assert same(read(data), by_gdal(data))


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_every_version_of_lerc2_reads(version: int):
    pixels = values("u1", 40, 24)
    data = tiff(pixels, lambda block: imagecodecs.lerc_encode(block, level=0, version=version))
    assert same(read(data), pixels)


def test_a_lossy_blob_reads_as_in_gdal():
    data = tiff(values("f4", 40, 24), lambda block: imagecodecs.lerc_encode(block, level=0.1))
    assert same(read(data), by_gdal(data))


def test_fill_order_reverses_the_bytes_as_in_gdal():
    pixels = values("u1", 40, 24)
    data = tiff(pixels, fill_order=2)
    assert same(read(data), pixels)
    assert same(by_gdal(data), pixels)


def test_a_predictor_is_ignored_as_in_gdal():
    pixels = values("u1", 40, 24)
    data = tiff(pixels, extra_entries=[entry(317, SHORT, 2)])
    assert same(read(data), pixels)
    assert same(by_gdal(data), pixels)


# ---- masks


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("byteorder", ["II", "MM"])
@pytest.mark.parametrize("samples", [1, 3])
def test_invalid_floats_are_what_gdal_makes_of_them(dtype: str, byteorder: str, samples: int):
    pixels = values(dtype, 40, 24, samples) if samples > 1 else values(dtype, 40, 24)
    data = tiff(pixels, masked, byteorder=byteorder)
    found = read(data)
    assert same(found, by_gdal(data))
    if byteorder == "II":
        assert np.array_equal(np.isnan(found), np.broadcast_to(~VALID, found.shape))


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("compress", ["LERC", "LERC_DEFLATE", "LERC_ZSTD"])
@pytest.mark.parametrize("endianness", ["LITTLE", "BIG"])
def test_nan_that_gdal_writes_reads_as_in_gdal(interleave: str, compress: str, endianness: str):
    pixels = values("f4", 3, 40, 24).copy()
    pixels[0, 3:5, 3] = np.nan  # in one band: a blob, and a mask, for each
    pixels[:, 30, 10] = np.nan
    with MemoryFile() as file:
        with file.open(
            driver="GTiff",
            width=24,
            height=40,
            count=3,
            dtype="float32",
            compress=compress,
            interleave=interleave,
            blockysize=16,
            ENDIANNESS=endianness,
        ) as dataset:
            dataset.write(pixels)
        data = bytes(file.read())
    assert same(read(data), by_gdal(data))
    if endianness == "LITTLE":
        assert same(read(data), pixels)


@pytest.mark.parametrize("samples", [2, 4, 5])
def test_an_alpha_in_the_mask_reads_as_in_gdal(samples: int):
    pixels = values("u1", 40, 24, samples).copy()
    pixels[..., -1] = np.where(VALID, 255, 0)
    extra = [UNSPECIFIED] * (samples - 4) + [ALPHA]
    data = tiff(pixels, without_last, extra_entries=[entry(338, SHORT, extra)])
    found = read(data)
    assert same(found, by_gdal(data))
    assert np.array_equal(found[-1] == 255, VALID)
    assert np.array_equal(found[:, VALID], bands_first(pixels)[:, VALID])


def test_an_alpha_that_is_opaque_everywhere_reads_as_in_gdal():
    pixels = values("u1", 40, 24, 4)
    data = tiff(
        pixels, lambda block: plain(block[..., :3]), extra_entries=[entry(338, SHORT, [ALPHA])]
    )
    assert same(read(data), by_gdal(data))
    assert (read(data)[3] == 255).all()


def test_an_alpha_that_is_a_sample_reads_as_in_gdal():
    pixels = values("u1", 40, 24, 4)
    data = tiff(pixels, extra_entries=[entry(338, SHORT, [ALPHA])], rows_per_strip=16)
    assert same(read(data), by_gdal(data))
    assert same(read(data), bands_first(pixels))


def test_bands_without_masks_are_planes():
    # GDAL gives the planes as if they were pixels: its libtiff interleaves with masks only,
    # and writes such blobs with masks only
    pixels = values("f4", 40, 24, 3)
    assert same(read(tiff(pixels, bands)), bands_first(pixels))


def test_a_mask_for_each_band_reads_as_in_gdal():
    pixels = values("f4", 40, 24, 3)
    masks = np.stack([VALID, ~VALID, VALID])
    data = tiff(pixels, lambda block: bands(block, masks))
    assert same(read(data), by_gdal(data))
    assert np.array_equal(np.isnan(read(data)), ~masks)


REFUSED_BY_GDAL: dict[str, bytes] = {
    "integers with a mask": tiff(values("u1", 40, 24), masked),
    "alpha of 16 bits in the mask": tiff(
        values("u2", 40, 24, 4), without_last, extra_entries=[entry(338, SHORT, [ALPHA])]
    ),
    "mask without an alpha": tiff(values("u1", 40, 24, 4), without_last),
    "bands of integers": tiff(values("u1", 40, 24, 3), bands),
    "another type": tiff(values("u1", 40, 24), lambda block: plain(block.astype("i2"))),
    "floats for integers": tiff(values("i4", 40, 24), lambda block: plain(block.astype("f4"))),
    "a row more": tiff(values("u1", 40, 24), lambda block: plain(np.vstack([block, block[:1]]))),
    "turned": tiff(values("u1", 40, 24), lambda block: plain(block.T)),
    "a sample less": tiff(values("u1", 40, 24, 3), lambda block: plain(block[..., :2])),
    "half": tiff(values("u1", 40, 24), lambda block: plain(block)[:400]),
    "a byte changed": tiff(
        values("u1", 40, 24), lambda block: plain(block)[:-9] + b"\0" + plain(block)[-8:]
    ),
    "nothing of LERC": tiff(values("u1", 40, 24), lambda block: block.tobytes()),
}


@pytest.mark.parametrize("name", REFUSED_BY_GDAL)
def test_what_gdal_refuses_is_an_error(name: str):
    with pytest.raises(RasterioIOError):
        by_gdal(REFUSED_BY_GDAL[name])
    with pytest.raises(ValueError, match="the block"):
        read(REFUSED_BY_GDAL[name])


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_damaged_floats_and_integers_are_value_errors(dtype: str):
    blob = bytearray(plain(values(dtype, 40, 24)))
    blob[-9] ^= 0xFF
    with pytest.raises(ValueError, match="LERC data are damaged: lerc_decode"):
        read(tiff(values(dtype, 40, 24), lambda _: bytes(blob)))


# ---- additional compression

COMPRESSED: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "deflate": (1, zlib.compress),
    "zstd": (2, imagecodecs.zstd_encode),
}


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_additional_compression_reads_as_in_gdal(name: str, dtype: str):
    number, compress = COMPRESSED[name]
    pixels = values(dtype, 40, 24)
    data = image(
        pixels,
        compression=34887,
        encode_block=lambda block: compress(plain(block)),
        extra_entries=[parameters(number)],
        rows_per_strip=16,
    )
    assert same(read(data), pixels)
    assert same(by_gdal(data), pixels)
    (codec,) = codecs(data)
    assert codec["configuration"]["codec"]["configuration"]["compression"] == name


def test_additional_compression_that_does_not_exist_is_refused():
    data = image(
        values("u1", 40, 24),
        compression=34887,
        encode_block=plain,
        extra_entries=[parameters(7)],
    )
    with pytest.raises(UnsupportedError, match=r"additional compression 7.*LercParameters"):
        virtual(data)


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize(
    "codec",
    [CODEC, STANDARD],
    ids=["ours", "theirs"],
)
def test_a_block_that_unpacks_to_more_than_the_chunk_justifies_is_refused(name: str, codec: Any):
    bomb = COMPRESSED[name][1](plain(values("u1", 40, 24)) + bytes(2**22))
    assert len(bomb) < 2**15
    with pytest.raises(ValueError, match="LERC data are damaged"):
        codec._decode_sync(buffer(bomb), chunk_spec(40, 24))


@pytest.mark.parametrize("size", [8, 30])
def test_a_block_without_a_whole_header_is_a_value_error(size: int):
    data = plain(values("u1", 40, 24))[:size]
    with pytest.raises(ValueError, match="does not hold LERC, or its header is damaged"):
        CODEC._decode_sync(buffer(data), chunk_spec(40, 24))


@pytest.mark.parametrize("name", COMPRESSED)
def test_damaged_additional_compression_is_a_value_error(name: str):
    data = COMPRESSED[name][1](plain(values("u1", 40, 24)))
    with pytest.raises(ValueError, match="LERC data are damaged"):
        CODEC._decode_sync(buffer(data[:-40]), chunk_spec(40, 24))


# ---- bounds


@pytest.mark.parametrize(
    "codec",
    [CODEC, STANDARD],
    ids=["ours", "theirs"],
)
def test_nothing_is_decoded_of_a_blob_that_states_another_size(
    codec: Any, monkeypatch: pytest.MonkeyPatch
):
    blob = imagecodecs.lerc_encode(np.zeros((3000, 3000), "u1"), level=0)
    assert len(blob) < 200
    monkeypatch.setattr(imagecodecs, "lerc_decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageSizeError, match="3000 rows, 3000 columns"):
        codec._decode_sync(buffer(blob), chunk_spec(40, 24))


def test_a_blob_of_many_bands_is_not_decoded(monkeypatch: pytest.MonkeyPatch):
    blob = imagecodecs.lerc_encode(np.zeros((40, 24), "f4"), level=0) * 1000
    monkeypatch.setattr(imagecodecs, "lerc_decode", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(ImageSizeError, match="1000 bands"):
        CODEC._decode_sync(buffer(blob), chunk_spec(40, 24, 3, dtype="float32"))


# ---- metadata


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4"])
def test_integers_have_the_standard_name(dtype: str):
    assert [codec["name"] for codec in codecs(tiff(values(dtype, 40, 24)))] == ["imagecodecs_lerc"]


@pytest.mark.parametrize(
    ("pixels", "options", "configuration"),
    [
        (values("f4", 8, 8), {}, {"alpha": False, "endian": "little"}),
        (values("i2", 8, 8), {"byteorder": "MM"}, {"alpha": False, "endian": "big"}),
        (
            values("u1", 8, 8, 4),
            {"byteorder": "MM", "extra_entries": [entry(338, SHORT, [ALPHA])]},
            {"alpha": True, "endian": "little"},
        ),
    ],
    ids=["floats", "big-endian", "alpha"],
)
def test_what_needs_our_codec(pixels: Pixels, options: dict[str, Any], configuration: Any):
    *_, codec = codecs(tiff(pixels, **options))
    assert codec["name"] == "virtual_tiff.lerc"
    assert codec["configuration"] == {"compression": None, **configuration}


def test_bytes_of_a_big_endian_file_have_the_standard_name():
    assert codecs(tiff(values("u1", 8, 8), byteorder="MM"))[0]["name"] == "imagecodecs_lerc"


def test_it_is_what_zarr_finds_under_its_name():
    assert get_codec_class("virtual_tiff.lerc") is LercCodec


def test_to_dict_says_all_and_from_dict_brings_it_back():
    assert CODEC.to_dict() == JSON
    assert LercCodec.from_dict(dict(JSON)) == CODEC
    assert pickle.loads(pickle.dumps(CODEC)) == CODEC


@pytest.mark.parametrize("change", [{"compression": "lzma"}, {"endian": "native"}, {"more": 1}])
def test_another_metadata_is_a_value_error(change: dict[str, Any]):
    with pytest.raises(ValueError, match=r"virtual_tiff\.lerc"):
        LercCodec.from_dict({**JSON, "configuration": change})


async def test_decoding_may_be_awaited():
    pixels = values("f4", 40, 24)
    (found,) = await CODEC.decode([(buffer(plain(pixels)), chunk_spec(40, 24, dtype="float32"))])
    assert found is not None
    assert same(np.asarray(found.as_numpy_array()), pixels)


def test_tifffile_writes_what_reads():
    import tifffile

    pixels = values("u2", 40, 24)
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, compression="lerc", tile=(16, 16))
    assert same(read(file.getvalue()), pixels)
    assert rasterio.open(io.BytesIO(file.getvalue())).read(1).dtype == "uint16"
