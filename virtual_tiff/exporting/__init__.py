"""Virtual stores and published cubes in the forms of other formats."""

from __future__ import annotations

from virtual_tiff.exporting.kerchunk import Exported, to_kerchunk

__all__ = ["Exported", "to_kerchunk"]
