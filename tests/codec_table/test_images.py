"""Compressions that store images: their codecs by name, and what others read of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from virtualizarr.manifests import ManifestStore

from support.build import ASCII, LONG, SHORT, Entry, entry, image
from support.pixels import bands_first, stored_metadata, values, virtual, zarr_array
from virtual_tiff.codecs.guard.guard import GuardCodec
from virtual_tiff.store import CheckedManifestStore
from virtual_tiff.tiff import UnsupportedError

type Pixels = NDArray[Any]

BAND_LAST = {"name": "transpose", "configuration": {"order": [1, 2, 0]}}
BLACK_IS_ZERO, RGB, YCBCR = 1, 2, 6

ENCODERS: dict[str, Callable[[Pixels], bytes]] = {
    "jpeg2k": lambda a: imagecodecs.jpeg2k_encode(a, codecformat="J2K"),
    "jpegxl": lambda a: imagecodecs.jpegxl_encode(a, lossless=True),
    "jpegxr": lambda a: imagecodecs.jpegxr_encode(a, level=1.0),
    "lerc": lambda a: imagecodecs.lerc_encode(a, level=0),
    "png": imagecodecs.png_encode,
    "webp": lambda a: imagecodecs.webp_encode(a, lossless=True),
}
COMPRESSIONS = {
    34712: "jpeg2k",
    33003: "jpeg2k",
    33004: "jpeg2k",
    33005: "jpeg2k",
    50002: "jpegxl",
    52546: "jpegxl",
    34934: "jpegxr",
    22610: "jpegxr",
    34887: "lerc",
    34933: "png",
    50001: "webp",
    34927: "webp",
}
every_compression = pytest.mark.parametrize("compression", COMPRESSIONS)


def tiff(compression: int, pixels: Pixels, **options: Any) -> bytes:
    encode = ENCODERS[COMPRESSIONS[compression]]
    options = {"encode_block": lambda block: encode(np.ascontiguousarray(block)), **options}
    return image(pixels, compression=compression, **options)


def codecs(compression: int, pixels: Pixels, **options: Any) -> list[dict[str, Any]]:
    """The codecs with their configuration, be it empty; the blocks are not images at all."""
    data = tiff(compression, pixels, **{"encode_block": lambda _: b"none", **options})
    return [{"configuration": {}, **codec} for codec in stored_metadata(virtual(data))["codecs"]]


def named(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


# ---- names


@every_compression
def test_interleaved_samples_are_turned(compression: int):
    found = codecs(compression, values("u1", 16, 16, 3))
    assert found == [BAND_LAST, named(f"imagecodecs_{COMPRESSIONS[compression]}")]


@pytest.mark.parametrize("compression", [c for c in COMPRESSIONS if COMPRESSIONS[c] != "webp"])
@pytest.mark.parametrize("planar", [1, 2])
def test_one_sample_a_block_needs_one_codec(compression: int, planar: int):
    pixels = values("u1", 16, 16) if planar == 1 else values("u1", 16, 16, 3)
    found = codecs(compression, pixels, planar=planar)
    assert found == [named(f"imagecodecs_{COMPRESSIONS[compression]}")]


@every_compression
@pytest.mark.parametrize("byteorder", ["II", "MM"])
def test_bytes_are_the_same_in_either_order(compression: int, byteorder: str):
    pixels = values("u1", 16, 16, 3)
    assert codecs(compression, pixels, byteorder=byteorder) == codecs(compression, pixels)


@every_compression
def test_the_predictor_is_not_looked_at(compression: int):
    pixels = values("u1", 16, 16, 3)
    with_predictor = codecs(compression, pixels, extra_entries=[entry(317, SHORT, 2)])
    assert with_predictor == codecs(compression, pixels)


@every_compression
def test_fill_order_counts_where_libtiff_decodes(compression: int):
    found = codecs(compression, values("u1", 16, 16, 3), extra_entries=[entry(266, SHORT, 2)])
    reversed_bits = named("virtual_tiff.reverse_bits") in found
    assert reversed_bits == (COMPRESSIONS[compression] in {"lerc", "webp", "jpegxl"})


@every_compression
@pytest.mark.parametrize("planar", [1, 2])
def test_the_last_strip_may_be_short(compression: int, planar: int):
    if COMPRESSIONS[compression] == "webp" and planar == 2:
        pytest.skip("WebP has no planes")
    pixels = values("u1", 20, 16, 3)
    *turned, found = codecs(compression, pixels, planar=planar, rows_per_strip=16)
    inner = {"name": f"imagecodecs_{COMPRESSIONS[compression]}", "configuration": {}}
    configuration = {"codec": inner, "last": 4, "axis": planar - 4, "last_columns": None}
    assert found == named("virtual_tiff.short_image", **configuration)
    assert turned == ([BAND_LAST] if planar == 1 else [])


@every_compression
def test_tiles_may_be_cut_where_writers_do_so(compression: int):
    *_, found = codecs(compression, values("u1", 40, 24, 3), tile=(16, 16))
    cut = found["name"] == "virtual_tiff.short_image"
    assert cut == (COMPRESSIONS[compression] in {"png", "jpegxr"})
    if cut:
        configuration = found["configuration"]
        assert (configuration["last"], configuration["last_columns"]) == (8, 8)


@pytest.mark.parametrize("shape", [(32, 24), (40, 32)], ids=["right", "foot"])
def test_tiles_may_be_cut_on_one_side(shape: tuple[int, int]):
    *_, found = codecs(34933, values("u1", *shape), tile=(16, 16))
    assert found["name"] == "virtual_tiff.short_image"


def test_tiles_that_fit_need_no_codec_of_ours():
    assert codecs(34933, values("u1", 32, 16), tile=(16, 16)) == [named("imagecodecs_png")]


def test_an_alpha_of_webp():
    *_, found = codecs(50001, values("u1", 16, 16, 4))
    assert found == named("imagecodecs_webp", hasalpha=True)


APERIO = entry(270, ASCII, "Aperio Image Library vFS90 01")


@pytest.mark.parametrize(
    ("compression", "photometric", "extra", "ours"),
    [
        (33003, YCBCR, [], True),
        (33003, RGB, [APERIO], True),
        (33003, RGB, [], False),
        (33003, RGB, [entry(270, ASCII, "OME")], False),
        (33003, RGB, [entry(270, ASCII, "Aperio", count=99, offset=2**31)], False),
        (33004, YCBCR, [APERIO], False),
        (33005, YCBCR, [APERIO], False),
        (34712, YCBCR, [APERIO], False),
    ],
)
def test_what_is_aperios_ycbcr(
    compression: int, photometric: int, extra: list[Entry], *, ours: bool
):
    *_, found = codecs(
        compression, values("u1", 16, 16, 3), photometric=photometric, extra_entries=extra
    )
    assert found == named("virtual_tiff.jpeg2k_ycbcr" if ours else "imagecodecs_jpeg2k")


def test_aperios_number_of_gray_and_of_16_bits():
    assert codecs(33003, values("u1", 16, 16), photometric=YCBCR) == [named("imagecodecs_jpeg2k")]
    *_, found = codecs(33003, values("u2", 16, 16, 3), photometric=YCBCR)
    assert found == named("imagecodecs_jpeg2k")


@pytest.mark.parametrize(("number", "name"), [(0, None), (1, "deflate"), (2, "zstd")])
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_additional_compression_of_lerc(number: int, name: str | None, dtype: str):
    parameters = entry(50674, LONG, [4, number])
    (found,) = codecs(34887, values(dtype, 16, 16), extra_entries=[parameters])
    assert found["configuration"].get("compression") == name
    assert found["name"] == ("virtual_tiff.lerc" if dtype == "f4" else "imagecodecs_lerc")


def test_lerc_without_parameters():
    assert codecs(34887, values("u1", 16, 16)) == [named("imagecodecs_lerc")]


# ---- what is refused


@every_compression
@pytest.mark.parametrize("dtype", ["u8", "i8", "c8"])
def test_types_that_no_image_holds_are_refused(compression: int, dtype: str):
    with pytest.raises(UnsupportedError, match=rf"\({compression}\) of .* bits.*BitsPerSample"):
        codecs(compression, values(dtype, 16, 16, 3))


@every_compression
def test_samples_of_unequal_depth_are_refused(compression: int):
    depths = entry(258, SHORT, [8, 8, 16])
    with pytest.raises(UnsupportedError, match="BitsPerSample"):
        codecs(compression, values("u1", 16, 16, 3), extra_entries=[depths])


@every_compression
def test_undefined_samples_are_taken_as_unsigned(compression: int):
    undefined = entry(339, SHORT, [4, 4, 4])
    pixels = values("u1", 16, 16, 3)
    assert codecs(compression, pixels, extra_entries=[undefined]) == codecs(compression, pixels)


# ---- readers that are not ours


def plain(store: CheckedManifestStore) -> zarr.Array[Any]:
    """The array as a reader finds it that knows imagecodecs-zarr alone."""
    standard = ManifestStore(group=store.group, registry=store._registry)
    array = zarr.open_array(standard, path="0", mode="r", zarr_format=3)
    assert not any(isinstance(codec, GuardCodec) for codec in array.metadata.codecs)
    return array


@every_compression
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("tile", [(16, 16), None], ids=["tiles", "strips"])
def test_persisted_metadata_read_the_same(compression: int, samples: int, tile: Any):
    if COMPRESSIONS[compression] == "webp" and samples == 1:
        pytest.skip("WebP has three samples at least")
    pixels = values("u1", *((40, 32) if samples == 1 else (40, 32, samples)))
    store = virtual(tiff(compression, pixels, tile=tile, rows_per_strip=16))
    assert np.array_equal(np.asarray(plain(store)[...]), bands_first(pixels))
    assert np.array_equal(np.asarray(zarr_array(store)[...]), bands_first(pixels))


@every_compression
def test_windows_read(compression: int):
    pixels = values("u1", 40, 32, 3)
    array = zarr_array(virtual(tiff(compression, pixels, tile=(16, 16))))
    found = np.asarray(array[1:, 10:35, 15:17])
    assert np.array_equal(found, bands_first(pixels)[1:, 10:35, 15:17])


@every_compression
def test_a_missing_block_reads_as_zeros(compression: int):
    pixels = values("u1", 32, 16, 3)
    data = tiff(compression, pixels, rows_per_strip=16, sparse=[1])
    found = np.asarray(zarr_array(virtual(data))[...])
    assert np.array_equal(found[:, :16], bands_first(pixels)[:, :16])
    assert not found[:, 16:].any()
