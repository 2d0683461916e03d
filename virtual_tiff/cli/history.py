"""`virtual-tiff log`, `expire` and `gc`: the history of a repository, and its space."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING, Any

from virtual_tiff.cli.common import add_debug, age_or_time, print_result, quiet_icechunk
from virtual_tiff.text.numbers import counted, human_size

if TYPE_CHECKING:
    from virtual_tiff.publishing import Commit, Expiration, Garbage, History, LeftBranch

__all__ = ["add_expire", "add_gc", "add_log"]


def add_log(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add `log` to the commands of argparse."""
    command = commands.add_parser(
        "log",
        help="show the history of a repository",
        description="Show the commits of a branch, the newest first: when and by which version,"
        " how many files each added, replaced and removed, and its branches and tags.",
    )
    _add_repository(command)
    command.add_argument("--branch", default="main", help="the branch (default: main)")
    command.add_argument("--limit", type=int, metavar="N", help="show only the newest commits")
    command.set_defaults(run=_log)


def add_expire(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add `expire` to the commands of argparse."""
    command = commands.add_parser(
        "expire",
        help="remove old commits from the history of a repository",
        description="Remove old commits from the history of all branches and tags. The newest"
        " commit of each branch and tagged commits stay, so the cube reads as before; expired"
        " commits cannot be brought back. gc then frees their space.",
    )
    _add_repository(command)
    _add_age(command, "commits")
    command.set_defaults(run=_expire)


def add_gc(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add `gc` to the commands of argparse."""
    command = commands.add_parser(
        "gc",
        help="free the space of expired commits and killed runs",
        description="Delete the objects of a repository that no branch and no tag reaches any"
        " more: those of expired commits and of killed runs. They are lost for ever.",
    )
    _add_repository(command)
    _add_age(command, "objects")
    command.set_defaults(run=_gc)


def _add_repository(command: argparse.ArgumentParser) -> None:
    command.add_argument("repository", metavar="REPO", help="a local path, or s3://bucket/prefix")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    add_debug(command)


def _add_age(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "--older-than",
        metavar="AGE",
        type=age_or_time,
        required=True,
        help=f"an age, as 30d, 12h or 8w, or a time, as 2026-10-01 (UTC): {what} before it;"
        " less than a day ago is refused without --force",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="show what would be done, and change nothing"
    )
    command.add_argument(
        "--force",
        action="store_true",
        help="allow less than a day; only if nobody is publishing to the repository",
    )


def _log(options: argparse.Namespace) -> int:
    from virtual_tiff.publishing import log  # noqa: PLC0415 (takes long to load)

    quiet_icechunk()
    history = log(options.repository, branch=options.branch, limit=options.limit)
    print_result(history, _history_lines(history), as_json=options.json)
    return 0


def _history_lines(history: History) -> Iterator[str]:
    """Yield the lines of each commit, and those of branches that were left."""
    for commit in history.commits:
        names = [*commit.branches, *(f"tag {tag}" for tag in commit.tags)]
        time = commit.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        yield f"{time}  {commit.id}{f'  ({", ".join(names)})' if names else ''}"
        yield f"    {commit.message}"
        if facts := ", ".join(_facts(commit)):
            yield f"    {facts}"
    yield from _left_lines(history.left)


def _facts(commit: Commit) -> Iterator[str]:
    """Yield what a commit did to the files, which program made it, and the user's metadata."""
    counts = {"added": commit.added, "replaced": commit.replaced, "removed": commit.removed}
    for verb, number in counts.items():
        if number:
            yield f"{counted(number, 'file')} {verb}"
    if commit.arrays:
        yield f"{counted(commit.arrays, 'array')} written"
    if commit.parts:
        yield f"{counted(commit.parts, 'earlier batch commit')}"
    if commit.version:
        yield f"virtual-tiff {commit.version}"
    for key, value in commit.metadata.items():
        yield f"{key}={value}"


def _left_lines(left: tuple[LeftBranch, ...]) -> Iterator[str]:
    for branch in left:
        yield (
            f"temporary branch {branch.name}, last written to {branch.time:%Y-%m-%d %H:%M:%S}: its"
            " run has been killed, or is still running; a publish that ends well removes it"
        )


def _expire(options: argparse.Namespace) -> int:
    from virtual_tiff.publishing import expire  # noqa: PLC0415 (takes long to load)

    quiet_icechunk()
    expiration = expire(
        options.repository,
        older_than=options.older_than,
        dry_run=options.dry_run,
        force=options.force,
    )
    print_result(expiration, _expiration_lines(expiration), as_json=options.json)
    return 0


def _expiration_lines(expiration: Expiration) -> Iterator[str]:
    count = counted(len(expiration.snapshots), "commit")
    before = expiration.older_than.isoformat(timespec="seconds")
    if not expiration.snapshots:
        yield f"no commit before {before} can expire: branches' newest and tagged commits are kept"
        return
    verb = "would expire" if expiration.dry_run else "expired"
    yield f"{verb}: {count} before {before}"
    if expiration.manifests:
        yield (
            f"gc can then free {counted(expiration.manifests, 'manifest')}"
            f" ({human_size(expiration.bytes)}), and the chunks that only these commits have"
        )
    if expiration.dry_run:
        yield "this cannot be undone; to keep a commit, give it a tag first"


def _gc(options: argparse.Namespace) -> int:
    from virtual_tiff.publishing import collect_garbage  # noqa: PLC0415 (takes long to load)

    quiet_icechunk()
    garbage = collect_garbage(
        options.repository,
        older_than=options.older_than,
        dry_run=options.dry_run,
        force=options.force,
    )
    print_result(garbage, _garbage_lines(garbage), as_json=options.json)
    return 1 if garbage.failed else 0


def _garbage_lines(garbage: Garbage) -> Iterator[str]:
    counts = {
        "commit": garbage.snapshots,
        "manifest": garbage.manifests,
        "chunk": garbage.chunks,
    }
    verb = "would free" if garbage.dry_run else "freed"
    objects = ", ".join(counted(number, noun) for noun, number in counts.items())
    yield f"{verb} {human_size(garbage.bytes)}: {objects}"
    if garbage.failed:
        yield f"could not delete {counted(garbage.failed, 'object')}; the next run tries again"
    yield from _left_lines(garbage.left)
