"""docs/command-line.md is what the code makes, and what the JSON has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from virtual_tiff import publish
from virtual_tiff.cli.main import main

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "scripts" / "make_command_line_docs.py"
DOCUMENT = ROOT / "docs" / "command-line.md"
COG = ROOT / "testdata" / "special" / "cog_rgb_mask.tif"


@pytest.mark.long
def test_the_document_is_not_stale():
    subprocess.run([sys.executable, SCRIPT, "--check"], check=True)


def documented(title: str) -> dict[str, str]:
    """The keys of a table of the document, and their types."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(title)[2]
    table = text.partition("|---|---|---|\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE))


def holds(record: dict[str, Any], title: str) -> None:
    """A record has the keys that are documented, with values of their types."""
    rows = documented(title)
    assert list(record) == list(rows)
    for key, value in record.items():
        assert fits(value, rows[key]), (key, value, rows[key])


def fits(value: Any, words: str) -> bool:
    parts = [part.strip() for part in re.split(r" or |, ", words)]
    return any(_fits(value, part) for part in parts)


def _fits(value: Any, part: str) -> bool:
    if part == "null":
        return value is None
    if part.startswith("`"):
        return value == json.loads(part.strip("`"))
    kinds = {"list of integers": int, "list of numbers": float, "list of strings": str}
    if kind := kinds.get(part):
        return isinstance(value, list) and all(type(item) is kind for item in value)
    if part.startswith("list of "):
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    types = {"integer": int, "string": str, "boolean": bool, "object": dict}
    return type(value) is types[part]


def test_a_wrong_type_would_be_seen():
    assert not fits(None, "integer")
    assert not fits(True, "integer or null")
    assert not fits(["a"], "list of integers or null")
    assert not fits("page", '`"image"` or `"mask"`')


def test_info_prints_what_is_documented(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    slow = tmp_path / "slow.tif"
    tifffile.imwrite(slow, np.zeros((200, 300), "u1"), compression="zlib", rowsperstrip=1)
    junk = tmp_path / "junk.tif"
    junk.write_bytes(b"junk")
    assert main(["info", "--json", str(COG), str(slow), str(junk)]) == 1
    files = json.loads(capsys.readouterr().out)
    for file in files:
        holds(file, "**A file**")
        for directory in file["directories"]:
            holds(directory, "**An item of `directories`**")
            holds(directory["blocks"], "**`blocks` of a directory**")
            for tag in ("compression", "predictor", "photometric", "planar"):
                holds(directory[tag], "**`compression`, `predictor`")
        for advice in file["advice"]:
            holds(advice, "**An item of `advice`**")
    assert files[2]["directories"] == []


def test_verify_prints_what_is_documented(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, np.zeros((8, 8), "u1"))
    publish(str(source), str(tmp_path / "cube"))
    tifffile.imwrite(source, np.zeros((9, 9), "u1"))
    assert main(["verify", "--json", str(tmp_path / "cube")]) == 1
    found = json.loads(capfd.readouterr().out)
    holds(found, "### JSON of verify")
    (changed,) = found["differing"]
    holds(changed, "**An item of `differing`**")
    holds(changed["before"], "**`before` and `now` of a source**")
    holds(changed["now"], "**`before` and `now` of a source**")
