"""Consolidated metadata: the `zarr.json` of all nodes, within that of the root.

A reader that is given nothing but urls can list no folder, and so finds no variable: xarray over
plain HTTP, tile servers, OpenLayers. It takes the names and metadata of a group's members from
`consolidated_metadata` in the group's `zarr.json`, as zarr-python has written it since 3.0.
Readers of Icechunk have a snapshot that lists all nodes; zarr-python ignores the copy there.

Each run writes it anew, so it is that of the commit. A repository with very many groups has none:
each reader would load all of it.
"""

from __future__ import annotations

import json

import icechunk
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.publishing.planning.names import LEDGER
from virtual_tiff.publishing.planning.plan import document, joined
from virtual_tiff.publishing.repository.keys import key_of_node, metadata_of, write_keys

__all__ = ["consolidate", "consolidated_members"]

_MOST_BYTES = 4 * 2**20
"""Of consolidated metadata."""
_MOST_MEMBERS = 1000
"""Of one group: to list a million of them takes a minute."""


def consolidate(store: icechunk.IcechunkStore) -> None:
    """Write the metadata of all nodes into the root's, but for those of the ledger.

    Nothing is written if they take more than 4 MiB, or a group has more than 1,000 members.
    """
    root = metadata_of(store, "")
    members = sync(_members(store))
    if root is None or members is None:
        return
    consolidated = {"kind": "inline", "must_understand": False, "metadata": members}
    write_keys(store, {key_of_node(""): document(root | {"consolidated_metadata": consolidated})})


def consolidated_members(store: icechunk.IcechunkStore) -> dict[str, JSON]:
    """Return the `zarr.json` of all nodes by path; {} if the repository has too many."""
    root = metadata_of(store, "") or {}
    members: dict[str, JSON] = root.get("consolidated_metadata", {}).get("metadata", {})
    return members


async def _members(store: icechunk.IcechunkStore) -> dict[str, JSON] | None:
    """Return the `zarr.json` of all nodes by path, groups before their members; None if too large.

    An array's folder is not listed: it has a name for each chunk.
    """
    members: dict[str, JSON] = {}
    size = 0
    groups = [""]
    while groups:
        group = groups.pop(0)
        names = []
        async for name in store.list_dir(group):
            names.append(name)
            if len(names) > _MOST_MEMBERS:
                return None
        for name in sorted(names):
            path = joined(group, name)
            if name == "zarr.json" or path == LEDGER:
                continue
            stored = await store.get(key_of_node(path), default_buffer_prototype())
            if stored is None:
                continue
            data = stored.to_bytes()
            size += len(data)
            if size > _MOST_BYTES:
                return None
            members[path] = json.loads(data)
            if members[path]["node_type"] == "group":
                groups.append(path)
    return members
