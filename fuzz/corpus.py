"""The files that are changed: made here in all four variants, and those of `testdata/`.

Files of other projects, which `scripts/sync_*.py` put into `testdata/external`, are changed
where they are there."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from support.build import (  # noqa: E402 (a folder of tests, no package)
    ASCII,
    DOUBLE,
    END,
    FRONT,
    LONG,
    SCATTERED,
    SHORT,
    VARIANTS,
    Picture,
    directory_at,
    entry,
    images,
)

__all__ = ["corpus", "made"]

_MOST_BYTES = 40_000

_GEO = [
    entry(33550, DOUBLE, [10.0, 10.0, 0.0]),
    entry(33922, DOUBLE, [0.0, 0.0, 0.0, 500000.0, 4600000.0, 0.0]),
    entry(
        34735,
        SHORT,
        [
            *(1, 1, 0, 5, 1024, 0, 1, 1, 1025, 0, 1, 1, 1026),
            *(34737, 7, 0, 3072, 0, 1, 32632, 2057, 34736, 1, 0),
        ],
    ),
    entry(34736, DOUBLE, [6378137.0]),
    entry(34737, ASCII, b"WGS 84|\0"),
]
_XML = (
    '<GDALMetadata><Item name="A">b</Item><Item name="STATISTICS_MEAN" sample="0">1.5</Item>'
    '<Item name="SCALE" sample="0" role="scale">0.5</Item>'
    '<Item name="D" sample="1" role="description">near</Item></GDALMetadata>'
)
_OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0" Name="a"><Pixels DimensionOrder="XYZCT" Type="uint8" SizeX="6" SizeY="10"'
    ' SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeX="0.5"><Channel Name="c"/><TiffData/></Pixels>'
    "</Image></OME>"
)
_IMAGEJ = "ImageJ=1.53\nimages=2\nslices=2\nhyperstack=true\n"


def _pictures() -> dict[str, list[Picture]]:
    gray = np.arange(60, dtype="u1").reshape(10, 6)
    rgb = np.arange(180, dtype="u1").reshape(10, 6, 3)
    short, real = gray.astype("u2") * 300, gray.astype("f4") / 7
    nodata = [entry(42113, ASCII, "255"), entry(42112, ASCII, _XML)]

    def coded(encode: object, code: int, **more: object) -> list[Picture]:
        return [Picture(gray, compression=code, encode=encode, rows_per_strip=4, **more)]  # type: ignore[arg-type]

    return {
        "strips": [Picture(gray, rows_per_strip=4, extra_entries=_GEO)],
        "tiles": [Picture(rgb, tile=(16, 16), planar=2, compression=5, extra_entries=nodata)],
        "lzw": [Picture(short, compression=5, predictor=2, rows_per_strip=3)],
        "float": [Picture(real, compression=8, predictor=3, tile=(16, 16))],
        "bits": [Picture(gray, bits=3, rows_per_strip=4), Picture(gray % 2, bits=1, fill_order=2)],
        "complex": [Picture(real.astype("c8"))],
        "sparse": [Picture(gray, tile=(16, 16), sparse=(0,))],
        "chain": [Picture(gray), Picture(gray), Picture(short, rows_per_strip=2), Picture(rgb)],
        "subifds": [
            Picture(gray, extra_entries=[*_GEO, entry(330, LONG, list(map(directory_at, (1, 2))))],
                    next=0),
            Picture(gray[::2, ::2], extra_entries=[entry(254, LONG, 1)]),
            Picture(gray[::4, ::4], extra_entries=[entry(254, LONG, 5)], compression=8),
        ],
        "ome": [Picture(gray, extra_entries=[entry(270, ASCII, _OME)]), Picture(gray)],
        "imagej": [Picture(gray, extra_entries=[entry(270, ASCII, _IMAGEJ)]), Picture(gray)],
        "palette": [Picture(gray % 16, bits=4, photometric=3,
                            extra_entries=[entry(320, SHORT, list(range(48)))])],
        "ycbcr": [Picture(rgb, photometric=6, extra_entries=[entry(530, SHORT, [1, 1])])],
        "jpeg": [Picture(gray, compression=7, encode_block=imagecodecs.jpeg8_encode)],
        "zstd": coded(imagecodecs.zstd_encode, 50000),
        "lzma": coded(imagecodecs.lzma_encode, 34925),
        "packbits": coded(imagecodecs.packbits_encode, 32773),
        "png": [Picture(gray, compression=34933, encode_block=imagecodecs.png_encode)],
        "webp": [Picture(rgb, compression=50001,
                         encode_block=lambda b: imagecodecs.webp_encode(b, lossless=True))],
        "jpeg2k": [Picture(gray, compression=34712, encode_block=imagecodecs.jpeg2k_encode)],
        "jpegxl": [Picture(gray, compression=50002, encode_block=imagecodecs.jpegxl_encode)],
        "lerc": [Picture(gray, compression=34887, encode_block=imagecodecs.lerc_encode,
                         extra_entries=[entry(50674, LONG, [4, 0])])],
        "next": coded(lambda data: b"\0" + data, 32766, bits=2),
        "thunder": coded(lambda data: bytes(0xC0 | b & 15 for b in data), 32809, bits=4),
        "fax": coded(lambda data: b"\x26\xa0" + data, 4, bits=1),
        "fax3": coded(lambda data: b"\x00\x1a" + data, 3, bits=1),
        "sgilog": [Picture(gray.astype("i2"), compression=34676, photometric=32844,
                           encode=lambda data: b"\x86\x10" * (len(data) // 6))],
        "pixarlog": [Picture(gray, compression=32909, encode=lambda d: zlib.compress(d + d))],
    }  # fmt: skip


def made() -> Iterator[tuple[str, bytes]]:
    """Yield names and files: each kind of thing in each variant."""
    for kind, pictures in _pictures().items():
        for number, (byteorder, big) in enumerate(VARIANTS):
            order = (FRONT, END, SCATTERED)[number % 3]
            data = images(pictures, byteorder=byteorder, big=big, order=order)
            yield f"{kind}-{byteorder}{'-big' if big else ''}", data


@cache
def corpus(*, more: str = "") -> tuple[tuple[str, bytes], ...]:
    """Return the files to change, small ones alone.

    Parameters
    ----------
    more
        A folder with further files.
    """
    folders = [ROOT / "testdata" / name for name in ("matrix", "special", "series", "external")]
    folders += [Path(more)] if more else []
    found = dict(made())
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".tif", ".tiff") and 8 < path.stat().st_size < _MOST_BYTES:
                found[path.name] = path.read_bytes()
    return tuple(found.items())
