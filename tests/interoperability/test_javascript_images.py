"""Blocks that are images, in javascript/: a browser's decoder, one of the page's own, or none.

The browser is Skia, which decodes and draws for Chrome, as a package of npm.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from interoperability.one_chunk import Chunk, check, codec, read_chunks
from support.node import ZarritaError, run_with_module

CHUNKY = codec("transpose", order=[1, 2, 0])
JPEG = codec("imagecodecs_jpeg")
PNG = codec("imagecodecs_png")
WEBP = codec("imagecodecs_webp")


def gentle(*shape: int) -> NDArray[Any]:
    """(rows, columns[, samples]) without edges, so that JPEG changes little."""
    y, x, *s = np.indices(shape)
    return (40 + 3 * y + 2 * x + (60 * s[0] if s else 0)).astype("u1")


GRAY, RGB = gentle(16, 24), gentle(16, 24, 3)


def bands(image: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(image, -1, 0)


def with_tables() -> tuple[bytes, str]:
    """A stream without its tables, and these in base64, as JPEGTables has them."""
    whole = imagecodecs.jpeg8_encode(RGB, level=95)
    tables = [s for s in segments(whole) if s[1] in (0xDB, 0xC4)]
    kept = [s for s in segments(whole) if s[1] not in (0xDB, 0xC4)]
    scan = whole[whole.index(b"\xff\xda") :]
    stream = b"\xff\xd8" + b"".join(kept) + scan
    return stream, base64.b64encode(b"\xff\xd8" + b"".join(tables) + b"\xff\xd9").decode()


def segments(stream: bytes) -> Iterator[bytes]:
    """Those from behind SOI to the scan."""
    at = 2
    while stream[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
        yield stream[at:end]
        at = end


def lossless() -> Iterator[tuple[str, Chunk]]:
    gray, rgb, shape = bytes(imagecodecs.png_encode(GRAY)), bands(RGB), (3, 16, 24)
    yield "png, gray", Chunk([PNG], gray, GRAY, shape=GRAY.shape)
    yield "png, RGB", Chunk([CHUNKY, PNG], bytes(imagecodecs.png_encode(RGB)), rgb, shape=shape)
    stacked = codec("transpose", order=[0, 2, 3, 1])
    png = bytes(imagecodecs.png_encode(RGB))
    yield "png, RGB in a stack", Chunk([stacked, PNG], png, rgb[None], shape=(1, *shape))
    webp = bytes(imagecodecs.webp_encode(RGB, lossless=True))
    yield "webp, RGB", Chunk([CHUNKY, WEBP], webp, rgb, shape=shape)
    opaque = np.dstack([RGB, np.full(GRAY.shape, 255, "u1")])
    webp = bytes(imagecodecs.webp_encode(opaque, lossless=True))
    steps = [CHUNKY, codec("imagecodecs_webp", hasalpha=True)]
    yield "webp, opaque alpha", Chunk(steps, webp, bands(opaque), shape=(4, 16, 24))
    short = codec("virtual_tiff.short_image", codec=PNG, last=5, axis=-3)
    data = bytes(imagecodecs.png_encode(RGB[:5]))
    expected = rgb * (np.arange(16) < 5)[:, None].astype("u1")
    yield "short_image, the last strip", Chunk([CHUNKY, short], data, expected, shape=shape)
    whole = bytes(imagecodecs.png_encode(RGB))
    yield "short_image, a whole one", Chunk([CHUNKY, short], whole, rgb, shape=shape)
    cut = codec("virtual_tiff.short_image", codec=PNG, last=5, axis=-2, last_columns=9)
    data = bytes(imagecodecs.png_encode(GRAY[:, :9]))
    expected = GRAY * (np.arange(24) < 9).astype("u1")
    yield "short_image, the right tile", Chunk([cut], data, expected, shape=GRAY.shape)


def refused() -> Iterator[tuple[str, Chunk]]:
    shape = (3, 16, 24)
    alpha = np.dstack([RGB, GRAY])
    steps = [CHUNKY, codec("imagecodecs_webp", hasalpha=True)]
    data = bytes(imagecodecs.webp_encode(alpha, lossless=True))
    yield "not opaque", Chunk(steps, data, "not opaque", shape=(4, 16, 24))
    data = bytes(imagecodecs.png_encode(GRAY.astype("u2") * 256))
    yield "16 bits", Chunk([PNG], data, "RGBA of uint8", "uint16", GRAY.shape)
    data = bytes(imagecodecs.jpeg8_encode(alpha, colorspace="CMYK", outcolorspace="CMYK"))
    settings = {"colorspace_data": "CMYK", "colorspace_jpeg": "CMYK"}
    steps = [CHUNKY, codec("imagecodecs_jpeg", **settings)]
    yield "CMYK", Chunk(steps, data, "give a decoder", shape=(4, 16, 24))
    short = codec("virtual_tiff.short_image", codec=PNG, last=5)
    encoders = {
        "jpeg": (JPEG, imagecodecs.jpeg8_encode),
        "png": (PNG, imagecodecs.png_encode),
        "webp": (WEBP, imagecodecs.webp_encode),
        "short_image": (short, lambda image: imagecodecs.png_encode(image[..., 0].copy())),
    }
    for name, (step, encode) in encoders.items():
        steps = [step] if name == "short_image" else [CHUNKY, step]
        size = GRAY.shape if name == "short_image" else shape
        large = bytes(encode(gentle(32, 24, 3)))
        words = "an image of 24 x 32; the tags promise 24 x 16"
        yield f"{name}, too large", Chunk(steps, large, words, shape=size)
        yield f"{name}, cut off", Chunk(steps, large[:20], "", shape=size)
        yield f"{name}, something else", Chunk(steps, b"something else, of no kind", "", shape=size)
    step = codec("imagecodecs_jpeg", fancyupsampling=False)
    words = "setting fancyupsampling"
    yield "a setting that is not done", Chunk([step], b"", words, shape=GRAY.shape)


def lossy() -> Iterator[tuple[str, Chunk]]:
    settings = {"colorspace_data": "RGB", "colorspace_jpeg": "YCbCr"}
    data = bytes(imagecodecs.jpeg8_encode(GRAY, level=95))
    yield "jpeg, gray", Chunk([JPEG], data, GRAY, shape=GRAY.shape)
    data = bytes(imagecodecs.jpeg8_encode(RGB, level=95))
    steps = [CHUNKY, codec("imagecodecs_jpeg", **settings)]
    yield "jpeg, YCbCr", Chunk(steps, data, bands(RGB), shape=(3, 16, 24))
    data, tables = with_tables()
    steps = [CHUNKY, codec("imagecodecs_jpeg", **settings, tables=tables)]
    yield "jpeg, tables apart", Chunk(steps, data, bands(RGB), shape=(3, 16, 24))
    data = bytes(imagecodecs.jpeg8_encode(RGB, level=95))
    begin = data.index(b"\xff\xda") + 14  # a scan header of three components has 14 bytes
    header = base64.b64encode(data[:begin]).decode()
    steps = [CHUNKY, codec("imagecodecs_jpeg", **settings, header=header)]
    interval = data[begin:-2] + b"\xff\xd3"
    yield "jpeg, a restart interval", Chunk(steps, interval, bands(RGB), shape=(3, 16, 24))
    data = bytes(imagecodecs.jpeg8_encode(RGB, level=95, colorspace="RGB", outcolorspace="RGB"))
    steps = [CHUNKY, codec("imagecodecs_jpeg", colorspace_data="RGB", colorspace_jpeg="RGB")]
    yield "jpeg, RGB", Chunk(steps, data, bands(RGB), shape=(3, 16, 24))
    data = bytes(imagecodecs.webp_encode(RGB, level=95))
    yield "webp, lossy", Chunk([CHUNKY, WEBP], data, bands(RGB), shape=(3, 16, 24))


EXACT = dict([*lossless(), *refused()])
CLOSE = dict(lossy())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[Any] | ZarritaError]:
    return read_chunks(EXACT | CLOSE, tmp_path_factory.mktemp("images"), canvas=True)


@pytest.mark.parametrize("name", EXACT)
def test_a_block_in_a_browser(name: str, browser: dict[str, NDArray[Any] | ZarritaError]):
    check(EXACT[name], browser[name])


@pytest.mark.parametrize("name", CLOSE)
def test_a_lossy_block_in_a_browser(name: str, browser: dict[str, NDArray[Any] | ZarritaError]):
    chunk, found = CLOSE[name], browser[name]
    if isinstance(found, ZarritaError):
        raise found
    assert found.shape == chunk.shape
    difference = np.abs(found.astype(int) - chunk.expected)
    assert difference.max() <= 8
    assert difference.mean() <= 1.5


def test_node_says_what_to_register(tmp_path: Path):
    chunks = {"jpeg": CLOSE["jpeg, gray"], "short": EXACT["short_image, a whole one"]}
    lerc = bytes(imagecodecs.lerc_encode(GRAY))
    chunks["lerc"] = Chunk([codec("imagecodecs_lerc")], lerc, "", shape=GRAY.shape)
    found = read_chunks(chunks, tmp_path)
    kinds = {"jpeg": "jpeg", "short": "png", "lerc": "lerc"}
    for name, kind in kinds.items():
        assert isinstance(found[name], ZarritaError)
        assert f'registerImageDecoder("imagecodecs_{kind}", decode)' in str(found[name])


OWN_DECODER = """
    const registry = new Map();
    module.registerCodecs(registry);
    const asked = [];
    const decode = async (configuration, shape, dataType, image) => {
      const codecs = [{ name: "imagecodecs_lerc", configuration }];
      const codec = registry.get("imagecodecs_lerc")();
      const { decode } = codec.fromConfig(configuration, { shape, dataType, codecs });
      module.registerImageDecoder("lerc", (bytes, wanted) => {
        asked.push([[...bytes], wanted]);
        return image;
      });
      try {
        return [...(await decode(Uint8Array.of(1, 2))).data];
      } catch (error) {
        return error.message;
      }
    };
"""


def test_a_decoder_of_the_page():
    values, asked = run_with_module(
        OWN_DECODER
        + """
        const data = Float32Array.of(1.5, 2, 3, 4, 5, 6);
        const image = { data, width: 3, height: 2, samples: 1 };
        answer([await decode({ compression: "zstd" }, [2, 3], "float32", image), asked]);
    """
    )
    assert values == [1.5, 2, 3, 4, 5, 6]
    ((given, wanted),) = asked
    assert given == [1, 2]
    assert {key: wanted[key] for key in ("name", "dataType", "width", "height", "samples")} == {
        "name": "imagecodecs_lerc",
        "dataType": "float32",
        "width": 3,
        "height": 2,
        "samples": 1,
    }
    assert wanted["configuration"] == {"compression": "zstd"}


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("{ data: new Uint8Array(6), width: 2, height: 3, samples: 1 }", "the tags promise 3 x 2"),
        ("{ data: new Uint8Array(5), width: 3, height: 2, samples: 1 }", "gives no 6 of"),
        ("{ data: new Uint16Array(6), width: 3, height: 2, samples: 1 }", "gives no 6 of"),
        ("{ data: new Uint8Array(18), width: 3, height: 2, samples: 3 }", "3 samples instead of 1"),
    ],
)
def test_a_decoder_of_the_page_that_is_wrong(image: str, words: str):
    found = run_with_module(OWN_DECODER + f"answer(await decode({{}}, [2, 3], 'uint8', {image}))")
    assert words in found


def test_rgba_will_do_for_fewer_samples():
    found = run_with_module(
        OWN_DECODER
        + """
        const data = new Uint8ClampedArray([1, 2, 3, 255, 5, 6, 7, 255]);
        const image = { data, width: 1, height: 2, samples: 4 };
        answer([
          await decode({}, [2, 1], "uint8", image),
          await decode({}, [2, 1, 3], "uint8", image),
        ]);
    """
    )
    assert found == [[1, 5], [1, 2, 3, 5, 6, 7]]


def test_a_decoder_of_something_else():
    with pytest.raises(ZarritaError, match="lzw is none of imagecodecs_jpeg"):
        run_with_module("module.registerImageDecoder('lzw', () => null)")
