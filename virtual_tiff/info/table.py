"""A file as a table, on a terminal and in a notebook: its directories, arrays and advice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from virtual_tiff.codec_table.readers import readers_text
from virtual_tiff.text.html import html_table
from virtual_tiff.text.numbers import by, counted, human_size, listed
from virtual_tiff.tiff import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from virtual_tiff.info.model import DirectoryInfo, FileInfo

__all__ = ["file_html", "heading", "render"]


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
    from rich import box  # noqa: PLC0415 (an extra: JSON needs no rich)
    from rich.console import Group  # noqa: PLC0415
    from rich.padding import Padding  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for header in _CELLS:
        table.add_column(header, overflow="fold")
    for info in file.directories:
        style = _STYLES.get(info.kind, "")
        cells = (Text(printable(cell(info))) for cell in _CELLS.values())
        table.add_row(*cells, style="red" if info.error is not None else style)
    title = Text.assemble((printable(name), "bold"), f"  ({printable(heading(file))})")
    notes = [Text.assemble(*pieces) for pieces in _notes(file)]
    return Group(title, table, *(Padding(n, (0, 0, 0, 1), expand=False) for n in (*notes, Text())))


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
    predictor = info.predictor is not None and info.predictor.code != 1
    return f"{info.compression}, predictor {info.predictor}" if predictor else f"{info.compression}"


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
