"""Make a small whole-slide image of each vendor's kind, from the documents of the formats.

``python scripts/make_slides.py FOLDER`` writes them. They have the tags and texts that decide
which page is what, as the vendor writes them, and no more. Tests read them with tifffile, and with
OpenSlide where it knows the kind.

The pixels are `scene`: smooth, so that JPEG keeps them, and different in each part of a slide.
"""

from __future__ import annotations

import argparse
import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["SLIDES", "Page", "ndpi", "scene", "write_ndpi"]

type Pixels = NDArray[np.uint8]

_RATIONAL = 5


def scene(length: int, width: int, seed: int = 0) -> Pixels:
    """Return an RGB picture, (rows, columns, 3), that looks the same in each size."""
    y, x = np.mgrid[:length, :width] / np.array([length, width]).reshape(2, 1, 1)
    bands = [
        120 + 100 * np.sin(3 * x + seed) * np.cos(2 * y),
        128 + 90 * np.cos(5 * y - 2 * x + seed),
        60 + 120 * x * y + 20 * np.sin(9 * x),
    ]
    return np.stack(bands, -1).clip(0, 255).astype(np.uint8)


def jpeg(pixels: Pixels, *, restart: int = 0, subsampling: int = 1) -> bytes:
    """Return a JPEG; `restart` is its restart interval in MCUs, 1 the subsampling 4:2:2."""
    stream = io.BytesIO()
    options = {"restart_marker_blocks": restart} if restart else {}
    Image.fromarray(pixels).save(stream, "jpeg", quality=90, subsampling=subsampling, **options)
    return stream.getvalue()


# ---------------------------------------------------------------------- Hamamatsu NDPI


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A directory of an NDPI file."""

    width: int
    length: int
    stream: bytes
    """The JPEG."""
    lens: float
    """SourceLens: a magnification, -1 of the macro, -2 of the map."""
    resolution: int = 0
    """Pixels a centimetre."""
    starts: Sequence[int] = ()
    """McuStarts."""
    texts: Mapping[int, str] = field(default_factory=dict)
    """ASCII tags by number."""
    nbytes: int | None = None
    """StripByteCounts, if not those of the stream."""


def intervals(stream: bytes) -> list[int]:
    """Return where the restart intervals of a JPEG begin, of which the first follows its header."""
    at = stream.index(b"\xff\xda")
    begin = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
    restarts = (
        at + 2
        for at in range(begin, len(stream) - 1)
        if stream[at] == 0xFF and 0xD0 <= stream[at + 1] <= 0xD7
    )
    return [begin, *restarts]


def write_ndpi(path: Path, pages: Sequence[Page], *, base: int = 12) -> None:
    """Write an NDPI: 64-bit addresses, and the high words of a directory's values behind it.

    Parameters
    ----------
    path
        The file; from 12 to `base` it has a hole.
    pages
        Its directories.
    base
        Where the first stream begins; beyond 4 GiB the addresses need their high words.
    """
    with path.open("wb") as file:
        file.seek(base)
        places, links = [], [4]
        for page in pages:
            places.append(file.tell())
            file.write(page.stream + b"\0" * (len(page.stream) % 2))
        for page, place in zip(pages, places, strict=True):
            at = file.tell()
            link = _write_directory(file, _tags(page, place))
            end = file.tell()
            file.seek(links[-1])
            file.write(struct.pack("<Q", at))
            links.append(link)
            file.seek(end)
        file.seek(0)
        file.write(b"II*\0")


def _tags(page: Page, place: int) -> list[tuple[int, int, int, int | bytes]]:
    """Return tag, field type, count, and the number or the bytes of each value."""
    tags: list[tuple[int, int, int, int | bytes]] = [
        (256, 4, 1, page.width),
        (257, 4, 1, page.length),
        (258, 3, 3, struct.pack("<3H", 8, 8, 8)),
        (259, 3, 1, 7),
        (262, 3, 1, 6),
        (273, 4, 1, place),
        (277, 3, 1, 3),
        (278, 4, 1, page.length),
        (279, 4, 1, len(page.stream) if page.nbytes is None else page.nbytes),
        (284, 3, 1, 1),
        (530, 3, 2, 2 | 1 << 16),
        (65420, 4, 1, 1),
        (65421, 11, 1, int.from_bytes(struct.pack("<f", page.lens), "little")),
        (65422, 9, 1, 1_250_000),
        (65423, 9, 1, -340_000 & 0xFFFFFFFF),
        (65424, 9, 1, 0),
    ]
    if page.resolution:
        tags += [
            (282, _RATIONAL, 1, struct.pack("<2I", page.resolution, 1)),
            (283, _RATIONAL, 1, struct.pack("<2I", page.resolution, 1)),
            (296, 3, 1, 3),
        ]
    if page.starts:
        tags.append((65426, 4, len(page.starts), np.array(page.starts, "<u4").tobytes()))
    for tag, text in {271: "Hamamatsu", 272: "NanoZoomer", **page.texts}.items():
        data = text.encode() + b"\0"
        tags.append((tag, 2, len(data), data))
    return sorted(tags)


def _write_directory(
    file: io.BufferedWriter, tags: Sequence[tuple[int, int, int, int | bytes]]
) -> int:
    """Write a directory and its values; return where the offset of the next one goes."""
    at = file.tell()
    values = at + 2 + 12 * len(tags) + 8 + 4 * len(tags)
    body, high, data = struct.pack("<H", len(tags)), b"", b""
    for tag, kind, count, value in tags:
        if isinstance(value, bytes):
            number = values + len(data)
            data += value + b"\0" * (len(value) % 2)
        else:
            number = value
        body += struct.pack("<HHII", tag, kind, count, number & 0xFFFFFFFF)
        high += struct.pack("<I", number >> 32)
    file.write(body + struct.pack("<Q", 0) + high + data)
    return at + len(body)


def ndpi(path: Path, *, base: int = 12, subsampling: int = 1, surplus: int = 0) -> None:
    """Write a slide of three levels with restart intervals, a macro and a map.

    Parameters
    ----------
    path
        The file.
    base
        See `write_ndpi`.
    subsampling
        Pillow's: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
    surplus
        Columns and rows by which the JPEG of the last level is larger than its tags say.
    """
    texts = {65427: "Slide 7", 65442: "SN-1", 65449: "Objective.Lens.Magnificant=20\r\nA=b=c"}
    mcu = 8 if subsampling == 0 else 16
    pages = []
    for level, (length, width) in enumerate([(768, 1024), (384, 512), (192, 256)]):
        more = surplus if level == 2 else 0
        pixels = scene(length, width)
        stored = np.pad(pixels, [(0, more), (0, more), (0, 0)], "edge")
        restart = 1024 // mcu // 4 >> level if level < 2 else 0
        stream = jpeg(stored, restart=restart, subsampling=subsampling)
        page = Page(
            width=width,
            length=length,
            stream=stream,
            lens=20.0 / 2**level,
            resolution=40_000 >> level,
            starts=intervals(stream) if restart else (),
            texts=texts,
        )
        pages.append(page)
    for lens, seed, size in ((-1.0, 5, (200, 600)), (-2.0, 6, (60, 180))):
        stream = jpeg(scene(*size, seed), subsampling=subsampling)
        pages.append(Page(width=size[1], length=size[0], stream=stream, lens=lens, texts=texts))
    write_ndpi(path, pages, base=base)


SLIDES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "Hamamatsu NDPI": ("hamamatsu.ndpi", ndpi),
}
"""By name of the kind: a file's name, and what writes it."""


def main() -> None:
    """Write a file of each kind."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in SLIDES.values():
        write(folder / name)


if __name__ == "__main__":
    main()
