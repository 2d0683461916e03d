"""One finder: `info` and `publish` take the same names on every scheme, with the same errors."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.http import HttpServer
from support.locations import locate
from support.s3 import S3, SETTINGS
from virtual_tiff.publishing.finding.items import find_items
from virtual_tiff.sources.finding import names_stac

COG = (Path(__file__).parents[2] / "testdata" / "special" / "cog.tif").read_bytes()


def found_by_info(sources: Any, options: dict[str, Any]) -> list[str]:
    return [location.url for location in locate(sources, options)]


def found_by_publish(sources: Any, options: dict[str, Any]) -> list[str]:
    return [item.location.url for item in find_items(sources, store_options=options)]


COMMANDS: dict[str, Callable[[Any, dict[str, Any]], list[str]]] = {
    "info": found_by_info,
    "publish": found_by_publish,
}


class Archive:
    """The same files on disk, in a bucket and on a server."""

    def __init__(self, folder: Path, s3: S3, server: HttpServer) -> None:
        self.s3 = s3.with_bucket("finding")
        (folder / "d" / "sub").mkdir(parents=True)
        texts = {"d/list.txt": "# a list\na2.tif\n\nsub/b.TIFF\n", "d/item.json": self.item()}
        tiffs = dict.fromkeys(("d/a10.tif", "d/a2.tif", "d/sub/b.TIFF", "d/.c.tif"), COG)
        for name, data in (tiffs | {name: text.encode() for name, text in texts.items()}).items():
            (folder / name).write_bytes(data)
            self.s3.put(name, data)
            server.put(name, data)
        self.roots = {
            "path": str(folder),
            "file": folder.as_uri(),
            "s3": f"s3://{self.s3.bucket}",
            "http": server.url,
        }

    @staticmethod
    def item() -> str:
        asset = {"href": "./a10.tif", "type": "image/tiff"}
        return json.dumps({"type": "Feature", "id": "i", "assets": {"data": asset}})

    def options(self, where: str) -> dict[str, Any]:
        return {**SETTINGS, "endpoint": self.s3.endpoint} if where == "s3" else {}


@pytest.fixture
def archive(tmp_path: Path, s3: S3, http_server: HttpServer) -> Archive:
    return Archive(tmp_path, s3, http_server)


ALL = ["d/a2.tif", "d/a10.tif", "d/sub/b.TIFF"]
NAMES: dict[str, list[str]] = {
    "{root}/d/a2.tif": ["d/a2.tif"],
    "{root}/d/": ALL,
    "{root}/d/*.tif": ["d/a2.tif", "d/a10.tif"],
    "{root}/d/**/[ab]*.[tT]*": ALL,
    "@{root}/d/list.txt": ["d/a2.tif", "d/sub/b.TIFF"],
    "{root}/d/item.json": ["d/a10.tif"],
    "stac:{root}/d/item.json": ["d/a10.tif"],
}
"""What a user writes, and the files that it names."""

CASES = [
    (name, where)
    for name in NAMES
    for where in ("path", "file", "s3", "http")
    # this server does not list, as most servers; a file:// url takes each character literally
    if where in ("path", "s3") or not ("*" in name or (where == "http" and name.endswith("/")))
]


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("name", "where"), CASES)
def test_both_commands_find_the_same_files(
    name: str, where: str, command: str, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(archive.roots["path"]) / "d")  # a local list's names are relative to it
    root = archive.roots["file" if where == "path" else where]
    source = name.format(root=archive.roots[where])
    urls = COMMANDS[command](source, archive.options(where))
    assert urls == [f"{root}/{path}" for path in NAMES[name]]


@pytest.mark.parametrize("command", COMMANDS)
def test_both_commands_read_lists_of_names_and_standard_input(
    command: str, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, uri = archive.roots["path"], archive.roots["file"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{root}/d/a10.tif\n# no file\n"))
    sources = [Path(root) / "d" / "a2.tif", "-", json.loads(Archive.item()) | {"id": "j"}]
    sources[-1]["assets"]["data"]["href"] = f"{root}/d/sub/b.TIFF"
    assert COMMANDS[command](sources, {}) == [f"{uri}/{path}" for path in ALL]


WRONG: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "nothing": ([], {}, ValueError, "no sources are given"),
    "no name": ([7], {}, ValueError, "must be a path, a url, or STAC items, not 7"),
    "scheme": ("foo://b/a.tif", {}, ValueError, "foo://b"),
    "bucket": ("s3:///a.tif", {}, ValueError, "no host or bucket"),
    "fragment": ("https://h/a#1.tif", {}, ValueError, "fragment"),
    "host": ("file://server/a.tif", {}, ValueError, "another host"),
    "glob": ("/no/such*.tif", {}, FileNotFoundError, "no file matches /no/such"),
    "directory": ("{path}/empty", {}, FileNotFoundError, "no file ends in .tif or .tiff in"),
    "list": ("@/no/list.txt", {}, FileNotFoundError, "/no/list.txt"),
    "list over http": ("@{http}/no/list.txt", {}, FileNotFoundError, "no such object"),
    "listing": ("{http}/d/", {}, OSError, "does not list its files"),
    "STAC": ("{path}/bad.json", {}, ValueError, "bad.json"),
    "remote list": ("@{http}/local.txt", {}, ValueError, "a file of this machine"),
    "option": ("s3://b/a.tif", {"bogus": 1}, ValueError, "'bogus' is not valid"),
    "unused option": ("https://h/a.tif", {"region": "x"}, ValueError, "no source takes"),
    "value of an option": ("https://h/a.tif", {"timeout": "soon"}, ValueError, "Duration"),
}


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", WRONG)
def test_both_commands_give_the_same_errors(
    case: str, command: str, archive: Archive, http_server: HttpServer
) -> None:
    source, options, error, words = WRONG[case]
    folder = Path(archive.roots["path"])
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "bad.json").write_text("{")
    http_server.put("local.txt", b"file:///etc/a.tif")
    if isinstance(source, str):
        source = source.format(**archive.roots)
    with pytest.raises(error, match=words):
        COMMANDS[command](source, options)


def test_only_references_are_refused_for_signatures_and_repetition(archive: Archive) -> None:
    signed, path = "https://h/a.tif?sig=1", f"{archive.roots['path']}/d/a2.tif"
    assert found_by_info([signed, path, path], {})[0] == signed
    with pytest.raises(ValueError, match="would be stored in each reference"):
        found_by_publish(signed, {})
    with pytest.raises(ValueError, match="named more than once"):
        found_by_publish([path, path], {})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_directory_that_a_glob_matches_is_no_file(command: str, archive: Archive) -> None:
    root = Path(archive.roots["path"])
    (root / "d" / "folder.tif").mkdir()
    urls = COMMANDS[command](f"{root}/d/*.tif", {})
    assert urls == [f"{archive.roots['file']}/{path}" for path in ("d/a2.tif", "d/a10.tif")]


@pytest.mark.parametrize(
    ("sources", "of_stac"),
    [
        ("item.json", True),
        (["stac:a", "b.json"], True),
        (["a.json", "b.tif"], False),
        (iter(["a.json"]), False),
        ({"type": "Feature"}, True),
    ],
    ids=["a document", "documents", "a document and a TIFF", "an iterator", "an item"],
)
def test_sources_that_are_stac_items_by_their_names(sources: Any, of_stac: bool) -> None:
    assert names_stac(sources) is of_stac


def test_a_url_with_a_query_lists_no_files() -> None:
    with pytest.raises(ValueError, match="a server lists no files for a url with a query"):
        locate("https://example.org/d/?v=1", {})
