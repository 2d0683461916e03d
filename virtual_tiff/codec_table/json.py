"""A codec as the metadata of an array names it."""

from __future__ import annotations

from typing import Any

__all__ = ["CodecJSON", "codec"]

type CodecJSON = dict[str, Any]


def codec(name: str, **configuration: Any) -> CodecJSON:  # noqa: ANN401 (JSON)
    """Return a codec's JSON; readers disagree on an absent configuration, so it is never."""
    return {"name": name, "configuration": configuration}
