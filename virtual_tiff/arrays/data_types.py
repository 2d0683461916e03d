"""SampleFormat x BitsPerSample to a Zarr data type.

TIFF 6.0 section 19 ("SampleFormat"); formats 5 and 6, complex, are libtiff's.
"""

from __future__ import annotations

from virtual_tiff.tiff import (
    ImageFileDirectory,
    PlanarConfiguration,
    SampleFormat,
    Tag,
    UnsupportedError,
    code_name,
)

__all__ = ["data_type"]


def _integers(name: str) -> dict[int, str]:
    """Every depth from 1 to 64 bits, in the smallest type that holds it."""
    return {
        bits: f"{name}{size}"
        for size, below in ((8, 0), (16, 8), (32, 16), (64, 32))
        for bits in range(below + 1, size + 1)
    }


_DATA_TYPES: dict[int, dict[int, str]] = {
    SampleFormat.UnsignedInteger: _integers("uint"),
    SampleFormat.SignedInteger: _integers("int"),
    SampleFormat.IEEEFloat: {16: "float16", 24: "float32", 32: "float32", 64: "float64"},
    # "undefined data" is what its bits are: libtiff and GDAL read it as unsigned
    SampleFormat.Undefined: _integers("uint"),
    # the parts of a complex integer fit the floats of the number's parts exactly
    SampleFormat.ComplexInteger: {16: "complex64", 32: "complex64", 64: "complex128"},
    SampleFormat.ComplexFloat: {32: "complex64", 64: "complex64", 128: "complex128"},
}

_UNEQUAL: dict[tuple[int, tuple[int, ...]], str] = {
    # tifffile's one case: samples that it widens to a common depth
    (SampleFormat.UnsignedInteger, (5, 6, 5)): "uint8",
}


def data_type(ifd: ImageFileDirectory) -> str:
    """Return the name of the Zarr data type that holds the image's samples.

    Raises
    ------
    UnsupportedError
        If samples differ in kind or size, or no data type holds them; it names the
        tag's value.
    """
    return ifd.remembered(_data_type)


def _data_type(ifd: ImageFileDirectory) -> str:
    formats, depths = set(ifd.SampleFormat), set(ifd.BitsPerSample)
    if len(formats) > 1:
        msg = f"the samples of a pixel have different SampleFormats {ifd.SampleFormat}"
        raise UnsupportedError(msg, tag=Tag.SampleFormat, ifd=ifd.path)
    (sample_format,) = formats
    if len(depths) > 1:
        return _of_unequal_depth(ifd, sample_format)
    (bits,) = depths
    name = _DATA_TYPES.get(sample_format, {}).get(bits)
    if name is None:
        kind = code_name(SampleFormat, sample_format)
        msg = f"no data type holds samples of {bits} bits with SampleFormat {kind}"
        raise UnsupportedError(msg, tag=Tag.BitsPerSample, ifd=ifd.path)
    return name


def _of_unequal_depth(ifd: ImageFileDirectory, sample_format: int) -> str:
    name = _UNEQUAL.get((sample_format, ifd.BitsPerSample))
    if name is None or ifd.PlanarConfiguration == PlanarConfiguration.Planar:
        msg = f"the samples of a pixel have different BitsPerSample {ifd.BitsPerSample}"
        raise UnsupportedError(msg, tag=Tag.BitsPerSample, ifd=ifd.path)
    return name
