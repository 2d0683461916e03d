"""The objects that sources name, as `virtual-tiff info` finds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virtual_tiff.sources.finding import find_files
from virtual_tiff.sources.locations import Location

__all__ = ["locate"]


def locate(sources: Any, store_options: Mapping[str, Any] | None = None) -> list[Location]:
    """The objects that sources name."""
    files = find_files(sources, store_options=store_options, for_references=False)
    return [file.location for file in files]
