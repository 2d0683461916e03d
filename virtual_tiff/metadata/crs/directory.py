"""Whether a GeoKeyDirectory can be trusted as a whole.

A CRS without one of its parameters is another CRS. So where a key is lost, there is none, as in
libgeotiff (`GTIFNew`), whatever the other keys say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from virtual_tiff.tiff import GeoValue, ImageFileDirectory, Tag, TiffError, key_name

__all__ = ["flaw", "version"]

_VERSION = 1
"""GeoTIFF 1.1, 7.1.2: readers must not read other versions."""
_SHORTS = 4
"""Numbers of the header, and of each key."""


def version(ifd: ImageFileDirectory) -> tuple[int, ...]:
    """Return version, revision and minor revision; empty if there is no directory."""
    return tuple(_shorts(ifd)[:3])


def flaw(ifd: ImageFileDirectory, keys: Mapping[int, GeoValue]) -> str | None:
    """Return why the keys make no CRS; None if all of them were read."""
    shorts = _shorts(ifd)
    if not shorts or shorts[0] > _VERSION:
        return (
            f"the GeoKeyDirectory has the unknown version {shorts[0] if shorts else '?'}; there "
            "is no CRS"
        )
    if len(shorts) < _SHORTS * (shorts[3] + 1):
        return f"the GeoKeyDirectory lacks some of its {shorts[3]} keys; there is no CRS"
    lost = next(_lost(ifd, shorts, keys), None)
    return None if lost is None else f"GeoKey {key_name(lost)} cannot be read; there is no CRS"


def _shorts(ifd: ImageFileDirectory) -> Sequence[int]:
    try:
        return ifd.integers(Tag.GeoKeyDirectory) or ()
    except TiffError:
        return ()


def _lost(
    ifd: ImageFileDirectory, shorts: Sequence[int], keys: Mapping[int, GeoValue]
) -> Iterator[int]:
    for at in range(_SHORTS, _SHORTS * (shorts[3] + 1), _SHORTS):
        key, location, count, index = shorts[at : at + _SHORTS]
        if location == 0 and count != 1:
            yield key
        elif key not in keys:
            try:
                text = ifd.raw(Tag.GeoAsciiParams) or b""
            except TiffError:
                text = b""
            # text that is too short is a name that is too short, no more
            if location != Tag.GeoAsciiParams or index >= len(text):
                yield key
