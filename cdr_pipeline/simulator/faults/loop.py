"""A20: paging that never ends."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class Loop(RewritingFault):
    """Sets the same next page in every response."""

    name = "loop"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope with a constant ``next_start_key``."""
        del request
        return envelope | {"next_start_key": "g2wAAAACbgUAvn1W1A5tAAAACDk4MDE2ODAwag"}
