"""Stacks along the axes that their metadata name, compared with tifffile's series."""

from __future__ import annotations

import io
import itertools
import json
import random
import struct
import warnings
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from support.build import LONG, RATIONAL, Picture, entry, images
from support.pixels import virtual
from support.stacks import numbered

type Array = np.ndarray[Any, Any]


def opened(data: bytes, **options: Any) -> zarr.Group:
    store = virtual(data, ifd_layout="stack", **options)
    return zarr.open_group(store, mode="r", zarr_format=3)


def check_series(data: bytes, *, unnamed: str = "") -> zarr.Group:
    """Compare the first stack with tifffile's first series; return the group of the file.

    `unnamed` are axes of tifffile's that say nothing: here they are `page`.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        series = tiff.series[0]
        pixels = series.asarray().reshape(series.shape)
    shown = [n for n, a in enumerate(series.axes) if series.shape[n] > 1 or a in "YX"]
    expected = pixels.reshape([series.shape[n] for n in shown])
    axes = ["page" if series.axes[n] in unnamed else series.axes[n].lower() for n in shown]
    group = opened(data)
    array: Any = group["image"] if "image" in group else group["0/image"]
    names = list(array.metadata.dimension_names)
    assert sorted(names) == sorted(axes)
    np.testing.assert_array_equal(array[:], expected.transpose([axes.index(n) for n in names]))
    return group


def transformations(group: zarr.Group) -> dict[str, tuple[float, str]]:
    """Return scale and unit of each axis."""
    (multiscale,) = group.attrs["ome"]["multiscales"]
    (transformation,) = multiscale["datasets"][0]["coordinateTransformations"]
    return {
        axis["name"]: (scale, axis.get("unit", ""))
        for axis, scale in zip(multiscale["axes"], transformation["scale"], strict=True)
    }


@pytest.mark.parametrize("seed", range(12))
def test_hyperstacks_of_imagej(seed: int) -> None:
    rng = random.Random(seed)
    rgb = seed % 4 == 0
    lengths = [rng.randint(1, 4) for _ in "TZC"]
    array = numbered(*lengths, 8, 9, *([3] * rgb), dtype="uint8" if rgb else "uint16")
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        array,
        imagej=True,
        resolution=(4, 4),
        compression=rng.choice([None, "zlib"]),
        metadata={
            "axes": "TZCYX" + "S" * rgb,
            "spacing": 2.5,
            "unit": "um",
            "finterval": 0.5,
        },
    )
    group = check_series(file.getvalue())
    names = group["image"].metadata.dimension_names
    if "ome" in group.attrs:
        steps = transformations(group)
        assert steps["x"] == steps["y"] == (0.25, "micrometer")
        assert {"z": (2.5, "micrometer"), "t": (0.5, "second")}.items() >= {
            name: steps[name] for name in steps if name in "tz"
        }.items()
    else:
        assert {"c", "s"} <= set(names)


@pytest.mark.parametrize("order", ["".join(each) for each in itertools.permutations("czt")])
def test_orders_of_scifio(order: str) -> None:
    planes = numbered(2 * 3 * 4, 8, 9)
    lengths = {"c": 2, "z": 3, "t": 4}
    text = f"ImageJ=1\nimages=24\nchannels=2\nslices=3\nframes=4\norder={order}\nhyperstack=true\n"
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for n, plane in enumerate(planes):
            writer.write(plane, description=text if n == 0 else None, metadata=None)
    array = opened(file.getvalue())["image"]
    assert array.metadata.dimension_names == ("t", "c", "z", "y", "x")
    expected = planes.reshape([lengths[axis] for axis in order[::-1]] + [8, 9])
    np.testing.assert_array_equal(
        array[:], expected.transpose([*(order[::-1].index(axis) for axis in "tcz"), 3, 4])
    )


@pytest.mark.parametrize(
    ("axes", "shape", "unnamed"),
    [
        ("TCZYX", (2, 3, 4, 8, 9), ""),
        ("ZTYX", (3, 2, 8, 9), ""),
        ("RTYXS", (2, 3, 8, 9, 3), ""),
        ("CYX", (4, 8, 9), ""),
        ("PYX", (1, 8, 9), ""),
        ("ZCYX", (4, 1, 8, 9), ""),
        (None, (4, 8, 9), "Q"),
    ],
)
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_shapes_of_tifffile(axes: str | None, shape: tuple[int, ...], unnamed: str, tile: Any):
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        numbered(*shape, dtype="uint8"),
        photometric="rgb" if shape[-1] == 3 else "minisblack",
        metadata={} if axes is None else {"axes": axes},
        tile=tile,
    )
    check_series(file.getvalue(), unnamed=unnamed)


def test_a_truncated_shape_and_two_series_of_one_shape() -> None:
    file = io.BytesIO()
    array = numbered(3, 2, 8, 9)
    with tifffile.TiffWriter(file) as writer:
        writer.write(array, metadata={"axes": "TCYX"}, truncate=True)
    data = file.getvalue()
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        only = len(tiff.pages) == 1
    assert only
    np.testing.assert_array_equal(check_series(data)["image"][:], array)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for number in range(2):
            writer.write(array + np.uint16(number), metadata={"axes": "TCYX"}, contiguous=False)
    group = opened(file.getvalue())
    assert sorted(group.group_keys()) == ["0", "6"]
    for number, name in enumerate(["0", "6"]):
        pixels: Any = group[f"{name}/image"]
        assert pixels.metadata.dimension_names == ("t", "c", "y", "x")
        np.testing.assert_array_equal(pixels[:], array + number)


@pytest.mark.parametrize(
    "text",
    [
        '{"shape": ',
        '{"shape": [7, 8, 9], "axes": "TYX"}',
        '{"shape": [0, 8, 9]}',
        '{"shape": "a"}',
        '{"shape": [[2], 8, 9]}',
        '{"shape": [2, 2, 8, 9], "axes": "TTYX"}',
        "{" * 5000,
    ],
)
def test_shapes_that_are_not_those_of_the_pages_name_nothing(text: str) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for n in range(4):
            writer.write(numbered(8, 9), description=text if n == 0 else None, metadata=None)
    assert opened(file.getvalue())["image"].metadata.dimension_names == ("page", "y", "x")


@pytest.mark.parametrize(("distance", "moves", "axis"), [(2, 0, "z"), (0, 5, "t"), (0, 0, "i")])
def test_planes_of_metamorph(distance: int, moves: int, axis: str) -> None:
    planes = numbered(5, 20, 30)
    per_plane = [(distance, 1, 2450000, moves * n, 2450000, 0) for n in range(len(planes))]
    raw = b"".join(struct.pack("<6I", *each) for each in per_plane)

    def one_plane(end: int) -> bytes:
        count = len(planes)
        entries = [
            entry(33628, LONG, count=1, offset=end + len(raw)),
            entry(33629, RATIONAL, count=count, offset=end),
            entry(33630, RATIONAL, [(500, 1)] * count),
        ]
        return images([Picture(planes[0], extra_entries=entries)])

    # the planes without a directory follow the first one's data
    end = len(one_plane(0)) + planes[1:].nbytes
    data = one_plane(end) + planes[1:].tobytes() + raw + struct.pack("<2I", 0, 1)
    group = check_series(data, unnamed="I")
    names = group["image"].metadata.dimension_names
    assert names == ("page" if axis == "i" else axis, "y", "x")
    if axis == "z":
        assert transformations(group)["z"] == (2.0, "micrometer")


def lsm(times: int, z: int, channels: int, scan_type: int) -> tuple[bytes, Array]:
    """Return a file with a thumbnail for each plane, and its planes (t, z, c, y, x)."""
    info = bytearray(512)
    struct.pack_into("<Ii5i", info, 0, 0x0400494C, 512, 16, 16, z, channels, times)
    struct.pack_into("<i2i3d", info, 28, 2, 8, 8, 1e-7, 1e-7, 5e-7)
    struct.pack_into("<H", info, 88, scan_type)
    struct.pack_into("<d", info, 112, 1.5)
    planes = numbered(times, z, channels, 16, 16)
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder="<") as writer:
        for n, plane in enumerate(planes.reshape(-1, channels, 16, 16)):
            extra = [(34412, "B", len(info), bytes(info), True)] if n == 0 else []
            options: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
            writer.write(
                plane if channels > 1 else plane[0],
                planarconfig="separate" if channels > 1 else None,
                extratags=extra,
                **options,
            )
            thumbnail = np.full((8, 8, 3), n, "u1")
            writer.write(thumbnail, photometric="rgb", subfiletype=1, metadata=None)
    return file.getvalue(), planes


@pytest.mark.parametrize(
    ("times", "z", "channels", "scan_type"),
    [(1, 3, 3, 0), (4, 1, 1, 3), (2, 3, 3, 6), (2, 2, 1, 6)],
)
def test_planes_of_an_lsm_without_their_thumbnails(
    times: int, z: int, channels: int, scan_type: int
) -> None:
    data, planes = lsm(times, z, channels, scan_type)
    group = opened(data)
    array: Any = group["0/image"]
    lengths = {"t": times, "c": channels, "z": z}
    names = [axis for axis in "tcz" if lengths[axis] > 1]
    assert array.metadata.dimension_names == (*names, "y", "x")
    expected = planes.transpose(0, 2, 1, 3, 4)
    np.testing.assert_array_equal(array[:], expected.reshape(array.shape))
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        np.testing.assert_array_equal(tiff.series[0].asarray().ravel(), planes.ravel())
    steps = transformations(group["0"])
    assert steps["x"] == (pytest.approx(0.1), "micrometer")
    assert group["1/image"].shape[1:] in ((3, 8, 8), (8, 8))  # a thumbnail for each plane


def test_dimensions_of_fluoview() -> None:
    header = bytearray(284 + 100 * 10 + 100)
    dimensions = [(b"X", 9, 0.5), (b"Y", 8, 0.5), (b"Z", 3, 2.0), (b"Ch", 2, 1.0), (b"T", 2, 0.1)]
    for n, (name, size, step) in enumerate(dimensions):
        unit = b"s" if name == b"T" else b"um"
        struct.pack_into("<16si2d64s", header, 284 + 100 * n, name, size, 0.0, step, unit)
    planes = numbered(12, 8, 9)
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder="<") as writer:
        for plane in planes:
            writer.write(plane, metadata=None, extratags=[(34361, "B", None, bytes(header), True)])
    group = opened(file.getvalue())
    assert group["image"].metadata.dimension_names == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(group["image"][:], planes.reshape(2, 2, 3, 8, 9))
    assert transformations(group) == {
        "t": (0.1, "second"),
        "c": (1.0, ""),
        "z": (2.0, "micrometer"),
        "y": (0.5, "micrometer"),
        "x": (0.5, "micrometer"),
    }


@pytest.mark.parametrize("lost", [0, 1])
def test_indices_of_micro_manager(lost: int) -> None:
    places = [(t, c, z) for z in range(3) for c in range(2) for t in range(2)]
    random.Random(1).shuffle(places)
    planes = numbered(12, 8, 9)
    expected = np.zeros((2, 2, 3, 8, 9), planes.dtype)
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for place, plane in list(zip(places, planes, strict=True))[lost:]:
            expected[place] = plane
            said = {"FrameIndex": place[0], "ChannelIndex": place[1], "SliceIndex": place[2]}
            said |= {"Channel": "red" if place[1] else "blue", "PixelSizeUm": 0.65}
            tag = (51123, "s", 0, json.dumps(said), True)
            text = "ImageJ=1\nimages=12\nchannels=2\nslices=3\nframes=2\n"
            writer.write(plane, description=text, metadata=None, extratags=[tag])
    group = opened(file.getvalue())
    assert group["image"].metadata.dimension_names == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(group["image"][:], expected)
    assert group["c"][:].tolist() == ["blue", "red"]
    assert transformations(group)["x"] == (0.65, "micrometer")


@pytest.mark.parametrize(
    ("channels", "frames", "lengths"),
    [("[1;2]", "2", (3, 2, 2)), ("1", "4", (3, 4, 1)), ("[1 2 3]", "Inf", (1, 4, 3))],
)
def test_frames_of_scan_image(channels: str, frames: str, lengths: tuple[int, ...]) -> None:
    software = (
        f"SI.hChannels.channelSave = {channels}\nSI.hStackManager.framesPerSlice = {frames}\n"
        "SI.hRoiManager.scanFramePeriod = 0.25\nSI.VERSION_MAJOR = '2016'\n"
    )
    planes = numbered(12, 8, 9)
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=True) as writer:
        for plane in planes:
            writer.write(plane, metadata=None, software=software)
    array: Any = opened(file.getvalue())["image"]
    expected = planes.reshape(*lengths, 8, 9).transpose(1, 2, 0, 3, 4)
    np.testing.assert_array_equal(array[:], expected.reshape(array.shape))
    have = dict(zip(array.metadata.dimension_names, array.shape, strict=True))
    assert have == {a: n for a, n in zip("ztcyx", (*lengths, 8, 9), strict=True) if n > 1}


def test_pages_stay_pages_on_request() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, numbered(2, 3, 8, 9), imagej=True, metadata={"axes": "TCYX"})
    group = opened(file.getvalue(), page_axes="page")
    assert group["image"].metadata.dimension_names == ("page", "y", "x")
    assert group["channel"][:].tolist() == [0, 1, 2] * 2
    assert "ome" not in group.attrs
    with pytest.raises(ValueError, match="page_axes must be 'named' or 'page'"):
        opened(file.getvalue(), page_axes="t")


def test_names_of_series_are_names_of_images() -> None:
    file = io.BytesIO()
    metadata = {"axes": "ZYX", "name": "a name"}
    tifffile.imwrite(file, numbered(2, 8, 9), metadata=metadata)
    text = tifffile.TiffFile(io.BytesIO(file.getvalue())).pages[0].description
    assert json.loads(text)["name"] == "a name"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert opened(file.getvalue()).attrs["ome"]["multiscales"][0]["name"] == "a name"
