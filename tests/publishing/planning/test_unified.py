"""What a user lets files differ in: nodata values, and compressions of one kind of blocks."""

from __future__ import annotations

from typing import Any

import pytest

from virtual_tiff.publishing.planning.unified import Unified, with_any_compression, with_nodata
from virtual_tiff.publishing.reading.record import Template
from virtual_tiff.tiff import Photometric

PAD = {"name": "virtual_tiff.pad", "configuration": {"size": 64, "last": 24}}


def template(
    *codecs: str | dict[str, Any], data_type: str = "uint8", **attributes: Any
) -> Template:
    """A template of one array, whose codecs are given or named."""
    array = {
        "data_type": data_type,
        "fill_value": 0,
        "attributes": attributes,
        "codecs": [
            {"name": codec, "configuration": {}} if isinstance(codec, str) else codec
            for codec in codecs
        ],
    }
    return Template(groups={}, arrays={"0": array}, inline={}, axes={"0": ("y", "x")})


def codecs(of: Template) -> list[Any]:
    found: list[Any] = of.arrays["0"]["codecs"]
    return found


READER = {"name": "virtual_tiff.any_compression", "configuration": {"lengths": []}}


@pytest.mark.parametrize("compression", ["numcodecs.zlib", "zstd"])
def test_compressions_are_told_by_their_blocks(compression: str) -> None:
    (first, last) = codecs(with_any_compression(template("bytes", compression)))
    assert first["name"] == "bytes"
    assert (last["name"], last["configuration"]) == (READER["name"], READER["configuration"])


def test_blocks_without_compression_are_alike() -> None:
    plain = codecs(with_any_compression(template("bytes")))
    assert plain == codecs(with_any_compression(template("bytes", "zstd")))
    short = codecs(with_any_compression(template("bytes", PAD)))
    assert short == codecs(with_any_compression(template("bytes", PAD, "numcodecs.zlib")))
    assert short[-1]["configuration"]["lengths"] == [64, 24]


@pytest.mark.parametrize("compression", ["imagecodecs_lzw", "virtual_tiff.jpeg"])
def test_other_compressions_stay(compression: str) -> None:
    of_file = template("bytes", compression)
    assert with_any_compression(of_file) == of_file


def test_nothing_is_changed_unless_it_is_asked_for() -> None:
    of_file = template("bytes", "zstd", _FillValue=7)
    assert Unified().of(of_file) is of_file
    changed = Unified(nodata=9).of(of_file)
    assert codecs(changed) == codecs(of_file)
    assert changed.arrays["0"]["fill_value"] == 9
    both = Unified(nodata=0, any_compression=True).of(of_file)
    assert codecs(both)[-1]["name"] == READER["name"]
    assert both.arrays["0"]["attributes"]["_FillValue"] == 0


@pytest.mark.parametrize(
    ("data_type", "number", "stored"),
    [
        ("uint8", 255, 255),
        ("uint8", 0.0, 0),
        ("int16", -32768, -32768),
        ("int64", 2**63 - 1, 2**63 - 1),
        ("float32", -9999.5, -9999.5),
        ("float32", 7, 7.0),
        ("float64", float("nan"), "NaN"),
        ("float64", float("-inf"), "-Infinity"),
    ],
)
def test_nodata_of_a_data_type(data_type: str, number: float, stored: Any) -> None:
    array = with_nodata(template(data_type=data_type, missing_value=3), number).arrays["0"]
    assert (array["fill_value"], type(array["fill_value"])) == (stored, type(stored))
    assert "_FillValue" in array["attributes"]
    assert "missing_value" not in array["attributes"]


@pytest.mark.parametrize(
    ("data_type", "number"),
    [
        ("uint8", 256), ("uint8", -1), ("uint8", 0.5), ("int16", -32769), ("int16", 32768),
        ("int8", float("inf")), ("uint32", float("nan")),
    ],
)  # fmt: skip
def test_a_nodata_value_that_a_data_type_lacks(data_type: str, number: float) -> None:
    words = rf"^nodata={number:g} is no number of the files' data type {data_type}$"
    with pytest.raises(ValueError, match=words):
        with_nodata(template(data_type=data_type), number)


@pytest.mark.parametrize("data_type", ["complex64", "complex128"])
def test_complex_numbers_are_given_no_nodata(data_type: str) -> None:
    words = rf"^nodata cannot be given for complex numbers \({data_type}\)$"
    with pytest.raises(ValueError, match=words):
        with_nodata(template(data_type=data_type), 0)


def test_masks_have_no_nodata() -> None:
    mask = template(photometric_interpretation=Photometric.Mask)
    assert with_nodata(mask, 300) == mask
    grey = template(photometric_interpretation=Photometric.MinIsBlack)
    assert with_nodata(grey, 200) != grey
