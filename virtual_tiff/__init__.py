"""Turn TIFF and COG archives into Zarr v3 stores without copying a pixel.

`VirtualTIFF` is the parser. Names are loaded when they are first used, so that the core
(`virtual_tiff.tiff`) can be imported without zarr.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtual_tiff.codecs.compat_050.images import register_codecs_of_050
    from virtual_tiff.interoperability.datasets import masked, open, writable  # noqa: A004 (as rasterio's)
    from virtual_tiff.interoperability.kerchunk import Exported, to_kerchunk
    from virtual_tiff.interoperability.tuning import Tuning, tune_zarr
    from virtual_tiff.parser import VirtualTIFF
    from virtual_tiff.publishing import publish, publish_async, remove
    from virtual_tiff.publishing.repository.opening import open_published
    from virtual_tiff.publishing.verification import verify, verify_async
    from virtual_tiff.sources.object_source import ChangedError, SourceError
    from virtual_tiff.tiff import (
        FormatError,
        LimitError,
        Limits,
        Reading,
        TiffError,
        TiffWarning,
        TruncatedError,
        UnsupportedError,
    )

__all__ = [
    "ChangedError",
    "Exported",
    "FormatError",
    "LimitError",
    "Limits",
    "Reading",
    "SourceError",
    "TiffError",
    "TiffWarning",
    "TruncatedError",
    "Tuning",
    "UnsupportedError",
    "VirtualTIFF",
    "__version__",
    "masked",
    "open",
    "open_published",
    "publish",
    "publish_async",
    "register_codecs_of_050",
    "remove",
    "to_kerchunk",
    "tune_zarr",
    "verify",
    "verify_async",
    "writable",
]

_HOMES = {
    "ChangedError": "virtual_tiff.sources.object_source",
    "Exported": "virtual_tiff.interoperability.kerchunk",
    "SourceError": "virtual_tiff.sources.object_source",
    "Tuning": "virtual_tiff.interoperability.tuning",
    "VirtualTIFF": "virtual_tiff.parser",
    "masked": "virtual_tiff.interoperability.datasets",
    "open": "virtual_tiff.interoperability.datasets",
    "open_published": "virtual_tiff.publishing.repository.opening",
    "publish": "virtual_tiff.publishing",
    "publish_async": "virtual_tiff.publishing",
    "register_codecs_of_050": "virtual_tiff.codecs.compat_050.images",
    "to_kerchunk": "virtual_tiff.interoperability.kerchunk",
    "tune_zarr": "virtual_tiff.interoperability.tuning",
    "remove": "virtual_tiff.publishing",
    "verify": "virtual_tiff.publishing.verification",
    "verify_async": "virtual_tiff.publishing.verification",
    "writable": "virtual_tiff.interoperability.datasets",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (PEP 562)
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 (takes 20 ms)

        return version("virtual-tiff")
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES.get(name, "virtual_tiff.tiff")), name)


def __dir__() -> list[str]:
    return __all__
