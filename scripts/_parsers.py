"""The parsers of the command line as plain data, of which docs/command-line.md is made."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

__all__ = ["Argument", "Command", "commands_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An option, or an argument that is told by its place."""

    flags: tuple[str, ...]
    """`("--json",)`; none of one that is told by its place."""
    value: str | None
    """What its value is called; None for a switch."""
    help: str
    choices: tuple[str, ...] = ()
    default: str | None = None
    required: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command; the first of all is the program itself, whose name is empty."""

    name: str
    help: str
    description: str
    usage: str
    """In one line."""
    arguments: tuple[Argument, ...]


def commands_of(parser: argparse.ArgumentParser) -> tuple[Command, ...]:
    """Return the program and its commands."""
    commands = [_command("", parser.description or "", parser)]
    for action in parser._actions:  # noqa: SLF001 (argparse has no other way)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            helps = {choice.dest: choice.help or "" for choice in action._get_subactions()}  # noqa: SLF001
            commands += [_command(name, helps[name], sub) for name, sub in action.choices.items()]
    return tuple(commands)


def _command(name: str, text: str, parser: argparse.ArgumentParser) -> Command:
    arguments = tuple(
        _argument(action)
        for action in parser._actions  # noqa: SLF001
        if not isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
    )
    return Command(
        name=name,
        help=text,
        description=parser.description or "",
        usage=_usage(parser.prog, arguments, has_commands=not name),
        arguments=arguments,
    )


def _argument(action: argparse.Action) -> Argument:
    takes_value = action.nargs != 0
    name = action.metavar or action.dest.upper()
    plain = action.default in (None, False, True, argparse.SUPPRESS) or action.default == []
    return Argument(
        flags=tuple(action.option_strings),
        value=str(name) if takes_value else None,
        help=(action.help or "").replace("%%", "%"),  # argparse formats it
        choices=tuple(map(str, action.choices or ())),
        default=None if plain else str(action.default),
        required=action.required,
        repeated=action.nargs == "+" or isinstance(action, argparse._AppendAction),  # noqa: SLF001
    )


def _usage(prog: str, arguments: tuple[Argument, ...], *, has_commands: bool) -> str:
    """Return one line: argparse's own is broken at the width of the terminal."""
    needed = [f"{a.flags[0]} {a.value}" for a in arguments if a.flags and a.required]
    places = [
        f"{a.value} [{a.value} ...]" if a.repeated else str(a.value)
        for a in arguments
        if not a.flags
    ]
    return " ".join([prog, "[OPTIONS]", *needed, *(["COMMAND"] if has_commands else []), *places])
