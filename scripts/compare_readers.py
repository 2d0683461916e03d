"""Let readers of TIFF read a few files, and say who gives GDAL's pixels.

usage: python scripts/compare_readers.py make FOLDER
       PYTHON scripts/compare_readers.py read FOLDER READER

`make` writes the files and what GDAL reads (it needs rasterio). `read` wants a Python that has
the reader: virtual-tiff (any version), tifffile, kerchunk or async-tiff. The answers of the
peers are the figures of docs/features.toml; our own are held by tests/docs/test_features.py.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

type Pixels = NDArray[Any]

TILES = {"tiled": True, "blockxsize": 64, "blockysize": 64}
RGB = {"count": 3, "interleave": "pixel"}

FILES: dict[str, dict[str, Any]] = {
    "lzw": {"dtype": "uint8", "compress": "lzw", "predictor": 2, **TILES, **RGB},
    "jpeg": {"dtype": "uint8", "compress": "jpeg", "photometric": "ycbcr", **TILES, **RGB},
    "webp": {"dtype": "uint8", "compress": "webp", "webp_lossless": True, **TILES, **RGB},
    "packbits": {"dtype": "uint16", "compress": "packbits", "endianness": "BIG", **TILES},
    "fax": {"dtype": "uint8", "compress": "ccittfax4", "nbits": 1},
    "short_strip": {"dtype": "uint16", "compress": "deflate", "blockysize": 48},
    "sparse": {"dtype": "uint8", "compress": "deflate", "sparse_ok": True, **TILES},
    "bits12": {"dtype": "uint16", "compress": "deflate", "nbits": 12, **TILES},
    "int64": {"dtype": "int64", "compress": "deflate", **TILES},
    "complex_integers": {"dtype": "complex_int16", "compress": "deflate", **TILES},
}
"""By name: how GDAL writes a file of 128 x 128 pixels."""

LOSSY = {"jpeg": 4}
"""Files that decoders may differ in, by so much."""


def pixels(name: str) -> Pixels:
    """Return what is written, as (band, y, x)."""
    options = FILES[name]
    rows, columns = np.mgrid[:128, :128]
    image = (rows * 2 + columns) // 4 % (2 if name == "fax" else 60)
    if name == "sparse":
        image[:64] = image[:, :64] = 0
    found = np.stack([image + band for band in range(options.get("count", 1))])
    if name == "complex_integers":
        return np.asarray((found + 1j * found).astype("complex64"))
    return np.asarray(found.astype(options["dtype"]))


def make(folder: Path) -> None:
    """Write the files, and beside each what GDAL reads of it."""
    import rasterio  # noqa: PLC0415 (peers do without it)
    from rasterio.transform import from_origin  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 4_600_000, 10, 10)}
    for name, options in FILES.items():
        profile = {"driver": "GTiff", "count": 1, "width": 128, "height": 128} | place | options
        path = folder / f"{name}.tif"
        with rasterio.open(path, "w", **profile) as dataset:
            if name == "sparse":  # blocks that are not written are left out
                window = rasterio.windows.Window(64, 64, 64, 64)
                dataset.write(pixels(name)[:, 64:, 64:], window=window)
            else:
                dataset.write(pixels(name))
        with rasterio.open(path) as dataset:
            np.save(folder / f"{name}.npy", dataset.read())


def by_virtual_tiff(path: Path) -> Pixels:
    """Read by this package, or by its predecessor."""
    import zarr  # noqa: PLC0415
    from obspec_utils.registry import ObjectStoreRegistry  # noqa: PLC0415
    from obstore.store import LocalStore  # noqa: PLC0415

    from virtual_tiff import VirtualTIFF  # noqa: PLC0415

    registry: ObjectStoreRegistry[Any] = ObjectStoreRegistry({"file://": LocalStore()})
    store = VirtualTIFF(ifd=0)(url=path.absolute().as_uri(), registry=registry)
    array: Any = zarr.open_group(store, mode="r")["0"]
    return np.asarray(array[...])


def by_tifffile(path: Path) -> Pixels:
    """Read by tifffile."""
    import tifffile  # noqa: PLC0415

    return np.asarray(tifffile.imread(path, key=0))


def by_kerchunk(path: Path) -> Pixels:
    """Read the references of kerchunk by zarr."""
    import zarr  # noqa: PLC0415

    import_module("imagecodecs.numcodecs").register_codecs(verbose=False)
    found = import_module("kerchunk.tiff").tiff_to_zarr(path.absolute().as_uri())
    references = {"version": 1, "refs": found}
    files = import_module("fsspec").filesystem(
        "reference", fo=references, remote_protocol="file", asynchronous=True
    )
    store = zarr.storage.FsspecStore(files, read_only=True)
    array: Any = zarr.open(store, mode="r", zarr_format=2)
    return np.asarray(array[...])


def by_async_tiff(path: Path) -> Pixels:
    """Read the tiles by async-tiff."""
    store = import_module("async_tiff.store").LocalStore(path.absolute().parent)
    return asyncio.run(_by_async_tiff(path.name, store))


async def _by_async_tiff(name: str, store: object) -> Pixels:
    ifd = (await import_module("async_tiff").TIFF.open(name, store=store)).ifds[0]
    rows = []
    for y in range(2):
        tiles = [await (await ifd.fetch_tile(x, y)).decode() for x in range(2)]
        rows.append(np.concatenate([np.asarray(tile) for tile in tiles], axis=1))
    return np.concatenate(rows, axis=0)


READERS: dict[str, Callable[[Path], Pixels]] = {
    "virtual-tiff": by_virtual_tiff,
    "tifffile": by_tifffile,
    "kerchunk": by_kerchunk,
    "async-tiff": by_async_tiff,
}


def agrees(found: Pixels, expected: Pixels, name: str) -> bool:
    """Whether pixels, bands first or last, are those of GDAL."""
    bands = found[None] if found.ndim == 2 else found
    if bands.shape != expected.shape:
        bands = np.moveaxis(bands, -1, 0)
    if bands.shape != expected.shape:
        return False
    return bool(np.allclose(bands, expected, rtol=0, atol=LOSSY.get(name, 0)))


def read(folder: Path, reader: str) -> None:
    """Print a line for each file: yes, wrong pixels, or the error."""
    for name in FILES:
        expected = np.load(folder / f"{name}.npy")
        try:
            right = agrees(READERS[reader](folder / f"{name}.tif"), expected, name)
            answer = "yes" if right else "wrong pixels"
        except Exception as error:  # noqa: BLE001 (whatever the peer raises)
            answer = f"no ({type(error).__name__}: {str(error).partition('\n')[0][:70]})"
        print(f"{name:20} {answer}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["make"]:
        make(Path(sys.argv[2]))
    else:
        read(Path(sys.argv[2]), sys.argv[3])
