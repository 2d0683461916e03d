"""What a parse asks of a server: seconds, requests and bytes, against peers in one run.

usage: python benchmarks/reads.py [--peer-python PATH] [--async-tiff-python PATH]
                                  [--latency SECONDS] [--rounds N] [--json PATH]
       python benchmarks/reads.py --cube [--latency SECONDS] [--rounds N] [--json PATH]

The server is on loopback, in a process of its own; each request waits for the latency, and
the bandwidth is the loopback's. PATHs are interpreters: one with virtual-tiff 0.5.0, one with
async-tiff and obstore. tifffile reads through a file object that makes a request for each
64 KiB; neither it nor async-tiff makes a manifest. `--cube` reads the pixels of a published cube
instead, against rasterio; see `cube_reads.py`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from cube_reads import compare
from latency_server import serving

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

PARSER = """
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore
from virtual_tiff import VirtualTIFF
store = HTTPStore.from_url(base, client_options={"allow_http": True})
registry = ObjectStoreRegistry({base: store})
def work():
    parser = VirtualTIFF(**options)
    if len(urls) == 1:
        return parser(urls[0], registry)
"""

OURS = f"""{PARSER}    import asyncio
    found = asyncio.run(parser.parse_many(urls, registry))
    assert not [error for error in found if isinstance(error, Exception)], found[:3]
"""

PREDECESSOR = f"""from concurrent.futures import ThreadPoolExecutor
{PARSER}    with ThreadPoolExecutor(100) as threads:
        list(threads.map(lambda url: parser(url, registry), urls))
"""

ASYNC_TIFF = """
import asyncio
from async_tiff import TIFF
from async_tiff.store import HTTPStore
store = HTTPStore.from_url(base, client_options={"allow_http": True})
async def one(url):
    return await TIFF.open(url.rpartition("/")[2], store=store)
async def all_of_them():
    return await asyncio.gather(*map(one, urls))
def work():
    asyncio.run(all_of_them())
"""

TIFFFILE = """
import http.client, io, tifffile
from urllib.parse import urlsplit
class Remote(io.RawIOBase):
    def __init__(self, url):
        parts = urlsplit(url)
        self.path, self.at, self.size = parts.path, 0, None
        self.connection = http.client.HTTPConnection(parts.netloc)
    def readable(self): return True
    def seekable(self): return True
    def tell(self): return self.at
    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size or 0)[whence]
        return self.at
    def readinto(self, buffer):
        last = self.at + len(buffer) - 1
        self.connection.request("GET", self.path, headers={"Range": f"bytes={self.at}-{last}"})
        answer = self.connection.getresponse()
        data = answer.read()
        self.size = int(answer.headers["Content-Range"].rpartition("/")[2])
        buffer[:len(data)] = data
        self.at += len(data)
        return len(data)
def one(url):
    remote = Remote(url)
    remote.readinto(bytearray(1)); remote.seek(0)
    with tifffile.TiffFile(io.BufferedReader(remote, 65536), name="a", size=remote.size) as file:
        for page in [file.pages[0]] if "ifd" in options else file.pages:
            page.dataoffsets
def work():
    for url in urls:
        one(url)
"""

MEASURE = """
import json, sys, time, warnings, logging
from urllib.request import urlopen
warnings.simplefilter("ignore")
logging.disable()
base, names, options, rounds = json.loads(sys.argv[1])
urls = [f"{base}/{name}" for name in names]
%s
for turn in range(rounds + 1):
    urlopen(f"{base}/_log").read()
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    log = json.load(urlopen(f"{base}/_log"))
    if turn:  # the first one imports and connects
        print(json.dumps({"seconds": seconds, **log}))
"""


# The data


def directory_at_the_end(path: Path, side: int, *, sparse: bool) -> Path:
    """Write an image as libtiff does when its size is not known: pixels, then the directory."""
    from support.build import LONG, LONG8, SHORT, Directory, build, entry  # noqa: PLC0415

    nbytes = side * side * 2
    rows = 16
    offsets = 16 + np.arange(0, nbytes, side * 2 * rows, dtype="<u8")
    counts = np.minimum(side * 2 * rows, 16 + nbytes - offsets).astype("<u4")
    numbers = {256: side, 257: side, 258: 16, 259: 1, 262: 1, 277: 1, 278: rows}
    start = 16 + nbytes
    behind = start + 8 + 20 * (len(numbers) + 2) + 8
    entries = [
        *(entry(tag, SHORT, n) for tag, n in numbers.items()),
        entry(273, LONG8, count=len(offsets), offset=behind),
        entry(279, LONG, count=len(counts), offset=behind + offsets.nbytes),
    ]
    small = build([Directory(entries, at=16)], big=True, first=start)
    with path.open("wb") as file:
        file.write(small[:16])
        if not sparse:
            file.write(np.random.default_rng(6).bytes(nbytes))
        file.seek(start)
        file.write(small[16:] + offsets.tobytes() + counts.tobytes())
    return path


def scattered_pages(path: Path, sizes: list[int], rows_per_strip: int) -> None:
    """Write pages of so many rows of 1 KiB, each directory before its pixels, by tifffile."""
    import tifffile  # noqa: PLC0415

    with tifffile.TiffWriter(path) as writer:
        for rows in sizes:
            writer.write(np.zeros((rows, 512), "u2"), contiguous=False, rowsperstrip=rows_per_strip)


def cog(path: Path, side: int) -> None:
    """Write a COG by GDAL."""
    import rasterio  # noqa: PLC0415
    from rasterio.io import MemoryFile  # noqa: PLC0415
    from rasterio.shutil import copy  # noqa: PLC0415

    profile = {"width": side, "height": side, "count": 1, "dtype": "u2", "crs": "EPSG:32633"}
    profile["transform"] = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    pixels = np.random.default_rng(6).integers(0, 9, (1, side, side), dtype="u2")
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **profile) as dataset:
            dataset.write(pixels)
        with memory.open() as dataset:
            copy(dataset, path, driver="COG", compress="deflate")


def data(folder: Path) -> list[tuple[str, list[str], dict[str, Any]]]:
    """Write all files; return a label, the files and the parser's options of each work."""
    from support.build import many_tiles  # noqa: PLC0415

    rng = np.random.default_rng(6)
    cog(folder / "cog.tif", 2048)
    (folder / "many").mkdir()
    small = (ROOT / "testdata" / "special" / "cog.tif").read_bytes()
    many = [f"{number}.tif" for number in range(500)]
    for name in many:
        (folder / name).write_bytes(small)
    directory_at_the_end(folder / "end.tif", 7680, sparse=False)
    directory_at_the_end(folder / "hole.tif", 23_168, sparse=True)
    scattered_pages(folder / "pages.tif", [512] * 100, 16)
    varying = rng.normal(512, 512 * 0.01, 100).astype(int).tolist()
    scattered_pages(folder / "vary.tif", varying, 1)
    many_tiles(folder / "million.tif", 1000, 1000)
    return [
        ("COG", ["cog.tif"], {}),
        ("directory at the end, 118 MB", ["end.tif"], {}),
        ("the same, 1.07 GB, sparse", ["hole.tif"], {}),
        ("100 scattered pages", ["pages.tif"], {}),
        ("the same, ifd=0", ["pages.tif"], {"ifd": 0}),
        ("100 pages that vary by 1 %", ["vary.tif"], {}),
        ("1,000,000 tiles", ["million.tif"], {}),
        ("500 COGs", many, {}),
    ]


# The table


def measured(
    python: str, program: str, base: str, work: tuple[str, list[str], dict[str, Any]], rounds: int
) -> dict[str, float] | None:
    """Return the medians of one tool at one work; None where it fails."""
    _, names, options = work
    arguments = json.dumps([base, names, options, rounds])
    command = [python, "-W", "ignore", "-c", MEASURE % program, arguments]
    # elsewhere, or the peer would import this folder's package
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        print(done.stderr.strip().splitlines()[-1:], file=sys.stderr)
        return None
    return {key: statistics.median(line[key] for line in lines) for key in lines[0]}


def cell(found: dict[str, float] | None, ours: dict[str, float] | None) -> str:
    """Return one tool's time, ratio to ours, requests and bytes."""
    if found is None:
        return "fails"
    ratio = f" ({found['seconds'] / ours['seconds']:.1f}x)" if ours and found is not ours else ""
    requests = int(found["gets"] + found["heads"])
    return f"{found['seconds'] * 1e3:,.0f} ms{ratio}, {requests:,} req, {_shown(found['bytes'])}"


def _shown(nbytes: float) -> str:
    return f"{nbytes / 1e6:,.1f} MB" if nbytes >= 1e6 else f"{nbytes / 1e3:,.0f} kB"


def main() -> None:
    """Make the data, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", help="interpreter with virtual-tiff 0.5.0")
    parser.add_argument("--async-tiff-python", help="interpreter with async-tiff")
    parser.add_argument("--cube", action="store_true", help="pixels of a published cube")
    parser.add_argument("--latency", type=float, help="default: 0.05; of --cube 0.03")
    parser.add_argument("--rounds", type=int, help="default: 3; of --cube 5")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.cube:
        compare(asked.latency or 0.03, asked.rounds or 5, asked.json)
        return
    asked.latency, asked.rounds = asked.latency or 0.05, asked.rounds or 3
    tools = {
        "virtual_tiff": (sys.executable, OURS),
        "0.5.0": (asked.peer_python, PREDECESSOR),
        "async-tiff": (asked.async_tiff_python, ASYNC_TIFF),
        "tifffile": (sys.executable, TIFFFILE),
    }
    tools = {name: tool for name, tool in tools.items() if tool[0]}
    print(f"| work, {asked.latency * 1e3:.0f} ms a request | {' | '.join(tools)} |")
    print("|---" * (len(tools) + 1) + "|")
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        works = data(Path(folder))
        with serving(Path(folder), asked.latency) as base:
            urlopen(f"{base}/_log").read()
            for work in works:
                found = {
                    name: None
                    if name == "tifffile" and len(work[1]) > 1
                    else measured(python, program, base, work, asked.rounds)
                    for name, (python, program) in tools.items()
                }
                results[work[0]] = found
                cells = [cell(one, found["virtual_tiff"]) for one in found.values()]
                print(f"| {work[0]} | {' | '.join(cells)} |", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
