"""A32: a row of another tenant."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class ForeignRow(RewritingFault):
    """Says of the first row of every list that it belongs to somebody else."""

    name = "foreign_row"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """One row with another account's id."""
        del request
        first = [row | {"account_id": "f" * 32} for row in envelope["data"][:1]]
        return envelope | {"data": first + envelope["data"][1:]}
