"""Lines of progress, where there is no terminal."""

from __future__ import annotations

import pytest

from virtual_tiff.cli import common
from virtual_tiff.cli.common import ProgressLines


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(common, "time", clock)
    show = ProgressLines("finding files")
    printed = []
    for seconds, state in [
        (3, {"completed": 1000}),
        (8, {"completed": 3000}),
        (1, {"completed": 0, "total": 4000, "task": "reading", "note": "0 references"}),
        (9, {"completed": 1000, "total": 4000, "task": "reading", "note": "9,000 references"}),
        (9, {"completed": 1900, "total": 4000, "task": "reading"}),
        (91, {"completed": 2000, "total": 4000, "task": "reading"}),
        (9_890, {"completed": 3000, "total": 4000, "task": "reading"}),
    ]:
        clock.now += seconds
        show(**state)  # type: ignore[arg-type]
        printed.append(capsys.readouterr().err.strip().removeprefix("virtual-tiff: "))
    assert printed == [
        "",
        "finding files: 3,000",
        "",
        "reading: 1,000 of 4,000, 9,000 references, about 27 s left",
        "",
        "reading: 2,000 of 4,000, about 2 min left",
        "reading: 3,000 of 4,000, about 56 min left",
    ]
