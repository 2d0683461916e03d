"""The virtual store that `VirtualTIFF` returns.

It is VirtualiZarr's `ManifestStore`, read in this process and through this package; so it
may name implementations of codecs that turn damaged data into a clear error. What is
written elsewhere from it (Icechunk, kerchunk, a copy) has the standard names.
"""

from __future__ import annotations

import json

from virtualizarr.manifests import ManifestArray, ManifestGroup, ManifestStore
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from virtual_tiff.codecs.checked_images import STANDARD_NAMES
from virtual_tiff.codecs.jpeg_checked import checked_jpeg
from virtual_tiff.codecs.named import name_block, named
from virtual_tiff.obspec_source import store_error

__all__ = ["CheckedManifestStore"]


class CheckedManifestStore(ManifestStore):
    """A `ManifestStore` whose damaged blocks raise `ValueError`, and lost ones `OSError`."""

    @property
    def group(self) -> ManifestGroup:
        """The root group, with all arrays and the groups below it."""
        return self._group

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the value of a key; in `zarr.json`, with the checked codecs' names."""
        try:
            found = await super().get(key, prototype, byte_range)
        except Exception as error:  # stores share no class of errors
            raise store_error(error, str(_Block(self._group, key))) from error
        if found is None:
            return None
        if key.endswith("zarr.json"):
            return prototype.buffer.from_bytes(_checked(found.to_bytes()))
        name_block(found, _Block(self._group, key))
        return found


class _Block:
    """What a chunk is called in errors: its key, and its file. Most are never asked."""

    def __init__(self, group: ManifestGroup, key: str) -> None:
        self._group = group
        self._key = key

    def __str__(self) -> str:
        node: ManifestGroup | ManifestArray = self._group
        for name in self._key.partition("/c/")[0].split("/"):
            if isinstance(node, ManifestArray) or name not in node:
                return f"block {self._key}"
            node = node[name]
        if isinstance(node, ManifestGroup):
            return f"block {self._key}"
        return f"block {self._key} of {next(node.manifest.iter_nonempty_paths(), 'no file')}"


def _checked(document: bytes) -> bytes:
    """Return an array's or a group's metadata with the checked codecs' names."""
    metadata = json.loads(document)
    if "codecs" not in metadata:
        return document
    checked = [checked_jpeg(codec, metadata) for codec in metadata["codecs"]]
    for codec in checked:
        codec["name"] = STANDARD_NAMES.get(codec["name"], codec["name"])
    metadata["codecs"] = [named(codec) for codec in checked]
    return json.dumps(metadata).encode()
