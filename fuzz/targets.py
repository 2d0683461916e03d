"""What is tried with a file or with a block's bytes, and which errors are the right ones."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from corpus import ROOT, corpus
from mutate import mutate

sys.path.insert(0, str(ROOT))

from virtual_tiff.tiff import (
    ImageFileDirectory,
    MemorySource,
    ReadAhead,
    Tag,
    TiffError,
    TiffWarning,
    block_layout,
    full_images,
    kind_of,
    parse_geokeys,
    read_tiff,
)

__all__ = ["TARGETS", "Target"]

warnings.simplefilter("ignore", TiffWarning)
# damage that libtiff, too, forgives: NeXT and fax fill up with white
warnings.filterwarnings("ignore", message=".*(others are white|lines of a block are damaged).*")
# how zarr puts its own codecs is none of our business here
warnings.filterwarnings("ignore", category=UserWarning, module="zarr")

_TYPED = [name for name in vars(ImageFileDirectory) if name in Tag.__members__]


@dataclass(frozen=True, slots=True)
class Target:
    """A thing to try."""

    run: Callable[[bytes], bool]
    """Takes a file or a block; True if it was read, False if it ended in the right error.
    Any other error passes through: it is a finding."""
    seeds: Callable[[], tuple[tuple[str, bytes], ...]]
    """What is changed."""
    mutate: Callable[[bytes, Random], bytes]


# ---- the core


def _ask[T](question: Callable[[], T]) -> T | None:
    try:
        return question()
    except TiffError as error:
        if not str(error):
            raise AssertionError("an error without a word") from error
        return None


def core(data: bytes) -> bool:
    """Read all directories, and ask each for all that it can say."""
    work = read_tiff(ReadAhead(MemorySource(data)))
    try:
        work.send(None)
    except StopIteration as stop:
        tiff = stop.value
    except TiffError:
        return False
    for ifd in tiff.walk():
        for tag in ifd:
            _ask(lambda tag=tag: ifd[tag])  # type: ignore[misc]
            _ask(lambda tag=tag: ifd.floats(tag))  # type: ignore[misc]
            _ask(lambda tag=tag: ifd.text(tag))  # type: ignore[misc]
        for name in _TYPED:
            _ask(lambda name=name: getattr(ifd, name))  # type: ignore[misc]
        parse_geokeys(ifd)
        kind_of(ifd)
        _ask(lambda ifd=ifd: block_layout(ifd, file_size=len(data)))  # type: ignore[misc]
    full_images(tiff.ifds)
    return True


# ---- the store


@cache
def _layouts() -> list[Any]:
    from virtual_tiff import VirtualTIFF

    made = [VirtualTIFF(), VirtualTIFF(ifd_layout="nested"), VirtualTIFF(ifd_layout="pyramid")]
    return [*made, VirtualTIFF(ifd_layout="stack"), VirtualTIFF(ifd=0, samples="stored")]


def store(data: bytes) -> bool:
    """Make a store of a file, in one of five ways, and read a chunk of its first arrays."""
    import zarr
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import MemoryStore

    memory = MemoryStore()
    memory.put("a.tif", data)
    registry = ObjectStoreRegistry({"memory://bucket": memory})
    parser = _layouts()[sum(data[:64]) % 5]
    try:
        found = parser("memory://bucket/a.tif", registry)
    except (TiffError, OSError) as error:
        assert "memory://bucket/a.tif" in str(error), repr(error)
        return False
    group = zarr.open_group(found, mode="r", zarr_format=3)
    arrays = [item for _, item in group.members(max_depth=3) if isinstance(item, zarr.Array)]
    read = True
    for array in sorted(arrays, key=lambda item: item.path)[:4]:
        if array.size:
            try:
                array[tuple(slice(0, 1) for _ in array.shape)]
            except (ValueError, OSError) as error:
                assert "block" in str(error), repr(error)
                read = False
    return read


# ---- codecs


def flip(data: bytes, rnd: Random) -> bytes:
    """Change a few bytes, cut, repeat or insert: a block has no structure that all share."""
    changed = bytearray(data)
    for _ in range(rnd.choice([1, 1, 2, 4, 16])):
        at = rnd.randrange(len(changed) + 1)
        choice = rnd.random()
        if choice < 0.6 and at < len(changed):
            changed[at] = rnd.choice([0, 1, 127, 128, 255, rnd.randrange(256), changed[at] ^ 1])
        elif choice < 0.75:
            changed[at:at] = rnd.randbytes(rnd.choice([1, 2, 8, 64]))
        elif choice < 0.9:
            del changed[at : at + rnd.choice([1, 2, 8, 1 << 30])]
        else:
            changed[at:at] = changed[max(0, at - 64) : at] * rnd.choice([1, 4, 32])
    return bytes(changed)


@dataclass(frozen=True)
class _Array:
    """How an array of some file decodes its blocks."""

    text: str
    """Its codecs, in JSON: that can be hashed."""
    shape: tuple[int, ...]
    dtype: str
    dimension_names: tuple[str, ...] = ("y", "x", "band")

    @property
    def codecs(self) -> list[dict[str, Any]]:
        """The metadata of its codecs."""
        found: list[dict[str, Any]] = json.loads(self.text)
        return found


def _own(name: str, **configuration: object) -> dict[str, Any]:
    return {"name": f"virtual_tiff.{name}", "configuration": configuration}


def _extra() -> Iterator[tuple[_Array, tuple[bytes, ...]]]:
    """Yield codecs that no file of the corpus may need, with blocks that they decode."""
    import imagecodecs
    import numpy as np

    gray = np.arange(48, dtype="u1").reshape(8, 6)
    rgb = np.arange(8 * 16 * 3, dtype="u1").reshape(8, 16, 3)
    raw = bytes(range(96))
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    fax = [b"\x26\xa0" * 20, bytes(range(200)), imagecodecs.zlib_encode(raw)]
    jpeg = imagecodecs.jpeg8_encode(rgb)
    scan = jpeg.index(b"\xff\xda") + 14
    header = base64.b64encode(jpeg[:scan]).decode()
    rows: list[tuple[list[dict[str, Any]], tuple[int, ...], str, list[bytes]]] = [
        ([_own("bits", bits=5, row=6)], (8, 6), "uint8", [raw[:32]]),
        ([_own("bits", bits=24, row=4, endian="little")], (8, 4), "int32", [raw]),
        *(
            ([_own("ccitt", compression=code, two_dimensional=two, last=3)], (8, 40), "uint8", fax)
            for code, two in [(2, False), (3, False), (3, True), (4, False), (32771, False)]
        ),
        ([_own("crop", block_shape=[8, 6]), little], (5, 4), "uint8", [raw[:48]]),
        (
            [little, _own("any_compression")],
            (8, 6),
            "uint8",
            [raw[:48], imagecodecs.zlib_encode(raw[:48]), imagecodecs.zstd_encode(raw[:48])],
        ),
        ([_own("complex_parts", part="int16"), little], (8, 3), "complex64", [raw]),
        ([_own("float24_predictor")], (8, 4), "float32", [raw]),
        ([_own("jpeg")], (8, 16, 3), "uint8", [jpeg]),
        ([_own("jpeg")], (8, 6), "uint8", [imagecodecs.ljpeg_encode(gray)]),
        ([_own("jpeg")], (8, 6), "uint8", [imagecodecs.jpegls_encode(gray)]),
        ([_own("jpeg_old", header=header)], (8, 16, 3), "uint8", [jpeg, jpeg[scan:]]),
        ([_own("jpeg2k_ycbcr")], (8, 16, 3), "uint8", [imagecodecs.jpeg2k_encode(rgb)]),
        ([_own("jpegxl")], (8, 16, 3), "uint8", [imagecodecs.jpegxl_encode(rgb)]),
        ([_own("lerc", alpha=True)], (8, 16, 3), "uint8", [imagecodecs.lerc_encode(rgb)]),
        (
            [_own("lerc")],
            (8, 6),
            "float32",
            [
                imagecodecs.lerc_encode(gray.astype("f4")),
                imagecodecs.zstd_encode(imagecodecs.lerc_encode(gray.astype("f4"))),
            ],
        ),
        ([_own("next", last=3)], (8, 16), "uint8", [raw, b"\x40\0\1\0\1\7" * 8]),
        ([_own("packed_pixels", bits=[5, 6, 5], endian="big")], (8, 6, 3), "uint8", [raw]),
        ([_own("pad", size=48, last=18), little], (8, 6), "uint8", [raw[:18], raw[:48]]),
        ([_own("pixarlog", last=3)], (8, 6), "uint8", [imagecodecs.zlib_encode(raw)]),
        ([little, _own("reverse_bits")], (8, 6), "uint8", [raw[:48]]),
        ([_own("sgilog", pixel="L16", last=3)], (8, 6), "int16", [b"\x84\1\x84\2" * 8]),
        ([_own("sgilog", pixel="Luv32", samples=3)], (8, 6, 3), "float32", [b"\x84\7" * 32]),
        ([_own("sgilog", pixel="Luv24", samples=3)], (8, 4, 3), "uint16", [raw]),
        (
            [_own("short_image", codec={"name": "imagecodecs_png", "configuration": {}}, last=3)],
            (8, 6),
            "uint8",
            [imagecodecs.png_encode(gray), imagecodecs.png_encode(gray[:3])],
        ),
        ([_own("thunderscan", last=3)], (8, 16), "uint8", [raw, b"\xc1\xf0" * 64]),
        ([_own("view", data_type="uint32"), little], (8, 3), "float32", [raw]),
        ([{"name": "imagecodecs_jpegxr"}], (8, 16, 3), "uint8", [imagecodecs.jpegxr_encode(rgb)]),
        ([{"name": "imagecodecs_jpeg", "configuration": {}}], (8, 16, 3), "uint8", [jpeg]),
    ]
    for prefix in ("", "virtual_tiff."):  # of stores that virtual-tiff 0.5.0 wrote
        chunky = {"name": f"{prefix}ChunkyCodec", "configuration": {"endian": "big"}}
        delta = {"name": f"{prefix}HorizontalDeltaCodec", "configuration": {}}
        rows.append(([delta, chunky], (3, 2, 8), "uint16", [raw[:96]]))
    for codecs, shape, dtype, blocks in rows:
        whole = codecs
        if not any(_makes_bytes(codec["name"]) for codec in codecs):
            whole = [little, *codecs]
        yield _Array(json.dumps(whole), shape, dtype), tuple(blocks)


def _makes_bytes(name: str) -> bool:
    from zarr.abc.codec import ArrayBytesCodec
    from zarr.registry import get_codec_class

    return issubclass(get_codec_class(name), ArrayBytesCodec)


@cache
def _arrays() -> tuple[tuple[_Array, tuple[bytes, ...]], ...]:
    """Return the codecs of all seeds with the blocks that they decode."""
    from obstore.store import MemoryStore

    from virtual_tiff import VirtualTIFF
    from virtual_tiff.arrays.nodes import FileArray

    found: dict[str, tuple[_Array, set[bytes]]] = {}
    for _, data in corpus():
        memory = MemoryStore()
        memory.put("a.tif", data)
        try:
            group, _state = asyncio.run(
                VirtualTIFF().parse_nodes(memory, "a.tif", url="memory://bucket/a.tif")
            )
        except TiffError:
            continue
        for node in group.arrays.values():
            if not isinstance(node, FileArray):
                continue
            plain = node.metadata
            chunk = plain["chunk_grid"]["configuration"]["chunk_shape"]
            names = tuple(plain["dimension_names"])
            key = json.dumps([plain["codecs"], chunk, plain["data_type"]])
            array = _Array(json.dumps(plain["codecs"]), tuple(chunk), plain["data_type"], names)
            _array, blocks = found.setdefault(key, (array, set()))
            pairs = zip(
                *(part.ravel().tolist() for part in (node.offsets, node.byte_counts)), strict=True
            )
            blocks.update(data[at : at + n] for at, n in pairs if 0 < n < 5000)
    of_files = ((array, tuple(sorted(blocks))) for array, blocks in found.values() if blocks)
    return (*of_files, *_extra())


def _names(array: _Array) -> Iterator[str]:
    for codec in array.codecs:
        yield codec["name"]
        inner = codec.get("configuration", {}).get("codec")
        if isinstance(inner, dict):
            yield inner["name"]


@cache
def codec_names() -> tuple[str, ...]:
    """Return the names of the codecs that decode, not merely rearrange."""
    plain = {"bytes", "transpose"}
    return tuple(sorted({n for array, _ in _arrays() for n in _names(array)} - plain))


@cache
def _codec_seeds(name: str) -> tuple[tuple[str, bytes], ...]:
    """Return blocks, each behind two bytes that say which array it is of."""
    return tuple(
        (f"{number}", number.to_bytes(2) + block)
        for number, (array, blocks) in enumerate(_arrays())
        if name in _names(array)
        for block in blocks[:4]
    )


def _codec_mutate(data: bytes, rnd: Random) -> bytes:
    return data[:2] + flip(data[2:], rnd)


def decode(data: bytes) -> bool:
    """Decode a block as the store does; its first two bytes say how."""
    array, _ = _arrays()[int.from_bytes(data[:2]) % len(_arrays())]
    pipeline = _pipeline(array)
    try:
        pipeline(data[2:])
    except ValueError as error:
        assert "a block" in str(error), repr(error)
        return False
    return True


@cache
def _pipeline(array: _Array) -> Callable[[bytes], Any]:
    """Return what decodes one block: the store's guard."""
    import numpy as np
    from zarr.core.array_spec import ArrayConfig, ArraySpec
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.metadata.v3 import parse_codecs
    from zarr.dtype import parse_dtype

    from virtual_tiff.codecs.guard.guard import BlockBytes, guarded

    document = {"codecs": array.codecs, "data_type": array.dtype, "node_type": "array"}
    document |= {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": array.shape}}}
    document |= {"dimension_names": array.dimension_names[: len(array.shape)]}
    document |= {"shape": array.shape, "fill_value": 0, "attributes": {}}
    names = guarded(document)["codecs"]
    dtype = parse_dtype(array.dtype, zarr_format=3)
    fill = dtype.cast_scalar(np.zeros((), dtype.to_native_dtype())[()])
    prototype = default_buffer_prototype()
    spec = ArraySpec(array.shape, dtype, fill, ArrayConfig.from_dict({}), prototype)
    specs, codecs = [], []
    for codec in parse_codecs(names):
        evolved = codec.evolve_from_array_spec(spec)
        codecs.append(evolved)
        specs.append(spec)
        spec = evolved.resolve_metadata(spec)

    def run(data: bytes) -> Any:
        found: Any = BlockBytes(prototype.buffer.from_bytes(data).as_array_like())
        for codec, of_codec in zip(reversed(codecs), reversed(specs), strict=True):
            found = codec._decode_sync(found, of_codec)  # type: ignore[attr-defined]
        return found

    return run


@cache
def targets() -> dict[str, Target]:
    """Return all targets; those of codecs are found by what the corpus holds."""
    whole = {
        "core": Target(core, corpus, mutate),
        "store": Target(store, corpus, mutate),
    }
    of_codecs = {
        f"codec:{name}": Target(decode, lambda name=name: _codec_seeds(name), _codec_mutate)  # type: ignore[misc]
        for name in codec_names()
    }
    return whole | of_codecs


TARGETS = ("core", "store")
"""Those that need no look at the corpus to be named."""
