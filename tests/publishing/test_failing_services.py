"""S3 that fails one request in ten, where the files are and where the repository is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr

from support import races
from support.failures import FailingProxy, Failures, Kind
from support.s3 import S3, s3_process
from support.scenes import pixels
from virtual_tiff import open_published, publish, verify

pytestmark = pytest.mark.long
STACK: dict[str, Any] = {"concat": "time", "time": "tag"}
FILES = 60
READS: tuple[Kind, ...] = (500, "reset", 503, "close", 429)
"""Icechunk repeats no read whose answer has begun."""
WRITES: tuple[Kind, ...] = (*READS, "cut")
"""A cut answer is that of a request which was done: a commit, too, whose writer is not told so."""
SOURCES: tuple[Kind, ...] = ("cut", "short", *READS)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_process() as server:
        yield server


def test_the_cube_is_whole(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    icechunk.set_logs_filter("error")
    scenes = races.scenes(tmp_path / "scenes", FILES)
    urls = [s3.upload(path, f"failing/{path.name}") for path in scenes]
    with (
        FailingProxy(s3.endpoint, Failures(10, SOURCES)) as at_sources,
        FailingProxy(
            s3.endpoint, Failures(10, READS), writes=Failures(10, WRITES)
        ) as at_repository,
    ):
        for name, value in s3.at(at_repository.url).environment().items():
            monkeypatch.setenv(name, value)
        options, cube = {"endpoint": at_sources.url}, s3.url("cubes/failing")
        publish(urls[:54], cube, **STACK, store_options=options, cache=False)
        for url in urls[54:57]:
            publish(url, cube, **STACK, append=True, cache=False)
        published = publish(s3.url("failing/"), cube, **STACK, append=True, cache=False)
        assert (published.files, published.unchanged) == (3, 57)
        assert {"cut", "short", 500} <= at_sources.failures.failed.keys()
        at_sources.failures = Failures(10, READS)
        group: Any = zarr.open_group(open_published(cube), mode="r")
        np.testing.assert_array_equal(group["0"][...], [pixels(path) for path in scenes])
        assert verify(cube).counts["unchanged"] == FILES
        assert published.repository is not None
        commits = list(published.repository.ancestry(branch="main"))
    assert len(commits) == 1 + 5  # each is made once, also the one whose answer was lost
    assert at_repository.writes is not None
    for failures in (at_sources.failures, at_repository.failures, at_repository.writes):
        assert failures.failed.total() >= failures.seen // 10 > 0


def test_icechunk_repeats_no_read_whose_answer_ends_early(s3: S3, tmp_path: Path) -> None:
    """A limit to report (docs/upstream.md)."""
    (scene,) = races.scenes(tmp_path / "scenes", 1)
    url = s3.upload(scene, "early/1.tif")
    with FailingProxy(s3.endpoint, Failures(10**9)) as proxy:
        options = {"endpoint": proxy.url, **s3.credentials()}
        publish([url], tmp_path / "cube", **STACK, store_options=options)
        group: Any = zarr.open_group(
            open_published(tmp_path / "cube", store_options=s3.credentials()), mode="r"
        )
        proxy.failures = Failures(1, ("cut",), at_most=1)
        with pytest.raises(icechunk.StorageError, match="end of file before message length"):
            group["0"][...]
        np.testing.assert_array_equal(group["0"][0], pixels(scene))
