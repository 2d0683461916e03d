"""Print all texts of the package that users read: errors, warnings, progress, help.

usage: python scripts/print_messages.py [KIND ...]

The texts are taken from the code, not from a run: `{…}` stands for a value that a message is
given. Each line has the place, the kind and the text. The kinds are

error     what is raised, and texts with the name `msg`, `message`, `reason` or `remedy`
warning   what is given to a function whose name has "warn" in it
output    what commands print or yield, and the captions of progress bars
help      helps and descriptions of the command line
text      every other text of four words or more: parts of messages that are put together

Read the table from top to bottom before a release.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "virtual_tiff"

_MESSAGE_NAMES = {"msg", "message", "reason", "remedy"}
_HELP_NAMES = {"help", "description", "epilog"}
_WORDS_OF_A_TEXT = 4


class Message(NamedTuple):
    """A text and where it stands."""

    path: str
    line: int
    kind: str
    text: str


def template(node: ast.AST) -> str | None:
    """Return the text of a literal or an f-string; None of any other expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (
            template(part) if isinstance(part, ast.Constant) else "{…}" for part in node.values
        )
        return "".join(filter(None, parts))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = template(node.left), template(node.right)
        if left is None and right is None:
            return None
        return ("{…}" if left is None else left) + ("{…}" if right is None else right)
    return None


def _name(node: ast.AST) -> str:
    """Return the last word of a name: `warn` of `warnings.warn`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _kind_of_call(call: ast.Call) -> str | None:
    name = _name(call.func)
    if "warn" in name.lower() and name != "catch_warnings":
        return "warning"
    if name.endswith(("Error", "WrongUse")):
        return "error"
    return "output" if name in {"print", "add_task", "_say"} else None


class _Messages(ast.NodeVisitor):
    """Walks a module and keeps the kind that the statement around a text has."""

    def __init__(self, path: Path) -> None:
        self.messages: list[Message] = []
        self._path = path.relative_to(ROOT).as_posix()
        self._kind = "text"
        self._docstrings: set[ast.AST] = set()

    def visit(self, node: ast.AST) -> None:
        text = template(node)
        if text is None:
            super().visit(node)
        elif node not in self._docstrings:
            self._add(node, text)

    def _add(self, node: ast.AST, text: str) -> None:
        words = len(text.split())
        if words >= (_WORDS_OF_A_TEXT if self._kind == "text" else 2):
            line = getattr(node, "lineno", 0)
            self.messages.append(Message(self._path, line, self._kind, " ".join(text.split())))
        for part in ast.walk(node):  # texts within the braces of an f-string
            if isinstance(part, ast.FormattedValue):
                self._below(part.value, self._kind)

    def _below(self, node: ast.AST, kind: str) -> None:
        outer, self._kind = self._kind, kind
        self.visit(node)
        self._kind = outer

    def generic_visit(self, node: ast.AST) -> None:
        children = list(ast.iter_child_nodes(node))
        for child in children:  # a text that is a statement of its own is a docstring
            if isinstance(child, ast.Expr) and template(child.value) is not None:
                self._docstrings.add(child.value)
        for child in children:
            self.visit(child)

    def visit_Raise(self, node: ast.Raise) -> None:
        for child in ast.iter_child_nodes(node):
            self._below(child, "error")

    def visit_Call(self, node: ast.Call) -> None:
        kind = _kind_of_call(node) or self._kind
        for argument in node.args:
            self._below(argument, kind)
        for keyword in node.keywords:
            self._named(keyword.arg or "", keyword.value, kind)
        self.visit(node.func)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._named(_name(node.targets[0]), node.value, self._kind)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            self._named(template(key) or "" if key else "", value, self._kind)

    def visit_Yield(self, node: ast.Yield) -> None:
        in_commands = self._path.startswith("virtual_tiff/cli/")
        if node.value is not None:
            self._below(node.value, "output" if in_commands else self._kind)

    def _named(self, name: str, value: ast.AST, kind: str) -> None:
        if name in _MESSAGE_NAMES:
            kind = "error"
        elif name in _HELP_NAMES:
            kind = "help"
        self._below(value, kind)


def messages(package: Path = PACKAGE) -> Iterator[Message]:
    """Yield the messages of all modules, in the order of paths and lines."""
    for path in sorted(package.rglob("*.py")):
        visitor = _Messages(path)
        visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
        yield from sorted(visitor.messages)


def main(kinds: list[str]) -> int:
    """Print the table."""
    for message in messages():
        if not kinds or message.kind in kinds:
            text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message.text)
            print(f"{message.path}:{message.line}  {message.kind}  {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
