"""One directory as a typed, immutable view; the specification's defaults live here.

Attributes carry the tags' exact names, so that a reader with TIFF 6.0 open beside the
code finds every word. Absent is `None` or the specification's default; zero is a value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, overload

from .constants import Tag
from .entry import Entry, Value, numbers, rationals, raw, texts, value
from .errors import FormatError, TiffError, warnings_issued
from .header import Variant
from .limits import Limits
from .shared_findings import FINDINGS, Form, form_of, is_short

__all__ = ["ImageFileDirectory"]

_FORM = "form"
_MISSING: Any = object()


class _Field[T]:
    """A tag as an attribute: how to read it from a directory."""

    def __init__(self, read: Callable[[ImageFileDirectory], T]) -> None:
        self._read = read
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, ifd: None, owner: type) -> _Field[T]: ...
    @overload
    def __get__(self, ifd: ImageFileDirectory, owner: type) -> T: ...
    def __get__(self, ifd: ImageFileDirectory | None, owner: type) -> T | _Field[T]:
        if ifd is None:
            return self
        # asked for dozens of times in a parse, as the code may be written without regard to it
        found: T = ifd.memo.get(self._name, _MISSING)
        return ifd.remembered(self._name, self._read) if found is _MISSING else found


def _integer(tag: Tag, default: int) -> _Field[int]:
    """One whole number, with the specification's default."""

    def read(ifd: ImageFileDirectory) -> int:
        found = ifd.integer(tag)
        return default if found is None else found

    return _Field(read)


def _optional(tag: Tag) -> _Field[int | None]:
    """One whole number, or None."""
    return _Field(lambda ifd: ifd.integer(tag))


def _required(tag: Tag) -> _Field[int]:
    """One whole number without which there is no image."""

    def read(ifd: ImageFileDirectory) -> int:
        found = ifd.integer(tag)
        if found is None:
            msg = f"the directory has no {tag.name}, so it describes no image"
            raise FormatError(msg, tag=tag, ifd=ifd.path, offset=ifd.offset)
        return found

    return _Field(read)


def _per_sample(tag: Tag, default: int) -> _Field[tuple[int, ...]]:
    """SamplesPerPixel whole numbers; where fewer are given and they agree, they hold for all."""
    return _Field(lambda ifd: _of_samples(ifd, tag, default))


def _of_samples(ifd: ImageFileDirectory, tag: Tag, default: int) -> tuple[int, ...]:
    samples = ifd.SamplesPerPixel
    found = ifd.integers(tag)
    known = (default,) if found is None else tuple(found[:samples])
    if len(known) < samples and len(set(known)) > 1:
        msg = f"{len(known)} values for {samples} samples, and they differ"
        raise FormatError(msg, tag=tag, ifd=ifd.path, offset=ifd.offset)
    return known + known[-1:] * (samples - len(known))


def _samples_per_pixel(ifd: ImageFileDirectory) -> int:
    """Return the samples of a pixel, 1 to 65535: a SHORT, whatever the field type."""
    samples = ifd.integer(Tag.SamplesPerPixel)
    if samples is None:
        return 1
    if not 0 < samples < 2**16:
        msg = f"SamplesPerPixel is {samples}, not 1 to 65535"
        raise FormatError(msg, tag=Tag.SamplesPerPixel, ifd=ifd.path, offset=ifd.offset)
    return samples


_SAMPLE_FORMATS_OF_DATA_TYPE = {0: 4, 1: 2, 2: 1, 3: 3}
"""DataType, SGI's forerunner of SampleFormat, to it, as in libtiff's `_TIFFVSetField`."""


def _sample_format(ifd: ImageFileDirectory) -> tuple[int, ...]:
    """SampleFormat; where it is absent, what DataType says."""
    if Tag.SampleFormat in ifd.entries or Tag.DataType not in ifd.entries:
        return _of_samples(ifd, Tag.SampleFormat, 1)
    code = ifd.integer(Tag.DataType) or 0
    return (_SAMPLE_FORMATS_OF_DATA_TYPE.get(code, code),) * ifd.SamplesPerPixel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageFileDirectory(Mapping[int | str, Value]):
    """A directory (IFD), its tags by name and by number.

    `ifd.ImageWidth` is a number with the specification's default applied,
    `ifd["ImageWidth"]` and `ifd[256]` are the tag's value as the file has it.
    """

    path: str
    """Number in the chain, `"0"`; a SubIFD's has its parent's before it, `"0/1"`."""
    offset: int
    """Where the directory begins in the file."""
    next_offset: int
    """Where the next directory of the chain begins; 0 after the last."""
    variant: Variant
    entries: Mapping[int, Entry] = field(repr=False)
    """By tag number, in the file's order; of two entries for one tag the first."""
    subifds: tuple[ImageFileDirectory, ...] = ()
    """The directories that tag SubIFDs (330) points to, in its order."""
    referenced: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """Bytes that tags of JPEG images point to, by their offset; see `old_jpeg.pointed`."""

    limits: Limits = field(default_factory=Limits, repr=False)
    """What the file may ask for: those that it was read with."""

    memo: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)
    """What was decoded of several tags together, by its name, so that it is decoded once."""

    _warnings: int = field(default_factory=warnings_issued, init=False, repr=False)

    # TIFF 6.0: the tags that say where pixels are and what they are
    NewSubfileType = _integer(Tag.NewSubfileType, 0)
    SubfileType = _optional(Tag.SubfileType)
    ImageWidth = _required(Tag.ImageWidth)
    ImageLength = _required(Tag.ImageLength)
    BitsPerSample = _per_sample(Tag.BitsPerSample, 1)
    Compression = _integer(Tag.Compression, 1)
    PhotometricInterpretation = _optional(Tag.PhotometricInterpretation)
    FillOrder = _integer(Tag.FillOrder, 1)
    Orientation = _integer(Tag.Orientation, 1)
    RowsPerStrip = _integer(Tag.RowsPerStrip, 2**32 - 1)
    PlanarConfiguration = _integer(Tag.PlanarConfiguration, 1)
    T4Options = _integer(Tag.T4Options, 0)
    T6Options = _integer(Tag.T6Options, 0)
    Predictor = _integer(Tag.Predictor, 1)
    TileWidth = _optional(Tag.TileWidth)
    TileLength = _optional(Tag.TileLength)
    SampleFormat = _Field(_sample_format)
    SamplesPerPixel = _Field(_samples_per_pixel)

    @property
    def describes_image(self) -> bool:
        """Whether the directory has the tags without which there is no image."""
        return Tag.ImageWidth in self.entries and Tag.ImageLength in self.entries

    @property
    def ExtraSamples(self) -> tuple[int, ...]:
        """The meaning of the samples beyond those of the photometric interpretation."""
        return tuple(self.integers(Tag.ExtraSamples) or ())

    @property
    def form(self) -> Form | None:
        """What the tags say but for those that differ from file to file; see `form`.

        None if it is not to be compared: where bytes of pixels say something, too.
        """
        found: Form | None = self.memo.get(_FORM, _MISSING)
        if found is _MISSING:
            form = form_of(self.entries.values(), self.variant, self.limits)
            found = self.memo[_FORM] = None if self.referenced else form
            if found is not None:
                found.tell(self.memo)
        return found

    def remembered[T](
        self,
        key: Hashable,
        make: Callable[[ImageFileDirectory], T],
        *,
        also: ImageFileDirectory | None = None,
        said: tuple[bytes | None, ...] = (),
    ) -> T:
        """Return what follows from a directory's form, worked out once for all of that form.

        What is worked out after a warning is of this directory alone: of the next file, too,
        the warning must be given.

        Parameters
        ----------
        key
            What it is called, and all it depends on beside the form. Equal keys are one.
        make
            Works it out. Of the tags of `VARYING` it must not read any that is not `said`.
        also
            Another directory on whose form it depends.
        said
            The values of the tags of `VARYING` on which it depends.

        Returns
        -------
        T
            Shared: not to be changed.
        """
        own = key if also is None else (key, also.path)
        found: T = self.memo.get(own, _MISSING)
        if found is not _MISSING:
            return found
        form = self.form  # brings what is known of the form
        found = self.memo.get(own, _MISSING)
        if found is not _MISSING:
            return found
        if also is None and not said:
            found = make(self)
            if form is not None and warnings_issued() == self._warnings:
                form.keep(key, found)
        else:
            found = self._related(form, key, make, also, said)
        self.memo[own] = found
        return found

    def _related[T](
        self,
        form: Form | None,
        key: Hashable,
        make: Callable[[ImageFileDirectory], T],
        also: ImageFileDirectory | None,
        said: tuple[bytes | None, ...],
    ) -> T:
        """Return what follows from the form and something beside it."""
        other = None if also is None else also.form
        if form is None or (also is not None and other is None) or not is_short(said):
            return make(self)
        whole = form, key, other, said
        found: T = FINDINGS.get(whole, _MISSING)
        if found is _MISSING:
            found = make(self)
            if warnings_issued() == self._warnings:
                FINDINGS.keep(whole, found)
        return found

    def __getitem__(self, tag: int | str) -> Value:
        entry = self.entries[_number(tag)]
        try:
            return value(entry, self.variant)
        except TiffError as error:
            raise error.locate(ifd=self.path) from None

    def __iter__(self) -> Iterator[int]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, tag: object) -> bool:
        # a tag whose value is lost is there all the same: `get` must not hide it
        try:
            return isinstance(tag, int | str) and _number(tag) in self.entries
        except KeyError:
            return False

    def integers(self, tag: int) -> memoryview | None:
        """Return the tag's whole numbers; None if it is absent or has none.

        Any integer field type will do: SHORT where LONG is usual and the reverse.

        Returns
        -------
        memoryview or None
            Shape ``(count,)``.

        Raises
        ------
        FormatError
            If the field type is not a whole number.
        TruncatedError
            If the value lies past the file's end.
        """
        return self._read(tag, self._integers)

    def integer(self, tag: int) -> int | None:
        """Return the tag's first whole number; None if it is absent."""
        found = self.integers(tag)
        return None if found is None else int(found[0])

    def floats(self, tag: int) -> tuple[float, ...] | None:
        """Return the tag's numbers as floats; None if it is absent or has none."""
        return self._read(tag, lambda entry: rationals(entry, self.variant))

    def text(self, tag: int) -> str | None:
        """Return the tag's strings, several joined by line ends; None if it is absent."""
        return self._read(tag, lambda entry: "\n".join(texts(entry)))

    def raw(self, tag: int) -> bytes | None:
        """Return the value's bytes as the file has them; None if the tag is absent."""
        return self._read(tag, raw)

    def _read[T](self, tag: int, decode: Callable[[Entry], T]) -> T | None:
        entry = self.entries.get(tag)
        if entry is None or entry.count == 0:
            return None
        try:
            return decode(entry)
        except TiffError as error:
            raise error.locate(ifd=self.path) from None

    def _integers(self, entry: Entry) -> memoryview:
        if not entry.field_type.is_integer:
            msg = f"field type {entry.field_type.name} where a whole number belongs"
            raise FormatError(msg, tag=entry.tag, offset=entry.offset)
        return numbers(entry, self.variant)


def _number(tag: int | str) -> int:
    if isinstance(tag, int):
        return tag
    try:
        return Tag[tag].value
    except KeyError:
        msg = f"no tag is called {tag!r}; use its number"
        raise KeyError(msg) from None
