"""A white label that writes every key in capitals, numbers as integers and times in Unix seconds."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.core.time.timestamps import GREGORIAN_UNIX_OFFSET
from cdr_pipeline.simulator.faults.fault import RewritingFault

_WHOLE = ("duration_seconds", "billing_seconds")


class Capitals(RewritingFault):
    """Drifts as some vendors' copies of the switch do."""

    name = "capitals"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """Other spelling, same records; empty values are left out."""
        del request
        rows = [self._drifted(row) for row in envelope["data"]]
        return {key.upper(): value for key, value in (envelope | {"data": rows}).items()}

    @staticmethod
    def _drifted(row: dict[str, Any]) -> dict[str, Any]:
        changed = row | {"timestamp": int(row["timestamp"]) - GREGORIAN_UNIX_OFFSET}
        changed |= {name: int(row[name]) for name in _WHOLE if row[name] != ""}
        return {key.upper(): value for key, value in changed.items() if value != ""}
