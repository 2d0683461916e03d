"""`virtual-tiff access`: its options, its table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from virtual_tiff.cli.common import add_debug, key_and_value, print_result, quiet_icechunk
from virtual_tiff.text.numbers import counted
from virtual_tiff.tiff import redacted

if TYPE_CHECKING:
    from virtual_tiff.publishing.saved_access import Access

__all__ = ["access_lines", "add_access"]


def add_access(commands: Any) -> None:  # noqa: ANN401 (argparse's)
    """Add the command to those of argparse."""
    command = commands.add_parser(
        "access",
        help="show or change how readers reach the files of a repository",
        description="Show the url prefixes (containers) that a published repository refers to, and"
        " what is saved of their stores: region, endpoint, account, whether requests are signed and"
        " who pays. With --set they are changed, for all commits at once. Credentials are never"
        " saved.",
    )
    command.add_argument("repository", metavar="REPO", help="a local path, or s3://bucket/prefix")
    command.add_argument(
        "--set",
        dest="settings",
        metavar="KEY=VALUE",
        type=key_and_value,
        action="append",
        default=[],
        help="save this setting, as endpoint=https://…, region=eu-west-1, skip_signature=true or"
        " request_payer=true; may be repeated",
    )
    command.add_argument(
        "--container",
        metavar="PREFIX",
        action="append",
        default=[],
        help="with --set: change only this container; may be repeated (default: all)",
    )
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    add_debug(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from virtual_tiff.publishing.saved_access import access, set_access  # noqa: PLC0415 (slow to load)

    quiet_icechunk()
    if options.container and not options.settings:
        msg = "--container needs --set"
        raise ValueError(msg)
    if options.settings:
        result = set_access(options.repository, dict(options.settings), container=options.container)
    else:
        result = access(options.repository)
    lines = [*access_lines(result)]
    if options.settings:
        lines.append(f"changed: {counted(len(result.changed), 'container')}")
    print_result(result, lines, as_json=options.json)
    return 0


def access_lines(access: Access) -> Iterator[str]:
    """Yield a line for each container, and one for each remark."""
    for each in access.containers:
        settings = dict(each.settings)
        signed = "anonymous" if settings.pop("skip_signature", False) else "signed"
        words = [signed] if each.settings else []
        words += ["readers pay"] if settings.pop("request_payer", False) else []
        words += [f"{name} {value}" for name, value in settings.items()]
        yield f"{each.prefix}  {redacted(', '.join(words))}".rstrip()
    if not access.containers:
        yield "the repository refers to no files"
    yield from (f"warning: {remark}" for remark in access.remarks)
