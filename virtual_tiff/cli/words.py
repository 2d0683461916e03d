"""Errors in the words of the command line: they name options of Python where they come from.

The library says `replace_changed needs append=True`, as its users write it in Python. On a command
line the same error reads `--replace-changed needs --append`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

__all__ = ["in_options", "options_of"]


def options_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the long options of a parser's commands, by their names in Python.

    An option that switches something off is listed by what Python writes, as `overviews=False`.
    """
    names: dict[str, str] = {}
    for action in _actions(parser):
        longest = max(action.option_strings, key=len, default="")
        if longest.startswith("--") and action.dest != "help":
            off = isinstance(action, argparse._StoreFalseAction)  # noqa: SLF001 (argparse's own)
            names[f"{action.dest}=False" if off else action.dest] = longest
    return names


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 (argparse has no public list)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action


_VALUE = r"""('[^']*'|"[^"]*"|\([^()]*\)|\[[^][]*\]|True|False|None|[A-Z]+|-?[\d.]*\d)"""
"""A value as Python writes it; not `time=2023.tif`, which is the name of a file."""

_ASSIGNED = rf"(?<![\w/.])(?<!\w\(){{}}={_VALUE}(?=$|[\s,;:)]|\.(?:\s|$))"
"""An option in Python's words, as `replace_changed=True`; not a codec's setting in brackets."""


def in_options(text: str, names: dict[str, str], *, wrong_use: bool) -> str:
    """Return an error's text with the options of a command line in place of Python's.

    Parameters
    ----------
    text
        What an exception says.
    names
        The options by their names in Python; see `options_of`.
    wrong_use
        Whether an option is at fault. Then plain names in the places where errors have them are
        options too; in an error about a file `time` is a word.
    """
    if wrong_use:
        text = re.sub(r"\bneeds a bbox\b", "needs --bbox", text)
        text = re.sub(r", not \[([^][]*)\]", r", not \1", text)  # numbers with commas
    name = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    text = re.sub(rf"\b({name}) \((--[-a-z]+)\)", r"\2", text)  # as `snap (--snap)`
    text = re.sub(rf"\b({name})=\{{[^{{}}]*\}} \((--[^()]*)\)", r"\2", text)  # a dict
    for off in (key for key in names if "=" in key):
        text = re.sub(rf"(?<![\w/.]){off}\b", names[off], text)
    text = re.sub(_ASSIGNED.format(f"({name})"), lambda match: _assigned(match, names), text)
    if not wrong_use:
        return text
    # at the start, or after the words by which errors lead to another option
    lead = r"(?<![-\w])(^|[;:] |\bneeds? |\b(?:and|or|use|of|with|without|give) )"
    after = r"(?=$|[ ;:,.)])"
    # `check` is a verb where errors say what to do
    plain = re.sub(r"\bcheck\|", "", name)
    text = re.sub(rf"{lead}({plain}){after}", lambda m: m[1] + names[m[2]], text)
    text = re.sub(r"--layout ('[^']*')", lambda m: f"--layout {_without_spaces(m[1])}", text)
    # a pattern as it was typed, without the backslashes of Python's text
    text = re.sub(r"--[-a-z]+ '[^']*'", lambda match: match[0].replace("\\\\", "\\"), text)
    text = text.replace(" must be one of None, ", " must be one of ")
    text = text.replace(" must be None, ", " must be ").replace(" must be None or ", " must be ")
    return text.replace(" must be None", " must be left out")


def _without_spaces(value: str) -> str:
    """Return a text of Python as the value of an option: `--layout` has no spaces in them."""
    return value.strip("'\"").replace(" ", "-")


_SHELL = re.compile(r"[^-\w.,:/+]")
"""Characters for which a shell needs quotes."""


def _assigned(match: re.Match[str], names: dict[str, str]) -> str:
    """Return an option of Python as one of the command line."""
    name, value = match.groups()
    option = names[name]
    if value == "True":
        return option
    if value in ("False", "None"):
        return names.get(f"no_{name}", f"without {option}")
    if value[0] in "([":
        return f"{option} {value[1:-1].replace(chr(39), '').replace(', ', ',').rstrip(',')}"
    plain = _without_spaces(value) if option == "--layout" else value.strip("'\"")
    return f"{option} {value if _SHELL.search(plain) else plain}"
