"""Arrays and groups as plain data: what a layout makes, before it is anyone's store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FileArray", "Group", "InlineArray", "own"]

type JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileArray:
    """An array whose chunks are byte ranges of the file."""

    metadata: JSON
    """As `zarr.json` has them."""
    offsets: NDArray[np.uint64]
    """Byte offsets in the file, in C order of the chunk grid."""
    byte_counts: NDArray[np.uint64]
    """Bytes in the file, same shape; 0 for a missing chunk."""

    @property
    def chunk_grid(self) -> tuple[int, ...]:
        """Chunks along each dimension."""
        chunk_shape = self.metadata["chunk_grid"]["configuration"]["chunk_shape"]
        return tuple(-(-n // c) for n, c in zip(self.metadata["shape"], chunk_shape, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InlineArray:
    """An array of one chunk whose bytes are known."""

    metadata: JSON
    """As `zarr.json` has them."""
    data: bytes
    """The chunk, encoded."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Arrays and groups by name."""

    arrays: Mapping[str, FileArray | InlineArray] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    attributes: JSON = field(default_factory=dict)


def own(found: JSON) -> JSON:
    """Return a copy of an object of JSON: attributes are anyone's to change."""
    return {k: v if type(v) not in _CONTAINERS else _own(v) for k, v in found.items()}


def _own(value: Any) -> Any:  # noqa: ANN401 (an array or an object of JSON)
    if type(value) is dict:
        return own(value)
    return [v if type(v) not in _CONTAINERS else _own(v) for v in value]


_CONTAINERS = (list, dict)
