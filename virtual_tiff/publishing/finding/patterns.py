"""Values out of the names of files: regular expressions with named groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.times import as_utc, guessed_time, time_of
from virtual_tiff.tiff import redacted

__all__ = ["Pattern", "TimePattern", "is_pattern"]

_PARTS = ("year", "month", "day", "doy", "hour", "minute", "second")


def is_pattern(text: str) -> bool:
    """Whether a text is a regular expression with a group, and no plain name or path."""
    try:
        return re.compile(text).groups > 0
    except re.error:
        return False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that is searched for in the names of files.

    Parameters
    ----------
    text
        The expression, with a group around what is wanted; several are joined by `_`. It
        is searched for in the file's own name; one with a `/` in it, in the whole path.
    option
        What it was given as, for errors.
    """

    text: str
    option: str
    compiled: re.Pattern[str]

    @classmethod
    def of(cls, text: str, option: str) -> Pattern:
        """Check and compile it.

        Raises
        ------
        ValueError
            If it is no regular expression, or has no group.
        """
        return cls(text, option, _compile(text, option))

    def search(self, location: Location) -> re.Match[str] | None:
        """Return the first match in the name, or in the path."""
        return self.compiled.search(_searched(location, self.text))

    def value(self, location: Location) -> str | None:
        """Return what the groups hold; None if the pattern does not match."""
        match = self.search(location)
        if match is None:
            return None
        return "_".join(group for group in match.groups() if group) or None

    def hint(self) -> str:
        """Say where it was searched for."""
        where = "path" if "/" in self.text else "name (a pattern with a / is searched in the path)"
        return f"{self.option} {self.text!r} is not found in the {where}"


@dataclass(frozen=True, slots=True)
class TimePattern:
    """A pattern whose value is a time.

    Either one group has it all, in a form that is guessed or given as a format of
    `strptime`, or groups called year, month, day (or doy), hour, minute, second have its
    parts.
    """

    pattern: Pattern
    format: str | None = None
    parts: bool = False

    @classmethod
    def of(cls, text: str, option: str = "time") -> TimePattern:
        """Check and compile `PATTERN` or `PATTERN=FORMAT`.

        Raises
        ------
        ValueError
            If it is none, or its groups are not those that a time needs.
        """
        head, sign, tail = text.rpartition("=")
        form = tail if sign and "%" in tail and is_pattern(head) else None
        pattern = Pattern.of(text if form is None else head, option)
        groups = pattern.compiled.groupindex
        parts = "year" in groups
        wrong = set(groups) - set(_PARTS) if parts else set(groups) - {"time", "date"}
        count = pattern.compiled.groups
        if wrong or (count != 1 and not parts) or (parts and (form or count > len(groups))):
            msg = (
                f"{option} {text!r} must have one group, as '(?P<time>\\d{{8}})', or groups"
                f" called year, {', '.join(_PARTS[1:])}; other groups are written (?:…)"
            )
            raise ValueError(msg)
        return cls(pattern, form, parts)

    def value(self, location: Location) -> datetime | None:
        """Return the time, in UTC; None if the pattern does not match.

        Raises
        ------
        ValueError
            If the text is not a time of that form.
        """
        match = self.pattern.search(location)
        if match is None:
            return None
        if self.parts:
            text = match[0]
            time = time_of(match.groupdict())
        else:
            text = match[1]
            time = guessed_time(text) if self.format is None else self._read(text)
        if time is None:
            problem = f"is not a time of the form {self.format}" if self.format else "is not a time"
            if not self.format and not self.parts:
                problem = f"is not surely a time; give its form, as '{self.pattern.text}=%d%m%Y'"
            msg = f"{redacted(location.name)}: {text!r} {problem}"
            raise ValueError(msg)
        return time

    def _read(self, text: str) -> datetime | None:
        try:
            return as_utc(datetime.strptime(text, str(self.format)))  # noqa: DTZ007 (as_utc)
        except ValueError:
            return None


def _compile(text: str, option: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(text)
    except re.error as error:
        msg = f"{option} {text!r} is not a regular expression: {error}"
        raise ValueError(msg) from error
    if not compiled.groups:
        msg = f"{option} {text!r} has no group around what is wanted, as in '(?P<band>B\\d\\d)'"
        raise ValueError(msg)
    return compiled


def _searched(location: Location, pattern: str) -> str:
    url = location.url
    scheme, _, rest = url.partition("://")
    if scheme in ("http", "https"):
        rest = rest.partition("?")[0]
    if "/" not in pattern:
        rest = rest.rpartition("/")[2]
    return unquote(rest)
