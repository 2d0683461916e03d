"""The coordinates of files along several new dimensions, and the order of files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from virtual_tiff.publishing.finding.items import Item, find_items


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def find(sources: Any, **options: Any) -> list[Item]:
    return list(find_items(sources, **options))


FILES = [f"s3://b/S2_2023010{day}_{band}.tif" for day in (2, 1) for band in ("B8", "B10", "B02")]
TIME, BAND = r"_(\d{8})_", r"_(B\d+)\.tif"
AXES = ("time", "band", "y", "x")
WANTED = {
    url: {"time": at(2023, 1, int(url[17])), "band": url[19:-4]} for url in FILES
}  # of each url, by the positions of its letters


SOURCES: dict[str, dict[str, Any]] = {
    "a pattern for each": {"values": {"time": TIME, "band": BAND}},
    "one pattern": {"values": r"_(?P<time>\d{8})_(?P<band>B\d+)\.tif"},
    "one pattern with a format": {"values": r"(?P<time>\d{8})_(?P<band>B\d+)\.tif=%Y%m%d"},
    "one pattern with the parts of a time": {
        "values": r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)_(?P<band>B\d+)\.tif"
    },
    "parts of a time": {
        "values": {"time": r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)", "band": BAND}
    },
    "a pattern with a format": {"values": {"time": TIME + "=%Y%m%d", "band": BAND}},
    "time and one more": {"time": TIME, "values": BAND},
    "time and a mapping": {"time": TIME, "values": {"band": BAND}},
    "lists": {
        "values": {
            "time": [at(2023, 1, int(url[17])) for url in FILES],
            "band": [url[19:-4] for url in FILES],
        }
    },
    "functions": {
        "values": {
            "time": lambda url: at(2023, 1, int(url[17])),
            "band": lambda url: url[19:-4],
        }
    },
    "a mapping of urls": {
        "time": TIME,
        "values": {"band": {url: url[19:-4] for url in FILES}},
    },
}


@pytest.mark.parametrize("source", list(SOURCES))
def test_coordinates_along_two_dimensions(source: str) -> None:
    found = find(FILES, axes=AXES, **SOURCES[source])
    assert {item.location.url: dict(item.coordinates) for item in found} == WANTED
    assert [item.location.url[17:-4] for item in found] == [
        *("1_B02", "1_B8", "1_B10", "2_B02", "2_B8", "2_B10")
    ]


@pytest.mark.parametrize(
    "columns", [("url", "time", "band"), ("url", "band", "length", "time"), ("URL", "time", "band")]
)
def test_a_table_whose_header_names_the_dimensions(
    columns: tuple[str, ...], tmp_path: Path
) -> None:
    rows = [
        {"url": url, "URL": url, "time": url[10:18], "band": url[19:-4], "length": "1"}
        for url in FILES
    ]
    text = "\n".join([",".join(columns), *(",".join(row[c] for c in columns) for row in rows)])
    (tmp_path / "places.csv").write_text(text)
    for values in (tmp_path / "places.csv", str(tmp_path / "places.csv")):
        found = find(FILES, axes=AXES, values=values)
        assert {item.location.url: dict(item.coordinates) for item in found} == WANTED
    of_each = dict.fromkeys(("time", "band"), tmp_path / "places.csv")
    found = find(FILES, axes=AXES, values=of_each)
    assert {item.location.url: dict(item.coordinates) for item in found} == WANTED


def stac(key: str, day: int, **properties: Any) -> dict[str, Any]:
    moment = f"2023-01-0{day}T00:00:00Z"
    return {
        "type": "Feature",
        "id": f"{key}-{day}",
        "properties": {"datetime": moment, "created": moment, "n": day, **properties},
        "assets": {key: {"href": f"s3://b/{key}{day}.tif", "type": "image/tiff"}},
    }


@pytest.mark.parametrize(
    "options",
    [
        {"values": "asset"},
        {"values": {"band": "asset"}},
        {"values": {"time": "datetime", "band": "asset"}},
        {"values": {"time": "created", "band": "asset"}},
        {"values": {"time": "start_datetime", "band": "asset"}, "start": True},
    ],
)
def test_coordinates_of_stac_items(options: dict[str, Any]) -> None:
    options = dict(options)
    more = {"start_datetime": "2022-05-06T07:08:09Z"} if options.pop("start", False) else {}
    items = [stac(key, day, **more) for key in ("B08", "B02") for day in (2, 1)]
    axes = ("time", "band") if "time" in options["values"] else ("time", "band", "y", "x")
    if options["values"] == "asset":
        axes, options["time"] = ("time", "band"), "datetime"
    found = find(items, axes=axes, **options)
    days = [at(2022, 5, 6, 7, 8, 9)] * 2 if more else [at(2023, 1, 1), at(2023, 1, 2)]
    assert [tuple(item.coordinates.values()) for item in found] == (
        [(days[0], "B02")] * 2 + [(days[0], "B08")] * 2
        if more
        else [(day, band) for day in days for band in ("B02", "B08")]
    )
    assert {item.variable for item in found} == {None}  # the key is a coordinate already


def test_the_key_of_an_asset_stays_the_variable_where_it_is_no_coordinate() -> None:
    found = find([stac("B02", 1)], axes=("time", "n"), values={"n": "n"})
    assert [(item.variable, dict(item.coordinates)) for item in found] == [
        ("B02", {"time": at(2023, 1, 1), "n": 1})
    ]


@pytest.mark.parametrize(
    ("dimension", "texts", "wanted"),
    [
        ("t", ("001", "010"), [1, 10]),
        ("t", ("20230101", "20230102"), [at(2023, 1, 1), at(2023, 1, 2)]),
        ("time", ("20230101", "2023010212"), [at(2023, 1, 1), at(2023, 1, 2, 12)]),
        ("level", ("20230101", "20230102"), [20230101, 20230102]),
        ("z", ("0.5", "10"), [0.5, 10.0]),
        ("c", ("DAPI", "GFP"), ["DAPI", "GFP"]),
        ("c", ("c2", "c10"), ["c2", "c10"]),
    ],
)
def test_texts_along_each_dimension(
    dimension: str, texts: tuple[str, str], wanted: list[Any]
) -> None:
    names = [f"s3://b/{text}.tif" for text in texts]
    axes = (dimension, "y", "x")
    for values in (
        rf"/(?P<{dimension}>[^/]*)\.tif",
        {dimension: r"/([^/]*)\.tif"},
    ):
        found = find(names[::-1], axes=axes, values=values)
        assert [item.coordinates[dimension] for item in found] == wanted
        assert [type(item.coordinates[dimension]) for item in found] == [type(v) for v in wanted]


def test_a_tag_beside_a_pattern_is_left_to_the_file() -> None:
    for options in (
        {"values": {"time": "tag", "band": BAND}},
        {"time": "tag", "values": BAND},
        {"time": "tag", "values": {"band": BAND}},
    ):
        found = find(FILES, axes=AXES, **options)
        assert {item.coordinates["time"] for item in found} == {None}
        assert [item.coordinates["band"] for item in found[::2]] == ["B02", "B8", "B10"]


def test_one_dimension_takes_the_forms_of_before() -> None:
    pattern = r"_(?P<time>\d{8})_(?P<band>B\d+)"
    found = find(FILES[:1], axes=("time",), values=pattern)
    assert found[0].coordinates == {"time": "20230102_B8"}
    found = find(FILES[:1], axes=("time",), values=TIME)
    assert found[0].coordinates == {"time": 20230102}
    found = find(FILES[:1], axes=("time",), values={"time": TIME})
    assert found[0].coordinates == {"time": at(2023, 1, 2)}


@pytest.mark.parametrize(
    ("axes", "options", "words"),
    [
        (AXES, {"values": BAND}, r"has several dimensions that may be new: time, band\. Give each"),
        (AXES, {"values": [1] * 6}, r"values=\{'time': …, 'band': …\} \(--values time=…"),
        (("a", "b"), {"time": TIME}, "time gives one coordinate, and concat has several"),
        (AXES, {"time": TIME, "values": {"time": TIME}}, "both give the coordinates"),
        (("time", "y"), {"time": TIME, "values": BAND}, "both give the coordinates"),
        (AXES, {"values": {"time": TIME, "bnad": BAND}}, "not in concat: bnad"),
        (
            AXES,
            {"values": r"_(?P<time>\d{8})_(?P<band>B\d+)\.(tif)"},
            r"groups called as dimensions of concat \(time, band, y, x\)",
        ),
        (AXES, {"values": r"_(?P<time>\d{8})_(?P<bnad>B\d+)"}, "groups called as dimensions"),
        (AXES, {"values": {"time": r"_(\d{5})", "band": BAND}}, "'20230' is not clearly a time"),
        (AXES, {"values": {"time": TIME, "band": r"_(B0\d)"}}, "values of band .* is not found in"),
        (AXES, {"values": {"time": TIME, "band": ["a"]}}, "there are 1 values for 6 files"),
        (AXES, {"values": {"time": TIME, "band": 3}}, "values of band must be a list"),
        (AXES, {"values": {"time": TIME, "band": "asset"}}, "no STAC item names these files"),
        (AXES, {"values": {"time": "platform", "band": BAND}}, "no STAC item has a platform"),
    ],
)
def test_coordinates_that_are_refused(
    axes: tuple[str, ...], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        find(FILES, axes=axes, **options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("url,tiem,bnad\nx,1,2", "has the columns url, tiem, bnad, and none of time, band, y, x"),
        ("url,time,band\nx,1", "a line must have a url and a time and a band, not"),
        ("url,time,band\nx,1,", "a line must have a url and a time and a band, not"),
        ("url,time,band\nx,1,2\nx,1,3", "x has the values 2 and 3"),
        ("url,time,band\nx,1,2", "has no value for: s3://b/S2_20230102_B8"),
    ],
)
def test_tables_that_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        find(FILES, axes=AXES, values=tmp_path / "places.csv")


# --------------------------------------------------------------------------------- order


def test_files_are_in_the_order_of_a_property() -> None:
    clouds = {("B02", 1): 30.5, ("B02", 2): 7, ("B08", 1): 7, ("B08", 2): 80}
    items = [stac(key, day, **{"eo:cloud_cover": cover}) for (key, day), cover in clouds.items()]
    found = [item.location.url for item in find(items, order="eo:cloud_cover")]
    assert found == [f"s3://b/{name}.tif" for name in ("B022", "B081", "B021", "B082")]


def test_the_order_counts_where_coordinates_are_equal() -> None:
    ranks = {url: i for i, url in enumerate(reversed(FILES))}
    found = find(FILES, axes=("time", "y", "x"), time=TIME, order=ranks)
    assert [item.location.url[17:-4] for item in found] == [
        *("1_B02", "1_B10", "1_B8", "2_B02", "2_B10", "2_B8")
    ]


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        (r"(\d+)\.tif", ["2_B02", "1_B02", "2_B8", "1_B8", "2_B10", "1_B10"]),
        (lambda url: -int(url[17]), ["2_B8", "2_B10", "2_B02", "1_B8", "1_B10", "1_B02"]),
        (lambda url: url[19:-4], ["2_B02", "1_B02", "2_B8", "1_B8", "2_B10", "1_B10"]),
    ],
)
def test_orders(order: Any, wanted: list[str]) -> None:
    assert [item.location.url[17:-4] for item in find(FILES, order=order)] == wanted


def test_an_order_out_of_a_table(tmp_path: Path) -> None:
    rows = [f"{url},{url[17]},{9 - i}" for i, url in enumerate(FILES)]
    (tmp_path / "ranks.csv").write_text("\n".join(["url,day,order", *rows]))
    found = find(FILES, order=tmp_path / "ranks.csv")
    assert [item.location.url for item in found] == FILES[::-1]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([1, 2, 3, 4, 5, 6], "order must be a mapping, a function"),
        ("eo:cloud_cover", "no STAC item has a eo:cloud_cover"),
        ({FILES[0]: 1}, "order has no value for"),
        (lambda url: len(url) if "B8" in url else "x", "several types"),
    ],
)
def test_orders_that_are_refused(order: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        find(FILES, order=order)
