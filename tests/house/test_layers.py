"""The layers of the package: who may import what, and that nobody imports in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "virtual_tiff"
CORE = "virtual_tiff.tiff"

UPPER = {"manifest", "store", "parser", "publishing", "interoperability", "cli"}
"""The modules (and packages) that may know VirtualiZarr."""

WINGS = {"publishing", "info", "interoperability", "cli"}
"""The packages that use the pipeline, and that nothing in the pipeline uses."""

MOST_NAMES = 14
"""Modules and packages at the top of `virtual_tiff`, `__init__` and `__main__` not counted."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
CORE_MODULES = [name for name in MODULES if f"{name}.".startswith(f"{CORE}.")]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def statements(node: ast.AST, *, for_types: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import below a node, those within functions too; for types alone only if asked."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif for_types or not is_type_checking(child):
            yield from statements(child, for_types=for_types)


def imports(module: str, *, for_types: bool = True) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of a module."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    return statements(tree, for_types=for_types)


def absolute(module: str, node: ast.ImportFrom) -> str:
    """The module that a `from … import` names, dots resolved."""
    if not node.level:
        return node.module or ""
    is_package = MODULES[module].name == "__init__.py"
    base = module.split(".")[: None if is_package and node.level == 1 else is_package - node.level]
    return ".".join([*base, *filter(None, [node.module])])


def imported(module: str, *, for_types: bool = True) -> set[str]:
    """The modules that a module imports, by their full names; of ours each submodule."""
    found: set[str] = set()
    for node in imports(module, for_types=for_types):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            continue
        origin = absolute(module, node)
        submodules = {f"{origin}.{alias.name}" for alias in node.names} & MODULES.keys()
        others = [alias for alias in node.names if f"{origin}.{alias.name}" not in MODULES]
        found |= submodules | ({origin} if others else set())
    return found


def users_of(package: str) -> set[str]:
    """The modules of ours that import a package or one of its modules."""
    return {
        module
        for module in MODULES
        if any(f"{name}.".startswith(f"{package}.") for name in imported(module))
    }


def room(module: str) -> str:
    """The module or package at the top of the package; "" is the package itself."""
    return (module + ".").split(".")[1]


def upstairs(modules: Iterable[str]) -> set[str]:
    """Those that lie in the upper floor, in one of its packages or as a module."""
    return {module for module in modules if room(module) in UPPER}


def test_the_walk_sees_what_the_modules_import() -> None:
    assert f"{CORE}.errors" in imported(f"{CORE}.blocks")
    assert "virtualizarr.manifests" in imported("virtual_tiff.manifest")
    assert "zarr.abc.codec" in imported("virtual_tiff.codecs.samples.pad")
    assert "virtual_tiff.parser" in imported("virtual_tiff")
    assert "virtual_tiff.parser" not in imported("virtual_tiff", for_types=False)


# The core


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_imports_the_standard_library_and_itself(module: str) -> None:
    outside = {name for name in imported(module) if name not in CORE_MODULES}
    assert {name.partition(".")[0] for name in outside} <= sys.stdlib_module_names


def spelled(module: str) -> list[str]:
    """What a module imports as it is written, dots and all."""
    return [
        name
        for node in imports(module)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else ["." * node.level + (node.module or "")]
        )
    ]


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_imports_itself_by_one_dot(module: str) -> None:
    assert [name for name in spelled(module) if name.startswith(("..", "virtual_tiff"))] == []


def test_the_core_is_not_async_but_where_it_reads() -> None:
    asynchronous = {
        module
        for module in CORE_MODULES
        if any(
            isinstance(node, ast.AsyncFunctionDef | ast.Await)
            for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        )
    }
    assert asynchronous == {
        f"{CORE}.{name}" for name in ("source", "file_source", "reader", "bounded")
    }


@pytest.mark.long
def test_the_others_use_the_core_by_its_face_alone() -> None:
    others = [module for module in MODULES if module not in CORE_MODULES]
    behind = {
        f"{module} imports {name}"
        for module in others
        for name in imported(module)
        if name.startswith(f"{CORE}.")
    }
    assert behind == set()


# The floors above


@pytest.mark.long
def test_virtualizarr_is_known_upstairs_alone() -> None:
    users = users_of("virtualizarr")
    assert users == upstairs(users)


@pytest.mark.long
def test_zarr_is_known_to_codecs_and_upstairs_alone() -> None:
    below = {module for module in users_of("zarr") if not module.startswith("virtual_tiff.codecs")}
    assert below == upstairs(below)


@pytest.mark.long
def test_the_pipeline_imports_no_wing() -> None:
    pipeline = {module for module in MODULES if room(module) not in {*WINGS, "", "__main__"}}
    wings = {m: {name for name in imported(m) if room(name) in WINGS} for m in pipeline}
    assert {module: names for module, names in wings.items() if names} == {}


@pytest.mark.long
def test_no_wing_imports_another_but_the_commands() -> None:
    others = {m: {room(name) for name in imported(m)} & WINGS - {room(m)} for m in MODULES}
    assert {room(module) for module, wings in others.items() if wings} == {"", "__main__", "cli"}


def test_the_top_of_the_package_is_short() -> None:
    names = {room(module) for module in MODULES} - {"", "__main__"}
    assert names >= WINGS
    assert len(names) <= MOST_NAMES


@pytest.mark.long
def test_no_modules_import_in_a_circle() -> None:
    graph = {module: imported(module, for_types=False) & MODULES.keys() for module in MODULES}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
    assert set(order) == set(MODULES)


# What an import costs

HEAVY = ["numpy", "zarr", "virtualizarr", "xarray", "obstore", "obspec_utils", "imagecodecs"]


@pytest.mark.parametrize("module", ["virtual_tiff", CORE])
def test_importing_loads_nothing_heavy(module: str) -> None:
    script = f"import {module}, sys; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600
    )
    assert result.stdout.strip() == "[]"
