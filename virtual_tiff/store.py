"""The virtual store that `VirtualTIFF` returns.

It is VirtualiZarr's `ManifestStore`, read in this process and through this package; so it
may name implementations of codecs that turn damaged data into a clear error. What is
written elsewhere from it (Icechunk, kerchunk, a copy) has the standard names.
"""

from __future__ import annotations

import json

from virtualizarr.manifests import ManifestStore
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from virtual_tiff.codecs import checked, checked_images
from virtual_tiff.codecs.jpeg_checked import checked_jpeg
from virtual_tiff.obspec_source import store_error

__all__ = ["CheckedManifestStore"]

_CHECKED_NAMES = checked.STANDARD_NAMES | checked_images.STANDARD_NAMES


class CheckedManifestStore(ManifestStore):
    """A `ManifestStore` whose damaged blocks raise `ValueError`, and lost ones `OSError`."""

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the value of a key; in `zarr.json`, with the checked codecs' names."""
        try:
            found = await super().get(key, prototype, byte_range)
        except Exception as error:  # stores share no class of errors
            raise store_error(error, f"chunk {key}") from error
        if found is None or not key.endswith("zarr.json"):
            return found
        metadata = json.loads(found.to_bytes())
        for codec in metadata.get("codecs", ()):
            codec["name"] = _CHECKED_NAMES.get(codec["name"], codec["name"])
        if "codecs" in metadata:
            metadata["codecs"] = [checked_jpeg(codec, metadata) for codec in metadata["codecs"]]
        return prototype.buffer.from_bytes(json.dumps(metadata).encode())
