"""``cdr-pipeline collect``: one day from the switch into the warehouse, without Dagster."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cdr_pipeline.cli.dates import parse_day

if TYPE_CHECKING:
    from cdr_pipeline.steps.collect.load_day import AccountLoaded


def collect(
    *,
    date: Annotated[
        datetime,
        typer.Option(parser=parse_day, metavar="DAY", help="Business date: YYYY-MM-DD, today, yesterday or -N."),
    ],
    account: Annotated[list[str] | None, typer.Option(help="Only this account; repeat for several.")] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Normalise and merge stored replies again instead of asking the switch."),
    ] = False,
) -> None:
    """Collect a business date and merge it, or merge its stored replies again.

    Use --replay after a rule has changed: it reads the stored replies under landing/ again, without the network.
    Earlier days are read again too (CDR_COLLECT_REREAD_DAYS). Files are not exported; 'nightly' does everything.
    Exits with 2 if the day has not begun or the clocks disagree: nothing is recorded. Exits with 9 if an account failed
    or its day is incomplete; the others are done.
    """
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.errors import IncompleteNight
    from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day, require_any_begun
    from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day

    day = date.date()
    with run_context(f"{'replaying' if replay else 'collecting'} {day}") as ctx:
        request = CollectRequest(day, account)
        require_any_begun(request, ctx)
        collected = None if replay else collect_day(request, ctx)
        loaded = load_day(LoadRequest(day, account, replay=replay), ctx)
    failures = list(loaded.failures)
    elsewhere: tuple[str, ...] = ()
    if collected is not None:
        failures += collected.failures
        elsewhere = collected.elsewhere
    failed = {failure.account_id: failure for failure in failures}
    names = ("read", "merged", "unchanged", "duplicate", "rejected")
    listing = table(f"{day}", "account", *names, "outcome", numbers=frozenset(names))
    for part in loaded.accounts:
        counts = part.counts
        outcome = _outcome(part, elsewhere=part.account_id in elsewhere)
        if part.account_id in failed:
            outcome = f"[red]failed: {failed[part.account_id].message}[/red]"
        numbers = (counts.read, counts.merged, counts.unchanged, counts.duplicate, counts.rejected)
        listing.add_row(part.account_id, *map(str, numbers), outcome)
    out.print(listing)
    if failed:
        raise IncompleteNight(
            f"{len(failed)} account(s) failed: {', '.join(sorted(failed))}",
            hint="the others are done; run it again for these with --account",
        )
    if loaded.incomplete:
        raise IncompleteNight(
            f"{len(loaded.incomplete)} account(s) are incomplete: {', '.join(loaded.incomplete)}",
            hint="a day is complete when it has ended and every window of it is loaded; "
            f"run 'cdr-pipeline collect --date {day}' again then",
        )


def _outcome(part: "AccountLoaded", *, elsewhere: bool) -> str:
    outcome = "complete" if part.complete else "[red]incomplete[/red]"
    if part.volume is not None and part.volume.suspicious:
        outcome += f", [red]{part.volume.verdict}: {part.volume.rows} rows, usual {part.volume.usual_rows}[/red]"
    if part.foreign_rows:
        outcome += f", [red]{part.foreign_rows} rows of another account rejected[/red]"
    return outcome + (", being collected by another process" if elsewhere else "")
