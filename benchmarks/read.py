"""Time of reading pixels, local and warm, against peers in one run.

usage: python benchmarks/read.py [--peer-python PATH] [--geotiff-python PATH] [--rounds N]
           [--readers NAMES] [--only WORD] [--json FILE]

The interpreters are those with virtual-tiff 0.5.0 and with async-geotiff. Every reader runs
in a process of its own, in turn, and the rounds go round the readers, so that a busy machine
is unfair to all alike. Each prints seconds, and a checksum of the pixels that must be the same
for all. The data are made by rasterio and tifffile in a folder below the system's temporary
one, and kept there.

The readers: `tuned` is virtual_tiff after `tune_zarr()`, `plain` without; `rasterio all` has
NUM_THREADS=ALL_CPUS. They read whole arrays, but for `windows`: 200 of 256 x 256 pixels of a
file that was opened for them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(tempfile.gettempdir()) / "virtual_tiff_benchmarks"
WINDOWS = 200

ZARR = """
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF
{tune}
registry = ObjectStoreRegistry({{"file://": LocalStore()}})
store = VirtualTIFF(ifd=0)(f"file://{{PATH}}", registry)
array = zarr.open_group(store, mode="r", zarr_format=3)["0"]
def whole(): return array[...]
def windows(corners): return [array[..., y:y + 256, x:x + 256] for y, x in corners]
"""

TIFFFILE = """
import tifffile
def whole():
    with tifffile.TiffFile(PATH) as file:
        pixels = file.pages[0].asarray()
    return pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels
def windows(corners):
    import zarr
    with tifffile.TiffFile(PATH) as file:
        array = zarr.open(file.pages[0].aszarr(), mode="r")
        return [array[y:y + 256, x:x + 256] for y, x in corners]
"""

# its cache of blocks lives as long as a dataset
RASTERIO = """
import rasterio
def one(pixels): return pixels[0] if len(pixels) == 1 else pixels
def whole():
    with rasterio.open(PATH{threads}) as file:
        return one(file.read())
def windows(corners):
    with rasterio.open(PATH{threads}) as file:
        return [one(file.read(window=((y, y + 256), (x, x + 256)))) for y, x in corners]
"""

ASYNC_GEOTIFF = """
import asyncio
from async_geotiff import GeoTIFF, Window
from obstore.store import LocalStore
store = LocalStore()
def one(pixels): return pixels[0] if len(pixels) == 1 else pixels
async def read(corners):
    file = await GeoTIFF.open(PATH.lstrip("/"), store=store)
    if corners is None:
        return one((await file.read()).data)
    return [one((await file.read(window=Window(x, y, 256, 256))).data) for y, x in corners]
def whole(): return asyncio.run(read(None))
def windows(corners): return asyncio.run(read(corners))
"""

READERS = {
    "tuned": ZARR.format(tune="from virtual_tiff import tune_zarr; tune_zarr()"),
    "plain": ZARR.format(tune=""),
    "0.5.0": ZARR.format(tune=""),
    "tifffile": TIFFFILE,
    "rasterio": RASTERIO.format(threads=""),
    "rasterio all": RASTERIO.format(threads=", num_threads='ALL_CPUS'"),
    "async-geotiff": ASYNC_GEOTIFF,
}

PROGRAM = """
import sys, time, json, random, warnings
warnings.simplefilter("ignore")
import numpy as np
PATH = {path!r}
{reader}
random.seed(7)
corners = [(random.randrange({edge} - 256), random.randrange({edge} - 256)) for _ in range({count})]
def work(): return windows(corners) if corners else whole()
pixels = work()  # not counted: pools are filled, codecs imported
check = int(np.ascontiguousarray(pixels).view("u1").sum(dtype="u8"))
del pixels
seconds = []
for _ in range({times}):
    start = time.perf_counter()
    work()
    seconds.append(time.perf_counter() - start)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({{"seconds": seconds, "check": check, "peak_mb": int(peak) // 1024}}))
"""


def terrain(edge: int, seed: int, scale: float) -> np.ndarray[Any, Any]:
    """Return heights of 0 to `scale`: smooth, but for a little noise."""
    y, x = np.mgrid[0:edge, 0:edge].astype("f4") / edge
    noise = np.random.default_rng(seed).standard_normal((edge, edge), dtype="f4")
    noise *= scale / 5000
    return (np.sin(9 * x + seed) * np.cos(7 * y) + 2 + np.sin(40 * x * y) / 4) / 4 * scale + noise


def strips(path: Path, edge: int, rows: int) -> None:
    """Write uncompressed strips of u16."""
    import tifffile  # noqa: PLC0415 (only where data are made)

    pixels = (terrain(edge, 1, 40000)).astype("u2")
    tifffile.imwrite(path, pixels, rowsperstrip=rows)


def tiles(path: Path, edge: int, dtype: str, bands: int, **options: object) -> None:
    """Write tiles of 512 x 512 with rasterio, as GDAL makes them."""
    import rasterio  # noqa: PLC0415

    # async-geotiff refuses a file without GeoKeys
    options |= {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    scale = {"uint8": 255, "uint16": 40000}.get(dtype, 1000)
    profile = {"width": edge, "height": edge, "count": bands, "dtype": dtype} | options
    shape = {"tiled": True, "blockxsize": 512, "blockysize": 512, "num_threads": "ALL_CPUS"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as file:
        for band in range(bands):
            file.write(terrain(edge, band, scale).astype(dtype), band + 1)


def cog(path: Path, edge: int) -> None:
    """Write a COG: deflate, predictor 2, tiles of 512 x 512, overviews."""
    import rasterio.shutil  # noqa: PLC0415

    source = path.with_suffix(".source.tif")
    tiles(source, edge, "uint16", 1)
    options = {"compress": "deflate", "predictor": "yes", "blocksize": 512}
    rasterio.shutil.copy(source, path, driver="COG", num_threads="ALL_CPUS", **options)
    source.unlink()


type Maker = Callable[[Path], None]

WORKS: dict[str, tuple[str, int, Maker]] = {
    "uncompressed u16, 8192 strips": (
        "strips_8192.tif", 8192, lambda path: strips(path, 8192, 1),
    ),
    "uncompressed u16, 512 strips": (
        "strips_512.tif", 8192, lambda path: strips(path, 8192, 16),
    ),
    "deflate + predictor 2 u16, 400 tiles": (
        "deflate.tif", 10240, lambda path: cog(path, 10240),
    ),
    "zstd + predictor 3 f32, 144 tiles": (
        "zstd.tif", 6144,
        lambda path: tiles(path, 6144, "float32", 1, compress="zstd", predictor=3),
    ),
    "LZW RGB, 144 tiles": (
        "lzw.tif", 6144,
        lambda path: tiles(path, 6144, "uint8", 3, compress="lzw", interleave="pixel"),
    ),
    "windows of the deflate COG": ("deflate.tif", 10240, lambda path: cog(path, 10240)),
}  # fmt: skip
"""Name of the work to the file, its rows (and columns), and what makes it."""


def made(name: str, make: Maker) -> Path:
    """Return a file of the cache; make it if it is not there."""
    CACHE.mkdir(exist_ok=True)
    path = CACHE / name
    if not path.exists():
        part = path.with_name(f"part_{name}")
        make(part)
        part.rename(path)
    return path


def run(python: str, program: str) -> dict[str, Any] | str:
    """Return what a reader's program prints, or the last line of its error."""
    # elsewhere, or the peer would import this folder's package
    command = [python, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["?"])[-1]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(work: str, pythons: dict[str, str], rounds: int) -> dict[str, Any]:
    """Return for each reader the median seconds, the peak memory and the checksum; or an error."""
    name, edge, make = WORKS[work]
    path = made(name, make)
    count = WINDOWS if work.startswith("windows") else 0
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for reader, python in pythons.items():
            program = PROGRAM.format(
                path=str(path), reader=READERS[reader], edge=edge, count=count, times=3
            )
            result = run(python, program)
            if isinstance(result, str):
                found[reader] = {"error": result}
                continue
            row = found.setdefault(reader, {"seconds": [], "peak_mb": 0, "check": result["check"]})
            row["seconds"] += result["seconds"]
            row["peak_mb"] = max(row["peak_mb"], round(result["peak_mb"]))
    for row in found.values():
        if "seconds" in row:
            row["median"] = statistics.median(row["seconds"])
    return found


def cell(row: dict[str, Any], ours: float) -> str:
    """Return one reader's cell: milliseconds, ratio to ours, peak memory."""
    if "error" in row:
        return "fails"
    ms = row["median"] * 1e3
    return f"{ms:.0f} ms ({row['median'] / ours:.2f}x, {row['peak_mb']} MB)"


def main() -> None:
    """Make the data, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", help="interpreter with virtual-tiff 0.5.0")
    parser.add_argument("--geotiff-python", help="interpreter with async-geotiff")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each reader")
    parser.add_argument("--only", default="", help="works whose name has this word")
    parser.add_argument("--readers", default="", help="names of readers, by commas; all if empty")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    options = parser.parse_args()
    pythons = dict.fromkeys(READERS, sys.executable)
    pythons["0.5.0"] = options.peer_python or ""
    pythons["async-geotiff"] = options.geotiff_python or ""
    wanted = options.readers.split(",") if options.readers else list(READERS)
    pythons = {name: path for name, path in pythons.items() if path and name in wanted}
    print(f"| work | {' | '.join(pythons)} |\n{'|---' * (len(pythons) + 1)}|", flush=True)
    figures = {"cpus": os.cpu_count(), "works": {}}
    for work in (work for work in WORKS if options.only in work):
        found = measured(work, pythons, options.rounds)
        figures["works"][work] = found
        ours = next((row["median"] for row in found.values() if "median" in row), 1.0)
        print(f"| {work} | {' | '.join(cell(row, ours) for row in found.values())} |", flush=True)
        checks = {row["check"] for row in found.values() if "check" in row}
        errors = {name: row["error"] for name, row in found.items() if "error" in row}
        print(*(f"  {name}: {error}" for name, error in errors.items()), sep="\n", file=sys.stderr)
        if len(checks) > 1:
            print(f"  {work}: the readers' pixels differ", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
