"""OME-Zarr 0.5 attributes: what they say, and that they are valid."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile

from support.stacks import numbered, only_stack, written
from virtual_tiff.arrays.layouts.find_stacks import Stack
from virtual_tiff.arrays.layouts.ome_zarr import (
    bioformats2raw_attributes,
    group_attributes,
)

METADATA = {
    "axes": "TCZYX",
    "Name": "cells",
    "PhysicalSizeX": 0.5,
    "PhysicalSizeY": 0.25,
    "PhysicalSizeZ": 2.0,
    "PhysicalSizeZUnit": "nm",
    "TimeIncrement": 3.0,
    "TimeIncrementUnit": "min",
    "Channel": {"Name": ["DAPI", "GFP"], "Color": [65535, 16711935]},
}


def ome_stack(*shape: int, dtype: str = "uint16", **options: Any) -> Stack:
    options = {"photometric": "minisblack", "metadata": METADATA, **options}
    return only_stack(written(numbered(*shape, dtype=dtype), ome=True, **options))


def checked(stack: Stack, *datasets: tuple[str, tuple[float, float]]) -> dict[str, Any]:
    from ome_zarr_models.v05.image import ImageAttrs

    attributes = group_attributes(stack, datasets or [("0", (1.0, 1.0))])["ome"]
    ImageAttrs.model_validate(attributes)
    (multiscale,) = attributes["multiscales"]
    for dataset in multiscale["datasets"]:
        for transformation in dataset["coordinateTransformations"]:
            assert len(transformation[transformation["type"]]) == len(multiscale["axes"])
    return attributes


def test_axes_with_their_units() -> None:
    attributes = checked(ome_stack(2, 2, 3, 8, 9))
    assert attributes["version"] == "0.5"
    (multiscale,) = attributes["multiscales"]
    assert multiscale["name"] == "cells"
    assert multiscale["axes"] == [
        {"name": "t", "type": "time", "unit": "minute"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": "nanometer"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    assert multiscale["datasets"] == [
        {
            "path": "0",
            "coordinateTransformations": [{"type": "scale", "scale": [3.0, 1.0, 2.0, 0.25, 0.5]}],
        }
    ]


def test_a_reduced_pixel_lies_in_the_middle_of_those_it_stands_for() -> None:
    attributes = checked(ome_stack(2, 2, 3, 8, 9), ("0", (1.0, 1.0)), ("1", (2.0, 4.0)))
    assert attributes["multiscales"][0]["datasets"][1]["coordinateTransformations"] == [
        {"type": "scale", "scale": [3.0, 1.0, 2.0, 0.5, 2.0]},
        {"type": "translation", "translation": [0.0, 0.0, 0.0, 0.125, 0.75]},
    ]


def test_channels() -> None:
    window = {"min": 0, "max": 65535, "start": 0, "end": 65535}
    assert checked(ome_stack(2, 2, 3, 8, 9))["omero"]["channels"] == [
        {"label": "DAPI", "color": "0000FF", "active": True, "window": window},
        {"label": "GFP", "color": "00FF00", "active": True, "window": window},
    ]


@pytest.mark.parametrize(
    ("dtype", "window"), [("uint8", (0, 255)), ("int16", (-32768, 32767)), ("float32", None)]
)
def test_the_window_is_the_type_s_range(dtype: str, window: tuple[int, int] | None) -> None:
    attributes = checked(ome_stack(1, 2, 1, 8, 9, dtype=dtype))
    if window is None:
        assert "omero" not in attributes
    else:
        found = attributes["omero"]["channels"][0]["window"]
        assert (found["start"], found["end"]) == window


def test_without_names_and_colors_viewers_find_the_window() -> None:
    assert "omero" not in checked(ome_stack(2, 8, 9, metadata={"axes": "CYX"}))


def test_rgb() -> None:
    metadata = {"axes": "ZYXS"}
    stack = ome_stack(4, 8, 9, 3, dtype="uint8", photometric="rgb", metadata=metadata)
    attributes = checked(stack)
    assert [axis["name"] for axis in attributes["multiscales"][0]["axes"]] == ["c", "z", "y", "x"]
    channels = attributes["omero"]["channels"]
    assert [(each["label"], each["color"]) for each in channels] == [
        ("Red", "FF0000"),
        ("Green", "00FF00"),
        ("Blue", "0000FF"),
    ]


@pytest.mark.parametrize("unit", ["pixel", "reference frame", "furlong"])
def test_units_that_ome_zarr_does_not_have_are_left_out(unit: str) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": 2.0, "PhysicalSizeXUnit": unit}
    y, x = checked(ome_stack(8, 9, metadata=metadata))["multiscales"][0]["axes"]
    assert x == y | {"name": "x"}


def test_a_single_image() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((8, 9), "uint8"))
    (multiscale,) = checked(only_stack(file.getvalue()))["multiscales"]
    assert multiscale["axes"] == [
        {"name": "y", "type": "space"},
        {"name": "x", "type": "space"},
    ]


def test_pages_are_no_ome_image() -> None:
    stack = only_stack(written(numbered(2, 8, 9), photometric="minisblack", metadata=None))
    with pytest.raises(ValueError, match="axes page"):
        group_attributes(stack, [("0", (1.0, 1.0))])


def test_a_root_of_several_images() -> None:
    from ome_zarr_models.v05.bioformats2raw import BioFormats2RawAttrs

    BioFormats2RawAttrs.model_validate(bioformats2raw_attributes()["ome"])


def test_samples_of_a_pixel_without_names_are_numbered() -> None:
    stack = only_stack(
        written(
            numbered(2, 8, 9, 5, dtype="uint8"),
            ome=True,
            photometric="minisblack",
            planarconfig="contig",
            metadata={"axes": "ZYXS"},
        )
    )
    channels = checked(stack)["omero"]["channels"]
    assert [channel["label"] for channel in channels] == [f"Sample {n}" for n in range(5)]
