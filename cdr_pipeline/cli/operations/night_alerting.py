"""Alerts about a night that was started by a command, which no sensor may be watching."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from cdr_pipeline.errors import CdrError, IncompleteNight

if TYPE_CHECKING:
    from cdr_pipeline.settings import Settings
    from cdr_pipeline.steps.operations.alert import Incident


@contextmanager
def alerting(settings: "Settings", business_date: date) -> Generator[None]:
    """Raises an alert if the night in the block fails by any error, and ends the alert if it is good again.

    A failure of the alert itself is printed; the error of the block decides the exit code.
    """
    title = f"nightly of {business_date}"
    try:
        yield
    except Exception as error:
        _tell(settings, title, _incident_of(title, business_date, error))
        raise
    _tell(settings, title, None)


def _incident_of(title: str, business_date: date, error: Exception) -> "Incident":
    from cdr_pipeline.steps.failure import FAULT, error_summary
    from cdr_pipeline.steps.operations.night_alerts import failed_run

    command = f"cdr-pipeline nightly --date {business_date}"
    if isinstance(error, IncompleteNight):
        run_id, cause, code = error.run_id, error.cause, error.code
    elif isinstance(error, CdrError):
        run_id, cause, code, command = "", error.message, error.code, error.hint or command
    else:
        run_id, cause, code = "", error_summary(error), FAULT
    facts = {"job": "nightly", "business_date": str(business_date), "code": code}
    return failed_run(title, cause, run_id=run_id, facts=facts, command=command)


def _tell(settings: "Settings", title: str, incident: "Incident | None") -> None:
    from cdr_pipeline.cli.terminal import err
    from cdr_pipeline.steps.operations.night_alerts import tell_run

    try:
        outcome = tell_run(settings, title, incident, wait=True)
    except CdrError as error:
        err.print(f"no alert was sent: {error.message}", markup=False)
        return
    for channel, cause in outcome.waiting.items():
        err.print(f"an alert waits for {channel}: {cause}; next: cdr-pipeline alerts retry", markup=False)
