"""Make the table of docs/drift.md: what becomes of a source, and who notices it.

usage: python scripts/make_drift_table.py [--check]

Each case is done: a file is published, its source changed, `verify` asked, and the array read
by Icechunk. `--check` exits with 1 if the document is not what would be made.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import zarr

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from _documents import filled, write_or_check  # noqa: E402

from support.build import image  # noqa: E402
from support.http import HttpServer  # noqa: E402
from support.published import (  # noqa: E402
    file_container,
    http_container,
    publish_one,
    s3_container,
    s3_options,
)
from support.s3 import S3, s3_server  # noqa: E402
from virtual_tiff.publishing.verification import verify_async  # noqa: E402

DOCUMENT = ROOT / "docs" / "drift.md"
START, END = "<!-- table: python scripts/make_drift_table.py -->", "<!-- end of the table -->"

PIXELS = np.arange(64 * 64, dtype="u2").reshape(64, 64)
ORIGINAL = image(PIXELS)
OTHER = image(PIXELS[::-1].copy())
LONGER = OTHER + bytes(100)
HALF = ORIGINAL[: len(ORIGINAL) // 2]

THEN = 1_700_000_000.0
LATER = THEN + 1000


@dataclass(frozen=True)
class Place:
    """Somewhere to have a file."""

    name: str
    url: str
    containers: dict[str, tuple[Any, Any]]
    put: Callable[[bytes, float], None]
    """Write the file, with a time of modification if the place lets one choose."""
    remove: Callable[[], None]
    options: dict[str, Any]
    chooses_time: bool = True


type Change = Callable[[Place], None]

CHANGES: dict[str, tuple[Change, bool]] = {
    "what it was": (lambda _: None, False),
    "rewritten between parse and commit": (lambda place: place.put(OTHER, LATER), True),
    "rewritten after the commit, same size": (lambda place: place.put(OTHER, LATER), False),
    "rewritten, another size": (lambda place: place.put(LONGER, LATER), False),
    "truncated": (lambda place: place.put(HALF, LATER), False),
    "removed": (lambda place: place.remove(), False),
    "the same bytes written again": (lambda place: place.put(ORIGINAL, LATER), False),
    "rewritten within the second, same size": (lambda place: place.put(OTHER, THEN + 0.5), False),
    "rewritten, same size and time": (lambda place: place.put(OTHER, THEN), False),
}
"""What is done, and whether it is before the commit."""


def local(folder: Path) -> Place:
    """Return a file on disk, with a fraction of a second in its time."""
    path = folder.resolve() / "a.tif"

    def put(data: bytes, when: float) -> None:
        path.write_bytes(data)
        os.utime(path, (when + 0.25, when + 0.25))

    return Place(
        "local file", f"file://{path}", file_container(str(path.parent)), put, path.unlink, {}
    )


def http(name: str, server: HttpServer) -> Place:
    """Return a file of a server."""
    return Place(
        name,
        f"{server.url}/a.tif",
        http_container(server),
        lambda data, when: (server.put("a.tif", data, modified=when), None)[1],
        lambda: server.remove("a.tif"),
        {},
    )


def bucket(s3: S3) -> Place:
    """Return an object of S3, which sets the time itself."""

    def put(data: bytes, when: float) -> None:
        if when not in (THEN, THEN + 0.5):
            time.sleep(1.1)
        s3.put("drift-table/a.tif", data)

    return Place(
        "S3",
        s3.url("drift-table/a.tif"),
        s3_container(s3),
        put,
        lambda: s3.store().delete("drift-table/a.tif"),
        s3_options(s3),
        chooses_time=False,
    )


@contextmanager
def places() -> Iterator[list[Place]]:
    """Start all servers."""
    with (
        tempfile.TemporaryDirectory() as folder,
        HttpServer() as strict,
        HttpServer(if_match="lenient") as lenient,
        HttpServer(etags="none") as timed,
        HttpServer(times=False) as tagged,
        HttpServer(if_match="ignored") as careless,
        s3_server() as s3,
    ):
        yield [
            local(Path(folder)),
            http("HTTP, strict about ETags", strict),
            http("HTTP, lenient about ETags", lenient),
            http("HTTP without ETag", timed),
            http("HTTP without Last-Modified", tagged),
            http("HTTP that ignores conditions", careless),
            bucket(s3),
        ]


async def outcome(place: Place, change: Change, *, before_commit: bool) -> tuple[str, str]:
    """Return what `verify` says, and what a reader gets."""
    place.put(ORIGINAL, THEN)
    between = (lambda: change(place)) if before_commit else (lambda: None)
    repository = await publish_one(
        place.url, place.containers, options=place.options, between=between
    )
    if not before_commit:
        change(place)
    found = await verify_async(repository, store_options=place.options)
    (status,) = (source.status for source in found.sources())
    return status, await asyncio.to_thread(_read, repository)


def _read(repository: icechunk.Repository) -> str:
    group = zarr.open_group(repository.readonly_session("main").store, mode="r")
    array: Any = group["0"]
    try:
        pixels = array[...]
    except icechunk.IcechunkError as error:
        return "refused" if "has changed" in str(error) else "error"
    return "right" if np.array_equal(pixels, PIXELS) else "**wrong**"


async def rows() -> list[str]:
    """Return the lines of the table."""
    with places() as found:
        lines = [f"| the source is | {' | '.join(place.name for place in found)} |"]
        lines.append("|---" * (1 + len(found)) + "|")
        for name, (change, before_commit) in CHANGES.items():
            cells = []
            for place in found:
                if not place.chooses_time and name.endswith("size and time"):
                    cells.append("cannot be")
                    continue
                said, read = await outcome(place, change, before_commit=before_commit)
                cells.append(f"{said}; {read}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def document() -> str:
    """Return the whole document, its table made anew."""
    table = "\n".join(asyncio.run(rows()))
    return filled(DOCUMENT, START, END, table)


def main() -> int:
    """Write the document, or check it."""
    icechunk.set_logs_filter("error")
    return write_or_check(DOCUMENT, document, __doc__)


if __name__ == "__main__":
    sys.exit(main())
