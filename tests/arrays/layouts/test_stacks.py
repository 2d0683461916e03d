"""Directories to stacks, compared with tifffile's series."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from support.build import ASCII, DOUBLE, SHORT, Picture, entry, image, images
from support.pixels import virtual, zarr_array
from support.stacks import array_shape, numbered, numbers, only_stack, pixels, stacks_of, written
from tiff.reading import read
from virtual_tiff.arrays.layouts.find_stacks import find_stacks
from virtual_tiff.tiff import Limits, TiffWarning

ORDERS = ["".join(order) for order in itertools.permutations("TCZ")]


def page(value: int = 0, shape: tuple[int, ...] = (8, 9), **options: object) -> Picture:
    return Picture(np.full(shape, value, "uint8"), **options)


def kind(value: int, **options: object) -> dict[str, object]:
    return {"extra_entries": [entry(254, SHORT, value)], **options}


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pages_of_one_shape(byteorder: str, big: bool) -> None:
    array = numbered(4, 8, 9)
    data = written(array, byteorder=byteorder, big=big, photometric="minisblack", metadata=None)
    stack = only_stack(data)
    assert (stack.name, stack.axes, stack.shape, stack.levels) == ("0", ("page",), (4,), ())
    assert stack.dimension_names == ("page", "y", "x")
    assert stack.ome is None
    np.testing.assert_array_equal(pixels(data, stack), array)


def test_one_image_has_no_axis_of_pages() -> None:
    stack = only_stack(image(numbered(8, 9)))
    assert (stack.axes, stack.shape, stack.dimension_names) == ((), (), ("y", "x"))
    assert array_shape(stack) == (8, 9)


def test_samples_are_bands_behind_the_pages() -> None:
    stack = only_stack(images([page(shape=(8, 9, 3)), page(shape=(8, 9, 3))]))
    assert stack.dimension_names == ("page", "band", "y", "x")
    assert array_shape(stack) == (2, 3, 8, 9)


def test_no_directory_no_stack() -> None:
    assert find_stacks([], file_size=8, limits=Limits()) == []


def test_several_shapes_are_several_stacks() -> None:
    sizes = [(8, 9), (12, 4), (8, 9), (5, 20), (12, 4)]
    data = images([page(shape=size) for size in sizes])
    assert [numbers(stack) for stack in stacks_of(data)] == [[0, 2], [1, 4], [3]]
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        assert [series.shape for series in tiff.series] == [(2, 8, 9), (2, 12, 4), (5, 20)]


@pytest.mark.parametrize(
    "other",
    [
        {"compression": 8},
        {"compression": 5},
        {"photometric": 0},
        {"rows_per_strip": 4},
        {"tile": (16, 16)},
        {"bits": 4},
        {"fill_order": 2},
        {"extra_entries": [entry(274, SHORT, 3)]},
        {"extra_entries": [entry(254, SHORT, 4)]},
    ],
    ids=str,
)
def test_what_decides_codecs_or_meaning_divides(other: dict[str, object]) -> None:
    data = images([page(), page(**other), page()])
    assert [numbers(stack) for stack in stacks_of(data)] == [[0, 2], [1]]


def test_defaults_and_field_types_do_not_divide() -> None:
    same = [
        page(),
        page(without=[259, 277, 284, 339]),
        page(extra_entries=[entry(256, SHORT, 9), entry(278, SHORT, 60_000)]),
    ]
    assert only_stack(images(same)).shape == (3,)


def place(x: float) -> dict[str, object]:
    scale, tiepoint = [1.0, 1.0, 0.0], [0.0, 0.0, 0.0, x, 0.0, 0.0]
    return {"extra_entries": [entry(33550, DOUBLE, scale), entry(33922, DOUBLE, tiepoint)]}


def test_pages_of_other_places_are_other_stacks() -> None:
    data = images([page(**place(1.0)), page(**place(2.0)), page(**place(1.0)), page()])
    assert [numbers(stack) for stack in stacks_of(data)] == [[0, 2, 3], [1]]


def test_nodata_divides_too() -> None:
    nodata = [{"extra_entries": [entry(42113, ASCII, text)]} for text in ("0", "255", "0")]
    data = images([page(**each) for each in nodata])
    assert [numbers(stack) for stack in stacks_of(data)] == [[0, 2], [1]]


@pytest.mark.long
def test_many_places_take_no_time() -> None:
    data = images([page(shape=(1, 1), **place(float(n))) for n in range(2000)])
    assert len(stacks_of(data)) == 2000


def test_overviews_and_their_mask_as_gdal_writes_them() -> None:
    data = images(
        [
            page(shape=(33, 64)),
            page(shape=(33, 64), **kind(4)),
            page(shape=(17, 32), **kind(1)),
            page(shape=(9, 16), **kind(1)),
            page(shape=(17, 32), **kind(5)),
            page(shape=(9, 16), **kind(5)),
        ]
    )
    full, mask = stacks_of(data)
    assert (full.name, mask.name) == ("0", "1")
    assert [array_shape(full, n) for n in range(3)] == [(33, 64), (17, 32), (9, 16)]
    assert [array_shape(mask, n) for n in range(3)] == [(33, 64), (17, 32), (9, 16)]
    assert [page.ifd.path for level in full.levels for page in level if page] == ["2", "3"]


def test_overviews_behind_each_page() -> None:
    data = images([page(), page(shape=(4, 5), **kind(1))] * 3)
    stack = only_stack(data)
    assert numbers(stack) == [0, 2, 4]
    assert array_shape(stack, 1) == (3, 4, 5)


def test_an_overview_that_not_all_pages_have_is_an_image() -> None:
    data = images([page(), page(shape=(4, 5), **kind(1)), page()])
    with pytest.warns(TiffWarning, match="some pages of the stack have fewer"):
        assert [numbers(stack) for stack in stacks_of(data)] == [[0, 2], [1]]


def test_a_reduced_image_of_other_proportions_is_an_image() -> None:
    data = images([page(shape=(64, 64)), page(shape=(10, 40), **kind(1))])
    assert [array_shape(stack) for stack in stacks_of(data)] == [(64, 64), (10, 40)]


def test_a_thumbnail_before_its_image_is_an_image() -> None:
    data = images([page(shape=(8, 8), **kind(1)), page(shape=(64, 64))])
    assert [array_shape(stack) for stack in stacks_of(data)] == [(8, 8), (64, 64)]


def test_a_directory_without_image_is_left_out() -> None:
    data = images([page(), Picture(np.zeros((8, 9), "uint8"), without=[256, 257]), page()])
    with pytest.warns(TiffWarning, match="IFD 1 has no ImageWidth"):
        assert numbers(only_stack(data)) == [0, 2]


def pyramid(array: np.ndarray, *levels: int, ome: bool, **options: object) -> bytes:
    file = io.BytesIO()
    step = [(..., slice(None, None, n), slice(None, None, n)) for n in levels]
    with tifffile.TiffWriter(file, ome=ome) as tiff:
        tiff.write(array, subifds=len(levels), photometric="minisblack", **options)
        for at in step:
            tiff.write(array[at], subfiletype=1, photometric="minisblack")
    return file.getvalue()


def test_subifds_are_levels() -> None:
    array = numbered(3, 32, 64)
    data = pyramid(array, 2, 4, ome=False, metadata=None)
    stack = only_stack(data)
    assert [array_shape(stack, n) for n in range(3)] == [(3, 32, 64), (3, 16, 32), (3, 8, 16)]
    np.testing.assert_array_equal(pixels(data, stack, 2), array[:, ::4, ::4])


def test_a_subifd_that_is_larger_is_an_image_of_its_own() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(numbered(8, 8), subifds=1, subfiletype=1, metadata=None)
        tiff.write(numbered(64, 64), metadata=None)
    assert [(stack.name, array_shape(stack)) for stack in stacks_of(file.getvalue())] == [
        ("0", (8, 8)),
        ("0/0", (64, 64)),
    ]


# OME-TIFF


@pytest.mark.long
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("options", [{}, {"big": True, "byteorder": ">"}], ids=["II", "MM-big"])
def test_ome_axes_in_any_order(order: str, options: dict[str, object]) -> None:
    lengths = {"T": 2, "C": 3, "Z": 4}
    array = numbered(*(lengths[axis] for axis in order), 8, 9)
    axes = {"axes": f"{order}YX"}
    data = written(array, ome=True, photometric="minisblack", metadata=axes, **options)
    stack = only_stack(data)
    assert stack.dimension_names == ("t", "c", "z", "y", "x")
    expected = array.transpose(*map(order.index, "TCZ"), 3, 4)
    np.testing.assert_array_equal(pixels(data, stack), expected)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "CYX", "TZYX", "TCYX", "CZYX"])
def test_ome_axes_of_length_1_are_left_out(axes: str) -> None:
    array = numbered(*range(3, len(axes) + 1), 8, 9)
    data = written(array, ome=True, photometric="minisblack", metadata={"axes": axes})
    stack = only_stack(data)
    assert "".join(stack.dimension_names) == axes.lower()
    np.testing.assert_array_equal(pixels(data, stack), array)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        assert tiff.series[0].axes == axes


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_ome_rgb_samples_are_channels(planarconfig: str) -> None:
    array = numbered(2, 4, 3, 8, 9, dtype="uint8")
    stored = np.moveaxis(array, 2, -1) if planarconfig == "contig" else array
    axes = {"axes": "TZYXS" if planarconfig == "contig" else "TZSYX"}
    data = written(stored, ome=True, photometric="rgb", planarconfig=planarconfig, metadata=axes)
    stack = only_stack(data)
    assert (stack.axes, stack.sample_axis) == (("t", "z"), "c")
    assert stack.dimension_names == ("t", "c", "z", "y", "x")
    assert array_shape(stack) == (2, 3, 4, 8, 9)
    np.testing.assert_array_equal(pixels(data, stack), np.moveaxis(array, 2, 1))


def test_ome_channels_of_several_samples_are_one_axis() -> None:
    array = numbered(2, 8, 9, 3, dtype="uint8")
    data = written(array, ome=True, photometric="rgb", metadata={"axes": "CYXS"})
    stack = only_stack(data)
    assert (stack.axes, stack.dimension_names) == (("c",), ("c", "y", "x"))
    np.testing.assert_array_equal(pixels(data, stack), np.moveaxis(array, -1, 1).reshape(6, 8, 9))


def test_ome_pyramid() -> None:
    array = numbered(2, 3, 32, 64)
    data = pyramid(array, 2, 4, ome=True, metadata={"axes": "TZYX"}, tile=(16, 16))
    stack = only_stack(data)
    assert stack.axes == ("t", "z")
    np.testing.assert_array_equal(pixels(data, stack, 1), array[..., ::2, ::2])
    np.testing.assert_array_equal(pixels(data, stack, 2), array[..., ::4, ::4])


def test_several_ome_images() -> None:
    arrays = [numbered(2, 8, 9), numbered(3, 8, 9)]
    data = written(*arrays, ome=True, photometric="minisblack", metadata={"axes": "ZYX"})
    stacks = stacks_of(data)
    assert [(stack.name, stack.shape) for stack in stacks] == [("0", (2,)), ("2", (3,))]
    for stack, array in zip(stacks, arrays, strict=True):
        np.testing.assert_array_equal(pixels(data, stack), array)


def ome_xml(pixels: str, *, size_x: int = 9, head: str = "") -> dict[str, object]:
    text = (
        f'<OME {head}><Image><Pixels DimensionOrder="XYZCT" SizeX="{size_x}" SizeY="8" '
        f'SizeC="1" {pixels}</Pixels></Image></OME>'
    )
    return {"extra_entries": [entry(270, ASCII, text)]}


def test_planes_that_the_file_lacks_are_none() -> None:
    xml = ome_xml('SizeZ="2" SizeT="2"><TiffData IFD="1" FirstZ="1"/><TiffData IFD="0"/>')
    with pytest.warns(TiffWarning) as warned:
        stack = only_stack(images([page(**xml), page()]))
    assert (stack.axes, numbers(stack)) == (("t", "z"), [0, 1, None, None])
    assert "lacks 2 of 4 planes" in str(warned[0].message)


def test_directories_of_no_ome_image_are_left_out() -> None:
    xml = ome_xml('SizeZ="2" SizeT="1"><TiffData/>')
    with pytest.warns(TiffWarning, match="IFD 2 and 0 more belong to no OME image"):
        assert numbers(only_stack(images([page(**xml), page(), page()]))) == [0, 1]


@pytest.mark.parametrize(
    ("xml", "others"),
    [
        (ome_xml('SizeZ="2" SizeT="1"><TiffData/>', size_x=10), [page()]),
        (ome_xml('SizeZ="2" SizeT="1"><TiffData/>'), [page(compression=8)]),
        (ome_xml('SizeZ="2" SizeT="1"><TiffData IFD="9"/>'), [page()]),
        (ome_xml('SizeZ="0" SizeT="1"><TiffData/>'), [page()]),
    ],
)
def test_ome_xml_of_other_planes_is_ignored(xml: dict[str, object], others: list[Picture]) -> None:
    data = images([page(**xml), *others])
    with pytest.warns(TiffWarning, match="its pages are exposed without it"):
        stacks = stacks_of(data)
    assert sorted(number for stack in stacks for number in numbers(stack)) == [0, 1]
    assert all(stack.ome is None for stack in stacks)


def test_hostile_counts_cost_nothing() -> None:
    sizes = 'SizeZ="999999999" SizeT="999999999">'
    with pytest.warns(TiffWarning, match="only those in the file are exposed"):
        stack = only_stack(images([page(**ome_xml(f"{sizes}<TiffData/>")), page()]))
    assert numbers(stack) == [0, 1]


def test_images_upon_images_end_at_the_limit() -> None:
    image_xml = (
        '<Image><Pixels DimensionOrder="XYZCT" SizeX="10" SizeY="8" SizeC="1" SizeZ="50" '
        'SizeT="1"><TiffData/></Pixels></Image>'
    )
    text = entry(270, ASCII, f"<OME>{image_xml * 20}</OME>")
    with pytest.warns(TiffWarning, match="OME images have more than 200 planes") as warned:
        stacks_of(image(numbered(8, 9), extra_entries=[text]), directories=200)
    assert len([each for each in warned if "the image is ignored" in str(each.message)]) == 4


def test_one_directory_alone_as_the_parser_reads_it() -> None:
    data = written(numbered(4, 8, 9), ome=True, photometric="minisblack", metadata={"axes": "ZYX"})
    ifds = read(data, ifd=0).ifds
    with pytest.warns(TiffWarning, match="lacks 3 of 4"):
        (stack,) = find_stacks(ifds, file_size=len(data), limits=Limits())
    assert numbers(stack)[0] == 0


def ome_of(*images: str) -> bytes:
    """Three pages of one file, and an OME-XML of several images over them."""
    text = "".join(
        f'<Image ID="Image:{n}" Name="image {n}"><Pixels DimensionOrder="XYCZT" Type="uint16"'
        f' SizeX="9" SizeY="8" SizeZ="{size}" SizeC="1" SizeT="1">{data}</Pixels></Image>'
        for n, (size, data) in enumerate(pair.split("|") for pair in images)
    )
    xml = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{text}</OME>'
    return written(numbered(3, 8, 9), photometric="minisblack", metadata=None, description=xml)


def test_an_image_that_begins_at_another_ones_directory_is_ignored() -> None:
    data = ome_of('2|<TiffData IFD="0" PlaneCount="2"/>', '3|<TiffData IFD="0" PlaneCount="3"/>')
    with pytest.warns(TiffWarning, match="'image 1' begins at the same IFD 0"):
        found = stacks_of(data)
    assert next(numbers(stack) for stack in found) == [0, 1]


def test_one_directory_may_be_several_planes() -> None:
    data = ome_of(
        '3|<TiffData IFD="0"/><TiffData IFD="2" FirstZ="1"/><TiffData IFD="0" FirstZ="2"/>'
    )
    want = numbered(3, 8, 9)[[0, 2, 0]]
    store = virtual(data, ifd_layout="stack")
    (name,) = [name for name, array in store.group.arrays.items() if len(array.shape) == 3]
    np.testing.assert_array_equal(zarr_array(store, name)[...], want)


def test_a_color_map_a_channel_keeps_the_channels_together() -> None:
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8"'
        ' SizeX="20" SizeY="16" SizeC="2" SizeZ="1" SizeT="1"><TiffData/></Pixels></Image></OME>'
    )
    pixels = np.random.default_rng(1).integers(0, 255, (2, 16, 20), "u1")
    maps = np.zeros((2, 3, 256), "u2")
    maps[0, 1] = maps[1, 2] = np.arange(256) * 257
    file = io.BytesIO()
    with tifffile.TiffWriter(file, ome=False) as writer:
        for c in range(2):
            writer.write(
                pixels[c],
                photometric="palette",
                colormap=maps[c],
                description=xml if c == 0 else None,
                contiguous=False,
                metadata=None,
            )
    store = virtual(file.getvalue(), ifd_layout="stack")
    group = zarr.open_group(store, mode="r", zarr_format=3)
    np.testing.assert_array_equal(group["image"][:], pixels)
    assert "color_map" not in group["image"].attrs
    channels = group.attrs["ome"]["omero"]["channels"]
    assert [channel["color"] for channel in channels] == ["00FF00", "0000FF"]


_LIFETIME = '<ModuloAlongT Type="lifetime" Start="0" End="300" Step="100"/>'
_PHASE = '<ModuloAlongT Type="phase"><Label>a</Label><Label>b</Label></ModuloAlongT>'


@pytest.mark.parametrize(
    ("along", "size", "axes", "shape"),
    [
        (_LIFETIME, 8, "t lifetime", (2, 4)),
        (_LIFETIME, 4, "lifetime", (4,)),
        (_PHASE, 8, "t phase", (4, 2)),
        (_LIFETIME, 6, "t", (6,)),
        ('<ModuloAlongT Type="lifetime" Start="0" End="x"/>', 6, "t", (6,)),
        ('<ModuloAlongT Type="lifetime" Start="0" End="3" Step="0"/>', 6, "t", (6,)),
    ],
)
def test_modulo_axes_are_axes(along: str, size: int, axes: str, shape: tuple[int, ...]) -> None:
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="9"'
        f' SizeY="8" SizeC="1" SizeZ="1" SizeT="{size}"><TiffData/></Pixels>'
        '<AnnotationRef ID="Annotation:0"/></Image><StructuredAnnotations>'
        '<XMLAnnotation ID="Annotation:0" Namespace="openmicroscopy.org/omero/dimension/modulo">'
        f"<Value><Modulo>{along}</Modulo></Value></XMLAnnotation></StructuredAnnotations></OME>"
    )
    planes = numbered(size, 8, 9)
    file = io.BytesIO()
    with tifffile.TiffWriter(file, ome=False) as writer:
        for n, plane in enumerate(planes):
            writer.write(plane, description=xml if n == 0 else None, metadata=None)
    stack = only_stack(file.getvalue())
    assert (stack.axes, stack.shape) == (tuple(axes.split()), shape)
    group = zarr.open_group(virtual(file.getvalue(), ifd_layout="stack"), mode="r", zarr_format=3)
    np.testing.assert_array_equal(group["image"][:], planes.reshape(*shape, 8, 9))
    assert ("ome" in group.attrs) == (axes == "t")
    if "x" not in along and 'Step="0"' not in along:
        with tifffile.TiffFile(io.BytesIO(file.getvalue())) as tiff:
            assert tiff.series[0].shape == (*shape, 8, 9)


@pytest.mark.parametrize(
    ("dtype", "tags", "windows"),
    [
        ("uint16", [(280, "H", (5, 9)), (281, "H", (100, 4000))], [(5, 100), (9, 4000)]),
        ("float32", [(340, "f", (-0.5, 0.0)), (341, "f", (1.5, 2.0))], [(-0.5, 1.5), (0.0, 2.0)]),
        ("uint16", [(280, "H", (5, 9)), (281, "H", (5, 9))], None),
        ("uint16", [(281, "H", (5, 9))], None),
        ("float32", [], None),
    ],
)
def test_windows_of_channels_are_the_statistics_of_their_pages(
    dtype: str, tags: list[Any], windows: list[tuple[float, float]] | None
) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, ome=False) as writer:
        for c in range(2):
            text = "ImageJ=1\nimages=2\nchannels=2\n" if c == 0 else None
            extra = [(tag, kind, 1, values[c], True) for tag, kind, values in tags]
            plane = np.zeros((8, 9), dtype)
            writer.write(plane, description=text, metadata=None, extratags=extra, contiguous=False)
    group = zarr.open_group(virtual(file.getvalue(), ifd_layout="stack"), mode="r", zarr_format=3)
    ome: Any = group.attrs["ome"]
    if windows is None:
        assert "omero" not in ome
        return
    shown = [(each["window"]["start"], each["window"]["end"]) for each in ome["omero"]["channels"]]
    assert shown == windows
    pytest.importorskip("ome_zarr_models.v05").Image.from_zarr(group)
