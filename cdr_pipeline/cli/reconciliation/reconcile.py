"""``cdr-pipeline reconcile``: the switch against carriers, for a day."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts
from cdr_pipeline.cli.dates import Day
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show

_STYLES = {"green": "green", "red": "red", "settled": "blue"}
_NUMBERS: Final = ("legs", "records", "breaks", "exposure", "appeared", "resolved", "changed", "version")
_RECONCILED: Final = listing(
    "reconciled", "Reconciled", "account", "day", "carrier", "light", "status", "legs", "records", "breaks", "exposure",
    "currency", "appeared", "resolved", "changed", "version", "new_version", "page", "findings",
    numbers=_NUMBERS, titles={"exposure": "at risk", "new_version": "", "page": "", "findings": ""},
)  # fmt: skip


@reports(_RECONCILED)
def reconcile(
    *,
    date: Day,
    account: Accounts = None,
    carrier: Annotated[list[str] | None, typer.Option(help="Only this carrier; repeat for several.")] = None,
) -> None:
    """Compare the switch's legs of a day with carriers' records: one class per row, one page per carrier.

    Running it again writes nothing while records and rules are the same; otherwise it writes a new version that lists
    what has changed. Decisions about breaks are kept. Exits with 9 if a carrier failed; the others are done.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import IncompleteNight
    from cdr_pipeline.steps.reconciliation.reconcile_day import ReconcileRequest, reconcile_day

    with run_context("reconciling") as ctx:
        result = reconcile_day(ReconcileRequest(date.date(), account, carrier), ctx)
    show(
        _RECONCILED,
        (
            (
                item.kept.day.account_id,
                item.kept.day.business_date,
                item.kept.day.carrier,
                Cell(item.light, style=_STYLES[item.light]),
                item.kept.version.status,
                item.kept.version.switch_rows,
                item.kept.version.carrier_rows,
                item.kept.version.breaks,
                Cell(item.kept.version.exposure, f"{item.kept.version.exposure:.4f}"),
                item.kept.version.currency,
                item.kept.appeared,
                item.kept.resolved,
                item.kept.changed,
                item.kept.number,
                Cell(item.kept.fresh, "new" if item.kept.fresh else "as before"),
                Cell(item.report, ""),
                Cell(list(item.kept.version.findings), ""),
            )
            for item in result.carriers
        ),
        ctx,
    )
    for item in result.carriers:
        out.print(f"page: {item.report}", soft_wrap=True, markup=False)
        for finding in item.kept.version.findings:
            out.print(f"  {finding}", markup=False)
    if not result.carriers and not result.failures:
        out.print("no carrier has records around this day; import one with 'cdr-pipeline import'")
    if result.failures:
        causes = "; ".join(f"{failure.account_id}: [{failure.code}] {failure.message}" for failure in result.failures)
        raise IncompleteNight(causes, hint="fix the cause and reconcile the day again; the others are done")
