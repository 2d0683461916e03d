"""Which Zarr implementations read an array: one table, by its codecs and its data type.

Measured on arrays whose chunks are blocks of TIFFs. `tests/info/test_info_readers.py` reads such
arrays with each implementation that is installed, and `docs/codecs.md` is made from this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["IMPLEMENTATIONS", "Implementation", "codec_names", "readers", "readers_text"]

type CodecJSON = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """A reader of Zarr v3, and what it brings with it."""

    name: str
    """As `info --json` says it; it stays."""
    codecs: frozenset[str]
    families: tuple[str, ...] = ()
    """What the names of more codecs begin with."""
    lacks: frozenset[str] = frozenset()
    """Data types that it does not have."""

    def has(self, codec: str) -> bool:
        """Whether it has a codec of this name."""
        return codec in self.codecs or codec.startswith(self.families)

    def reads(self, codecs: Iterable[CodecJSON], data_type: str) -> bool:
        """Whether it reads an array, right and without codecs registered by hand."""
        return data_type not in self.lacks and all(map(self.has, codec_names(codecs)))


_IN_ALL = frozenset({"bytes", "zstd"})

_IN_MOST = _IN_ALL | {"transpose", "numcodecs.zlib"}

_ZARR_PYTHON = _IN_MOST | {"numcodecs.lzma"}

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    Implementation(name="zarr-python", codecs=_ZARR_PYTHON),
    Implementation(
        name="zarr-python + imagecodecs-zarr", codecs=_ZARR_PYTHON, families=("imagecodecs_",)
    ),
    Implementation(
        name="zarr-python + virtual-tiff",
        codecs=_ZARR_PYTHON,
        families=("imagecodecs_", "virtual_tiff."),
    ),
    Implementation(name="zarrs", codecs=_IN_MOST),
    # float16 where the engine has Float16Array: browsers since 2025, Node since 24
    Implementation(
        name="zarrita", codecs=_IN_MOST, lacks=frozenset({"float16", "complex64", "complex128"})
    ),
    Implementation(name="tensorstore", codecs=_IN_ALL | {"transpose"}),
    # GDAL takes `transpose` and gives wrong pixels, without an error
    Implementation(name="GDAL", codecs=_IN_ALL),
)
"""zarr-python 3.4.2, zarrs 0.2.3, zarrita 0.7.5 in Node 20, tensorstore 0.1.86, GDAL 3.12.2."""


def codec_names(codecs: Iterable[CodecJSON]) -> Iterator[str]:
    """Yield the names of codecs, those within others too."""
    for codec in codecs:
        yield codec["name"]
        inner = codec["configuration"].get("codec")
        if isinstance(inner, dict):
            yield inner["name"]


def readers(codecs: Iterable[CodecJSON], data_type: str) -> tuple[str, ...]:
    """Return the names of the implementations that read an array.

    Parameters
    ----------
    codecs
        As in the array's metadata.
    data_type
        Zarr's name.
    """
    steps = tuple(codecs)
    return tuple(known.name for known in IMPLEMENTATIONS if known.reads(steps, data_type))


def readers_text(names: tuple[str, ...]) -> str:
    """Say which implementations read an array, and which do not.

    Of zarr-python the one is named that needs the fewest other packages.
    """
    least = next((name for name in names if name.startswith("zarr-python")), None)
    others = [known.name for known in IMPLEMENTATIONS if not known.name.startswith("zarr-python")]
    can = [least, *(name for name in others if name in names)]
    cannot = [name for name in others if name not in names]
    text = "read by " + ", ".join(name for name in can if name is not None)
    return text + (f"; not by {', '.join(cannot)}" if cannot else "")
