"""Which arrays of the repository the files become: a stack, one image of tiles, or a group each."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count, product
from math import floor, hypot
from typing import Any, Literal, get_args

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.arrays.one_dataset import is_attribute, with_text_attributes
from virtual_tiff.metadata.transform import Affine
from virtual_tiff.publishing.errors import NotAtTheEndError, PublishError
from virtual_tiff.publishing.finding.lookups import is_time
from virtual_tiff.publishing.planning.differences import differences, kinds_of, refuse
from virtual_tiff.publishing.planning.grid import DEFAULT_RULES, GridRules
from virtual_tiff.publishing.planning.grid_mappings import (
    replaced_grid_mappings,
    with_one_grid_mapping,
)
from virtual_tiff.publishing.planning.group_places import with_group_places
from virtual_tiff.publishing.planning.image_set import image_set, is_image_set
from virtual_tiff.publishing.planning.mosaic import at_one_place, on_one_grid, signature
from virtual_tiff.publishing.planning.names import LEDGER, is_zarr_name, new_group_names
from virtual_tiff.publishing.planning.ome_attributes import with_fitting_ome
from virtual_tiff.publishing.planning.plan import (
    Dimension,
    Existing,
    Integers,
    Members,
    Part,
    Plan,
    joined,
)
from virtual_tiff.publishing.planning.splitting import FILES_APART, manifest_splits
from virtual_tiff.publishing.planning.stack import (
    GroupPlan,
    Stack,
    check_one_a_position,
    in_order,
    stack,
)
from virtual_tiff.publishing.planning.tile_grid import linear_part, tile_of
from virtual_tiff.publishing.planning.tiles import together
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files
from virtual_tiff.publishing.reading.record import Node, Template, with_coordinates
from virtual_tiff.tiff import redacted

__all__ = ["LAYOUTS", "Arrangement", "Layout", "arrange"]

Layout = Literal[
    "stack",
    "group per file",
    "group per signature",
    "group per variable",
    "group per resolution",
]
LAYOUTS: tuple[str, ...] = get_args(Layout)

_NO_SCENES = "per_scene needs a new dimension, along which the scenes are stacked"


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
    orders: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """By new dimension: texts in the order that they have along it; others are sorted."""
    one_grid_mapping: bool = True
    """Whether all sizes of an image share a grid mapping where they can."""
    text_attributes: bool = True
    """Whether texts of bands are attributes of the arrays; else they are coordinates."""


def arrange(catalogue: Catalogue, arrangement: Arrangement, existing: Existing) -> Plan:
    """Lay out the files that were read.

    Raises
    ------
    NotAtTheEndError
        If they change the place of files that are published: then all have to be arranged anew.
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
        parts = _group_per_file(catalogue, arrangement, existing)
        return Plan(parts=parts, files=files, how=f"in {files} groups", splits=FILES_APART)
    sets_of = list(_groups(catalogue, arrangement, existing))
    shared = _shared(sets_of, existing) if arrangement.layout == "group per resolution" else {}
    groups = [
        _arranged(
            catalogue, group, sets, arrangement, existing, shared.get(posixpath.dirname(group), {})
        )
        for group, sets in sets_of
    ]
    parts_of_groups = [
        with_group_places(
            with_fitting_ome(_as_one_dataset(catalogue, plan, sets, arrangement, existing))
        )
        for plan, (_, sets) in zip(groups, sets_of, strict=True)
    ]
    return Plan(
        parts=iter(parts_of_groups),
        files=files,
        how=f"along {', '.join(arrangement.axes)}",
        states={**existing.states, **{group.group: group.state for group in groups}},
        left_out={path: names for group in groups for path, names in group.left_out.items()},
        missing=sum(group.missing for group in groups),
        dropped={path: why for group in groups for path, why in group.dropped.items()},
        covered=sum(group.covered for group in groups),
        shift=max((group.shift for group in groups), default=0.0),
        splits=manifest_splits(array for group in groups for array in group.joined),
    )


def _as_one_dataset(
    catalogue: Catalogue,
    plan: GroupPlan,
    sets: Sequence[Files],
    arrangement: Arrangement,
    existing: Existing,
) -> Part:
    """Return the part of a group in the form that xarray's defaults take."""
    part = _with_text_attributes(plan.part) if arrangement.text_attributes else plan.part
    if not arrangement.one_grid_mapping:
        return part
    templates = [catalogue.template(n) for files in sets for n in catalogue.counts(files)]
    state = existing.states.get(plan.group)
    if not templates and state is not None:
        templates = [Template.from_text(text) for text in state.templates.values()]
    replaced = replaced_grid_mappings(templates)
    return with_one_grid_mapping(part, plan.group, replaced, published=state is not None)


def _with_text_attributes(part: Part) -> Part:
    """Return a part whose arrays have the texts of bands that were put together as attributes."""
    texts: dict[str, dict[str, tuple[JSON, bytes]]] = {}
    for path, (metadata, data) in part.inline.items():
        folder, name = posixpath.split(path)
        if is_attribute(name, metadata):
            texts.setdefault(folder, {})[name] = metadata, data
    arrays = {
        path: metadata
        | {
            "attributes": with_text_attributes(
                metadata["attributes"], texts.get(posixpath.dirname(path), {})
            )
        }
        for path, metadata in part.arrays.items()
    }
    moved = {joined(folder, name) for folder, names in texts.items() for name in names}
    inline = {path: each for path, each in part.inline.items() if path not in moved}
    return replace(part, arrays=arrays, inline=inline)


# ----------------------------------------------------------------------- group per file


def _group_per_file(
    catalogue: Catalogue, arrangement: Arrangement, existing: Existing
) -> Iterator[Part]:
    """Lay out each file as a group of its own; one after another, as there may be many."""
    spool = catalogue.spool
    urls = {n: spool.url(n) for files in catalogue.sets for n in files.numbers.tolist()}
    own = {
        urls[n]: files.group
        for files in catalogue.sets
        if files.group
        for n in files.numbers.tolist()
    }
    names = new_group_names(
        [urls[n] for n in sorted(urls)], existing.group_of, existing.groups, existing.nodes, own
    )
    group_of = dict(zip(sorted(urls), names, strict=True))

    def parts() -> Iterator[Part]:
        yield Part(groups={"": {}}, arrays={})
        for files in catalogue.sets:
            for i, n in enumerate(files.numbers.tolist()):
                part = _own_group(catalogue, files, i, group_of[n])
                if arrangement.one_grid_mapping:
                    template = catalogue.template(int(files.templates[i]))
                    part = with_one_grid_mapping(
                        part,
                        group_of[n],
                        replaced_grid_mappings([template]),
                        published=group_of[n] in existing.groups,
                    )
                yield with_group_places(part)

    return parts()  # a generator of its own, so that wrong names are refused before all else


def _own_group(catalogue: Catalogue, files: Files, i: int, group: str) -> Part:
    template = catalogue.template(int(files.templates[i]))
    loose = catalogue.loose(int(files.loose[i]))
    inline = {
        joined(group, path): (inline.metadata, catalogue.spool.data(inline.digest))
        for path, inline in template.inline.items()
    }
    arrays = {}
    for path, metadata in template.arrays.items():
        attributes = metadata["attributes"] | loose.get(Node("array", path), {})
        to = joined(group, path)
        arrays[to] = metadata | {"attributes": with_coordinates(to, attributes, inline)[0]}
    return Part(
        groups={
            joined(group, path): attributes | loose.get(Node("group", path), {})
            for path, attributes in template.groups.items()
        },
        arrays=arrays,
        inline=inline,
        members=[
            Members(
                group=group,
                variable="",
                numbers=files.numbers[i : i + 1],
                paths={path: joined(group, path) for path in template.arrays},
                coordinates=[()],
            )
        ],
    )


# -------------------------------------------------------------------------- which group


def _groups(
    catalogue: Catalogue, arrangement: Arrangement, existing: Existing
) -> Iterator[tuple[str, list[Files]]]:
    """Yield groups with the files that go there, by variable."""
    below: dict[str, dict[str, Mapping[str, str]]] = {}
    for path, templates in existing.templates.items():
        below.setdefault(posixpath.dirname(path), {})[posixpath.basename(path)] = templates
    by_group: dict[str, list[Files]] = {}
    for files in catalogue.sets:
        by_group.setdefault(files.group, []).append(files)
    for group, sets in by_group.items():
        if group and ("/" in group or not is_zarr_name(group) or group == LEDGER):
            msg = f"a group cannot be called {group!r}: choose another group (--group)"
            raise ValueError(msg)
        if arrangement.layout == "stack":
            yield group, sets
        elif arrangement.layout == "group per variable":
            for files in sets:
                if not files.variable:
                    msg = "a group per variable needs variables: variable='(?P<band>B\\d\\d)'"
                    raise ValueError(msg)
                yield joined(group, files.variable), [files]
        else:
            if arrangement.layout == "group per resolution":
                divided = _by_resolution(catalogue, sets, below.get(group, {}))
            else:
                divided = _by_signature(catalogue, sets, arrangement, below.get(group, {}))
            yield from ((joined(group, name), files) for name, files in divided.items())


def _by_signature(
    catalogue: Catalogue,
    sets: Sequence[Files],
    arrangement: Arrangement,
    published: Mapping[str, Mapping[str, str]],
) -> dict[str, list[Files]]:
    """Name groups by number, in the order of their first files; keep those that are published.

    Along a new dimension the place of an image is a part of its signature: a group has one
    tile at all dates. Along dimensions of the files it is not, except for what these dimensions
    leave open: tiles off the grid, or of another row with concat="x", have another group.
    """
    groups = _SignatureGroups(arrangement)
    if not all(published.values()):
        raise NotAtTheEndError
    for name, templates in published.items():
        for variable, text in templates.items():
            groups.add(name, groups.where(variable, Template.from_text(text)))
    numbers = count(1 + max((int(name.rpartition("_")[2]) for name in published), default=0))
    files_of: dict[str, list[Files]] = {}
    for files in sets:
        templates_of: dict[str, list[int]] = {}
        for number in catalogue.counts(files):
            template = catalogue.template(number)
            where = groups.where(files.variable, template)
            group = groups.find(where)
            if group is None:
                group = f"signature_{next(numbers)}"
                groups.add(group, where)
            templates_of.setdefault(group, []).append(number)
        for group, numbers_of in templates_of.items():
            of_group = np.isin(files.templates, numbers_of)
            files_of.setdefault(group, []).append(files.taken(of_group))
    return files_of


@dataclass(frozen=True, slots=True)
class _Where:
    """Where the group of a file may be found."""

    template: Template
    own: Sequence[str]
    """The axes that the file has, of those of the arrangement."""
    signature: str
    keys: Sequence[Hashable]
    """The first is that of a new group."""
    of_tile: bool = False
    """Whether files of one group lie beside each other."""


class _SignatureGroups:
    """Groups by the signature of their files, each with one of these.

    Places that differ by no more than `snap` pixels are the same: transforms are often written in
    other digits. Images along a new dimension are looked for by whole pixels of the first one's
    corner, and those beside it, as an archive may have many thousand places.
    """

    def __init__(self, arrangement: Arrangement) -> None:
        self._axes = arrangement.axes
        self._snap = arrangement.rules.snap
        self._groups: dict[Hashable, list[tuple[str, _Where]]] = {}

    def where(self, variable: str, template: Template) -> _Where:
        """Return where to find the group of a file."""
        own = _own_axes(template, self._axes)
        exact = signature(template, own)
        if {*own} & {*_PLANE}:
            return _Where(template, own, exact, [(variable, exact)], of_tile=True)
        row, column = _origin(template)
        without_place = signature(template, (*own, *_PLANE))
        keys = [(variable, without_place, row + down, column + right) for down, right in _AROUND]
        return _Where(template, own, exact, keys)

    def add(self, group: str, where: _Where) -> None:
        """Add a group by one of its files."""
        self._groups.setdefault(where.keys[0], []).insert(0, (group, where))

    def find(self, where: _Where) -> str | None:
        """Return the group that a file fits into."""
        for key in where.keys:
            entries = self._groups.get(key, [])
            for at, (group, other) in enumerate(entries):
                if self._fits(where, other):
                    entries.insert(0, entries.pop(at))  # the next tile most often lies beside it
                    return group
        return None

    def _fits(self, where: _Where, other: _Where) -> bool:
        if where.of_tile:
            return on_one_grid(other.template, where.template, where.own, self._snap)
        if other.signature == where.signature:
            return True
        return all(at_one_place(other.template, [where.template], self._snap))


_PLANE = ("y", "x")
_AROUND = sorted(product((-1, 0, 1), repeat=2), key=lambda step: step != (0, 0))
"""Rows and columns to a pixel and to those around it, itself first."""


def _origin(template: Template) -> tuple[int, int]:
    """Return row and column of the origin of the CRS in the first image that has a transform."""
    for path in template.arrays:
        if tile := tile_of(template, path):
            with suppress(ValueError, OverflowError):  # no inverse; infinite
                inverse = tile.affine.inverted()
                return floor(inverse.f), floor(inverse.c)
    return 0, 0


def _by_resolution(
    catalogue: Catalogue,
    sets: Sequence[Files],
    published: Mapping[str, Mapping[str, str]],
) -> dict[str, list[Files]]:
    """Name groups by the size of the files' pixels.

    Groups that are published and have no new file grow with the others, whose coordinates they
    share.
    """
    files_of: dict[str, list[Files]] = {}
    for files in sets:
        names: dict[int, str] = {}
        for number in catalogue.counts(files):
            file = int(files.numbers[files.templates == number][0])
            names[number] = _resolution(catalogue.template(number), catalogue.spool.name(file))
        for name in dict.fromkeys(names.values()):
            where = np.isin(files.templates, [n for n in names if names[n] == name])
            files_of.setdefault(name, []).append(files.taken(where))
    for name, templates in published.items():
        if name not in files_of:
            files_of[name] = [sets[0].none_of(variable) for variable in templates]
    return files_of


def _resolution(template: Template, file: str) -> str:
    """Return the size of a file's pixels as the name of a group: 10m, 0.00025deg."""
    path, metadata = next(iter(template.arrays.items()))
    transform = metadata["attributes"].get("spatial:transform")
    if transform is None:
        msg = f"{redacted(file)}: no transform says its resolution; choose another layout"
        raise PublishError(msg)
    xx, xy, yx, yy = linear_part(Affine(*transform))
    width, length = f"{hypot(xx, yx):.9g}", f"{hypot(xy, yy):.9g}"
    size = width if width == length else f"{width}x{length}"
    x = template.inline.get(joined(posixpath.dirname(path), "x"))
    unit = _UNITS.get("" if x is None else x.metadata["attributes"].get("units", ""))
    return f"resolution_{size}" if unit is None else f"{size}{unit}"


_UNITS = {"metre": "m", "degrees_east": "deg"}
"""By CF's unit of x."""


def _shared(
    sets_of: Sequence[tuple[str, Sequence[Files]]], existing: Existing
) -> dict[str, dict[str, dict[Any, None]]]:
    """Return the coordinates that groups share: by the group above them and by dimension.

    These are times and numbers. Texts are names, as of bands: each group has its own.
    """
    shared: dict[str, dict[str, dict[Any, None]]] = {}
    for group, state in existing.states.items():
        for path in state.coordinates if state.kind != "text" else ():
            above = shared.setdefault(posixpath.dirname(group), {})
            published = dict.fromkeys(existing.columns[path])
            above.setdefault(posixpath.basename(path), {}).update(published)
    for group, sets in sets_of:
        above = shared.setdefault(posixpath.dirname(group), {})
        for files in sets:
            for name, (kind, values) in files.coordinates.items():
                if kind != "text":
                    above.setdefault(name, {}).update(dict.fromkeys(values))
    return shared


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
    shared: Mapping[str, Collection[Any]],
) -> GroupPlan:
    """Lay out the files of one group.

    `shared` has, by dimension, the coordinates that the group has beside those of its files.
    """
    state = existing.states.get(group)
    if len(sets[0]) and is_image_set(catalogue, sets[0]):
        return image_set(catalogue, group, sets[0], existing)
    if len(sets[0]):
        template = catalogue.template(int(sets[0].templates[0]))
    else:
        assert state is not None  # noqa: S101 (for mypy: the group is published)
        template = Template.from_text(next(iter(state.templates.values())))
    own = _own_axes(template, arrangement.axes)
    new = [axis for axis in arrangement.axes if axis not in own]
    if own or len(new) > 1:
        if arrangement.per_scene:
            raise ValueError(_NO_SCENES)
        if state is not None:
            raise NotAtTheEndError
        dimensions = [_dimension(name, sets, template, arrangement, shared) for name in new]
        if new and not own:
            check_one_a_position(catalogue, sets, new)
        places = [_places(files, dimensions) for files in sets] if new else []
        return together(
            catalogue,
            group,
            sets,
            own,
            rules=arrangement.rules,
            dimensions=dimensions,
            places=places,
        )
    texts = {} if state is None else dict(state.templates)
    # the arrays of variables without a new file grow with the others
    new_variables = {files.variable for files in sets}
    sets = [*sets, *(sets[0].none_of(name) for name in texts if name not in new_variables)]
    snap = arrangement.rules.snap
    common = [_common(catalogue, files, texts, snap) for files in sets]
    (dimension,) = new
    old = Stack.of(group, dimension, state, existing)
    pairs = list(zip(sets, common, strict=True))
    return stack(catalogue, pairs, old, texts, shared.get(dimension, ()))


def _dimension(
    name: str,
    sets: Sequence[Files],
    template: Template,
    arrangement: Arrangement,
    shared: Mapping[str, Collection[Any]],
) -> Dimension:
    """Return a new dimension with the values of all files along it."""
    kind = sets[0].along(name).kind
    if kind == "none":
        names = [name for array in template.arrays.values() for name in array["dimension_names"]]
        msg = (
            f"nothing says where the files lie along {name}, which is none of their own dimensions"
            f" ({', '.join(dict.fromkeys(names))}). Give the coordinates: values={{{name!r}: …}}"
            f" (--values {name}=…){', or time (--time)' if is_time(name) else ''}"
        )
        raise ValueError(msg)
    columns = [*(files.along(name).values for files in sets), shared.get(name, ())]
    values = in_order({value for column in columns for value in column}, kind)
    if kind == "text":
        listed = list(dict.fromkeys(arrangement.orders.get(name, ())))
        rank = {value: at for at, value in enumerate(listed)}
        values.sort(key=lambda value: rank.get(value, len(rank)))
    return Dimension(name=name, kind=kind, values=values)


def _places(files: Files, dimensions: Sequence[Dimension]) -> Integers:
    """Return the position of each file along each dimension; shape (files, dimensions)."""
    columns = []
    for dimension in dimensions:
        position_of = {value: at for at, value in enumerate(dimension.values)}
        columns.append([position_of[value] for value in files.along(dimension.name).values])
    return np.array(columns, dtype=np.int64).T


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
        if not all(at_one_place(first, templates.values(), snap)):
            names = catalogue.names(files)
            kinds = kinds_of({n: n for n in counts}, names, counts)
            usual = published or catalogue.template(catalogue.usual(files))
            at_it = dict(zip(counts, at_one_place(usual, templates.values(), snap), strict=True))
            refuse(
                differences(templates, names, published),
                published=published is not None,
                kinds=kinds,
                misfits=catalogue.misfits(files, [n for n in counts if not at_it[n]], usual),
            )
    return first
