"""What holds for any image and any way of reading it."""

from __future__ import annotations

import asyncio
import random
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.build import END, FRONT, SCATTERED, VARIANTS, Picture, images, layout, parts
from support.pixels import read, virtual, zarr_array
from virtual_tiff import TiffError
from virtual_tiff.sources.object_source import SourceError
from virtual_tiff.tiff import (
    ByteRange,
    ByteSource,
    ImageFileDirectory,
    MemorySource,
    ReadAhead,
    Reading,
    SourceState,
    block_layout,
    read_tiff,
)

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)

any_dtype = st.sampled_from(["u1", "u2", "u4", "i2", "i4", "f4", "f8"])


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Any image: type, size, strips or tiles, chunky or planar, compression, predictor."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    samples = draw(st.sampled_from([1, 1, 2, 3, 5]))
    dtype = np.dtype(draw(any_dtype))
    rnd = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (height, width) if samples == 1 else (height, width, samples)
    array = rnd.integers(0, 100, shape).astype(dtype)
    compression = draw(st.sampled_from([1, 1, 5, 8]))
    predictors = [1] if compression == 1 else [1, 3] if dtype.kind == "f" else [1, 2]
    tile = draw(st.none() | st.sampled_from([(16, 16), (32, 16)]))
    return Picture(
        array,
        compression=compression,
        predictor=draw(st.sampled_from(predictors)),
        rows_per_strip=None if tile else draw(st.none() | st.integers(1, height)),
        tile=tile,
        planar=draw(st.sampled_from([1, 2])) if samples > 1 else 1,
    )


any_file = st.fixed_dictionaries(
    {
        "order": st.sampled_from([FRONT, END, SCATTERED]),
        "gap": st.integers(0, 5),
        "align": st.sampled_from([1, 2]),
    }
)
any_variant = st.sampled_from(VARIANTS)


def first_band(array: NDArray[Any]) -> NDArray[Any]:
    """(y, x) or (y, x, sample) to our order."""
    return array if array.ndim == 2 else np.moveaxis(array, -1, 0)


@pytest.mark.long
@quick
@given(found=st.lists(pictures(), min_size=1, max_size=3), variant=any_variant, options=any_file)
def test_pixels_that_are_written_are_read(
    found: list[Picture], variant: tuple[str, bool], options: dict[str, Any]
) -> None:
    data = images(found, byteorder=variant[0], big=variant[1], **options)
    group: Any = zarr.open_group(virtual(data), mode="r", zarr_format=3)
    for number, picture in enumerate(found):
        np.testing.assert_array_equal(group[str(number)][...], first_band(picture.array))


@pytest.mark.long
@quick
@given(picture=pictures(), variant=any_variant, options=any_file)
def test_merging_strips_never_changes_pixels(
    picture: Picture, variant: tuple[str, bool], options: dict[str, Any]
) -> None:
    data = images([picture], byteorder=variant[0], big=variant[1], **options)
    merged, single = (read(data, merge_strips=merge) for merge in (True, False))
    np.testing.assert_array_equal(merged, single)


@pytest.mark.long
@quick
@given(picture=pictures(), variant=any_variant, window=st.data())
def test_a_window_is_a_part_of_the_image(
    picture: Picture, variant: tuple[str, bool], window: st.DataObject
) -> None:
    data = images([picture], byteorder=variant[0], big=variant[1])
    array = zarr_array(virtual(data))
    corner = [window.draw(st.integers(0, n - 1)) for n in array.shape]
    part = tuple(slice(start, window.draw(st.integers(start, n))) for start, n in zip(
        corner, array.shape, strict=True))  # fmt: skip
    np.testing.assert_array_equal(array[part], first_band(picture.array)[part])


# Any split of reads


class Torn:
    """Gives a file's bytes through a wrapper that reads in its own pieces."""

    def __init__(self, data: bytes, seed: int) -> None:
        self._source = MemorySource(data)
        self._random = random.Random(seed)

    @property
    def state(self) -> SourceState:
        return self._source.state

    async def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        found = []
        for start, end in ranges:
            cuts = sorted({start, end, *(self._random.randint(start, end) for _ in range(3))})
            parts = await self._source.read_ranges(list(pairwise(cuts)))
            await asyncio.sleep(0)
            found.append(memoryview(b"".join(parts)))
        return found


def described(source: ByteSource) -> list[Any]:
    tiff = asyncio.run(read_tiff(source))

    def of(ifd: ImageFileDirectory) -> Any:
        layout = block_layout(ifd, file_size=tiff.state.size)
        values = {tag: (entry.field_type, entry.data) for tag, entry in ifd.entries.items()}
        return ifd.path, ifd.offset, values, layout.offsets.tolist(), layout.byte_counts.tolist()

    return [of(ifd) for ifd in tiff.walk()]


@pytest.mark.long
@quick
@given(
    found=st.lists(pictures(), min_size=1, max_size=3),
    variant=any_variant,
    options=any_file,
    sizes=st.tuples(*[st.integers(1, 3000)] * 3, st.integers(0, 3000)),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_split_of_reads_gives_the_same(
    found: list[Picture],
    variant: tuple[str, bool],
    options: dict[str, Any],
    sizes: tuple[int, int, int, int],
    seed: int,
) -> None:
    data = images(found, byteorder=variant[0], big=variant[1], **options)
    whole = described(MemorySource(data))
    assert described(Torn(data, seed)) == whole
    head, ahead, piece, guess = sizes
    split = ReadAhead(Torn(data, seed), Reading(head=head, ahead=ahead, piece=piece, guess=guess))
    assert described(split) == whole


# Any end


def small_files() -> list[bytes]:
    gray, rgb = np.arange(30, dtype="u1").reshape(6, 5), np.arange(90, dtype="u1").reshape(6, 5, 3)
    kinds = [
        Picture(gray, rows_per_strip=2),
        Picture(rgb, compression=8, rows_per_strip=4),
        Picture(rgb, tile=(16, 16), planar=2, compression=5),
    ]
    return [
        images([kind], byteorder=byteorder, big=big, order=order)
        for kind in kinds
        for (byteorder, big), order in zip(VARIANTS, (FRONT, END, SCATTERED, END), strict=True)
    ]


@pytest.mark.parametrize("data", small_files(), ids=range(12))
def test_every_prefix_ends_in_an_error_or_in_the_same_pixels(data: bytes) -> None:
    whole = read(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for length in range(0, len(data), 3):
            try:
                found = read(data[:length])
            except (TiffError, ValueError, OSError) as error:
                assert isinstance(error, TiffError) or "block" in str(error)  # noqa: PT017
            else:
                np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("counts", [True, False])
def test_a_file_that_ends_where_its_only_strip_begins_has_no_pixels(counts: bool) -> None:
    array = np.full((6, 5), 7, "u1")
    picture = Picture(array, compression=8, without=[] if counts else [279])
    found = layout(*parts([picture]))
    data = found.data[: found.blocks[0]]
    with pytest.raises(SourceError, match="block"):
        read(data)
