"""`publish`, step by step: find the files, read them, arrange the arrays, and only then write.

The problem is that a run may read for hours, and that files, cache and repository may all change
or fail meanwhile. Nothing of that may leave half a cube behind, or a cube that has another meaning
than its files. Hence the order of the steps, and the promise at the end of each:

1. `Publication.of` checks the options and the name of the target. A wrong option costs no request.
2. `read` finds the files, then looks at the target; with `append` first at the target. The commit
   that it finds there is the *base* of this run: its ledger says how the files were placed, and
   which of those that were found are published already. Then the state of each known file is asked
   for, and all new or changed files are read. Their records go to the spool, which is on disk, and
   from time to time to the cache, so that an interrupted run can go on. Nothing is written to the
   target.
3. `plan` arranges the records. This can be done only when all are known: whether files can be
   stacked, and at which position each lies, depends on all of them. The result is a plan, which is
   data; all refusals because of what the files contain happen here. Files that go to the end of a
   stack need only what the ledger says of it. Others change the place of those before them, and
   all are arranged anew (`rearrangement`); that may need files that are published to be read once
   more, which is the step `read_again`.
4. `write`: the plan is written, and the branch of the user moves once: to a commit or, where there
   are too many references for one, to the last one of a temporary branch (`repository/batches.py`).
   Before that, the tip of the branch is compared with the base: if another publisher has committed
   meanwhile, the plan rests on a ledger that is out of date, and the run fails. Without the
   comparison, Icechunk would merge two appends that touch other chunks, and one of them would be
   lost in the ledger of the other.

`read` and `read_again` await, `plan` and `write` block, as the stores of the sources are
asynchronous and a session of Icechunk is not. So that Ctrl-C acts at once, `publish` waits for the
former in an event loop. After an interruption, `kept` finds out whether the commit was made, and
says how to go on.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import icechunk
import zarr

from virtual_tiff.arrays.nodes import JSON
from virtual_tiff.codec_table.readers import packages
from virtual_tiff.publishing.engines import Engine
from virtual_tiff.publishing.errors import (
    MEANWHILE,
    MisfitError,
    NotAtTheEndError,
    PublishError,
    icechunk_errors,
)
from virtual_tiff.publishing.finding.items import Item, Placement, find_items
from virtual_tiff.publishing.options import AUTO, PublishOptions
from virtual_tiff.publishing.planning.arrange import Arrangement, arrange
from virtual_tiff.publishing.planning.declared import declared_nodata
from virtual_tiff.publishing.planning.image_set import IMAGE_SET_AXES
from virtual_tiff.publishing.planning.names import common_name, group_names
from virtual_tiff.publishing.planning.plan import Existing, Plan
from virtual_tiff.publishing.reading.catalogue import Catalogue
from virtual_tiff.publishing.reading.image_sets import group_sets, missing_files
from virtual_tiff.publishing.reading.spool import Spool, progress_file
from virtual_tiff.publishing.reading.workers import (
    Reader,
    Tally,
    look_up,
    parse_here,
    parse_there,
)
from virtual_tiff.publishing.rearrangement import (
    Rearrangement,
    options_to_keep,
    with_kept_options,
)
from virtual_tiff.publishing.repository import batches
from virtual_tiff.publishing.repository.batches import Batches, is_temporary, remove_left_branches
from virtual_tiff.publishing.repository.consolidated import consolidate, consolidated_members
from virtual_tiff.publishing.repository.containers import (
    Container,
    SourceStores,
    access_to,
    containers_of,
    renewed,
    saved_containers,
    saved_options,
    with_headers,
)
from virtual_tiff.publishing.repository.history import FILES
from virtual_tiff.publishing.repository.how_to_open import how_to_open, sample_dimensions
from virtual_tiff.publishing.repository.ledger import (
    LEDGER,
    Ledger,
    LedgerRows,
    PublishedRows,
    existing_of,
    find_published,
    read_ledger,
)
from virtual_tiff.publishing.repository.mover import move
from virtual_tiff.publishing.repository.records import RecordRows, remembered_options
from virtual_tiff.publishing.repository.references import counted_references
from virtual_tiff.publishing.repository.tags import check_tag_is_new, create_tag
from virtual_tiff.publishing.repository.target import (
    Target,
    is_first_commit,
    save_containers,
    target_of,
)
from virtual_tiff.publishing.repository.writer import Writer, Written, read_back
from virtual_tiff.publishing.result import Published
from virtual_tiff.sources.access import ENDPOINTS, kind_of
from virtual_tiff.sources.object_source import Traffic, traffic
from virtual_tiff.sources.running import await_thread
from virtual_tiff.sources.urls import about_file, file_path, is_remote
from virtual_tiff.sources.web_references import WebReferences
from virtual_tiff.text.numbers import counted, listed
from virtual_tiff.tiff import TiffWarning, redacted

__all__ = ["Publication"]


@dataclass(slots=True)
class Publication:
    """One run: `read`, then `plan` and, as long as that wants it, `read_again`, then `write`."""

    sources: Any
    target: Target
    options: PublishOptions
    spool: Spool
    engine: Engine | None = None
    """The workers; None if all is done in this process."""
    containers: tuple[Container, ...] = ()
    ledger: Ledger | None = None
    published: PublishedRows | None = None
    """The rows of the ledger."""
    existing: Existing = field(default_factory=Existing)
    gone: Mapping[str, str] = field(default_factory=dict)
    """By url: the groups of published files that this run removes."""
    keep_places: bool = False
    """Whether they leave holes."""
    web: WebReferences | None = None
    """The https urls of objects of clouds; None if they are referred to as they are named."""
    _kept_options: JSON = field(default_factory=dict)
    """The options of the runs before that this one does not name again."""
    _plan: Plan | None = None
    """None if there is nothing to write."""
    _rearrangement: Rearrangement | None = None
    _unread: list[str] = field(default_factory=list)
    """Urls of published files that have to be read again."""
    _new_containers: tuple[str, ...] = ()
    """Prefixes of containers that a repository with others gets."""
    _repository: icechunk.Repository | None = None
    _base: str | None = None
    """The commit that the ledger was read from; None if there is none."""
    _writing: bool = False
    """Whether a commit may have been made."""
    _traffic: Traffic = field(default_factory=Traffic)
    """What this process reads of the files."""
    _closing: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def of(
        cls,
        sources: Any,  # noqa: ANN401 (see `find_items`)
        to: str | os.PathLike[str] | icechunk.Storage,
        options: PublishOptions,
    ) -> Publication:
        """Begin a run; nothing is made or read yet, but the cache."""
        target = target_of(to)
        if not options.append:
            options = options.settled(published=None)
        if options.axes or not options.append:  # else the repository has the dimensions
            Placement.of(**_placing(options, options.axes))
        own = options.cache is None
        cache = progress_file(target.identity) if own else options.cache_file
        # after a dry run, the run itself goes on from there
        temporary = own and not options.dry_run
        return cls(sources, target, options, Spool(cache, temporary=temporary), options.engine)

    def __enter__(self) -> Self:
        self._closing.enter_context(self.spool)
        if self.engine is not None:
            self._closing.enter_context(self.engine)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.__exit__(kind, error, trace)

    # --------------------------------------------------------------------------- read

    async def read(self) -> None:
        """Find the files, look at the target, and read the files that are new or have changed."""
        spool, append = self.spool, self.options.append
        traffic.set(self._traffic)
        if append:  # the repository says how files are placed
            await await_thread(self._look_at_target)
            self.options = self._settled_options()
        options, web = self.options, self._web_references()
        items = partial(
            find_items,
            self.sources,
            store_options=options.store_options,
            saved=saved_options(self._saved_containers()) | (web.settings if web else {}),
            remote_schemes=options.remote_schemes,
            **_placing(options, self._arrangement().axes),
        )
        tally = Tally(0, options.progress)
        await await_thread(lambda: spool.add_items(tally.found(_on_the_web(items(), web))))
        if web is not None:  # what follows reads the objects there
            self.web = web
            self.options = options = replace(
                options,
                store_options=web.rest,
                container=tuple(map(web.url_of, options.containers)),
            )
        await self._find_published()
        options = self.options = self._for_grid(options)
        if not append:
            await await_thread(self._look_at_target)
        await await_thread(self._name_variable)
        await self._parse_new()
        if options.image_sets:
            await self._complete_image_sets()
        failures, total = spool.failures(), spool.count() - spool.count("outside")
        if total == 0:
            (first, *_) = spool.outside()
            msg = (
                f"no file has a pixel of the window or the box ({counted(spool.count(), 'file')},"
                f" the first one is {redacted(first)})"
            )
            raise PublishError(msg)
        if not failures or (options.on_error == "skip" and len(failures) < total):
            return
        if len(set(failures.values())) == 1 and len(failures) == total:  # as without credentials
            raise PublishError(next(iter(failures.values())), failures)
        lines = [f"\n  {about_file(name, error)}" for name, error in failures.items()]
        msg = f"{len(failures)} of {total} files cannot be published:{''.join(lines)}"
        raise PublishError(msg, failures)

    def _web_references(self) -> WebReferences | None:
        """Return what gives objects their https urls; None if nobody asks for it.

        A repository that has references of another kind is a ValueError.
        """
        store_options = self.options.store_options or {}
        kept = self.ledger.web if self.ledger is not None else {}
        if kept:
            return WebReferences(store_options, kept)
        if self.options.reference_as is None:
            return None
        rows = self.published.every() if self.published is not None else iter(())
        if other := next((row.url for row in rows if kind_of(row.url) in ENDPOINTS), None):
            msg = (
                f"{self.target.name} refers to {other}, and reference_as is for all objects; change"
                " the references first by move_sources (virtual-tiff move), or publish anew"
            )
            raise ValueError(msg)
        return WebReferences(store_options, {})

    async def _complete_image_sets(self) -> None:
        """Read the files of multi-file images that the user has not named."""
        spool, options = self.spool, self.options
        while missing := await missing_files(spool, concurrency=options.concurrency):
            await await_thread(partial(spool.add_items, missing))
            await self._find_published()
            await self._parse_new()
        if await await_thread(partial(group_sets, spool)):
            self.options = replace(options, concat=options.axes or IMAGE_SET_AXES)

    async def _find_published(self) -> None:
        """Find out which items are published, if anything is."""
        if (published := self.published) is not None:
            await await_thread(partial(find_published, published, self.spool))

    async def _parse_new(self) -> None:
        """Read the items that are new, or have changed."""
        options, spool = self.options, self.spool
        await await_thread(self._find_containers)
        spool.recall(self._reader.recipe)
        await look_up(spool, concurrency=options.concurrency)
        spool.settle(replace=options.replace_changed)
        tally = Tally(spool.count(), options.progress)
        tally.start(*spool.totals())
        await self._parse(tally)

    @property
    def _reader(self) -> Reader:
        """How each file is read: in the form of those that are published."""
        texts = self._arrangement().text_attributes
        return replace(self.options.reader, text_attributes=texts)

    async def _parse(self, tally: Tally) -> None:
        """Read the items that are to be read."""
        options, spool, engine = self.options, self.spool, self.engine
        if engine is None:
            await parse_here(self._reader, spool, tally, concurrency=options.concurrency)
            return
        work = partial(parse_there, engine, self._reader, spool, tally)
        await await_thread(partial(work, concurrency=options.concurrency))

    async def read_again(self) -> None:
        """Read published files that `plan` needs.

        One that cannot be read, or is not what was published, is a PublishError.
        """
        spool, options, urls = self.spool, self.options, self._unread
        assert self._repository is not None  # noqa: S101 (for mypy: files are published)
        stores = SourceStores(self._repository.config, options.store_options or {})
        spool.read_again(map(stores.locate, urls))
        before = spool.failures()
        await self._find_published()
        await self._parse(Tally(len(urls), options.progress))
        problems = {k: v for k, v in spool.failures().items() if k not in before}
        changed = spool.changed_again()
        if not options.replace_changed:
            problems |= dict.fromkeys(changed, "it has changed since it was published")
        if problems:
            lines = [f"\n  {redacted(name)}: {error}" for name, error in problems.items()]
            msg = (
                "this changes the place of files that are published, and some of these cannot be"
                " read again. Replace (replace_changed=True) or remove them"
                f" first:{''.join(lines)}"
            )
            raise PublishError(msg, problems)

    def _for_grid(self, options: PublishOptions) -> PublishOptions:
        """Return the options that a declared grid of the files asks for, if there is one.

        If the user asks for something else, it is a ValueError.
        """
        grids = self.spool.grids()
        if not grids:
            return options
        grid = grids[0]
        asked = options.layout, options.axes or None
        if asked[0] not in (None, "stack") or (asked[1] and set(grid.axes) - set(asked[1])):
            msg = (
                f"{redacted(grid.name)} declares an image along {', '.join(grid.axes)}; layout must"
                f" be None and concat must have these dimensions, not {asked[0]!r} and {asked[1]!r}"
            )
            raise ValueError(msg)
        statements = {(each.axes, each.last_wins, declared_nodata(each)): each for each in grids}
        if len(statements) > 1:
            names = " and ".join(redacted(each.name) for each in list(statements.values())[:2])
            msg = (
                f"{names} have several nodata values, kinds of bands, or rules for files that"
                " overlap; publish them one after another"
            )
            raise ValueError(msg)
        if len(grids) > 1:
            self.spool.group_by_grid(group_names([_reference(each.name) for each in grids]))
        nodata = options.nodata if options.nodata is not None else declared_nodata(grid)
        overlap = "last" if options.overlap == "error" and grid.last_wins else options.overlap
        concat = options.axes or grid.axes
        return replace(options, concat=concat, overlap=overlap, nodata=nodata)

    def _name_variable(self) -> None:
        """Give the files without a variable the one of the options, or of the repository.

        A repository of several variables is a ValueError, if nothing says which one it is.
        """
        options, spool = self.options, self.spool
        name = options.variable_name
        states = self.ledger.states.values() if self.ledger is not None else ()
        published = {variable for state in states for variable in state.templates}
        some = next(spool.names_without_variable(), None)
        chosen = name not in (None, AUTO)
        if some is None or (not chosen and ("" in published or not (name or published))):
            return
        if chosen:
            if not (options.axes or published):
                msg = "variable_name names the array of a cube, and without concat there is none"
                raise ValueError(msg)
            spool.set_variable(str(name))
        elif len(published) > 1:
            msg = (
                f"{redacted(some)} may be of any variable of {self.target.name},"
                f" {listed(sorted(published))}; say which one by variable_name or variable"
            )
            raise ValueError(msg)
        elif published:
            spool.set_variable(*published)
        elif options.axes and options.parser_options.get("ifd_layout", "flat") == "flat":
            taken = {*options.axes, "band", "spatial_ref", "x", "y"}
            spool.set_variable(common_name(spool.names_without_variable(), taken))

    def _settled_options(self) -> PublishOptions:
        """Return the options with those that a repository remembers."""
        options, ledger = self.options, self.ledger
        if ledger is None:
            return options.settled(published=None)
        asked = {
            "layout": options.layout,
            "concat": options.axes or None,
            "per_scene": options.scenes or None,
        }
        published = {
            "layout": ledger.layout,
            "concat": ledger.axes,
            "per_scene": ledger.per_scene,
        }
        for name, value in asked.items():
            if None not in (value, published[name]) and value != published[name]:
                msg = (
                    f"{self.target.name} was published with {name} {published[name]!r}, not"
                    f" {value!r}"
                )
                raise ValueError(msg)
        if ledger.per_scene is not None:
            options = replace(options, per_scene=ledger.per_scene)
        # it decides how files are read
        options = replace(options, concat=options.axes or ledger.axes or None)
        options = with_kept_options(options, self._kept_options)
        return self._with_groups(options, ledger).settled(published=ledger.portable)

    def _with_groups(self, options: PublishOptions, ledger: Ledger) -> PublishOptions:
        """Return the options with the groups that the repository was published with."""
        known, given = ledger.group, options.group_text
        if given is None and known:
            return replace(options, group=known)
        if given is None and known is None:
            return options
        if given is None:
            msg = (
                f"{self.target.name} was published in groups that a function, a mapping or a CSV"
                " file names; give it again (group=PATTERN)"
            )
            raise ValueError(msg)
        if known is None or (known and known != given):
            how = "no group" if known is None else f"group {known!r}"
            msg = f"{self.target.name} was published with {how}, not {options.group!r}"
            raise ValueError(msg)
        return options

    def _look_at_target(self) -> None:
        """Open the repository, if there is one, and read its ledger."""
        options = self.options
        with icechunk_errors(self.target.name):
            repository = self._repository = self.target.opened(append=options.append)
        if repository is None:
            return
        with icechunk_errors(self.target.name):
            check_tag_is_new(repository, options.tag, self.target.name)
        branch = options.branch if options.branch in repository.list_branches() else "main"
        self._base = repository.lookup_branch(branch)
        store = self._base_store()
        self.ledger, self.published = read_ledger(store)
        self._kept_options = remembered_options(store)

    def _find_containers(self) -> None:
        """Find the prefixes of the files, beside those that the repository has."""
        store_options = self.options.store_options or {}
        locations = (item.location for _, item in self.spool.items())
        saved = self._saved_containers()
        new = containers_of(locations, store_options, saved, wanted=self.options.containers)
        self._new_containers = tuple(c.prefix for c in new) if saved else ()
        self.containers = (*saved, *new)

    def _saved_containers(self) -> tuple[Container, ...]:
        """Return the containers of the repository, as this run leaves them."""
        if self._repository is None:
            return ()
        options = self.options.store_options or {}
        saved = saved_containers(self._repository.config, options)
        return renewed(saved, options) if self.options.save_access else saved

    def _base_store(self) -> icechunk.IcechunkStore:
        """Return the store of the base: of all that was published when this run began."""
        assert self._repository is not None  # noqa: S101 (for mypy: there is a base)
        return self._repository.readonly_session(snapshot_id=self._base).store

    # --------------------------------------------------------------------------- plan

    def plan(self) -> bool:
        """Arrange the files; return whether published files have to be read again before that.

        With `on_error="skip"`, files that cannot be arranged with the others are left out.
        """
        while True:
            try:
                return self._plan_all()
            except MisfitError as error:
                if self.options.on_error != "skip" or not self.spool.reject(error.misfits):
                    raise
                if self.ledger is None and not self.spool.count("read"):
                    raise  # nothing is left of the cube

    def _plan_all(self) -> bool:
        """Arrange the files that were read, and those that are published."""
        spool, arrangement = self.spool, self._arrangement()
        if not (spool.count("read") or self.gone):
            return False
        if self._rearrangement is None:
            if self.ledger is not None and self.published is not None:
                self.existing = existing_of(self.ledger, self.published, self._base_store(), spool)
            anew = arrangement.layout != "group per file"
            anew = anew and bool(self.existing.earlier or self.gone)
            if not (anew or self.gone):
                catalogue = Catalogue(spool, unified=self.options.unified)
                try:
                    self._plan = arrange(catalogue, arrangement, self.existing)
                except NotAtTheEndError:
                    anew = True
            if self.gone and not anew:
                self._plan = Plan(parts=iter(()), files=0, how="")
            if not anew or self.ledger is None or self.published is None:
                return False
            self._rearrangement = Rearrangement(
                spool=spool,
                store=self._base_store(),
                ledger=self.ledger,
                rows=list(self.published.every()),
                existing=self.existing,
                arrangement=arrangement,
                options=self.options,
                kept_options=self._kept_options,
            )
            self._rearrangement.take_records(self.gone, keep_places=self.keep_places)
        self._unread = self._rearrangement.plan()
        if self._unread:
            return True
        result = self._rearrangement.result
        assert result is not None  # noqa: S101 (for mypy: nothing is unread)
        self._plan = result.plan
        self.existing = replace(self.existing, earlier=spool.earlier())
        return False

    # -------------------------------------------------------------------------- write

    def write(self) -> Published:
        """Write the plan in one commit, and return the result.

        In a dry run nothing is written, and the result says what would be.
        """
        plan = self._plan
        if plan is None:
            return self._nothing_new()
        if self.options.dry_run:
            written = Written()
            for part in plan.parts:
                written.note(part)
                written.count(counted_references(part, self.spool))
            return self._published(plan, written, str(self._base or ""))
        snapshot, written = self._commit(plan, self._arrangement())
        if written.unknown:
            text = (
                f"{written.unknown} of {plan.files} sources have no modification time, so readers"
                f" will not notice when they change; one is {written.example_unknown}"
            )
            warnings.warn(text, TiffWarning, stacklevel=3)
        return self._published(plan, written, snapshot)

    def _arrangement(self) -> Arrangement:
        options, ledger = self.options, self.ledger
        layout: Any = options.layout or ("stack" if options.axes else "group per file")
        axes = options.axes
        if ledger is not None:
            layout, axes = ledger.layout, ledger.axes
        return Arrangement(
            layout=layout,
            axes=axes,
            per_scene=options.scenes,
            rules=options.rules,
            orders=options.orders,
            one_grid_mapping=ledger is None or ledger.one_grid_mapping,
            text_attributes=ledger is None or ledger.text_attributes,
        )

    def _commit(self, plan: Plan, arrangement: Arrangement) -> tuple[str, Written]:
        options, name = self.options, self.target.name
        message = options.message or self._message(plan)
        metadata = {"virtual_tiff": version("virtual-tiff"), **(options.metadata or {})}
        several = self.spool.references() > batches.MOST_OF_A_BATCH
        with icechunk_errors(name):
            with (
                self.target.writing(self.containers, plan.splits) as repository,
                _branch(repository, options.branch),
            ):
                tip = repository.lookup_branch(options.branch)
                self._check_base(repository, tip)
                with Batches(
                    repository, name, options.branch, tip, message=message, several=several
                ) as sessions:
                    earlier = self.existing.earlier
                    rows = LedgerRows(
                        sessions.store,
                        0 if self.ledger is None else self.ledger.rows,
                        plan.files - len(earlier),
                    )
                    self._rearrange(sessions.store, rows, arrangement)
                    records = None
                    if arrangement.layout != "group per file":
                        anew = bool(earlier or self.gone)
                        records = RecordRows(sessions.store, self.spool, anew=anew)
                    # of a repository in memory nobody else knows
                    engine = self.engine if self.target.identity else None
                    tally = Tally(plan.files, options.progress)
                    tally.start(0, 0, self.spool.totals()[2])
                    writer = Writer(sessions, self.spool, rows, earlier, records, engine)
                    writer.report = tally.wrote
                    written = writer.write(plan)
                    if self.gone and self.published is not None:
                        rows.remove([row.number for row in self.published.of_urls([*self.gone])])
                    if records is not None:
                        records.finish(options_to_keep(options, self.spool, self._kept_options))
                    group = options.group_text
                    if self.gone and self.ledger is not None:
                        group = self.ledger.group
                    rows.finish(
                        Ledger(
                            layout=arrangement.layout,
                            axes=arrangement.axes,
                            portable=_kept_portable(options),
                            one_grid_mapping=arrangement.one_grid_mapping,
                            text_attributes=arrangement.text_attributes,
                            per_scene=arrangement.per_scene,
                            group=group,
                            web=self.web.kept if self.web is not None else {},
                            states=plan.states,
                        )
                    )
                    if options.check:
                        read_back(sessions.store, [*written.arrays, *written.coordinates])
                    consolidate(sessions.store)
                    metadata[FILES] = self._file_counts(written)
                    tally.wrote(
                        plan.files, sum(a.references for a in written.arrays.values()), last=True
                    )
                    self._writing = True
                    snapshot = sessions.commit(metadata)
                create_tag(repository, options.tag, snapshot, name)
                remove_left_branches(repository)
            if self.target.path is None:
                save_containers(self.target.storage(), self.containers)
            return snapshot, written

    def _message(self, plan: Plan) -> str:
        """Return the message of the commit, which is another one where files are removed."""
        return f"{counted(self.spool.count('read'), 'TIFF')} {plan.how}"

    def _rearrange(
        self, store: icechunk.IcechunkStore, rows: LedgerRows, arrangement: Arrangement
    ) -> None:
        """Move the references that are there, and delete what the plan has no more."""
        earlier = self.existing.earlier.values()
        if arrangement.layout == "group per file":  # a changed file may have other arrays
            groups = [*(before.group for before in earlier), *self.gone.values()]
            move(store, groups, {}, {})
        if self._rearrangement is None or self._rearrangement.result is None:
            return
        result = self._rearrangement.result
        move(store, result.removed, result.moves, result.shapes)
        numbers = {row.url: row.number for row in self._rearrangement.rows}
        url = self.spool.url
        rows.change_coordinates({numbers[url(n)]: at for n, at in result.coordinates.items()})

    def _file_counts(self, written: Written) -> dict[str, int]:
        """Return what this run did to files and arrays, for `virtual-tiff log`."""
        replaced = len(self.existing.earlier)
        added = self.spool.count("read") - replaced
        counts = {"added": added, "replaced": replaced, "removed": len(self.gone)}
        return counts | {"arrays": len(written.arrays)}

    def _check_base(self, repository: icechunk.Repository, tip: str) -> None:
        """Refuse to write if another publisher has committed since this run began."""
        if tip != self._base and not (self._base is None and is_first_commit(repository, tip)):
            raise PublishError(MEANWHILE.format(self.target.name))

    # --------------------------------------------------------------------- interruption

    def kept(self) -> str:
        """Return the message about an interrupted run: what was kept, and how to go on."""
        spool, name = self.spool, self.target.name
        committed = self._writing and self._committed()
        if committed:
            return f"interrupted after the commit: {name} has all {spool.count()} files"
        outcome = f"nothing was committed to {name}"
        if committed is None:
            outcome = f"it is not known whether the files were committed to {name}"
        cache = spool.cache
        if cache is None:
            again = "start again (nothing is kept of what was read without a cache)"
        else:
            read, total = spool.count("read"), spool.count()
            again = (
                f"the records of {read} of {total} files are kept in {cache}; run the same command"
                " again to go on from there"
            )
        return f"interrupted: {outcome}; {again}"

    def _committed(self) -> bool | None:
        """Whether the branch has a new commit; None if that is not known."""
        try:
            repository = icechunk.Repository.open(self.target.storage())
            tip = repository.lookup_branch(self.options.branch)
            self._check_base(repository, tip)
        except PublishError:
            return True
        except icechunk.RepositoryNotFoundError:
            return False
        except icechunk.IcechunkError:
            return None
        return False

    # -------------------------------------------------------------------------- result

    def _nothing_new(self) -> Published:
        if not self.options.dry_run:
            self._change_without_commit()
        plan = Plan(parts=iter(()), files=0, how="")
        group = zarr.open_group(self._base_store(), mode="r")
        written = Written(groups=set(group.group_keys()) - {LEDGER})
        return self._published(plan, written, str(self._base), new=False)

    def _change_without_commit(self) -> None:
        """Save containers, remove branches that were left, and make the tag."""
        assert self._repository is not None  # noqa: S101 (for mypy: there is a base)
        if self.target.path is None or self._new_containers or self.options.save_access:
            # and settings that suit its place
            save_containers(self.target.storage(), self.containers)
        if any(map(is_temporary, self._repository.list_branches())):
            with suppress(PublishError), self.target.writing(()) as repository:
                remove_left_branches(repository)
        if self.options.tag is not None:
            with icechunk_errors(self.target.name), self.target.writing(()) as repository:
                create_tag(repository, self.options.tag, str(self._base), self.target.name)

    def _published(
        self, plan: Plan, written: Written, snapshot: str, *, new: bool = True
    ) -> Published:
        options, spool = self.options, self.spool
        if new:
            dimensions = [array.dimensions for array in written.arrays.values()]
        else:
            members = consolidated_members(self._base_store())
            dimensions = [tuple(each.get("dimension_names") or ()) for each in members.values()]
        return Published(
            snapshot=snapshot,
            branch=options.branch,
            files=spool.count("read"),
            arrays=tuple(written.arrays.values()),
            coordinates=tuple(written.coordinates.values()),
            containers=tuple(container.prefix for container in self.containers),
            new_containers=self._new_containers,
            left_out=plan.left_out,
            failures=spool.failures(),
            outside=spool.outside(),
            truncated=spool.truncated(),
            lost=spool.lost(),
            unchanged=spool.count("unchanged"),
            changed=tuple(spool.urls("changed")),
            replaced=tuple(spool.replaced()),
            missing=plan.missing,
            dropped=plan.dropped,
            covered=plan.covered,
            shift=plan.shift,
            new=new,
            dry_run=options.dry_run,
            requests=None if self.engine else self._traffic.requests,
            bytes_read=None if self.engine else self._traffic.bytes_read,
            portable=bool(options.portable),
            portable_readers=options.portable_readers,
            readers_need=packages(written.codecs),
            how_to_open=how_to_open(
                self.target,
                self.containers,
                options.branch,
                groups=bool(written.groups - {""}),
                rectilinear=written.rectilinear,
                samples=sample_dimensions(dimensions),
            ),
            _opened=None if options.dry_run else self._opened(),
        )

    def _opened(self) -> icechunk.Repository:
        """Return the repository as readers open it."""
        return icechunk.Repository.open(
            self.target.storage(),
            with_headers(icechunk.RepositoryConfig(), self.containers),
            authorize_virtual_chunk_access=access_to(self.containers),
        )


def _kept_portable(options: PublishOptions) -> bool | tuple[str, ...]:
    """Return what the ledger keeps of `portable`: the readers, unless they are the usual ones."""
    return (
        options.portable_readers if isinstance(options.portable, tuple) else bool(options.portable)
    )


def _reference(name: str) -> str:
    """Return the url of a document."""
    return name if is_remote(name) else Path(file_path(name)).resolve().as_uri()


def _on_the_web(items: Iterable[Item], web: WebReferences | None) -> Iterator[Item]:
    """Yield the items, at their https urls if these are asked for."""
    for item in items:
        yield item if web is None else replace(item, location=web.location(item.location))


def _placing(options: PublishOptions, axes: Sequence[str]) -> dict[str, Any]:
    """Return the options by which files are placed, as `Placement.of` takes them."""
    names = ("time", "values", "variable", "group", "order", "assets")
    return {"axes": axes, **{name: getattr(options, name) for name in names}}


@contextmanager
def _branch(repository: icechunk.Repository, name: str) -> Iterator[None]:
    """Make a branch if there is none; remove it again if the block fails."""
    if name in repository.list_branches():
        yield
        return
    first = repository.lookup_branch("main")
    repository.create_branch(name, first)
    try:
        yield
    except BaseException:
        with suppress(icechunk.IcechunkError):
            if repository.lookup_branch(name) == first:  # nobody has committed to it meanwhile
                repository.delete_branch(name)
        raise
