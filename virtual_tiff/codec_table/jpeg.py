"""JPEG's three kinds in TIFF: that of Technical Note 2, DNG's, and the old style.

Technical Note 2 (Compression 7) makes PhotometricInterpretation the word on colours; what
a stream says of itself counts where the tag is silent, or where it names RGB and the
stream is JFIF.
"""

from __future__ import annotations

import base64
from typing import Any

from virtual_tiff.codec_table.colour import colour_codecs
from virtual_tiff.codec_table.description import CodecJSON, codec, samples_first
from virtual_tiff.tiff import (
    BlockGrid,
    Compression,
    FormatError,
    ImageFileDirectory,
    JpegFrame,
    JpegHeader,
    Photometric,
    SampleFormat,
    Tag,
    UnsupportedError,
    code_name,
    first_block,
    interval_header,
    old_jpeg_header,
    ycbcr_subsampling,
)

__all__ = ["jpeg", "old_jpeg"]

_DNG = {Photometric.CFA, Photometric.LinearRaw}
_DEPTHS = range(2, 17)
"""T.81: 8 and 12 bits with the transform, 2 to 16 without losses."""

_COLOURS: dict[tuple[int | None, int], tuple[str | None, str]] = {
    (Photometric.YCbCr, 3): ("YCbCr", "RGB"),
    # TIFF cannot say YCCK, but Adobe's marker can
    (Photometric.Separated, 4): (None, "CMYK"),
    (None, 3): (None, "RGB"),
}
"""PhotometricInterpretation and samples to libjpeg's colour space of the stream (None:
that of its markers) and of what it gives."""

_UNCHANGED: dict[int, tuple[str | None, str]] = {
    1: ("GRAYSCALE", "GRAYSCALE"),
    3: ("RGB", "RGB"),
    4: ("CMYK", "CMYK"),
}
"""The same for samples that are not to be converted, whatever they are."""


def jpeg(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Return the codecs of Compression 7 and of DNG's 34892."""
    _check_samples(ifd, grid)
    steps = samples_first(grid)
    raw = ifd.raw(Tag.JPEGTables) or b""
    header = JpegHeader.parse(raw)
    if raw and (raw[:2] != b"\xff\xd8" or header.frame or header.scan):
        msg = "JPEGTables do not hold a stream of tables alone"
        raise FormatError(msg, tag=Tag.JPEGTables, ifd=ifd.path)
    tables = base64.b64encode(raw).decode()
    dng = ifd.Compression == Compression.LossyJPEG or ifd.PhotometricInterpretation in _DNG
    if dng or _is_lossless_colour(ifd, grid):
        return [*steps, codec("virtual_tiff.jpeg", tables=tables)]
    stored, given = _colours(ifd, grid)
    configuration: dict[str, Any] = {"colorspace_data": given}
    if stored is not None:
        configuration["colorspace_jpeg"] = stored
    if tables:
        configuration["tables"] = tables
    if (start := interval_header(ifd)) is not None:
        configuration["header"] = base64.b64encode(start).decode()
    return [*steps, codec("imagecodecs_jpeg", **configuration)]


def old_jpeg(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Return the codecs of Compression 6."""
    _check_samples(ifd, grid)
    if grid.planes > 1:
        msg = (
            "old-style JPEG with a plane for each sample cannot be read, as its streams hold "
            "several scans"
        )
        raise UnsupportedError(msg, tag=Tag.PlanarConfiguration, ifd=ifd.path)
    frame_header = old_jpeg_header(ifd, rows=grid.block_length)
    header = base64.b64encode(frame_header.encode()).decode()
    stored = codec("virtual_tiff.jpeg_old", header=header)
    if grid.block_samples == 1:
        return [stored]
    colours = colour_codecs(ifd, grid, "uint8")
    for step in colours:
        step["configuration"]["subsampling"] = [1, 1]  # the stream's own is undone by libjpeg
    return [*samples_first(grid), *colours, stored]


def _check_samples(ifd: ImageFileDirectory, grid: BlockGrid) -> None:
    integers = {SampleFormat.UnsignedInteger, SampleFormat.SignedInteger, SampleFormat.Undefined}
    if not set(ifd.SampleFormat) <= integers:
        name = code_name(SampleFormat, ifd.SampleFormat[0])
        msg = f"SampleFormat is {name}, and JPEG holds integers alone"
        raise UnsupportedError(msg, tag=Tag.SampleFormat, ifd=ifd.path)
    if grid.bits not in _DEPTHS:
        msg = f"a sample has {grid.bits} bits; JPEG holds {_DEPTHS[0]} to {_DEPTHS[-1]}"
        raise UnsupportedError(msg, tag=Tag.BitsPerSample, ifd=ifd.path)


def _colours(ifd: ImageFileDirectory, grid: BlockGrid) -> tuple[str | None, str]:
    """Return libjpeg's colour space of the stream, and that of what it gives."""
    photometric, samples = ifd.PhotometricInterpretation, grid.block_samples
    if photometric == Photometric.YCbCr and grid.planes > 1:
        if ycbcr_subsampling(ifd) != (1, 1):
            msg = "subsampled YCbCr in planes cannot be read: those of Cb and Cr are smaller"
            raise UnsupportedError(msg, tag=Tag.YCbCrSubSampling, ifd=ifd.path)
        return _UNCHANGED[1]
    # tifffile's rule: a JFIF stream is YCbCr. libtiff takes the tag's word, and gives wrong
    # colours or an error
    is_rgb = photometric == Photometric.RGB and samples == 3
    if is_rgb and JpegHeader.parse(first_block(ifd)[:32]).jfif:
        return None, "RGB"
    kept = _UNCHANGED.get(samples, (None, "UNKNOWN"))
    return _COLOURS.get((photometric, samples), kept)


def _is_lossless_colour(ifd: ImageFileDirectory, grid: BlockGrid) -> bool:
    """Whether the first block is lossless where libjpeg would be asked to convert its colours.

    It cannot, and so `imagecodecs_jpeg` fails; tifffile gives such colours as stored.
    """
    if grid.block_samples != 3:
        return False
    stored, given = _colours(ifd, grid)
    try:
        header = JpegHeader.parse(first_block(ifd))
        frame = JpegFrame.parse(header.frame) if header.frame else None
    except FormatError:  # the block is damaged, and reading it says so
        return False
    return stored != given and frame is not None and frame.lossless
