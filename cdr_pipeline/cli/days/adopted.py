"""Prints which days with final files the ledger has adopted."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.steps.days.adopt_files import AdoptedDay


def print_adopted(days: "Sequence[AdoptedDay]") -> None:
    """One line a day, and one for each problem."""
    from cdr_pipeline.cli.terminal import out, table

    if not days:
        return
    numbers = frozenset({"version", "files"})
    listing = table("Final files on disk", "account", "day", "outcome", "state", "version", "files", "problem",
                    numbers=numbers)  # fmt: skip
    for day in days:
        listing.add_row(
            day.account_id,
            str(day.business_date),
            day.outcome,
            day.state,
            str(day.version or ""),
            str(day.files),
            "; ".join(day.problems),
        )
    out.print(listing)
