"""Fields that a column of a sample may be, and the choice of columns for one."""

from dataclasses import dataclass, field
from typing import Final

TIMES: Final = ("started_at", "answered_at", "ended_at")
LENGTHS: Final = ("duration_seconds", "billing_seconds", "ringing_seconds")
NUMBERS: Final = ("caller_id_number", "callee_id_number", "dialed_number")
MONEY: Final = ("cost", "rate")
NAMES: Final = ("caller_id_name", "callee_id_name")


@dataclass(slots=True)
class Choice:
    """The columns of one field.

    Attributes:
        columns: columns of the field; the first that has a value is used.
        confidence: certain, likely or guess.
        because: what the choice is based on.
        others: columns that may be meant instead.
    """

    columns: list[str]
    confidence: str
    because: str
    others: list[str] = field(default_factory=list[str])
