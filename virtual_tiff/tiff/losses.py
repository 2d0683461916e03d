"""Parts that a file lacks: what is known of it before a block is read.

The file's size and the ends of its blocks are both known when its directories are read, and so is
how many bytes the pixels of an uncompressed block take. A reader opens such a file for all that, as
GDAL does; these records say what it lacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Loss", "truncation"]

_SHOWN = 5
"""Losses that a message lists: a file may have thousands of directories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A part of a file that the file lacks, wholly or in part."""

    ifd: str
    """Path of the directory that it is a part of."""
    what: str
    """The part, as in "12 of 16 tiles of IFD 0"."""
    blocks: int = 0
    """Strips or tiles among it."""
    short: bool = False
    """Whether it lies within the file, but is said to have fewer bytes than its pixels take;
    otherwise it lies beyond the file's end."""


def truncation(losses: Sequence[Loss], size: int) -> str:
    """Return the sentence that says that a file is truncated or damaged, and what it lacks."""
    beyond = [loss for loss in losses if not loss.short]
    short = [loss for loss in losses if loss.short]
    sentences = []
    if beyond:
        text, one = _listed(beyond)
        verb = "lies" if one else "lie"
        sentences.append(f"the file is truncated: {text} {verb} beyond its end ({size:,} bytes)")
    if short:
        text, one = _listed(short)
        verb = "has" if one else "have"
        sentences.append(f"byte counts are too small: {text} {verb} fewer bytes than the pixels")
    return "; ".join(sentences)


def _listed(losses: Sequence[Loss]) -> tuple[str, bool]:
    """Return a list in words, and whether it is of one part."""
    listed = [loss.what for loss in losses[:_SHOWN]]
    if len(losses) > _SHOWN:
        rest = losses[_SHOWN:]
        blocks = sum(loss.blocks for loss in rest)
        others = "1 other part" if len(rest) == 1 else f"{len(rest)} other parts"
        listed.append(f"{others} ({blocks:,} strips or tiles)" if blocks else others)
    *most, last = listed
    text = f"{', '.join(most)} and {last}" if most else last
    return text, not most and text.startswith(("1 of ", "the ", "IFD "))
