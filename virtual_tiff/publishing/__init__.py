"""Many files to one commit in an Icechunk repository.

`api` has the functions that users call, `run` the steps. The plan of a commit is plain data
(`planning/plan`), so that every rule of stacking can be tested without a repository.
"""

from __future__ import annotations

try:
    import icechunk as _icechunk  # noqa: F401 (the modules below say what they take of it)
except ImportError as missing:
    text = 'publishing needs Icechunk: pip install "virtual-tiff[icechunk]"'
    raise ImportError(text) from missing

from virtual_tiff.publishing.api import publish, publish_async
from virtual_tiff.publishing.description import (
    ArrayDescription,
    Description,
    LastVerification,
    describe,
)
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.moving import Moved, move_sources, move_sources_async
from virtual_tiff.publishing.reading.workers import Progress
from virtual_tiff.publishing.removal import Removed, remove
from virtual_tiff.publishing.repository.history import Commit, History, LeftBranch, log
from virtual_tiff.publishing.repository.upkeep import (
    Expiration,
    Garbage,
    collect_garbage,
    expire,
)
from virtual_tiff.publishing.result import Published, PublishedArray
from virtual_tiff.publishing.saved_access import Access, ContainerAccess, access, set_access

__all__ = [
    "Access",
    "ArrayDescription",
    "Commit",
    "ContainerAccess",
    "Description",
    "Expiration",
    "Garbage",
    "History",
    "LastVerification",
    "LeftBranch",
    "Moved",
    "Progress",
    "PublishError",
    "Published",
    "PublishedArray",
    "Removed",
    "access",
    "collect_garbage",
    "describe",
    "expire",
    "log",
    "move_sources",
    "move_sources_async",
    "publish",
    "publish_async",
    "remove",
    "set_access",
]
