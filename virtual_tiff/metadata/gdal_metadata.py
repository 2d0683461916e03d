"""GDAL_METADATA, tag 42112: a text in XML, to items of the file and of its bands.

    <GDALMetadata>
      <Item name="TITLE">of the file</Item>
      <Item name="STATISTICS_MEAN" sample="0">of the first band</Item>
      <Item name="SCALE" sample="0" role="scale">0.1</Item>
      <Item name="x" domain="EXTRA">of another domain</Item>
    </GDALMetadata>

The rules are those of `GTiffDataset::OpenOffset` in GDAL's frmts/gtiff/gtiffdataset_read.cpp:
items are children of the root, names of elements and attributes are of any case, a text is
escaped twice, an item with elements in it is skipped, and the last of one name counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from virtual_tiff.metadata.safe_xml import local_name, parse_xml
from virtual_tiff.tiff import ImageFileDirectory, Tag, TiffError, warn

__all__ = ["GdalMetadata", "gdal_metadata"]


@dataclass(frozen=True, slots=True)
class GdalItems:
    """The items of a file or of a band."""

    default: dict[str, str] = field(default_factory=dict)
    """Of the default domain."""
    domains: dict[str, dict[str, str] | str] = field(default_factory=dict)
    """Of other domains; one whose name begins with `xml:` is a single text."""
    roles: dict[str, str] = field(default_factory=dict)
    """What an item of a band stands for: scale, offset, unittype, description, colorinterp."""


@dataclass(frozen=True, slots=True)
class GdalMetadata:
    """What the tag says; `bands` are those that it names, by number from 0."""

    file: GdalItems = field(default_factory=GdalItems)
    bands: dict[int, GdalItems] = field(default_factory=dict)

    def band(self, number: int) -> GdalItems:
        """Return the items of a band; it may have none."""
        return self.bands.get(number, _NO_ITEMS)


_NO_ITEMS = GdalItems()
_NOTHING = GdalMetadata()

_ROLES = frozenset({"scale", "offset", "unittype", "description", "colorinterp"})
_MOST_BANDS = 2**16
_STRUCTURE = "IMAGE_STRUCTURE"
"""The domain that says how the file is encoded, which its tags say, too."""


def gdal_metadata(ifd: ImageFileDirectory) -> GdalMetadata:
    """Return what GDAL_METADATA says; nothing, with a warning, if it cannot be read."""
    if Tag.GDAL_METADATA not in ifd.entries:
        return _NOTHING
    return ifd.remembered(_read)


def _read(ifd: ImageFileDirectory) -> GdalMetadata:
    try:
        text = ifd.text(Tag.GDAL_METADATA)
    except TiffError as error:
        warn(f"GDAL_METADATA is ignored: {error}")
        return _NOTHING
    what = f"IFD {ifd.path}: GDAL_METADATA"
    root = None if not text else parse_xml(_repaired(text), what=what, limits=ifd.limits)
    found = GdalMetadata()
    if root is not None and local_name(root).lower() == "gdalmetadata":
        for item in root:
            if local_name(item).lower() == "item":
                _add(found, item)
    return found


_REFERENCE = r"&(lt|gt|amp|apos|quot|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});"
_LONE_AMPERSAND = re.compile(rf"(?!{_REFERENCE})&")
_NO_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _repaired(text: str) -> str:
    """Mend what XML forbids and GDAL reads: control characters, `&` without a reference."""
    text = _NO_CHARACTER.sub("", text)
    return _LONE_AMPERSAND.sub("&amp;", text) if "&" in text else text


def _add(found: GdalMetadata, item: Element) -> None:
    said = {name.lower(): value for name, value in item.items()}
    name, domain = said.get("name"), said.get("domain", "")
    band = _band(said.get("sample"))
    if not name or len(item) or domain.upper() == _STRUCTURE or band is None:
        return
    text = _unescaped((item.text or "").lstrip(" \t\r\n"))
    items = found.file if band < 0 else found.bands.setdefault(band, GdalItems())
    role = said.get("role", "").lower()
    if band >= 0 and role in _ROLES:
        if text:
            items.roles[role] = text
    elif not domain:
        items.default[name] = text
    elif domain.lower().startswith("xml:"):
        items.domains[domain] = text
    else:
        held = items.domains.setdefault(domain, {})
        if isinstance(held, dict):
            held[name] = text


_LEADING_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,9})")


def _band(sample: str | None) -> int | None:
    """Return the number of the band, -1 for the file, None for what no file has.

    A text without a number is 0: GDAL reads it by C's `atoi`.
    """
    if sample is None:
        return -1
    found = _LEADING_INTEGER.match(sample)
    number = int(found.group(1)) if found else 0
    return number if -1 <= number < _MOST_BANDS else None


_NAMED = {"lt": "<", "gt": ">", "amp": "&", "apos": "'", "quot": '"'}
_REFERENCES = re.compile(_REFERENCE)


def _unescaped(text: str) -> str:
    """Resolve references a second time: GDAL escapes a text before it writes it as XML."""
    return _REFERENCES.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    name = found.group(1)
    if name[0] != "#":
        return _NAMED[name]
    code = int(name[2:] if name[1] in "xX" else name[1:], 16 if name[1] in "xX" else 10)
    surrogate = 0xD800 <= code < 0xE000
    return found.group() if surrogate or not 0 < code < 0x110000 else chr(code)
