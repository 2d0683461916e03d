"""How the cost of a parse grows: with tiles, pages and files.

usage: python benchmarks/growth.py [--json PATH]

Each size is parsed in a process of its own, from a local file, several times; the figures are
the least time, and by how much the first parse raises the process's peak of memory. The
exponent is the slope of the last two decades, time to size, both as logarithms: 1 is linear.
`publish.py --scale` does the same for archives of 10^3 to 10^5 files in one commit.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

PARSE = """
import asyncio, json, re, sys, time, warnings
warnings.simplefilter("ignore")
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore, MemoryStore
from virtual_tiff import VirtualTIFF
path, copies = sys.argv[1], int(sys.argv[2])
parser = VirtualTIFF()
if copies:
    store, data = MemoryStore(), open(path, "rb").read()
    for number in range(copies):
        store.put(f"{number}.tif", data)
    registry = ObjectStoreRegistry({"memory://": store})
    urls = [f"memory:///{number}.tif" for number in range(copies)]
    def work():
        return asyncio.run(parser.parse_many(urls, registry))
else:
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    def work():
        return parser(f"file://{path}", registry)
warm = VirtualTIFF()(f"file://{sys.argv[3]}", ObjectStoreRegistry({"file://": LocalStore()}))
def peak():  # of this process: ru_maxrss has the parent's, too
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
before = peak()
times, begun = [], time.perf_counter()
while not times or (len(times) < 50 and time.perf_counter() - begun < 4):
    start = time.perf_counter()
    kept = work()
    times.append(time.perf_counter() - start)
    more = peak() - before if len(times) == 1 else more
    del kept
print(json.dumps({"seconds": min(times), "MB": more}))
"""

SMALL = ROOT / "testdata" / "special" / "cog.tif"


def tiles(path: Path, count: int) -> int:
    """Write an image of so many tiles."""
    from support.build import many_tiles  # noqa: PLC0415 (needs the path above)

    across = 10 ** (len(str(count - 1)) // 2)
    many_tiles(path, across, count // across)
    return 0


def pages(path: Path, count: int) -> int:
    """Write so many pages of one small strip each."""
    import numpy as np  # noqa: PLC0415
    import tifffile  # noqa: PLC0415

    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for _ in range(count):
            writer.write(np.zeros((16, 16), "u2"), contiguous=False, metadata=None)
    return 0


def files(path: Path, count: int) -> int:
    """Take a small COG as so many files."""
    path.write_bytes(SMALL.read_bytes())
    return count


ROWS: list[tuple[str, Callable[[Path, int], int], list[int]]] = [
    ("tiles of one image", tiles, [10**3, 10**4, 10**5, 10**6, 10**7]),
    ("pages of one file", pages, [1, 10, 10**2, 10**3, 10**4]),
    ("files, `parse_many`", files, [1, 10, 10**2, 10**3, 10**4]),
]


def measured(path: Path, copies: int) -> dict[str, float]:
    """Return seconds and MB of parsing a file, or its copies."""
    command = [sys.executable, "-W", "ignore", "-c", PARSE, str(path), str(copies), str(SMALL)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """Return the slope over the last two decades."""
    return math.log(seconds[-1] / seconds[-3]) / math.log(sizes[-1] / sizes[-3])


def main() -> None:
    """Make the data, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    asked = parser.parse_args()
    results = {}
    for label, write, sizes in ROWS:
        found = []
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "a.tif"
                found.append(measured(path, write(path, size)))
        seconds = [each["seconds"] for each in found]
        slope = exponent(sizes, seconds)
        heads = [f"10^{round(math.log10(size))}" for size in sizes]
        print(f"| {label} | {' | '.join(heads)} | exponent |")
        print("|---" * (len(sizes) + 2) + "|")
        print(f"| ms | {' | '.join(f'{s * 1e3:,.2f}' for s in seconds)} | {slope:.2f} |")
        print(f"| MB more | {' | '.join(f'{each["MB"]:,.1f}' for each in found)} | |\n", flush=True)
        results[label] = {"sizes": sizes, "found": found, "exponent": slope}
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
