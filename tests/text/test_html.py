"""A table as HTML: text stays text, and its length is bounded."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from virtual_tiff.text.html import MOST_ROWS, html_table

HOSTILE = "<script>alert('&')</script>"


def test_all_text_is_text() -> None:
    """The table is parsed as XML: what was a tag in a name is no element."""
    root = ET.fromstring(html_table(HOSTILE, [HOSTILE], [[HOSTILE]], 1, [HOSTILE]))
    assert {element.tag for element in root.iter()} <= {
        *("div", "b", "table", "thead", "tbody", "tr", "th", "td"),
    }
    assert [text for text in root.itertext() if text.strip()] == [HOSTILE] * 4


def test_rows_and_notes_are_bounded_and_say_so() -> None:
    count = MOST_ROWS + 1200
    rows = ([str(number)] for number in range(count))
    root = ET.fromstring(html_table("title", ["n"], rows, count, ["note"] * (MOST_ROWS + 7)))
    assert len(root.findall(".//tbody/tr")) == MOST_ROWS
    lines = [element.text for element in root.findall("div")]
    assert lines[1] == "and 1,200 more rows"
    assert lines[-1] == "and 7 more remarks"
    assert lines.count("note") == MOST_ROWS
