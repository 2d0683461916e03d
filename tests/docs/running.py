"""Run the blocks of a page as its reader would, one after another."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from inspect import iscoroutine
from pathlib import Path
from typing import Any

from docs.fenced import ROOT, Block
from virtual_tiff.cli.main import main

SHELL = {"bash", "console", "sh", "shell"}
DATA: dict[str, Callable[[str], Any]] = {"json": json.loads, "toml": tomllib.loads}
"""Languages of files: their text must be sound."""
SHOWN = {"text", "js"}
"""Languages of pages made by scripts that are not run here."""

_UV = re.compile(r"^uv run (--extra \w+ )*")
_REAL_SHELL = re.compile(r"[|<>;&`$]|^(?!virtual-tiff )")
_QUOTED = re.compile(r"'[^']*'")


def prepare(folder: Path) -> None:
    """Make what a clone has and pages refer to: `testdata/`."""
    for part in ("series", "special"):
        shutil.copytree(ROOT / "testdata" / part, folder / "testdata" / part)


@dataclass(slots=True)
class Page:
    """What has happened on a page so far."""

    source: str
    """Its name, for tracebacks."""
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    printed: str | None = None
    """What the last block printed; None before one was run."""
    made: bool = False
    """Whether a script makes the page, and a test of its own holds what it shows."""

    def run(self, block: Block) -> None:
        """Run a block, or compare it with what was printed."""
        if "file" in block.remarks:  # a later command runs it
            Path(block.remarks["file"]).write_text(block.text, encoding="utf-8")
        elif block.not_run is not None or (self.made and block.language in SHOWN):
            self.printed = None
        elif block.language == "python":
            self.printed = self._python(block)
        elif block.language in SHELL:
            self.printed = self._shell(block)
        elif block.language == "text":
            assert self.printed is not None, "text that no block before it prints"
            compare(self.printed, block.text)
        else:
            assert block.language in DATA, f"{block.language!r} is not run, and not marked so"
            DATA[block.language](block.text)

    def _python(self, block: Block) -> str:
        text = "\n" * (block.line - 1) + block.text
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(text, self.source, "exec", flags=flags, dont_inherit=True)
        with redirect_stdout(io.StringIO()) as printed:
            waiting = eval(code, self.names)
            if iscoroutine(waiting):
                asyncio.run(waiting)
        return printed.getvalue()

    def _shell(self, block: Block) -> str:
        if block.language != "console":
            printed = [run(command, block) for command in commands(block.text)]
            return "".join(printed)
        for command, expected in transcript(block.text):
            compare(run(command, block), expected)
        return ""


def commands(text: str) -> Iterator[str]:
    """The commands of a shell block, without comments, lines that go on joined."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        command = re.sub(r"(^|\s)#.*", "", line).strip()
        if command:
            yield command


def transcript(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what is shown below it."""
    for part in re.split(r"(?m)^\$ ", text)[1:]:
        command, _, expected = re.sub(r"\\\n\s*>?\s*", "", part).partition("\n")
        yield command, expected


def run(command: str, block: Block) -> str:
    """Run one command; what it printed. Its exit status is 0, or that of the comment `exit`."""
    command = _UV.sub("", command)
    status, printed = (_by_shell if needs_shell(command) else _here)(command)
    expected = int(block.remarks.get("exit", 0))
    assert status == expected, f"exit status {status} of {command}\n{printed}"
    return printed


def needs_shell(command: str) -> bool:
    """Whether there is more to a command than `virtual-tiff` with its arguments."""
    return _REAL_SHELL.search(_QUOTED.sub("", command)) is not None


def _here(command: str) -> tuple[int, str]:
    """Run `virtual-tiff` in this process, with its arguments as bash expands them."""
    arguments = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
    ).stdout.split("\0")[1:-1]
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(printed):
        status = main(arguments)
    return status, printed.getvalue()


def _by_shell(command: str) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PATH": path},
        timeout=600,
        check=False,
    )
    return result.returncode, result.stdout


def compare(printed: str, expected: str) -> None:
    """What a page shows is what was printed; `…` stands for whatever is there."""
    pattern = ".*?".join(map(re.escape, _words(expected).split("…")))
    assert re.fullmatch(pattern, _words(printed), re.DOTALL), (
        f"the page shows\n{expected}\nbut this was printed:\n{printed}"
    )


def _words(text: str) -> str:
    """The text with runs of blanks as one: columns and lines are as wide as the terminal."""
    return " ".join(text.split())
