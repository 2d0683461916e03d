"""Publish random archives in every layout, and compare each cube with GDAL.

    python scripts/try_archives.py --archives 10000 --seed 0 --processes 2

The truth is computed without the package (`tests/support/archives.py`), the cubes are read in a
process that cannot import it. Prints how many were right, how many were refused and why, and
each that was wrong; exit status 1 if any was. A number of the output is a seed:
`--archives 1 --seed N` makes it again, and `--keep` leaves its files.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import icechunk

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.archive_judge import Readers, Verdict, judge_many, summary

BATCH = 50


def _batch(first: int, count: int, folder: Path) -> Verdict:
    icechunk.set_logs_filter("error")
    warnings.simplefilter("ignore")
    with Readers() as readers:
        return judge_many(range(first, first + count), folder, readers)


def main() -> int:
    """Run as many archives as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archives", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first archive")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="leave the files of wrong ones")
    options = parser.parse_args()
    shared = Path("/dev/shm")  # memory, where there is such a folder
    folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    total, done = Verdict(), 0
    starts = range(options.seed, options.seed + options.archives, BATCH)
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        end = options.seed + options.archives
        futures = [pool.submit(_batch, s, min(BATCH, end - s), folder) for s in starts]
        for future in as_completed(futures):
            verdict = future.result()
            total.add(verdict)
            done += BATCH
            for wrong in verdict.wrong:
                print(f"\rwrong: {wrong}", file=sys.stderr)
            print(f"\r{min(done, options.archives)} of {options.archives},"
                  f" {len(total.wrong)} wrong", end="", file=sys.stderr, flush=True)  # fmt: skip
    print(file=sys.stderr)
    print(summary(total, options.archives))
    if options.keep:
        print(f"files: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
