"""The differences between files that are to be one array, in words."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.codec_table.words import codec_aspects
from virtual_tiff.publishing.errors import MisfitError
from virtual_tiff.publishing.planning.attribute_table import PER_SCENE
from virtual_tiff.publishing.reading.record import Template
from virtual_tiff.text.numbers import by, counted, listed

__all__ = ["Difference", "differences", "kinds_of", "reasons", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference between a file and most others."""

    file: str
    arrays: tuple[str, ...]
    """Those that differ in the same way."""
    aspect: str
    has: str
    others: str
    """Both are whole, however long they are."""

    def __str__(self) -> str:
        return f"{self.file}: {self.words}"

    @property
    def words(self) -> str:
        """The difference without the file."""
        first, more = self.arrays[0], len(self.arrays) - 1
        where = f"array {first}" + (f" and {more} more" if more else "")
        if self.aspect == "is":
            return f"{where}: {'missing' if self.has == 'absent' else 'not in the others'}"
        if self.aspect == "values":  # known by their digests
            return f"{where}: the values differ from those of the others"
        aspect = _NAMES.get(self.aspect, self.aspect)
        has, others = _in_words(self.has, self.others)
        return f"{where}: {aspect} {has}, the others {others}"


_SHOWN = 20
"""Differences that are listed; of ten thousand files all may differ."""
_FILES = 3
"""Files that are named with a difference."""
_LONG = 60
"""Characters of a value that are shown as they are."""
_FEW = 9
"""Values of a list that are shown as they are: a transform has six."""
_NAMES = {
    "gcps": "ground control points (gcps)",
    "rpcs": "rational polynomial coefficients (rpcs)",
    "proj:code": "CRS",
    "proj:wkt2": "it has",
    "crs_wkt": "it has",
}


def _in_words(one: str, other: str) -> tuple[str, str]:
    """Return two values as people can read them: no long lists, encoded bytes or digests."""
    if max(len(one), len(other)) <= _LONG:
        return one, other
    words = _described(one), _described(other)
    noun = re.sub("^(a|an|the) ", "", words[1])
    return words if words[0] != words[1] else (words[0], f"another {noun}")


def _described(text: str) -> str:
    """Describe a long value by its kind and size."""
    if len(text) <= _LONG:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        shown = _CONFIGURATION.sub(lambda m: f"{m[1]} of {len(m[2]):,} characters", text)
        return shown[:_LONG]
    if isinstance(value, list) and len(value) <= _FEW and not isinstance(value[0], list | dict):
        return text
    if isinstance(value, list):
        return f"a list of {len(value):,} values"
    if isinstance(value, dict):
        return f"a table with the keys {', '.join(sorted(value))}"[:_LONG]
    name = _WKT_NAME.match(str(value))
    return f"the CRS {name[1]!r}" if name else f"a text of {len(str(value)):,} characters"


_WKT_NAME = re.compile(r'[A-Z_]+\["([^"]{1,60})"')
_CONFIGURATION = re.compile(r"(\w+)=([^,()]{16,})")
"""A long setting of a codec, as tables of JPEG in base64."""


def refuse(
    differences: Sequence[Difference],
    *,
    published: bool = False,
    kinds: Sequence[tuple[str, int]] = (),
    misfits: Mapping[int, str] | None = None,
) -> None:
    """Refuse files that cannot be stacked, by a MisfitError; do nothing if there is no difference.

    `published` says that the files differ from those that a repository has. `kinds` has, for each
    group that the files would form, the name of a file, and how many files it has; `misfits` by
    number the reason for each file that differs from most others.
    """
    if not differences:
        return
    files: dict[str, list[str]] = {}
    for difference in differences:
        files.setdefault(difference.words, []).append(difference.file)
    lines = [f"\n  {listed(names, _FILES)}: {words}" for words, names in files.items()]
    if len(lines) > _SHOWN:
        lines[_SHOWN:] = [f"\n  and {counted(len(lines) - _SHOWN, 'more difference')}"]
    cannot = "added to what is published" if published else "stacked"
    advice = _advice(differences, () if published else kinds, published=published)
    msg = f"the files cannot be {cannot}:{''.join(lines)}{''.join(advice)}"
    raise MisfitError(msg, misfits or {})


def reasons(templates: Mapping[int, Template], usual: Template) -> dict[int, str]:
    """Return by number of a template: how its files differ from the usual ones, in words."""
    return {
        number: "; ".join(
            str(difference).removeprefix(": ")
            for difference in differences({number: template}, {number: [""]}, usual)
        )
        for number, template in templates.items()
    }


def _groups(kinds: Sequence[tuple[str, int]]) -> str:
    """Name the groups that the files would form."""
    if not kinds:
        return ""
    groups = [f"{counted(count, 'file')} as {name}" for name, count in kinds[:_MOST_KINDS]]
    if len(kinds) > _MOST_KINDS:
        groups.append(f"{len(kinds) - _MOST_KINDS} more")
    return f"\nThey would form {counted(len(kinds), 'group')}: {'; '.join(groups)}."


_MOST_KINDS = 5
"""Groups that an error names."""


def _advice(
    differences: Sequence[Difference], kinds: Sequence[tuple[str, int]], *, published: bool
) -> Iterable[str]:
    aspects = {difference.aspect for difference in differences}
    if published:
        yield "\nPublish them into another repository, or leave them out (on_error='skip')."
        return
    yield (
        "\nPublish them in a group for each kind (layout='group per signature'), or"
        " each file in a group of its own (concat=None). Or leave out those that differ from"
        " most others (on_error='skip')."
    )
    yield _groups(kinds)
    if "chunks" in aspects and "shape" not in aspects:
        yield "\nIf the strips are uncompressed, merge_strips=False may help."
    if aspects & {"values", "spatial:transform", "GeoTransform"} and "shape" not in aspects:
        yield (
            "\nThe images lie at different places: tiles of one image need concat='y,x', or"
            " concat='time,y,x' at several times; group=PATTERN makes a cube for each place."
        )
    if "nodata" in aspects:
        yield (
            "\nnodata=NUMBER gives all files one nodata value; pixels that have another one are"
            " data then."
        )
    scenes = [name for name in PER_SCENE if name in aspects]
    if scenes:
        yield (
            f"\nTo keep {' and '.join(scenes)} as coordinates along the new dimension:"
            f" per_scene={scenes!r}."
        )
    if "resolution" in aspects:
        yield "\nThe sizes of some overviews are rounded: overviews=False leaves overviews out."
    # arrays of images are called by their numbers
    images = {d.aspect for d in differences if any(map(str.isdecimal, map(basename, d.arrays)))}
    if "is" in images:
        yield "\nThe files have different numbers of images: ifd=0 takes the first of each."


def kinds_of(
    templates: Mapping[int, object], names: Mapping[int, Sequence[str]], counts: Mapping[int, int]
) -> list[tuple[str, int]]:
    """Return the groups that files would form, the largest first: a file of each, and its size.

    All is by number of the files' template: what files of a group have in common, names of some
    files, and how many there are.
    """
    sizes: Counter[object] = Counter()
    examples: dict[object, str] = {}
    for number, template in templates.items():
        sizes[template] += counts[number]
        examples.setdefault(template, names[number][0])
    return [(examples[template], count) for template, count in sizes.most_common()]


def differences(
    templates: Mapping[int, Template],
    files: Mapping[int, Sequence[str]],
    usual: Template | None = None,
) -> list[Difference]:
    """Return the differences between each file and most others, or the usual template.

    `templates` and the names of the files are by number of the template.
    """
    aspects_of = {number: _aspects(template) for number, template in templates.items()}
    expected = _aspects(usual) if usual else _most(aspects_of, files)
    different = []
    for number, aspects in aspects_of.items():
        for (aspect, has, others), arrays in _differing(aspects, expected).items():
            different += [
                Difference(file=name, arrays=tuple(arrays), aspect=aspect, has=has, others=others)
                for name in files[number]
            ]
    return different or _without_words(templates, files, usual)


def _without_words(
    templates: Mapping[int, Template],
    files: Mapping[int, Sequence[str]],
    usual: Template | None,
) -> list[Difference]:
    """Return differences that no aspect shows: files that differ are never taken for equal."""
    first = usual or templates[next(iter(templates))]
    return [
        Difference(
            file=files[number][0],
            arrays=(path,),
            aspect="metadata",
            has=_different_keys(has, others),
            others="have other values there",
        )
        for number, template in templates.items()
        for path, has, others in _unequal(template, first)
    ]


def _different_keys(one: JSON, other: JSON) -> str:
    """Name what differs in the metadata of two arrays."""
    pairs = [(one, other, "")]
    if one.get("attributes") != other.get("attributes"):
        pairs.append((one.get("attributes", {}), other.get("attributes", {}), "attribute "))
    names = [
        prefix + str(name)
        for has, others, prefix in pairs
        for name in dict.fromkeys((*has, *others))
        if has.get(name) != others.get(name) and name != "attributes"
    ]
    return f"in {', '.join(names)}"


def _unequal(template: Template, other: Template) -> Iterator[tuple[str, JSON, JSON]]:
    ours, theirs = _compared(template), _compared(other)
    for path in dict.fromkeys((*ours, *theirs)):
        if ours.get(path) != theirs.get(path):
            yield path, ours.get(path, {}), theirs.get(path, {})


def _compared(template: Template) -> dict[str, JSON]:
    metadata_of: dict[str, JSON] = {
        f"{path}/": {"attributes": own} for path, own in template.groups.items()
    }
    metadata_of |= template.arrays
    for path, inline in template.inline.items():
        metadata_of[path] = {**inline.metadata, "digest": inline.digest}
    return {
        path: {**metadata, "attributes": _without_conventions(metadata["attributes"])}
        for path, metadata in metadata_of.items()
    }


def _without_conventions(attributes: JSON) -> JSON:
    return {name: value for name, value in attributes.items() if name not in _UNCOMPARED}


type _Words = dict[str, dict[str, str]]
"""By path of the array, and then by aspect."""


def _most(aspects_of: Mapping[int, _Words], files: Mapping[int, Sequence[str]]) -> _Words:
    """Return for each aspect the value that most files have; of equals the first."""
    usual: _Words = {}
    for path in dict.fromkeys(path for aspects in aspects_of.values() for path in aspects):
        names = dict.fromkeys(
            name for aspects in aspects_of.values() for name in aspects.get(path, ())
        )
        for aspect in names:
            counts: Counter[str] = Counter()
            for number, aspects in aspects_of.items():
                counts[aspects.get(path, _ABSENT).get(aspect, "absent")] += len(files[number])
            usual.setdefault(path, {})[aspect] = counts.most_common(1)[0][0]
    return usual


_ABSENT = {"is": "absent"}


def _differing(aspects: _Words, expected: _Words) -> dict[tuple[str, str, str], list[str]]:
    differing: dict[tuple[str, str, str], list[str]] = {}
    for path in dict.fromkeys((*expected, *aspects)):
        has, others = aspects.get(path, _ABSENT), expected.get(path, _ABSENT)
        if has.get("is") != others.get("is"):
            differing.setdefault(("is", has["is"], others["is"]), []).append(path)
            continue
        if has.get("is") == "absent":
            continue
        for aspect in dict.fromkeys((*others, *has)):
            one, other = has.get(aspect, "absent"), others.get(aspect, "absent")
            if one != other:
                differing.setdefault((aspect, one, other), []).append(path)
    return _without_consequences(differing)


def _without_consequences(
    differing: dict[tuple[str, str, str], list[str]],
) -> dict[tuple[str, str, str], list[str]]:
    """Leave out the differences that follow from others, as coordinates from the transform."""
    aspects = {aspect for aspect, _, _ in differing}
    follow = {each for of, those in _CONSEQUENCES if aspects & of for each in those}
    # of two CRS each attribute differs, and the array that describes them too
    of_a_crs = any(aspect.startswith("proj:") for aspect in aspects)
    return {
        (aspect, one, other): paths
        for (aspect, one, other), paths in differing.items()
        if aspect not in follow
        and not (aspect == "fill value" and _same_number(one, other))
        and not (of_a_crs and all(basename(p).startswith("spatial_ref") for p in paths))
    }


_CONSEQUENCES = (
    (
        frozenset({"shape", "spatial:transform", "is"}),
        frozenset({"values", "spatial:bbox", "spatial:shape", "GeoTransform", "length"}),
    ),
    (frozenset({"nodata"}), frozenset({"fill value"})),
    (frozenset({"crs_wkt"}), frozenset({"spatial_ref"})),
)
"""Aspects, and those that follow from any of them."""


def _same_number(one: str, other: str) -> bool:
    """Whether two fill values are the same, though of arrays of several types."""
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _aspects(template: Template) -> _Words:
    aspects_of: _Words = {}
    for path, metadata in template.arrays.items():
        aspects_of[path] = _array_aspects(metadata)
    for path, inline in template.inline.items():
        # of a coordinate the length follows from the image's shape
        aspects_of[path] = {
            "is": "present",
            "length": by(inline.metadata["shape"]),
            **_attribute_aspects(inline.metadata["attributes"]),
            "values": inline.digest,
        }
    for path, attributes in template.groups.items():
        if attributes:
            aspects_of[f"{path}/"] = {"is": "present", **_attribute_aspects(attributes)}
    return aspects_of


def _array_aspects(metadata: JSON) -> dict[str, str]:
    chunk_shape = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    attributes = metadata["attributes"]
    return {
        "is": "present",
        "data type": str(metadata["data_type"]),
        "shape": by(metadata["shape"]),
        "chunks": by(chunk_shape),
        **codec_aspects(metadata["codecs"]),
        "fill value": str(metadata["fill_value"]),
        "dimensions": ", ".join(map(str, metadata["dimension_names"])),
        "nodata": str(metadata["fill_value"]) if "_FillValue" in attributes else "none",
        **_attribute_aspects(attributes),
    }


def _attribute_aspects(attributes: JSON) -> dict[str, str]:
    return {
        name: str(value) if name == "proj:code" else json.dumps(value)
        for name, value in attributes.items()
        if name != "_FillValue" and name not in _UNCOMPARED
    }


_UNCOMPARED = ("zarr_conventions", "coordinates")
"""They follow from others, and from the version of this package."""
