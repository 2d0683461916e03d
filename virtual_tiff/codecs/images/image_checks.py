"""What the codecs of images share: threads, and refusals that say what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zarr.abc.codec import ArrayBytesCodec

from virtual_tiff.codecs.base import ArraySpec, Buffer, NDBuffer, ReadingCodec
from virtual_tiff.codecs.images.headers import Block, ImageHeader, check_size

__all__ = ["ImageCodec", "check_type", "damaged", "decoded_image"]


@dataclass(frozen=True)
class ImageCodec(ReadingCodec, ArrayBytesCodec):
    """A codec of ours that decodes images by imagecodecs, which lets other threads run."""

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        decoded: NDBuffer = await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)
        return decoded


def decoded_image(
    data: Block,
    decode: Callable[[Block], NDArray[Any]],
    header: ImageHeader | None,
    chunk_spec: ArraySpec,
    image_format: str,
) -> NDArray[Any]:
    """Decode an image whose stream says the size, and then has the type, that the tags promise.

    The header is compared with the chunk before anything is decoded; `image_format` is for errors.
    """
    check_size(header, chunk_spec.shape, image_format)
    try:
        decoded = decode(data)
    except (RuntimeError, ValueError) as error:
        raise damaged(image_format, error) from error
    check_type(decoded.dtype, chunk_spec, image_format)
    return decoded


def check_type(decoded: np.dtype[Any] | str, chunk_spec: ArraySpec, image_format: str) -> None:
    """Refuse samples of another type than the array's, which zarr would cast."""
    promised = chunk_spec.dtype.to_native_dtype()
    if decoded != promised:
        msg = (
            f"the block's {image_format} image has samples of type {decoded}; the tags promise "
            f"{promised}"
        )
        raise ValueError(msg)


def damaged(image_format: str, error: Exception) -> ValueError:
    """Return the error for a block that its decoder rejects."""
    return ValueError(f"the block's {image_format} data are damaged: {error}")
