"""What OME-Zarr's own packages make of published microscope images, in each version.

`.ci/run` runs this with ome-zarr, bioio-ome-zarr and napari-ome-zarr; elsewhere their tests are
skipped, and ome-zarr-models judges alone.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.core.buffer import default_buffer_prototype

from support.scripts import load_script
from virtual_tiff.publishing import publish

type Array = np.ndarray[Any, Any]

SLIDES = load_script("make_slides")


def hyperstack(path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 4000, (2, 3, 4, 64, 96), dtype="u2")
    metadata = {
        "axes": "TCZYX",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeY": 0.25,
        "PhysicalSizeZ": 2.0,
        "TimeIncrement": 3.0,
        "Channel": {"Name": ["DAPI", "GFP", "RFP"]},
    }
    options: dict[str, Any] = {"compression": "zlib", "tile": (32, 32)}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(array, subifds=1, metadata=metadata, **options)
        writer.write(array[..., ::2, ::2], subfiletype=1, **options)


def imagej(path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 4000, (3, 2, 32, 48), dtype="u2")
    metadata = {"axes": "ZCYX", "spacing": 2.5, "unit": "um", "Ranges": [0.0, 9.0, 1.0, 99.0]}
    tifffile.imwrite(path, array, imagej=True, resolution=(4, 4), metadata=metadata)


def scenes(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        for n in range(2):
            array = np.full((3, 16, 24 + n), 5 + n, "u1")
            writer.write(array, metadata={"axes": "ZYX"}, photometric="minisblack")


KINDS: dict[str, Callable[[Path], None]] = {
    "hyperstack.ome.tif": hyperstack,
    "imagej.tif": imagej,
    "scenes.ome.tif": scenes,
    "slide.svs": SLIDES.svs,
    "slide.ndpi": SLIDES.ndpi,
    "slide.qptiff": SLIDES.qptiff,
    "slide.scn": SLIDES.scn,
    "qupath.ome.tif": SLIDES.qupath,
}
VERSIONS = ("0.5", "0.6")


def of_each_image(test: Callable[..., None]) -> Callable[..., None]:
    """Parametrize a test by the kinds of files and the versions of OME-Zarr."""
    for names, values in (("version", VERSIONS), ("kind", KINDS)):
        test = pytest.mark.parametrize(names, values)(test)
    return pytest.mark.long(test)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Publish a file, and copy the cube to a folder, key by key, as other readers need it."""
    folder = tmp_path_factory.mktemp("cubes")

    async def copied(store: Any, to: Path) -> None:
        async for key in store.list():
            data = await store.get(key, default_buffer_prototype())
            (to / key).parent.mkdir(parents=True, exist_ok=True)
            (to / key).write_bytes(data.to_bytes())

    @cache
    def cube(kind: str, version: str) -> Path:
        source = folder / kind
        if not source.exists():
            KINDS[kind](source)
        done = publish([source], "memory://", ifd_layout="stack", ome_zarr=version)
        to = folder / f"{kind}-{version}"
        asyncio.run(copied(done.repository.readonly_session("main").store, to))
        return to

    return cube


def image_groups(cube: Path) -> Iterator[Path]:
    """The groups of a cube that are OME-Zarr's images."""
    for file in sorted(cube.rglob("zarr.json")):
        attributes = json.loads(file.read_text()).get("attributes", {})
        if "multiscales" in attributes.get("ome", {}):
            yield file.parent


def levels_of(group: Path) -> list[Array]:
    """The pixels of each level, by zarr."""
    attributes = json.loads((group / "zarr.json").read_text())["attributes"]["ome"]
    (multiscale,) = attributes["multiscales"]
    root = zarr.open_group(group, mode="r")
    levels: list[Any] = [root[dataset["path"]] for dataset in multiscale["datasets"]]
    return [level[...] for level in levels]


@of_each_image
def test_every_image_is_valid(
    kind: str, version: str, published: Callable[[str, str], Path]
) -> None:
    cube = published(kind, version)
    models = importlib.import_module(f"ome_zarr_models.v{version.replace('.', '')}")
    groups = list(image_groups(cube))
    assert groups
    for group in groups:
        image = models.Image.from_zarr(zarr.open_group(group, mode="r"))
        assert image.ome_attributes.version == version


@of_each_image
def test_ome_zarr_py(kind: str, version: str, published: Callable[[str, str], Path]) -> None:
    pytest.importorskip("ome_zarr", reason="ome-zarr is not installed")
    from ome_zarr.classes.image import OMEZarrMultiscale
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    for group in image_groups(published(kind, version)):
        levels = levels_of(group)
        multiscale = OMEZarrMultiscale.from_ome_zarr(zarr.open_group(group, mode="r"))
        for image, level in zip(multiscale.images, levels, strict=True):
            np.testing.assert_array_equal(np.asarray(image.data), level)
        (node, *_) = list(Reader(parse_url(str(group)))())
        np.testing.assert_array_equal(np.asarray(node.data[0]), levels[0])


@of_each_image
def test_bioio(kind: str, version: str, published: Callable[[str, str], Path]) -> None:
    bioio = pytest.importorskip("bioio_ome_zarr", reason="bioio-ome-zarr is not installed")
    for group in image_groups(published(kind, version)):
        levels = levels_of(group)
        reader = bioio.Reader(str(group))
        assert reader.data.size == levels[0].size
        np.testing.assert_array_equal(np.asarray(reader.data).ravel(), levels[0].ravel())
        assert len(reader.resolution_levels) == len(levels)
        if kind.startswith("hyperstack"):
            assert reader.channel_names == ["DAPI", "GFP", "RFP"]
            assert reader.physical_pixel_sizes == (2.0, 0.25, 0.25)


@of_each_image
def test_napari(kind: str, version: str, published: Callable[[str, str], Path]) -> None:
    napari = pytest.importorskip("napari_ome_zarr", reason="napari-ome-zarr is not installed")
    for group in image_groups(published(kind, version)):
        levels = levels_of(group)
        layers = napari.napari_get_reader(str(group))(str(group))
        assert {layer[2] for layer in layers} == {"image"}
        shown = np.concatenate([np.asarray(layer[0][0]).ravel() for layer in layers])
        assert shown.size == levels[0].size
        np.testing.assert_array_equal(np.sort(shown), np.sort(levels[0].ravel()))
