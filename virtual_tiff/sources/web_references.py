"""Objects of a cloud by the urls that any web client reads: those of public archives.

A browser, and every reader without an SDK, follows `https://` and not `s3://`. So a publisher may
name an archive by its bucket, which can be listed, and refer to each object by its url:

| bucket | root of its objects |
|---|---|
| `s3://bucket` | `https://bucket.s3.REGION.amazonaws.com` |
| `s3://a.bucket` (certificates cover no further dot) | `https://s3.REGION.amazonaws.com/a.bucket` |
| `s3://bucket`, with an endpoint | `ENDPOINT/bucket`; `ENDPOINT` if it names the bucket itself |
| `gs://bucket` | `https://storage.googleapis.com/bucket`, or `google_base_url/bucket` |
| `az://container` | `https://ACCOUNT.blob.core.windows.net/container`, or `ENDPOINT/container` |

One ranged GET without a signature shows for each bucket that this is right and the archive public.
From then on the objects are read by these urls, as readers will read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from virtual_tiff.sources.access import (
    CLIENT_OPTIONS,
    ENDPOINTS,
    account_of,
    is_true,
    kind_of,
    plain_options,
    s3_setting,
    setting,
    with_saved,
    with_settings,
)
from virtual_tiff.sources.locations import Location, Stores
from virtual_tiff.sources.object_source import store_error
from virtual_tiff.sources.urls import reference_to, root_of

__all__ = ["WebReferences"]


class WebReferences:
    """Gives objects of clouds the urls by which web clients read them.

    `kept` is what the attribute of this name was at the run before.
    """

    def __init__(self, options: Mapping[str, Any], kept: Mapping[str, Mapping[str, Any]]) -> None:
        self._options = plain_options(options)
        self._stores = Stores(
            {name: value for name, value in self._options.items() if name in CLIENT_OPTIONS}
        )
        self.kept: dict[str, dict[str, Any]] = {root: dict(each) for root, each in kept.items()}
        """By the root of a bucket: the settings that list it, and, as `web_root`, its url."""
        self._checked: set[str] = set()

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """By the root of a bucket the settings that an append takes."""
        return {
            root: {name: value for name, value in each.items() if name != "web_root"}
            for root, each in self.kept.items()
        }

    @property
    def rest(self) -> dict[str, Any]:
        """What of the options is for the objects, as they are read."""
        if not self.kept:
            return dict(self._options)
        return {name: value for name, value in self._options.items() if name in CLIENT_OPTIONS}

    def url_of(self, url: str) -> str:
        """Return the url of an object, a prefix or a glob; one of another bucket stays."""
        root = Stores.root_of(url) if kind_of(url) in ENDPOINTS else url
        if root not in self.kept:
            return url
        return f"{self.kept[root]['web_root']}/{url.partition('://')[2].partition('/')[2]}"

    def location(self, location: Location) -> Location:
        """Return an object as web clients read it; a file, or what is on the web already, stays.

        A setting of its bucket that is missing, or readers who pay, are a ValueError; an object
        that cannot be read without a signature is an OSError.
        """
        kind, root = kind_of(location.url), root_of(location.url)
        if kind not in ENDPOINTS:
            return location
        if root not in self.kept:
            self._keep(root, kind)
        host, _, folder = self.kept[root]["web_root"].partition("://")[2].partition("/")
        web = f"{self.kept[root]['web_root'].partition('://')[0]}://{host}"
        path = f"{folder}/{location.path}" if folder else location.path
        url = reference_to(web, path).replace("+", "%2B")  # which servers of S3 take for a blank
        result = replace(self._stores.locate(url), name=location.name)
        if root not in self._checked:
            self._check(result, root)
        return result

    def _keep(self, root: str, kind: str) -> None:
        options = with_settings(with_saved(self._options, {}, kind), kind)
        names = (*("region", "skip_signature"), ENDPOINTS[kind], "account_name")
        settings = {name: options[name] for name in names if name in options}
        self.kept[root] = settings | {"web_root": web_root(root, options)}

    def _check(self, location: Location, root: str) -> None:
        try:
            location.store.get(location.path, options={"range": (0, 1)}).bytes()
        except Exception as error:
            failed = store_error(error, location.url)
            msg = (
                f"{root} cannot be referred to by https urls, as a reader without credentials fails"
                f" at one of its objects: {failed}. Publish without reference_as (--reference-as),"
                " or check region and endpoint, and whether the bucket is public"
            )
            raise type(failed)(msg) from error
        self._checked.add(root)


def web_root(root: str, options: Mapping[str, Any]) -> str:
    """Return the url below which the objects of a bucket are on the web, by plain options.

    If a setting is missing, or requests are to be signed, it is a ValueError.
    """
    kind, bucket = kind_of(root), root.partition("://")[2]
    bucket, _, host = bucket.partition("@")  # abfss://container@account.dfs.core.windows.net
    if kind == "s3" and is_true(setting(options, kind, "request_payer")):
        msg = f"{root}: readers pay, so its objects cannot be read by https urls"
        raise ValueError(msg)
    endpoint = (
        s3_setting(options, "endpoint") if kind == "s3" else setting(options, kind, ENDPOINTS[kind])
    )
    base = str(endpoint or "").rstrip("/")
    if kind == "s3" and base:
        hosted = is_true(setting(options, kind, "virtual_hosted_style_request"))
        return base if hosted else f"{base}/{bucket}"
    if kind == "s3":
        region = s3_setting(options, "region") or "us-east-1"
        service = f"s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
        return f"https://{service}/{bucket}" if "." in bucket else f"https://{bucket}.{service}"
    if kind == "gs":
        return f"{base or 'https://storage.googleapis.com'}/{bucket}"
    account = host.partition(".")[0] or account_of(options)
    if not (base or account):
        msg = f"{root} needs its account: AZURE_STORAGE_ACCOUNT_NAME, or account_name"
        raise ValueError(msg)
    return f"{base or f'https://{account}.blob.core.windows.net'}/{bucket}"
