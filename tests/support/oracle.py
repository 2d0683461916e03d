"""What GDAL (rasterio) and tifffile say each directory of a TIFF holds, and whether we agree."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import tifffile
import zarr
from numpy.typing import NDArray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from virtual_tiff import TiffError, VirtualTIFF

type Pixels = NDArray[Any]
type Verdict = Literal["right", "wrong", "refused", "unreadable", "no oracle", "good error"]

MOST_BYTES = 64 * 2**20
"""Larger images are left out: two cores, and three readers in memory."""

_ERRORS = (TiffError, OSError, ValueError, RuntimeError, NotImplementedError)
"""What reading a block may raise; anything else is a bug."""


@dataclass(frozen=True)
class Result:
    """How one directory of one file fared."""

    verdict: Verdict
    detail: str = ""


def bands_first(array: Pixels, dimension_names: tuple[str | None, ...] | None = None) -> Pixels:
    """Bring an image to (band, y, x)."""
    if array.ndim == 2:
        return array[None]
    if dimension_names and dimension_names[-1] and dimension_names[-1].startswith("band"):
        return np.moveaxis(array, -1, 0)
    return array


def ours(path: Path, ifd: str) -> Pixels:
    """Read a directory through our store, by its path."""
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    store = VirtualTIFF(ifd=ifd)(f"file://{path}", registry)
    array: Any = zarr.open_group(store, mode="r", zarr_format=3)[ifd.replace("/", ".")]
    if array.nbytes > 16 * MOST_BYTES:
        msg = f"{array.nbytes:,} bytes of pixels are more than this suite reads"
        raise ValueError(msg)
    return bands_first(np.asarray(array[...]), array.metadata.dimension_names)


def gdal(path: Path, offset: int | None) -> Pixels | None:
    """Read the directory at an offset by GDAL, None for the first; None where it does not."""
    name = str(path) if offset is None else f"GTIFF_DIR:off:{offset}:{path}"
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE", "GTIFF_IGNORE_READ_ERRORS": "FALSE"}
    try:
        with rasterio.Env(**options), rasterio.open(name, driver="GTiff") as dataset:
            size = dataset.count * dataset.height * dataset.width * 16
            return None if size > 16 * MOST_BYTES else dataset.read(masked=False)
    except Exception:  # an oracle may fail in any way
        return None


def by_tifffile(path: Path, ifd: str) -> Pixels | None:
    """Read a directory by tifffile, by its path; None where it does not."""
    try:
        with tifffile.TiffFile(path) as file:
            number, *below = map(int, ifd.split("/"))
            page: Any = file.pages[number]
            for child in below:
                page = page.pages[child]
            if page.nbytes > MOST_BYTES:
                return None
            array: Pixels = page.asarray()
            axes: str = page.axes
    except Exception:  # an oracle may fail in any way
        return None
    if axes in {"YXS", "YXC"}:
        return np.moveaxis(array, -1, 0)

    return bands_first(array) if array.ndim in {2, 3} else None


def judge(path: Path, ifd: str, offset: int | None) -> Result:
    """Compare a directory's pixels with what the oracles give.

    `ifd` is its path, `offset` where it begins in the file; None will do for the first.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [p for p in (gdal(path, offset), by_tifffile(path, ifd)) if p is not None]
        try:
            found = ours(path, ifd)
        except NotImplementedError as error:
            return Result("refused" if expected else "good error", str(error))
        except _ERRORS as error:
            verdict: Verdict = "unreadable" if expected else "good error"
            return Result(verdict, f"{type(error).__name__}: {error}")
    if not expected:
        return Result("no oracle")
    grades = [agreement(found, pixels) for pixels in expected]
    if "right" in grades:
        return Result("right")
    shapes = ", ".join(f"{p.dtype}{p.shape}" for p in expected)
    return Result("wrong", f"{found.dtype}{found.shape}, want {shapes}")


def agreement(
    found: Pixels, expected: Pixels, *, lossy: bool = False
) -> Literal["right", "close", "wrong"]:
    """Grade an image: equal, or wrong; floats may differ by the rounding of float32.

    A mask may be 0/1 or 0/255. GDAL leaves out what tifffile counts as extra bands and the
    reverse, so the first three may stand for all. What two lossy decoders give may be "close":
    equal but for their rounding. Zeros and ones are, so this is for files with an image in them.
    """
    if found.shape != expected.shape:
        if found.shape[1:] != expected.shape[1:] or min(len(found), len(expected)) < 3:
            return "wrong"
        count = min(len(found), len(expected))
        found, expected = found[:count], expected[:count]
    a, b = (p.astype("u1") if p.dtype.kind == "b" else p for p in (found, expected))
    if np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc"):
        return "right"
    if set(np.unique(a)) <= {0, 1} and np.array_equal(a * np.uint8(255), b):
        return "right"
    if a.dtype.kind in "fc" or b.dtype.kind in "fc":
        return "right" if np.allclose(a, b, rtol=1e-5, equal_nan=True) else "wrong"
    if not lossy or a.dtype.itemsize > 2:
        return "wrong"
    step = 1 if a.dtype.itemsize == 1 else 16
    difference = np.abs(a.astype("f8") - b.astype("f8"))
    near = difference.mean() <= 2 * step and np.percentile(difference, 99) <= 24 * step
    return "close" if near else "wrong"
