"""Whole-slide images of each vendor, judged by tifffile's series and by OpenSlide."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models.v05.image as ome_models
import openslide
import pytest
import tifffile
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from support import fresh
from support.locations import locate
from support.scripts import load_script
from virtual_tiff import TiffWarning, VirtualTIFF, publish
from virtual_tiff.info import inspect
from virtual_tiff.metadata.slides import SLIDES as KINDS

MAKER = load_script("make_slides")
LOCAL = ObjectStoreRegistry({"file://": LocalStore()})

NAMES = {
    # tifffile's name of a series: ours, which is OpenSlide's
    "Thumbnail": "thumbnail",
    "Label": "label",
    "Macro": "macro",
    "Map": "map",
    "macro": "macro",
    "Overview": "macro",  # of a BIF: the directory "Label Image"
    "Probability": "probability",
}
NO_SPACING = {
    "Leica SCN": "tifffile takes the resolution tags, which are of the first level in all levels",
    "libvips pyramid": "tifffile has no rule for libvips, and takes the resolution tags",
}
"""Kinds whose spacing tifffile does not give in micrometres; OpenSlide judges them alone."""
NO_LEVELS = {
    "Leica SCN": "OpenSlide lays all scenes into one plane",
    "Akoya QPTIFF": "OpenSlide takes it for a generic TIFF, and each channel for a level",
    "OME-TIFF pyramid": "OpenSlide does not read SubIFDs",
}
"""Kinds whose levels OpenSlide has otherwise."""
PREFIX = {
    "Aperio SVS": "aperio.",
    "Hamamatsu NDPI": "hamamatsu.",
    "Philips TIFF": "philips.",
    "Leica SCN": "leica.",
    "Ventana BIF": "ventana.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slides")
    for name, write in MAKER.SLIDES.values():
        write(folder / name)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return folder


def opened(path: Path, layout: str = "pyramid", **options: Any) -> Any:
    store = VirtualTIFF(ifd_layout=layout, **options)(path.as_uri(), LOCAL)  # type: ignore[arg-type]
    return zarr.open_group(store, mode="r", zarr_format=3)


def images_of(group: Any) -> dict[str, Any]:
    """Return the groups of images, in the order of the file."""
    if "0/image" in group:
        return {"0": group}
    return dict(group.groups())


def levels_of(group: Any) -> list[Any]:
    if "image" in group:
        return [group["image"]]
    return [group[f"{n}/image"] for n in range(len(list(group.group_keys())))]


def scales_of(group: Any) -> list[list[float]]:
    (scale,) = group.attrs["ome"]["multiscales"]
    return [level["coordinateTransformations"][0]["scale"] for level in scale["datasets"]]


@pytest.mark.long
@pytest.mark.parametrize("layout", ["pyramid", "stack"])
@pytest.mark.parametrize("name", MAKER.SLIDES)
def test_levels_names_spacing_and_pixels_are_those_of_tifffile(
    name: str, layout: str, folder: Path
) -> None:
    path = folder / MAKER.SLIDES[name][0]
    images = images_of(opened(path, layout))
    with tifffile.TiffFile(path) as file:
        main = [series for series in file.series if series.name not in NAMES]
        associated = {NAMES[series.name]: series for series in file.series if series.name in NAMES}
        ours = {key: each for key, each in images.items() if key not in associated}
        assert images.keys() == ours.keys() | associated.keys()
        for key, series in associated.items():
            assert images[key].attrs["associated_image"] == key
            (array, *_) = levels_of(images[key])
            np.testing.assert_array_equal(np.moveaxis(array[...], 0, -1), series.asarray())
        pages = main[0].shape[0] if main[0].axes[0] in "CZ" else 1
        per_series = pages if layout == "pyramid" else 1  # a channel is an image there
        assert len(ours) == len(main) * per_series
        for number, group in enumerate(ours.values()):
            series, page = main[number // per_series], number % per_series
            for n, (array, level) in enumerate(zip(levels_of(group), series.levels, strict=True)):
                theirs = level.asarray()
                if level.axes[-1] == "S":
                    theirs = np.moveaxis(theirs, -1, -3)
                if pages > 1 and layout == "pyramid":
                    theirs = theirs[page]
                difference = np.abs(array[...].astype("i2") - theirs)
                # which decodes a level of NDPI as a whole: chroma is smooth across intervals, too
                assert difference.max() <= (2 if name == "Hamamatsu NDPI" else 0)
                if name not in NO_SPACING:
                    spacing = [level.coords[axis][1] for axis in "YX"]
                    np.testing.assert_allclose(scales_of(group)[n][-2:], spacing, rtol=1e-6)


@pytest.mark.parametrize("name", MAKER.SLIDES)
def test_a_slide_is_that_of_openslide(name: str, folder: Path) -> None:
    path = folder / MAKER.SLIDES[name][0]
    images = images_of(opened(path))
    main = [group for key, group in images.items() if not group.attrs.get("associated_image")]
    with openslide.OpenSlide(path) as slide:
        properties = slide.properties
        if name not in NO_LEVELS:
            sizes = [array.shape[-2:][::-1] for array in levels_of(main[0])]
            assert sizes == list(slide.level_dimensions)[: len(sizes)]
            for n, array in enumerate(levels_of(main[0])):
                judged = slide.read_region((0, 0), n, slide.level_dimensions[n]).convert("RGB")
                difference = np.moveaxis(array[...], 0, -1) - np.asarray(judged).astype("i2")
                assert np.abs(difference).max() <= 1
                factor = scales_of(main[0])[n][-1] / scales_of(main[0])[0][-1]
                assert factor == pytest.approx(slide.level_downsamples[n], rel=0.01)
        if openslide.PROPERTY_NAME_MPP_X in properties:
            mpp = [float(properties[f"openslide.mpp-{axis}"]) for axis in "yx"]
            np.testing.assert_allclose(scales_of(main[0])[0][-2:], mpp, rtol=1e-6)
        for key, image in slide.associated_images.items():
            (array, *_) = levels_of(images[key])
            assert array.shape[-2:][::-1] == image.size
        if name in PREFIX:
            theirs = {k: v for k, v in properties.items() if k.startswith(PREFIX[name])}
            ours = main[0].attrs["slide_properties"]
            assert {k: str(v).removesuffix(".0") for k, v in ours.items() if k in theirs} == theirs


@pytest.mark.parametrize("layout", ["pyramid", "stack"])
@pytest.mark.parametrize("name", MAKER.SLIDES)
def test_the_attributes_are_ome_zarr(name: str, layout: str, folder: Path) -> None:
    group = opened(folder / MAKER.SLIDES[name][0], layout)
    for image in images_of(group).values():
        if "ome" in image.attrs:
            ome_models.Image.from_zarr(image)


async def test_info_says_what_a_file_is(folder: Path) -> None:
    paths = [folder / name for name, _ in MAKER.SLIDES.values()]
    images = [info.images for info in await inspect(locate(paths))]
    kinds = [text.partition(": ")[0] for text in images if text is not None]
    assert kinds == list(MAKER.SLIDES)
    assert {kind.name for kind in KINDS} == set(kinds)
    assert images[1] == "Hamamatsu NDPI: image 0 with 3 levels, macro 3, map 4"


# ------------------------------------------------------------------------ what is apart


@pytest.mark.long
@pytest.mark.parametrize("compression", [33003, 33005])
def test_aperio_with_jpeg_2000(compression: int, tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    MAKER.svs(path, compression=compression)
    (array, *_) = levels_of(opened(path)["0"])
    with openslide.OpenSlide(path) as slide:
        judged = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
    assert np.abs(np.moveaxis(array[...], 0, -1) - judged.astype("i2")).max() <= 2


@pytest.mark.long
def test_focal_planes_of_aperio(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    MAKER.svs(path, planes=3)
    group = opened(path, "stack")
    assert [array.shape for array in levels_of(group["0"])] == [
        (3, 3, 768, 1024),
        (3, 3, 384, 512),
        (3, 3, 192, 256),
    ]
    assert group["0/0/image"].metadata.dimension_names == ("s", "z", "y", "x")
    with tifffile.TiffFile(path) as file:
        theirs = file.series[0].levels[1].asarray()
    np.testing.assert_array_equal(group["0/1/image"][...], np.moveaxis(theirs, -1, 0))


def test_focal_planes_of_hamamatsu(tmp_path: Path) -> None:
    path = tmp_path / "a.ndpi"
    pages = [
        MAKER.Page(
            width=256 >> level,
            length=128 >> level,
            stream=MAKER.jpeg(MAKER.scene(128 >> level, 256 >> level, z + 9)),
            lens=20.0 / 2**level,
            resolution=40_000 >> level,
            z=z,
        )
        for z in (-2000, 0, 2000)
        for level in range(2)
    ]
    MAKER.write_ndpi(path, pages)
    group = opened(path, "stack")
    assert [array.shape for array in levels_of(group)] == [(3, 3, 128, 256), (3, 3, 64, 128)]
    assert scales_of(group)[0] == [1.0, 2.0, 0.25, 0.25]  # micrometres between the planes
    flat = opened(path, "flat")
    np.testing.assert_array_equal(group["0/image"][:, 2], flat["4"][...])


@pytest.mark.long
@pytest.mark.parametrize("size", [(1000, 1100), (1024, 1152), (900, 1281)])
def test_padded_levels_of_philips(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    MAKER.philips(path, size=size)
    group = opened(path)["0"]
    with openslide.OpenSlide(path) as slide:
        assert [a.shape[-2:][::-1] for a in levels_of(group)] == list(slide.level_dimensions)
    with tifffile.TiffFile(path) as file:
        for array, level in zip(levels_of(group), file.series[0].levels, strict=True):
            np.testing.assert_array_equal(np.moveaxis(array[...], 0, -1), level.asarray())
    # of the spacing, whatever the sizes are
    layout = group.attrs["multiscales"]["layout"]
    assert [level["transform"]["scale"] for level in layout] == [[2.0**n] * 2 for n in range(4)]
    assert opened(path, "flat")["1"].shape[-1] % 128 == 0  # flat has the tags' sizes


def test_a_philips_whose_xml_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    MAKER.philips(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"PixelDataRepresentation"', b'"PixelDataRepresentatioX"', 1))
    with pytest.warns(TiffWarning, match="3 pixel spacings for 4 levels"):
        group = opened(path)["0"]
    assert len(levels_of(group)) == 4
    assert "unit" not in group.attrs["ome"]["multiscales"][0]["axes"][-1]


def test_scenes_of_leica_have_their_places(folder: Path) -> None:
    group = opened(folder / "leica.scn")
    places = [
        group[key].attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][1]
        for key in ("2", "5")
    ]
    assert [place["translation"] for place in places] == [
        [0.0, 9000.0, 4000.0],
        [0.0, 18000.0, 4000.0],
    ]


def test_channels_of_akoya(folder: Path) -> None:
    group = opened(folder / "akoya.qptiff", "stack")["0"]
    assert list(group["0/c"][...]) == ["DAPI", "FITC", "Cy5"]
    channels = group.attrs["ome"]["omero"]["channels"]
    assert [channel["color"] for channel in channels] == ["0000FF", "00FF00", "FF0000"]


def test_channels_as_pages(folder: Path) -> None:
    group = opened(folder / "akoya.qptiff", "stack", page_axes="page")["0"]
    assert group["0/image"].metadata.dimension_names == ("page", "y", "x")
    assert "ome" not in group.attrs


@pytest.mark.parametrize("layout", ["pyramid", "stack"])
def test_akoya_in_colours(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "a.qptiff"
    MAKER.qptiff(path, channels=0)
    group = opened(path, layout)["0"]
    assert [array.shape for array in levels_of(group)] == [
        (3, 768, 1024),
        (3, 384, 512),
        (3, 192, 256),
    ]
    assert scales_of(group)[0] == [1.0, 0.5, 0.5]
    with tifffile.TiffFile(path) as file:
        theirs = np.moveaxis(file.series[0].levels[1].asarray()[..., :], -1, -3).squeeze()
    np.testing.assert_array_equal(levels_of(group)[1][...], theirs)


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("axes", ["CYX", "TCYX"])
def test_planes_with_levels_in_ome(axes: str, renamed: bool, tmp_path: Path) -> None:
    """Bio-Formats and QuPath name the file in each TiffData, whose users rename it."""
    path = tmp_path / "a.ome.tif"
    count = 3 if axes == "CYX" else 6
    planes = np.stack([MAKER.scene(128, 192, n)[..., 0] for n in range(count)])
    planes = planes.reshape((2, 3, 128, 192)[-len(axes) :])
    metadata: dict[str, Any] = {"axes": axes, "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    metadata["Channel"] = {"Name": ["A", "B", "C"]}
    tile = {"tile": (64, 64), "photometric": "minisblack"}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(planes, subifds=1, metadata=metadata, **tile)
        writer.write(planes[..., ::2, ::2], subfiletype=1, metadata=None, **tile)
    xml = tifffile.tiffcomment(path)
    uuid = "urn:uuid:94e3c2a5-2a4c-4d3f-9d0a-1f2e3d4c5b6a"
    xml = xml.replace("<OME ", f'<OME UUID="{uuid}" ', 1) if "UUID=" not in xml else xml
    xml = re.sub(r' UUID="[^"]*"', f' UUID="{uuid}"', xml)
    named = f'<UUID FileName="{"b" if renamed else "a"}.ome.tif">{uuid}</UUID>'
    xml = re.sub(r"<TiffData([^>]*)/>", rf"<TiffData\1>{named}</TiffData>", xml)
    tifffile.tiffcomment(path, xml.encode())
    group = opened(path)
    assert len(images_of(group)) == count
    for n, image in enumerate(images_of(group).values()):
        assert [array.shape for array in levels_of(image)] == [(128, 192), (64, 96)]
        assert scales_of(image) == [[0.5, 0.25], [1.0, 0.5]]
        if axes == "CYX":
            assert image.attrs["ome"]["multiscales"][0]["name"] == "ABC"[n]


@pytest.mark.parametrize("channels", [1, 2])
def test_akoya_by_the_order_of_pages(channels: int, tmp_path: Path) -> None:
    """Without ImageType, as tifffile does it."""
    path = tmp_path / "a.qptiff"
    options: dict[str, Any] = {"software": "PerkinElmer-QPI", "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        for size in ((512, 384), (120, 90), (256, 192), (128, 96), (100, 300), (90, 96)):
            count = channels if size[0] in (512, 256, 128) else 1
            for n in range(count):
                pixels = MAKER.scene(*size, n)[..., 0].copy()
                writer.write(
                    pixels, tile=(64, 64) if size[0] in (512, 256, 128) else None, **options
                )
    group = opened(path, "stack")
    with tifffile.TiffFile(path) as file:
        theirs = {NAMES.get(series.name, "0"): series for series in file.series}
        assert theirs.keys() == images_of(group).keys()
        for key, series in theirs.items():
            for array, level in zip(levels_of(group[key]), series.levels, strict=True):
                np.testing.assert_array_equal(array[...], level.asarray())


def test_tiles_of_ventana_are_not_stitched(folder: Path) -> None:
    with pytest.warns(TiffWarning, match="overlap and are not stitched"):
        opened(folder / "ventana.bif")


@pytest.mark.parametrize("name", MAKER.SLIDES)
def test_other_layouts_are_as_before(name: str, folder: Path) -> None:
    """Flat has no attribute of a vendor, and all sizes of the tags."""
    path = folder / MAKER.SLIDES[name][0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        group = opened(path, "flat")
    assert not dict(group.attrs)
    with tifffile.TiffFile(path) as file:
        for number, page in enumerate(file.pages):
            assert group[str(number)].shape[-2:] == (
                page.tags["ImageLength"].value,
                page.tags["ImageWidth"].value,
            )


def test_what_the_metadata_call_a_level_and_is_none(tmp_path: Path) -> None:
    """A level has its image's pixels, whatever the XML says; it is an image of its own else."""
    path = tmp_path / "a.scn"
    MAKER.scn(path, scenes=1)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        bits = file.pages[4].tags["SampleFormat" if "SampleFormat" in file.pages[4].tags else 277]
        data[bits.valueoffset] = 4  # samples of a pixel
    path.write_bytes(data)
    group = opened(path)
    assert [array.shape for array in levels_of(group["2"])] == [(3, 768, 1024), (3, 384, 512)]


@pytest.mark.parametrize("layout", ["pyramid", "stack"])
@pytest.mark.parametrize("name", MAKER.SLIDES)
def test_levels_that_are_chosen(name: str, layout: str, folder: Path) -> None:
    path = folder / MAKER.SLIDES[name][0]
    whole, part = (opened(path, layout, overviews=chosen) for chosen in (True, (1,)))
    main = [key for key, each in images_of(whole).items() if "associated_image" not in each.attrs]
    for key in main:
        image = images_of(whole)[key]
        chosen = images_of(part)[key]
        sizes = [array.shape for array in levels_of(image)]
        assert [array.shape for array in levels_of(chosen)] == [sizes[0], sizes[2]]
        assert scales_of(chosen) == [scales_of(image)[0], scales_of(image)[2]]
    assert images_of(part).keys() == images_of(whole).keys()


@pytest.mark.parametrize("text", ["Aperio", "Aperio x\r\n|MPP = many|MPP", "Aperio|MPP = nan"])
def test_texts_that_say_nothing(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    with tifffile.TiffWriter(path) as writer:
        writer.write(MAKER.scene(64, 64), tile=(16, 16), description=text, metadata=None)
    group = opened(path)
    assert group["0/image"].shape == (3, 64, 64)
    assert "unit" not in group.attrs["ome"]["multiscales"][0]["axes"][-1]


FRESH = """
import icechunk, numpy as np, openslide, zarr
place, prefix, path, name = {arguments!r}
config = icechunk.RepositoryConfig.default()
repository = icechunk.Repository.open(
    icechunk.local_filesystem_storage(place),
    authorize_virtual_chunk_access=icechunk.containers_credentials({{prefix: None}}),
)
store = repository.readonly_session("main").store
group = zarr.open_group(store, mode="r")[name]["0"]
largest = 0
with openslide.OpenSlide(path) as slide:
    for n in range(3):
        array = group[f"{{n}}/image"]
        _, rows, columns = array.chunks
        for y in range(0, array.shape[1], rows):
            for x in range(0, array.shape[2], columns):
                tile = np.moveaxis(array[:, y : y + rows, x : x + columns], 0, -1).astype("i2")
                scale = round(slide.level_downsamples[n])
                size = tile.shape[1::-1]
                judged = slide.read_region((x * scale, y * scale), n, size).convert("RGB")
                largest = max(largest, int(np.abs(tile - np.asarray(judged)).max()))
print(largest)
"""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["svs", "svs, JPEG 2000", "ndpi"])
def test_a_published_slide_in_a_fresh_process(kind: str, tmp_path: Path) -> None:
    """Tile by tile, by imagecodecs-zarr alone, as OpenSlide decodes them."""
    path = tmp_path / f"slide.{kind[:4].rstrip(',')}"
    if kind == "ndpi":
        MAKER.ndpi(path)
    else:
        MAKER.svs(path, compression=7 if kind == "svs" else 33005)
    place = tmp_path / "repository"
    publish([path], place, ifd_layout="pyramid")
    arguments = (str(place), f"{tmp_path.as_uri()}/", str(path), path.stem)
    assert int(fresh.run(FRESH.format(arguments=arguments))) <= 1
