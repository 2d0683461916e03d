"""Change files at random and try them: `python fuzz/run.py core --number 10000 --seed 1`.

Prints one line of JSON; findings are written to `--findings`. A finding is an error outside
the error classes, a try of more than two seconds, or a process that dies: the file that was
tried last then lies in `<findings>/last`.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from corpus import corpus
from targets import targets

_SLOW = 2.0
_HANG = 20


class HangError(BaseException):
    """A try that does not end."""


def _on_alarm(*_: object) -> None:
    raise HangError


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "virtual_tiff" in frame.filename] or frames
    return f"{type(error).__name__} {Path(own[-1].filename).name}:{own[-1].lineno}"


def fuzz(
    name: str,
    number: int,
    seed: int,
    findings: Path | None,
    *,
    more: str = "",
    seconds: float = 1e9,
) -> dict[str, Any]:
    """Try a target with `number` changed files, or for some seconds; return the figures."""
    target = targets()[name]
    seeds = [data for _, data in (corpus(more=more) if more else target.seeds())]
    rnd = Random(seed)
    counts: Counter[str] = Counter()
    found: Counter[str] = Counter()
    worst, start = 0.0, time.monotonic()
    signal.signal(signal.SIGALRM, _on_alarm)
    last = None
    if findings is not None:
        findings.mkdir(parents=True, exist_ok=True)
        last = (findings / f"last-{name.replace(':', '-')}-{seed}").open("w+b", buffering=0)
    for tried in range(number):
        if time.monotonic() - start > seconds:
            number = tried
            break
        data = target.mutate(rnd.choice(seeds), rnd)
        if last is not None:
            last.seek(0)
            last.truncate()
            last.write(data)
        begin = time.process_time()
        kind = ""
        signal.alarm(_HANG)
        try:
            counts["read" if target.run(data) else "refused"] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            kind = _where(error)
            text = "".join(traceback.format_exception(error))
        finally:
            signal.alarm(0)
        took = time.process_time() - begin
        worst = max(worst, took)
        if not kind and took > _SLOW:
            kind, text = "slow", f"{took:.1f} s"
        if kind:
            found[kind] += 1
            if findings is not None and found[kind] <= 3:
                stem = kind.replace(" ", "-").replace(":", "-") + f"-{seed}-{found[kind]}"
                (findings / f"{name.replace(':', '-')}-{stem}.bin").write_bytes(data)
                (findings / f"{name.replace(':', '-')}-{stem}.txt").write_text(text)
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    figures = {"target": name, "seed": seed, "tried": number, **counts, "findings": dict(found)}
    seconds = round(time.monotonic() - start)
    return figures | {"worst_s": round(worst, 2), "peak_mb": usage, "seconds": seconds}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="core, store, codec:<name>, or all")
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9, help="for each target")
    parser.add_argument("--more", default="", help="a folder with further files to change")
    parser.add_argument("--findings", type=Path, default=None)
    arguments = parser.parse_args()
    # what a machine can give is no excuse: an allocation beyond this is a finding
    resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
    names = list(targets()) if arguments.target == "all" else [arguments.target]
    bad = 0
    for name in names:
        figures = fuzz(
            name,
            arguments.number,
            arguments.seed,
            arguments.findings,
            more=arguments.more if not name.startswith("codec:") else "",
            seconds=arguments.seconds,
        )
        bad += len(figures["findings"])
        print(json.dumps(figures), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
