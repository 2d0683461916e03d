"""Codecs in the words of TIFF: what a user can look up, and change."""

from __future__ import annotations

from collections.abc import Sequence

from virtual_tiff.codec_table.json import CodecJSON
from virtual_tiff.tiff import Tag

__all__ = ["codec_aspects", "codec_tag"]

_COMPRESSIONS = {
    "numcodecs.zlib": "deflate",
    "numcodecs.lzma": "LZMA",
    "zstd": "zstd",
    "imagecodecs_lzw": "LZW",
    "imagecodecs_packbits": "PackBits",
    "imagecodecs_lerc": "LERC",
    "virtual_tiff.lerc": "LERC",
    "imagecodecs_jpeg": "JPEG",
    "virtual_tiff.jpeg": "JPEG",
    "virtual_tiff.jpeg_old": "old-style JPEG",
    "imagecodecs_jpeg2k": "JPEG 2000",
    "virtual_tiff.jpeg2k_ycbcr": "JPEG 2000",
    "imagecodecs_jpegxl": "JPEG XL",
    "virtual_tiff.jpegxl": "JPEG XL",
    "imagecodecs_jpegxr": "JPEG XR",
    "imagecodecs_webp": "WebP",
    "imagecodecs_png": "PNG",
    "imagecodecs_eer": "EER",
    "virtual_tiff.ccitt": "fax",
    "virtual_tiff.next": "NeXT",
    "virtual_tiff.pixarlog": "PixarLog",
    "virtual_tiff.sgilog": "SGILog",
    "virtual_tiff.thunderscan": "ThunderScan",
}

_PREDICTORS = {
    "imagecodecs_delta": "2",
    "imagecodecs_floatpred": "3",
    "virtual_tiff.float24_predictor": "3",
}

_SAMPLES: dict[str, tuple[Tag, str]] = {
    "imagecodecs_packints": (Tag.BitsPerSample, "samples that are no whole bytes"),
    "virtual_tiff.bits": (Tag.BitsPerSample, "samples that are no whole bytes"),
    "virtual_tiff.packed_pixels": (Tag.BitsPerSample, "samples of unequal depth"),
    "imagecodecs_float24": (Tag.BitsPerSample, "floats of 24 bits"),
    "virtual_tiff.complex_parts": (Tag.SampleFormat, "complex integers or halves"),
    "virtual_tiff.reverse_bits": (Tag.FillOrder, "FillOrder 2"),
    "virtual_tiff.ycbcr": (Tag.YCbCrSubSampling, "YCbCr"),
}
"""How samples are stored, by the codec that reads it."""


def codec_aspects(codecs: Sequence[CodecJSON]) -> dict[str, str]:
    """Return compression, predictor and byte order, and what else there is of codecs."""
    found = {"Compression": "none", "Predictor": "1", "byte order": "any"}
    rest = []
    for codec in codecs:
        name, settings = codec["name"], codec.get("configuration", {})
        if name in _PREDICTORS:
            found["Predictor"] = _PREDICTORS[name]
        elif name == "bytes":
            found["byte order"] = settings.get("endian", "any")
        elif name in _COMPRESSIONS and found["Compression"] == "none":
            found["Compression"] = _COMPRESSIONS[name]
            if not set(settings) <= {"level", "checksum"}:
                rest.append(codec)
        else:
            rest.append(codec)
    return found | {"codecs": ", ".join(map(_words, rest)) or "no others"}


def codec_tag(codec: CodecJSON) -> tuple[Tag | None, str]:
    """Return the tag that an array has a codec for, and what it says."""
    name = codec["name"]
    if name in _PREDICTORS:
        return Tag.Predictor, f"Predictor {_PREDICTORS[name]}"
    if name in _COMPRESSIONS:
        return Tag.Compression, f"Compression {_COMPRESSIONS[name]}"
    if name == "virtual_tiff.short_image":
        return codec_tag(codec["configuration"]["codec"])
    return _SAMPLES.get(name, (None, f"what is stored as {name.partition('.')[2] or name}"))


def _words(codec: CodecJSON) -> str:
    settings = ", ".join(f"{k}={v}" for k, v in sorted(codec.get("configuration", {}).items()))
    return f"{codec['name']}({settings})" if settings else str(codec["name"])
