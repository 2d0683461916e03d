"""Each kind of credentials with each command, by servers on loopback: the documents' table."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zarr

from support.clouds import ACCOUNT, KEY, azurite, fake_gcs, make_azure_container
from support.credential_cases import CASES, COMMANDS, Case
from support.fresh import run
from support.http import HttpServer
from support.s3 import s3_process
from support.scripts import load_script
from virtual_tiff import open_published, publish, verify
from virtual_tiff.cli.main import main

SERIES = sorted((Path(__file__).parents[2] / "testdata" / "series").glob("*.tif"))
STACK: dict[str, Any] = {"concat": "time", "time": "tag"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Credentials of a kind, for files of a server."""

    urls: list[str]
    place: Mapping[str, Any]
    """Options that say where the server is."""
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    """The environment of a key, for what takes no other."""
    repository: str = ""
    """The url of a repository in the same service."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Gives credentials for an hour."""

    given: Mapping[str, str]

    def __call__(self) -> dict[str, Any]:
        return {**self.given, "expires_at": datetime.now(UTC) + timedelta(hours=1)}


type Maker = Callable[[str, Path], Credentials]


def s3_maker(stack: ExitStack) -> Maker:
    server = stack.enter_context(s3_process(enforced=True))
    urls = [server.upload(path, f"scenes/{path.name}") for path in SERIES]
    place = {"endpoint": server.endpoint, "region": "us-east-1"}
    name, secret = server.keys
    where = {"AWS_ENDPOINT_URL": server.endpoint, "AWS_REGION": "us-east-1"}

    def public_files() -> Credentials:
        """Of a server that answers what is not signed, where the ACL of an object allows it."""
        other = stack.enter_context(s3_process())
        public = [other.upload(path, f"public/{path.name}") for path in SERIES]
        for url in public:
            other.make_public(url)
        return Credentials(
            urls=public,
            place={"endpoint": other.endpoint},
            options={"skip_signature": True},
            beside=other.environment(),
            repository=other.url("cubes/anonymous"),
        )

    def make(kind: str, folder: Path) -> Credentials:
        keys = {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": secret}
        options: dict[str, Any] = {}
        environment: dict[str, str] = {}
        if kind == "option":
            options = server.credentials()
        elif kind == "environment":
            environment = keys
        elif kind in ("profile", "process"):
            lines = f"aws_access_key_id = {name}\naws_secret_access_key = {secret}"
            if kind == "process":
                said = {"Version": 1, "AccessKeyId": name, "SecretAccessKey": secret}
                (folder / "keys.py").write_text(f"import json; print(json.dumps({said}))")
                lines = f"credential_process = {sys.executable} {folder / 'keys.py'}"
            (folder / "config").write_text(f"[profile mine]\n{lines}\n")
            environment = {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_PROFILE": "mine"}
        elif kind == "provider":
            options = {"credential_provider": Provider(server.credentials())}
        else:
            return public_files()
        return Credentials(
            urls=urls,
            place=place,
            options=options,
            environment=environment,
            beside=keys | where,
            repository=server.url(f"cubes/{kind}"),
        )

    return make


def _sas_token(container: str) -> str:
    """Return a signature that lets its holder read, list and write in a container for an hour."""
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    version, rights = "2020-12-06", "rwdl"
    lines = [rights, "", until, f"/blob/{ACCOUNT}/{container}", "", "", "", version, "c"]
    text = "\n".join([*lines, *[""] * 7])
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode().replace("+", "%2B").replace("/", "%2F")
    return f"sv={version}&sp={rights}&sr=c&se={until.replace(':', '%3A')}&sig={signature}"


def az_maker(stack: ExitStack) -> Maker:
    cloud = stack.enter_context(azurite())
    make_azure_container(cloud.endpoint, "public", public=True)
    urls = {
        container: [cloud.upload(path, f"scenes/{path.name}", container) for path in SERIES]
        for container in ("archive", "public")
    }
    sas = _sas_token("archive")
    where = {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ENDPOINT": cloud.endpoint,
        "AZURE_ALLOW_HTTP": "true",
    }
    options: dict[str, dict[str, Any]] = {
        "option": {"account_key": KEY},
        "sas option": {"sas_token": sas},
        "provider": {"credential_provider": Provider({"access_key": KEY})},
        "anonymous": {"skip_signature": True},
    }
    environments = {
        "environment": {"AZURE_STORAGE_ACCOUNT_KEY": KEY},
        "sas": {"AZURE_STORAGE_SAS_TOKEN": sas},
    }

    def make(kind: str, _: Path) -> Credentials:
        return Credentials(
            urls=urls["public" if kind == "anonymous" else "archive"],
            place=cloud.options,
            options=options.get(kind, {}),
            environment=environments.get(kind, {}),
            beside=cloud.secrets | where,
            repository=f"az://archive/cubes/{kind.replace(' ', '-')}",
        )

    return make


def gs_maker(stack: ExitStack) -> Maker:
    cloud = stack.enter_context(fake_gcs())
    urls = [cloud.upload(path, f"scenes/{path.name}") for path in SERIES]
    options: dict[str, dict[str, Any]] = {
        "option": {"bearer_token": "any"},
        "provider": {"credential_provider": Provider({"token": "any"})},
        "anonymous": {"skip_signature": True},
    }

    def make(kind: str, _: Path) -> Credentials:
        return Credentials(
            urls=urls,
            place=cloud.options,
            options=options.get(kind, {}),
            environment=cloud.secrets if kind == "environment" else {},
            beside=cloud.secrets,
        )

    return make


def http_maker(stack: ExitStack) -> Maker:
    server = stack.enter_context(HttpServer({}))
    urls = [server.put(f"scenes/{path.name}", path.read_bytes()) for path in SERIES]

    def make(kind: str, _: Path) -> Credentials:
        token = {"Authorization": "Bearer tok3n"} if kind == "option" else {}
        server.required = token
        return Credentials(
            urls=urls,
            place={},
            options={"bearer_token": "tok3n"} if token else {},
            beside={name.upper(): value for name, value in token.items()},
        )

    return make


_MAKERS = {"s3": s3_maker, "az": az_maker, "gs": gs_maker, "http": http_maker}


@pytest.fixture(scope="module")
def makers() -> Iterator[Callable[[str], Maker]]:
    """The makers of the credentials of a store, whose server is started when it is asked for."""
    started: dict[str, Maker] = {}
    with ExitStack() as stack:

        def maker(store: str) -> Maker:
            if store not in started:
                started[store] = _MAKERS[store](stack)
            return started[store]

        yield maker


def is_whole(cube: Any, options: Mapping[str, Any]) -> bool:
    group: Any = zarr.open_group(open_published(cube, store_options=options), mode="r")
    return group["0"].shape[0] == len(SERIES) and all(page.any() for page in group["0"][...])


def lines_work(code: str, environment: Mapping[str, str]) -> bool:
    show = "\nprint(ds['0'].values.any(), ds.sizes['time'])"
    return run(code + show, dict(environment)).split() == ["True", str(len(SERIES))]


def info_works(given: Credentials) -> bool:
    options = [f"--store-option={k}={v}" for k, v in (given.place | given.options).items()]
    return main(["info", given.urls[0], "--json", *options]) == 0


def repository_works(given: Credentials) -> bool:
    source = given.urls[0]
    options = given.place | given.options
    publish(source, given.repository, store_options=options)
    return zarr.open_group(open_published(given.repository), mode="r") is not None


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.store}-{case.kind}")
def test_each_command_does_what_the_table_says(
    case: Case, makers: Callable[[str], Maker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = makers(case.store)(case.kind, tmp_path)
    for name in [n for n in os.environ if n.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # no machine of a cloud is asked
    for name, value in given.environment.items():
        monkeypatch.setenv(name, value)
    cube, options = tmp_path / "cube", dict(given.options)
    publish(given.urls[0], cube, **STACK, store_options=given.place | options, check=True)
    published = publish(given.urls, cube, **STACK, append=True, store_options=options)
    works: dict[str, Callable[[], bool]] = {
        "publish": (cube / "repo").exists,
        "append": lambda: published.files == len(SERIES) - 1,
        "open_published": lambda: is_whole(cube, options),
        "printed lines": lambda: lines_work(published.how_to_open, {}),
        "verify": lambda: verify(cube, store_options=options).ok,
        "info": lambda: info_works(given),
        "repository": lambda: repository_works(given),
    }
    assert works.keys() == set(COMMANDS)
    for command, work in works.items():
        answer = case.answer(command)
        with monkeypatch.context() as patch:
            for name, value in given.beside.items():
                place = command == "repository" and not is_secret(name)  # where it is, no key
                if answer == "environment" or place:
                    patch.setenv(name, value)
            assert succeeds(work) == (answer != "no"), command


def is_secret(name: str) -> bool:
    return any(word in name for word in ("KEY", "TOKEN", "AUTHORIZATION"))


def succeeds(work: Callable[[], bool]) -> bool:
    try:
        return work()
    except Exception:
        return False
    except AssertionError:
        return False


def test_the_table_of_the_documents_is_made_of_these(capsys: pytest.CaptureFixture[str]) -> None:
    script: Any = load_script("make_credentials_table")
    assert script.DOCUMENT.read_text(encoding="utf-8") == script.document()
    assert json.dumps(script.document()).count("| no |") > 0
