"""Codecs of other packages, whose failures on damaged data become `ValueError`.

zarr's `zstd`, `numcodecs.zlib` and `numcodecs.lzma` let their libraries' own errors
through, of classes that a caller cannot tell from a bug. These are the same codecs under the
same public names: `to_dict` writes the standard name, so what is persisted or copied stays
readable everywhere. Only `virtual_tiff.store.CheckedManifestStore` asks for them, by the
names under which they are registered.
"""

from __future__ import annotations

import zlib
from lzma import LZMAError
from typing import TYPE_CHECKING, Self

from zarr.codecs import ZstdCodec
from zarr.codecs.numcodecs import LZMA, Zlib

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer
    from zarr.core.common import JSON

__all__ = ["STANDARD_NAMES", "CheckedLzma", "CheckedZlib", "CheckedZstd"]

STANDARD_NAMES = {
    "zstd": "virtual_tiff.zstd",
    "numcodecs.lzma": "virtual_tiff.lzma",
    "numcodecs.zlib": "virtual_tiff.zlib",
}
"""Public name to the name of the checked implementation."""


class CheckedZstd(ZstdCodec):
    """zarr's `zstd`."""

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from its metadata, under either name."""
        return super().from_dict({**data, "name": "zstd"})

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        try:
            return super()._decode_sync(chunk_bytes, chunk_spec)
        except RuntimeError as error:
            raise _damaged(error) from error


class CheckedLzma(LZMA):
    """zarr's `numcodecs.lzma`."""

    codec_name = "numcodecs.lzma"

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from its metadata, under either name."""
        return super().from_dict({**data, "name": "numcodecs.lzma"})

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        try:
            return super()._decode_sync(chunk_data, chunk_spec)
        except LZMAError as error:
            raise _damaged(error) from error


class CheckedZlib(Zlib):
    """zarr's `numcodecs.zlib`."""

    codec_name = "numcodecs.zlib"

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Make the codec from its metadata, under either name."""
        return super().from_dict({**data, "name": "numcodecs.zlib"})

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        try:
            return super()._decode_sync(chunk_data, chunk_spec)
        except zlib.error as error:
            raise _damaged(error) from error


def _damaged(error: Exception) -> ValueError:
    return ValueError(f"a block's compressed data are damaged: {error}")
