"""Stores that virtual-tiff 0.5.0 wrote open, and give what GDAL and tifffile say of the files.

``testdata/predecessor`` has what it wrote, so that these tests need no 0.5.0. With the path of a
Python that has it in VIRTUAL_TIFF_050_PYTHON, it writes anew.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from numpy.typing import NDArray
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import default_buffer_prototype
from zarr.dtype import parse_dtype
from zarr.registry import get_codec_class
from zarr.storage import MemoryStore

from support.predecessor import GDAL, NAMES
from support.predecessor import write as write_tiffs
from support.registries import restored_registries
from virtual_tiff import register_codecs_of_050

DATA = Path(__file__).parents[2] / "testdata" / "predecessor"
SCRIPT = Path(__file__).parent.parent / "support" / "write_by_050.py"
PYTHON = os.environ.get("VIRTUAL_TIFF_050_PYTHON", "")

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning"),  # of `tune_zarr().undo()`
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
]

SWAPPED = "0.5.0 said the file's byte order of numbers that the decoder gives in this machine's"
STANDARD = ["jpeg", "jpeg2k", "jpegxl", "jpegxr", "lerc", "png", "webp", "floatpred"]
"""What imagecodecs-zarr and 0.5.0 both have, without `imagecodecs_`."""


@pytest.fixture(scope="module", autouse=True)
def codecs_of_050() -> Iterator[None]:
    """The call that a user makes; undone afterwards, as zarr's registries are the process's."""
    with restored_registries():
        register_codecs_of_050()
        yield


V2_XFAIL = {
    "floats_lzw_big": SWAPPED,
    "lerc_floats": "the codec of numcodecs ignores masks",
}
"""Kerchunk references of Zarr format 2 go to numcodecs' codecs, which are not ours."""

V2 = [
    pytest.param(
        path.name.partition(".")[0],
        marks=[pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)]
        if reason
        else [],
    )
    for path in sorted(DATA.glob("*.v2.json"))
    for reason in [V2_XFAIL.get(path.name.partition(".")[0])]
]


def truth(path: Path) -> NDArray[Any]:
    """The pixels, without an axis of one band."""
    if path.stem in GDAL:
        with rasterio.open(path) as dataset:
            found: NDArray[Any] = dataset.read()
    else:
        read: NDArray[Any] = np.atleast_3d(tifffile.imread(path))
        found = np.moveaxis(read, -1, 0)
    return found[0] if len(found) == 1 else found


def assert_pixels(group: Any, path: Path) -> None:
    expected = truth(path)
    np.testing.assert_array_equal(group["0"][...], expected)
    assert group["0"].dtype.newbyteorder("=") == expected.dtype


def bytes_of(reference: Any, folder: Path) -> bytes:
    if isinstance(reference, list):
        url, offset, length = reference
        return (folder / Path(url).name).read_bytes()[offset : offset + length]
    encoded = reference.removeprefix("base64:")
    return base64.b64decode(encoded) if encoded != reference else reference.encode()


def opened(folder: Path, name: str, zarr_format: int) -> Any:
    """The group that kerchunk references describe."""
    text = (folder / f"{name}.v{zarr_format}.json").read_text(encoding="utf-8")
    references = json.loads(text)["refs"]
    make = default_buffer_prototype().buffer.from_bytes
    values = {key: make(bytes_of(value, folder)) for key, value in references.items()}
    return zarr.open_group(MemoryStore(values), mode="r", zarr_format=zarr_format)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_wrote_gives_the_pixels(name: str) -> None:
    assert_pixels(opened(DATA, name, 3), DATA / f"{name}.tif")


@pytest.mark.parametrize("pipeline", ["BatchedCodecPipeline", "FusedCodecPipeline"])
@pytest.mark.parametrize(
    "name", ["rgb_deflate", "floats_bands_big", "delta_complex_big", "png_rgb"]
)
def test_either_pipeline_of_zarr_reads_it(name: str, pipeline: str) -> None:
    with zarr.config.set({"codec_pipeline.path": f"zarr.core.codec_pipeline.{pipeline}"}):
        assert_pixels(opened(DATA, name, 3), DATA / f"{name}.tif")


@pytest.mark.parametrize("name", V2)
def test_references_of_zarr_format_2_give_the_pixels(name: str) -> None:
    assert_pixels(opened(DATA, name, 2), DATA / f"{name}.tif")


def test_what_is_committed_is_what_the_generator_writes(tmp_path: Path) -> None:
    write_tiffs(tmp_path)
    for name in NAMES:
        np.testing.assert_array_equal(truth(tmp_path / f"{name}.tif"), truth(DATA / f"{name}.tif"))
    assert {path.stem for path in DATA.glob("*.tif")} == set(NAMES)


def test_every_codec_of_0_5_0_is_tried() -> None:
    found = {
        step["name"]
        for name in NAMES
        for step in opened(DATA, name, 3)["0"].metadata.to_dict()["codecs"]
    }
    images = ["jpeg", "jpeg2k", "jpegxl", "jpegxr", "lerc", "png", "webp"]
    others = ["floatpred", "lzw", "packbits", "zstd"]
    own = {"ChunkyCodec", "HorizontalDeltaCodec", "numcodecs.zlib", "numcodecs.lzma"}
    assert found == own | {"bytes", "transpose"} | {f"imagecodecs_{n}" for n in [*images, *others]}


READS_METADATA = """
import json, sys, warnings
import zarr
from zarr.errors import ZarrUserWarning
warnings.simplefilter("error", ZarrUserWarning)
from zarr.core.metadata.v3 import ArrayV3Metadata
assert not [name for name in sys.modules if name.startswith("virtual_tiff")]
if "call" in sys.argv:
    from virtual_tiff import register_codecs_of_050
    register_codecs_of_050()
    register_codecs_of_050()
for text in json.load(sys.stdin):
    try:
        metadata = ArrayV3Metadata.from_dict(json.loads(text))
        print(json.dumps(metadata.to_dict()["codecs"]))
    except TypeError as error:  # a key that imagecodecs-zarr's class does not take
        print("null")
"""


def written_codecs(name: str) -> Any:
    """What 0.5.0 wrote into the metadata of a file's array."""
    text = (DATA / f"{name}.v3.json").read_text(encoding="utf-8")
    return json.loads(text)["refs"]["0/zarr.json"]


def codecs_in_a_new_process(*arguments: str) -> list[Any]:
    """What zarr makes of the codecs of all files there."""
    command = [sys.executable, "-W", "ignore", "-c", READS_METADATA, *arguments]
    texts = json.dumps([written_codecs(name) for name in NAMES])
    done = subprocess.run(
        command, input=texts, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.long
def test_after_the_call_the_metadata_stay_the_same() -> None:
    for name, again in zip(NAMES, codecs_in_a_new_process("call"), strict=True):
        written = json.loads(written_codecs(name))["codecs"]
        assert [step["name"] for step in again] == [step["name"] for step in written]
        for step, read in zip(written, again, strict=True):
            if step["name"] not in {"bytes", "numcodecs.lzma", "numcodecs.zlib"}:  # zarr's own
                said = [metadata.get("configuration") or {} for metadata in (step, read)]
                assert said[0] == said[1]


@pytest.mark.long
def test_without_the_call_stores_open_that_need_no_name_of_others() -> None:
    both = {f"imagecodecs_{name}" for name in STANDARD}
    for name, read in zip(NAMES, codecs_in_a_new_process(), strict=True):
        written = {step["name"] for step in json.loads(written_codecs(name))["codecs"]}
        assert (read is None) == bool(written & both), name


@pytest.mark.parametrize("name", ["ChunkyCodec", "HorizontalDeltaCodec"])
def test_the_names_of_its_entry_points_are_known_too(name: str) -> None:
    made = get_codec_class(f"virtual_tiff.{name}").from_dict({"name": f"virtual_tiff.{name}"})
    assert made == get_codec_class(name).from_dict({"name": name})


@pytest.mark.parametrize("name", STANDARD)
def test_what_imagecodecs_zarr_writes_is_read_as_it_reads_it(name: str) -> None:
    from imagecodecs import zarr as theirs

    standard = getattr(theirs, name.capitalize())
    metadata = standard().to_dict()
    ours = get_codec_class(metadata["name"]).from_dict(metadata)
    assert isinstance(ours, standard)
    assert ours.to_dict() == metadata


def spec(shape: tuple[int, ...], data_type: str) -> ArraySpec:
    dtype = parse_dtype(data_type, zarr_format=3)
    return ArraySpec(
        shape=shape,
        dtype=dtype,
        fill_value=dtype.default_scalar(),
        config=ArrayConfig.from_dict({}),
        prototype=default_buffer_prototype(),
    )


FLOATS = {"shape": [4, 4], "dtype": "<f4", "axis": -1, "dist": 1}
IMAGE: dict[str, Any] = {"level": None, "squeeze": None}


@pytest.mark.parametrize(
    ("name", "configuration", "message"),
    [
        ("ChunkyCodec", {"endian": "middle"}, "neither little nor big"),
        ("ChunkyCodec", {"order": "F"}, "cannot have the configuration"),
        ("HorizontalDeltaCodec", {"axis": 1}, "cannot have the configuration"),
        ("imagecodecs_floatpred", {**FLOATS, "axis": 0}, "not a configuration"),
        ("imagecodecs_floatpred", {**FLOATS, "shape": [4]}, "not a configuration"),
        ("imagecodecs_floatpred", {**FLOATS, "shape": "44"}, "not a configuration"),
        ("imagecodecs_floatpred", {**FLOATS, "shape": [4, -4]}, "not a configuration"),
    ],
)
def test_other_configurations_are_refused(name: str, configuration: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_codec_class(name).from_dict({"name": name, "configuration": configuration})


@pytest.mark.parametrize(
    ("name", "configuration", "shape", "data_type", "message"),
    [
        ("ChunkyCodec", {"endian": "little"}, (2, 4, 4), "uint16", "the block has 8 bytes"),
        ("ChunkyCodec", {"endian": None}, (2, 2), "uint16", "need an endian"),
        ("ChunkyCodec", {"endian": "little"}, (8, 8), "bool", "the block has 8 bytes"),
        *(
            (f"imagecodecs_{name}", IMAGE, (4, 4), "uint8", "damage|not hold|not a JPEG|header")
            for name in STANDARD
            if name != "floatpred"
        ),
    ],
)
def test_a_damaged_block_raises_a_value_error(
    name: str, configuration: Any, shape: tuple[int, ...], data_type: str, message: str
) -> None:
    codec: Any = get_codec_class(name).from_dict({"name": name, "configuration": configuration})
    data = default_buffer_prototype().buffer.from_bytes(b"\xff\xd8 damag")
    with pytest.raises(ValueError, match=message):
        codec._decode_sync(data, spec(shape, data_type))


@pytest.mark.parametrize("name", [n for n in NAMES if n.split("_")[0] in {"jpeg", "png", "webp"}])
def test_an_image_of_another_size_is_not_decoded(name: str) -> None:
    array = opened(DATA, name, 3)["0"]
    codec: Any = array.metadata.codecs[-1]
    key = "/".join(["0/c", *["0"] * array.ndim])
    references = json.loads((DATA / f"{name}.v3.json").read_text(encoding="utf-8"))["refs"]
    block = default_buffer_prototype().buffer.from_bytes(bytes_of(references[key], DATA))
    encoded = spec((*array.chunks[:1], 16, 16) if array.ndim > 2 else (16, 16), str(array.dtype))
    assert len(codec._decode_sync(block, encoded)) == np.prod(array.chunks) * array.dtype.itemsize
    smaller = replace(encoded, shape=(*encoded.shape[:-1], 8))
    with pytest.raises(ValueError, match="tags promise"):
        codec._decode_sync(block, smaller)


def test_differences_of_other_types_are_refused() -> None:
    codec = get_codec_class("HorizontalDeltaCodec").from_dict({"name": "HorizontalDeltaCodec"})
    with pytest.raises(ValueError, match="predictor 2 has no differences of type complex128"):
        codec.resolve_metadata(spec((4, 4), "complex128"))


def test_floats_of_other_chunks_are_refused() -> None:
    metadata: Any = {"name": "imagecodecs_floatpred", "configuration": FLOATS}
    codec: Any = get_codec_class("imagecodecs_floatpred").from_dict(metadata)
    with pytest.raises(ValueError, match="is not the type of the array, float64"):
        codec.resolve_metadata(spec((4, 4), "float64"))
    block = default_buffer_prototype().nd_buffer.from_numpy_array(np.zeros((4, 32), "u1"))
    with pytest.raises(ValueError, match="is not that of the chunk"):
        codec._decode_sync(block, spec((4, 8), "float32"))


@pytest.mark.parametrize("name", ["rgb_deflate", "floats_lzw_big", "jpeg_gray"])
def test_a_codec_survives_pickle(name: str) -> None:
    import pickle

    codecs = opened(DATA, name, 3)["0"].metadata.codecs
    assert pickle.loads(pickle.dumps(codecs)) == codecs


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which 0.5.0 itself has written its stores."""
    if not PYTHON or shutil.which(PYTHON) is None:
        pytest.skip("VIRTUAL_TIFF_050_PYTHON names no Python with virtual-tiff 0.5.0")
    folder = tmp_path_factory.mktemp("predecessor")
    write_tiffs(folder)
    command = [PYTHON, str(SCRIPT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stderr
    return folder


def test_repositories_of_0_5_0_give_the_pixels(written: Path) -> None:
    found = sorted(written.glob("*.icechunk"))
    assert len(found) >= 15, "with zarr 3.4 it writes no interleaved bands; 28 with 3.2"
    url = f"file://{written}/"
    config = icechunk.RepositoryConfig.default()
    container = icechunk.VirtualChunkContainer(url, icechunk.local_filesystem_store(str(written)))
    config.set_virtual_chunk_container(container)
    for path in found:
        storage = icechunk.local_filesystem_storage(str(path))
        allowed: Any = {url: icechunk.credentials.LocalFileSystemAccess}
        repository = icechunk.Repository.open(
            storage, config, authorize_virtual_chunk_access=allowed
        )
        store = repository.readonly_session("main").store
        assert_pixels(zarr.open_group(store, mode="r"), written / f"{path.stem}.tif")


def test_references_of_0_5_0_give_the_pixels(written: Path) -> None:
    found = sorted(written.glob("*.v3.json"))
    assert len(found) >= 15
    for path in found:
        name = path.name.partition(".")[0]
        assert_pixels(opened(written, name, 3), written / f"{name}.tif")
