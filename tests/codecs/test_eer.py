"""EER through `imagecodecs_eer`, against tifffile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from support.build import LONG, SHORT, UNDEFINED, Entry, entry, image
from support.pixels import by_tifffile, read, stored_metadata, virtual
from virtual_tiff.tiff import UnsupportedError

BITS = {65000: (8, 2, 2), 65001: (7, 2, 2), 65002: (7, 2, 2)}


def encoded(frame: NDArray[np.uint8], bits: tuple[int, int, int]) -> bytes:
    """Skips to the next electron and its place within the pixel, the lowest bit first."""
    skip, *place = bits
    stream = ""

    def put(number: int, size: int) -> None:
        nonlocal stream
        stream += f"{number:0{size}b}"[::-1]

    previous = -1
    for electron in [*np.flatnonzero(frame).tolist(), frame.size]:
        gap = electron - previous - 1
        for _ in range(gap // (2**skip - 1)):
            put(2**skip - 1, skip)
        put(gap % (2**skip - 1), skip)
        for size in place:
            put(electron % 2**size, size)
        previous = electron
    stream = stream.ljust(-(-len(stream) // 16) * 16, "0")
    return np.packbits(np.array(list(stream), "u1"), bitorder="little").tobytes()


def frame(height: int = 64, width: int = 96, events: int = 300) -> NDArray[np.uint8]:
    random = np.random.default_rng(4)
    pixels = np.zeros(height * width, "u1")
    pixels[random.choice(pixels.size, events, replace=False)] = 1
    return pixels.reshape(height, width)


def tiff(compression: int, event: tuple[int, int, int] | None = None, **changes: Any) -> bytes:
    # tifffile wants to see the acquisition's metadata before it believes in the format
    tags: list[Entry] = [entry(65001, UNDEFINED, b"<metadata></metadata>")]
    if event is not None:
        tags += [entry(65007 + i, LONG, number) for i, number in enumerate(event)]
    used = event or BITS[compression]
    options: dict[str, Any] = {
        "bits": 1,
        "big": True,
        "extra_entries": tags,
        "encode_block": lambda block: encoded(block, used),
    } | changes
    return image(frame(), compression=compression, **options)


@pytest.mark.parametrize(
    ("compression", "bits"),
    [
        (65000, None),
        (65001, None),
        (65002, None),
        (65002, (6, 2, 1)),
        (65002, (9, 3, 3)),
        (65002, (4, 2, 3)),
        (65002, (10, 3, 3)),
    ],
    ids=str,
)
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_it_reads_what_tifffile_reads(
    compression: int, bits: tuple[int, int, int] | None, byteorder: str
):
    data = tiff(compression, bits, byteorder=byteorder)
    found = read(data)
    assert found.dtype == "u1"
    np.testing.assert_array_equal(found, frame())
    np.testing.assert_array_equal(found, by_tifffile(data))


def test_the_codec_is_that_of_imagecodecs():
    (step,) = stored_metadata(virtual(tiff(65001)))["codecs"]
    assert step == {
        "name": "imagecodecs_eer",
        "configuration": {"shape": [64, 96], "skipbits": 7, "horzbits": 2, "vertbits": 2},
    }


def test_too_many_pixels_are_an_error():
    def encode(block: NDArray[np.uint8]) -> bytes:
        return encoded(np.concatenate([block, block]), BITS[65001])

    with pytest.raises(ValueError, match="eer"):
        read(tiff(65001, encode_block=encode))


@pytest.mark.parametrize(
    ("bits", "changes"),
    [
        ((3, 2, 4), {}),
        ((7, 0, 2), {}),
        ((3, 3, 3), {}),
        ((7, 2, 0), {}),
        ((4, 2, 2), {}),
        ((12, 3, 3), {}),
        ((11, 3, 3), {}),
        ((2**31, 2, 2), {}),
        (None, {"rows_per_strip": 32}),
        (None, {"bits": 16}),
        (None, {"extra_entries": [entry(339, SHORT, 2)]}),
    ],
    ids=str,
)
def test_what_the_decoder_cannot_do_is_refused(
    bits: tuple[int, int, int] | None, changes: dict[str, Any]
):
    data = tiff(65002, bits, encode_block=lambda block: b"\0\0", **changes)
    with pytest.raises(UnsupportedError, match=r"EER_V2|events of"):
        virtual(data)


@pytest.mark.parametrize(
    ("compression", "needed"), [(34661, "jbigkit"), (34715, "jbig2dec"), (9, "jbigkit")]
)
def test_compressions_without_a_decoder_say_what_they_need(compression: int, needed: str):
    with pytest.raises(
        UnsupportedError, match=rf"\({compression}\) .* reading it needs .*{needed}"
    ):
        virtual(image(frame(), compression=compression, encode=bytes))
