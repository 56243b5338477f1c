"""``cdr-pipeline nightly``: the nightly job, now, for a day."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts
from cdr_pipeline.cli.dates import Day
from cdr_pipeline.cli.listings import listing
from cdr_pipeline.cli.reports import reports, show

_RUN: Final = listing("run", "Run", "run_id", "day", "whole", "seconds", single=True, blocks=True)


@reports(_RUN)
def nightly(
    *,
    date: Day,
    account: Accounts = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Load stored replies again instead of asking the switch.")
    ] = False,
) -> None:
    """Run the nightly job for a business date in the Dagster instance, so that the UI shows it.

    Collects the day from the switch, imports waiting uploads, merges, and writes the daily files. Running it again
    changes nothing. Earlier days are read again too (CDR_COLLECT_REREAD_DAYS). Exits with 2 if the day has not ended,
    with 9 if an account failed, its day is incomplete or the clocks disagree; the others are done. Exits with 13 if
    everything is done but rows of the day were rejected and are in no file, and with 11 if a file waits for a decision
    or a reconciliation of the day is red.
    """
    from cdr_pipeline.cli.operations.night_alerting import alerting
    from cdr_pipeline.cli.reports import is_json
    from cdr_pipeline.cli.terminal import out, progress, ready_settings, run_context
    from cdr_pipeline.defs.operations.night import run_night
    from cdr_pipeline.errors import ProblemsFound, RowsRejected
    from cdr_pipeline.steps.operations.health import find_problems
    from cdr_pipeline.steps.uploads.rejects import open_rejects_of_day

    settings = ready_settings()
    with alerting(settings, date.date()), progress(f"night of {date:%Y-%m-%d}") as report:
        night = run_night(date.date(), settings, accounts=account, replay=replay, progress=report)
        out.print(f"run {night.run_id}: {'done' if night.whole else 'incomplete'} in {night.seconds:.1f} s")
        if is_json():
            show(_RUN, [(night.run_id, date.date(), night.whole, round(night.seconds, 1))])
        night.require_whole()
    with run_context("reading") as ctx:
        rejected = open_rejects_of_day(ctx, date.date(), account)
        undecided = [
            item
            for item in find_problems(ctx)
            if (item.subject.kind == "upload" and (not account or item.subject.account_id in account))
            or (item.subject.kind == "breaks" and item.subject.business_date == date.date())
        ]
    if rejected:
        raise RowsRejected(
            f"the night is done, but rows of {date:%Y-%m-%d} were rejected and are in no file: {rejected}",
            hint="'cdr-pipeline rejects list' shows the reasons, 'cdr-pipeline doctor' the command for each file",
        )
    if undecided:
        raise ProblemsFound(
            f"the night is done, but not good: {'; '.join(item.what for item in undecided)}",
            hint="'cdr-pipeline doctor' has the command for each",
        )
