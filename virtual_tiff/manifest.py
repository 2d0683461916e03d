"""Arrays and groups as plain data to VirtualiZarr's manifests.

`CheckedManifestArray` mends two things of VirtualiZarr's own arrays (2.8):

- An array with a `transpose` (the samples of a pixel lie together) could not be stacked: the order
  of the axes has as many numbers as the array had before. So an array gets plain codecs while axes
  are added or dropped, and its own ones afterwards, with a new order. A new axis has chunks of
  length 1, so that it stands first in a chunk's bytes wherever it is in the array.
- `to_kerchunk` leaves the codec out that makes numbers of bytes, whichever it is, and gives filters
  no shapes, so that arrays read as garbage. It asks this codec for its byte order, and here it is
  refused; see `_Serializer`. A written array has the standard codecs.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Never, cast

import numpy as np
import xarray as xr
from virtualizarr.manifests import ChunkManifest, ManifestArray, ManifestGroup
from virtualizarr.manifests.manifest import INLINED_CHUNK_PATH
from virtualizarr.manifests.utils import manifest_chunk_shape
from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs import BytesCodec, TransposeCodec
from zarr.core.metadata.v3 import ArrayV3Metadata, RegularChunkGridMetadata

from virtual_tiff.arrays.nodes import JSON, FileArray, Group, InlineArray

__all__ = ["manifest_group"]


@dataclass(frozen=True, eq=False)
class _Serializer(ArrayBytesCodec):
    """The standard codec, which VirtualiZarr's `to_kerchunk` cannot ask for its byte order."""

    standard: Any

    @property
    def endian(self) -> Never:
        """Refuse: only `to_kerchunk` asks, and leaves the codec out."""
        msg = (
            f"VirtualiZarr's references of Zarr v2 cannot name the codec {self.to_dict()['name']}"
            " and what goes with it, and would read as garbage; use virtual_tiff.to_kerchunk(vds,"
            " path), or to_kerchunk(…, zarr_format=3)"
        )
        raise NotImplementedError(msg)

    def __eq__(self, other: object) -> bool:
        return hasattr(other, "to_dict") and bool(self.to_dict() == other.to_dict())

    def __hash__(self) -> int:
        return hash(self.standard)

    def to_dict(self) -> JSON:
        plain: JSON = self.standard.to_dict()
        return plain

    def evolve_from_array_spec(self, array_spec: Any) -> _Serializer:  # noqa: ANN401 (zarr's)
        return _Serializer(self.standard.evolve_from_array_spec(array_spec))

    def resolve_metadata(self, chunk_spec: Any) -> Any:  # noqa: ANN401 (zarr's)
        return self.standard.resolve_metadata(chunk_spec)

    def validate(self, **array: Any) -> None:  # noqa: ANN401 (zarr's)
        self.standard.validate(**array)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:  # noqa: ANN401
        size: int = self.standard.compute_encoded_size(input_byte_length, chunk_spec)
        return size

    async def decode(self, chunks_and_specs: Any) -> Any:  # noqa: ANN401 (zarr's)
        return await self.standard.decode(chunks_and_specs)

    async def encode(self, chunks_and_specs: Any) -> Any:  # noqa: ANN401 (zarr's)
        return await self.standard.encode(chunks_and_specs)


_NAMED_BY_VIRTUALIZARR = {
    *("bytes", "transpose", "vlen-utf8"),
    *("numcodecs.lzma", "numcodecs.zlib", "zstd"),
}
"""Codecs of which its references of Zarr v2 are right, or refused by numcodecs (`transpose`)."""

_ADD_AXES = (np.stack, np.expand_dims, np.broadcast_to)


class CheckedManifestArray(ManifestArray):
    """A `ManifestArray` that can be stacked whatever its codecs, and exported right or not."""

    def __init__(self, metadata: ArrayV3Metadata | JSON, chunkmanifest: Any) -> None:  # noqa: ANN401
        super().__init__(metadata, chunkmanifest)
        codecs = self._metadata.codecs
        if not any(isinstance(codec, _Serializer) for codec in codecs) and not all(
            codec.to_dict()["name"] in _NAMED_BY_VIRTUALIZARR for codec in codecs
        ):
            wrapped = tuple(
                _Serializer(codec) if isinstance(codec, ArrayBytesCodec) else codec
                for codec in codecs
            )
            self._metadata = _changed(self._metadata, {"codecs": wrapped})

    def to_virtual_variable(self) -> xr.Variable:
        """Return VirtualiZarr's variable of this array."""
        variable = super().to_virtual_variable()
        return xr.Variable(variable.dims, _checked(variable._data), variable.attrs)  # noqa: SLF001

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        given = args[0] if func is np.stack else args[:1]
        if func not in _ADD_AXES or not _of_one_order(given):
            return _checked(super().__array_function__(func, types, args, kwargs))
        plain = [_plain(array) for array in given]
        first = plain if func is np.stack else plain[0]
        added = super().__array_function__(func, types, (first, *args[1:]), kwargs)
        if func is np.broadcast_to:
            new_axes = list(range(added.ndim - self.ndim))
        else:  # as VirtualiZarr counts from the end
            axis = kwargs.get("axis", 0)
            new_axes = [axis % self.ndim if axis < 0 else axis]
        kept = [axis for axis in range(added.ndim) if axis not in new_axes]
        order = [*new_axes, *(kept[axis] for axis in _order(given[0]) or ())]
        return _with_codecs(added, given[0], order)

    def __getitem__(self, key: Any, /) -> ManifestArray:  # noqa: ANN401 (numpy's)
        keys = list(key) if isinstance(key, tuple) else [key]
        changes_axes = any(one is None or isinstance(one, int | np.integer) for one in keys)
        if not changes_axes or _order(self) is None:
            return cast("ManifestArray", _checked(super().__getitem__(key)))
        if Ellipsis in [one for one in keys if not isinstance(one, np.ndarray)]:
            at = next(n for n, one in enumerate(keys) if one is Ellipsis)
            count = self.ndim - sum(one is not None for one in keys) + 1
            keys[at : at + 1] = [slice(None)] * count
        # a chunk of length 1 is selected by a slice, and its axis is dropped then
        selected: Any = _checked(
            super().__getitem__(
                tuple(
                    slice(n % length, n % length + 1) if isinstance(n, int | np.integer) else n
                    for n, length in zip(
                        [one for one in keys if one is not None], self.shape, strict=True
                    )
                )
            )
        )
        dropped = [
            axis
            for axis, one in enumerate(one for one in keys if one is not None)
            if isinstance(one, int | np.integer)
        ]
        selected = _without_axes(selected, dropped)
        result_keys = [one for one in keys if not isinstance(one, int | np.integer)]
        for axis, one in enumerate(result_keys):
            if one is None:
                selected = np.expand_dims(selected, axis=axis)
        return cast("ManifestArray", selected)


def _checked(result: Any) -> Any:  # noqa: ANN401 (of any function of numpy)
    if type(result) is ManifestArray:
        return CheckedManifestArray(result.metadata, result.manifest)
    return result


def _order(array: ManifestArray) -> tuple[int, ...] | None:
    """Return the order of the axes in a chunk's bytes; None if it is that of the array."""
    first = array.metadata.codecs[0]
    return tuple(first.order) if isinstance(first, TransposeCodec) else None


def _of_one_order(arrays: Any) -> bool:  # noqa: ANN401 (what numpy was given)
    """Whether arrays are ours, have a `transpose`, and the same codecs."""
    first = arrays[0]
    return _order(first) is not None and all(
        isinstance(array, ManifestArray) and array.metadata.codecs == first.metadata.codecs
        for array in arrays
    )


def _plain(array: ManifestArray) -> ManifestArray:
    """Return an array that has no codecs that depend on its axes."""
    metadata = _changed(array.metadata, {"codecs": (BytesCodec(endian="little"),)})
    return ManifestArray(metadata=metadata, chunkmanifest=array.manifest)


def _with_codecs(
    array: ManifestArray, origin: ManifestArray, order: Sequence[int]
) -> CheckedManifestArray:
    """Return an array with the codecs of another one, and an order of its own axes."""
    codecs = (TransposeCodec(order=tuple(order)), *origin.metadata.codecs[1:])
    return CheckedManifestArray(_changed(array.metadata, {"codecs": codecs}), array.manifest)


def _without_axes(array: ManifestArray, axes: Sequence[int]) -> ManifestArray:
    """Return an array without axes of length 1."""
    if not axes:
        return array
    kept = [axis for axis in range(array.ndim) if axis not in axes]
    manifest = array.manifest
    grid = [manifest.shape_chunk_grid[axis] for axis in kept]
    metadata, chunk_shape = array.metadata, manifest_chunk_shape(array.metadata)
    changed = _changed(
        metadata,
        {
            "shape": tuple(array.shape[axis] for axis in kept),
            "chunk_grid": RegularChunkGridMetadata(
                chunk_shape=tuple(chunk_shape[axis] for axis in kept)
            ),
            "dimension_names": None,
        },
    )
    fewer = ChunkManifest.from_arrays(
        paths=manifest._paths.reshape(grid),  # noqa: SLF001 (it has no public name in 2.8)
        offsets=manifest._offsets.reshape(grid),  # noqa: SLF001
        lengths=manifest._lengths.reshape(grid),  # noqa: SLF001
        validate_paths=False,
    )
    order = [kept.index(axis) for axis in _order(array) or () if axis in kept]
    return _with_codecs(ManifestArray(metadata=changed, chunkmanifest=fewer), array, order)


def manifest_group(group: Group, url: str) -> ManifestGroup:
    """Return the virtual group of arrays and groups, whose references point to a url."""
    return ManifestGroup(
        arrays={name: _manifest_array(array, url) for name, array in group.arrays.items()},
        groups={name: manifest_group(child, url) for name, child in group.groups.items()},
        attributes=group.attributes,
    )


def _manifest_array(array: FileArray | InlineArray, url: str) -> ManifestArray:
    if isinstance(array, InlineArray):
        metadata, manifest = _inlined(array)
        # manifests are never changed in place, but attributes are anyone's
        metadata = _changed(metadata, {"attributes": dict(metadata.attributes)})
        return CheckedManifestArray(metadata=metadata, chunkmanifest=manifest)
    shape = array.chunk_grid
    offsets, lengths = array.offsets.reshape(shape), array.byte_counts.reshape(shape)
    manifest = ChunkManifest.from_arrays(
        paths=_paths(lengths, array.url or url),
        offsets=offsets,
        lengths=lengths,
        validate_paths=False,  # there is one, and it was resolved to a store
    )
    return CheckedManifestArray(metadata=_metadata(array.metadata), chunkmanifest=manifest)


def _metadata(plain: JSON, *, chunk_shape: Sequence[int] | None = None) -> ArrayV3Metadata:
    """Return what `ArrayV3Metadata.from_dict` does, ten times as fast.

    What takes it the time is the same for many arrays: data type, chunks, fill value, codecs. The
    model has another chunk shape if the array's own is that of hardly another.
    """
    chunk_shape_of_array = plain["chunk_grid"]["configuration"]["chunk_shape"]
    shape = tuple(chunk_shape_of_array if chunk_shape is None else chunk_shape)
    codecs, fill_value = repr(plain["codecs"]), repr(plain["fill_value"])
    model = _model(plain["data_type"], shape, codecs, fill_value)
    fields = {
        "shape": tuple(plain["shape"]),
        "attributes": plain["attributes"],
        "dimension_names": tuple(plain["dimension_names"]),
    }
    if chunk_shape is not None:
        fields["chunk_grid"] = RegularChunkGridMetadata(chunk_shape=tuple(chunk_shape_of_array))
    return _changed(model, fields)


def _changed(model: ArrayV3Metadata, fields: JSON) -> ArrayV3Metadata:
    """Return a copy with other values in some fields; its own rules are not asked again."""
    changed = object.__new__(ArrayV3Metadata)
    changed.__dict__.update(model.__dict__)  # `copy` takes five times as long
    changed.__dict__.update(fields)
    return changed


@lru_cache(maxsize=256)
def _model(data_type: str, shape: tuple[int, ...], codecs: str, fill_value: str) -> ArrayV3Metadata:
    """Return the metadata of an array of one chunk, for its parts that can be shared."""
    return ArrayV3Metadata.from_dict(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(shape),
            "data_type": data_type,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shape)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": literal_eval(fill_value),
            "codecs": literal_eval(codecs),
            "attributes": {},
            "dimension_names": None,
        }
    )


_TEXT = np.dtypes.StringDType()
_FEW = 64


def _paths(lengths: np.ndarray[Any, Any], url: str) -> np.ndarray[Any, np.dtypes.StringDType]:
    """Return the url for each chunk, "" for a missing one; one string serves them all."""
    paths: Any  # numpy's stubs lose StringDType
    if lengths.all():
        few = lengths.size <= _FEW  # then an array of its own is made faster
        one = np.array(url, dtype=_TEXT)
        paths = np.full(lengths.shape, one) if few else np.broadcast_to(one, lengths.shape)
    else:
        paths = np.full(lengths.shape, "", dtype=_TEXT)
        paths[lengths != 0] = url
    return cast("np.ndarray[Any, np.dtypes.StringDType]", paths)


@lru_cache(maxsize=256)
def _inlined(array: InlineArray) -> tuple[ArrayV3Metadata, ChunkManifest]:
    """Return what the next file has too, if it has this very array: see `coordinates`."""
    # its one codec takes any shape, and hardly two have the same
    metadata = _metadata(array.metadata, chunk_shape=(1,) * len(array.metadata["shape"]))
    shape = (1,) * len(array.metadata["shape"])
    paths: Any = np.full(shape, INLINED_CHUNK_PATH, dtype=_TEXT)
    manifest = ChunkManifest.from_arrays(
        paths=paths,
        offsets=np.zeros(shape, dtype=np.uint64),
        lengths=np.full(shape, len(array.data), dtype=np.uint64),
        validate_paths=False,
        inlined={(0,) * len(shape): array.data},
    )
    return metadata, manifest
