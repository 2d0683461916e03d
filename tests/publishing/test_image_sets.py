"""Multi-file OME-TIFFs are published as the images that their OME-XML describes."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

import virtual_tiff
from virtual_tiff.publishing.errors import PublishError

_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_SIZE = 12, 20

type Plane = tuple[int, int, int, int]
"""Image, t, c, z."""


@dataclass
class ImageSet:
    """A multi-file OME-TIFF: who has which plane, and what each file says of itself."""

    folder: Path
    sizes: Sequence[tuple[int, int, int]]
    """T, C and Z of each image."""
    files: dict[str, list[Plane]]
    order: str = "XYCZT"
    root_uuids: dict[str, str] = field(default_factory=dict)
    """By name: the UUID of the file's root element, where it is not the one of TiffData."""
    companion: str = ""
    samples: int = 1
    names: bool = True
    plate: str = ""
    planes: str = ""
    """Elements of each image about its planes."""

    def plane(self, plane: Plane) -> np.ndarray:
        image, t, c, z = plane
        shape = _SIZE if self.samples == 1 else (*_SIZE, self.samples)
        return np.random.default_rng([image, t, c, z]).integers(0, 255, shape, dtype="u1")

    def uuid(self, name: str) -> str:
        return f"urn:uuid:{sorted(self.files).index(name):08d}"

    def xml(self, name: str) -> str:
        """Return the document that the file has; that of the companion for no name."""
        images = ""
        for number, (t, c, z) in enumerate(self.sizes):
            data = "".join(
                f'<TiffData IFD="{ifd}" FirstT="{plane[1]}" FirstC="{plane[2]}"'
                f' FirstZ="{plane[3]}" PlaneCount="1"><UUID'
                f"{f' FileName={chr(34)}{file}{chr(34)}' if self.names else ''}>{self.uuid(file)}"
                "</UUID></TiffData>"
                for file, planes in self.files.items()
                for ifd, plane in enumerate(planes)
                if plane[0] == number
            )
            channels = "".join(
                f'<Channel ID="Channel:{number}:{i}" Name="c{i}" SamplesPerPixel="{self.samples}"/>'
                for i in range(c)
            )
            images += (
                f'<Image ID="Image:{number}" Name="image {number}"><Pixels ID="Pixels:{number}"'
                f' DimensionOrder="{self.order}" Type="uint8" SizeX="{_SIZE[1]}"'
                f' SizeY="{_SIZE[0]}" SizeZ="{z}" SizeC="{c * self.samples}" SizeT="{t}"'
                ' PhysicalSizeX="0.5" PhysicalSizeZ="2">'
                f"{channels}{data}{self.planes}</Pixels></Image>"
            )
        root = f'UUID="{self.root_uuids.get(name, self.uuid(name))}"' if name else ""
        return f'<?xml version="1.0"?><OME xmlns="{_NAMESPACE}" {root}>{self.plate}{images}</OME>'

    def write(self) -> list[Path]:
        for name, planes in self.files.items():
            text = self.xml(name)
            if self.companion:
                text = (
                    f'<?xml version="1.0"?><OME xmlns="{_NAMESPACE}" UUID="{self.uuid(name)}">'
                    f'<BinaryOnly MetadataFile="{self.companion}" UUID="urn:uuid:c"/></OME>'
                )
            with tifffile.TiffWriter(self.folder / name) as writer:
                for i, plane in enumerate(planes):
                    writer.write(
                        self.plane(plane),
                        photometric="minisblack" if self.samples == 1 else "rgb",
                        description=text.encode() if i == 0 else None,
                        metadata=None,
                        contiguous=False,
                    )
        if self.companion:
            (self.folder / self.companion).write_text(self.xml(""))
        return [self.folder / name for name in self.files]

    def expected(self, image: int) -> np.ndarray:
        """Return (t, c, z, y, x), of RGB planes (t, z, c, y, x) of one plane of c."""
        t, c, z = self.sizes[image]
        whole = np.zeros((t, c, z, *self.plane((0, 0, 0, 0)).shape), dtype="u1")
        for planes in self.files.values():
            for plane in planes:
                if plane[0] == image:
                    whole[plane[1:]] = self.plane(plane)
        if self.samples == 1:
            return np.squeeze(whole, tuple(n for n in range(3) if whole.shape[n] == 1))
        whole = whole.transpose(0, 1, 5, 2, 3, 4).reshape(t, -1, z, *_SIZE)
        return np.squeeze(whole, tuple(n for n in (0, 2) if whole.shape[n] == 1))


def published(sources: Any, to: Path, **options: Any) -> zarr.Group:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*modification time.*")
        virtual_tiff.publish(sources, to, **options)
    return zarr.open_group(virtual_tiff.open_published(to), mode="r")


def in_two(tmp_path: Path, **more: Any) -> ImageSet:
    """Return a set of three channels at two times: the first file has one plane of the second."""
    planes = [(0, t, c, 0) for t in range(2) for c in range(3)]
    files = {"b.ome.tif": planes[:4], "a.ome.tif": planes[4:]}
    return ImageSet(tmp_path, [(2, 3, 1)], files, **more)


def test_positions_of_planes_are_coordinates(tmp_path: Path) -> None:
    positions = [[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]]
    planes = "".join(
        f'<Plane TheT="{t}" TheC="{c}" TheZ="0" PositionX="{positions[t][c]}"/>'
        for t in range(2)
        for c in range(3)
    )
    image_set = in_two(tmp_path, planes=planes)
    group = published(image_set.write(), tmp_path / "repo")
    assert group["position_x"][:].tolist() == positions
    assert "position_x" in group["image"].attrs["coordinates"].split()
    assert "position_x" not in group["image"].attrs


@pytest.mark.long
def test_random_sets_are_what_tifffile_reads(tmp_path: Path) -> None:
    for seed in range(int(os.environ.get("VIRTUAL_TIFF_IMAGE_SETS", "5"))):
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        sizes = rng.choice([(1, 1, 4), (3, 2, 1), (2, 2, 2), (4, 1, 1), (1, 3, 2), (2, 3, 3)])
        planes = [(0, *index) for index in product(*map(range, sizes))]
        rng.shuffle(planes)
        count = rng.randint(2, min(6, len(planes)))
        cuts = sorted(rng.sample(range(1, len(planes)), count - 1))
        names = rng.sample(["a", "b", "ü", "z 1", "z 2", "Z"], count)
        parts = [planes[i:j] for i, j in zip([0, *cuts], [*cuts, None], strict=True)]
        files = dict(zip([f"{name}.ome.tif" for name in names], parts, strict=True))
        image_set = ImageSet(folder, [sizes], files, samples=rng.choice([1, 1, 3]))
        image_set.order = rng.choice(["XYZCT", "XYZTC", "XYCTZ", "XYCZT", "XYTCZ", "XYTZC"])
        paths = image_set.write()
        rng.shuffle(paths)
        group = published(paths[: rng.randint(1, count)], folder / "repo")
        pixels = group["image"][:]
        np.testing.assert_array_equal(pixels, image_set.expected(0), err_msg=str(image_set))
        with tifffile.TiffFile(paths[0]) as tiff:
            series = tiff.series[0]
            axes = "".join(a for a, n in zip(series.axes, series.shape, strict=True) if n > 1)
        names_of = "".join(group["image"].metadata.dimension_names)
        if image_set.samples == 1:
            assert sorted(names_of.upper()) == sorted(axes)
        (multiscale,) = group.attrs["ome"]["multiscales"]
        assert "".join(axis["name"] for axis in multiscale["axes"]) == names_of
        scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
        assert dict(zip(names_of, scale, strict=True))["x"] == 0.5


@pytest.mark.parametrize("which", ["all", "one", "companion", "folder"])
def test_a_set_with_a_companion(which: str, tmp_path: Path) -> None:
    image_set = in_two(tmp_path, companion="set.companion.ome")
    paths = image_set.write()
    sources = {
        "all": paths,
        "one": paths[1],
        "companion": tmp_path / image_set.companion,
        "folder": tmp_path,
    }
    group = published(sources[which], tmp_path / "repo")
    np.testing.assert_array_equal(group["image"][:], image_set.expected(0))
    assert group["c"][:].tolist() == ["c0", "c1", "c2"]


def test_uuids_that_were_edited_and_names_that_were_changed(tmp_path: Path) -> None:
    edited = {"a.ome.tif": "urn:uuid:ffffffff"}
    image_set = in_two(tmp_path, root_uuids=edited)
    group = published(image_set.write(), tmp_path / "repo")
    np.testing.assert_array_equal(group["image"][:], image_set.expected(0))
    renamed = in_two(tmp_path)
    paths = [path.rename(path.with_name(f"new {path.name}")) for path in renamed.write()]
    with pytest.warns(match="2 files of its image cannot be found"):
        group = published(paths, tmp_path / "renamed")
    np.testing.assert_array_equal(group["image"][:], image_set.expected(0))


def test_a_file_that_does_not_exist_leaves_holes(tmp_path: Path) -> None:
    image_set = in_two(tmp_path)
    image_set.write()
    lost = (tmp_path / "a.ome.tif").rename(tmp_path / "lost")
    with pytest.warns(match=r"1 file of its image cannot be found.*a\.ome\.tif"):
        group = published(tmp_path / "b.ome.tif", tmp_path / "repo")
    del image_set.files["a.ome.tif"]
    np.testing.assert_array_equal(group["image"][:], image_set.expected(0))
    lost.rename(tmp_path / "a.ome.tif")
    image_set = in_two(tmp_path)
    group = published(tmp_path / "a.ome.tif", tmp_path / "repo", append=True)
    np.testing.assert_array_equal(group["image"][:], image_set.expected(0))


def test_scenes_are_groups_in_the_order_of_the_document(tmp_path: Path) -> None:
    files = {
        "y.ome.tif": [(1, 0, 0, 0), (0, 1, 0, 0)],
        "x.ome.tif": [(0, 0, 0, 0)],
        "w.ome.tif": [(2, 0, 0, 0), (2, 0, 0, 1)],
    }
    image_set = ImageSet(tmp_path, [(2, 1, 1), (1, 1, 1), (1, 1, 2)], files)
    image_set.write()
    group = published(tmp_path / "x.ome.tif", tmp_path / "repo")
    assert group.attrs["ome"] == {"version": "0.5", "bioformats2raw.layout": 3}
    for number in range(3):
        (multiscale,) = group[str(number)].attrs["ome"]["multiscales"]
        assert multiscale["name"] == f"image {number}"
        pixels = group[f"{number}/image"][:]
        np.testing.assert_array_equal(pixels, image_set.expected(number))


def test_two_sets_are_two_groups(tmp_path: Path) -> None:
    sets = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = {f"{name}_t{t}.ome.tif": [(0, t, 0, 0)] for t in range(2)}
        sets.append(ImageSet(tmp_path / name, [(2, 1, 1)], files))
        sets[-1].write()
    group = published([tmp_path / "one", tmp_path / "two"], tmp_path / "repo")
    assert sorted(name for name, _ in group.groups() if not name.startswith("_")) == [
        "one_t0",
        "two_t0",
    ]
    for name in ("one", "two"):
        pixels = group[f"{name}_t0/image"][:]
        np.testing.assert_array_equal(pixels, sets[0].expected(0))


def test_files_of_no_set_are_refused_with_the_way_out(tmp_path: Path) -> None:
    in_two(tmp_path).write()
    tifffile.imwrite(tmp_path / "other.tif", np.zeros(_SIZE, "u1"))
    with pytest.raises(PublishError, match="others are none of it: 1 file"):
        virtual_tiff.publish(tmp_path, tmp_path / "repo")
    group = published(tmp_path, tmp_path / "repo", layout="group per file")
    assert {"a.ome", "b.ome", "other"} <= set(group.group_keys())


def test_a_plane_of_two_files_is_refused(tmp_path: Path) -> None:
    image_set = in_two(tmp_path)
    copy = image_set.write()[0]
    (tmp_path / "copy.ome.tif").write_bytes(copy.read_bytes())
    with pytest.raises(PublishError, match="both have a plane of the image"):
        virtual_tiff.publish(tmp_path, tmp_path / "repo")


def test_files_that_differ_in_type_are_refused(tmp_path: Path) -> None:
    image_set = in_two(tmp_path)
    image_set.write()
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for _ in range(2):
            writer.write(np.zeros(_SIZE, "u2"), description=image_set.xml("a.ome.tif"))
    with pytest.raises(PublishError, match="are files of one image, and their data_type differs"):
        virtual_tiff.publish(tmp_path, tmp_path / "repo")


@pytest.mark.parametrize(
    ("dimension", "axes"),
    [
        ("t", [("t", "time"), ("c", "channel"), ("y", "space"), ("x", "space")]),
        ("time", [("time", "time"), ("c", "channel"), ("y", "space"), ("x", "space")]),
        ("well", None),  # OME-Zarr has one axis beside time and space
        ("z", None),  # and wants it after the channels
    ],
)
def test_ome_attributes_of_a_stack_of_images_fit_the_stack(
    dimension: str, axes: list[tuple[str, str]] | None, tmp_path: Path
) -> None:
    for n in range(2):
        pixels = np.full((3, *_SIZE), n, "u1")
        metadata = {"axes": "CYX", "PhysicalSizeX": 0.5}
        tifffile.imwrite(tmp_path / f"{n}.ome.tif", pixels, metadata=metadata)
    sources = [tmp_path / f"{n}.ome.tif" for n in range(2)]
    group = published(sources, tmp_path / "repo", concat=dimension, ifd_layout="stack")
    assert group["image"].shape == (2, 3, *_SIZE)
    if axes is None:
        assert "ome" not in group.attrs
        return
    (multiscale,) = group.attrs["ome"]["multiscales"]
    assert [(axis["name"], axis["type"]) for axis in multiscale["axes"]] == axes
    scale = multiscale["datasets"][0]["coordinateTransformations"]
    assert scale == [{"type": "scale", "scale": [1.0, 1.0, 1.0, 0.5]}]


PLATE = """<Plate ID="Plate:0" Name="a plate">
<Well ID="Well:0" Row="0" Column="1"><WellSample ID="s0" Index="0"><ImageRef ID="Image:0"/>
</WellSample><WellSample ID="s1" Index="1"><ImageRef ID="Image:1"/></WellSample></Well>
<Well ID="Well:1" Row="27" Column="0"><WellSample ID="s2" Index="0"><ImageRef ID="Image:2"/>
</WellSample></Well></Plate>"""


@pytest.mark.long
@pytest.mark.parametrize("lost", [False, True])
def test_a_plate_has_wells_with_fields(lost: bool, tmp_path: Path) -> None:
    files = {
        "a.ome.tif": [(1, 0, 0, 0), (0, 1, 0, 0)],
        "b.ome.tif": [(0, 0, 0, 0)],
        "c.ome.tif": [(2, 0, 0, 0)],
    }
    image_set = ImageSet(tmp_path, [(2, 1, 1), (1, 1, 1), (1, 1, 1)], files, plate=PLATE)
    image_set.write()
    if lost:
        (tmp_path / "c.ome.tif").unlink()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*cannot be found.*")
        group = published(tmp_path / "a.ome.tif", tmp_path / "repo")
    wells = ["A/2"] if lost else ["A/2", "AB/1"]
    assert [well["path"] for well in group.attrs["ome"]["plate"]["wells"]] == wells
    assert group["A/2"].attrs["ome"]["well"] == {"images": [{"path": "0"}, {"path": "1"}]}
    for number, path in enumerate(["A/2/0", "A/2/1", "AB/1/0"][: 2 if lost else 3]):
        np.testing.assert_array_equal(group[f"{path}/image"][:], image_set.expected(number))
    models = pytest.importorskip("ome_zarr_models.v05")
    models.HCS.from_zarr(group)
    models.Image.from_zarr(group["A/2/1"])


def test_a_plate_in_one_file(tmp_path: Path) -> None:
    planes = [(0, 0, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0)]
    files = {"a.ome.tif": planes}
    image_set = ImageSet(tmp_path, [(2, 1, 1), (1, 1, 1), (1, 1, 1)], files, plate=PLATE)
    (path,) = image_set.write()
    parser = virtual_tiff.VirtualTIFF(ifd_layout="stack")
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    group = zarr.open_group(parser(path.as_uri(), registry), mode="r", zarr_format=3)
    assert [well["path"] for well in group.attrs["ome"]["plate"]["wells"]] == ["A/2", "AB/1"]
    for number, place in enumerate(["A/2/0", "A/2/1", "AB/1/0"]):
        np.testing.assert_array_equal(group[f"{place}/image"][:], image_set.expected(number))


@pytest.mark.long
def test_a_file_is_removed_and_comes_again(tmp_path: Path) -> None:
    image_set = in_two(tmp_path)
    image_set.write()
    published(tmp_path, tmp_path / "repo")
    virtual_tiff.remove([tmp_path / "a.ome.tif"], tmp_path / "repo")
    group = zarr.open_group(virtual_tiff.open_published(tmp_path / "repo"), mode="r")
    expected = image_set.expected(0)
    whole = expected.copy()
    expected[1, 1:] = 0
    np.testing.assert_array_equal(group["image"][:], expected)
    group = published(tmp_path / "a.ome.tif", tmp_path / "repo", append=True)
    np.testing.assert_array_equal(group["image"][:], whole)
