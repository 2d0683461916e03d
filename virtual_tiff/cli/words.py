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
    """Return the long options of a parser's commands, by their names in Python."""
    names: dict[str, str] = {}
    for action in _actions(parser):
        longest = max(action.option_strings, key=len, default="")
        # an option that switches something off has `no` before the name
        on = not isinstance(action, argparse._StoreFalseAction)  # noqa: SLF001 (argparse's own)
        if on and longest.startswith("--") and action.dest != "help":
            names[action.dest] = longest
    return names


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 (argparse has no public list)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action


_BOTH = re.compile(r"\b[a-z]\w*=([^,;()]*), (--[a-z][-a-z]*)(?=([^()]*))")
"""An option in both languages, as `replace_changed=True, --replace-changed`."""

_VALUE = r"""('[^']*'|"[^"]*"|\([^()]*\)|\[[^][]*\]|[^\s,;()]+)"""


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
    text = _BOTH.sub(_of_both, text)
    if not wrong_use:
        return text
    text = re.sub(r"\bneeds a bbox\b", "needs --bbox", text)
    text = re.sub(r", not \[([^][]*)\]", r", not \1", text)  # a list is numbers with commas here
    name = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    text = re.sub(rf"\b({name})={_VALUE}", lambda match: _assigned(match, names), text)
    # at the start, or after the words by which errors lead to another option
    lead = r"(?<![-\w])(^|[;:] |\bneeds? |\b(?:and|or|use|of|with|without|is no|give) )"
    after = r"(?=$|[ ;:,.)])"
    text = re.sub(rf"{lead}({name}){after}", lambda m: m[1] + names[m[2]], text)
    text = re.sub(r"--layout ('[^']*')", lambda m: f"--layout {_without_spaces(m[1])}", text)
    text = text.replace(" must be one of None, ", " must be one of ")
    text = text.replace(" must be None, ", " must be ").replace(" must be None or ", " must be ")
    return text.replace(" must be None", " must be left out")


def _of_both(match: re.Match[str]) -> str:
    """Return the option of a command line, with the text that only Python's has."""
    value, option, rest = match.groups()
    texts = value[:1] in ("'", '"') and not rest
    return f"{option} {_without_spaces(value)}" if texts else option


def _without_spaces(value: str) -> str:
    """Return a text of Python as the value of an option: `--layout` has no spaces in them."""
    return value.strip("'\"").replace(" ", "-")


_NO = "no-"


def _assigned(match: re.Match[str], names: dict[str, str]) -> str:
    option, value = names[match[1]], match[2]
    if value == "True":
        return option
    if value == "False":
        return f"--{_NO}{option.removeprefix('--')}"
    return f"{option} {value.strip('()[]').replace(', ', ',')}"
