"""The array's metadata as a plain dict: what `zarr.json` says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from support.build import ASCII, Picture, entry, image, images
from support.pixels import by_gdal, read, stored_metadata, values, virtual, zarr_array
from virtual_tiff.arrays import image as image_module
from virtual_tiff.arrays.metadata import array_metadata


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The dicts that `array_metadata` gave while a file was parsed, in the order of the arrays."""

    def recorded(data: bytes, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def record(*arguments: Any, **keywords: Any) -> dict[str, Any]:
            found.append(array_metadata(*arguments, **keywords))
            return found[-1]

        monkeypatch.setattr(image_module, "array_metadata", record)
        virtual(data, **options)
        return found

    return recorded


DATA_TYPES = {
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "f2": "float16",
    "f4": "float32",
    "f8": "float64",
    "c8": "complex64",
    "c16": "complex128",
}


def test_the_whole_of_it(plain: Any):
    data = image(values("u2", 21, 29), compression=8, rows_per_strip=8)
    assert plain(data) == [
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [21, 29],
            "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 29]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "virtual_tiff.pad", "configuration": {"size": 464, "last": 290}},
                {"name": "numcodecs.zlib", "configuration": {"level": 1}},
            ],
            "attributes": {"photometric_interpretation": 1, "colorinterp": "gray"},
            "dimension_names": ["y", "x"],
            "storage_transformers": [],
        }
    ]


FILES: dict[str, bytes] = {
    "strips": image(values("u2", 21, 29), compression=8, rows_per_strip=8),
    "tiles": image(values("f4", 40, 50, 3), compression=5, predictor=3, tile=(16, 16)),
    "planar": image(values("i2", 40, 50, 3), planar=2, tile=(16, 32), byteorder="MM"),
    "nodata": image(values("f8", 5, 7), extra_entries=[entry(42113, ASCII, "nan")]),
    "complex": image(values("c8", 5, 7), extra_entries=[entry(42113, ASCII, "inf")]),
}

every_file = pytest.mark.parametrize("name", FILES)


@every_file
def test_it_is_strict_json(plain: Any, name: str):
    (metadata,) = plain(FILES[name])
    assert json.loads(json.dumps(metadata, allow_nan=False)) == metadata


@every_file
def test_every_codec_has_its_configuration(plain: Any, name: str):
    (metadata,) = plain(FILES[name])
    assert [sorted(codec) for codec in metadata["codecs"]] == [["configuration", "name"]] * len(
        metadata["codecs"]
    )


@every_file
def test_what_is_persisted_says_the_same(plain: Any, name: str):
    (metadata,) = plain(FILES[name])
    # the layouts add the names of the coordinates
    stored = stored_metadata(virtual(FILES[name], coordinates=False))
    left_out = {"codecs"}  # zarr drops what goes without saying
    assert {k: v for k, v in stored.items() if k not in left_out} == {
        k: v for k, v in metadata.items() if k not in left_out
    }


@pytest.mark.parametrize(("dtype", "name"), DATA_TYPES.items())
def test_the_data_type(plain: Any, dtype: str, name: str):
    (metadata,) = plain(image(values(dtype, 5, 7)))
    assert metadata["data_type"] == name


@pytest.mark.parametrize(
    ("shape", "options", "array", "chunk"),
    [
        ((21, 29), {"rows_per_strip": 8}, [21, 29], [21, 29]),
        ((21, 29), {"rows_per_strip": 8, "compression": 8}, [21, 29], [8, 29]),
        ((21, 29), {"tile": (16, 32)}, [21, 29], [16, 32]),
        ((21, 29), {"tile": (64, 64)}, [21, 29], [64, 64]),
        ((21, 29, 3), {"tile": (16, 32)}, [3, 21, 29], [3, 16, 32]),
        ((21, 29, 3), {"tile": (16, 32), "planar": 2}, [3, 21, 29], [1, 16, 32]),
        ((21, 29, 3), {"rows_per_strip": 8, "compression": 8}, [3, 21, 29], [3, 8, 29]),
        ((21, 29, 1), {"rows_per_strip": 8, "compression": 8, "planar": 2}, [21, 29], [8, 29]),
    ],
)
def test_shape_and_chunks(
    plain: Any, shape: tuple[int, ...], options: dict[str, Any], array: list[int], chunk: list[int]
):
    (metadata,) = plain(image(values("u2", *shape), **options))
    grid = {"name": "regular", "configuration": {"chunk_shape": chunk}}
    assert (metadata["shape"], metadata["chunk_grid"]) == (array, grid)


def test_dimensions_are_called_by_their_axes(plain: Any):
    pages = [
        Picture(values("u1", 4, 5)),
        Picture(values("u1", 2, 3)),
        Picture(values("u1", 4, 5, 3)),
    ]
    names = [metadata["dimension_names"] for metadata in plain(images(pages))]
    assert names == [["y", "x"], ["y", "x"], ["band", "y", "x"]]


@pytest.mark.parametrize(
    ("dtype", "text", "fill"),
    [
        ("u1", None, 0),
        ("u1", "7", 7),
        ("u1", "300", 255),
        ("i2", "-9999", -9999),
        ("i8", "9007199254740993", 9007199254740993),
        ("u8", "18446744073709551615", 18446744073709551615),
        ("f4", None, 0.0),
        ("f4", "-9999", -9999.0),
        ("f4", "nan", "NaN"),
        ("f4", "inf", "Infinity"),
        ("f8", "-inf", "-Infinity"),
        ("f8", "junk", 0.0),
        ("c8", None, [0.0, 0.0]),
        ("c8", "0.5", [0.5, 0.0]),
        ("c16", "nan", ["NaN", 0.0]),
    ],
)
def test_fill_value(plain: Any, dtype: str, text: str | None, fill: Any):
    nodata = [] if text is None else [entry(42113, ASCII, text)]
    (metadata,) = plain(image(values(dtype, 5, 7), extra_entries=nodata))
    assert (metadata["fill_value"], type(metadata["fill_value"])) == (fill, type(fill))


def test_zarr_reads_a_large_fill_value_without_loss():
    nodata = entry(42113, ASCII, "18446744073709551615")
    array = zarr_array(virtual(image(values("u8", 5, 7), extra_entries=[nodata])))
    assert array.fill_value == np.uint64(2**64 - 1)


def test_it_needs_no_zarr():
    code = (
        "import sys, virtual_tiff.arrays.metadata, virtual_tiff.arrays.chunks;"
        "print([name for name in ('zarr', 'virtualizarr', 'xarray') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("nodata", ["300", "-1", "3.7", "nan", "1e30", "255", "-inf"])
def test_a_missing_block_reads_as_gdal_reads_it(nodata: str):
    data = image(
        values("u1", 40, 20),
        compression=8,
        rows_per_strip=20,
        sparse={1},
        extra_entries=[entry(42113, ASCII, nodata)],
    )
    np.testing.assert_array_equal(read(data), by_gdal(data))
