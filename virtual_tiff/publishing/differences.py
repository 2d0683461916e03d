"""In what files differ that are to be stacked, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from virtualizarr.manifests import ManifestArray

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.files import JSON, ParsedFile
from virtual_tiff.publishing.plan import dimensions_of, is_coordinate, metadata_of

__all__ = ["Difference", "check_agreement", "differences"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """In what a file differs from most."""

    file: str
    array: str
    aspect: str
    has: str
    others: str

    def __str__(self) -> str:
        return (
            f"{self.file}: array {self.array}: {self.aspect} {self.has}, the others {self.others}"
        )


_SHOWN = 20
"""Differences that are listed; of ten thousand files all may differ."""


def check_agreement(files: Sequence[ParsedFile]) -> None:
    """Refuse files that do not fit on each other.

    Raises
    ------
    PublishError
        If they do not; it lists in what they differ, and says what helps.
    """
    found = [difference for file in differences(files).values() for difference in file]
    if not found:
        return
    lines = [f"\n  {difference}" for difference in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"\n  and {len(found) - _SHOWN} more differences")
    advice = "\nPublish these apart, or all without concat: a group for each file."
    aspects = {difference.aspect for difference in found}
    if "chunks" in aspects and "shape" not in aspects:
        advice += "\nUncompressed strips: merge_strips=False (--no-merge-strips) may help."
    msg = f"the files do not fit on each other:{''.join(lines)}{advice}"
    raise PublishError(msg)


def differences(files: Sequence[ParsedFile]) -> dict[str, list[Difference]]:
    """Say for each file, by its url, in what it differs from most."""
    found: dict[str, list[Difference]] = {file.url: [] for file in files}
    for path in dict.fromkeys(path for file in files for path in file.arrays):
        for aspect, say in _ASPECTS.items():
            said = [say(path, file.arrays.get(path)) for file in files]
            usual = Counter(words for words in said if words).most_common(1)
            for file, words in zip(files, said, strict=True):
                if words and words != usual[0][0]:  # of equals the first is usual
                    found[file.url].append(
                        Difference(
                            file=file.name,
                            array=path,
                            aspect=aspect,
                            has=words,
                            others=usual[0][0],
                        )
                    )
    return found


def _codec_words(codec: JSON) -> str:
    configuration = codec.get("configuration", {})
    settings = ", ".join(f"{key}={value}" for key, value in sorted(configuration.items()))
    return f"{codec['name']}({settings})" if settings else codec["name"]


def _by(numbers: Iterable[int]) -> str:
    return " x ".join(map(str, numbers))


def _attribute_words(name: str, array: ManifestArray) -> str:
    return json.dumps(array.metadata.attributes.get(name), default=str)


def _coordinate_words(path: str, array: ManifestArray | None) -> str:
    if array is None or not is_coordinate(path, array):
        return ""
    data = sorted(array.manifest._inlined.items())  # noqa: SLF001
    return f"with the digest {sha256(repr(data).encode()).hexdigest()[:8]}"


def _of_array(say: Callable[[ManifestArray], str]) -> Callable[[str, ManifestArray | None], str]:
    return lambda _, array: "" if array is None else say(array)


_ASPECTS: dict[str, Callable[[str, ManifestArray | None], str]] = {
    "is": lambda _, array: "absent" if array is None else "present",
    "data type": _of_array(lambda array: str(array.dtype)),
    "shape": _of_array(lambda array: _by(array.shape)),
    "chunks": _of_array(lambda array: _by(array.metadata.chunks)),
    "codecs": _of_array(lambda array: ", ".join(map(_codec_words, metadata_of(array)["codecs"]))),
    "fill value": _of_array(lambda array: str(metadata_of(array)["fill_value"])),
    "dimensions": _of_array(lambda array: ", ".join(dimensions_of(array.metadata))),
    # the attributes that decide what a stored number means
    "nodata": _of_array(
        lambda array: "given" if "_FillValue" in array.metadata.attributes else "not given"
    ),
    "scale_factor": _of_array(partial(_attribute_words, "scale_factor")),
    "add_offset": _of_array(partial(_attribute_words, "add_offset")),
    "coordinates": _coordinate_words,
}
"""In which stacked arrays must agree, in words."""
