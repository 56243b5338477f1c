"""A37: a clock that is a thousand years ahead."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.simulator.faults.fault import RewritingFault


class FutureRow(RewritingFault):
    """Sets the time of the first row of every list to the year 2999."""

    name = "future_row"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope with a time in the future in its first row."""
        del request
        moment = str(to_gregorian(datetime(2999, 1, 1, tzinfo=UTC)))
        first = [row | {"timestamp": moment} for row in envelope["data"][:1]]
        return envelope | {"data": first + envelope["data"][1:]}
