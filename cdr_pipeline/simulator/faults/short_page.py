"""A page with fewer rows than it states, because the switch's database failed while it was sent."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class ShortPage(RewritingFault):
    """Removes half of the rows of the first list, without changing status, trailer and page size."""

    name = "short_page"
    times = 1

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope with half of the rows."""
        del request
        return envelope | {"data": envelope["data"][::2]}
