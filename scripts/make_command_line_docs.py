"""Make docs/command-line.md from the parsers, the records of `info` and the rules of advice.

usage: python scripts/make_command_line_docs.py [--check]

`--check` exits with 1 if the document is not what would be made.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from _documents import write_or_check
from _parsers import Argument, Command, commands_of

from virtual_tiff.cli.main import EXIT_CODES, make_parser
from virtual_tiff.codec_table.readers import IMPLEMENTATIONS
from virtual_tiff.info import SCHEMA_VERSION, advice, model
from virtual_tiff.publishing import verification
from virtual_tiff.tiff import source

DOCUMENT = Path(__file__).parent.parent / "docs" / "command-line.md"

INFO = (
    (model, "FileInfo", "a file"),
    (model, "DirectoryInfo", "an item of `directories`"),
    (model, "BlockInfo", "`blocks` of a directory"),
    (model, "Code", "`compression`, `predictor`, `photometric` and `planar` of a directory"),
    (model, "Advice", "an item of `advice`"),
)
"""The records of `info --json`: module, class, and what it is called."""

VERIFY = {
    "ok": ("bool", "Whether no source has changed, is missing, or is unreachable."),
    "snapshot": ("str", "The commit whose sources were checked."),
    "has_ledger": (
        "bool",
        "Whether the repository records the state of its sources; otherwise no change is found.",
    ),
    "counts": (
        "object",
        "Sources by status: `unchanged`, `changed`, `missing`, `unreachable`, `unknown`.",
    ),
    "differing": ("list[Source]", "The sources that are not `unchanged`."),
}
"""The keys of `verify --json`, whose first record is no plain dataclass."""

VERIFY_RECORDS = (
    (verification, "Source", "an item of `differing`"),
    (source, "SourceState", "`before` and `now` of a source"),
)

_SENTENCES = {
    "url": "Url of the source.",
    "status": "The result of the check; see `counts`.",
    "last_modified": "Time of the last modification, ISO 8601; null where the store has none.",
    "version": "Version as the store gave it; null where it has none.",
}
"""Fields of `VERIFY_RECORDS` without a sentence of their own."""

_TYPES = {
    "object": "object",
    "int": "integer",
    "str": "string",
    "bool": "boolean",
    "None": "null",
    "tuple[int, ...]": "list of integers",
    "tuple[str, ...]": "list of strings",
    "tuple[DirectoryInfo, ...]": "list of directories",
    "tuple[Advice, ...]": "list of advice",
    "list[Source]": "list of sources",
    "Kind": '`"image"`, `"overview"`, `"page"` or `"mask"`',
    "Literal['strip', 'tile']": '`"strip"` or `"tile"`',
    "tuple[float, float]": "list of numbers",
    "Status": "string",
    "datetime": "string",
    "Code": "object",
    "BlockInfo": "object",
    "SourceState": "object",
}
"""Types of Python in the words of JSON."""


def fields(module: ModuleType, name: str) -> dict[str, tuple[str, str]]:
    """Return the fields of a dataclass with their types and the sentences under them."""
    tree = ast.parse(inspect.getsource(module))
    (record,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    result = {}
    for node, below in zip(record.body, [*record.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign):
            sentence = ""
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                sentence = " ".join(str(below.value.value).split())
            key = ast.unparse(node.target)
            result[key] = (ast.unparse(node.annotation), sentence or _SENTENCES.get(key, ""))
    return result


def json_type(annotation: str) -> str:
    """Return a type in the words of JSON."""
    whole = _TYPES.get(annotation)
    return whole or " or ".join(_TYPES[part] for part in annotation.split(" | "))


def keys(rows: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Yield the table of a record's keys."""
    yield "| key | type | meaning |"
    yield "|---|---|---|"
    for key, (annotation, meaning) in rows.items():
        yield f"| `{key}` | {json_type(annotation)} | {_cell(meaning)} |"
    yield ""


def _cell(text: str) -> str:
    """Return a text that Markdown shows as it is; a pattern has all that it would take."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def record(module: ModuleType, name: str, title: str) -> Iterator[str]:
    """Yield a record's title and its table."""
    yield f"**{title[0].upper()}{title[1:]}**"
    yield ""
    yield from keys(fields(module, name))


def section(command: Command) -> Iterator[str]:
    """Yield the section of a command."""
    yield f"## {command.name}"
    yield ""
    yield command.description
    yield ""
    yield f"```text\n{command.usage}\n```"
    yield ""
    yield from arguments(command.arguments)


def arguments(rows: tuple[Argument, ...]) -> Iterator[str]:
    """Yield the table of arguments and options."""
    yield "| argument | meaning | default |"
    yield "|---|---|---|"
    for row in rows:
        names = " or ".join(f"`{flag}`" for flag in row.flags)
        value = f" `{row.value}`" if row.value is not None else ""
        choices = f": one of {', '.join(f'`{c}`' for c in row.choices)}" if row.choices else ""
        default = "required" if row.required else f"`{row.default}`" if row.default else ""
        yield f"| {(names + value).strip()} | {_cell(row.help)}{choices} | {default} |"
    yield ""


def document() -> str:
    """Return the whole document."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    program, *commands = commands_of(make_parser())
    yield _HEAD
    yield from arguments(program.arguments)
    yield "## Exit status"
    yield ""
    yield "| status | meaning |"
    yield "|---|---|"
    for code, meaning in EXIT_CODES.items():
        yield f"| {int(code)} | {meaning} |"
    yield ""
    for command in commands:
        yield from section(command)
        yield from _AFTER.get(command.name, lambda: iter(()))()


def _after_info() -> Iterator[str]:
    yield _INFO
    yield "### Advice"
    yield ""
    yield _ADVICE
    yield "| code | meaning |"
    yield "|---|---|"
    for code, meaning in advice.MEANINGS.items():
        yield f"| `{code}` | {meaning} |"
    yield ""
    yield "### JSON of info"
    yield ""
    yield _JSON.format(version=SCHEMA_VERSION)
    for module, name, title in INFO:
        yield from record(module, name, title)
    yield "`readable_by` holds names of these, in this order:"
    yield ", ".join(f"`{known.name}`" for known in IMPLEMENTATIONS) + "."
    yield ""


def _after_verify() -> Iterator[str]:
    yield "### JSON of verify"
    yield ""
    yield from keys(VERIFY)
    for module, name, title in VERIFY_RECORDS:
        yield from record(module, name, title)


_AFTER = {
    "info": _after_info,
    "verify": _after_verify,
}

_HEAD = """<!-- Made by python scripts/make_command_line_docs.py from the parsers; do not edit. -->

# The command line

`virtual-tiff COMMAND`, or `python -m virtual_tiff COMMAND`. An error is a message on stderr;
`--debug`, before or after the command, shows the traceback too.
"""

_INFO = """The table has colours on a terminal and none in a pipe, or where `NO_COLOR` is set. Sizes
are in decimal units; `--json` has the exact numbers. Below the table follow the codecs of arrays
with the Zarr implementations that have them, errors, and advice.

`--map` draws the file: the whole of it in rows, below that the first 32 KiB and, if the first
directory lies after them, the 64 KiB where it begins. A part that is smaller than a cell fills one.
Where a block is wide enough to be seen, every other one is lighter. Bytes that nothing points to
are grey: room that was given up, the ghost area of a COG, the bytes around its tiles.
"""

_ADVICE = """Advice is about reading from object storage. It changes no exit status. A COG as GDAL
writes it by default has none. The remedy is a command that writes the file anew.
"""

_JSON = """`info --json` prints a list with an object for each file. `schema_version` is {version};
it increases when a key is removed or changes its meaning, and new keys do not change it. Every key
is always present; its value is null where it is not known.
"""


def main() -> int:
    """Write the document, or check it."""
    return write_or_check(DOCUMENT, document, __doc__)


if __name__ == "__main__":
    sys.exit(main())
