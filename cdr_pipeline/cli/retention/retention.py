"""``cdr-pipeline warehouse retention``: retention of old records."""

from typing import Annotated

import typer

retention_app = typer.Typer(help="Retention of old records by account.", no_args_is_help=True)


@retention_app.command("set")
def set_policy(
    account: Annotated[str, typer.Argument(help="Account that owns the records.")],
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
def list_all() -> None:
    """Show every policy. Accounts without a policy keep all records."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.steps.retention.retain_records import list_policies

    with run_context("reading") as ctx:
        policies = list_policies(ctx)
    listing = table("Retention", "account", "months kept", "removed go to", "masked after days", "set by", "set")
    for policy in policies:
        listing.add_row(
            policy.account_id,
            "all" if policy.keep_months is None else str(policy.keep_months),
            "archive" if policy.archive else "nowhere",
            "never" if policy.mask_after_days is None else str(policy.mask_after_days),
            policy.set_by,
            f"{policy.set_at:%Y-%m-%d}",
        )
    out.print(listing)


@retention_app.command("run")
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
    for month in result.months:
        days = ", ".join(day.isoformat() for day in month.unfinished)
        detail = f"days open or late: {days}" if days else f"{month.records} records"
        out.print(f"{month.account_id} {month.month:%Y-%m} {month.outcome}: {detail}", soft_wrap=True)
    for account_id, records in result.masked.items():
        out.print(f"{account_id} masked: {records} records and earlier versions")
    if result.failures:
        raise IncompleteNight(
            "; ".join(f"{failure.account_id}: {failure.code}" for failure in result.failures),
            hint="fix the errors above, then run it again",
        )
