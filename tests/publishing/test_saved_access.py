"""Access is saved as it was used, and used as it was saved: appends, containers, `access`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from support.fresh import run
from support.http import HttpServer
from support.s3 import S3, SETTINGS, s3_process
from virtual_tiff import open_published, publish, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, access, set_access
from virtual_tiff.publishing.repository.containers import wanted_prefix

SERIES = sorted((Path(__file__).parents[2] / "testdata" / "series").glob("*.tif"))
KEYS = {name: SETTINGS[name] for name in ("access_key_id", "secret_access_key")}
pytestmark = pytest.mark.long
STACK = ["--concat", "time", "--time", "tag"]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_access_key"])


@pytest.fixture(scope="module")
def other() -> Iterator[S3]:
    """A second service, with a bucket of the same name: moto keeps one state a process."""
    with s3_process() as server:
        yield server


@pytest.fixture
def archive(s3: S3, request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    """A folder of the first service, and the urls of its scenes, one a year's folder."""
    folder = f"saved-{request.node.name}"
    folder = re.sub(r"\W", "-", folder)
    urls = [s3.upload(path, f"{folder}/{2021 + i}/{path.name}") for i, path in enumerate(SERIES)]
    for url in urls:
        s3.make_public(url)
    return s3.url(folder), urls


def days(cube: Path) -> int:
    ds = xr.open_zarr(open_published(cube), consolidated=False)
    assert ds["0"].values.any()
    return int(ds.sizes["time"])


def test_an_append_needs_no_options_again(
    s3: S3, archive: tuple[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cube, (_, urls) = tmp_path / "cube", archive
    options = {"endpoint": s3.endpoint, "region": "eu-west-1"}
    publish(urls[:1], cube, concat="time", time="tag", store_options=options)
    line = ["publish", *urls, "--to", str(cube), *STACK, "--append", "--quiet"]
    assert main(line) == 0
    assert "new container" not in capsys.readouterr().err
    assert days(cube) == 3
    assert verify(cube).ok
    (container,) = access(cube).containers
    assert container.prefix == f"{archive[0]}/"
    assert container.settings == {
        "endpoint": s3.endpoint,
        "region": "eu-west-1",
        "skip_signature": False,
        "request_payer": False,
        "virtual_hosted_style_request": False,
    }


@pytest.mark.parametrize(
    ("different", "name"),
    [
        ({"endpoint": "{other}"}, "endpoint"),
        ({"AWS_ENDPOINT_URL_S3": "{other}"}, "endpoint"),
        ({"skip_signature": True}, "skip_signature"),
        ({"request_payer": True}, "request_payer"),
        ({"region": "us-west-2"}, "region"),
    ],
)
def test_a_different_setting_is_an_error_or_saved_anew(
    different: dict[str, Any],
    name: str,
    s3: S3,
    other: S3,
    archive: tuple[str, list[str]],
    tmp_path: Path,
) -> None:
    cube, (_, urls) = tmp_path / "cube", archive
    for url, path in zip(urls, SERIES, strict=True):
        other.upload(path, url.removeprefix("s3://bucket/"))
    stack = {"concat": "time", "time": "tag"}
    publish(urls[:1], cube, **stack, store_options={"endpoint": s3.endpoint})
    different = {k: other.endpoint if v == "{other}" else v for k, v in different.items()}
    with pytest.raises(ValueError, match=rf"that {name} is .*save_access=True"):
        publish(urls[1:], cube, **stack, append=True, store_options=different)
    assert name not in different or access(cube).containers[0].settings[name] != different[name]
    publish(urls[1:2], cube, **stack, append=True, save_access=True, store_options=different)
    (container,) = access(cube).containers
    assert str(container.settings[name]) == str(next(iter(different.values())))
    published = publish(urls[2:], cube, **stack, append=True)
    assert days(cube) == 3
    shown = run(published.how_to_open + "\nprint(ds['0'].values.any(), ds.sizes['time'])")
    assert shown.split() == ["True", "3"]


def test_keys_for_what_readers_reach_without(s3: S3, tmp_path: Path) -> None:
    url = s3.upload(SERIES[0], "saved/keys/1.tif")
    cube = tmp_path / "cube"
    options = {"endpoint": s3.endpoint}
    publish([url], cube, store_options=options)
    set_access(cube, {"skip_signature": "true"})
    with pytest.raises(ValueError, match="skip_signature is True, and not False"):
        publish([url], cube, append=True, store_options=KEYS)


def test_the_command_shows_and_changes(
    s3: S3,
    other: S3,
    archive: tuple[str, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cube, (folder, urls) = str(tmp_path / "cube"), archive
    publish(urls[:1], cube, store_options={"endpoint": s3.endpoint, "region": "eu-west-1"})
    other.upload(SERIES[0], urls[0].removeprefix("s3://bucket/"))
    assert main(["access", cube]) == 0
    line = f"{folder}/  signed, endpoint {s3.endpoint}, virtual_hosted_style_request False, region"
    assert capsys.readouterr().out.startswith(line)
    change = ["access", cube, "--set", f"endpoint={other.endpoint}", "--set", "region=us-east-1"]
    assert main([*change, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["changed"] == [f"{folder}/"]
    assert result["containers"][0]["settings"]["endpoint"] == other.endpoint
    assert result["containers"][0]["settings"]["region"] == "us-east-1"
    assert verify(cube).ok
    assert open_published(cube) is not None
    assert main([*change, "--container", f"{folder}/"]) == 0
    assert "changed: 0 containers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "secret_access_key=x"], "never saved"),
        (["--set", "endpoint=https://u:p@h"], "would be published"),
        (["--set", "endpoint=h:9000"], "is no url"),
        (["--set", "account_name=x"], "no container of the repository has the setting"),
        (["--set", "endpont=x"], "no container of the repository has the setting"),
        (["--set", "region=x", "--container", "s3://other/"], "no container s3://other/"),
        (["--container", "s3://bucket/"], "--container needs --set"),
    ],
)
def test_what_cannot_be_saved_is_refused(
    arguments: list[str],
    words: str,
    s3: S3,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = s3.upload(SERIES[0], "saved/refused/1.tif")
    publish([url], tmp_path / "cube", store_options={"endpoint": s3.endpoint})
    before = access(tmp_path / "cube")
    assert main(["access", str(tmp_path / "cube"), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert access(tmp_path / "cube") == before


def test_a_place_without_a_repository(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="no Icechunk repository"):
        access(tmp_path / "none")
    with pytest.raises(PublishError, match="no repository"):
        set_access(tmp_path / "none", {"region": "x"})
    assert not (tmp_path / "none").exists()


# ---- containers


def test_a_new_container_is_announced_and_a_broad_one_used(
    s3: S3, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = [s3.upload(path, f"scenes-{i}x/{path.name}") for i, path in enumerate(SERIES)]
    cube, wide = tmp_path / "cube", tmp_path / "wide"
    options = {"endpoint": s3.endpoint}
    publish(urls[:1], cube, concat="time", time="tag", store_options=options)
    again = ["--to", str(cube), *STACK, "--append", "--quiet"]
    assert main(["publish", urls[1], *again]) == 0
    assert "warning: new container" in capsys.readouterr().err
    assert [c.prefix for c in access(cube).containers] == [
        "s3://bucket/scenes-0x/",
        "s3://bucket/scenes-1x/",
    ]
    assert days(cube) == 2  # the new one has the endpoint of the bucket's first
    assert main(["publish", urls[2], *again, "--container", "s3://bucket"]) == 0
    assert days(cube) == 3
    assert access(cube).containers[0].prefix == "s3://bucket/"

    line = ["--to", str(wide), *STACK, "--quiet", "--store-option", f"endpoint={s3.endpoint}"]
    assert main(["publish", urls[0], *line, "--container", "s3://bucket/"]) == 0
    old_code = capsys.readouterr().out
    assert main(["publish", *urls, "--to", str(wide), *STACK, "--append", "--quiet"]) == 0
    assert "new container" not in capsys.readouterr().err
    assert run(old_code + "\nprint(ds['scene'].values.any(), ds.sizes['time'])").split() == [
        "True",
        "3",
    ]


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("s3://b", "s3://b/"),
        ("s3a://b/a", "s3://b/a/"),
        ("file:///a/b/", "file:///a/b/"),
        ("/a/b", "file:///a/b/"),
    ],
)
def test_the_prefix_that_is_meant(name: str, prefix: str) -> None:
    assert wanted_prefix(name) == prefix


@pytest.mark.parametrize("name", ["/", "s3://b/a b/", "https://u:p@h/a/", "s3://"])
def test_a_prefix_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match=r"container|bucket"):
        wanted_prefix(name)


def test_a_container_that_no_file_uses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file is below the container s3://buket/"):
        publish(SERIES[:1], tmp_path / "cube", container="s3://buket/")
    assert not (tmp_path / "cube").exists()


# ---- headers of web servers


def test_headers_are_given_and_never_saved(
    http_server: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = http_server.put("scenes/1.tif", SERIES[0].read_bytes())
    http_server.required = {"Authorization": "Bearer tok3n"}
    cube = tmp_path / "cube"
    with pytest.raises(PublishError, match="bearer_token or default_headers"):
        publish([url], cube)
    options = {"bearer_token": "tok3n"}
    published = publish([url], cube, store_options=options, check=True)
    assert not any(b"tok3n" in path.read_bytes() for path in cube.rglob("*") if path.is_file())
    assert "tok3n" not in published.how_to_open
    for given in (options, {"default_headers": {"Authorization": "Bearer tok3n"}}):
        tree = xr.open_datatree(
            open_published(cube, store_options=given), engine="zarr", consolidated=False
        )
        assert next(iter(tree.subtree_with_keys))[1] is not None
        assert verify(cube, store_options=given).ok
    text = {"default_headers": "Authorization: Bearer tok3n"}
    assert verify(cube, store_options=text).ok
    assert verify(cube).counts["unreachable"] == 1
    monkeypatch.setenv("AUTHORIZATION", "Bearer tok3n")
    show = "print([v.values.any() for n in tree.leaves for v in n.data_vars.values() if v.ndim])"
    assert "True" in run(f"{published.how_to_open}\n{show}")


def test_a_header_of_another_form_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of the form 'Name: value'") as caught:
        publish(["https://h/1.tif"], tmp_path / "c", store_options={"default_headers": "tok3n"})
    assert "tok3n" not in str(caught.value)
