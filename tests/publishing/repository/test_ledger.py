"""Ledgers of version 1: repositories that earlier versions have published can be added to.

`ledger_version_1.json` has the attributes of ledgers as commit 15270da, the last one that wrote
version 1, makes them of the archives below. It was made by

    PYTHONPATH=<a checkout of 15270da> python tests/publishing/repository/test_ledger.py
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import zarr
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import from_origin

from support.cubes import in_the_form_of_before
from support.scenes import pixels, read, scene
from virtual_tiff import open_published, publish, verify
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.planning.plan import AttributeKey
from virtual_tiff.publishing.reading.record import Node
from virtual_tiff.publishing.reading.spool import Row
from virtual_tiff.publishing.repository import ledger
from virtual_tiff.tiff import SourceState

pytestmark = pytest.mark.filterwarnings("ignore")

LEDGER = "_virtual_tiff"
RECORDED = Path(__file__).with_name("ledger_version_1.json")
TIME = r"_(?P<time>\d{8})"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "a group per file": ("red_*.tif", {}),
    "a stack": ("red_*.tif", {"concat": "time", "time": TIME}),
    "variables": ("[rn]*.tif", {"concat": "time", "time": TIME, "variable": "(red|nir)_"}),
    "a group per variable": (
        "[rn]*.tif",
        {"concat": "n", "variable": "(red|nir)_", "layout": "group per variable"},
    ),
    "a group per signature": ("red_*.tif", {"concat": "n", "layout": "group per signature"}),
    "scenes": ("scene_*.tif", {"concat": "time", "time": TIME, "per_scene": "gcps"}),
}


def write(path: Path, value: int, **options: Any) -> None:
    shape = {"width": 64, "height": 64, "count": 1, "dtype": "uint16"}
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32}
    with rasterio.open(path, "w", driver="GTiff", **shape, **tiles, **options) as file:
        file.write(np.full((1, 64, 64), value, "u2"))
        file.update_tags(CLOUD=str(value), SENSOR="A", ORBIT="12" if value < 3 else "x")
    os.utime(path, (1.7e9, 1.7e9))


def archive(folder: Path) -> Path:
    """Four days: two bands with a transform, and scenes with ground control points."""
    for day in range(1, 5):
        for band in ("red", "nir"):
            transform = from_origin(0, 0, 10, 10)
            write(folder / f"{band}_2021010{day}.tif", day, transform=transform)
        points = [
            GroundControlPoint(row, column, 10 + day + column / 100, 50 - row / 100)
            for row in (0, 63)
            for column in (0, 63)
        ]
        write(folder / f"scene_2021010{day}.tif", day, gcps=points, crs=CRS())
    return folder


def first(folder: Path, pattern: str) -> list[Path]:
    """The files of the first two days."""
    return [path for path in sorted(folder.glob(pattern)) if path.stem[-1] in "12"]


def nodes(place: Path) -> dict[str, Any]:
    """The metadata and values of all that is published, without the ledger."""
    group = zarr.open_group(open_published(place), mode="r")
    found = {}
    for path, node in group.members(max_depth=None):
        if not path.startswith(LEDGER):
            metadata = json.loads(json.dumps(node.metadata.to_dict(), default=str))
            coordinates = metadata["attributes"].get("coordinates", "")
            metadata["attributes"]["coordinates"] = sorted(coordinates.split())
            found[path] = metadata, node[...].tolist() if isinstance(node, zarr.Array) else None
    return found


def attributes_of(place: Path) -> dict[str, Any]:
    return dict(zarr.open_group(open_published(place), path=LEDGER, mode="r").attrs)


def unordered(value: Any) -> Any:
    """JSON whose lists are compared without their order: attributes vary one after another."""
    if isinstance(value, list):
        return sorted(map(repr, map(unordered, value)))
    if isinstance(value, dict):
        return {name: unordered(value[name]) for name in sorted(value)}
    return value


def old_positions(groups: list[str], coordinates: list[str]) -> list[int]:
    """What earlier versions had in place of coordinates; -1 without a new dimension."""
    values: dict[str, set[int]] = {}
    for group, text in zip(groups, coordinates, strict=True):
        values.setdefault(group, set()).update(json.loads(text))
    return [
        sorted(values[group]).index(*json.loads(text)) if text != "[]" else -1
        for group, text in zip(groups, coordinates, strict=True)
    ]


def make_old(place: Path, attributes: dict[str, Any]) -> None:
    """Give a repository the ledger that commit 15270da would have written."""
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(place)))
    session = repository.writable_session("main")
    ledger: Any = zarr.open_group(session.store, path=LEDGER, mode="r+")
    ledger.attrs.put(attributes)
    positions = old_positions(ledger["group"][:].tolist(), ledger["coordinates"][:].tolist())
    position = ledger.create_array(
        "position", shape=(len(positions),), dtype="i8", dimension_names=["source"]
    )
    position[:] = positions
    del ledger["coordinates"], ledger["index"]
    if "truncated" in ledger:
        del ledger["truncated"]
    session.commit("a ledger of version 1")


@pytest.fixture(params=CASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, str, dict[str, Any]]:
    """A repository of the first two days, with a ledger of version 1."""
    (tmp_path / "files").mkdir()
    folder = archive(tmp_path / "files")
    pattern, options = CASES[request.param]
    publish(first(folder, pattern), tmp_path / "cube", **options)
    make_old(tmp_path / "cube", json.loads(RECORDED.read_text())[request.param])
    return tmp_path / "cube", folder, pattern, options


@pytest.mark.long
def test_an_old_repository_is_added_to(
    old: tuple[Path, Path, str, dict[str, Any]], tmp_path: Path
) -> None:
    cube, folder, pattern, options = old
    files = sorted(folder.glob(pattern))
    assert verify(cube).ok
    more = {name: options[name] for name in options if name in ("time", "variable")}
    published = publish(files, cube, append=True, **more)
    assert (published.files, published.unchanged) == (len(files) // 2, len(files) // 2)
    assert verify(cube).counts["unchanged"] == len(files)
    assert attributes_of(cube)["version"] == 3
    os.utime(files[0], (1.7e9 + 9, 1.7e9 + 9))
    published = publish(files, cube, append=True, replace_changed=True, **more)
    assert published.files == 1
    assert verify(cube).ok
    publish(files, tmp_path / "whole", **options)
    assert nodes(cube) == nodes(tmp_path / "whole")
    form = {"one_grid_mapping": False, "text_attributes": False}
    whole = attributes_of(tmp_path / "whole") | form
    assert unordered(attributes_of(cube)) == unordered(whole)


def with_items(path: Path, value: int, mean: str) -> Path:
    """Write an image of three bands, with items of each."""
    scene(path, value, shape=(3, 32, 32))
    with rasterio.open(path, "r+") as file:
        for band in file.indexes:
            file.update_tags(band, wavelength=str(band), STATISTICS_MEAN=f"{mean}{band}")
    return path


@pytest.mark.long
def test_coordinates_of_bands_in_an_old_ledger_may_differ_from_now_on(tmp_path: Path) -> None:
    """Before version 3 they were a part of what files must share."""
    files = [
        with_items(tmp_path / f"a_2021010{day}.tif", day, "5" if day < 3 else "6")
        for day in range(1, 4)
    ]
    with in_the_form_of_before(text_attributes=False):
        publish(files[:2], tmp_path / "cube", concat="time", time=TIME)
        publish(files, tmp_path / "whole", concat="time", time=TIME)
    attributes = attributes_of(tmp_path / "cube")
    state = attributes["groups"][""]
    (constant,) = (each for each in state["constant"] if each["kind"] == "array")
    template = json.loads(state["templates"][""])
    ((_, metadata),) = template["arrays"]
    for name in ("wavelength", "STATISTICS_MEAN"):
        stored = constant["attributes"].pop(name)["virtual_tiff:coordinate"]
        template["inline"].append([name, stored["metadata"], "digest", ["band"]])
        metadata["attributes"]["coordinates"] += f" {name}"
    state["templates"][""] = json.dumps(template)
    make_old(tmp_path / "cube", attributes | {"version": 2})
    published = publish(files, tmp_path / "cube", append=True, time=TIME)
    assert published.left_out == {"0": ("STATISTICS_MEAN",)}
    assert nodes(tmp_path / "cube") == nodes(tmp_path / "whole")
    assert "wavelength" in nodes(tmp_path / "cube")
    assert unordered(attributes_of(tmp_path / "cube")) == unordered(
        attributes_of(tmp_path / "whole")
    )


@pytest.mark.long
def test_an_old_ledger_that_does_not_say_what_was_whole(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    files = sorted(archive(tmp_path / "files").glob("red_*.tif"))
    cut = files[1]
    os.truncate(cut, cut.stat().st_size - 100)
    publish(files[:2], tmp_path / "cube", concat="time", time=TIME, truncated="keep")
    recorded = json.loads(RECORDED.read_text())["a stack"]
    make_old(tmp_path / "cube", recorded | {"whole": False})
    for _ in range(2):  # the directories are read, and after the append those of old rows alone
        (differing,) = verify(tmp_path / "cube").differing
        assert (differing.status, Path(differing.url).name) == ("truncated", cut.name)
        publish(files, tmp_path / "cube", append=True, time=TIME, truncated="keep")


@pytest.mark.long
def test_a_later_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    files = sorted(archive(tmp_path / "files").glob("red_*.tif"))
    publish(files[:2], tmp_path / "cube", concat="time", time=TIME)
    make_old(tmp_path / "cube", attributes_of(tmp_path / "cube") | {"version": 4})
    with pytest.raises(PublishError, match=r"is of version 4.*update virtual-tiff"):
        publish(files, tmp_path / "cube", append=True, time=TIME)


@pytest.mark.long
def test_scenes_are_remembered(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    files = sorted(archive(tmp_path / "files").glob("scene_*.tif"))
    options = {"concat": "time", "time": TIME}
    publish(files[:2], tmp_path / "cube", per_scene=["rpcs", "gcps"], **options)
    with pytest.raises(ValueError, match=r"was published with per_scene \('gcps', 'rpcs'\), not"):
        publish(files, tmp_path / "cube", append=True, per_scene="gcps", **options)
    publish(files, tmp_path / "cube", append=True, **options)
    dataset: Any = zarr.open_group(open_published(tmp_path / "cube"), mode="r")
    assert len(set(dataset["gcps"][:].tolist())) == 4
    plain = sorted((tmp_path / "files").glob("red_*.tif"))
    publish(plain[:2], tmp_path / "plain", **options)
    with pytest.raises(ValueError, match="was published with per_scene"):
        publish(plain, tmp_path / "plain", append=True, per_scene="gcps", **options)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        recorded = {}
        made = archive(Path(name))
        for case, (pattern, options) in CASES.items():
            publish(first(made, pattern), Path(name) / case, **options)
            recorded[case] = attributes_of(Path(name) / case)
            assert recorded[case]["version"] == 1
        RECORDED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


@pytest.mark.long
def test_rows_of_many_files_are_written_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_CHUNK", 2)
    files = [scene(tmp_path / f"{i}.tif", i) for i in range(5)]
    published = publish(files, "memory://", concat="n", values=[4, 3, 2, 1, 0])
    for i, path in enumerate(files):
        np.testing.assert_array_equal(read(published)[4 - i], pixels(path))
    verification = verify(published.repository)
    assert (verification.total, verification.ok) == (5, True)


def test_rows_are_written_in_several_sessions() -> None:
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    zarr.create_group(session.store)
    rows = ledger.LedgerRows(session.store, 0, 3)
    state = SourceState(size=1, etag="a", last_modified=None)
    for n in range(3):
        rows.add(Row(f"file:///{n}.tif", state, 0, b""), "", "", (n,), None)
        session.commit(f"row {n}", allow_empty=True)
        session = repository.writable_session("main")
        rows.move_to(session.store)
    rows.finish(ledger.Ledger(layout="stack", axes=("n",), portable=False, per_scene=(), states={}))
    session.commit("the end")
    group = zarr.open_group(repository.readonly_session("main").store, path=LEDGER, mode="r")
    assert [group["url"][n] for n in range(3)] == [f"file:///{n}.tif" for n in range(3)]
    assert group["coordinates"][:].tolist() == ["[0]", "[1]", "[2]"]


def test_the_nodes_of_an_old_ledger_are_told_by_their_texts() -> None:
    """Attributes of inline arrays were kept a scene each, or not at all."""
    state = {
        "templates": {},
        "constant": {"g/": {"a": 1}, "/": {"b": 2}, "g/0": {"c": 3}, "1": {}},
        "columns": [["spatial_ref", "gcps", "gcps"], ["0", "d", "0_d"], ["g/", "e", "g/e"]],
        "left_out": [["g/", "f"], ["0", "rpcs"]],
    }
    attributes = {"version": 1, "places": {"": state}, "layout": "stack", "concat": ["n"]}
    old = ledger.Ledger.from_json(attributes, 3)
    group, array, reference = Node("group", "g"), Node("array", "0"), Node("inline", "spatial_ref")
    assert old.states[""].constant == {
        group: {"a": 1}, Node("group", ""): {"b": 2}, Node("array", "g/0"): {"c": 3}
    }  # fmt: skip
    assert old.states[""].columns == {
        AttributeKey(reference, "gcps"): "gcps",
        AttributeKey(array, "d"): "0_d",
        AttributeKey(group, "e"): "g/e",
    }
    assert old.states[""].left_out == (
        AttributeKey(group, "f"),
        AttributeKey(Node("inline", "0"), "rpcs"),
    )
    assert (old.per_scene, old.axes, old.rows, old.portable) == (("gcps",), ("n",), 3, False)
