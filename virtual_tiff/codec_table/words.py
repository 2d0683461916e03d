"""Codecs in the words of TIFF: what a user can look up, and change."""

from __future__ import annotations

from collections.abc import Sequence

from virtual_tiff.codec_table.description import CodecJSON
from virtual_tiff.codec_table.rows import described
from virtual_tiff.tiff import Tag

__all__ = ["codec_aspects", "codec_tag"]


def codec_aspects(codecs: Sequence[CodecJSON]) -> dict[str, str]:
    """Return compression, predictor and byte order, and what else there is of codecs."""
    aspects = {"Compression": "none", "Predictor": "1", "byte order": "any"}
    others = []
    for codec in codecs:
        name, settings = codec["name"], codec.get("configuration", {})
        description = described(name)
        tag = None if description is None else description.tag
        if description is not None and tag is Tag.Predictor:
            aspects["Predictor"] = description.says
        elif name == "bytes":
            aspects["byte order"] = settings.get("endian", "any")
        elif (
            description is not None and tag is Tag.Compression and aspects["Compression"] == "none"
        ):
            aspects["Compression"] = description.says
            if not set(settings) <= {"level", "checksum"}:
                others.append(codec)
        else:
            others.append(codec)
    words = []
    for codec in others:
        settings = ", ".join(f"{k}={v}" for k, v in sorted(codec.get("configuration", {}).items()))
        words.append(f"{codec['name']}({settings})" if settings else codec["name"])
    return aspects | {"codecs": ", ".join(words) or "none"}


def codec_tag(codec: CodecJSON) -> tuple[Tag | None, str]:
    """Return the tag that an array has a codec for, and what it says."""
    name = codec["name"]
    if name == "virtual_tiff.short_image":
        return codec_tag(codec["configuration"]["codec"])
    description = described(name)
    if description is None or description.tag is None:
        return None, f"what is stored as {name.partition('.')[2] or name}"
    if description.tag in (Tag.Compression, Tag.Predictor):
        return description.tag, f"{description.tag.name} {description.says}"
    return description.tag, description.says
