"""SampleFormat and BitsPerSample to a Zarr data type."""

from __future__ import annotations

import numpy as np
import pytest

from support.build import LONG, SHORT, Directory, Entry, build, entry
from support.pixels import directory
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.tiff import ImageFileDirectory, UnsupportedError

KNOWN = [
    (1, 8, "uint8"),
    (1, 16, "uint16"),
    (1, 32, "uint32"),
    (1, 64, "uint64"),
    (2, 8, "int8"),
    (2, 16, "int16"),
    (2, 32, "int32"),
    (2, 64, "int64"),
    (3, 16, "float16"),
    (3, 32, "float32"),
    (3, 64, "float64"),
    (4, 8, "uint8"),
    (4, 16, "uint16"),
    (4, 32, "uint32"),
    (4, 64, "uint64"),
    (6, 64, "complex64"),
    (6, 128, "complex128"),
]
"""SampleFormat, BitsPerSample, data type."""


def ifd(*entries: Entry) -> ImageFileDirectory:
    size = [entry(256, LONG, 1), entry(257, LONG, 1)]
    return directory(build([Directory([*size, *entries])]))


def of(sample_formats: list[int], bits: list[int]) -> ImageFileDirectory:
    return ifd(
        entry(258, SHORT, bits), entry(277, SHORT, len(bits)), entry(339, SHORT, sample_formats)
    )


@pytest.mark.parametrize(("sample_format", "bits", "name"), KNOWN)
def test_one_sample(sample_format: int, bits: int, name: str):
    assert data_type(of([sample_format], [bits])) == name


@pytest.mark.parametrize(("sample_format", "bits", "name"), KNOWN)
def test_several_samples_of_one_type(sample_format: int, bits: int, name: str):
    assert data_type(of([sample_format] * 3, [bits] * 3)) == name


@pytest.mark.parametrize(("sample_format", "bits", "name"), KNOWN)
def test_the_name_is_numpys_too(sample_format: int, bits: int, name: str):
    assert np.dtype(name).itemsize * 8 == bits


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_without_sample_format_samples_are_unsigned(bits: int):
    assert data_type(ifd(entry(258, SHORT, bits))) == f"uint{bits}"


def test_one_value_holds_for_all_samples():
    found = ifd(entry(258, SHORT, 16), entry(277, SHORT, 3), entry(339, SHORT, 2))
    assert data_type(found) == "int16"


def test_values_beyond_the_samples_do_not_count():
    assert data_type(of([1], [8])) == "uint8"
    found = ifd(entry(258, SHORT, [8, 16]), entry(277, SHORT, 1), entry(339, SHORT, [1, 3]))
    assert data_type(found) == "uint8"


@pytest.mark.parametrize(
    ("formats", "names"), [([1, 3], "1, 3"), ([2, 1], "2, 1"), ([1, 2, 3], "1, 2, 3")]
)
def test_unequal_formats_are_refused_by_their_values(formats: list[int], names: str):
    with pytest.raises(UnsupportedError, match=rf"\({names}\).*tag SampleFormat \(339\), IFD 0"):
        data_type(of(formats, [16] * len(formats)))


@pytest.mark.parametrize("sample_format", [0, 9, 65535])
def test_an_unknown_format_is_refused_by_its_value(sample_format: int):
    match = rf"SampleFormat unknown \({sample_format}\)"
    with pytest.raises(UnsupportedError, match=match):
        data_type(of([sample_format], [16]))


@pytest.mark.parametrize(("sample_format", "bits"), [(1, 65), (2, 1000), (3, 65535), (6, 130)])
def test_a_depth_that_nothing_holds_is_refused_by_its_value(sample_format: int, bits: int):
    match = rf"samples of {bits} bits.*tag BitsPerSample \(258\), IFD 0"
    with pytest.raises(UnsupportedError, match=match):
        data_type(of([sample_format], [bits]))


def test_a_depth_of_0_is_refused():
    with pytest.raises(UnsupportedError, match="samples of 0 bits"):
        data_type(of([1], [0]))
