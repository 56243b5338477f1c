"""What every route needs: the workplace, the search, the limits. Made once a process."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from cdr_pipeline.api.rates import Rates
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.steps.run_context import RunContext


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of the application.

    Attributes:
        ctx: settings, warehouse, clock and progress callback.
        records: the merged records.
        rates: how fast clients may ask.
    """

    ctx: RunContext
    records: RecordSearch
    rates: Rates


def service_of(request: Request) -> Service:
    """The service of the application that a request came to."""
    return cast("Service", request.app.state.service)
