"""What ``status`` and ``uploads list`` print about files in the drop folder."""

from typing import TYPE_CHECKING, Final

from cdr_pipeline.cli.listings import listing
from cdr_pipeline.cli.reports import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.steps.run_context import RunContext
    from cdr_pipeline.steps.uploads.dropped_files import WaitingDrop

DROPS: Final = listing(
    "drops", "In the drop folder", "file", "account", "state", "changed", "code", "why", sentences=("why",),
    titles={"changed": "changed (UTC)"},
)  # fmt: skip


def print_drops(drops: "Sequence[WaitingDrop]", ctx: "RunContext") -> None:
    """A list of them, and what to do with those that are refused; nothing where there are none."""
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.errors import InvalidProfile

    if not drops:
        return
    show(
        DROPS,
        (
            (drop.place, drop.account_id, drop.state, drop.since, drop.code or None, drop.message or None)
            for drop in drops
        ),
        ctx,
    )
    if any(drop.code == InvalidProfile.code for drop in drops):
        out.print(
            "a file of an invalid profile is imported by the next night or sensor once the profile is corrected: "
            "'cdr-pipeline profiles list' says what is wrong; leave the file where it is",
            markup=False,
        )
    if any(drop.state == "refused" and drop.code != InvalidProfile.code for drop in drops):
        out.print(
            f"a refused file is not imported: move it to {ctx.settings.upload_dir}/ACCOUNT/PROFILE/, with an account "
            "of 'cdr-pipeline accounts list' and a profile of 'cdr-pipeline profiles list'",
            markup=False,
        )
