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
from virtual_tiff.publishing.reading.record import Inline, Template


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


LONG = "x" * 61
CRS_OF = 'PROJCRS["WGS 84 / UTM zone {}N",' + "x" * 60


@pytest.mark.parametrize(
    ("has", "others", "words"),
    [
        # as long as may be, and a character longer
        ("x" * 60, "y", "x" * 60 + ", the others y"),
        (LONG, "y", "x" * 60 + ", the others y"),
        (json.dumps([1] * 20), "y", json.dumps([1] * 20) + ", the others y"),
        (json.dumps([1] * 21), "y", "a list of 21 values, the others y"),
        ("y", json.dumps([1] * 20), "y, the others " + json.dumps([1] * 20)),
        (json.dumps([1 / 3] * 9), "absent", json.dumps([1 / 3] * 9) + ", the others absent"),
        (json.dumps([1 / 3] * 10), "absent", "a list of 10 values, the others absent"),
        (
            json.dumps([1 / 3] * 1000),
            json.dumps([1 / 3] * 999),
            "a list of 1,000 values, the others a list of 999 values",
        ),
        (json.dumps([LONG, "a"]), "absent", f'["{LONG}", "a"], the others absent'),
        # points are lists or tables, and few of them are long enough
        (json.dumps([{"id": LONG}]), "absent", "a list of 1 values, the others absent"),
        (json.dumps([[LONG]]), "absent", "a list of 1 values, the others absent"),
        (
            json.dumps({"line": LONG, "samp": 1}),
            "absent",
            "a table with the keys line, samp, the others absent",
        ),
        (
            json.dumps({f"key_{n:02}": LONG for n in range(12)}),
            "absent",
            "a table with the keys key_00, key_01, key_02, key_03, key_04, the others absent",
        ),
        (json.dumps(LONG), "absent", "a text of 61 characters, the others absent"),
        (json.dumps("x" * 1000), "absent", "a text of 1,000 characters, the others absent"),
        (json.dumps(LONG), json.dumps("y" * 61), "a text of 61 characters, the others another te"),
        (
            json.dumps(CRS_OF.format(33)),
            json.dumps(CRS_OF.format(33) + "y"),
            "the CRS 'WGS 84 / UTM zone 33N', the others another CRS 'WGS 84",
        ),
        (
            json.dumps([1] * 100),
            json.dumps([2] * 100),
            "a list of 100 values, the others another l",
        ),
        (
            f"a(tables={'x' * 15}, other={'y' * 16}, {'z' * 40})",
            "b",
            f"a(tables={'x' * 15}, other of 16 characters, z",
        ),
    ],
)
def test_long_values_are_described(has: str, others: str, words: str) -> None:
    assert words in difference("aspect", has, others)


def test_arrays_that_differ_alike_are_counted() -> None:
    one = Difference(file="a", arrays=("0", "1", "2"), aspect="gcps", has="1", others="2")
    words = "a: array 0 and 2 more: ground control points (gcps) 1, the others 2"
    assert str(one) == words
    values = Difference(file="a", arrays=("x",), aspect="values", has="1", others="2")
    assert str(values) == "a: array x: the values differ from those of the others"


def refusal(*aspects: str, kinds: int = 0, times: int = 1) -> str:
    """The error of files that differ in some aspects, and form groups."""
    found = [
        Difference(file=f"{n}.tif", arrays=("0",), aspect=aspect, has=str(n), others="x")
        for n in range(times)
        for aspect in aspects
    ]
    with pytest.raises(PublishError) as caught:
        refuse(found, kinds=[(f"{n}.tif", n + 1) for n in range(kinds)])
    return str(caught.value)


@pytest.mark.parametrize(
    ("published", "problem"), [(False, "stacked"), (True, "added to what is published")]
)
def test_the_problem_comes_first(published: bool, problem: str) -> None:
    found = [Difference(file="a.tif", arrays=("0",), aspect="shape", has="1", others="2")]
    first = f"the files cannot be {problem}:\n  a.tif: array 0: shape 1, the others 2\n"
    with pytest.raises(PublishError) as caught:
        refuse(found, published=published, kinds=[("a.tif", 1)])
    text = str(caught.value)
    assert text.startswith(first)
    # an append cannot have another layout
    assert ("layout='group per signature'" in text) != published
    assert ("They would form 1 group:" in text) != published
    assert ("into another repository" in text) == published


@pytest.mark.parametrize(
    ("times", "words"), [(20, None), (21, "  and 1 more difference"), (29, "  and 9 more")]
)
def test_twenty_differences_are_listed(times: int, words: str | None) -> None:
    text = refusal("shape", times=times)
    assert text.count(": array 0: shape ") == 20
    assert ("more difference" in text) == (words is not None)
    assert words is None or words in text


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (1, "They would form 1 group: 1 file as 0.tif."),
        (5, "1 file as 0.tif; 2 files as 1.tif; 3 files as 2.tif; 4 files as 3.tif; 5 files as 4."),
        (6, "They would form 6 groups: 1 file as 0.tif; 2 files as 1.tif; 3 files as 2.tif; 4"),
        (7, "5 files as 4.tif; 2 more."),
    ],
)
def test_five_groups_are_named(kinds: int, words: str) -> None:
    text = refusal("shape", kinds=kinds)
    assert words in text
    assert ("more." in text) == (kinds > 5)
    assert "would form" not in refusal("shape")


ADVICE = {
    "If the strips are uncompressed, merge_strips=False may help.":
        ([("chunks",)], [("chunks", "shape"), ("shape",), ("codecs",)]),
    "The images lie at different places: tiles of one image need concat='y,x', or":
        ([("values",), ("spatial:transform",), ("GeoTransform", "codecs")],
         [("values", "shape"), ("shape",), ("chunks",)]),
    "To keep gcps as coordinates along the new dimension: per_scene=['gcps'].":
        ([("gcps",), ("gcps", "shape")], [("rpcs",), ("shape",)]),
    "To keep gcps and rpcs as coordinates along the new dimension: per_scene=['gcps', 'rpcs']":
        ([("rpcs", "gcps")], [("rpcs",), ("gcps",)]),
    "The sizes of some overviews are rounded: overviews=False leaves overviews out.":
        ([("resolution",)], [("shape",)]),
    "The files have different numbers of images: ifd=0 takes the first of each.":
        ([("is",), ("is", "shape")], [("shape",)]),
}  # fmt: skip
"""By advice: aspects in which files differ that are given it, and others that are not."""


@pytest.mark.parametrize("advice", ADVICE)
def test_advice_is_that_of_the_difference(advice: str) -> None:
    helped, others = ADVICE[advice]
    for aspects in helped:
        assert f"\n{advice}" in refusal(*aspects)
    for aspects in others:
        assert advice not in refusal(*aspects)
    for aspects in (*helped, *others):
        assert "\nPublish them in a group for each kind" in refusal(*aspects)


def words_of(*templates: Template, usual: Template | None = None) -> list[tuple[Any, ...]]:
    """The differences of files called a, b and so on."""
    numbered = dict(enumerate(templates))
    names = {n: [f"{chr(97 + n)}"] for n in numbered}
    return [
        (one.file, one.arrays, one.aspect, one.has, one.others)
        for one in differences(numbered, names, usual)
    ]


def test_an_attribute_that_most_files_lack_is_none_of_theirs() -> None:
    plain, named = template(), template(attributes={"a": 1, "long_name": "a"})
    assert words_of(plain, plain, named) == [("c", ("0",), "long_name", '"a"', "absent")]


def test_a_number_of_another_type_is_no_difference_of_the_fill_value() -> None:
    one, other = template(), template(data_type="float32", fill_value=0.0)
    assert [words[2] for words in words_of(one, one, other)] == ["data type"]


def test_images_that_some_lack_are_advised_on_and_coordinates_are_not() -> None:
    for path, advised in (("1", True), ("a/1", True), ("band", False)):
        found = Difference(file="a", arrays=(path,), aspect="is", has="present", others="absent")
        with pytest.raises(PublishError) as caught:
            refuse([found])
        assert f"\n  a: array {path}: not in the others\n" in str(caught.value)
        assert ("ifd=0" in str(caught.value)) == advised


def test_most_files_are_right() -> None:
    one, other = template(shape=[4, 4]), template(shape=[4, 5])
    assert words_of(one, other, other) == [("a", ("0",), "shape", "4 x 4", "4 x 5")]
    assert words_of(one, other) == [("b", ("0",), "shape", "4 x 5", "4 x 4")]  # the first, if equal
    assert words_of(one, other, usual=other) == [("a", ("0",), "shape", "4 x 4", "4 x 5")]


def test_a_template_of_more_files_is_right() -> None:
    templates = {1: template(shape=[4, 4]), 2: template(shape=[4, 5])}
    found = differences(templates, {1: ["a"], 2: ["b", "c"]})
    assert [(one.file, one.others) for one in found] == [("a", "4 x 5")]


def test_an_array_that_some_files_lack() -> None:
    one = template()
    other = replace(one, arrays={"0": one.arrays["0"], "1": one.arrays["0"]})
    assert words_of(one, other, other) == [("a", ("1",), "is", "absent", "present")]
    assert words_of(one, one, other) == [("c", ("1",), "is", "present", "absent")]


def test_several_arrays_that_differ_alike_are_one_difference() -> None:
    one, other = template(), template(shape=[4, 5])
    both = [replace(t, arrays={"0": t.arrays["0"], "1": t.arrays["0"]}) for t in (one, other)]
    assert words_of(*both) == [("b", ("0", "1"), "shape", "4 x 5", "4 x 4")]


def coordinate(digest: str, **metadata: Any) -> Template:
    """A template with a coordinate x of a file."""
    inline = {"shape": [4], "attributes": {"axis": "X"}, "data_type": "float64"} | metadata
    return replace(template(), inline={"x": Inline(inline, digest, ("x",))})


def test_values_of_coordinates_differ() -> None:
    one, other = coordinate("1"), coordinate("2")
    assert words_of(one, other) == [("b", ("x",), "values", "2", "1")]


def test_what_follows_from_the_shape_is_not_listed() -> None:
    one = coordinate("1")
    other = replace(coordinate("2", shape=[5]), arrays=template(shape=[4, 5]).arrays)
    assert words_of(one, other) == [("b", ("0",), "shape", "4 x 5", "4 x 4")]
    longer = coordinate("2", shape=[5])
    assert [words[2] for words in words_of(one, longer)] == ["length", "values"]


def test_nodata_is_given_or_not() -> None:
    one, other = template(), template(attributes={"a": 1, "_FillValue": 0})
    assert words_of(one, other) == [("b", ("0",), "nodata", "0", "none")]


def test_a_difference_in_metadata_that_no_aspect_shows_is_named_by_its_keys() -> None:
    fill = [template(attributes={"_FillValue": number}) for number in (1, 2)]
    assert words_of(*fill) == [
        ("b", ("0",), "metadata", "in attribute _FillValue", "have other values there")
    ]
    type_of = coordinate("1"), coordinate("1", data_type="float32", extra=1)
    assert words_of(*type_of) == [
        ("b", ("x",), "metadata", "in data_type, extra", "have other values there")
    ]


@pytest.mark.parametrize("name", ["zarr_conventions", "coordinates"])
def test_attributes_that_follow_from_others_are_not_compared(name: str) -> None:
    assert words_of(template(), template(attributes={"a": 1, name: "b"})) == []
