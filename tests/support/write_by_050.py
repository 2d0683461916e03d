"""Write stores by virtual-tiff 0.5.0; run by a Python that has it, and not this package.

``write_by_050.py FOLDER`` writes for each TIFF of a folder, as far as 0.5.0 can: NAME.v3.json and
NAME.v2.json, kerchunk references of both Zarr formats with urls as ``file:///TIFFS/NAME.tif``, and
the Icechunk repository NAME.icechunk. It prints what it wrote, and why it did not.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import icechunk
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore

import virtual_tiff

PLACE = "/TIFFS/"


def references(dataset: Any, target: Path, folder: Path, *, zarr_format: Literal[2, 3]) -> None:
    """Write kerchunk references that name no folder of this machine."""
    made = dataset.vz.to_kerchunk(format="dict", zarr_format=zarr_format)
    text = json.dumps(made, indent=1, sort_keys=True)
    target.write_text(text.replace(f"{folder}/", PLACE) + "\n")


def repository(dataset: Any, target: Path, folder: Path) -> None:
    """Write an Icechunk repository."""
    url = f"file://{folder}/"
    config = icechunk.RepositoryConfig.default()
    container = icechunk.VirtualChunkContainer(url, icechunk.local_filesystem_store(str(folder)))
    config.set_virtual_chunk_container(container)
    storage = icechunk.local_filesystem_storage(str(target))
    session = icechunk.Repository.create(storage, config).writable_session("main")
    dataset.vz.to_icechunk(session.store)
    session.commit("written by virtual-tiff 0.5.0")


def main(folder: Path) -> None:
    """Write all stores of a folder."""
    assert virtual_tiff.__version__ == "0.5.0", virtual_tiff.__version__
    parser = virtual_tiff.VirtualTIFF(ifd=0)
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    for path in sorted(folder.glob("*.tif")):
        writers: dict[str, Callable[[Any, Path, Path], None]] = {
            "v3.json": partial(references, zarr_format=3),
            "v2.json": partial(references, zarr_format=2),
            "icechunk": repository,
        }
        for suffix, writer in writers.items():
            target = folder / f"{path.stem}.{suffix}"
            try:
                dataset = parser(f"file://{path}", registry).to_virtual_dataset()
                writer(dataset, target, folder)
                print(target.name)
            except Exception as error:
                print(f"not {target.name}: {type(error).__name__}: {str(error)[:90]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
