"""Change the package at random places, one at a time, and see whether a test notices.

    python scripts/mutants.py --count 300 --seed 1

A first run records which tests reach which lines (coverage contexts), and how long each test
takes; it is kept in `.coverage-contexts` until `--record` asks for it anew. Then each mutant,
in a copy of the tree, is run against the tests that reach its line, the fast ones first.
Prints a table by room of the package and the diff of each survivor. What survives is either
equivalent, or harmless, or a test is missing; `CONTRIBUTING.md` says when to run it.

Needs pytest-cov: `uv run --extra test --with pytest-cov python scripts/mutants.py`.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from coverage.numbits import numbits_to_nums

ROOT = Path(__file__).parents[1]
PACKAGE = "virtual_tiff"
RECORD = ROOT / ".coverage-contexts"
DURATIONS = ROOT / ".coverage-durations"
STAGES = ((60, 20.0), (2000, 90.0))
"""Tests, and seconds that they take together, of the first attempt and of the second."""
_USAGE = 4
"""pytest's status where it cannot run what it is asked to."""
OWN = 40
"""Tests of a module's own test file that are tried before all others."""
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", "site", "node_modules", "cube"
)

# ------------------------------------------------------------------------------- mutants

_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.Div: "*", ast.Mod: "+",
    ast.BitAnd: "|", ast.BitOr: "&", ast.BitXor: "|", ast.LShift: ">>", ast.RShift: "<<",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A piece of a file, and what stands in its place."""

    path: str
    """Relative to the root."""
    line: int
    start: int
    end: int
    """Offsets in the file's characters."""
    text: str

    def applied(self, source: str) -> str:
        """Return the mutated source."""
        return source[: self.start] + self.text + source[self.end :]


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = source.splitlines()

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    for node, text in _changes(tree, source):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        yield Mutant(
            path=path,
            line=node.lineno,
            start=offset(node.lineno, node.col_offset),
            end=offset(node.end_lineno, node.end_col_offset),
            text=text,
        )


def _changes(tree: ast.Module, source: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield expressions and statements, and what may stand in their place."""

    def text(node: ast.AST) -> str:
        return ast.get_source_segment(source, node) or ""

    for node in _code(tree):
        match node:
            case ast.Compare(ops=[op], left=left, comparators=[right]):
                yield node, f"{text(left)} {_COMPARE[type(op)]} {text(right)}"
            case ast.BoolOp(op=op, values=values):
                word = " or " if isinstance(op, ast.And) else " and "
                yield node, "(" + word.join(f"({text(value)})" for value in values) + ")"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield node, f"({text(operand)})"
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                if not isinstance(left, (ast.JoinedStr, ast.Constant)) or not isinstance(
                    getattr(left, "value", 0), str
                ):
                    yield node, f"({text(left)}) {_BINARY[type(op)]} ({text(right)})"
            case ast.Constant(value=bool() as value):
                yield node, str(not value)
            case ast.Constant(value=int() | float() as value):
                yield node, str(value + 1)
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield test, f"not ({text(test)})"
            case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
                yield value, "None"
            case ast.Expr(value=ast.Call() | ast.Await()):
                yield node, "pass"
            case ast.AugAssign() | ast.Raise():
                yield node, "pass"
            case ast.Break() | ast.Continue():
                yield node, "pass"


def _code(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what runs: no annotation, decorator, message, or list of names."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        skipped: set[int] = set()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skipped |= {id(d) for d in node.decorator_list} | {id(node.returns), id(node.args)}
        elif isinstance(node, ast.ClassDef):
            skipped |= {id(d) for d in node.decorator_list}
        elif isinstance(node, ast.AnnAssign):
            skipped |= {id(node.annotation)}
        elif isinstance(node, ast.JoinedStr | ast.TypeAlias) or _names_only(node):
            continue
        pending += [child for child in ast.iter_child_nodes(node) if id(child) not in skipped]


def _names_only(node: ast.AST) -> bool:
    """Whether a statement is `__all__`, `if TYPE_CHECKING`, or makes a message or a warning."""
    match node:
        case ast.Assign(targets=[ast.Name(id="__all__" | "msg")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


# ----------------------------------------------------------------------- which tests run


def record(processes: int, tests: Sequence[str]) -> None:
    """Run all tests once; note which reach which lines, and how long each takes."""
    for path in ROOT.glob(".coverage-*"):
        path.unlink()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "long or not long", "-n", str(processes),
         "-p", "mutants_durations",
         f"--cov={PACKAGE}", "--cov-context=test", "--cov-report=", "--cov-branch", *tests],
        cwd=ROOT,
        env=_environment()
        | {
            "COVERAGE_FILE": str(RECORD),
            "MUTANTS_DURATIONS": str(DURATIONS),
            "PYTHONPATH": str(ROOT / "scripts"),
        },
        check=False,
    )  # fmt: skip


class Readers:
    """Which lines of the package read what a statement of a module defines."""

    def __init__(self) -> None:
        self._sources = {
            str(path.relative_to(ROOT)): path.read_text()
            for path in sorted((ROOT / PACKAGE).rglob("*.py"))
        }

    def lines_of(self, mutant: Mutant) -> Iterator[tuple[str, list[int]]]:
        """Yield each module, and its lines with a name that a mutant's statement defines.

        A name that another statement of the same module is made of brings that one's names.
        """
        statements = ast.parse(self._sources[mutant.path]).body
        names: set[str] = set()
        pending = [s for s in statements if s.lineno <= mutant.line <= (s.end_lineno or 0)]
        while pending:
            new = _defined(pending.pop()) - names
            names |= new
            pending += [
                s
                for s in statements
                if _defined(s) - names
                and not isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)
                and any(isinstance(n, ast.Name) and n.id in new for n in ast.walk(s))
            ]
        if names:
            word = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
            for path, source in self._sources.items():
                lines = [n for n, line in enumerate(source.splitlines(), 1) if word.search(line)]
                if lines:
                    yield path, lines


def _defined(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.Assign(targets=targets):
            return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
    return set()


class Reach:
    """Which tests reach a line."""

    def __init__(self) -> None:
        self._readers = Readers()
        self._durations: dict[str, float] = json.loads(DURATIONS.read_text())
        self._lines: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        database = sqlite3.connect(RECORD)
        self._names = {
            number: name.partition("|")[0]
            for number, name in database.execute("select id, context from context")
        }
        files = dict(database.execute("select id, path from file"))
        arcs = database.execute("select file_id, context_id, fromno, tono from arc")
        for file, context, start, end in arcs:
            for line in (start, end):
                if line > 0:
                    self._lines[files[file]][line].add(context)
        for file, context, bits in database.execute(
            "select file_id, context_id, numbits from line_bits"
        ):
            for line in numbits_to_nums(bits):
                self._lines[files[file]][line].add(context)

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach a mutant: the module's own, then one of each file in turn.

        Of each the fast ones come first. A line that runs at import alone, as a table's row, is
        reached by what reaches a line that reads the table, and by the tests of its room.
        """
        names, most = self._reaching(mutant.path, [mutant.line]), OWN
        if not names:
            most = len(self._durations)  # each row of a table has a test of its own
            for path, lines in self._readers.lines_of(mutant):
                names |= self._reaching(path, lines)
            names = names or self._reaching(mutant.path, self._lines[str(ROOT / mutant.path)])
            room = f"tests/{Path(mutant.path).relative_to(PACKAGE).parent}/"
            names |= {name for name in self._durations if name.startswith(room)}
        by_file: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names & set(self._durations), key=self._durations.__getitem__):
            by_file[name.partition("::")[0]].append(name)
        module = Path(mutant.path)
        own = re.compile(rf"/test_({module.stem}(_\w+)?|{module.parent.name})\.py$")
        first = [test for path in by_file if own.search(path) for test in by_file[path]]
        by_file = {path: tests for path, tests in by_file.items() if not own.search(path)}
        rounds = max(map(len, by_file.values()), default=0)
        turns = [tests[n] for n in range(rounds) for tests in by_file.values() if n < len(tests)]
        return first[:most] + turns + first[most:]

    def _reaching(self, path: str, lines: Iterable[int]) -> set[str]:
        known = self._lines.get(str(ROOT / path), {})
        return {self._names[context] for line in lines for context in known.get(line, ())} - {""}

    def affordable(self, tests: Sequence[str], most: int, seconds: float) -> list[str]:
        """Return the first tests that take no longer than that together."""
        chosen: list[str] = []
        total = 0.0
        for test in tests:
            if len(chosen) == most:
                break
            if total + self._durations[test] <= seconds or not chosen:
                chosen.append(test)
                total += self._durations[test]
        return chosen


# -------------------------------------------------------------------------------- judging


def notices(copy: Path, tests: Sequence[str], seconds: float) -> bool:
    """Whether one of the tests fails in a copy of the tree.

    A mutant of a table can rename tests that have the names of its rows: of these all rows run.
    """
    names = copy / ".mutant-tests"
    names.write_text("\n".join(tests))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"@{names}"],
            cwd=copy,
            env=_environment() | {"PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            timeout=30 + 4 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    renamed = set(
        re.findall(rf"^ERROR: not found: {re.escape(str(copy))}/(.+)", done.stderr, re.MULTILINE)
    )
    if done.returncode != _USAGE or not renamed:
        return done.returncode != 0
    if renamed & set(tests):
        print(f"\nno such tests: {', '.join(sorted(renamed))}", flush=True)
        return False  # the record is old: no test has failed
    whole = [test.partition("[")[0] for test in tests]
    kept = [test for test, name in zip(tests, whole, strict=True) if name not in renamed]
    return notices(copy, [*kept, *sorted(renamed)], seconds)


def _environment() -> dict[str, str]:
    """Return the environment, in which Python keeps compiled modules.

    A module that has been changed is compiled anew: its size or its time differs.
    """
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def outcome(mutant: Mutant, copy: Path, reach: Reach) -> str:
    """Return "noticed", "survived", or "not reached"."""
    path = copy / mutant.path
    source = path.read_text()
    mutated = mutant.applied(source)
    try:
        ast.parse(mutated)
    except SyntaxError:
        return "no code"
    tests = reach.tests(mutant)
    if not tests:
        return "not reached"
    tried: set[str] = set()
    path.write_text(mutated)
    try:
        for most, seconds in STAGES:
            some = [t for t in reach.affordable(tests, most, seconds) if t not in tried]
            tried |= set(some)
            if some and notices(copy, some, seconds):
                return "noticed"
    finally:
        path.write_text(source)
    return "survived"


def diff(mutant: Mutant) -> str:
    """Return the change as a unified diff."""
    source = (ROOT / mutant.path).read_text()
    lines = difflib.unified_diff(
        source.splitlines(),
        mutant.applied(source).splitlines(),
        mutant.path,
        f"{mutant.path}:{mutant.line}",
        lineterm="",
        n=2,
    )
    return "\n".join(lines)


def main() -> int:
    """Run as many mutants as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--record", action="store_true", help="note anew which tests reach what")
    parser.add_argument("--room", default="", help="only paths that begin so, as virtual_tiff/tiff")
    parser.add_argument("--tests", nargs="*", default=[], help="what is recorded; default: all")
    options = parser.parse_args()
    if options.record or not RECORD.exists():
        record(options.processes, options.tests)
    reach = Reach()
    every = [
        mutant
        for path in sorted((ROOT / PACKAGE).rglob("*.py"))
        for mutant in mutants_of(str(path.relative_to(ROOT)), path.read_text())
        if mutant.path.startswith(options.room)
    ]
    chosen = random.Random(options.seed).sample(every, min(options.count, len(every)))
    print(f"{len(every)} mutants, {len(chosen)} of them by seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.processes):
            copies.put(Path(shutil.copytree(ROOT, f"{folder}/{number}", ignore=NOT_COPIED)))

        def judged(mutant: Mutant) -> str:
            copy = copies.get()
            try:
                came = outcome(mutant, copy, reach)
            finally:
                copies.put(copy)
            if came != "noticed":
                print(f"\n{came}\n{diff(mutant)}", flush=True)
            so_far[came] += 1
            print(f"\r{so_far.total()} of {len(chosen)}, {so_far['noticed']} noticed", end="",
                  file=sys.stderr, flush=True)  # fmt: skip
            return came

        so_far: Counter[str] = Counter()
        with ThreadPoolExecutor(options.processes) as pool:
            outcomes = list(pool.map(judged, chosen))
    print(file=sys.stderr)
    print_table(chosen, outcomes)
    return 0


def print_table(mutants: Sequence[Mutant], outcomes: Sequence[str]) -> None:
    """Print how many of each room were noticed."""
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, came in zip(mutants, outcomes, strict=True):
        if came == "no code":
            continue
        parts = Path(mutant.path).parts
        rooms["/".join(parts[1:-1]) or "(top)"][came] += 1
    total: Counter[str] = sum(rooms.values(), Counter())
    print(f"\n{'room':34} mutants noticed share")
    for room, counts in [*sorted(rooms.items()), ("all", total)]:
        mutated = sum(counts.values())
        print(f"{room:34} {mutated:7} {counts['noticed']:7} {counts['noticed'] / mutated:5.0%}")


if __name__ == "__main__":
    sys.exit(main())
