"""Let atheris look for what a target does not bear: `python fuzz/coverage_guided.py core`.

Arguments behind the target are libFuzzer's, as `-max_total_time=600 -seed=1`. It starts from
the corpus of `corpus.py`, or from blocks of it for a codec, and mixes our mutator with its own.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["virtual_tiff"]):
    from targets import targets

    import virtual_tiff.codecs.rows.ccitt
    import virtual_tiff.parser  # noqa: F401 (what is to be watched)


def main() -> None:
    """Run from the command line."""
    target = targets()[sys.argv.pop(1)]

    def mix(data: bytes, most: int, seed: int) -> bytes:
        if seed % 2 and len(data) >= 16:
            return target.mutate(data, Random(seed))[:most]
        return atheris.Mutate(data, most)

    def run(data: bytes) -> None:
        if len(data) > 2:
            target.run(data)

    with tempfile.TemporaryDirectory() as folder:
        for number, (_, data) in enumerate(target.seeds()):
            (Path(folder) / str(number)).write_bytes(data)
        arguments = [sys.argv[0], folder, "-max_len=40000", "-timeout=20", "-rss_limit_mb=3000"]
        atheris.Setup([*arguments, *sys.argv[1:]], run, custom_mutator=mix)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
