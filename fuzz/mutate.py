"""Changes to a TIFF that know where its structure is.

A byte changed anywhere mostly hits pixels. So the directories are found first, by a reader
that believes nothing and shares no code with the one under test; then a tag, a field type, a
count, a value, an offset, or a link of the chain is changed to something that is likely to be
wrong in an interesting way. Standard library alone, and the same for the same `Random`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

__all__ = ["mutate"]

_TAGS = [
    *(254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 280, 281, 282, 284),
    *(292, 293, 305, 306, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 512, 513, 514, 515),
    *(519, 520, 521, 529, 530, 532, 700, 32997, 32998, 33432, 33550, 33922, 34264, 34675, 34735),
    *(34736, 34737, 42112, 42113, 50674, 50844, 50909, 50908, 65000),
]
_COMPRESSIONS = [
    *(1, 2, 3, 4, 5, 6, 7, 8, 32766, 32771, 32773, 32809, 32909, 32946, 33003, 33005, 34676),
    *(34677, 34712, 34887, 34892, 34925, 34933, 50000, 50001, 50002, 52546, 65000, 65001),
]
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_EDGES = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257]
_EDGES += [
    2**n + d for n in (10, 12, 15, 16, 20, 24, 28, 31, 32, 40, 48, 62, 63, 64) for d in (-1, 0)
]
_MOST_DIRECTORIES = 64
_MOST_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class _Form:
    """Byte order and widths of a variant."""

    order: str
    big: bool

    @property
    def word(self) -> int:
        return 8 if self.big else 4

    @property
    def entry(self) -> int:
        return 20 if self.big else 12

    @property
    def begin(self) -> int:
        """Bytes of the number of entries."""
        return 8 if self.big else 2

    def read(self, data: bytearray, at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], self.order)  # type: ignore[arg-type]

    def write(self, data: bytearray, at: int, size: int, number: int) -> None:
        if at >= 0 and at + size <= len(data):
            data[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, self.order)  # type: ignore[arg-type]


@dataclass(slots=True)
class _Map:
    """Where the parts of a file lie."""

    form: _Form
    directories: list[int]
    entries: list[int]
    """Offset of each entry of every directory."""
    links: list[int]
    """Offset of each pointer to a directory."""


def _map(data: bytearray) -> _Map:
    form = _Form("big" if data[:2] == b"MM" else "little", b"\x2b" in data[2:4])
    first = 8 if form.big else 4
    found = _Map(form, [], [], [first])
    waiting = [form.read(data, first, form.word)]
    while waiting and len(found.directories) < _MOST_DIRECTORIES:
        at = waiting.pop()
        if not 8 <= at < len(data) or at in found.directories:
            continue
        found.directories.append(at)
        count = min(form.read(data, at, form.begin), _MOST_ENTRIES)
        for number in range(count):
            entry = at + form.begin + number * form.entry
            found.entries.append(entry)
            if form.read(data, entry, 2) == 330:
                where = entry + form.entry - form.word
                found.links.append(where)
                waiting.append(form.read(data, where, form.word))
        link = at + form.begin + count * form.entry
        found.links.append(link)
        waiting.append(form.read(data, link, form.word))
    return found


def _number(rnd: Random, data: bytearray, found: _Map) -> int:
    """Return a number that is likely to be one too many."""
    choice = rnd.random()
    if choice < 0.5:
        return rnd.choice(_EDGES)
    if choice < 0.6:
        return len(data) + rnd.randrange(-40, 40)
    if choice < 0.75 and found.directories:
        return rnd.choice(found.directories) + rnd.choice([0, 0, 0, 1, 2, 12, -2, -12])
    if choice < 0.9:
        return rnd.randrange(len(data) + 1)
    return rnd.getrandbits(rnd.choice([8, 16, 32, 64]))


type _Change = Callable[[Random, bytearray, _Map], None]


def _entry(rnd: Random, found: _Map) -> int:
    return rnd.choice(found.entries) if found.entries else 8


def _tag(rnd: Random, data: bytearray, found: _Map) -> None:
    found.form.write(data, _entry(rnd, found), 2, rnd.choice(_TAGS))


def _type(rnd: Random, data: bytearray, found: _Map) -> None:
    code = rnd.choice([*_SIZES, *_SIZES, 0, 14, 15, 19, 255, 65535])
    found.form.write(data, _entry(rnd, found) + 2, 2, code)


def _count(rnd: Random, data: bytearray, found: _Map) -> None:
    form, at = found.form, _entry(rnd, found) + 4
    old = form.read(data, at, form.word)
    number = rnd.choice([old - 1, old + 1, old * 2, old // 2, _number(rnd, data, found)])
    form.write(data, at, form.word, number)


def _value(rnd: Random, data: bytearray, found: _Map) -> None:
    """Change what the value field holds: a number, or the offset of many."""
    form, entry = found.form, _entry(rnd, found)
    size = min(_SIZES.get(form.read(data, entry + 2, 2), 1), form.word)
    if form.read(data, entry, 2) == 259 and rnd.random() < 0.8:
        form.write(data, entry + form.entry - form.word, size, rnd.choice(_COMPRESSIONS))
        return
    if rnd.random() < 0.3:
        size = form.word
    form.write(data, entry + form.entry - form.word, size, _number(rnd, data, found))


def _values(rnd: Random, data: bytearray, found: _Map) -> None:
    """Change one of the values that lie elsewhere."""
    form, entry = found.form, _entry(rnd, found)
    size = _SIZES.get(form.read(data, entry + 2, 2), 1)
    count = form.read(data, entry + 4, form.word)
    start = form.read(data, entry + form.entry - form.word, form.word)
    if count * size <= form.word or start >= len(data):
        _value(rnd, data, found)
        return
    at = start + rnd.randrange(min(count, 1 << 16)) * size
    if size == 8 and rnd.random() < 0.3:
        special = rnd.choice([float("nan"), float("inf"), 1e308, -0.0, 5e-324])
        if at + 8 <= len(data):
            struct.pack_into((">" if form.order == "big" else "<") + "d", data, at, special)
        return
    form.write(data, at, size, _number(rnd, data, found))


def _link(rnd: Random, data: bytearray, found: _Map) -> None:
    form = found.form
    form.write(data, rnd.choice(found.links), form.word, _number(rnd, data, found))


def _entry_count(rnd: Random, data: bytearray, found: _Map) -> None:
    form = found.form
    if found.directories:
        at = rnd.choice(found.directories)
        old = form.read(data, at, form.begin)
        number = rnd.choice([old - 1, old + 1, 0, _number(rnd, data, found)])
        form.write(data, at, form.begin, number)


def _copy_entry(rnd: Random, data: bytearray, found: _Map) -> None:
    """Put one entry over another: a tag twice, a tag gone, a value of another kind."""
    size, source, target = found.form.entry, _entry(rnd, found), _entry(rnd, found)
    if max(source, target) + size <= len(data):
        data[target : target + size] = data[source : source + size]


def _swap_values(rnd: Random, data: bytearray, found: _Map) -> None:
    """Exchange what two entries hold, and leave their tags."""
    size, one, two = found.form.entry - 2, _entry(rnd, found) + 2, _entry(rnd, found) + 2
    if max(one, two) + size <= len(data):
        first, second = bytes(data[one : one + size]), bytes(data[two : two + size])
        data[one : one + size], data[two : two + size] = second, first


def _bytes(rnd: Random, data: bytearray, _: _Map) -> None:
    for _number_of in range(rnd.choice([1, 1, 2, 8, 32])):
        data[rnd.randrange(len(data))] = rnd.choice([0, 1, 127, 128, 255, rnd.randrange(256)])


def _cut(rnd: Random, data: bytearray, found: _Map) -> None:
    marks = [*found.entries, *found.directories, *found.links]
    near = rnd.choice(marks) + rnd.randrange(-4, 20) if marks and rnd.random() < 0.5 else None
    del data[max(0, rnd.randrange(len(data)) if near is None else near) :]


def _insert(rnd: Random, data: bytearray, _: _Map) -> None:
    at = rnd.randrange(len(data))
    data[at:at] = rnd.randbytes(rnd.choice([1, 2, 4, 12]))


def _repeat(rnd: Random, data: bytearray, found: _Map) -> None:
    """Append a copy of a directory, and chain it."""
    form = found.form
    if found.directories and len(data) < 1 << 20:
        at = rnd.choice(found.directories)
        size = form.begin + form.read(data, at, form.begin) % 300 * form.entry + form.word
        form.write(data, rnd.choice(found.links), form.word, len(data))
        data += data[at : at + size]


def _variant(rnd: Random, data: bytearray, _: _Map) -> None:
    """Say that the file is of another variant than it is."""
    starts = [b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"]
    start = rnd.choice(starts)
    data[: len(start)] = start


_CHANGES: list[tuple[_Change, int]] = [
    (_value, 24),
    (_values, 16),
    (_count, 14),
    (_type, 8),
    (_tag, 8),
    (_link, 5),
    (_entry_count, 4),
    (_copy_entry, 4),
    (_swap_values, 4),
    (_bytes, 8),
    (_repeat, 3),
    (_cut, 3),
    (_insert, 2),
    (_variant, 1),
]
_FUNCTIONS = [change for change, _ in _CHANGES]
_WEIGHTS = [weight for _, weight in _CHANGES]


def mutate(data: bytes, rnd: Random) -> bytes:
    """Return a file with one to eight changes."""
    changed = bytearray(data)
    for change in rnd.choices(_FUNCTIONS, _WEIGHTS, k=rnd.choice([1, 1, 1, 2, 2, 3, 5, 8])):
        if len(changed) < 16:
            break
        change(rnd, changed, _map(changed))
    return bytes(changed)
