"""How the arrays of files become those of the repository: stacked, put together, or apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

import numpy as np

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.differences import differences, refuse
from virtual_tiff.publishing.planning.group_per_file import apart
from virtual_tiff.publishing.planning.mosaic import on_one_grid, signature
from virtual_tiff.publishing.planning.plan import Existing, Plan
from virtual_tiff.publishing.planning.stack import Stack, Stacked, stack
from virtual_tiff.publishing.planning.tiles import together
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import Template

__all__ = ["LAYOUTS", "Arrangement", "Layout", "arrange"]

Layout = Literal["stack", "group per file", "group per signature", "group per variable"]
LAYOUTS: tuple[str, ...] = get_args(Layout)


_NO_SCENES = "per_scene needs a new dimension, along which the scenes are stacked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """What a user asks for."""

    layout: Layout
    axes: tuple[str, ...] = ()
    """Dimensions along which files are stacked or put together."""
    per_scene: tuple[str, ...] = ()
    """Attributes that are left out of the templates, to become coordinates."""


def arrange(catalogue: Catalogue, arrangement: Arrangement, existing: Existing) -> Plan:
    """Lay out the files that were read.

    Raises
    ------
    PublishError
        If they do not fit on each other, or on what is published; it says which differs in
        what.
    ValueError
        If the dimensions are none that files can be arranged along.
    """
    files = sum(map(len, catalogue.sets))
    if arrangement.layout == "group per file":
        if arrangement.per_scene:
            raise ValueError(_NO_SCENES)
        parts = apart(catalogue, existing)
        return Plan(parts=parts, files=files, how=f"in {files} groups")
    found = [
        _arranged(catalogue, place, sets, arrangement, existing)
        for place, sets in _places(catalogue, arrangement, existing)
    ]
    return Plan(
        parts=iter([one.part for one in found]),
        files=files,
        how=f"along {', '.join(arrangement.axes)}",
        places={**existing.places, **{one.place: one.kept for one in found}},
        left_out={path: names for one in found for path, names in one.left_out.items()},
        missing=sum(one.missing for one in found),
    )


# -------------------------------------------------------------------------- which group


def _places(
    catalogue: Catalogue, arrangement: Arrangement, existing: Existing
) -> Iterator[tuple[str, list[Files]]]:
    """Yield groups with the files that go there, by variable."""
    if arrangement.layout == "stack":
        yield "", catalogue.sets
    elif arrangement.layout == "group per variable":
        for files in catalogue.sets:
            if not files.variable:
                msg = "a group per variable needs variables: variable='(?P<band>B\\d\\d)'"
                raise ValueError(msg)
            yield files.variable, [files]
    else:
        yield from _by_signature(catalogue, arrangement, existing).items()


def _by_signature(
    catalogue: Catalogue, arrangement: Arrangement, existing: Existing
) -> dict[str, list[Files]]:
    """Name groups by number, in the order of their first files; keep those that there are.

    Along a new dimension the place of an image is a part of its signature: a group has one
    tile at all dates. Along dimensions of the files it is not, but for what these dimensions
    leave open: tiles off the grid, or of another row with concat="x", have another group.
    """
    groups: dict[tuple[str, str], list[tuple[str, Template]]] = {}
    """By variable and signature: groups, each with the template of a file that is there."""
    for place, kept in existing.places.items():
        for variable, text in kept["templates"].items():
            template = Template.from_text(text)
            groups.setdefault((variable, signature(template, ())), []).append((place, template))
    numbers = count(1 + len(existing.places))
    found: dict[str, list[Files]] = {}
    for files in catalogue.sets:
        places: dict[str, list[int]] = {}
        for number in catalogue.counts(files):
            template = catalogue.template(number)
            own = _own_axes(template, arrangement.axes)
            if own and existing.places:
                raise PublishError(_NO_APPEND)
            alike = groups.setdefault((files.variable, signature(template, own)), [])
            fitting = (n for n, (_, other) in enumerate(alike) if on_one_grid(other, template, own))
            at = next(fitting, None)
            group = alike.pop(at) if at is not None else (f"signature_{next(numbers)}", template)
            alike.insert(0, group)  # the next tile most often lies beside this one
            places.setdefault(group[0], []).append(number)
        for place, templates in places.items():
            where = np.isin(files.templates, templates)
            found.setdefault(place, []).append(files.taken(where))
    return found


def _own_axes(template: Template, axes: Sequence[str]) -> list[str]:
    """Return the axes that the arrays of files have already."""
    return [axis for axis in axes if any(axis in each for each in template.axes.values())]


_NO_APPEND = "files cannot be appended along a dimension of their own; publish all anew"


# ---------------------------------------------------------------------------- one group


def _arranged(
    catalogue: Catalogue,
    place: str,
    sets: Sequence[Files],
    arrangement: Arrangement,
    existing: Existing,
) -> Stacked:
    template = catalogue.template(int(sets[0].templates[0]))
    names = [name for array in template.arrays.values() for name in array["dimension_names"]]
    own = _own_axes(template, arrangement.axes)
    if own and len(own) < len(arrangement.axes):
        new = ", ".join(axis for axis in arrangement.axes if axis not in own)
        msg = f"concat is new dimensions or those of the files, not both: {', '.join(own)}; {new}"
        raise ValueError(msg)
    if len(arrangement.axes) > 1 and not own:
        there = ", ".join(dict.fromkeys(names))
        msg = f"concat is one new dimension, or several that the files have: {there}"
        raise ValueError(msg)
    if own:
        if arrangement.per_scene:
            raise ValueError(_NO_SCENES)
        if place in existing.places:
            raise PublishError(_NO_APPEND)
        return together(catalogue, place, sets, own)
    return _stacked(catalogue, place, sets, arrangement.axes[0], existing)


def _stacked(
    catalogue: Catalogue,
    place: str,
    sets: Sequence[Files],
    dimension: str,
    existing: Existing,
) -> Stacked:
    kept = existing.places.get(place, {})
    if kept and kept.get("dimension") != dimension:
        msg = f"what is published is stacked along {kept.get('dimension')}, not {dimension}"
        raise PublishError(msg)
    texts: dict[str, str] = dict(kept.get("templates", {}))
    # the arrays of variables without a new file grow with the others
    there = {files.variable for files in sets}
    sets = [*sets, *(sets[0].none_of(name) for name in texts if name not in there)]
    common = [_common(catalogue, files, texts) for files in sets]
    old = Stack.of(place, dimension, kept, existing)
    return stack(catalogue, list(zip(sets, common, strict=True)), old, existing.earlier, texts)


def _common(catalogue: Catalogue, files: Files, texts: dict[str, str]) -> Template:
    """Return the template of all files of a variable, those published before too."""
    counts = catalogue.counts(files)
    before = texts.get(files.variable)
    usual = None if before is None else Template.from_text(before)
    if not counts:
        return Template.from_text(str(before))
    same = before is None or all(catalogue.spool.text(n) == before for n in counts)
    if len(counts) > 1 or not same:
        templates = {n: catalogue.template(n) for n in counts}
        what = "the files do not fit on what is published" if usual else None
        refuse(differences(templates, catalogue.names(files), usual), what=what)
    texts.setdefault(files.variable, catalogue.spool.text(next(iter(counts))))
    return usual or catalogue.template(next(iter(counts)))
