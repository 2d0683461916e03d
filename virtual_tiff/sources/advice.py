"""What a user can do about the refusals and failures of stores: one table.

A row says for which kinds of store, which statuses, and what was done its sentence is right. All
rows that match are said, in the order of the table. Where the status is missing, as in the errors
of Icechunk, it is taken from the code of the answer (`AccessDenied`).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

__all__ = ["NO_CREDENTIALS", "Deed", "advice_on", "status_of"]

type Deed = Literal["read", "list", "open"]
"""What was done: files were read or listed, or a repository was opened or written to."""

BAD_PROFILE = -5
BROKEN = -4
NO_REGION = -3
NO_LOGIN = -2
NO_CREDENTIALS = -1
NO_ANSWER = 0
IGNORED_RANGE = 200
"""Statuses: a profile of AWS cannot be read; the connection broke in the middle of an answer;
nothing says which region a request is for; a provider of credentials has failed; there is nothing
to sign a request with; no server has answered; the server has sent the whole file."""


class Row(NamedTuple):
    """A sentence, and when it is right."""

    kinds: tuple[str, ...]
    """As `kind_of` has them."""
    statuses: tuple[int, ...]
    deeds: tuple[Deed, ...]
    words: str


_CLOUDS = ("s3", "gs", "az")
_REMOTE = (*_CLOUDS, "http")
_REFUSED = (401, 403)
_SOURCES: tuple[Deed, ...] = ("read", "list")
_ALL: tuple[Deed, ...] = ("read", "list", "open")

ADVICE: tuple[Row, ...] = (
    Row(
        ("s3",),
        (NO_CREDENTIALS,),
        _SOURCES,
        "set AWS_PROFILE or AWS_ACCESS_KEY_ID",
    ),
    Row(
        ("gs",),
        (NO_CREDENTIALS,),
        _SOURCES,
        "set GOOGLE_APPLICATION_CREDENTIALS, or log in by gcloud auth application-default login",
    ),
    Row(
        ("az",),
        (NO_CREDENTIALS,),
        _SOURCES,
        "set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_SECRET",
    ),
    Row(
        _CLOUDS,
        (NO_CREDENTIALS,),
        _SOURCES,
        "for public data give --anonymous (store option skip_signature=true)",
    ),
    Row(
        _CLOUDS,
        (NO_LOGIN,),
        _ALL,
        "check the login of the program that gives the credentials",
    ),
    Row(
        ("s3",),
        _REFUSED,
        _SOURCES,
        "check the credentials (for public data: skip_signature=true), the region, and whether"
        " the reader pays (request_payer=true)",
    ),
    Row(
        ("s3",),
        _REFUSED,
        ("read",),
        "S3 answers the same for an object that does not exist if you may not list the bucket",
    ),
    Row(
        ("gs",),
        _REFUSED,
        _SOURCES,
        "check the credentials (GOOGLE_APPLICATION_CREDENTIALS; for public data:"
        " skip_signature=true) and the bucket",
    ),
    Row(
        ("az",),
        _REFUSED,
        _SOURCES,
        "check the credentials (AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or"
        " AZURE_STORAGE_SAS_TOKEN; for public data: skip_signature=true) and the container",
    ),
    Row(
        ("http",),
        _REFUSED,
        _SOURCES,
        "the server wants a login, or does not give this file to everybody; give the store option"
        " bearer_token or default_headers, which each reader needs too, as they are never saved",
    ),
    Row(
        ("file",),
        _REFUSED,
        _SOURCES,
        "check the permissions of the file and of the directories above it",
    ),
    Row(
        ("s3",),
        (NO_CREDENTIALS, *_REFUSED),
        ("open",),
        "check the credentials of the repository (AWS_PROFILE, or AWS_ACCESS_KEY_ID with"
        " AWS_SECRET_ACCESS_KEY), AWS_REGION and AWS_ENDPOINT_URL; they must be allowed to read,"
        " list and, for a publisher, write below its prefix",
    ),
    Row(
        ("gs",),
        (NO_CREDENTIALS, *_REFUSED),
        ("open",),
        "check the credentials of the repository (GOOGLE_APPLICATION_CREDENTIALS)",
    ),
    Row(
        ("az",),
        (NO_CREDENTIALS, *_REFUSED),
        ("open",),
        "check the credentials of the repository (AZURE_STORAGE_ACCOUNT_NAME with"
        " AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN)",
    ),
    Row(
        ("s3",),
        (NO_CREDENTIALS,),
        ("open",),
        "for a public repository set AWS_SKIP_SIGNATURE=true",
    ),
    Row(
        ("gs",),
        (NO_CREDENTIALS,),
        ("open",),
        "for a public repository set GOOGLE_SKIP_SIGNATURE=true",
    ),
    Row(
        ("az",),
        (NO_CREDENTIALS,),
        ("open",),
        "for a public repository set AZURE_SKIP_SIGNATURE=true",
    ),
    Row(
        ("s3",),
        (BAD_PROFILE,),
        ("open",),
        "check AWS_PROFILE, and the file of its profile (AWS_CONFIG_FILE)",
    ),
    Row(
        _REMOTE,
        _REFUSED,
        ("list",),
        "if you may read the files and not list them, give their urls as @list.txt",
    ),
    Row(
        ("s3",),
        (301,),
        _ALL,
        "the bucket is in another region: set AWS_REGION, or the store option region",
    ),
    Row(
        ("s3",),
        (NO_REGION,),
        _ALL,
        "set AWS_REGION, as to us-east-1",
    ),
    Row(
        _CLOUDS,
        (NO_CREDENTIALS, NO_REGION, 301, *_REFUSED),
        ("open",),
        "store options are for the files; only virtual-tiff info takes them for the repository",
    ),
    Row(
        ("s3",),
        (400,),
        _ALL,
        "check the region and the endpoint, and whether temporary credentials have expired",
    ),
    Row(
        ("gs", "az"),
        (400,),
        _ALL,
        "check the names of the bucket and the account, the endpoint, and the form of the"
        " credentials",
    ),
    Row(
        ("s3",),
        (404,),
        ("open",),
        "there is no such bucket; check its name and AWS_ENDPOINT_URL",
    ),
    Row(
        _CLOUDS,
        (404,),
        ("list",),
        "there is no such bucket or container; check its name and the endpoint",
    ),
    Row(
        _CLOUDS,
        (405, 501),
        ("list",),
        "if the store cannot list, give the urls of the files as @list.txt",
    ),
    Row(
        ("http",),
        (NO_ANSWER, 301, 400, 405, 406, 415, 500, 501, 502),
        ("list",),
        "the server does not list its files (by WebDAV); name each file, or give a list of their"
        " urls as @list.txt",
    ),
    Row(
        ("s3", "http"),
        (IGNORED_RANGE,),
        ("read",),
        "the server ignores ranges, so no reader could read a part of the file",
    ),
    Row(
        _REMOTE,
        (429, 503),
        _ALL,
        "the store has more requests than it takes, and refused the same one several times; run"
        " this again later",
    ),
    Row(
        _REMOTE,
        (500, 502, 504),
        ("read", "open"),
        "the server is at fault, several times; run this again later",
    ),
    Row(
        _CLOUDS,
        (BROKEN,),
        ("open",),
        "the connection broke while the answer was sent, and nothing is lost; run this again",
    ),
    Row(
        _CLOUDS,
        (NO_ANSWER,),
        _ALL,
        "no server answers: check the network, the endpoint and the region",
    ),
    Row(
        ("http",),
        (NO_ANSWER,),
        ("read",),
        "no server answers: check the network and the name of the host",
    ),
)


def advice_on(kind: str, status: int | None, deed: Deed) -> str:
    """Return what a user can do, in words; empty where nothing is known."""
    rows = (
        row.words
        for row in ADVICE
        if kind in row.kinds and status in row.statuses and deed in row.deeds
    )
    return "; ".join(rows)


_STATUS = re.compile(r"status code: (\d{3})\b")
_CODE = re.compile(
    "(?P<s403>AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|AllAccessDisabled|Forbidden)"
    "|(?P<s400>ExpiredToken|InvalidToken|AuthorizationHeaderMalformed)"
    "|(?P<s301>PermanentRedirect|redirect without LOCATION)"
    "|(?P<s503>SlowDown|TooManyRequests|ServiceUnavailable|ServerBusy)"
    "|(?P<s500>InternalError)"
    "|(?P<s404>NoSuchBucket)"
    "|(?P<s200>[Rr]ange request not supported|non-partial response when range requested)"
    "|(?P<s0>error sending request|dispatch failure|dns error|[Cc]onnection refused)"
)
"""Words of a store that has no status, or that knows better than its status."""


_SENTENCES = {
    "credential provider:": NO_LOGIN,
    "was not properly configured": BAD_PROFILE,
    "no providers in chain": NO_CREDENTIALS,
    "failed to load IMDS session token": NO_CREDENTIALS,
    "an error occurred while loading credentials": NO_LOGIN,
    # the last place where Google's and Azure's are looked for
    "Error performing token request: Error performing GET http://169.254.169.254/": NO_CREDENTIALS,
    "region must be set": NO_REGION,
    "reading a body from connection": BROKEN,
}
"""Words of a store that say more than the status after them."""


def status_of(text: str) -> int | None:
    """Return the status that an error of a store tells of; None if it tells of none."""
    for words, status in _SENTENCES.items():  # and then "dispatch failure", with nothing sent
        if words in text:
            return status
    if match := _STATUS.search(text):
        return int(match[1])
    match = _CODE.search(text)
    return int(match.lastgroup[1:]) if match and match.lastgroup else None
