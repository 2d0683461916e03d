"""Secrets in urls: what is one, what is shown of it, and what is left of errors that have one."""

from __future__ import annotations

import traceback
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtual_tiff.tiff.redaction import redacted, scrubbed, secret_in

HUSH = "hUsH0123"

PARAMETERS = (
    *("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "x-amz-signature"),
    *("AWSAccessKeyId", "Signature", "sig", "Sig", "token", "access_token", "id_token"),
    *("refresh_token", "auth_token", "api_key", "apikey", "api-key", "subscription-key"),
    *("GoogleAccessId", "X-Goog-Signature", "X-Goog-Credential", "Key-Pair-Id", "Policy"),
    *("password", "passwd", "pwd", "secret", "client_secret", "secret_access_key", "jwt"),
    *("sas", "sas_token", "auth", "authorization", "hmac", "hdnts", "X-Oss-Signature"),
    *("session_token", "account_key", "credential", "X%2DAmz%2DSignature"),
)
"""The names of parameters that were gone through: S3 (2 and 4), Google, Azure, CloudFront, Akamai,
Alibaba, OAuth, Planetary Computer, Copernicus, NASA Earthdata, API management."""


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("scheme", ["https", "s3", "gs", "az", "abfs", "custom"])
def test_parameters_are_hidden(name: str, scheme: str) -> None:
    for url in (
        f"{scheme}://h/a.tif?{name}={HUSH}",
        f"{scheme}://h/a.tif?x=1&{name}={HUSH}&y=2",
        f"{scheme}://h/a.tif?x=1;{name}={HUSH}",
        f"{scheme}://h/a.tif#{name}={HUSH}",
        f"{scheme}://h/*.tif?{name}={HUSH}",
        f"{scheme}://h/d/?{name}={HUSH}",
        f"{scheme}://h?{name}={HUSH}",
    ):
        assert secret_in(url) is not None
        for text in (url, f"({url})", f"reading {url}: no such object", f"'{url}', '{url}'"):
            assert HUSH not in redacted(text)
            assert f"{scheme}://h" in redacted(text)
    assert HUSH not in redacted(f"bad option {unquote(name)}={HUSH}, of all")


@pytest.mark.parametrize(
    "url",
    [
        f"https://me:{HUSH}@h/a.tif",
        f"https://{HUSH}@h/a.tif",
        f"HTTPS://me:{HUSH}@h/a.tif",
        f"s3://key:{HUSH}@b/a.tif",
        f"s3://key:{HUSH}@b/d/*.tif",
        f"abfs://me:{HUSH}@acc.dfs.core.windows.net/a.tif",
        f"file://me:{HUSH}@server/a.tif",
        f"https://me:x/{HUSH}@h/a.tif",
        f"https://me:x#{HUSH}@h/a.tif",
        f"https://me:x?{HUSH}@h/a.tif",
        f"https://me:x@{HUSH}@h/a.tif",
        f"https://me:x {HUSH}@h/a.tif",
        f"https://h/a b.tif?x={HUSH}",
        f" https://me:{HUSH}@h/a.tif",
        f"/vsicurl/https://me:{HUSH}@h/a.tif",
        f"https://me:{HUSH}@[::1]:8080/a.tif",
    ],
)
def test_passwords_are_hidden(url: str) -> None:
    assert secret_in(url) is not None
    sentences = (f"no such file: {url}", f"{url}: no such object", f" {url}")
    for text in (url, *(() if " " in url.strip() else sentences)):
        assert HUSH not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://h/a.tif",
        "https://h:8080/a.tif",
        "http://[::1]:80/a.tif",
        "https://h/@me/a:b@c.tif",
        "s3://b/a?b.tif",
        "s3://b/a#b=1.tif",
        "s3://b/year=2021/token=abc/a.tif",
        "abfs://c@acc.dfs.core.windows.net/a.tif",
        "file:///d/a?sig.tif",
        "/d/a?b@c.tif",
        "the policy is: none; 2 = 3",
        "CRS EPSG:32634 differs",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert secret_in(text) is None
    assert redacted(text) == text


@given(
    st.text(st.characters(codec="utf-8")),
    st.sampled_from(PARAMETERS),
    st.text(st.characters(codec="utf-8")),
)
@settings(deadline=None)
def test_whatever_stands_around_a_signature(before: str, name: str, after: str) -> None:
    url = f"https://h/a.tif?{name}={HUSH}"
    assert HUSH not in redacted(f"{before} {url} {after}")
    assert redacted(redacted(f"{before} {url} {after}")) == redacted(f"{before} {url} {after}")


@pytest.mark.parametrize(
    "after", [" is a page", "; it is", ", and more", ": no such object", ") is"]
)
def test_a_sentence_that_begins_with_a_redacted_url_stays(after: str) -> None:
    text = f"{redacted('https://host/a.tif?sig=hush')}{after}"
    assert text == f"https://host/a.tif?…{after}"
    assert redacted(text) == text


def test_the_chain_of_an_error_is_cleaned() -> None:
    url = f"https://h/a.tif?sig={HUSH}"

    def fails() -> None:
        try:
            try:
                try:
                    raise FileNotFoundError(2, "no such file", url)
                except OSError as error:
                    error.add_note(f"of {url}")
                    raise KeyError(url) from error
            except KeyError:
                msg, causes = "some", [ValueError(f"GET {url} in 1 ms"), TypeError(url)]
                raise ExceptionGroup(msg, causes)  # noqa: B904 (a context, and no cause)
        except ExceptionGroup as error:
            raise RuntimeError("failed") from scrubbed(error)  # noqa: EM101

    with pytest.raises(RuntimeError) as caught:
        fails()
    text = "".join(traceback.format_exception(caught.value))
    assert HUSH not in text
    assert text.count("https://h/a.tif?…") == 5
