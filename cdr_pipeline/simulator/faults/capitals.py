"""A white-label version that writes keys in capitals, numbers as integers and times in Unix seconds."""

from typing import Any

from starlette.requests import Request

from cdr_pipeline.core.time.timestamps import GREGORIAN_UNIX_OFFSET
from cdr_pipeline.simulator.faults.fault import RewritingFault

_INTEGERS = ("duration_seconds", "billing_seconds")


class Capitals(RewritingFault):
    """Changes the format like some vendors' versions of the switch."""

    name = "capitals"

    def rewritten(self, envelope: dict[str, Any], request: Request) -> dict[str, Any]:
        """The same records in the other format, without empty values."""
        del request
        rows = [self._reformatted(row) for row in envelope["data"]]
        return {key.upper(): value for key, value in (envelope | {"data": rows}).items()}

    @staticmethod
    def _reformatted(row: dict[str, Any]) -> dict[str, Any]:
        changed = row | {"timestamp": int(row["timestamp"]) - GREGORIAN_UNIX_OFFSET}
        changed |= {name: int(row[name]) for name in _INTEGERS if row[name] != ""}
        return {key.upper(): value for key, value in changed.items() if value != ""}
