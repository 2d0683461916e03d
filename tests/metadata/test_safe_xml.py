"""XML of files: read, or refused with a warning that says why."""

from __future__ import annotations

import pytest

from virtual_tiff.metadata.safe_xml import children, local_name, parse_xml
from virtual_tiff.tiff import Limits, TiffWarning


def test_a_document_is_read_whatever_its_namespace_and_encoding() -> None:
    root = parse_xml(
        '<?xml version="1.0" encoding="UTF-16"?><o:a xmlns:o="x"><o:b/>µ</o:a>', what=""
    )
    assert root is not None
    assert local_name(root) == "a"
    assert [child.tail for child in children(root, "b")] == ["µ"]


def test_a_comment_and_a_cdata_section_are_no_declaration() -> None:
    root = parse_xml("<!-- <!DOCTYPE a> --><a><![CDATA[<!ENTITY]]></a>\0\n", what="")
    assert root is not None
    assert root.text == "<!ENTITY"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        ("<a>" * 200 + "</a>" * 200, "above the limit xml_depth=64"),
        ("<a>" + "<b/>" * 300 + "</a>", "above the limit xml_elements=250"),
        (f"<a>{' ' * 3000}</a>", "above the limit xml_bytes=2,000"),
        ("<a>", "not XML"),
        ("", "not XML"),
        ("<a>\ud800</a>", "not XML"),
        ("<a>\0</a>", "not XML"),
    ],
)
def test_anything_else_is_refused(text: str, reason: str) -> None:
    with pytest.warns(TiffWarning, match=f"^IFD 7.*{reason}"):
        assert (
            parse_xml(text, what="IFD 7", limits=Limits(xml_bytes=2000, xml_elements=250)) is None
        )
