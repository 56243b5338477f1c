"""``cdr-pipeline accounts``: whose calls are collected."""

from datetime import datetime
from typing import Annotated

import typer

accounts_app = typer.Typer(help="Accounts whose calls are collected and imported.", no_args_is_help=True)


@accounts_app.command("add")
def add(
    account_id: Annotated[str, typer.Argument(help="The switch's id of the account.")],
    *,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="IANA zone that decides its business dates; CDR_TIME_ZONE for a new account without one."),
    ] = None,
    country_code: Annotated[
        str | None,
        typer.Option(help="E.164 country code of its national numbers, digits only, such as 49; '' removes it."),
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Id of the account above it; '' for none.")] = None,
    zone_from: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day in a new zone, of an account that has days."),
    ] = None,
    active: Annotated[
        bool | None,
        typer.Option("--active/--inactive", help="Whether it is collected every night; a new account is."),
    ] = None,
) -> None:
    """Add an account, or change what is named of a known one. Everything else stays as it is.

    Days that an account has keep their time zone: a new zone needs the first day that is in it.
    """
    from cdr_pipeline.cli.console import out, workplace
    from cdr_pipeline.steps.accounts import AccountRequest, add_account

    request = AccountRequest(account_id, name, parent, time_zone, country_code, active)
    with workplace("adding") as at:
        added = add_account(request, at, zone_from=zone_from.date() if zone_from else None)
    account = added.account
    since = f" from {added.moved} on" if added.moved else ""
    out.print(f"account {account.account_id}: {account.time_zone}{since}, {'active' if account.active else 'inactive'}")


@accounts_app.command("sync")
def sync(
    *,
    root: Annotated[
        str | None, typer.Option(help="Account whose tree is walked; the credentials' own when omitted.")
    ] = None,
    deactivate_missing: Annotated[
        bool, typer.Option("--deactivate-missing", help="Stop collecting accounts that the switch no longer has.")
    ] = False,
) -> None:
    """Learn the account tree from the switch: every account below the root, with its name and time zone.

    What was set here (zone, country code, inactive) stays as it is. Doing it again changes nothing.
    """
    from cdr_pipeline.cli.console import out, table, workplace
    from cdr_pipeline.steps.sync_accounts import SyncRequest, sync_accounts

    with workplace("walking the account tree") as at:
        synced = sync_accounts(SyncRequest(root, deactivate_missing), at)
    out.print(
        f"below {synced.root}: {len(synced.added)} added, {len(synced.changed)} changed, "
        f"{len(synced.unchanged)} unchanged, {len(synced.missing)} no longer on the switch"
    )
    outcome = "deactivated" if deactivate_missing else "missing; --deactivate-missing stops collecting it"
    if synced.missing or synced.refused:
        listing = table("Look at these", "account", "what")
        for account_id in synced.missing:
            listing.add_row(account_id, outcome)
        for account_id, why in synced.refused:
            listing.add_row(account_id, why)
        out.print(listing)


@accounts_app.command("list")
def list_accounts() -> None:
    """Show the accounts, with zone and the dialect their switch was found to speak."""
    from cdr_pipeline.cli.console import out, table, workplace

    with workplace("reading") as at, at.ledger() as ledger:
        accounts = ledger.all_accounts()
    listing = table("Accounts", "account", "name", "parent", "time zone", "country", "dialect", "active")
    for account in accounts:
        listing.add_row(
            account.account_id,
            account.name,
            account.parent_id or "",
            ", ".join([*(f"{zone.time_zone} until {zone.until}" for zone in account.earlier_zones), account.time_zone]),
            account.country_code or "",
            account.dialect or "not contacted yet",
            "yes" if account.active else "no",
        )
    out.print(listing)
    if not accounts:
        out.print("none yet: 'cdr-pipeline accounts sync' asks the switch, 'accounts add ID' adds one by hand")
