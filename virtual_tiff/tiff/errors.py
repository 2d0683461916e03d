"""Whose fault it is: the file's, its end's, ours, or the caller's limit.

Every failure of this package that a file can cause is a `TiffError`. The four
subclasses say what the user can do about it; the attributes say where to look.
"""

from __future__ import annotations

import os
import re
import warnings
from contextvars import ContextVar
from pathlib import Path
from typing import Self

from .constants import tag_name
from .redaction import redacted

__all__ = [
    "FormatError",
    "LimitError",
    "TiffError",
    "TiffWarning",
    "TruncatedError",
    "UnsupportedError",
    "printable",
    "source_name",
    "warn",
    "warnings_issued",
]

source_name: ContextVar[str | None] = ContextVar("source_name", default=None)
"""What is being read, for warnings: among thousands of files one must know which."""

_PACKAGE = str(Path(__file__).parents[max(0, __name__.count(".") - 1)]) + os.sep
"""The folder of the outermost package: this one's, or of the project that has a copy."""


_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
"""Control characters, which a terminal obeys, and marks that hide text or turn it around."""


def printable(text: str) -> str:
    r"""Return a text that a terminal shows and does not obey; line ends stay.

    Names, tags and paths come from files: `"\x1b[2J"` in one would clear the screen of who
    reads an error. Data (attributes, JSON) are not changed, only what is said of them.
    """
    return _UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode("ascii")


class TiffWarning(UserWarning):
    """The file breaks a rule that readers commonly forgive."""


_issued = 0


def warnings_issued() -> int:
    """Return how many warnings there were: what was found out with one is said of each file."""
    return _issued


def warn(message: str) -> None:
    """Issue a `TiffWarning` that names the file and points at the caller's own line."""
    global _issued  # noqa: PLW0603 (all tasks and threads count together)
    _issued += 1
    name = source_name.get()
    text = message if name is None else f"{name}: {message}"
    warnings.warn(printable(redacted(text)), TiffWarning, skip_file_prefixes=(_PACKAGE,))


class TiffError(ValueError):
    """A TIFF cannot be read as its tags promise.

    Parameters
    ----------
    message
        What is wrong, and where possible what the user can do.
    tag
        Number of the tag that is at fault.
    ifd
        Path of the directory (`"0"`, `"2"`, `"0/1"` for a SubIFD).
    offset
        Byte offset in the file.
    url
        Where the file is.
    """

    def __init__(
        self,
        message: str,
        *,
        tag: int | None = None,
        ifd: str | None = None,
        offset: int | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.tag = tag
        self.ifd = ifd
        self.offset = offset
        self.url = url

    def locate(
        self,
        *,
        tag: int | None = None,
        ifd: str | None = None,
        offset: int | None = None,
        url: str | None = None,
    ) -> Self:
        """Fill in what the raising function could not know; known facts stay."""
        self.tag = tag if self.tag is None else self.tag
        self.ifd = ifd if self.ifd is None else self.ifd
        self.offset = offset if self.offset is None else self.offset
        self.url = url if self.url is None else self.url
        return self

    def __str__(self) -> str:
        where = [
            None if self.tag is None else f"tag {tag_name(self.tag)}",
            None if self.ifd is None else f"IFD {self.ifd}",
            None if self.offset is None else f"offset {self.offset}",
            self.url,
        ]
        known = [place for place in where if place is not None]
        text = f"{self.message} [{', '.join(known)}]" if known else self.message
        return printable(redacted(text))


class FormatError(TiffError):
    """The file is no TIFF, or contradicts itself."""


class TruncatedError(TiffError):
    """The file ends before what it promises."""


class UnsupportedError(TiffError, NotImplementedError):
    """The file is in order, but uses something that this package does not do."""


class LimitError(TiffError):
    """The file asks for more than a limit allows; the caller can raise the limit."""

    of_file = False
    """Whether all that the file asks for is above the limit: then no directory can be left out
    to stay below it."""
