"""Small TIFFs for the stores that virtual-tiff 0.5.0 writes; see tests/whole/test_predecessor.py.

``python tests/support/predecessor.py FOLDER`` writes them. With `write_by_050.py` beside it, run
by a Python that has 0.5.0 (and zarr 3.2, with which its `ChunkyCodec` works), it made what is
committed in ``testdata/predecessor``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import tifffile
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

ROWS, COLUMNS = 32, 48

GDAL: dict[str, dict[str, Any]] = {
    "gray_none": {"dtype": "uint8"},
    "gray_none_big": {"dtype": "int16", "endian": "big"},
    "rgb_deflate": {"dtype": "uint8", "count": 3, "compress": "deflate"},
    "bands_none_big": {"dtype": "uint16", "count": 4, "endian": "big"},
    "bands_packbits_planar": {"dtype": "int16", "count": 3, "compress": "packbits", "planar": True},
    "delta_lzw": {"dtype": "int32", "compress": "lzw", "predictor": 2},
    "delta_lzw_bands_big": {
        "dtype": "uint16", "count": 3, "compress": "lzw", "predictor": 2, "endian": "big"
    },
    "delta_float_big": {"dtype": "float32", "compress": "deflate", "predictor": 2, "endian": "big"},
    "delta_double_bands": {"dtype": "float64", "count": 2, "compress": "zstd", "predictor": 2},
    "delta_complex_big": {
        "dtype": "complex64", "compress": "deflate", "predictor": 2, "endian": "big"
    },
    "floats_deflate": {"dtype": "float32", "compress": "deflate", "predictor": 3},
    "floats_lzw_big": {"dtype": "float64", "compress": "lzw", "predictor": 3, "endian": "big"},
    "floats_zstd_bands": {"dtype": "float32", "count": 3, "compress": "zstd", "predictor": 3},
    "floats_bands_big": {
        "dtype": "float32", "count": 2, "compress": "lzma", "predictor": 3, "endian": "big"
    },
    "floats_planar": {
        "dtype": "float32", "count": 2, "compress": "deflate", "predictor": 3, "planar": True
    },
    "lerc_floats": {"dtype": "float32", "compress": "lerc", "max_z_error": 0},
    "lerc_big": {"dtype": "int16", "compress": "lerc", "endian": "big"},
    "lerc_deflate_bands": {"dtype": "uint16", "count": 3, "compress": "lerc_deflate"},
    "lerc_zstd": {"dtype": "uint8", "compress": "lerc_zstd"},
    "jpeg_gray": {"dtype": "uint8", "compress": "jpeg", "jpegtablesmode": 0},
    "jpeg_rgb": {
        "dtype": "uint8", "count": 3, "compress": "jpeg", "photometric": "rgb", "jpegtablesmode": 0
    },
    "webp_rgb": {"dtype": "uint8", "count": 3, "compress": "webp", "webp_lossless": True},
}  # fmt: skip
"""Name to options of GDAL."""

TIFFFILE = {
    "jpeg2k_rgb": ("uint8", 3, "jpeg2000"),
    "jpegxl_gray": ("uint16", 1, "jpegxl"),
    "jpegxl_rgb": ("uint8", 3, "jpegxl"),
    "jpegxr_gray": ("uint8", 1, "jpegxr"),
    "png_rgb": ("uint8", 3, "png"),
    "png_gray": ("uint16", 1, "png"),
}
"""Name to data type, samples and compression: what GDAL does not write."""

NAMES = [*GDAL, *TIFFFILE]


def pixels(dtype: str, count: int) -> NDArray[Any]:
    """Smooth in places and rough in others, (count, rows, columns)."""
    band, row, column = np.mgrid[:count, :ROWS, :COLUMNS]
    values = (row * 5 + column * 3 + band * 40 + (row * column) % 7) % 200
    if np.dtype(dtype).kind in "fc":
        values = values / 7 - 9
    found: NDArray[Any] = values.astype(dtype)
    if np.dtype(dtype).kind == "c":
        found *= 1 - 2j
    return found


def write(folder: Path) -> None:
    """Write all files."""
    for name, options in GDAL.items():
        _by_gdal(folder / f"{name}.tif", **options)
    for name, (dtype, samples, compression) in TIFFFILE.items():
        data = np.moveaxis(pixels(dtype, samples), 0, -1)
        tifffile.imwrite(
            folder / f"{name}.tif",
            data if samples > 1 else data[..., 0],
            photometric="rgb" if samples > 1 else "minisblack",
            compression=compression,
            tile=(16, 16),
            metadata=None,
            software=False,
        )


def _by_gdal(path: Path, dtype: str, count: int = 1, **options: Any) -> None:
    data = pixels(dtype, count)
    if path.name.startswith("lerc_floats"):
        data[0, 3, 5] = np.nan
    interleave = "band" if options.pop("planar", False) else "pixel"
    if "endian" in options:
        options["endianness"] = options.pop("endian")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", width=COLUMNS, height=ROWS, count=count, dtype=dtype,
            tiled=True, blockxsize=16, blockysize=16, interleave=interleave, **options,
        ) as dataset:  # fmt: skip
            dataset.write(data)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
