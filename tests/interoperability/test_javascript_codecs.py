"""The codecs of javascript/ against bytes that imagecodecs, tifffile and GDAL wrote."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from numpy.typing import NDArray

from interoperability.one_chunk import BYTES, Chunk, check, codec, read_chunks
from support.node import ZarritaError, run_with_module

LZW = [BYTES, codec("imagecodecs_lzw")]
PACKBITS = [BYTES, codec("imagecodecs_packbits")]
PAD = [BYTES, codec("virtual_tiff.pad", size=8, last=3)]
RANDOM = np.random.default_rng(8)


def noise(dtype: str, *shape: int, top: int | None = None) -> NDArray[Any]:
    """Values of all bits; of a float's all that are numbers."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return RANDOM.normal(0, 1e3, shape).astype(kind)
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    return RANDOM.integers(low, high if top is None else top, shape, dtype=kind, endpoint=True)


def smooth(*shape: int) -> NDArray[Any]:
    return (np.add.outer(*(np.arange(n) // 7 for n in shape)) % 11).astype("u1")


def bit_string(values: NDArray[Any], bits: int) -> bytes:
    """Rows of integers as text of 0 and 1, each row filled up to bytes."""
    rows = ("".join(f"{int(v) & (2**bits - 1):0{bits}b}" for v in row) for row in values)
    whole = (row + "0" * (-len(row) % 8) for row in rows)
    return b"".join(int(row, 2).to_bytes(len(row) // 8) for row in whole)


def block_of(data: bytes) -> bytes:
    """The first block of a TIFF's bytes, as it is stored."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        at = page.dataoffsets[0]
        return data[at : at + page.databytecounts[0]]


def by_gdal(pixels: NDArray[Any], **options: Any) -> bytes:
    """(band, y, x) as a TIFF of one block that GDAL writes."""
    count, length, width = pixels.shape
    shape = {"count": count, "height": length, "width": width, "dtype": pixels.dtype.name}
    with rasterio.MemoryFile() as file:
        with file.open(driver="GTiff", blockysize=length, **shape, **options) as dataset:
            dataset.write(pixels)
        return bytes(file.read())


def by_tifffile(pixels: NDArray[Any], **options: Any) -> bytes:
    """(y, x) or (y, x, 3) as a TIFF of one strip that tifffile writes."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, rowsperstrip=len(pixels), **options)
    return file.getvalue()


def old_lzw(values: bytes) -> bytes:
    """TIFF 5.0's order of bits, the lowest first; codes of 9 bits and no strings."""
    stream = sum(code << 9 * n for n, code in enumerate([256, *values, 257]))
    return stream.to_bytes(-(-9 * (len(values) + 2) // 8), "little")


def compressions() -> Iterator[tuple[str, Chunk]]:
    images = {
        "noise": noise("u1", 70, 90),
        "smooth": smooth(200, 300),  # past 12 bits
        "constant": np.full((120, 100), 7, "u1"),
        "one value": np.full((1, 1), 3, "u1"),
    }
    for name, image in images.items():
        lzw, packbits = imagecodecs.lzw_encode(image), imagecodecs.packbits_encode(image)
        yield f"lzw, {name}, imagecodecs", Chunk(LZW, bytes(lzw), image, shape=image.shape)
        yield f"packbits, {name}", Chunk(PACKBITS, bytes(packbits), image, shape=image.shape)
        for compression, codecs in (("lzw", LZW), ("packbits", PACKBITS)):
            data = block_of(by_gdal(image[None], compress=compression))
            yield f"{compression}, {name}, GDAL", Chunk(codecs, data, image, shape=image.shape)
    # long enough for the wider codes, which come one later in the old style
    old = bytes(range(253))
    image = np.frombuffer(old, "u1").reshape(11, 23)
    assert imagecodecs.lzw_decode(old_lzw(old)) == old
    yield "lzw, old style", Chunk(LZW, old_lzw(old), image, shape=image.shape)


def short_blocks() -> Iterator[tuple[str, Chunk]]:
    whole = np.arange(8, dtype="u1").reshape(2, 4)
    yield "pad, a whole block", Chunk(PAD, whole.tobytes(), whole)
    cut = np.where(whole < 3, whole, 0)
    yield "pad, the last block", Chunk(PAD, whole.tobytes()[:3], cut)
    packed = bytes(imagecodecs.lzw_encode(whole.tobytes()[:3]))
    yield "pad behind lzw", Chunk([*PAD, LZW[-1]], packed, cut)
    for length in (0, 2, 4, 9):
        words = f"a block of {length} bytes; the tags promise 8, or 3"
        yield f"pad, {length} bytes", Chunk(PAD, bytes(length), words)
    reverse = [BYTES, codec("virtual_tiff.reverse_bits")]
    stored = imagecodecs.bitorder_decode(whole)
    yield "reverse_bits", Chunk(reverse, stored.tobytes(), whole)


INTEGERS = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8")


def predictors() -> Iterator[tuple[str, Chunk]]:
    """Deflate is zarrita's own, so that the bytes are those of the writers."""
    zlib = codec("numcodecs.zlib", level=1)
    for dtype, order in product((*INTEGERS, "f4", "f8"), "<>"):
        # libtiff's difference of floats is that of their bits; tifffile writes no such file
        image = noise(dtype, 13, 17)
        endian = codec("bytes", endian="little" if order == "<" else "big")
        name = np.dtype(dtype).name
        if image.dtype.kind != "f":
            data = block_of(
                by_tifffile(image.astype(order + dtype), compression="zlib", predictor=2)
            )
            steps = [codec("imagecodecs_delta", axis=-1, dist=1), endian, zlib]
            yield f"delta, {name} {order}, tifffile", Chunk(steps, data, image, name, image.shape)
        if name != "int8":
            endianness = "LITTLE" if order == "<" else "BIG"
            options = {"compress": "deflate", "endianness": endianness, "interleave": "pixel"}
            rgb = noise(dtype, 3, 6, 8)
            data = block_of(by_gdal(rgb, predictor=2, **options))
            steps = [
                codec("transpose", order=[1, 2, 0]),
                codec("imagecodecs_delta", axis=-2, dist=1),
                endian,
                zlib,
            ]
            yield f"delta, {name} {order} RGB, GDAL", Chunk(steps, data, rgb, name, rgb.shape)
        if image.dtype.kind == "f":
            yield from float_predictors(image.astype(order + dtype), noise(dtype, 3, 6, 8), order)


def float_predictors(
    image: NDArray[Any], rgb: NDArray[Any], order: str
) -> Iterator[tuple[str, Chunk]]:
    zlib = codec("numcodecs.zlib", level=1)
    name = rgb.dtype.name
    data = block_of(by_tifffile(image, compression="zlib", predictor=3))
    steps = [codec("imagecodecs_floatpred", axis=-1, dist=1), zlib]
    yield f"floatpred, {name} {order}, tifffile", Chunk(steps, data, image, name, image.shape)
    endianness = "LITTLE" if order == "<" else "BIG"
    options = {"compress": "lzw", "endianness": endianness, "interleave": "pixel"}
    data = block_of(by_gdal(rgb, predictor=3, **options))
    chunky = codec("transpose", order=[1, 2, 0])
    steps = [chunky, codec("imagecodecs_floatpred", axis=-2, dist=1), LZW[-1]]
    yield f"floatpred, {name} {order} RGB, GDAL", Chunk(steps, data, rgb, name, rgb.shape)


def stacked() -> Iterator[tuple[str, Chunk]]:
    """Axes of length 1 stand before those of an image in a stack of files."""
    rgb = noise("u2", 3, 6, 8)
    data = block_of(
        by_gdal(rgb, predictor=2, compress="lzw", interleave="pixel", endianness="LITTLE")
    )
    steps = [
        codec("transpose", order=[0, 2, 3, 1]),
        codec("imagecodecs_delta", axis=-2, dist=1),
        BYTES,
        LZW[-1],
    ]
    yield "delta, RGB in a stack", Chunk(steps, data, rgb[None], "uint16", (1, *rgb.shape))


def depths() -> Iterator[tuple[str, Chunk]]:
    for bits in set(range(1, 32)) - {16}:
        dtype = "u1" if bits <= 8 else "u2" if bits <= 16 else "u4"
        image = noise(dtype, 5, 11, top=2**bits - 1)
        packed = imagecodecs.packints_encode(image, bits, runlen=11)
        assert packed == bit_string(image, bits)
        steps = [codec("imagecodecs_packints", bitspersample=bits, runlen=11)]
        name = image.dtype.name
        yield f"packints, {bits} bits", Chunk(steps, bytes(packed), image, name, image.shape)
    for bits, dtype in product((3, 12, 24, 31, 33, 47, 63, 64), ("i4", "i8", "u8")):
        if bits <= np.dtype(dtype).itemsize * 8:
            top = 2 ** (bits - (dtype[0] == "i")) - 1
            image = np.maximum(noise(dtype, 4, 7, top=top), -top - 1 if dtype[0] == "i" else 0)
            steps = [codec("virtual_tiff.bits", bits=bits, row=7)]
            name = image.dtype.name
            yield (
                f"bits, {bits} as {name}",
                Chunk(steps, bit_string(image, bits), image, name, image.shape),
            )
    image = noise("u4", 4, 5, top=2**24 - 1)
    little = image.astype("<u4").view("u1").reshape(4, 5, 4)[..., :3].tobytes()
    steps = [codec("virtual_tiff.bits", bits=24, row=5, endian="little")]
    yield "bits, little-endian", Chunk(steps, little, image, "uint32", image.shape)


def floats() -> Iterator[tuple[str, Chunk]]:
    """All 24-bit floats of a few signs, exponents and mantissas."""
    heads = [0x00, 0x01, 0x3F, 0x40, 0x7E, 0x7F, 0x80, 0xBF, 0xFE, 0xFF]
    values = [(h << 16) | m for h in heads for m in (0, 1, 0x0400, 0x8000, 0xFFFF)]
    for order, endian in (("<", "little"), (">", "big")):
        stored = b"".join(v.to_bytes(3, endian) for v in values)
        expected = imagecodecs.float24_decode(stored, byteorder=order).reshape(5, 10)
        steps = [codec("imagecodecs_float24", byteorder=order)]
        yield f"float24 {order}", Chunk(steps, stored, expected, "float32", (5, 10))


def damaged() -> Iterator[tuple[str, Chunk]]:
    whole = bytes(imagecodecs.lzw_encode(bytes(8)))
    longer = bytes(imagecodecs.lzw_encode(bytes(10**6)))
    yield "lzw, cut off", Chunk(LZW, whole[:2], "the tags promise 8")
    yield "lzw, empty", Chunk(LZW, b"", "a block of 0 bytes; the tags promise 8")
    yield "lzw, too long", Chunk(LZW, longer, "more than the 8 bytes that the tags promise")
    yield "lzw, no such code", Chunk(LZW, b"\x80\x7f\xff\xff", "is not in the table")
    yield "packbits, cut off", Chunk(PACKBITS, b"\x07abc", "a run is cut off")
    yield "packbits, too short", Chunk(PACKBITS, b"\xfd\x01", "the tags promise 8")
    yield "packbits, too long", Chunk(PACKBITS, b"\x81\x01" * 9, "more than the 8 bytes")
    bits = [codec("virtual_tiff.bits", bits=12, row=4)]
    yield "bits, too short", Chunk(bits, bytes(11), "the tags promise 12", "uint16")
    ints = [codec("imagecodecs_packints", bitspersample=3, runlen=4)]
    yield "packints, too long", Chunk(ints, bytes(5), "the tags promise 4")
    predicted = [codec("imagecodecs_floatpred", axis=-1, dist=1)]
    yield "floatpred, too short", Chunk(predicted, bytes(31), "the tags promise 32", "float32")
    half = [codec("imagecodecs_float24", byteorder="<")]
    yield "float24, too short", Chunk(half, bytes(23), "the tags promise 24", "float32")
    delta = [codec("imagecodecs_delta", axis=-1, dist=1), BYTES]
    yield "delta, too short", Chunk(delta, bytes(7), "a block of 7 samples")


def wrong_settings() -> Iterator[tuple[str, Chunk]]:
    rows = {
        "a setting that is not known": (
            codec("virtual_tiff.pad", size=8, last=3, x=1),
            "setting x",
        ),
        "a setting that is missing": (codec("virtual_tiff.pad", size=8), "needs the setting last"),
        "last above size": (codec("virtual_tiff.pad", size=3, last=8), "size=3"),
        "size above the chunk": (codec("virtual_tiff.pad", size=2**40, last=8), "above the chunk"),
        "a setting of no settings": (codec("imagecodecs_lzw", level=1), "setting level"),
    }
    for name, (step, words) in rows.items():
        yield name, Chunk([BYTES, step], bytes(8), words)
    first = {
        "an axis that is not there": (codec("imagecodecs_delta", axis=-4), "no axis -4"),
        "no distance": (codec("imagecodecs_delta", dist=0), "dist=0"),
    }
    for name, (step, words) in first.items():
        yield name, Chunk([step, BYTES], bytes(8), words)
    words_of_16 = codec("imagecodecs_packints", bitspersample=16, runlen=4)
    yield "packints of 16 bits", Chunk([words_of_16], bytes(16), "16 bits", "uint16")
    for bits in (0, 9, 65, 1.5):
        step = codec("virtual_tiff.bits", bits=bits, row=4)
        yield f"{bits} bits", Chunk([step], bytes(8), f"{bits}")


CHUNKS = {
    name: chunk
    for group in (
        compressions(),
        short_blocks(),
        predictors(),
        stacked(),
        depths(),
        floats(),
        damaged(),
        wrong_settings(),
    )
    for name, chunk in group
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[Any] | ZarritaError]:
    return read_chunks(CHUNKS, tmp_path_factory.mktemp("chunks"))


@pytest.mark.parametrize("name", CHUNKS)
def test_a_block(name: str, found: dict[str, NDArray[Any] | ZarritaError]):
    check(CHUNKS[name], found[name])


def test_the_store_keeps_what_it_gave():
    """A store with a cache gives the same bytes again."""
    found = run_with_module("""
        const registry = new Map();
        module.registerCodecs(registry);
        const configuration = { axis: -1, dist: 1 };
        const codecs = [{ name: "imagecodecs_delta", configuration }];
        const meta = { shape: [1, 4], dataType: "uint8", codecs };
        const codec = registry.get("imagecodecs_delta")().fromConfig(configuration, meta);
        const data = Uint8Array.of(1, 1, 1, 1);
        const chunk = codec.decode({ data, shape: [1, 4], stride: [4, 1] });
        answer([[...data], [...chunk.data]]);
    """)
    assert found == [[1, 1, 1, 1], [1, 2, 3, 4]]


def test_what_a_page_has_registered_stays():
    found = run_with_module("""
        const registry = new Map([["imagecodecs_lzw", "theirs"]]);
        module.registerCodecs(registry);
        answer([registry.get("imagecodecs_lzw"), typeof registry.get("virtual_tiff.pad")]);
    """)
    assert found == ["theirs", "function"]


def test_the_module_imports_nothing_from_elsewhere():
    folder = Path(__file__).parents[2] / "javascript"
    for path in [*folder.glob("*.mjs"), *(folder / "src").rglob("*.mjs")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        imports = [
            line for line in lines if line.startswith(("import ", "export {")) and "from" in line
        ]
        assert all('from "./' in line for line in imports), path
