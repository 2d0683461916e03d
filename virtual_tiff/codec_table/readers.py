"""Which Zarr implementations read an array, by its codecs and its data type.

Which codecs an implementation has stands beside each codec (`CodecDescription.readers`). Measured
on arrays whose chunks are blocks of TIFFs. `tests/info/test_info_readers.py` reads such arrays with
each implementation that is installed, and `docs/codecs.md` is made from this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from virtual_tiff.codec_table.description import CodecJSON, package_of
from virtual_tiff.codec_table.rows import described

__all__ = [
    "PORTABLE",
    "Implementation",
    "implementations_named",
    "packages",
    "readers",
    "readers_text",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """A reader of Zarr v3."""

    name: str
    """As `info --json` says it; it stays."""
    packages: frozenset[str] = frozenset()
    """The Python distributions whose codecs it has, of zarr-python."""
    lacks: frozenset[str] = frozenset()
    """Data types that it does not have."""

    def has(self, codec: str) -> bool:
        """Whether it has a codec of this name."""
        description = described(codec)
        if self.packages:
            return package_of(codec, description) in self.packages
        return description is not None and self.name in description.readers

    def reads(self, codecs: Iterable[CodecJSON], data_type: str) -> bool:
        """Whether it reads an array, right and without codecs registered by hand."""
        return data_type not in self.lacks and all(map(self.has, codec_names(codecs)))


_ZARR_PYTHON = "zarr-python"

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    Implementation(name=_ZARR_PYTHON, packages=frozenset({"zarr"})),
    Implementation(
        name=f"{_ZARR_PYTHON} + imagecodecs-zarr", packages=frozenset({"zarr", "imagecodecs-zarr"})
    ),
    Implementation(
        name=f"{_ZARR_PYTHON} + virtual-tiff",
        packages=frozenset({"zarr", "imagecodecs-zarr", "virtual-tiff"}),
    ),
    Implementation(name="zarrs"),
    # float16 where the engine has Float16Array: browsers since 2025, Node since 24
    Implementation(name="zarrita", lacks=frozenset({"float16", "complex64", "complex128"})),
    Implementation(name="tensorstore"),
    Implementation(name="GDAL"),
)
"""zarr-python 3.4.2, zarrs 0.2.3, zarrita 0.7.5 in Node 20, tensorstore 0.1.86, GDAL 3.12.2."""


PORTABLE = (_ZARR_PYTHON, "zarrs", "zarrita")
"""The implementations that a portable store is for, unless others are asked for."""


def implementations_named(names: str | Sequence[str]) -> tuple[Implementation, ...]:
    """Return the implementations of some names, in the order of the table.

    Parameters
    ----------
    names
        A list, or a text with commas between them; upper case and blanks do not count.

    Raises
    ------
    ValueError
        If there is none of a name, or no name.
    """
    known = {_key(each.name): each for each in IMPLEMENTATIONS}
    listed = names.split(",") if isinstance(names, str) else list(names)
    unknown = [name for name in listed if _key(str(name)) not in known]
    if unknown or not listed:
        allowed = ", ".join(each.name for each in IMPLEMENTATIONS)
        wrong = ", ".join(map(repr, unknown)) or "none"
        msg = f"the readers must be some of {allowed}, not {wrong}"
        raise ValueError(msg)
    wanted = {_key(name) for name in listed}
    return tuple(each for key, each in known.items() if key in wanted)


def _key(name: str) -> str:
    return "".join(name.split()).lower()


def codec_names(codecs: Iterable[CodecJSON]) -> Iterator[str]:
    """Yield the names of codecs, those within others too."""
    for codec in codecs:
        yield codec["name"]
        # zarr writes no configuration where a codec has no settings
        inner = codec.get("configuration", {}).get("codec")
        if isinstance(inner, dict):
            yield inner["name"]


def readers(codecs: Iterable[CodecJSON], data_type: str) -> tuple[str, ...]:
    """Return the names of the implementations that read an array of these codecs and type."""
    steps = tuple(codecs)
    known = tuple(each.name for each in IMPLEMENTATIONS if each.reads(steps, data_type))
    names = tuple(codec_names(steps))
    if known or None in {package_of(name, described(name)) for name in names}:
        return known
    return (" + ".join([_ZARR_PYTHON, *packages(names)]),)  # another package has a codec


def packages(codecs: Iterable[str]) -> tuple[str, ...]:
    """Return the distributions beside zarr that have codecs of these names.

    They are those that are known: a codec that was registered in this process alone, and whose
    description names no package, is of none.
    """
    needed = {package_of(name, described(name)) or "zarr" for name in codecs} - {"zarr"}
    ours = [name for name in ("imagecodecs-zarr", "virtual-tiff") if name in needed]
    return (*ours, *sorted(needed.difference(ours)))


def readers_text(names: tuple[str, ...]) -> str:
    """Say which implementations read an array, and which do not.

    Of zarr-python the one is named that needs the fewest other packages.
    """
    least = next((name for name in names if name.startswith("zarr-python")), None)
    others = [known.name for known in IMPLEMENTATIONS if not known.name.startswith("zarr-python")]
    can = [least, *(name for name in others if name in names)]
    cannot = [name for name in others if name not in names]
    text = "read by " + (", ".join(filter(None, can)) or "no reader that is known")
    return text + (f"; not by {', '.join(cannot)}" if cannot else "")
