"""A global elevation model: how fast a grid of a million tiles is planned, written and opened.

    python benchmarks/grid.py                  720 x 1,440 tiles, a chunk each
    python benchmarks/grid.py --overlap        the same with tiles that share a row and a column
    python benchmarks/grid.py --split          the same with manifests of 128 x 128 tiles
    python benchmarks/grid.py --rows 72 --columns 144

The tiles are not stored: a small archive of four is published, whose array gives the metadata, and
one of its files stands for every tile. Planning is the package's pure planner, writing Icechunk's
own. Prints seconds, memory, the size of the array's metadata, and what one pixel costs.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import rasterio
import zarr
from rasterio.transform import from_origin

from virtual_tiff.publishing import publish
from virtual_tiff.publishing.planning.grid import GridPlan, Tiles, plan_grid, run_lengths

SPACING, BLOCK = 900, 1024
"""Pixels from a tile to the next one, and of a block, of which a chunk shows a part."""


@dataclass(slots=True)
class Figures:
    """What was measured."""

    seconds: dict[str, float] = field(default_factory=dict)
    references: int = 0
    metadata: int = 0
    """Bytes of the array's zarr.json."""
    correct: bool = False
    """Whether the pixel that was read is the tile's."""

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measure a step."""
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=720, help="of tiles")
    parser.add_argument("--columns", type=int, default=1440, help="of tiles")
    parser.add_argument(
        "--split", action="store_true", help="many manifests, as for a large mosaic"
    )
    parser.add_argument("--overlap", action="store_true", help="tiles share a row and a column")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shape = (options.rows, options.columns)
        figures = measure(Path(folder), *shape, overlap=options.overlap, split=options.split)
    print(f"{options.rows:,} x {options.columns:,} tiles, {figures.references:,} references")
    for step, seconds in figures.seconds.items():
        print(f"  {step:<28} {seconds * 1000:12,.1f} ms")
    print(f"  {'metadata of the array':<28} {figures.metadata / 1000:12,.1f} kB")
    print(f"  {'peak memory':<28} {peak_memory() / 1e6:12,.0f} MB")
    if not figures.correct:
        msg = "the pixel is another one"
        raise SystemExit(msg)


def peak_memory() -> int:
    """Return the most bytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(folder: Path, rows: int, columns: int, *, overlap: bool, split: bool) -> Figures:
    """Plan, write and open a grid of tiles; the repository is left in the folder."""
    figures = Figures()
    side = SPACING + overlap
    metadata, tile, offset, length = small_archive(folder, side)
    with figures.timed("plan"):
        plan = planned(rows, columns, side)
    storage = icechunk.local_filesystem_storage(str(folder / "global"))
    prefix = f"file://{tile.parent}/"
    container = icechunk.VirtualChunkContainer(prefix, icechunk.local_filesystem_store(prefix[7:]))
    config = icechunk.RepositoryConfig.default()
    if split:
        axes = {icechunk.ManifestSplitDimCondition.DimensionName("^[yx]$"): 128}
        sizes = {icechunk.ManifestSplitCondition.AnyArray(): axes}
        splitting = icechunk.ManifestSplittingConfig.from_dict(sizes)
        config.manifest = icechunk.ManifestConfig(splitting=splitting)
    config.set_virtual_chunk_container(container)
    access = icechunk.containers_credentials({prefix: icechunk.credentials.LocalFileSystemAccess})
    with figures.timed("write and commit"):
        repository = icechunk.Repository.create(storage, config, access)
        repository.save_config()
        session = repository.writable_session("main")
        with zarr.config.set({"array.rectilinear_chunks": True}):
            figures.references = written(session.store, metadata, plan, tile, offset, length)
        session.commit("a global elevation model")
    figures.metadata = len(json.dumps(whole(metadata, plan)))
    with zarr.config.set({"array.rectilinear_chunks": True}):
        with figures.timed("open"):
            opened = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
            store = opened.readonly_session("main").store
            array: Any = zarr.open_group(store, mode="r")["0"]
        row, column = SPACING * rows // 2 + 17, SPACING * columns // 3 + 30
        with figures.timed("the first pixel"):
            pixel = array[row, column]
        with figures.timed("another pixel, of another tile"):
            other = array[row + SPACING, column + SPACING]
    with rasterio.open(tile) as file:
        expected = file.read(1)[row % SPACING, column % SPACING]
    figures.correct = bool(pixel == other == expected)
    return figures


def planned(rows: int, columns: int, side: int) -> GridPlan:
    """Plan the chunks of a grid of tiles."""
    row, column = np.divmod(np.arange(rows * columns, dtype=np.int64), columns)
    starts = np.stack([row * SPACING, column * SPACING], axis=1)
    tiles = Tiles(
        path="0",
        starts=starts,
        sizes=np.full_like(starts, side),
        blocks=np.full_like(starts, BLOCK),
        names=range(len(starts)),  # type: ignore[arg-type]  # names are looked up for errors alone
        axes=("y", "x"),
    )
    return plan_grid(tiles, (0, 1), overlap="last")


def small_archive(folder: Path, side: int) -> tuple[dict[str, Any], Path, int, int]:
    """Publish 2 x 2 tiles; gives the array's metadata, one file, and where its block lies."""
    files = []
    for row in range(2):
        for column in range(2):
            path = folder / "tiles" / f"r{row}_c{column}.tif"
            path.parent.mkdir(exist_ok=True)
            corner = (column * SPACING * 0.1, 60 - row * SPACING * 0.1)
            heights = np.random.default_rng(len(files)).integers(0, 4000, (side, side))
            profile = {"crs": "EPSG:4326", "transform": from_origin(*corner, 0.1, 0.1)}
            profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
            with rasterio.open(
                path, "w", driver="GTiff", height=side, width=side, count=1, dtype="int16",
                compress="deflate", **profile,
            ) as file:  # fmt: skip
                file.write(heights.astype("i2"), 1)
                file.update_tags(ns="", TIFFTAG_SOFTWARE="benchmark")
            files.append(path)
    published = publish(
        files, folder / "small", concat=("y", "x"), grid="rectilinear", overlap="last"
    )
    with zarr.config.set({"array.rectilinear_chunks": True}):
        group = zarr.open_group(published.repository.readonly_session("main").store, mode="r")
        array: Any = group["0"]
        metadata: dict[str, Any] = array.metadata.to_dict()
    with rasterio.open(files[0]) as file:
        place = {"offset": "BLOCK_OFFSET_0_0", "size": "BLOCK_SIZE_0_0"}
        offset, size = (int(file.get_tag_item(name, "TIFF", bidx=1)) for name in place.values())
    return metadata, files[0], offset, size


def whole(metadata: dict[str, Any], plan: GridPlan) -> dict[str, Any]:
    """Return the metadata of the whole array."""
    lengths = [[] if axis.lengths is None else axis.lengths for axis in plan.chunks]
    grid = {"kind": "inline", "chunk_shapes": [run_lengths(each) for each in lengths]}
    chunk_grid = {"name": "rectilinear", "configuration": grid}
    return metadata | {"shape": list(plan.shape), "chunk_grid": chunk_grid}


def written(
    store: icechunk.IcechunkStore,
    metadata: dict[str, Any],
    plan: GridPlan,
    tile: Path,
    offset: int,
    length: int,
) -> int:
    """Write the array and a reference for each chunk; returns how many."""
    zarr.open_group(store, mode="w")
    document = json.dumps(whole(metadata, plan), default=str).encode()
    zarr.core.sync.sync(
        store.set(
            "0/zarr.json", zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(document)
        )
    )
    shape = tuple(len(axis.lengths) for axis in plan.chunks if axis.lengths is not None)
    order = np.lexsort((plan.blocks.origins[:, 1], plan.blocks.origins[:, 0]))
    count = int(plan.blocks.counts.prod(axis=1).sum())
    assert count == len(order) == shape[0] * shape[1]
    rows = min(shape[0], 90)
    for row in range(0, shape[0], rows):  # Icechunk copies what it is given
        part = (min(rows, shape[0] - row), shape[1])
        number = part[0] * part[1]
        offsets = np.full(number, offset, dtype=np.uint64)
        lengths = np.full(number, length, dtype=np.uint64)
        urls = [f"file://{tile}"] * number
        store.set_virtual_refs_arr("0", part, urls, offsets, lengths, arr_offset=(row, 0))
    return count


if __name__ == "__main__":
    main()
