"""The options of `publish`: one dataclass is the source of its signature."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import Any

import pytest

from virtual_tiff import publish
from virtual_tiff.publishing.options import PublishOptions


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
        ({"group": "(.*)_"}, "group needs concat"),
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
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_values(name: str) -> None:
    for value in RIGHT[name]:
        assert getattr(PublishOptions.of({name: value}), name) is value
