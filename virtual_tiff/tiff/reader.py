"""From a byte source to the directories of a TIFF.

`_Walk` never awaits: it says which ranges it wants, takes their bytes, and says what it
wants next. So `read_tiff` is three lines of input, each step is one batch of all the
directories and out-of-line values that are known by then, and every rule can be tested
with a literal. The chain is TIFF 6.0 section 2, SubIFDs are TIFF Technical Note 1.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from .constants import Tag, tag_name
from .entry import Entry, numbers, parse_entries
from .errors import FormatError, TiffError, TruncatedError, warn
from .header import HEADER_BYTES, Header, Variant, parse_header
from .ifd import ImageFileDirectory
from .limits import Limits
from .old_jpeg import pointed, repaired
from .source import ByteSource, SourceState

__all__ = ["Tiff", "read_tiff"]

_FIRST_ENTRIES = 32
"""Entries that a directory is taken to have before its count is known."""


_MOST_SHOWN = 20
"""Directories that an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiff:
    """A file's header and directories."""

    header: Header
    state: SourceState
    """What the file was when it was read."""
    ifds: tuple[ImageFileDirectory, ...]
    """The directories of the chain, in its order; or the one that was asked for."""

    def walk(self) -> Iterator[ImageFileDirectory]:
        """All directories: each of the chain with its SubIFDs behind it."""
        yield from _descend(self.ifds)


def _descend(ifds: Iterable[ImageFileDirectory]) -> Iterator[ImageFileDirectory]:
    for ifd in ifds:
        yield ifd
        yield from _descend(ifd.subifds)


async def read_tiff(
    source: ByteSource, *, ifd: int | str | None = None, limits: Limits | None = None
) -> Tiff:
    """Read the header and the directories of a TIFF.

    Parameters
    ----------
    source
        Where the bytes are. Wrap it in `ReadAhead`, or each step asks for a few bytes.
    ifd
        Read this directory alone (`0`, `"0/1"` for a SubIFD): those before it in the chain
        are passed through without their values, those behind it are not looked at. None
        reads all.
    limits
        What the file may ask for.

    Raises
    ------
    FormatError, TruncatedError
        If the first directory, or the one asked for, cannot be read. Another one that
        cannot ends its chain with a warning, as in GDAL: the images before it are sound.
    LimitError
        If the file asks for more than `limits` allow.
    """
    (start,) = await source.read_ranges([(0, HEADER_BYTES)])
    state = source.state
    if state is None:
        msg = f"{type(source).__name__} has no state after a read; see ByteSource.state"
        raise TypeError(msg)
    header = parse_header(start)
    walk = _Walk(header.variant, state.size, limits or Limits(), ifd)
    requests = walk.begin(header.first_ifd_offset)
    while requests:
        buffers = await source.read_ranges([(r.offset, r.offset + r.nbytes) for r in requests])
        requests = walk.receive(requests, buffers)
    return Tiff(header=header, state=state, ifds=walk.finish())


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
class _Request:
    """Bytes that are wanted, and what to do with them; that may want more."""

    offset: int
    nbytes: int
    take: Callable[[memoryview], list[_Request]]


class _Walk:
    """The rules of one reading; bytes in, requests out."""

    def __init__(
        self, variant: Variant, size: int, limits: Limits, wanted: int | str | None
    ) -> None:
        self._variant = variant
        self._size = size
        self._limits = limits
        self._wanted = None if wanted is None else str(wanted)
        self._chain: list[_Node] = []
        self._spans: list[tuple[int, int]] = []
        self._directories = 0
        self._value_bytes = 0

    def begin(self, offset: int) -> list[_Request]:
        """Ask for the first directory."""
        if offset == 0:
            msg = "the header points to no directory"
            raise FormatError(msg, offset=self._variant.header_bytes - self._variant.offset.size)
        return self._directory(_Node("0", offset), self._chain)

    def receive(self, requests: list[_Request], buffers: list[memoryview]) -> list[_Request]:
        """Hand each request its bytes; return what is wanted next."""
        wanted = []
        for request, data in zip(requests, buffers, strict=True):
            if len(data) < min(request.nbytes, self._size - request.offset):
                msg = f"the source gave {len(data)} of {request.nbytes} bytes; was it changed?"
                raise TruncatedError(msg, offset=request.offset)
            wanted += request.take(data)
        return wanted

    def finish(self) -> tuple[ImageFileDirectory, ...]:
        """Return the chain, or the one directory that was wanted."""
        if self._wanted is None:
            return tuple(map(self._build, self._chain))
        nodes = {node.path: node for node in _nodes(self._chain)}
        if self._wanted not in nodes:
            there = (path for node in nodes.values() for path in (node.path, *self._listed(node)))
            shown = _shown(list(dict.fromkeys(there)))
            msg = f"the file has no IFD {self._wanted!r}; it has {shown}"
            raise FormatError(msg)
        return (self._build(nodes[self._wanted]),)

    def _listed(self, node: _Node) -> list[str]:
        """Return the paths of the SubIFDs that a directory on the way lists."""
        entry = node.entries.get(Tag.SubIFDs)
        count = 0 if entry is None or entry.data is None else entry.count
        return [f"{node.path}/{i}" for i in range(min(count, _MOST_SHOWN))]

    def _build(self, node: _Node) -> ImageFileDirectory:
        return ImageFileDirectory(
            path=node.path,
            offset=node.offset,
            next_offset=node.next_offset,
            variant=self._variant,
            entries=repaired(node.entries, node.referenced, self._variant, self._size, node.path),
            # a directory that took a second read was noted behind its siblings
            subifds=tuple(map(self._build, sorted(node.subifds, key=_place))),
            referenced=node.referenced,
        )

    def _directory(self, node: _Node, siblings: list[_Node]) -> list[_Request]:
        """Ask for a directory whose length is not known yet."""
        self._directories += 1
        self._limits.check("directories", self._directories, "directories", ifd=node.path)
        self._limits.check("subifd_depth", node.depth, "depth of SubIFDs", ifd=node.path)
        nbytes = self._directory_bytes(_FIRST_ENTRIES)
        return [_Request(node.offset, nbytes, partial(self._take_directory, node, siblings))]

    def _take_directory(
        self, node: _Node, siblings: list[_Node], data: memoryview
    ) -> list[_Request]:
        try:
            count = self._entry_count(node, data)
            wanted = min(self._directory_bytes(count), self._size - node.offset)
            if len(data) < wanted and count > _FIRST_ENTRIES:
                take = partial(self._take_directory, node, siblings)
                return [_Request(node.offset, wanted, take)]
            self._claim(node, self._directory_bytes(count))
            self._fill(node, data, count)
        except TiffError as error:  # too many entries, too: garbage looks like that
            error.locate(ifd=node.path, offset=node.offset)
            if node.path in ("0", self._wanted):
                raise
            warn(f"the chain of directories ends before IFD {node.path}: {error}")
            return []
        siblings.append(node)
        return self._next(node, siblings) + self._values(node)

    def _directory_bytes(self, entries: int) -> int:
        variant = self._variant
        return variant.entry_count.size + entries * variant.entry.size + variant.offset.size

    def _entry_count(self, node: _Node, data: memoryview) -> int:
        if len(data) < self._variant.entry_count.size:
            msg = f"a directory is to begin at {node.offset:,}, the file has {self._size:,} bytes"
            raise TruncatedError(msg)
        count: int = self._variant.entry_count.unpack_from(data)[0]
        if count == 0:
            msg = "a directory without entries"
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
        variant = self._variant
        begin = variant.entry_count.size
        end = begin + count * variant.entry.size
        if len(data) < end:
            msg = f"a directory of {count} entries, {self._size - node.offset:,} bytes are left"
            raise TruncatedError(msg)
        entries = parse_entries(data[begin:end], variant, node.offset + begin, node.path)
        for entry in entries:
            if entry.tag in node.entries:
                warn(f"IFD {node.path}: tag {tag_name(entry.tag)} twice, the first one holds")
            else:
                node.entries[entry.tag] = entry
        if len(data) >= end + variant.offset.size:
            (node.next_offset,) = variant.offset.unpack_from(data, end)

    def _next(self, node: _Node, siblings: list[_Node]) -> list[_Request]:
        """Ask for the next of the chain; SubIFDs are listed, not chained."""
        last = self._wanted is not None and self._wanted.partition("/")[0] == node.path
        if node.depth or last or not node.next_offset:
            return []
        return self._directory(_Node(str(int(node.path) + 1), node.next_offset), siblings)

    def _values(self, node: _Node) -> list[_Request]:
        """Ask for the out-of-line values; for a directory on the way, for its SubIFDs alone."""
        if self._wanted in (None, node.path):
            entries = list(node.entries.values())
        elif Tag.SubIFDs in node.entries and self._leads_on(node):
            entries = [node.entries[Tag.SubIFDs]]
        else:
            return []
        return [request for entry in entries for request in self._value(node, entry)]

    def _leads_on(self, node: _Node) -> bool:
        return self._wanted is None or self._wanted.startswith(f"{node.path}/")

    def _value(self, node: _Node, entry: Entry) -> list[_Request]:
        if entry.data is not None:
            return self._take_value(node, entry, memoryview(entry.data))
        if entry.offset + entry.nbytes > self._size:
            warn(
                f"IFD {node.path}: the value of {tag_name(entry.tag)} ({entry.nbytes:,} bytes at "
                f"{entry.offset:,}) lies past the file's end ({self._size:,} bytes)"
            )
            return []
        self._value_bytes += entry.nbytes
        self._limits.check("value_bytes", self._value_bytes, "bytes of values", ifd=node.path)
        return [_Request(entry.offset, entry.nbytes, partial(self._take_value, node, entry))]

    def _take_value(self, node: _Node, entry: Entry, data: memoryview) -> list[_Request]:
        if entry.data is None:
            entry = replace(entry, data=bytes(data))
            node.entries[entry.tag] = entry
        if entry.tag != Tag.SubIFDs:
            return self._references(node, entry)
        if not self._leads_on(node):
            return []
        if not entry.field_type.is_integer:
            warn(f"IFD {node.path}: SubIFDs is {entry.field_type.name}, ignored")
            return []
        offsets = numbers(entry, self._variant)
        self._limits.check("directories", len(offsets), "SubIFDs", ifd=node.path)
        return [new for i, offset in enumerate(offsets) for new in self._child(node, i, offset)]

    def _references(self, node: _Node, entry: Entry) -> list[_Request]:
        """Ask for the bytes that a JPEG image's tag points to, as far as the file has them."""
        requests = []
        for offset, nbytes in pointed(node.entries, entry.tag, self._variant):
            length = min(nbytes, self._size - offset)
            if length > 0:
                self._value_bytes += length
                self._limits.check(
                    "value_bytes", self._value_bytes, "bytes of values", ifd=node.path
                )
                take = partial(self._take_reference, node, offset)
                requests.append(_Request(offset, length, take))
        return requests

    def _take_reference(self, node: _Node, offset: int, data: memoryview) -> list[_Request]:
        if len(data) > len(node.referenced.get(offset, b"")):
            node.referenced[offset] = bytes(data)
        return []

    def _child(self, node: _Node, index: int, offset: int) -> list[_Request]:
        path = f"{node.path}/{index}"
        on_the_way = self._wanted is None or f"{self._wanted}/".startswith(f"{path}/")
        if not offset or not on_the_way:
            return []
        return self._directory(_Node(path, offset, depth=node.depth + 1), node.subifds)


def _place(node: _Node) -> int:
    return int(node.path.rpartition("/")[2])


def _nodes(chain: Iterable[_Node]) -> Iterator[_Node]:
    for node in chain:
        yield node
        yield from _nodes(node.subifds)


def _shown(paths: list[str]) -> str:
    return ", ".join(paths[:_MOST_SHOWN]) + (", …" if len(paths) > _MOST_SHOWN else "")
