"""The command line: `virtual-tiff info`, `virtual-tiff publish` and `virtual-tiff verify`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from virtual_tiff.cli_publish import add_publish, key_and_value
from virtual_tiff.tiff import TiffError, TiffWarning
from virtual_tiff.tiff.errors import printable

__all__ = ["main"]

OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

_NEEDS_RICH = 'the table needs rich: pip install "virtual-tiff[cli]", or ask for --json'


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        The arguments; None takes those of the process.

    Returns
    -------
    int
        0 if all went well, 1 if a file or a store is at fault, 2 if the command is.
    """
    try:
        options = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has printed what there is to say
        return int(end.code or OK)
    try:
        with _one_line_warnings():
            status: int = options.run(options)
            sys.stdout.flush()
            return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `virtual-tiff … | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 (the last line: whatever it is, say it in one)
        if options.debug:
            traceback.print_exc()
        _say("error", _text(error))
        return _status(error)


def _status(error: Exception) -> int:
    """Tell a wrong option (ValueError, but none of a file) from what files and stores do."""
    from_a_file = isinstance(error, (TiffError, OSError))
    return WRONG_USE if isinstance(error, ValueError) and not from_a_file else FAILED


def _say(kind: str, text: str) -> None:
    print(printable(f"virtual-tiff: {kind}: {text}"), file=sys.stderr)


def _text(error: Exception) -> str:
    known = isinstance(error, (ValueError, OSError, ImportError, RuntimeError))
    text = str(error).strip() or type(error).__name__
    return text if known else f"{type(error).__name__}: {text.partition('\n')[0]}"


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Show each warning as one line, and none of those that users can do nothing about."""

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, TiffWarning):
            _say("warning", " ".join(str(message).split()))

    with warnings.catch_warnings():
        warnings.simplefilter("always", TiffWarning)
        warnings.showwarning = show
        yield


# ------------------------------------------------------------------------------ arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="virtual-tiff", description="TIFF and COG archives as Zarr stores, without a copy."
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_info(commands)
    add_publish(commands, _add_common)
    _add_verify(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up only where it is asked for: that takes 20 ms."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from virtual_tiff import __version__  # noqa: PLC0415

        print(f"virtual-tiff {__version__}")
        parser.exit()


def _add_common(command: argparse.ArgumentParser, run: Callable[..., int]) -> None:
    command.set_defaults(run=run)
    command.add_argument(
        "--store-option",
        metavar="KEY=VALUE",
        type=key_and_value,
        action="append",
        default=[],
        help="an obstore option of the files' store, as skip_signature=true or"
        " region=us-west-2; may be repeated",
    )
    command.add_argument("--debug", action="store_true", help="show where an error arose")


def _add_info(commands: Any) -> None:  # noqa: ANN401 (argparse's class is private)
    command = commands.add_parser(
        "info", help="what is in TIFFs", description="Show the directories of TIFFs."
    )
    command.add_argument("files", metavar="PATH_OR_URL", nargs="+")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    _add_common(command, _info)


def _add_verify(commands: Any) -> None:  # noqa: ANN401
    command = commands.add_parser(
        "verify",
        help="whether files have changed since they were published",
        description="Ask each source of a published repository what it is now. Exit status 1 if"
        " any has changed, is missing or cannot be reached.",
    )
    command.add_argument("repository", metavar="REPO", help="a local path, or s3://bucket/prefix")
    command.add_argument("--branch", default="main", help="(default: main)")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument("--quiet", action="store_true", help="print nothing if all is well")
    _add_common(command, _verify)


# ------------------------------------------------------------------------------- commands


def _info(options: argparse.Namespace) -> int:
    # loaded here, as every import costs a command that does not need it
    from virtual_tiff.info import inspect, render  # noqa: PLC0415
    from virtual_tiff.locations import locate  # noqa: PLC0415

    console = None if options.json else _console(sys.stdout)
    locations = locate(options.files, dict(options.store_option))
    files = asyncio.run(inspect(locations))
    if console is None:
        print(json.dumps([file.to_json() for file in files], indent=2))
    for file, location in zip(files, locations, strict=True):
        if file.error is not None:
            _say("error", file.error)
        elif console is not None:
            console.print(render(file, location.name))
    return FAILED if any(file.error for file in files) else OK


def _console(stream: TextIO) -> Any:  # noqa: ANN401 (rich is an extra)
    try:
        from rich.console import Console  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(_NEEDS_RICH) from error
    # a pipe has no width: there each directory is one line, however long
    return Console(file=stream, width=None if stream.isatty() else 1000, highlight=False)


def _verify(options: argparse.Namespace) -> int:
    from virtual_tiff.verification import verify  # noqa: PLC0415
    from virtual_tiff.verification_table import lines  # noqa: PLC0415

    _hush_icechunk()
    with _progress(quiet=options.quiet, doing="asking sources") as progress:
        found = verify(
            options.repository,
            branch=options.branch,
            store_options=dict(options.store_option),
            progress=progress,
        )
    if options.json:
        print(json.dumps(found.to_json(), indent=2))
    elif not (options.quiet and found.ok):
        print(printable("\n".join(lines(found))))
    return OK if found.ok else FAILED


def _hush_icechunk() -> None:
    """Let it not warn of each local repository."""
    if "ICECHUNK_LOG" not in os.environ:
        import icechunk  # noqa: PLC0415

        icechunk.set_logs_filter("error")


@contextmanager
def _progress(
    *, quiet: bool, doing: str = "reading directories"
) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on a terminal; give the function that moves it."""
    try:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import MofNCompleteColumn, Progress  # noqa: PLC0415
    except ImportError:
        quiet = True
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
