"""`virtual-tiff move`: its options, its report."""

from __future__ import annotations

import argparse
from typing import Any

from virtual_tiff.cli.common import (
    add_common,
    add_quiet,
    add_repository,
    progress_bar,
    quiet_icechunk,
)
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import printable

__all__ = ["add_move"]


def add_move(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add the command to those of argparse."""
    command = commands.add_parser(
        "move",
        help="change the urls of files that have moved",
        description="Change the urls of a published repository whose files have moved to"
        " another bucket, folder or server: all references and the ledger change in one commit."
        " Each new"
        " object is compared with the old one as it was published; if one is missing or different,"
        " nothing is changed. Earlier snapshots still refer to the old objects.",
    )
    add_repository(command)
    command.add_argument(
        "prefixes",
        metavar="OLD NEW",
        nargs="*",
        help="the old bucket, folder or file, as a path or a url, and the new one",
    )
    command.add_argument(
        "--rewrite-prefix",
        nargs=2,
        metavar=("OLD", "NEW"),
        action="append",
        default=[],
        help="the same as an option, for several prefixes in one commit; may be repeated",
    )
    command.add_argument("--message", help="the commit's message")
    check = command.add_mutually_exclusive_group()
    check.add_argument(
        "--check",
        choices=("etag", "size", "none"),
        default="etag",
        help="what must be the same for the old and the new object: etag (default: size and"
        " ETag, or size and time where there is no ETag), size, or none",
    )
    check.add_argument(
        "--no-check", dest="check", action="store_const", const="none", help="--check none"
    )
    command.add_argument(
        "--sample",
        metavar="N",
        type=int,
        help="check only N objects, chosen at random",
    )
    add_quiet(command, "print nothing")
    add_common(command, _run)


def _run(options: argparse.Namespace) -> int:
    from virtual_tiff.publishing.moving import move_sources  # noqa: PLC0415 (takes long to load)

    if len(options.prefixes) not in (0, 2) or not (options.prefixes or options.rewrite_prefix):
        msg = "give one old prefix and one new one: virtual-tiff move REPO OLD NEW"
        raise ValueError(msg)
    pairs = [*([options.prefixes] if options.prefixes else []), *options.rewrite_prefix]
    if len(dict(pairs)) < len(pairs):
        msg = "an old prefix is given twice"
        raise ValueError(msg)
    quiet_icechunk()
    with progress_bar(quiet=options.quiet, task="moving") as update:
        moved = move_sources(
            options.repository,
            dict(pairs),
            branch=options.branch,
            check=options.check,
            sample=options.sample,
            store_options=dict(options.store_option),
            message=options.message,
            progress=update
            and (lambda step, done, total: update(task=step, completed=done, total=total)),
        )
    if not options.quiet:
        sources = counted(moved.sources, "source")
        references = counted(moved.references, "reference")
        print(printable(f"moved {sources}, {references}: snapshot {moved.snapshot}"))
        print(printable(f"containers for readers: {', '.join(moved.containers)}"))
    return 0
