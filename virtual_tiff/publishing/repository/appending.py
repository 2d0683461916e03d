"""What a repository has already, for those that are to be added."""

from __future__ import annotations

from typing import Any

import icechunk
import zarr

from virtual_tiff.publishing.planning.plan import Existing
from virtual_tiff.publishing.reading.spool import Spool
from virtual_tiff.publishing.repository.ledger import Ledger

__all__ = ["existing_of"]


def existing_of(ledger: Ledger, store: icechunk.IcechunkStore, spool: Spool) -> Existing:
    """Return what is published, as far as new files have to fit on it.

    Parameters
    ----------
    ledger
        Of the repository; its rows are in the spool.
    store
        Of the repository, for reading.
    spool
        That has the files of the run too.
    """
    group = zarr.open_group(store, mode="r")
    columns: dict[str, list[Any]] = {}
    for kept in ledger.places.values():
        paths = [path for _, _, path in kept.get("columns", ())]
        for path in dict.fromkeys((*kept.get("coordinates", ()), *paths)):
            array: Any = group[path]
            columns[path] = array[:].tolist()
    apart = ledger.layout == "group per file"
    return Existing(
        places=ledger.places,
        groups=spool.published_groups() if apart else {},
        columns=columns,
        earlier=spool.earlier(),
        taken={} if apart else spool.taken(),
    )
