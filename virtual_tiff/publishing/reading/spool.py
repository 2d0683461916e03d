"""The files of a run in SQLite: a million of them are rows on disk, not objects in memory.

Four kinds of knowledge meet here, and all of them are tables, so that they can be joined:

- `item`: the files that the user names, in order, with coordinates, variable and group, the
  state that a listing or a HEAD has told, and a status: `new`, `read`, `failed`, `outside` (of the
  box that is published), `unchanged` or `changed`.
- `published`: the rows of the repository's ledger.
- `kept`: the records of published files without their references, as the repository keeps them, for
  a run that has to arrange all files anew. Their numbers are negative: they come before the items.
- `file`: the records of files that were read. The texts of templates and of loose attributes are in
  `text`, the chunks of coordinates in `data`, each once, as most files of an archive share them.

`settle` decides what has to be read. It compares the present state of each item first with that in
the ledger, then with that of the cached record (`same_object` is the rule for both), and gives it a
status. All other methods only fill or read the tables.

The cache is a second database with the tables `file`, `text` and `data`. Runs that share a cache
must not wait for each other, nor fail because of each other. So a run works in a database of its
own, which SQLite removes at the end; it copies records from the cache before it reads, and into
the cache while it reads, each time in one short transaction. If the run used the cache directly,
each write would hold a lock that other runs wait for, and an interrupted run could leave half a
record. A cache that is locked for long, read-only, full or damaged is not used from then on, with
a warning: it saves requests, and no run depends on it.

Without a cache of the user's a run has one of its own, in the user's folder of caches, which is
named after the repository and removed when the run has ended well: so a run that was killed goes on
where it was.

The numbers of texts differ between the two databases. They are known by their digests, through
which `_COPY` translates them. A record depends on the parser's options and on the version of this
package too: their digest is the column `options`. `RECORD_VERSION` is the version of the tables; a
cache of another version is emptied.
"""

from __future__ import annotations

import json
import marshal
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.finding.items import Item
from virtual_tiff.publishing.finding.lookups import Coordinate
from virtual_tiff.publishing.reading.record import (
    RECORD_VERSION,
    Failure,
    Record,
    Template,
    digest_of,
    packed_blocks,
)
from virtual_tiff.sources.declared_grid import DeclaredGrid
from virtual_tiff.sources.identity import same_object
from virtual_tiff.sources.locations import Location
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import SourceState, redacted, warn

__all__ = [
    "KeptRecord",
    "LedgerRow",
    "MissingDataError",
    "Row",
    "Spool",
    "cache_folder",
    "columns_of_state",
    "ledger_row",
    "microseconds",
    "progress_file",
    "state_of_columns",
]

_CACHE = """
CREATE TABLE IF NOT EXISTS {0}.text (id INTEGER PRIMARY KEY, digest TEXT UNIQUE, body TEXT);
CREATE TABLE IF NOT EXISTS {0}.data (digest TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {0}.file (
    id INTEGER PRIMARY KEY, url TEXT, options TEXT,
    size INTEGER, etag TEXT, modified INTEGER, version TEXT,
    template INTEGER, loose INTEGER, refs BLOB, count INTEGER, blocks BLOB,
    truncated TEXT, lost INTEGER, ends_early INTEGER, UNIQUE (url, options));
"""

_COPY = (
    (
        "INSERT OR IGNORE INTO {to}.text (digest, body) SELECT digest, body FROM {of}.text"
        " WHERE id IN (SELECT template FROM {of}.file AS file WHERE {which}"
        " UNION SELECT loose FROM {of}.file AS file WHERE {which})"
    ),
    # of the arrays that a template stores inline, each a list whose third member is a digest
    (
        "INSERT OR IGNORE INTO {to}.data (digest, body) SELECT digest, body FROM {of}.data"
        " WHERE digest IN (SELECT json_extract(one.value, '$[2]') FROM {of}.text AS text,"
        " json_each(text.body, '$.inline') AS one"
        " WHERE text.id IN (SELECT template FROM {of}.file AS file WHERE {which}))"
    ),
    (
        "INSERT OR REPLACE INTO {to}.file (url, options, size, etag, modified, version,"
        " template, loose, refs, count, blocks, truncated, lost, ends_early)"
        " SELECT url, options, size, etag, modified, version, template.id, loose.id, refs, count,"
        " blocks, truncated, lost, ends_early FROM {of}.file AS file"
        " JOIN {of}.text AS t ON t.id = file.template"
        " JOIN {to}.text AS template ON template.digest = t.digest"
        " JOIN {of}.text AS l ON l.id = file.loose"
        " JOIN {to}.text AS loose ON loose.digest = l.digest WHERE {which}"
    ),
)
"""The statements that copy records between a run and a cache."""

_PATIENCE = 10.0
"""Seconds that a run waits for a cache that another one writes to."""
_MOST_TEXTS = 10_000
"""Texts whose numbers are kept: loose attributes may be a million."""
_MOST_TEMPLATES = 4096
"""Templates that are kept."""
_MOST_BODIES = 512
"""Texts that are kept as they are: that of a template has some kilobytes."""

_RUN = """
CREATE TEMP TABLE item (
    n INTEGER PRIMARY KEY, url TEXT UNIQUE, name TEXT, store INTEGER, path BLOB,
    coordinates BLOB, variable TEXT, place TEXT,
    size INTEGER, etag TEXT, modified INTEGER, version TEXT,
    status TEXT DEFAULT 'new', file INTEGER, error TEXT, again INTEGER DEFAULT 0);
CREATE TEMP TABLE declared (
    n INTEGER PRIMARY KEY, grid INTEGER, "row" INTEGER, "column" INTEGER, length INTEGER,
    width INTEGER);
CREATE TEMP TABLE published (
    row INTEGER PRIMARY KEY, url TEXT UNIQUE, size INTEGER, etag TEXT, modified INTEGER,
    place TEXT, variable TEXT, coordinates TEXT);
CREATE TEMP TABLE kept (
    n INTEGER PRIMARY KEY, url TEXT UNIQUE, template INTEGER, loose INTEGER, variable TEXT,
    place TEXT, "group" TEXT, coordinates BLOB, hole INTEGER, gone INTEGER DEFAULT 0);
-- a hole of this run is 2, an earlier one 1
-- the groups that a run changes: no other one is arranged anew
CREATE TEMP VIEW touched AS
    SELECT coalesce(place, '') AS place FROM item WHERE status = 'read'
    UNION SELECT coalesce(kept.place, '') FROM kept LEFT JOIN item USING (url)
    WHERE gone OR status = 'read' OR hole = 2;
"""

_ITEM = "n, url, name, store, path, coordinates, variable, place, size, etag, modified, version"

_ROW = (
    "SELECT f.url, f.size, f.etag, f.modified, f.version, template, {}, truncated, ends_early"
    " FROM item JOIN file f ON f.id = item.file"
)

_IN_ORDER = "JOIN json_each(?) AS w ON w.value = n ORDER BY w.key"
"""The items of a list of numbers, in its order."""

_FIRST_KEPT = -(2**40)
"""The number of the first record that the repository keeps."""

_COLUMNS: dict[str, str] = {
    "read": (
        "SELECT n, template, loose, variable, place, coordinates FROM item"
        " JOIN file ON file.id = item.file WHERE status = 'read' ORDER BY n"
    ),
    "published": (
        "SELECT n, template, loose, variable, place, coordinates FROM kept"
        " WHERE template IS NOT NULL"
        " AND coalesce(place, '') IN (SELECT place FROM touched) ORDER BY n"
    ),
    # a file that is read again keeps its rank
    "all": (
        "SELECT n, template, loose, variable, place, coordinates FROM ("
        "SELECT n AS rank, n, template, loose, variable, place, coordinates FROM kept"
        " WHERE NOT gone AND url NOT IN (SELECT url FROM item WHERE status = 'read')"
        " UNION ALL SELECT coalesce(kept.n, item.n), item.n, file.template, file.loose,"
        " item.variable, item.place, item.coordinates FROM item"
        " JOIN file ON file.id = item.file LEFT JOIN kept ON kept.url = item.url"
        " WHERE status = 'read')"
        " WHERE coalesce(place, '') IN (SELECT place FROM touched) ORDER BY rank"
    ),
}
"""The files of a catalogue: those that this run has read, those that were published before it, or
those that will be published after it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KINDS = {int: "int", float: "float", str: "text", type(None): "tag"}
"""Of coordinates by their type; of the kind `tag` the file itself has the value."""


@dataclass(frozen=True, slots=True)
class Row:
    """One file that was read, as it is written to the repository."""

    url: str
    state: SourceState
    template: int
    references: bytes
    blocks: bytes = b""
    """Chunks that are copied, packed."""
    truncated: str = ""
    """The parts that lie beyond its end, in words; empty if it is whole."""


class MissingDataError(LookupError):
    """The chunks of coordinates, by their digests, that are needed, and that no record has."""


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """The record of a published file without its references, as the repository keeps it."""

    url: str
    template: str
    loose: str
    coordinates: Mapping[str, tuple[str, Any]]
    """Kind and value by dimension."""
    variable: str | None
    place: str | None
    """The name of its group, of an item that has one."""
    group: str
    """The path of the group that it was published in."""
    hole: bool = False
    """Whether the file was removed and its place was kept."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A file that is published already, as the ledger of the repository has it."""

    number: int
    """The row's."""
    url: str
    state: SourceState
    group: str
    variable: str
    coordinates: tuple[Any, ...] | None
    """Along the new dimensions, with times in microseconds; of one without coordinates the
    position. None if the file shares them with others."""


def cache_folder() -> Path | None:
    """Return this package's folder among the user's caches; None if there is no home folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not home.is_absolute():  # to be ignored, as the XDG specification says
        try:
            home = Path.home() / ".cache"
        except RuntimeError:  # there is none
            return None
    return home / "virtual-tiff" if home.is_absolute() else None  # as HOME may be no absolute path


def progress_file(identity: str) -> Path | None:
    """Return the cache of a run to a repository, if it has no other; None if nothing is kept.

    Those of runs that nobody has gone on with for a month are removed. A user without a home, as in
    a container, gets a warning and no cache.
    """
    if not identity:
        return None
    caches = cache_folder()
    if caches is None:
        warn(f"nothing is kept of what is read, as there is no home folder; {_ADVICE}")
        return None
    folder = caches / "runs"
    for path in folder.glob("*.sqlite*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
    return folder / f"{digest_of(identity.encode())}.sqlite"


_ABANDONED = 30 * 86400.0
"""Seconds."""

_ADVICE = (
    "all is published, but an interrupted run starts again. Set XDG_CACHE_HOME or name a cache"
    " (cache=FILE), or say that you want none (cache=False)"
)


class Spool:
    """The items of a run, and the records of their files.

    `path` is that of the cache; None keeps nothing. A file of another kind is a PublishError. A
    cache that is `temporary` is removed when the run has ended well.
    """

    def __init__(self, path: Path | None, *, temporary: bool = False) -> None:
        self._temporary = temporary
        self._options = ""
        self._texts: dict[str, int] = {}
        self._with_data: set[int] = set()
        """Numbers of the templates whose inline arrays are stored."""
        self._templates: dict[int, Template] = {}
        self._bodies: dict[int, str] = {}
        self._stores: list[Any] = []
        self._grids: dict[DeclaredGrid, int] = {}
        self._saved = 0
        # the steps of a run are in several threads, one after another; the cache is waited for
        # that long
        self._db = sqlite3.connect("", timeout=_PATIENCE, check_same_thread=False)
        self._db.execute("PRAGMA synchronous = OFF")  # the file ends with the run
        self._db.executescript(_CACHE.format("main"))
        self._db.executescript(_RUN)
        self.cache: Path | None = None
        if path is not None:
            self._attach(path)

    # ---------------------------------------------------------------------------- cache

    def _attach(self, path: Path) -> None:
        """Open the cache, if it can be opened."""
        self.cache = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db.execute("ATTACH ? AS cache", (str(path),))
            self._prepare()
        except OSError as error:
            self._go_without(error)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
                self._go_without(error)
                return
            self._db.close()
            msg = (
                f"{path} is not a cache of this package ({error}); remove the file, or name another"
            )
            raise PublishError(msg) from error

    def _prepare(self) -> None:
        """Make the tables of the cache, or make them anew if they are of another version."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self._db.execute("PRAGMA cache.journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:  # for this SQLite does not wait by itself
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.05)
        self._db.execute("PRAGMA cache.synchronous = NORMAL")
        with self._short():
            version = self._one("PRAGMA cache.user_version")
            if version != RECORD_VERSION:
                for table in ("text", "data", "file") if version else ():
                    self._db.execute(f"DROP TABLE IF EXISTS cache.{table}")
                for statement in _CACHE.format("cache").split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA cache.user_version = {RECORD_VERSION}")

    @contextmanager
    def _short(self) -> Iterator[None]:
        """Use the cache in one transaction, so short that no other run waits for it."""
        self._db.commit()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()

    def _go_without(self, error: Exception) -> None:
        """Leave the cache alone from now on: it saves requests, and no run depends on it."""
        advice = f"; {_ADVICE}" if self._temporary else ""
        warn(f"the cache {self.cache} is not used from now on: {error}{advice}")
        self.cache = None
        with suppress(sqlite3.Error):
            self._db.rollback()
        with suppress(sqlite3.Error):
            self._db.execute("DETACH cache")

    def recall(self, options: str) -> None:
        """Take the records of the items that the cache has, made with the same options."""
        self._options = digest_of(options.encode())
        if self.cache is None:
            return
        which = "file.options = ? AND file.url IN (SELECT url FROM item WHERE file IS NULL)"
        try:
            with self._short():
                self._copy("cache", "main", which, self._options)
        except sqlite3.Error as error:
            self._go_without(error)
        self._saved = self._last()

    def save(self) -> None:
        """Keep the records, whatever happens to this process."""
        self._db.commit()
        last = self._last()
        if self.cache is None or last == self._saved:
            return
        try:
            with self._short():
                self._copy("main", "cache", "file.id > ?", self._saved)
            self._saved = last
        except sqlite3.Error as error:
            self._go_without(error)

    def _last(self) -> int:
        return int(self._one("SELECT coalesce(max(id), 0) FROM main.file"))

    def _copy(self, of: str, to: str, which: str, value: object) -> None:
        """Copy records; the numbers of texts differ between the two."""
        for statement in _COPY:
            count = statement.count("{which}")
            self._db.execute(statement.format(of=of, to=to, which=which), (value,) * count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        done = kind is None and self._temporary
        if not done:
            with suppress(sqlite3.Error):
                self.save()
        if kind is None or issubclass(kind, Exception):
            self._db.close()
        # else it was interrupted, and a thread that nobody waits for may be at work in it
        if done and self.cache is not None:
            for suffix in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self.cache.with_name(self.cache.name + suffix).unlink()
            with suppress(OSError):  # another run has its progress there, or there is a cache
                self.cache.parent.rmdir()
                self.cache.parent.parent.rmdir()

    # ---------------------------------------------------------------------------- items

    def add_items(self, items: Iterable[Item]) -> None:
        """Take the items of the run; one that is named twice is a ValueError."""
        numbers = {id(store): at for at, store in enumerate(self._stores)}
        for n, item in enumerate(items, self._one("SELECT coalesce(max(n) + 1, 0) FROM item")):
            store = item.location.store
            if id(store) not in numbers:
                numbers[id(store)] = len(self._stores)
                self._stores.append(store)
            where = (n, item.location.url, item.location.name, numbers[id(store)])
            # a path may be no text: names of files are bytes
            path = item.location.path.encode(errors="surrogatepass")
            place = (path, _packed(item.coordinates), item.variable, item.group)
            try:
                self._db.execute(
                    f"INSERT INTO item ({_ITEM}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
                    (*where, *place, *columns_of_state(item.listed)),
                )
            except sqlite3.IntegrityError as error:
                msg = f"{redacted(item.location.url)} is named more than once"
                raise ValueError(msg) from error
            if item.place is not None:
                tile = item.place
                grid = self._grids.setdefault(tile.grid, len(self._grids))
                self._db.execute(
                    "INSERT INTO declared VALUES (?,?,?,?,?,?)",
                    (n, grid, tile.row, tile.column, tile.length, tile.width),
                )

    def grids(self) -> list[DeclaredGrid]:
        """Return the grids that documents declare for all items; none if there are none.

        If only some items are of such a document, it is a ValueError.
        """
        grids = list(self._grids)
        others = self.count() - self._one("SELECT count(*) FROM declared")
        if grids and others:
            msg = (
                f"{redacted(grids[0].name)} declares a whole image, and {counted(others, 'file')}"
                " are none of it; publish them apart"
            )
            raise ValueError(msg)
        return grids

    def group_by_grid(self, names: Sequence[str]) -> None:
        """Give the items of each grid a group of its own, unless they have groups.

        A group that has items of several grids is a ValueError.
        """
        self._db.executemany(
            "UPDATE item SET place = ? WHERE place IS NULL AND n IN"
            " (SELECT n FROM declared WHERE grid = ?)",
            zip(names, range(len(self._grids)), strict=True),
        )
        mixed = self._db.execute(
            "SELECT place FROM item JOIN declared USING (n) GROUP BY place"
            " HAVING count(DISTINCT grid) > 1"
        ).fetchone()
        if mixed is not None:
            msg = f"the group {mixed[0]!r} would have the images of several documents"
            raise ValueError(msg)

    def grid(self, number: int) -> DeclaredGrid | None:
        """Return the grid of an item; None if it has none."""
        row = self._db.execute("SELECT grid FROM declared WHERE n = ?", (number,)).fetchone()
        return None if row is None else list(self._grids)[row[0]]

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return row, column, length and width of items in their grid; shape (items, 4)."""
        rows = self._db.execute(
            'SELECT n, "row", "column", length, width FROM declared ORDER BY n'
        ).fetchall()
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
        return table[np.searchsorted(table[:, 0], numbers), 1:]

    def with_text(self, text: str) -> Iterator[tuple[int, str, int]]:
        """Yield number, url and template of the items that were read whose template has a text."""
        yield from self._db.execute(
            "SELECT n, item.url, template FROM item JOIN file ON file.id = item.file"
            " WHERE status = 'read' AND template IN"
            " (SELECT id FROM text WHERE instr(body, ?)) ORDER BY n",
            (text,),
        ).fetchall()

    def set_group(self, numbers: Iterable[int], group: str) -> None:
        """Give items a group, unless they have one."""
        self._db.executemany(
            "UPDATE item SET place = ? WHERE place IS NULL AND n = ?",
            ((group, n) for n in numbers),
        )

    def set_variable(self, name: str) -> None:
        """Give items a variable, unless they have one."""
        self._db.execute("UPDATE item SET variable = ? WHERE variable IS NULL", (name,))

    def names_without_variable(self) -> Iterator[str]:
        """Yield the names of the items without a variable."""
        return self._column("SELECT name FROM item WHERE variable IS NULL ORDER BY n")

    def item_urls(self) -> Iterator[str]:
        """Yield the urls of all items."""
        return self._column("SELECT url FROM item")

    def add_published(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take those rows of a repository's ledger that are of items.

        They are in the order of the table's columns.
        """
        self._db.executemany(
            "INSERT OR IGNORE INTO published SELECT ?1,?2,?3,?4,?5,?6,?7,?8"
            " WHERE EXISTS (SELECT 1 FROM item WHERE url = ?2)",
            rows,
        )

    def count(self, status: str | None = None) -> int:
        """Return the number of items that the user names, of all or of one status.

        Published files that are read again count as they did before.
        """
        if status is None:
            return int(self._one("SELECT count(*) FROM item WHERE again < 2"))
        query = "SELECT count(*) FROM item WHERE again < 2 AND"
        if status == "unchanged":
            return int(self._one(f"{query} (status = ? OR again)", status))
        return int(self._one(f"{query} status = ? AND NOT again", status))

    def urls(self, status: str) -> list[str]:
        """Return the urls of the items of a status."""
        return list(self._column("SELECT url FROM item WHERE status = ? ORDER BY n", status))

    def items(self, where: str = "1") -> Iterator[tuple[int, Item]]:
        """Yield items with their numbers, in pages: rows may be changed meanwhile."""
        last = -1
        while page := self._db.execute(
            f"SELECT {_ITEM} FROM item WHERE n > ? AND ({where}) ORDER BY n LIMIT 1000",  # noqa: S608
            (last,),
        ).fetchall():
            for n, url, name, store, path, coordinates, variable, group, *state in page:
                location = Location(
                    name=name,
                    url=url,
                    store=self._stores[store],
                    path=path.decode(errors="surrogatepass"),
                )
                listed = None if state[0] is None else state_of_columns(*state)
                values = {
                    name: _EPOCH + value * _MICROSECOND if kind == "time" else value
                    for name, (kind, value) in _unpacked(coordinates).items()
                }
                yield n, Item(location, values, variable, listed, group)
            last = page[-1][0]

    # --------------------------------------------------------------- records that are kept

    def keep(self, records: Iterable[KeptRecord]) -> None:
        """Take the records of published files, in their order; one without a text is not known."""
        self._db.executemany(
            "INSERT OR REPLACE INTO kept VALUES (?,?,?,?,?,?,?,?,?,0)",
            (
                (
                    *(_FIRST_KEPT + at, record.url),
                    *(
                        self._text(text) if text else None
                        for text in (record.template, record.loose)
                    ),
                    *(record.variable, record.place, record.group),
                    *(marshal.dumps(dict(record.coordinates)), record.hole),
                )
                for at, record in enumerate(records)
            ),
        )

    def mark(self, urls: Iterable[str], how: Literal["gone", "hole"]) -> None:
        """Mark published files that are removed; the place of a hole is kept."""
        update = f"UPDATE kept SET {how} = 2 WHERE url = ?"  # noqa: S608 (one of two)
        self._db.executemany(update, ((url,) for url in urls))

    def kept(self) -> Iterator[KeptRecord]:
        """Yield the records of published files that stay, in their order."""
        for template, loose, coordinates, url, variable, place, group, hole in self._db.execute(
            'SELECT template, loose, coordinates, url, variable, place, "group", hole FROM kept'
            " WHERE NOT gone ORDER BY n"
        ):
            yield KeptRecord(
                url=url,
                template="" if template is None else self.text(template),
                loose="" if loose is None else self.text(loose),
                coordinates=_unpacked(coordinates),
                variable=variable,
                place=place,
                group=group,
                hole=bool(hole),
            )

    def records(self, numbers: Iterable[int], group: str) -> Iterator[KeptRecord]:
        """Yield what is kept of files that this run has read, by the path of their group."""
        query = (
            "SELECT item.url, template, loose, coordinates, variable, place"  # noqa: S608 (ours)
            f" FROM item JOIN file ON file.id = item.file {_IN_ORDER}"
        )
        for some in batched(numbers, 1000):
            rows = self._db.execute(query, (json.dumps(some),)).fetchall()
            for url, template, loose, coordinates, variable, place in rows:
                texts = self.text(template), self.text(loose)
                yield KeptRecord(url, *texts, _unpacked(coordinates), variable, place, group)

    def templates_of_groups(self, *, gone: bool) -> list[tuple[str, str, int]]:
        """Return groups and variables of published files, each with one of its templates.

        Those that are `gone` count only if asked for.
        """
        return self._db.execute(
            "SELECT \"group\", coalesce(kept.variable, ''),"
            " coalesce(kept.template, f.template) AS t FROM kept"
            " LEFT JOIN item ON item.url = kept.url LEFT JOIN file f ON f.id = item.file"
            " WHERE t IS NOT NULL AND (? OR NOT gone) GROUP BY 1, 2 ORDER BY min(kept.n)",
            (gone,),
        ).fetchall()

    def kept_numbers(self) -> dict[str, int]:
        """Return the numbers of the records by their urls."""
        return dict(self._db.execute("SELECT url, n FROM kept").fetchall())

    def touched_groups(self) -> set[str]:
        """Return the paths of published groups that are arranged anew."""
        groups = self._column(
            'SELECT DISTINCT "group" FROM kept WHERE'
            " coalesce(place, '') IN (SELECT place FROM touched)"
        )
        return set(groups)

    def holes(self, *, new: bool = False) -> set[int]:
        """Return the numbers of files that were removed, and whose places are kept.

        Those of this run alone if asked for.
        """
        return set(self._column("SELECT n FROM kept WHERE hole >= ?", 2 if new else 1))

    def unknown_holes(self) -> list[str]:
        """Return the removed files whose places are to be kept, and of which there is no record."""
        return list(self._column("SELECT url FROM kept WHERE hole AND template IS NULL ORDER BY n"))

    def unread(self) -> list[str]:
        """Return the published files that stay, and of which there is no record."""
        urls = self._column(
            "SELECT url FROM kept"
            " WHERE NOT gone AND NOT hole AND template IS NULL AND url NOT IN"
            " (SELECT url FROM item WHERE status = 'read')"
            " AND coalesce(place, '') IN (SELECT place FROM touched) ORDER BY n"
        )
        return list(urls)

    def with_data(self, digests: Collection[str]) -> list[str]:
        """Return published files that have all of these chunks of coordinates, few of them."""
        rows = self._db.execute(
            "SELECT template, url FROM kept WHERE NOT gone AND NOT hole AND template IS NOT NULL"
            " GROUP BY template ORDER BY min(n)"
        ).fetchall()
        missing, urls = set(digests), []
        for template, url in rows:
            inline = self.template(template).inline.values()
            if own := missing & {each.digest for each in inline}:
                missing -= own
                urls.append(url)
        return urls

    def coordinates(self, url: str) -> Mapping[str, tuple[str, Any]] | None:
        """Return the coordinates that this run gives to a published file; None if it names none."""
        row = self._db.execute("SELECT coordinates FROM item WHERE url = ?", (url,)).fetchone()
        return None if row is None else _unpacked(row[0])

    def read_again(self, locations: Iterable[Location]) -> None:
        """Make items of published files, so that they are read once more."""
        count = int(self._one("SELECT coalesce(max(n), -1) + 1 FROM item"))
        for n, location in enumerate(locations, count):
            named = self._db.execute(
                "UPDATE item SET status = 'new', again = 1 WHERE url = ?", (location.url,)
            ).rowcount
            if not named:
                self._stores.append(location.store)
                path = location.path.encode(errors="surrogatepass")
                self._db.execute(
                    "INSERT INTO item (n, url, name, store, path, coordinates, variable, place,"
                    " again) SELECT ?, url, url, ?, ?, coordinates, variable, place, 2 FROM kept"
                    " WHERE url = ?",
                    (n, len(self._stores) - 1, path, location.url),
                )

    def count_again(self) -> int:
        """Return the number of published files that were read again, and have not changed."""
        return int(self._one("SELECT count(*) FROM item WHERE again AND status = 'read'"))

    def changed_again(self) -> list[str]:
        """Return the files that were read again and are not what was published.

        From now on they count as files that are replaced.
        """
        rows = self._db.execute(
            "SELECT i.n, i.url, f.size, f.etag, f.modified, o.size, o.etag, o.modified"
            " FROM item i JOIN file f ON f.id = i.file JOIN published o ON o.url = i.url"
            " WHERE i.again AND i.status = 'read' ORDER BY i.n"
        ).fetchall()
        changed = []
        for n, url, *states in rows:
            now, before = state_of_columns(*states[:3]), state_of_columns(*states[3:])
            if not same_object(before, now, url=url).same:
                changed.append((n, url))
        self._db.executemany("UPDATE item SET again = 0 WHERE n = ?", [(n,) for n, _ in changed])
        return [url for _, url in changed]

    def replaced(self) -> list[str]:
        """Return the published files that have changed and were read."""
        urls = self._column(
            "SELECT url FROM item JOIN published USING (url) WHERE status = 'read' AND NOT again"
            " ORDER BY n"
        )
        return list(urls)

    def add_data(self, data: bytes) -> None:
        """Take the chunk of an inline array."""
        self._db.execute("INSERT OR IGNORE INTO data VALUES (?, ?)", (digest_of(data), data))

    # -------------------------------------------------------- states, ledger and cache

    def known(self) -> str:
        """Return the condition of items of which an earlier state is known."""
        read = f"SELECT url FROM file WHERE options = '{self._options}'"  # noqa: S608 (a digest)
        published = "SELECT url FROM published"
        return f"size IS NULL AND (url IN ({published}) OR url IN ({read}))"

    def set_state(self, n: int, state: SourceState) -> None:
        """Note the present state of an item."""
        self._db.execute(
            "UPDATE item SET size = ?, etag = ?, modified = ?, version = ? WHERE n = ?",
            (*columns_of_state(state), n),
        )

    def settle(self, *, replace: bool) -> None:
        """Give each item a status, by which it is left alone, taken from the cache, or read.

        Statuses: `unchanged` and `changed` since they were published, `read`, else `new`.
        """
        # of some thousand items at a time: both states, and the number of a record
        published = (
            "SELECT i.n, i.url, i.size, i.etag, i.modified, NULL,"
            " o.size, o.etag, o.modified, NULL, NULL FROM item i JOIN published o"
            " ON o.url = i.url WHERE i.size IS NOT NULL AND i.n > ? ORDER BY i.n LIMIT 10000"
        )
        cached = (
            "SELECT i.n, i.url, i.size, i.etag, i.modified, i.version,"
            " o.size, o.etag, o.modified, o.version, o.id FROM item i JOIN file o"
            " ON o.url = i.url WHERE i.size IS NOT NULL AND i.status = 'new' AND i.n > ?"
            " AND o.options = ? ORDER BY i.n LIMIT 10000"
        )
        changed = "new" if replace else "changed"
        for query, values, if_same, if_other in (
            (published, (), "unchanged", changed),
            (cached, (self._options,), "read", "new"),
        ):
            last = -1
            while page := self._db.execute(query, (last, *values)).fetchall():
                rows = []
                for n, url, *columns, file in page:
                    now, before = state_of_columns(*columns[:4]), state_of_columns(*columns[4:])
                    same = same_object(before, now, url=url).same
                    rows.append((if_same if same else if_other, file if same else None, n))
                self._db.executemany("UPDATE item SET status = ?, file = ? WHERE n = ?", rows)
                last = page[-1][0]

    # -------------------------------------------------------------------------- records

    def add(self, n: int, result: Record | Failure) -> None:
        """Take the result of reading an item."""
        if isinstance(result, Failure):
            update = "UPDATE item SET status = ?, error = ? WHERE n = ?"
            status = "outside" if result.outside else "failed"
            self._db.execute(update, (status, result.error, n))
            return
        template = self._text(result.template)
        if result.inline and template not in self._with_data:
            self._with_data.add(template)
            digests = [digest for _, _, digest, _ in json.loads(result.template)["inline"]]
            rows = zip(digests, result.inline, strict=True)
            self._db.executemany("INSERT OR IGNORE INTO data VALUES (?, ?)", rows)
        cursor = self._db.execute(
            "INSERT OR REPLACE INTO file (url, options, size, etag, modified, version,"
            " template, loose, refs, count, blocks, truncated, lost, ends_early)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(result.url, self._options, *columns_of_state(result.state)),
                *(template, self._text(result.loose), result.references, result.count),
                packed_blocks(result.blocks),
                *(result.lost or (None, 0, 0)),
            ),
        )
        update = "UPDATE item SET status = 'read', file = ? WHERE n = ?"
        self._db.execute(update, (cursor.lastrowid, n))

    def reject(self, reasons: Mapping[int, str]) -> bool:
        """Leave out items that were read, for reasons; return whether all of these could be.

        A published file cannot: the repository has it.
        """
        known = self.earlier()
        if not reasons or any(n < 0 or n in known for n in reasons):
            return False
        update = "UPDATE item SET status = 'failed', error = ? WHERE n = ? AND status = 'read'"
        self._db.executemany(update, ((why, n) for n, why in reasons.items()))
        return True

    def _text(self, body: str) -> int:
        if body not in self._texts:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            digest = digest_of(body.encode())
            insert = "INSERT OR IGNORE INTO text (digest, body) VALUES (?, ?)"
            self._db.execute(insert, (digest, body))
            self._texts[body] = self._one("SELECT id FROM text WHERE digest = ?", digest)
        return self._texts[body]

    def failures(self) -> dict[str, str]:
        """Return the errors by the names of their files."""
        rows = self._db.execute("SELECT name, error FROM item WHERE status = 'failed' ORDER BY n")
        return dict(rows.fetchall())

    def outside(self) -> tuple[str, ...]:
        """Return the names of the files that have no pixel of the window or the box."""
        return tuple(self._column("SELECT name FROM item WHERE status = 'outside' ORDER BY n"))

    def truncated(self) -> dict[str, str]:
        """Return what truncated files lack that are published, by the files' names."""
        rows = self._db.execute(
            "SELECT name, truncated FROM item JOIN file ON file.id = item.file"
            " WHERE status = 'read' AND truncated IS NOT NULL ORDER BY n"
        )
        return dict(rows.fetchall())

    def lost(self) -> int:
        """Return how many blocks they lack."""
        query = "SELECT coalesce(sum(lost), 0) FROM item JOIN file ON file.id = item.file"
        return int(self._one(f"{query} WHERE status = 'read'"))

    # -------------------------------------------------------------------------- reading

    def columns(self, which: str = "read") -> Iterator[tuple[Any, ...]]:
        """Yield (n, template, loose, variable, group, coordinates) of files, in order.

        The coordinates are kind and value by dimension, in the order of the dimensions. `which` is
        a key of `_COLUMNS`.
        """
        for *row, coordinates in self._db.execute(_COLUMNS[which]):
            yield (*row, _unpacked(coordinates))

    def earlier(self) -> dict[int, LedgerRow]:
        """Return the rows of items that were read and are published already, by their number."""
        rows = self._db.execute(
            "SELECT n, o.* FROM item JOIN published o ON o.url = item.url WHERE status = 'read'"
        )
        return {n: ledger_row(*row) for n, *row in rows}

    def published_groups(self) -> dict[str, str]:
        """Return the groups of those items that are published, by their urls."""
        return dict(self._db.execute("SELECT url, place FROM published").fetchall())

    def references(self) -> int:
        """Return the number of references of the files that were read."""
        query = "SELECT coalesce(sum(count), 0) FROM item JOIN file ON file.id = item.file"
        return int(self._one(f"{query} WHERE status = 'read'"))

    def totals(self) -> tuple[int, int, int]:
        """Return files, references and bytes of what need not be read."""
        return self._db.execute(  # type: ignore[no-any-return]
            "SELECT count(*), coalesce(sum(f.count), 0), coalesce(sum(f.size), 0) FROM item i"
            " LEFT JOIN file f ON f.id = i.file WHERE i.status <> 'new'"
        ).fetchone()

    def name(self, n: int) -> str:
        """Return an item's name, as the user wrote it."""
        column, table = ("name", "item") if n >= 0 else ("url", "kept")
        return str(self._one(f"SELECT {column} FROM {table} WHERE n = ?", n))  # noqa: S608

    def url(self, n: int) -> str:
        """Return an item's url."""
        table = "item" if n >= 0 else "kept"
        return str(self._one(f"SELECT url FROM {table} WHERE n = ?", n))  # noqa: S608

    def rows(self, numbers: Iterable[int], *, references: bool = False) -> Iterator[Row]:
        """Yield what is written of items, with references and copied chunks if asked for."""
        columns, page = "x'', x''", 1000
        if references:
            columns = "refs, blocks"
            page = 64 if self.references() <= 1024 * self.count("read") else 1
        query = f"{_ROW.format(columns)} {_IN_ORDER}"
        for some in batched(numbers, page):
            for row in self._db.execute(query, (json.dumps(some),)).fetchall():
                yield _row_of(*row)

    def template(self, number: int) -> Template:
        """Return a template by its number; some thousands are kept."""
        if number not in self._templates:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            self._templates[number] = Template.from_text(self.text(number))
        return self._templates[number]

    def text(self, number: int) -> str:
        """Return the text of a template or of loose attributes by its number."""
        if number not in self._bodies:
            if len(self._bodies) >= _MOST_BODIES:
                self._bodies.clear()
            query = "SELECT body FROM text WHERE id = ?"
            self._bodies[number] = str(self._one(query, number))
        return self._bodies[number]

    def data(self, digest: str) -> bytes:
        """Return the chunk of an inline array; a MissingDataError if the repository kept none."""
        row = self._db.execute("SELECT body FROM data WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise MissingDataError(digest)
        return bytes(row[0])

    def _one(self, query: str, *values: Any) -> Any:  # noqa: ANN401 (a column's type)
        return self._db.execute(query, values).fetchone()[0]

    def _column(self, query: str, *values: Any) -> Iterator[Any]:  # noqa: ANN401
        return (value for (value,) in self._db.execute(query, values))


def _row_of(url: str, *columns: Any) -> Row:  # noqa: ANN401 (of `_ROW`)
    *state, template, refs, blocks, truncated, ends_early = columns
    truncated = truncated if ends_early else ""
    return Row(url, state_of_columns(*state), template, refs, blocks, truncated)


def microseconds(time: datetime | None) -> int:
    """Return a time as a number, 0 for an unknown one."""
    return 0 if time is None else (time - _EPOCH) // _MICROSECOND


def columns_of_state(state: SourceState | None) -> tuple[Any, ...]:
    """Return size, ETag, time and version as `state_of_columns` takes them."""
    if state is None:
        return (None, None, None, None)
    return (state.size, state.etag or "", microseconds(state.last_modified), state.version)


def state_of_columns(
    size: int, etag: str, modified: int, version: str | None = None
) -> SourceState:
    """Return a state as the spool and the ledger keep it: "" and 0 are unknown."""
    time = _EPOCH + modified * _MICROSECOND if modified else None
    return SourceState(size=size, etag=etag or None, last_modified=time, version=version)


def ledger_row(number: int, url: str, *columns: Any) -> LedgerRow:  # noqa: ANN401 (of a table)
    """Return a row of a ledger by its columns: three of the state, three of the place."""
    group, variable, coordinates = columns[3:]
    return LedgerRow(
        number=number,
        url=url,
        state=state_of_columns(*columns[:3]),
        group=group,
        variable=variable,
        coordinates=tuple(json.loads(coordinates)) if coordinates else None,
    )


def _packed(coordinates: Mapping[str, Coordinate | None]) -> bytes | None:
    """Return kinds and values by dimension."""
    if not coordinates:
        return None
    plain: dict[str, tuple[str, Any]] = {}
    for name, value in coordinates.items():
        if isinstance(value, datetime):
            plain[name] = ("time", microseconds(value))
        else:
            plain[name] = (_KINDS[type(value)], value)
    return marshal.dumps(plain)  # the table ends with the process


def _unpacked(packed: bytes | None) -> dict[str, tuple[str, Any]]:
    return marshal.loads(packed) if packed else {}  # noqa: S302 (of this process)
