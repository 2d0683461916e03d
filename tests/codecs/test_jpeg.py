"""The codecs of JPEG: what a stream says is compared with the chunk before it is decoded."""

from __future__ import annotations

import base64
import io
import tracemalloc
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from zarr.registry import get_codec_class

from support.build import image
from support.pixels import buffer, chunk_spec, read, stored_metadata, virtual
from support.scenes import group_of
from virtual_tiff.codecs.guard.guard import GuardCodec, guarded
from virtual_tiff.codecs.guard.jpeg import BlockJpegCodec
from virtual_tiff.codecs.images.headers import ImageSizeError
from virtual_tiff.codecs.images.jpeg import JpegCodec
from virtual_tiff.publishing import publish

Y, X = np.mgrid[:32, :48]
RGB = np.stack([X * 4, Y * 5, (X + Y) * 2], -1).astype("u1")
GRAY = np.ascontiguousarray(RGB[..., 2])
DEEP = (X * 341 + Y * 17).astype("u2") % 16384

GRAYSCALE = {"colorspace_data": "GRAYSCALE", "colorspace_jpeg": "GRAYSCALE"}
YCBCR = {"colorspace_data": "RGB", "colorspace_jpeg": "YCbCr"}


def encoded(pixels: NDArray[Any], **options: Any) -> bytes:
    data: bytes = imagecodecs.jpeg8_encode(np.ascontiguousarray(pixels), level=90, **options)
    return data


def lossless(pixels: NDArray[Any], bits: int = 14, **options: Any) -> bytes:
    data: bytes = imagecodecs.jpeg8_encode(
        np.ascontiguousarray(pixels), lossless=True, bitspersample=bits, **options
    )
    return data


GRAY_STREAM = encoded(GRAY)
COLOUR_STREAM = encoded(RGB, colorspace="RGB", outcolorspace="YCBCR", subsampling="420")


def resized(data: bytes, rows: int, columns: int, marker: bytes = b"\xff\xc0") -> bytes:
    """A stream whose frame header states another size."""
    at = data.index(marker) + 5
    return data[:at] + rows.to_bytes(2) + columns.to_bytes(2) + data[at + 4 :]


def checked(
    configuration: dict[str, Any],
    foot: int = 32,
    right: int = 48,
    *,
    strips: bool = True,
) -> BlockJpegCodec:
    """The codec of blocks of 32 x 48 pixels; `foot` and `right` are what is left at the edges."""
    codec = {"name": "imagecodecs_jpeg", "configuration": configuration}
    across = 0 if strips and right == 48 else 48
    return BlockJpegCodec(codec, (32 + foot, across + right))


def decoded(codec: Any, data: bytes, *shape: int, dtype: str = "uint8") -> NDArray[Any]:
    pixels: NDArray[Any] = codec._decode_sync(
        buffer(data), chunk_spec(*shape, dtype=dtype)
    ).as_numpy_array()
    return pixels


# ---- in the place of imagecodecs_jpeg


def test_it_decodes_what_imagecodecs_does():
    for configuration, data, shape in (
        (GRAYSCALE, GRAY_STREAM, (32, 48)),
        (GRAYSCALE, GRAY_STREAM, (1, 32, 48)),
        (YCBCR, COLOUR_STREAM, (32, 48, 3)),
        ({"colorspace_data": "RGB"}, COLOUR_STREAM, (32, 48, 3)),
    ):
        standard = get_codec_class("imagecodecs_jpeg").from_dict(
            {"name": "imagecodecs_jpeg", "configuration": dict(configuration)}
        )
        np.testing.assert_array_equal(
            decoded(checked(configuration), data, *shape), decoded(standard, data, *shape)
        )


def entries(codecs: list[dict[str, Any]], shape: list[int], chunk: list[int]) -> list[Any]:
    """What zarr makes of a list of codecs that the store shows."""
    array = {"codecs": codecs, "shape": shape}
    array["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": chunk}}
    return [GuardCodec.from_dict(codec) for codec in guarded(array)["codecs"]]


def test_the_guards_metadata_are_those_of_imagecodecs():
    codec = {"name": "imagecodecs_jpeg", "configuration": GRAYSCALE}
    (made,) = entries([codec], [3, 100, 130], [1, 32, 48])
    assert made.to_dict() == codec
    np.testing.assert_array_equal(
        decoded(made, GRAY_STREAM, 32, 48), imagecodecs.jpeg8_decode(GRAY_STREAM)
    )


def test_short_image_around_it_is_its_part():
    inner = {"name": "imagecodecs_jpeg", "configuration": GRAYSCALE}
    configuration = {"codec": inner, "last": 4, "axis": -2, "last_columns": None}
    codec = {"name": "virtual_tiff.short_image", "configuration": configuration}
    (made,) = entries([codec], [100, 48], [32, 48])
    assert made.to_dict() == codec
    assert decoded(made, encoded(GRAY[:4]), 32, 48)[4:].max() == 0


def test_without_an_image_it_is_strict():
    made = BlockJpegCodec({"name": "imagecodecs_jpeg", "configuration": GRAYSCALE})
    np.testing.assert_array_equal(
        decoded(made, GRAY_STREAM, 32, 48), imagecodecs.jpeg8_decode(GRAY_STREAM)
    )
    for pixels in (GRAY[:31], GRAY[:, :47], np.vstack([GRAY, GRAY])):
        with pytest.raises(ImageSizeError, match="the tags promise"):
            decoded(made, encoded(pixels), 32, 48)


def test_it_is_not_encoded_again():
    spec = chunk_spec(32, 48)
    (made,) = entries(
        [{"name": "imagecodecs_jpeg", "configuration": GRAYSCALE}], [64, 48], [32, 48]
    )
    with pytest.raises(NotImplementedError, match="does not write"):
        made._encode_sync(spec.prototype.nd_buffer.from_numpy_array(GRAY), spec)


def test_what_is_persisted_names_no_codec_of_ours():
    data = image(GRAY, compression=7, encode_block=encoded)
    assert [c["name"] for c in stored_metadata(virtual(data))["codecs"]] == ["imagecodecs_jpeg"]


@pytest.mark.parametrize("size", [(65500, 48), (32, 65500), (65500, 65500), (48, 32), (31, 48)])
def test_a_frame_of_another_size_is_refused_before_it_is_decoded(size):
    data = resized(GRAY_STREAM, *size)
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"{size[0]} rows, {size[1]} columns"):
        decoded(checked(GRAYSCALE, strips=False), data, 32, 48)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_frame_of_other_samples_is_refused():
    with pytest.raises(ValueError, match="3 components"):
        decoded(checked(GRAYSCALE), COLOUR_STREAM, 32, 48)
    with pytest.raises(ValueError, match="1 components"):
        decoded(checked(YCBCR), GRAY_STREAM, 32, 48, 3)
    with pytest.raises(ValueError, match="samples of uint8; the array has uint16"):
        decoded(checked(GRAYSCALE), GRAY_STREAM, 32, 48, dtype="uint16")


def test_a_strip_that_goes_on_below_is_cut():
    taller = encoded(np.vstack([GRAY, GRAY]))
    np.testing.assert_array_equal(
        decoded(checked(GRAYSCALE), taller, 32, 48), imagecodecs.jpeg8_decode(taller)[:32]
    )
    with pytest.raises(ValueError, match="64 rows"):
        decoded(checked(GRAYSCALE, strips=False), taller, 32, 48)
    with pytest.raises(ValueError, match="several scans"):
        decoded(
            checked(GRAYSCALE), resized(taller, 64, 48).replace(b"\xff\xc0", b"\xff\xc2"), 32, 48
        )


@pytest.mark.parametrize(("rows", "columns"), [(20, 48), (32, 40), (20, 40), (24, 41)])
def test_a_block_may_end_where_the_image_does(rows, columns):
    data = encoded(RGB[:rows, :columns], colorspace="RGB", outcolorspace="YCBCR")
    got = decoded(checked(YCBCR, 20, 40, strips=False), data, 32, 48, 3)
    whole = imagecodecs.jpeg8_decode(data)
    np.testing.assert_array_equal(got[:rows, :columns], whole)
    assert not got[rows:].any()
    assert not got[:, columns:].any()


@pytest.mark.parametrize(("rows", "columns"), [(19, 48), (32, 39)])
def test_a_block_must_not_end_within_the_image(rows, columns):
    with pytest.raises(ValueError, match="the tags promise"):
        decoded(checked(GRAYSCALE, 20, 40), encoded(GRAY[:rows, :columns]), 32, 48)


# ---- damage


@pytest.mark.parametrize("end", [b"", b"\xff\xd9", b"junk", bytes(100)])
def test_the_end_marker_may_be_absent(end):
    data = GRAY_STREAM.removesuffix(b"\xff\xd9") + end
    np.testing.assert_array_equal(
        decoded(checked(GRAYSCALE), data, 32, 48), imagecodecs.jpeg8_decode(GRAY_STREAM)
    )


@pytest.mark.parametrize("lost", [20, 100, 150])
@pytest.mark.parametrize("options", [{}, {"optimize": True}])
def test_data_that_end_too_early_are_an_error(lost, options):
    data = encoded(GRAY, **options)
    with pytest.raises(ValueError, match=r"end after|not a JPEG stream"):
        decoded(checked(GRAYSCALE), data[:-lost], 32, 48)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"\0" * 50, GRAY_STREAM[:100]])
def test_what_is_no_stream_is_an_error(data):
    with pytest.raises(ValueError, match="not a JPEG stream"):
        decoded(checked(GRAYSCALE), data, 32, 48)


def test_a_segment_that_contradicts_itself_is_an_error():
    for at, change in ((4, b"\0\1"), (GRAY_STREAM.index(b"\xff\xc0") + 2, b"\0\x0c")):
        data = GRAY_STREAM[:at] + change + GRAY_STREAM[at + 2 :]
        with pytest.raises(ValueError, match="JPEG"):
            decoded(checked(GRAYSCALE), data, 32, 48)


def test_a_stream_of_countless_scans_is_refused():
    at = GRAY_STREAM.index(b"\xff\xda")
    scan = GRAY_STREAM[at : at + 10]
    data = GRAY_STREAM.replace(b"\xff\xc0", b"\xff\xc2")[:at] + scan * 500 + b"\xff\xd9"
    with pytest.raises(ValueError, match="499 scans"):
        decoded(checked(GRAYSCALE), data, 32, 48)


def test_tables_that_hold_an_image_are_refused():
    tables = base64.b64encode(resized(GRAY_STREAM, 65500, 65500)).decode()
    with pytest.raises(ValueError, match="JPEGTables"):
        decoded(checked({**GRAYSCALE, "tables": tables}), GRAY_STREAM, 32, 48)


CODECS: dict[str, tuple[Any, bytes, tuple[int, ...], str]] = {
    "gray": (checked(GRAYSCALE), GRAY_STREAM, (32, 48), "uint8"),
    "colour": (checked(YCBCR), COLOUR_STREAM, (32, 48, 3), "uint8"),
    "lossy DNG": (JpegCodec(), COLOUR_STREAM, (32, 48, 3), "uint8"),
    "lossless DNG": (JpegCodec(), lossless(DEEP), (32, 48), "uint16"),
}


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("seed", range(12))
def test_damaged_bytes_are_an_error_or_the_promised_pixels(name, seed):
    codec, good, shape, dtype = CODECS[name]
    random = np.random.default_rng(seed)
    data = bytearray(good)
    for at in random.integers(0, len(data) if seed % 2 else 150, 4):
        data[at] = random.integers(256)
    try:
        pixels = decoded(codec, bytes(data), *shape, dtype=dtype)
    except ValueError:
        return
    assert (pixels.shape, pixels.dtype) == (shape, np.dtype(dtype))


# ---- DNG


@pytest.mark.parametrize("components", [1, 2, 3, 4])
def test_samples_may_be_grouped_into_components(components):
    grouped = DEEP.reshape(32, 48 // components, components).squeeze()
    space = {"colorspace": "RGB", "outcolorspace": "RGB"} if components == 3 else {}
    np.testing.assert_array_equal(
        decoded(JpegCodec(), lossless(grouped, **space), 32, 48, dtype="uint16"), DEEP
    )


def test_two_rows_may_be_one_of_the_stream():
    data = lossless(DEEP.reshape(16, 48, 2))
    np.testing.assert_array_equal(decoded(JpegCodec(), data, 32, 48, dtype="uint16"), DEEP)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_depths_without_losses(bits):
    dtype = "uint8" if bits == 8 else "uint16"
    pixels = (DEEP.astype("u4") * 5 % (1 << bits)).astype(dtype)
    np.testing.assert_array_equal(
        decoded(JpegCodec(), lossless(pixels, bits), 32, 48, dtype=dtype), pixels
    )


def test_lossy_colours_are_converted_as_in_a_jpeg_file():
    np.testing.assert_array_equal(
        decoded(JpegCodec(), COLOUR_STREAM, 32, 48, 3), imagecodecs.jpeg8_decode(COLOUR_STREAM)
    )
    np.testing.assert_array_equal(
        decoded(JpegCodec(), GRAY_STREAM, 32, 48), imagecodecs.jpeg8_decode(GRAY_STREAM)
    )


def test_jpeg_ls():
    for pixels in (GRAY, DEEP):
        data = imagecodecs.jpegls_encode(pixels)
        got = decoded(JpegCodec(), data, 32, 48, dtype=pixels.dtype.name)
        np.testing.assert_array_equal(got, pixels)


def bogus(data: bytes) -> bytes:
    """A stream with a symbol in its Huffman table that libjpeg does not allow."""
    at = data.index(b"\xff\xc4")
    size = int.from_bytes(data[at + 2 : at + 4])
    table = bytearray(data[at + 4 : at + 2 + size]) + bytes([17])
    table[16] += 1
    return data[:at] + b"\xff\xc4" + (size + 1).to_bytes(2) + table + data[at + 2 + size :]


def test_huffman_tables_that_libjpeg_calls_bogus():
    data = bogus(lossless(DEEP))
    with pytest.raises(imagecodecs.Jpeg8Error, match="Bogus"):
        imagecodecs.jpeg8_decode(data)
    np.testing.assert_array_equal(decoded(JpegCodec(), data, 32, 48, dtype="uint16"), DEEP)
    with pytest.raises(ValueError, match="end after"):
        decoded(JpegCodec(), data[:-100], 32, 48, dtype="uint16")


def test_huffman_tables_are_found_among_other_segments():
    data = bogus(lossless(DEEP))
    comment = b"\xff\xdb" + (67).to_bytes(2) + bytes([0, *[1] * 64])  # tables of no use here
    at = data.index(b"\xff\xc4")
    among = data[:at] + comment + data[at:]
    np.testing.assert_array_equal(decoded(JpegCodec(), among, 32, 48, dtype="uint16"), DEEP)


def test_huffman_tables_that_nobody_can_use():
    data = bogus(lossless(DEEP))
    at = data.index(b"\xff\xc4") + 5
    too_many = data[:at] + bytes([9]) + data[at + 1 :]
    with pytest.raises(ValueError, match=r"no decoder|damaged"):
        decoded(JpegCodec(), too_many, 32, 48, dtype="uint16")


@pytest.mark.parametrize("shape", [(31, 48), (32, 48, 3), (48, 32, 2)])
def test_a_dng_frame_of_other_samples_is_refused(shape):
    with pytest.raises(ValueError, match="components; the tags promise"):
        decoded(JpegCodec(), lossless(DEEP), *shape, dtype="uint16")
    with pytest.raises(ValueError, match="components; the tags promise"):
        decoded(JpegCodec(), GRAY_STREAM, *shape)


@pytest.mark.parametrize("shape", [(48,), (2, 32, 48, 3), ()])
def test_a_chunk_that_no_image_fills_is_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="no image fills a chunk of shape"):
        decoded(BlockJpegCodec({"name": "imagecodecs_jpeg"}), GRAY_STREAM, *shape)


def test_tables_of_the_tag():
    at = GRAY_STREAM.index(b"\xff\xdb")
    frame = GRAY_STREAM.index(b"\xff\xc0")
    tables = b"\xff\xd8" + GRAY_STREAM[at:frame] + b"\xff\xd9"
    made = JpegCodec(tables=base64.b64encode(tables).decode())
    np.testing.assert_array_equal(
        decoded(made, GRAY_STREAM[:at] + GRAY_STREAM[frame:], 32, 48),
        imagecodecs.jpeg8_decode(GRAY_STREAM),
    )


@pytest.mark.parametrize("made", [JpegCodec(), JpegCodec(tables="/9j/2Q==")])
def test_metadata_make_the_codec_again(made):
    assert JpegCodec.from_dict(made.to_dict()) == made
    with pytest.raises(ValueError, match="configuration"):
        JpegCodec.from_dict({"name": made.name, "configuration": {"level": 1}})
    with pytest.raises(NotImplementedError, match="does not write"):
        made._encode_sync(None, chunk_spec(1))


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("photometric", [2, 6])
def test_lossless_colours_are_given_as_they_are_stored(photometric: int, predictor: int):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype("u1")

    def encode(block: Any) -> bytes:
        return imagecodecs.jpeg8_encode(
            block, lossless=True, predictor=predictor, colorspace="RGB", outcolorspace="RGB"
        )

    data = image(pixels, compression=7, photometric=photometric, encode_block=encode)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(data)), pixels)
    np.testing.assert_array_equal(read(data), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("photometric", "colorspace", "codec"),
    [
        (2, "RGB", "imagecodecs_jpeg"),
        # JFIF; the scan names one of two Huffman tables, and libjpeg-turbo fails silently
        (2, "YCbCr", "virtual_tiff.jpeg"),
        (6, "RGB", "virtual_tiff.jpeg"),
        (6, "YCbCr", "virtual_tiff.jpeg"),
    ],
)
@pytest.mark.parametrize("rows", [16, 5])
def test_lossless_colours_have_a_codec_in_a_published_cube_that_reads_them(
    photometric: int, colorspace: str, codec: str, rows: int, tmp_path: Path
):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype("u1")

    def encode(block: Any) -> bytes:
        return imagecodecs.jpeg8_encode(
            block, lossless=True, predictor=1, colorspace=colorspace, outcolorspace=colorspace
        )

    data = image(
        pixels, compression=7, photometric=photometric, encode_block=encode, rows_per_strip=rows
    )
    (tmp_path / "a.tif").write_bytes(data)
    expected = tifffile.imread(io.BytesIO(data)).transpose(2, 0, 1)
    published = publish(tmp_path / "a.tif", "memory://", check=True)
    array: Any = group_of(published)["a/0"]
    np.testing.assert_array_equal(array[...], expected)
    np.testing.assert_array_equal(read(data), expected)
    assert codec in str(stored_metadata(virtual(data))["codecs"])
    assert ("virtual-tiff" in published.readers_need) == (codec != "imagecodecs_jpeg" or rows == 5)


def test_lossy_ycbcr_without_tables_keeps_the_codec_that_others_know():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype("u1")
    data = image(pixels, compression=7, photometric=6, encode_block=imagecodecs.jpeg8_encode)
    assert stored_metadata(virtual(data))["codecs"][-1]["name"] == "imagecodecs_jpeg"
