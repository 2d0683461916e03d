"""What `publish` is told, checked before anything is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from virtual_tiff.parser import VirtualTIFF
from virtual_tiff.publishing.planning.arrange import LAYOUTS, Layout
from virtual_tiff.publishing.planning.attribute_table import PER_SCENE
from virtual_tiff.publishing.reading.portable import Portability
from virtual_tiff.publishing.reading.workers import Engine, Progress, Reader, Truncated, engine_of

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All that `publish` is told but the files and the place."""

    find: Mapping[str, Any]
    """Those of `find_items`."""
    concat: tuple[str, ...]
    layout: Layout | None
    append: bool
    replace_changed: bool
    on_error: Literal["raise", "skip"]
    truncated: Truncated
    branch: str
    message: str | None
    metadata: Mapping[str, Any]
    concurrency: int
    engine: Engine | None
    cache: Path | None
    check: bool
    progress: Callable[[Progress], None] | None
    portable: bool | None
    """None is what a repository that is appended to is, and False of a new one."""
    inline_limit: int | None
    per_scene: tuple[str, ...]
    """Attributes of `spatial_ref` that become coordinates along the new dimension."""
    parser: VirtualTIFF
    samples: str | None
    """As the user has said; None if it was left open."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Check what a user gives; see `publish`.

        Raises
        ------
        ValueError
            If an option is not one of those allowed.
        """
        names = {option.name for option in fields(cls)} - {"find", "engine", "parser", "samples"}
        found = {name: given[name] for name in names}
        _check(given)
        concat = given["concat"] or ()
        axes = tuple(concat.split(",")) if isinstance(concat, str) else tuple(concat)
        find = ("store_options", "time", "variable", "values", "assets", "remote_schemes")
        cache = given["cache"]
        return cls(
            **found
            | {
                "concat": axes,
                "metadata": dict(given["metadata"] or {}),
                "cache": None if cache is None else Path(cache).expanduser(),
                "find": {name: given[name] for name in find},
                "per_scene": _names(given["per_scene"]),
                "engine": engine_of(given["parallel"]),
                "parser": _parser(given["parser_options"]),
                "samples": given["parser_options"].get("samples"),
            }
        )

    def settled(self, *, published: bool | None) -> Options:
        """Return the options when it is known to what is published.

        Parameters
        ----------
        published
            Whether what is there is portable; None if there is nothing.

        Raises
        ------
        ValueError
            If that is not what was asked for.
        """
        if None not in (published, self.portable) and published != self.portable:
            msg = f"the repository was published with portable={published}, not {self.portable}"
            raise ValueError(msg)
        if not (published or self.portable):
            if self.inline_limit is not None:
                msg = "inline_limit is for portable=True"
                raise ValueError(msg)
            return replace(self, portable=False)
        if self.samples not in (None, "stored"):
            msg = f"portable: samples are as they are stored, not samples={self.samples!r}"
            raise ValueError(msg)
        return replace(self, portable=True, parser=replace(self.parser, samples="stored"))

    @property
    def reader(self) -> Reader:
        """How each file is read."""
        portable = Portability(inline_limit=self.inline_limit) if self.portable else None
        return Reader(
            parser=self.parser,
            portable=portable,
            truncated=self.truncated,
            per_scene=self.per_scene,
        )

    @property
    def recipe(self) -> str:
        """What a record depends on beside its file."""
        return f"{self.reader!r} virtual-tiff {version('virtual-tiff')}"


def _check(given: Mapping[str, Any]) -> None:
    concat = given["concat"]
    names = [concat] if isinstance(concat, str) else concat
    if names is not None and (
        not isinstance(names, Sequence)
        or not names
        or not all(isinstance(name, str) and all(name.split(",")) for name in names)
    ):
        msg = f"concat must be None or the names of dimensions, not {concat!r}"
        raise ValueError(msg)
    allowed: dict[str, Sequence[Any]] = {
        "layout": (None, *LAYOUTS),
        "on_error": ("raise", "skip"),
        "truncated": ("refuse", "missing", "keep"),
        "append": (True, False),
        "replace_changed": (True, False),
        "portable": (None, True, False),
    }
    for name, values in allowed.items():
        if given[name] not in values:
            msg = f"{name} must be one of {', '.join(map(repr, values))}, not {given[name]!r}"
            raise ValueError(msg)
    if not isinstance(given["branch"], str) or not given["branch"]:
        msg = f"branch must be a name, not {given['branch']!r}"
        raise ValueError(msg)
    concurrency = given["concurrency"]
    if not isinstance(concurrency, int) or concurrency < 1:
        msg = f"concurrency must be a positive integer, not {concurrency!r}"
        raise ValueError(msg)
    Portability(inline_limit=given["inline_limit"])
    _check_scenes(given)
    if given["layout"] == "group per file" and concat is not None:
        msg = "a group per file is not stacked: concat must be None"
        raise ValueError(msg)
    if given["layout"] not in (None, "group per file") and concat is None and not given["append"]:
        msg = f"layout {given['layout']!r} needs concat, the dimension to stack along"
        raise ValueError(msg)
    if given["replace_changed"] and not given["append"]:
        msg = "replace_changed is for append=True"
        raise ValueError(msg)


def _check_scenes(given: Mapping[str, Any]) -> None:
    per_scene = _names(given["per_scene"])
    if not set(per_scene) <= set(PER_SCENE):
        msg = f"per_scene must be of {', '.join(PER_SCENE)}, not {', '.join(per_scene)}"
        raise ValueError(msg)
    if per_scene and given["concat"] is None and not given["append"]:
        msg = "per_scene needs concat, the dimension along which the scenes are stacked"
        raise ValueError(msg)


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    names = (given or "").split(",") if given is None or isinstance(given, str) else given
    return tuple(sorted({name for name in names if name}))


def _parser(options: Mapping[str, Any]) -> VirtualTIFF:
    allowed = sorted(option.name for option in fields(VirtualTIFF) if option.init)
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        msg = f"{', '.join(unknown)}: no such option; those of the parser are {', '.join(allowed)}"
        raise ValueError(msg)
    return VirtualTIFF(**options)
