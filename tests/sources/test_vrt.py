"""GDAL's VRT: its files and their places; what references cannot say is refused by its name."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from support.gdal_programs import build_vrt
from support.http import HttpServer
from support.scenes import scene
from support.warned import of_tiff
from virtual_tiff.sources.finding import SourceFile, find_files
from virtual_tiff.sources.vrt import parse_vrt, tiles_of
from virtual_tiff.tiff import TiffWarning


def vrt(
    *bands: str, size: tuple[int, int] = (100, 200), more: str = "", name: str = "m.vrt"
) -> str:
    """A document of these bands; `size` is rows and columns."""
    return (
        f'<VRTDataset rasterXSize="{size[1]}" rasterYSize="{size[0]}">{more}{"".join(bands)}'
        "</VRTDataset>"
    )


def band(*sources: str, more: str = "", attributes: str = 'dataType="Byte"') -> str:
    return f"<VRTRasterBand {attributes}>{more}{''.join(sources)}</VRTRasterBand>"


def source(
    name: str = "a.tif",
    at: tuple[float, float] = (0, 0),
    size: tuple[float, float] = (50, 60),
    *,
    from_size: tuple[float, float] | None = None,
    from_at: tuple[float, float] = (0, 0),
    kind: str = "SimpleSource",
    number: int | str = 1,
    relative: int = 1,
    more: str = "",
) -> str:
    rows, columns = from_size or size
    return (
        f'<{kind}><SourceFilename relativeToVRT="{relative}">{escape(name)}</SourceFilename>'
        f"<SourceBand>{number}</SourceBand>"
        f'<SrcRect xOff="{from_at[1]}" yOff="{from_at[0]}" xSize="{columns}" ySize="{rows}"/>'
        f'<DstRect xOff="{at[1]}" yOff="{at[0]}" xSize="{size[1]}" ySize="{size[0]}"/>'
        f"{more}</{kind}>"
    )


def test_files_come_in_the_order_in_which_they_cover_each_other() -> None:
    text = vrt(band(source("b.tif", (0, 60)), source("a.tif"), source("d/c.tif", (50, 0))))
    tiles = tiles_of(parse_vrt(text, "/data/m.vrt"), {})
    assert [(name, place.row, place.column) for name, place in tiles] == [
        ("/data/b.tif", 0, 60),
        ("/data/a.tif", 0, 0),
        ("/data/d/c.tif", 50, 0),
    ]
    assert {(place.length, place.width, place.band) for _, place in tiles} == {(50, 60, 0)}


def test_the_whole_is_as_gdal_writes_it(tmp_path: Path) -> None:
    files = [
        scene(tmp_path / f"{n}.tif", n, shape=(3, 64, 96), at=(500_000 + 960 * n, 4_650_000))
        for n in range(2)
    ]
    path = build_vrt(tmp_path / "m.vrt", files, "-vrtnodata", "7")
    grid = parse_vrt(path.read_text(), str(path)).grid
    assert grid.size == (64, 192)
    assert grid.transform == (500_000, 10, 0, 4_650_000, 0, -10)
    assert grid.crs is not None
    assert grid.crs.startswith('PROJCS["WGS 84 / UTM zone 33N"')
    assert [(each.data_type, each.nodata) for each in grid.bands] == [("uint16", "7")] * 3


def test_bands_of_one_file_each_are_a_new_dimension(tmp_path: Path) -> None:
    files = [scene(tmp_path / f"{n}.tif", n) for n in range(3)]
    path = build_vrt(tmp_path / "m.vrt", files, "-separate")
    found = list(find_files(path, for_references=True))
    assert [Path(file.location.name).name for file in found] == ["0.tif", "1.tif", "2.tif"]
    assert [file.place.band for file in found if file.place] == [1, 2, 3]
    assert {file.place.grid.axes for file in found if file.place} == {("band", "y", "x")}


NAMES = {
    ("/vsicurl/https://h/a.tif", 0): "https://h/a.tif",
    ("/vsicurl_streaming/https://h/a.tif", 0): "https://h/a.tif",
    ("/vsis3/bucket/d/a b.tif", 0): "s3://bucket/d/a b.tif",
    ("/vsigs/bucket/a.tif", 0): "gs://bucket/a.tif",
    ("/vsiaz/container/a.tif", 1): "az://container/a.tif",
    ("https://h/a.tif", 0): "https://h/a.tif",
    ("../a.tif", 1): "/a.tif",
    ("a.tif", 0): "a.tif",
    ("/d/a.tif", 0): "/d/a.tif",
}


@pytest.mark.parametrize(("name", "relative"), NAMES)
def test_names_of_gdal_are_urls(name: str, relative: int) -> None:
    text = vrt(band(source(name, relative=relative)))
    ((found, _),) = tiles_of(parse_vrt(text, "/data/m.vrt"), {})
    assert found == NAMES[name, relative]


def test_a_name_counts_from_the_document_wherever_that_is(tmp_path: Path) -> None:
    for place in ("https://h/d/m.vrt", "s3://b/d/m.vrt"):
        ((name, _),) = tiles_of(parse_vrt(vrt(band(source())), place), {})
        assert name == place.replace("m.vrt", "a.tif")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "m.vrt").write_text(vrt(band(source())))
    link = tmp_path / "link.vrt"
    link.symlink_to(tmp_path / "here" / "m.vrt")
    ((name, _),) = tiles_of(parse_vrt(link.read_text(), str(link)), {})
    assert os.path.realpath(name) == os.path.realpath(tmp_path / "here" / "a.tif")


REFUSED = {
    "averaged": (band(source(kind="AveragedSource")), "resampling .AveragedSource"),
    "kernel": (band(source(kind="KernelFilteredSource")), "a filter .KernelFilteredSource"),
    "array": (band("<ArraySource/>"), "ArraySource"),
    "size": (band(source(from_size=(25, 30))), "a.tif: the VRT has resampling of 30x25 to 60x50"),
    "half a pixel": (band(source(at=(0.5, 0))), "resampling, as it puts .* at row 0.5"),
    "part": (band(source(from_at=(10, 0))), "a part of a file, which begins at its row 10"),
    "beyond": (band(source(at=(90, 0))), "not within the image of 200x100 pixels"),
    "mask": (band(source(), more="<MaskBand/>"), "a mask .MaskBand"),
    "mask as a band": (band(source(number="mask,1")), "a mask as a band"),
    "mask of a source": (
        band(source(kind="ComplexSource", more="<UseMaskBand>true</UseMaskBand>")),
        "UseMaskBand",
    ),
    "scaled": (
        band(source(kind="ComplexSource", more="<ScaleRatio>2</ScaleRatio>")),
        "band 1: .*a.tif: the VRT has scaling .ScaleRatio",
    ),
    "offset": (
        band(source(kind="ComplexSource", more="<ScaleOffset>1</ScaleOffset>")),
        "scaling .ScaleOffset",
    ),
    "table": (band(source(kind="ComplexSource", more="<LUT>0:1,1:2</LUT>")), "look-up table"),
    "palette": (
        band(source(kind="ComplexSource", more="<ColorTableComponent>1</ColorTableComponent>")),
        "ColorTableComponent",
    ),
    "exponent": (band(source(kind="ComplexSource", more="<Exponent>2</Exponent>")), "Exponent"),
    "nodata of a source": (
        band(source(kind="ComplexSource", more="<NODATA>5</NODATA>")),
        "NODATA 5 of a file where the band has no nodata",
    ),
    "open options": (
        band(source(more='<OpenOptions><OOI key="OVERVIEW_LEVEL">0</OOI></OpenOptions>')),
        "OpenOptions",
    ),
    "pixel function": (
        band(source(), attributes='dataType="Byte" subClass="VRTDerivedRasterBand"'),
        "a band that is computed",
    ),
    "raw": (band(attributes='dataType="Byte" subClass="VRTRawRasterBand"'), "a raw file"),
    "hidden nodata": (
        band(source(), more="<HideNoDataValue>1</HideNoDataValue>"),
        "nodata value that is hidden",
    ),
    "unknown": (band(source(), more="<Future/>"), "an element Future, which is not known"),
    "no source": (band(), "band 1: the VRT has no source"),
    "integers": (band(source(), attributes='dataType="CInt16"'), "the data type CInt16"),
    "one rectangle": (
        band("<SimpleSource><SourceFilename>a.tif</SourceFilename><DstRect/></SimpleSource>"),
        "DstRect is .* not four numbers",
    ),
    "archive": (band(source("/vsizip/a.zip/a.tif")), "a file of /vsizip/"),
    "database": (band(source("NETCDF:a.nc:v")), "a source that is no file"),
    "twice": (band(source(), source(at=(50, 0))), "a.tif at several places"),
    "another band": (band(source(number=2)), "neither all bands of each file"),
    "swapped": (
        band(source(number=2)) + band(source(number=1)),
        "neither all bands of each file",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_references_cannot_say_is_refused_by_name(what: str) -> None:
    bands, words = REFUSED[what]
    with pytest.raises(ValueError, match=rf"^/data/m\.vrt: .*{words}"):
        tiles_of(parse_vrt(vrt(bands), "/data/m.vrt"), {})


DATASETS = {
    "warped": ('<VRTDataset rasterXSize="1" rasterYSize="1" subClass="VRTWarpedDataset"/>', "warp"),
    "pansharpened": (
        '<VRTDataset rasterXSize="1" rasterYSize="1" subClass="VRTPansharpenedDataset"/>',
        "pansharpening",
    ),
    "points": (vrt(band(source()), more="<GCPList/>"), "ground control points"),
    "mask": (vrt(band(source()), more="<MaskBand/>"), "a mask"),
    "rpc": (vrt(band(source()), more='<Metadata domain="RPC"/>'), "domain RPC"),
    "transform": (vrt(band(source()), more="<GeoTransform>1,2</GeoTransform>"), "not six numbers"),
    "vectors": ("<OGRVRTDataSource/>", "is not a VRT of an image"),
    "no band": (vrt(), "it has no band"),
    "size": (vrt(band(source()), size=(0, 5)), "rasterYSize is '0'"),
    "text": ("GIF89a", "is not a VRT: "),
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]><VRTDataset/>', "document type"),
}


@pytest.mark.parametrize("what", DATASETS)
def test_a_document_that_is_something_else_is_refused(what: str) -> None:
    text, words = DATASETS[what]
    with pytest.raises(ValueError, match=rf"^/data/m\.vrt.*{words}"):
        parse_vrt(text, "/data/m.vrt")


def test_what_changes_no_pixel_is_left_out_with_a_warning() -> None:
    text = vrt(
        band(source(), more="<Overview/><Histograms/>"),
        more='<OverviewList>2 4</OverviewList><Metadata domain="IMAGE_STRUCTURE"/>',
    )
    with pytest.warns(TiffWarning) as caught:
        tiles_of(parse_vrt(text, "/data/m.vrt"), {})
    assert [str(each.message).split("(")[1].split(")")[0] for each in of_tiff(caught)] == [
        "OverviewList",
        "Overview",
        "Histograms",
    ]


COMPLEX = {
    "equal nodata": ("<NODATA>7</NODATA>", "<NoDataValue>7.0</NoDataValue>"),
    "nodata that is not a number": ("<NODATA>nan</NODATA>", "<NoDataValue>NaN</NoDataValue>"),
    "0 where pixels without a file are 0": ("<NODATA>0</NODATA>", ""),
}


@pytest.mark.parametrize("how", COMPLEX)
def test_pixels_that_are_nodata_do_not_cover_others(how: str) -> None:
    of_source, of_band = COMPLEX[how]
    text = vrt(band(source(kind="ComplexSource", more=of_source), more=of_band))
    ((_, place),) = tiles_of(parse_vrt(text, "/data/m.vrt"), {})
    assert not place.grid.last_wins


def test_a_source_that_changes_nothing_is_taken() -> None:
    more = "<ScaleOffset>0</ScaleOffset><ScaleRatio>1</ScaleRatio>"
    text = vrt(band(source(kind="ComplexSource", more=more)))
    ((_, place),) = tiles_of(parse_vrt(text, "/data/m.vrt"), {})
    assert place.grid.last_wins


def found(path: object) -> list[tuple[str, int, int]]:
    files: list[SourceFile] = list(find_files(path, for_references=True))
    return [
        (Path(file.location.path).name, file.place.row, file.place.column)
        for file in files
        if file.place
    ]


def test_nested_documents_are_replaced_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    inner = vrt(band(source("a.tif"), source("b.tif", (0, 60))), size=(50, 120))
    (tmp_path / "in" / "inner.vrt").write_text(inner)
    outer = vrt(band(source("c.tif"), source("in/inner.vrt", (50, 10), (50, 120))))
    (tmp_path / "m.vrt").write_text(outer)
    assert found(tmp_path / "m.vrt") == [("c.tif", 0, 0), ("a.tif", 50, 10), ("b.tif", 50, 70)]


NESTED = {
    "a part": (
        band(source("inner.vrt", size=(40, 60))),
        band(source("a.tif")),
        "a part of a nested VRT",
    ),
    "type": (
        band(source("inner.vrt")),
        band(source("a.tif"), attributes='dataType="Int16"'),
        "another data type than this nested VRT's int16",
    ),
    "nodata": (
        band(source("inner.vrt")),
        band(source("a.tif"), more="<NoDataValue>9</NoDataValue>"),
        "another nodata than this nested VRT's 9",
    ),
    "holes": (
        band(source("b.tif"), source("inner.vrt")),
        band(source("a.tif", size=(50, 30))),
        "a nested VRT with holes that covers other files",
    ),
    "band": (band(source("inner.vrt", number=2)), band(source("a.tif")), "it has no band 2"),
    "itself": (band(source("inner.vrt")), band(source("inner.vrt")), "one names itself"),
}


@pytest.mark.parametrize("how", NESTED)
def test_a_nested_document_that_would_be_changed_is_refused(how: str, tmp_path: Path) -> None:
    outer, inner, words = NESTED[how]
    (tmp_path / "inner.vrt").write_text(vrt(inner, size=(50, 60)))
    (tmp_path / "m.vrt").write_text(vrt(outer))
    with pytest.raises(ValueError, match=words):
        found(tmp_path / "m.vrt")


def test_a_nested_document_without_holes_may_cover_other_files(tmp_path: Path) -> None:
    inner = vrt(band(source("a.tif"), source("b.tif", (0, 60))), size=(50, 120))
    (tmp_path / "inner.vrt").write_text(inner)
    outer = vrt(band(source("c.tif"), source("inner.vrt", (0, 0), (50, 120))), size=(50, 120))
    (tmp_path / "m.vrt").write_text(outer)
    assert found(tmp_path / "m.vrt") == [("c.tif", 0, 0), ("a.tif", 0, 0), ("b.tif", 0, 60)]


def test_a_vrt_is_found_by_glob_list_and_url(tmp_path: Path, http_server: HttpServer) -> None:
    text = vrt(band(source("a.tif", (50, 60))))
    (tmp_path / "m.vrt").write_text(text)
    (tmp_path / "list.txt").write_text(f"{tmp_path}/m.vrt\n")
    expected = [("a.tif", 50, 60)]
    url = http_server.put("d/m.vrt", text.encode())
    for name in (f"{tmp_path}/*.vrt", f"@{tmp_path}/list.txt", [tmp_path / "m.vrt"], url):
        assert found(name) == expected
    (file,) = find_files(url, for_references=True)
    assert file.location.url == url.replace("m.vrt", "a.tif")


@pytest.mark.parametrize("name", ["/etc/a.tif", "file:///etc/a.tif", "/vsimem/a.tif"])
def test_a_remote_document_names_no_local_file(name: str, http_server: HttpServer) -> None:
    url = http_server.put("m.vrt", vrt(band(source(name, relative=0))).encode())
    with pytest.raises(ValueError, match=r"a file of this machine|/vsimem/"):
        found(url)


def test_a_signed_document_is_read_but_no_signed_file_is_named(http_server: HttpServer) -> None:
    url = http_server.put("m.vrt", vrt(band(source("https://h/a.tif?sig=1", relative=0))).encode())
    with pytest.raises(ValueError, match="has a query, which may be a signature"):
        found(f"{url}?token=1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            vrt(band(source()), more='<Metadata domain="EXTRA"><MDI key="a">1</MDI></Metadata>'),
            "metadata of the domain EXTRA is left out",
        ),
        (
            vrt(band(source(), more='<Metadata><MDI key="STATISTICS_MEAN">1</MDI></Metadata>')),
            "band 1: metadata of single bands is left out",
        ),
    ],
    ids=["domain", "band"],
)
def test_metadata_that_no_array_has_is_left_out_with_a_warning(text: str, words: str) -> None:
    with pytest.warns(TiffWarning, match=words):
        parsed = parse_vrt(text, "/data/m.vrt")
    assert [name for name, _ in tiles_of(parsed, {})] == ["/data/a.tif"]


def test_metadata_of_the_structure_is_none_of_the_pixels() -> None:
    structure = '<Metadata domain="IMAGE_STRUCTURE"><MDI key="INTERLEAVE">PIXEL</MDI></Metadata>'
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        grid = parse_vrt(vrt(band(source()), more=structure), "m.vrt").grid
    assert grid.items == ()


def test_a_source_without_a_file_is_refused() -> None:
    for named in ("", "<SourceFilename/>", "<SourceFilename>  </SourceFilename>"):
        text = vrt(band(f"<SimpleSource>{named}<SourceBand>1</SourceBand></SimpleSource>"))
        with pytest.raises(ValueError, match="band 1: a source has no SourceFilename"):
            parse_vrt(text, "/data/m.vrt")


def test_a_source_without_rectangles_is_the_file_from_its_first_pixel() -> None:
    named = '<SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
    text = vrt(band(f"<SimpleSource>{named}</SimpleSource>", source("b.tif", (50, 0))))
    tiles = tiles_of(parse_vrt(text, "/data/m.vrt"), {})
    assert {name: (tile.row, tile.column, tile.length, tile.width) for name, tile in tiles} == {
        "/data/a.tif": (0, 0, 0, 0),
        "/data/b.tif": (50, 0, 50, 60),
    }
    rectangle = '<DstRect xOff="0" yOff="0" xSize="60" ySize="50"/>'
    text = vrt(band(f"<SimpleSource>{named}{rectangle}</SimpleSource>"))
    with pytest.raises(ValueError, match="only DstRect of the two rectangles"):
        parse_vrt(text, "/data/m.vrt")


def test_a_file_without_a_known_size_may_cover_what_a_nested_document_leaves_open(
    tmp_path: Path,
) -> None:
    """So the two together are refused: nobody knows which pixels it has."""
    (tmp_path / "inner.vrt").write_text(vrt(band(source("a.tif")), size=(100, 200)))
    bare = "<SimpleSource><SourceFilename>b.tif</SourceFilename></SimpleSource>"
    outer = vrt(band(bare, source("inner.vrt", (0, 0), (100, 200))), size=(100, 200))
    (tmp_path / "m.vrt").write_text(outer)
    with pytest.raises(ValueError, match="a nested VRT with holes that covers other files"):
        found(tmp_path / "m.vrt")
