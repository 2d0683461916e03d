"""Time from a url to a finished ManifestStore, against peers in one run.

usage: python benchmarks/parse.py [--peer-python PATH] [--json FILE]

PATH is an interpreter with virtual-tiff 0.5.0. tifffile opens the file and reads the first
page's offsets, but makes no manifest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

PARSE = """
import time, statistics, warnings
warnings.simplefilter("ignore")
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF
registry = ObjectStoreRegistry({{"file://": LocalStore()}})
for _ in range({rounds}):
    start = time.perf_counter()
    VirtualTIFF({options})("file://{path}", registry)
    print(time.perf_counter() - start)
"""

MEANING = """
import time, warnings
warnings.simplefilter("ignore")
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF
registry = ObjectStoreRegistry({{"file://": LocalStore()}})
parsers = [VirtualTIFF(coordinates=False), VirtualTIFF()]
for parser in parsers:
    parser("file://{path}", registry)
for _ in range({rounds}):  # in turns, so that both see the same machine
    for parser in parsers:
        start = time.perf_counter()
        parser("file://{path}", registry)
        print(time.perf_counter() - start)
"""

TIFFFILE = """
import time, tifffile
for _ in range({rounds}):
    start = time.perf_counter()
    with tifffile.TiffFile("{path}") as file:
        file.pages[0].dataoffsets
    print(time.perf_counter() - start)
"""


FIGURES: dict[str, dict[str, float]] = {}
"""Medians in seconds."""


def seconds(python: str, program: str) -> float:
    """Return the median of what a program prints."""
    return statistics.median(times(python, program))


def times(python: str, program: str) -> list[float]:
    """Return what a program prints."""
    command = [python, "-W", "ignore", "-c", program]
    # elsewhere, or the peer would import this folder's package
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    return [float(text) for text in done.stdout.split()]


def row(label: str, path: Path, options: str, rounds: int, peer: str | None) -> str:
    """Return one line of the table, in milliseconds and as ratios to ours."""
    program = PARSE.format(path=path, options=options, rounds=rounds)
    ours = seconds(sys.executable, program)
    page = seconds(sys.executable, TIFFFILE.format(path=path, rounds=rounds))
    FIGURES[label] = {"virtual_tiff": ours, "tifffile": page}
    cells = [label, f"{ours * 1e3:.2f} ms", f"{page * 1e3:.2f} ms ({page / ours:.1f}x)"]
    if peer is not None:
        theirs = FIGURES[label]["0.5.0"] = seconds(peer, program)
        cells.append(f"{theirs * 1e3:.1f} ms ({theirs / ours:.1f}x)")
    return f"| {' | '.join(cells)} |"


def meaning(label: str, path: Path, rounds: int, peer: str | None) -> str:
    """Return one line of the table of what coordinates cost, in milliseconds."""
    found = times(sys.executable, MEANING.format(path=path, rounds=rounds))
    without, whole = statistics.median(found[0::2]), statistics.median(found[1::2])
    FIGURES[f"coordinates of {label}"] = {"without": without, "with": whole}
    cells = [label, *(f"{s * 1e3:.2f} ms" for s in (whole, without, whole - without))]
    if peer is not None:
        try:
            theirs = seconds(peer, PARSE.format(path=path, options="", rounds=rounds))
            cells.append(f"{theirs * 1e3:.1f} ms ({theirs / whole:.1f}x)")
        except subprocess.CalledProcessError:
            cells.append("fails")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Make the data, measure, print."""
    from support.build import many_tiles  # noqa: PLC0415 (needs the path above)

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", help="interpreter with virtual-tiff 0.5.0")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    asked = parser.parse_args()
    peer = asked.peer_python
    heads = ["work", "virtual_tiff", "tifffile, page only", *(["0.5.0"] if peer else [])]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    cog = ROOT / "testdata" / "special" / "cog.tif"
    print(row("small COG, all IFDs", cog, "", 200, peer))
    print(row("small COG, first IFD", cog, "ifd=0", 200, peer))
    with tempfile.TemporaryDirectory() as folder:
        million = many_tiles(Path(folder) / "million.tif", 1000, 1000)
        print(row("1,000,000 tiles", million, "", 7, peer))
    print()
    heads = ["file", "virtual_tiff", "coordinates=False", "cost", *(["0.5.0"] if peer else [])]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for name in ("cog", "cog_rgb_mask", "geo_nodata", "geo_bands", "strips_many"):
        print(meaning(name, ROOT / "testdata" / "special" / f"{name}.tif", 300, peer))
    if asked.json:
        asked.json.write_text(json.dumps(FIGURES, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
