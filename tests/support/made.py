"""Archives of millions of references without a file: records are made in place of being read.

    python tests/support/made.py FILES REFERENCES FOLDER [--first NUMBER] [--root URL]

A real file is read once. Each further record is the same with a url, an ETag, a time and offsets
of its own, so all of `publish` is at work but the requests and the parser. The program publishes
in FOLDER/cube, and prints its figures as JSON. `serve_one` makes the blocks of one file readable.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import rasterio
from rasterio.transform import from_origin

from virtual_tiff.publishing import Published, publish
from virtual_tiff.publishing.reading import workers
from virtual_tiff.publishing.reading.record import Failure, Record
from virtual_tiff.sources.locations import Location, Stores
from virtual_tiff.tiff import SourceState

TIME = r"/(?P<time>\d{8}T\d{6})_"
ROOT = "https://data.example/archive/of/scenes"


def names(files: int, first: int = 0, root: str = ROOT) -> list[str]:
    """Urls with a time and a long random part, as those of archives have."""
    times = [_START + n * timedelta(minutes=1) for n in range(first, first + files)]
    return [
        f"{root}/{time:%Y%m%dT%H%M%S}_{md5(str(time).encode()).hexdigest()}/B04.tif"
        for time in times
    ]


_START = datetime(1990, 1, 1, tzinfo=UTC)


def model(folder: Path, references: int) -> Path:
    """Write a file of so many blocks, a square number."""
    edge = 16 * round(references**0.5)
    path = folder / f"model_{references}.tif"
    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    profile = {"width": edge, "height": edge, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    place = from_origin(500_000, 4_650_000, 10, 10)
    with rasterio.open(path, "w", driver="GTiff", transform=place, **profile, **tiles) as file:
        file.write(np.random.default_rng(0).integers(0, 9, (1, edge, edge), dtype="uint8"))
    return path


def make_records(path: Path) -> None:
    """Put records made of a file in the place of those that the parser makes."""
    parse, first = workers.parse_one, list[Record]()

    async def parse_one(reader: workers.Reader, location: Location) -> Record | Failure:
        if not first:
            result = await parse(reader, Stores({}).locate(str(path)))
            assert isinstance(result, Record), result
            first.append(result)
        url = location.url
        time, etag = _time_and_etag(url)
        modified = datetime.strptime(time, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        numbers = np.frombuffer(first[0].references, np.uint64) + np.uint64(_shift(etag))
        state = SourceState(size=_SIZE, etag=f'"{etag}"', last_modified=modified)
        return replace(first[0], url=url, state=state, references=numbers.tobytes())

    workers.parse_one = parse_one


_SIZE = 10**8


def _time_and_etag(url: str) -> tuple[str, str]:
    time = url.split("/")[-2].partition("_")[0]
    return time, md5(time.encode()).hexdigest()


def _shift(etag: str) -> int:
    """How far the blocks of a file are from those of the model."""
    return int(etag[:6], 16)


def serve_one(url: str, model_file: Path, folder: Path) -> None:
    """Write the file in which the blocks of one url are, and nothing else."""
    with (folder / url.rpartition("/")[2]).open("wb") as file:
        file.seek(_shift(_time_and_etag(url)[1]))
        file.write(model_file.read_bytes())
        file.truncate(_SIZE)


def publish_made(
    folder: Path, files: int, references: int, *, first: int = 0, root: str = ROOT, **options: Any
) -> Published:
    """Publish made records along time in the folder's cube."""
    make_records(model(folder, references))
    urls = names(files, first, root)
    random.Random(0).shuffle(urls)  # as a listing may be
    asked: dict[str, Any] = {"concat": "time", "time": TIME, "append": True} | options
    return publish(urls, folder / "cube", **asked)


def main() -> None:
    """Publish, and print figures."""
    parser = argparse.ArgumentParser(description="Publish made records.")
    parser.add_argument("files", type=int)
    parser.add_argument("references", type=int, help="of a file")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--root", default=ROOT, help="of the urls")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(exist_ok=True)
    icechunk.set_logs_filter("error")
    started = time.process_time()
    imports = _peak()
    work = partial(
        publish_made,
        asked.folder,
        asked.files,
        asked.references,
        first=asked.first,
        root=asked.root,
    )
    if asked.profile:
        import cProfile

        profile = cProfile.Profile()
        published = profile.runcall(work)
        profile.print_stats("tottime")
    else:
        published = work()
    manifests = published.repository.list_manifest_files(published.snapshot)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "files": published.files,
        "references": published.references,
        "cpu": time.process_time() - started,
        "cpu_with_imports": usage.ru_utime + usage.ru_stime,
        "imports_MB": imports,
        "peak_MB": _peak(),
        "commits": len(list(published.repository.ancestry(branch="main"))) - 1,
        "manifests": len(manifests),
        "largest_manifest_MB": max(file.size_bytes for file in manifests) / 2**20,
        "repository_MB": sum(
            path.stat().st_size for path in (asked.folder / "cube").rglob("*") if path.is_file()
        )
        / 1e6,
    }
    print(json.dumps(figures))


def _peak() -> float:
    # of a child process ru_maxrss begins with what the parent had
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


if __name__ == "__main__":
    main()
