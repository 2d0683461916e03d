"""How fast an archive is published: files a second, memory, requests, size of the repository.

    python benchmarks/publish.py                     2,000 COGs over HTTP, 30 ms a request
    python benchmarks/publish.py --peer-python PY    the same by another installation with
                                                     virtual-tiff 0.5.0 and VirtualiZarr
    python benchmarks/publish.py --scale             10^3, 10^4, 10^5 files of six references over
                                                     HTTP, 10^5 to 10^7 references of records
                                                     that are made, one file appended to each
                                                     of the largest, and a reader's first pixel
    python benchmarks/publish.py --s3                the same COGs from moto's S3
    python benchmarks/publish.py --parallel 2        the same with two workers
    python benchmarks/publish.py --profile           where the time goes

The COGs are real: rasterio writes some (512-pixel blocks, overviews, pixels and dates of their
own), each of which is served under many names. Server and publisher are processes of their
own; the figures are the publisher's.
"""

# ruff: noqa: PLC0415, ANN401 (each process loads what it needs, of the version that it has)

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from growth import exponent
from latency_server import serving

DISTINCT = 100
"""Files that are written; the archive repeats them under other names."""


def main() -> None:
    """Run what is asked for."""
    options = _parser().parse_args()
    if options.worker:
        print(json.dumps(_WORKERS[options.worker](json.loads(options.task))))
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if options.scale:
            _scale(work, options)
        elif options.s3:
            _run("S3 (moto)", options, work, _s3_urls)
        else:
            _run("HTTP", options, work, _http_urls)
    if options.json:
        options.json.write_text(json.dumps(_REPORTS, indent=1), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=0.03, help="seconds a request")
    parser.add_argument("--size", type=int, default=2048, help="pixels along an edge")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--parallel", type=int, default=0, help="processes that read and write")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    parser.add_argument("--peer-python", help="with virtual-tiff 0.5.0 and VirtualiZarr")
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    return parser


# -------------------------------------------------------------------------------- archive


def _write_cogs(folder: Path, size: int) -> None:
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    folder.mkdir()
    y, x = np.mgrid[0:size, 0:size]
    for n in range(DISTINCT):
        data = ((x * (n + 3) // 7 + y * 5) % 4001).astype("uint16")
        with rasterio.open(
            folder / f"scene{n:03}.tif",
            "w",
            driver="COG",
            height=size,
            width=size,
            count=1,
            dtype="uint16",
            crs="EPSG:32633",
            transform=from_origin(500_000, 4_650_000, 10, 10),
            blocksize=512,
            compress="deflate",
            predictor=2,
            nodata=0,
        ) as dataset:
            dataset.write(data, 1)
            dataset.update_tags(1, STATISTICS_MEAN=float(data.mean()))


def _names(count: int, distinct: int = DISTINCT) -> list[str]:
    return [f"{n // distinct:06}/scene{n % distinct:03}.tif" for n in range(count)]


@contextmanager
def _http_urls(work: Path, options: argparse.Namespace) -> Iterator[tuple[list[str], Any, Any]]:
    _write_cogs(work / "cogs", options.size)
    with serving(work / "cogs", options.latency) as root:

        def requests() -> list[int]:
            with urlopen(f"{root}/_log") as answer:
                log = json.load(answer)
            return [log["gets"] + log["heads"], log["bytes"]]

        yield [f"{root}/{name}" for name in _names(options.files)], {}, requests


@contextmanager
def _s3_urls(work: Path, options: argparse.Namespace) -> Iterator[tuple[list[str], Any, Any]]:
    import obstore
    from obstore.store import S3Store

    _write_cogs(work / "cogs", options.size)
    command = [sys.executable, "-m", "moto.server", "-p", "0", "-H", "127.0.0.1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        endpoint = next(line.split()[-1] for line in server.stderr if "Running on" in line)
        import threading

        threading.Thread(target=server.stderr.read, daemon=True).start()
        settings: dict[str, Any] = {
            "access_key_id": "testing",
            "secret_access_key": "testing",
            "region": "us-east-1",
            "endpoint": endpoint,
        }
        try:
            from urllib.request import Request

            urlopen(Request(f"{endpoint}/bench", method="PUT")).close()
            store = S3Store("bench", client_options={"allow_http": True}, **settings)
            for name in _names(options.files):
                obstore.put(store, name, (work / "cogs" / Path(name).name).read_bytes())
            yield [f"s3://bench/{name}" for name in _names(options.files)], settings, None
        finally:
            server.terminate()


# ---------------------------------------------------------------------------------- runs


def _run(title: str, options: argparse.Namespace, work: Path, archive: Any) -> None:
    with archive(work, options) as (urls, settings, requests):
        (work / "urls.txt").write_text("\n".join(urls))
        task = {
            "urls": str(work / "urls.txt"),
            "store_options": settings,
            "concurrency": options.concurrency,
            "parallel": options.parallel,
            "profile": options.profile,
        }
        print(f"{title}: {len(urls)} COGs, {options.latency * 1000:.0f} ms a request", flush=True)
        for n in range(options.repeat):
            _report("publish", sys.executable, "publish", task | {"to": f"{work}/{n}"}, requests)
        if options.peer_python:
            peer = options.peer_python
            _report("peer, 0.5.0", peer, "peer", task | {"to": f"{work}/peer"}, requests)


def _report(title: str, python: str, worker: str, task: dict[str, Any], requests: Any) -> Any:
    if requests:
        requests()  # from here on
    command = [python, __file__, "--worker", worker, "--task", json.dumps(task)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"{title:14} failed with status {done.returncode}")
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    if requests:
        log = requests()
        found["requests"], found["MB_read"] = log[0], log[1] / 1e6
    found["repository_kB"] = (
        sum(path.stat().st_size for path in Path(task["to"]).rglob("*") if path.is_file()) / 1e3
    )
    print(f"{title:14}", "  ".join(f"{k} {_number(v)}" for k, v in found.items()), flush=True)
    _REPORTS.append({"title": title, **found})
    return found


_REPORTS: list[dict[str, Any]] = []


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _measured(files: int, references: int, seconds: float) -> dict[str, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "files": files,
        "references": references,
        "seconds": seconds,
        "files_a_second": files / seconds,
        "CPU_seconds": usage.ru_utime + usage.ru_stime,  # with the imports, without workers
        "peak_MB": _peak(),
    }


def _peak() -> float:
    # of a child process ru_maxrss begins with what the parent had
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def _publish(task: dict[str, Any]) -> dict[str, float]:
    import icechunk

    from virtual_tiff.publishing import publish

    icechunk.set_logs_filter("error")
    urls = Path(task["urls"]).read_text().split()
    imports = time.process_time()

    def run() -> Any:
        return publish(
            urls,
            task["to"],
            concat=task.get("concat", "time"),
            store_options=task["store_options"] or None,
            concurrency=task["concurrency"],
            append=True,
            **({"parallel": task["parallel"]} if task.get("parallel") else {}),
        )

    start = time.perf_counter()
    if task.get("profile"):
        import cProfile
        import pstats

        profile = cProfile.Profile()
        published = profile.runcall(run)
        seconds = time.perf_counter() - start
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(35)
    else:
        published = run()
        seconds = time.perf_counter() - start
    cpu = time.process_time() - imports
    manifests = published.repository.list_manifest_files(published.snapshot)
    return _measured(published.files, published.references, seconds) | {
        "CPU_beyond_imports": cpu,
        "commits": len(list(published.repository.ancestry(branch="main"))) - 1,
        "manifests": len(manifests),
        "largest_manifest_MB": max(file.size_bytes for file in manifests) / 2**20,
    }


def _peer(task: dict[str, Any]) -> dict[str, float]:
    """Publish as the README of virtual-tiff 0.5.0 and VirtualiZarr's documentation say."""
    from concurrent.futures import ThreadPoolExecutor
    from urllib.parse import urlsplit

    import icechunk
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import HTTPStore, S3Store
    from virtualizarr import open_virtual_mfdataset

    from virtual_tiff import VirtualTIFF

    urls = Path(task["urls"]).read_text().split()
    parts = urlsplit(urls[0])
    root = f"{parts.scheme}://{parts.netloc}"
    options: Any = {"allow_http": True}
    if parts.scheme == "s3":
        store: Any = S3Store(parts.netloc, client_options=options, **task["store_options"])
        container = icechunk.s3_store(
            region="us-east-1", endpoint_url=task["store_options"]["endpoint"], allow_http=True
        )
    else:
        store, container = HTTPStore(root, client_options=options), icechunk.http_store()
    start = time.perf_counter()
    dataset = open_virtual_mfdataset(
        urls,
        ObjectStoreRegistry({root: store}),
        VirtualTIFF(ifd=0),  # of all IFDs it cannot make a dataset
        concat_dim="time",
        combine="nested",
        parallel=ThreadPoolExecutor(task["concurrency"]),
        combine_attrs="drop_conflicts",
    )
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(f"{root}/", container))
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(task["to"]), config)
    session = repository.writable_session("main")
    dataset.vz.to_icechunk(session.store)
    session.commit("peer")
    references = sum(variable.data.manifest.dict().__len__() for variable in dataset.values())
    return _measured(len(urls), references, time.perf_counter() - start)


# --------------------------------------------------------------------------------- scale

MADE = Path(__file__).parent.parent / "tests" / "support" / "made.py"
"""Publishes records that are made in place of being read."""
MADE_FILES, MADE_REFERENCES = (100, 1_000, 10_000), 1024


def _scale(work: Path, options: argparse.Namespace) -> None:
    print("files of six references over HTTP, no latency")
    _write_small(work / "small")
    with serving(work / "small", 0) as root:
        rows = [
            _archive(work, str(count), [f"{root}/{n}" for n in _names(count)], options)
            for count in (1_000, 10_000, 100_000)
        ]
        _print_exponent([row["files"] for row in rows], rows)
        _report_growth(
            work / "100000",
            rows[-1],
            lambda: _archive(work, "100000", [f"{root}/appended/scene000.tif"], options),
        )
    print(f"files of {MADE_REFERENCES:,} references, made in place of being read")
    (work / "served").mkdir()
    with serving(work / "served", 0) as root:
        rows = [_made(work, count, 0, count, root) for count in MADE_FILES]
        _print_exponent([row["references"] for row in rows], rows)
        most = MADE_FILES[-1]
        _report_growth(
            work / f"made{most}" / "cube", rows[-1], lambda: _made(work, most, most, 1, root)
        )
        _first_pixel(work, root)


def _print_exponent(sizes: list[float], rows: list[dict[str, float]]) -> None:
    slope = exponent([int(size) for size in sizes], [row["CPU_beyond_imports"] for row in rows])
    print(f"exponent of CPU: {slope:.2f}", flush=True)


def _report_growth(place: Path, before: dict[str, float], append: Any) -> None:
    """Append a file, and print how much the repository has grown."""
    size = before["repository_kB"]
    print(f"one file appended to {place.name}:")
    grown = append()["repository_kB"] - size
    print(f"growth of the repository: {grown:,.0f} kB", flush=True)


def _archive(work: Path, title: str, urls: list[str], options: argparse.Namespace) -> Any:
    (work / "urls.txt").write_text("\n".join(urls))
    task = {
        "urls": str(work / "urls.txt"),
        "store_options": {},
        "concurrency": options.concurrency,
        "to": str(work / title),
    }
    return _report(f"{len(urls):,} files", sys.executable, "publish", task, None)


def _made(work: Path, cube: int, first: int, files: int, root: str) -> Any:
    """Publish made records in a folder for so many files."""
    folder = work / f"made{cube}"
    task = {"files": files, "first": first, "root": root, "folder": str(folder)}
    task["to"] = f"{folder}/cube"
    return _report(f"{files * MADE_REFERENCES:,} references", sys.executable, "made", task, None)


def _publish_made(task: dict[str, Any]) -> dict[str, float]:
    command = [sys.executable, str(MADE), str(task["files"]), str(MADE_REFERENCES), task["folder"]]
    command += ["--first", str(task["first"]), "--root", task["root"]]
    paths = os.environ | {"PYTHONPATH": str(MADE.parents[1])}
    done = subprocess.run(command, env=paths, stdout=subprocess.PIPE, text=True, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    names = ("files", "references", "peak_MB", "commits", "manifests", "largest_manifest_MB")
    return {"CPU_beyond_imports": figures["cpu"], **{name: figures[name] for name in names}}


def _first_pixel(work: Path, root: str) -> None:
    sys.path.insert(0, str(MADE.parents[1]))
    from support.made import model, names, serve_one

    most = MADE_FILES[-1]
    url = names(1, most // 2, root)[0]
    serve_one(url, model(work, MADE_REFERENCES), work / "served")
    task = {"to": f"{work}/made{most}/cube", "date": most // 2}
    found = _report("a pixel", sys.executable, "pixel", task | {"model": str(work)}, None)
    assert found["right"], found


def _read_pixel(task: dict[str, Any]) -> dict[str, float]:
    import icechunk
    import rasterio
    import xarray

    from virtual_tiff import open_published

    icechunk.set_logs_filter("error")
    with rasterio.open(Path(task["model"]) / f"model_{MADE_REFERENCES}.tif") as file:
        expected = file.read(1)[37, 91]
    before, cpu, start = _peak(), time.process_time(), time.perf_counter()
    dataset = xarray.open_zarr(open_published(task["to"]), chunks=None, consolidated=False)
    opened = time.perf_counter() - start
    value = dataset["0"][task["date"], 37, 91].values
    return {
        "opening_seconds": opened,
        "seconds": time.perf_counter() - start,
        "CPU": time.process_time() - cpu,
        "MB_beyond_imports": _peak() - before,
        "right": int(value == expected),
    }


def _write_small(folder: Path) -> None:
    """Write files of six blocks."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    folder.mkdir()
    for n in range(DISTINCT):
        with rasterio.open(
            folder / f"scene{n:03}.tif",
            "w",
            driver="GTiff",
            height=32,
            width=48,
            count=1,
            dtype="uint8",
            tiled=True,
            blockxsize=16,
            blockysize=16,
            compress="deflate",
            crs="EPSG:32633",
            transform=from_origin(500_000, 4_650_000, 10, 10),
        ) as dataset:
            dataset.write(np.full((1, 32, 48), n + 1, "uint8"))


_WORKERS = {
    "publish": _publish,
    "peer": _peer,
    "made": _publish_made,
    "pixel": _read_pixel,
}

if __name__ == "__main__":
    main()
