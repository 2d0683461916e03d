"""What the codecs of this package share: they read, and do not write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, ClassVar, NamedTuple, Never, Self

from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.core.common import JSON, parse_named_configuration

__all__ = [
    "JSON",
    "ArraySpec",
    "Buffer",
    "Edges",
    "NDBuffer",
    "ReadingCodec",
    "image_sizes",
]


class Edges(NamedTuple):
    """Which edges of its image a block lies at."""

    foot: bool
    right: bool


@dataclass(frozen=True)
class ReadingCodec:
    """A codec whose configuration is the fields of its dataclass.

    Comes before zarr's `ArrayArrayCodec`, `ArrayBytesCodec` or `BytesBytesCodec` in the
    bases. A subclass sets `name` and implements `_decode_sync`, which zarr's fused pipeline
    calls directly; the fields are what JSON has.
    """

    name: ClassVar[str]

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from its metadata; a configuration of another one is a `ValueError`."""
        _, settings = parse_named_configuration(data, cls.name, require_configuration=False)
        configuration: dict[str, Any] = dict(settings or {})
        try:
            return cls(**configuration)
        except TypeError as error:
            msg = f"{cls.name} cannot have the configuration {configuration}: {error}"
            raise ValueError(msg) from error

    def check_endian(self, endian: str | None) -> None:
        """Refuse what is no byte order."""
        if endian not in ("big", "little"):
            msg = f"{self.name}: endian={endian!r} is neither little nor big"
            raise ValueError(msg)

    def to_dict(self) -> dict[str, JSON]:
        """Return the codec's metadata."""
        return {"name": self.name, "configuration": asdict(self)}

    def _decode_sync(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:  # noqa: ANN401
        raise NotImplementedError

    def decode_at(self, chunk_data: Any, chunk_spec: ArraySpec, edges: Edges) -> Any:  # noqa: ANN401, ARG002
        """Decode a block whose position is known, which says if it may be smaller than a chunk.

        Zarr tells no codec the position; `virtual_tiff.codecs.guard.guard` knows it. A
        subclass that takes smaller blocks overrides this.
        """
        return self._decode_sync(chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:  # noqa: ANN401
        return self._decode_sync(chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: Any, chunk_spec: ArraySpec) -> Never:  # noqa: ANN401
        msg = (
            f"{self.name} reads TIFFs and does not write; choose other codecs for a new array, or"
            " write virtual_tiff.writable(ds) in xarray"
        )
        raise NotImplementedError(msg)

    async def _encode_single(self, chunk_data: Any, chunk_spec: ArraySpec) -> Never:  # noqa: ANN401
        self._encode_sync(chunk_data, chunk_spec)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise: the size of what is decoded differs from block to block."""
        raise NotImplementedError


def image_sizes(shape: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the sizes, (rows, columns, samples), of the images that fill a chunk.

    A chunk is (rows, columns) or (rows, columns, samples), behind axes of length 1: that of
    a plane of a planar image, and those of stacks of files. So (1, 8, 9) is an image of 8
    rows and 9 columns, or one row of 8 columns with 9 samples; the image knows which.
    """
    sizes = []
    if len(shape) >= 2 and prod(shape[:-2]) == 1:
        sizes.append((shape[-2], shape[-1], 1))
    if len(shape) >= 3 and prod(shape[:-3]) == 1:
        sizes.append((shape[-3], shape[-2], shape[-1]))
    return sizes
