"""Directories that say the same share what is found out of them.

The files of an archive differ in where their blocks lie, where their images lie, and in a few
texts. All else is the same in thousands of them: it is worked out once, and looked up.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import lru_cache
from threading import Lock
from typing import Any, Final

from .constants import Tag
from .entry import Entry
from .header import Variant
from .limits import Limits

__all__ = ["FINDINGS", "VARYING", "Form", "form_of", "is_short"]

VARYING = frozenset(
    {
        # where blocks and other directories lie
        *(Tag.StripOffsets, Tag.StripByteCounts, Tag.TileOffsets, Tag.TileByteCounts),
        *(Tag.FreeOffsets, Tag.SubIFDs, Tag.ExifIFD, Tag.GPSIFD),
        # where the image lies
        *(Tag.ModelPixelScale, Tag.ModelTiepoint, Tag.ModelTransformation, Tag.RPCCoefficients),
        # texts
        *(Tag.GDAL_METADATA, Tag.GEO_METADATA, Tag.TIFF_RSID, Tag.XMP, Tag.DateTime),
        *(Tag.DocumentName, Tag.ImageDescription, Tag.PageName),
    }
)
"""Tags whose values are no part of a form: what is found out of these is of one file."""

_MOST_BYTES = 2**14
"""Of the values of a form: larger ones are hardly those of many files."""

_MOST_TEXT = 2**12
"""Of the values of varying tags, for what follows from them to be kept."""

_MOST_FORMS = 256
_MOST_FINDINGS = 256
_MOST_KEPT = 1024


class Form:
    """What all the tags of a directory say but the varying ones; equal ones are one object."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[Hashable, Any] = {}

    def tell(self, memo: dict[Hashable, Any]) -> None:
        """Write down what is known of directories of this form, by its name."""
        memo.update(self._found)  # in one go: another thread may be keeping something

    def keep(self, key: Hashable, found: object) -> None:
        """Keep what follows from the form alone."""
        if len(self._found) < _MOST_FINDINGS:
            self._found[key] = found


@lru_cache(maxsize=_MOST_FORMS)
def _interned(said: tuple[object, ...]) -> Form:  # noqa: ARG001 (the key is all there is of it)
    return Form()


def form_of(entries: Iterable[Entry], variant: Variant, limits: Limits) -> Form | None:
    """Return the form of a directory; None if it is larger than those that are kept.

    Parameters
    ----------
    entries
        In the file's order.
    variant, limits
        With which they were read.
    """
    said: list[object] = [variant.native, limits]
    nbytes = 0
    for tag, field_type, count, _, data in entries:
        said += tag, field_type.code, count
        if tag not in VARYING:
            said.append(data)
            nbytes += 0 if data is None else len(data)
    return _interned(tuple(said)) if nbytes <= _MOST_BYTES else None


class Findings:
    """What follows from a form and something else; the oldest goes if there is much."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Any] = {}
        self._adding = Lock()

    def get(self, key: Hashable, default: object) -> Any:  # noqa: ANN401 (of any type)
        """Return what was kept under a key."""
        return self._found.get(key, default)

    def keep(self, key: Hashable, found: object) -> None:
        """Keep something; equal keys are one."""
        with self._adding:
            if len(self._found) >= _MOST_KEPT:
                del self._found[next(iter(self._found))]
            self._found[key] = found


FINDINGS: Final = Findings()


def is_short(said: Iterable[bytes | None]) -> bool:
    """Whether values of varying tags are short enough to keep what follows from them."""
    return sum(len(value) for value in said if value is not None) <= _MOST_TEXT
