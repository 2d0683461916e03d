"""STAC: which assets are taken, from where, and of what time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.http import HttpServer
from support.s3 import S3, SETTINGS
from support.warned import of_tiff
from virtual_tiff.publishing.finding.items import Item, find_items
from virtual_tiff.sources.stac import absolute, self_link
from virtual_tiff.tiff import TiffWarning

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def item(
    day: int = 1,
    *,
    link: str | None = "https://stac.org/items/item.json",
    properties: dict[str, Any] | None = None,
    **assets: Any,
) -> dict[str, Any]:
    """An item as a catalogue gives it: two bands, and what is no data."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"item-{day}",
        "geometry": None,
        "properties": properties or {"datetime": f"2020-01-{day:02d}T10:11:12.5Z"},
        "links": [{"rel": "self", "href": link}] if link else [],
        "assets": assets
        or {
            "B08": {"href": f"s3://b/{day}/B08.tif", "type": COG, "roles": ["data"]},
            "B04": {
                "href": f"https://h/{day}/B04.tif",
                "type": COG,
                "roles": ["data", "reflectance"],
                "alternate": {"s3": {"href": f"s3://b/{day}/B04.tif"}},
            },
            "visual": {"href": "./TCI.tif", "type": COG, "roles": ["visual"]},
            "B04-jp2": {"href": "s3://b/B04.jp2", "type": "image/jp2", "roles": ["data"]},
            "thumbnail": {"href": "./t.jpg", "type": "image/jpeg", "roles": ["thumbnail"]},
            "info": {"href": "./info.json", "roles": ["metadata"]},
        },
    }


def collection(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(items), **more}


def find(sources: Any, **options: Any) -> list[Item]:
    return list(find_items(sources, **options))


def coordinate_of(item: Item) -> Any:
    """The coordinate of a file along the only new dimension."""
    (value,) = item.coordinates.values()
    return value


def urls(sources: Any, **options: Any) -> list[str]:
    return [found.location.url for found in find(sources, **options)]


# ------------------------------------------------------------------------------- assets


def test_tiffs_with_data_are_taken() -> None:
    found = find(item())
    assert [(i.variable, i.location.url) for i in found] == [
        ("B08", "s3://b/1/B08.tif"),
        ("B04", "https://h/1/B04.tif"),
    ]


def test_assets_by_key() -> None:
    found = find(item(), assets=("B04", "visual"))
    assert [(i.variable, i.location.url) for i in found] == [
        ("B04", "https://h/1/B04.tif"),
        ("visual", "https://stac.org/items/TCI.tif"),
    ]


def test_one_asset_needs_no_variable() -> None:
    assert [i.variable for i in find(item(), assets="B04")] == [None]
    assert [i.variable for i in find(item(), assets=["B04"], variable="asset")] == ["B04"]
    assert [i.variable for i in find(item(), variable=r"(?P<band>B\d\d)\.tif")] == ["B08", "B04"]


def test_assets_without_roles_or_types() -> None:
    bare = item(a={"href": "s3://b/a.TIF"}, b={"href": "s3://b/b.png"}, c={"href": "s3://b/c"})
    assert urls(bare) == ["s3://b/a.TIF"]
    shown = item(
        a={"href": "s3://b/a.tif", "type": COG, "roles": ["overview"]},
        b={"href": "s3://b/b", "type": "image/tiff"},
    )
    assert urls(shown) == ["s3://b/b"]


def test_assets_and_links_that_are_none_are_passed_over() -> None:
    odd = item(a={"href": "s3://b/a.tif"}, b="s3://b/b.tif", c=None)
    assert urls(odd) == ["s3://b/a.tif"]
    links = ["https://stac.org", {"rel": "root", "href": "https://stac.org/root"}, None]
    here = {"rel": "self", "href": "https://stac.org/items/1"}
    assert self_link({"links": [*links, here]}) == "https://stac.org/items/1"
    assert self_link({"links": links}) is None


def test_an_asset_that_some_items_lack_is_left_out_there() -> None:
    items = [item(1), *(item(day, B04={"href": f"s3://b/{day}.tif"}) for day in (2, 3))]
    with pytest.warns(TiffWarning, match=r"item-2 has no asset B08"):
        assert len(find(items[:2], assets=("B04", "B08"))) == 3
    with pytest.warns(TiffWarning, match=r"item-2 and 1 other items have no asset B08") as caught:
        assert len(find(items, assets=("B04", "B08"))) == 4
    assert len(of_tiff(caught)) == 1


@pytest.mark.parametrize(
    ("made", "options", "words"),
    [
        (item(), {"assets": "B99"}, "item-1 has no asset B99; it has B08, B04, visual"),
        (item(a={"href": "s3://b/a.nc"}), {}, "item-1 has no TIFF among its assets; it has a"),
        (item(a={"title": "x", "type": COG}), {}, "asset a has no href"),
        (item(link=None), {"assets": "visual"}, "item-1: ./TCI.tif is relative"),
        (item(properties={"datetime": "soon"}), {}, "item-1: datetime is 'soon'"),
        (item(a={"href": "https://h/a.tif?sig=hush"}), {}, "it would be stored in each reference"),
        ({"type": "Collection", "id": "c"}, {}, "of type 'Collection'"),
        ({"type": "Feature", "properties": {}}, {}, "with assets"),
        ({}, {}, "of type None"),
    ],
)
def test_items_that_do_not_serve(made: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        find(made, **options)
    assert "hush" not in str(caught.value)


# --------------------------------------------------------------------------------- times


def test_time_of_an_item() -> None:
    found = find([item(2), item(1)], time="datetime", assets="B04")
    assert [coordinate_of(i) for i in found] == [
        datetime(2020, 1, day, 10, 11, 12, 500000, tzinfo=UTC) for day in (1, 2)
    ]


def test_times_of_an_item_that_lasts() -> None:
    lasting = item(
        properties={
            "datetime": None,
            "start_datetime": "2020-01-01T00:00:00Z",
            "end_datetime": "2020-01-31T23:00:00-01:00",
        }
    )
    for time, month in (("datetime", 1), ("start_datetime", 1), ("end_datetime", 2)):
        (found, _) = find(lasting, time=time)
        assert coordinate_of(found) == datetime(2020, month, 1, tzinfo=UTC)


def test_time_of_an_asset_goes_before_the_item_s() -> None:
    own = item(a={"href": "s3://b/a.tif", "datetime": "2021-01-01T00:00:00Z"})
    assert coordinate_of(find(own, time="datetime")[0]) == datetime(2021, 1, 1, tzinfo=UTC)


def test_items_without_a_time() -> None:
    with pytest.raises(ValueError, match="no STAC item has a datetime: s3://b/1/B08"):
        find(item(properties={"platform": "x"}), time="datetime")


def test_time_out_of_the_names_of_assets() -> None:
    made = item(a={"href": "s3://b/20200203.tif"})
    (found,) = find(made, time=r"(?P<time>\d{8})")
    assert coordinate_of(found) == datetime(2020, 2, 3, tzinfo=UTC)


# -------------------------------------------------------------------------------- places


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2)


FORMS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "collection.json": lambda items: pretty(collection(*items)),
    "short.json": lambda items: json.dumps(collection(*items)),
    "list.json": pretty,
    "items.ndjson": lambda items: "\n\n".join(map(json.dumps, items)) + "\r\n",
    "items.jsonl": lambda items: "\ufeff" + "\n".join(json.dumps(collection(i)) for i in items),
    "item.GeoJSON": lambda items: pretty(items[0]),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_files(form: str, tmp_path: Path) -> None:
    path = tmp_path / form
    path.write_text(FORMS[form]([item(1), item(2)]), encoding="utf-8")
    wanted = ["https://h/1/B04.tif", "https://h/2/B04.tif"]
    assert urls(path, assets="B04") == wanted[: 1 if "item." in form else 2]
    (tmp_path / "list.txt").write_text(str(path))
    assert urls(f"@{tmp_path}/list.txt", assets="B04")


def test_relative_hrefs_of_a_local_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    made = item(link="./item.json", a={"href": "../x/a b#.tif", "type": COG})
    (tmp_path / "d" / "item.json").write_text(json.dumps(made))
    monkeypatch.chdir(tmp_path)
    for place in ("d/item.json", tmp_path / "d" / "item.json", "stac:d/item.json"):
        (found,) = find(place)
        assert found.location.path == str(tmp_path / "x" / "a b#.tif")


@pytest.mark.long
def test_items_on_s3(s3: S3) -> None:
    made = item(link=None, a={"href": "./a #1.tif", "type": COG})
    url = s3.put("stac/items.ndjson", json.dumps(made).encode())
    (found,) = find(url, store_options={**SETTINGS, "endpoint": s3.endpoint})
    assert found.location.path == "stac/a #1.tif"


def test_answer_of_a_search(http_server: HttpServer) -> None:
    made = collection(item(link=None, a={"href": "a.tif"}), links=[{"rel": "next", "href": "…"}])
    url = http_server.put("api/search", json.dumps(made).encode())
    with pytest.warns(TiffWarning, match=r"/api/search\?… is one page of a search"):
        assert urls(f"stac:{url}?token=hush") == [f"{http_server.url}/api/a.tif"]


@pytest.mark.parametrize("text", ["", "{", '{"type": "Feature"', "[1]", '"x"', "<html>"])
def test_no_json_of_items(text: str, tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text(text)
    with pytest.raises(ValueError, match=r"items.json"):
        find(tmp_path / "items.json")


@pytest.mark.parametrize(
    ("href", "base", "wanted"),
    [
        ("a.tif", "https://h/d/i.json?x=1", "https://h/d/a.tif"),
        ("/a.tif", "https://h/d/i.json", "https://h/a.tif"),
        ("../a.tif", "s3://b/d/i.json", "s3://b/a.tif"),
        ("../../../a.tif", "s3://b/d/i.json", "s3://b/../../a.tif"),
        ("/a.tif", "s3://b/d/i.json", "s3://b/a.tif"),
        ("./a?b#c.tif", "s3://b/d/i.json", "s3://b/d/a?b#c.tif"),
        ("a.tif", "file:///d/i.json", "file:///d/a.tif"),
        ("a.tif", "i.json", "a.tif"),
        ("../a.tif", "i.json", "../a.tif"),
        ("../a.tif", "/d/i.json", "/a.tif"),
        ("s3://b/a.tif", "https://h/i.json", "s3://b/a.tif"),
        ("/a.tif", None, "/a.tif"),
        ("a.tif", None, None),
    ],
)
def test_hrefs(href: str, base: str | None, wanted: str | None) -> None:
    assert absolute(href, base) == wanted


# -------------------------------------------------------------------------------- pystac


@pytest.mark.long
def test_objects_of_pystac() -> None:
    import pystac

    items = [pystac.Item.from_dict(item(day)) for day in (1, 2)]
    wanted = ["https://h/1/B04.tif", "https://h/2/B04.tif"]
    assert urls(items, assets="B04") == wanted
    assert urls(items[0], assets="B04") == wanted[:1]
    assert urls(pystac.ItemCollection(items), assets="B04") == wanted
    assert urls((one for one in items), assets="B04") == wanted


def test_any_object_with_to_dict() -> None:
    class Mine:
        def to_dict(self) -> dict[str, Any]:
            return item()

    assert len(urls(Mine())) == 2
