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
from .shared_findings import (
    FINDINGS,
    NO_READS,
    NOT_TO_BE_KEPT,
    RECORDING,
    Entries,
    Form,
    Note,
    Reads,
    form_of,
)

__all__ = ["ImageFileDirectory"]

_FORM = "form"
_BEYOND_THE_FORM = "beyond the form"
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
        value: T = ifd.memo.get(self._name, _MISSING)
        return ifd._remembered(self._name, self._read, ()) if value is _MISSING else value  # noqa: SLF001


def _integer(tag: Tag, default: int) -> _Field[int]:
    """One whole number, with the specification's default."""

    def read(ifd: ImageFileDirectory) -> int:
        number = ifd.integer(tag)
        return default if number is None else number

    return _Field(read)


def _optional(tag: Tag) -> _Field[int | None]:
    """One whole number, or None."""
    return _Field(lambda ifd: ifd.integer(tag))


def _required(tag: Tag) -> _Field[int]:
    """One whole number without which there is no image."""

    def read(ifd: ImageFileDirectory) -> int:
        number = ifd.integer(tag)
        if number is None:
            msg = f"the directory has no {tag.name}, so it describes no image"
            raise FormatError(msg, tag=tag, ifd=ifd.path, offset=ifd.offset)
        return number

    return _Field(read)


def _per_sample(tag: Tag, default: int) -> _Field[tuple[int, ...]]:
    """SamplesPerPixel whole numbers; where fewer are given and they agree, they hold for all."""
    return _Field(lambda ifd: _of_samples(ifd, tag, default))


def _of_samples(ifd: ImageFileDirectory, tag: Tag, default: int) -> tuple[int, ...]:
    samples = ifd.SamplesPerPixel
    values = ifd.integers(tag)
    known = (default,) if values is None else tuple(values[:samples])
    if len(known) < samples and len(set(known)) > 1:
        msg = f"there are {len(known)} values for {samples} samples, and they differ"
        raise FormatError(msg, tag=tag, ifd=ifd.path, offset=ifd.offset)
    return known + known[-1:] * (samples - len(known))


def _samples_per_pixel(ifd: ImageFileDirectory) -> int:
    """Return the samples of a pixel, 1 to 65535: a SHORT, whatever the field type."""
    samples = ifd.integer(Tag.SamplesPerPixel)
    if samples is None:
        return 1
    if not 0 < samples < 2**16:
        msg = f"SamplesPerPixel is {samples}; it must be 1 to 65535"
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
    """The byte order and the size of offsets."""
    entries: Mapping[int, Entry] = field(repr=False)
    """By tag number, in the file's order; of two entries for one tag the first."""
    subifds: tuple[ImageFileDirectory, ...] = ()
    """The directories that tag SubIFDs (330) points to, in its order."""
    referenced: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """Bytes that tags of JPEG images and microscopes point to, by their offset; see
    `old_jpeg.pointed` and `microscopes`."""

    limits: Limits = field(default_factory=Limits, repr=False)
    """The limits that the file was read with."""

    memo: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)
    """Values that depend on the form alone, so that each is worked out once."""

    _noted: dict[Hashable, tuple[Any, Reads, list[ImageFileDirectory]]] = field(
        default_factory=dict, init=False, repr=False
    )
    """Values that depend on more than the form, with the tags that they depend on."""

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", Entries(self.entries))

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
        """The tags and values that this directory shares with those of other files.

        See `shared_findings`. None if the directory cannot be compared, because bytes of pixels
        count too.
        """
        form: Form | None = self.memo.get(_FORM, _MISSING)
        if form is _MISSING:
            entries: Any = self.entries
            form, beyond = form_of(dict.values(entries), self.variant, self.limits)
            if self.referenced:
                form = None
            self.memo[_FORM], self.memo[_BEYOND_THE_FORM] = form, beyond
            if form is not None:
                form.tell(self.memo)
        return form

    def remembered[*A, T](self, make: Callable[[ImageFileDirectory, *A], T], *args: *A) -> T:
        """Return `make(self, *args)`, worked out once for all directories of which it is the same.

        The tags that `make` reads are recorded, and their values compared: `shared_findings` says
        how. What is worked out with a warning is of this directory alone: the next file must give
        the warning, too.

        Parameters
        ----------
        make
            A function of a module: no closure, so that it knows only what it is given.
        args
            Its further arguments: hashable, or directories of the same file.

        Returns
        -------
        T
            Shared: not to be changed.
        """
        key: Hashable = make
        if args:
            key = make, *[a.path if type(a) is ImageFileDirectory else a for a in args]
        value: T = self.memo.get(key, _MISSING)
        return self._remembered(key, make, args) if value is _MISSING else value

    def _remembered[T](self, key: Hashable, make: Callable[..., T], args: tuple[Any, ...]) -> T:
        form = self.memo.get(_FORM, _MISSING)
        if form is _MISSING:
            form = self.form  # brings into the memo what is known of the form
            known: T = self.memo.get(key, _MISSING)
            if known is not _MISSING:
                return known
        value: T
        if key in self._noted:
            value, reads, directories = self._noted[key]
        else:
            directories = [self]
            shared_key = key
            if args and (others := [a for a in args if type(a) is ImageFileDirectory]):
                directories += others
                forms = [other.form for other in others]
                if None in forms:
                    form = None
                shared_key = make, *forms, *[a for a in args if type(a) is not ImageFileDirectory]
            if form is None:
                self.memo[key] = value = _recorded(self, make, args)[0]
                return value
            entries = [one.entries for one in directories]
            made = form.find(shared_key, entries)
            value, reads = made or _made(form, shared_key, make, args, directories)
            if not reads.tags and reads is not NOT_TO_BE_KEPT:
                # whatever asks for it was given these directories, so their forms are in its key
                self.memo[key] = value
                return value
            self._noted[key] = value, reads, directories
        if RECORDING.notes is not None:
            RECORDING.notes |= reads.notes([one.entries for one in directories])
        return value

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
        numbers = self.integers(tag)
        return None if numbers is None else int(numbers[0])

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
            msg = f"the field type is {entry.field_type.name}, where a whole number is expected"
            raise FormatError(msg, tag=entry.tag, offset=entry.offset)
        return numbers(entry, self.variant)


def _number(tag: int | str) -> int:
    if isinstance(tag, int):
        return tag
    try:
        return Tag[tag].value
    except KeyError:
        msg = f"there is no tag with the name {tag!r}; use its number"
        raise KeyError(msg) from None


def _recorded[T](
    ifd: ImageFileDirectory, make: Callable[..., T], args: tuple[Any, ...]
) -> tuple[T, set[Note]]:
    """Call a function; return its result, and which values it has read."""
    outer, issued = RECORDING.notes, warnings_issued()
    notes: set[Note] = set()
    RECORDING.notes = notes
    try:
        return make(ifd, *args), notes
    finally:
        RECORDING.notes = outer
        if warnings_issued() != issued:
            notes.add(None)
        if outer is not None:
            outer |= notes


def _made[T](
    form: Form,
    key: Hashable,
    make: Callable[..., T],
    args: tuple[Any, ...],
    directories: list[ImageFileDirectory],
) -> tuple[T, Reads]:
    """Call a function, and keep its result for other files; return what it depends on, too."""
    value, notes = _recorded(directories[0], make, args)
    numbers = {id(directory.entries): number for number, directory in enumerate(directories)}
    tags = []
    for note in notes:
        if note is None or note[0] not in numbers:
            # made with a warning, or of a directory that is not among the arguments
            return value, NOT_TO_BE_KEPT
        number, tag = numbers[note[0]], note[1]
        if tag in directories[number].memo[_BEYOND_THE_FORM]:
            tags.append((number, tag))
    if not tags and len(directories) == 1:
        form.keep(key, value)
        return value, NO_READS
    reads = form.reads_of(key, tuple(sorted(tags)))
    FINDINGS.keep(reads.key([one.entries for one in directories]), value)
    return value, reads
