"""``cdr-pipeline days``: which days are final, and why one changed."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts
from cdr_pipeline.cli.dates import Days, First, Last, Only, chosen_range, day_option
from cdr_pipeline.cli.days.adopted import ADOPTED, print_adopted
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import account_names, reports, show
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from cdr_pipeline.steps.run_context import RunContext

days_app = typer.Typer(help="List, seal and restate days.", no_args_is_help=True)
_DAYS: Final = listing(
    "days", "Days", "account", "day", "state", "version", "rows", "late_rows", "sealed_at", "sha256",
    numbers=("version", "rows", "late_rows"), titles={"late_rows": "late", "sealed_at": "sealed (UTC)"},
)  # fmt: skip
_SEALED: Final = listing(
    "sealed", "Sealed days", "account", "day", "outcome", "obstacles", "failure", sentences=("obstacles", "failure"),
    titles={"obstacles": "in the way"},
)  # fmt: skip
_RESTATED: Final = listing(
    "restated", "Restated days", "account", "day", "outcome", "version", "late_rows", "reasons", "failure",
    numbers=("version", "late_rows"), sentences=("reasons", "failure"), titles={"late_rows": "records"},
)  # fmt: skip
_REPAIRED: Final = listing(
    "files", "Sealed files", "account", "day", "file", "fault", "outcome", "detail", sentences=("detail",)
)
_PLACES: Final = listing(
    "places", "Location of the record", "account", "day", "origin", "state", "version", "file", numbers=("version",)
)
_LOADS: Final = listing(
    "loads", "Loads", "account", "day", "loaded_at", "kind", "source", "records", "replaced", "run_id",
    numbers=("records", "replaced"), titles={"loaded_at": "when (UTC)", "source": "from", "run_id": "run"},
)  # fmt: skip
_EVENTS: Final = listing(
    "events", "Seals", "account", "day", "happened_at", "event", "version", "by", "reason", "overridden",
    "before_sha256", "after_sha256", numbers=("version",), sentences=("reason",),
    titles={"happened_at": "when (UTC)", "before_sha256": "before", "after_sha256": "after"},
)  # fmt: skip
_DAYS_SHOWN = 31


@days_app.command("list")
@reports(_DAYS)
def list_days(
    *,
    first: First = None,
    last: Last = None,
    day: Only = None,
    account: Accounts = None,
    state: Annotated[str | None, typer.Option(help="Only open, sealed, restated or late_pending.")] = None,
) -> None:
    """Show days with state, version, file and late records. A sealed day with late records is late_pending."""
    from datetime import timedelta

    from cdr_pipeline.cli.terminal import out, run_context

    first, last = chosen_range(first, last, day)
    with run_context("reading") as ctx, ctx.ledger() as ledger:
        end = last.date() if last else ctx.clock().date()
        begin = first.date() if first else end - timedelta(days=_DAYS_SHOWN)
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        lines = ledger.day_states.lines(accounts, begin, end)
    out.print(f"{begin} to {end}")
    show(
        _DAYS,
        (
            (
                line.account_id,
                line.business_date,
                line.state,
                line.version,
                line.rows,
                Cell(line.late_rows, "?" if line.late_rows is None else str(line.late_rows or "")),
                line.sealed_at,
                Cell(line.sha256, (line.sha256 or "")[:12]),
            )
            for line in lines
            if state is None or line.state == state
        ),
        ctx,
    )


@days_app.command("seal")
@reports(_SEALED)
def seal(
    *,
    date: Days = None,
    account: Accounts = None,
    override: Annotated[
        bool, typer.Option("--override", help="Seal in spite of obstacles; requires --by and --reason.")
    ] = False,
    by: Annotated[str, typer.Option(help="Person responsible; recorded in the audit log.")] = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Seal every day whose grace period is over, or these days. Exits with 8 if one cannot be sealed."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.errors import DayNotSealable, ExportError
    from cdr_pipeline.steps.days.seal_days import Obstacle, Override, SealRequest, seal_days
    from cdr_pipeline.steps.operations.remedies import settle_command

    request = SealRequest(_dates(date), account, Override(by, reason) if override else None)
    with run_context("sealing") as ctx:
        results = seal_days(request, ctx)
    show(
        _SEALED,
        (
            (
                day.account_id,
                day.business_date,
                day.outcome,
                list(day.obstacles),
                day.failure.message if day.failure else None,
            )
            for day in results
        ),
        ctx,
    )
    failed = [day for day in results if day.outcome == "failed"]
    if failed:
        raise ExportError(
            f"{count_of(len(failed), 'day')} failed: "
            f"{_named(((day.account_id, day.business_date) for day in failed), ctx)}",
            hint="the list has the cause of each; fix it, then run the same command again",
        )
    refused = [day for day in results if day.outcome == "refused"]
    if refused and date:
        red = [day for day in refused if Obstacle.RECONCILIATION in day.obstacles]
        first = settle_command(red[0].business_date, red[0].account_id) if red else ""
        raise DayNotSealable(
            f"{count_of(len(refused), 'day stays', 'days stay')} open",
            hint=f"{f'decide the breaks: {first}; ' if red else ''}remove what is in the way, or seal with --override"
            " --by NAME --reason TEXT",
        )


@days_app.command("restate")
@reports(_RESTATED)
def restate(
    *,
    by: Annotated[str, typer.Option(help="Person responsible; recorded in the audit log.")],
    reason: Annotated[str, typer.Option(help="Why now.")],
    date: Days = None,
    account: Accounts = None,
    replace_lost: Annotated[
        bool,
        typer.Option(
            "--replace-lost", help="Also days whose sealed file is lost for good; they get no adjustment file."
        ),
    ] = False,
) -> None:
    """Write a new version of sealed days with late records, and a file of the adjustments. Old versions stay."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.errors import DayNotSealable
    from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days

    with run_context("restating") as ctx:
        results = restate_days(RestateRequest(by, reason, _dates(date), account, replace_lost), ctx)
    show(
        _RESTATED,
        (
            (
                day.account_id,
                day.business_date,
                day.outcome,
                day.version,
                day.late_rows,
                Cell(day.reasons or {}, ", ".join(f"{number} {code}" for code, number in (day.reasons or {}).items())),
                day.failure.message if day.failure else None,
            )
            for day in results
        ),
        ctx,
    )
    failed = [day for day in results if day.outcome in ("refused", "failed")]
    if failed:
        named = _named(((day.account_id, day.business_date) for day in failed), ctx)
        raise DayNotSealable(
            f"{count_of(len(failed), 'day was', 'days were')} not restated: {named}",
            hint="see the list; then try again",
        )


@days_app.command("adopt")
@reports(ADOPTED)
def adopt(
    *,
    account: Accounts = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the days and change nothing.")] = False,
) -> None:
    """Enter final files on disk into a ledger that does not know them, such as one restored from a backup.

    A day gets the state and version of its newest manifest. Exits 8 when a day could not be adopted, or when the
    warehouse has other records than its file.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import ExportError
    from cdr_pipeline.steps.days.adopt_files import adopt_files

    with run_context("adopting") as ctx:
        results = adopt_files(ctx, account, dry_run=dry_run)
    print_adopted(results, ctx)
    if not results:
        out.print("nothing to do: the ledger knows every final file")
    problems = sum(bool(day.problems) for day in results)
    if problems:
        raise ExportError(
            f"{count_of(problems, 'day needs', 'days need')} a person", hint="the list above says what to do for each"
        )


@days_app.command("repair")
@reports(_REPAIRED)
def repair(
    *,
    date: Days = None,
    account: Accounts = None,
) -> None:
    """Get missing or changed sealed files back with the bytes that were sealed, and announce them again.

    Looks first at the targets of targets.toml, then writes the file from the warehouse; only the sealed hash counts. A
    changed file is kept as NAME.damaged-HASH. With --date, compares the hashes of all files of that day first. Exits 8
    and says what to do when a file is lost.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import SealedFileDamaged
    from cdr_pipeline.steps.days.repair_files import RepairRequest, repair_files

    with run_context("repairing") as ctx:
        results = repair_files(RepairRequest(_dates(date), account), ctx)
    if results:
        show(
            _REPAIRED,
            (
                (file.account_id, file.business_date, file.path, file.fault, file.outcome, file.detail)
                for file in results
            ),
            ctx,
        )
    else:
        out.print("nothing to repair")
    lost = sum(file.outcome == "lost" for file in results)
    if lost:
        raise SealedFileDamaged(
            f"{count_of(lost, 'sealed file is', 'sealed files are')} lost",
            hint="the list above says what to do for each",
        )


@days_app.command("why")
@reports(_PLACES, _LOADS, _EVENTS)
def why(
    *,
    date: Annotated[datetime | None, day_option("Business date")] = None,
    account: Accounts = None,
    record: Annotated[str | None, typer.Option(help="Id of a record: show which file it is in.")] = None,
) -> None:
    """Explain why a day changed (loads, seals, restatements), or which file a record is in."""
    from cdr_pipeline.cli.terminal import run_context

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        if record is not None:
            show(
                _PLACES,
                (
                    (item.account_id, item.business_date, item.origin, item.state, item.version, item.path or None)
                    for item in ledger.day_states.record_locations(accounts, record)
                ),
                ctx,
            )
            return
        if date is None:
            raise typer.BadParameter("give --date, or --record")
        for account_id in accounts:
            _show_story(account_id, date.date(), ctx)


def _show_story(account_id: str, day: "dt.date", ctx: "RunContext") -> None:
    from pathlib import Path

    with ctx.ledger() as ledger:
        batches, events = ledger.day_states.batches(account_id, day), ledger.day_states.events(account_id, day)
    show(
        _LOADS,
        (
            (
                account_id,
                day,
                Cell(batch.loaded_at, f"{batch.loaded_at:%Y-%m-%d %H:%M:%S}"),
                batch.kind,
                batch.file_name or Path(batch.source).name,
                batch.records,
                batch.replaced,
                Cell(batch.run_id, (batch.run_id or "")[:8]),
            )
            for batch in batches
        ),
        ctx,
    )
    show(
        _EVENTS,
        (
            (
                account_id,
                day,
                Cell(event.happened_at, f"{event.happened_at:%Y-%m-%d %H:%M:%S}"),
                event.event,
                event.version,
                event.actor,
                event.reason,
                list(event.overridden),
                Cell(event.before_sha256, (event.before_sha256 or "")[:12]),
                Cell(event.after_sha256, event.after_sha256[:12]),
            )
            for event in events
        ),
        ctx,
    )


def _named(days: "Iterable[tuple[str, dt.date]]", ctx: "RunContext") -> str:
    """Days of accounts for a message, with the names of the accounts."""
    names = account_names(ctx)
    return ", ".join(
        f"{names[account_id]} ({account_id}) {business_date}"
        if names.get(account_id)
        else f"{account_id} {business_date}"
        for account_id, business_date in days
    )


def _dates(moments: list[datetime] | None) -> "list[dt.date] | None":
    return [moment.date() for moment in moments] if moments else None
