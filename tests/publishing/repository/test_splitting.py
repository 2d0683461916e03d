"""A repository that was made with split manifests keeps them."""

from __future__ import annotations

from pathlib import Path

import icechunk

from support.scenes import scene
from virtual_tiff.publishing import publish


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
