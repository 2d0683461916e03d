"""Overviews that do not fit into the whole are left out: the image itself has all its pixels.

A file's overview is an image of the same place in fewer pixels. Its size is rounded (1,373 for
10,980 / 8), and then the overviews of neighbouring tiles lie on no common grid although the images
do.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Sequence

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.plan import joined
from virtual_tiff.publishing.planning.tile_grid import Tile, tile_of
from virtual_tiff.publishing.reading.record import Template, canonical

__all__ = ["overviews_of", "paths_that_differ", "without"]


def overviews_of(template: Template) -> set[str]:
    """Return the paths of arrays that show the place of another one in fewer pixels."""
    tiles = {path: tile_of(template, path) for path in template.arrays}
    placed = {path: tile for path, tile in tiles.items() if tile is not None}
    overviews = set()
    for path, tile in placed.items():
        affine, size = tile.affine, (tile.length, tile.width)
        step = [abs(affine.a) + abs(affine.b), abs(affine.d) + abs(affine.e)]
        for full in placed.values():
            smaller = tile.length <= full.length and tile.width <= full.width
            corners = zip(_corners(tile), _corners(full), strict=True)
            if (
                smaller
                and size != (full.length, full.width)
                and all(
                    abs(one - other) <= step[n]
                    for pair in corners
                    for n, (one, other) in enumerate(zip(*pair, strict=True))
                )
            ):
                overviews.add(path)
    return overviews


def _corners(tile: Tile) -> list[tuple[float, float]]:
    rows, columns = (0, tile.length), (0, tile.width)
    return [tile.affine.at(column, row) for row in rows for column in columns]


def paths_that_differ(templates: Sequence[Template]) -> set[str]:
    """Return the paths of arrays that are not the same in all files, or are not in all."""
    texts: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    for template in templates:
        for path, metadata in template.arrays.items():
            texts.setdefault(path, set()).add(canonical(metadata))
            counts[path] += 1
    return {path for path in texts if len(texts[path]) > 1 or counts[path] < len(templates)}


def without(template: Template, dropped: Collection[str]) -> Template:
    """Return a template without some arrays, and without what says something of them alone."""
    dropped = [path for path in dropped if path in template.arrays]
    if not dropped:
        return template
    arrays = {path: each for path, each in template.arrays.items() if path not in dropped}
    folders = {posixpath.dirname(path) for path in arrays}
    lost = {posixpath.dirname(path) for path in dropped} - folders
    inline = {
        path: each
        for path, each in template.inline.items()
        if posixpath.dirname(path) not in lost
        and not (_used(template, path, dropped) and not _used(template, path, arrays))
    }
    groups = {
        path: _without_levels(path, attributes, lost)
        for path, attributes in template.groups.items()
        if path not in lost
    }
    return Template(groups, arrays, inline, {path: template.axes[path] for path in arrays})


def _used(template: Template, path: str, arrays: Collection[str]) -> bool:
    """Whether one of the arrays has a dimension of a coordinate, or names it."""
    folder, name = posixpath.split(path)
    dimensions = set(template.inline[path].metadata["dimension_names"])
    for array in arrays:
        metadata = template.arrays[array]
        attributes = metadata["attributes"]
        named = {attributes.get("grid_mapping"), *attributes.get("coordinates", "").split()}
        if posixpath.dirname(array) == folder and (
            name in named or dimensions & set(metadata["dimension_names"])
        ):
            return True
    return False


def _without_levels(path: str, attributes: JSON, lost: Collection[str]) -> JSON:
    levels = attributes.get("multiscales", {}).get("layout")
    if not levels:
        return attributes
    kept = [level for level in levels if joined(path, level["asset"]) not in lost]
    return {**attributes, "multiscales": attributes["multiscales"] | {"layout": kept}}
