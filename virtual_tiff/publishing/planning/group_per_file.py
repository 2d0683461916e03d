"""A group for each file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.names import new_group_names
from virtual_tiff.publishing.planning.plan import Existing, Members, Part, joined
from virtual_tiff.publishing.reading.catalogue import Catalogue, Files

__all__ = ["apart"]


def apart(catalogue: Catalogue, existing: Existing) -> Iterator[Part]:
    """Lay out each file as a group of its own; one after another, as there may be many.

    Raises
    ------
    PublishError
        If two files would have the same name.
    """
    spool = catalogue.spool
    urls = {n: spool.url(n) for files in catalogue.sets for n in files.numbers.tolist()}
    names = new_group_names([urls[n] for n in sorted(urls)], existing.groups)
    return _parts(catalogue, dict(zip(sorted(urls), names, strict=True)))


def _parts(catalogue: Catalogue, names: Mapping[int, str]) -> Iterator[Part]:
    yield Part(groups={"": {}}, arrays={})
    for files in catalogue.sets:
        for i in range(len(files)):
            yield _part(catalogue, files, i, names[int(files.numbers[i])])


def _part(catalogue: Catalogue, files: Files, i: int, name: str) -> Part:
    template = catalogue.template(int(files.templates[i]))
    loose: Mapping[str, JSON] = json.loads(catalogue.spool.text(int(files.loose[i])))
    arrays = {
        joined(name, path): metadata
        | {"attributes": metadata["attributes"] | loose.get(f"a:{path}", {})}
        for path, metadata in template.arrays.items()
    }
    return Part(
        groups={
            joined(name, path): attributes | loose.get(f"g:{path}", {})
            for path, attributes in template.groups.items()
        },
        arrays=arrays,
        inline={
            joined(name, path): (found.metadata, catalogue.spool.data(found.digest))
            for path, found in template.inline.items()
        },
        members=[
            Members(
                place=name,
                variable="",
                numbers=np.array([files.numbers[i]], dtype=np.int64),
                paths={path: joined(name, path) for path in template.arrays},
            )
        ],
    )
