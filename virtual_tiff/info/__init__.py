"""The contents of a TIFF: its directories as plain data, as a table, and as a picture.

Neither xarray nor zarr is loaded: it is the first thing that one asks of a file.
"""

from virtual_tiff.info.model import (
    SCHEMA_VERSION,
    Advice,
    BlockInfo,
    Code,
    DirectoryInfo,
    FileInfo,
)
from virtual_tiff.info.reading import Examined, examine, inspect
from virtual_tiff.info.table import render, render_alike

__all__ = [
    "SCHEMA_VERSION",
    "Advice",
    "BlockInfo",
    "Code",
    "DirectoryInfo",
    "Examined",
    "FileInfo",
    "examine",
    "inspect",
    "render",
    "render_alike",
]
