"""The options of `publish`: one dataclass is the source of its signature."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from virtual_tiff import publish
from virtual_tiff.publishing.options import PublishOptions
from virtual_tiff.publishing.planning.grid import GridRules
from virtual_tiff.publishing.planning.unified import Unified


def test_the_signature_is_that_of_the_dataclass() -> None:
    signature = inspect.signature(publish).parameters
    keywords = [p for p in signature.values() if p.kind is p.KEYWORD_ONLY]
    options = [option for option in fields(PublishOptions) if option.name != "parser_options"]
    assert [(k.name, k.annotation, k.default) for k in keywords] == [
        (option.name, option.type, option.default) for option in options
    ]
    assert MISSING not in [option.default for option in options]
    others = [p.name for p in signature.values() if p.kind is not p.KEYWORD_ONLY]
    assert others == ["sources", "to", "parser_options"]


def test_keywords_are_divided_between_publish_and_the_parser() -> None:
    options = PublishOptions.of({"concat": "y,x", "ifd": 0, "per_scene": "rpcs,gcps"})
    assert (options.axes, options.scenes) == (("y", "x"), ("gcps", "rpcs"))
    assert options.parser_options == {"ifd": 0}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "group per file", "concat": "time"}, "stacks nothing: concat must be None"),
        ({"layout": "stack"}, "layout 'stack' needs concat"),
        ({"per_scene": "gcps"}, "per_scene needs concat"),
        ({"replace_changed": True}, "replace_changed needs append=True"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        PublishOptions.of(options)


WRONG: dict[str, list[Any]] = {
    "snap": [-1e-9, 0.5, 1, float("nan"), True, False],
    "nodata": ["7", True, 1j, [7]],
    "concat": [(), "", "y,,x", "y,", 7, ["y", 7], ["y,"]],
    "branch": ["", 7, None],
    "tag": ["", " ", 7],
    "inline_limit": [-1, 1.5, "7"],
    "concurrency": [0, -1, 1.5],
    "append": ["yes", None],
    "any_compression": ["yes", None],
    "portable": ["yes"],
    **{name: ["other", 7] for name in ("layout", "overlap", "grid", "on_error", "truncated")},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_with_its_option(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(ValueError, match=rf"{name}(:| must be )"):
            PublishOptions.of({name: value})


RIGHT: dict[str, list[Any]] = {
    "snap": [0, 0.0, 0.01, 0.4999999],
    "nodata": [0, -7, 0.5, float("nan"), None],
    "concat": ["time", "y,x", ["y", "x"], ("time", "y,x"), None],
    "inline_limit": [0, 1, None],
    "concurrency": [1, 64],
    **{name: [True, False] for name in ("append", "any_compression", "check")},
    "portable": [None, True, False],
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_values(name: str) -> None:
    for value in RIGHT[name]:
        assert getattr(PublishOptions.of({name: value}), name) is value


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parallel": "spark"}, "parallel must be"),
        ({"chunks": 5}, "chunks: no such option; those of the parser are "),
        ({"ifd_layout": "round"}, "ifd_layout must be|round"),
        ({"per_scene": "gcps,dates", "concat": "n"}, "per_scene must be some of gcps, rpcs, not d"),
    ],
)
def test_options_of_others_are_checked_before_anything_is_read(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        PublishOptions.of(options)


def test_a_repository_with_commits_needs_no_more_options() -> None:
    """It knows how it was published; a new one must be told."""
    for options in ({"per_scene": "gcps"}, {"group": "(.*)_"}, {"layout": "stack"}):
        PublishOptions.of(options | {"append": True})
        PublishOptions.of(options | {"concat": "n"})
    PublishOptions.of({"layout": "group per file"})


@pytest.mark.parametrize(
    ("given", "axes"),
    [(None, ()), ("time", ("time",)), ("y,x", ("y", "x")), (["time", "y,x"], ("time", "y,x"))],
)
def test_the_dimensions_of_concat(given: Any, axes: tuple[str, ...]) -> None:
    assert PublishOptions(concat=given).axes == axes


def test_values_in_a_list_have_an_order() -> None:
    values = {
        "band": ["nir", "red"], "time": "a.csv", "level": Path("b.csv"), "n": {"a.tif": 1},
        "m": len, "other": [1, 2],
    }  # fmt: skip
    options = PublishOptions(concat="band,time,level,n,m", values=values)
    assert options.orders == {"band": ["nir", "red"]}
    assert PublishOptions(concat="band", values=["nir", "red"]).orders == {}


def test_the_ledger_keeps_a_pattern_of_groups_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may have another text at the next run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "groups.csv").write_text("")
    expected = {None: None, "(.*)_": "(.*)_", "groups.csv": "", len: ""}
    for group, text in expected.items():
        assert PublishOptions(concat="n", group=group).group_text == text


def test_what_is_made_of_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    options = PublishOptions(concat="n", snap=0, grid="regular", overlap="last", cache="~/cache")
    assert options.rules == GridRules(overlap="last", snap=0.0, grid="regular")
    assert isinstance(options.rules.snap, float)
    assert options.cache_file == tmp_path / "cache"
    assert options.unified is None
    assert PublishOptions().cache_file is None
    assert PublishOptions(nodata=0).unified == Unified(nodata=0)
    assert PublishOptions(any_compression=True).unified == Unified(any_compression=True)


def test_a_record_depends_on_how_its_file_was_read() -> None:
    recipes = [
        PublishOptions.of({"concat": "n"} | more).reader.recipe
        for more in (
            {}, {"ifd": 0}, {"truncated": "keep"}, {"per_scene": "gcps"}, {"portable": True},
            {"portable": True, "inline_limit": 5}, {"concat": "band"},
        )
    ]  # fmt: skip
    assert len(set(recipes)) == 7
    assert all(recipe.endswith(f" virtual-tiff {version('virtual-tiff')}") for recipe in recipes)
    assert PublishOptions(concat="n", snap=0.2, message="x").reader.recipe == recipes[0]


@pytest.mark.parametrize("published", [None, True, False])
@pytest.mark.parametrize("portable", [None, True, False])
def test_a_repository_stays_as_portable_as_it_is(
    portable: bool | None, published: bool | None
) -> None:
    options = PublishOptions.of({"portable": portable, "ifd": 0})
    if None not in (published, portable) and published != portable:
        with pytest.raises(ValueError, match=f"published with portable={published}, not"):
            options.settled(published=published)
        return
    settled = options.settled(published=published)
    assert settled.portable == bool(published or portable)
    stored = {"samples": "stored"} if settled.portable else {}
    assert settled.parser_options == {"ifd": 0} | stored


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inline_limit": 5}, "inline_limit needs portable=True"),
        ({"inline_limit": 0}, "inline_limit needs portable=True"),
        ({"portable": True, "samples": "first"}, "portable needs samples='stored', not samples='f"),
        ({"portable": True, "any_compression": True}, "any_compression needs a codec of this pack"),
    ],
)
def test_options_that_portable_needs_or_forbids(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PublishOptions.of(options).settled(published=None)
    others = {"portable": True, "samples": "stored", "inline_limit": 5}
    assert PublishOptions.of(others).settled(published=True).inline_limit == 5
