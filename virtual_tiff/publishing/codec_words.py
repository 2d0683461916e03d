"""Codecs in the words of TIFF: what a user can look up, and change."""

from __future__ import annotations

from collections.abc import Sequence

from virtual_tiff.nodes import JSON

__all__ = ["codec_aspects"]

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
}

_PREDICTORS = {"imagecodecs_delta": "2", "imagecodecs_floatpred": "3"}


def codec_aspects(codecs: Sequence[JSON]) -> dict[str, str]:
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


def _words(codec: JSON) -> str:
    settings = ", ".join(f"{k}={v}" for k, v in sorted(codec.get("configuration", {}).items()))
    return f"{codec['name']}({settings})" if settings else str(codec["name"])
