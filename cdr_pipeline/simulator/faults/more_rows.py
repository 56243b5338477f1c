"""A page with more rows than requested, which happens with equal keys."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class MoreRows(RewritingFault):
    """Repeats the last row of every list, without counting it in ``page_size``."""

    name = "more_rows"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope with one row more than ``page_size``."""
        del request
        rows = envelope["data"]
        stated = {"page_size": str(len(rows))} if "page_size" in envelope else {}
        return envelope | {"data": rows + rows[-1:]} | stated
