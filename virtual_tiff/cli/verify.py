"""`virtual-tiff verify`: its options, its report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from virtual_tiff.cli.common import (
    add_common,
    add_quiet,
    add_repository,
    age_or_time,
    progress_bar,
    quiet_icechunk,
)
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import printable, redacted

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from virtual_tiff.publishing.verification import Source, Verification

__all__ = ["add_verify"]


def add_verify(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add the command to those of argparse."""
    command = commands.add_parser(
        "verify",
        help="check whether files have changed since they were published",
        description="Compare each source of a published repository with its state when it was"
        " published. The exit"
        " status is 1 if a source has changed, is truncated, is missing or cannot be reached.",
    )
    add_repository(command)
    command.add_argument(
        "--sample", type=int, metavar="N", help="check only N sources, chosen at random"
    )
    command.add_argument(
        "--since",
        metavar="WHEN",
        help="check only sources that were published later than this: an age, as 30d, 12h or"
        " 8w; a time, as 2026-10-01 (UTC); a tag; or the id of a snapshot",
    )
    output = command.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print JSON, for programs")
    output.add_argument(
        "--json-lines",
        action="store_true",
        help="print a line of JSON for each source as soon as it is checked, and a last line"
        " with the counts",
    )
    add_quiet(command, "print nothing if all is well")
    add_common(command, _run)


def _run(options: argparse.Namespace) -> int:
    # loaded here, as it takes long
    from virtual_tiff.publishing.description import keep_verification  # noqa: PLC0415
    from virtual_tiff.publishing.verification import verify  # noqa: PLC0415

    quiet_icechunk()
    with progress_bar(quiet=options.quiet, task="asking sources") as update:
        verification = verify(
            options.repository,
            branch=options.branch,
            sample=options.sample,
            since=_when(options.since),
            store_options=dict(options.store_option),
            progress=update and (lambda done, total: update(completed=done, total=total)),
            on_source=_print_line if options.json_lines else None,
        )
    if options.sample is None and options.since is None:
        keep_verification(options.repository, verification.snapshot, verification.counts)
    if options.json_lines:
        plain = verification.to_json()
        del plain["differing"]
        print(json.dumps(plain))
    elif options.json:
        print(json.dumps(verification.to_json(), indent=2))
    elif not (options.quiet and verification.ok):
        print(printable("\n".join(_report(verification))))
    return 0 if verification.ok else 1


def _when(text: str | None) -> datetime | timedelta | str | None:
    """Read an age or a time; any other text is the name of a tag, or a snapshot's id."""
    try:
        return text and age_or_time(text)
    except argparse.ArgumentTypeError:
        return text


def _print_line(source: Source) -> None:
    print(json.dumps(source.to_json()))


def _report(verification: Verification) -> Iterator[str]:
    """Yield a line for each source that is not unchanged, and a summary."""
    width = max((len(source.status) for source in verification.differing), default=0)
    for source in verification.differing:
        url = redacted(source.url)
        # a store's error names the url already
        reason = (source.error or "").removeprefix(f"{url}: ")
        yield f"{source.status:<{width}}  {url}  {reason}".rstrip()
    yield from verification.remarks
    if verification.left_out:
        yield f"and {verification.left_out:,} more; --json-lines prints all"
    counts = [f"{count} {status}" for status, count in verification.counts.items() if count]
    of = "" if verification.of is None else f" of {verification.of:,}"
    yield f"{counted(verification.total, 'source')}{of}: {', '.join(counts) or 'none'}"
    if not verification.has_ledger:
        yield (
            "the repository does not record the state of its sources when they were published, so"
            " changes cannot be found; Icechunk refuses to read from a changed source if the"
            " publisher gave each reference a checksum"
        )
