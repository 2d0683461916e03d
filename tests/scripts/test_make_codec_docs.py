"""docs/codecs.md is what the code makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "make_codec_docs.py"


def load() -> Any:
    specification = importlib.util.spec_from_file_location("make_codec_docs", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_document_is_not_stale():
    script = load()
    assert script.DOCUMENT.read_text(encoding="utf-8") == script.document()


def test_a_refused_feature_says_why():
    assert "refused: Compression unknown (99)" in load().row("99", {"Compression": 99})
