"""How a node declares the Zarr conventions that its attributes follow.

Every convention is declared twice where its first drafts were called otherwise: rioxarray 0.23
goes by the drafts' names, the schemas of v0.1 demand the new ones, and GDAL, rasterix, rio-tiler
and zarr-cm go by the uuid, which is the same in both. The new one is first, because who takes
one entry for the node's revision takes the first.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MULTISCALES", "PROJ", "SPATIAL", "Entry"]

type Entry = dict[str, str]


def _entry(repository: str, tag: str, uuid: str, name: str, description: str) -> Entry:
    return {
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/"
        f"{repository}/refs/tags/{tag}/schema.json",
        "spec_url": f"https://github.com/zarr-conventions/{repository}/blob/{tag}/README.md",
        "uuid": uuid,
        "name": name,
        "description": description,
    }


_SPATIAL_UUID = "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4"
_PROJ_UUID = "f17cb550-5864-4468-aeb7-f3180cfb622f"
_MULTISCALES_UUID = "d35379db-88df-4056-af3a-620245f8e347"

_SPATIAL_IS = "Spatial coordinate information"
_PROJ_IS = "Coordinate reference system information for geospatial data"
_MULTISCALES_IS = "Multiscale layout of zarr datasets"

SPATIAL: Final = (
    _entry("spatial", "v0.1", _SPATIAL_UUID, "spatial", _SPATIAL_IS),
    _entry("spatial", "v1", _SPATIAL_UUID, "spatial:", _SPATIAL_IS),
)
PROJ: Final = (
    _entry("proj", "v0.1", _PROJ_UUID, "proj", _PROJ_IS),
    # the repository was renamed
    _entry("geo-proj", "v1", _PROJ_UUID, "proj:", _PROJ_IS),
)
MULTISCALES: Final = (
    # its name never had a colon, so nobody looks for another
    _entry("multiscales", "v0.1", _MULTISCALES_UUID, "multiscales", _MULTISCALES_IS),
)
