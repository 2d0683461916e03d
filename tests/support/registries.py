"""The registries of zarr and numcodecs, which are the process's, put back after a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numcodecs.registry
import zarr
from zarr.registry import _codec_registries


@contextmanager
def restored_registries() -> Iterator[None]:
    """Take back what is registered, and configured for codecs, within the context."""
    for registry in list(_codec_registries.values()):
        registry.lazy_load()
    before = {name: dict(registry) for name, registry in _codec_registries.items()}
    ids = dict(numcodecs.registry.codec_registry)
    configured, defaults = dict(zarr.config.get("codecs")), list(zarr.config.defaults)
    try:
        yield
    finally:
        for name, registry in _codec_registries.items():
            registry.clear()
            registry.update(before.get(name, {}))
        numcodecs.registry.codec_registry.clear()
        numcodecs.registry.codec_registry.update(ids)
        zarr.config.defaults[:] = defaults
        zarr.config.set({"codecs": configured})
