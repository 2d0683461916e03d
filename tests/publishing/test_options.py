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
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        PublishOptions.of(options)
