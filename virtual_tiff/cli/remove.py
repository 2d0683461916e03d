"""`virtual-tiff remove`: its options, its report."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from virtual_tiff.cli.common import (
    add_common,
    add_quiet,
    add_repository,
    key_and_value,
    print_result,
    quiet_icechunk,
)
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import redacted

if TYPE_CHECKING:
    from virtual_tiff.publishing.removal import Removed

__all__ = ["add_remove"]

_MOST_LISTED = 50
"""Files, or arrays, that the report lists."""


def add_remove(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add the command to those of argparse."""
    command = commands.add_parser(
        "remove",
        help="remove files from a published repository",
        description="Remove files from a published repository, in one commit; the files themselves"
        " are left alone, and need not exist. The cube becomes that of the remaining files: a"
        " date without a file is removed, and a tile of a mosaic leaves a hole.",
    )
    add_repository(command)
    command.add_argument(
        "sources",
        metavar="SOURCES",
        nargs="+",
        help="paths or urls, directories or prefixes for all files below them, globs,"
        " @list.txt, or - for a list in standard input",
    )
    command.add_argument(
        "--keep-places",
        action="store_true",
        help="keep the shapes and coordinates of all arrays; the files leave holes, which read as"
        " the fill value",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="say what would be removed, and change nothing"
    )
    command.add_argument("--message", help="the message of the commit")
    command.add_argument(
        "--metadata",
        metavar="KEY=VALUE",
        type=key_and_value,
        action="append",
        default=[],
        help="further metadata of the commit; may be repeated",
    )
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    add_quiet(command, "print nothing")
    add_common(command, _run)


def _run(options: argparse.Namespace) -> int:
    from virtual_tiff.publishing.removal import remove  # noqa: PLC0415 (takes long to load)

    quiet_icechunk()
    removed = remove(
        options.sources,
        options.repository,
        keep_places=options.keep_places,
        dry_run=options.dry_run,
        branch=options.branch,
        message=options.message,
        metadata=dict(options.metadata),
        store_options=dict(options.store_option),
    )
    if options.json or not options.quiet:
        print_result(removed, _report(removed, options.repository), as_json=options.json)
    return 0


def _report(removed: Removed, repository: str) -> Iterator[str]:
    """Yield the lines that say what was removed, or would be."""
    would = "would be " if removed.dry_run else ""
    yield from (f"{would}removed  {redacted(url)}" for url in removed.files[:_MOST_LISTED])
    if len(removed.files) > _MOST_LISTED:
        yield f"and {counted(len(removed.files) - _MOST_LISTED, 'more file')}"
    for path, shapes in list(removed.shapes.items())[:_MOST_LISTED]:
        before, after = (" x ".join(map(str, shape)) for shape in shapes)
        yield f"{would}smaller  {path}: {before} becomes {after}"
    yield from (f"{would}deleted  {path}" for path in removed.deleted[:_MOST_LISTED])
    if removed.read_again:
        yield f"read again, as its references change: {counted(removed.read_again, 'file')}"
    files = counted(len(removed.files), "file")
    if removed.dry_run:
        yield f"{files} of {repository} would be removed; nothing was changed"
    else:
        yield f"removed {files}: {removed.branch} of {repository} is now {removed.snapshot}"
