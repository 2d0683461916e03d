"""`Item`: one file that is to be published, and what the user or a catalogue says of it.

`finding.find_items` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from virtual_tiff.sources.locations import Location
from virtual_tiff.tiff import SourceState

__all__ = ["Coordinate", "Item"]

type Coordinate = datetime | int | float | str
"""A place along the dimension of a stack; times are in UTC (`tzinfo` is `datetime.UTC`)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file that is to be published, before it is read."""

    location: Location
    """Where it is, and how it is read."""
    coordinate: Coordinate | None = None
    """Its place along the dimension; None if none was asked for, or the file itself says."""
    variable: str | None = None
    """The array that it is a part of; None if no pattern was given."""
    listed: SourceState | None = None
    """Size, ETag and time as a listing gave them, which costs no request a file."""
