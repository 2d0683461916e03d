"""The places of the parts of a file: header, directories, values of tags, blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.tiff import BlockLayout, Tiff

__all__ = ["Extents", "Spans", "extents_of", "gaps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Ranges of bytes: first byte, and the byte after the last; shape (n,) each."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Spans:
        """Make spans of pairs of first byte and end."""
        table = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
        return cls(starts=table[:, 0], ends=table[:, 1])

    @property
    def nbytes(self) -> int:
        """Bytes of all together."""
        return int((self.ends - self.starts).sum())

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extents:
    """The places of the parts of a file that its directories point to."""

    size: int
    """Bytes of the file."""
    header: Spans
    directories: Spans
    """In the order of `Tiff.walk`."""
    values: Spans
    """Values that do not fit into their entries, and lie within the file."""
    blocks: Mapping[str, Spans]
    """By the path of the directory, in the order of its arrays; without missing blocks."""

    @property
    def tags(self) -> Spans:
        """Directories and values."""
        return _joined([self.directories, self.values])

    @property
    def first_block(self) -> int | None:
        """The offset of the first block; None if there is none."""
        return min((int(s.starts.min()) for s in self.blocks.values() if len(s)), default=None)

    def all(self) -> Spans:
        """Return the spans of all parts."""
        return _joined([self.header, self.tags, *self.blocks.values()])


def extents_of(tiff: Tiff, layouts: Mapping[str, BlockLayout]) -> Extents:
    """Return where the parts of a file lie; `layouts` are by the path of the directory."""
    directories, values = [], []
    for ifd in tiff.walk():
        variant = ifd.variant
        entries = len(ifd.entries) * variant.entry.size
        nbytes = variant.entry_count.size + entries + variant.offset.size
        directories.append((ifd.offset, ifd.offset + nbytes))
        values += [
            (entry.offset, entry.offset + entry.nbytes)
            for entry in ifd.entries.values()
            if entry.data is not None and entry.nbytes > variant.inline_bytes
        ]
    return Extents(
        size=tiff.state.size,
        header=Spans.of([(0, tiff.header.variant.header_bytes)]),
        directories=Spans.of(directories),
        values=Spans.of(values),
        blocks={path: _blocks(layout) for path, layout in layouts.items()},
    )


def gaps(extents: Extents) -> Spans:
    """Return the bytes of the file that nothing points to."""
    known = extents.all()
    order = np.argsort(known.starts, kind="stable")
    reached = np.maximum.accumulate(np.minimum(known.ends[order], extents.size))
    begins = np.concatenate([[0], reached])
    ends = np.concatenate([known.starts[order], [extents.size]])
    free = ends > begins
    return Spans(starts=begins[free], ends=np.minimum(ends[free], extents.size))


def _joined(spans: Sequence[Spans]) -> Spans:
    return Spans(
        starts=np.concatenate([s.starts for s in spans]),
        ends=np.concatenate([s.ends for s in spans]),
    )


def _blocks(layout: BlockLayout) -> Spans:
    # a BigTIFF may state numbers that are no place in any file
    most = np.iinfo(np.int64).max // 2
    starts, counts = (
        np.clip(np.frombuffer(field, field.format), 0, most).astype(np.int64)
        for field in (layout.offsets, layout.byte_counts)
    )
    stored = (starts > 0) & (counts > 0)
    return Spans(starts=starts[stored], ends=(starts + counts)[stored])
