"""Values out of the names of files: regular expressions with named groups."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.times import as_utc, guessed_time, time_of
from virtual_tiff.tiff import redacted

__all__ = ["PARTS", "Pattern", "TimePattern", "is_malformed", "is_pattern"]

PARTS = ("year", "month", "day", "doy", "hour", "minute", "second")
"""The names of groups that hold the parts of a time."""


def is_pattern(text: str) -> bool:
    """Whether a text is a regular expression with a group, and no plain name or path."""
    try:
        return re.compile(text).groups > 0
    except re.error:
        return False


def is_malformed(text: str) -> bool:
    """Whether a text was meant as a regular expression with a group, and is none."""
    try:
        re.compile(text)
    except re.error:
        return "(" in text
    return False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that is searched for in the names of files.

    It has a group around what is wanted; several are joined by `_`. It is searched for in the
    file's own name; one with a `/` in it, in the whole path. `option` is what it was given as,
    for errors.
    """

    text: str
    option: str
    compiled: re.Pattern[str]

    @classmethod
    def of(cls, text: str, option: str) -> Pattern:
        """Check and compile it; a ValueError says that it is none, or has no group."""
        try:
            compiled = re.compile(text)
        except re.error as error:
            msg = f"{option} {text!r} is not a regular expression: {error}"
            raise ValueError(msg) from error
        if not compiled.groups:
            msg = (
                f"{option} {text!r} has no group around the wanted text, as in"
                r" '(?P<band>B\d\d)'"
            )
            raise ValueError(msg)
        return cls(text, option, compiled)

    def search(self, location: Location) -> re.Match[str] | None:
        """Return the first match in the name, or in the path."""
        scheme, _, rest = location.url.partition("://")
        if scheme in ("http", "https"):
            rest = rest.partition("?")[0]
        if "/" not in self.text:
            rest = rest.rpartition("/")[2]
        return self.compiled.search(unquote(rest))

    def value(self, location: Location) -> str | None:
        """Return what the groups hold; None if the pattern does not match."""
        match = self.search(location)
        if match is None:
            return None
        return "_".join(group for group in match.groups() if group) or None

    def hint(self, advice: str = "") -> str:
        """Say where it was searched for; the advice is for a pattern of names."""
        name = f"name (a pattern with a / is searched in the path{advice})"
        where = "path" if "/" in self.text else name
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
    group: int | str = 1
    """The group that has all of the time."""

    @staticmethod
    def parted(text: str) -> tuple[str, str | None]:
        """Return the pattern and the format of `PATTERN=FORMAT`; None without a format."""
        head, sign, tail = text.rpartition("=")
        return (head, tail) if sign and "%" in tail and is_pattern(head) else (text, None)

    @classmethod
    def of(cls, text: str, option: str = "time") -> TimePattern:
        """Check and compile `PATTERN` or `PATTERN=FORMAT`; a ValueError says what it needs."""
        head, form = cls.parted(text)
        pattern = Pattern.of(head, option)
        groups = pattern.compiled.groupindex
        parts = "year" in groups
        wrong = set(groups) - set(PARTS) if parts else set(groups) - {"time", "date"}
        count = pattern.compiled.groups
        if wrong or (count != 1 and not parts) or (parts and (form or count > len(groups))):
            msg = (
                f"{option} {text!r} must have one group, as '(?P<time>\\d{{8}})', or groups"
                f" called year, {', '.join(PARTS[1:])}; write other groups as (?:…)"
            )
            raise ValueError(msg)
        return cls(pattern, form, parts)

    def value(self, location: Location) -> datetime | None:
        """Return the time, in UTC; None if nothing matches, a ValueError if it is no time."""
        match = self.pattern.search(location)
        if match is None:
            return None
        if self.parts:
            text = match[0]
            time = time_of(match.groupdict())
        else:
            text = match[self.group]
            time = None if self.format else guessed_time(text)
            with suppress(ValueError):
                if self.format:
                    time = as_utc(datetime.strptime(text, self.format))  # noqa: DTZ007 (as_utc)
        if time is None:
            problem = f"is not a time of the form {self.format}" if self.format else "is not a time"
            if not self.format and not self.parts:
                problem = f"is not clearly a time; give its form, as '{self.pattern.text}=%d%m%Y'"
            msg = f"{redacted(location.name)}: {text!r} {problem}"
            raise ValueError(msg)
        return time
