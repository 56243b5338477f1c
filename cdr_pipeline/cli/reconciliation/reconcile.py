"""``cdr-pipeline reconcile``: the switch against carriers, for a day."""

from datetime import datetime
from typing import Annotated

import typer

from cdr_pipeline.cli.dates import parse_day

_STYLES = {"green": "green", "red": "red", "settled": "blue"}


def reconcile(
    *,
    date: Annotated[
        datetime,
        typer.Option(parser=parse_day, metavar="DAY", help="Business date: YYYY-MM-DD, today, yesterday or -N."),
    ],
    account: Annotated[list[str] | None, typer.Option(help="Only this account; repeat for several.")] = None,
    carrier: Annotated[list[str] | None, typer.Option(help="Only this carrier; repeat for several.")] = None,
) -> None:
    """Compare the switch's legs of a day with carriers' records: one class per row, one page per carrier.

    Running it again writes nothing while records and rules are the same; otherwise it writes a new version that lists
    what has changed. Decisions about breaks are kept. Exits with 9 if a carrier failed; the others are done.
    """
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.errors import IncompleteNight
    from cdr_pipeline.steps.reconciliation.reconcile_day import ReconcileRequest, reconcile_day

    with run_context("reconciling") as ctx:
        result = reconcile_day(ReconcileRequest(date.date(), account, carrier), ctx)
    numbers = frozenset({"legs", "records", "breaks", "at risk", "appeared", "resolved", "changed"})
    listing = table(
        f"Reconciled, {date:%Y-%m-%d}", "account", "carrier", "light", "status", "legs", "records", "breaks", "at risk",
        "appeared", "resolved", "changed", "version", numbers=numbers,
    )  # fmt: skip
    for item in result.carriers:
        stored, version = item.kept, item.kept.version
        listing.add_row(
            stored.day.account_id,
            stored.day.carrier,
            f"[{_STYLES[item.light]}]{item.light}[/{_STYLES[item.light]}]",
            version.status,
            str(version.switch_rows),
            str(version.carrier_rows),
            str(version.breaks),
            f"{version.exposure:.4f} {version.currency}",
            str(stored.appeared),
            str(stored.resolved),
            str(stored.changed),
            f"{stored.number} {'new' if stored.fresh else 'as before, nothing written'}",
        )
    out.print(listing)
    for item in result.carriers:
        out.print(f"page: {item.report}", soft_wrap=True, markup=False)
        for finding in item.kept.version.findings:
            out.print(f"  {finding}", markup=False)
    if not result.carriers and not result.failures:
        out.print("no carrier has records around this day; import one with 'cdr-pipeline import'")
    if result.failures:
        causes = "; ".join(f"{failure.account_id}: [{failure.code}] {failure.message}" for failure in result.failures)
        raise IncompleteNight(causes, hint="fix the cause and reconcile the day again; the others are done")
