"""The fenced blocks of a Markdown page, and the comments that say how each is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w.+-]*)")
_COMMENT = re.compile(r"^\s*<!--\s*(?P<key>[a-z ]+):\s*(?P<value>.*?)\s*-->\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    line: int
    """Of its first line of text, from 1."""
    language: str
    text: str
    remarks: dict[str, str] = field(default_factory=dict)
    """From the comments just above: `not run`, `exit`, `file`, `command`."""

    @property
    def not_run(self) -> str | None:
        """Why it is not run, if it is not."""
        return self.remarks.get("not run")


def name_of(page: Path) -> str:
    """A page by its path within the repository."""
    return page.relative_to(ROOT).as_posix()


def maker_of(page: Path) -> Path | None:
    """The script that makes a page, if it says so."""
    text = page.read_text(encoding="utf-8")
    made = re.match(r"<!-- Made by python (scripts/\w+\.py)", text)
    return ROOT / made[1] if made else None


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in order; those within tabs and admonitions too."""
    return list(_blocks(page.read_text(encoding="utf-8").splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    remarks: dict[str, str] = {}
    numbered = iter(enumerate(lines, start=1))
    for _, line in numbered:
        if comment := _COMMENT.match(line):
            remarks[comment["key"]] = comment["value"]
        elif fence := _FENCE.match(line):
            inside = list(_until(fence["fence"], numbered))
            yield Block(
                line=inside[0][0] if inside else 0,
                language=fence["language"],
                text=dedent("\n".join(text for _, text in inside)) + "\n",
                remarks=remarks,
            )
            remarks = {}
        elif line.strip():
            remarks = {}


def _until(fence: str, numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, line in numbered:
        if line.strip() == fence:
            return
        yield number, line
