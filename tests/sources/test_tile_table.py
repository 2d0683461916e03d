"""A CSV table of tiles: its columns, its places, its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.http import HttpServer
from virtual_tiff.sources.declared_grid import TilePlace
from virtual_tiff.sources.finding import find_files


def found(path: object) -> list[tuple[str, TilePlace]]:
    files = find_files(path, for_references=True)
    return [(file.location.url, file.place) for file in files if file.place]


TABLES = {
    "tiles": ("url,row,column\n{0}/a.tif,0,1\n{0}/b.tif,2,0\n", "tiles"),
    "pixels": ("path,yoff,xoff\n{0}/a.tif,0,1\n{0}/b.tif,2,0\n", "pixels"),
    "relative names": ("path,row,column\na.tif,0,1\nb.tif,2,0\n", "tiles"),
    "other columns and order": ("row,time,Column,URL\n0,x,1,a.tif\n2,y,0,b.tif\n", "tiles"),
    "comments, blanks, quotes": ('# x\n\nurl, row, column\n"a.tif", 0, 1\n\nb.tif,2,0', "tiles"),
}


@pytest.mark.parametrize("how", TABLES)
def test_a_table_places_files(how: str, tmp_path: Path) -> None:
    text, unit = TABLES[how]
    (tmp_path / "grid.csv").write_text(text.format(tmp_path))
    tiles = found(tmp_path / "grid.csv")
    assert [(url, place.row, place.column) for url, place in tiles] == [
        (f"file://{tmp_path}/a.tif", 0, 1),
        (f"file://{tmp_path}/b.tif", 2, 0),
    ]
    assert {place.grid.unit for _, place in tiles} == {unit}
    assert {place.grid.name for _, place in tiles} == {str(tmp_path / "grid.csv")}


WRONG = {
    "no place": ("url,value\na.tif,1\n", "its first line must name the columns"),
    "no file": ("name,row,column\na.tif,1,1\n", "its first line must name the columns"),
    "nothing": ("", "its first line must name the columns"),
    "cells": ("url,row,column\na.tif,1\n", "a line must have 3 cells"),
    "no name": ("url,row,column\n,1,1\n", "a line must have 3 cells"),
    "a fraction": ("url,row,column\na.tif,1,1.5\n", "whole numbers from 0, not '1' and '1.5'"),
    "negative": ("url,yoff,xoff\na.tif,-1,1\n", "yoff and xoff must be whole numbers from 0"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_table_without_places_is_refused(how: str, tmp_path: Path) -> None:
    text, words = WRONG[how]
    (tmp_path / "grid.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"grid\.csv: .*{words}"):
        found(tmp_path / "grid.csv")


def test_a_remote_table_names_remote_files(http_server: HttpServer) -> None:
    url = http_server.put("d/grid.csv", b"url,row,column\na.tif,0,0\n")
    ((name, _),) = found(url)
    assert name == url.replace("grid.csv", "a.tif")
    url = http_server.put("d/grid.csv", b"url,row,column\nfile:///etc/a.tif,0,0\n")
    with pytest.raises(ValueError, match="a file of this machine"):
        found(url)
