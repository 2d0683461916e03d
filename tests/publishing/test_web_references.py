"""Public archives that are named by their buckets, and referred to by https urls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from support.clouds import Cloud, azurite, fake_gcs, make_azure_container
from support.fresh import run
from support.s3 import S3, SETTINGS, s3_process
from virtual_tiff import open_published, publish, remove, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import move_sources
from virtual_tiff.sources.web_references import WebReferences, web_root

SERIES = sorted((Path(__file__).parents[2] / "testdata" / "series").glob("*.tif"))
STACK: dict[str, Any] = {"concat": "time", "time": "tag"}
KEYS = {name: SETTINGS[name] for name in ("access_key_id", "secret_access_key")}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("root", "options", "expected"),
    [
        ("s3://b", {}, "https://b.s3.us-east-1.amazonaws.com"),
        ("s3://b", {"region": "eu-west-1"}, "https://b.s3.eu-west-1.amazonaws.com"),
        ("s3://b", {"region": "cn-north-1"}, "https://b.s3.cn-north-1.amazonaws.com.cn"),
        ("s3://a.b", {"region": "us-west-2"}, "https://s3.us-west-2.amazonaws.com/a.b"),
        ("s3://b", {"endpoint": "https://h/"}, "https://h/b"),
        (
            "s3://b",
            {"endpoint": "https://b.h", "virtual_hosted_style_request": "true"},
            "https://b.h",
        ),
        ("gs://b", {}, "https://storage.googleapis.com/b"),
        ("gs://b", {"google_base_url": "http://h:1"}, "http://h:1/b"),
        ("az://c", {"account_name": "a"}, "https://a.blob.core.windows.net/c"),
        ("az://c", {"azure_storage_endpoint": "http://h:1/a"}, "http://h:1/a/c"),
        ("abfss://c@a.dfs.core.windows.net", {}, "https://a.blob.core.windows.net/c"),
    ],
)
def test_the_url_of_a_bucket(root: str, options: dict[str, Any], expected: str) -> None:
    assert web_root(root, options) == expected


def test_a_region_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert web_root("s3://b", {}) == "https://b.s3.eu-north-1.amazonaws.com"


@pytest.mark.parametrize(
    ("root", "options", "words"),
    [("s3://b", {"request_payer": True}, "readers pay"), ("az://c", {}, "needs its account")],
)
def test_a_bucket_without_a_url(root: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        web_root(root, options)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_process() as server:
        yield server


def days(cube: Path | str) -> int:
    ds = xr.open_zarr(open_published(cube), consolidated=False)
    assert ds["0"].values.any()
    return int(ds.sizes["time"])


@pytest.mark.long
@pytest.mark.parametrize("layout", [STACK, {}], ids=["stack", "group per file"])
def test_an_archive_in_s3(layout: dict[str, Any], s3: S3, tmp_path: Path) -> None:
    folder = f"web/{'stack' if layout else 'files'}"
    keys = [f"{folder}/{n}/a b+é/{path.name}" for n, path in enumerate(SERIES)]
    urls = [s3.upload(path, key) for path, key in zip(SERIES, keys, strict=True)]
    for url in urls:
        s3.make_public(url)
    cube = tmp_path / "cube"
    options = {"endpoint": s3.endpoint, "region": "eu-west-1"}
    first = publish(
        s3.url(f"{folder}/0/"), cube, **layout, store_options=options | KEYS, reference_as="https",
        check=True,
    )  # fmt: skip
    assert first.containers == (f"{s3.endpoint}/bucket/{folder}/",)
    assert "s3:" not in first.how_to_open
    # an append has neither the option nor the endpoint; keys list the bucket
    published = publish(s3.url(f"{folder}/"), cube, **layout, append=True, store_options=KEYS)
    assert (published.files, published.unchanged) == (2, 1)
    assert published.containers == first.containers
    assert verify(cube).counts["unchanged"] == 3
    if layout:
        assert days(cube) == 3
        code = published.how_to_open + "\nprint(ds['0'].values.any(), ds.sizes['time'])"
        assert run(code).split() == ["True", "3"]
    assert not any(b"s3://bucket/" in p.read_bytes() for p in (cube / "manifests").iterdir())
    gone = remove(s3.url(f"{folder}/1/"), cube)
    assert len(gone.files) == 1
    again = publish(urls, cube, **layout, append=True, reference_as="https", store_options=KEYS)
    assert (again.files, again.unchanged) == (1, 2)


@pytest.fixture(scope="module", params=["az", "gs"])
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with azurite() if request.param == "az" else fake_gcs() as running:
        yield running


@pytest.mark.long
def test_archives_of_azure_and_google(cloud: Cloud, tmp_path: Path) -> None:
    container = "archive"
    if cloud.kind == "az":
        container = "public"
        make_azure_container(cloud.endpoint, container, public=True)
    urls = [cloud.upload(path, f"web/{path.name}", container) for path in SERIES]
    cube = tmp_path / "cube"
    publish(
        urls[:2], cube, **STACK, store_options=cloud.options, reference_as="https",
        container=f"{cloud.kind}://{container}/", check=True,
    )  # fmt: skip
    published = publish(urls, cube, **STACK, append=True)
    assert published.containers == (f"{cloud.endpoint}/{container}/",)
    assert days(cube) == 3
    assert verify(cube).ok
    if cloud.kind == "az":  # the container of the other tests is not public
        url = cloud.upload(SERIES[0], "web/1.tif")
        with pytest.raises(OSError, match=r"az://archive cannot be referred to .*fails at one"):
            publish(url, tmp_path / "c", store_options=cloud.options, reference_as="https")


@pytest.mark.long
def test_an_archive_that_is_not_public(
    s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = s3.upload(SERIES[0], "private/1.tif")
    line = ["publish", url, "--to", str(tmp_path / "cube"), "--quiet"]
    line += [f"--store-option={name}={value}" for name, value in KEYS.items()]
    line += [f"--store-option=endpoint={s3.endpoint}"]
    assert main([*line, "--reference-as", "https"]) == 1
    error = capsys.readouterr().err
    assert "s3://bucket cannot be referred to by https urls" in error
    assert "--reference-as" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "cube").exists()
    # and one that has other references stays as it is
    assert main(line) == 0
    assert main([*line, "--append", "--reference-as", "https"]) == 2
    assert "virtual-tiff move" in capsys.readouterr().err


@pytest.mark.long
def test_references_that_are_changed_later(s3: S3, tmp_path: Path) -> None:
    urls = [s3.upload(path, f"later/{path.name}") for path in SERIES]
    for url in urls:
        s3.make_public(url)
    options = {"endpoint": s3.endpoint} | KEYS
    publish(urls[:2], tmp_path / "cube", **STACK, store_options=options)
    move_sources(tmp_path / "cube", {s3.url(): f"{s3.endpoint}/bucket/"})
    again = {"append": True, "store_options": options}
    published = publish(urls, tmp_path / "cube", **STACK, **again, reference_as="https")
    assert (published.files, published.unchanged) == (1, 2)
    assert days(tmp_path / "cube") == 3
    assert verify(tmp_path / "cube").ok


def test_files_and_urls_stay(tmp_path: Path) -> None:
    published = publish(SERIES, tmp_path / "cube", **STACK, reference_as="https")
    assert published.containers == (f"{SERIES[0].parent.as_uri()}/",)
    web = WebReferences({"default_headers": "A: b"}, {})
    assert web.url_of("https://h/1.tif") == "https://h/1.tif"
    assert web.rest == {"default_headers": "A: b"}
