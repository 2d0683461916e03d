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

import logging
import os
import re
import socket
import threading
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from virtual_tiff.sources.advice import NO_CREDENTIALS, advice_on
from virtual_tiff.tiff import printable, redacted

__all__ = [
    "CLIENT_OPTIONS",
    "CREDENTIALS",
    "ENDPOINTS",
    "account_of",
    "check_settings",
    "credentials_provider",
    "differing_settings",
    "given_settings",
    "has_credentials",
    "headers_of",
    "is_anonymous",
    "is_true",
    "kind_of",
    "plain_options",
    "s3_setting",
    "setting",
    "with_saved",
    "with_settings",
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

_SETTINGS: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "s3": {
        "endpoint": (
            ("endpoint", "endpoint_url", "endpoint_url_s3"),
            ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
        ),
        "region": (("region", "default_region"), ("AWS_REGION", "AWS_DEFAULT_REGION")),
        "skip_signature": (("skip_signature",), ("AWS_SKIP_SIGNATURE",)),
        "request_payer": (("request_payer", "requester_pays"), ("AWS_REQUEST_PAYER",)),
        "virtual_hosted_style_request": (
            ("virtual_hosted_style_request",),
            ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST",),
        ),
    },
    "gs": {
        "google_base_url": (("google_base_url", "base_url"), ("GOOGLE_BASE_URL",)),
        "skip_signature": (("skip_signature",), ("GOOGLE_SKIP_SIGNATURE",)),
    },
    "az": {
        "account_name": (
            ("account_name", "azure_storage_account_name"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
        ),
        "azure_storage_endpoint": (
            ("azure_storage_endpoint", "azure_endpoint", "endpoint"),
            ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        ),
        "skip_signature": (("skip_signature",), ("AZURE_SKIP_SIGNATURE",)),
    },
}
"""What is saved of each kind of store, by obstore's names: the options of a setting without `aws_`,
and its variables; the first that has a value counts."""

ENDPOINTS = {"s3": "endpoint", "gs": "google_base_url", "az": "azure_storage_endpoint"}
"""The setting that is the address of a service."""

SWITCHES = frozenset(("skip_signature", "request_payer", "virtual_hosted_style_request"))

_GOOGLE_CREDENTIALS = {
    **dict.fromkeys(
        ("service_account", "service_account_path", "google_service_account"),
        "service_account_file",
    ),
    "google_service_account_path": "service_account_file",
    "service_account_key": "service_account_key",
    "google_service_account_key": "service_account_key",
    "application_credentials": "application_credentials",
    "google_application_credentials": "application_credentials",
    **dict.fromkeys(("bearer_token", "google_bearer_token"), "bearer_token"),
}
_AZURE_CREDENTIALS = {
    **dict.fromkeys(
        ("account_key", "access_key", "azure_storage_account_key", "azure_storage_access_key"),
        "access_key",
    ),
    **dict.fromkeys(("sas_token", "sas_key", "azure_storage_sas_token"), "sas_token"),
    **dict.fromkeys(("bearer_token", "token", "azure_storage_token"), "bearer_token"),
}
CREDENTIALS: dict[str, dict[str, str]] = {
    "s3": {name: name for name in ("access_key_id", "secret_access_key", "session_token")},
    "gs": _GOOGLE_CREDENTIALS,
    "az": _AZURE_CREDENTIALS,
    "http": {"bearer_token": "bearer_token", "default_headers": "headers"},
}
"""By kind of store the options that are credentials, and the names that Icechunk has for them."""

_KINDS = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("http", "https"), "http"),
    **dict.fromkeys(("az", "adl", "azure", "abfs", "abfss"), "az"),
}


def kind_of(url: str) -> str:
    """Return the kind of store of a url: `s3`, `gs`, `az`, `http`, or `file`."""
    return _KINDS.get(url.partition("://")[0].lower(), "file")


_PREFIXES = ("aws_", "google_", "azure_")


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return store options in one spelling: in lower case, those of S3 without `aws_`."""
    plain: dict[str, Any] = {}
    for name, value in options.items():
        key = name.lower()
        bare = next((key.removeprefix(p) for p in _PREFIXES if key.startswith(p)), key)
        general = bare in CLIENT_OPTIONS or bare == "skip_signature"
        plain[bare if general or key.startswith("aws_") else key] = value
    return plain


def setting(options: Mapping[str, Any], kind: str, name: str) -> Any:  # noqa: ANN401 (a word, a switch)
    """Return a setting of a kind of store: from plain options, else from the environment.

    A provider of credentials may know some: Earthdata's has the region of its archive.
    """
    names, variables = _SETTINGS[kind][name]
    provided = getattr(options.get("credential_provider"), "config", None) or {}
    values = [known[key] for known in (options, provided) for key in names if key in known]
    values += [os.environ[key] for key in variables if os.environ.get(key)]
    return values[0] if values else None


def s3_setting(options: Mapping[str, Any], name: str) -> str | None:
    """Return a setting of S3 as text: from plain options, the environment, or the profile."""
    value = setting(options, "s3", name)
    if value is None and name in ("region", "endpoint"):
        value = _profile().get("region" if name == "region" else "endpoint_url")
    return None if value is None else str(value)


@cache
def _profile_of(name: str | None, *paths: str) -> Mapping[str, Any]:
    """Return the settings of a profile of AWS, where the credentials of profiles are used."""
    if find_spec("botocore") is None or not (name or any(map(os.path.exists, paths))):
        return {}
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 (an extra, and slow to load)
    from botocore.session import Session  # noqa: PLC0415

    session = Session(profile=name)
    try:
        settings: dict[str, Any] = dict(session.get_scoped_config())
    except BotoCoreError:  # there is no such profile: the search for credentials says so
        return {}
    services = session.full_config.get("services", {}).get(settings.get("services"), {})
    of_s3 = services.get("s3")  # goes before the endpoint of all services
    return settings | (of_s3 if isinstance(of_s3, dict) else {})


def _profile() -> Mapping[str, Any]:
    return _profile_of(os.environ.get("AWS_PROFILE"), *_aws_files())


def _aws_files() -> list[str]:
    """Return the paths of AWS's two files; they need not exist."""
    names = {
        "AWS_CONFIG_FILE": "~/.aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    }
    # there may be no home
    return [os.path.expanduser(os.environ.get(name) or path) for name, path in names.items()]  # noqa: PTH111


def with_settings(options: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return plain options with each setting that the environment has, by its one name."""
    rest = _without_settings(options, kind)
    if kind == "s3":
        words = {name: s3_setting(options, name) for name in ("region", "endpoint")}
        rest |= {name: value for name, value in words.items() if value is not None}
    settings = {name: setting(options, kind, name) for name in _SETTINGS[kind]}
    if str(settings.get("request_payer")).lower() == "requester":  # as GDAL and S3 have it
        settings["request_payer"] = True
    return rest | {name: value for name, value in settings.items() if value is not None}


def _without_settings(options: Mapping[str, Any], kind: str) -> dict[str, Any]:
    settings = {name for names, _ in _SETTINGS.get(kind, {}).values() for name in names}
    return {key: value for key, value in options.items() if key not in settings}


def given_settings(options: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the settings that plain options themselves name, by their one name."""
    return {
        name: next(options[key] for key in names if key in options)
        for name, (names, _) in _SETTINGS.get(kind, {}).items()
        if any(key in options for key in names)
    }


def with_saved(options: Mapping[str, Any], saved: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return plain options with what a repository has saved; options go before.

    Keys sign requests, whatever is saved.
    """
    given = given_settings(options, kind)
    if kind == "s3" and "endpoint" in given:  # another service, whose style is not known
        saved = {k: v for k, v in saved.items() if k != "virtual_hosted_style_request"}
    if options.keys() & CREDENTIALS.get(kind, {}).keys() or "credential_provider" in options:
        saved = {k: v for k, v in saved.items() if k != "skip_signature"}
    return _without_settings(options, kind) | dict(saved) | given


def differing_settings(
    options: Mapping[str, Any], saved: Mapping[str, Any], kind: str
) -> dict[str, tuple[Any, Any]]:
    """Return by name the settings that options and repository say differently: saved, given."""
    given = given_settings(options, kind)
    keys = options.keys() & (CREDENTIALS.get(kind, {}).keys() | {"credential_provider"})
    if keys and is_true(saved.get("skip_signature")):
        given.setdefault("skip_signature", False)
    differences = {}
    for name, value in given.items():
        before, now = saved.get(name), value
        if name in SWITCHES:
            before, now = is_true(before), is_true(value)
        elif name == ENDPOINTS.get(kind):
            before, now = str(before or "").rstrip("/"), str(value).rstrip("/")
        if before != now:
            differences[name] = (before, now)
    return differences


def is_true(value: object) -> bool:
    """Read a switch as obstore does: True, or one of its words; or S3's, of who pays."""
    return str(value).lower() in ("true", "1", "yes", "on", "y", "requester")


def is_anonymous(options: Mapping[str, Any], kind: str) -> bool:
    """Whether requests are not signed, by plain options or by the environment."""
    return is_true(setting(options, kind, "skip_signature"))


def account_of(options: Mapping[str, Any]) -> str | None:
    """Return the name of Azure's account, by plain options or by the environment."""
    value = setting(options, "az", "account_name")
    return None if value is None else str(value)


def headers_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that options want in each request over HTTP.

    `default_headers` is a mapping or, as on a command line, a text as `Name: value`. They are taken
    for secrets, and saved nowhere; an error about a text of another form does not repeat it.
    """
    headers = options.get("default_headers") or {}
    if isinstance(headers, str):
        pairs = [line.partition(":") for line in headers.splitlines() if line.strip()]
        if not all(name.strip() and sign for name, sign, _ in pairs):
            msg = "default_headers must be of the form 'Name: value'"
            raise ValueError(msg)
        headers = {name.strip(): value.strip() for name, _, value in pairs}
    token = options.get("bearer_token")
    return dict(headers) | ({} if token is None else {"Authorization": f"Bearer {token}"})


_FROM_ENVIRONMENT = {
    "s3": (
        *("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ),
    "gs": (
        *("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY"),
        "GOOGLE_BEARER_TOKEN",
    ),
    "az": (
        *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN"),
        *("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_TOKEN", "AZURE_STORAGE_CLIENT_SECRET"),
        *("AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_USE_AZURE_CLI"),
        *("AZURE_STORAGE_USE_EMULATOR", "IDENTITY_ENDPOINT", "MSI_ENDPOINT"),
    ),
}
"""Variables of credentials that obstore itself reads."""

_OF_OBSTORE = {
    "s3": {"access_key_id"},
    "gs": {*_GOOGLE_CREDENTIALS},
    "az": {
        *_AZURE_CREDENTIALS,
        *("client_secret", "azure_client_secret", "azure_storage_client_secret"),
        *("use_emulator", "azure_storage_use_emulator", "use_azure_cli", "azure_use_azure_cli"),
        *("federated_token_file", "azure_federated_token_file", "msi_endpoint"),
    },
}
"""Options by which obstore itself finds credentials."""

_SECRET_VARIABLES = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "gs": ("GOOGLE_BEARER_TOKEN",),
    "az": (
        *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN"),
        *("AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_TOKEN"),
    ),
}
"""Variables of keys and tokens, which are sent with requests."""


def check_settings(options: Mapping[str, Any], kind: str) -> None:
    """Refuse settings, by their one name, and keys that cannot be part of a request.

    obstore and Icechunk abort at them, with no error that a program could catch.

    Raises
    ------
    ValueError
        If an endpoint is no url, a setting has blanks, or a key has a line break.
    """
    address = options.get(ENDPOINTS[kind])
    if address is not None and not _ADDRESS.fullmatch(str(address)):
        words = printable(redacted(str(address)))
        msg = f"the endpoint {words} is no url: write it with its scheme, as https://HOST:PORT"
        raise ValueError(msg)
    for name in _SETTINGS[kind].keys() & options.keys():
        if re.search(r"\s", str(options[name])):
            msg = f"{name} is {str(options[name])!r}, which has a blank or a line break"
            raise ValueError(msg)
    keys = {name: options[name] for name in CREDENTIALS[kind] if name in options}
    keys |= {name: os.environ[name] for name in _SECRET_VARIABLES[kind] if name in os.environ}
    for name, value in keys.items():
        is_json = CREDENTIALS[kind].get(name) == "service_account_key"
        if not is_json and re.search(r"[\0-\x1f]", str(value)):
            msg = f"{name} has a line break, such as one at the end of a file that it was read of"
            raise ValueError(msg)


_ADDRESS = re.compile(r"https?://([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?(/\S*)?")


def has_credentials(kind: str) -> bool:
    """Whether this machine has credentials of any kind for a kind of store; nothing is sent."""
    if any(map(os.environ.get, (*_FROM_ENVIRONMENT[kind], "AWS_PROFILE" if kind == "s3" else ""))):
        return True
    if kind == "s3":
        files = [path for path in map(Path, _aws_files()) if path.is_file()]
        texts = [path.read_text("utf-8", "replace") for path in files]
        if any(map(_OF_A_PROFILE.search, texts)):
            return True
    elif kind == "gs" and _has_google_file():
        return True
    return _has_metadata_service(None, _EXTRAS[kind][1][1])


_OF_A_PROFILE = re.compile(
    r"^\s*(aws_access_key_id|credential_process|role_arn|sso_\w+|login_session)\s*=", re.MULTILINE
)
"""Settings by which a profile of AWS has credentials."""

_CHAINS = {"s3": "boto3", "gs": "google.auth", "az": "azure.identity"}
"""The package that knows all ways to credentials, by kind of store."""

_EXTRAS = {
    "s3": (
        "profiles and SSO need boto3: extra aws",
        ("metadata_endpoint", "AWS_METADATA_ENDPOINT"),
    ),
    "gs": (
        "identity federation needs google-auth: extra gcs",
        ("google_metadata_endpoint", "GCE_METADATA_ROOT"),
    ),
    "az": (
        "az login and others need azure-identity: extra azure",
        ("msi_endpoint", "MSI_ENDPOINT"),
    ),
}
"""By kind of store: what is possible with the package of its chain, and the option and the variable
of the address of a metadata service."""


def credentials_provider(root: str, kind: str, options: Mapping[str, Any]) -> Any | None:  # noqa: ANN401
    """Return what gives a store its credentials; None if obstore finds them by itself."""
    given = options.keys() & (_OF_OBSTORE[kind] | {"credential_provider"})
    names = _FROM_ENVIRONMENT[kind]
    has_package = _is_installed(_CHAINS[kind])
    if kind == "s3" and os.environ.get("AWS_PROFILE") and has_package:
        names = names[:1]  # keys of the environment go before a profile, as with botocore
    if given or any(map(os.environ.get, names)) or is_anonymous(options, kind):
        return None
    if kind == "gs" and not has_package and _has_google_file():
        return None
    option, variable = _EXTRAS[kind][1]
    if not has_package and _has_metadata_service(options.get(option), variable):
        return None
    return _Credentials(root, kind)


def _has_google_file() -> bool:
    """Whether there is a file of default credentials, of the kinds that obstore reads."""
    path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or os.path.expanduser(  # noqa: PTH111
        "~/.config/gcloud/application_default_credentials.json"
    )
    return os.path.exists(path)  # noqa: PTH110 (there may be no home)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of google or azure, too, there is nothing
        return False


class _Credentials:
    """Credentials of a chain, looked up at the first request; that there are none is kept."""

    def __init__(self, root: str, kind: str) -> None:
        self._root, self._kind = root, kind
        self._lock = threading.Lock()
        self._provider: Any = None
        self._error: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Credentials, (self._root, self._kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Credentials) and self._root == other._root

    def __hash__(self) -> int:
        return hash(self._root)

    def __call__(self) -> Any:  # noqa: ANN401 (a credential of obstore)
        with self._lock:
            if self._error is None and self._provider is None:
                self._find()
            if self._error is not None:
                raise PermissionError(self._error)
            return self._provider()

    def _find(self) -> None:
        with_package, (_, variable) = _EXTRAS[self._kind]
        reason = "" if _is_installed(_CHAINS[self._kind]) else f" ({with_package})"
        if not reason:
            try:
                # a chain asks a metadata service with many retries
                if self._kind == "s3" or _has_file_or_service(self._kind, variable):
                    self._provider = _PROVIDERS[self._kind]()
            except Exception as error:  # noqa: BLE001 (each package has many, of profiles and SSO)
                reason = f" ({str(error).strip().partition('\n')[0]})"
        if self._provider is None:
            self._error = (
                f"no credentials for {self._root};"
                f" {advice_on(self._kind, NO_CREDENTIALS, 'read')}{reason}"
            )


def _has_file_or_service(kind: str, variable: str) -> bool:
    """Whether there is anything that the chain of Google or Azure could find.

    Without a file of default credentials, Google's chain asks the metadata service for seconds.
    """
    return kind != "gs" or _has_google_file() or _has_metadata_service(None, variable)


def _of_boto3() -> Any:  # noqa: ANN401 (a provider of obstore)
    from boto3.session import Session  # noqa: PLC0415 (an extra, and slow to load)
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

    session = Session()
    return None if session.get_credentials() is None else Boto3CredentialProvider(session)


def _of_google() -> Any:  # noqa: ANN401
    from obstore.auth.google import GoogleCredentialProvider  # noqa: PLC0415 (an extra)

    return GoogleCredentialProvider()


def _of_azure() -> Any:  # noqa: ANN401
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 (an extra)
    from obstore.auth.azure import AzureCredentialProvider  # noqa: PLC0415

    service = _has_metadata_service(None, "MSI_ENDPOINT")
    provider = AzureCredentialProvider(
        credential=DefaultAzureCredential(
            exclude_managed_identity_credential=not service,
            exclude_interactive_browser_credential=True,
            process_timeout=_SECONDS_OF_A_PROGRAM,
        )
    )
    log = logging.getLogger("azure.identity")
    level = log.level
    log.setLevel(logging.CRITICAL)  # it logs each way that it has tried; the error says it too
    try:
        provider()  # that there are none is found out here, once
    finally:
        log.setLevel(level)
    return provider


_SECONDS_OF_A_PROGRAM = 4
"""Seconds that a command of Azure may take to give a token."""

_PROVIDERS = {"s3": _of_boto3, "gs": _of_google, "az": _of_azure}
"""Functions that return a provider of each kind, or None."""


@cache
def _has_metadata_service(endpoint: str | None, variable: str) -> bool:
    """Whether this machine is one of a cloud that gives it credentials; asked once a process."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    address = endpoint or os.environ.get(variable) or "http://169.254.169.254"
    parts = urlsplit(address if "://" in address else f"http://{address}")
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
    except OSError:
        return False
    return True
