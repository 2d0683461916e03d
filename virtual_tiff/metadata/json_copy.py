"""Copies of JSON: attributes that are made once for many files are anyone's to change."""

from __future__ import annotations

from typing import Any

__all__ = ["json_copy"]

_CONTAINERS = (list, dict)


def json_copy(value: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an object of JSON, and of every list and object in it."""
    return {k: v if type(v) not in _CONTAINERS else _copied(v) for k, v in value.items()}


def _copied(value: Any) -> Any:  # noqa: ANN401 (an array or an object of JSON)
    if type(value) is dict:
        return json_copy(value)
    return [v if type(v) not in _CONTAINERS else _copied(v) for v in value]
