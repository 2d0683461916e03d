"""The one rule for names: the same file for the parser, info, publish, verify and Icechunk."""

from __future__ import annotations

import asyncio
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import AzureStore, GCSStore, HTTPStore, LocalStore, MemoryStore, S3Store

from support.http import HttpServer
from support.locations import locate
from support.s3 import S3, SETTINGS
from virtual_tiff import VirtualTIFF, open_published, publish, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.finding.items import find_items
from virtual_tiff.publishing.repository.target import target_of
from virtual_tiff.sources.object_source import SourceError
from virtual_tiff.sources.urls import (
    file_path,
    object_url,
    path_of,
    reference_of,
    reference_to,
    resolve_reference,
)

REGISTRY: Any = ObjectStoreRegistry({"file://": LocalStore()})

NAMES = (
    *("plain.tif", "two words.tif", "a%20b.tif", "a b.tif", "S1+S2.tif", "year=2021.tif"),
    *("dem (1).tif", "Zürich.tif", "日本.tif", "a#1.tif", "a?1.tif", "100%.tif", "a%zz.tif"),
    *("%41.tif", "a%2Fb.tif", "a*b.tif", "a[1].tif", "a{1}.tif", "back\\slash.tif", "it's.tif"),
    *('quo"te.tif', " leading.tif", "trailing.tif ", "a;b.tif", "a&b.tif", "a,b.tif", "a@b.tif"),
    *("a:b.tif", "a|b.tif", "a~b.tif", "~a.tif", "..a.tif", "a<b>.tif", "a`b.tif", "a%25b.tif"),
)
"""Names that some part of the way from a url to an object takes for something else."""

UNREADABLE = ("new\nline.tif", "tab\tb.tif", "\x01.tif", "\udcff.tif")
"""Names that obstore and Icechunk refuse."""

RAW = [name for name in NAMES if file_path(f"file:///{name}") == f"/{name}"]
"""Names that are themselves after `file://`: all without `%` and two hex digits."""


def ways(path: Path) -> dict[str, str]:
    """The urls that mean a file."""
    found = {"as_uri": path.as_uri(), "localhost": f"file://localhost{path.as_uri()[7:]}"}
    if path.name in RAW and "%" not in str(path.parent):
        found["raw"] = f"file://{path}"
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the files in one folder, so that each could be taken for another."""
    made = tmp_path_factory.mktemp("some files")
    for i, name in enumerate(NAMES):
        tifffile.imwrite(made / name, np.full((16, 16), i + 1, "u1"))
    return made


def value(store: Any, path: str = "0") -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return int(zarr.open_array(store, path=path, mode="r")[0, 0])


def test_most_names_need_no_encoding() -> None:
    assert set(NAMES) - set(RAW) == {"a%20b.tif", "%41.tif", "a%2Fb.tif", "a%25b.tif"}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_url_means_one_file(name: str, folder: Path) -> None:
    wanted = NAMES.index(name) + 1
    for url in ways(folder / name).values():
        assert value(VirtualTIFF()(url, REGISTRY)) == wanted
        assert value(asyncio.run(VirtualTIFF().parse(url, REGISTRY))) == wanted
        (location,) = locate([url])
        assert location.path == str(folder / name)
        (item,) = find_items(url)
        assert item.location.path == str(folder / name)
    for source in (folder / name, str(folder / name)):  # a path is taken as it is
        (location,) = locate([source])
        (item,) = find_items(source)
        assert {location.path, item.location.path} == {str(folder / name)}


def test_a_name_that_is_not_there_opens_no_other(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a%20b.tif", np.zeros((16, 16), "u1"))
    with pytest.raises(FileNotFoundError):
        VirtualTIFF()((tmp_path / "a b.tif").as_uri(), REGISTRY)
    tifffile.imwrite(tmp_path / "a", np.zeros((16, 16), "u1"))
    for name in ("a#1.tif", "a?1.tif", "a;1"):
        with pytest.raises(FileNotFoundError):
            VirtualTIFF()(f"file://{tmp_path}/{name}", REGISTRY)


@pytest.mark.parametrize("name", UNREADABLE)
def test_names_that_no_store_takes_are_refused_by_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((16, 16), "u1"))
    (tmp_path / "x.tif").rename(path)
    with pytest.raises(SourceError, match="rename the file, or link to it"):
        VirtualTIFF()(path.as_uri(), REGISTRY)
    assert main(["info", str(path)]) == 1
    with pytest.raises(PublishError, match="rename the file, or link to it"):
        publish(path, tmp_path / "cube")


def test_info_says_which_file_it_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        for named in (str(folder / name), (folder / name).as_uri()):
            assert main(["info", "--json", named]) == 0
            (told,) = json.loads(capsys.readouterr().out)
            assert path_of(told["url"]) == str(folder / name)


@pytest.mark.parametrize("how", ["paths", "urls", "directory"])
def test_published_references_are_read_back(how: str, folder: Path, tmp_path: Path) -> None:
    paths = [folder / name for name in NAMES]
    sources: Any = {
        "paths": paths,
        "urls": [path.as_uri() for path in paths],
        "directory": folder,
    }[how]
    target = tmp_path / "a #1? cube%20"
    listed = [item.location.path for item in find_items(sources)]
    done = publish(sources, target.as_uri(), concat="n", cache=tmp_path / "cache.sqlite")
    assert done.files == len(listed)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [target.name]
    for place in (target, target.as_uri()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array: Any = zarr.open_array(open_published(place), path="0", mode="r")
            read = array[:, 0, 0].tolist()
        assert read == [NAMES.index(Path(path).name) + 1 for path in listed]
        assert verify(place).ok
    again = publish(sources, target, concat="n", append=True)
    assert again.new == 0


def test_directories_whose_names_are_odd(tmp_path: Path) -> None:
    folder = tmp_path / "d #1? %41 ü"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.full((16, 16), 7, "u1"))
    for source in (folder, folder.as_uri(), f"{folder}/*.tif"):
        (item,) = find_items(source)
        assert item.location.path == str(folder / "a.tif")
    publish(folder, tmp_path / "cube")
    assert value(open_published(tmp_path / "cube"), "a/0") == 7
    for prefix in (f"file://{tmp_path}", "file:///"):
        registry: Any = ObjectStoreRegistry({prefix: LocalStore()})
        assert value(VirtualTIFF()((folder / "a.tif").as_uri(), registry)) == 7


def test_stores_below_odd_prefixes(tmp_path: Path) -> None:
    folder = tmp_path / "my data ü"
    folder.mkdir()
    tifffile.imwrite(folder / "a b.tif", np.full((16, 16), 7, "u1"))
    for prefix in (folder.as_uri(), f"file://{folder}"):
        registry: Any = ObjectStoreRegistry({prefix: LocalStore(folder)})
        for url in ways(folder / "a b.tif").values():
            if not url.startswith("file://localhost"):
                assert value(VirtualTIFF()(url, registry)) == 7


def test_lists_name_files(folder: Path, tmp_path: Path) -> None:
    names = [name for name in NAMES if name == name.strip()]
    wanted = [str(folder / name) for name in names]
    for lines in (wanted, [(folder / name).as_uri() for name in names]):
        (tmp_path / "list.txt").write_text("\n".join(lines))
        assert [item.location.path for item in find_items(f"@{tmp_path}/list.txt")] == wanted
        found = find_items(f"@{(tmp_path / 'list.txt').as_uri()}")
        if lines is not wanted:
            assert [item.location.path for item in found] == wanted


def test_names_with_wildcards_are_taken_literally_where_they_exist(folder: Path) -> None:
    for name in ("a*b.tif", "a[1].tif", "a?1.tif"):
        assert [i.location.path for i in find_items(folder / name)] == [str(folder / name)]
        assert [i.path for i in locate([folder / name])] == [str(folder / name)]


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in NAMES if name != "..a.tif"])
def test_keys_are_taken_literally(name: str, s3: S3, tmp_path: Path) -> None:
    store = s3.store()
    data = tmp_path / "x.tif"
    for at, key in enumerate((name, f"{name}x", "a", "a b.tif", "a%20b.tif")):
        tifffile.imwrite(data, np.full((16, 16), 1 if key == name else at + 10, "u1"))
        if key == name or key not in NAMES or key != name:
            store.put(f"keys/{key}", data.read_bytes())
    tifffile.imwrite(data, np.full((16, 16), 1, "u1"))
    store.put(f"keys/{name}", data.read_bytes())
    url = s3.url(f"keys/{name}")
    registry: Any = ObjectStoreRegistry({f"s3://{s3.bucket}": store})
    assert value(VirtualTIFF()(url, registry)) == 1
    options = {**SETTINGS, "endpoint": s3.endpoint}
    (item,) = find_items(url, store_options=options)
    assert item.location.path == f"keys/{name}"
    publish(url, tmp_path / "cube", concat="n", store_options=options)
    keys = {key: SETTINGS[key] for key in ("access_key_id", "secret_access_key")}
    opened: Any = zarr.open_array(
        open_published(tmp_path / "cube", store_options=keys), path="0", mode="r"
    )
    assert opened[0, 0, 0] == 1
    assert verify(tmp_path / "cube", store_options=options).ok


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_urls_of_servers_stay_as_they_are(
    name: str, http_server: HttpServer, tmp_path: Path
) -> None:
    data = tmp_path / "x.tif"
    tifffile.imwrite(data, np.full((16, 16), 1, "u1"))
    url = http_server.put(f"d/{name}", data.read_bytes())
    registry: Any = ObjectStoreRegistry(
        {http_server.url: HTTPStore.from_url(http_server.url, client_options={"allow_http": True})}
    )
    assert value(VirtualTIFF()(url, registry)) == 1
    (location,) = locate([url])
    assert location.url == url
    publish(url, tmp_path / "cube", concat="n")
    opened: Any = zarr.open_array(open_published(tmp_path / "cube"), path="0", mode="r")
    assert opened[0, 0, 0] == 1
    assert verify(tmp_path / "cube").ok


def test_what_no_url_may_hold_is_encoded(http_server: HttpServer) -> None:
    for raw in ("two words.tif", "a[1].tif", "ü.tif", "100%.tif", "a{1}.tif"):
        http_server.put(raw, b"II")
        (item,) = find_items(f"{http_server.url}/{raw}")
        assert item.location.path == raw
        assert item.location.url == reference_to(http_server.url, raw)


def test_urls_that_servers_would_be_asked_otherwise_are_refused() -> None:
    registry: Any = ObjectStoreRegistry({"https://h": HTTPStore.from_url("https://h")})
    for url in ("https://h/a%2Fb.tif", "https://h/a//b.tif", "https://h/a/../b.tif"):
        with pytest.raises(ValueError, match="%2F"):
            list(find_items(url))
        with pytest.raises(ValueError, match="%2F"):
            VirtualTIFF()(url, registry)
        (location,) = locate([url])  # info asks for it as it is
        assert (location.url, location.path) == (url, "")
    for of in (locate, lambda names: list(find_items(names))):
        with pytest.raises(ValueError, match="fragment"):
            of(["https://h/a#1.tif"])


def test_files_of_other_hosts_are_refused() -> None:
    for of in (locate, file_path, reference_of, target_of, lambda name: list(find_items(name))):
        with pytest.raises(ValueError, match="another host"):
            of("file://server/a.tif" if of is not locate else ["file://server/a.tif"])  # type: ignore[operator]


# surrogates stand for bytes that are not UTF-8, but not each does
CHARACTERS = st.characters(exclude_characters="/\0", exclude_categories=("Cs",))
PARTS = st.text(
    CHARACTERS | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), min_size=1
).filter(lambda text: text not in (".", ".."))


@pytest.mark.long
@given(st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)))
@settings(deadline=None)
def test_paths_and_their_urls(path: str) -> None:
    assert file_path(Path(path).as_uri()) == str(Path(path))
    assert path_of(reference_to("file://", path)) == path
    reference = reference_of(reference_to("file://", path))
    assert path_of(reference) == path
    assert resolve_reference(reference, REGISTRY)[1] == path.lstrip("/")


@pytest.mark.long
@given(PARTS.filter(lambda text: not text.isspace()))
@settings(deadline=None)
def test_keys_and_their_references(key: str) -> None:
    registry: Any = ObjectStoreRegistry({"s3://b": HTTPStore.from_url("https://h")})
    try:
        reference = reference_of(f"s3://b/d/{key}")
    except ValueError as error:
        assert "signature" in str(error)  # noqa: PT017
        return
    assert path_of(reference) == f"d/{key}"
    assert resolve_reference(reference, registry)[1] == f"d/{key}"


def test_bytes_that_are_no_utf8_survive() -> None:
    path = os.fsdecode(b"/d/\xff\xfe.tif")
    assert file_path(Path(path).as_uri()) == path
    assert path_of(reference_to("file://", path)) == path


def test_a_file_url_without_an_authority_is_a_path() -> None:
    """RFC 8089 appendix B: `file:/a` is `file:///a`."""
    assert file_path("file:/a/b%20c.tif") == "/a/b c.tif"
    assert reference_of("file:/a/b c.tif") == "file:///a/b c.tif"


@pytest.mark.parametrize(
    ("store", "url"),
    [
        (MemoryStore(), "memory:///y/a%20b.tif"),
        (S3Store("archive", prefix="x", region="eu-1"), "s3://archive/x/y/a%20b.tif"),
        (GCSStore("archive", skip_signature=True), "gs://archive/y/a%20b.tif"),
        (
            AzureStore(container_name="archive", account_name="me", skip_signature=True),
            "az://archive/y/a%20b.tif",
        ),
        (HTTPStore("https://example.com/x"), "https://example.com/x/y/a%20b.tif"),
    ],
)
def test_stores_of_obstore_state_the_urls_of_their_objects(store: Any, url: str):
    assert object_url(store, "y/a b.tif") == url


class WithBaseUrl:
    """Puts a path into its url as it is, as obspec-utils' AiohttpStore."""

    base_url = "https://h.org"


class AsItIs:
    """A registry of one store, which answers with the path that it is asked for."""

    def resolve(self, url: str) -> tuple[Any, str]:
        return WithBaseUrl(), url.removeprefix("https://h.org/")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://h.org/a/b.tif", "a/b.tif"),
        ("https://h.org/a/b c;d.tif", "a/b%20c;d.tif"),
        ("https://h.org/a/%C3%A9%23.tif", "a/%C3%A9%23.tif"),
    ],
)
def test_a_store_that_encodes_nothing_is_given_an_encoded_path(url: str, path: str) -> None:
    store, within = resolve_reference(url, AsItIs())
    assert isinstance(store, WithBaseUrl)
    assert within == path
