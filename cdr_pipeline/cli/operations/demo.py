"""``cdr-pipeline demo``: three nights against a simulated switch."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import show

if TYPE_CHECKING:
    from collections import Counter
    from datetime import date, datetime

    from cdr_pipeline.defs.operations.night import Night
    from cdr_pipeline.settings import Settings
    from cdr_pipeline.simulator.switch import SimulatedSwitch
    from cdr_pipeline.simulator.traffic import SimulatedAccount
    from cdr_pipeline.steps.run_context import Progress, RunContext

_HOST = "127.0.0.1"
_RECORDS: Final = listing(
    "records", "What is in the warehouse", "day", "account", "switch", "carrier", "minutes", "rows_in_file",
    numbers=("switch", "carrier", "minutes", "rows_in_file"),
)  # fmt: skip
_LIGHTS: Final = listing(
    "lights", "Switch against carrier", "day", "account", "light", "breaks", "USD_at_risk",
    numbers=("breaks", "USD_at_risk"),
)  # fmt: skip
_STAGES: Final = ("collect", "import", "merge", "reconcile", "export", "whole_night")
_SECONDS: Final = listing("seconds", "Seconds", "day", *_STAGES, numbers=_STAGES)


def demo(
    *,
    days: Annotated[int, typer.Option(min=1, max=31, help="Number of nights; the last one is for yesterday.")] = 3,
    calls_per_day: Annotated[int, typer.Option(min=1, help="Calls per account on a working day.")] = 80,
    serve: Annotated[
        bool | None,
        typer.Option(
            "--serve/--no-serve", help="Serve the console until Ctrl-C at the end; default: only in a terminal."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the console.")] = 8000,
) -> None:
    """Run real nights: warehouse, simulated switch, three accounts, carriers' files, the nightly job for each day.

    Nothing is mocked except the switch: CDRs are pulled over HTTP, files are imported, both are validated, merged and
    exported, and the Dagster UI shows the runs. Running it again changes nothing. In a terminal the demo ends with a
    link that opens the console, signed in.
    """
    import time
    from collections import Counter

    from pydantic import SecretStr

    from cdr_pipeline.cli.operations.ports import require_free
    from cdr_pipeline.cli.terminal import out, progress, ready_settings
    from cdr_pipeline.simulator.demo_carrier import write_demo_profile
    from cdr_pipeline.simulator.running import run_switch
    from cdr_pipeline.simulator.switch import SimulatedSwitch
    from cdr_pipeline.steps.run_context import RunContext

    settings = ready_settings()
    _require_no_real_settings(settings)
    serves = out.is_terminal if serve is None else serve
    if serves:
        require_free(_HOST, port, "--port")
    switch = SimulatedSwitch.build(seed=1, accounts=3, calls_per_day=calls_per_day, dialect="v2_k43")
    started_at = time.monotonic()
    with progress("demo") as report, run_switch(switch) as running:
        report("starting the warehouse")
        played = settings.model_copy(
            update={
                "api_url": running.url,
                "api_token": SecretStr(switch.token),
                "api_details": True,
                # The simulated switch has no rate limit to respect, and its carrier's file is whole at once.
                "api_requests_per_second": 10_000.0,
                "api_host_requests_per_second": 100_000.0,
                "upload_settle_seconds": 0,
            }
        )
        ctx = RunContext.open(played, progress=report)
        ready = time.monotonic() - started_at
        _add_accounts(switch, ctx)
        dates = _last_days(days, switch, ctx.clock())
        write_demo_profile(settings.profile_dir)
        # One file shows what carriers do wrong, the same when the demo runs again tomorrow. All others are right.
        wrong = switch.accounts[0], next(day for day in dates if day.toordinal() % days == 0)
        planted: Counter[str] = Counter()
        nights = {day: _run_night(day, switch, ctx, report, wrong=wrong, planted=planted) for day in dates}
    _print_result(nights, ctx, ready)
    _print_planted(planted, *wrong)
    out.print(f"\n{days} nights in {time.monotonic() - started_at:.1f} s. Look at them:  cdr-pipeline ui")
    out.print("List what is in the warehouse:            cdr-pipeline status")
    if not serves:
        out.print("Decide breaks and download files in the console: cdr-pipeline serve")
    for night in nights.values():
        night.require_whole()
    if serves:
        _serve(settings, port)


def _serve(settings: "Settings", port: int) -> None:
    """Serves the console and prints the link that signs in once."""
    from cdr_pipeline.cli.operations.serve import show_sign_in_link
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.serving.server import serve as serve_all
    from cdr_pipeline.steps.run_context import RunContext

    out.print("\nThe console runs until Ctrl-C: see why a day is red, decide its breaks, download files.")
    show_sign_in_link(_HOST, port, RunContext.open(settings))
    serve_all(settings, host=_HOST, port=port, workers=1)


def _require_no_real_settings(settings: "Settings") -> None:
    """The demo must never put made traffic among real calls."""
    from cdr_pipeline.errors import ConfigurationError

    real = [name for name in ("api_url", "warehouse_url") if getattr(settings, name) is not None]
    if real:
        raise ConfigurationError(
            f"the demo makes up traffic; {', '.join('CDR_' + name.upper() for name in real)} is a real place",
            hint="unset it for the demo, or keep the demo apart with its own CDR_DATA_DIR",
        )


def _last_days(days: int, switch: "SimulatedSwitch", now: "datetime") -> "list[date]":
    """The newest days that have ended for each account."""
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    today = min(now.astimezone(ZoneInfo(account.time_zone)).date() for account in switch.accounts)
    return [today - timedelta(days=number) for number in range(days, 0, -1)]


def _add_accounts(switch: "SimulatedSwitch", ctx: "RunContext") -> None:
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.steps.accounts.add_account import checked_account

    with ctx.ledger() as ledger:
        simulated = {account.account_id for account in switch.accounts}
        if {account.account_id for account in ledger.accounts.all()} - simulated:
            raise ConfigurationError(
                f"the warehouse below {ctx.settings.data_dir} holds accounts that are not the demo's",
                hint="play the demo elsewhere: CDR_DATA_DIR=/tmp/cdr_demo cdr-pipeline demo",
            )
        for account in switch.accounts:
            ledger.accounts.add(
                checked_account(
                    account_id=account.account_id,
                    name=account.name,
                    parent_id=account.parent_id,
                    time_zone=account.time_zone,
                    country_code="1",
                    active=True,
                ),
                now=ctx.clock(),
            )


def _run_night(
    day: "date",
    switch: "SimulatedSwitch",
    ctx: "RunContext",
    report: "Progress",
    *,
    wrong: "tuple[SimulatedAccount, date]",
    planted: "Counter[str]",
) -> "Night":
    """Drops the carriers' files of the day and runs its night."""
    from cdr_pipeline.defs.operations.night import run_night
    from cdr_pipeline.simulator.carrier_file import documents_of_business_day
    from cdr_pipeline.simulator.demo_carrier import PROFILE, demo_file

    report(f"{day}: carriers' files")
    for account in switch.accounts:
        folder = ctx.settings.upload_dir / account.account_id / PROFILE
        folder.mkdir(parents=True, exist_ok=True)
        documents = documents_of_business_day(switch, account, day)
        file = demo_file(documents, account_id=account.account_id, day=str(day), faults=(account, day) == wrong)
        planted.update(file.planted)
        (folder / f"carrier_{day}.csv").write_bytes(file.content)
    return run_night(day, ctx.settings, progress=lambda text: report(f"{day}: {text}"))


def _print_planted(planted: "Counter[str]", account: "SimulatedAccount", day: "date") -> None:
    """Names what one carrier's file contains on purpose, and the commands that explain and decide it."""
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.errors.counts import count_of
    from cdr_pipeline.simulator.demo_carrier import CARRIER

    out.print(
        f"\nOne file differs from the switch on purpose, that of {account.name} of {day:%Y-%m-%d}. Its day is red, and "
        "'doctor' names the red day and the lines that cannot be read. The file has",
        soft_wrap=True,
    )
    for words, count in planted.most_common():
        noun, _, rest = words.partition(" ")
        out.print(f"  {count_of(count, f'{noun[:-1]} {rest}', words)}")
    period = f"--from {day:%Y-%m-%d} --to {day:%Y-%m-%d}"
    for purpose, command in (
        ("Every difference", f"breaks list {period}"),
        ("What is owed to the carrier", f"invoices compare --carrier {CARRIER} {period}"),
        ("Accept the differences", f"breaks decide {period} --as accepted --by demo --reason planted"),
        ("Close the lines", f"rejects dismiss --date {day:%Y-%m-%d} --by demo --reason planted"),
    ):
        out.print(f"{purpose + ':':<29} cdr-pipeline {command}", markup=False, soft_wrap=True)
    out.print("After the last two 'doctor' finds nothing broken.")


def _print_result(nights: "dict[date, Night]", ctx: "RunContext", ready: float) -> None:
    from cdr_pipeline.cli.terminal import out

    with ctx.ledger() as ledger:
        accounts = [account.account_id for account in ledger.accounts.active()]
        status = ledger.days.status(accounts, min(nights), max(nights))
        reasons = ledger.uploads.reject_reasons(accounts)
        verdicts = {
            (day, account_id): ledger.reconciliations.of_day(account_id, day)
            for day in nights
            for account_id in accounts
        }
    show(
        _RECORDS,
        (
            (
                item.business_date,
                item.account_id,
                item.api_rows,
                item.imported_rows,
                f"{item.api_minutes:.0f}",
                item.row_count,
            )
            for item in sorted(status, key=lambda item: (item.business_date, item.account_id))
        ),
        ctx,
    )
    show(
        _LIGHTS,
        (
            (day, account_id, verdict.status, verdict.breaks, Cell(verdict.exposure, f"{verdict.exposure:.4f}"))
            for (day, account_id), verdict in verdicts.items()
        ),
        ctx,
    )
    keys = ("api_pages", "uploads", "load", "reconciliation", "daily_files")
    show(
        _SECONDS,
        (
            (day, *(f"{night.step_seconds.get(key, 0):.1f}" for key in keys), f"{night.seconds:.1f}")
            for day, night in nights.items()
        ),
    )
    rejected = sum(row["row_count"] for row in reasons)
    out.print(f"warehouse ready in {ready:.1f} s; {rejected} rows rejected, each kept with its reason")
    out.print(f"files and manifests: {ctx.settings.export_dir}", soft_wrap=True)
    out.print(f"a page for each carrier's day: {ctx.settings.reconciliation_dir}", soft_wrap=True)
