"""What alerts are about: problems of the ledger, failed runs, and an outage of the warehouse."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from cdr_pipeline.errors import DayNotEnded
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.alert import Incident
from cdr_pipeline.steps.operations.alert_outbox import Outcome, tell
from cdr_pipeline.steps.operations.health import Problem, find_problems
from cdr_pipeline.steps.run_context import Clock, RunContext, utc_now

PROBLEMS: Final = "problem: "
CHECKS: Final = "check: "
RUNS: Final = "run: "
# How often a command that ends repeats its attempts: after one and two pauses.
_PAUSES_AT_END: Final = 4


def problem_incidents(problems: Sequence[Problem]) -> list[Incident]:
    """One incident per problem; none for a day that ends by itself, which the alert about its run names."""
    return [
        Incident(
            f"{PROBLEMS}{item.topic}",
            item.what,
            command=item.command,
            kind="exposure" if item.code == "exposure" else "broken",
            watched_until=item.watched_until,
        )
        for item in problems
        if item.code != DayNotEnded.code
    ]


def failed_run(title: str, cause: str, *, run_id: str, facts: dict[str, str], command: str) -> Incident:
    """The incident of a failed run; a later run of the same title that succeeds ends it.

    Args:
        title: job and days.
        cause: cause in plain words, empty if it is unknown.
        run_id: id of the run, empty if none was started.
        facts: more identifiers for programs.
        command: command that fixes it or shows its details.
    """
    run = f" (run {run_id})" if run_id else ""
    return Incident(
        f"{RUNS}{title}",
        f"{title} failed: {cause}{run}" if cause else f"{title} failed{run}",
        cause,
        command,
        "night_failed",
        facts | {"run_id": run_id},
    )


def tell_problems(
    settings: Settings,
    *,
    checks: Callable[[], Sequence[Incident]],
    runs_over: Callable[[Sequence[str]], Sequence[str]],
    clock: Clock = utc_now,
) -> Outcome:
    """Tells about problems and red checks that are new, and about all incidents that are over.

    Args:
        settings: settings of this process.
        checks: returns an incident for each red check.
        runs_over: of the titles of failed runs, those whose newest run has succeeded.
        clock: returns the current time in UTC.
    """
    over: list[str] = []

    def find(ctx: RunContext) -> list[Incident]:
        with ctx.ledger() as ledger:
            topics = [item.topic for item in ledger.alerts.open_topics() if item.topic.startswith(RUNS)]
        over.extend(f"{RUNS}{title}" for title in runs_over([topic.removeprefix(RUNS) for topic in topics]))
        return [*problem_incidents(find_problems(ctx)), *checks()]

    return tell(settings, find, covers=lambda: (PROBLEMS, CHECKS, *over), clock=clock)


def tell_run(
    settings: Settings,
    title: str,
    incident: Incident | None,
    *,
    clock: Clock = utc_now,
    wait: bool = False,
) -> Outcome:
    """Tells about a run that failed, together with the problems that it left behind, or that a title is good again.

    Args:
        settings: settings of this process.
        title: job and days.
        incident: incident of the run, None if it succeeded.
        clock: returns the current time in UTC.
        wait: whether to repeat attempts for a while, because this process ends afterwards.
    """
    own = [incident] if incident is not None else []
    return tell(
        settings,
        lambda ctx: [*own, *problem_incidents(find_problems(ctx))],
        covers=lambda: (PROBLEMS, f"{RUNS}{title}"),
        without_warehouse=own,
        clock=clock,
        patience=timedelta(seconds=settings.alert_retry_seconds * _PAUSES_AT_END if wait else 0),
    )
