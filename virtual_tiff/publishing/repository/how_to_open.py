"""The code with which people open a published repository."""

from __future__ import annotations

from collections.abc import Iterable

from virtual_tiff.publishing.repository.containers import Container
from virtual_tiff.publishing.repository.target import Target

__all__ = ["how_to_open"]


def how_to_open(
    target: Target,
    containers: Iterable[Container],
    branch: str,
    *,
    groups: bool,
    rectilinear: bool = False,
) -> str:
    """Return some lines of Python that open the repository in xarray."""
    access = ", ".join(f"{c.prefix!r}: {c.code}" for c in containers)
    store = f"repo.readonly_session({branch!r}).store"
    opened = (
        f"ds = xarray.open_zarr({store}, consolidated=False)"
        if not groups
        else f'tree = xarray.open_datatree({store}, engine="zarr", consolidated=False)'
    )
    allowed = "import zarr; zarr.config.set({'array.rectilinear_chunks': True})"
    return "\n".join(
        [
            "import icechunk, xarray",
            *([allowed] if rectilinear else []),
            target.code,
            f"access = icechunk.containers_credentials({{{access}}})",
            "repo = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)",
            opened,
        ]
    )
