"""Times out of text: in file names, in the tag DateTime, in STAC. All become UTC."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from virtual_tiff.tiff import warn

__all__ = ["as_utc", "guessed_time", "iso_time", "tiff_datetime"]

_CLOCK = (
    r"(?:[T _-]?(?P<hour>\d\d)(?:(?P<between>[:._-]?)(?P<minute>\d\d)"
    r"(?:(?P=between)(?P<second>\d\d)(?:[.,]?(?P<fraction>\d{1,9}))?)?)?"
    r"\s?(?P<zone>Z|[+-]\d\d:?\d\d)?)?"
)
_CALENDAR = re.compile(
    r"(?P<year>\d{4})(?:(?P<sep>[-_./:]?)(?P<month>\d\d)(?:(?P=sep)(?P<day>\d\d)" + _CLOCK + ")?)?"
)
_ORDINAL = re.compile(r"(?P<year>\d{4})[-_.]?(?P<doy>\d{3})" + _CLOCK)
_TIFF = re.compile(r"(?P<year>\d{4})(?P<sep>[:/.-]?)(?P<month>\d\d)(?P=sep)(?P<day>\d\d)" + _CLOCK)
_YEARS = range(1800, 2200)
"""Years that a guess may give: 130102 is January 2013 to its writer, not month 2 of 1301."""


def guessed_time(text: str) -> datetime | None:
    """Read a time whose form is not given: year first, digits with or without separators.

    Year, year and month, date, or year and day of the year (7 digits), with or without a time of
    the day. None if the text has another form, is no time by this one, or one by two: 200102 is
    February 2001, and 2 January 2020.
    """
    ordinal = re.match(r"\d{4}[-_.]?\d{3}(?!\d)|\d{13}(?!\d)|\d{11}(?!\d)", text)
    match = (_ORDINAL if ordinal else _CALENDAR).fullmatch(text)
    if match is None or int(match["year"]) not in _YEARS:
        return None
    short = {6: "%y%m%d", 10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S"}.get(len(text))
    if short is not None and text.isdecimal():
        with suppress(ValueError):
            datetime.strptime(text, short)  # noqa: DTZ007 (whether it is one)
            return None  # its digits are a time too if their year has two of them
    return time_of(match.groupdict())


def time_of(parts: dict[str, str | None]) -> datetime | None:
    """Return the time of the parts of a date, by their names; an absent part is its first."""

    def number(name: str, default: int) -> int:
        return int(parts.get(name) or default)

    zone = parts.get("zone")
    fraction = (parts.get("fraction") or "").ljust(6, "0")[:6]
    try:
        time = datetime(
            number("year", 0),
            number("month", 1),
            number("day", 1),
            number("hour", 0),
            number("minute", 0),
            number("second", 0),
            int(fraction),
            tzinfo=UTC if zone is None else datetime.strptime(zone, "%z").tzinfo,
        )
        doy = number("doy", 1)
        shifted = time + timedelta(days=doy - 1)
        if not 1 <= doy <= 366 or shifted.year != time.year:
            return None
        return shifted.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def as_utc(time: date) -> datetime:
    """Return a time in UTC; one without a time zone is taken as UTC, a date as its midnight."""
    if not isinstance(time, datetime):
        return datetime(time.year, time.month, time.day, tzinfo=UTC)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def iso_time(text: str) -> datetime | None:
    """Read a time as RFC 3339 and ISO 8601 write it; None if it is none."""
    try:
        return as_utc(datetime.fromisoformat(text.strip()))
    except ValueError:
        return None


def tiff_datetime(text: str) -> datetime | None:
    """Read the tag DateTime (306): "YYYY:MM:DD HH:MM:SS", and what writers make of it.

    With `-`, `/` or `.` for the colons of the date, `T` for the blank, fractions of a second, `Z`
    or an offset. TIFF 6.0 knows no time zone: without one it is taken as UTC. A text that cannot
    be read is None, with a `TiffWarning`.
    """
    cleaned = text.strip(" \t\r\n\0")
    match = _TIFF.fullmatch(re.sub(r"\s+", " ", cleaned))
    time = None if match is None else time_of(match.groupdict())
    if time is None:
        warn(f"DateTime is {text!r}, which is not of the form YYYY:MM:DD HH:MM:SS; it is not used")
    return time
