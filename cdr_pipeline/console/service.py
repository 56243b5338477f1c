"""Objects that all screens share. Built once per process."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from cdr_pipeline.console.attempts import Attempts
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.steps.run_context import RunContext


@dataclass(frozen=True, slots=True)
class ConsoleService:
    """Shared objects of the application.

    Attributes:
        ctx: settings, warehouse, clock and progress callback.
        records: search over the merged records.
        attempts: failed sign-ins.
    """

    ctx: RunContext
    records: RecordSearch
    attempts: Attempts


def service_of(request: Request) -> ConsoleService:
    """The service of the application that handles the request."""
    return cast("ConsoleService", request.app.state.service)
