"""A published cube over HTTP, opened by the printed lines, against rasterio: `reads.py --cube`.

42 COGs of 2048 x 2048 pixels (tiles of 512 x 512, overviews) are published as a stack. Four kinds
of pixels are read: a pixel's series and a window of 512 x 512 pixels, each of 40 dates, a preview
(the second overview) of these dates, and one image. Every reader is a process, anew for each round,
that has read an image which is not asked for again, so that connections, threads and modules are
there; no pixel that is timed was read before by its process.

The cube is opened by the lines of `Published.how_to_open`, in a process that cannot import this
package: as they are, without their setting of zarr, and with Dask; and in one that can, with
`tune_zarr`. rasterio has 32 threads and the settings that are usual for COGs; it opens the files
for each read, or has opened them before the clock runs. All readers must give the same pixels.
Ratios above 1 mean that the printed lines are faster.

There are two archives: one that Deflate shrinks to a fifth, as elevation models and land cover, and
one of noisy imagery, half as large as its pixels. The first shows what requests cost, the second
also what decoding costs: zarr's zlib takes twice to four times the time of GDAL's libdeflate, so
that on few or busy processors the window, 160 tiles, is bound by it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from latency_server import serving

DATES, SIDE = 40, 2048
NOISE = {"smooth": 2, "noisy": 32}
"""Levels of noise that are added to smooth terrain."""

KINDS = ("pixel series", "window, all dates", "preview, all dates", "one image")

READER = """
import hashlib, json, sys, time
sys.modules["virtual_tiff"] = None  # it cannot be imported
import numpy as np
turn, dates, urls = json.loads(sys.argv[1])
x, y = 137 + 390 * turn, 211 + 310 * turn  # of a window that lies upon four tiles
{opening}
read("one image", dates + 1)
for kind, date in {{"pixel series": 0, "window": 0, "preview": 0, "one image": dates}}.items():
    start = time.perf_counter()
    pixels = read(kind, date)
    seconds = time.perf_counter() - start
    check = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    print(json.dumps([seconds, [*pixels.shape, check]]))
"""

IMPORTABLE = 'del sys.modules["virtual_tiff"]\n'

CUBE = """
{lines}
full, small = ds["0"], ds["2"]
full[dates + 1:, 0, 0].values  # where Dask is installed, xarray imports it at its first such index
def read(kind, date):
    if kind == "pixel series":
        return full[:dates, y, x].values
    if kind == "window":
        return full[:dates, y:y + 512, x:x + 512].values
    return small[:dates].values if kind == "preview" else full[date].values
"""

RASTERIO = """
from concurrent.futures import ThreadPoolExecutor
import rasterio
from rasterio.windows import Window
threads = ThreadPoolExecutor(32)
usual = {{
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "TRUE",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif",
}}
def opened(url, **options):
    with rasterio.Env(**usual):
        return rasterio.open(url, **options)
wanted = {{"window": Window(x, y, 512, 512), "pixel series": Window(x, y, 1, 1)}}
before = {{}}
if {before}:
    levels = {{}}, {{"overview_level": 1}}
    made = threads.map(lambda key: opened(urls[key[0]], **levels[key[1]]),
                       keys := [(n, level) for n in range(dates) for level in (0, 1)])
    before = dict(zip(keys, made))
    # one image is read with all threads: a dataset for each row of tiles
    before |= {{(n, i): opened(urls[n]) for n in (dates, dates + 1) for i in range(2, 6)}}
def one(kind, date):
    level = int(kind == "preview")
    with rasterio.Env(**usual):
        if before:
            return before[date, level].read(1, window=wanted.get(kind))
        with opened(urls[date], **({{"overview_level": 1}} if level else {{}})) as file:
            return file.read(1, window=wanted.get(kind))
def row_of_tiles(date, row):
    window = Window(0, row * 512, 2048, 512)
    with rasterio.Env(**usual):
        if before:
            return before[date, 2 + row].read(1, window=window)
        with opened(urls[date]) as file:
            return file.read(1, window=window)
def read(kind, date):
    if kind == "one image":
        return np.concatenate(list(threads.map(lambda row: row_of_tiles(date, row), range(4))))
    pixels = np.stack(list(threads.map(lambda date: one(kind, date), range(dates))))
    return pixels[:, 0, 0] if kind == "pixel series" else pixels
"""


def cog(path: Path, number: int, noise: int) -> None:
    """Write a COG by GDAL: smooth terrain with noise."""
    import rasterio  # noqa: PLC0415
    from rasterio.io import MemoryFile  # noqa: PLC0415
    from rasterio.shutil import copy  # noqa: PLC0415

    profile = {"width": SIDE, "height": SIDE, "count": 1, "dtype": "u2", "crs": "EPSG:32633"}
    profile["transform"] = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype("f4") / SIDE
    pixels = (np.sin(9 * x + number) * np.cos(7 * y) + 2) * 4000
    pixels += np.random.default_rng(number).integers(0, noise, pixels.shape)
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **profile) as dataset:
            dataset.write(pixels.astype("u2"), 1)
        with memory.open() as dataset:
            options = {"compress": "deflate", "predictor": "yes", "blocksize": 512}
            copy(dataset, path, driver="COG", **options)


def _tuned(lines: str) -> str:
    """Return the printed lines with a call of `tune_zarr` after their setting of zarr."""
    head, setting, rest = lines.split("\n", 2)
    return f"{head}\n{setting}\nimport virtual_tiff; virtual_tiff.tune_zarr()\n{rest}"


def measured(reader: str, turn: int, urls: list[str]) -> list[tuple[float, list[Any]]]:
    """Return the seconds and the pixels' checksum of each kind, in one process."""
    command = [sys.executable, "-W", "ignore", "-c", reader, json.dumps([turn, DATES, urls])]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(latency: float, rounds: int, json_file: Path | None) -> None:
    """Measure both archives, and print a table of each."""
    figures = {name: _compare(name, noise, latency, rounds) for name, noise in NOISE.items()}
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _compare(
    archive: str, noise: int, latency: float, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Make the data, publish them, measure, print a table."""
    import icechunk  # noqa: PLC0415

    from virtual_tiff import publish  # noqa: PLC0415

    icechunk.set_logs_filter("error")
    with tempfile.TemporaryDirectory() as name, serving(Path(name), latency) as base:
        names = [f"{number:03}.tif" for number in range(DATES + 2)]
        for number, file in enumerate(names):
            cog(Path(name) / file, number, noise)
        urls = [f"{base}/{file}" for file in names]
        lines = publish(urls, Path(name) / "cube", concat="time").how_to_open
        plain = "\n".join(line for line in lines.splitlines() if "zarr.config" not in line)
        openings = {
            "printed lines": CUBE.format(lines=lines),
            "zarr's defaults": CUBE.format(lines=plain),
            "tune_zarr": IMPORTABLE + CUBE.format(lines=_tuned(lines)),
            "with Dask": CUBE.format(lines=lines.replace("chunks=None, ", "")),
            "rasterio": RASTERIO.format(before=False),
            "rasterio, files open": RASTERIO.format(before=True),
        }
        seconds: dict[str, dict[str, list[float]]] = {
            kind: {reader: [] for reader in openings} for kind in KINDS
        }
        for turn in range(rounds):
            pixels = []
            for reader, opening in openings.items():
                results = measured(READER.format(opening=opening), turn % 4, urls)
                pixels.append([check for _, check in results])
                for kind, (time, _) in zip(KINDS, results, strict=True):
                    seconds[kind][reader].append(time)
            assert all(each == pixels[0] for each in pixels), pixels
    medians = {
        kind: {reader: statistics.median(times) for reader, times in row.items()}
        for kind, row in seconds.items()
    }
    print(f"| {archive}, {latency * 1e3:.0f} ms a request | {' | '.join(openings)} |")
    print("|---" * (len(openings) + 1) + "|")
    for kind, row in medians.items():
        ours = row["printed lines"]
        cells = [f"{time * 1e3:.0f} ms ({time / ours:.2f})" for time in row.values()]
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)
    return seconds
