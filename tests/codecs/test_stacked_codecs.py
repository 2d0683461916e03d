"""Two files of each codec, stacked: a chunk has one more axis, of length 1, in front.

Read through Icechunk, by the codecs of the standard names. What the files are by themselves is
judged elsewhere (`tests/codecs`); here they need only be what each of them is alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import icechunk
import imagecodecs
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.abc.codec import BytesBytesCodec

from support.build import LONG, SHORT, Directory, block_at, build, entry, image
from support.pixels import read, stored_metadata, virtual
from virtual_tiff.codecs.rows.ccitt_lines import code_words
from virtual_tiff.publishing import publish

type Pixels = NDArray[Any]
type Maker = Callable[[np.random.Generator], bytes]

ROWS, COLUMNS = 21, 16
STRIPS = {"rows_per_strip": 8}
"""The last one has 5 rows."""
LINES = {"rows_per_strip": 1}
TILES = {"tile": (16, 16)}


def numbers(random: np.random.Generator, dtype: str, samples: int = 1, most: int = 0) -> Pixels:
    """Pixels of shape (rows, columns) or (rows, columns, samples), below `most` if it is given."""
    shape = (ROWS, COLUMNS) if samples == 1 else (ROWS, COLUMNS, samples)
    if dtype[0] == "f":
        return random.normal(size=shape).astype(dtype)
    return random.integers(0, most or np.iinfo(dtype).max, shape, dtype)


def smooth(random: np.random.Generator, samples: int = 3) -> Pixels:
    """Something of which JPEG loses little."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    factors = random.integers(1, 6, (samples, 2))
    found = np.stack([y * down + x * across for down, across in factors], axis=-1).astype("u1")
    return np.ascontiguousarray(found[..., 0] if samples == 1 else found)


def encoded(encode: Callable[..., Any], **options: Any) -> Callable[[Pixels], bytes]:
    return lambda block: bytes(encode(np.ascontiguousarray(block), **options))


FORMATS: dict[str, tuple[int, Callable[[Pixels], bytes]]] = {
    "imagecodecs_jpeg2k": (34712, encoded(imagecodecs.jpeg2k_encode, codecformat="J2K", level=0)),
    "imagecodecs_jpegxl": (50002, encoded(imagecodecs.jpegxl_encode, lossless=True)),
    "imagecodecs_jpegxr": (34934, encoded(imagecodecs.jpegxr_encode, level=1.0)),
    "imagecodecs_lerc": (34887, encoded(imagecodecs.lerc_encode, level=0)),
    "imagecodecs_png": (34933, encoded(imagecodecs.png_encode)),
    "imagecodecs_webp": (50001, encoded(imagecodecs.webp_encode, lossless=True)),
}
"""Codec -> Compression, encoder."""


def of_format(name: str, samples: int = 3, dtype: str = "u1", **options: Any) -> Maker:
    compression, encode = FORMATS[name]
    chosen = {"compression": compression, "encode_block": encode, **options}
    return lambda random: image(numbers(random, dtype, samples), **chosen)


def jpeg(samples: int = 3, **options: Any) -> Maker:
    """Compression 7: gray, or YCbCr."""
    colours: dict[str, Any] = (
        {}
        if samples == 1 or options.get("planar") == 2
        else {"colorspace": "RGB", "outcolorspace": "YCBCR"}
    )
    return lambda random: image(
        smooth(random, samples),
        compression=7,
        photometric=6 if colours else 1,
        encode_block=encoded(imagecodecs.jpeg8_encode, level=90, **colours),
        **options,
    )


def dng(samples: int = 3, **options: Any) -> Maker:
    return lambda random: image(
        smooth(random, samples),
        compression=34892,
        photometric=34892,
        encode_block=encoded(imagecodecs.jpeg8_encode, level=90),
        **options,
    )


def colour_filter_array(random: np.random.Generator) -> bytes:
    """Lossless JPEG whose two components are the pixels of even and odd columns."""
    encode = encoded(imagecodecs.jpeg8_encode, lossless=True, bitspersample=14)
    return image(
        numbers(random, "u2", most=2**14),
        compression=7,
        photometric=32803,
        encode_block=lambda block: encode(block.reshape(len(block), -1, 2)),
        **TILES,
    )


def old_jpeg(samples: int) -> Maker:
    """Compression 6, whose one strip is a stream with its tables."""
    colours = {"colorspace": "RGB", "outcolorspace": "YCBCR", "subsampling": "420"}

    def make(random: np.random.Generator) -> bytes:
        encode = encoded(imagecodecs.jpeg8_encode, level=90, **(colours if samples == 3 else {}))
        stream = encode(smooth(random, samples))
        entries = [
            entry(256, LONG, COLUMNS),
            entry(257, LONG, ROWS),
            entry(258, SHORT, [8] * samples),
            entry(259, SHORT, 6),
            entry(262, SHORT, 6 if samples == 3 else 1),
            entry(273, LONG, [block_at(0)]),
            entry(277, SHORT, samples),
            entry(278, LONG, ROWS),
            entry(279, LONG, [len(stream)]),
            entry(512, SHORT, 1),
            entry(513, LONG, block_at(0)),
            entry(514, LONG, len(stream)),
        ]
        return build([Directory(entries)], [stream])

    return make


def ycbcr(**options: Any) -> Maker:
    """Data units of 2 x 2 pixels: any bytes are some colours."""

    def make(random: np.random.Generator) -> bytes:
        def units(block: Pixels) -> bytes:
            rows, columns, _ = block.shape
            return random.bytes(-(-rows // 2) * -(-columns // 2) * 6)

        factors = entry(530, SHORT, [2, 2])
        pixels = numbers(random, "u1", 3)
        return image(pixels, photometric=6, encode_block=units, extra_entries=[factors], **options)

    return make


def packed_pixels(random: np.random.Generator) -> bytes:
    depths = entry(258, SHORT, [5, 6, 5])
    return image(
        numbers(random, "u1", 3),
        photometric=2,
        encode_block=lambda block: random.bytes(block.shape[0] * block.shape[1] * 2),
        extra_entries=[depths],
        **TILES,
    )


def packed(dtype: str, samples: int = 1, **options: Any) -> Maker:
    """12 bits a sample."""
    return lambda random: image(numbers(random, dtype, samples, most=2**11), bits=12, **options)


def float24(samples: int, predictor: int) -> Maker:
    encode = encoded(imagecodecs.float24_encode, byteorder=">")

    def differences(block: Pixels) -> bytes:
        rows = np.frombuffer(encode(block), "u1").reshape(len(block), -1, 3)
        planes = rows.swapaxes(1, 2).reshape(len(block), -1)
        found = planes.copy()
        found[:, samples:] -= planes[:, :-samples]
        return found.tobytes()

    def make(random: np.random.Generator) -> bytes:
        tags = [entry(258, SHORT, [24] * samples), entry(317, SHORT, predictor)]
        store = differences if predictor == 3 else encode
        return image(
            numbers(random, "f4", samples),
            byteorder="MM",
            compression=8,
            encode_block=lambda block: zlib.compress(store(block)),
            extra_entries=tags,
            **STRIPS,
        )

    return make


def complex_parts(sample_format: int, dtype: str, samples: int = 1, **options: Any) -> Maker:
    """Complex numbers of two integers or halves: any bits are some."""
    tag = entry(339, SHORT, [sample_format] * samples)
    return lambda random: image(
        numbers(random, dtype, samples, most=2**14), extra_entries=[tag], **options
    )


def fax(random: np.random.Generator) -> bytes:
    """Modified Huffman: each row is white first, and then black."""

    def line(white: int) -> bytes:
        bits = code_words(0, white) + code_words(1, COLUMNS - white)
        size = -(-len(bits) // 8)
        return int(bits.ljust(size * 8, "0"), 2).to_bytes(size)

    return image(
        numbers(random, "u1", most=COLUMNS),
        compression=2,
        bits=1,
        photometric=0,
        encode_block=lambda block: b"".join(line(int(row[0])) for row in block),
        **STRIPS,
    )


def next_(random: np.random.Generator) -> bytes:
    def encode(block: Pixels) -> bytes:
        return b"".join(b"\0" + random.bytes(-(-COLUMNS // 4)) for _ in block)

    pixels = numbers(random, "u1")
    return image(pixels, compression=32766, bits=2, encode_block=encode, **STRIPS)


def thunderscan(random: np.random.Generator) -> bytes:
    return image(
        numbers(random, "u1", most=16),
        compression=32809,
        bits=4,
        encode_block=lambda block: (block | 0xC0).tobytes(),
        **STRIPS,
    )


def pixarlog(samples: int) -> Maker:
    return lambda random: image(
        numbers(random, "u1", samples),
        compression=32909,
        encode_block=encoded(imagecodecs.pixarlog_encode),
        **STRIPS,
    )


def luv24(random: np.random.Generator) -> bytes:
    tags = [entry(258, SHORT, [16] * 3), entry(277, SHORT, 3), entry(339, SHORT, [2] * 3)]
    return image(
        numbers(random, "u1"),
        compression=34677,
        photometric=32845,
        encode_block=lambda block: random.bytes(block.size * 3),
        extra_entries=tags,
        **STRIPS,
    )


def logl(random: np.random.Generator) -> bytes:
    """Rows as pieces of bytes that are no runs."""
    piece = bytes([COLUMNS])

    def encode(block: Pixels) -> bytes:
        return b"".join(piece + random.bytes(COLUMNS) for _ in range(2 * len(block)))

    return image(
        numbers(random, "i2"), compression=34676, photometric=32844, encode_block=encode, **STRIPS
    )


def eer(random: np.random.Generator) -> bytes:
    """One event in a frame, and the end: steps of 8 bits, and 2 + 2 for the place in a pixel."""

    def encode(block: Pixels) -> bytes:
        at = int(random.integers(0, 255))
        steps, rest = divmod(block.size - at - 1, 255)
        bits = f"{at:08b}"[::-1] + "0000" + "1" * 8 * steps + f"{rest:08b}"[::-1] + "0000"
        bits = bits.ljust(-(-len(bits) // 16) * 16, "0")
        return np.packbits(np.array(list(bits), "u1"), bitorder="little").tobytes()

    return image(numbers(random, "u1"), compression=65000, encode_block=encode)


YCBCR = {"compression": 33003, "photometric": 6}
NO_MCT = encoded(imagecodecs.jpeg2k_encode, codecformat="J2K", level=0, mct=False)

FILES: dict[str, tuple[str, Maker]] = {
    "bits": ("virtual_tiff.bits", packed("i2")),
    "bits, chunky": ("virtual_tiff.bits", packed("i2", 3, **TILES)),
    "bits, planar": ("virtual_tiff.bits", packed("i2", 3, planar=2, **TILES)),
    "packints": ("imagecodecs_packints", packed("u2")),
    "packints, chunky": ("imagecodecs_packints", packed("u2", 3, **STRIPS)),
    "packed pixels": ("virtual_tiff.packed_pixels", packed_pixels),
    "float24": ("imagecodecs_float24", float24(1, 1)),
    "float24, chunky": ("imagecodecs_float24", float24(3, 1)),
    "predictor of float24": ("virtual_tiff.float24_predictor", float24(1, 3)),
    "predictor of float24, chunky": ("virtual_tiff.float24_predictor", float24(3, 3)),
    "complex int16": ("virtual_tiff.complex_parts", complex_parts(5, "u4")),
    "complex int8, chunky": ("virtual_tiff.complex_parts", complex_parts(5, "u2", 3, **STRIPS)),
    "complex float16": ("virtual_tiff.view", complex_parts(6, "u4", **TILES)),
    "complex float16, chunky": ("virtual_tiff.view", complex_parts(6, "u4", 3)),
    "complex int32, predictor": (
        "virtual_tiff.view",
        complex_parts(5, "u8", compression=8, predictor=2),
    ),
    "complex64, predictor, chunky": (
        "virtual_tiff.view",
        complex_parts(6, "u8", 2, compression=8, predictor=2, **TILES),
    ),
    "YCbCr": ("virtual_tiff.ycbcr", ycbcr()),
    "YCbCr, strips": ("virtual_tiff.ycbcr", ycbcr(**STRIPS)),
    "YCbCr, tiles": ("virtual_tiff.ycbcr", ycbcr(**TILES)),
    "JPEG": ("imagecodecs_jpeg", jpeg(**TILES)),
    "JPEG, gray": ("imagecodecs_jpeg", jpeg(1)),
    "JPEG, planar": ("imagecodecs_jpeg", jpeg(planar=2)),
    "JPEG, short strip": ("virtual_tiff.short_image", jpeg(**STRIPS)),
    "JPEG, short strip, gray": ("virtual_tiff.short_image", jpeg(1, **STRIPS)),
    "JPEG, short strip, planar": ("virtual_tiff.short_image", jpeg(planar=2, **STRIPS)),
    "DNG's JPEG": ("virtual_tiff.jpeg", dng()),
    "DNG's JPEG, gray": ("virtual_tiff.jpeg", dng(1)),
    "DNG's JPEG, planar": ("virtual_tiff.jpeg", dng(planar=2)),
    "DNG's JPEG, lines": ("virtual_tiff.jpeg", dng(**LINES)),
    "DNG's JPEG, lossless": ("virtual_tiff.jpeg", colour_filter_array),
    "old JPEG": ("virtual_tiff.jpeg_old", old_jpeg(3)),
    "old JPEG, gray": ("virtual_tiff.jpeg_old", old_jpeg(1)),
    "JPEG 2000 of YCbCr": (
        "virtual_tiff.jpeg2k_ycbcr",
        of_format("imagecodecs_jpeg2k", encode_block=NO_MCT, **YCBCR),
    ),
    "JPEG XL, gray and alpha": (
        "virtual_tiff.jpegxl",
        of_format("imagecodecs_jpegxl", 2, **TILES),
    ),
    "LERC, floats": ("virtual_tiff.lerc", of_format("imagecodecs_lerc", 1, "f4", **TILES)),
    "LERC, floats, chunky": ("virtual_tiff.lerc", of_format("imagecodecs_lerc", 3, "f4")),
    "LERC, floats, planar": (
        "virtual_tiff.lerc",
        of_format("imagecodecs_lerc", 3, "f4", planar=2),
    ),
    "LERC, floats, lines": ("virtual_tiff.lerc", of_format("imagecodecs_lerc", 3, "f4", **LINES)),
    "fax": ("virtual_tiff.ccitt", fax),
    "NeXT": ("virtual_tiff.next", next_),
    "ThunderScan": ("virtual_tiff.thunderscan", thunderscan),
    "PixarLog": ("virtual_tiff.pixarlog", pixarlog(1)),
    "PixarLog, chunky": ("virtual_tiff.pixarlog", pixarlog(3)),
    "LogL": ("virtual_tiff.sgilog", logl),
    "LogLuv": ("virtual_tiff.sgilog", luv24),
    "EER": ("imagecodecs_eer", eer),
}
"""Name -> a codec that it must have, and what makes a file."""

for _name in FORMATS:
    _short = "virtual_tiff.short_image"
    FILES[f"{_name}, chunky"] = (_name, of_format(_name))
    FILES[f"{_name}, short strip"] = (_short, of_format(_name, **STRIPS))
    FILES[f"{_name}, lines"] = (_name, of_format(_name, **LINES))
    if _name != "imagecodecs_webp":  # which has three samples at least
        FILES[f"{_name}, gray"] = (_name, of_format(_name, 1))
        FILES[f"{_name}, planar"] = (_name, of_format(_name, planar=2))
        FILES[f"{_name}, short strip, gray"] = (_short, of_format(_name, 1, **STRIPS))
        FILES[f"{_name}, short strip, planar"] = (_short, of_format(_name, planar=2, **STRIPS))
for _name in ("imagecodecs_png", "imagecodecs_jpegxr"):
    FILES[f"{_name}, cut tiles"] = (_short, of_format(_name, **TILES))


@pytest.fixture(autouse=True)
def _quiet_icechunk() -> None:
    icechunk.set_logs_filter("error")


def names(codecs: list[dict[str, Any]]) -> Iterator[str]:
    """The names of codecs, those within others too."""
    for codec in codecs:
        yield codec["name"]
        if "codec" in codec.get("configuration", {}):
            yield codec["configuration"]["codec"]["name"]


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_two_files_stack(name: str, tmp_path: Path) -> None:
    codec, make = FILES[name]
    files, alone = [], []
    for seed in (1, 2):
        data = make(np.random.default_rng(seed))
        files.append(tmp_path / f"{seed}.tif")
        files[-1].write_bytes(data)
        alone.append(read(data))
    assert codec in names(stored_metadata(virtual(data))["codecs"])
    assert not np.array_equal(*alone)
    published = publish(files, "memory://", concat="n", check=True)
    store = published.repository.readonly_session("main").store
    array: Any = zarr.open_group(store, mode="r")["0"]
    assert array.chunks[0] == 1
    np.testing.assert_array_equal(array[...], np.stack(alone))
    np.testing.assert_array_equal(array[1, ..., -3:, 5:], alone[1][..., -3:, 5:])


def test_each_codec_of_ours_is_among_them() -> None:
    """But those that turn bytes into bytes, which know no shape, those of our own store, those of
    old stores alone, and the one that mosaics alone have."""
    ours = {
        point.name
        for point in entry_points(group="zarr.codecs")
        if point.value.startswith("virtual_tiff.")
        and not issubclass(point.load(), BytesBytesCodec)
        and point.name not in ("virtual_tiff.guard", "virtual_tiff.crop")
        and not point.value.startswith("virtual_tiff.codecs.compat_050.samples")
    }
    assert ours <= {codec for codec, _ in FILES.values()}
    assert len(ours) > 10
