"""`virtual-tiff info`: its options, its table, its JSON, its map."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from virtual_tiff.tiff.errors import printable
from virtual_tiff.tiff.redaction import redacted

if TYPE_CHECKING:
    from virtual_tiff.info import FileInfo
    from virtual_tiff.sources.locations import Location

__all__ = ["add_info"]

_NEEDS_RICH = 'the table needs rich: pip install "virtual-tiff[cli]", or ask for --json'


def add_info(commands: Any, add_common: Callable[..., None]) -> None:  # noqa: ANN401
    """Add the command.

    Parameters
    ----------
    commands
        argparse's.
    add_common
        Adds the options that all commands have, and says what runs.
    """
    command = commands.add_parser(
        "info",
        help="what is in TIFFs",
        description="Show the directories of TIFFs, who reads their arrays, and what makes them"
        " slow to read from object storage. Colours are for terminals; NO_COLOR turns them off.",
    )
    command.add_argument("files", metavar="PATH_OR_URL", nargs="+", help="a path, a glob or a url")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument(
        "--map",
        metavar="FILE",
        help="draw where header, directories, values of tags and blocks lie in the one file that"
        " is named, to FILE.svg or FILE.png; an SVG says under the mouse what each part is",
    )
    add_common(command, _run)


def _run(options: argparse.Namespace) -> int:
    # loaded here, as every import costs a command that does not need it
    from virtual_tiff.info import inspect  # noqa: PLC0415
    from virtual_tiff.sources.locations import locate  # noqa: PLC0415

    console = None if options.json else _console(sys.stdout)
    locations = locate(options.files, dict(options.store_option))
    if options.map is None:
        files = asyncio.run(inspect(locations))
    else:
        files = [_mapped(locations, Path(options.map))]
    if console is None:
        print(json.dumps([file.to_json() for file in files], indent=2))
    for file, location in zip(files, locations, strict=True):
        _show(console, file, location.name)
    return 1 if any(file.error for file in files) else 0


def _show(console: Any, file: FileInfo, name: str) -> None:  # noqa: ANN401 (rich is an extra)
    from virtual_tiff.info import render  # noqa: PLC0415

    if file.error is not None:
        print(printable(f"virtual-tiff: error: {file.error}"), file=sys.stderr)
    elif console is not None:
        console.print(render(file, redacted(name)))


def _mapped(locations: Sequence[Location], path: Path) -> FileInfo:
    """Examine the one file and write its map."""
    from virtual_tiff.info import examine  # noqa: PLC0415
    from virtual_tiff.info.picture import FORMATS, check_format  # noqa: PLC0415
    from virtual_tiff.info.scene import scene_of  # noqa: PLC0415

    check_format(path)
    if len(locations) != 1:
        msg = f"--map draws one file, not {len(locations)}"
        raise ValueError(msg)
    examined = asyncio.run(examine(locations[0]))
    if examined.extents is not None:
        scene = scene_of(examined.info, examined.extents, redacted(locations[0].name))
        path.write_bytes(FORMATS[path.suffix.lower()](scene))
    return examined.info


def _console(stream: TextIO) -> Any:  # noqa: ANN401 (rich is an extra)
    try:
        from rich.console import Console  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(_NEEDS_RICH) from error
    # a pipe has no width: there each directory is one line, however long
    return Console(file=stream, width=None if stream.isatty() else 1000, highlight=False)
