"""``cdr-pipeline collect``: one day from the switch into the warehouse, without Dagster."""

from datetime import datetime
from typing import Annotated

import typer


def collect(
    *,
    date: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Business date, YYYY-MM-DD.")],
    account: Annotated[list[str] | None, typer.Option(help="Only this account; repeat for several.")] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Normalise and merge stored replies again instead of asking the switch."),
    ] = False,
) -> None:
    """Collect a business date and merge it, or merge its stored replies again.

    Use --replay after a rule has changed: it reads the stored replies under landing/ again, without the network.
    Files are not exported; 'nightly' does everything. Exits with 9 if an account failed; the others are done.
    """
    from cdr_pipeline.cli.console import out, table, workplace
    from cdr_pipeline.errors import IncompleteNight
    from cdr_pipeline.steps.collect_day import CollectRequest, collect_day
    from cdr_pipeline.steps.load_day import LoadRequest, load_day

    day = date.date()
    with workplace(f"{'replaying' if replay else 'collecting'} {day}") as at:
        collected = None if replay else collect_day(CollectRequest(day, account), at)
        loaded = load_day(LoadRequest(day, account, replay=replay), at)
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
        outcome = "complete" if part.complete else "incomplete"
        if part.volume is not None and part.volume.suspicious:
            outcome += f", [red]{part.volume.verdict}: {part.volume.rows} rows, usual {part.volume.usual_rows}[/red]"
        if part.foreign_rows:
            outcome += f", [red]{part.foreign_rows} rows of another account rejected[/red]"
        if part.account_id in elsewhere:
            outcome += ", being collected by another process"
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
