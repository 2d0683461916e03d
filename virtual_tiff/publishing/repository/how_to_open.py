"""The code with which people open a published repository."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from virtual_tiff.publishing.repository.containers import Container
from virtual_tiff.publishing.repository.opening import zarr_settings
from virtual_tiff.publishing.repository.target import Target

__all__ = ["how_to_open", "sample_dimensions"]


def how_to_open(
    target: Target,
    containers: Iterable[Container],
    branch: str,
    *,
    groups: bool,
    rectilinear: bool = False,
    samples: Sequence[str] = (),
) -> str:
    """Return some lines of Python that open the repository in xarray.

    `samples` are dimensions that stand last, as `sample_dimensions` returns them: they are moved in
    front, where rioxarray and rio-tiler demand them.

    Where Dask is installed, `open_zarr` would by default make each chunk a task of Dask, which has
    a thread for each processor, and so as many requests at once: hence `chunks=None`.
    """
    containers = tuple(containers)
    access = ", ".join(f"{c.prefix!r}: {c.code}" for c in containers)
    headers = _headers(containers)
    arguments = "storage, config, " if headers else "storage, "
    arguments += "authorize_virtual_chunk_access=access"
    store = f"repo.readonly_session({branch!r}).store"
    opened = (
        f"ds = xarray.open_zarr({store}, chunks=None, consolidated=False)"
        if not groups
        else f'tree = xarray.open_datatree({store}, engine="zarr", consolidated=False)'
    )
    in_front = f'ds.transpose({", ".join(map(repr, samples))}, ..., missing_dims="ignore")'
    if samples and groups:
        opened += f"\ntree = tree.map_over_datasets(lambda ds: {in_front})"
    elif samples:
        opened += f"\nds = {in_front}"
    return "\n".join(
        [
            f"import icechunk, {'os, ' if headers else ''}xarray, zarr",
            f"zarr.config.set({zarr_settings(rectilinear=rectilinear)})",
            target.code,
            f"access = icechunk.containers_credentials({{{access}}})",
            *headers,
            f"repo = icechunk.Repository.open({arguments})",
            opened,
        ]
    )


def sample_dimensions(arrays: Iterable[Sequence[str]]) -> list[str]:
    """Return the dimensions of the samples of a pixel in arrays that have them last, (y, x, band).

    They lie so in the files, and the arrays of a portable repository keep that order.
    """
    last = {dimensions[-1] for dimensions in arrays if len(dimensions) > 2}
    return sorted(name for name in last if name.startswith("band"))


def _headers(containers: Iterable[Container]) -> list[str]:
    """Return lines that give web servers the headers of a reader, from variables of that name."""
    lines = []
    for each in containers:
        if not each.headers:
            continue
        variables = {name: name.upper().replace("-", "_") for name in sorted(each.headers)}
        values = ", ".join(f"{name!r}: os.environ[{of!r}]" for name, of in variables.items())
        store = f"icechunk.http_store(headers={{{values}}})"
        container = f"icechunk.VirtualChunkContainer({each.prefix!r}, {store})"
        lines.append(f"config.set_virtual_chunk_container({container})")
    return ["config = icechunk.Repository.fetch_config(storage)", *lines] if lines else []
