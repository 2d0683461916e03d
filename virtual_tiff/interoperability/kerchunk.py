"""Kerchunk references: a virtual store or a published cube that fsspec and GDAL read.

References of Zarr v2 are read by the most: fsspec with zarr, xarray's engine "kerchunk", GDAL from
3.11 on. Those of Zarr v3 name the same codecs as the store. They hold what no codec of Zarr v2
says, and are read by fsspec with zarr alone. Parquet, of Zarr v2 alone, is for cubes of many
references: fsspec reads of it what it needs.

VirtualiZarr's writer of Zarr v2 leaves out the codec that makes numbers of bytes, whichever it is,
and gives filters no shapes. Here each codec is translated by `codec_table.zarr_v2`, or refused.
"""

from __future__ import annotations

import base64
import json
import math
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from xarray.backends.zarr import FillValueCoder

from virtual_tiff.arrays.metadata import json_float
from virtual_tiff.arrays.nodes import JSON, chunk_counts
from virtual_tiff.codec_table.description import package_of
from virtual_tiff.codec_table.rows import described
from virtual_tiff.codec_table.zarr_v2 import NoZarrV2Error, zarr_v2_chunks
from virtual_tiff.interoperability.arrays import Chunk, Node, decoded, nodes_of
from virtual_tiff.sources.urls import path_of, root_of, scheme_of

__all__ = ["Exported", "to_kerchunk"]

type Format = Literal["json", "parquet"]

_RECORDS = 100_000
"""References in one file of Parquet, as kerchunk's own writer has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The result of `to_kerchunk`."""

    path: str
    """The file or folder of references."""
    arrays: int
    """Arrays that were written."""
    references: int
    """Chunks that are references."""
    inlined: int
    """Chunks whose bytes are in the references themselves."""
    codecs: tuple[str, ...]
    """The codecs that a reader needs."""
    how_to_open: str
    """Lines of Python that open the references in xarray."""


def to_kerchunk(
    source: Any,  # noqa: ANN401 (one of five kinds)
    path: str | os.PathLike[str],
    *,
    format: Format = "json",  # noqa: A002 (as in VirtualiZarr)
    zarr_format: Literal[2, 3] = 2,
    overwrite: bool = False,
) -> Exported:
    """Write kerchunk references to the arrays of a virtual store, a published cube or a dataset.

    Each codec is translated to what readers of the format know, or the array is refused. Where the
    samples of a pixel lie together, an array of Zarr v2 is (y, x, band) instead of (band, y, x).

    Parameters
    ----------
    source
        A store of `VirtualTIFF`, the store that `open_published` returns, or an `xarray.Dataset`
        or `xarray.DataTree` of VirtualiZarr, such as one of concatenated files.
    path
        The file that is written, of Parquet a folder.
    format
        `"json"`, or `"parquet"` for cubes of many references.
    zarr_format
        Of the metadata. 3 holds all codecs of this package, and GDAL does not read it.
    overwrite
        Whether what is at `path` is replaced.

    Returns
    -------
    Exported
        Counts, and the lines of Python that open it.

    Raises
    ------
    ValueError
        If an array has a codec that the format cannot name, or an option is wrong.
    FileExistsError
        If there is something at `path` and `overwrite` is False.

    Notes
    -----
    A reader of Zarr v2 calls `imagecodecs.numcodecs.register_codecs()` first if a codec's name
    begins with `imagecodecs_`.
    """
    target = Path(path)
    if format not in ("json", "parquet") or zarr_format not in (2, 3):
        msg = (
            "format must be 'json' or 'parquet' and zarr_format 2 or 3, not"
            f" {format!r} and {zarr_format!r}"
        )
        raise ValueError(msg)
    if format == "parquet" and zarr_format == 3:
        msg = "kerchunk's Parquet holds metadata of Zarr v2 alone; give format='json'"
        raise ValueError(msg)
    if "://" in os.fspath(path):
        msg = f"{os.fspath(path)}: give a local path, and copy what is written there"
        raise ValueError(msg)
    if (format == "parquet") == (".json" in str(target)):
        msg = f"{target}: readers tell the format by the name: .json is in that of JSON alone"
        raise ValueError(msg)
    if target.exists() and not overwrite:
        msg = f"{target} exists; overwrite=True replaces it"
        raise FileExistsError(msg)
    forms = [_form(node, zarr_format) for node in nodes_of(source)]
    writer = _write_json if format == "json" else _write_parquet
    with _replaced(target) as new:
        references, inlined = writer(forms, new, zarr_format)
    return Exported(
        path=str(target),
        arrays=sum(form.node.is_array for form in forms),
        references=references,
        inlined=inlined,
        codecs=tuple(sorted({name for form in forms for name in form.codecs})),
        how_to_open=_how_to_open(target, forms, zarr_format),
    )


@contextmanager
def _replaced(target: Path) -> Iterator[Path]:
    """Yield a path that takes the place of `target` when all is written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        new = Path(folder, "new")
        yield new
        if target.is_dir():
            shutil.rmtree(target)
        elif new.is_dir():
            target.unlink(missing_ok=True)
        new.replace(target)


# ---- what the references say of a node


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A node as the references have it."""

    node: Node
    documents: dict[str, JSON]
    """By name, such as `.zarray`."""
    order: tuple[int, ...] = ()
    """The dimensions of the array, in the order of the references."""
    grid: tuple[int, ...] = ()
    """Chunks along each of these."""
    codecs: tuple[str, ...] = ()
    texts: Mapping[tuple[int, ...], bytes] | None = None
    """The chunks of an array of texts, anew, by their index."""

    def index(self, chunk: Chunk) -> tuple[int, ...]:
        """Return the position of a chunk in the references' grid."""
        return tuple(chunk.index[n] for n in self.order)

    def reference(self, chunk: Chunk) -> bytes | list[str | int]:
        """Return the bytes of a chunk, or its object, offset and length."""
        if not chunk.url:
            return chunk.data if self.texts is None else self.texts[chunk.index]
        return [_name(chunk.url), chunk.offset, chunk.length]


def _name(url: str) -> str:
    """Return an object's name as fsspec and GDAL take it: a key as it is, an url of the web."""
    scheme = scheme_of(url)
    name = url
    if scheme == "file":
        name = path_of(url)
    elif scheme not in ("http", "https"):
        name = f"{root_of(url)}/{path_of(url)}"
    if "{{" in name:
        msg = f"{url}: readers of kerchunk references take {{{{ for a template; rename the file"
        raise ValueError(msg)
    return name


def _form(node: Node, zarr_format: Literal[2, 3]) -> _Form:
    try:
        return _form_v3(node) if zarr_format == 3 else _form_v2(node)
    except NoZarrV2Error as error:
        msg = f"{node.path}: {error}; give zarr_format=3, which fsspec and zarr-python read"
        raise ValueError(msg) from error


def _chunk_shape(node: Node) -> list[int]:
    grid = node.metadata["chunk_grid"]
    if grid["name"] != "regular":
        msg = f"{node.path}: kerchunk references have no chunk grid {grid['name']!r}"
        raise ValueError(msg)
    shape: list[int] = list(grid["configuration"]["chunk_shape"])
    return shape


def _form_v3(node: Node) -> _Form:
    documents = {"zarr.json": node.metadata}
    if not node.is_array:
        return _Form(node=node, documents=documents)
    shape, chunks = node.metadata["shape"], _chunk_shape(node)
    return _Form(
        node=node,
        documents=documents,
        order=tuple(range(len(shape))),
        grid=chunk_counts(shape, chunks),
        codecs=tuple(codec["name"] for codec in node.metadata["codecs"]),
    )


_V2_FORMAT = {"zarr_format": 2}


def _form_v2(node: Node) -> _Form:
    metadata = node.metadata
    if not node.is_array:
        return _Form(node=node, documents={".zgroup": _V2_FORMAT, ".zattrs": _attributes(metadata)})
    data_type, codecs, chunk_shape = metadata["data_type"], metadata["codecs"], _chunk_shape(node)
    texts = None
    if data_type == "string":
        # the objects that Zarr v2 has for texts are unknown to GDAL and others
        data_type, texts = _fixed_texts(node)
        codecs = []
    elif not isinstance(data_type, str):
        what = f"the data type {data_type}"
        raise NoZarrV2Error(what)
    chunks = zarr_v2_chunks(codecs, chunk_shape, data_type)
    shape = [metadata["shape"][n] for n in chunks.order]
    names = metadata.get("dimension_names") or [f"dim_{n}" for n in range(len(shape))]
    zarray = {
        **_V2_FORMAT,
        "shape": shape,
        "chunks": chunks.shape,
        "dtype": chunks.dtype.str,
        "fill_value": _fill_value(node, chunks.dtype),
        "order": "C",
        "filters": chunks.filters or None,
        "compressor": chunks.compressor,
        "dimension_separator": ".",
    }
    attributes = _attributes(metadata)
    attributes.pop("_FillValue", None)
    attributes["_ARRAY_DIMENSIONS"] = [names[n] for n in chunks.order]
    steps = [*chunks.filters, *([chunks.compressor] if chunks.compressor else [])]
    return _Form(
        node=node,
        documents={".zarray": zarray, ".zattrs": attributes},
        order=tuple(chunks.order),
        grid=chunk_counts(shape, chunks.shape),
        codecs=tuple(step["id"] for step in steps),
        texts=texts,
    )


def _attributes(metadata: JSON) -> JSON:
    return dict(metadata.get("attributes") or {})


def _fill_value(node: Node, dtype: np.dtype[Any]) -> Any:  # noqa: ANN401 (JSON)
    """Return the fill value of Zarr v2: xarray and GDAL take it for nodata.

    So it is None where the array has none, unless chunks are missing that read as another number
    than 0.
    """
    fill = node.metadata["fill_value"]
    missing = _FillOfV3(fill, dtype)
    attribute = _attributes(node.metadata).get("_FillValue")
    if attribute is None:
        return None if missing.is_zero or missing.is_nan else fill
    nodata = FillValueCoder.decode(attribute, dtype)
    if missing.equals(nodata):
        return fill
    has_missing = sum(1 for _ in node.chunks()) < math.prod(
        chunk_counts(node.metadata["shape"], _chunk_shape(node))
    )
    if has_missing:
        what = f"two fill values, of missing chunks ({fill}) and of nodata ({nodata})"
        raise NoZarrV2Error(what)
    return _json_number(nodata)


class _FillOfV3:
    """A fill value as `zarr.json` has it."""

    def __init__(self, fill: Any, dtype: np.dtype[Any]) -> None:  # noqa: ANN401 (JSON)
        parts = fill if isinstance(fill, list) else [fill]
        self._parts = [0.0 if part in ("", False) else float(part) for part in parts]
        self._integer = fill if isinstance(fill, int) and dtype.kind in "iu" else None

    @property
    def is_zero(self) -> bool:
        return not any(self._parts)

    @property
    def is_nan(self) -> bool:
        return all(map(math.isnan, self._parts))

    def equals(self, number: Any) -> bool:  # noqa: ANN401 (a number of numpy)
        if self._integer is not None:
            return int(number) == self._integer
        others = [number.real, number.imag] if len(self._parts) > 1 else [number]
        return all(
            a == float(b) or (math.isnan(a) and math.isnan(float(b)))
            for a, b in zip(self._parts, others, strict=True)
        )


def _json_number(number: Any) -> Any:  # noqa: ANN401 (a number of numpy; JSON)
    if isinstance(number, complex | np.complexfloating):
        return [_json_number(float(number.real)), _json_number(float(number.imag))]
    if isinstance(number, int | np.integer):
        return int(number)
    return json_float(float(number))


def _fixed_texts(node: Node) -> tuple[str, dict[tuple[int, ...], bytes]]:
    """Return a data type of texts of one length, and the chunks of an array of texts in it."""
    chunks = {chunk.index: decoded(node, chunk) for chunk in node.chunks()}
    longest = max((len(text) for values in chunks.values() for text in values.flat), default=1)
    data_type = f"<U{longest or 1}"
    return data_type, {i: values.astype(data_type).tobytes() for i, values in chunks.items()}


# ---- files


def _chunk_name(index: tuple[int, ...], zarr_format: int) -> str:
    if zarr_format == 3:
        return "/".join(["c", *map(str, index)])
    return ".".join(map(str, index)) or "0"


def _write_json(forms: list[_Form], path: Path, zarr_format: int) -> tuple[int, int]:
    """Write one reference after another, so that a large cube need not be in memory."""
    references = inlined = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('{"version":1,"refs":{')
        separator = "\n"

        def write(key: str, value: str | list[str | int]) -> None:
            nonlocal separator
            file.write(f"{separator}{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}")
            separator = ",\n"

        for form in forms:
            for name, document in form.documents.items():
                text = json.dumps(document, separators=(",", ":"))
                write(posixpath.join(form.node.path, name), text)
            for chunk in form.node.chunks():
                reference = form.reference(chunk)
                name = _chunk_name(form.index(chunk), zarr_format)
                key = posixpath.join(form.node.path, name)
                if isinstance(reference, bytes):
                    inlined += 1
                    write(key, f"base64:{base64.b64encode(reference).decode()}")
                else:
                    references += 1
                    write(key, reference)
        file.write("\n}}\n")
    return references, inlined


def _write_parquet(forms: list[_Form], path: Path, _zarr_format: int) -> tuple[int, int]:
    """Write the folder that fsspec's `LazyReferenceMapper` reads."""
    try:
        import pyarrow as pa  # noqa: PLC0415 (an extra)
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        msg = 'references in Parquet need pyarrow: pip install "virtual-tiff[tables]"'
        raise ImportError(msg) from error
    path.mkdir()
    documents = {
        posixpath.join(form.node.path, name): document
        for form in forms
        for name, document in form.documents.items()
    }
    text = json.dumps({"metadata": documents, "record_size": _RECORDS}, separators=(",", ":"))
    Path(path, ".zmetadata").write_text(text, encoding="utf-8")
    references = inlined = 0
    for form in forms:
        if not form.node.is_array:
            continue
        folder = Path(path, form.node.path)
        folder.mkdir(parents=True)
        for number, rows in _records(form):
            names, offsets, sizes, raws = zip(*rows, strict=True)
            references += sum(name is not None for name in names)
            inlined += sum(raw is not None for raw in raws)
            table = pa.table(
                {
                    "path": pa.array(names, pa.string()),
                    "offset": pa.array(offsets, pa.int64()),
                    "size": pa.array(sizes, pa.int64()),
                    "raw": pa.array(raws, pa.binary()),
                }
            )
            pq.write_table(table, folder / f"refs.{number}.parq", compression="zstd")
    return references, inlined


type _Row = tuple[str | None, int, int, bytes | None]
_NO_ROW: _Row = (None, 0, 0, None)


def _records(form: _Form) -> Iterator[tuple[int, list[_Row]]]:
    """Yield the rows of each file, one for each chunk in C order, also of missing ones."""
    total = math.prod(form.grid)
    rows: dict[int, _Row] = {}
    for chunk in form.node.chunks():
        reference = form.reference(chunk)
        number = int(np.ravel_multi_index(form.index(chunk), form.grid)) if form.grid else 0
        if isinstance(reference, bytes):
            rows[number] = (None, 0, 0, reference)
        else:
            name, offset, size = reference
            rows[number] = (str(name), int(offset), int(size), None)
    for start in range(0, total, _RECORDS):
        numbers = range(start, min(start + _RECORDS, total))
        yield start // _RECORDS, [rows.get(number, _NO_ROW) for number in numbers]


# ---- what a reader writes


def _how_to_open(target: Path, forms: list[_Form], zarr_format: int) -> str:
    lines = ["import xarray"]
    names = {name for form in forms for name in form.codecs}
    if zarr_format == 2 and any(name.startswith("imagecodecs_") for name in names):
        lines = [
            "import imagecodecs.numcodecs, xarray",
            "imagecodecs.numcodecs.register_codecs(verbose=False)",
        ]
    elif zarr_format == 3 and any(
        package_of(name, described(name)) == "virtual-tiff" for name in names
    ):
        lines.append("# virtual-tiff must be installed: it has a codec of the arrays")
    remote = {
        scheme
        for form in forms
        for chunk in _first(form)
        if (scheme := scheme_of(chunk.url) if chunk.url else None) not in (None, "file")
    }
    options = f', "remote_protocol": "{remote.pop()}"' if len(remote) == 1 else ""
    storage = f'storage_options={{"fo": {str(target)!r}{options}}}'
    groups = any(form.node.path and not form.node.is_array for form in forms)
    opens = 'open_datatree("reference://", engine="zarr"' if groups else 'open_zarr("reference://"'
    settings = f"zarr_format={zarr_format}, consolidated=False"
    lines.append(f"ds = xarray.{opens}, {settings}, {storage})")
    return "\n".join(lines)


def _first(form: _Form) -> Iterator[Chunk]:
    for chunk in form.node.chunks():
        if chunk.url:
            yield chunk
            return
