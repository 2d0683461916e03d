"""What a published cube gives of blocks that go on when they are full: docs/publishing.md's table.

The table is held by fresh processes, one in which this package is not installed.
"""

from __future__ import annotations

import json
import lzma
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from support.build import image, lzw_encode
from support.fresh import run
from virtual_tiff import publish

ENCODERS: dict[str, tuple[int, Any]] = {
    "lzw": (5, lzw_encode),
    "packbits": (32773, imagecodecs.packbits_encode),
    "deflate": (8, zlib.compress),
    "lzma": (34925, lzma.compress),
    "zstd": (50000, imagecodecs.zstd_encode),
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "divides": {"rows_per_strip": 8},
    "short": {"rows_per_strip": 12},
    "tiles": {"tile": (16, 16)},
}
SURPLUS = {"whole": 0, "few": 16, "more": 17, "most": 200}

TABLE: dict[tuple[str, str], dict[str, str]] = {
    ("divides", "whole"): {"with": "right", "without": "right"},
    ("divides", "few"): {"with": "error", "without": "error"},
    ("divides", "more"): {"with": "error", "without": "error"},
    ("divides", "most"): {"with": "error", "without": "error"},
    ("short", "whole"): {"with": "right", "without": "error"},
    ("short", "few"): {"with": "right", "without": "error"},
    ("short", "more"): {"with": "last strip: error", "without": "error"},
    ("short", "most"): {"with": "right", "without": "error"},
    ("tiles", "whole"): {"with": "right", "without": "right"},
    ("tiles", "few"): {"with": "error", "without": "error"},
    ("tiles", "more"): {"with": "error", "without": "error"},
    ("tiles", "most"): {"with": "error", "without": "error"},
}
"""(layout, bytes that a block goes on) -> the result where this package is installed, and not."""

PIXELS = (np.arange(640).reshape(32, 20) * 7 % 251).astype("u1")

READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import icechunk, numpy as np, zarr
icechunk.set_logs_filter("error")
storage = icechunk.local_filesystem_storage({repository!r})
access = icechunk.containers_credentials({{{prefix!r}: None}})
repo = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
group = zarr.open_group(repo.readonly_session("main").store, mode="r")
true = (np.arange(640).reshape(32, 20) * 7 % 251).astype("u1")
def result(name, rows):
    try:
        found = group[name + "/0"][rows]
    except zarr.errors.UnknownCodecError as error:
        assert "virtual_tiff.pad" in str(error), error
        return "error"
    except ValueError as error:
        assert "cannot reshape" in str(error) or "the tags promise" in str(error), error
        return "error"
    return "right" if np.array_equal(found, true[rows]) else "WRONG"
results = {{}}
for name in {names!r}:
    whole, above = result(name, slice(None)), result(name, slice(0, 24))
    partly = whole == "error" and above == "right"
    results[name] = "last strip: error" if partly else whole
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, list[str]]:
    """The repository, the folder of its files as a prefix, and the files' names."""
    folder = tmp_path_factory.mktemp("files")
    for compression, (number, encode) in ENCODERS.items():
        for layout, options in LAYOUTS.items():
            for surplus, count in SURPLUS.items():
                data = image(
                    PIXELS,
                    compression=number,
                    encode=lambda raw, encode=encode, count=count: encode(raw + b"\7" * count),
                    **options,
                )
                (folder / f"{compression}_{layout}_{surplus}.tif").write_bytes(data)
    repository = tmp_path_factory.mktemp("cube") / "repo"
    published = publish(folder / "*.tif", str(repository), layout="group per file", ifd=0)
    assert published.files == len(ENCODERS) * len(TABLE)
    names = [f"{c}_{layout}_{s}" for c in ENCODERS for layout in LAYOUTS for s in SURPLUS]
    return str(repository), _prefix(folder), names


def _prefix(folder: Path) -> str:
    return f"{folder.as_uri()}/"


@pytest.mark.long
@pytest.mark.parametrize("package", ["with", "without"])
def test_the_table_of_blocks_that_go_on(cube: tuple[str, str, list[str]], package: str):
    repository, prefix, names = cube
    code = READ.format(repository=repository, prefix=prefix, names=names)
    results = json.loads(run(code, without_us=package == "without"))
    expected = {n: TABLE[n.split("_")[1], n.split("_")[2]][package] for n in names}
    assert results == expected
