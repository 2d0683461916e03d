"""Rows of a ledger: found, added, replaced and removed, at a cost that follows the question."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from support.scenes import scene
from virtual_tiff import publish, verify
from virtual_tiff.publishing import PublishError
from virtual_tiff.publishing.reading.spool import LedgerRow, Row
from virtual_tiff.publishing.repository import ledger, ledger_index
from virtual_tiff.publishing.repository.ledger_index import LedgerIndex
from virtual_tiff.tiff import SourceState

LEDGER = "_virtual_tiff"
HOW = ledger.Ledger(layout="stack", axes=("time",), portable=False, per_scene=(), states={})


class CountingStore(MemoryStore):
    """A store that notes the keys of chunks that are read, and the bytes that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.written = 0

    def with_read_only(self, read_only: bool = False) -> CountingStore:
        return self

    async def get(self, key: str, *arguments: Any, **more: Any) -> Any:
        if "/c/" in key:
            self.read.append(key)
        return await super().get(key, *arguments, **more)

    async def set(self, key: str, value: Any, *arguments: Any, **more: Any) -> None:
        self.written += len(value)
        await super().set(key, value, *arguments, **more)


def url(n: int) -> str:
    return f"s3://bucket/scenes/{n:08}/B04.tif"


def row(name: str, size: int = 1) -> Row:
    return Row(name, SourceState(size=size, etag=f'"{name}"'), 0, b"")


def written(count: int) -> CountingStore:
    store = CountingStore()
    rows = ledger.LedgerRows(store, 0, count)
    for n in range(count):
        rows.add(row(url(n)), "", "", (n * 1000,), None)
    rows.finish(HOW)
    return store


def found(store: Any) -> ledger.PublishedRows:
    return ledger.read_ledger(store)[1]


@pytest.mark.long
@pytest.mark.parametrize("count", [1500, 9_000])
def test_an_append_costs_by_what_is_appended(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chunks that are read, and the bytes that are written, of 30 and of 180 chunks of rows."""
    monkeypatch.setattr(ledger, "_CHUNK", 50)
    monkeypatch.setattr(ledger_index, "_CHUNK", 50)
    store = written(count)
    store.read.clear()
    assert [each.number for each in found(store).of_urls([url(7), "s3://bucket/new.tif"])] == [7]
    assert not list(found(store).at([("", "", (5,))]))
    assert [each.url for each in found(store).at([("", "", (7000,))])] == [url(7)]
    # a segment or two, of each a chunk or two; and seven columns of the row
    assert len(store.read) <= 40, Counter(key.rpartition("/c/")[0] for key in store.read)
    for n in range(count, count + 12):  # the index is merged, but never as a whole
        store.read.clear()
        store.written = 0
        rows = ledger.LedgerRows(store, n, 1)
        rows.add(row(url(n)), "", "", (n * 1000,), None)
        rows.finish(HOW)
        assert len(store.read) <= 40
        assert store.written < 30_000
    assert [each.number for each in found(store).of_urls(map_of(range(count, count + 12)))] == (
        list(range(count, count + 12))
    )


def map_of(numbers: range) -> list[str]:
    return [url(n) for n in numbers]


@pytest.mark.long
def test_known_urls_are_read_chunk_by_chunk() -> None:
    """Many that are known cost each chunk of the index and of the rows once."""
    count = ledger._CHUNK * 2 + 100
    store = written(count)
    store.read.clear()
    assert sum(1 for _ in found(store).of_urls(map_of(range(count)))) == count
    reads = Counter(store.read)
    assert max(reads.values()) == 1
    assert len(reads) <= 2 * count / ledger_index._CHUNK + 1 + 7 * 3


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_any_history(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are added, replaced and removed; a dictionary says what must be found."""
    monkeypatch.setattr(ledger, "_CHUNK", 4)
    monkeypatch.setattr(ledger_index, "_CHUNK", 3)
    rng = random.Random(seed)
    store = MemoryStore()
    model: dict[str, tuple[str, str, Any, int]] = {}
    for step in range(8):
        new = [f"file:///{step}_{n}.tif" for n in range(rng.choice([0, 1, 1, 2, 9, 30]))]
        known = sorted(model)
        removed = rng.sample(known, rng.choice([0, 0, min(3, len(known)), len(known) // 2]))
        left = [name for name in known if name not in removed]
        changed = rng.sample(left, min(len(left), rng.choice([0, 0, 1, 6])))
        rows = ledger.LedgerRows(store, len(model), len(new))
        numbers = {each.url: each.number for each in found_all(store, model)}
        rows.remove([numbers[name] for name in removed])
        for name in removed:
            del model[name]
        if removed:
            rows.finish(HOW)
            rows = ledger.LedgerRows(store, len(model), len(new))
        numbers = {each.url: each.number for each in found_all(store, model)}
        for name in rng.sample([*new, *changed], len(new) + len(changed)):
            group, variable = rng.choice(["", "a"]), rng.choice(["", "red"])
            coordinates: Any = rng.choice([None, (), (rng.randrange(9),), (step, "B04")])
            if name in changed and rng.random() < 0.5:
                group, variable, coordinates, _ = model[name]
            model[name] = (group, variable, coordinates, step)
            at = numbers.get(name)
            rows.add(row(name, step), group, variable, coordinates, at)
            if rng.random() < 0.1:
                rows.move_to(store)
        rows.finish(HOW)
        agrees(store, model)


def found_all(store: Any, model: dict[str, Any]) -> list[LedgerRow]:
    return list(found(store).of_urls(list(model))) if model else []


def agrees(store: Any, model: dict[str, tuple[str, str, Any, int]]) -> None:
    rows = found_all(store, {**model, "file:///unknown.tif": None})
    assert {
        each.url: (each.group, each.variable, each.coordinates, each.state.size) for each in rows
    } == model
    assert [each.number for each in rows] == list(range(len(model)))
    group: Any = zarr.open_group(store, path=LEDGER, mode="r")
    assert sorted(group["url"][:].tolist()) == sorted(model)
    places = {(g, v, c) for g, v, c, _ in model.values() if c is not None}
    at = found(store).at([*places, ("", "none", (1,))])
    assert sorted(each.url for each in at) == sorted(
        name for name, (g, v, c, _) in model.items() if (g, v, c) in places
    )
    counted = Counter((g, v) for g, v, c, _ in model.values() if c)
    files = group.attrs["files"]
    assert {(g, v): n for g, some in files.items() for v, n in some.items()} == counted
    segments = group["index"].attrs["segments"]
    assert sum(segments) == group["index"].shape[1]
    assert all(2 * b <= a or b <= 2 * ledger_index._CHUNK for a, b in pairwise(segments))


def test_entries_with_one_key_lie_in_several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows of a place have one key, and keys beside it are found nevertheless."""
    monkeypatch.setattr(ledger_index, "_CHUNK", 4)
    index = LedgerIndex(zarr.create_group(MemoryStore()))
    keys = [-(2**63), -5, *[3] * 40, 4, 2**63 - 1]
    pairs = np.array([keys, range(len(keys))])
    index.add([pairs[:, ::-1]], len(keys), rows=len(keys))
    for key in sorted(set(keys)):
        entries = index.find([key])
        assert sorted(entries[1].tolist()) == pairs[1, pairs[0] == key].tolist()
        assert set(entries[0].tolist()) == {key}
    assert index.find([2, 5]).shape == (2, 0)
    assert sorted(index.find(keys).T.tolist()) == pairs.T.tolist()


def test_other_rows_with_the_same_key_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two urls may by chance have one key."""
    monkeypatch.setattr(ledger, "key_of", lambda *_: 1)
    store = written(3)
    assert [each.number for each in found(store).of_urls([url(1)])] == [1]
    assert not list(found(store).of_urls(["other"]))
    assert [each.number for each in found(store).at([("", "", (2000,))])] == [2]


@pytest.mark.long
def test_removed_rows_are_not_verified(tmp_path: Path) -> None:
    files = [scene(tmp_path / f"{n}.tif", n) for n in range(5)]
    published = publish(files, tmp_path / "cube", concat="n")
    session = published.repository.writable_session("main")
    how, rows = ledger.read_ledger(session.store)
    gone = [files[n].as_uri() for n in (0, 4)]
    files[0].unlink()
    writer = ledger.LedgerRows(session.store, how.rows, 0)
    writer.remove([each.number for each in rows.of_urls(gone)])
    writer.finish(how)
    session.commit("two are removed")
    verification = verify(published.repository)
    assert verification.ok
    assert {source.url for source in verification.sources()} == {
        path.as_uri() for path in files[1:4]
    }


@pytest.mark.long
def test_names_of_groups_that_are_published(tmp_path: Path) -> None:
    """A new file's group is none that is published, above one, or within one."""
    first = [scene(tmp_path / "in" / name) for name in ("x/a.tif", "y/a.tif", "b.tif")]
    cube = tmp_path / "cube"
    publish(first, cube)
    for name, words in {
        "b.tif": "the group 'b' of another file",
        "x.tif": "the group 'x' of another file",
        "y.tif": "the group 'y' of another file",
    }.items():
        with pytest.raises(PublishError, match=words):
            publish([scene(tmp_path / "other" / name)], cube, append=True)
    below = [scene(tmp_path / "deep" / name) for name in ("b/c.tif", "d/c.tif")]
    with pytest.raises(PublishError, match="the group 'b/c' of another file"):
        publish(below, cube, append=True)
    fine = [scene(tmp_path / "fine" / name) for name in ("x/c.tif", "z/c.tif", "a.tif")]
    assert publish(fine, cube, append=True).files == 3


@pytest.mark.long
def test_a_position_that_has_a_file(tmp_path: Path) -> None:
    """Holes of a variable are filled, and other positions are refused."""
    icechunk.set_logs_filter("error")
    files = {
        name: scene(tmp_path / f"{name}.tif", seed)
        for seed, name in enumerate(["red_1", "red_2", "nir_1", "nir_2", "nir_3"])
    }
    cube = tmp_path / "cube"
    options: dict[str, Any] = {"variable": r"(red|nir)_", "append": True}

    def add(names: list[str], days: list[int]) -> Any:
        return publish(
            [files[n] for n in names], cube, concat="day", values={"day": days}, **options
        )

    assert add(["red_1", "red_2", "nir_1"], [1, 2, 1]).missing == 1
    with pytest.raises(PublishError, match="another file is published already at day 1"):
        add(["nir_2"], [1])
    assert add(["nir_2"], [2]).missing == 0
    assert add(["nir_3"], [3]).missing == 1
