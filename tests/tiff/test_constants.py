"""Tags and codes: the numbers and the spelling of the specifications."""

from __future__ import annotations

import struct
from enum import IntEnum

import pytest
import tifffile

from virtual_tiff.tiff import Compression, Predictor, SampleFormat, Tag, code_name, tag_name
from virtual_tiff.tiff.constants import (
    FIELD_TYPES,
    ExtraSample,
    FieldType,
    Photometric,
    PlanarConfiguration,
)

TIFFFILE_NAMES = {
    # ours, where tifffile has another name for the number
    Tag.Threshholding: "Thresholding",
    Tag.ModelPixelScale: "ModelPixelScaleTag",
    Tag.IPTC: "IPTCNAA",
    Tag.ModelTiepoint: "ModelTiepointTag",
    Tag.ModelTransformation: "ModelTransformationTag",
    Tag.Photoshop: "ImageResources",
    Tag.ExifIFD: "ExifTag",
    Tag.ICCProfile: "InterColorProfile",
    Tag.GeoKeyDirectory: "GeoKeyDirectoryTag",
    Tag.GeoDoubleParams: "GeoDoubleParamsTag",
    Tag.GeoAsciiParams: "GeoAsciiParamsTag",
    Tag.GPSIFD: "GPSTag",
    Tag.InteroperabilityIFD: "InteroperabilityTag",
    Tag.RPCCoefficients: "RPCCoefficientTag",
    Tag.TIFF_RSID: "RSID",
}


def test_every_tag_has_the_number_that_tifffile_knows() -> None:
    for tag in Tag:
        theirs = tifffile.TIFF.TAGS.getall(tag, [])
        theirs += [f"NDPI_{name}" for name in tifffile.TIFF.NDPI_TAGS.getall(tag, [])]
        assert TIFFFILE_NAMES.get(tag, tag.name) in theirs


TIFFFILE_CODES: dict[type[IntEnum], type[IntEnum]] = {
    Compression: tifffile.COMPRESSION,
    Photometric: tifffile.PHOTOMETRIC,
    Predictor: tifffile.PREDICTOR,
    SampleFormat: tifffile.SAMPLEFORMAT,
    ExtraSample: tifffile.EXTRASAMPLE,
    PlanarConfiguration: tifffile.PLANARCONFIG,
}


@pytest.mark.parametrize(("ours", "theirs"), TIFFFILE_CODES.items())
def test_every_code_is_one_that_tifffile_knows(ours: type[IntEnum], theirs: type[IntEnum]) -> None:
    assert {int(code) for code in ours} <= {int(code) for code in theirs}


def test_compressions_have_tifffiles_names_but_for_a_few() -> None:
    def plain(name: str) -> str:
        return name.replace("_", "").upper()

    others = {
        code.name
        for code in Compression
        if plain(code.name) != plain(tifffile.COMPRESSION(code).name)
    }
    assert others == {"T85", "T43", "CCITTRLEW", "LossyJPEG", "Zstd_old", "WebP_old"}


@pytest.mark.parametrize("row", FIELD_TYPES.values(), ids=lambda row: row.name)
def test_a_field_type_has_tifffiles_name_and_the_size_of_its_format(row: FieldType) -> None:
    assert tifffile.DATATYPE(row.code).name == row.name
    assert row.nbytes == row.items * struct.calcsize("=" + row.format)


def test_the_table_is_by_code() -> None:
    assert [row.code for row in FIELD_TYPES.values()] == list(FIELD_TYPES)
    assert set(FIELD_TYPES) == {*range(1, 14), 16, 17, 18}


def test_whole_numbers_are_the_integer_types_alone() -> None:
    others = {row.name for row in FIELD_TYPES.values() if not row.is_integer}
    assert others == {"ASCII", "RATIONAL", "SRATIONAL", "FLOAT", "DOUBLE"}


NAMES = {
    tag_name(259): "Compression (259)",
    tag_name(Tag.TileOffsets): "TileOffsets (324)",
    tag_name(65000): "65000",
    tag_name(0): "0",
    code_name(Compression, 5): "LZW (5)",
    code_name(Compression, 1): "None (1)",
    code_name(Predictor, Predictor.FloatingPoint): "FloatingPoint (3)",
    code_name(Compression, 99): "unknown (99)",
    code_name(SampleFormat, -1): "unknown (-1)",
}


@pytest.mark.parametrize(("shown", "name"), NAMES.items(), ids=NAMES.values())
def test_names_have_their_numbers(shown: str, name: str) -> None:
    assert shown == name
