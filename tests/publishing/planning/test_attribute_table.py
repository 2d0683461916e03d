"""Every attribute that the package can produce has a row in the table of what decides.

This list is what was gone through: an attribute without a row fails here.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pixels import virtual
from virtual_tiff.metadata import tag_attributes
from virtual_tiff.publishing.planning.attribute_table import ATTRIBUTES, PER_SCENE, decides, rule_of

ROOT = Path(__file__).parents[3]
MODULES = (
    *("metadata/image_attributes", "metadata/tag_attributes", "metadata/crs/build"),
    *("arrays/coordinates", "arrays/conventions", "arrays/multiscales"),
    *("arrays/layouts/named_arrays", "arrays/layouts/page_stack", "arrays/layouts/flat"),
    *("arrays/layouts/pyramid", "arrays/layouts/ome_zarr"),
)
"""They put attributes into dictionaries."""
NO_ATTRIBUTES = {
    # members of `zarr.json`
    *("attributes", "chunk_grid", "codecs", "data_type", "dimension_names", "fill_value"),
    *("chunk_key_encoding", "configuration", "node_type", "shape", "storage_transformers"),
    *("zarr_format", "name", "chunk_shape", "separator", "endian", "order"),
    # names of arrays, of dimensions and of things within an attribute
    *("x", "y", "band", "c", "t", "z", "image", "mask", "row", "col", "id", "info"),
    *("omero", "axes", "datasets", "derived_from", "transform", "page"),
    "",  # the path of the root
}


def written() -> set[str]:
    """Names that the modules assign: `found["name"] = …`."""
    names = set()
    for module in MODULES:
        tree = ast.parse((ROOT / "virtual_tiff" / f"{module}.py").read_text())
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target in targets:
                if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
                    names.add(str(target.slice.value))
    return names - NO_ATTRIBUTES


def of_tags() -> set[str]:
    return {name for name, _ in tag_attributes._TAGS.values()}


def of_geokeys() -> set[str]:
    return {*tag_attributes._GEOKEY_ATTRIBUTES.values(), "AREA_OR_POINT"}


def files() -> Iterator[Path]:
    for folder in ("matrix", "special", "series"):
        found = sorted((ROOT / "testdata" / folder).rglob("*.tif"))
        yield from found if folder != "matrix" else found[::7]


def found(layout: str) -> Iterator[tuple[str, str]]:
    """Attributes of all nodes, and their file, without the items that a writer has named."""
    for path in files():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store = virtual(path.read_bytes(), ifd_layout=layout)
            text = path.read_bytes()
        stack = [store.group]
        while stack:
            group = stack.pop()
            stack += group.groups.values()
            for node in (group, *group.arrays.values()):
                for name in node.metadata.attributes:
                    if name.encode() not in text or rule_of(name) is not None:
                        yield name, path.name


@pytest.mark.parametrize(
    "names", [written(), of_tags(), of_geokeys()], ids=["code", "tags", "keys"]
)
def test_every_attribute_of_the_code_has_a_row(names: set[str]):
    assert len(names) > 10
    assert {name for name in names if rule_of(name) is None} == set()


@pytest.mark.long
@pytest.mark.parametrize("layout", ["flat", "pyramid", "stack"])
def test_every_attribute_of_the_test_files_has_a_row(layout: str):
    assert {row for row in found(layout) if rule_of(row[0]) is None} == set()


DECIDING = (
    *("_FillValue", "_Unsigned", "scale_factor", "add_offset", "scales", "offsets", "units"),
    *("color_map", "photometric_interpretation", "extra_samples", "TIFFTAG_ORIENTATION"),
    *("gcps", "rpcs", "crs_wkt", "spatial_ref", "GeoTransform", "coordinate_epoch"),
    *("vertical_crs", "spatial:transform", "proj:code", "multiscales", "ome", "unit_type"),
)


@pytest.mark.parametrize("name", DECIDING)
def test_what_decides_must_agree(name: str):
    assert decides(name, {name: "anything", "spatial:transform": []})


@pytest.mark.parametrize(
    "name", [name for name, rule in ATTRIBUTES.items() if rule == "may differ"]
)
def test_a_description_may_differ(name: str):
    assert not decides(name, {name: "anything"})


def test_an_item_of_a_name_that_nobody_knows_may_differ():
    assert not decides("cloud_cover", {"cloud_cover": 5})


def test_a_tiepoint_decides_where_it_alone_says_the_place():
    tiepoint = {"model_tiepoint": [0.0] * 6}
    assert decides("model_tiepoint", tiepoint)
    assert not decides("model_tiepoint", tiepoint | {"spatial:transform": []})
    assert not decides("model_tiepoint", tiepoint | {"grid_mapping": "spatial_ref"})


def test_names_of_bands_must_agree_and_that_of_one_band_may_be_a_coordinate():
    assert decides("long_name", {"long_name": ["red", ""]})
    assert not decides("long_name", {"long_name": "temperature"})


def test_what_is_kept_a_scene_each_otherwise_decides():
    assert all(ATTRIBUTES[name] == "agree" for name in PER_SCENE)
