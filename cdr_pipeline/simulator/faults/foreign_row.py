"""A32: a row of another tenant."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.simulator.faults.fault import RewritingFault


class ForeignRow(RewritingFault):
    """Sets another account's id in the first row of every list."""

    name = "foreign_row"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The envelope with another account's id in its first row."""
        del request
        first = [row | {"account_id": "f" * 32} for row in envelope["data"][:1]]
        return envelope | {"data": first + envelope["data"][1:]}
