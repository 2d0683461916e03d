"""Files of many pages cost memory by their directories, and little more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

from virtual_tiff import VirtualTIFF

_MOST_MEGABYTES = 150
"""Above what the imports take."""


def test_the_text_of_a_store_is_short_however_many_pages_it_has(tmp_path: Path) -> None:
    """zarr makes it for each node that it opens: listing nodes must not square their number."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for n in range(50):
            writer.write(np.full((4, 4), n, "u2"), metadata=None, contiguous=False)
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    store = VirtualTIFF(ifd_layout="nested")(path.as_uri(), registry)
    assert len(str(store)) < 200
    assert "of 50 members" in str(store)
    group = zarr.open_group(store, mode="r", zarr_format=3)
    assert len(list(group.members(max_depth=None))) == 100


_CHILD = """
import resource, sys
import zarr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtual_tiff import VirtualTIFF
parser = VirtualTIFF(ifd_layout="stack")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store = parser(sys.argv[1], ObjectStoreRegistry({"file://": LocalStore()}))
array = zarr.open_group(store, mode="r")["image"]
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(array.shape[0], int(array[7777, 0, 0]), (after - before) / 1024)
"""


@pytest.mark.long
def test_ten_thousand_pages_are_a_stack_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for n in range(10_000):
            writer.write(np.full((4, 4), n, "u2"), metadata=None, contiguous=False)
    command = [sys.executable, "-c", _CHILD, path.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    pages, value, megabytes = result.stdout.split()
    assert (int(pages), int(value)) == (10_000, 7777)
    assert float(megabytes) < _MOST_MEGABYTES
