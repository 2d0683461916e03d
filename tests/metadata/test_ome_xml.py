"""OME-XML: which directory holds which plane."""

from __future__ import annotations

import warnings

import pytest

from support.warned import of_tiff
from virtual_tiff.metadata.ome_xml import OmeChannel, OmeImage, Planes, find_planes, parse_ome
from virtual_tiff.tiff import TiffWarning

NAMESPACE = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def xml(
    tiff_data: str = "<TiffData/>",
    *,
    order: str = "XYZTC",
    z: int = 1,
    c: int = 1,
    t: int = 1,
    more: str = "",
    channels: str = "",
    root: str = "",
) -> str:
    pixels = (
        f'<Pixels DimensionOrder="{order}" Type="uint8" SizeX="9" SizeY="8" '
        f'SizeZ="{z}" SizeC="{c}" SizeT="{t}" {more}>{channels}{tiff_data}</Pixels>'
    )
    return f'<?xml version="1.0"?><OME {NAMESPACE} {root}><Image Name="a">{pixels}</Image></OME>'


def image_of(text: str) -> OmeImage:
    ome = parse_ome(text, ifd="0")
    assert ome is not None
    (image,) = ome.images
    return image


def planes_of(
    text: str,
    *,
    ifds: int = 100,
    samples: int = 1,
    max_planes: int = 1000,
    file_name: str | None = None,
) -> Planes | None:
    ome = parse_ome(text, ifd="0")
    assert ome is not None
    ome = ome.of_file(file_name)
    ome.warn_of_other_files()
    return find_planes(
        ome.images[0],
        samples=lambda _: samples,
        ifd_count=ifds,
        max_planes=max_planes,
    )


def table(text: str, **options: int) -> list[str]:
    """Positions as the specification writes them, in the order of the directories."""
    found = planes_of(text, **options)
    assert found is not None
    _, cs, zs = found.shape
    places = {
        ifd: f"Z{n % zs}-T{n // (cs * zs)}-C{n // zs % cs}"
        for n, ifd in enumerate(found.ifds)
        if ifd is not None
    }
    return [places.get(ifd, "") for ifd in range(max(places) + 1)]


def test_fragment_1_of_the_specification() -> None:
    expected = [f"Z{z}-T{t}-C{c}" for c in range(2) for t in range(2) for z in range(3)]
    assert table(xml(z=3, t=2, c=2)) == expected  # of 100 directories, the others are ignored


def test_fragment_2_of_the_specification() -> None:
    text = xml('<TiffData PlaneCount="10"/>', order="XYCTZ", z=4, t=3, c=2)
    expected = [f"Z{z}-T{t}-C{c}" for z in range(2) for t in range(3) for c in range(2)][:10]
    with pytest.warns(TiffWarning, match="lacks 14 of 24 planes"):
        assert table(text) == expected


def test_fragment_3_of_the_specification() -> None:
    text = xml('<TiffData IFD="3" PlaneCount="5"/>', z=4, c=3, t=2)
    with pytest.warns(TiffWarning, match="lacks 19 of 24 planes"):
        assert table(text)[3:] == ["Z0-T0-C0", "Z1-T0-C0", "Z2-T0-C0", "Z3-T0-C0", "Z0-T1-C0"]


def test_fragment_4_of_the_specification() -> None:
    text = xml("".join(f'<TiffData IFD="{i}" FirstT="{5 - i}"/>' for i in range(6)), t=6)
    assert planes_of(text) == Planes(shape=(6, 1, 1), first=(0, 0, 0), ifds=(5, 4, 3, 2, 1, 0))


def test_without_tiff_data_all_directories_are_planes() -> None:
    assert table(xml("", z=2)) == ["Z0-T0-C0", "Z1-T0-C0"]


def test_plane_count_under_its_old_name() -> None:
    with pytest.warns(TiffWarning, match="lacks 1 of 3"):
        assert table(xml('<TiffData NumPlanes="2"/>', z=3)) == ["Z0-T0-C0", "Z1-T0-C0"]


def test_positions_that_some_writers_count_from_1() -> None:
    text = xml("".join(f'<TiffData IFD="{i}" FirstZ="{i + 1}" FirstC="1"/>' for i in range(3)), z=3)
    assert planes_of(text) == Planes(shape=(1, 1, 3), first=(0, 0, 0), ifds=(0, 1, 2))


def test_samples_of_rgb_planes_are_channels() -> None:
    found = planes_of(xml(c=6, t=2), samples=3)
    assert found is not None
    assert found.shape == (2, 2, 1)


def test_a_plane_that_is_none_is_ignored() -> None:
    text = xml('<TiffData IFD="0"/><TiffData IFD="1" FirstT="7"/>', t=2)
    with pytest.warns(TiffWarning) as warned:
        found = planes_of(text)
    assert found is not None
    assert found.ifds == (0, None)
    assert [str(each.message).partition(": ")[2] for each in of_tiff(warned)] == [
        "a TiffData names a plane that the image does not have; it is ignored",
        "the file lacks 1 of 2 planes",
    ]


MULTI_FILE = "".join(
    f'<TiffData IFD="0" FirstT="{t}" PlaneCount="1">'
    f'<UUID FileName="t{t}.ome.tif"> urn:uuid:{t} </UUID></TiffData>'
    for t in range(5)
)


def test_of_several_files_the_planes_of_this_one() -> None:
    with pytest.warns(
        TiffWarning, match=r"other files .* t0.ome.tif, t1.ome.tif, t2.ome.tif and 1"
    ):
        found = planes_of(xml(MULTI_FILE, t=5, root='UUID="URN:UUID:3"'))
    assert found == Planes(shape=(1, 1, 1), first=(3, 0, 0), ifds=(0,))


def test_of_several_files_this_one_by_its_name() -> None:
    with pytest.warns(TiffWarning, match="other files"):
        found = planes_of(xml(MULTI_FILE, t=5), file_name="t4.ome.tif")
    assert found == Planes(shape=(1, 1, 1), first=(4, 0, 0), ifds=(0,))


def test_one_uuid_throughout_is_this_file_whatever_its_root_says() -> None:
    text = xml('<TiffData><UUID FileName="old.tif">x</UUID></TiffData>', root='UUID="y"')
    assert planes_of(text) == Planes(shape=(1, 1, 1), first=(0, 0, 0), ifds=(0,))


def test_no_plane_in_this_file() -> None:
    assert planes_of(xml('<TiffData IFD="5"/>'), ifds=5) is None


def test_hostile_sizes_are_bounded_by_the_planes_that_there_are() -> None:
    with pytest.warns(TiffWarning, match="has 1,000,000,000,000,000,000 planes; only those"):
        found = planes_of(xml(t=10**9, z=10**9), ifds=3)
    assert found == Planes(shape=(1, 1, 3), first=(0, 0, 0), ifds=(0, 1, 2))


def test_planes_far_apart_are_too_many() -> None:
    text = xml('<TiffData IFD="0"/><TiffData IFD="1" FirstT="999999"/>', t=10**6)
    with pytest.warns(TiffWarning, match="has 1,000,000 planes; the limit is"):
        found = planes_of(text)
    assert found is not None
    assert found.ifds == ()


def test_tiff_data_upon_tiff_data_end_at_the_limit() -> None:
    with pytest.warns(TiffWarning, match="TiffData name more than"):
        assert planes_of(xml("<TiffData/>" * 10_000, z=100), max_planes=150) is not None


def test_as_many_planes_as_the_limit_are_read_in_silence() -> None:
    planes = "".join(f'<TiffData IFD="{i}" FirstZ="{i}"/>' for i in range(10))
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        found = planes_of(xml(planes, z=10), max_planes=10)
    assert found is not None
    assert found.ifds == tuple(range(10))
    with pytest.warns(TiffWarning, match="TiffData name more than 9 planes"):
        planes_of(xml(planes, z=10), max_planes=9)


def test_planes_of_nothing_but_what_the_image_lacks_are_none() -> None:
    with pytest.warns(TiffWarning, match="names a plane that the image does not have"):
        assert planes_of(xml('<TiffData FirstT="7"/>', t=2)) is None


def test_planes_of_two_uuids_that_are_both_this_file_are_all_exposed() -> None:
    uuids = "".join(
        f'<TiffData IFD="{n}" FirstZ="{n}"><UUID FileName="a.ome.tif">{n}</UUID></TiffData>'
        for n in range(2)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", TiffWarning)
        found = planes_of(xml(uuids, z=2), file_name="a.ome.tif")
    assert found == Planes(shape=(1, 1, 2), first=(0, 0, 0), ifds=(0, 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (('SizeZ="1"', 'SizeZ="-1"'), "SizeZ"),
        (('SizeZ="1"', 'SizeZ="0"'), "SizeZ"),
        (('SizeZ="1"', f'SizeZ="{"9" * 5000}"'), "SizeZ"),
        (('SizeT="1"', ""), "SizeT"),
        (("XYZTC", "XYZZC"), "DimensionOrder"),
        (("<TiffData/>", '<TiffData IFD="a"/>'), "IFD"),
    ],
)
def test_an_image_that_contradicts_the_schema_is_ignored(
    change: tuple[str, str], reason: str
) -> None:
    with pytest.warns(TiffWarning, match=f"OME image 0 is ignored: {reason}"):
        ome = parse_ome(xml().replace(*change), ifd="0")
    assert ome is not None
    assert ome.images == ()


def test_metadata_in_another_file() -> None:
    text = f'<OME {NAMESPACE}><BinaryOnly MetadataFile="a.companion.ome" UUID="urn:1"/></OME>'
    with pytest.warns(TiffWarning, match=r"a\.companion\.ome"):
        assert parse_ome(text, ifd="0") is None


@pytest.mark.parametrize("text", [None, "", "OME>", "<a/>", "ImageJ=1", "<b>OME></b>"])
def test_other_descriptions_are_not_ome(text: str | None) -> None:
    assert parse_ome(text, ifd="0") is None


def test_document_types_are_refused() -> None:
    with pytest.warns(TiffWarning, match="document type"):
        assert parse_ome("<!DOCTYPE a [<!ENTITY b 'c'>]>\n<OME>&b;</OME>", ifd="0") is None


def test_sizes_units_and_channels() -> None:
    channels = (
        '<Channel Name="DAPI" Color="65535"/><Channel SamplesPerPixel="1" Color="-16776961"/>'
        '<Channel Color="red"/>'
    )
    more = (
        'PhysicalSizeX="0.5" PhysicalSizeY="2e-1" PhysicalSizeYUnit="nm" PhysicalSizeZ="0" '
        'TimeIncrement="3" TimeIncrementUnit="min" SignificantBits="12"'
    )
    image = image_of(xml(c=3, channels=channels, more=more))
    assert image.name == "a"
    assert image.spacing == {"X": (0.5, "µm"), "Y": (0.2, "nm"), "T": (3.0, "min")}
    assert image.significant_bits == 12
    assert image.channels == (
        OmeChannel(name="DAPI", color="0000FF", samples=1),
        OmeChannel(name=None, color="FF0000", samples=1),
        OmeChannel(name=None, color=None, samples=1),
    )


def test_samples_that_do_not_divide_the_channels_leave_the_sizes_as_they_are() -> None:
    """SizeC counts samples; where it cannot, each directory is taken as one channel."""
    with pytest.warns(TiffWarning, match="lacks 2 of 4 planes"):
        found = planes_of(xml(c=4), samples=3, ifds=2)
    assert found is not None
    assert found.shape == (1, 4, 1)


def test_tiff_data_that_name_no_directory_of_the_file_are_no_planes() -> None:
    assert planes_of(xml('<TiffData IFD="7"/>', z=2), ifds=2) is None
