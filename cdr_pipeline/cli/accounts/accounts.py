"""``cdr-pipeline accounts``: accounts whose calls are collected."""

from datetime import datetime
from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import argument, several
from cdr_pipeline.cli.dates import day_option, parse_any_day
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show, titles
from cdr_pipeline.errors.counts import count_of

accounts_app = typer.Typer(help="Accounts whose calls are collected and imported.", no_args_is_help=True)
_SYNCED: Final = listing(
    "synced", "Accounts of the switch", "root", "added", "changed", "unchanged", "missing", single=True, blocks=True
)
_LOOK: Final = listing("attention", "Look at these", "account", "what", "failed", sentences=("what",))
_ACCOUNTS: Final = listing(
    "accounts", "Accounts", "id", "name", "parent", "time_zone", "earlier_zones", "country_code", "dialect", "active",
    titles={"country_code": "country"},
)  # fmt: skip
_DIALECTS: Final = listing(
    "dialects", "Dialects", "account", "dialect", "configured", "seen_at", "outdated_days", numbers=("outdated_days",),
    titles={"configured": "from", "seen_at": "last seen (UTC)", "outdated_days": "days to read again"},
)  # fmt: skip


@accounts_app.command("add")
def add(
    account_id: Annotated[str, typer.Argument(help="The switch's id of the account.")],
    *,
    name: Annotated[str | None, typer.Option(help="Display name.")] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="IANA time zone of its business dates; default for a new account: CDR_TIME_ZONE."),
    ] = None,
    country_code: Annotated[
        str | None,
        typer.Option(help="E.164 country code of its national numbers, digits only, such as 49; '' removes it."),
    ] = None,
    parent: Annotated[str | None, several("Parent account, by name or id; '' for none.", "--parent")] = None,
    zone_from: Annotated[
        datetime | None,
        day_option("First day in the new zone, if the account has days", "--zone-from", parser=parse_any_day),
    ] = None,
    active: Annotated[
        bool | None,
        typer.Option("--active/--inactive", help="Collect it every night; default for a new account: yes."),
    ] = None,
) -> None:
    """Add an account, or change the named values of an existing one.

    Days that have records keep their time zone, so a new time zone needs its first day (--zone-from).
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.accounts.add_account import AccountRequest, add_account

    request = AccountRequest(account_id, name, parent, time_zone, country_code, active)
    with run_context("adding") as ctx:
        added = add_account(request, ctx, zone_from=zone_from.date() if zone_from else None)
    account = added.account
    since = f" from {added.moved} on" if added.moved else ""
    out.print(f"account {account.account_id}: {account.time_zone}{since}, {'active' if account.active else 'inactive'}")


@accounts_app.command("sync")
@reports(_SYNCED, _LOOK)
def sync(
    *,
    root: Annotated[str | None, typer.Option(help="Root of the tree; default: the account of the credentials.")] = None,
    deactivate_missing: Annotated[
        bool, typer.Option("--deactivate-missing", help="Stop collecting accounts that the switch no longer has.")
    ] = False,
) -> None:
    """Register the account tree of the switch: every account below the root, with its name and time zone.

    Values that were set here (time zone, country code, inactive) are kept. Running it again changes nothing.
    Exits with 9 if an account could not be registered or changed; the others are done.
    """
    from cdr_pipeline.cli.reports import is_json
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import IncompleteNight
    from cdr_pipeline.steps.accounts.sync_accounts import SyncRequest, sync_accounts

    with run_context("walking the account tree") as ctx:
        synced = sync_accounts(SyncRequest(root, deactivate_missing), ctx)
    out.print(
        f"below {synced.root}: {len(synced.added)} added, {len(synced.changed)} changed, "
        f"{len(synced.unchanged)} unchanged, {len(synced.missing)} no longer on the switch"
    )
    outcome = "deactivated" if deactivate_missing else "missing; --deactivate-missing stops collecting it"
    if is_json():
        counts = (len(part) for part in (synced.added, synced.changed, synced.unchanged, synced.missing))
        show(_SYNCED, [(synced.root, *counts)])
    look = [
        *((account_id, outcome, False) for account_id in synced.missing),
        *((account_id, why, True) for account_id, why in synced.refused),
        *((account_id, why, False) for account_id, why in synced.invalid_zones),
        *((failure.account_id, failure.message, True) for failure in synced.failures),
    ]
    if look:
        show(_LOOK, ((*row, Cell(failed, "failed" if failed else "", "red")) for *row, failed in look), ctx)
    for account_id, _ in synced.invalid_zones:
        out.print(
            f"to set the time zone of {account_id}: cdr-pipeline accounts add {account_id} --time-zone AREA/CITY",
            soft_wrap=True,
        )
    failed = [account_id for account_id, _ in synced.refused] + [failure.account_id for failure in synced.failures]
    if failed:
        raise IncompleteNight(
            f"{count_of(len(failed), 'account')} failed: {titles(sorted(failed), ctx)}",
            hint="the others are done; fix the cause and run 'cdr-pipeline accounts sync' again",
        )


@accounts_app.command("list")
@reports(_ACCOUNTS)
def list_accounts() -> None:
    """Show the accounts with their time zone and the detected dialect of their switch."""
    from cdr_pipeline.cli.terminal import out, run_context

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = ledger.accounts.all()
    show(
        _ACCOUNTS,
        (
            (
                account.account_id,
                account.name,
                account.parent_id,
                account.time_zone,
                [f"{zone.time_zone} until {zone.until}" for zone in account.earlier_zones],
                account.country_code,
                Cell(account.dialect, account.dialect or "not contacted yet"),
                account.active,
            )
            for account in accounts
        ),
    )
    if not accounts:
        out.print(
            "none yet: 'cdr-pipeline accounts sync' reads them from the switch, 'cdr-pipeline accounts add ID' adds one"
        )


@accounts_app.command("dialect")
@reports(_DIALECTS)
def dialect(
    account: Annotated[list[str] | None, argument("Accounts, by name or id; all active ones when omitted.")] = None,
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget what was found: the next collection asks the switch again.")
    ] = False,
) -> None:
    """Show which dialect of the API the switch speaks for accounts and when a page last agreed with it; or reset it.

    Every collection compares the pages with it. When the switch was upgraded, the dialect is found anew and windows
    over months' ends that were asked for in the old one are read again.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.collect.switch_dialects import list_dialects, reset_dialects

    with run_context("reading") as ctx:
        forgotten = reset_dialects(ctx, account) if reset else []
        dialects = list_dialects(ctx, account)
    show(
        _DIALECTS,
        (
            (
                item.account_id,
                Cell(item.dialect, item.dialect or "asked by the next collection"),
                Cell(item.configured, "CDR_API_DIALECT" if item.configured else "the switch"),
                Cell(item.seen_at, None if item.seen_at else "never"),
                item.outdated_days,
            )
            for item in dialects
        ),
        ctx,
    )
    if forgotten:
        out.print(
            f"{count_of(len(forgotten), 'dialect')} forgotten: 'cdr-pipeline nightly --date YYYY-MM-DD' finds them anew"
        )
    if any(item.configured for item in dialects):
        out.print("CDR_API_DIALECT is set and wins over what was found; 'auto' lets the switch say it")
