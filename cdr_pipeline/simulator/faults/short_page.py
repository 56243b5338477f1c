"""A page that says it is full and is not: the database behind the switch failed in the middle of it."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class ShortPage(RewritingFault):
    """Loses half of the rows of the first list; status, trailer and page size are as if nothing had happened."""

    name = "short_page"
    times = 1

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """Half of the rows."""
        del request
        return envelope | {"data": envelope["data"][::2]}
