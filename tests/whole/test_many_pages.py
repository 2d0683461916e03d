"""Files of many pages cost memory by their directories, and little more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

_MOST_MEGABYTES = 150
"""Above what the imports take."""

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
