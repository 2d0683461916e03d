"""Compressions that store images, other than JPEG: which codec decodes a block.

The decoders of imagecodecs give (rows, columns), or (rows, columns, samples), which
`transpose` turns to the array's order of dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping

from virtual_tiff.codec_table.description import CodecJSON, codec, samples_first
from virtual_tiff.tiff import (
    BlockGrid,
    Compression,
    ExtraSample,
    ImageFileDirectory,
    Photometric,
    SampleFormat,
    Tag,
    TiffError,
    UnsupportedError,
    code_name,
)

__all__ = ["jpeg2k", "jpeg2k_aperio", "jpegxl", "jpegxr", "lerc", "png", "short_image", "webp"]

type _Depths = Mapping[int, frozenset[int]]
"""SampleFormat to the BitsPerSample that a format can hold and imagecodecs decodes."""

_UNSIGNED, _SIGNED = SampleFormat.UnsignedInteger, SampleFormat.SignedInteger
_FLOAT = SampleFormat.IEEEFloat

_BYTES: _Depths = {_UNSIGNED: frozenset({8})}
_PNG: _Depths = {_UNSIGNED: frozenset({8, 16})}
_JPEG2K: _Depths = {_UNSIGNED: frozenset(range(1, 33)), _SIGNED: frozenset(range(1, 33))}
_JPEGXL: _Depths = {_UNSIGNED: frozenset(range(1, 17)), _FLOAT: frozenset({16, 32})}
_JPEGXR: _Depths = {
    _UNSIGNED: frozenset({8, 16}),
    _SIGNED: frozenset({16, 32}),
    _FLOAT: frozenset({16, 32}),
}
_LERC: _Depths = {
    _UNSIGNED: frozenset({8, 16, 32}),
    _SIGNED: frozenset({8, 16, 32}),
    _FLOAT: frozenset({32, 64}),
}

_LERC_ADDITIONAL: Mapping[int, dict[str, str]] = {
    0: {},
    1: {"compression": "deflate"},
    2: {"compression": "zstd"},
}
"""Second value of LercParameters, libtiff's LERC_ADD_COMPRESSION_…."""


def jpeg2k(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """JPEG 2000, as a codestream or as JP2; the colours are what the stream gives."""
    return _image(ifd, grid, _JPEG2K, codec("imagecodecs_jpeg2k"))


def jpeg2k_aperio(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """Aperio's JPEG 2000 of YCbCr; others write gray and RGB under the same number.

    Aperio calls its pixels RGB in PhotometricInterpretation (OpenSlide's page on the format).
    """
    try:
        aperio = (ifd.raw(Tag.ImageDescription) or b"").startswith(b"Aperio")
    except TiffError:
        aperio = False  # lost: it does not keep the pixels from being read
    is_ycbcr = aperio or ifd.PhotometricInterpretation == Photometric.YCbCr
    if is_ycbcr and grid.block_samples == 3 and grid.bits == 8:
        return _image(ifd, grid, _BYTES, codec("virtual_tiff.jpeg2k_ycbcr"))
    return jpeg2k(ifd, grid)


def jpegxl(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """JPEG XL; several samples that are not RGB may be gray and extra channels."""
    samples = grid.block_samples
    rgb = ifd.PhotometricInterpretation in (Photometric.RGB, Photometric.YCbCr)
    if rgb and samples > 4:
        msg = f"the JPEG XL image has RGB and {samples - 3} more samples; imagecodecs decodes one"
        raise UnsupportedError(msg, tag=Tag.SamplesPerPixel, ifd=ifd.path)
    plain = samples == 1 or (rgb and samples in (3, 4))
    name = "imagecodecs_jpegxl" if plain else "virtual_tiff.jpegxl"
    return _image(ifd, grid, _JPEGXL, codec(name))


def webp(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """WebP, of RGB or RGBA; its encoder leaves out an alpha that is opaque everywhere.

    libtiff (tif_webp.c) decodes to as many samples as SamplesPerPixel says, and to no other
    numbers, and refuses a stream with an alpha that the tags don't have.
    """
    if grid.block_samples not in (3, 4):
        msg = f"a block has {grid.block_samples} samples a pixel; WebP holds 3 or 4"
        raise UnsupportedError(msg, tag=Tag.SamplesPerPixel, ifd=ifd.path)
    configuration = {"hasalpha": True} if grid.block_samples == 4 else {}
    return _image(ifd, grid, _BYTES, codec("imagecodecs_webp", **configuration))


def png(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """PNG, which is big-endian in itself."""
    return cut_tiles(_image(ifd, grid, _PNG, codec("imagecodecs_png")), grid)


def jpegxr(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """JPEG XR; signed integers are its fixed-point numbers, which it would give as floats."""
    configuration = {"fp2int": True} if ifd.SampleFormat[0] == _SIGNED else {}
    steps = _image(ifd, grid, _JPEGXR, codec("imagecodecs_jpegxr", **configuration))
    return cut_tiles(steps, grid)


def lerc(ifd: ImageFileDirectory, grid: BlockGrid) -> list[CodecJSON]:
    """LERC: Esri's, or ours where libtiff's rules say more than it does.

    These are the mask's meaning as NaN or as alpha, and the bytes' order in a big-endian file.
    """
    parameters = ifd.integers(Tag.LercParameters)
    additional = int(parameters[1]) if parameters is not None and len(parameters) > 1 else 0
    if additional not in _LERC_ADDITIONAL:
        msg = f"LERC has the additional compression {additional}; 0, 1 and 2 can be decoded"
        raise UnsupportedError(msg, tag=Tag.LercParameters, ifd=ifd.path)
    alpha = (
        grid.block_samples > 1
        and ifd.ExtraSamples[-1:] == (ExtraSample.UnassociatedAlpha,)
        and (ifd.SampleFormat[0], grid.bits) == (_UNSIGNED, 8)
    )
    endian = ifd.variant.byte_order if grid.bits > 8 else "little"
    configuration = _LERC_ADDITIONAL[additional]
    if alpha or endian == "big" or ifd.SampleFormat[0] == _FLOAT:
        step = codec("virtual_tiff.lerc", **configuration, alpha=alpha, endian=endian)
    else:
        step = codec("imagecodecs_lerc", **configuration)
    return _image(ifd, grid, _LERC, step)


def short_image(steps: list[CodecJSON], grid: BlockGrid, last_length: int) -> list[CodecJSON]:
    """Let the blocks at the foot be images of `last_length` rows; the last step decodes."""
    axis = -3 if grid.block_samples > 1 else -2
    step = codec("virtual_tiff.short_image", codec=steps[-1], last=last_length, axis=axis)
    return [*steps[:-1], step]


def cut_tiles(steps: list[CodecJSON], grid: BlockGrid) -> list[CodecJSON]:
    """Let tiles at the right and the foot be images of what lies within; the last step decodes.

    Not so in TIFF 6.0 section 15, but in the Zoomify Image Format; tifffile reads them.
    """
    last_columns = grid.image_width - (grid.columns - 1) * grid.block_width
    whole = (last_columns, grid.rows_at_foot) == (grid.block_width, grid.block_length)
    if grid.kind != "tile" or whole:
        return steps
    *before, step = short_image(steps, grid, grid.rows_at_foot)
    step["configuration"]["last_columns"] = last_columns
    return [*before, step]


def _image(
    ifd: ImageFileDirectory, grid: BlockGrid, depths: _Depths, step: CodecJSON
) -> list[CodecJSON]:
    """Return the codecs of a block, if the format can hold what the tags promise."""
    kind = ifd.SampleFormat[0]
    if kind == SampleFormat.Undefined:
        kind = SampleFormat.UnsignedInteger
    equal = len(set(ifd.BitsPerSample)) == len(set(ifd.SampleFormat)) == 1
    if not equal or grid.bits not in depths.get(kind, ()):
        compression = code_name(Compression, ifd.Compression)
        formats = ", ".join(code_name(SampleFormat, f) for f in sorted(set(ifd.SampleFormat)))
        msg = (
            f"Compression {compression} of {ifd.BitsPerSample} bits with SampleFormat {formats} "
            "cannot be decoded"
        )
        raise UnsupportedError(msg, tag=Tag.BitsPerSample, ifd=ifd.path)
    return [*samples_first(grid), step]
