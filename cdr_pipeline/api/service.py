"""Objects that all routes share: run context, record search, rate limits. Built once per process."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from cdr_pipeline.api.rates import Rates
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.steps.run_context import RunContext


@dataclass(frozen=True, slots=True)
class Service:
    """Shared objects of the application.

    Attributes:
        ctx: settings, warehouse, clock and progress callback.
        records: search over the merged records.
        rates: rate limits of the clients.
    """

    ctx: RunContext
    records: RecordSearch
    rates: Rates


def service_of(request: Request) -> Service:
    """The service of the application that handles the request."""
    return cast("Service", request.app.state.service)
