"""Published cubes as plain data, by zarr alone, so that two of them can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import zarr

from virtual_tiff.publishing import Published, Removed
from virtual_tiff.publishing.run import Publication

__all__ = ["contents", "differences", "in_the_form_of_before"]


@contextmanager
def in_the_form_of_before(**form: Any) -> Iterator[None]:
    """Publish as earlier versions did: with `one_grid_mapping` or `text_attributes` False."""
    arrangement = Publication._arrangement
    with mock.patch.object(
        Publication, "_arrangement", lambda run: replace(arrangement(run), **form)
    ):
        yield


def contents(published: Published | Removed) -> dict[str, Any]:
    """Return all groups and arrays but the ledger: attributes, metadata and values by path."""
    assert published.repository is not None
    return contents_of(published.repository.readonly_session(published.branch).store)


def contents_of(store: Any) -> dict[str, Any]:
    """Return the same of a store of zarr."""
    root = zarr.open_group(store, mode="r")
    nodes: dict[str, Any] = {"": (dict(root.attrs),)}
    for path, node in root.members(max_depth=None):
        if path.split("/")[0] == "_virtual_tiff":
            continue
        if isinstance(node, zarr.Array):
            array: Any = node
            nodes[path] = (array.metadata.to_dict(), np.asarray(array[...]))
        else:
            nodes[path] = (dict(node.attrs),)
    return nodes


def differences(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    """Yield in words in what two cubes differ."""
    for path in sorted({*one, *other}):
        if path not in one or path not in other:
            yield f"{path} is in one cube alone, {'the first' if path in one else 'the second'}"
            continue
        (metadata, *values), (expected, *right) = one[path], other[path]
        # the order of attributes is that in which they came
        for name in sorted({*metadata, *expected}):
            if metadata.get(name) != expected.get(name):
                yield f"{path} {name}: {metadata.get(name)} and {expected.get(name)}"
        if len(values) != len(right):
            yield f"{path} is an array in one cube alone"
        for mine, yours in zip(values, right, strict=False):
            if mine.shape == yours.shape and not np.array_equal(
                mine, yours, equal_nan=mine.dtype.kind == "f"
            ):
                yield f"{path} has other values"
