"""``cdr-pipeline accounts``: whose calls are collected."""

from datetime import datetime
from typing import Annotated

import typer

accounts_app = typer.Typer(help="Accounts whose calls are collected and imported.", no_args_is_help=True)


@accounts_app.command("add")
def add(
    account_id: Annotated[str, typer.Argument(help="The switch's id of the account.")],
    *,
    name: Annotated[str, typer.Option(help="A name for people.")] = "",
    time_zone: Annotated[
        str | None,
        typer.Option(help="IANA zone that decides its business dates; CDR_TIME_ZONE when omitted."),
    ] = None,
    country_code: Annotated[
        str | None, typer.Option(help="E.164 country code of its national numbers, digits only, such as 49.")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Id of the account above it.")] = None,
    zone_from: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day in a new zone; the first that is still empty when omitted."),
    ] = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="Know it, but do not collect it.")] = False,
) -> None:
    """Make an account known, or change it. When its zone changes, days that it has had keep theirs."""
    from cdr_pipeline.cli.console import out, workplace
    from cdr_pipeline.steps.accounts import add_account, checked_account

    with workplace("adding") as at:
        account = checked_account(
            account_id=account_id,
            name=name,
            parent_id=parent,
            time_zone=time_zone or at.settings.time_zone,
            country_code=country_code,
            active=not inactive,
        )
        moved = add_account(account, at, zone_from=zone_from.date() if zone_from else None)
    since = f" from {moved} on" if moved else ""
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
