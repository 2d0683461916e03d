"""Chunks of coordinates that a run knows, and those that no repository kept."""

from __future__ import annotations

import pytest

from virtual_tiff.publishing.reading.record import digest_of
from virtual_tiff.publishing.reading.spool import MissingDataError, Spool


def test_a_chunk_that_was_not_kept_is_named() -> None:
    """The file that has it is read again then."""
    with Spool(None) as spool:
        spool.add_data(b"kept")
        assert spool.data(digest_of(b"kept")) == b"kept"
        with pytest.raises(MissingDataError) as missing:
            spool.data(digest_of(b"lost"))
    assert missing.value.args == (digest_of(b"lost"),)
