"""What several commands have: options, a progress bar, and no warnings of other packages."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from virtual_tiff.tiff import printable, redacted

__all__ = [
    "LEFT_CHANGED",
    "LEFT_OUT",
    "ProgressLines",
    "add_common",
    "add_debug",
    "add_quiet",
    "add_repository",
    "age_or_time",
    "key_and_value",
    "print_line",
    "print_result",
    "progress_bar",
    "quiet_icechunk",
    "sizes_text",
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


def add_quiet(command: Any, effect: str) -> None:  # noqa: ANN401 (a parser, or a group of it)
    """Add `--quiet`, with what it does."""
    command.add_argument("-q", "--quiet", action="store_true", help=effect)


def add_debug(parser: Any) -> None:  # noqa: ANN401 (a parser, or a group of it)
    """Add `--debug`, which stands before the command or after it."""
    # suppressed, or the default of a command would undo what stands before the command
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error; before or after the command",
    )


def add_common(
    command: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    group: Any = None,  # noqa: ANN401 (argparse's)
    *,
    of: str = "the files' store (a repository's own has its settings from the environment),",
) -> None:
    """Add the options of all commands that read files, and say what the command runs.

    They go to the group, if there is one. `of` says which store the options are for.
    """
    command.set_defaults(run=run)
    options = command if group is None else group
    options.add_argument(
        "--store-option",
        metavar="KEY=VALUE",
        type=key_and_value,
        action="append",
        default=[],
        help=f"an obstore option of {of} such as skip_signature=true or region=us-west-2; may be"
        " repeated",
    )
    options.add_argument(
        "--anonymous",
        dest="store_option",
        action="append_const",
        const=("skip_signature", "true"),
        help="do not sign requests, for public data: as --store-option skip_signature=true",
    )
    add_debug(options)


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
        msg = f"{text!r} must be an age, as 30d, 12h or 8w, or a time, as 2026-10-01"
        raise argparse.ArgumentTypeError(msg) from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def print_line(kind: str, text: str) -> None:
    """Print an error or a warning to stderr, without secrets and without control characters."""
    print(printable(redacted(f"virtual-tiff: {kind}: {text}")), file=sys.stderr)


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


def sizes_text(dimensions: Iterable[str], shape: Iterable[int]) -> str:
    """Return the sizes of an array by its dimensions; arrays of others may have no names."""
    return ", ".join(f"{name}: {n}" for name, n in zip(dimensions, shape, strict=False))


SECONDS_BETWEEN_LINES = 10.0
"""Without a terminal, as in a log, progress is a line each time these have passed."""


class ProgressLines:
    """Prints how far long work is, from time to time."""

    def __init__(self, task: str) -> None:
        self._begin(task)
        self._last = self._started

    def _begin(self, task: str) -> None:
        self._task = task
        self._started = time.monotonic()

    def __call__(
        self, *, completed: int, total: int | None = None, note: str = "", task: str | None = None
    ) -> None:
        """Take what is done; with a new task the time that is left is estimated anew."""
        if task not in (None, self._task):
            self._begin(str(task))
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        facts = [f"{completed:,} of {total:,}" if total else f"{completed:,}", note]
        if total and completed:
            left = (now - self._started) * (total - completed) / completed
            facts.append(f"about {_in_words(left)} left")
        line = f"virtual-tiff: {self._task}: {', '.join(filter(None, facts))}"
        print(line, file=sys.stderr, flush=True)


def _in_words(seconds: float) -> str:
    """Return a length of time as people estimate it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress_bar(*, quiet: bool, task: str) -> Iterator[Callable[..., None] | None]:
    """Show a bar on a terminal, if rich is installed; else a line from time to time.

    Yields
    ------
    callable or None
        The function that takes the progress, by `completed=`, `total=` (None if it is not known),
        `note=` and `task=`; None where nothing is shown.
    """
    if quiet:
        yield None
        return
    try:
        from rich.console import Console  # noqa: PLC0415 (an extra)
        from rich.progress import MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415
    except ImportError:
        yield ProgressLines(task)
        return
    if not sys.stderr.isatty():
        yield ProgressLines(task)
        return
    note = TextColumn("{task.fields[note]}")
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), note)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        number = bar.add_task(task, total=None, note="")
        shown = task

        def update(*, task: str | None = None, **state: Any) -> None:  # noqa: ANN401 (rich's)
            """Move the bar; with a new task the time that is left is estimated anew."""
            nonlocal shown
            if task not in (None, shown):
                shown = str(task)
                bar.reset(number, description=shown, total=state.get("total"))
            bar.update(number, **state)

        yield update
