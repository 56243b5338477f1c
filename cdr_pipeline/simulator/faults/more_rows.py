"""A page that has more rows than were asked for, which happens with equal keys."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class MoreRows(RewritingFault):
    """Repeats the last row of every list and states one row less than there are."""

    name = "more_rows"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """One row more than the page says."""
        del request
        rows = envelope["data"]
        stated = {"page_size": str(len(rows))} if "page_size" in envelope else {}
        return envelope | {"data": rows + rows[-1:]} | stated
