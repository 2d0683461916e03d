"""Kinds of credentials by store, and which command does with each of them: the documents' table.

`tests/publishing/test_credential_cases.py` does all of it; `scripts/make_credentials_table.py`
makes the table of `docs/how-to/credentials.md` of these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

type Answer = Literal["yes", "environment", "no"]
"""yes: it works with these credentials alone. environment: with keys in the environment beside.
no: it fails."""

COMMANDS = ("publish", "append", "open_published", "printed lines", "verify", "info", "repository")
"""All but the last are of files in the store; the last is of a repository there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of credentials."""

    store: str
    kind: str
    words: str
    """What the documents call it."""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """By command; yes where it is missing."""

    def answer(self, command: str) -> Answer:
        return self.answers.get(command, "yes")


_OF_FILES: Mapping[str, Answer] = {"printed lines": "environment", "repository": "environment"}
_FUNCTION: Mapping[str, Answer] = {**_OF_FILES, "info": "no"}
_PUBLIC: Mapping[str, Answer] = {"repository": "environment"}
_READ_ONLY: Mapping[str, Answer] = {"repository": "no"}

CASES = (
    Case(store="s3", kind="option", words="keys by option", answers=_OF_FILES),
    Case(store="s3", kind="environment", words="`AWS_ACCESS_KEY_ID` and others"),
    Case(store="s3", kind="profile", words="`AWS_PROFILE`, extra `aws`"),
    Case(store="s3", kind="process", words="`credential_process` of a profile, extra `aws`"),
    Case(store="s3", kind="provider", words="`credential_provider`", answers=_FUNCTION),
    Case(store="s3", kind="anonymous", words="none, public files", answers=_PUBLIC),
    Case(store="az", kind="option", words="`account_key` by option", answers=_OF_FILES),
    Case(store="az", kind="environment", words="`AZURE_STORAGE_ACCOUNT_KEY`"),
    Case(store="az", kind="sas option", words="`sas_token` by option", answers=_OF_FILES),
    Case(store="az", kind="sas", words="`AZURE_STORAGE_SAS_TOKEN`"),
    Case(store="az", kind="provider", words="`credential_provider`", answers=_FUNCTION),
    Case(store="az", kind="anonymous", words="none, public files", answers=_PUBLIC),
    Case(
        store="gs",
        kind="option",
        words="`bearer_token` by option",
        answers={**_OF_FILES, "repository": "no"},
    ),
    Case(store="gs", kind="environment", words="`GOOGLE_BEARER_TOKEN`", answers=_READ_ONLY),
    Case(
        store="gs",
        kind="provider",
        words="`credential_provider`",
        answers={**_FUNCTION, "repository": "no"},
    ),
    Case(store="gs", kind="anonymous", words="none, public files", answers=_READ_ONLY),
    Case(
        store="http",
        kind="option",
        words="`bearer_token` or `default_headers`",
        answers={"printed lines": "environment", "repository": "no"},
    ),
    Case(store="http", kind="anonymous", words="none, public files", answers=_READ_ONLY),
)
