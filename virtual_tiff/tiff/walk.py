"""The rules by which a TIFF's directories are walked; bytes in, requests out.

`Walk` never awaits: it says which ranges it wants, takes their bytes, and says what it
wants next. So every rule can be tested with a literal. The chain is TIFF 6.0 section 2,
SubIFDs are TIFF Technical Note 1.

The order is fixed, however the bytes come: the chain first, then the SubIFDs of all its
directories, then theirs. So the same file always has the same directories, even where two
of them claim the same bytes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from .constants import Tag, tag_name
from .entry import Entry, numbers, parse_entries, split_directory
from .errors import FormatError, TiffError, TruncatedError, warn
from .forecast import Forecast
from .ghost import Ghost
from .header import NDPI, Variant
from .ifd import ImageFileDirectory
from .large import with_high_words
from .limits import Limits
from .losses import Loss
from .microscopes import pointed_by_microscope, pointed_by_value
from .ndpi import is_ndpi, possible_ndpi, with_meant_samples, with_restart_intervals
from .old_jpeg import POINTERS, pointed, repaired
from .source import ByteRange
from .subfiles import full_image_of, is_full

__all__ = ["Request", "Walk"]

_FIRST_ENTRIES = 32
"""Entries that a directory is taken to have before its count is known."""


_LEADS_ON = frozenset({int(Tag.SubIFDs), *POINTERS})
"""Tags whose values say where more is to be read."""

_OF_ITS_OVERVIEWS = (
    Tag.ModelPixelScale,
    Tag.ModelTiepoint,
    Tag.ModelTransformation,
    Tag.GeoKeyDirectory,
    Tag.GeoDoubleParams,
    Tag.GeoAsciiParams,
    Tag.RPCCoefficients,
    Tag.GDAL_METADATA,
    Tag.GDAL_NODATA,
    Tag.BitsPerSample,
    Tag.ExtraSamples,
)
"""Tags of an image that hold for its overviews and masks too, and what it takes to read them."""


_MOST_SHOWN = 20
"""Directories that an error lists."""

_FEW = 16
"""SubIFDs that are read with all that may lie around them; more of them, with what their
parents have around them."""


@dataclass(slots=True)
class _Node:
    """A directory that is being read."""

    path: str
    offset: int
    depth: int = 0
    next_offset: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    subifds: list[_Node] = field(default_factory=list)
    referenced: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Request:
    """Bytes that are wanted, and what to do with them; that may want more."""

    offset: int
    nbytes: int
    take: Callable[[memoryview], list[Request]]
    node: _Node | None = None
    """The directory that these bytes begin; None for the bytes of a value."""

    @property
    def range(self) -> ByteRange:
        """Where the bytes are."""
        return self.offset, self.offset + self.nbytes


class Walk:
    """One reading of a file's directories.

    Parameters
    ----------
    variant, size
        The file's, from its header and its source.
    limits, wanted
        As in `read_tiff`.
    ghost
        The file's ghost area, if that is known.
    """

    def __init__(
        self,
        variant: Variant,
        size: int,
        limits: Limits,
        wanted: int | str | None = None,
        ghost: Ghost | None = None,
    ) -> None:
        self.variant = variant
        """Of the file; its first directory may show that it is an NDPI."""
        self._size = size
        self._limits = limits
        self._wanted = None if wanted is None else str(wanted)
        number = (self._wanted or "").partition("/")[0]
        # what is no number, or above all limits, is no directory: all of them are looked at
        self._last = int(number) if number.isdecimal() and len(number) < 10 else None
        self._chain: list[_Node] = []
        self._spans: list[tuple[int, int]] = []
        self._directories = 0
        self._value_bytes = 0
        self._full: _Node | None = None
        self._parents: list[_Node] = []
        self.refused: dict[str, TiffError] = {}
        """Why directories cannot be read, by their paths."""
        self._forecast = Forecast(ghost)
        self.losses: list[Loss] = []
        """Directories and values beyond the file's end, of what was wanted."""

    def begin(self, offset: int) -> list[Request]:
        """Ask for the first directory."""
        if offset == 0:
            msg = "the header has no offset of a directory"
            raise FormatError(msg, offset=self.variant.header_bytes - self.variant.offset.size)
        return self._directory(_Node("0", offset), self._chain)

    def receive(self, requests: list[Request], buffers: list[memoryview]) -> list[Request]:
        """Hand each request its bytes; return what is wanted next."""
        wanted = []
        for request, data in zip(requests, buffers, strict=True):
            if len(data) < min(request.nbytes, self._size - request.offset):
                given = f"{len(data)} of {request.nbytes} bytes"
                msg = f"the source gave {given}; the file may have changed"
                raise TruncatedError(msg, offset=request.offset)
            wanted += request.take(data)
        return wanted

    def descend(self) -> list[Request]:
        """Ask for the SubIFDs of the directories read so far; all their values must be there."""
        # by path, for inline values come before those that had to be fetched
        parents, self._parents = sorted(self._parents, key=_order), []
        return [new for node in parents for new in self._children(node)]

    def likely(self, requests: list[Request]) -> list[ByteRange] | None:
        """Say what may be wanted after these requests: a hint, see `Anticipating.expect`.

        Returns
        -------
        list of ByteRange or None
            The likeliest first; None if nothing is known.
        """
        nodes = [request.node for request in requests if request.node is not None]
        if not nodes:
            return []
        if not nodes[0].depth:  # the chain is read one by one
            first = nodes[0]
            left = None if self._last is None else self._last - int(first.path)
            return self._forecast.ranges(first.offset, left)
        if len(nodes) <= _FEW:
            return None
        return [self._forecast.around(node.offset) for node in nodes]

    def finish(self) -> tuple[ImageFileDirectory, ...]:
        """Return the chain, or the one directory that was wanted."""
        if self._wanted is None:
            ifds = self._built(self._chain)
            others = list(self.refused)[_MOST_SHOWN:]
            if others:
                warn(
                    f"{len(others)} more directories are left out, the last of them IFD "
                    f"{others[-1]}"
                )
            return ifds
        nodes = {node.path: node for node in _nodes(self._chain)}
        if self._wanted not in nodes:
            there = (path for node in nodes.values() for path in (node.path, *self._listed(node)))
            shown = _shown(list(dict.fromkeys(there)))
            msg = f"the file has no IFD {self._wanted!r}; it has {shown}"
            raise FormatError(msg)
        return (self._build(nodes[self._wanted]),)

    def full_image(self) -> ImageFileDirectory | None:
        """Return the image that the wanted overview or mask belongs to."""
        return None if self._full is None else self._view(self._full)

    def _listed(self, node: _Node) -> list[str]:
        """Return the paths of the SubIFDs that a directory on the way lists."""
        entry = node.entries.get(Tag.SubIFDs)
        count = 0 if entry is None or entry.data is None else entry.count
        return [f"{node.path}/{i}" for i in range(min(count, _MOST_SHOWN))]

    def _view(self, node: _Node) -> ImageFileDirectory:
        """Return a directory as far as it is read."""
        return ImageFileDirectory(
            path=node.path,
            offset=node.offset,
            next_offset=node.next_offset,
            variant=self.variant,
            entries=node.entries,
            limits=self._limits,
        )

    def _built(self, nodes: Iterable[_Node]) -> tuple[ImageFileDirectory, ...]:
        """Return directories without those that cannot be read."""
        ifds = []
        for node in nodes:
            try:
                ifds.append(self._build(node))
            except TiffError as error:
                self._refuse(node, error)
        return tuple(ifds)

    def _build(self, node: _Node) -> ImageFileDirectory:
        return ImageFileDirectory(
            path=node.path,
            offset=node.offset,
            next_offset=node.next_offset,
            variant=self.variant,
            entries=self._meant(node),
            # a directory that took a second read was noted behind its siblings
            subifds=self._built(sorted(node.subifds, key=_place)),
            referenced=node.referenced,
            limits=self._limits,
        )

    def _meant(self, node: _Node) -> Mapping[int, Entry]:
        """Return the entries of a directory as they are meant, where a kind of files needs that."""
        variant, referenced, path = self.variant, node.referenced, node.path
        entries = repaired(node.entries, referenced, variant, self._size, path)
        entries = with_meant_samples(with_high_words(entries, variant), variant)
        return with_restart_intervals(entries, referenced, variant, path)

    def _directory(self, node: _Node, siblings: list[_Node]) -> list[Request]:
        """Ask for a directory whose length is not known yet."""
        self._directories += 1
        count = self._directories
        self._limits.check("directories", count, "directories", ifd=node.path, of_file=True)
        try:
            self._limits.check("subifd_depth", node.depth, "depth of SubIFDs", ifd=node.path)
        except TiffError as error:
            self._refuse(node, error)
            return []
        nbytes = self._directory_bytes(_FIRST_ENTRIES)
        return [Request(node.offset, nbytes, partial(self._take_directory, node, siblings), node)]

    def _take_directory(
        self, node: _Node, siblings: list[_Node], data: memoryview
    ) -> list[Request]:
        try:
            count = self._entry_count(node, data)
            wanted = self._directory_bytes(count)
            ndpi = possible_ndpi(data, count, self.variant) if node.path == "0" else 0
            if ndpi and len(data) >= min(ndpi, self._size - node.offset) and is_ndpi(data, count):
                self.variant = NDPI
            wanted = min(max(wanted, ndpi), self._size - node.offset)
            if len(data) < wanted:
                take = partial(self._take_directory, node, siblings)
                return [Request(node.offset, wanted, take, node)]
            self._claim(node, self._directory_bytes(count))
            self._fill(node, data, count)
        except TiffError as error:  # too many entries, too: garbage looks like that
            self._refuse(node, error, ends_chain=not node.depth)
            return []
        siblings.append(node)
        values = self._values(node) + self._inherited(node)
        if not node.depth:
            nbytes = self._directory_bytes(max(count, _FIRST_ENTRIES))
            self._forecast.note(node.offset, nbytes, [request.range for request in values])
        return self._next(node, siblings) + values

    def _refuse(self, node: _Node, error: TiffError, *, ends_chain: bool = False) -> None:
        """Leave out a directory that cannot be read, if the others can be had without it."""
        error.locate(ifd=node.path, offset=node.offset)
        wanted = f"{self._wanted}/".startswith(f"{node.path}/")
        if node.path == "0" or (wanted and (node.depth or node.path == self._wanted)):
            raise error
        self.refused[node.path] = error
        if isinstance(error, TruncatedError):
            self._lose(node.path, f"IFD {node.path}")
        if ends_chain:
            warn(f"the chain of directories ends before IFD {node.path}: {error}")
        elif len(self.refused) <= _MOST_SHOWN:
            warn(f"IFD {node.path} is left out because it cannot be read: {error}")

    def _directory_bytes(self, entries: int) -> int:
        variant = self.variant
        return variant.entry_count.size + entries * variant.entry.size + variant.offset.size

    def _entry_count(self, node: _Node, data: memoryview) -> int:
        if len(data) < self.variant.entry_count.size:
            msg = (
                f"a directory should begin at {node.offset:,}, but the file has {self._size:,} "
                "bytes"
            )
            raise TruncatedError(msg)
        count: int = self.variant.entry_count.unpack_from(data)[0]
        if count == 0:
            msg = "the directory has no entries"
            raise FormatError(msg)
        self._limits.check("entries", count, "entries of the directory", ifd=node.path)
        return count

    def _claim(self, node: _Node, nbytes: int) -> None:
        """Refuse a directory that shares bytes with another: a cycle, or an attack."""
        span = (node.offset, node.offset + nbytes)
        at = bisect_left(self._spans, span)
        before = self._spans[at - 1][1] if at else 0
        behind = self._spans[at][0] if at < len(self._spans) else span[1]
        if before > span[0] or behind < span[1]:
            msg = "this directory shares its bytes with one that was read before"
            raise FormatError(msg)
        self._spans.insert(at, span)

    def _fill(self, node: _Node, data: memoryview, count: int) -> None:
        """Decode the entries and the next offset, which may be cut off as in libtiff."""
        variant = self.variant
        begin = variant.entry_count.size
        nbytes = begin + count * variant.entry.size
        if variant.high_words:
            nbytes += variant.offset.size
        if len(data) < nbytes:
            msg = (
                f"the directory has {count} entries, but {self._size - node.offset:,} bytes are "
                "left"
            )
            raise TruncatedError(msg)
        stored, node.next_offset = split_directory(data, count, variant)
        for entry in parse_entries(stored, variant, node.offset + begin, node.path):
            if entry.tag in node.entries:
                warn(
                    f"IFD {node.path}: tag {tag_name(entry.tag)} occurs twice; the first one is "
                    "used"
                )
            else:
                node.entries[entry.tag] = entry
        whole = self._directory_bytes(count)
        if len(data) < whole and not node.depth and int(node.path) != self._last:
            after = str(int(node.path) + 1)  # which would follow, if there is one
            self._lose(after, f"the offset of IFD {after}")

    def _next(self, node: _Node, siblings: list[_Node]) -> list[Request]:
        """Ask for the next of the chain; SubIFDs are listed, not chained."""
        if node.depth or int(node.path) == self._last or not node.next_offset:
            return []
        return self._directory(_Node(str(int(node.path) + 1), node.next_offset), siblings)

    def _values(self, node: _Node) -> list[Request]:
        """Ask for the out-of-line values; for a directory on the way, for its SubIFDs alone."""
        if self._wanted in (None, node.path):
            # most values stand in their entries, and lead nowhere
            entries = [e for e in node.entries.values() if e.data is None or e.tag in _LEADS_ON]
        elif Tag.SubIFDs in node.entries and self._leads_on(node):
            entries = [node.entries[Tag.SubIFDs]]
        else:
            return []
        return [request for entry in entries for request in self._value(node, entry)]

    def _inherited(self, node: _Node) -> list[Request]:
        """Ask for what an overview has from its image, where that is not read for itself."""
        if self._wanted != node.path:
            return []
        parent = self._wanted.rpartition("/")[0]
        nodes = {n.path: n for n in _nodes(self._chain) if n is not node}
        before = [nodes[parent]] if parent else list(nodes.values())
        images = [view for view in map(self._view, before) if is_full(view)]
        full = full_image_of(self._view(node), images)
        if full is None:
            return []
        self._full = nodes[full.path]
        entries = [self._full.entries[tag] for tag in _OF_ITS_OVERVIEWS if tag in full.entries]
        return [request for entry in entries for request in self._value(self._full, entry)]

    def _leads_on(self, node: _Node) -> bool:
        return self._wanted is None or self._wanted.startswith(f"{node.path}/")

    def _value(self, node: _Node, entry: Entry) -> list[Request]:
        if entry.data is not None:
            return self._take_value(node, entry, memoryview(entry.data))
        if entry.offset + entry.nbytes > self._size:
            warn(
                f"IFD {node.path}: the value of {tag_name(entry.tag)} ({entry.nbytes:,} bytes at "
                f"{entry.offset:,}) lies past the file's end ({self._size:,} bytes)"
            )
            self._lose(node.path, f"the value of {tag_name(entry.tag)} of IFD {node.path}")
            return []
        self._count(node, entry.nbytes)
        return [Request(entry.offset, entry.nbytes, partial(self._take_value, node, entry))]

    def _lose(self, ifd: str, what: str) -> None:
        self.losses.append(Loss(ifd=ifd, what=what))

    def _count(self, node: _Node, nbytes: int) -> None:
        """Count bytes that will be held, before they are asked for."""
        self._value_bytes += nbytes
        read, what = self._value_bytes, "bytes of values"
        self._limits.check("value_bytes", read, what, ifd=node.path, of_file=True)
        self._limits.check_shared("shared_values", read, self._size, what, ifd=node.path)

    def _take_value(self, node: _Node, entry: Entry, data: memoryview) -> list[Request]:
        if entry.data is None:
            entry = entry._replace(data=_owned(data))
            node.entries[entry.tag] = entry
        if entry.tag != Tag.SubIFDs:
            return self._references(node, entry)
        if self._leads_on(node):
            self._parents.append(node)
        return []

    def _children(self, node: _Node) -> list[Request]:
        entry = node.entries[Tag.SubIFDs]
        if not entry.field_type.is_integer:
            warn(
                f"IFD {node.path}: SubIFDs has the field type {entry.field_type.name} and is "
                "ignored"
            )
            return []
        offsets = numbers(entry, self.variant)
        try:
            self._limits.check("directories", len(offsets), "SubIFDs", ifd=node.path)
        except TiffError as error:
            if node.path in ("0", self._wanted):
                raise
            warn(f"IFD {node.path}: SubIFDs are left out: {error}")
            return []
        return [new for i, offset in enumerate(offsets) for new in self._child(node, i, offset)]

    def _references(self, node: _Node, entry: Entry) -> list[Request]:
        """Ask for the bytes that a tag of a JPEG image or of a microscope points to."""
        ranges = pointed(node.entries, entry.tag, self.variant)
        return self._ask(
            node, ranges or pointed_by_microscope(node.entries, entry.tag, self.variant)
        )

    def _ask(self, node: _Node, ranges: Iterable[tuple[int, int]]) -> list[Request]:
        """Ask for what is pointed to, as far as the file has it."""
        requests = []
        for offset, nbytes in ranges:
            length = min(nbytes, self._size - offset)
            if length > 0:
                self._count(node, length)
                take = partial(self._take_reference, node, offset)
                requests.append(Request(offset, length, take))
        return requests

    def _take_reference(self, node: _Node, offset: int, data: memoryview) -> list[Request]:
        if len(data) <= len(node.referenced.get(offset, b"")):
            return []
        node.referenced[offset] = bytes(data)
        further = pointed_by_value(node.entries, offset, node.referenced[offset], self.variant)
        return self._ask(node, further)

    def _child(self, node: _Node, index: int, offset: int) -> list[Request]:
        path = f"{node.path}/{index}"
        on_the_way = self._wanted is None or f"{self._wanted}/".startswith(f"{path}/")
        if not offset or not on_the_way:
            return []
        return self._directory(_Node(path, offset, depth=node.depth + 1), node.subifds)


def _owned(data: memoryview) -> bytes:
    """Return bytes that hold nothing else, without a copy where they already do."""
    whole = data.obj
    return whole if type(whole) is bytes and len(whole) == len(data) else bytes(data)


def _order(node: _Node) -> list[int]:
    return [int(part) for part in node.path.split("/")]


def _place(node: _Node) -> int:
    return int(node.path.rpartition("/")[2])


def _nodes(chain: Iterable[_Node]) -> Iterator[_Node]:
    for node in chain:
        yield node
        yield from _nodes(node.subifds)


def _shown(paths: list[str]) -> str:
    return ", ".join(paths[:_MOST_SHOWN]) + (", …" if len(paths) > _MOST_SHOWN else "")
