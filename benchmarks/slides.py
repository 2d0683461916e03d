"""Time of a viewport of a slide over HTTP, against tifffile and OpenSlide through fsspec.

usage: python benchmarks/slides.py [--latency SECONDS] [--rounds N] [--only KIND]

A viewer opens a slide and shows 1,024 x 1,024 pixels of its full resolution; then other places.
The slides are made (`scripts/make_slides.py`), 16,384 x 16,384 pixels: an Aperio SVS of JPEG
tiles, and a Hamamatsu NDPI, one JPEG with restart intervals of 2,048 x 8 pixels. They are served
from a process of its own, each request after the latency. Each reader runs in a fresh process,
in turn:

- `virtual_tiff`: parses the slide, and reads by zarr after `tune_zarr()`;
- `icechunk`: opens the published slide and reads it by zarr's settings for latency;
- `tifffile`: through fsspec's HTTP file system, by its Zarr store;
- `openslide`: through fsspec's `simplecache`, as OpenSlide reads local files alone: the whole
  slide is copied first.

Needs the extra `test`, and `aiohttp` for fsspec. The pixels of all are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from latency_server import serving
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))
CACHE = Path(tempfile.gettempdir()) / "virtual_tiff_benchmarks"
EDGE = 16_384
VIEW = 1024

PROGRAM = """
import json, random, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
URL, PLACE = {url!r}, {place!r}
random.seed(5)
corners = [(random.randrange({edge} - {view}), random.randrange({edge} - {view})) for _ in range(5)]
{imports}
start = time.perf_counter()
{opening}
opened = time.perf_counter()
times, sums = [], []
for y, x in corners:
    begin = time.perf_counter()
    pixels = {reading}
    times.append(time.perf_counter() - begin)
    sums.append(float(np.asarray(pixels).mean()))
print(json.dumps({{"open": opened - start, "first": opened - start + times[0],
    "next": sum(times[1:]) / 4, "sums": sums}}))
"""

ZARR_VIEW = "array[:, y:y + 1024, x:x + 1024]"
READERS: dict[str, tuple[str, str, str]] = {
    "virtual_tiff": (
        """
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore
from virtual_tiff import VirtualTIFF, tune_zarr
tune_zarr()
""",
        """
base = URL.rpartition("/")[0]
registry = ObjectStoreRegistry({base: HTTPStore(base, client_options={"allow_http": True})})
store = VirtualTIFF(ifd_layout="pyramid")(URL, registry)
array = zarr.open_group(store, mode="r")["0/0/image"]
""",
        ZARR_VIEW,
    ),
    "icechunk": (
        """
import icechunk, zarr
from virtual_tiff import open_published, tune_zarr
tune_zarr()
""",
        """
array = zarr.open_array(open_published(PLACE), path="slide/0/0/image", mode="r")
""",
        ZARR_VIEW,
    ),
    "tifffile": (
        """
import fsspec, logging, tifffile, zarr
logging.disable(50)
zarr.config.set({"async.concurrency": 64})
""",
        """
file = fsspec.open(URL, block_size=2**16).open()
options = {"is_ndpi": True} if URL.endswith(".ndpi") else {}
tiff = tifffile.TiffFile(file, name=URL.rpartition("/")[2], **options)
array = zarr.open_array(tiff.series[0].aszarr(level=0), mode="r")
""",
        "np.moveaxis(np.asarray(array[y:y + 1024, x:x + 1024]), -1, 0)",
    ),
    "openslide": (
        "import fsspec, openslide",
        """
path = fsspec.open_local(f"simplecache::{URL}", simplecache={"same_names": True})
slide = openslide.OpenSlide(path)
""",
        "np.asarray(slide.read_region((x, y), 0, (1024, 1024)).convert('RGB'))",
    ),
}


def tissue(edge: int) -> NDArray[np.uint8]:
    """Return a large picture with the texture of tissue, of which JPEG keeps 3 bits a pixel."""
    from make_slides import scene  # noqa: PLC0415 (only where data are made)

    smooth = scene(edge // 8, edge // 8) // 2
    noise = np.random.default_rng(1).integers(0, 40, (512, 512, 1), dtype=np.uint8)
    pixels = smooth.repeat(8, 0).repeat(8, 1)
    pixels += np.tile(noise, (edge // 512, edge // 512, 1))
    return pixels


def svs(path: Path) -> None:
    """Write an SVS of JPEG tiles of 256 x 256 pixels."""
    import tifffile  # noqa: PLC0415

    text = f"Aperio Image Library v12\r\n{EDGE}x{EDGE} (256x256) JPEG/RGB|AppMag = 20|MPP = 0.5"
    with tifffile.TiffWriter(path) as writer:
        for level, edge in enumerate((EDGE, EDGE // 4, EDGE // 16)):
            if level == 1:
                writer.write(tissue(512), photometric="rgb", metadata=None)
            writer.write(
                tissue(edge),
                description=text,
                tile=(256, 256),
                compression="jpeg",
                photometric="rgb",
                metadata=None,
            )


def ndpi(path: Path) -> None:
    """Write an NDPI whose level 0 has restart intervals of 2,048 x 8 pixels."""
    from make_slides import Page, intervals, jpeg, write_ndpi  # noqa: PLC0415

    pages = []
    for level, edge in enumerate((EDGE, EDGE // 4, EDGE // 16)):
        stream = jpeg(tissue(edge), restart=128 if level < 2 else 0)
        starts = intervals(stream) if level < 2 else ()
        lens, resolution = 20 / 4**level, 20_000 >> 2 * level
        pages.append(
            Page(
                width=edge,
                length=edge,
                stream=stream,
                lens=lens,
                resolution=resolution,
                starts=starts,
            )
        )
    pages.append(Page(width=512, length=512, stream=jpeg(tissue(512)), lens=-1.0))
    write_ndpi(path, pages)


SLIDES: dict[str, Callable[[Path], None]] = {"slide.svs": svs, "slide.ndpi": ndpi}


def main() -> None:
    """Measure, and print a table of medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--latency", type=float, default=0.03)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    for name, make in SLIDES.items():
        if options.only not in name:
            continue
        path = CACHE / name
        if not path.exists():
            make(path.with_name(f"part_{name}"))
            path.with_name(f"part_{name}").rename(path)
        with serving(CACHE, options.latency) as address, tempfile.TemporaryDirectory() as folder:
            measure(name, f"{address}/{name}", Path(folder) / "repository", options.rounds)


def measure(name: str, url: str, place: Path, rounds: int) -> None:
    """Run each reader in turn, and print its medians."""
    from virtual_tiff import publish  # noqa: PLC0415

    publish([url], str(place), ifd_layout="pyramid", store_options={"allow_http": True})
    results: dict[str, list[dict[str, float]]] = {reader: [] for reader in READERS}
    sums: dict[str, list[float]] = {}
    for _ in range(rounds):
        for reader, (imports, opening, reading) in READERS.items():
            program = PROGRAM.format(
                url=url,
                place=str(place),
                edge=EDGE,
                view=VIEW,
                imports=imports,
                opening=opening,
                reading=reading,
            )
            done = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{reader}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                continue
            result = json.loads(done.stdout.splitlines()[-1])
            sums[reader] = result.pop("sums")
            results[reader].append(result)
    print(f"\n{name}\n{'reader':<14}{'open':>8}{'first viewport':>17}{'next ones':>12}")
    for reader, each in results.items():
        if each:
            medians = [statistics.median(r[key] for r in each) for key in ("open", "first", "next")]
            print(f"{reader:<14}{medians[0]:>8.2f}{medians[1]:>17.2f}{medians[2]:>12.2f}")
    base = sums.get("virtual_tiff", [])
    for reader, values in sums.items():
        if any(abs(a - b) > 0.2 for a, b in zip(base, values, strict=False)):
            print(f"{reader}: other pixels, {values} and {base}")


if __name__ == "__main__":
    main()
