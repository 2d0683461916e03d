"""ImageJ's description, and its images without directory."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile

from support.build import ASCII, END, Entry, Picture, entry, image, images
from support.stacks import array_shape, numbered, numbers, only_stack, pixels, stacks_of, written
from virtual_tiff.metadata.imagej import ImageJ, parse_imagej
from virtual_tiff.tiff import LimitError, TiffWarning


def described(text: str) -> Entry:
    return entry(270, ASCII, text)


def one_directory(data: bytes) -> bytes:
    """Cut the chain behind its first directory, as ImageJ writes a stack."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    after = at + 2 + 12 * count
    return data[:after] + bytes(4) + data[after + 4 :]


@pytest.mark.parametrize("text", [None, "", "a picture", "\nImageJ=1.5"])
def test_other_descriptions_are_not_imagej(text: str | None) -> None:
    assert parse_imagej(text) is None


def test_counts() -> None:
    text = "ImageJ=1.54f\nimages=30\nchannels=2\nslices=5.0\nframes=3\nunit=\\u00B5m\n"
    assert parse_imagej(text) == ImageJ(images=30, channels=2, slices=5, frames=3)


@pytest.mark.parametrize("count", ["-3", "x", "", "1e3", "9" * 5000, "0"])
def test_a_count_that_is_none_is_one(count: str) -> None:
    assert parse_imagej(f"ImageJ=1\nimages={count}") == ImageJ(
        images=1, channels=1, slices=1, frames=1
    )


def test_positions_of_a_hyperstack_as_tifffile() -> None:
    found = parse_imagej("ImageJ=1\nimages=12\nchannels=2\nslices=3\nframes=2\n")
    assert found is not None
    assert found.count(1) == 12
    t, z, c = np.indices((2, 3, 2)).reshape(3, -1).tolist()
    assert {axis: list(at) for axis, at in found.positions(12, 1).items()} == {
        "t": t,
        "c": c,
        "z": z,
    }
    assert found.positions(11, 1) == {}


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_images_behind_the_only_directory(byteorder: str, dtype: str) -> None:
    array = numbered(2, 3, 2, 8, 9, dtype=dtype)
    data = one_directory(written(array, imagej=True, byteorder=byteorder))
    stack = only_stack(data)
    assert stack.dimension_names == ("page", "y", "x")
    assert array_shape(stack) == (12, 8, 9)
    assert [page.shift for page in stack.pages if page] == [
        i * array[0, 0, 0].nbytes for i in range(12)
    ]
    np.testing.assert_array_equal(pixels(data, stack), array.reshape(12, 8, 9))
    assert stack.positions["c"] == (0, 1) * 6
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        np.testing.assert_array_equal(tiff.series[0].asarray().ravel(), array.ravel())


def test_rgb_images_behind_the_only_directory() -> None:
    array = numbered(4, 8, 9, 3, dtype="uint8")
    data = one_directory(written(array, imagej=True, photometric="rgb"))
    stack = only_stack(data)
    assert stack.dimension_names == ("page", "band", "y", "x")
    np.testing.assert_array_equal(pixels(data, stack), np.moveaxis(array, -1, 1))


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_directory_for_each_image(compression: str | None) -> None:
    array = numbered(3, 2, 8, 9)
    data = written(array, imagej=True, compression=compression, metadata={"axes": "ZCYX"})
    stack = only_stack(data)
    assert stack.axes == ("page",)
    assert numbers(stack) == list(range(6))
    assert stack.positions == {"z": (0, 0, 1, 1, 2, 2), "c": (0, 1) * 3}
    np.testing.assert_array_equal(pixels(data, stack), array.reshape(6, 8, 9))


def test_more_images_than_the_file_holds_are_not_believed() -> None:
    data = image(numbered(8, 9), extra_entries=[described("ImageJ=1\nimages=1000000000\n")])
    with pytest.warns(TiffWarning, match="ImageJ's 1000000000 images do not follow"):
        assert array_shape(only_stack(data)) == (8, 9)


def test_images_are_counted_against_the_limit() -> None:
    text = described("ImageJ=1\nimages=50\n")
    data = image(numbered(1, 1, dtype="uint8"), extra_entries=[text]) + bytes(100)
    assert only_stack(data).shape == (50,)
    with pytest.raises(LimitError, match="directories=20"):
        only_stack(data, directories=20)


@pytest.mark.parametrize(
    "options",
    [{"compression": 8}, {"tile": (16, 16)}, {"bits": 12}, {"photometric": 6}, {"fill_order": 2}],
    ids=str,
)
def test_nothing_lies_behind_what_is_not_one_run_of_samples(options: dict[str, object]) -> None:
    text = described("ImageJ=1\nimages=2\n")
    array = numbered(8, 9, 3, dtype="uint8") if "photometric" in options else numbered(8, 9)
    data = image(array, extra_entries=[text], **options) + bytes(1000)
    assert len(only_stack(data).pages) == 1


def test_strips_in_a_row_are_one_run_others_are_not() -> None:
    text = described("ImageJ=1\nimages=2\n")
    options = {"extra_entries": [text], "rows_per_strip": 3}
    assert len(only_stack(image(numbered(8, 8), **options) + bytes(200)).pages) == 2
    assert len(only_stack(image(numbered(8, 8), gap=2, **options) + bytes(200)).pages) == 1


def test_a_directory_within_the_run_ends_it() -> None:
    pictures = [
        Picture(numbered(8, 8), extra_entries=[described("ImageJ=1\nimages=5\n")]),
        Picture(numbered(4, 4)),
    ]
    data = images(pictures, order=END) + bytes(2000)
    with pytest.warns(TiffWarning, match="do not follow"):
        assert [len(stack.pages) for stack in stacks_of(data)] == [1, 1]
