"""A23: every row occurs twice."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class Twice(RewritingFault):
    """Repeats every row of every list."""

    name = "twice"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope with each row twice."""
        del request
        rows = [row for row in envelope["data"] for _ in range(2)]
        return envelope | {"data": rows, **({"page_size": str(len(rows))} if "page_size" in envelope else {})}
