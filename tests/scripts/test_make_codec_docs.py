"""docs/codecs.md is what the code makes."""

from __future__ import annotations

from support.scripts import load_script


def test_the_document_is_not_stale():
    script = load_script("make_codec_docs")
    assert script.DOCUMENT.read_text(encoding="utf-8") == script.document()


def test_a_refused_feature_says_why():
    assert "refused: Compression unknown (99)" in load_script("make_codec_docs").row(
        "99", {"Compression": 99}
    )
