"""Let two publishers meet, and kill publishers while they write, as often as asked.

usage: python scripts/race_publishers.py --trials 100 --kills 100

The suite does the same a few times (`tests/publishing/test_races.py`).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import races


def main() -> None:
    """Print how the trials ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="of two publishers at once")
    parser.add_argument("--kills", type=int, default=100, help="most of them while appending")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = races.scenes(folder / "scenes", 40)
        ends: Counter[tuple[str, ...]] = Counter()
        with races.Publishers() as publishers:
            for i in range(options.trials):
                kind = races.KINDS[i % len(races.KINDS)]
                place = folder / f"trial-{i}"
                ends[kind, *races.trial(kind, files, place, chance, publishers)] += 1
        for (kind, *states), count in sorted(ends.items()):
            print(f"{kind:24} {' and '.join(states):28} {count}")
        for title, how in _KILLS.items():
            (place := folder / title.replace(" ", "-")).mkdir()
            found = races.kills(
                -(-options.kills // len(_KILLS)), files, place, seed=options.seed, **how
            )
            print(
                f"killed, {title}: {found[0]}, in the write phase"
                f" {found[1]}: {found[2]} left the old state, {found[3]} the new one",
                flush=True,
            )


_KILLS: dict[str, dict[str, Any]] = {
    "new": {"half": False},
    "append": {"half": True},
    "append in batches": {"half": True, "batch": 18},
    "append with two workers": {"half": True, "batch": 18, "workers": 2},
    "append in batches, resumed and killed again": {"half": True, "batch": 18, "resumed": True},
}


if __name__ == "__main__":
    main()
