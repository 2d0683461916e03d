"""The compressions: a row of data for each, and the door for more of them.

A row says everything of a compression: how its blocks are decoded, what it is called, and
which codecs it names, with the specification, the implementation and the readers of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from functools import lru_cache, partial
from importlib.metadata import entry_points

from virtual_tiff.codec_table import images, rare
from virtual_tiff.codec_table.description import (
    SAMPLE_CODECS,
    CodecDescription,
    CodecJSON,
    codec,
    ours,
)
from virtual_tiff.codec_table.jpeg import jpeg, old_jpeg
from virtual_tiff.tiff import (
    BlockGrid,
    Compression,
    ImageFileDirectory,
    Tag,
    UnsupportedError,
    code_name,
    forget_findings,
)

__all__ = [
    "COMPRESSIONS",
    "CompressionRow",
    "add_compression",
    "compression_name",
    "compression_row",
    "described",
    "descriptions",
]

type ImageCodec = Callable[[ImageFileDirectory, BlockGrid], list[CodecJSON]]
"""From a directory to the codecs that stand between an array and a block's bytes."""


@dataclass(frozen=True, slots=True)
class CompressionRow:
    """How the blocks of one compression are decoded: to bytes, or to an image."""

    label: str
    """What users call the compression."""
    _: KW_ONLY
    codec: CodecJSON | None = None
    """Bytes-to-bytes codec; None where the file's bytes are the pixels, or an image."""
    image: ImageCodec | None = None
    """For a compression that stores images: makes the codecs from array to bytes, in
    the place of those that say how samples lie in bytes."""
    predictor: bool = False
    """Whether Predictor counts: libtiff applies it under these compressions alone."""
    short_tiles: bool = False
    """Whether writers leave out a tile's rows below the image; GDAL forgives it for all
    ("the bottom most partial tiles and strips are sometimes only partially encoded"), but
    padding costs a codec of ours, so only old compressions pay for it."""
    short_strips: bool = False
    """Whether the image's own codec knows of a short last strip and needs none around it."""
    fill_order: bool = True
    """Whether FillOrder 2 reverses the bits of the file's bytes. libtiff's TIFF_NOBITREV
    exempts the compressions that define their own order of bits."""
    decoders: tuple[CodecDescription, ...] = ()
    """The codecs that the row names, one of which a block has. That of the field `codec` may be
    left out where its name alone tells the rest."""

    @property
    def uncompressed(self) -> bool:
        """Whether the file's bytes are the pixels."""
        return self.codec is None and self.image is None


def _strips(label: str, image: ImageCodec, decoder: CodecDescription) -> CompressionRow:
    return CompressionRow(label, image=image, short_strips=True, decoders=(decoder,))


def _images(label: str, image: ImageCodec, *decoders: CodecDescription) -> CompressionRow:
    return CompressionRow(label, image=image, fill_order=False, decoders=decoders)


_NOT_GDAL = frozenset({"zarrs", "zarrita"})
_ALL = frozenset({"zarrs", "zarrita", "tensorstore", "GDAL"})
_JPEG2K = _images(
    "JPEG 2000",
    images.jpeg2k,
    CodecDescription("imagecodecs_jpeg2k"),
    ours("jpeg2k_ycbcr", "images.jpeg2k_ycbcr:Jpeg2kYcbcrCodec", "ISO/IEC 15444-1; Aperio's SVS"),
)

_ROWS: dict[tuple[int, ...], CompressionRow] = {
    (Compression.None_,): CompressionRow("none"),
    # imagecodecs recognises the old bit order (of TIFF 5.0 writers) by the first code
    (Compression.LZW,): CompressionRow("LZW", codec=codec("imagecodecs_lzw"), predictor=True),
    # PixTIFF and Zstd_old are tifffile's names of other numbers for the same.
    # TIFF's deflate is a zlib stream (gzip cannot read it). The level is not known and does not
    # matter to a reader; a constant one keeps files equal that differ in it alone.
    (Compression.AdobeDeflate, Compression.Deflate, Compression.PixTIFF): CompressionRow(
        "deflate",
        codec=codec("numcodecs.zlib", level=1),
        predictor=True,
        decoders=(CodecDescription("numcodecs.zlib", readers=_NOT_GDAL),),
    ),
    (Compression.Zstd, Compression.Zstd_old): CompressionRow(
        "zstd",
        codec=codec("zstd", level=0, checksum=False),
        predictor=True,
        decoders=(CodecDescription("zstd", readers=_ALL),),
    ),
    (Compression.LZMA,): CompressionRow("LZMA", codec=codec("numcodecs.lzma"), predictor=True),
    (Compression.PackBits,): CompressionRow(
        "PackBits", codec=codec("imagecodecs_packbits"), short_tiles=True
    ),
    (
        *(Compression.CCITTRLE, Compression.CCITTRLEW),
        *(Compression.CCITTFax3, Compression.CCITTFax4),
    ): _strips("fax", rare.fax, ours("ccitt", "rows.ccitt:CcittCodec", "ITU-T T.4 and T.6")),
    (Compression.NeXT,): _strips(
        "NeXT",
        partial(rare.grey, bits=2, name="virtual_tiff.next"),
        ours("next", "rows.next:NextCodec", "libtiff's tif_next.c"),
    ),
    (Compression.ThunderScan,): _strips(
        "ThunderScan",
        partial(rare.grey, bits=4, name="virtual_tiff.thunderscan"),
        ours("thunderscan", "rows.thunderscan:ThunderScanCodec", "libtiff's tif_thunder.c"),
    ),
    (Compression.PixarLog,): _strips(
        "PixarLog",
        rare.pixarlog,
        ours("pixarlog", "rows.pixarlog:PixarLogCodec", "libtiff's tif_pixarlog.c"),
    ),
    (Compression.SGILog, Compression.SGILog24): _strips(
        "SGILog", rare.sgilog, ours("sgilog", "rows.sgilog:SgiLogCodec", "libtiff's tif_luv.c")
    ),
    (Compression.EER_V0, Compression.EER_V1, Compression.EER_V2): _images(
        "EER", rare.eer, CodecDescription("imagecodecs_eer")
    ),
    (Compression.OJPEG,): _images(
        "old-style JPEG",
        old_jpeg,
        ours("jpeg_old", "images.jpeg_old:OldJpegCodec", "TIFF 6.0 section 22; tif_ojpeg.c"),
    ),
    (Compression.JPEG, Compression.LossyJPEG): _images(
        "JPEG",
        jpeg,
        CodecDescription("imagecodecs_jpeg"),
        ours("jpeg", "images.jpeg:JpegCodec", "ITU-T T.81 and T.87; DNG 1.7, Compression"),
    ),
    # libtiff reverses bits under its own image compressions too; tifffile, which alone reads
    # the others, under none
    (Compression.LERC,): CompressionRow(
        "LERC",
        image=images.lerc,
        decoders=(
            CodecDescription("imagecodecs_lerc"),
            ours("lerc", "images.lerc:LercCodec", "Esri's LERC; libtiff's tif_lerc.c"),
        ),
    ),
    (Compression.WebP, Compression.WebP_old): CompressionRow(
        "WebP", image=images.webp, decoders=(CodecDescription("imagecodecs_webp"),)
    ),
    (Compression.JPEGXL, Compression.JPEGXL_DNG): CompressionRow(
        "JPEG XL",
        image=images.jpegxl,
        decoders=(
            CodecDescription("imagecodecs_jpegxl"),
            ours("jpegxl", "images.jpegxl:JpegxlCodec", "ISO/IEC 18181, with extra channels"),
        ),
    ),
    (Compression.JPEG2000, Compression.JPEG2000_Lossy, Compression.Aperio_JP2000_RGB): _JPEG2K,
    (Compression.Aperio_JP2000_YCbC,): replace(_JPEG2K, image=images.jpeg2k_aperio),
    (Compression.JPEGXR, Compression.JPEGXR_NDPI): _images(
        "JPEG XR", images.jpegxr, CodecDescription("imagecodecs_jpegxr")
    ),
    (Compression.PNG,): _images("PNG", images.png, CodecDescription("imagecodecs_png")),
}

COMPRESSIONS: dict[int, CompressionRow] = {
    code: row for codes, row in _ROWS.items() for code in codes
}
"""The number in the tag Compression to its row; `add_compression` adds to it."""

_GROUP = "virtual_tiff.compressions"
"""Entry points of other packages: a number of the tag Compression to its `CompressionRow`."""


_DESCRIBED = {description.name: description for description in SAMPLE_CODECS}


def _describe(row: CompressionRow, *, anew: bool = True) -> None:
    """Keep the descriptions of the codecs that a row names."""
    named = {
        each.name: each if each.says else replace(each, says=row.label) for each in row.decoders
    }
    for name, description in named.items():
        if _DESCRIBED.get(name, description) != description and not anew:
            msg = f"the codec {name} is described otherwise by another compression"
            raise ValueError(msg)
    _DESCRIBED.update(named)
    if row.codec is not None:  # most codecs are known: another number may have it, too
        name = row.codec["name"]
        _DESCRIBED.setdefault(name, CodecDescription(name, says=row.label))


for _row in _ROWS.values():
    _describe(_row)


def described(name: str) -> CodecDescription | None:
    """Return what is known of the codec of a name; None if no row names it."""
    return _DESCRIBED.get(name)


def descriptions() -> tuple[CodecDescription, ...]:
    """Return what is known of all codecs."""
    return tuple(_DESCRIBED.values())


def add_compression(code: int, row: CompressionRow, *, replace: bool = False) -> None:
    """Let files of a compression be read, in this process.

    A package that has a compression registers its row as an entry point of the group
    `virtual_tiff.compressions`, named by the number: then every process knows it, that of the
    command line too, and nobody needs to call this function.

    Parameters
    ----------
    code
        The number that the tag Compression has.
    row
        How its blocks are decoded.
    replace
        Whether the row takes the place of another one of the same number.

    Raises
    ------
    ValueError
        If the number has another row, or a codec another description, and `replace` is False.
    """
    if not isinstance(row, CompressionRow) or not isinstance(code, int) or not 0 < code < 2**16:
        msg = f"a compression is a number up to 65535 and a CompressionRow, not {code!r}, {row!r}"
        raise ValueError(msg)
    known = COMPRESSIONS.get(code)
    if known == row:
        return
    if known is not None and not replace:
        msg = (
            f"Compression {code} is {known.label}; pass replace=True to decode it by the row of"
            f" {row.label}"
        )
        raise ValueError(msg)
    _describe(row, anew=replace)
    COMPRESSIONS[code] = row
    forget_findings()


def compression_name(code: int) -> str | None:
    """Return what the row of a compression calls it; None if there is no row."""
    row = COMPRESSIONS.get(code) or _installed_row(code)
    return None if row is None else row.label


@lru_cache(maxsize=256)
def _installed_row(code: int) -> CompressionRow | None:
    """Return the row that an installed package has for a compression, and add it."""
    points = list(entry_points(group=_GROUP, name=str(code)))
    names = " and ".join(point.dist.name if point.dist else point.value for point in points)
    if len(points) > 1:
        msg = f"Compression {code} has a row in each of the packages {names}; uninstall all but one"
        raise UnsupportedError(msg, tag=Tag.Compression)
    for point in points:
        try:
            row: CompressionRow = point.load()
            add_compression(code, row)
        except Exception as error:  # of whatever class: it is the code of others
            msg = f"Compression {code}: the row of the package {names} cannot be loaded: {error}"
            raise UnsupportedError(msg, tag=Tag.Compression) from error
        return row
    return None


def compression_row(ifd: ImageFileDirectory) -> CompressionRow:
    """Return the row of a directory's compression; without one it is an `UnsupportedError`."""
    row = COMPRESSIONS.get(ifd.Compression) or _installed_row(ifd.Compression)
    if row is None:
        name = code_name(Compression, ifd.Compression)
        needed = rare.NEEDED.get(ifd.Compression)
        what = f"; reading it needs {needed}" if needed else ""
        msg = f"Compression {name} has no row in the codec table{what}"
        raise UnsupportedError(msg, tag=Tag.Compression, ifd=ifd.path)
    return row
