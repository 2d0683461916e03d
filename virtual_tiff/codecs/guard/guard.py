"""One codec around the whole chain of codecs of a TIFF's block.

The codecs that decode a block know neither the array nor the block, and libraries raise what
they like: `RuntimeError` (Zstandard), `zlib.error`, `LZMAError`, numpy's "cannot reshape".
Some decode whatever size a stream states. The store that `VirtualTIFF` returns is read
through this package, so it asks zarr for a guard instead. The guard decodes a block from the
file's bytes to pixels in one go. It

- knows which block it has, and so which one may be smaller than a chunk;
- takes implementations that allocate what the chunk promises and no more;
- turns every failure into a `ValueError` that names the block and the file.

A list of codecs is what zarr shows of an array, and what xarray writes into a copy; both
must have the standard codecs. So the guard has an entry in the list for each of them: an
entry encodes, describes itself, and pickles as its standard codec does. What differs is the
way of a `BlockBytes`, which the store gives for a chunk: zarr hands it to the last entry
first, each entry passes it on untouched, and the first entry decodes it by the whole chain.
Other bytes, such as those of a copy, are decoded entry by entry.

The metadata that the store shows (`zarr.json`) name `virtual_tiff.guard`, and have the
standard codecs in its configuration. zarr reads them, and any copy of them, wherever this
package is installed. What is published has the standard codecs alone.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, Self

from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BaseCodec, BytesBytesCodec
from zarr.codecs import BytesCodec, TransposeCodec
from zarr.core.buffer import cpu
from zarr.core.common import parse_named_configuration
from zarr.registry import get_codec_class

from virtual_tiff.codecs.base import ArraySpec, Edges, ReadingCodec
from virtual_tiff.codecs.guard.bounded import DECODERS, BoundedDecoder
from virtual_tiff.codecs.guard.fast import FAST
from virtual_tiff.codecs.guard.images import FORMATS, ImageDecoder
from virtual_tiff.codecs.guard.jpeg import BlockJpegCodec
from virtual_tiff.tiff import printable

__all__ = ["Block", "BlockBytes", "GuardCodec", "guarded"]

type JSON = dict[str, Any]


class Block(ABC):
    """A block's name, and its position; its `str` is asked for only if it is damaged."""

    @abstractmethod
    def edges(self) -> Edges:
        """Return which edges of its image the block lies at."""


class BlockBytes(cpu.Buffer):
    """The bytes of a block of a file, and which block it is: zarr tells no codec."""

    block: Block | None = None


def guarded(array: JSON, plane: slice = slice(-2, None)) -> JSON:
    """Return an array's metadata, as `zarr.json` has them, with a guard around its codecs.

    `plane` are the dimensions of rows and columns.
    """
    codecs, image = array["codecs"], array["shape"][plane]
    configurations = [{"codecs": codecs, "image": image, "entry": n} for n in range(len(codecs))]
    return array | {
        "codecs": [{"name": GuardCodec.name, "configuration": each} for each in configurations]
    }


@dataclass(frozen=True)
class GuardCodec:
    """An entry in the list of an array's codecs; see the module."""

    name = "virtual_tiff.guard"

    codecs: tuple[JSON, ...] = field(repr=False)
    """The metadata of the array's standard codecs."""
    image: tuple[int, int] = field(repr=False)
    """Rows and columns of the array's image."""
    entry: int = field(repr=False)
    """Which of the codecs the entry stands for."""
    standard: Any
    """This codec."""

    @classmethod
    def from_dict(cls, data: JSON) -> Self:
        """Make the entry from its metadata; its class is of the kind of its standard codec."""
        configuration: Any = parse_named_configuration(data, cls.name)[1]
        try:
            codecs, entry = tuple(configuration["codecs"]), configuration["entry"]
            rows, columns = configuration["image"]
            standard: Any = get_codec_class(codecs[entry]["name"]).from_dict(codecs[entry])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            msg = f"{cls.name} cannot have the configuration {configuration}: {error!r}"
            raise ValueError(msg) from error
        kind: Any = next(guard for base, guard in _KINDS.items() if isinstance(standard, base))
        made: Self = kind(codecs, (rows, columns), entry, standard)
        return made

    def to_dict(self) -> JSON:
        """Return the metadata of the standard codec."""
        metadata: JSON = self.standard.to_dict()
        return metadata

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return what the standard codec makes of a chunk's specification."""
        spec: ArraySpec = self.standard.resolve_metadata(chunk_spec)
        return spec

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Let the standard codec complete its configuration."""
        return replace(self, standard=self.standard.evolve_from_array_spec(array_spec))

    def validate(self, **array: Any) -> None:  # noqa: ANN401 (zarr's shape, dtype, chunk_grid)
        """Let the standard codec check the array."""
        self.standard.validate(**array)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Return what the standard codec does."""
        size: int = self.standard.compute_encoded_size(input_byte_length, chunk_spec)
        return size

    def _encode_sync(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:  # noqa: ANN401
        # JPEG would lose pixels once more, so it is refused, as all that only reads is
        decoder = self._chain[self.entry]
        encoder = decoder if isinstance(decoder, BlockJpegCodec) else self.standard
        try:
            return encoder._encode_sync(chunk_data, chunk_spec)  # noqa: SLF001
        except NotImplementedError:
            raise
        except Exception as error:  # libraries raise what they like
            name = self.standard.to_dict()["name"]
            msg = (
                f"{name} cannot write this chunk ({error}); choose other codecs for a new array, or"
                " write virtual_tiff.writable(ds) in xarray"
            )
            raise ValueError(msg) from error

    async def _encode_single(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:  # noqa: ANN401
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:  # noqa: ANN401
        if not isinstance(chunk_data, BlockBytes):
            one = slice(self.entry, self.entry + 1)
            return self._decoded(one, chunk_data, chunk_spec, None)
        if self.entry > 0:
            return chunk_data
        return self._decoded(slice(None), chunk_data, chunk_spec, chunk_data.block)

    async def _decode_single(self, chunk_data: Any, chunk_spec: ArraySpec) -> Any:  # noqa: ANN401
        passed_on = self.entry > 0 and isinstance(chunk_data, BlockBytes)
        if passed_on or all(isinstance(codec, _QUICK) for codec in self._chain):
            return self._decode_sync(chunk_data, chunk_spec)
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    @cached_property
    def _chain(self) -> list[Any]:
        """The implementations of the codecs, the array's side first."""
        return [_implementation(codec, self.image) for codec in self.codecs]

    def _steps(self, part: slice, chunk_spec: ArraySpec) -> list[tuple[Any, ArraySpec, int | None]]:
        """Return the codecs of a part of the chain in the order of decoding.

        Each has the specification of what it decodes to, and the bytes that it takes at most.
        Those of the last call are kept: all chunks of an array have one specification, and to
        work out that of a `transpose` takes longer than to transpose.
        """
        # the parts of a specification are mostly the same objects, which compares fast
        spec = chunk_spec
        key = (part, spec.shape, spec.dtype, spec.fill_value, spec.config, spec.prototype)
        kept = self.__dict__.get("_kept")
        if kept is not None and kept[0] == key:
            steps: list[tuple[Any, ArraySpec, int | None]] = kept[1]
            return steps
        steps = []
        for metadata, codec in zip(self.codecs[part], self._chain[part], strict=True):
            stored = _STORED_BYTES.get(metadata["name"])
            size = None if stored is None else stored(metadata["configuration"], spec.shape)
            if isinstance(codec, BaseCodec):
                codec = codec.evolve_from_array_spec(spec)  # noqa: PLW2901
            steps.insert(0, (codec, spec, size))
            if isinstance(codec, ArrayArrayCodec):
                spec = codec.resolve_metadata(spec)
        self.__dict__["_kept"] = (key, steps)  # at once, for other threads
        return steps

    def _decoded(
        self,
        part: slice,
        data: Any,  # noqa: ANN401 (a buffer of bytes or of an array)
        chunk_spec: ArraySpec,
        block: Block | None,
    ) -> Any:  # noqa: ANN401
        """Decode a block by a part of the chain.

        Raises
        ------
        ValueError
            If the block does not decode; it names the block.
        """
        try:
            for codec, spec, size in self._steps(part, chunk_spec):
                if size is not None:
                    data = data[:size]
                if block is not None and isinstance(codec, ReadingCodec):
                    data = codec.decode_at(data, spec, block.edges())
                else:
                    data = codec._decode_sync(data, spec)  # noqa: SLF001
        except Exception as error:
            msg = f"{block or 'a block'} does not decode to what the tags promise: {error}"
            raise ValueError(printable(msg)) from error
        return data


class _ArrayArrayGuard(GuardCodec, ArrayArrayCodec):
    """The entry of a codec between arrays, such as `transpose`."""


class _ArrayBytesGuard(GuardCodec, ArrayBytesCodec):
    """The entry of a serializer."""


class _BytesBytesGuard(GuardCodec, BytesBytesCodec):
    """The entry of a compressor."""


_KINDS: dict[type[Any], type[GuardCodec]] = {
    ArrayArrayCodec: _ArrayArrayGuard,
    ArrayBytesCodec: _ArrayBytesGuard,
    BytesBytesCodec: _BytesBytesGuard,
}

_QUICK = (BytesCodec, TransposeCodec)
"""Codecs that only look at the bytes in another way: a thread would cost more than they do."""

_STORED_BYTES: Mapping[str, Callable[[JSON, tuple[int, ...]], int]] = {
    "imagecodecs_packints": lambda codec, shape: (
        prod(shape) // codec["runlen"] * -(-codec["runlen"] * codec["bitspersample"] // 8)
    ),
    "imagecodecs_float24": lambda _, shape: 3 * prod(shape),
    "virtual_tiff.float24_predictor": lambda _, shape: 3 * prod(shape),
    "virtual_tiff.bits": lambda codec, shape: (
        prod(shape) // codec["row"] * -(-codec["row"] * codec["bits"] // 8)
    ),
    "virtual_tiff.packed_pixels": lambda codec, shape: (
        prod(shape) // len(codec["bits"]) * sum(codec["bits"]) // 8
    ),
}
"""Serializers whose samples take less room in the file than in the array, to the bytes of a
block. The rest is cut off, as libtiff does; for others the bounded decoders do it."""


def _implementation(codec: JSON, image: tuple[int, int]) -> Any:  # noqa: ANN401
    """Return what decodes in place of a standard codec."""
    name = codec["name"]
    inner = codec["configuration"]["codec"] if name == "virtual_tiff.short_image" else codec
    if inner["name"] == BlockJpegCodec.name:
        return BlockJpegCodec(inner, image)
    if name in DECODERS:
        return BoundedDecoder(codec)
    if name in FORMATS:
        return ImageDecoder(codec)
    return (FAST.get(name) or get_codec_class(name)).from_dict(codec)
