"""The options of `publish`, checked before anything is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from virtual_tiff.codec_table.readers import PORTABLE, implementations_named
from virtual_tiff.parser import VirtualTIFF
from virtual_tiff.publishing.engines import Engine, Parallel
from virtual_tiff.publishing.finding.lookups import Values
from virtual_tiff.publishing.planning.arrange import LAYOUTS, Layout
from virtual_tiff.publishing.planning.attribute_table import PER_SCENE
from virtual_tiff.publishing.planning.grid import GRIDS, OVERLAPS, Grid, GridRules, Overlap
from virtual_tiff.publishing.planning.image_set import IMAGE_SET_AXES
from virtual_tiff.publishing.planning.names import is_zarr_name
from virtual_tiff.publishing.planning.tile_grid import SNAP
from virtual_tiff.publishing.planning.unified import Unified
from virtual_tiff.publishing.reading.portable import Portability
from virtual_tiff.publishing.reading.workers import Progress, Reader, Truncated
from virtual_tiff.publishing.repository.batches import is_temporary
from virtual_tiff.publishing.repository.containers import wanted_prefix
from virtual_tiff.sources.finding import REMOTE_SCHEMES
from virtual_tiff.sources.running import check_concurrency

__all__ = ["AUTO", "PublishOptions"]

AUTO = "auto"
"""The value of `variable_name` that takes what the files' names have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """The options of `publish`: the one source of its keywords, their types and defaults.

    `publish` writes them out once more, for `help()` and type checkers; a test compares the two.

    Raises
    ------
    ValueError
        If an option is not one of those allowed.
    """

    concat: str | Sequence[str] | None = None
    layout: Layout | None = None
    time: str | None = None
    variable: str | None = None
    variable_name: str | None = None
    values: Values | None = None
    group: Values | None = None
    order: Values | None = None
    assets: str | Sequence[str] | None = None
    append: bool = False
    replace_changed: bool = False
    on_error: Literal["raise", "skip"] = "raise"
    truncated: Truncated = "refuse"
    branch: str = "main"
    tag: str | None = None
    message: str | None = None
    metadata: Mapping[str, Any] | None = None
    store_options: Mapping[str, Any] | None = None
    container: str | Sequence[str] = ()
    save_access: bool = False
    reference_as: Literal["https"] | None = None
    remote_schemes: Sequence[str] = REMOTE_SCHEMES
    concurrency: int = 64
    parallel: Parallel = False
    cache: str | os.PathLike[str] | Literal[False] | None = None
    check: bool = False
    portable: bool | str | Sequence[str] | None = None
    inline_limit: int | None = None
    per_scene: str | Sequence[str] = ()
    overlap: Overlap = "error"
    snap: float = SNAP
    grid: Grid = "auto"
    nodata: float | None = None
    any_compression: bool = False
    dry_run: bool = False
    progress: Callable[[Progress], None] | None = None
    parser_options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, keywords: Mapping[str, Any]) -> PublishOptions:
        """Divide keyword arguments into the options of `publish` and those of the parser."""
        names = {option.name for option in fields(cls)} - {"parser_options"}
        parser_options = {name: keywords[name] for name in keywords if name not in names}
        own = {name: keywords[name] for name in keywords if name in names}
        return cls(**own, parser_options=parser_options)

    def __post_init__(self) -> None:
        self.containers  # noqa: B018 (it checks the option)
        names = [self.concat] if isinstance(self.concat, str) else self.concat
        if names is not None and (
            not isinstance(names, Sequence)
            or not names
            or not all(isinstance(name, str) and all(name.split(",")) for name in names)
        ):
            msg = f"concat must be None or the names of dimensions, not {self.concat!r}"
            raise ValueError(msg)
        for name, values in _ALLOWED.items():
            if getattr(self, name) not in values:
                allowed = ", ".join(map(repr, values))
                msg = f"{name} must be one of {allowed}, not {getattr(self, name)!r}"
                raise ValueError(msg)
        if not isinstance(self.branch, str) or not self.branch or is_temporary(self.branch):
            msg = f"branch must be a name, and none that runs use, not {self.branch!r}"
            raise ValueError(msg)
        if not (self.cache is None or self.cache is False or _is_path(self.cache)):
            msg = f"cache must be a path, None or False, not {self.cache!r}"
            raise ValueError(msg)
        _check_tag(self.tag)
        check_concurrency(self.concurrency)
        if isinstance(self.snap, bool) or not 0 <= self.snap < 0.5:
            msg = f"snap must be a part of a pixel, at least 0 and less than 0.5, not {self.snap!r}"
            raise ValueError(msg)
        if self.nodata is not None and (
            isinstance(self.nodata, bool) or not isinstance(self.nodata, int | float)
        ):
            msg = f"nodata must be a number or None, not {self.nodata!r}"
            raise ValueError(msg)
        if not isinstance(self.portable, bool | None):
            object.__setattr__(self, "portable", _readers(self.portable))
        Portability(inline_limit=self.inline_limit)
        if unknown := sorted(set(self.scenes) - set(PER_SCENE)):
            msg = f"per_scene must be some of {', '.join(PER_SCENE)}, not {', '.join(unknown)}"
            raise ValueError(msg)
        if self.scenes and self.concat is None and not self.append:
            msg = "per_scene needs concat, the dimension along which the scenes are stacked"
            raise ValueError(msg)
        if self.layout == "group per file" and self.concat is not None:
            msg = "layout 'group per file' stacks nothing: concat must be None"
            raise ValueError(msg)
        if self.layout not in (None, "group per file") and self.concat is None and not self.append:
            msg = f"layout {self.layout!r} needs concat, the dimension to stack along"
            raise ValueError(msg)
        if self.variable_name is not None:
            self._check_variable_name(self.variable_name)
        if self.replace_changed and not self.append:
            msg = "replace_changed needs append=True"
            raise ValueError(msg)
        self.engine  # noqa: B018 (it checks the option)
        self._check_parser_options()

    def _check_parser_options(self) -> None:
        allowed = sorted(option.name for option in fields(VirtualTIFF) if option.init)
        if unknown := sorted(set(self.parser_options) - set(allowed)):
            msg = (
                f"{', '.join(unknown)}: no such option; those of the parser are"
                f" {', '.join(allowed)}"
            )
            raise ValueError(msg)
        VirtualTIFF(**self.parser_options)  # checks them

    def _check_variable_name(self, name: object) -> None:
        if not isinstance(name, str) or "/" in name or not is_zarr_name(name):
            msg = f"variable_name must be the name of an array, not {name!r}"
            raise ValueError(msg)
        if self.variable is not None:
            msg = "variable_name names one variable, and variable finds several in the files' names"
            raise ValueError(msg)
        if self.layout == "group per file":
            msg = "variable_name names the array of a cube: layout 'group per file' makes none"
            raise ValueError(msg)

    @property
    def axes(self) -> tuple[str, ...]:
        """The dimensions of `concat`."""
        names = self.concat or ()
        return tuple(names.split(",")) if isinstance(names, str) else tuple(names)

    @property
    def containers(self) -> tuple[str, ...]:
        """The prefixes of containers that the user asks for."""
        if self.save_access and not self.append:
            msg = "save_access needs append=True; a new repository saves what is used"
            raise ValueError(msg)
        names = [self.container] if isinstance(self.container, str) else self.container
        return tuple(map(wanted_prefix, names))

    @property
    def scenes(self) -> tuple[str, ...]:
        """The attributes of `per_scene`, sorted."""
        names = self.per_scene or ()
        names = names.split(",") if isinstance(names, str) else names
        return tuple(sorted({name for name in names if name}))

    @property
    def rules(self) -> GridRules:
        """How files may lie in the whole."""
        return GridRules(overlap=self.overlap, snap=float(self.snap), grid=self.grid)

    @property
    def unified(self) -> Unified | None:
        """Differences of files that do not count; None if all do."""
        if self.nodata is None and not self.any_compression:
            return None
        return Unified(nodata=self.nodata, any_compression=self.any_compression)

    @property
    def orders(self) -> Mapping[str, Sequence[Any]]:
        """The values of dimensions that are given as lists, in their order."""
        values = self.values if isinstance(self.values, Mapping) else {}
        return {
            name: list(given)
            for name, given in values.items()
            if name in self.axes
            and not isinstance(given, (str, os.PathLike, Mapping))
            and not callable(given)
        }

    @property
    def image_sets(self) -> bool:
        """Whether the files of a multi-file OME-TIFF are put together as their OME-XML says.

        They are unless the user asks for something else.
        """
        stacks = self.parser_options.get("ifd_layout") == "stack"
        if self.layout is None and (not self.axes or self.axes == IMAGE_SET_AXES):
            return True
        return stacks and self.layout in (None, "stack") and not self.scenes

    @property
    def group_text(self) -> str | None:
        """What the ledger keeps of `group`: "" if that is no text, and None if it is None."""
        if self.group is None:
            return None
        text = self.group if isinstance(self.group, str) else ""
        return "" if Path(text).exists() else text  # a file may have another text at the next run

    @property
    def cache_file(self) -> Path | None:
        """The path of the user's cache."""
        return Path(self.cache).expanduser() if self.cache else None

    @property
    def reader(self) -> Reader:
        """How each file is read."""
        return Reader(
            parser=VirtualTIFF(**self.parser_options),
            portable=Portability(readers=self.portable_readers, inline_limit=self.inline_limit)
            if self.portable
            else None,
            truncated=self.truncated,
            per_scene=self.scenes,
            joined=tuple(axis for axis in self.axes if axis not in ("y", "x")),
            image_sets=self.image_sets,
        )

    @property
    def portable_readers(self) -> tuple[str, ...]:
        """The readers that a portable repository is for; none if it is not portable."""
        if isinstance(self.portable, bool | None):
            return PORTABLE if self.portable else ()
        return tuple(self.portable)

    @property
    def engine(self) -> Engine | None:
        """The workers, not yet started; None if all is done in this process."""
        return None if self.parallel is False else Engine(self.parallel)

    def settled(self, *, published: bool | Sequence[str] | None) -> PublishOptions:
        """Return the options when it is known what the repository has.

        `published` says whether it is portable, or for which readers; None if it has nothing yet.
        If the user asks for something else, it is a ValueError.
        """
        if None not in (published, self.portable) and published != self.portable:
            msg = f"the repository was published with portable={published}, not {self.portable}"
            raise ValueError(msg)
        if not (published or self.portable):
            if self.inline_limit is not None:
                msg = "inline_limit needs portable=True"
                raise ValueError(msg)
            return replace(self, portable=False)
        samples = self.parser_options.get("samples")
        if samples not in (None, "stored"):
            msg = f"portable needs samples='stored', not samples={samples!r}"
            raise ValueError(msg)
        if self.any_compression:
            msg = "any_compression needs a codec of this package, and portable allows none"
            raise ValueError(msg)
        stored = {**self.parser_options, "samples": "stored"}
        return replace(self, portable=published or self.portable, parser_options=stored)


def _readers(names: str | Sequence[str]) -> bool | tuple[str, ...]:
    """Return the names of readers as the table has them; True if they are the usual ones."""
    try:
        found = tuple(known.name for known in implementations_named(names))
    except (TypeError, ValueError) as error:
        msg = f"portable must be one of None, True, False, or names of readers: {error}"
        raise ValueError(msg) from None
    return True if found == PORTABLE else found


def _is_path(value: object) -> bool:
    return isinstance(value, (str, os.PathLike)) and bool(os.fspath(value))


_ALLOWED: dict[str, Sequence[Any]] = {
    "layout": (None, *LAYOUTS),
    "overlap": OVERLAPS,
    "grid": GRIDS,
    "on_error": ("raise", "skip"),
    "truncated": ("refuse", "missing", "keep"),
    "append": (True, False),
    "replace_changed": (True, False),
    "save_access": (True, False),
    "reference_as": (None, "https"),
    "any_compression": (True, False),
    "dry_run": (True, False),
}


def _check_tag(tag: object) -> None:
    """Refuse what is no name: Icechunk takes an empty one too."""
    if tag is not None and (not isinstance(tag, str) or not tag.strip()):
        msg = f"tag must be a name or None, not {tag!r}"
        raise ValueError(msg)
