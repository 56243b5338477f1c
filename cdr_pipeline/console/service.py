"""Objects that all screens share. Built once per process."""

from dataclasses import dataclass, replace
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
        reading: the same context over connections that are kept open, for requests that change nothing.
    """

    ctx: RunContext
    records: RecordSearch
    attempts: Attempts
    reading: RunContext


def service_of(request: Request) -> ConsoleService:
    """The service of the application that handles the request."""
    service = cast("ConsoleService", request.app.state.service)
    return replace(service, ctx=service.reading) if request.method in ("GET", "HEAD") else service
