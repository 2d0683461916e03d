"""What a truncated or damaged file lacks, in words."""

from __future__ import annotations

import pytest

from virtual_tiff.tiff.losses import Loss, truncation


def beyond(*parts: str, blocks: int = 0) -> list[Loss]:
    return [Loss(ifd=str(n), what=part, blocks=blocks) for n, part in enumerate(parts)]


def short(*parts: str) -> list[Loss]:
    return [Loss(ifd=str(n), what=part, blocks=1, short=True) for n, part in enumerate(parts)]


SIX = [f"{n} of 16 tiles of IFD {n}" for n in range(2, 8)]

SENTENCES = {
    "one part": (
        beyond("1 of 16 tiles of IFD 0"),
        "the file is truncated: 1 of 16 tiles of IFD 0 lies beyond its end (1,000 bytes)",
    ),
    "several blocks of one part": (
        beyond("12 of 16 tiles of IFD 0"),
        "the file is truncated: 12 of 16 tiles of IFD 0 lie beyond its end (1,000 bytes)",
    ),
    "a directory": (
        beyond("IFD 3"),
        "the file is truncated: IFD 3 lies beyond its end (1,000 bytes)",
    ),
    "two parts": (
        beyond("IFD 3", "the value of GeoAsciiParamsTag"),
        (
            "the file is truncated: IFD 3 and the value of GeoAsciiParamsTag lie beyond its end"
            " (1,000 bytes)"
        ),
    ),
    "six parts": (
        beyond(*SIX, blocks=2000),
        (
            f"the file is truncated: {', '.join(SIX[:5])} and 1 other part (2,000 strips or tiles)"
            " lie beyond its end (1,000 bytes)"
        ),
    ),
    "eight parts without blocks": (
        beyond(*[f"IFD {n}" for n in range(8)]),
        (
            "the file is truncated: IFD 0, IFD 1, IFD 2, IFD 3, IFD 4 and 3 other parts lie beyond"
            " its end (1,000 bytes)"
        ),
    ),
    "a short block": (
        short("1 of 16 tiles of IFD 0"),
        "byte counts are too small: 1 of 16 tiles of IFD 0 has fewer bytes than the pixels",
    ),
    "both": (
        [*short("2 of 9 strips of IFD 1"), *beyond("IFD 3")],
        (
            "the file is truncated: IFD 3 lies beyond its end (1,000 bytes); byte counts are too"
            " small: 2 of 9 strips of IFD 1 have fewer bytes than the pixels"
        ),
    ),
}


@pytest.mark.parametrize(("losses", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(losses: list[Loss], sentence: str) -> None:
    assert truncation(losses, 1000) == sentence
