"""The sync scripts fill a folder, verify it, and are cheap to run again."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.http import HttpServer
from support.scripts import load_script

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


_sync = load_script("_sync")
CORPORA = {
    name: load_script(name).CORPUS
    for name in (
        "sync_gdal_tiffs",
        "sync_rasterio_tiffs",
        "sync_geotiff_test_data",
        "sync_external_tiffs",
    )
}

TIFF = b"II*\0" + bytes(60)
BIG_ENDIAN = b"MM\0*" + bytes(100)
FILES = {"gcore/data/byte.tif": TIFF, "alg/big.TIFF": BIG_ENDIAN, "x.btf": TIFF}
CORPUS = _sync.Corpus(name="corpus", archive="http://localhost/a.tar.gz")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def write(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """Write files below a folder and return it."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, the marker left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _sync.MARKER
    }


def archive(files: Mapping[str, bytes], *links: str) -> bytes:
    """Return a tar.gz file; of `links`, each is a symbolic link to /etc/passwd."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name in links:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    return buffer.getvalue()


def run(corpus: Any, to: Path, *arguments: str | Path) -> int:
    """Run a sync script's command line."""
    status = _sync.main(corpus, ["--to", str(to), *map(str, arguments)])
    assert isinstance(status, int)
    return status


def marker(folder: Path) -> dict[str, Any]:
    """Return what the marker of a folder says."""
    content = json.loads((folder / _sync.MARKER).read_text())
    assert isinstance(content, dict)
    return content


# ---------------------------------------------------------------- from a local folder


def test_from_folder_copies_the_tiffs_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "from", {**FILES, "gcore/readme.txt": b"II"})
    assert run(CORPUS, tmp_path / "to", "--from", source) == 0
    assert read(tmp_path / "to") == FILES
    assert capsys.readouterr().out == (
        f"corpus: 3 files, 232 bytes, 0 damaged on purpose, 0 complaints, in {tmp_path / 'to'}\n"
    )


def test_the_marker_holds_counts_and_hashes(tmp_path: Path) -> None:
    source = write(tmp_path / "from")
    run(CORPUS, tmp_path / "to", "--from", source)
    content = marker(tmp_path / "to")
    digests = {n: hashlib.sha256(FILES[n]).hexdigest() for n in sorted(FILES)}
    listing = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    assert content == {
        "source": f"folder {source.as_posix()}",
        "count": 3,
        "damaged_on_purpose": 0,
        "bytes": 232,
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
        "files": digests,
    }


def test_a_second_run_has_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, to = write(tmp_path / "from"), tmp_path / "to"
    run(CORPUS, to, "--from", source)
    before = {path: path.stat().st_mtime_ns for path in to.rglob("*")}
    capsys.readouterr()
    assert run(CORPUS, to, "--from", source) == 0
    assert capsys.readouterr().out == f"corpus: nothing to do, {to} is complete\n"
    assert {path: path.stat().st_mtime_ns for path in to.rglob("*")} == before


def test_force_writes_all_again(tmp_path: Path) -> None:
    source, to = write(tmp_path / "from"), tmp_path / "to"
    run(CORPUS, to, "--from", source)
    (source / "x.btf").write_bytes(b"II*\0" + b"\1" * 60)
    assert run(CORPUS, to, "--from", source) == 0
    assert (to / "x.btf").read_bytes() == TIFF
    assert run(CORPUS, to, "--from", source, "--force") == 0
    assert (to / "x.btf").read_bytes() == b"II*\0" + b"\1" * 60


@pytest.mark.parametrize("lost", ["missing", "short", "changed", "no marker"])
def test_what_is_missing_is_completed(tmp_path: Path, lost: str) -> None:
    source, to = write(tmp_path / "from"), tmp_path / "to"
    run(CORPUS, to, "--from", source)
    if lost == "missing":
        (to / "x.btf").unlink()
    elif lost == "short":
        (to / "x.btf").write_bytes(TIFF[:10])
    elif lost == "changed":
        (to / "x.btf").write_bytes(TIFF[:-1] + b"!")
    else:
        (to / _sync.MARKER).unlink()
        (to / ".x.btf.part").write_bytes(b"what a killed run leaves")
        (to / "x.btf").unlink()
    assert run(CORPUS, to, "--from", source) == 0
    assert read(to) == FILES
    assert marker(to)["count"] == 3


def test_a_marker_that_is_no_marker_is_not_believed(tmp_path: Path) -> None:
    source, to = write(tmp_path / "from"), tmp_path / "to"
    for text in ("", "[]", "{}", '{"files": {}}', '{"files": 1, "source": 2}'):
        write(to, {_sync.MARKER: text.encode()})
        assert run(CORPUS, to, "--from", source) == 0
        assert read(to) == FILES


def test_another_source_replaces_files_of_the_same_size(tmp_path: Path) -> None:
    first = write(tmp_path / "1")
    second = write(tmp_path / "2", {"x.btf": b"II*\0" + b"\2" * 60})
    run(CORPUS, tmp_path / "to", "--from", first)
    assert run(CORPUS, tmp_path / "to", "--from", second) == 0
    assert (tmp_path / "to/x.btf").read_bytes() == b"II*\0" + b"\2" * 60
    assert list(marker(tmp_path / "to")["files"]) == ["x.btf"]


def test_what_is_no_tiff_is_kept_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "from", {**FILES, "page.tif": b"<html>"})
    assert run(CORPUS, tmp_path / "to", "--from", source) == 1
    assert (tmp_path / "to/page.tif").read_bytes() == b"<html>"
    assert not (tmp_path / "to" / _sync.MARKER).exists()
    assert "page.tif: no TIFF" in capsys.readouterr().err


def test_what_is_damaged_on_purpose_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "from", {**FILES, "bad.tif": b"\0"})
    corpus = replace(CORPUS, damaged=frozenset({"bad.tif"}))
    assert run(corpus, tmp_path / "to", "--from", source) == 0
    assert "4 files, 233 bytes, 1 damaged on purpose" in capsys.readouterr().out


def test_too_few_files_are_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "from")
    assert run(replace(CORPUS, minimum=4), tmp_path / "to", "--from", source) == 1
    assert "3 files, at least 4 were expected" in capsys.readouterr().err
    assert read(tmp_path / "to") == FILES


def test_folders_that_make_no_sense(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "to")
    assert run(CORPUS, tmp_path / "to", "--from", tmp_path / "nowhere") == 2
    assert "no such folder" in capsys.readouterr().err
    assert run(CORPUS, tmp_path / "to", "--from", tmp_path) == 2
    assert run(CORPUS, tmp_path / "to", "--from", tmp_path / "to") == 2
    assert "holds the other" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run(CORPUS, tmp_path / "to", "--form", tmp_path)


# ---------------------------------------------------------------- from an archive


def test_an_archive_is_unpacked_below_its_subfolder(
    http_server: HttpServer, tmp_path: Path
) -> None:
    inside = {f"project-1.0/autotest/{name}": data for name, data in FILES.items()}
    inside |= {"project-1.0/doc/logo.tif": TIFF, "project-1.0/autotest/a.py": b"II"}
    inside |= {"top.tif": TIFF, "project-1.0/what:a\\name.txt": b""}
    url = http_server.put("a.tar.gz", archive(inside, "project-1.0/autotest/link.tif"))
    corpus = replace(CORPUS, archive=url, subfolder="autotest")
    assert run(corpus, tmp_path) == 0
    assert read(tmp_path) == FILES
    assert marker(tmp_path)["source"] == url
    assert run(corpus, tmp_path) == 0
    assert http_server.count("GET") == 1


@pytest.mark.parametrize(
    "name", ["top/../../evil.tif", "/evil.tif", "../evil.tif", "top\\..\\evil.tif"]
)
def test_a_path_that_leaves_the_folder_is_refused(
    http_server: HttpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    url = http_server.put("a.tar.gz", archive({"top/good.tif": TIFF, name: TIFF}))
    assert run(replace(CORPUS, archive=url), tmp_path / "deep/to") == 1
    assert read(tmp_path) == {}
    assert f"unsafe path {name!r}" in capsys.readouterr().err


def test_an_archive_too_large_is_refused(
    http_server: HttpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = http_server.put("a.tar.gz", archive({"top/a.tif": TIFF, "top/bomb": bytes(10_000)}))
    corpus = replace(CORPUS, archive=url)
    monkeypatch.setattr(_sync, "MAX_UNPACKED", 5_000)
    assert run(corpus, tmp_path) == 1
    assert "unpacks to more than 5000 bytes" in capsys.readouterr().err
    monkeypatch.setattr(_sync, "MAX_DOWNLOAD", 50)
    assert run(corpus, tmp_path) == 2
    assert "more than 50 bytes" in capsys.readouterr().err
    assert read(tmp_path) == {}


@pytest.mark.parametrize("kept", [0, 10, 100])
def test_a_damaged_archive_is_reported(
    http_server: HttpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: int
) -> None:
    noise = hashlib.shake_128(b"noise").digest(4_000)
    url = http_server.put("a.tar.gz", archive({"top/a.tif": TIFF, "top/b": noise})[:kept])
    assert run(replace(CORPUS, archive=url), tmp_path) == 1
    assert "cannot unpack" in capsys.readouterr().err
    assert read(tmp_path) == {}


def test_a_download_that_ends_early_is_an_error() -> None:
    class Response(io.BytesIO):
        headers = {"Content-Length": "100"}  # noqa: RUF012  (it is never changed)

    with pytest.raises(OSError, match="64 bytes came, 100 were announced"):
        _sync.copy_stream(Response(TIFF), io.BytesIO(), label="")


def test_no_network_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with HttpServer() as server:
        corpus = replace(CORPUS, archive=f"{server.url}/gone.tar.gz")
        assert run(corpus, tmp_path) == 2
        assert "404" in capsys.readouterr().err
    source, to = write(tmp_path / "from"), tmp_path / "to"
    run(CORPUS, to, "--from", source)
    assert run(corpus, to) == 2
    assert "copy from a folder: --from DIR" in capsys.readouterr().err
    assert read(to) == FILES
    assert marker(to)["source"] == f"folder {source.as_posix()}"


def test_long_downloads_tell_of_their_progress(
    http_server: HttpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(_sync, "PROGRESS_STEP", 1_000_000)
    url = http_server.put("big", b"II*\0" + bytes(2_500_000))
    assert run(replace(CORPUS, archive="", urls={"big.tif": url}), tmp_path) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["big.tif: 1 MB", "big.tif: 2 MB"]
    assert len(captured.out.splitlines()) == 1


# --------------------------------------------------------------------- from URLs


def test_of_urls_the_good_ones_are_kept_and_the_bad_ones_tried_again(
    http_server: HttpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    http_server.put("1", TIFF)
    http_server.put("2", b"<html>moved</html>")
    urls = {f"{n}.tif": f"{http_server.url}/{n}" for n in (1, 2, 3)}
    corpus = replace(CORPUS, archive="", urls=urls)
    assert run(corpus, tmp_path) == 1
    errors = capsys.readouterr().err
    assert "3.tif: HTTP Error 404" in errors
    assert "2.tif: no TIFF" in errors
    assert (tmp_path / "1.tif").read_bytes() == TIFF

    http_server.put("2", TIFF)
    http_server.put("3", BIG_ENDIAN)
    assert run(corpus, tmp_path) == 0
    assert read(tmp_path) == {"1.tif": TIFF, "2.tif": TIFF, "3.tif": BIG_ENDIAN}
    assert run(corpus, tmp_path) == 0
    assert [request.path for request in http_server.requests] == ["1", "2", "3", "2", "3"]


def test_where_no_url_answers_the_network_is_missing(
    http_server: HttpServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = replace(CORPUS, archive="", urls={"1.tif": f"{http_server.url}/none"})
    assert run(corpus, tmp_path) == 2
    assert "--from DIR" in capsys.readouterr().err


# ------------------------------------------------------------------- the four tables


@pytest.mark.parametrize("name", CORPORA)
def test_each_corpus_comes_over_https_into_a_folder_of_its_own(name: str) -> None:
    corpus = CORPORA[name]
    urls = [corpus.archive] if corpus.archive else list(corpus.urls.values())
    assert all(url.startswith("https://") for url in urls)
    assert all(_sync.is_tiff_name(file) for file in corpus.urls)
    assert len({c.name for c in CORPORA.values()}) == len(CORPORA)
    assert _sync.EXTERNAL.parts[-2:] == ("testdata", "external")
