"""In what files differ that are to be one array, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.codec_table.words import codec_aspects
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.attribute_table import PER_SCENE
from virtual_tiff.publishing.reading.record import Template, canonical

__all__ = ["Difference", "differences", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """In what a file differs from most."""

    file: str
    arrays: tuple[str, ...]
    """Those that differ in the same way."""
    aspect: str
    has: str
    others: str
    """Both are whole, however long they are."""

    def __str__(self) -> str:
        first, more = self.arrays[0], len(self.arrays) - 1
        where = f"array {first}" + (f" and {more} more" if more else "")
        aspect = _NAMES.get(self.aspect, self.aspect)
        has, others = _shortened(self.has, self.others)
        return f"{self.file}: {where}: {aspect} {has}, the others {others}"


_SHOWN = 20
"""Differences that are listed; of ten thousand files all may differ."""
_LONG = 60
"""Characters of a value that are shown."""
_BEFORE = 20
"""Of these, before the first character that differs."""
_NAMES = {
    "gcps": "ground control points (gcps)",
    "rpcs": "rational polynomial coefficients (rpcs)",
}


def _shortened(one: str, other: str) -> tuple[str, str]:
    """Cut long values to where they begin to differ."""
    pairs = enumerate(zip(one, other, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    start = max(0, same - _BEFORE) if max(len(one), len(other)) > _LONG else 0

    def shown(text: str) -> str:
        cut = text[start : start + _LONG]
        return f"{'…' if start else ''}{cut}{'…' if len(text) > start + _LONG else ''}"

    return shown(one), shown(other)


def refuse(found: Sequence[Difference], *, problem: str | None = None) -> None:
    """Refuse files that cannot be stacked; do nothing if there is no difference.

    Raises
    ------
    PublishError
        If there is one; it lists the differences, and says what helps.
    """
    if not found:
        return
    lines = [f"\n  {difference}" for difference in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"\n  and {len(found) - _SHOWN} more differences")
    problem = problem or "the files cannot be stacked"
    msg = f"{problem}:{''.join(lines)}{''.join(_advice(found))}"
    raise PublishError(msg)


def _advice(found: Sequence[Difference]) -> Iterable[str]:
    aspects = {difference.aspect for difference in found}
    yield (
        "\nPublish them in a group for each kind (layout='group per signature'), or without"
        " concat: then each file has its own group."
    )
    if "chunks" in aspects and "shape" not in aspects:
        yield "\nUncompressed strips: merge_strips=False (--no-merge-strips) may help."
    if aspects & {"values", "spatial:transform", "GeoTransform"} and "shape" not in aspects:
        yield "\nThe images lie at different places: tiles of one image are concat='y,x'."
    scenes = [name for name in PER_SCENE if name in aspects]
    if scenes:
        yield (
            f"\nTo keep {' and '.join(scenes)} as coordinates along the new dimension:"
            f" per_scene={scenes!r} (--per-scene {','.join(scenes)})."
        )
    if "resolution" in aspects:
        yield "\nOverviews whose size is rounded have their own: overviews=False (--no-overviews)."
    if "is" in aspects:
        yield "\nThe files have different numbers of images: ifd=0 takes the first of each."


def differences(
    templates: Mapping[int, Template],
    files: Mapping[int, Sequence[str]],
    usual: Template | None = None,
) -> list[Difference]:
    """Say in what files differ from most.

    Parameters
    ----------
    templates
        Of the files, by number.
    files
        By number of their template: the names of files.
    usual
        That with which all are compared; None is what most of them have.
    """
    said = {number: _aspects(template) for number, template in templates.items()}
    expected = _aspects(usual) if usual else _most(said, files)
    found = []
    for number, aspects in said.items():
        for (aspect, has, others), arrays in _differing(aspects, expected).items():
            found += [
                Difference(file=name, arrays=tuple(arrays), aspect=aspect, has=has, others=others)
                for name in files[number]
            ]
    return found or _without_words(templates, files, usual)


def _without_words(
    templates: Mapping[int, Template],
    files: Mapping[int, Sequence[str]],
    usual: Template | None,
) -> list[Difference]:
    """Return differences that no aspect says: files that differ are never taken for equal."""
    first = usual or templates[next(iter(templates))]
    return [
        Difference(
            file=files[number][0],
            arrays=(path,),
            aspect="metadata",
            has=canonical(has),
            others=canonical(others),
        )
        for number, template in templates.items()
        for path, has, others in _unequal(template, first)
    ]


def _unequal(template: Template, other: Template) -> Iterator[tuple[str, JSON, JSON]]:
    ours, theirs = _compared(template), _compared(other)
    for path in dict.fromkeys((*ours, *theirs)):
        if ours.get(path) != theirs.get(path):
            yield path, ours.get(path, {}), theirs.get(path, {})


def _compared(template: Template) -> dict[str, JSON]:
    found: dict[str, JSON] = {
        f"{path}/": {"attributes": own} for path, own in template.groups.items()
    }
    found |= template.arrays
    for path, inline in template.inline.items():
        found[path] = {**inline.metadata, "digest": inline.digest}
    return {
        path: {**metadata, "attributes": _without_conventions(metadata["attributes"])}
        for path, metadata in found.items()
    }


def _without_conventions(attributes: JSON) -> JSON:
    return {name: value for name, value in attributes.items() if name not in _UNCOMPARED}


type _Words = dict[str, dict[str, str]]
"""By path of the array, and then by aspect."""


def _most(said: Mapping[int, _Words], files: Mapping[int, Sequence[str]]) -> _Words:
    """Return for each aspect what most files have; of equals the first."""
    found: _Words = {}
    for path in dict.fromkeys(path for aspects in said.values() for path in aspects):
        names = dict.fromkeys(name for aspects in said.values() for name in aspects.get(path, ()))
        for aspect in names:
            counts: Counter[str] = Counter()
            for number, aspects in said.items():
                counts[aspects.get(path, _ABSENT).get(aspect, "")] += len(files[number])
            found.setdefault(path, {})[aspect] = counts.most_common(1)[0][0]
    return found


_ABSENT = {"is": "absent"}


def _differing(aspects: _Words, expected: _Words) -> dict[tuple[str, str, str], list[str]]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for path in dict.fromkeys((*expected, *aspects)):
        has, others = aspects.get(path, _ABSENT), expected.get(path, _ABSENT)
        if has.get("is") != others.get("is"):
            found.setdefault(("is", has["is"], others["is"]), []).append(path)
            continue
        if has.get("is") == "absent":
            continue
        for aspect in dict.fromkeys((*others, *has)):
            one, other = has.get(aspect, "absent"), others.get(aspect, "absent")
            if one != other:
                found.setdefault((aspect, one, other), []).append(path)
    return _without_consequences(found)


def _without_consequences(
    found: dict[tuple[str, str, str], list[str]],
) -> dict[tuple[str, str, str], list[str]]:
    """Leave out what follows from other differences: coordinates from shape and transform."""
    aspects = {aspect for aspect, _, _ in found}
    if aspects & {"shape", "spatial:transform", "is"}:
        follow = {"values", "spatial:bbox", "spatial:shape", "GeoTransform", "length"}
        return {key: paths for key, paths in found.items() if key[0] not in follow}
    return found


def _aspects(template: Template) -> _Words:
    found: _Words = {}
    for path, metadata in template.arrays.items():
        found[path] = _array_aspects(metadata)
    for path, inline in template.inline.items():
        # of a coordinate the length follows from the image's shape
        found[path] = {
            "is": "present",
            "length": _by(inline.metadata["shape"]),
            **_attribute_aspects(inline.metadata["attributes"]),
            "values": f"with the digest {inline.digest[:8]}",
        }
    for path, attributes in template.groups.items():
        if attributes:
            found[f"{path}/"] = {"is": "present", **_attribute_aspects(attributes)}
    return found


def _array_aspects(metadata: JSON) -> dict[str, str]:
    chunk_shape = metadata["chunk_grid"]["configuration"]["chunk_shape"]
    attributes = metadata["attributes"]
    return {
        "is": "present",
        "data type": str(metadata["data_type"]),
        "shape": _by(metadata["shape"]),
        "chunks": _by(chunk_shape),
        **codec_aspects(metadata["codecs"]),
        "fill value": str(metadata["fill_value"]),
        "dimensions": ", ".join(map(str, metadata["dimension_names"])),
        "nodata": "given" if "_FillValue" in attributes else "not given",
        **_attribute_aspects(attributes),
    }


def _attribute_aspects(attributes: JSON) -> dict[str, str]:
    return {
        name: json.dumps(value)
        for name, value in attributes.items()
        if name != "_FillValue" and name not in _UNCOMPARED
    }


_UNCOMPARED = ("zarr_conventions", "coordinates")
"""They follow from others, and from the version of this package."""


def _by(numbers: Iterable[int]) -> str:
    return " x ".join(map(str, numbers))
