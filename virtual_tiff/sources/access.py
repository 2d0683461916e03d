"""Access to the stores of clouds: one spelling of each option, and credentials that are found once.

obstore takes an option by several names (`region`, `aws_region`, `AWS_REGION`), and reads some from
the environment. A setting is looked up here, in the options and then in the environment, and then
given to the store in so many words: so the publisher's store uses what is saved for readers.

obstore knows neither profiles, SSO nor credential processes, and where it finds no credentials it
asks the metadata service of a cloud machine for each file anew, some seconds each. So without
credentials in options and environment boto3's chain is asked, where boto3 is installed; and that
there are none is found out once.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "CLIENT_OPTIONS",
    "account_of",
    "is_anonymous",
    "is_true",
    "plain_options",
    "s3_credentials_provider",
    "s3_setting",
    "with_s3_settings",
]

CLIENT_OPTIONS = frozenset(
    (
        *("allow_http", "allow_invalid_certificates", "connect_timeout", "default_content_type"),
        *("http1_only", "http2_keep_alive_interval", "http2_keep_alive_timeout", "http2_only"),
        *("http2_keep_alive_while_idle", "pool_idle_timeout", "pool_max_idle_per_host"),
        *("proxy_url", "timeout", "user_agent"),
    )
)
"""obstore's options of the HTTP client, which it wants apart from those of a store."""

_S3_SETTINGS = {
    "endpoint": (
        ("endpoint", "endpoint_url", "endpoint_url_s3"),
        ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    ),
    "region": (("region", "default_region"), ("AWS_REGION", "AWS_DEFAULT_REGION")),
    "skip_signature": (("skip_signature",), ("AWS_SKIP_SIGNATURE",)),
    "request_payer": (("request_payer", "requester_pays"), ("AWS_REQUEST_PAYER",)),
}
"""The options of a setting without `aws_`, and its variables; the first that has a value counts."""

_PREFIXES = ("aws_", "google_", "azure_")
_SKIP_SIGNATURE = {"s3": "AWS", "gs": "GOOGLE", "gcs": "GOOGLE"}
_ACCOUNT_OPTIONS = ("account_name", "azure_storage_account_name")
_ACCOUNT_VARIABLES = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return store options in one spelling: in lower case, those of S3 without `aws_`."""
    plain: dict[str, Any] = {}
    for name, value in options.items():
        key = name.lower()
        bare = next((key.removeprefix(p) for p in _PREFIXES if key.startswith(p)), key)
        general = bare in CLIENT_OPTIONS or bare == "skip_signature"
        plain[bare if general or key.startswith("aws_") else key] = value
    return plain


def s3_setting(options: Mapping[str, Any], name: str) -> str | None:
    """Return a setting of S3, of `_S3_SETTINGS`: from plain options, else from the environment."""
    value = _s3_value(options, name)
    return None if value is None else str(value)


def _s3_value(options: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 (a word, or a switch)
    names, variables = _S3_SETTINGS[name]
    values = [options[key] for key in names if key in options]
    values += [os.environ[key] for key in variables if os.environ.get(key)]
    return values[0] if values else None


def with_s3_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain options with each setting of S3 that the environment has, by its one name."""
    names = {name for names_of_options, _ in _S3_SETTINGS.values() for name in names_of_options}
    rest = {key: value for key, value in options.items() if key not in names}
    settings = {name: _s3_value(options, name) for name in _S3_SETTINGS}
    return rest | {name: value for name, value in settings.items() if value is not None}


def is_true(value: object) -> bool:
    """Read a switch as obstore does: True, or one of its words for it."""
    return str(value).lower() in ("true", "1", "yes", "on", "y")


def is_anonymous(options: Mapping[str, Any], scheme: str) -> bool:
    """Whether requests are not signed, by plain options or by the environment."""
    variable = f"{_SKIP_SIGNATURE.get(scheme, 'AZURE')}_SKIP_SIGNATURE"
    return is_true(options.get("skip_signature", os.environ.get(variable)))


def account_of(options: Mapping[str, Any]) -> str | None:
    """Return the name of Azure's account, by plain options or by the environment."""
    values = [options.get(name) for name in _ACCOUNT_OPTIONS]
    values += [os.environ.get(name) for name in _ACCOUNT_VARIABLES]
    return next((str(value) for value in values if value), None)


_FROM_ENVIRONMENT = (
    *("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
"""Variables of credentials that obstore itself reads."""


def s3_credentials_provider(root: str, options: Mapping[str, Any]) -> Any | None:  # noqa: ANN401
    """Return what gives a store its credentials; None if obstore finds them by itself."""
    given = options.keys() & {"access_key_id", "credential_provider"}
    profile = os.environ.get("AWS_PROFILE") and find_spec("boto3") is not None
    # keys of the environment go before a profile, as with botocore
    first = _FROM_ENVIRONMENT[:1] if profile else _FROM_ENVIRONMENT
    from_environment = any(map(os.environ.get, first))
    if given or from_environment or is_anonymous(options, "s3"):
        return None
    if find_spec("boto3") is None and _has_metadata_service(options.get("metadata_endpoint")):
        return None
    return _AwsCredentials(root)


class _AwsCredentials:
    """Credentials of boto3's chain, looked up at the first request; that there are none is kept."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._provider: Any = None
        self._error: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _AwsCredentials, (self._root,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _AwsCredentials) and self._root == other._root

    def __hash__(self) -> int:
        return hash(self._root)

    def __call__(self) -> Any:  # noqa: ANN401 (obstore's S3Credential)
        with self._lock:
            if self._error is None and self._provider is None:
                self._find()
            if self._error is not None:
                raise PermissionError(self._error)
            return self._provider()

    def _find(self) -> None:
        reason = "" if find_spec("boto3") else " (profiles and SSO need boto3: extra aws)"
        if not reason:
            from boto3.session import Session  # noqa: PLC0415 (an extra, and slow to load)
            from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

            try:
                session = Session()
                if session.get_credentials() is not None:
                    self._provider = Boto3CredentialProvider(session)
                    return
            except Exception as error:  # noqa: BLE001 (botocore has many, of profiles and of SSO)
                reason = f" ({str(error).partition('\n')[0]})"
        self._error = (
            f"no credentials for {self._root}; set AWS_PROFILE or AWS_ACCESS_KEY_ID, or for public"
            f" data --store-option skip_signature=true{reason}"
        )


@cache
def _has_metadata_service(endpoint: str | None) -> bool:
    """Whether this machine is one of a cloud that gives it credentials; asked once a process."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    address = endpoint or os.environ.get("AWS_METADATA_ENDPOINT") or "http://169.254.169.254"
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
    except OSError:
        return False
    return True
