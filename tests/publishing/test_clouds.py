"""Azure and Google, by servers on loopback: publish, printed lines, open, append, verify."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr

from support.clouds import Cloud, azurite, fake_gcs
from support.fresh import run
from virtual_tiff import open_published, publish, verify
from virtual_tiff.cli.main import main
from virtual_tiff.publishing import PublishError, access

SERIES = sorted((Path(__file__).parents[2] / "testdata" / "series").glob("*.tif"))

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["az", "gs"])
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with azurite() if request.param == "az" else fake_gcs() as running:
        yield running


@pytest.fixture(autouse=True)
def _environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    for name, value in cloud.secrets.items():
        monkeypatch.setenv(name, value)


def test_a_source_is_read_as_it_was_published(cloud: Cloud, tmp_path: Path) -> None:
    urls = [cloud.upload(path, f"scenes/2023/{path.name}") for path in SERIES]
    cube, stack = tmp_path / "cube", {"concat": "time", "time": "tag"}
    publish(urls[:1], cube, **stack, store_options=cloud.options, check=True)
    (container,) = access(cube).containers
    assert container.prefix == f"{cloud.root}/scenes/"
    assert dict(container.settings) == cloud.options | {"skip_signature": False}
    # a listing; and neither endpoint nor account again
    published = publish(f"{cloud.root}/scenes/", cube, **stack, append=True)
    assert (published.files, published.unchanged) == (2, 1)
    ds = xr.open_zarr(open_published(cube), consolidated=False)
    assert ds["0"].values.any()
    assert ds.sizes["time"] == 3
    shown = run(published.how_to_open + "\nprint(ds['0'].values.any(), ds.sizes['time'])")
    assert shown.split() == ["True", "3"]
    assert verify(cube).counts["unchanged"] == 3
    secret = next(iter(cloud.secrets.values())).encode()
    if cloud.kind == "az":
        assert not any(secret in path.read_bytes() for path in cube.rglob("*") if path.is_file())


def test_a_refusal_is_one_line(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not cloud.wrong:
        pytest.skip("fake-gcs-server takes any credentials; only GCS refuses")
    url = cloud.upload(SERIES[0], "refused/1.tif")
    publish([url], tmp_path / "cube", store_options=cloud.options)
    for name, value in cloud.wrong.items():
        monkeypatch.setenv(name, value)
    options = [f"--store-option={name}={value}" for name, value in cloud.options.items()]
    for source in (url, f"{cloud.root}/refused/"):
        assert main(["publish", source, "--to", str(tmp_path / "other"), *options]) == 1
        error = capsys.readouterr().err
        assert "AZURE_STORAGE_ACCOUNT_KEY" in error
        assert "S3" not in error
        assert "If the store cannot list" not in error
    assert main(["verify", str(tmp_path / "cube")]) == 1
    output = capsys.readouterr().out
    assert "unreachable" in output
    assert "ExceptionGroup" not in output


def test_a_repository_in_azure(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if cloud.kind == "gs":
        pytest.skip("fake-gcs-server has no XML uploads, which Icechunk writes with")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", cloud.options["account_name"])
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", cloud.endpoint)
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    urls = [cloud.upload(path, f"cube/{path.name}") for path in SERIES]
    line = ["--to", "az://archive/published", "--concat", "time", "--time", "tag", "--quiet"]
    assert main(["publish", urls[0], *line]) == 0
    assert main(["publish", *urls, *line, "--append"]) == 0
    code = capsys.readouterr().out.split("import icechunk")[-1]
    shown = run(f"import icechunk{code}\nprint(ds.scene.values.any(), ds.sizes['time'])")
    assert shown.split() == ["True", "3"]
    ds = xr.open_zarr(open_published("az://archive/published"), consolidated=False)
    assert ds.scene.values.any()
    assert ds.sizes["time"] == 3
    assert main(["verify", "az://archive/published"]) == 0
    capsys.readouterr()
    assert main(["info", "az://archive/published"]) == 0
    assert "az://archive/cube/" in capsys.readouterr().out
    for name, value in cloud.wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PublishError, match="check the credentials of the repository"):
        open_published("az://archive/published")
