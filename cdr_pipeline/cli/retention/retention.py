"""``cdr-pipeline warehouse retention``: retention of old records."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import argument
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import is_json, reports, show, titles
from cdr_pipeline.errors.counts import count_of

retention_app = typer.Typer(help="Retention of old records by account.", no_args_is_help=True)
_POLICIES: Final = listing(
    "policies", "Retention", "account", "keep_months", "archive", "mask_after_days", "set_by", "set_at",
    titles={"keep_months": "months kept", "archive": "removed go to", "mask_after_days": "masked after days",
            "set_at": "set"},
)  # fmt: skip
_MONTHS: Final = listing("months", "Months", "account", "month", "outcome", "records", "unfinished_days")
_MASKED: Final = listing("masked", "Masked", "account", "records")


@retention_app.command("set")
def set_policy(
    account: Annotated[str, argument("Account that owns the records, by name or id.")],
    *,
    by: Annotated[str, typer.Option(help="Person responsible; recorded in the audit log.")],
    keep_months: Annotated[
        int | None, typer.Option(min=1, help="Whole months to keep besides the current one; default: all.")
    ] = None,
    archive: Annotated[bool, typer.Option("--archive", help="Write removed records to Parquet first.")] = False,
    mask_after_days: Annotated[
        int | None, typer.Option(min=1, help="Days after which numbers are masked; default: never.")
    ] = None,
) -> None:
    """Replace an account's policy. Nothing is removed or masked before the next 'retention run' or night."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.retention.retain_records import set_policy as say

    with run_context("setting") as ctx:
        say(account, ctx, keep_months=keep_months, archive=archive, mask_after_days=mask_after_days, actor=by)
    out.print("set; 'cdr-pipeline warehouse retention run --dry-run' shows what is due")


@retention_app.command("list")
@reports(_POLICIES)
def list_all() -> None:
    """Show every policy. Accounts without a policy keep all records."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.retention.retain_records import list_policies

    with run_context("reading") as ctx:
        policies = list_policies(ctx)
    show(
        _POLICIES,
        (
            (
                policy.account_id,
                Cell(policy.keep_months, "all" if policy.keep_months is None else None),
                Cell(policy.archive, "archive" if policy.archive else "nowhere"),
                Cell(policy.mask_after_days, "never" if policy.mask_after_days is None else None),
                policy.set_by,
                Cell(policy.set_at, f"{policy.set_at:%Y-%m-%d}"),
            )
            for policy in policies
        ),
        ctx,
    )


@retention_app.command("run")
@reports(_MONTHS, _MASKED)
def run(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print which months are due and change nothing.")] = False,
) -> None:
    """Remove, archive and mask records by policy. After a failure, run it again to continue."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import IncompleteNight
    from cdr_pipeline.steps.retention.retain_records import retain_records

    with run_context("retaining") as ctx:
        result = retain_records(ctx, dry_run=dry_run)
    if is_json():
        show(
            _MONTHS,
            (
                (month.account_id, f"{month.month:%Y-%m}", month.outcome, month.records, list(month.unfinished))
                for month in result.months
            ),
            ctx,
        )
        show(_MASKED, result.masked.items(), ctx)
    for month in result.months:
        days = ", ".join(day.isoformat() for day in month.unfinished)
        detail = f"days open or late: {days}" if days else count_of(month.records, "record")
        account = titles([month.account_id], ctx)
        out.print(f"{account} {month.month:%Y-%m} {month.outcome}: {detail}", markup=False, soft_wrap=True)
    for account_id, records in result.masked.items():
        text = f"{titles([account_id], ctx)} masked: {count_of(records, 'record')} and earlier versions"
        out.print(text, markup=False, soft_wrap=True)
    if result.failures:
        raise IncompleteNight(
            "; ".join(f"{failure.account_id}: {failure.code}" for failure in result.failures),
            hint="fix the errors above, then run it again",
        )
