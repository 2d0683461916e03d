"""Manifests are split as the repository says, and where an image has very many chunks."""

from __future__ import annotations

from pathlib import Path

import icechunk
import numpy as np
import pytest
import rasterio
from affine import Affine

from support.scenes import scene
from virtual_tiff.publishing import publish


@pytest.mark.long
def test_manifests_are_split_as_the_repository_says(tmp_path: Path):
    split = icechunk.ManifestSplittingConfig.from_dict(
        {
            icechunk.ManifestSplitCondition.AnyArray(): {
                icechunk.ManifestSplitDimCondition.DimensionName("time"): 2
            }
        }
    )
    config = icechunk.RepositoryConfig.default()
    config.manifest = icechunk.ManifestConfig(splitting=split)
    place = tmp_path / "cube"
    storage = icechunk.local_filesystem_storage(str(place))
    icechunk.Repository.create(storage, config=config).save_config()
    files = [scene(tmp_path / f"{number}.tif", number) for number in range(5)]
    publish(files[:3], place, concat="time")
    publish(files, place, concat="time", append=True)
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(place)))
    # 5 dates in manifests of 2; coordinates are small and have one each
    (last, *_) = repository.ancestry(branch="main")
    references = sorted(file.num_chunk_refs for file in repository.list_manifest_files(last.id))
    blocks = 6
    assert references[-3:] == [blocks, 2 * blocks, 2 * blocks]
    assert repository.config.virtual_chunk_containers


@pytest.mark.long
def test_the_manifests_of_a_mosaic_of_many_chunks_are_split(tmp_path: Path):
    """One pixel is read from a manifest of some thousand references, not from that of the whole."""
    files = []
    for column in range(2):
        files.append(tmp_path / f"{column}.tif")
        with rasterio.open(
            files[-1], "w", driver="GTiff", height=4096, width=4096, count=1, dtype="uint8",
            crs="EPSG:32633", transform=Affine(1, 0, 4096 * column, 0, -1, 0), tiled=True,
            blockxsize=16, blockysize=16,
        ) as file:  # fmt: skip
            file.write(np.full((1, 4096, 4096), column + 1, "uint8"))
    published = publish(files, tmp_path / "cube", concat=("y", "x"), coordinates=False)
    (last, *_) = published.repository.ancestry(branch="main")
    manifests = published.repository.list_manifest_files(last.id)
    references = [file.num_chunk_refs for file in manifests]
    assert sum(references) >= published.references == 2 * 256 * 256
    assert sorted(references)[-4:] == [32_768] * 4
