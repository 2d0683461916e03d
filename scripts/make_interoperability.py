"""Make docs/interoperability.md: what readers in other languages make of published TIFFs.

usage: python scripts/make_interoperability.py [--check] [--from FOLDER]

The figures are of GDAL's test files, which `scripts/sync_gdal_tiffs.py` fetches into
testdata/external. It needs Node, the npm registry (or what it once gave), and the packages of
the extra `test`. `--check` looks at the table of codecs alone, which needs no files, and exits
with 1 if it is stale.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]

import rasterio  # noqa: E402
from _interoperability import (  # noqa: E402
    Case,
    Grade,
    Reading,
    export,
    find_cases,
    in_python,
    measure,
    zarrita,
)

from support.node import installed, module_names  # noqa: E402
from virtual_tiff import publish  # noqa: E402
from virtual_tiff.codec_table.readers import IMPLEMENTATIONS  # noqa: E402
from virtual_tiff.codec_table.rows import descriptions  # noqa: E402

DOCUMENT = ROOT / "docs" / "interoperability.md"
CORPUS = ROOT / "testdata" / "external" / "gdal"

READERS: dict[str, Reading] = {
    "zarr-python": in_python("zarr-python"),
    "zarr-python + imagecodecs-zarr": in_python("+ imagecodecs-zarr"),
    "zarr-python + virtual-tiff": in_python("+ virtual-tiff"),
    "zarrs": in_python("zarrs"),
    "tensorstore": in_python("tensorstore"),
    "GDAL": in_python("GDAL"),
    "zarrita": zarrita(),
    "zarrita + our module, Node": zarrita(codecs=True),
    "zarrita + our module, browser": zarrita(codecs=True, canvas=True),
}

MODULE = "zarrita + our module"
_MARKS = {"own": "yes", "platform": "in browsers", "hooked": "with a decoder"}
"""What our module says of a codec, to what the table says."""


@dataclass(frozen=True)
class Figures:
    """What the readers made of one store of the cases."""

    codecs: Mapping[int, Sequence[str]]
    """Of the cases that are in the store, by number."""
    refused: Mapping[int, str]
    """Cases that could not be published so, and why."""
    grades: Mapping[str, Sequence[Grade]]
    """By reader, one a case."""


@dataclass(frozen=True)
class Run:
    """All that was measured."""

    files: int
    cases: Sequence[Case]
    plain: Figures
    portable: Figures | None
    versions: Mapping[str, str]


def codec_table_names() -> list[str]:
    """Return the names of the codecs that the codec table gives."""
    names = {description.name for description in descriptions()}
    return sorted(names, key=lambda name: (_family(name), name))


def _family(name: str) -> int:
    families = ("numcodecs.", "imagecodecs_", "virtual_tiff.")
    return next((n for n, begin in enumerate(families, 1) if name.startswith(begin)), 0)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def codec_section(module: Mapping[str, Sequence[str]]) -> str:
    """Return the section on codecs; `module` are the names that our module has, by kind."""
    marks = {name: _MARKS[kind] for kind, names in module.items() for name in names}
    zarrita_has = next(known for known in IMPLEMENTATIONS if known.name == "zarrita").has
    rows = [
        [
            f"`{name}`",
            *("yes" if known.has(name) else "" for known in IMPLEMENTATIONS),
            "yes" if zarrita_has(name) else marks.get(name, ""),
        ]
        for name in codec_table_names()
    ]
    head = ["codec", *(known.name for known in IMPLEMENTATIONS), MODULE]
    return "\n\n".join(["## Codecs", _CODECS, table(head, rows)])


def figures(cases: Sequence[Case], folder: Path, **options: Any) -> Figures:  # noqa: ANN401
    """Publish the cases and let all read them."""
    exported = export(cases, folder, **options)
    grades = {}
    for name, reading in READERS.items():
        grades[name] = measure(cases, exported, reading)
        print(f"{name}: {dict(Counter(grades[name]))}", file=sys.stderr)
    codecs = {number: exported.codecs(number) for number in exported.arrays}
    return Figures(codecs, exported.refused, grades)


def run(corpus: Path) -> Run:
    """Measure everything."""
    suffixes = {".tif", ".tiff", ".btf"}
    files = [path for path in sorted(corpus.rglob("*")) if path.suffix.lower() in suffixes]
    cases = find_cases(files)
    portable = None
    with tempfile.TemporaryDirectory() as folder:
        plain = figures(cases, Path(folder, "plain"))
        if "portable" in signature(publish).parameters:
            portable = figures(cases, Path(folder, "portable"), portable=True)
    return Run(len(files), cases, plain, portable, _versions())


def _versions() -> dict[str, str]:
    packages = ("zarr", "imagecodecs-zarr", "zarrs", "tensorstore", "icechunk")
    zarrita_package = installed() / "node_modules" / "zarrita" / "package.json"
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return {
        **{name: version(name) for name in packages},
        "GDAL": rasterio.__gdal_version__,
        "zarrita": json.loads(zarrita_package.read_text(encoding="utf-8"))["version"],
        "Node": node.stdout.strip().removeprefix("v"),
    }


def totals(found: Run) -> str:
    """Return the section on how many files each reads."""
    count = len(found.cases)
    stores = [found.plain, *([found.portable] if found.portable else [])]
    head = ["reader", *["right", "wrong", "refused"] * len(stores)]
    rows = [
        [name, *(sum(g == grade for g in s.grades[name]) for s in stores for grade in _GRADES)]
        for name in READERS
    ]
    text = _TOTALS.format(files=found.files, cases=count)
    if found.portable:
        published = len(found.portable.codecs)
        text += "\n\n" + _PORTABLE.format(
            published=published, cases=count, refused=count - published
        )
    return "\n\n".join(["## How many files", text, table(head, rows)])


def by_compression(found: Run) -> str:
    """Return the section on the files of each compression."""
    kinds = Counter(case.compression for case in found.cases)
    rows = []
    for kind, count in kinds.most_common():
        numbers = [n for n, case in enumerate(found.cases) if case.compression == kind]
        rights = [sum(grades[n] == "right" for n in numbers) for grades in _grades(found.plain)]
        rows.append([kind, count, *rights])
    head = ["Compression", "files", *READERS]
    return "\n\n".join(["## Files read right, by compression", table(head, rows)])


def _grades(store: Figures) -> list[Sequence[Grade]]:
    return [store.grades[name] for name in READERS]


def lacking(found: Run, module: Mapping[str, Sequence[str]]) -> str:
    """Return the section on what keeps each reader from more."""
    counts: dict[str, Counter[str]] = {}
    for name in READERS:
        has = reader_has(name, module)
        for number, codecs in found.plain.codecs.items():
            if found.plain.grades[name][number] == "refused":
                for cause in [c for c in codecs if not has(c)] or [_OTHER]:
                    counts.setdefault(cause, Counter())[name] += 1
    causes = sorted(counts, key=lambda cause: (-counts[cause].total(), cause))
    rows = [
        [
            cause if cause == _OTHER else f"`{cause}`",
            *(counts[cause][name] or "" for name in READERS),
        ]
        for cause in causes
    ]
    return "\n\n".join(["## Missing codecs", _LACKING, table(["codec", *READERS], rows)])


def reader_has(reader: str, module: Mapping[str, Sequence[str]]) -> Callable[[str], bool]:
    """Return what says whether a reader has a codec: the table, and our module."""
    name, _, place = reader.partition(" + our module, ")
    known = next(known for known in IMPLEMENTATIONS if known.name == name)
    kinds = {"Node": ["own"], "browser": ["own", "platform"]}.get(place, [])
    more = {codec for kind in kinds for codec in module[kind]}
    return lambda codec: known.has(codec) or codec in more


def silent(found: Run) -> str:
    """Return the section on wrong pixels without an error."""
    rows = []
    for name in READERS:
        grades = found.plain.grades[name]
        chains = Counter(
            " ".join(f"`{codec}`" for codec in codecs)
            for number, codecs in found.plain.codecs.items()
            if grades[number] == "wrong"
        )
        rows += [[name, chain, count] for chain, count in sorted(chains.items())]
    head = ["reader", "codecs", "files"]
    body = table(head, rows) if rows else "None."
    return f"## Wrong pixels without an error\n\n{body}"


def document(found: Run, module: Mapping[str, Sequence[str]], workflows: str) -> str:
    """Return the whole document; `workflows` is the section that `make_workflows.py` makes."""
    versions = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    sections = [
        _HEAD,
        *([workflows] if workflows else []),
        totals(found),
        by_compression(found),
        lacking(found, module),
        silent(found),
        codec_section(module),
        f"## Versions\n\n{versions}.",
    ]
    return "\n\n".join(sections) + "\n"


_GRADES: tuple[Grade, ...] = ("right", "wrong", "refused")

_OTHER = "another reason"

_HEAD = """<!-- Made by python scripts/make_interoperability.py; do not edit. -->

# Readers in other languages

A published repository is a Zarr v3 store. A reader needs the codecs of its arrays, and access to
its bytes: by [Icechunk](https://icechunk.io/) for Python, Rust and JavaScript, or by a plain Zarr
store with copies of the encoded chunks. `virtual-tiff info` lists the readers of each file.

## In JavaScript

[zarrita](https://zarrita.dev/) reads the repository through `@earthmover/icechunk`. The codecs
that it lacks are in `javascript/`, a module without dependencies of
its own; `javascript/README.md` says what it has.

```js
import * as zarr from "zarrita";
import { registerCodecs } from "virtual-tiff-codecs";

registerCodecs(zarr.registry);
```

JPEG, PNG and WebP of 8 bits are decoded by the browser. Node has no decoder of images:
`registerImageDecoder(name, decode)` takes one, and takes others for JPEG 2000, JPEG XL, JPEG XR
and LERC too. zarrita has no complex numbers, and half floats where JavaScript has them.

## Deflate

TIFF's deflate is a zlib stream. The one name that zarr-extensions has registered for it is
`numcodecs.zlib`; zarrs calls its codec `zlib` and takes that name. zarr-python, zarrs and zarrita
(since 0.7.1) read it. tensorstore and GDAL do not: for these two, publish Zstandard or uncompressed
files (`publish --portable tensorstore,GDAL` refuses others), or export kerchunk references of Zarr
v2, whose `zlib` GDAL reads. For LZW and PackBits no name is registered (`lzw` is proposed in
zarr-extensions' pull request 16).

## GDAL

The versions in the tables are rasterio's GDAL 3.12, the newest of a registry that has the Zarr
driver. It knows none of the conventions `spatial`, `proj` and `multiscales`, and takes CRS and
transform from `spatial_ref` and the coordinates, as CF says. GDAL 3.13 reads these conventions by
the uuids in `zarr_conventions`: arrays have `spatial:transform`, `spatial:dimensions` and
`proj:code` (`proj:wkt2` without a code), and the groups of `ifd_layout="pyramid"` the
`multiscales` whose `layout` it takes for overviews. GDAL 3.14 is to read Icechunk repositories;
until then GDAL reads a cube by kerchunk references (`virtual_tiff.to_kerchunk`, since GDAL 3.11)
or as Zarr files.

## DuckDB

The community extension `zarr` of DuckDB (0.2.1) reads Zarr v2 and v3 as tables, a row for each
pixel, and kerchunk JSON. Its documentation names the codecs gzip, zstd, blosc, crc32c, sharding,
transpose and bytes: of cubes of TIFFs it can read those that are uncompressed or of Zstandard
without a predictor (`publish --portable tensorstore,GDAL` refuses others), and no deflate, LZW or
JPEG. It reads no Icechunk. DuckDB downloads its extensions when it runs, and so this was not run
here."""

_TOTALS = """The {files} TIFFs of GDAL's test suite, each by its first directory. {cases} of them
`VirtualTIFF` reads as GDAL or tifffile do; these were published, exported to a plain Zarr store,
and read by each reader. Right is equal to GDAL's or tifffile's pixels; for lossy compressions,
up to a decoder's rounding. Of images above 4,000,000 pixels a corner of two blocks each way is
read. The browser's images are those of Skia (`@napi-rs/canvas` in Node). zarrs runs with
`codec_pipeline.strict`; without it, zarrs-python leaves codecs that it lacks to zarr-python."""

_PORTABLE = """The second three columns are of `virtual-tiff publish --portable`, which publishes
{published} of the {cases} files and refuses {refused}; those count as refused."""

_LACKING = """Files that a reader refuses are counted by the codecs that it does not have. A file
with two such codecs counts twice. Another reason is a data type, a chunk that is too large, an
image that the platform cannot return unchanged, or a stream that a reader regards as damaged."""

_CODECS = """All that arrays may name, and who has it. The last column says `in browsers` for what
the platform decodes (elsewhere a decoder must be registered) and `with a decoder` for what must
be registered everywhere."""


def main() -> int:
    """Write the document, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if the codecs are stale")
    parser.add_argument("--from", dest="corpus", type=Path, default=CORPUS, help="folder of TIFFs")
    given = parser.parse_args()
    module = module_names()
    if not given.check:
        if not given.corpus.is_dir():
            print(f"{given.corpus} is not there: run scripts/sync_gdal_tiffs.py", file=sys.stderr)
            return 1
        workflows = re.search(
            r"## Workflows\n.*?(?=\n\n## )", DOCUMENT.read_text("utf-8"), re.DOTALL
        )
        made = document(run(given.corpus), module, workflows[0] if workflows else "")
        DOCUMENT.write_text(made, encoding="utf-8")
        return 0
    if codec_section(module) in DOCUMENT.read_text(encoding="utf-8"):
        return 0
    print(f"{DOCUMENT.name} is stale: run python scripts/make_interoperability.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
