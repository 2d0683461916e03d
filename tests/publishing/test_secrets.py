"""A secret in a location is neither shown nor kept, wherever it enters and whatever fails."""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import HTTPStore

from support.http import HttpServer
from support.locations import locate
from virtual_tiff import VirtualTIFF, open_published, publish, verify
from virtual_tiff.cli.main import main

HUSH = "hUsH0123"
COG = (Path(__file__).parents[2] / "testdata" / "special" / "cog.tif").read_bytes()

KINDS = {
    "password": (f"me:{HUSH}@", ""),
    "user": (f"{HUSH}@", ""),
    "S3, version 4": ("", f"X-Amz-Credential={HUSH}&X-Amz-Signature={HUSH}"),
    "S3, version 2": ("", f"AWSAccessKeyId={HUSH}&Signature={HUSH}&Expires=1"),
    "Azure": ("", f"sv=2020&se=2030&sr=b&sp=r&sig={HUSH}"),
    "Google": ("", f"GoogleAccessId={HUSH}&Signature={HUSH}"),
    "Google, version 4": ("", f"X-Goog-Signature={HUSH}"),
    "CloudFront": ("", f"Policy={HUSH}&Key-Pair-Id={HUSH}&Signature={HUSH}"),
    "token": ("", f"token={HUSH}"),
    "OAuth": ("", f"access_token={HUSH}"),
    "key": ("", f"api_key={HUSH}"),
    "any": ("", f"x={HUSH}"),
}


class Place:
    """What each way in needs: a server, folders, and a url with a secret."""

    def __init__(self, server: HttpServer, folder: Path, kind: str) -> None:
        self.server = server
        self.inputs, self.outputs = folder / "in", folder / "out"
        for made in (self.inputs, self.outputs):
            made.mkdir()
        self.user, self.query = KINDS[kind]

    def url(self, path: str, scheme: str = "http") -> str:
        host = self.server.url.removeprefix("http://") if scheme == "http" else "bucket"
        return f"{scheme}://{self.user}{host}/{path}" + (f"?{self.query}" if self.query else "")

    def publish(self, source: Any, **options: Any) -> Any:
        return publish(
            source, self.outputs / "cube", cache=self.outputs / "cache.sqlite", **options
        )

    def write(self, name: str, text: str) -> Path:
        (self.inputs / name).write_text(text)
        return self.inputs / name

    def item(self, href: str) -> dict[str, Any]:
        return {"type": "Feature", "id": "i", "assets": {"a": {"href": href, "type": "image/tiff"}}}


def registry(url: str, at: str) -> Any:
    store = HTTPStore.from_url(at, client_options={"allow_http": True})
    return ObjectStoreRegistry({url: store})


REFUSED: dict[str, Callable[[Place], Any]] = {
    "single": lambda p: p.publish(p.url("a.tif")),
    "one of many": lambda p: p.publish([p.server.url + "/a.tif", p.url("b.tif")]),
    "prefix": lambda p: p.publish(p.url("d/")),
    "glob": lambda p: p.publish(p.url("d/*.tif")),
    "bucket": lambda p: p.publish(p.url("", "s3")) if p.user else p.publish(p.url("d/")),
    "prefix on s3": lambda p: p.publish(p.url("d/", "s3")) if p.user else p.publish(p.url("d/")),
    "glob on s3": lambda p: p.publish(p.url("*.tif", "s3")) if p.user else p.publish(p.url("d/")),
    "local list": lambda p: p.publish(f"@{p.write('list.txt', p.url('a.tif'))}"),
    "prefix in a local list": lambda p: p.publish(f"@{p.write('list.txt', p.url('d/'))}"),
    "glob in a local list": lambda p: p.publish(f"@{p.write('list.txt', p.url('d/*.tif'))}"),
    "remote list": lambda p: p.publish(
        "@" + p.server.put("list.txt", "\n".join([p.url("a.tif"), p.url("d/")]).encode())
    ),
    "STAC dict": lambda p: p.publish(p.item(p.url("a.tif"))),
    "STAC file": lambda p: p.publish(p.write("i.json", json.dumps(p.item(p.url("a.tif"))))),
    "remote STAC": lambda p: p.publish(
        p.server.put("i.json", json.dumps(p.item(p.url("a.tif"))).encode())
    ),
    "other scheme in front": lambda p: p.publish(" " + p.url("a.tif")),
    "fragment": lambda p: p.publish(p.url("a.tif") + "#x"),
    "target": lambda p: publish(p.server.url + "/a.tif", p.url("cube", "s3" if p.user else "http")),
    "endpoint": lambda p: p.publish("s3://bucket/a.tif", store_options={"endpoint": p.url("")}),
    "portable": lambda p: p.publish(p.url("a.tif"), portable=True),
    "parser": lambda p: VirtualTIFF()(p.url("a.tif"), registry(p.server.url, p.server.url)),
    "registry": lambda p: VirtualTIFF()(p.url("a.tif"), registry(p.url(""), p.server.url)),
    "other registry": lambda p: VirtualTIFF()(
        "s3://b/a.tif", registry(p.url("", "http"), p.server.url)
    ),
    "open": lambda p: open_published(p.url("cube", "s3" if p.user else "http")),
    "verify": lambda p: verify(p.url("cube", "s3" if p.user else "http")),
    "missing list": lambda p: p.publish("@" + p.url("missing.txt")),
    "list that is no text": lambda p: p.publish(
        "@" + p.url(p.server.put("x.bin", b"\xff\xfe\xff").rpartition("/")[2])
    ),
    "missing STAC": lambda p: p.publish(p.url("missing.json")),
    "STAC that is none": lambda p: p.publish(
        p.url(p.server.put("x.json", b"{").rpartition("/")[2])
    ),
    "STAC of another type": lambda p: p.publish(
        "stac:" + p.url(p.server.put("y", b'{"type": "Catalog"}').rpartition("/")[2])
    ),
    "missing file": lambda p: p.publish(p.url("missing.tif")),
    "bad option": lambda p: locate([p.url("a.tif")], {"timeout": "soon"}),
    "option for nothing": lambda p: locate([p.url("a.tif")], {"secret_access_key": HUSH}),
}
"""The ways in that were gone through, each of which fails."""

COMMANDS: dict[str, Callable[[Place], list[str]]] = {
    "info of a missing file": lambda p: ["info", p.url("missing.tif")],
    "info of no TIFF": lambda p: ["info", p.url("d/no.tif")],
    "info of a TIFF": lambda p: ["info", p.url("a.tif")],
    "info as JSON": lambda p: ["info", "--json", p.url("a.tif")],
    "map": lambda p: ["info", "--map", str(p.outputs / "map.svg"), p.url("a.tif")],
    "publish": lambda p: ["publish", p.url("a.tif"), "--to", str(p.outputs / "c")],
    "publish a prefix": lambda p: ["publish", p.url("d/"), "--to", str(p.outputs / "c")],
    "publish a list": lambda p: ["publish", "@" + p.url("no.txt"), "--to", str(p.outputs / "c")],
    "publish to": lambda p: ["publish", str(p.inputs), "--to", p.url("c", "s3")],
    "verify": lambda p: ["verify", p.url("c")],
    "option": lambda p: ["publish", "s3://b/a.tif", "--to", "c", "--store-option", HUSH],
}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, http_server: HttpServer, tmp_path: Path) -> Place:
    for name in ("a.tif", "b.tif", "d/a.tif"):
        http_server.put(name, COG)
    http_server.put("d/no.tif", b"nothing of a TIFF, but long enough to be read as a header")
    return Place(http_server, tmp_path, request.param)


def kept(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.long
@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("way", REFUSED)
def test_a_secret_stays_out_of_errors_and_files(
    way: str, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    kind = FileNotFoundError if way in ("missing list", "missing STAC") else ValueError
    with warnings.catch_warnings(record=True) as warned, pytest.raises(kind) as caught:
        REFUSED[way](place)
    assert type(caught.value) is kind
    told = "".join(traceback.format_exception(caught.value))
    told += "".join(f"{error} {error!r}" for error in chain(caught.value))
    told += "".join(str(one.message) for one in warned) + "".join(capfd.readouterr())
    assert HUSH not in told
    assert HUSH.encode() not in kept(place.outputs)


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_a_secret_stays_out_of_what_commands_print(
    command: str,
    place: Place,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.outputs))
    monkeypatch.chdir(place.outputs)
    main([*COMMANDS[command](place), "--debug"])
    out, err = capfd.readouterr()
    assert HUSH not in out + err
    assert HUSH.encode() not in kept(place.outputs)


def test_a_location_shows_no_secret(place: Place) -> None:
    assert HUSH not in repr(locate([place.url("a.tif")]))
