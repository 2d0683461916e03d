"""Every name of the package that documents, docstrings and messages use is there to be imported."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

import virtual_tiff
from docs.fenced import PAGES, ROOT
from virtual_tiff.cli.main import make_parser

PACKAGE = ROOT / "virtual_tiff"
DOCUMENTS = [*PAGES, *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"))]
SOURCES = sorted(PACKAGE.rglob("*.py"))

PUBLIC = [
    "virtual_tiff",
    "virtual_tiff.codec_table",
    "virtual_tiff.publishing",
    "virtual_tiff.tiff",
    "virtual_tiff.publishing.verification",
]
"""Where a user imports from; `docs/reference/` lists it."""

GONE = {
    "virtual_tiff.codecs.ChunkyCodec", "virtual_tiff.constants", "virtual_tiff.imagecodecs",
    "virtual_tiff.utils", "virtual_tiff.vendor",
}  # fmt: skip
"""Names of 0.5.0 that `docs/migration.md` and the changelog say are gone."""

WORDS = {
    "chunk_grid", "codecs", "data_type", "flat", "main", "missing_value", "nested", "nodata",
    "plain", "pyramid", "refuse", "stack", "version",
}  # fmt: skip
"""Backticked words of documents that name a value, a key or a branch, and a function by chance."""

OTHER_OPTIONS = {
    "uv, pip": {"--extra", "--from", "--upgrade", "--with"},
    "scripts/, benchmarks/, fuzz/": {
        "--archives", "--async-tiff-python", "--count", "--cube", "--force", "--number",
        "--package", "--peer-python", "--room", "--s3", "--scale", "--seconds", "--seed",
        "--source",
    },
}  # fmt: skip
"""Options in documents that are not of `virtual-tiff`, by what has them."""


def strings_of(path: Path) -> Iterator[str]:
    """Docstrings, those of fields, and messages."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def text_of(path: Path) -> str:
    if path.suffix == ".py":
        return "\n".join(strings_of(path))
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def exists(dotted: str) -> bool:
    """Whether a module, or an attribute of one, has this name; a field of a dataclass too."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value: Any = import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for name in parts[length:]:
            if not hasattr(value, name):
                return name in getattr(value, "__dataclass_fields__", {})
            value = getattr(value, name)
        return True
    return False


CODECS = {point.name for point in entry_points(group="zarr.codecs")}
GROUPS = {"virtual_tiff.compressions"}
"""Of entry points that other packages may have."""


@pytest.mark.parametrize("path", [*DOCUMENTS, *SOURCES], ids=name_of)
def test_every_dotted_name_exists(path: Path) -> None:
    named = set(re.findall(r"\bvirtual_tiff(?:\.[A-Za-z]\w*)+(?![\w:])", text_of(path)))
    gone = GONE if path.name in {"migration.md", "CHANGELOG.md"} else set()
    assert [name for name in sorted(named - CODECS - GROUPS - gone) if not exists(name)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_imported_name_exists(path: Path) -> None:
    lines = re.findall(r"^ *from (virtual_tiff[\w.]*) import (.+)$", text_of(path), re.MULTILINE)
    named = [f"{module}.{name}" for module, names in lines for name in re.findall(r"\w+", names)]
    assert [name for name in named if not exists(name)] == []


def public_names() -> set[str]:
    return {name for module in PUBLIC for name in import_module(module).__all__}


def all_names() -> set[str]:
    """What any module of the package has in its `__all__`."""
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                found |= set(ast.literal_eval(node.value))
    return found


OF_THE_HOUSE = {"docs/architecture.md", "CONTRIBUTING.md"}
"""Documents for those who change the package, not for those who use it."""


@pytest.mark.long
@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if name_of(path) not in OF_THE_HOUSE], ids=name_of
)
def test_a_name_that_users_are_told_of_is_public(path: Path) -> None:
    named = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", text_of(path)))
    hidden = all_names() - public_names() - WORDS - {"ChunkyCodec", "HorizontalDeltaCodec"}
    assert sorted(named & hidden) == []


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in parser._actions:
        found.update(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found |= options_of(command)
    return found


@pytest.mark.parametrize("path", [*DOCUMENTS, *SOURCES], ids=name_of)
def test_every_option_exists(path: Path) -> None:
    text = re.sub(r"(?s)<!--.*?-->", "", text_of(path))
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))
    known = options_of(make_parser())
    others = set().union(*OTHER_OPTIONS.values()) if path.suffix == ".md" else set()
    assert sorted(named - known - others) == []


AMBIGUOUS = {"open"}
"""Names that other packages' functions have, too."""
CALLED = {
    name: getattr(virtual_tiff, name)
    for name in set(virtual_tiff.__all__) - AMBIGUOUS
    if name[0] != "_"
}


def keywords_of(name: str) -> set[str]:
    """The parameters of a public function or class; `**options` are those of the parser."""
    parameters = inspect.signature(CALLED[name]).parameters
    passed_on = [p for p in parameters.values() if p.kind is p.VAR_KEYWORD]
    return set(parameters) | (keywords_of("VirtualTIFF") if passed_on else set())


@pytest.mark.parametrize("path", [*DOCUMENTS, *SOURCES], ids=name_of)
def test_every_keyword_of_a_call_exists(path: Path) -> None:
    calls = re.findall(rf"\b({'|'.join(CALLED)})\(([^()]*)", text_of(path))
    named = {(name, key) for name, given in calls for key in re.findall(r"(\w+)=(?!=)", given)}
    unknown = [
        f"{name}({key}=)"
        for name, key in sorted(named)
        if key not in keywords_of(name) | {"name"}  # `Limits(name=value)`
    ]
    assert unknown == []


REFERENCE = {
    "virtual_tiff": "python.md",
    "virtual_tiff.publishing": "python.md",
    "virtual_tiff.tiff": "core.md",
}
"""Where the names of each module are listed."""


@pytest.mark.parametrize("module", REFERENCE)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    text = (ROOT / "docs" / "reference" / REFERENCE[module]).read_text(encoding="utf-8")
    names = [name for name in import_module(module).__all__ if name[0] != "_"]
    listed = set(re.findall(r"^::: virtual_tiff(?:\.\w+)*\.(\w+)$", text, re.MULTILINE))
    if module == "virtual_tiff.tiff":  # errors and names of other rooms are named only
        listed |= set(re.findall(r"`(\w+)`", text))
    assert [name for name in names if name not in listed] == []


def functions() -> Iterator[tuple[str, Any]]:
    """The functions of the reference, and the public methods of its classes that are coroutines."""
    for module in ("virtual_tiff", "virtual_tiff.publishing"):
        made = import_module(module)
        for name in made.__all__:
            if inspect.isfunction(value := getattr(made, name)):
                yield name, value
    for name, value in vars(virtual_tiff.VirtualTIFF).items():
        if inspect.isfunction(value) and (name == "__call__" or name[0] != "_"):
            yield f"VirtualTIFF.{name}", value


@pytest.mark.parametrize(("name", "function"), list(functions()))
def test_a_function_of_the_reference_says_what_it_takes_and_returns(
    name: str, function: Any
) -> None:
    documented = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    if set(signature.parameters) - {"self"}:
        assert "Parameters\n---" in documented, name
    if signature.return_annotation not in ("None", None):
        assert "Returns\n---" in documented or "Yields\n---" in documented, name


@pytest.mark.parametrize("module", PUBLIC)
def test_every_exported_name_is_there(module: str) -> None:
    made = import_module(module)
    assert [name for name in made.__all__ if not hasattr(made, name)] == []
