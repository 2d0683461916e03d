"""The workflows of docs/interoperability.md, and that its table has all of them."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from support.workflows import WORKFLOWS, Workflow, prepare

pytestmark = pytest.mark.long

DOCUMENT = Path(__file__).parents[2] / "docs" / "interoperability.md"
HERE = [row for row in WORKFLOWS if row.run is not None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workflows")
    prepare(folder)
    return folder


@pytest.mark.parametrize("row", HERE, ids=[f"{row.kind}-{row.name}" for row in HERE])
def test_a_workflow(row: Workflow, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if row.fails is not None:
            with pytest.raises((TypeError, NotImplementedError, ValueError, KeyError)):
                row.fails(folder)
        assert row.run is not None
        row.run(folder)


def test_the_table_has_all_rows() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [row.name for row in WORKFLOWS if f"| {row.name} |" not in text] == []
