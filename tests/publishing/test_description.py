"""`virtual-tiff info REPO`: what is in a published repository."""

from __future__ import annotations

import json
from pathlib import Path

import icechunk
import numpy as np
import pytest
import rasterio
import xarray as xr

from support.s3 import S3, without_aws
from support.scenes import scene
from virtual_tiff import open_published
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, describe, publish

SERIES = sorted((Path(__file__).parents[2] / "testdata" / "series").glob("*.tif"))


def test_a_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cube = tmp_path / "cube"
    published = publish(SERIES, cube, concat="time", time="tag", variable_name="scene")
    description = describe(cube)
    ds = xr.open_zarr(open_published(cube), consolidated=False)
    (array,) = description.arrays
    assert (array.path, array.shape, array.dimensions) == ("scene", ds.scene.shape, ds.scene.dims)
    assert array.chunk_shape == (1, 32, 32)
    ends = {c.path: (c.shape[0], c.first, c.last) for c in description.coordinates}
    assert ends["time"] == (3, "2023-01-01T10:15:00", "2023-01-21T10:15:00")
    assert ends["x"] == (60, str(ds.x.values[0]), str(ds.x.values[-1]))
    assert (description.snapshot, description.layout) == (published.snapshot, "stack")
    assert (description.sources, description.concat) == (3, ("time",))
    assert description.bytes_of_sources == sum(path.stat().st_size for path in SERIES)
    assert description.chunks >= published.references
    assert description.verified is None
    assert main(["info", str(cube)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line in (
        f"{cube}: an Icechunk repository",
        "  scene  uint16 (time: 3, y: 40, x: 60), chunks of 1 x 32 x 32",
        "  time: 3 from 2023-01-01T10:15:00 to 2023-01-21T10:15:00",
        f"never verified on this machine: virtual-tiff verify {cube}",
        f"{SERIES[0].parent.as_uri()}/",
    ):
        assert line in lines


@pytest.mark.long
def test_the_last_verification(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [scene(tmp_path / f"in/a_{n}.tif", n) for n in range(3)]
    cube = tmp_path / "cube"
    publish(files[:2], cube, concat="n", values=r"_(\d)\.tif")
    scene(files[1], 9)
    assert main(["verify", str(cube), "--sample", "1", "--quiet"]) in {0, 1}
    assert describe(cube).verified is None  # it was not asked for all
    assert main(["verify", str(cube), "--quiet"]) == 1
    verified = describe(cube).verified
    assert verified is not None
    assert (verified.counts["unchanged"], verified.counts["changed"]) == (1, 1)
    publish(files[2:], cube, append=True, values=r"_(\d)\.tif")
    capsys.readouterr()
    assert main(["info", str(cube)]) == 0
    assert "UTC, before the newest commit: 1 unchanged, 1 changed" in capsys.readouterr().out
    assert main(["info", str(cube), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["verified"]["counts"]["changed"] == 1
    assert plain["arrays"][0]["shape"] == [3, 64, 96]


def test_codecs_without_a_configuration(tmp_path: Path) -> None:
    publish([scene(tmp_path / "a.tif", 1, compress="lzw")], tmp_path / "cube")
    (array,) = describe(tmp_path / "cube").arrays
    assert array.readers[0] == "zarr-python + imagecodecs-zarr"


def test_groups_and_a_repository_of_another_program(tmp_path: Path) -> None:
    files = [scene(tmp_path / f"a_{n}.tif", n) for n in range(2)]
    publish(files, tmp_path / "cube")
    description = describe(tmp_path / "cube")
    assert [array.path for array in description.arrays] == ["a_0/0", "a_1/0"]
    storage = icechunk.local_filesystem_storage(str(tmp_path / "other"))
    session = icechunk.Repository.create(storage).writable_session("main")
    xr.Dataset({"v": (("a", "b"), [[1, 2]])}).to_zarr(session.store, consolidated=False)
    session.commit("one")
    description = describe(tmp_path / "other")
    assert [array.path for array in description.arrays] == ["v"]
    assert (description.sources, description.layout, description.concat) == (None, None, ())
    with pytest.raises(PublishError):
        describe(tmp_path / "none")


def test_an_array_whose_codecs_have_no_configuration(tmp_path: Path) -> None:
    """Zarr writes none for the bytes of an array of one byte a sample."""
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=16, height=16, count=1, dtype="uint8"
    ) as file:
        file.write(np.zeros((1, 16, 16), "u1"))
    publish(path, tmp_path / "cube")
    (array,) = describe(tmp_path / "cube").arrays
    assert array.data_type == "uint8"
    assert "zarr-python" in array.readers


@pytest.mark.long
@pytest.mark.parametrize("public", [False, True])
def test_a_repository_in_a_bucket_by_store_options(
    s3: S3,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    public: bool,
) -> None:
    without_aws(monkeypatch)
    bucket = s3.with_bucket(f"by-options-{str(public).lower()}")
    urls = [bucket.upload(path) for path in SERIES]
    with monkeypatch.context() as environment:
        for name, value in bucket.environment().items():
            environment.setenv(name, value)
        publish(urls, bucket.url("cube"), concat="time", time="tag")
    place = [f"--store-option=endpoint={s3.endpoint}", "--store-option=region=us-east-1"]
    access = [f"--store-option={name}={value}" for name, value in s3.credentials().items()]
    if public:
        for batch in bucket.store().list("cube"):
            for each in batch:
                bucket.make_public(bucket.url(str(each["path"])))
        access = ["--anonymous"]
    assert main(["info", bucket.url("cube"), *place, *access]) == 0
    printed = capsys.readouterr()
    assert "3 sources" in printed.out
    assert not any(secret in printed.out for secret in s3.credentials().values() if not public)
    assert main(["info", bucket.url("cube"), *place]) == 1
    assert "set AWS_PROFILE or AWS_ACCESS_KEY_ID" in capsys.readouterr().err
