"""Old-style JPEG (Compression 6), in every way that its tags can say where the stream is."""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import dataclass, replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from support.build import (
    LONG,
    LONG8,
    RATIONAL,
    SHORT,
    SSHORT,
    Directory,
    Entry,
    block_at,
    build,
    entry,
    every_variant,
)
from support.pixels import (
    buffer,
    by_gdal,
    chunk_spec,
    directory,
    read,
    stored_metadata,
    virtual,
)
from virtual_tiff.codecs.images.jpeg_old import OldJpegCodec
from virtual_tiff.tiff import (
    CountingSource,
    FormatError,
    JpegFrame,
    JpegHeader,
    LimitError,
    Limits,
    MemorySource,
    TiffWarning,
    TruncatedError,
    UnsupportedError,
    read_tiff,
)

JIF, JIF_LENGTH, PROC, RESTART = 513, 514, 512, 515
Q, DC, AC = 519, 520, 521

Y, X = np.mgrid[:48, :64]
RGB = np.stack([X * 4, Y * 5, (X + Y) * 2], -1).astype("u1")
GRAY = np.ascontiguousarray(RGB[..., 2])


@dataclass(frozen=True, slots=True)
class Stream:
    """A baseline JPEG stream taken apart."""

    header: bytes
    """SOI to SOS."""
    data: bytes
    """What is entropy-coded; EOI is not part of it."""
    tables: dict[int, bytes]
    """The segments' tables by class and number, as in DQT (0-3) and DHT (0x100 + class)."""

    @property
    def whole(self) -> bytes:
        return self.header + self.data + b"\xff\xd9"


def stream(pixels: NDArray[Any], subsampling: str = "420") -> Stream:
    gray = pixels.ndim == 2
    data: bytes = imagecodecs.jpeg8_encode(
        pixels,
        level=90,
        colorspace=None if gray else "RGB",
        outcolorspace=None if gray else "YCBCR",
        subsampling=None if gray else subsampling,
    )
    tables, at = {}, 2
    while data[at + 1] != 0xDA:
        size = int.from_bytes(data[at + 2 : at + 4])
        body = data[at + 4 : at + 2 + size]
        if data[at + 1] == 0xDB:
            tables[body[0]] = body[1:]
        if data[at + 1] == 0xC4:
            tables[0x100 + body[0]] = body[1:]
        at += 2 + size
    at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return Stream(data[:at], data[at:-2], tables)


def tags(pixels: NDArray[Any], *more: Entry) -> list[Entry]:
    """The entries that have nothing to do with JPEG; those of `more` replace them."""
    samples = 1 if pixels.ndim == 2 else 3
    entries = [
        entry(256, LONG, pixels.shape[1]),
        entry(257, LONG, pixels.shape[0]),
        entry(258, SHORT, [8] * samples),
        entry(259, SHORT, 6),
        entry(262, SHORT, 1 if samples == 1 else 6),
        entry(277, SHORT, samples),
        entry(278, LONG, pixels.shape[0]),
        entry(PROC, SHORT, 1),
    ]
    found = {item.tag: item for item in [*entries, *more]}
    return [found[tag] for tag in sorted(found)]


def strips(blocks: list[bytes], first: int = 0) -> list[Entry]:
    return [
        entry(273, LONG, [block_at(first + i) for i in range(len(blocks))]),
        entry(279, LONG, [len(block) for block in blocks]),
    ]


def table_blocks(found: Stream, first: int, samples: int) -> tuple[list[Entry], list[bytes]]:
    """The three tags and the tables that they point to, which are blocks from `first` on.

    As writers do, chroma's tables are given twice.
    """
    entries, blocks = [], []
    for tag, base in ((Q, 0), (DC, 0x100), (AC, 0x110)):
        offsets = []
        for sample in range(samples):
            offsets.append(block_at(first + len(blocks)))
            blocks.append(found.tables[base + min(sample, 1)])
        entries.append(entry(tag, LONG, offsets))
    return entries, blocks


def by_tables(
    pixels: NDArray[Any], rows: int, *more: Entry, subsampling: str = "420", **options: Any
) -> bytes:
    """A file whose strips are entropy-coded data alone, and whose tags have the tables."""
    parts = [stream(pixels[at : at + rows], subsampling) for at in range(0, len(pixels), rows)]
    data = [part.data for part in parts]
    samples = 1 if pixels.ndim == 2 else 3
    entries, tables = table_blocks(parts[0], len(data), samples)
    factors = {"444": (1, 1), "422": (2, 1), "420": (2, 2), "411": (4, 1)}[subsampling]
    chroma = [] if samples == 1 else [entry(530, SHORT, factors)]
    found = tags(pixels, *strips(data), *entries, *chroma, entry(278, LONG, rows), *more)
    return build([Directory(found)], data + tables, **options)


def codec_of(data: bytes) -> dict[str, Any]:
    codec: dict[str, Any] = stored_metadata(virtual(data))["codecs"][-1]
    return codec


def expected(pixels: NDArray[Any], subsampling: str = "420") -> NDArray[Any]:
    """What libjpeg makes of the same stream, chroma repeated: (band, y, x)."""
    found: NDArray[Any] = imagecodecs.jpeg8_decode(
        stream(pixels, subsampling).whole, fancyupsampling=False
    )
    return found if found.ndim == 2 else found.transpose(2, 0, 1)


# ---- tables at the offsets of tags


@every_variant
def test_tables_of_the_tags(byteorder, big):
    data = by_tables(RGB, 48, byteorder=byteorder, big=big)
    np.testing.assert_array_equal(read(data), by_gdal(data))
    np.testing.assert_array_equal(read(data), expected(RGB))


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "411"])
@pytest.mark.parametrize("rows", [48, 32, 16])
def test_strips_of_every_subsampling(subsampling, rows):
    data = by_tables(RGB, rows, subsampling=subsampling)
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("rows", [48, 32, 8])
def test_gray(rows):
    # GDAL: "Old-JPEG compression only supported in YCbCr"
    got = read(by_tables(GRAY, rows))
    parts = [expected(GRAY[at : at + rows]) for at in range(0, 48, rows)]
    np.testing.assert_array_equal(got, np.concatenate(parts))


@pytest.mark.parametrize("shape", [(45, 61), (17, 64), (48, 33)])
def test_images_that_end_within_a_unit(shape):
    data = by_tables(np.ascontiguousarray(RGB[: shape[0], : shape[1]]), 16)
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_reference_black_and_white_is_honoured():
    reference = [(n, 1) for n in (16, 235, 128, 240, 128, 240)]
    data = by_tables(RGB, 48, entry(532, RATIONAL, reference))
    np.testing.assert_array_equal(read(data), by_gdal(data))
    assert (read(data) != expected(RGB)).any()


@pytest.mark.parametrize("offsets", [1, 3])
def test_a_table_that_is_given_once_holds_for_all_components(offsets):
    part = stream(GRAY)
    # the data of a gray stream, three times in each unit, would be those of a colour stream:
    # what matters here is the header alone
    blocks = [part.data, part.tables[0], part.tables[0x100], part.tables[0x110]]
    more = [
        entry(tag, LONG, [block_at(i), *[0] * (offsets - 1)])
        for i, tag in enumerate((Q, DC, AC), 1)
    ]
    found = tags(RGB, *strips(blocks[:1]), *more, entry(530, SHORT, [2, 1]))
    header = base64.b64decode(
        codec_of(build([Directory(found)], blocks))["configuration"]["header"]
    )
    assert (header.count(b"\xff\xdb"), header.count(b"\xff\xc4")) == (1, 2)
    frame = header[header.index(b"\xff\xc0") :]
    assert frame[4:10] == bytes([8, 0, 48, 0, 0, 3])
    assert frame[10:19] == bytes([0, 0x21, 0, 1, 0x11, 0, 2, 0x11, 0])
    assert frame[19:] == b"\xff\xda\0\x0c\3" + bytes([0, 0, 1, 0, 2, 0]) + b"\0\x3f\0"


def test_a_tile_is_decoded_with_its_own_height():
    blocks, offsets = [], []
    padded = np.pad(RGB, [(0, 16), (0, 0), (0, 0)], mode="edge")
    for y in (0, 32):
        for x in (0, 32):
            blocks.append(stream(np.ascontiguousarray(padded[y : y + 32, x : x + 32])).data)
            offsets.append(block_at(len(blocks) - 1))
    entries, tables = table_blocks(stream(RGB), 4, 3)
    places = [
        entry(322, SHORT, 32),
        entry(323, SHORT, 32),
        entry(324, LONG, offsets),
        entry(325, LONG, [len(block) for block in blocks]),
    ]
    found = [item for item in tags(RGB, *entries, *places) if item.tag != 278]
    data = build([Directory(found)], blocks + tables)
    got = read(data)
    for i, (y, x) in enumerate([(0, 0), (0, 32), (32, 0), (32, 32)]):
        want = expected(np.ascontiguousarray(padded[y : y + 32, x : x + 32]))[:, : 48 - y]
        np.testing.assert_array_equal(got[:, y : y + 32, x : x + 32], want, err_msg=str(i))


# ---- a stream at JPEGInterchangeFormat

WHOLE = stream(RGB)
HEADER = len(WHOLE.header)
START = block_at(0)


def at_jif(length: int | None, *more: Entry, pixels: NDArray[Any] = RGB, **options: Any) -> bytes:
    """A file with a whole stream at JPEGInterchangeFormat."""
    stated = [] if length is None else [entry(JIF_LENGTH, LONG, length)]
    found = tags(pixels, entry(JIF, LONG, START), *stated, *more)
    return build([Directory(found)], [WHOLE.whole], **options)


def strip(offset: Any, count: int) -> list[Entry]:
    return [entry(273, LONG, offset), entry(279, LONG, count)]


WHOLE_STREAMS: dict[str, tuple[int | None, list[Entry]]] = {
    "the strip is what follows the header": (
        len(WHOLE.whole),
        strip(START + HEADER, len(WHOLE.data)),
    ),
    "the strip is the stream": (len(WHOLE.whole), strip(START, len(WHOLE.whole))),
    "the strip begins too late": (
        len(WHOLE.whole),
        strip(START + HEADER + 100, len(WHOLE.data) - 100),
    ),
    "the length is 0": (0, strip(START + HEADER, len(WHOLE.data))),
    "the length reaches past the file": (10**6, strip(START + HEADER, len(WHOLE.data))),
}
"""JPEGInterchangeFormatLength and the strip, where libtiff finds its way."""


@pytest.mark.parametrize("name", WHOLE_STREAMS)
@every_variant
def test_a_whole_stream(name, byteorder, big):
    length, place = WHOLE_STREAMS[name]
    data = at_jif(length, *place, byteorder=byteorder, big=big)
    np.testing.assert_array_equal(read(data), by_gdal(data))
    np.testing.assert_array_equal(read(data), expected(RGB))


@pytest.mark.parametrize("length", [len(WHOLE.whole), None])
@pytest.mark.parametrize("place", [[], strip(0, 0)], ids=["absent", "zero"])
def test_a_whole_stream_without_strips(length, place):
    # libtiff means to read these, too ("we tolerate the absence of stripoffsets tag")
    with pytest.warns(TiffWarning, match="StripOffsets"):
        pixels = read(at_jif(length, *place))
    np.testing.assert_array_equal(pixels, expected(RGB))


def test_a_header_whose_data_are_in_the_strip():
    blocks = [WHOLE.header, WHOLE.data]
    more = [entry(JIF, LONG, START), entry(JIF_LENGTH, LONG, HEADER)]
    data = build([Directory(tags(RGB, *strips(blocks[1:], 1), *more))], blocks)
    np.testing.assert_array_equal(read(data), by_gdal(data))


def test_a_stream_that_is_none_is_passed_over():
    place = strip(START, len(WHOLE.whole))
    for wrong in (10**6, START + HEADER):
        data = build([Directory(tags(RGB, *place, entry(JIF, LONG, wrong)))], [WHOLE.whole])
        np.testing.assert_array_equal(read(data), expected(RGB))


def taller(header: bytes, rows: int) -> bytes:
    at = header.index(b"\xff\xc0") + 5
    return header[:at] + rows.to_bytes(2) + header[at + 2 :]


PARTS = [stream(RGB[at : at + 16]) for at in (0, 16, 32)]
TALL = taller(PARTS[0].header, 48)
ROWS_16 = entry(278, LONG, 16)


def test_a_header_for_several_strips():
    blocks = [TALL, *(part.data for part in PARTS)]
    more = [entry(JIF, LONG, START), entry(JIF_LENGTH, LONG, len(TALL)), ROWS_16]
    data = build([Directory(tags(RGB, *strips(blocks[1:], 1), *more))], blocks)
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("rows", [16, 48])
def test_a_header_in_the_first_strip(rows):
    blocks = [part.data for part in PARTS]
    blocks[0] = taller(TALL, rows) + blocks[0]
    data = build([Directory(tags(RGB, *strips(blocks), ROWS_16))], blocks)
    if rows == 48:  # libtiff wants the image's height
        np.testing.assert_array_equal(read(data), by_gdal(data))
    np.testing.assert_array_equal(
        read(data), np.hstack([expected(RGB[i : i + 16]) for i in (0, 16, 32)])
    )


def test_a_whole_stream_in_each_strip():
    # libtiff reads the first and fails; tifffile reads nothing else
    blocks = [part.whole for part in PARTS]
    data = build([Directory(tags(RGB, *strips(blocks), ROWS_16))], blocks)
    np.testing.assert_array_equal(
        read(data), np.hstack([expected(RGB[i : i + 16]) for i in (0, 16, 32)])
    )


# ---- restart markers

INTERVAL = b"\xff\xdd\0\4\0\4"
"""DRI: a row of four units of 16 x 16 pixels."""
WITH_INTERVAL = TALL.replace(b"\xff\xda", INTERVAL + b"\xff\xda")


def restarted(blocks: list[bytes], rows: int, *more: Entry, header: bytes = WITH_INTERVAL) -> bytes:
    found = [
        *strips(blocks, 1),
        entry(278, LONG, rows),
        entry(JIF, LONG, START),
        entry(JIF_LENGTH, LONG, len(header)),
        *more,
    ]
    return build([Directory(tags(RGB, *found))], [header, *blocks])


STACKED = np.hstack([expected(RGB[i : i + 16]) for i in (0, 16, 32)])
FIRST, SECOND, THIRD = (part.data for part in PARTS)


@pytest.mark.parametrize(
    ("blocks", "rows"),
    [
        ([FIRST, SECOND, THIRD], 16),
        ([FIRST + b"\xff\xd0", SECOND + b"\xff\xd1", THIRD], 16),
        ([FIRST, b"\xff\xd0" + SECOND, b"\xff\xd1" + THIRD + b"\xff\xd9"], 16),
        ([FIRST + b"\xff\xd0" + SECOND, THIRD], 32),
        ([FIRST + b"\xff\xd6" + SECOND + b"\xff\xd7", THIRD], 32),
        ([FIRST + b"\xff\xd7" + SECOND + b"\xff\xd0" + THIRD], 48),
    ],
    ids=["none", "behind", "before", "within", "going on", "past the last number"],
)
def test_restart_markers(blocks, rows):
    np.testing.assert_array_equal(read(restarted(blocks, rows)), STACKED)


def test_the_interval_of_the_tag():
    data = restarted(
        [FIRST + b"\xff\xd0" + SECOND, THIRD], 32, entry(RESTART, SHORT, 4), header=TALL
    )
    np.testing.assert_array_equal(read(data), STACKED)


def test_gdal_reads_the_same_at_restart_markers():
    whole = WITH_INTERVAL + FIRST + b"\xff\xd0" + SECOND + b"\xff\xd1" + THIRD + b"\xff\xd9"
    places, at = [], len(WITH_INTERVAL)
    for part in (FIRST, SECOND, THIRD):
        places.append(START + at)
        at += len(part) + 2
    found = [
        entry(273, LONG, places),
        entry(279, LONG, [len(FIRST), len(SECOND), len(THIRD)]),
        ROWS_16,
        entry(JIF, LONG, START),
        entry(JIF_LENGTH, LONG, len(WITH_INTERVAL)),
    ]
    data = build([Directory(tags(RGB, *found))], [whole])
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("lost", [10, 60, 100])
def test_a_strip_that_ends_too_early_is_not_taken_for_the_last(lost):
    blocks = [stream(RGB[:32]).data, stream(RGB[32:]).data]
    blocks[0] = blocks[0][:-lost]
    header = taller(stream(RGB[:32]).header, 48)
    with pytest.raises(ValueError, match=r"end after"):
        read(restarted(blocks, 32, header=header))


@pytest.mark.parametrize("number", [0, 1, 3])
def test_too_few_or_too_many_restart_markers_are_an_error(number):
    block = b"\xff\xd0".join([FIRST] * (number + 1))
    with pytest.raises(ValueError, match=r"restart markers|end after"):
        read(restarted([block], 48))


# ---- tags that are wrong in known ways


@pytest.mark.parametrize("name", ["RGB", "no PhotometricInterpretation", "no depth", "no samples"])
def test_tags_that_libtiff_corrects(name):
    place = strip(START, len(WHOLE.whole))
    wrong = [entry(262, SHORT, 2)] if name == "RGB" else []
    gone = {"no PhotometricInterpretation": 262, "no depth": 258, "no samples": 277}.get(name)
    found = [item for item in tags(RGB, *place, *wrong) if item.tag != gone]
    data = build([Directory(found)], [WHOLE.whole])
    with pytest.warns(TiffWarning, match="old-style JPEG"):
        pixels = read(data)
    np.testing.assert_array_equal(pixels, by_gdal(data))


def test_gray_without_samples_per_pixel():
    part = stream(GRAY)
    place = strip(START, len(part.whole))
    found = [item for item in tags(GRAY, *place) if item.tag != 277]
    data = build([Directory(found)], [part.whole])
    np.testing.assert_array_equal(read(data), expected(GRAY))


def test_one_strip_is_chunky_whatever_planar_configuration_says():
    place = strip(START, len(WHOLE.whole))
    data = build([Directory(tags(RGB, *place, entry(284, SHORT, 2)))], [WHOLE.whole])
    np.testing.assert_array_equal(read(data), expected(RGB))


def test_the_stream_knows_its_subsampling():
    part = stream(RGB, "422")
    place = strip(START, len(part.whole))
    data = build([Directory(tags(RGB, *place, entry(530, SHORT, [2, 2])))], [part.whole])
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("rows", [40, 47])
def test_a_stream_that_is_taller_than_the_image(rows):
    place = strip(START, len(WHOLE.whole))
    data = build([Directory(tags(RGB[:rows], *place))], [WHOLE.whole])
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize("columns", [40, 55])
def test_a_stream_that_is_a_little_wider_than_the_image(columns):
    place = strip(START, len(WHOLE.whole))
    data = build([Directory(tags(RGB[:, :columns], *place))], [WHOLE.whole])
    np.testing.assert_array_equal(read(data), expected(RGB)[:, :, :columns])


def test_nothing_else_is_corrected():
    """The same tags under another compression stay as they are."""
    found = [entry(256, LONG, 4), entry(257, LONG, 1), entry(258, SHORT, 8), entry(262, SHORT, 2)]
    found += [*strip(START, 4), entry(JIF, LONG, START)]
    ifd = directory(build([Directory(found)], [b"abcd"]))
    assert (ifd.PhotometricInterpretation, ifd.SamplesPerPixel) == (2, 1)
    assert not ifd.referenced


# ---- what is read of the file


def test_tables_and_headers_are_one_request_more():
    def batches(data: bytes) -> int:
        source = CountingSource(MemorySource(data))
        asyncio.run(read_tiff(source))
        return source.batches

    plain = [item for item in tags(RGB, *strip(START, 4)) if item.tag not in (259, PROC)]
    assert batches(by_tables(RGB, 16)) <= batches(build([Directory(plain)], [b"abcd"])) + 1


def test_the_bytes_that_are_read_count_as_values():
    data = at_jif(*[len(WHOLE.whole), *WHOLE_STREAMS["the strip is the stream"][1]])
    with pytest.raises(LimitError, match="value_bytes"):
        read(data, limits=Limits(value_bytes=500))


def test_offsets_in_bigtiff():
    place = [entry(273, LONG8, START), entry(279, LONG8, len(WHOLE.whole))]
    jif = [entry(JIF, LONG8, START), entry(JIF_LENGTH, LONG8, len(WHOLE.whole))]
    data = build([Directory(tags(RGB, *place, *jif))], [WHOLE.whole], big=True)
    np.testing.assert_array_equal(read(data), by_gdal(data))


# ---- errors


def with_entries(*more: Entry) -> bytes:
    """`by_tables` with other entries."""
    return by_tables(RGB, 48, *more)


@pytest.mark.parametrize(
    ("more", "error", "text"),
    [
        ([entry(Q, LONG, [0, 0, 0])], FormatError, "JPEGQTables"),
        ([entry(AC, LONG, [10**8] * 3)], TruncatedError, "JPEGACTables"),
        ([entry(DC, LONG, [block_at(0)] * 3)], FormatError, "JPEGDCTables"),
        ([entry(PROC, SHORT, 14)], UnsupportedError, "JPEGProc"),
        ([entry(530, SHORT, [3, 1])], FormatError, "YCbCrSubSampling"),
        ([entry(258, SHORT, [32] * 3)], UnsupportedError, "BitsPerSample"),
        ([entry(339, SHORT, [3] * 3)], UnsupportedError, "SampleFormat"),
        ([entry(277, SHORT, 4), entry(258, SHORT, [8] * 4)], UnsupportedError, "SamplesPerPixel"),
    ],
    ids=["none", "past the end", "no table", "lossless", "factors", "depth", "format", "samples"],
)
def test_what_no_stream_can_be_made_of(more, error, text):
    with pytest.raises(error, match=re.escape(text)):
        virtual(with_entries(*more))


def test_planes_are_refused():
    blocks = [stream(np.ascontiguousarray(RGB[..., i])).whole for i in range(3)]
    data = build([Directory(tags(RGB, *strips(blocks), entry(284, SHORT, 2)))], blocks)
    with pytest.raises(UnsupportedError, match="PlanarConfiguration"):
        virtual(data)


def test_a_stream_of_other_samples_is_refused():
    part = stream(GRAY)
    data = build([Directory(tags(RGB, *strip(START, len(part.whole))))], [part.whole])
    with pytest.raises(UnsupportedError, match="1 components"):
        virtual(data)


@pytest.mark.parametrize("lost", [10, 30, 200, 390])
def test_data_that_end_too_early(lost):
    part = stream(RGB)
    cut = replace(part, data=part.data[: len(part.data) - lost])
    entries, tables = table_blocks(part, 1, 3)
    data = build([Directory(tags(RGB, *strips([cut.data]), *entries))], [cut.data, *tables])
    with pytest.raises(ValueError, match=r"end after|damaged"):
        read(data)


def test_a_stream_that_is_shorter_than_the_image():
    part = stream(RGB[:40])
    data = build([Directory(tags(RGB, *strip(START, len(part.whole))))], [part.whole])
    with pytest.raises(ValueError, match="40 rows"):
        read(data)


# ---- the codec


def codec(**changes: str) -> OldJpegCodec:
    metadata = codec_of(by_tables(RGB, 48))
    return OldJpegCodec.from_dict(
        {**metadata, "configuration": {**metadata["configuration"], **changes}}
    )


def test_its_metadata_make_it_again():
    made = codec()
    assert OldJpegCodec.from_dict(made.to_dict()) == made
    with pytest.raises(ValueError, match="configuration"):
        OldJpegCodec.from_dict({"name": made.name, "configuration": {"tables": ""}})


def test_its_header_is_of_the_baseline_process():
    """TIFF 6.0 section 22, JPEGProc 1: ITU-T T.81's SOF0, in which all libraries read 8 bits."""
    header = JpegHeader.parse(base64.b64decode(codec().header))
    assert JpegFrame.parse(header.frame or b"").marker == 0xC0


def test_files_that_differ_in_width_alone_have_the_same_codec():
    assert codec_of(by_tables(RGB, 16)) == codec_of(
        by_tables(np.ascontiguousarray(RGB[:, :32]), 16)
    )


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_are_an_error_or_the_promised_pixels(seed):
    random = np.random.default_rng(seed)
    data = bytearray(WHOLE.whole if seed % 2 else WHOLE.data)
    for at in random.integers(0, len(data), 8):
        data[at] = random.integers(256)
    try:
        got = codec()._decode_sync(buffer(bytes(data)), chunk_spec(48, 64, 3))
    except ValueError:
        return
    assert got.shape == (48, 64, 3)


def test_a_stream_that_states_a_giant_is_not_decoded():
    giant = taller(WHOLE.header, 65500).replace(b"\x00\x40\x03", (65500).to_bytes(2) + b"\x03", 1)
    with pytest.raises(ValueError, match="65500 columns"):
        codec()._decode_sync(buffer(giant + WHOLE.data), chunk_spec(48, 64, 3))


@pytest.mark.parametrize("seed", range(40))
def test_damaged_tables_are_an_error_or_the_promised_pixels(seed):
    random = np.random.default_rng(seed)
    data = bytearray(by_tables(RGB, 16))
    begin = data.index(PARTS[0].data)
    for at in random.integers(begin, len(data), 6):
        data[at] = random.integers(256)
    try:
        pixels = read(bytes(data))
    except ValueError:
        return
    assert pixels.shape == (3, 48, 64)


@pytest.mark.parametrize(
    "factors", [[0, 1], [1, 0], [3, 1], [1, 3], [5, 1], [1, 8], [-1, 2], [255, 255], [257, 257]]
)
def test_subsampling_that_no_stream_has_is_refused_by_name(factors: list[int]) -> None:
    kind = SSHORT if min(factors) < 0 else SHORT
    data = with_entries(entry(530, kind, factors))
    words = f"YCbCrSubSampling is {factors[0]} and {factors[1]}; 1, 2 and 4 are allowed"
    with pytest.raises(FormatError, match=words):
        virtual(data)


@pytest.mark.parametrize("factors", [[1], [2, 2, 2], []], ids=str)
def test_subsampling_of_another_length_is_ignored_as_in_libtiff(factors: list[int]) -> None:
    data = with_entries(entry(530, SHORT, factors))
    np.testing.assert_array_equal(read(data), by_gdal(data))
