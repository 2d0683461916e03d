"""The command line: `virtual-tiff info`, `publish`, `verify` and `completion`."""

from __future__ import annotations

import argparse
import atexit
import json
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Never, NoReturn

from virtual_tiff.cli.info import add_info
from virtual_tiff.cli.publish import add_publish, key_and_value
from virtual_tiff.tiff import TiffError, TiffWarning
from virtual_tiff.tiff.errors import printable
from virtual_tiff.tiff.redaction import redacted

__all__ = ["EXIT_CODES", "main", "make_parser", "run"]

OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

EXIT_CODES = {
    OK: "all went well",
    FAILED: "a file, a store or a repository is at fault; with verify, a source has changed",
    WRONG_USE: "the command is at fault",
    INTERRUPTED: "interrupted with Ctrl-C",
}


def run() -> NoReturn:
    """Run the command line as a process, and end the process.

    obstore's threads may outlive the interpreter: one that delivers an answer while the
    interpreter is torn down aborts the process (exit status 134), after all has been said and
    done. So all that an orderly end does is done here, as in a process of `multiprocessing`,
    but for the tearing down.
    """
    status = main()
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 (pools' threads end)
        atexit._run_exitfuncs()  # noqa: SLF001 (of coverage, logging, multiprocessing, zarr …)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BaseException:  # noqa: BLE001 (a full disk, a closed pipe, Ctrl-C: none may end in 0)
        status = status or FAILED
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        The arguments; None takes those of the process.

    Returns
    -------
    int
        One of `EXIT_CODES`.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        options = make_parser().parse_args(arguments)
        with _one_line_warnings():
            status: int = options.run(options)
            sys.stdout.flush()
            return status
    except SystemExit as end:  # argparse has printed the help, or the version
        return int(end.code or OK)
    except KeyboardInterrupt as interrupt:
        _say("error", str(interrupt) or "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `virtual-tiff … | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 (the last line: whatever it is, say it in one)
        if "--debug" in arguments:  # where it stands does not matter, nor what is wrong behind it
            print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        _say("error", _text(error))
        return _status(error)


def _status(error: Exception) -> int:
    """Tell a wrong option (ValueError, but none of a file) from what files and stores do."""
    from_a_file = isinstance(error, (TiffError, OSError))
    return WRONG_USE if isinstance(error, ValueError) and not from_a_file else FAILED


def _say(kind: str, text: str) -> None:
    print(printable(redacted(f"virtual-tiff: {kind}: {text}")), file=sys.stderr)


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


class _WrongUse(ValueError):  # noqa: N818 (none of the package's: it does not leave `main`)
    """What argparse says; it would take one of its own errors for that of a command within."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all of this package does; commands have the same."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (argparse's own)
        codes = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
        super().__init__(**{"epilog": f"Exit status: {codes}."} | settings)

    def error(self, message: str) -> Never:
        msg = f"{message} (see {self.prog} --help)"
        raise _WrongUse(msg)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="virtual-tiff", description="TIFF and COG archives as Zarr stores, without a copy."
    )
    parser.add_argument("--version", action=_Version)
    _add_debug(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_info(commands, _add_common)
    add_publish(commands, _add_common)
    _add_verify(commands)
    _add_completion(commands)
    return parser


def _add_debug(parser: argparse.ArgumentParser) -> None:
    # suppressed, or the default of a command would undo what stands before the command
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show where an error arose; before or behind the command",
    )


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
    _add_debug(command)


def _add_verify(commands: Any) -> None:  # noqa: ANN401
    command = commands.add_parser(
        "verify",
        help="whether files have changed since they were published",
        description="Ask each source of a published repository what it is now. Exit status 1 if"
        " any has changed, is truncated, is missing or cannot be reached.",
    )
    command.add_argument("repository", metavar="REPO", help="a local path, or s3://bucket/prefix")
    command.add_argument("--branch", default="main", help="(default: main)")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument("--quiet", action="store_true", help="print nothing if all is well")
    _add_common(command, _verify)


def _add_completion(commands: Any) -> None:  # noqa: ANN401
    command = commands.add_parser(
        "completion",
        help="a script that completes commands and options in a shell",
        description="Print a script for a shell; its first lines say where it goes.",
    )
    command.add_argument("shell", choices=("bash", "zsh", "fish"), help="whose script to print")
    _add_debug(command)
    command.set_defaults(run=_completion)


# ------------------------------------------------------------------------------- commands


def _completion(options: argparse.Namespace) -> int:
    from virtual_tiff.cli.completion import script  # noqa: PLC0415
    from virtual_tiff.cli.description import commands_of  # noqa: PLC0415

    print(script(options.shell, commands_of(make_parser())), end="")
    return OK


def _verify(options: argparse.Namespace) -> int:
    from virtual_tiff.cli.verification_table import lines  # noqa: PLC0415
    from virtual_tiff.publishing.verification import verify  # noqa: PLC0415

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
