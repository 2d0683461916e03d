"""Compressions that few files have: fax, NeXT, ThunderScan, PixarLog, SGI's LogLuv, EER.

And those for which there is no decoder, with what one would need.
"""

from __future__ import annotations

from virtual_tiff.codec_table.description import CodecJSON, codec, samples_first
from virtual_tiff.tiff import (
    BlockGrid,
    Compression,
    ImageFileDirectory,
    Photometric,
    Predictor,
    SampleFormat,
    Tag,
    UnsupportedError,
    code_name,
)

__all__ = ["NEEDED", "eer", "fax", "grey", "pixarlog", "sgilog"]

_JBIG = "a JBIG decoder (jbigkit), which imagecodecs does not have"
_TIFF_IT = "a decoder of TIFF/IT's codings (ISO 12639)"

NEEDED: dict[int, str] = {
    **dict.fromkeys((Compression.T85, Compression.T43, Compression.JBIG), _JBIG),
    Compression.JBIG2: "a JBIG2 decoder (jbig2dec), which imagecodecs does not have",
    Compression.Nikon_NEF: "a decoder of Nikon's raw files (LibRaw)",
    **dict.fromkeys((Compression.IT8CTPAD, Compression.IT8LW), _TIFF_IT),
    **dict.fromkeys((Compression.IT8MP, Compression.IT8BL), _TIFF_IT),
    Compression.PixarFilm: "Pixar's specification, which was never published",
    Compression.DCS: "Kodak's specification of its DCS cameras, which was never published",
}
"""What one would need to read a compression that no reader at hand can."""

_UNSIGNED = {SampleFormat.UnsignedInteger, SampleFormat.Undefined}
_INTEGERS = _UNSIGNED | {SampleFormat.SignedInteger}


_TWO_DIMENSIONAL = 1
_UNCOMPRESSED = 2
"""Bits of T4Options; the second is one of T6Options as well. Fill bits (4) are skipped
whether they are announced or not."""


def fax(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Return the codecs of the compressions 2, 3, 4 and 32771, which are bilevel.

    TIFF 6.0 sections 10 and 11. FillOrder needs nothing special: libtiff's decoders look at it
    themselves (TIFF_NOBITREV), which comes to the same as bytes reversed before.
    """
    options = 0
    if ifd.Compression == Compression.CCITTFax3:
        options = ifd.T4Options
    elif ifd.Compression == Compression.CCITTFax4:
        options = ifd.T6Options & _UNCOMPRESSED
    (step,) = grey(ifd, grid, bits=1, name="virtual_tiff.ccitt")
    step["configuration"] = {
        "compression": int(ifd.Compression),
        "two_dimensional": bool(options & _TWO_DIMENSIONAL),
        "uncompressed": bool(options & _UNCOMPRESSED),
        **step["configuration"],
    }
    return [step]


def _short_last(grid: BlockGrid) -> int | None:
    """Return the rows of a short last strip, None if there is none."""
    return grid.last_length if grid.last_length < grid.block_length else None


def grey(ifd: ImageFileDirectory, grid: BlockGrid, *, bits: int, name: str) -> list[CodecJSON]:
    """Return the codecs of a compression of grey pixels of one depth: NeXT's, ThunderScan's."""
    if set(ifd.BitsPerSample) != {bits} or grid.block_samples > 1:
        raise _unsupported(ifd, grid, Tag.BitsPerSample)
    if not set(ifd.SampleFormat) <= _UNSIGNED:
        raise _unsupported(ifd, grid, Tag.SampleFormat)
    return [codec(name, samples=1, last=_short_last(grid))]


def pixarlog(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Return the codecs of PixarLog.

    libtiff has two more depths, 11 and 12 bits; GDAL takes its 16-bit results for packed
    ones, so there is nothing to agree with. Under tiles libtiff takes differences over the
    width of the image instead of the tile's.
    """
    kinds = {
        (bits, kind)
        for bits, kind in zip(ifd.BitsPerSample, ifd.SampleFormat, strict=True)
        if (bits in (8, 16) and kind in _UNSIGNED)
        or (bits == 32 and kind == SampleFormat.IEEEFloat)
    }
    if len(kinds) != 1 or len(set(ifd.BitsPerSample)) != 1:
        raise _unsupported(ifd, grid, Tag.BitsPerSample)
    if grid.kind == "tile":
        raise _unsupported(ifd, grid, Tag.TileWidth)
    if ifd.Predictor != Predictor.None_:
        raise _unsupported(ifd, grid, Tag.Predictor)
    step = codec(
        "virtual_tiff.pixarlog",
        endian=ifd.variant.byte_order,
        samples=grid.block_samples,
        last=_short_last(grid),
    )
    return [*samples_first(grid), step]


# PhotometricInterpretation, BitsPerSample, samples -> the SampleFormats of which libtiff's
# "GuessDataFmt" makes numbers (8 bits would be for display)
_LOGS: dict[tuple[int | None, int, int], set[SampleFormat]] = {
    (Photometric.LogL, 16, 1): _INTEGERS,
    (Photometric.LogL, 32, 1): {SampleFormat.IEEEFloat},
    (Photometric.LogLuv, 16, 3): _INTEGERS,
    (Photometric.LogLuv, 32, 3): {SampleFormat.IEEEFloat},
    (Photometric.LogLuv, 32, 1): _INTEGERS,
}


def sgilog(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Return the codecs of SGILog and SGILog24."""
    photometric = ifd.PhotometricInterpretation
    if photometric not in (Photometric.LogL, Photometric.LogLuv):
        raise _unsupported(ifd, grid, Tag.PhotometricInterpretation)
    formats = _LOGS.get((photometric, grid.bits, grid.block_samples), set())
    if grid.block_samples != grid.samples or len(set(ifd.BitsPerSample)) > 1:
        raise _unsupported(ifd, grid, Tag.PlanarConfiguration)
    if not set(ifd.SampleFormat) <= formats:
        raise _unsupported(ifd, grid, Tag.SampleFormat)
    pixel = "Luv24" if ifd.Compression == Compression.SGILog24 else "Luv32"
    step = codec(
        "virtual_tiff.sgilog",
        pixel="L16" if photometric == Photometric.LogL else pixel,
        samples=grid.block_samples,
        last=_short_last(grid),
    )
    return [*samples_first(grid), step]


_EER_BITS = {Compression.EER_V0: (8, 2, 2), Compression.EER_V1: (7, 2, 2)}
_EER_TAGS = ((65007, 7), (65008, 2), (65009, 2))
"""Tags that say the bits of EER_V2 (skip, horizontal, vertical), and what holds without."""


def eer(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Return the codecs of a frame of Thermo Fisher's Electron Event Representation.

    One pixel of the sensor is one of the array, and counts its electrons; the position
    within the pixel is left out. (M. Leichsenring, "EER file format documentation 3.0".)
    """
    if set(ifd.BitsPerSample) - {1, 8} or grid.samples > 1:
        raise _unsupported(ifd, grid, Tag.BitsPerSample)
    if not set(ifd.SampleFormat) <= _UNSIGNED:
        raise _unsupported(ifd, grid, Tag.SampleFormat)
    if grid.count > 1:  # the events of a frame are one stream, whatever strips it is cut into
        raise _unsupported(ifd, grid, Tag.RowsPerStrip)
    bits = _EER_BITS.get(Compression(ifd.Compression)) or tuple(
        default if (value := ifd.integer(tag)) is None else value for tag, default in _EER_TAGS
    )
    skip, horizontal, vertical = bits
    if min(skip - 3, horizontal, vertical) < 1 or not 8 < sum(bits) <= 16:
        msg = f"events of {skip} + {horizontal} + {vertical} bits cannot be decoded"
        raise UnsupportedError(msg, tag=Tag.Compression, ifd=ifd.path)
    return [
        codec(
            "imagecodecs_eer",
            shape=[grid.block_length, grid.block_width],
            skipbits=skip,
            horzbits=horizontal,
            vertbits=vertical,
        )
    ]


def _unsupported(ifd: ImageFileDirectory, grid: BlockGrid, tag: Tag) -> UnsupportedError:
    kinds = " and ".join(code_name(SampleFormat, kind) for kind in sorted(set(ifd.SampleFormat)))
    msg = (
        f"Compression {code_name(Compression, ifd.Compression)} with {grid.samples} samples "
        f"of {grid.bits} bits, SampleFormat {kinds}, PhotometricInterpretation "
        f"{code_name(Photometric, ifd.PhotometricInterpretation or 0)}, in {grid.kind}s cannot be "
        "decoded"
    )
    return UnsupportedError(msg, tag=tag, ifd=ifd.path)
