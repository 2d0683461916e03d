"""The table of messages has the texts that users read, and no docstrings."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.scripts import load_script

print_messages = load_script("print_messages")

MODULE = '''
"""A docstring of a module."""
LIMIT = 3
"""A docstring under a constant."""

def f(count):
    """A docstring of a function."""
    if count > 3:
        msg = f"{count} files; " + f"the limit is {LIMIT}"
        raise ValueError(msg)
    warn("the file is short")
    parser.add_argument("--quiet", help="print nothing")
    raise SourceError("no such file", url="a b")
    return f"a part of {count} words"
'''


def test_each_text_has_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "module.py").write_text(MODULE)
    monkeypatch.setattr(print_messages, "ROOT", tmp_path)
    assert [tuple(message[2:]) for message in print_messages.messages(tmp_path)] == [
        ("error", "{…} files; the limit is {…}"),
        ("warning", "the file is short"),
        ("help", "print nothing"),
        ("error", "a b"),
        ("error", "no such file"),
        ("text", "a part of {…} words"),
    ]
