"""``cdr-pipeline collect``: one day from the switch into the warehouse, without Dagster."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts
from cdr_pipeline.cli.dates import Day
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show, titles
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from cdr_pipeline.steps.collect.load_day import AccountLoaded

_CLASSES: Final = ("read", "merged", "unchanged", "duplicate", "rejected")
_COLLECTED: Final = listing(
    "collected", "Collected", "account", "day", *_CLASSES, "complete", "failure", "remarks",
    titles={"complete": "outcome"}, numbers=_CLASSES, sentences=("failure", "remarks"),
)  # fmt: skip


@reports(_COLLECTED)
def collect(
    *,
    date: Day,
    account: Accounts = None,
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
    from cdr_pipeline.cli.terminal import run_context
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
    causes = {failure.account_id: failure.message for failure in (*loaded.unfinished, *failures)}
    show(
        _COLLECTED,
        (
            (
                part.account_id,
                day,
                *(getattr(part.counts, name) for name in _CLASSES),
                Cell(part.complete, "complete") if part.complete else Cell(part.complete, "incomplete", "red"),
                Cell(causes.get(part.account_id), style="red"),
                Cell(_remarks(part, elsewhere=part.account_id in elsewhere), style="red"),
            )
            for part in loaded.accounts
        ),
        ctx,
    )
    if failed:
        raise IncompleteNight(
            f"{count_of(len(failed), 'account')} failed: {titles(sorted(failed), ctx)}",
            hint="the others are done; run it again for these with --account",
        )
    if loaded.incomplete:
        raise IncompleteNight(
            f"{count_of(len(loaded.incomplete), 'account is', 'accounts are')} incomplete: "
            f"{titles(loaded.incomplete, ctx)}",
            hint="a day is complete when it has ended and every window of it is loaded; "
            f"run 'cdr-pipeline collect --date {day}' again then",
        )


def _remarks(part: "AccountLoaded", *, elsewhere: bool) -> list[str]:
    remarks = list[str]()
    if part.volume is not None and part.volume.suspicious:
        remarks.append(f"{part.volume.verdict}: {part.volume.rows} rows, usual {part.volume.usual_rows}")
    if part.foreign_rows:
        remarks.append(f"{part.foreign_rows} rows of another account rejected")
    if elsewhere:
        remarks.append("being collected by another process")
    return remarks
