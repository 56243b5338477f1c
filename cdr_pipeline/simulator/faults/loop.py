"""A20: pages that never end."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class Loop(RewritingFault):
    """Names the same next page for ever."""

    name = "loop"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """Always one more page."""
        del request
        return envelope | {"next_start_key": "g2wAAAACbgUAvn1W1A5tAAAACDk4MDE2ODAwag"}
