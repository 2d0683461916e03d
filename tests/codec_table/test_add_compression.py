"""A compression of somebody else's: in this process, and as a package that is installed."""

from __future__ import annotations

import bz2
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.abc.codec import BytesBytesCodec
from zarr.registry import register_codec

from support.build import image
from support.pixels import read, virtual
from virtual_tiff import UnsupportedError
from virtual_tiff.codec_table import (
    COMPRESSIONS,
    CodecDescription,
    CompressionRow,
    add_compression,
    codec,
    rows,
)
from virtual_tiff.codec_table.readers import packages, readers
from virtual_tiff.codec_table.words import codec_aspects, codec_tag
from virtual_tiff.codecs.base import ReadingCodec
from virtual_tiff.tiff import Tag

NUMBER = 65010
ROW = CompressionRow("bzip2", codec=codec("example.bzip2_here"), predictor=True)
PIXELS: NDArray[Any] = np.arange(64 * 96, dtype="u2").reshape(64, 96)
DATA = image(PIXELS, compression=NUMBER, encode=bz2.compress)
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-codec.md"


class Bzip2Codec(ReadingCodec, BytesBytesCodec):
    name = "example.bzip2_here"

    def _decode_sync(self, chunk_data: Any, chunk_spec: Any) -> Any:
        return chunk_spec.prototype.buffer.from_bytes(bz2.decompress(chunk_data.to_bytes()))


register_codec("example.bzip2_here", Bzip2Codec)


@pytest.fixture(autouse=True)
def table_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(COMPRESSIONS)
    monkeypatch.setattr(rows, "_DESCRIBED", dict(rows._DESCRIBED))
    yield
    COMPRESSIONS.clear()
    COMPRESSIONS.update(before)
    rows.forget_findings()


# ---- in this process


def test_it_is_read_from_then_on():
    with pytest.raises(UnsupportedError, match=r"Compression unknown \(65010\) has no row"):
        virtual(DATA)
    add_compression(NUMBER, ROW)
    np.testing.assert_array_equal(read(DATA), PIXELS)


def test_its_predictor_is_undone():
    add_compression(NUMBER, ROW)
    data = image(PIXELS, compression=NUMBER, encode=bz2.compress, predictor=2)
    np.testing.assert_array_equal(read(data), PIXELS)


def test_it_has_words():
    add_compression(NUMBER, ROW)
    steps = [codec("bytes", endian="little"), codec("example.bzip2_here")]
    assert codec_aspects(steps)["Compression"] == "bzip2"
    assert codec_tag(steps[1]) == (Tag.Compression, "Compression bzip2")


def test_its_package_is_named():
    described = CodecDescription("example.bzip2_here", package="bzip2-tiff")
    add_compression(NUMBER, replace(ROW, decoders=(described,)))
    steps = [codec("bytes"), codec("virtual_tiff.pad"), codec("example.bzip2_here")]
    assert packages(step["name"] for step in steps) == ("virtual-tiff", "bzip2-tiff")
    assert readers(steps, "uint8") == ("zarr-python + virtual-tiff + bzip2-tiff",)


def test_a_codec_of_no_package_is_read_by_nobody_else():
    add_compression(NUMBER, ROW)
    assert packages(["bytes", "example.bzip2_here"]) == ()
    assert readers([codec("bytes"), codec("example.bzip2_here")], "uint8") == ()


def test_a_number_that_has_a_row_is_refused():
    with pytest.raises(ValueError, match="Compression 8 is deflate; pass replace=True"):
        add_compression(8, ROW)
    assert COMPRESSIONS[8].label == "deflate"


def test_a_known_codec_may_have_another_number():
    add_compression(NUMBER, CompressionRow("my deflate", codec=codec("numcodecs.zlib", level=1)))
    np.testing.assert_array_equal(
        read(image(PIXELS, compression=NUMBER, encode=zlib.compress)), PIXELS
    )
    assert "zarrs" in readers([codec("bytes"), codec("numcodecs.zlib")], "uint8")


def test_the_same_row_may_be_added_again():
    add_compression(NUMBER, ROW)
    add_compression(NUMBER, CompressionRow("bzip2", codec=codec(Bzip2Codec.name), predictor=True))


def test_a_row_may_be_replaced_and_nothing_of_the_old_one_is_remembered():
    deflated = image(PIXELS, compression=8)
    np.testing.assert_array_equal(read(deflated), PIXELS)  # what was found out is kept
    add_compression(8, ROW, replace=True)
    with pytest.raises(ValueError, match=r"block 0/c/0/0 of memory:///a\.tif does not decode"):
        read(deflated)
    np.testing.assert_array_equal(read(image(PIXELS, compression=8, encode=bz2.compress)), PIXELS)


def test_another_description_of_a_codec_is_refused():
    other = replace(ROW, decoders=(CodecDescription("zstd", package="another"),))
    with pytest.raises(ValueError, match="the codec zstd is described otherwise"):
        add_compression(NUMBER, other)


@pytest.mark.parametrize(("code", "row"), [(0, ROW), (2**16, ROW), ("8", ROW), (NUMBER, "bzip2")])
def test_what_is_no_compression_is_refused(code: Any, row: Any):
    with pytest.raises(ValueError, match="a number up to 65535 and a CompressionRow"):
        add_compression(code, row)


# ---- as a package

POINTS = """
[virtual_tiff.compressions]
65010 = bzip2_tiff:ROW
[zarr.codecs]
example.bzip2 = bzip2_tiff:Bzip2Codec
"""


def install(folder: Path, name: str, points: str) -> None:
    """Lay out what an installer does for the package of the documentation."""
    module = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    (folder / "bzip2_tiff.py").write_text(module, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


def in_a_fresh_process(folder: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    install(tmp_path, "bzip2-tiff", POINTS)
    (tmp_path / "a.tif").write_bytes(DATA)
    return tmp_path


@pytest.mark.long
def test_info_knows_it(installed: Path):
    shown = in_a_fresh_process(installed, "-m", "virtual_tiff", "info", "a.tif")
    assert "bzip2" in shown
    assert "bytes, example.bzip2" in shown
    assert "read by zarr-python + bzip2-tiff" in shown


PUBLISH = """
import json, os, sys
from virtual_tiff import publish
published = publish("a.tif", "cube")
print(json.dumps([published.readers_need, published.how_to_open]))
"""
END = "\nsys.stdout.flush()\nos._exit(0)"  # threads of Icechunk may abort an interpreter's end


@pytest.mark.long
def test_it_is_published_and_the_lines_that_are_printed_open_it(installed: Path):
    (installed / "publish_it.py").write_text(PUBLISH + END)
    need, lines = json.loads(in_a_fresh_process(installed, "publish_it.py"))
    assert need == ["bzip2-tiff"]
    total = f"{lines}\nimport os, sys\nprint(int(tree['a']['0'].astype('u8').sum()))"
    (installed / "open_it.py").write_text(total + END)
    assert int(in_a_fresh_process(installed, "open_it.py")) == int(PIXELS.astype("u8").sum())


def what_is_said(folder: Path) -> str:
    """The error for a file whose row is asked for."""
    code = "from virtual_tiff.codec_table import compression_name as f\ntry: f(65010)\n"
    return in_a_fresh_process(folder, "-c", f"{code}except Exception as error: print(error)")


def test_two_packages_with_one_number_are_named(installed: Path):
    install(installed, "other-bzip2", POINTS)
    assert "packages bzip2-tiff and other-bzip2; uninstall" in what_is_said(installed)


@pytest.mark.long
def test_a_row_that_cannot_be_loaded_names_its_package(tmp_path: Path):
    install(tmp_path, "broken-tiff", POINTS.replace(":ROW", ":MISSING"))
    assert "the row of the package broken-tiff cannot be loaded" in what_is_said(tmp_path)


def test_a_refused_row_describes_none_of_its_codecs() -> None:
    row = CompressionRow(
        "other",
        codec=codec("example.new"),
        decoders=(CodecDescription("example.new"), CodecDescription("zstd", says="mine")),
    )
    with pytest.raises(ValueError, match="the codec zstd is described otherwise"):
        add_compression(65_011, row)
    assert 65_011 not in COMPRESSIONS
    assert rows.described("example.new") is None


def test_a_codec_within_another_is_said_as_itself():
    within = {"codec": {"name": "imagecodecs_jpeg"}, "last": 8}
    name = "virtual_tiff.short_image"
    said = codec_tag({"name": name, "configuration": within})
    assert said == codec_tag({"name": "imagecodecs_jpeg"})
    assert said[0] is Tag.Compression


def test_a_codec_that_no_tag_stands_for_is_said_by_its_name():
    assert codec_tag({"name": "example.unheard_of"}) == (None, "what is stored as unheard_of")
    assert codec_tag({"name": "unheard_of"}) == (None, "what is stored as unheard_of")


def test_a_compression_whose_settings_matter_is_said_with_them():
    aspects = codec_aspects([{"name": "zstd", "configuration": {"level": 3, "checksum": False}}])
    assert (aspects["Compression"], aspects["codecs"]) == ("zstd", "none")
    aspects = codec_aspects([{"name": "imagecodecs_jpeg", "configuration": {"tables": "abc"}}])
    assert aspects["codecs"] == "imagecodecs_jpeg(tables=abc)"
