"""Copies of JSON: attributes that are made once for many files are anyone's to change."""

from __future__ import annotations

from typing import Any

__all__ = ["json_copy"]

_CONTAINERS = (list, dict)


def json_copy(value: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an object of JSON, and of every list and object in it."""
    copy: dict[str, Any] = _copied(value)
    return copy


def _copied(value: Any) -> Any:  # noqa: ANN401 (an array or an object of JSON)
    copy = value.copy()
    for key, item in value.items() if type(value) is dict else enumerate(value):
        if type(item) in _CONTAINERS:
            copy[key] = _copied(item)
    return copy
