"""`virtual-tiff verify`: its options, its report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from virtual_tiff.cli.common import add_common, add_repository, progress_bar, quiet_icechunk
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import printable, redacted

if TYPE_CHECKING:
    from virtual_tiff.publishing.verification import Verification

__all__ = ["add_verify"]


def add_verify(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add the command to those of argparse."""
    command = commands.add_parser(
        "verify",
        help="ask whether files have changed since they were published",
        description="Ask for the present state of each source of a published repository. The exit"
        " status is 1 if a source has changed, is truncated, is missing or cannot be reached.",
    )
    add_repository(command)
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument("--quiet", action="store_true", help="print nothing if all is well")
    add_common(command, _run)


def _run(options: argparse.Namespace) -> int:
    from virtual_tiff.publishing.verification import verify  # noqa: PLC0415 (takes long to load)

    quiet_icechunk()
    with progress_bar(quiet=options.quiet, task="asking sources") as update:
        verification = verify(
            options.repository,
            branch=options.branch,
            store_options=dict(options.store_option),
            progress=update and (lambda done, total: update(completed=done, total=total)),
        )
    if options.json:
        print(json.dumps(verification.to_json(), indent=2))
    elif not (options.quiet and verification.ok):
        print(printable("\n".join(_report(verification))))
    return 0 if verification.ok else 1


def _report(verification: Verification) -> Iterator[str]:
    """Yield a line for each source that is not unchanged, and a summary."""
    width = max((len(source.status) for source in verification.differing), default=0)
    for source in verification.differing:
        url = redacted(source.url)
        # a store's error names the url already
        reason = (source.error or "").removeprefix(f"{url}: ")
        yield f"{source.status:<{width}}  {url}  {reason}".rstrip()
    counts = [f"{count} {status}" for status, count in verification.counts.items() if count]
    yield f"{counted(verification.total, 'source')}: {', '.join(counts) or 'none'}"
    if not verification.has_ledger:
        yield (
            "the repository does not record the state of its sources when they were published, so"
            " changes cannot be found; Icechunk refuses to read from a changed source if the"
            " publisher gave each reference a checksum"
        )
