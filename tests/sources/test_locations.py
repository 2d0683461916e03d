"""Locations: the urls that references get, and the way back from them to objects."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.http import HttpServer
from support.locations import locate
from support.s3 import S3, SETTINGS
from virtual_tiff import VirtualTIFF
from virtual_tiff.sources.locations import Location, Stores
from virtual_tiff.tiff.redaction import redacted, secret_in

COG = (Path(__file__).parents[2] / "testdata" / "special" / "cog.tif").read_bytes()
ODD = ["a b.tif", "p%20q.tif", "h#x.tif", "q?x.tif", "ü.tif", "a+b.tif", "br[1].tif", "st*r.tif"]
AZURE = {"account_name": "acc", "skip_signature": "true"}


def read(location: Location) -> int:
    parsing = VirtualTIFF(ifd=0).parse_nodes(location.store, location.path, url=location.url)
    group, state = asyncio.run(parsing)
    assert group.arrays
    return state.size


@pytest.mark.parametrize("name", ODD)
def test_odd_names_on_disk_are_parsed(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(COG)
    (location,) = locate([tmp_path / name])
    assert not set("?#[ ") & set(location.url)
    assert read(location) == len(COG)


@pytest.mark.parametrize("name", ODD)
def test_odd_keys_on_s3_are_parsed(name: str, s3: S3) -> None:
    url = s3.put(f"odd/{name}", COG)
    (location,) = locate([url], {**SETTINGS, "endpoint": s3.endpoint})
    assert location.path == f"odd/{name}"
    assert read(location) == len(COG)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_over_http_are_parsed(name: str, http_server: HttpServer) -> None:
    (location,) = locate([http_server.put(name, COG)])
    assert read(location) == len(COG)


def test_urls_with_a_query_are_parsed_each_for_itself(http_server: HttpServer) -> None:
    url = http_server.put("a.tif", COG)
    for location in locate([url, f"{url}?sig=1", f"{url}?sig=2"]):
        assert read(location) == len(COG)


def test_file_urls(tmp_path: Path) -> None:
    path = tmp_path / "a#1?.tif"
    for url in (f"file://{path}", f"file://localhost{path}", f"file://{tmp_path}/a%231%3F.tif"):
        assert locate([url])[0].path == str(path)
    with pytest.raises(ValueError, match="another host"):
        locate(["file://server/a.tif"])


@pytest.mark.parametrize(
    ("name", "options", "url"),
    [
        ("gs://b/d/a b.tif", {"skip_signature": "true"}, "gs://b/d/a%20b.tif"),
        ("gcs://b/a.tif", {"skip_signature": "true"}, "gs://b/a.tif"),
        ("s3a://b/a.tif", {"region": "x"}, "s3://b/a.tif"),
        ("az://c/a.tif", AZURE, "az://c/a.tif"),
        ("abfs://c/a.tif", AZURE, "abfs://c/a.tif"),
        (
            "abfs://c@acc.dfs.core.windows.net/a.tif",
            {"skip_signature": "true"},
            "abfs://c@acc.dfs.core.windows.net/a.tif",
        ),
        ("s3://b/a?b#c.tif", {}, "s3://b/a%3Fb%23c.tif"),
    ],
)
def test_clouds(name: str, options: dict[str, Any], url: str) -> None:
    (location,) = locate([name], options)
    assert location.url == url
    assert secret_in(url) is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a.tif?X-Amz-Signature=hush", "https://h/a.tif?…"),
        ("https://me:hush@h/a.tif", "https://h/a.tif"),
        ("https://hush@h/a.tif", "https://h/a.tif"),
        ("s3://key:hush@b/a.tif", "s3://b/a.tif"),
        ("s3://b/a?b.tif", "s3://b/a?b.tif"),
        ("abfs://c@acc.dfs.core.windows.net/a.tif", "abfs://c@acc.dfs.core.windows.net/a.tif"),
        ("/a?b@c.tif", "/a?b@c.tif"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert (secret_in(url) is not None) == ("hush" in url)


def test_errors_of_stores_do_not_tell_secrets() -> None:
    with pytest.raises(ValueError, match="Duration") as caught:
        locate(["https://h/a.tif?sig=hush"], {"timeout": "soon"})
    assert "hush" not in str(caught.value)


def test_a_name_that_is_its_url_is_kept_once() -> None:
    location = Stores({}).locate("s3://b/a.tif")
    assert location.name is location.url
