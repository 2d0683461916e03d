"""What an error says of files that differ: words, never digests or encoded bytes."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from virtual_tiff.publishing import PublishError, publish
from virtual_tiff.publishing.planning.differences import (
    Difference,
    differences,
    kinds_of,
    refuse,
)
from virtual_tiff.publishing.reading.record import Template


def difference(aspect: str, has: Any, others: Any) -> str:
    texts = (each if isinstance(each, str) else json.dumps(each) for each in (has, others))
    one, other = texts
    return str(Difference(file="a.tif", arrays=("0",), aspect=aspect, has=one, others=other))


TABLES = [base64.b64encode(bytes([n] * 300)).decode() for n in (1, 2)]


@pytest.mark.parametrize(
    ("aspect", "has", "others", "words"),
    [
        ("shape", "60 x 50", "61 x 50", "shape 60 x 50, the others 61 x 50"),
        (
            "codecs",
            f"virtual_tiff.jpeg(tables={TABLES[0]})",
            f"virtual_tiff.jpeg(tables={TABLES[1]})",
            "virtual_tiff.jpeg(tables of 400 characters), the others another",
        ),
        (
            "crs_wkt",
            json.dumps('PROJCRS["WGS 84 / UTM zone 33N",' + "x" * 300),
            json.dumps('PROJCRS["WGS 84 / UTM zone 32N",' + "x" * 300),
            "the CRS 'WGS 84 / UTM zone 33N', the others the CRS 'WGS 84 / UTM zone 32N'",
        ),
        ("color_map", list(range(768)), list(range(1, 769)), "a list of 768 values, the others"),
        ("values", "0123456789abcdef", "fedcba9876543210", "the values differ from those of"),
        (
            "spatial:transform",
            [10.0, 0.0, 500000.123456789, 0.0, -10.0, 4650000.987654321],
            [10.0, 0.0, 500010.123456789, 0.0, -10.0, 4650000.987654321],
            "[10.0, 0.0, 500000.123456789",
        ),
    ],
)
def test_a_difference_is_said_in_words(aspect: str, has: Any, others: Any, words: str) -> None:
    text = difference(aspect, has, others)
    assert words in text
    assert len(text) < 300
    assert not any(table in text for table in TABLES)


def test_groups_are_named_by_a_file_and_their_size() -> None:
    kinds = kinds_of({1: "x", 2: "y", 3: "y"}, {1: ["a"], 2: ["b"], 3: ["c"]}, {1: 4, 2: 3, 3: 2})
    assert kinds == [("b", 5), ("a", 4)]


def scene(path: Path, **changes: Any) -> Path:
    profile = {
        "driver": "GTiff", "height": 32, "width": 32, "count": 3, "dtype": "uint8",
        "crs": "EPSG:32633", "transform": Affine(10, 0, 500000, 0, -10, 4650000),
        "tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "jpeg",
        "photometric": "ycbcr", "jpeg_quality": 90,
    } | changes  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.full((profile["count"], 32, 32), 7, "uint8"))
    return path


def test_files_with_other_jpeg_tables(tmp_path: Path) -> None:
    files = [scene(tmp_path / f"{quality}.tif", jpeg_quality=quality) for quality in (50, 90, 90)]
    files[2] = scene(tmp_path / "other.tif")
    with pytest.raises(PublishError) as caught:
        publish(files, "memory://", concat="n")
    text = str(caught.value)
    assert "They would form 2 groups" in text
    assert max(map(len, text.splitlines())) < 400
    assert "layout='group per signature'" in text


def template(**changes: Any) -> Template:
    array = {
        "shape": [4, 4], "data_type": "uint8", "attributes": {"a": 1},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 2]}},
        "codecs": [], "fill_value": 0, "dimension_names": ["y", "x"],
    }  # fmt: skip
    return Template(
        groups={"": {}, "g": {"note": "same"}}, arrays={"0": array | changes}, inline={},
        axes={"0": ("y", "x")},
    )  # fmt: skip


def test_no_difference_is_no_error() -> None:
    refuse(differences({1: template(), 2: template()}, {1: ["a"], 2: ["b"]}, None))
    refuse([])


def test_a_difference_that_no_word_says_is_a_difference_all_the_same() -> None:
    others = {1: template(), 2: template(storage_transformers=["b"])}
    found = differences(others, {1: ["a"], 2: ["b"]}, template())
    assert [(one.file, one.arrays, one.aspect) for one in found] == [("b", ("0",), "metadata")]
    with pytest.raises(PublishError, match="in storage_transformers"):
        refuse(found)


def test_groups_that_differ_are_named() -> None:
    other = replace(template(), groups={"": {}, "g": {"note": "another"}})
    found = differences({1: template(), 2: other}, {1: ["a"], 2: ["b"]}, template())
    assert [(one.file, one.arrays, one.aspect) for one in found] == [("b", ("g/",), "note")]
