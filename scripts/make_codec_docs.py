"""Make docs/codecs.md from the code: TIFF features, the codecs they become, and who runs them.

usage: python scripts/make_codec_docs.py [--check]

Each row of `FEATURES` is a directory; what the codec table makes of it is what is written.
`--check` exits with 1 if the document is not what would be made.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from _documents import write_or_check
from zarr.registry import get_codec_class

from virtual_tiff import codec_table
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.codec_table import COMPRESSIONS, CodecJSON
from virtual_tiff.codec_table.readers import IMPLEMENTATIONS
from virtual_tiff.codec_table.rows import descriptions
from virtual_tiff.tiff import (
    Compression,
    ImageFileDirectory,
    Tag,
    TiffError,
    block_grid,
    code_name,
    parse_header,
)
from virtual_tiff.tiff.constants import FIELD_TYPES
from virtual_tiff.tiff.entry import Entry

DOCUMENT = Path(__file__).parent.parent / "docs" / "codecs.md"

_VARIANTS = {
    "II": parse_header(b"II\x2a\0" + struct.pack("<I", 8)).variant,
    "MM": parse_header(b"MM\0\x2a" + struct.pack(">I", 8)).variant,
}

FEATURES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "Depths and formats": [
        ("uint8", {}),
        ("uint16, little-endian", {"BitsPerSample": 16}),
        ("uint16, big-endian", {"BitsPerSample": 16, "order": "MM"}),
        ("int32", {"BitsPerSample": 32, "SampleFormat": 2}),
        ("uint64", {"BitsPerSample": 64}),
        ("float16", {"BitsPerSample": 16, "SampleFormat": 3}),
        ("float24", {"BitsPerSample": 24, "SampleFormat": 3}),
        ("float32", {"BitsPerSample": 32, "SampleFormat": 3}),
        ("complex64", {"BitsPerSample": 64, "SampleFormat": 6}),
        ("complex integers of 2 x 16 bits", {"BitsPerSample": 32, "SampleFormat": 5}),
        ("1 bit", {"BitsPerSample": 1}),
        ("12 bits", {"BitsPerSample": 12}),
        ("12 bits, signed", {"BitsPerSample": 12, "SampleFormat": 2}),
        ("24 bits", {"BitsPerSample": 24}),
        ("33 bits", {"BitsPerSample": 33}),
        ("FillOrder 2", {"BitsPerSample": 1, "FillOrder": 2}),
    ],
    "Samples": [
        ("RGB, chunky", {"SamplesPerPixel": 3}),
        ("RGB, planar", {"SamplesPerPixel": 3, "PlanarConfiguration": 2}),
        (
            "YCbCr, not JPEG, subsampled 2 x 2",
            {"SamplesPerPixel": 3, "PhotometricInterpretation": 6, "YCbCrSubSampling": (2, 2)},
        ),
    ],
    "Predictors": [
        ("2, one sample", {"Compression": 8, "Predictor": 2, "BitsPerSample": 16}),
        ("2, RGB chunky", {"Compression": 8, "Predictor": 2, "SamplesPerPixel": 3}),
        (
            "3, float32",
            {"Compression": 8, "Predictor": 3, "BitsPerSample": 32, "SampleFormat": 3},
        ),
        (
            "2, complex64",
            {"Compression": 8, "Predictor": 2, "BitsPerSample": 64, "SampleFormat": 6},
        ),
    ],
    "Blocks": [
        ("a short last strip", {"Compression": 8, "RowsPerStrip": 40}),
        ("a short last strip, JPEG", {"Compression": 7, "RowsPerStrip": 40}),
    ],
}

_COMPRESSION_TAGS: dict[int, dict[str, Any]] = {
    7: {"SamplesPerPixel": 3, "PhotometricInterpretation": 6},
    6: {"SamplesPerPixel": 3, "PhotometricInterpretation": 6, "JPEGInterchangeFormat": 1000},
    2: {"BitsPerSample": 1},
    3: {"BitsPerSample": 1},
    4: {"BitsPerSample": 1},
    32771: {"BitsPerSample": 1},
    32766: {"BitsPerSample": 2},
    32809: {"BitsPerSample": 4},
    34676: {"PhotometricInterpretation": 32844, "BitsPerSample": 16, "SampleFormat": 2},
    34677: {"PhotometricInterpretation": 32845, "SamplesPerPixel": 3, "BitsPerSample": 16},
    50001: {"SamplesPerPixel": 3},
    34927: {"SamplesPerPixel": 3},
}
"""Tags that a compression needs beside itself."""


def directory(**tags: Any) -> ImageFileDirectory:  # noqa: ANN401 (tags' values)
    """Return a directory of 100 x 100 pixels with the given tags."""
    variant = _VARIANTS[tags.pop("order", "II")]
    order = "<" if variant.byte_order == "little" else ">"
    known: dict[str, Any] = {"ImageWidth": 100, "ImageLength": 100, "BitsPerSample": 8} | tags
    entries = {}
    for name, value in known.items():
        values = value if isinstance(value, tuple) else (value,)
        data = struct.pack(f"{order}{len(values)}I", *values)
        entries[Tag[name].value] = Entry(Tag[name], FIELD_TYPES[4], len(values), 0, data)
    return ImageFileDirectory(
        path="0",
        offset=8,
        next_offset=0,
        variant=variant,
        entries=entries,
        referenced=_old_jpeg() if "JPEGInterchangeFormat" in known else {},
    )


def _old_jpeg() -> dict[int, bytes]:
    """Return what the tag JPEGInterchangeFormat of an old-style JPEG points to."""
    return {1000: bytes(imagecodecs.jpeg8_encode(np.zeros((100, 100, 3), dtype="u1")))}


def steps(**tags: Any) -> list[CodecJSON]:  # noqa: ANN401 (tags' values)
    """Return the codecs that a directory with the given tags becomes."""
    ifd = directory(**tags)
    grid = block_grid(ifd)
    return codec_table.codecs(
        ifd, grid, data_type(ifd), length=grid.block_length, last_length=grid.last_length
    )


def shown(step: CodecJSON) -> str:
    """Return a codec as a reader wants to see it."""
    settings = {
        key: "…" if isinstance(value, str) and len(value) > 24 else value
        for key, value in step["configuration"].items()
        if not isinstance(value, dict)
    }
    inner = step["configuration"].get("codec")
    text = ", ".join(f"{key}={value}" for key, value in settings.items())
    if isinstance(inner, dict):
        text = ", ".join(filter(None, [inner["name"], text]))
    return f"`{step['name']}`" + (f" ({text})" if text else "")


def row(label: str, tags: dict[str, Any]) -> str:
    """Return one line of a table."""
    try:
        found = steps(**tags)
    except TiffError as error:
        return f"| {label} | refused: {error.message} |" + " |" * len(IMPLEMENTATIONS)
    dtype = data_type(directory(**tags))
    marks = ["yes" if known.reads(found, dtype) else "" for known in IMPLEMENTATIONS]
    return f"| {label} | {', '.join(map(shown, found))} | {' | '.join(marks)} |"


def table(title: str, rows: list[str]) -> str:
    """Return a section with its table."""
    columns = [known.name.removeprefix("zarr-python ") for known in IMPLEMENTATIONS]
    head = f"| TIFF | codecs, as in the array's metadata | {' | '.join(columns)} |"
    rule = "|---" * (2 + len(IMPLEMENTATIONS)) + "|"
    return "\n".join([f"## {title}", "", head, rule, *rows, ""])


def document() -> str:
    """Return the whole document."""
    compressions = [
        row(code_name(Compression, code), {"Compression": code, **_COMPRESSION_TAGS.get(code, {})})
        for code in sorted(COMPRESSIONS)
    ]
    sections = [
        table(title, [row(label, tags) for label, tags in features])
        for title, features in FEATURES.items()
    ]
    return "\n".join([_HEAD, table("Compressions", compressions), *sections, own_codecs()])


def own_codecs() -> str:
    """Return the section on the codecs that no other package has."""
    rows = []
    for description in sorted(descriptions(), key=lambda each: each.name):
        if not description.implementation:
            continue
        codec: Any = get_codec_class(description.name)
        keys = ", ".join(field.name for field in fields(codec))
        tag = "" if description.tag is None else f"{description.tag.name}: {description.says}"
        keys = keys and f"`{keys}`"
        why = _REASONS[description.name.removeprefix("virtual_tiff.")]
        where = description.specification
        rows.append(f"| `{description.name}` | {tag} | {why} | {keys} | {where} |")
    head = "| codec | stands for | why no other codec does | keys | specification |"
    return "\n".join(
        ["## Codecs of this package", "", _OWN, "", head, "|---|---|---|---|---|", *rows, ""]
    )


_REASONS = {
    "any_compression": "one array has one list of codecs",
    "bits": "`imagecodecs_packints` has unsigned samples of up to 31 bits",
    "ccitt": "the fax codecs of imagecodecs decode a damaged strip as white, without an error,"
    " and fail at a short last one",
    "complex_parts": "no data type of Zarr is a complex integer",
    "crop": "a chunk is a whole block",
    "float24_predictor": "`imagecodecs_floatpred` does not decode floats of 24 bits",
    "jpeg": "`imagecodecs_jpeg` decodes only baseline JPEG with TIFF's tables; this codec"
    " decodes lossless JPEG too",
    "jpeg2k_ycbcr": "`imagecodecs_jpeg2k` does not convert the colours of the stream",
    "jpeg_old": "the stream has to be assembled from tags",
    "jpegxl": "`imagecodecs_jpegxl` leaves out extra channels",
    "lerc": "`imagecodecs_lerc` reads blocks without a mask; of floats libtiff makes NaN of masked"
    " pixels, and which blocks have a mask is known when they are read",
    "next": "no package has such a codec",
    "packed_pixels": "`imagecodecs_packints` has one depth",
    "pad": "a chunk has one size; a compressed strip of fewer rows has another",
    "pixarlog": "`imagecodecs_pixarlog` supports neither byte orders nor short last strips",
    "reverse_bits": "`imagecodecs_bitorder` reverses the bits of arrays, not those of"
    " compressed bytes",
    "sgilog": "no package has such a codec",
    "short_image": "a chunk has one size; an image of fewer rows has another",
    "thunderscan": "no package has such a codec",
    "view": "no codec changes the data type of bytes",
    "ycbcr": "no package has TIFF's data units without JPEG",
}
"""Why each of our codecs is needed: read again at each release of imagecodecs-zarr."""


_OWN = """In the array's metadata a codec is `{"name": …, "configuration": {…}}`. Its description is
next to its row in `virtual_tiff/codec_table/`, and its source explains the keys of the
configuration. The module for JavaScript has the codecs that [Other readers](interoperability.md)
marks.

Of the 580 files of GDAL's test suite that are read, 62 need one of these codecs, and 31 of these
need `virtual_tiff.pad`: their last strip is compressed and has fewer rows. An uncompressed file
does not need it if its rows can be divided into chunks of 8 KiB to 16 MiB. `publish --portable`
copies such strips, so that no codec is needed."""


_HEAD = """<!-- Made by python scripts/make_codec_docs.py from the codec table; do not edit. -->

# TIFF features and their codecs

The tables list the Zarr codecs of each feature of TIFF, in the order of the array's metadata: a
block is decoded from the last codec to the first. The other columns are implementations of Zarr.
An implementation is marked if it has all of the codecs, and the data type.

- zarr-python has three columns: alone, with the package `imagecodecs-zarr`, and with
  `virtual-tiff`.
- zarrita is meant without additional codecs, in an engine without Float16Array.
- GDAL is not marked where it accepts `transpose` and gives wrong pixels.

The marks come from `virtual_tiff/codec_table/readers.py`, and `tests/info/test_info_readers.py`
compares them with the implementations. `virtual-tiff info` prints the same for the arrays of a
file.
"""


def main() -> int:
    """Write the document, or check it."""
    return write_or_check(DOCUMENT, document, __doc__)


if __name__ == "__main__":
    sys.exit(main())
