"""Secrets in urls: `secret_in` finds them, `redacted` hides them, `scrubbed` cleans errors.

A url may carry a password (`https://me:…@host`) or a signature in its query (S3, Google, Azure,
CloudFront, any token). Whoever reads a message, a warning, a traceback, a log or a published
reference would have it. So nothing is published with one, and each text that leaves the package
passes `redacted`. Errors of other packages hold urls too, and a traceback prints an error's
causes along with it: `scrubbed` cleans the whole chain where such an error becomes one of ours.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

__all__ = ["redacted", "scrubbed", "secret_in"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/{2,}[^\s\"'<>`]+")
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:(?!: |…[ ,;:.)]|[\"'\n])[\s\S])+")
"""A text that is one url and no sentence, which may begin with a url that is redacted already."""
_END = re.compile(r"[)\]},;:.!]*$")
"""Characters that end the sentence around a url, and are no part of the url."""

_SUSPECT = re.compile(r"[@?#]|://[^/]*:")
"""Each url with a secret has one of these: `@`, a query, a fragment, or something like a port."""

_WEB = ("http", "https")
_AZURE = ("abfs", "abfss")
"""In abfs://container@account.dfs… the first part is no user."""

_NAMES = (
    r"x-(?:amz|goog|ms|oss|cos|obs)-[\w-]+|aws_?access_?key_?id|google_?access_?id|"
    r"(?:aws_)?secret[\w-]*|key-pair-id|policy|signature|sig|hmac|sas(?:[_-]?token)?|"
    r"(?:[a-z]+[_-])*token|(?:[\w-]+[_-])?api[_-]?key|(?:subscription|account|access|auth)[_-]?key|"
    r"pass(?:word|wd|phrase)?|pwd|credentials?|authorization|auth|jwt|bearer|client[_-]secret|"
    r"hdn(?:ea|ts|tl)|__token__|session[_-]?(?:id|token)"
)
"""Names of parameters that carry secrets, of all services that were looked at."""
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
_SETTING = re.compile(
    rf"(?<![\w/.-])((?:{_NAMES})[\"']?\s*(?:=|%3D)\s*[\"']?)([^\s&\"'<>]+)", re.IGNORECASE
)
"""A parameter outside of a url: a part of one, or an option of a store."""


def secret_in(url: str) -> str | None:
    """Return what of a url may be a secret, in words; None if nothing is."""
    if _SUSPECT.search(url) is None:
        return None
    match = _URL.search(url)  # a blank before it, or /vsicurl/, makes it no less a url
    if match is None:
        return None
    url = url[match.start() :]
    scheme = match[1].lower()
    host, rest = _host_and_rest(url)
    user, at, _ = host.rpartition("@")
    if (at and (scheme not in _AZURE or ":" in user)) or _bad_port(host, scheme):
        return "user name or password"
    query, fragment = _query_and_fragment(rest)
    if scheme in _WEB and query:
        return "query, which may be a signature"
    # the key of an object may hold ? and #
    return "signature or token" if _names_secret(query) or _names_secret(fragment) else None


def redacted(text: str) -> str:
    """Return a url, or a text with urls in it, without what may be a signature or a password."""
    if "://" in text:
        name = _NAME.fullmatch(text)  # with a blank in it, maybe within a password
        text = _shown(text, name[1]) if name else _URL.sub(_redacted_url, text)
    return _SETTING.sub(r"\1…", text) if "=" in text or "%3" in text else text


def scrubbed[E: BaseException](error: E) -> E:
    """Return an error of another package without secrets, nor in what it was raised from.

    It is changed in place: also the error that Python keeps as its context is printed.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        _clean(one)
    return error


def _clean(error: BaseException) -> None:
    args = tuple(redacted(arg) if isinstance(arg, str) else arg for arg in error.args)
    if args != error.args:
        error.args = args
    notes = getattr(error, "__notes__", None)
    if notes:
        notes[:] = [redacted(str(note)) for note in notes]
    if isinstance(error, OSError):  # these say their file beside their words
        for name in ("filename", "filename2"):
            value = getattr(error, name)
            if isinstance(value, str) and redacted(value) != value:
                setattr(error, name, redacted(value))


def _redacted_url(match: re.Match[str]) -> str:
    end = _END.search(match[0])
    tail = end[0] if end is not None else ""
    return _shown(match[0].removesuffix(tail), match[1]) + tail


def _shown(url: str, scheme: str) -> str:
    if secret_in(url) is None:
        return url
    host, rest = _host_and_rest(url)
    if _bad_port(host, scheme.lower()):  # a password with / ? or #: its end cannot be told
        return f"{scheme}://…"
    if scheme.lower() not in _AZURE or ":" in host.partition("@")[0]:
        host = host.rpartition("@")[2]
    query, fragment = _query_and_fragment(rest)
    cut = len(rest) - len(fragment) - (1 if fragment else 0) - len(query) - (1 if query else 0)
    return f"{scheme}://{host}{rest[:cut]}{'?…' if query or fragment else ''}"


def _host_and_rest(url: str) -> tuple[str, str]:
    host = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    return host, url.partition("://")[2][len(host) :]


def _bad_port(host: str, scheme: str) -> bool:
    port = host.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    return scheme not in ("file", *_AZURE) and port != "" and not port.isdecimal()


def _query_and_fragment(rest: str) -> tuple[str, str]:
    before, _, fragment = rest.partition("#")
    return before.partition("?")[2], fragment


def _names_secret(query: str) -> bool:
    names = (re.split(r"=|%3[Dd]", part, maxsplit=1)[0] for part in re.split(r"[&;?]", query))
    return any(_SECRET_NAME.fullmatch(unquote_plus(name).strip()) for name in names)
