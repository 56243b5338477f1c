"""Prints which days with final files the ledger has adopted."""

from typing import TYPE_CHECKING, Final

from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.steps.days.adopt_files import AdoptedDay
    from cdr_pipeline.steps.run_context import RunContext

ADOPTED: Final = listing(
    "adopted", "Final files on disk", "account", "day", "outcome", "state", "version", "files", "problems",
    numbers=("version", "files"), sentences=("problems",),
)  # fmt: skip


def print_adopted(days: "Sequence[AdoptedDay]", ctx: "RunContext | None" = None) -> None:
    """One line a day, and one for each problem."""
    if not days:
        return
    show(
        ADOPTED,
        (
            (
                day.account_id,
                day.business_date,
                day.outcome,
                day.state,
                Cell(day.version, str(day.version or "")),
                day.files,
                Cell(list(day.problems), "; ".join(day.problems)),
            )
            for day in days
        ),
        ctx,
    )
