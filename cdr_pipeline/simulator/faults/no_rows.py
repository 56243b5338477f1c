"""A33: the database failed, and the switch returns an empty list with status success."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class NoRows(RewritingFault):
    """Removes all rows from every list; the status remains success."""

    name = "no_rows"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope without rows."""
        del request
        left_out = ("page_size", "start_key", "next_start_key")
        return {key: value for key, value in envelope.items() if key not in left_out} | {"data": []}
