"""Label images of OME-Zarr: published beside their images, listed, replaced, removed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models.v05 as ome_zarr
import pytest
import tifffile
import zarr

from virtual_tiff.publishing import PublishError, publish, remove
from virtual_tiff.publishing.result import Published

type Array = np.ndarray[Any, Any]

PIXELS = np.random.default_rng(0).integers(0, 4000, (4, 32, 48), dtype="u2")


def write(path: Path, array: Array, **options: Any) -> Path:
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2.0}
    options = {"ome": True, "metadata": metadata, "compression": "zlib", **options}
    tifffile.imwrite(path, array, **options)
    return path


def group_of(url: str) -> str:
    name = url.rpartition("/")[2].partition(".")[0]
    return "cells" if name == "cells" else f"cells/labels/{name}"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {
        "cells": write(tmp_path / "cells.ome.tif", PIXELS),
        "nuclei": write(tmp_path / "nuclei.ome.tif", (PIXELS > 2000).astype("u1")),
        "walls": write(tmp_path / "walls.ome.tif", (PIXELS // 100).astype("u2")),
    }


def published(paths: list[Path], to: Any, **options: Any) -> Published:
    return publish(paths, to, ifd_layout="stack", group=group_of, cache=False, **options)


def opened(cube: Path | Published) -> zarr.Group:
    import icechunk

    if isinstance(cube, Published):
        repository = cube.repository
    else:
        storage = icechunk.local_filesystem_storage(str(cube))
        access = icechunk.containers_credentials({f"file://{cube.parent}/": None})
        repository = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
    return zarr.open_group(repository.readonly_session("main").store, mode="r")


def labels_of(root: zarr.Group) -> list[str]:
    labels: Any = root["cells/labels"]
    return list(labels.attrs["ome"]["labels"])


def pixels(root: zarr.Group, path: str) -> Array:
    array: Any = root[path]
    return np.asarray(array[...])


@pytest.mark.parametrize("version", ["0.5", "0.6"])
def test_labels_are_listed_and_valid(files: dict[str, Path], version: str) -> None:
    root = opened(published([*files.values()], "memory://", ome_zarr=version))
    assert labels_of(root) == ["nuclei", "walls"]
    np.testing.assert_array_equal(pixels(root, "cells/image"), PIXELS)
    np.testing.assert_array_equal(pixels(root, "cells/labels/walls/image"), PIXELS // 100)
    label: Any = root["cells/labels/nuclei"]
    assert label.attrs["ome"]["image-label"] == {"source": {"image": "../../"}}
    assert label.attrs["ome"]["version"] == version
    if version == "0.5":
        labels: Any = ome_zarr.Image.from_zarr(root["cells"]).labels
        assert labels.attributes.ome.labels == ["nuclei", "walls"]
        ome_zarr.ImageLabel.from_zarr(label)


@pytest.mark.long
def test_labels_come_and_go_by_themselves(files: dict[str, Path], tmp_path: Path) -> None:
    cube = tmp_path / "cube"
    published([files["cells"], files["nuclei"]], cube)
    published([files["walls"]], cube, append=True)
    root = opened(cube)
    assert labels_of(root) == ["nuclei", "walls"]
    write(files["cells"], PIXELS[::-1].copy())  # the image is replaced, its labels stay
    state = files["cells"].stat()
    os.utime(files["cells"], (state.st_atime, state.st_mtime + 10))
    published([files["cells"]], cube, append=True, replace_changed=True)
    root = opened(cube)
    assert labels_of(root) == ["nuclei", "walls"]
    np.testing.assert_array_equal(pixels(root, "cells/image"), PIXELS[::-1])
    np.testing.assert_array_equal(pixels(root, "cells/labels/nuclei/image"), PIXELS > 2000)
    remove([str(files["nuclei"])], cube)
    root = opened(cube)
    assert labels_of(root) == ["walls"]
    assert "nuclei" not in root["cells/labels"]
    remove([str(files["walls"])], cube)
    assert "cells/labels" not in opened(cube)
    published([files["walls"]], cube, append=True)
    remove([str(files["cells"])], cube)
    root = opened(cube)
    assert "image" not in root["cells"]
    np.testing.assert_array_equal(pixels(root, "cells/labels/walls/image"), PIXELS // 100)


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (PIXELS.astype("f4"), {}, "labels are integers, not float32"),
        (PIXELS, {"ome": False, "metadata": None}, "no image that OME-Zarr describes"),
    ],
)
def test_what_is_no_label_image(
    array: Array, options: dict[str, Any], words: str, files: dict[str, Path]
) -> None:
    write(files["nuclei"], array, **options)
    with pytest.raises(PublishError, match=words):
        published([files["cells"], files["nuclei"]], "memory://")


def test_files_of_one_group_need_a_dimension(files: dict[str, Path]) -> None:
    with pytest.raises(PublishError, match="'one' would be one group"):
        publish([*files.values()], "memory://", ifd_layout="stack", group=lambda _: "one")
    with pytest.raises(PublishError, match="would be a group within another file's"):
        publish(
            [files["cells"], files["walls"]],
            "memory://",
            ifd_layout="stack",
            group=lambda url: "a/b" if "walls" in url else "a",
        )
