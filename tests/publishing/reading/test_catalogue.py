"""Files as columns of numbers, by group and variable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.planning.unified import Unified
from virtual_tiff.publishing.reading import catalogue, spool
from virtual_tiff.publishing.reading.catalogue import Catalogue, Coordinates, Files, shown
from virtual_tiff.publishing.reading.record import Node, Template, canonical
from virtual_tiff.publishing.reading.spool import Spool
from virtual_tiff.sources.declared_grid import DeclaredGrid


class Plain(Spool):
    """A spool that has texts, and rows of files, out of lists."""

    def __init__(self, texts: list[str], rows: Any = ()) -> None:
        super().__init__(None)
        self.texts, self.rows = texts, rows
        self.asked: list[int] = []

    def columns(self, which: str = "read") -> Any:
        assert which == "read"
        return iter(self.rows)

    def text(self, number: int) -> str:
        self.asked.append(number)
        return self.texts[number]

    def name(self, n: int) -> str:
        return f"{n}.tif"


def template(length: int) -> str:
    array = {"shape": [length], "attributes": {}, "codecs": [], "data_type": "uint8"}
    return Template(groups={}, arrays={"0": array}, inline={}, axes={"0": ("y",)}).text()


@pytest.mark.parametrize("module", [spool, catalogue])
def test_no_more_templates_are_kept_than_some_thousands(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a million files each may have its own."""
    assert module._MOST_TEMPLATES >= 1000
    monkeypatch.setattr(module, "_MOST_TEMPLATES", 3)
    of_texts = Plain([template(n) for n in range(9)])
    source: Any = of_texts if module is spool else Catalogue(of_texts)
    for n in (*range(9), *range(9)):
        assert source.template(n).arrays["0"]["shape"] == [n]
        assert len(source._templates) <= 3
    kept = len(source._templates)
    assert kept > 1
    of_texts.asked.clear()
    assert source.template(8).arrays["0"]["shape"] == [8]  # kept, not read again
    assert of_texts.asked == []


def test_no_more_texts_are_kept_than_some_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loose attributes may be a million; a text has one number all the same."""
    assert spool._MOST_TEXTS >= 1000
    monkeypatch.setattr(spool, "_MOST_TEXTS", 3)
    of_texts = Spool(None)
    numbers = [of_texts._text(f"text {n}") for n in (*range(9), *range(9))]
    assert numbers[:9] == numbers[9:]
    assert len(set(numbers)) == 9
    assert 0 < len(of_texts._texts) <= 3
    assert [of_texts.text(n) for n in numbers[:9]] == [f"text {n}" for n in range(9)]


def test_templates_are_unified_once() -> None:
    of_texts = Plain([template(4)])
    plain, unified = Catalogue(of_texts), Catalogue(of_texts, unified=Unified(nodata=7))
    assert plain.text(0) == template(4)
    assert "fill_value" not in plain.template(0).arrays["0"]
    assert unified.template(0).arrays["0"]["fill_value"] == 7
    assert unified.text(0) == unified.template(0).text()
    assert unified.template(0) is unified.template(0)


def row(
    number: int, /, *, loose: int = 0, group: str | None = None, variable: str | None = None,
        **coordinates: Any) -> Any:  # fmt: skip
    kinds = {int: "int", float: "float", str: "text", type(None): "tag"}
    values = {name: (kinds[type(value)], value) for name, value in coordinates.items()}
    return number, 0, loose, variable, group, values


def test_files_are_divided_by_group_and_variable_in_their_order() -> None:
    rows = [
        row(3, variable="red", n=5),
        row(4, variable="nir", n=5),
        row(7, variable="red", n=6),
        row(8, group="g", variable="red", n=1),
    ]
    sets = Catalogue(Plain([template(4)], rows)).sets
    found = [
        (each.group, each.variable, each.numbers.tolist(), each.along("n").values) for each in sets
    ]
    assert found == [
        ("", "red", [3, 7], [5, 6]), ("", "nir", [4], [5]), ("g", "red", [8], [1])
    ]  # fmt: skip
    assert sets[0].along("n").kind == "int"
    assert sets[0].along("other") == Coordinates("none", [])


def test_coordinates_of_several_kinds_are_refused() -> None:
    rows = [row(0, n=5, m=1), row(1, n="b", m=2), row(2, n=0.5, m=3)]
    words = r"along n are of several kinds: float, int, text; give all files one of a kind"
    with pytest.raises(PublishError, match=words):
        Catalogue(Plain([template(4)], rows))
    with pytest.raises(PublishError, match="along n are of several kinds: int, text; give all"):
        Catalogue(Plain([template(4)], rows[:2]))
    assert len(Catalogue(Plain([template(4)], rows[:1])).sets[0]) == 1


def dated(text: str | None) -> str:
    tags = {} if text is None else {"TIFFTAG_DATETIME": text}
    return canonical([["group", "", {}], ["array", "0", tags]])


def test_files_are_sorted_by_the_times_of_their_tags() -> None:
    """Those of one time stay in their order."""
    days = (3, 1, 3, 2)
    texts = [template(4), *(dated(f"2023:01:0{day} 00:00:00") for day in days)]
    rows = [row(n, loose=n + 1, time=None) for n in range(4)]
    (files,) = Catalogue(Plain(texts, rows)).sets
    assert files.numbers.tolist() == [1, 3, 0, 2]
    kind, values = files.along("time")
    assert kind == "time"
    assert [shown(value, kind) for value in values] == [
        f"2023-01-0{day}T00:00:00" for day in (1, 2, 3, 3)
    ]


@pytest.mark.parametrize("text", [None, "0000:00:00 00:00:00"])
@pytest.mark.filterwarnings("ignore")
def test_a_file_whose_tag_holds_no_time_is_named(text: str | None) -> None:
    rows = [row(5, loose=1, time=None)]
    with pytest.raises(
        PublishError, match=r"5\.tif has no tag DateTime that holds a time; give a p"
    ):
        Catalogue(Plain([template(4), dated(text)], rows))


def files_of(*templates: int) -> Files:
    numbers = np.arange(len(templates))
    coordinates = {"n": Coordinates("int", [10 * n for n in range(len(templates))])}
    return Files(numbers, np.array(templates), numbers + 50, coordinates, "red", "g")


def test_some_of_the_files() -> None:
    files = files_of(1, 2, 1, 3)
    for where in (np.array([False, True, False, True]), np.array([1, 3])):
        some = files.taken(where)
        assert some.numbers.tolist() == [1, 3]
        assert some.templates.tolist() == [2, 3]
        assert some.loose.tolist() == [51, 53]
        assert some.along("n") == Coordinates("int", [10, 30])
        assert (some.variable, some.group) == ("red", "g")
    none = files.none_of("nir")
    assert (len(none), none.variable, none.group) == (0, "nir", "g")
    assert none.along("n") == Coordinates("int", [])


def test_templates_are_counted_in_the_order_of_their_first_files() -> None:
    files = files_of(7, 2, 7, 5, 2, 7)
    of_texts = Catalogue(Plain([]))
    assert list(of_texts.counts(files).items()) == [(7, 3), (2, 2), (5, 1)]
    assert of_texts.names(files) == {
        2: ["1.tif", "4.tif"], 5: ["3.tif"], 7: ["0.tif", "2.tif", "5.tif"]
    }  # fmt: skip
    assert of_texts.names(files, limit=1) == {2: ["1.tif"], 5: ["3.tif"], 7: ["0.tif"]}


def test_the_tag_of_any_node_counts() -> None:
    of_texts = Catalogue(Plain([template(4), dated("2023:01:01 00:00:00")]))
    assert of_texts.loose(1)[Node("array", "0")] == {"TIFFTAG_DATETIME": "2023:01:01 00:00:00"}


def test_files_of_a_document_have_its_grid_and_their_places() -> None:
    grid = DeclaredGrid(name="m.vrt", kind="GDAL VRT")

    class OfDocument(Plain):
        """A spool where files from number 1 on are those of a document."""

        def grid(self, n: int) -> DeclaredGrid | None:
            return grid if n else None

        def places(self, numbers: Any) -> Any:
            return np.stack([numbers, numbers, numbers, numbers], axis=1)

    of_texts, files = Catalogue(OfDocument([])), files_of(1, 1, 1)
    assert of_texts.grid(files) is None  # as of its first file
    assert of_texts.declared(files) is None
    some = files.taken(np.array([1, 2]))
    assert of_texts.grid(some) is grid
    declared = of_texts.declared(some)
    assert declared is not None
    assert declared.grid is grid
    assert declared.places.tolist() == [[1] * 4, [2] * 4]
    assert of_texts.grid(files.none_of("nir")) is None


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1_672_531_200_000_000, "time", "2023-01-01T00:00:00"),
        (1_672_531_200_500_000, "time", "2023-01-01T00:00:00.500000"),
        (5, "int", "5"),
        ("B04", "text", "B04"),
    ],
)
def test_coordinates_as_people_write_them(value: Any, kind: str, text: str) -> None:
    assert shown(value, kind) == text
