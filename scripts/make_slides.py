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
from typing import Any

import imagecodecs
import numpy as np
import tifffile
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
    z: int = 0
    """ZOffsetFromSlideCenter, nanometres."""
    gray: bool = False
    """Whether the stream is a JPEG XR of 16-bit gray, which the tags do not say."""
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
        (259, 3, 1, 22610 if page.gray else 7),
        (262, 3, 1, 2 if page.gray else 6),
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
        (65424, 9, 1, page.z & 0xFFFFFFFF),
    ]
    if page.gray:
        tags.append((65441, 4, 1, 6))
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


# --------------------------------------------------------------------------- other vendors

_TILE: dict[str, Any] = {
    "tile": (128, 128),
    "compression": "jpeg",
    "compressionargs": {"level": 90},
}
_PHOTO: dict[str, Any] = {"photometric": "rgb", "metadata": None}
_SIZES = ((768, 1024), (384, 512), (192, 256))

type _Pair = tuple[int, int]


def _tiled(pixels: Pixels, compression: int) -> dict[str, Any]:
    """Return what writes an image in tiles, under one of Aperio's compressions."""
    if compression == 7:
        return {"data": pixels, **_TILE, **_PHOTO}
    if compression == 33003:  # YCbCr, which the stream does not say
        pixels = np.array(Image.fromarray(pixels).convert("YCbCr"))
    padding = [(0, -n % 128) for n in pixels.shape[:2]]
    padded = np.pad(pixels, [*padding, (0, 0)], "edge")
    tiles = [
        imagecodecs.jpeg2k_encode(
            padded[row : row + 128, column : column + 128].copy(),
            level=50,
            mct=compression != 33003,
            codecformat="j2k",
        )
        for row in range(0, pixels.shape[0], 128)
        for column in range(0, pixels.shape[1], 128)
    ]
    return {
        "data": iter(tiles),
        "shape": pixels.shape,
        "dtype": pixels.dtype,
        "tile": (128, 128),
        "compression": compression,
        **_PHOTO,
    }


def svs(path: Path, *, compression: int = 7, planes: int = 1) -> None:
    """Write an Aperio SVS: an image, its thumbnail, levels, label and macro."""
    first = "Aperio Image Library v12.0.5\r\n"
    facts = "|AppMag = 20|MPP = 0.4990|ScanScope ID = SS1|Date = 12/24/25"
    length, width = _SIZES[0]
    text = f"{first}{width}x{length} [0,0 {width}x{length}] (128x128) JPEG/RGB Q=90{facts}"
    with tifffile.TiffWriter(path) as writer:
        writer.write(description=text, **_tiled(scene(length, width), compression))
        small = f"{first}{width}x{length} -> 256x192 - |AppMag = 20"
        writer.write(scene(192, 256, 1), description=small, rowsperstrip=192, **_PHOTO)
        for plane in range(1, planes):
            writer.write(description=text, **_tiled(scene(length, width, plane), compression))
        for size in _SIZES[1:]:
            text = f"{first}{width}x{length} -> {size[1]}x{size[0]} (128x128) JPEG/RGB{facts}"
            for plane in range(planes):
                writer.write(description=text, **_tiled(scene(*size, plane), compression))
        for word, size, kind in (("label", (96, 90), 1), ("macro", (100, 300), 9)):
            text = f"{first}{word} {size[1]}x{size[0]}"
            writer.write(
                scene(*size, kind), description=text, subfiletype=kind, rowsperstrip=16, **_PHOTO
            )


def _attribute(name: str, value: str) -> str:
    return f'<Attribute Name="{name}" PMSVR="IString">{value}</Attribute>'


def _array(name: str, kind: str, objects: Sequence[str]) -> str:
    inner = "".join(f'<DataObject ObjectType="{kind}">{each}</DataObject>' for each in objects)
    return _attribute(name, f"<Array>{inner}</Array>")


def philips(path: Path, *, size: tuple[int, int] = (1024, 1152), levels: int = 4) -> None:
    """Write a Philips TIFF: levels padded to whole tiles, the spacing of each in the XML."""
    spacing = [f'"{0.00025 * 2**level:.7f}" ' * 2 for level in range(levels)]
    represented = [_attribute("DICOM_PIXEL_SPACING", each.strip()) for each in spacing]
    scan = (
        _attribute("PIM_DP_IMAGE_TYPE", "WSI")
        + represented[0]
        + _array(
            "PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE",
            "PixelDataRepresentation",
            [each + _attribute("PIIM_NUMBER", str(n)) for n, each in enumerate(represented)],
        )
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">'
        + _attribute("DICOM_MANUFACTURER", "PHILIPS")
        + _array("PIM_DP_SCANNED_IMAGES", "DPScannedImage", [scan])
        + "</DataObject>"
    )
    options: dict[str, Any] = {"software": "Philips DP v1.0", **_PHOTO}
    with tifffile.TiffWriter(path) as writer:
        for level in range(levels):
            # of the padded size, which is padded in turn
            length, width = ((n + -n % 128) >> level for n in size)
            padding = [(0, -length % 128), (0, -width % 128), (0, 0)]
            writer.write(
                np.pad(scene(length, width), padding),
                description=f"level={level}" if level else text,
                subfiletype=1 if level else 0,
                **_TILE,
                **options,
            )
        for word, photo in (("Macro", (100, 300)), ("Label", (90, 96))):
            writer.write(scene(*photo, len(word)), description=word, **options)


def _qpi(kind: str, channel: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-16"?><PerkinElmer-QPI-ImageDescription>'
        "<DescriptionVersion>2</DescriptionVersion><AcquisitionSoftware>VectraScan 1.0"
        f"</AcquisitionSoftware><ImageType>{kind}</ImageType><SlideID>S 7</SlideID>{channel}"
        "<Objective>20x</Objective><ScanProfile><root><ScanResolution>"
        "<PixelSizeMicrons>0.5</PixelSizeMicrons><Magnification>20</Magnification>"
        "</ScanResolution></root></ScanProfile></PerkinElmer-QPI-ImageDescription>"
    )


def qptiff(path: Path, *, channels: int = 3) -> None:
    """Write an Akoya QPTIFF: channels, a thumbnail, reduced channels, overview and label.

    Without channels its pages are RGB, as of a slide in bright field.
    """
    colors = ("0,0,255", "0,255,0", "255,0,0", "255,255,0")
    names = ("DAPI", "FITC", "Cy5", "TRITC")
    options: dict[str, Any] = {"software": "PerkinElmer-QPI", "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        for level, (length, width) in enumerate(_SIZES):
            for n in range(max(channels, 1)):
                kind = "ReducedResolution" if level else "FullResolution"
                channel = f"<Name>{names[n]}</Name><Color>{colors[n]}</Color>"
                pixels = scene(length, width, n)
                writer.write(
                    pixels[..., 0].copy() if channels else pixels,
                    description=_qpi(kind, channel if channels else ""),
                    photometric="minisblack" if channels else "rgb",
                    compression="lzw",
                    tile=(128, 128),
                    subfiletype=1 if level else 0,
                    resolution=(20_000 >> level, 20_000 >> level),
                    resolutionunit="centimeter",
                    **options,
                )
            if level == 0:
                small = scene(96, 128, 4)
                writer.write(small, description=_qpi("Thumbnail"), photometric="rgb", **options)
        for kind, size in (("Overview", (100, 300)), ("Label", (90, 96))):
            small = scene(*size, len(kind))
            writer.write(small, description=_qpi(kind), photometric="rgb", **options)


def scn(path: Path, *, scenes: int = 2) -> None:
    """Write a Leica SCN: a macro of all the slide, and scenes with their places on it."""
    everything = (75_000_000, 25_000_000)
    extent = (_SIZES[0][0] * 500, _SIZES[0][1] * 500)
    places = [(9_000_000 * (n + 1), 4_000_000) for n in range(scenes)]
    views: list[tuple[_Pair, _Pair, tuple[_Pair, ...], str]] = [
        (everything, (0, 0), ((384, 128), (192, 64)), "macro"),
        *((extent, place, _SIZES, f"image_{n}") for n, place in enumerate(places)),
    ]
    images, number = [], 0
    for seed, (nanometres, offset, sizes, name) in enumerate(views):
        dimensions = ""
        for r, (length, width) in enumerate(sizes):
            dimensions += f'<dimension sizeX="{width}" sizeY="{length}" r="{r}" ifd="{number}"/>'
            number += 1
        images.append(
            f'<image name="{name}" uuid="urn:uuid:{seed}"><creationDate>2025-12-24T10:00:00Z'
            '</creationDate><device model="Leica SCN400" version="1.4"/>'
            f'<pixels sizeX="{sizes[0][1]}" sizeY="{sizes[0][0]}">{dimensions}</pixels>'
            f'<view sizeX="{nanometres[1]}" sizeY="{nanometres[0]}" offsetX="{offset[1]}" '
            f'offsetY="{offset[0]}" spacingZ="0"/><scanSettings><objectiveSettings><objective>'
            f"{20 if seed else 1}</objective></objectiveSettings><illuminationSettings>"
            "<numericalAperture>0.4</numericalAperture><illuminationSource>brightfield"
            "</illuminationSource></illuminationSettings></scanSettings></image>"
        )
    text = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="slide" sizeX="{everything[1]}" sizeY="{everything[0]}">'
        f"<barcode>QUJD</barcode>{''.join(images)}</collection></scn>"
    )
    pages = [(size, seed) for seed, view in enumerate(views) for size in view[2]]
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for at, (size, seed) in enumerate(pages):
            writer.write(
                scene(*size, seed),
                description=None if at else text,
                resolution=(20_000, 20_000),
                resolutionunit="centimeter",
                **_TILE,
                **_PHOTO,
            )


def bif(path: Path) -> None:
    """Write a Ventana BIF: the label and a probability map first, levels after them."""
    xmp = (
        b'<iScan Magnification="20" ScanRes="0.465" UnitNumber="U1" Z-layers="1" '
        b'Z-spacing="1"><AOI0 Left="0"/></iScan>'
    )
    software = "ScanOutputManager 1.1.0.15854"
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for word, size in (("Label Image", (90, 300)), ("Probability_Image", (48, 64))):
            tags = [(700, "B", len(xmp), xmp, True)] if word == "Label Image" else []
            small = scene(*size, len(word))
            writer.write(small, description=word, extratags=tags, software=software, **_PHOTO)
        for level, size in enumerate(_SIZES):
            said = f"level={level} mag={20 / 2**level:g} quality=90"
            writer.write(scene(*size), description=said, **_TILE, **_PHOTO)


def libvips(path: Path) -> None:
    """Write a pyramid as `vips tiffsave --pyramid --tile` does: levels marked in the chain."""
    text = (
        '<?xml version="1.0"?><image xmlns="http://www.vips.ecs.soton.ac.uk//dzsave" version="8">'
        '<properties><property><name>openslide.mpp-x</name><value type="VipsRefString">0.5</value>'
        '</property><property><name>openslide.mpp-y</name><value type="VipsRefString">0.5</value>'
        "</property></properties></image>"
    )
    with tifffile.TiffWriter(path) as writer:
        for level, size in enumerate(_SIZES):
            writer.write(
                scene(*size),
                description=None if level else text,
                subfiletype=1 if level else 0,
                resolution=(20_000 >> level, 20_000 >> level),
                resolutionunit="centimeter",
                **_TILE,
                **_PHOTO,
            )


def qupath(path: Path) -> None:
    """Write an OME-TIFF as QuPath exports it: levels in SubIFDs."""
    sizes = {f"PhysicalSize{axis}": 0.5 for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
    options = {**_TILE, "photometric": "rgb"}
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as writer:
        metadata = {"axes": "YXS", **sizes, **units}
        writer.write(scene(*_SIZES[0]), subifds=len(_SIZES) - 1, metadata=metadata, **options)
        for size in _SIZES[1:]:
            writer.write(scene(*size), subfiletype=1, metadata=None, **options)


SLIDES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "Aperio SVS": ("aperio.svs", svs),
    "Hamamatsu NDPI": ("hamamatsu.ndpi", ndpi),
    "Philips TIFF": ("philips.tiff", philips),
    "Akoya QPTIFF": ("akoya.qptiff", qptiff),
    "Leica SCN": ("leica.scn", scn),
    "Ventana BIF": ("ventana.bif", bif),
    "libvips pyramid": ("libvips.tif", libvips),
    "OME-TIFF pyramid": ("qupath.ome.tif", qupath),
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
