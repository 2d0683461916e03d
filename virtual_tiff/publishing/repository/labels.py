"""Labels of OME-Zarr: a group `labels` within that of an image, which lists the groups in it.

A group that a user calls `IMAGE/labels/NAME` is a label image. The files of an image and of its
labels come and go each by itself: an image that is removed leaves its labels.

https://ngff.openmicroscopy.org/0.5: "labels" metadata, "image-label" metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

import icechunk
from zarr.core.sync import sync

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.planning.names import image_of_label
from virtual_tiff.publishing.planning.plan import document, parents
from virtual_tiff.publishing.repository.keys import key_of_node, metadata_of, write_keys
from virtual_tiff.publishing.result import PublishedArray

__all__ = ["list_labels", "remove_group"]


def list_labels(
    store: icechunk.IcechunkStore,
    groups: Iterable[str],
    arrays: Mapping[str, PublishedArray],
) -> None:
    """Make label images of those groups that are called so, and list them beside the others.

    One that is no image of integers that OME-Zarr can describe is a PublishError.
    """
    labels = sorted(group for group in groups if image_of_label(group) is not None)
    if not labels:
        return
    kinds: dict[str, set[str]] = {group: set() for group in labels}
    for path, array in arrays.items():
        for above in kinds.keys() & set(parents(path)):
            kinds[above].add(array.data_type)
    listed: dict[str, tuple[str, set[str]]] = {}
    for group in labels:
        attributes = _attributes(store, group)
        if "multiscales" not in attributes.get("ome", {}):
            msg = (
                f"{group} is called as labels, and its file is no image that OME-Zarr describes:"
                " publish with ifd_layout='stack' a file whose metadata name"
                " its axes"
            )
            raise PublishError(msg)
        if wrong := sorted(kind for kind in kinds[group] if "int" not in kind and kind != "bool"):
            msg = f"{group} is called as labels, and labels are integers, not {', '.join(wrong)}"
            raise PublishError(msg)
        ome = attributes["ome"] | {"image-label": {"source": {"image": "../../"}}}
        _write(store, group, attributes | {"ome": ome})
        above, _, name = group.rpartition("/")
        listed.setdefault(above, (ome["version"], set()))[1].add(name)
    for above, (version, names) in listed.items():
        _list(store, above, add=names, version=version)


def remove_group(store: icechunk.IcechunkStore, path: str) -> None:
    """Remove a group or an array; but not the labels within it, which are other files'."""
    if image_of_label(path) is not None:
        above, _, name = path.rpartition("/")
        _list(store, above, leave_out={name})
    if "labels" not in _attributes(store, f"{path}/labels").get("ome", {}):
        sync(store.delete_dir(path))
        return
    for child in sync(_children(store, path)):
        if child == "zarr.json":
            _write(store, path, {})
        elif child != "labels":
            sync(store.delete_dir(f"{path}/{child}"))


def _list(
    store: icechunk.IcechunkStore,
    group: str,
    *,
    add: AbstractSet[str] = frozenset(),
    leave_out: AbstractSet[str] = frozenset(),
    version: str | None = None,
) -> None:
    """Change the list of labels; the group goes with the last one."""
    attributes = _attributes(store, group)
    ome = attributes.get("ome", {})
    names = sorted(({*ome.get("labels", ())} | add) - leave_out)
    if not names:
        sync(store.delete_dir(group))
        return
    listed = {"version": version or ome.get("version", "0.5"), "labels": names}
    _write(store, group, attributes | {"ome": ome | listed})


async def _children(store: icechunk.IcechunkStore, path: str) -> list[str]:
    return [name async for name in store.list_dir(path)]


def _attributes(store: icechunk.IcechunkStore, path: str) -> JSON:
    metadata = metadata_of(store, path)
    return {} if metadata is None else dict(metadata.get("attributes", {}))


def _write(store: icechunk.IcechunkStore, path: str, attributes: JSON) -> None:
    group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    write_keys(store, {key_of_node(path): document(group)})
