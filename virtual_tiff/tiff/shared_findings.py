"""A memo for the values that the directories of many files share; its keys are recorded.

The thousands of files of an archive differ in where their blocks lie, where their images lie and in
a few texts. All else is the same, and so is nearly all that is worked out of their tags: the grid
of blocks, the codecs, the CRS, the attributes. To work it out once takes a third of the time that
it takes for each file. But a memo that is asked with too short a key gives one file's metadata to
another, in silence. So no caller says what a value depends on:

- `ImageFileDirectory.remembered(make, *arguments)` calls `make(directory, *arguments)`. `make` is a
  function of a module, no closure: it can know nothing but what it is given.
- While it runs, `Entries`, the mapping through which all values of tags are read, notes each
  tag that is asked for, in the directory and in those among the arguments (an overview's full
  image). A value that is taken from the memo brings the notes from when it was worked out.
- The key is the function, the arguments, and the bytes of all tags on that list. A file that has
  the same bytes there would take the same way through the function, to the same result.

To compare some forty values for each directory would cost what the memo saves. So a directory has
a *form*: which tags it has, of which types and counts, with the bytes of those that are short whole
numbers (`form_of`). Equal forms are one object, found by one look into a table. What was made of a
form's own bytes alone, as most things are, is told to a directory all at once; for the others the
recorded bytes are compared. Which tags belong to a form decides what is fast, never what is right.

Two things are of one file alone: what was made with a warning, which the next file must give too,
and what was made of a directory that has no form, as bytes beside its tags say something.
"""

from __future__ import annotations

from collections.abc import Hashable, ItemsView, Iterable, Sequence, ValuesView
from functools import lru_cache
from threading import Lock, local
from typing import Any, Final, overload

from .constants import FIELD_TYPES, Tag
from .entry import Entry
from .header import Variant
from .limits import Limits

__all__ = [
    "FINDINGS",
    "NOT_TO_BE_KEPT",
    "NO_READS",
    "RECORDING",
    "Entries",
    "Form",
    "Note",
    "Reads",
    "forget_findings",
    "form_of",
]

_LOCATIONS = frozenset(
    {
        *(Tag.StripOffsets, Tag.StripByteCounts, Tag.TileOffsets, Tag.TileByteCounts),
        *(Tag.FreeOffsets, Tag.FreeByteCounts, Tag.SubIFDs, Tag.ExifIFD, Tag.GPSIFD),
    }
)
"""Tags that say where something lies in the file: hardly two files have the same values."""

_MOST_COUNTS = {
    code: 2**11 // field_type.nbytes if field_type.is_integer else -1
    for code, field_type in FIELD_TYPES.items()
}
"""Values of a tag of a form, by field type: 2 KiB of whole numbers. Longer ones, texts, fractions
and floats are often of one file."""

_MOST_BYTES = 2**14
"""Bytes of the values in a form, at most."""

_MOST_COMPARED = 2**12
"""Bytes of the values beyond the form on which something depends, for it to be kept."""

_MOST_FORMS = 256
_MOST_FINDINGS = 256
"""Values that are kept for one form."""
_MOST_WAYS = 4
"""Lists of tags that one function reads in directories of one form."""
_MOST_KEPT = 1024

type Note = tuple[int, int] | None
"""That a tag was read: the `id` of the directory's entries, and the tag. None says that what is
being made must not be kept."""


class _Recording(local):
    """The notes that are being made in this thread."""

    notes: set[Note] | None = None


RECORDING: Final = _Recording()


class Entries(dict[int, Entry]):
    """The entries of a directory by their tags, which notes those that are taken out.

    Which tags there are (`in`, `len`, iteration) is no note: directories of one form agree in it.
    """

    __slots__ = ()

    def __getitem__(self, tag: int) -> Entry:
        if RECORDING.notes is not None:
            RECORDING.notes.add((id(self), tag))
        return dict.__getitem__(self, tag)

    @overload
    def get(self, tag: int, default: None = None, /) -> Entry | None: ...
    @overload
    def get[T](self, tag: int, default: T, /) -> Entry | T: ...
    def get(self, tag: int, default: Any = None, /) -> Any:
        """Return the entry of a tag, or the default."""
        if RECORDING.notes is not None:
            RECORDING.notes.add((id(self), tag))
        return dict.get(self, tag, default)

    def values(self) -> ValuesView[Entry]:  # type: ignore[override]
        """Return all entries."""
        self._note_all()
        return super().values()

    def items(self) -> ItemsView[int, Entry]:  # type: ignore[override]
        """Return all tags and entries."""
        self._note_all()
        return super().items()

    def _note_all(self) -> None:
        if RECORDING.notes is not None:
            RECORDING.notes.update((id(self), tag) for tag in self)


_MISSING: Final[Any] = object()
_entry = dict.__getitem__


class Reads:
    """The tags beyond the form that a function has read in directories of one form.

    `tags` are pairs of a directory's number and a tag: 0 is the directory itself, the others are
    those among the function's arguments, in their order.
    """

    __slots__ = ("tags",)

    def __init__(self, tags: tuple[tuple[int, int], ...]) -> None:
        self.tags = tags

    def notes(self, entries: Sequence[Any]) -> set[Note]:
        """Return the notes of a function that reads these tags of directories' entries."""
        if self is NOT_TO_BE_KEPT:
            return {None}
        return {(id(entries[number]), tag) for number, tag in self.tags}

    def key(self, entries: Sequence[Any]) -> tuple[Any, ...]:
        """Return the key of what was made of these values; no note is made of them."""
        return self, *[_entry(entries[number], tag).data for number, tag in self.tags]


NO_READS: Final = Reads(())
NOT_TO_BE_KEPT: Final = Reads(())
"""Stands for the reads of a value that depends on more than tags."""


class Form:
    """Which tags a directory has, and the values of those that files share; see the module."""

    __slots__ = ("_made", "_reads")

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}
        self._reads: dict[Hashable, tuple[Reads, ...]] = {}

    def tell(self, memo: dict[Hashable, Any]) -> None:
        """Write down all that was made of this form alone."""
        memo.update(self._made)  # in one go: another thread may be keeping something

    def keep(self, key: Hashable, value: object) -> None:
        """Keep what was made of the form alone."""
        if len(self._made) < _MOST_FINDINGS:
            self._made[key] = value

    def find(self, key: Hashable, entries: Sequence[Any]) -> tuple[Any, Reads] | None:
        """Return what a function made of these values, and what it had read; None if unknown.

        Parameters
        ----------
        key
            The function and its arguments.
        entries
            Of the directory, and of those among the arguments.
        """
        # made since the directory was told what is known of its form
        value = self._made.get(key, _MISSING)
        if value is not _MISSING:
            return value, NO_READS
        for reads in self._reads.get(key, ()):
            value = FINDINGS.get(reads.key(entries), _MISSING)
            if value is not _MISSING:
                return value, reads
        return None

    def reads_of(self, key: Hashable, tags: tuple[tuple[int, int], ...]) -> Reads:
        """Return the record of a list of tags; where there are too many, one of no further use."""
        known = self._reads.get(key, ())
        for reads in known:
            if reads.tags == tags:
                return reads
        if len(known) >= _MOST_WAYS or len(self._reads) >= _MOST_FINDINGS:
            return Reads(tags)
        reads = Reads(tags)
        self._reads[key] = (*known, reads)
        return reads


@lru_cache(maxsize=_MOST_FORMS)
def _interned(content: tuple[object, ...]) -> Form:  # noqa: ARG001 (the key is all there is of it)
    return Form()


def form_of(
    entries: Iterable[Entry], variant: Variant, limits: Limits
) -> tuple[Form | None, list[int]]:
    """Return the form of a directory, and the tags whose values are no part of it.

    The form is None if it is larger than those that are kept. Tag, field type and count decide
    which tags are no part of it, so that they are one list for one form.
    """
    content: list[object] = [variant.native, limits]
    beyond = []
    nbytes = 0
    for tag, field_type, count, _, data in entries:
        code = field_type.code
        if count <= _MOST_COUNTS[code] and tag not in _LOCATIONS:
            content += tag, code, count, data
            nbytes += 0 if data is None else len(data)
        else:
            content += tag, code, count
            beyond.append(tag)
    return (_interned(tuple(content)) if nbytes <= _MOST_BYTES else None), beyond


class Findings:
    """Values made from a form and from tags beyond it; the oldest goes when there are many."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}
        self._adding = Lock()
        self.get = self._made.get

    def keep(self, key: tuple[Any, ...], value: object) -> None:
        """Keep something under a key of `Reads.key`, if the values in it are short enough."""
        if sum(len(data) for data in key[1:] if data is not None) > _MOST_COMPARED:
            return
        with self._adding:
            if len(self._made) >= _MOST_KEPT:
                del self._made[next(iter(self._made))]
            self._made[key] = value

    def clear(self) -> None:
        """Forget everything."""
        with self._adding:
            self._made.clear()


FINDINGS: Final = Findings()


def forget_findings() -> None:
    """Forget all that was made: something beside the tags, from which it was made, has changed.

    Directories that were read before keep what they have.
    """
    _interned.cache_clear()
    FINDINGS.clear()
