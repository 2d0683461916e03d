"""`virtual-tiff info`: its options, its table, its JSON, its map."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from traceback import format_exception
from typing import TYPE_CHECKING, Any

from virtual_tiff.cli.access import access_lines
from virtual_tiff.cli.common import add_common, print_line, print_result, quiet_icechunk, sizes_text
from virtual_tiff.text.numbers import by, counted, human_size
from virtual_tiff.tiff import printable, redacted

if TYPE_CHECKING:
    from virtual_tiff.info import FileInfo
    from virtual_tiff.publishing.description import Description
    from virtual_tiff.sources.locations import Location

__all__ = ["add_info"]

_FILES = re.compile(r"[*\[]|\.(tiff?|json|geojson|vrt|csv|txt|parquet|gpkg)$", re.IGNORECASE)
"""Names of globs, TIFFs and documents, which are no repository."""

_FEW = 3
"""Files of which each has a table of its own."""


def add_info(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add the command to those of argparse."""
    command = commands.add_parser(
        "info",
        help="show what is in TIFFs, or in a published repository",
        description="Show the directories of TIFFs, which readers can read their arrays, and what"
        " makes them slow to read from object storage; of a repository its arrays, its sources and"
        " how readers reach them. The table has colours on a terminal;"
        " NO_COLOR turns them off.",
    )
    command.add_argument(
        "files",
        metavar="PATH_OR_URL",
        nargs="+",
        help="a path, directory, glob, url or prefix; @list.txt or - for a list of them; a STAC"
        " item or collection of items; a VRT, a tile index or a table of tiles, for its files;"
        " or one repository that was published",
    )
    command.add_argument(
        "--each",
        action="store_true",
        help=f"print a table for each file (default: of more than {_FEW} files one table, of what"
        " they share and in what they differ)",
    )
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument(
        "--map",
        metavar="FILE.svg",
        help="draw the positions of header, directories, values of tags and blocks in one file;"
        " a browser shows what each part is under the mouse",
    )
    add_common(command, _run, of="the store of the files, or of the repository,")


def _is_repository(name: str, store_options: dict[str, str]) -> bool:
    """Whether a local folder, or a prefix of a bucket, holds an Icechunk repository."""
    # loaded here, as every import costs a command that does not need it
    from virtual_tiff.sources.access import ENDPOINTS, kind_of  # noqa: PLC0415
    from virtual_tiff.sources.urls import is_remote  # noqa: PLC0415

    if not is_remote(name):
        folder = Path(name)
        return (folder / "snapshots").is_dir() and (
            (folder / "repo").is_file() or (folder / "refs").is_dir()
        )
    if kind_of(name) not in ENDPOINTS or _FILES.search(name):
        return False
    from virtual_tiff.sources.locations import Stores  # noqa: PLC0415 (takes long to load)
    from virtual_tiff.sources.running import interruptible  # noqa: PLC0415

    stores = Stores(store_options)
    for key in ("repo", "refs/branch.main/ref.json"):  # of the formats 2 and 1
        location = stores.locate(f"{name.rstrip('/')}/{key}")
        with suppress(Exception):  # it is none, or who asks may not know
            interruptible(location.store.head)(location.path)
            return True
    return False


def _run_repository(options: argparse.Namespace) -> int:
    """Show what is in a repository, how readers reach its sources, and what is wrong with it."""
    from virtual_tiff.publishing.description import describe  # noqa: PLC0415 (takes long to load)

    quiet_icechunk()
    (name,) = options.files
    description = describe(name, store_options=dict(options.store_option))
    print_result(description, _description(description, name), as_json=options.json)
    return 0


_MOST_ARRAYS = 50
"""Arrays of a repository that are listed."""


def _description(description: Description, name: str) -> Iterator[str]:
    """Yield the lines about a repository."""
    from virtual_tiff.codec_table.readers import readers_text  # noqa: PLC0415 (see _is_repository)

    time = datetime.fromisoformat(description.time)
    yield f"{name}: an Icechunk repository"
    yield (
        f"{description.branch} is {description.snapshot} of {time:%Y-%m-%d %H:%M} UTC:"
        f" {description.message}"
    )
    for array in description.arrays[:_MOST_ARRAYS]:
        sizes = sizes_text(array.dimensions, array.shape)
        chunks = "several sizes" if array.chunk_shape is None else by(array.chunk_shape)
        yield f"  {array.path}  {array.data_type} ({sizes}), chunks of {chunks}"
    if len(description.arrays) > _MOST_ARRAYS:
        yield f"  and {counted(len(description.arrays) - _MOST_ARRAYS, 'more array')}"
    for each in description.coordinates[:_MOST_ARRAYS]:
        yield f"  {each.path}: {each.shape[0]:,} from {each.first} to {each.last}"
    for text, count in Counter(readers_text(a.readers) for a in description.arrays).items():
        yield f"{counted(count, 'array')}: {text}"
    if description.sources is not None:
        size = human_size(description.bytes_of_sources or 0)
        along = f" along {', '.join(description.concat)}" if description.concat else ""
        yield f"{counted(description.sources, 'source')} of {size}{along}"
    size = human_size(description.bytes_of_manifests)
    yield f"{description.chunks:,} chunks; their references take {size}"
    yield _verified(description, name)
    yield from access_lines(description.access)


def _verified(description: Description, name: str) -> str:
    """Return what the last verification found."""
    verified = description.verified
    if verified is None:
        return f"never verified on this machine: virtual-tiff verify {name}"
    counts = [f"{count} {status}" for status, count in verified.counts.items() if count]
    time = datetime.fromisoformat(verified.time)
    later = "" if verified.snapshot == description.snapshot else ", before the newest commit"
    return f"verified {time:%Y-%m-%d %H:%M} UTC{later}: {', '.join(counts) or 'no sources'}"


def _run(options: argparse.Namespace) -> int:
    if len(options.files) == 1 and _is_repository(options.files[0], dict(options.store_option)):
        return _run_repository(options)
    repositories = [n for n in options.files if Path(n).is_dir() and _is_repository(n, {})]
    if repositories:
        msg = f"{repositories[0]} is a published repository: give it alone, and files without it"
        raise ValueError(msg)
    # loaded here, as every import costs a command that does not need it
    from virtual_tiff.info import inspect, render, render_alike  # noqa: PLC0415
    from virtual_tiff.sources.finding import find_files  # noqa: PLC0415
    from virtual_tiff.sources.running import interruptible, run_to_end  # noqa: PLC0415
    from virtual_tiff.sources.urls import about_file  # noqa: PLC0415

    console: Any = None
    if not options.json:
        try:
            from rich.console import Console  # noqa: PLC0415 (an extra)
        except ImportError as error:
            msg = 'the table needs rich: pip install "virtual-tiff[cli]", or use --json'
            raise ImportError(msg) from error
        # a pipe has no width: there each directory is one line, however long
        width = None if sys.stdout.isatty() else 1000
        console = Console(file=sys.stdout, width=width, highlight=False)
    store_options = dict(options.store_option)
    every = find_files(options.files, store_options=store_options, for_references=False)
    found = interruptible(list)(every)
    locations = [file.location for file in found]
    if console is not None:
        grids = Counter(file.place.grid for file in found if file.place is not None)
        for grid, count in grids.items():
            line = f"{redacted(grid.name)}: {grid.kind} of {counted(count, 'file')}{grid.summary}"
            console.print(printable(line), markup=False)
    on_error = _print_traceback if getattr(options, "debug", False) else None
    if options.map:
        files = _drawn(locations, options.map, on_error)
    else:
        files = run_to_end(inspect(locations, on_error=on_error))
    if options.json:
        print(json.dumps([file.to_json() for file in files], indent=2))
    readable = []
    for file, location in zip(files, locations, strict=True):
        name = redacted(location.name)
        if file.error is not None:
            print_line("error", about_file(name, file.error))
        else:
            readable.append((file, name))
    if console is not None and len(readable) > _FEW and not options.each:
        console.print(render_alike(*zip(*readable, strict=True)))
    elif console is not None:
        for file, name in readable:
            console.print(render(file, name))
    return 1 if any(file.error for file in files) else 0


def _print_traceback(error: Exception) -> None:
    print(redacted("".join(format_exception(error))), end="", file=sys.stderr)


def _drawn(
    locations: Sequence[Location], picture: str, on_error: Callable[[Exception], None] | None
) -> list[FileInfo]:
    """Read the only file, and draw its map."""
    from virtual_tiff.info import examine  # noqa: PLC0415 (see _run)
    from virtual_tiff.info.map import map_svg  # noqa: PLC0415
    from virtual_tiff.sources.running import run_to_end  # noqa: PLC0415

    path = Path(picture)
    if path.suffix.lower() != ".svg":
        msg = f"--map writes SVG: give the file a name that ends in .svg, not {path.name!r}"
        raise ValueError(msg)
    if len(locations) != 1:
        msg = f"--map draws one file, not {len(locations)}"
        raise ValueError(msg)
    examined = run_to_end(examine(locations[0], on_error=on_error))
    if examined.extents is not None:
        path.write_bytes(map_svg(examined.info, examined.extents, redacted(locations[0].name)))
    return [examined.info]
