"""What a remote list or STAC document names is remote; a local one may name what it likes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.http import HttpServer
from support.s3 import S3, SETTINGS
from virtual_tiff import publish
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.finding.items import find_items
from virtual_tiff.sources.object_source import SourceError

COG = (Path(__file__).parents[3] / "testdata" / "special" / "cog.tif").read_bytes()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder of this machine, with a TIFF, a list and a STAC item."""
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "a.tif").write_bytes(COG)
    (folder / "list.txt").write_text(f"{folder}/a.tif\n")
    (folder / "item.json").write_text(json.dumps(item("a.tif")))
    return folder


def item(href: str, *, link: str | None = None) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": "i",
        "links": [{"rel": "self", "href": link}] if link else [],
        "assets": {"a": {"href": href, "type": "image/tiff"}},
    }


LOCAL = {
    "file url": "file://{0}/a.tif",
    "file url in capitals": "FILE://{0}/a.tif",
    "file url of this host": "file://localhost{0}/a.tif",
    "file url of one slash": "file:{0}/a.tif",
    "file url without a slash": "file:a.tif",
    "directory": "file://{0}",
    "directory with a slash": "file://{0}/",
    "STAC item": "file://{0}/item.json",
    "STAC item by name": "stac:{0}/item.json",
    "STAC item by url": "stac:file://{0}/item.json",
    "memory": "memory://a.tif",
    "drive": "C:/a.tif",
}
"""Names that would be read from this machine; those of a STAC document are the files alone."""


@pytest.mark.parametrize("how", LOCAL)
def test_a_remote_list_names_no_local_files(
    how: str, secret: Path, http_server: HttpServer, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(secret)
    text = f"# a list\n{LOCAL[how].format(secret)}\n".encode()
    options = {**SETTINGS, "endpoint": s3.endpoint}
    for place, more in ((http_server.put("list.txt", text), {}), (s3.put("l.txt", text), options)):
        with pytest.raises(
            ValueError, match="remote list or STAC document may only name"
        ) as caught:
            list(find_items(f"@{place}", store_options=more))
        assert place in str(caught.value)


@pytest.mark.parametrize("how", [how for how in LOCAL if "STAC" not in how])
def test_a_remote_stac_document_names_no_local_files(
    how: str, secret: Path, http_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(secret)
    named = item(LOCAL[how].format(secret))
    documents = (named, [named], {"type": "FeatureCollection", "features": [named]})
    for document in documents:
        place = http_server.put("i.json", json.dumps(document).encode())
        for source in (place, f"stac:{place}"):
            with pytest.raises(ValueError, match="remote list or STAC document may only name"):
                list(find_items(source))
    listed = http_server.put("list.txt", place.encode())  # a list of documents
    with pytest.raises(ValueError, match="remote list or STAC document may only name"):
        list(find_items(f"@{listed}"))
    linked = item(LOCAL[how].format(secret), link="https://h/i.json")  # as a search gave it
    with pytest.raises(ValueError, match="remote list or STAC document may only name"):
        list(find_items(linked))


@pytest.mark.parametrize("link", ["file://{0}/i.json", "{0}/i.json", "file:{0}/i.json"])
def test_a_remote_item_cannot_say_that_it_is_here(
    link: str, secret: Path, http_server: HttpServer
) -> None:
    made = item("a.tif", link=link.format(secret))
    place = http_server.put("d/i.json", json.dumps(made).encode())
    assert [i.location.url for i in find_items(place)] == [f"{http_server.url}/d/a.tif"]


@pytest.mark.parametrize("name", ["a.tif", "./a.tif", "../d/a.tif", "/d/a.tif", "//{host}/d/a.tif"])
def test_relative_names_are_relative_to_the_document(name: str, http_server: HttpServer) -> None:
    text = name.format(host=http_server.url.removeprefix("http://"))
    listed = http_server.put("d/list.txt", text.encode())
    stac = http_server.put("d/i.json", json.dumps(item(text)).encode())
    for source in (f"@{listed}", stac):
        assert [i.location.url for i in find_items(source)] == [f"{http_server.url}/d/a.tif"]


def test_absolute_paths_are_paths_of_the_server(secret: Path, http_server: HttpServer) -> None:
    listed = http_server.put("list.txt", f"{secret}/a.tif\n~/a.tif\n@list.txt\n-".encode())
    assert [i.location.url for i in find_items(f"@{listed}")] == [
        f"{http_server.url}{secret}/a.tif",
        *(f"{http_server.url}/{name}" for name in ("~/a.tif", "@list.txt", "-")),
    ]


def test_the_user_says_which_schemes(secret: Path, http_server: HttpServer) -> None:
    local = http_server.put("list.txt", f"file://{secret}/a.tif".encode())
    (found,) = find_items(f"@{local}", remote_schemes=("http", "file"))
    assert found.location.path == str(secret / "a.tif")
    remote = http_server.put("list.txt", b"s3://b/a.tif")
    assert list(find_items(f"@{remote}"))
    with pytest.raises(ValueError, match=r"may only name urls of http, https\."):
        list(find_items(f"@{remote}", remote_schemes=("http", "https")))
    for wrong in ("file", ("ftp",)):
        with pytest.raises(ValueError, match="remote_schemes must be some of"):
            list(find_items("a.tif", remote_schemes=wrong))


def test_local_documents_name_local_files(secret: Path, http_server: HttpServer) -> None:
    for name in (f"@{secret}/list.txt", f"{secret}/item.json", f"file://{secret}/item.json"):
        (found,) = find_items(name)
        assert found.location.path == str(secret / "a.tif")
    place = http_server.put("d/i.json", json.dumps(item(f"file://{secret}/a.tif")).encode())
    (secret / "list.txt").write_text(place)  # but what it leads to is remote
    with pytest.raises(ValueError, match="remote list or STAC document may only name"):
        list(find_items(f"@{secret}/list.txt"))


@pytest.mark.parametrize("portable", [False, True])
def test_nothing_of_a_local_file_is_published(
    portable: bool, secret: Path, http_server: HttpServer, tmp_path: Path
) -> None:
    place = http_server.put("list.txt", f"file://{secret}".encode())
    with pytest.raises(ValueError, match="remote list or STAC document may only name"):
        publish(f"@{place}", tmp_path / "cube", portable=portable)
    assert not (tmp_path / "cube").exists()
    arguments = ["publish", f"@{place}", "--to", str(tmp_path / "cube"), "--no-cache"]
    assert main(arguments) == 2
    assert main([*arguments, "--remote-schemes", "file"]) == 0


def test_a_redirect_leads_to_no_local_file(
    secret: Path, http_server: HttpServer, tmp_path: Path
) -> None:
    kinds = {"a.tif": PublishError, "list.txt": SourceError, "item.json": SourceError}
    for name, kind in kinds.items():
        http_server.redirects[name] = (302, f"file://{secret}/{name}")
        source = f"{http_server.url}/{name}"
        with pytest.raises(kind, match=rf"{name}: the store failed: .*status code: 302"):
            publish(f"@{source}" if name == "list.txt" else source, tmp_path / "cube")
        assert not os.path.exists(tmp_path / "cube")  # noqa: PTH110
