"""What several commands have: options, a progress bar, and no warnings of other packages."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from virtual_tiff.tiff import printable

__all__ = [
    "LEFT_CHANGED",
    "LEFT_OUT",
    "add_common",
    "add_debug",
    "add_quiet",
    "add_repository",
    "age_or_time",
    "key_and_value",
    "print_result",
    "progress_bar",
    "quiet_icechunk",
]

LEFT_CHANGED = 3
"""The exit status of a run that was done, but leaves files that cannot be read as published."""

LEFT_OUT = 4
"""The exit status of a run that has published all but some files, which cannot be."""


def key_and_value(text: str) -> tuple[str, str]:
    """Read an option of the form KEY=VALUE, for argparse."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        msg = "the value is not of the form KEY=VALUE"  # it may be a secret, so it is not shown
        raise argparse.ArgumentTypeError(msg)
    return key, value


def add_quiet(command: argparse.ArgumentParser, effect: str) -> None:
    """Add `--quiet`, with what it does."""
    command.add_argument("-q", "--quiet", action="store_true", help=effect)


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Add `--debug`, which stands before the command or after it."""
    # suppressed, or the default of a command would undo what stands before the command
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error; before or after the command",
    )


def add_common(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Add the options of all commands that read files, and say what the command runs."""
    command.set_defaults(run=run)
    command.add_argument(
        "--store-option",
        metavar="KEY=VALUE",
        type=key_and_value,
        action="append",
        default=[],
        help="an obstore option of the files' store, such as skip_signature=true or"
        " region=us-west-2; may be repeated",
    )
    add_debug(command)


def add_repository(command: argparse.ArgumentParser) -> None:
    """Add the repository and its branch."""
    command.add_argument("repository", metavar="REPO", help="a local path, or s3://bucket/prefix")
    command.add_argument("--branch", default="main", help="the branch (default: main)")


_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def age_or_time(text: str) -> datetime | timedelta:
    """Read an age or a time; a time without a zone is in UTC."""
    if match := re.fullmatch(r"(\d{1,6})([hdw])", text):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no age, as 30d, 12h or 8w, and no time, as 2026-10-01"
        raise argparse.ArgumentTypeError(msg) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


class _Result(Protocol):
    def to_json(self) -> dict[str, Any]: ...


def print_result(result: _Result, lines: Iterable[str], *, as_json: bool) -> None:
    """Print a result as JSON, or as its lines."""
    text = json.dumps(result.to_json(), indent=2) if as_json else printable("\n".join(lines))
    print(text)


def quiet_icechunk() -> None:
    """Stop Icechunk from warning of each local repository, unless the user wants its log."""
    if "ICECHUNK_LOG" not in os.environ:
        import icechunk  # noqa: PLC0415 (takes long to load)

        icechunk.set_logs_filter("error")


@contextmanager
def progress_bar(*, quiet: bool, task: str) -> Iterator[Callable[..., None] | None]:
    """Show a bar on a terminal, if rich is installed.

    Yields
    ------
    callable or None
        The function that moves the bar, by `completed=`, `total=` and `note=`; None if there is
        no bar.
    """
    try:
        from rich.console import Console  # noqa: PLC0415 (an extra)
        from rich.progress import MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415
    except ImportError:
        quiet = True
    if quiet or not sys.stderr.isatty():
        yield None
        return
    note = TextColumn("{task.fields[note]}")
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), note)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield partial(bar.update, bar.add_task(task, total=None, note=""))
