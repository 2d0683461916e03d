"""Which arrays of the repository the files become: a stack, one image of tiles, or a group each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, get_args

import numpy as np

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.differences import differences, kinds_of, refuse
from virtual_tiff.publishing.planning.grid import DEFAULT_RULES, GridRules
from virtual_tiff.publishing.planning.mosaic import at_one_place, on_one_grid, signature
from virtual_tiff.publishing.planning.names import new_group_names
from virtual_tiff.publishing.planning.plan import Existing, Members, Part, Plan, joined
from virtual_tiff.publishing.planning.stack import GroupPlan, Stack, stack
from virtual_tiff.publishing.planning.tiles import together
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import Node, Template

__all__ = ["LAYOUTS", "Arrangement", "Layout", "arrange"]

Layout = Literal["stack", "group per file", "group per signature", "group per variable"]
LAYOUTS: tuple[str, ...] = get_args(Layout)

_NO_SCENES = "per_scene needs a new dimension, along which the scenes are stacked"
_NO_APPEND = "files cannot be appended along a dimension of their own; publish all anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The user's choice."""

    layout: Layout
    axes: tuple[str, ...] = ()
    """Dimensions along which files are stacked or put together."""
    per_scene: tuple[str, ...] = ()
    """Attributes that are left out of the templates, to become coordinates."""
    rules: GridRules = DEFAULT_RULES
    """How files may lie."""


def arrange(catalogue: Catalogue, arrangement: Arrangement, existing: Existing) -> Plan:
    """Lay out the files that were read.

    Raises
    ------
    PublishError
        If they cannot be stacked on each other, or on what is published; it names the
        differences.
    ValueError
        If the dimensions are none that files can be arranged along.
    """
    files = sum(map(len, catalogue.sets))
    if arrangement.layout == "group per file":
        if arrangement.per_scene:
            raise ValueError(_NO_SCENES)
        parts = _group_per_file(catalogue, existing)
        return Plan(parts=parts, files=files, how=f"in {files} groups")
    groups = [
        _arranged(catalogue, group, sets, arrangement, existing)
        for group, sets in _groups(catalogue, arrangement, existing)
    ]
    return Plan(
        parts=iter([group.part for group in groups]),
        files=files,
        how=f"along {', '.join(arrangement.axes)}",
        states={**existing.states, **{group.group: group.state for group in groups}},
        left_out={path: names for group in groups for path, names in group.left_out.items()},
        missing=sum(group.missing for group in groups),
        dropped={path: why for group in groups for path, why in group.dropped.items()},
        covered=sum(group.covered for group in groups),
        shift=max((group.shift for group in groups), default=0.0),
    )


# ----------------------------------------------------------------------- group per file


def _group_per_file(catalogue: Catalogue, existing: Existing) -> Iterator[Part]:
    """Lay out each file as a group of its own; one after another, as there may be many."""
    spool = catalogue.spool
    urls = {n: spool.url(n) for files in catalogue.sets for n in files.numbers.tolist()}
    names = new_group_names([urls[n] for n in sorted(urls)], existing.group_of)
    group_of = dict(zip(sorted(urls), names, strict=True))

    def parts() -> Iterator[Part]:
        yield Part(groups={"": {}}, arrays={})
        for files in catalogue.sets:
            for i, n in enumerate(files.numbers.tolist()):
                yield _own_group(catalogue, files, i, group_of[n])

    return parts()  # a generator of its own, so that wrong names are refused before all else


def _own_group(catalogue: Catalogue, files: Files, i: int, group: str) -> Part:
    template = catalogue.template(int(files.templates[i]))
    loose = catalogue.loose(int(files.loose[i]))
    return Part(
        groups={
            joined(group, path): attributes | loose.get(Node("group", path), {})
            for path, attributes in template.groups.items()
        },
        arrays={
            joined(group, path): metadata
            | {"attributes": metadata["attributes"] | loose.get(Node("array", path), {})}
            for path, metadata in template.arrays.items()
        },
        inline={
            joined(group, path): (inline.metadata, catalogue.spool.data(inline.digest))
            for path, inline in template.inline.items()
        },
        members=[
            Members(
                group=group,
                variable="",
                numbers=files.numbers[i : i + 1],
                paths={path: joined(group, path) for path in template.arrays},
            )
        ],
    )


# -------------------------------------------------------------------------- which group


def _groups(
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
    """Name groups by number, in the order of their first files; keep those that are published.

    Along a new dimension the place of an image is a part of its signature: a group has one
    tile at all dates. Along dimensions of the files it is not, except for what these dimensions
    leave open: tiles off the grid, or of another row with concat="x", have another group.
    """
    groups: dict[tuple[str, str], list[tuple[str, Template]]] = {}
    """By variable and signature: groups, each with the template of one of its files."""
    for group, state in existing.states.items():
        for variable, text in state.templates.items():
            template = Template.from_text(text)
            groups.setdefault((variable, signature(template, ())), []).append((group, template))
    numbers = count(1 + len(existing.states))
    files_of: dict[str, list[Files]] = {}
    for files in catalogue.sets:
        templates_of: dict[str, list[int]] = {}
        for number in catalogue.counts(files):
            template = catalogue.template(number)
            own = _own_axes(template, arrangement.axes)
            if own and existing.states:
                raise PublishError(_NO_APPEND)
            alike = groups.setdefault((files.variable, signature(template, own)), [])
            fitting = (n for n, (_, other) in enumerate(alike) if on_one_grid(other, template, own))
            at = next(fitting, None)
            entry = alike.pop(at) if at is not None else (f"signature_{next(numbers)}", template)
            alike.insert(0, entry)  # the next tile most often lies beside this one
            templates_of.setdefault(entry[0], []).append(number)
        for group, templates in templates_of.items():
            where = np.isin(files.templates, templates)
            files_of.setdefault(group, []).append(files.taken(where))
    return files_of


def _own_axes(template: Template, axes: Sequence[str]) -> list[str]:
    """Return the axes that the arrays of files have already."""
    return [axis for axis in axes if any(axis in each for each in template.axes.values())]


# ---------------------------------------------------------------------------- one group


def _arranged(
    catalogue: Catalogue,
    group: str,
    sets: Sequence[Files],
    arrangement: Arrangement,
    existing: Existing,
) -> GroupPlan:
    template = catalogue.template(int(sets[0].templates[0]))
    own = _own_axes(template, arrangement.axes)
    if own and len(own) < len(arrangement.axes):
        new = ", ".join(axis for axis in arrangement.axes if axis not in own)
        msg = (
            "concat must be one new dimension, or dimensions of the files, not both:"
            f" {', '.join(own)}; {new}"
        )
        raise ValueError(msg)
    if len(arrangement.axes) > 1 and not own:
        names = [name for array in template.arrays.values() for name in array["dimension_names"]]
        msg = (
            "concat must be one new dimension, or several that the files have:"
            f" {', '.join(dict.fromkeys(names))}"
        )
        raise ValueError(msg)
    if own:
        if arrangement.per_scene:
            raise ValueError(_NO_SCENES)
        if group in existing.states:
            raise PublishError(_NO_APPEND)
        return together(catalogue, group, sets, own, rules=arrangement.rules)
    state = existing.states.get(group)
    texts = {} if state is None else dict(state.templates)
    # the arrays of variables without a new file grow with the others
    new_variables = {files.variable for files in sets}
    sets = [*sets, *(sets[0].none_of(name) for name in texts if name not in new_variables)]
    snap = arrangement.rules.snap
    common = [_common(catalogue, files, texts, snap) for files in sets]
    old = Stack.of(group, arrangement.axes[0], state, existing)
    return stack(catalogue, list(zip(sets, common, strict=True)), old, existing.earlier, texts)


def _common(catalogue: Catalogue, files: Files, texts: dict[str, str], snap: float) -> Template:
    """Return the template of all files of a variable, those published before too.

    Places that differ by no more than `snap` pixels are the same: transforms are often written in
    other digits.
    """
    counts = catalogue.counts(files)
    before = texts.get(files.variable)
    published = None if before is None else Template.from_text(before)
    if not counts:
        return Template.from_text(str(before))
    texts.setdefault(files.variable, catalogue.text(next(iter(counts))))
    same = before is None or all(catalogue.text(n) == before for n in counts)
    first = published or catalogue.template(next(iter(counts)))
    if len(counts) > 1 or not same:
        templates = {n: catalogue.template(n) for n in counts}
        if not all(at_one_place(first, template, snap) for template in templates.values()):
            problem = "the files cannot be added to what is published" if published else None
            names = catalogue.names(files)
            kinds = kinds_of({n: n for n in counts}, names, counts)
            refuse(differences(templates, names, published), problem=problem, kinds=kinds)
    return first
