"""What ``status`` and ``uploads list`` print about files in the drop folder."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cdr_pipeline.steps.uploads.dropped_files import WaitingDrop


def print_drops(drops: "Sequence[WaitingDrop]", upload_dir: "Path") -> None:
    """A table of them, and what to do with those that are refused; nothing where there are none."""
    from rich.markup import escape

    from cdr_pipeline.cli.terminal import out, table
    from cdr_pipeline.errors import InvalidProfile

    if not drops:
        return
    listing = table("In the drop folder", "file", "account", "state", "changed (UTC)", "why")
    for drop in drops:
        listing.add_row(
            escape(drop.place),
            drop.account_id or "unknown",
            drop.state,
            f"{drop.since:%Y-%m-%d %H:%M}",
            escape(f"{drop.code}: {drop.message}" if drop.message else ""),
        )
    out.print(listing)
    if any(drop.code == InvalidProfile.code for drop in drops):
        out.print(
            "a file of an invalid profile is imported by the next night or sensor once the profile is corrected: "
            "'cdr-pipeline profiles list' says what is wrong; leave the file where it is",
            markup=False,
        )
    if any(drop.state == "refused" and drop.code != InvalidProfile.code for drop in drops):
        out.print(
            f"a refused file is not imported: move it to {upload_dir}/ACCOUNT/PROFILE/, with an account of "
            "'cdr-pipeline accounts list' and a profile of 'cdr-pipeline profiles list'",
            markup=False,
        )
