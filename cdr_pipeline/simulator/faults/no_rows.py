"""A33: the database failed, and the switch says that there were no calls."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class NoRows(RewritingFault):
    """Answers every list with no rows and success."""

    name = "no_rows"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """Success, and nothing in it."""
        del request
        left_out = ("page_size", "start_key", "next_start_key")
        return {key: value for key, value in envelope.items() if key not in left_out} | {"data": []}
