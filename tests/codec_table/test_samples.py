"""What BitsPerSample, SampleFormat, Predictor and the colour tags become: codecs by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from support.build import SHORT, entry, image
from support.pixels import by_gdal, directory, read, values
from virtual_tiff import codec_table
from virtual_tiff.arrays.data_types import data_type
from virtual_tiff.tiff import UnsupportedError, block_grid

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

UINT, INT, FLOAT, UNDEFINED, CINT, CFLOAT = 1, 2, 3, 4, 5, 6


def steps(
    sample_format: int,
    bits: int,
    *,
    predictor: int = 1,
    byteorder: str = "II",
    samples: int = 1,
    planar: int = 1,
    photometric: int = 1,
) -> list[dict[str, Any]]:
    """The codecs of an LZW image of 16 x 16 pixels, without that of LZW."""
    shape = (16, 16, samples) if samples > 1 else (16, 16)
    data = image(
        np.zeros(shape, "u1"),
        byteorder=byteorder,
        compression=5,
        encode_block=lambda _: b"",
        planar=planar,
        photometric=photometric,
        extra_entries=[
            entry(258, SHORT, [bits] * samples),
            entry(317, SHORT, predictor),
            entry(339, SHORT, [sample_format] * samples),
        ],
    )
    ifd = directory(data)
    found = codec_table.codecs(ifd, block_grid(ifd), data_type(ifd), length=16, last_length=16)
    assert found[-1]["name"] == "imagecodecs_lzw"
    return found[:-1]


def named(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


LITTLE, BIG = named("bytes", endian="little"), named("bytes", endian="big")
DELTA = named("imagecodecs_delta", axis=-1, dist=1)

TABLE: dict[tuple[int, int, int, str], list[dict[str, Any]]] = {
    (UINT, 8, 1, "II"): [LITTLE],
    (UINT, 16, 1, "MM"): [BIG],
    (INT, 64, 2, "MM"): [DELTA, BIG],
    (UINT, 1, 1, "II"): [named("imagecodecs_packints", bitspersample=1, runlen=16)],
    (UINT, 12, 1, "MM"): [named("imagecodecs_packints", bitspersample=12, runlen=16)],
    (UINT, 24, 1, "II"): [named("imagecodecs_packints", bitspersample=24, runlen=16)],
    (UINT, 24, 1, "MM"): [named("virtual_tiff.bits", bits=24, row=16, endian="little")],
    (UNDEFINED, 31, 1, "II"): [named("imagecodecs_packints", bitspersample=31, runlen=16)],
    (UINT, 33, 1, "II"): [named("virtual_tiff.bits", bits=33, row=16, endian="big")],
    (UINT, 48, 1, "MM"): [named("virtual_tiff.bits", bits=48, row=16, endian="big")],
    (INT, 12, 1, "II"): [named("virtual_tiff.bits", bits=12, row=16, endian="big")],
    (FLOAT, 16, 1, "MM"): [BIG],
    (FLOAT, 24, 1, "II"): [named("imagecodecs_float24", byteorder="<")],
    (FLOAT, 24, 1, "MM"): [named("imagecodecs_float24", byteorder=">")],
    (FLOAT, 32, 2, "II"): [DELTA, LITTLE],
    (FLOAT, 16, 3, "MM"): [named("imagecodecs_floatpred", axis=-1, dist=1)],
    (FLOAT, 24, 3, "MM"): [named("virtual_tiff.float24_predictor", axis=-1, dist=1)],
    (FLOAT, 32, 34894, "II"): [named("imagecodecs_floatpred", axis=-1, dist=2)],
    (FLOAT, 64, 34895, "II"): [named("imagecodecs_floatpred", axis=-1, dist=4)],
    (CINT, 32, 1, "MM"): [named("virtual_tiff.complex_parts", part="int16"), BIG],
    (CINT, 64, 2, "II"): [
        named("virtual_tiff.complex_parts", part="int32"),
        named("virtual_tiff.view", data_type="uint64"),
        DELTA,
        LITTLE,
    ],
    (CFLOAT, 32, 1, "II"): [
        named("virtual_tiff.complex_parts", part="float16"),
        named("virtual_tiff.view", data_type="uint32"),
        LITTLE,
    ],
    (CFLOAT, 64, 1, "II"): [LITTLE],
    (CFLOAT, 64, 2, "MM"): [named("virtual_tiff.view", data_type="uint64"), DELTA, BIG],
    (CFLOAT, 128, 1, "MM"): [BIG],
}
"""SampleFormat, BitsPerSample, Predictor, byte order -> codecs."""


@pytest.mark.parametrize(("sample_format", "bits", "predictor", "byteorder"), TABLE)
def test_the_table(sample_format: int, bits: int, predictor: int, byteorder: str):
    found = steps(sample_format, bits, predictor=predictor, byteorder=byteorder)
    assert found == TABLE[sample_format, bits, predictor, byteorder]


def test_interleaved_samples_are_transposed_and_predicted_along_columns():
    found = steps(UINT, 16, predictor=2, samples=3)
    delta = named("imagecodecs_delta", axis=-2, dist=1)
    assert found == [named("transpose", order=[1, 2, 0]), delta, LITTLE]


def test_planes_are_not():
    assert steps(UINT, 16, predictor=2, samples=3, planar=2) == [DELTA, LITTLE]


@pytest.mark.parametrize(("planar", "row"), [(1, 48), (2, 16)])
def test_a_row_of_packed_samples(planar: int, row: int):
    found = steps(UINT, 12, samples=3, planar=planar)[-1]
    assert found["configuration"]["runlen"] == row


REFUSED = [
    (UINT, 12, 2, "Predictor HorizontalDifferencing (2) over samples of 12 bits"),
    (FLOAT, 24, 2, "Predictor HorizontalDifferencing (2) over samples of 24 bits"),
    (CFLOAT, 128, 2, "Predictor HorizontalDifferencing (2) over samples of 128 bits"),
    (UINT, 32, 3, "Predictor FloatingPoint (3) over samples of 32 bits with SampleFormat Unsigned"),
    (CFLOAT, 64, 3, "Predictor FloatingPoint (3) over samples of 64 bits with SampleFormat Compl"),
    (UINT, 16, 34892, "Predictor unknown (34892) over samples of 16 bits"),
    (UINT, 16, 7, "Predictor unknown (7) over samples of 16 bits"),
]


@pytest.mark.parametrize(("sample_format", "bits", "predictor", "message"), REFUSED)
def test_predictors_that_libtiff_refuses(
    sample_format: int, bits: int, predictor: int, message: str
):
    with pytest.raises(UnsupportedError, match=r"tag Predictor \(317\), IFD 0") as caught:
        steps(sample_format, bits, predictor=predictor)
    assert message in str(caught.value)


def test_floats_of_the_dng_specification_need_whole_distances():
    data = image(values("f4", 4, 6), compression=8, extra_entries=[entry(317, SHORT, 34895)])
    with pytest.raises(UnsupportedError, match="over blocks of 6 columns"):
        read(data)


@pytest.mark.parametrize("depths", [[8, 8, 8, 1], [5, 5, 6], [16, 16, 16, 8]], ids=str)
def test_unequal_depths_are_refused_by_their_values(depths: list[int]):
    pixels = np.zeros((4, 4, len(depths)), "u1")
    data = image(pixels, photometric=2, extra_entries=[entry(258, SHORT, depths)])
    with pytest.raises(
        UnsupportedError, match=r"different BitsPerSample.*tag BitsPerSample \(258\)"
    ):
        read(data)


def test_unequal_depths_in_planes_are_refused():
    entries = [entry(258, SHORT, [5, 6, 5])]
    data = image(np.zeros((4, 4, 3), "u1"), photometric=2, planar=2, extra_entries=entries)
    with pytest.raises(UnsupportedError, match="different BitsPerSample"):
        read(data)


@pytest.mark.parametrize("photometric", [0, 1, 2, 3, 5, 8, 9, 10, 32803, 34892])
def test_other_colours_are_their_samples(photometric: int):
    pixels = values("u1", 8, 9, 3)
    data = image(pixels, photometric=photometric)
    np.testing.assert_array_equal(read(data), np.moveaxis(pixels, -1, 0))


@pytest.mark.parametrize("photometric", [0, 3])
def test_min_is_white_and_palettes_are_gdals_numbers(photometric: int):
    entries = [entry(320, SHORT, range(768))] if photometric == 3 else []
    data = image(values("u1", 8, 9), photometric=photometric, extra_entries=entries)
    np.testing.assert_array_equal(read(data), by_gdal(data))


@pytest.mark.parametrize(("photometric", "name"), [(32844, "LogL"), (32845, "LogLuv")])
def test_log_luminance_is_refused_by_name(photometric: int, name: str):
    match = rf"PhotometricInterpretation {name} \({photometric}\)"
    with pytest.raises(UnsupportedError, match=match):
        steps(INT, 16, photometric=photometric)
