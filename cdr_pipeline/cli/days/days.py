"""``cdr-pipeline days``: which days are final, and why one changed."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cdr_pipeline.cli.dates import parse_day, require_order

if TYPE_CHECKING:
    import datetime as dt

    from cdr_pipeline.warehouse.ledger import Ledger

days_app = typer.Typer(help="List, seal and restate days.", no_args_is_help=True)
_ACCOUNTS = typer.Option("--account", help="Only this account; repeat for several.")
_DATES = typer.Option(
    "--date",
    parser=parse_day,
    metavar="DAY",
    help="Business date: YYYY-MM-DD, today, yesterday or -N; repeat for several.",
)
_DAYS_SHOWN = 31


@days_app.command("list")
def list_days(
    *,
    first: Annotated[
        datetime | None, typer.Option("--from", parser=parse_day, metavar="DAY", help="First day.")
    ] = None,
    last: Annotated[datetime | None, typer.Option("--to", parser=parse_day, metavar="DAY", help="Last day.")] = None,
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
    state: Annotated[str | None, typer.Option(help="Only open, sealed, restated or late_pending.")] = None,
) -> None:
    """Show days with state, version, file and late records. A sealed day with late records is late_pending."""
    from datetime import timedelta

    from cdr_pipeline.cli.terminal import out, run_context, table

    require_order(first, last)
    with run_context("reading") as ctx, ctx.ledger() as ledger:
        end = last.date() if last else ctx.clock().date()
        begin = first.date() if first else end - timedelta(days=_DAYS_SHOWN)
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        lines = ledger.day_states.lines(accounts, begin, end)
    numbers = frozenset({"version", "rows", "late"})
    listing = table(
        f"Days {begin} to {end}", "account", "day", "state", "version", "rows", "late", "sealed", "sha256",
        numbers=numbers,
    )  # fmt: skip
    for line in lines:
        if state is None or line.state == state:
            listing.add_row(
                line.account_id,
                str(line.business_date),
                line.state,
                str(line.version),
                "" if line.rows is None else str(line.rows),
                "?" if line.late_rows is None else str(line.late_rows or ""),
                f"{line.sealed_at:%Y-%m-%d %H:%M}" if line.sealed_at else "",
                (line.sha256 or "")[:12],
            )
    out.print(listing)


@days_app.command("seal")
def seal(
    *,
    date: Annotated[list[datetime] | None, _DATES] = None,
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
    override: Annotated[
        bool, typer.Option("--override", help="Seal in spite of obstacles; requires --by and --reason.")
    ] = False,
    by: Annotated[str, typer.Option(help="Person responsible; recorded in the audit log.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Seal every day whose grace period is over, or these days. Exits with 8 if one cannot be sealed."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.errors import DayNotSealable, ExportError
    from cdr_pipeline.steps.days.seal_days import Obstacle, Override, SealRequest, seal_days
    from cdr_pipeline.steps.operations.remedies import settle_command

    request = SealRequest(_dates(date), account, Override(by, reason) if override else None)
    with run_context("sealing") as ctx:
        results = seal_days(request, ctx)
    listing = table("Sealed days", "account", "day", "outcome", "in the way")
    for day in results:
        wrong = day.failure.message if day.failure else ", ".join(day.obstacles)
        listing.add_row(day.account_id, str(day.business_date), day.outcome, wrong)
    out.print(listing)
    failed = [day for day in results if day.outcome == "failed"]
    if failed:
        raise ExportError(
            f"{len(failed)} day(s) failed: {', '.join(f'{day.account_id} {day.business_date}' for day in failed)}",
            hint="the list has the cause of each; fix it, then run the same command again",
        )
    refused = [day for day in results if day.outcome == "refused"]
    if refused and date:
        red = [day for day in refused if Obstacle.RECONCILIATION in day.obstacles]
        first = settle_command(red[0].business_date, red[0].account_id) if red else ""
        raise DayNotSealable(
            f"{len(refused)} day(s) stay open",
            hint=f"{f'decide the breaks: {first}; ' if red else ''}remove what is in the way, or seal with --override"
            " --by NAME --reason TEXT",
        )


@days_app.command("restate")
def restate(
    *,
    by: Annotated[str, typer.Option(help="Person responsible; recorded in the audit log.")],
    reason: Annotated[str, typer.Option(help="Why now.")],
    date: Annotated[list[datetime] | None, _DATES] = None,
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
    replace_lost: Annotated[
        bool,
        typer.Option(
            "--replace-lost", help="Also days whose sealed file is lost for good; they get no adjustment file."
        ),
    ] = False,
) -> None:
    """Write a new version of sealed days with late records, and a file of the adjustments. Old versions stay."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.errors import DayNotSealable
    from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days

    with run_context("restating") as ctx:
        results = restate_days(RestateRequest(by, reason, _dates(date), account, replace_lost), ctx)
    listing = table("Restated days", "account", "day", "outcome", "version", "records", "why")
    for day in results:
        why = (
            day.failure.message if day.failure else ", ".join(f"{n} {code}" for code, n in (day.reasons or {}).items())
        )
        listing.add_row(day.account_id, str(day.business_date), day.outcome, str(day.version), str(day.late_rows), why)
    out.print(listing)
    failed = [day for day in results if day.outcome in ("refused", "failed")]
    if failed:
        named = ", ".join(f"{day.account_id} {day.business_date}" for day in failed)
        raise DayNotSealable(f"{len(failed)} day(s) were not restated: {named}", hint="see the list; then try again")


@days_app.command("adopt")
def adopt(
    *,
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the days and change nothing.")] = False,
) -> None:
    """Enter final files on disk into a ledger that does not know them, such as one restored from a backup.

    A day gets the state and version of its newest manifest. Exits 8 when a day could not be adopted, or when the
    warehouse has other records than its file.
    """
    from cdr_pipeline.cli.days.adopted import print_adopted
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import ExportError
    from cdr_pipeline.steps.days.adopt_files import adopt_files

    with run_context("adopting") as ctx:
        results = adopt_files(ctx, account, dry_run=dry_run)
    print_adopted(results)
    if not results:
        out.print("nothing to do: the ledger knows every final file")
    problems = sum(bool(day.problems) for day in results)
    if problems:
        raise ExportError(f"{problems} day(s) need a person", hint="the list above says what to do for each")


@days_app.command("repair")
def repair(
    *,
    date: Annotated[list[datetime] | None, _DATES] = None,
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
) -> None:
    """Get missing or changed sealed files back with the bytes that were sealed, and announce them again.

    Looks first at the targets of targets.toml, then writes the file from the warehouse; only the sealed hash counts. A
    changed file is kept as NAME.damaged-HASH. With --date, compares the hashes of all files of that day first. Exits 8
    and says what to do when a file is lost.
    """
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.errors import SealedFileDamaged
    from cdr_pipeline.steps.days.repair_files import RepairRequest, repair_files

    with run_context("repairing") as ctx:
        results = repair_files(RepairRequest(_dates(date), account), ctx)
    listing = table("Sealed files", "account", "day", "file", "fault", "outcome", "detail")
    for file in results:
        listing.add_row(file.account_id, str(file.business_date), file.path, file.fault, file.outcome, file.detail)
    if results:
        out.print(listing)
    else:
        out.print("nothing to repair")
    lost = sum(file.outcome == "lost" for file in results)
    if lost:
        raise SealedFileDamaged(f"{lost} sealed file(s) are lost", hint="the list above says what to do for each")


@days_app.command("why")
def why(
    *,
    date: Annotated[datetime | None, typer.Option(parser=parse_day, metavar="DAY", help="Business date.")] = None,
    account: Annotated[list[str] | None, _ACCOUNTS] = None,
    record: Annotated[str | None, typer.Option(help="Id of a record: show which file it is in.")] = None,
) -> None:
    """Explain why a day changed (loads, seals, restatements), or which file a record is in."""
    from cdr_pipeline.cli.terminal import run_context

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        if record is not None:
            _print_places(ledger, accounts, record)
            return
        if date is None:
            raise typer.BadParameter("give --date, or --record")
        for account_id in accounts:
            _print_story(ledger, account_id, date.date())


def _print_places(ledger: "Ledger", accounts: list[str], record: str) -> None:
    from cdr_pipeline.cli.terminal import out, table

    listing = table("Location", "account", "day", "origin", "state", "version", "file")
    for location in ledger.day_states.record_locations(accounts, record):
        listing.add_row(
            location.account_id,
            str(location.business_date),
            location.origin,
            location.state,
            str(location.version),
            location.path or "",
        )
    out.print(listing)


def _print_story(ledger: "Ledger", account_id: str, day: "dt.date") -> None:
    from pathlib import Path

    from cdr_pipeline.cli.terminal import out, table

    numbers = frozenset({"records", "replaced"})
    listing = table(f"{account_id} {day}: loads", "when", "kind", "from", "records", "replaced", "run", numbers=numbers)
    for batch in ledger.day_states.batches(account_id, day):
        listing.add_row(
            f"{batch.loaded_at:%Y-%m-%d %H:%M:%S}",
            batch.kind,
            batch.file_name or Path(batch.source).name,
            str(batch.records),
            str(batch.replaced),
            (batch.run_id or "")[:8],
        )
    out.print(listing)
    events = table(
        f"{account_id} {day}: seals", "when", "what", "version", "by", "why", "overridden", "before", "after"
    )
    for event in ledger.day_states.events(account_id, day):
        events.add_row(
            f"{event.happened_at:%Y-%m-%d %H:%M:%S}",
            event.event,
            str(event.version),
            event.actor,
            event.reason,
            ", ".join(event.overridden),
            (event.before_sha256 or "")[:12],
            event.after_sha256[:12],
        )
    out.print(events)


def _dates(moments: list[datetime] | None) -> "list[dt.date] | None":
    return [moment.date() for moment in moments] if moments else None
