"""gdalbuildvrt and gdaltindex, of the GDAL that rasterio brings: documents as GDAL writes them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import rasterio
from rasterio.env import Env

__all__ = ["build_vrt", "tile_index"]

_POINTER = ctypes.c_void_p
_TEXTS = ctypes.POINTER(ctypes.c_char_p)


def _texts(texts: Sequence[object]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(texts) + 1))(*[str(text).encode() for text in texts], None)


def _library() -> ctypes.CDLL:
    folder = Path(rasterio.__file__).parent
    folders = (folder.parent / "rasterio.libs", folder / ".dylibs")
    (path,) = [path for each in folders for path in each.glob("libgdal*")]
    library = ctypes.CDLL(str(path))
    for name in ("GDALBuildVRT", "GDALTileIndex"):
        options = getattr(library, f"{name}OptionsNew")
        options.restype, options.argtypes = _POINTER, [_TEXTS, _POINTER]
        getattr(library, f"{name}OptionsFree").argtypes = [_POINTER]
        getattr(library, name).restype = _POINTER
    library.GDALBuildVRT.argtypes = [
        *(ctypes.c_char_p, ctypes.c_int, _POINTER, _TEXTS, _POINTER, _POINTER)
    ]
    library.GDALTileIndex.argtypes = [*(ctypes.c_char_p, ctypes.c_int, _TEXTS, _POINTER, _POINTER)]
    library.GDALClose.argtypes = [_POINTER]
    library.CPLGetLastErrorMsg.restype = ctypes.c_char_p
    return library


def _run(name: str, to: Path, files: Sequence[Path], options: Sequence[object]) -> Path:
    library = _library()
    with Env():
        settings = getattr(library, f"{name}OptionsNew")(_texts(options), None)
        arguments = [str(to).encode(), len(files), _texts(files), settings, None]
        if name == "GDALBuildVRT":
            arguments.insert(2, None)
        dataset = getattr(library, name)(*arguments)
        error = library.CPLGetLastErrorMsg()
        getattr(library, f"{name}OptionsFree")(settings)
        assert dataset, error
        library.GDALClose(dataset)
    return to


def build_vrt(to: Path, files: Sequence[Path], *options: object) -> Path:
    """Write a VRT of files, by gdalbuildvrt's options."""
    return _run("GDALBuildVRT", to, files, options)


def tile_index(to: Path, files: Sequence[Path], *options: object) -> Path:
    """Write a tile index of files, by gdaltindex's options."""
    return _run("GDALTileIndex", to, files, options)
