"""docs/format/slides.md is what the tables of the code make."""

from __future__ import annotations

from support.scripts import load_script


def test_the_document_is_not_stale():
    script = load_script("make_slide_docs")
    assert script.DOCUMENT.read_text(encoding="utf-8") == script.document()
