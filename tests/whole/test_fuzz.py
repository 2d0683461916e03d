"""What fuzzing found stays mended, and a short run of each target finds nothing new."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from support.clock import soon

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "fuzz"))

from corpus import made  # noqa: E402 (a folder of scripts, no package)
from mutate import mutate  # noqa: E402
from targets import decode, targets  # noqa: E402

REGRESSIONS = sorted((ROOT / "fuzz" / "regressions").glob("*/*.*"))
OF_FILES = {"core", "store"}


@pytest.mark.long
@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_defect_that_was_found_stays_mended(path: Path) -> None:
    with soon(5):
        targets()[path.parent.name].run(path.read_bytes())


@pytest.mark.long
@pytest.mark.parametrize(("name", "number"), [("core", 400), ("store", 60)])
def test_changed_files_end_in_our_errors(name: str, number: int) -> None:
    target, rnd = targets()[name], Random(7)
    seeds = [data for _, data in made()]
    for _ in range(number):
        target.run(target.mutate(rnd.choice(seeds), rnd))


@pytest.mark.long
def test_changed_blocks_end_in_our_errors() -> None:
    rnd = Random(7)
    for name, target in targets().items():
        if name not in OF_FILES:
            seeds = target.seeds()
            for _ in range(15):
                decode(target.mutate(rnd.choice(seeds)[1], rnd))


def test_every_codec_of_ours_is_a_target() -> None:
    from importlib.metadata import distribution

    entries = distribution("virtual-tiff").entry_points.select(group="zarr.codecs")
    ours = {entry.name for entry in entries}
    # the guard stands around all the others
    tried = {name.removeprefix("codec:") for name in targets()} | {"virtual_tiff.guard"}
    assert ours <= tried


def test_the_mutator_is_the_same_for_the_same_seed() -> None:
    (_, data), *_ = made()
    assert [mutate(data, Random(n)) for n in range(20)] == [
        mutate(data, Random(n)) for n in range(20)
    ]
    assert len({mutate(data, Random(n)) for n in range(100)}) > 90
