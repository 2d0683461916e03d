"""The files of multi-file OME-TIFFs: those that are missing are found, and each set has its group.

A file of a set lists all others in its record (`SET`). A user may name all files of a set, some or
one, in whatever order; the set is published whole. Files that do not exist leave holes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from virtual_tiff.arrays.nodes import SET
from virtual_tiff.publishing.errors import PublishError
from virtual_tiff.publishing.finding.items import Item
from virtual_tiff.publishing.planning.names import group_names
from virtual_tiff.publishing.reading.spool import Spool
from virtual_tiff.sources.locations import Location
from virtual_tiff.sources.object_source import present_state
from virtual_tiff.sources.running import in_parallel
from virtual_tiff.text.numbers import counted, listed
from virtual_tiff.tiff import redacted, warn

__all__ = ["group_sets", "missing_files"]


@dataclass(slots=True)
class _ImageSet:
    """A multi-file OME-TIFF: the names of its files, and those items that are of it."""

    folder: str
    """The url of their folder."""
    names: tuple[str, ...]
    items: list[int] = field(default_factory=list)

    @property
    def urls(self) -> Iterator[str]:
        """The urls of all files; a file without a name has a UUID in its place."""
        return (
            f"{self.folder}/{quote(name)}" for name in self.names if not name.startswith("urn:")
        )


def _image_sets(spool: Spool) -> list[_ImageSet]:
    """Return the sets that the items belong to."""
    sets: dict[tuple[str, tuple[str, ...]], _ImageSet] = {}
    names: dict[int, tuple[str, ...]] = {}
    for n, url, template in spool.with_text(SET):
        if template not in names:
            names[template] = tuple(spool.template(template).groups.get("", {}).get(SET, ()))
        folder = url.rpartition("/")[0]
        for name in names[template]:  # a file may be in a folder below that of the set
            if url.endswith("/" + quote(name)):
                folder = url.removesuffix("/" + quote(name))
        key = folder, names[template]
        sets.setdefault(key, _ImageSet(*key)).items.append(n)
    return list(sets.values())


async def missing_files(spool: Spool, *, concurrency: int) -> list[Item]:
    """Return the files of the items' sets that are no items, and that exist; warn of others."""
    known = set(spool.item_urls())
    items: list[Item] = []
    for image_set in _image_sets(spool):
        urls = [url for url in image_set.urls if url not in known]
        if not urls:
            continue
        of_set: list[Item] = []
        lost: list[str] = []
        _, first = next(spool.items(f"n = {image_set.items[0]}"))
        above = first.location.url.removeprefix(image_set.folder + "/").count("/") + 1
        folder = first.location.path
        for _ in range(above):
            folder = posixpath.dirname(folder)

        async def look(
            url: str,
            of_set: list[Item] = of_set,
            lost: list[str] = lost,
            image_set: _ImageSet = image_set,
            folder: str = folder,
            first: Item = first,
        ) -> None:
            quoted = url.removeprefix(image_set.folder + "/")
            name = next(name for name in image_set.names if quote(name) == quoted)
            path = posixpath.join(folder, name)
            store = first.location.store
            try:
                await present_state(store, path, url)
            except OSError:
                lost.append(url)
            else:
                of_set.append(Item(Location(name=url, url=url, store=store, path=path)))

        await in_parallel(urls, look, min(concurrency, len(urls)))
        items += sorted(of_set, key=lambda item: item.location.url)
        if lost:
            warn(
                f"{redacted(first.location.url)}: {counted(len(lost), 'file')} of its image cannot"
                f" be found, and their planes read as the fill value:"
                f" {listed(sorted(map(redacted, lost)), 3)}"
            )
    return items


def group_sets(spool: Spool) -> bool:
    """Return whether the items are multi-file images; of several, each gets a group.

    If only some items are of such an image, it is a PublishError.
    """
    sets = _image_sets(spool)
    others = spool.count("read") - sum(len(each.items) for each in sets)
    if sets and others:
        names = sets[0].names
        msg = (
            f"{names[0]} and {counted(len(names) - 1, 'other file')} are one image, a multi-file"
            f" OME-TIFF, and others are none of it: {counted(others, 'file')}. Publish them apart,"
            " or each file as it is (layout='group per file')"
        )
        raise PublishError(msg)
    if len(sets) > 1:
        firsts = [f"{each.folder}/{quote(each.names[0])}" for each in sets]
        for each, group in zip(sets, group_names(firsts), strict=True):
            spool.set_group(each.items, group.removesuffix(".ome"))
    return bool(sets)
