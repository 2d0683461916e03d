"""The command line: `virtual-tiff info`, `publish`, `remove`, `verify`, `log` and others."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Never, NoReturn

from virtual_tiff.cli.access import add_access
from virtual_tiff.cli.common import LEFT_CHANGED, LEFT_OUT, add_debug, print_line
from virtual_tiff.cli.export import add_export
from virtual_tiff.cli.history import add_expire, add_gc, add_log
from virtual_tiff.cli.info import add_info
from virtual_tiff.cli.move import add_move
from virtual_tiff.cli.publish import add_publish
from virtual_tiff.cli.remove import add_remove
from virtual_tiff.cli.verify import add_verify
from virtual_tiff.cli.words import in_options, options_of
from virtual_tiff.tiff import TiffError, TiffWarning, redacted

__all__ = ["EXIT_CODES", "main", "make_parser", "run"]

OK, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

EXIT_CODES = {
    OK: "success",
    FAILED: "a file, a store or a repository is at fault; of verify: a source has changed",
    WRONG_USE: "the command is at fault",
    LEFT_CHANGED: "of publish: the new files were published, but others have changed since they"
    " were published, and cannot be read until they are replaced (--replace-changed)",
    LEFT_OUT: "of publish: files were left out (--on-error skip), and the others were published",
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
    parser = make_parser()
    names = options_of(parser)
    try:
        if not arguments:
            parser.print_help()
            return OK
        options = parser.parse_args(_with_values(arguments))
        options.names = names
        with _one_line_warnings(names):
            status: int = options.run(options)
            sys.stdout.flush()
            return status
    except SystemExit as end:  # argparse has printed the help, or the version
        return int(end.code or OK)
    except KeyboardInterrupt as interrupt:
        print_line("error", str(interrupt) or "interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `virtual-tiff … | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 (any other error ends in one line)
        if "--debug" in arguments:  # wherever it stands: what is wrong may come before it
            print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        text = str(error).strip() or type(error).__name__
        if isinstance(error, OSError) and error.filename is not None and error.strerror:
            text = f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
        if not isinstance(error, (ValueError, OSError, ImportError, RuntimeError)):
            text = f"{type(error).__name__}: {text.partition('\n')[0]}"
        # a wrong option is a ValueError, and so is an error of a file, but of a class of its own
        from_a_file = isinstance(error, (TiffError, OSError))
        wrong_use = isinstance(error, ValueError) and not from_a_file
        print_line("error", in_options(text, names, wrong_use=wrong_use))
        return WRONG_USE if wrong_use else FAILED


_WITH_NUMBERS = ("--bbox", "--window")
"""Options whose values may begin with a minus sign, which argparse takes for another option."""


_PORTABLE = "--portable"


def _with_values(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the values of some options joined to them.

    `--portable` may have names of readers after it, and the names of files.
    """
    joined: list[str] = []
    for argument in arguments:
        before = joined[-1] if joined else None
        if (before in _WITH_NUMBERS and argument.startswith("-")) or (
            before == _PORTABLE and _names_readers(argument)
        ):
            joined[-1] += f"={argument}"
        else:
            if before == _PORTABLE:
                joined[-1] += "="
            joined.append(argument)
    return joined


def _names_readers(text: str) -> bool:
    from virtual_tiff.codec_table.readers import implementations_named  # noqa: PLC0415 (most commands need none)

    try:
        return bool(implementations_named(text))
    except ValueError:
        return False


@contextmanager
def _one_line_warnings(names: dict[str, str]) -> Iterator[None]:
    """Show each warning of this package as one line, and none of other packages."""

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, TiffWarning):
            text = " ".join(str(message).split())
            print_line("warning", in_options(text, names, wrong_use=False))

    with warnings.catch_warnings():
        warnings.simplefilter("always", TiffWarning)
        warnings.showwarning = show
        yield


class _WrongUse(ValueError):  # noqa: N818 (it does not leave `main`)
    """An error of argparse, which would take its own class for that of a command within."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; the parsers of commands have its class too."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (argparse's own)
        command = str(settings.get("prog", "")).partition(" ")[2]
        meanings = {code: _of_command(text, command) for code, text in EXIT_CODES.items()}
        codes = "; ".join(f"{code} {meaning}" for code, meaning in meanings.items() if meaning)
        super().__init__(**{"epilog": f"Exit status: {codes}."} | settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 (argparse's)
        """Parse arguments; an error about an option names one that is written alike."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            parser = options.parser
            known = [each for action in parser._actions for each in action.option_strings]  # noqa: SLF001
            name = unknown[0].partition("=")[0]
            alike = get_close_matches(name, known, 1) if name.startswith("--") else []
            hint = f"; did you mean {alike[0]}?" if alike else ""
            parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options

    def error(self, message: str) -> Never:
        message = message.replace("invalid int value:", "the value must be a whole number, not")
        message = message.replace("invalid float value:", "the value must be a number, not")
        msg = f"{message} (see {self.prog} --help)"
        raise _WrongUse(msg)


def _of_command(meaning: str, command: str) -> str:
    """Return what a status means for a command, without what it means for others alone."""
    if not command:
        return meaning
    parts = (part.removeprefix(f"of {command}: ") for part in meaning.split("; "))
    return "; ".join(part for part in parts if not part.startswith("of "))


class _Version(argparse.Action):
    """Looks versions up only where they are asked for: that takes 20 ms."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the versions and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        print(f"virtual-tiff {version('virtual-tiff')}")
        print(f"Python {'.'.join(map(str, sys.version_info[:3]))}")
        for name in _LIBRARIES:
            try:
                print(f"{name} {version(name)}")
            except PackageNotFoundError:
                print(f"{name}: not installed")
        parser.exit()


_LIBRARIES = (
    *("zarr", "virtualizarr", "icechunk", "obstore", "xarray", "numpy", "numcodecs"),
    *("imagecodecs", "imagecodecs-zarr", "pyproj"),
)
"""The packages that decide what is read and written, for reports of faults."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="virtual-tiff",
        description="Publish TIFF and COG archives as Zarr, without copying pixels.",
    )
    parser.add_argument("--version", action=_Version)
    add_debug(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_info(commands)
    add_publish(commands)
    add_remove(commands)
    add_verify(commands)
    add_move(commands)
    add_export(commands)
    add_access(commands)
    add_log(commands)
    add_expire(commands)
    add_gc(commands)
    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Print a script that completes commands, options and files in a shell. Its"
        " first lines say where to put it. It is made by shtab, of the extra cli.",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh", "fish"), help="the shell")
    add_debug(completion)
    completion.set_defaults(run=_complete)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser


_ARGUMENTS_OF_FILES = {"files", "repository", "source", "to", "map", "values", "cache"}


def _complete(options: argparse.Namespace) -> int:
    try:
        import shtab  # noqa: PLC0415 (an extra)
    except ImportError as error:
        msg = 'completion needs shtab: pip install "virtual-tiff[cli]"'
        raise ImportError(msg) from error
    parser = make_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))  # noqa: SLF001
    for action in (a for command in commands.choices.values() for a in command._actions):  # noqa: SLF001
        if action.dest in _ARGUMENTS_OF_FILES:
            action.complete = shtab.FILE
    print(shtab.complete(parser, options.shell))
    return OK
