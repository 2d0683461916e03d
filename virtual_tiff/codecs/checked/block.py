"""Codecs that say which block they could not decode.

A codec knows neither array nor chunk, and libraries raise what they like: `RuntimeError`
(Zstandard), `zlib.error`, `LZMAError`, numpy's "cannot reshape". Around any codec class this
module makes one that decodes the same, and turns every failure into a `ValueError` with the
name that `virtual_tiff.store.CheckedManifestStore` put on the block's bytes. The name says
where the block lies, too: only blocks at an image's edges may be smaller than a chunk.

`to_dict` stays that of the class within: what is persisted or copied has standard names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

from zarr.registry import get_codec_class, register_codec

from virtual_tiff.codecs.base import Edges, ReadingCodec
from virtual_tiff.codecs.checked.bounded import BOUNDED
from virtual_tiff.tiff.errors import printable

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec

__all__ = ["Block", "name_block", "named"]

_ATTRIBUTE = "virtual_tiff_block"


class Block(ABC):
    """A block's name, and its place; its `str` is asked for only if it is damaged."""

    @abstractmethod
    def edges(self) -> Edges:
        """Return which edges of its image the block lies at."""


_STORED_BYTES: dict[str, Callable[[Any, ArraySpec], int]] = {
    "imagecodecs_packints": lambda codec, spec: (
        prod(spec.shape) // codec.runlen * -(-codec.runlen * codec.bitspersample // 8)
    ),
    "imagecodecs_float24": lambda _, spec: 3 * prod(spec.shape),
    "virtual_tiff.float24_predictor": lambda _, spec: 3 * prod(spec.shape),
    "virtual_tiff.bits": lambda codec, spec: (
        prod(spec.shape) // codec.row * -(-codec.row * codec.bits // 8)
    ),
    "virtual_tiff.packed_pixels": lambda codec, spec: (
        prod(spec.shape) // len(codec.bits) * sum(codec.bits) // 8
    ),
}
"""Serializers whose samples take less room in the file than in the array, to the bytes of a
block. What is beyond is cut off, as libtiff does; for others the codecs of bytes do it."""


def name_block(chunk: object, block: object) -> None:
    """Put a block's name on its bytes; of a `Block` also its place is used."""
    setattr(chunk, _ATTRIBUTE, block)


def named(codec: dict[str, Any]) -> dict[str, Any]:
    """Return a codec's metadata under the name of the class that says which block failed."""
    return {**codec, "name": _registered(codec["name"])}


@cache
def _registered(name: str) -> str:
    """Make and register the class around the codec of a name; return its own name."""
    own = f"virtual_tiff.named:{name}"
    register_codec(own, _around(name))
    return own


@cache
def _around(name: str) -> type[Any]:
    base: Any = BOUNDED.get(name) or get_codec_class(name)
    size = _STORED_BYTES.get(name)
    places = getattr(base, "decode_at", ReadingCodec.decode_at) is not ReadingCodec.decode_at

    class Named(base):  # type: ignore[misc]
        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> Any:  # noqa: ANN401
            return super().from_dict({**data, "name": name})

        def _decode_sync(self, chunk: Any, chunk_spec: ArraySpec) -> Any:  # noqa: ANN401
            block = getattr(chunk, _ATTRIBUTE, "a block")
            try:
                if size is not None:
                    chunk = chunk[: size(self, chunk_spec)]
                if places and isinstance(block, Block):
                    decoded = self.decode_at(chunk, chunk_spec, block.edges())
                else:
                    decoded = super()._decode_sync(chunk, chunk_spec)
            except Exception as error:
                msg = f"{block} does not decode to what the tags promise: {error}"
                raise ValueError(printable(msg)) from error
            name_block(decoded, block)
            return decoded

        def __reduce__(self) -> tuple[Any, ...]:
            return _restored, (name, dict(self.__dict__))

    Named.__name__ = Named.__qualname__ = f"Named{base.__name__}"
    return Named


def _restored(name: str, state: dict[str, Any]) -> Any:  # noqa: ANN401
    """Make an instance of a class that pickle cannot find by its name."""
    _registered(name)
    made = object.__new__(_around(name))
    made.__dict__.update(state)
    return made
