"""What users name: files, directories, prefixes, globs and lists; and where each file goes."""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.http import HttpServer
from support.s3 import S3, SETTINGS
from virtual_tiff.publishing.finding.items import Item, find_items
from virtual_tiff.sources.times import guessed_time, tiff_datetime
from virtual_tiff.tiff import TiffWarning

NAMES = ("a10.tif", "a2.TIF", "sub/b.tiff", "sub/deep/c.TiFF", "notes.txt", "a2.tif.aux.xml")
BELOW = ["a2.TIF", "a10.tif", "sub/b.tiff", "sub/deep/c.TiFF"]


def find(sources: Any, **options: Any) -> list[Item]:
    return list(find_items(sources, **options))


def coordinate_of(item: Item) -> Any:
    """The coordinate of a file along the only new dimension."""
    (value,) = item.coordinates.values()
    return value


def s3_options(s3: S3) -> dict[str, Any]:
    return {**SETTINGS, "endpoint": s3.endpoint}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*NAMES, ".hidden.tif", ".trash/x.tif", "sub/._b.tif"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")
    return tmp_path / "in"


@pytest.fixture(scope="module")
def bucket(s3: S3) -> S3:
    own = s3.with_bucket("archive")
    for name in (
        *NAMES,
        ".hidden.tif",
        "sub/._b.tif",
        "odd/q?1.tif",
        "odd/q[1].tif",
        "odd/q#1.tif",
    ):
        own.put(f"in/{name}", b"1234")
    own.put("inside.tif", b"1")
    return own


def below(items: list[Item], folder: Path) -> list[str]:
    return [str(Path(item.location.path).relative_to(folder)) for item in items]


# ------------------------------------------------------------------- directories and globs


def test_directory_has_tiffs_at_every_depth_in_natural_order(folder: Path) -> None:
    for source in (folder, f"{folder}/", f"file://{folder}"):
        assert below(find(source), folder) == BELOW


def test_links_are_sorted_by_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, target in (("a01", "1"), ("a1", "0"), ("a2", "3"), ("a10", "2")):
        (tmp_path / target).write_bytes(b"1")
        (tmp_path / "in" / f"{name}.tif").symlink_to(tmp_path / target)
    for source in (tmp_path / "in", tmp_path / "in" / "*.tif"):
        assert [item.location.path[-1] for item in find(source)] == ["1", "0", "3", "2"]


def test_listings_give_the_state_of_files(folder: Path) -> None:
    stat = (folder / "a2.TIF").stat()
    for source in (folder, folder / "a2*"):
        listed = find(source)[0].listed
        assert listed is not None
        assert listed.last_modified is not None
        assert listed.size == 4
        assert abs(listed.last_modified.timestamp() - stat.st_mtime) < 1e-3
    assert find(folder / "a2.TIF")[0].listed is None


def test_globs_on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert [item.location.name for item in find("a*.[tT]*")] == [
        "a2.TIF",
        "a2.tif.aux.xml",
        "a10.tif",
    ]
    assert below(find("**/*.tif*"), folder) == ["a2.tif.aux.xml", "a10.tif", "sub/b.tiff"]
    (folder / "a[1].tif").write_bytes(b"1")
    assert below(find("a[1].tif"), folder) == ["a[1].tif"]


def test_prefixes_on_s3(bucket: S3) -> None:
    options = s3_options(bucket)
    names = [item.location.path for item in find(bucket.url("in/sub/"), store_options=options)]
    assert names == ["in/sub/b.tiff", "in/sub/deep/c.TiFF"]
    whole = find(f"s3://{bucket.bucket}", store_options=options)
    assert "inside.tif" in [item.location.path for item in whole]
    assert find(bucket.url("in/"), store_options=options)[0].location.url == bucket.url("in/a2.TIF")


def test_globs_on_s3(bucket: S3) -> None:
    def keys(pattern: str) -> list[str]:
        return [
            i.location.path for i in find(bucket.url(pattern), store_options=s3_options(bucket))
        ]

    assert keys("in/a*.tif") == ["in/a10.tif"]
    assert keys("in/a[0-9]*.[tT][iI][fF]") == ["in/a2.TIF", "in/a10.tif"]
    assert keys("in/a[!2]*.tif") == ["in/a10.tif"]
    assert keys("in/**/[abc]*.tif*") == ["in/a2.tif.aux.xml", "in/a10.tif", "in/sub/b.tiff"]
    assert keys("in*/**/b.*") == ["in/sub/b.tiff"]
    assert keys("*.tif") == ["inside.tif"]


def test_keys_with_wildcards_in_their_names(bucket: S3) -> None:
    for name in ("q?1.tif", "q[1].tif", "q#1.tif"):
        (item,) = find(bucket.url(f"in/odd/{name}"), store_options=s3_options(bucket))
        assert item.location.path == f"in/odd/{name}"


def test_listings_on_s3_give_what_a_read_gives(bucket: S3) -> None:
    (item,) = find(bucket.url("in/a10*"), store_options=s3_options(bucket))
    meta = item.location.store.head(item.location.path)
    assert item.listed is not None
    assert (item.listed.size, item.listed.etag) == (meta["size"], meta["e_tag"])
    assert item.listed.last_modified == meta["last_modified"]


def test_a_bucket_that_does_not_exist_is_named(bucket: S3) -> None:
    for source in ("s3://no-such-bucket/d/", "s3://no-such-bucket/d/*.tif"):
        with pytest.raises(OSError, match=r"no-such-bucket/d/.*there is no such bucket"):
            find(source, store_options=s3_options(bucket))


def test_a_server_without_listings_is_asked_once(http_server: HttpServer) -> None:
    http_server.put("d/a.tif", b"1")
    for source in (f"{http_server.url}/d/", f"{http_server.url}/d/*.tif"):
        with pytest.raises(OSError, match=r"does not list its files.*@list.txt"):
            find(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [("empty", "no file ends in .tif"), ("empty/*.tif", "no file matches"), ("?.tif", "no file m")],
)
def test_nothing_there(source: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=words):
        find(tmp_path / source)


def test_nothing_on_s3(bucket: S3) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file matches s3://archive/no\*"):
        find(bucket.url("no*.tif"), store_options=s3_options(bucket))


# ---------------------------------------------------------------------------------- lists

LIST = "\ufeff# ours\r\n\r\n{0}/a10.tif\r\n   {0}/a2.TIF  \r\n#{0}/no.tif\r\n{0}/sub/*.tiff"


def test_lists(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["a10.tif", "a2.TIF", "sub/b.tiff"]
    text = LIST.format(folder)
    (tmp_path / "list.txt").write_text(text, newline="", encoding="utf-8")
    assert below(find(f"@{tmp_path}/list.txt"), folder) == wanted
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert below(find("-"), folder) == wanted


def test_list_on_s3_names_its_neighbours(bucket: S3) -> None:
    url = bucket.put("in/list.txt", "a10.tif\n../inside.tif\nsub/\nsub/ü.tif".encode())
    found = find(f"@{url}", store_options=s3_options(bucket))
    assert [item.location.path for item in found] == [
        "in/a10.tif",
        "inside.tif",
        "in/sub/b.tiff",
        "in/sub/deep/c.TiFF",
        "in/sub/ü.tif",
    ]


def test_list_over_http(http_server: HttpServer) -> None:
    url = http_server.put("x/list.txt", b"a.tif\nhttp://h/b.tif\n")
    names = [item.location.url for item in find(f"@{url}?page=1")]
    assert names == [f"{http_server.url}/x/a.tif", "http://h/b.tif"]


def test_lists_that_cannot_be_read(http_server: HttpServer, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find(f"@{tmp_path}/none.txt")
    with pytest.raises(FileNotFoundError, match="no such object"):
        find(f"@{http_server.url}/none.txt")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text in UTF-8"):
        find(f"@{tmp_path}/list.txt")


def test_long_lists_are_read_as_they_are_taken() -> None:
    taken = itertools.count()

    def urls() -> Iterator[str]:
        for i in taken:
            yield f"s3://bucket/{i}.tif"

    found = find_items(urls())
    first = list(itertools.islice(found, 3))
    assert [item.location.path for item in first] == ["0.tif", "1.tif", "2.tif"]
    assert next(taken) < 10


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ([], "no sources are given"),
        (["s3://b/a.tif", "s3://b/a.tif"], "s3://b/a.tif is named more than once"),
        (["https://h/a.tif?sig=hush"], "it would be stored in each reference"),
        (["https://me:hush@h/a.tif"], "it would be stored in each reference"),
        ([7], "not 7"),
        (["foo://b/a.tif"], "foo://b"),
    ],
)
def test_sources_that_cannot_be(sources: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        find(sources)
    assert "hush" not in str(caught.value)


def test_one_file_by_two_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "link.tif").symlink_to(folder / "a10.tif")
    for other in (f"file://{folder}/a10.tif", "sub/../a10.tif", "link.tif", "."):
        with pytest.raises(ValueError, match="named more than once"):
            find(["a10.tif", other])


def test_options_that_no_store_takes() -> None:
    with pytest.raises(ValueError, match="no source takes the store option region"):
        find("https://h/a.tif", store_options={"region": "x"})


# ------------------------------------------------------------------------- times in names


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2020", at(2020, 1, 1)),
        ("202002", at(2020, 2, 1)),
        ("20200203", at(2020, 2, 3)),
        ("2020_02_03", at(2020, 2, 3)),
        ("2020034", at(2020, 2, 3)),
        ("2020-366", at(2020, 12, 31)),
        ("2020020304", at(2020, 2, 3, 4)),
        ("202002030405", at(2020, 2, 3, 4, 5)),
        ("20200203T040506", at(2020, 2, 3, 4, 5, 6)),
        ("20200203T040506Z", at(2020, 2, 3, 4, 5, 6)),
        ("2020-02-03T04:05:06.25+01:00", at(2020, 2, 3, 3, 5, 6, 250000)),
        ("20200203040506123", at(2020, 2, 3, 4, 5, 6, 123000)),
        ("2020034120000", at(2020, 2, 3, 12)),
        ("2021-366", None),
        ("130102", None),
        ("200102", None),
        ("200102030405", None),
        ("20201301", None),
        ("20210229", None),
        ("20200203T250000", None),
        ("B04", None),
    ],
)
def test_forms_of_times_that_are_guessed(text: str, time: datetime | None) -> None:
    assert guessed_time(text) == time


@pytest.mark.parametrize(
    ("pattern", "name", "time"),
    [
        (
            r"(?P<time>\d{8}T\d{6})",
            "x/20190101/S2_20200203T040506_20210101T000000.tif",
            at(2020, 2, 3, 4, 5, 6),
        ),
        (r"(\d{8})", "a_20200203.tif", at(2020, 2, 3)),
        (r"_(?P<time>\w+)\.tif=%d%b%Y", "a_03Feb2020.tif", at(2020, 2, 3)),
        (r"(?P<time>\d{6})=%y%m%d", "130102.tif", at(2013, 1, 2)),
        (r"date=(?P<time>[\d-]+)/", "date=2020-02-03/a.tif", at(2020, 2, 3)),
        (r"(?<=d=)(?P<time>\d+)", "a_d=20200203.tif", at(2020, 2, 3)),
        (r"(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)/", "2020/02/03/B04.tif", at(2020, 2, 3)),
        (r"A(?P<year>\d{4})(?P<doy>\d{3})", "MOD.A2020034.h01.tif", at(2020, 2, 3)),
        (
            r"(?P<time>\d{8}T\d{2}%3A\d\d)=%Y%m%dT%H%%3A%M",
            "20200203T04%3A05.tif",
            at(2020, 2, 3, 4, 5),
        ),
    ],
)
def test_times_in_names(pattern: str, name: str, time: datetime) -> None:
    (item,) = find(f"s3://bucket/{name}", time=pattern)
    assert coordinate_of(item) == time
    assert isinstance(coordinate_of(item), datetime)
    assert coordinate_of(item).tzinfo is UTC


def test_files_are_sorted_by_time_and_keep_their_variables() -> None:
    names = [f"s3://b/{day}_{band}.tif" for day in (20200103, 20200101) for band in ("B08", "B04")]
    found = find(names, time=r"(?P<time>\d{8})", variable=r"(?P<band>B\d\d)\.tif")
    assert [(coordinate_of(item), item.variable) for item in found] == [
        (at(2020, 1, 1), "B08"),
        (at(2020, 1, 1), "B04"),
        (at(2020, 1, 3), "B08"),
        (at(2020, 1, 3), "B04"),
    ]


def test_several_groups_are_one_variable() -> None:
    (item,) = find("s3://b/B04_10m.tif", variable=r"(?P<band>B\d\d)_(?P<res>\d+m)")
    assert item.variable == "B04_10m"


def test_the_time_of_the_tag_is_left_to_the_file() -> None:
    assert find("s3://b/a.tif", time="tag")[0].coordinates == {"": None}


FILES = ["s3://b/a_20200101.tif", "s3://b/c_20200102.tif"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time": r"a_(?P<time>\d{8})"}, r"is not found in the name.*: s3://b/c_20200102.tif$"),
        ({"time": r"b/a_(?P<time>\d{8})"}, r"is not found in the path: s3://b/c_20200102.tif$"),
        ({"variable": r"(?P<band>B\d\d)"}, r"a_20200101.tif, s3://b/c_20200102.tif"),
        (
            {"variable": r"(?P<band>a|c)_", "time": r"_20(?P<time>\d{6})"},
            r"a_20200101.tif: '200101'",
        ),
        ({"time": r"_(?P<time>\d{3})"}, r"'202' is not clearly a time; give its form, as"),
        ({"time": r"_(?P<time>\d{8})=%d%m%Y"}, r"'20200101' is not a time of the form %d%m%Y"),
        ({"time": "yesterday"}, r"'tag', 'datetime', 'start_datetime', 'end_datetime'"),
        ({"time": r"(\d)(\d)"}, "must have one group"),
        ({"time": r"(?P<year>\d{4})(?P<moon>\d)"}, "groups called year, month"),
        ({"time": "datetime"}, "no STAC item has a datetime: s3://b/a_"),
        ({"variable": "B04"}, "has no group"),
        ({"variable": "(B04"}, "is not a regular expression"),
        ({"variable": "asset"}, "no STAC item"),
        ({"variable": 4}, "not 4"),
        ({"values": [1]}, "there are 1 values for 2 files"),
        ({"values": [1, "x"]}, r"several types: s3://b/a_20200101.tif: 1, s3://b/c_.*: 'x'"),
        ({"values": [1, None]}, "1 of 2 files have no coordinate: s3://b/c_"),
        ({"values": [1, float("nan")]}, "not nan"),
        ({"values": [1, True]}, "not True"),
        ({"values": [1, 2**63]}, "9223372036854775808 does not fit into 64 bits"),
        ({"values": {FILES[0]: 1, FILES[1]: -(2**63) - 1}}, "c_.*does not fit into 64 bits"),
        ({"values": {FILES[0]: 1}}, "values has no value for: s3://b/c_"),
        ({"values": lambda url: None}, "values gives None for: s3://b/a_"),
        ({"values": 3}, "values must be a list"),
        ({"values": [1, 2], "time": "tag"}, "give only one"),
        ({"assets": ()}, "assets must be"),
        ({"assets": "B04"}, "no STAC item has an asset B04"),
    ],
)
def test_files_without_a_place(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        find(FILES, **options)


def test_variables_tell_files_of_one_time_apart() -> None:
    found = find(FILES, time=r"_(?P<time>2020)", variable=r"(a|c)_")
    assert [item.variable for item in found] == ["a", "c"]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([2, 1.5], [1.5, 2.0]),
        (["x10", "x9"], ["x9", "x10"]),
        ([date(2021, 1, 1), datetime(2020, 1, 1)], [at(2020, 1, 1), at(2021, 1, 1)]),  # noqa: DTZ001
        (np.array(["2021-01-01", "2020-01-01"], "M8[ns]"), [at(2020, 1, 1), at(2021, 1, 1)]),
        (np.array([2, 1], "i2"), [1, 2]),
        ({FILES[0]: 5, FILES[1]: 4, "other": 3}, [4, 5]),
        (lambda url: -int(url[-6:-4]), [-2, -1]),
        (r"_(?P<number>\d+)\.tif", [20200101, 20200102]),
        (r"(?P<letter>[ac])_", ["a", "c"]),
    ],
)
def test_values(values: Any, wanted: list[Any]) -> None:
    found = [coordinate_of(item) for item in find(FILES, values=values)]
    assert found == wanted
    assert [type(value) for value in found] == [type(value) for value in wanted]


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (("2", "1"), [1, 2]),
        (("2", "1.5"), [1.5, 2.0]),
        (("2020-01-02", "2020-01-01"), [at(2020, 1, 1), at(2020, 1, 2)]),
        (("x", "1"), ["1", "x"]),
    ],
)
@pytest.mark.parametrize("header", ["", "url,value\n", "URL,Value\n", "# url,level\n"])
def test_values_of_a_table(
    header: str, column: tuple[str, str], wanted: list[Any], tmp_path: Path
) -> None:
    table = tmp_path / "values (1).csv"
    rows = [f'"{url}",{value}' for url, value in zip(FILES, column, strict=True)]
    table.write_text(
        "\ufeff" + header + "\r\n".join([*rows, "s3://b/more.tif,9"])
        if column[0] != "x"
        else "\n".join(rows)
    )
    assert [coordinate_of(item) for item in find(FILES, values=str(table))] == wanted


NUMBER_OR_TEXT: list[tuple[tuple[str, str], list[Any]]] = [
    # what a table says of two files, what they are in order
    (("007", "10"), [7, 10]),
    (("+5", "-5"), [-5, 5]),
    (("007", "x"), ["007", "x"]),
    (("2", "1e3"), [2.0, 1000.0]),
    ((".5", "5."), [0.5, 5.0]),
    ((" 5", "6 "), [5, 6]),
    (("1", "nan"), ["1", "nan"]),
    (("1", "-inf"), ["-inf", "1"]),
    (("1", "1e400"), ["1", "1e400"]),
    (("1_000", "2"), ["1_000", "2"]),
    (("١", "2"), ["2", "١"]),
    (("0x10", "2"), ["0x10", "2"]),
    (("1,5", "2"), ["1,5", "2"]),
    (("True", "False"), ["False", "True"]),
    (("9223372036854775807", "1"), [1, 2**63 - 1]),
    (("9223372036854775808", "1"), ["1", "9223372036854775808"]),
    (("9007199254740993", "0.5"), ["0.5", "9007199254740993"]),
    (("9007199254740992", "0.5"), [0.5, 2.0**53]),
    (("1" * 5000, "0.5"), ["0.5", "1" * 5000]),
    (("2023-01-02", "2023-01-01T12:00:00+02:00"), [at(2023, 1, 1, 10), at(2023, 1, 2)]),
    (("2023-01-02", "x"), ["2023-01-02", "x"]),
    (("2023-01-02", "1"), ["1", "2023-01-02"]),
    (("2023-02-30", "2023-01-01"), ["2023-01-01", "2023-02-30"]),
    (("20230102", "20230101"), [20230101, 20230102]),
    (("2024", "2023"), [2023, 2024]),
    (("2023-02", "2023-01"), ["2023-01", "2023-02"]),
]


@pytest.mark.parametrize(("column", "wanted"), NUMBER_OR_TEXT, ids=lambda v: str(v)[:40])
def test_texts_of_a_table_are_all_numbers_or_all_times_or_all_texts(
    column: tuple[str, str], wanted: list[Any], tmp_path: Path
) -> None:
    table = tmp_path / "values.csv"
    rows = [f'{url},"{value}"' for url, value in zip(FILES, column, strict=True)]
    table.write_text("\n".join(rows), encoding="utf-8")
    found = [coordinate_of(item) for item in find(FILES, values=table)]
    assert [(type(value), value) for value in found] == [(type(value), value) for value in wanted]


@pytest.mark.parametrize("column", [column for column, _ in NUMBER_OR_TEXT], ids=lambda v: v[0][:9])
@pytest.mark.parametrize("kind", ["list", "mapping", "function"])
def test_texts_that_a_user_gives_stay_texts(column: tuple[str, str], kind: str) -> None:
    mapping = dict(zip(FILES, column, strict=True))
    values = {"list": list(column), "mapping": mapping, "function": mapping.__getitem__}[kind]
    found = {item.location.url: coordinate_of(item) for item in find(FILES, values=values)}
    assert found == mapping


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://b/a_20200101.tif,1", "has no value for: s3://b/c_"),
        ("s3://b/a_20200101.tif", "a line must have a url and a value"),
        ("x,1\nx,2", "x has the values 1 and 2"),
        ("url,level,area\nx,1,2", r"values\.csv has the columns url, level, area, and none of"),
    ],
)
def test_tables_that_do_not_serve(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        find(FILES, values=tmp_path / "values.csv")


def test_errors_name_ten_files_and_count_the_others() -> None:
    with pytest.raises(ValueError, match=r"9.tif and 5 more$"):
        find([f"s3://b/{i}.tif" for i in range(15)], time=r"(?P<time>\d{8})")


# -------------------------------------------------------------------------- the tag DateTime


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2020:02:03 04:05:06", at(2020, 2, 3, 4, 5, 6)),
        ("2020:02:03 04:05:06\0", at(2020, 2, 3, 4, 5, 6)),
        ("2020-02-03T04:05:06Z", at(2020, 2, 3, 4, 5, 6)),
        ("2020-02-03 04:05:06.5", at(2020, 2, 3, 4, 5, 6, 500000)),
        ("2020/02/03 04:05", at(2020, 2, 3, 4, 5)),
        ("2020:02:03 04:05:06+02:00", at(2020, 2, 3, 2, 5, 6)),
        ("2020:02:03", at(2020, 2, 3)),
        ("20200203", at(2020, 2, 3)),
    ],
)
def test_the_tag_datetime(text: str, time: datetime) -> None:
    assert tiff_datetime(text) == time


@pytest.mark.parametrize(
    "text",
    ["", "    :  :     :  :  ", "0000:00:00 00:00:00", "Mon Feb  3 2020", "2020:02:30 00:00:00"],
)
def test_a_tag_datetime_that_is_none(text: str) -> None:
    with pytest.warns(TiffWarning, match=re.escape(repr(text))):
        assert tiff_datetime(text) is None


def test_home_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", os.fspath(folder))
    assert below(find(["~/a10.tif", "~/sub/*.tiff"]), folder) == ["a10.tif", "sub/b.tiff"]
