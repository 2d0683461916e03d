"""Files made to cost more than they are worth: each ends soon, in little memory, as designed."""

from __future__ import annotations

import lzma
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import imagecodecs
import numpy as np
import pytest

from support.build import (
    DOUBLE,
    LONG,
    LONG8,
    SHORT,
    UNDEFINED,
    Directory,
    Picture,
    build,
    directory_at,
    entry,
    image,
    images,
)
from support.clock import soon
from support.pixels import virtual, zarr_array
from support.warned import of_tiff
from tiff.reading import read
from virtual_tiff import LimitError, Limits
from virtual_tiff.tiff import FormatError, TiffError, TiffWarning

MIB = 2**20

pytestmark = pytest.mark.filterwarnings("ignore::virtual_tiff.TiffWarning")


@contextmanager
def cheap(*, mib: int, seconds: float = 10.0) -> Iterator[None]:
    """Hold what is done within to an amount of memory, and of time."""
    tracemalloc.start()
    try:
        with soon(seconds, known=0.09):  # tracemalloc slows it down
            yield
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < mib * MIB, f"{peak / MIB:.0f} MiB"


GEO = [
    entry(33550, DOUBLE, [1.0, 1.0, 0.0]),
    entry(33922, DOUBLE, [0.0, 0.0, 0.0, 5.0, 6.0, 0.0]),
]


def stated(width: int, length: int, *more: Any, rows: int = 1, samples: int = 1) -> Directory:
    """A directory that states a large image, of which the file holds no strip but one at most."""
    held = rows == 1
    found = [
        entry(256, LONG, width),
        entry(257, LONG, length),
        entry(258, SHORT, 8),
        entry(259, SHORT, 1),
        entry(273, LONG, 8 * held),
        entry(277, SHORT, samples),
        entry(278, LONG, rows),
        entry(279, LONG, 10 * held),
        *more,
    ]
    return Directory(sorted(found, key=lambda item: item.tag))


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid", "stack"])
def test_images_of_a_million_missing_strips_each(layout: str) -> None:
    data = build([stated(10, 900_000 + n) for n in range(500)])
    with cheap(mib=300), pytest.raises(LimitError, match="missing_blocks=1,000,000"):
        virtual(data, ifd_layout=layout)


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid", "stack"])
def test_images_of_65535_samples_each(layout: str) -> None:
    data = build([stated(10, 1 + n, rows=1000, samples=65535) for n in range(500)])
    with cheap(mib=500, seconds=30), pytest.raises(LimitError, match="samples=1,048,576"):
        virtual(data, ifd_layout=layout)


def test_directories_that_share_a_large_value() -> None:
    shared = entry(34675, UNDEFINED, b"", count=MIB, offset=100)
    data = build([Directory([shared])] * 500) + bytes(MIB)
    with cheap(mib=300), pytest.raises(LimitError, match=r"shared_values=134,217,728"):
        virtual(data)


def test_directories_that_share_a_profile_are_read() -> None:
    picture = Picture(
        np.zeros((4, 4), "u1"), extra_entries=[entry(34675, UNDEFINED, b"", count=3000, offset=8)]
    )
    data = images([picture] * 20) + bytes(3000)
    assert len(virtual(data).group.arrays) == 20


@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid", "stack"])
def test_coordinates_of_an_image_of_two_thousand_million_columns(layout: str) -> None:
    data = build([stated(2**31, 2**31, *GEO, rows=2**31)])
    with cheap(mib=100), pytest.warns(TiffWarning, match="coordinates=16,777,216"):
        found = virtual(data, ifd_layout=layout)
    assert found is not None


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "nested", "pyramid"])
def test_coordinates_of_many_wide_images(layout: str) -> None:
    data = build([stated(2**21 + n, 2**21, *GEO, rows=2**21) for n in range(100)])
    with cheap(mib=400, seconds=20):
        virtual(data, ifd_layout=layout)


def test_coordinates_can_be_had_of_any_size() -> None:
    data = image(np.zeros((40, 50), "u1"), extra_entries=GEO)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "x" in virtual(data, limits=Limits(coordinates=90)).group.arrays
    with pytest.warns(TiffWarning, match=r"pass Limits\(coordinates=90\)"):
        assert "x" not in virtual(data, limits=Limits(coordinates=89)).group.arrays


@pytest.mark.long
@pytest.mark.parametrize("backwards", [False, True])
def test_a_long_chain_in_either_direction(backwards: bool) -> None:
    count, size = 20_000, 18
    at = [8 + size * (count - 1 - n if backwards else n) for n in range(count)] + [0]
    data = bytearray(8 + size * count)
    struct.pack_into("<2sHI", data, 0, b"II", 42, at[0])
    for n in range(count):
        struct.pack_into("<HHHIII", data, at[n], 1, 65000, 3, 1, 1, at[n + 1])
    (*_, last) = read(bytes(data)).ifds
    assert last.path == str(count - 1)
    directories = Limits(directories=1000)
    with cheap(mib=100), pytest.raises(LimitError, match="directories=1,000"):
        read(bytes(data), limits=directories)


def test_a_palette_of_millions_of_colours() -> None:
    colours = entry(320, SHORT, np.zeros(3 * MIB, "<u2").tobytes())
    data = image(np.zeros((4, 4), "u1"), photometric=3, extra_entries=[colours])
    with (
        cheap(mib=100),
        pytest.warns(TiffWarning, match="ColorMap is ignored: it has 1,048,576 colours"),
    ):
        assert "color_map" not in virtual(data).group["0"].metadata.attributes


def test_millions_of_tiepoints() -> None:
    ties = entry(33922, DOUBLE, np.zeros(6 * 12_000, "<f8").tobytes())
    data = image(np.zeros((4, 4), "u1"), extra_entries=[ties])
    with cheap(mib=300):
        assert "model_tiepoint" not in virtual(data).group["0"].metadata.attributes


def test_geokeys_of_many_numbers_each() -> None:
    keys = [1, 1, 0, 1000]
    for key in range(1000):
        keys += [2049 + key, 34736, 60_000, key]
    data = image(
        np.zeros((4, 4), "u1"),
        extra_entries=[
            entry(34735, SHORT, keys),
            entry(34736, DOUBLE, np.zeros(62_000, "<f8").tobytes()),
        ],
    )
    with cheap(mib=100), pytest.warns(TiffWarning, match="60000 values"):
        virtual(data)


def test_too_many_geokeys_are_left_out() -> None:
    keys = [1, 1, 0, 3, 1024, 0, 1, 2, 2048, 0, 1, 4326, 1025, 0, 1, 1]
    data = image(np.zeros((4, 4), "u1"), extra_entries=[entry(34735, SHORT, keys)])
    assert virtual(data).group["0"].metadata.attributes["geographic_type"] == 4326
    with pytest.warns(TiffWarning, match=r"GeoKeys: 3 is above .*Limits\(geokeys=3\)"):
        found = virtual(data, limits=Limits(geokeys=2))
    assert "geographic_type" not in found.group["0"].metadata.attributes


def test_requests_and_bytes_are_bounded() -> None:
    far = [Directory([entry(65000, SHORT, 1)], at=16 + n * 200_000) for n in range(4)]
    data = build([*far, stated(1, 1)])
    virtual(data)
    with pytest.raises(LimitError, match=r"requests=2; .*Limits\(requests=4\)"):
        virtual(data, limits=Limits(requests=2))
    with pytest.raises(LimitError, match=r"fetched_bytes=32,000"):
        virtual(data, limits=Limits(fetched_bytes=32_000))


def test_a_lost_block_of_a_tiled_giant_costs_nothing() -> None:
    data = build([Directory([
        entry(256, LONG8, 2**31), entry(257, LONG8, 2**31), entry(258, SHORT, 8),
        entry(259, SHORT, 5), entry(322, LONG8, 2**30), entry(323, LONG8, 2**30),
        entry(324, LONG8, [0] * 4), entry(325, LONG8, [0] * 4),
    ])], big=True)  # fmt: skip
    with cheap(mib=50):
        assert zarr_array(virtual(data))[:2, :2].tolist() == [[0, 0], [0, 0]]


# Bombs: a block of a few bytes that holds gigabytes

PIXELS = (64, 64)
BOMB = bytes(64 * MIB)

BOMBS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "deflate": (8, lambda data: zlib.compress(data, 9)),
    "lzma": (34925, lambda data: lzma.compress(data, preset=1)),
    "zstd": (50000, lambda data: imagecodecs.zstd_encode(data, 1)),
    "packbits": (32773, lambda data: b"\x81\0" * (len(data) // 128)),
    "lzw": (5, imagecodecs.lzw_encode),
    "pixarlog": (32909, lambda data: zlib.compress(data, 9)),
}


@pytest.mark.long
@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("rows", [None, 48])  # 48: the last strip is padded
def test_a_bomb_is_defused(name: str, rows: int | None) -> None:
    code, compress = BOMBS[name]
    bomb = compress(BOMB if name in ("deflate", "zstd", "pixarlog") else BOMB[: 8 * MIB])
    data = image(
        np.zeros(PIXELS, "u1"), compression=code, encode=lambda _: bomb, rows_per_strip=rows
    )
    array = zarr_array(virtual(data))
    with cheap(mib=8 + 4 * len(bomb) // MIB):
        if name == "zstd":  # whole frames alone can be decoded
            with pytest.raises(ValueError, match=r"block .*a.tif"):
                array[:2, :2]
        else:  # what the tags promise is decoded, and no more
            assert array[:2, :2].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("size", [2**40, 2**62, 2**64 - 2])
def test_a_zstd_frame_that_states_its_size_is_not_believed(size: int) -> None:
    frame = b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little") + b"\x01\0\0"
    data = image(np.zeros(PIXELS, "u1"), compression=50000, encode=lambda _: frame)
    with cheap(mib=8), pytest.raises(ValueError, match="block"):
        zarr_array(virtual(data))[:2, :2]


def test_an_lzma_dictionary_of_gigabytes_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**20}]
    stream = bytearray(lzma.compress(bytes(4096), check=lzma.CHECK_NONE, filters=filters))
    at = stream.index(b"\x21\x01", 12) + 2
    stream[at] = 40  # 4 GiB less one byte
    head = stream[12 : 12 + (stream[12] + 1) * 4 - 4]
    stream[12 + len(head) : 12 + len(head) + 4] = zlib.crc32(head).to_bytes(4, "little")
    data = image(np.zeros(PIXELS, "u1"), compression=34925, encode=lambda _: bytes(stream))
    with cheap(mib=8), pytest.raises(ValueError, match=r"block .*[Mm]emory"):
        zarr_array(virtual(data))[:2, :2]


def test_an_lzma_stream_without_its_end_is_refused() -> None:
    data = image(
        np.zeros(PIXELS, "u1"), compression=34925, encode=lambda block: lzma.compress(block)[:-20]
    )
    with pytest.raises(ValueError, match=r"block .*end"):
        zarr_array(virtual(data))[:2, :2]


@pytest.mark.long
def test_a_fax_line_of_millions_of_pixels() -> None:
    data = build([Directory([
        entry(256, LONG, 2**27), entry(257, LONG, 2), entry(258, SHORT, 1),
        entry(259, SHORT, 4), entry(273, LONG, 8), entry(279, LONG, 40),
    ])])  # fmt: skip
    with cheap(mib=600, seconds=30):
        zarr_array(virtual(data))[:1, :1]


# Text

NASTY = b"\x1b[2J\x9b31m\xe2\x80\xaeevil\x07"


def test_what_is_said_of_a_file_does_not_command_a_terminal() -> None:
    tags = [entry(270, 2, b"<OME>" + NASTY + b"</OME>\0"), entry(65000, 99, NASTY)]
    data = image(np.zeros((4, 4), "u1"), compression=5, extra_entries=tags, without=[258])
    broken = build([Directory([entry(256, 2, NASTY), entry(257, 2, NASTY)])])
    said: list[str] = []
    refused = {broken: "a whole number is expected", NASTY + data: "not a TIFF"}
    for found in (data, *refused):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if found in refused:
                with pytest.raises(FormatError, match=refused[found]) as error:
                    virtual(found, ifd_layout="stack")
                said.append(str(error.value))
            else:
                virtual(found, ifd_layout="stack")
        said += [str(warning.message) for warning in of_tiff(caught)]
    assert len(said) > 3
    assert all(char.isprintable() or char == "\n" for text in said for char in text), said


def test_control_characters_of_names_are_shown_as_escapes() -> None:
    error = TiffError("a\x1b]0;title\x07", url="s3://b/\u202egpj.tif")
    assert str(error) == r"a\x1b]0;title\x07 [s3://b/\u202egpj.tif]"
    assert directory_at(0) is not None
