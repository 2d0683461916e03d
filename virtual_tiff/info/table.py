"""A file as a table, on a terminal and in a notebook: its directories, arrays and advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from virtual_tiff.codec_table.readers import readers_text
from virtual_tiff.text.html import html_table
from virtual_tiff.text.numbers import by, counted, human_size, listed
from virtual_tiff.tiff import Compression, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from virtual_tiff.info.model import DirectoryInfo, FileInfo

__all__ = ["file_html", "heading", "render", "render_alike"]


def heading(file: FileInfo) -> str:
    """Return what the whole file is, in a line."""
    facts = [file.variant, human_size(file.size or 0)]
    if file.last_modified is not None:
        modified = datetime.fromisoformat(file.last_modified).astimezone(UTC)
        facts.append(f"modified {modified:%Y-%m-%d %H:%M} UTC")
    if file.requests is not None and file.round_trips is not None:
        trips = "" if file.round_trips == 1 else f" in {file.round_trips} round trips"
        facts.append(f"directories read with {counted(file.requests, 'request')}{trips}")
    return ", ".join(fact for fact in facts if fact)


def render(file: FileInfo, name: str) -> RenderableType:
    """Return a file's table for rich; `name` is its title. Without rich it is an ImportError."""
    from rich.console import Group  # noqa: PLC0415 (an extra: JSON needs no rich)
    from rich.text import Text  # noqa: PLC0415

    rows = [[cell(info) for cell in _CELLS.values()] for info in file.directories]
    styles = [
        "red" if info.error is not None else _STYLES.get(info.kind, "") for info in file.directories
    ]
    table = _Rows(list(_CELLS), rows, styles)
    title = Text.assemble((printable(name), "bold"), f"  ({printable(heading(file))})")
    notes = [Text.assemble(*pieces) for pieces in _notes(file)]
    return Group(title, table, *map(_indented, (*notes, Text())))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows with headers: a table where its words have room, and else a paragraph for each row."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    styles: Sequence[str] | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich import box  # noqa: PLC0415 (an extra)
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        columns = list(zip(self.headers, *self.rows, strict=True))
        widths = [max(len(word) for cell in cells for word in cell.split()) for cells in columns]
        styles = self.styles or [""] * len(self.rows)
        room = options.max_width - sum(widths) - 2 * len(widths) - 1  # padding, lines of the box
        if room < 0:
            for row, style in zip(self.rows, styles, strict=True):
                cells = zip(self.headers, row, strict=True)
                facts = "; ".join(f"{header} {cell}" for header, cell in cells if cell)
                yield Text(printable(f" {facts}"), style=style)
            return
        wanted = [
            max(map(len, cells)) - width for cells, width in zip(columns, widths, strict=True)
        ]
        for at in sorted(range(len(columns)), key=wanted.__getitem__):
            wider = min(room, wanted[at])
            widths[at] += wider
            room -= wider
        table = Table(
            box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
        )
        for header, width in zip(self.headers, widths, strict=True):
            table.add_column(header, overflow="fold", width=width)
        for row, style in zip(self.rows, styles, strict=True):
            table.add_row(*(Text(printable(cell)) for cell in row), style=style)
        yield table


def render_alike(files: Sequence[FileInfo], names: Sequence[str]) -> RenderableType:
    """Return one table of many files for rich: what they share, and in what they differ.

    Files that could not be read are not among them.
    """
    from rich.console import Group  # noqa: PLC0415 (an extra)
    from rich.text import Text  # noqa: PLC0415

    aspects = [{name: aspect(file) for name, aspect in _ASPECTS.items()} for file in files]
    shared = {
        name: aspects[0][name]
        for name in _ASPECTS
        if len({aspects_of[name] for aspects_of in aspects}) == 1
    }
    sizes = [file.size or 0 for file in files]
    each = f"{human_size(min(sizes))} to {human_size(max(sizes))}"
    title = Text.assemble(
        (f"{counted(len(files), 'file')}", "bold"), f"  ({human_size(sum(sizes))}, {each} each)"
    )
    lines = [Text(f"{name}: {value}") for name, value in shared.items() if value]
    parts: list[RenderableType] = [title, *(_indented(line) for line in lines)]
    differing = [name for name in _ASPECTS if name not in shared]
    if differing:
        kinds: dict[tuple[str, ...], list[str]] = {}
        for aspects_of, name in zip(aspects, names, strict=True):
            kinds.setdefault(tuple(aspects_of[each] for each in differing), []).append(name)
        ranked = sorted(kinds.items(), key=lambda kind: -len(kind[1]))
        rows = [
            [f"{len(alike):,}", *kind, alike[0].rstrip("/").rpartition("/")[2]]
            for kind, alike in ranked[:_MOST_KINDS]
        ]
        parts += [Text(), _Rows(["files", *differing, "as"], rows)]
        if len(ranked) > _MOST_KINDS:
            parts.append(Text(f" and {counted(len(ranked) - _MOST_KINDS, 'more kind')} of files"))
    by_readers = Counter(map(_readers, files))
    for readers, count in by_readers.most_common():
        count_of = f"{counted(count, 'file')}: " if len(by_readers) > 1 else ""
        parts.append(_indented(Text.assemble(count_of, (readers, "green"))))
    parts += [_indented(Text.assemble(*pieces)) for pieces in _advice_of_many(files, names)]
    return Group(*parts)


def _indented(text: RenderableType) -> RenderableType:
    """Return lines below a title, which are as long as their text."""
    from rich.padding import Padding  # noqa: PLC0415 (an extra)

    return Padding(text, (0, 0, 0, 1), expand=False)


_MOST_KINDS = 20
"""Rows of the table of many files."""


def _advice_of_many(
    files: Sequence[FileInfo], names: Sequence[str]
) -> Iterator[list[tuple[str, str]]]:
    """Yield each code of advice once, with the number of its files, and each remedy once."""
    by_code: dict[str, list[tuple[str, str]]] = {}
    remedies: dict[str, None] = {}
    for file, name in zip(files, names, strict=True):
        for advice in file.advice:
            by_code.setdefault(advice.code, []).append((name, advice.message))
            remedies[advice.remedy] = None
    for code, of_files in by_code.items():
        name, message = of_files[0]
        count = counted(len(of_files), "file")
        yield [(f"{code} ({count}): ", "bold yellow"), (f"{printable(name)}: {message}", "")]
    for remedy in remedies:
        yield [(f"to solve it: {remedy}", "yellow")]


def file_html(file: FileInfo) -> str:
    """Return a file's table as HTML."""
    notes = [] if file.error is None else [f"error: {file.error}"]
    notes += ["".join(text for text, _ in pieces) for pieces in _notes(file)]
    return html_table(
        file.url if file.size is None else f"{file.url} ({heading(file)})",
        tuple(_CELLS),
        ([cell(info) for cell in _CELLS.values()] for info in file.directories),
        len(file.directories),
        notes,
    )


_STYLES = {"overview": "dim", "mask": "dim"}


def _notes(file: FileInfo) -> Iterator[list[tuple[str, str]]]:
    """Yield the lines below the table, in pieces of text and style."""
    if file.images is not None:
        layout = "; --ifd-layout pyramid opens them so"
        yield [(printable(file.images), "bold"), (layout, "")]
    for info in file.directories:
        if meaning := _meaning(info):
            yield [(printable(f"IFD {info.path}: {meaning}"), "")]
    alike: dict[object, list[DirectoryInfo]] = {}
    for info in file.directories:
        if info.codecs is not None:
            alike.setdefault((info.codecs, info.readable_by), []).append(info)
    for infos in alike.values():
        paths, codecs = listed([info.path for info in infos]), ", ".join(infos[0].codecs or ())
        yield [(f"IFD {paths}: {codecs}", "")]
        yield [(f"  {readers_text(infos[0].readable_by or ())}", "green")]
    for info in file.directories:
        if info.error is not None:
            kind = "unsupported" if info.unsupported else "error"
            yield [(printable(f"IFD {info.path}: {kind}: {info.error}"), "red")]
    for advice in file.advice:
        about = f" (IFD {listed(advice.directories)})" if advice.directories else ""
        yield [(f"{advice.code}{about}: ", "bold yellow"), (advice.message, "")]
    for remedy in dict.fromkeys(advice.remedy for advice in file.advice):
        yield [(f"to solve it: {remedy}", "yellow")]


def _size(info: DirectoryInfo) -> str:
    if info.width is None or info.height is None:
        return ""
    bands = f", {info.samples} bands" if (info.samples or 1) > 1 else ""
    return f"{info.width} x {info.height}{bands}"


def _compression(info: DirectoryInfo) -> str:
    if info.compression is None:
        return ""
    predictor = None if info.predictor is None else info.predictor.code
    name = "none" if info.compression.code == Compression.None_ else str(info.compression)
    return name + (f", predictor {predictor}" if predictor not in (None, 1) else "")


def _blocks(info: DirectoryInfo) -> str:
    blocks = info.blocks
    if blocks is None:
        return ""
    return f"{counted(blocks.count, blocks.kind)} {blocks.width} x {blocks.length}"


def _chunks(info: DirectoryInfo) -> str:
    if info.chunk_grid is None or info.chunk_shape is None:
        return ""
    return f"{by(info.chunk_grid)} of {by(info.chunk_shape)}"


_CELLS: dict[str, Callable[[DirectoryInfo], str]] = {
    "IFD": lambda info: info.path,
    "kind": lambda info: info.kind,
    "size": _size,
    "type": lambda info: info.data_type or "",
    "compression": _compression,
    "blocks": _blocks,
    "on disk": lambda info: "" if info.bytes_on_disk is None else human_size(info.bytes_on_disk),
    "chunks": _chunks,
}
"""The columns, and what stands in them; on a page of HTML the same."""


def _pixel_size(info: DirectoryInfo) -> str:
    if info.pixel_size is None:
        return ""
    width, height = (f"{size:.10g}" for size in info.pixel_size)
    return f"{width} x {height}"


_MEANING: dict[str, Callable[[DirectoryInfo], str]] = {
    "CRS": lambda info: info.crs or "",
    "pixel size": _pixel_size,
    "nodata": lambda info: info.nodata or "",
}
"""What the pixels mean, and where they lie."""


def _meaning(info: DirectoryInfo) -> str:
    facts = ((name, cell(info)) for name, cell in _MEANING.items())
    return ", ".join(f"{name} {fact}" for name, fact in facts if fact)


def _kinds(file: FileInfo) -> str:
    """Return how many directories of each kind there are."""
    counts = Counter(info.kind or "directory" for info in file.directories)
    return ", ".join(counted(count, kind) for kind, count in counts.items())


def _first(cell: Callable[[DirectoryInfo], str]) -> Callable[[FileInfo], str]:
    """Return the cell of a file's first directory."""
    return lambda file: cell(file.directories[0]) if file.directories else ""


def _readers(file: FileInfo) -> str:
    """Return who reads all arrays of a file."""
    of_arrays = [info.readable_by or () for info in file.directories if info.codecs is not None]
    if not of_arrays:
        return "no array that can be read"
    common = (name for name in of_arrays[0] if all(name in each for each in of_arrays))
    return readers_text(tuple(common))


_ASPECTS: dict[str, Callable[[FileInfo], str]] = {
    "variant": lambda file: file.variant or "",
    "directories": _kinds,
    **{name: _first(_CELLS[name]) for name in ("size", "type", "compression", "blocks")},
    **{name: _first(cell) for name, cell in _MEANING.items()},
}
"""What is compared of many files: of their directories the first."""
