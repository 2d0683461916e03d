"""Where and when each plane was taken, names, colours and ranges, compared with tifffile."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import xarray as xr
import zarr

from support.build import LONG, RATIONAL, Picture, entry, images
from support.pixels import virtual
from support.scenes import dataset_of
from support.stacks import numbered
from virtual_tiff.publishing import publish

type Array = np.ndarray[Any, Any]


def opened(data: bytes) -> zarr.Group:
    return zarr.open_group(virtual(data, ifd_layout="stack"), mode="r", zarr_format=3)


def dataset(data: bytes) -> xr.Dataset:
    store: Any = virtual(data, ifd_layout="stack")
    return xr.open_zarr(store, consolidated=False, zarr_format=3)


def written(array: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


# ------------------------------------------------------------------------------ OME-XML


def ome(array: Array, axes: str, **plane: Any) -> bytes:
    metadata = {"axes": axes, "Plane": plane}
    return written(array, ome=True, photometric="minisblack", metadata=metadata)


def test_planes_of_ome() -> None:
    planes = [(t, c, z) for t in range(2) for c in range(3) for z in range(4)]
    data = ome(
        numbered(2, 3, 4, 8, 9),
        "TCZYX",
        PositionX=[12.5] * 24,
        PositionXUnit=["mm"] * 24,
        PositionZ=[float(5 * z) for _, _, z in planes],
        PositionZUnit=["µm"] * 24,
        DeltaT=[100.0 * t + 10 * c + z for t, c, z in planes],
        ExposureTime=[0.5 * c for _, c, _ in planes],
    )
    ds = dataset(data)
    assert set(ds.coords) == {"position_x", "position_z", "delta_t", "exposure_time"}
    assert float(ds.position_x) == 12.5
    assert ds.position_x.attrs["units"] == "mm"
    assert ds.position_z.dims == ("z",)
    assert ds.position_z.values.tolist() == [0, 5, 10, 15]
    assert ds.exposure_time.dims == ("c",)
    assert ds.exposure_time.attrs["units"] == "s"
    assert ds.delta_t.dims == ("t", "c", "z")
    assert ds.delta_t.values.ravel().tolist() == [100 * t + 10 * c + z for t, c, z in planes]


def test_a_stage_label_is_of_all_planes() -> None:
    text = tifffile.TiffFile(io.BytesIO(ome(numbered(3, 8, 9), "ZYX"))).pages[0].description
    stage = '<StageLabel Name="A" X="3.5" XUnit="mm" Y="-2"/>'
    described = text.replace("<Pixels", f"{stage}<Pixels", 1)
    ds = dataset(written(numbered(3, 8, 9), description=described, metadata=None))
    assert (float(ds.position_x), float(ds.position_y)) == (3.5, -2)
    assert ds.position_x.attrs == {"units": "mm"}
    assert ds.position_y.attrs == {"units": "reference frame"}


@pytest.mark.parametrize(
    ("plane", "known"),
    [
        ({"PositionZ": ["x", "1", "2"]}, [np.nan, 1, 2]),
        ({"PositionZ": ["INF", "NaN", "2"]}, [np.nan, np.nan, 2]),
        ({"PositionZ": ["x", "x", "x"]}, None),
        ({"PositionZ": ["1", "2", "3"], "TheZ": ["-1", "7", "2"]}, [np.nan, np.nan, 3]),
    ],
)
def test_planes_that_say_no_number(plane: dict[str, list[str]], known: list[float] | None) -> None:
    numbers = [{"TheZ": str(z), "TheC": "0", "TheT": "0"} for z in range(3)]
    for name, values in plane.items():
        for at, value in enumerate(values):
            numbers[at][name] = value
    elements = "".join(
        "<Plane {}/>".format(" ".join(f'{name}="{value}"' for name, value in each.items()))
        for each in numbers
    )
    text = tifffile.TiffFile(io.BytesIO(ome(numbered(3, 8, 9), "ZYX"))).pages[0].description
    described = text.replace("</Pixels>", f"{elements}</Pixels>")
    group = opened(written(numbered(3, 8, 9), description=described, metadata=None))
    assert ("position_z" in group) == (known is not None)
    if known is not None:
        np.testing.assert_array_equal(group["position_z"][:], known)


@pytest.mark.long
def test_of_many_planes_nothing_is_kept() -> None:
    array = np.zeros((4097, 1, 2), "u1")
    data = ome(array, "ZYX", PositionZ=[float(z) for z in range(len(array))])
    assert set(opened(data)) == {"image"}


@pytest.mark.parametrize("same", [True, False])
def test_files_that_were_taken_elsewhere_are_stacked(same: bool, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.ome.tif" for n in range(2)]
    for n, path in enumerate(paths):
        place = [0.0 if same else 7.0 * n] * 3
        path.write_bytes(ome(numbered(3, 8, 9), "ZYX", PositionX=place, PositionZ=[0.0, 2.0, 4.0]))
    published = publish(paths, "memory://", concat="n", ifd_layout="stack")
    ds = dataset_of(published)
    assert ds.image.dims == ("n", "z", "y", "x")
    assert ds.position_z.values.tolist() == [0, 2, 4]
    assert ("position_x" in ds.coords) == same
    assert ("position_x" in str(published.left_out)) != same


# ------------------------------------------------------------------------------- ImageJ


def test_labels_ranges_and_colours_of_imagej() -> None:
    luts = [np.zeros((3, 256), "u1") for _ in range(2)]
    luts[0][0], luts[1][2] = np.arange(256), np.arange(256)
    for order in "<>":
        data = written(
            numbered(3, 2, 8, 9),
            imagej=True,
            byteorder=order,
            metadata={
                "axes": "ZCYX",
                "Labels": [f"slice {n} é" for n in range(6)],
                "LUTs": luts,
                "Ranges": [0.0, 100.0, 20.0, 4000.0],
            },
        )
        theirs = tifffile.TiffFile(io.BytesIO(data)).imagej_metadata
        group = opened(data)
        labels = np.array(theirs["Labels"], dtype=object).reshape(3, 2)
        assert group["image"].attrs["label"] == labels.T.tolist()
        channels = group.attrs["ome"]["omero"]["channels"]
        assert [channel["color"] for channel in channels] == ["FF0000", "0000FF"]
        shown = [channel["window"]["start"] for channel in channels]
        shown += [channel["window"]["end"] for channel in channels]
        assert shown == [0, 20, 100, 4000]


@pytest.mark.parametrize("wrong", ["counts", "header", "names"])
def test_metadata_of_imagej_that_are_damaged_say_nothing(wrong: str) -> None:
    data = written(
        numbered(2, 8, 9), imagej=True, metadata={"axes": "ZYX", "Labels": ["one", "two"]}
    )
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page: Any = tiff.pages[0]
        offset, counts = page.tags[50839].valueoffset, page.tags[50838].valueoffset
    damaged = bytearray(data)
    if wrong == "counts":
        damaged[counts : counts + 4] = b"\xff" * 4
    else:
        at = offset + (0 if wrong == "header" else 4)
        damaged[at : at + 4] = b"none"
    assert "label" not in opened(bytes(damaged))["image"].attrs


# -------------------------------------------------------------------------------- Zeiss


def lsm(times: int, channels: int, *, in_page: bool = True) -> bytes:
    names = [f"Ch{n} é" for n in range(channels)]
    texts = [name.encode("latin-1") + b"\0" for name in names]
    packed = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    colors = bytes(v for n in range(channels) for v in (10 * n, 200, 255 - n, 0))
    at = 24 + len(colors)
    head = struct.pack("<6I", at + len(packed), channels, channels, 24, at, 0)
    block = head + colors + packed
    stamps = struct.pack("<2i", 8 + 8 * times, times)
    stamps += struct.pack(f"<{times}d", *(100 + 2.5 * t * t for t in range(times)))
    planes = numbered(times, channels, 16, 16)

    def with_offsets(colors_at: int, stamps_at: int) -> bytes:
        info = bytearray(512)
        struct.pack_into("<Ii5i", info, 0, 0x0400494C, 512, 16, 16, 1, channels, times)
        struct.pack_into("<i2i3d", info, 28, 2, 8, 8, 1e-7, 2e-7, 0)
        struct.pack_into("<H", info, 88, 3)
        struct.pack_into("<I", info, 108, colors_at)
        struct.pack_into("<I", info, 132, stamps_at)
        file = io.BytesIO()
        with tifffile.TiffWriter(file, byteorder="<") as writer:
            for n, plane in enumerate(planes):
                writer.write(
                    plane if channels > 1 else plane[0],
                    photometric="minisblack",
                    planarconfig="separate" if channels > 1 else None,
                    extratags=[(34412, "B", 512, bytes(info), True)] if n == 0 else [],
                    metadata=None,
                )
                writer.write(np.zeros((8, 8, 3), "u1"), photometric="rgb", subfiletype=1)
        return file.getvalue()

    size = len(with_offsets(0, 0))
    return with_offsets(size, size + len(block)) + block + stamps


@pytest.mark.parametrize(("times", "channels"), [(3, 3), (1, 4), (4, 1)])
def test_channels_and_times_of_an_lsm(times: int, channels: int) -> None:
    data = lsm(times, channels)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        theirs: Any = tiff.lsm_metadata
    group = opened(data)
    image: Any = group.get("0", group)
    if channels > 1:
        assert image["c"][:].tolist() == [
            name.rstrip("\0") for name in theirs["ChannelColors"]["ColorNames"]
        ]
        known = image.attrs["ome"]["omero"]["channels"]
        assert [channel["color"] for channel in known] == [
            bytes(color[:3]).hex().upper() for color in theirs["ChannelColors"]["Colors"]
        ]
    assert ("delta_t" in image) == (times > 1)
    if times > 1:
        assert image["delta_t"].metadata.dimension_names == ("t",)
        stamps = theirs["TimeStamps"]
        np.testing.assert_array_equal(image["delta_t"][:], stamps - stamps[0])


def test_blocks_of_an_lsm_that_the_file_lacks_say_nothing() -> None:
    data = lsm(3, 3)
    for cut in (1, 30, 60, 100):
        group = opened(data[:-cut])
        assert group["0/image"].shape == (3, 3, 16, 16)


# ---------------------------------------------------------------------------- MetaMorph


def stk(units: str, *, calibrated: int = 1) -> bytes:
    planes = numbered(4, 20, 30)
    count = len(planes)
    per_plane = b"".join(
        struct.pack("<6I", 3, 2, 2450000, 86_399_000 + 1500 * n if n < 1 else 500 * n, 0, 0)
        for n in range(count)
    )
    stage = struct.pack("<H", 28)
    for n in range(count):
        stage += struct.pack("<4i", 100 * n, 10, 7, 2)
    stage += struct.pack("<H", 0)
    text = struct.pack("<I", len(units) + 1) + units.encode("latin-1") + b"\0"

    def blocks(end: int) -> tuple[dict[str, int], bytes]:
        at, data = {}, b""
        for name, part in (
            ("uic2", per_plane),
            ("uic4", stage),
            ("x", struct.pack("<2I", 13, 20)),
            ("y", struct.pack("<2I", 3, 4)),
            ("units", text),
        ):
            at[name] = end + len(data)
            data += part
        at["uic1"] = end + len(data)
        items = (3, calibrated), (4, at["x"]), (5, at["y"]), (6, at["units"])
        return at, data + b"".join(struct.pack("<2I", *item) for item in items)

    def first(at: dict[str, int]) -> bytes:
        entries = [
            entry(33628, LONG, count=4, offset=at["uic1"]),
            entry(33629, RATIONAL, count=count, offset=at["uic2"]),
            entry(33630, RATIONAL, [(500, 1)] * count),
            entry(33631, LONG, count=count, offset=at["uic4"]),
        ]
        return images([Picture(planes[0], extra_entries=entries)])

    end = len(first(blocks(0)[0])) + planes[1:].nbytes
    at, tail = blocks(end)
    return first(at) + planes[1:].tobytes() + tail


@pytest.mark.parametrize(
    ("units", "calibrated", "unit"),
    [("um", 1, "micrometer"), ("nm", 1, "nanometer"), ("pixel", 1, None), ("um", 0, None)],
)
def test_places_and_times_of_metamorph(units: str, calibrated: int, unit: str | None) -> None:
    data = stk(units, calibrated=calibrated)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        theirs: Any = tiff.stk_metadata
    group = opened(data)
    (multiscale,) = group.attrs["ome"]["multiscales"]
    (transformation,) = multiscale["datasets"][0]["coordinateTransformations"]
    axes = {axis["name"]: axis.get("unit") for axis in multiscale["axes"]}
    scale = dict(zip(axes, transformation["scale"], strict=True))
    if unit is None:
        assert (scale["x"], axes["x"]) == (1, None)
    else:
        assert (scale["x"], scale["y"]) == (theirs["XCalibration"], theirs["YCalibration"])
        assert axes["x"] == unit
    stage = theirs["StagePosition"]
    np.testing.assert_array_equal(group["position_x"][:], stage[:, 0])
    assert float(group["position_y"][()]) == stage[0, 1] == 3.5
    times = np.array(theirs["DatetimeCreated"], dtype="datetime64[ms]")
    np.testing.assert_array_equal(group["delta_t"][:], (times - times[0]) / np.timedelta64(1, "s"))


# ------------------------------------------------------------- Micro-Manager, NIH Image


def test_places_of_micro_manager() -> None:
    file = io.BytesIO()
    planes = numbered(4, 8, 9)
    with tifffile.TiffWriter(file) as writer:
        for n, plane in enumerate(planes):
            said = {"FrameIndex": n, "XPositionUm": 10.5 * n, "YPositionUm": 3, "Exposure-ms": 20}
            said |= {"ElapsedTime-ms": 1000 * n} if n != 2 else {"ElapsedTime-ms": "late"}
            tag = (51123, "s", 0, json.dumps(said), True)
            writer.write(plane, metadata=None, extratags=[tag])
    group = opened(file.getvalue())
    np.testing.assert_array_equal(group["position_x"][:], [0, 10.5, 21, 31.5])
    assert float(group["position_y"][()]) == 3
    assert float(group["exposure_time"][()]) == 0.02
    np.testing.assert_array_equal(group["delta_t"][:], [0, 1, np.nan, 3])
    assert "position_z" not in group


@pytest.mark.parametrize(
    ("interval", "distance", "axis"), [(0.5, 0.0, "t"), (0.0, 3.0, "z"), (0.0, 0.0, "page")]
)
@pytest.mark.parametrize("order", "<>")
def test_slices_of_nih_image(order: str, interval: float, distance: float, axis: str) -> None:
    header = np.zeros(1, dtype=np.dtype(tifffile.TIFF.NIH_IMAGE_HEADER).newbyteorder(order))
    header["FileID"], header["nSlices"], header["XScale"] = b"IPICIMAG", 3, 4.0
    header["UnitsID"], header["PixelAspectRatio"] = 1, 2.0
    header["SliceSpacing"], header["FrameInterval"] = distance, interval
    raw = header.tobytes()
    planes = numbered(3, 8, 9, dtype="uint8")
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        planes[0],
        byteorder=order,
        metadata=None,
        extratags=[(43314, "B", len(raw), raw, True)],
        align=1,
    )
    end = io.BytesIO(file.getvalue()).seek(0, io.SEEK_END)
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as tiff:
        page: Any = tiff.pages[0]
        assert page.dataoffsets[0] + page.databytecounts[0] == end
        assert tiff.nih_metadata is not None
        assert tiff.nih_metadata["nSlices"] == 3
    group = opened(file.getvalue() + planes[1:].tobytes())
    assert group["image"].metadata.dimension_names == (axis, "y", "x")
    np.testing.assert_array_equal(group["image"][:], planes)
    if axis != "page":
        (multiscale,) = group.attrs["ome"]["multiscales"]
        scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
        assert scale == [interval or distance / 4, 0.5, 0.25]
