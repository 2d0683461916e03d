"""All that is to be written, as plain data: every rule is testable without a repository."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from virtualizarr.manifests import ManifestArray
from zarr.core.metadata.v3 import ArrayV3Metadata

from virtual_tiff.publishing.files import JSON, ParsedFile
from virtual_tiff.publishing.published import PublishedArray

__all__ = ["Placement", "Plan", "dimensions_of", "is_coordinate", "metadata_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An array of a file, and which chunks of the repository it becomes."""

    path: str
    """Of the array in the repository."""
    file: ParsedFile
    array: ManifestArray
    position: int | None = None
    """Along the new first dimension; None if the array is taken as it is."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which chunks lie in the file, in the shape of the array's chunk grid."""
        manifest = self.array.manifest
        virtual = np.array(manifest._paths != "")  # noqa: SLF001 (as VirtualiZarr's writers do)
        for index in manifest._inlined:  # noqa: SLF001
            virtual[index] = False
        return virtual


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is to be written."""

    groups: Mapping[str, JSON]
    """Attributes by path."""
    metadata: Mapping[str, ArrayV3Metadata]
    """Of each array, by path."""
    placements: Sequence[Placement]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By path: attributes in which the stacked files differ."""

    def arrays(self) -> Iterator[PublishedArray]:
        """Yield what the arrays will be."""
        references: Counter[str] = Counter()
        for placement in self.placements:
            references[placement.path] += int(placement.present.sum())
        for path, metadata in self.metadata.items():
            yield PublishedArray(
                path=path,
                shape=metadata.shape,
                dimensions=dimensions_of(metadata),
                data_type=str(metadata.dtype.to_native_dtype()),
                references=references[path],
            )


def metadata_of(array: ManifestArray) -> JSON:
    """Return what an array's `zarr.json` says."""
    return dict(array.metadata.to_dict())


def dimensions_of(metadata: ArrayV3Metadata) -> tuple[str, ...]:
    """Return the names of an array's dimensions, "" for one without a name."""
    return tuple(name or "" for name in metadata.dimension_names or ())


def is_coordinate(path: str, array: ManifestArray) -> bool:
    """Whether an array holds for all files: it names a dimension, or has none."""
    return not array.shape or dimensions_of(array.metadata) == (posixpath.basename(path),)
