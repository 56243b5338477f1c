"""A25: rows in random order."""

import random
from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class Shuffle(RewritingFault):
    """Shuffles the rows of every list."""

    name = "shuffle"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope with the same rows in another order."""
        rows = list(envelope["data"])
        random.Random(str(request.url)).shuffle(rows)
        return envelope | {"data": rows}
