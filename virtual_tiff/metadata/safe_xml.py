"""XML that a file carries, read without trusting it: no document type, bounded size and depth.

A document type could declare entities, which multiply a few bytes into gigabytes or name other
files. No tag of a TIFF has need of one: a document with one is not read at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from virtual_tiff.tiff import FormatError, Limits, TiffError, warn

__all__ = ["child_text", "children", "local_name", "parse_xml", "read_xml"]


class _RefusedError(TiffError):
    """The document asks for what it may not have."""


class _Builder(ET.TreeBuilder):
    """Builds the tree until the document goes too far."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self._depth = 0
        self._elements = 0

    # the parser calls this as soon as it has seen "<!DOCTYPE name", before any declaration
    def doctype(self, *_: object) -> None:
        msg = "a document type declaration is not allowed"
        raise _RefusedError(msg)

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        self._limits.check("xml_depth", self._depth, "depth of its elements")
        self._limits.check("xml_elements", self._elements, "its elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse_xml(text: str, *, what: str, limits: Limits | None = None) -> Element | None:
    """Return the root element of a document; None, with a warning, if it is not to be read.

    Parameters
    ----------
    text
        The document. Its own encoding declaration is ignored: it is decoded already.
    what
        What the warning calls it, e.g. ``"IFD 0: GDAL_METADATA"``.
    limits
        `xml_bytes`, `xml_depth` and `xml_elements`: what the document may ask for. It only
        describes, so one that asks for more costs its own content, and not the file.
    """
    try:
        return read_xml(text, limits or Limits())
    except (FormatError, UnicodeEncodeError) as error:
        warn(f"{what} is not XML and is ignored: {error}")
    except TiffError as error:
        warn(f"{what} is ignored: {error}")
    return None


def read_xml(text: str, limits: Limits) -> Element:
    """Return the root element of a document.

    Raises
    ------
    TiffError
        If it is not XML (`FormatError`), has a document type, or is above a limit.
    """
    parser = ET.XMLParser(target=_Builder(limits))  # noqa: S314 (see _Builder)
    data = text.strip("\ufeff\0 \t\r\n").encode()
    limits.check("xml_bytes", len(data), "its bytes")
    try:
        parser.feed(data.decode())
        root: Element = parser.close()
    except ET.ParseError as error:
        raise FormatError(str(error)) from error
    return root


def local_name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    """Yield an element's children of a name, whatever their namespace."""
    return (child for child in element if local_name(child) == name)


def child_text(element: Element, name: str) -> str:
    """Return the text of an element's child of a name; empty if there is none."""
    return next((child.text or "" for child in children(element, name)), "").strip()
