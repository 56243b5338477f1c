"""Classes of rows and causes of differences. Every row of either side gets exactly one class."""

from enum import StrEnum
from typing import Final

import polars as pl


class MatchClass(StrEnum):
    """Classes in order of severity: if two apply to a pair, the later one is its class.

    Five classes are not breaks: ``matched``, ``matched_tol`` (within tolerance), ``credited`` (a charge and its
    credit), ``out_of_interval`` (the other side's file does not cover the time) and ``unbillable`` (not answered, 0 s,
    or free of charge). ``rejected`` rows never reach the matcher: the reader of the file counts them.
    """

    MATCHED = "matched"
    MATCHED_TOL = "matched_tol"
    DURATION_MISMATCH = "duration_mismatch"
    COST_MISMATCH = "cost_mismatch"
    BOTH_MISMATCH = "both_mismatch"
    UNPRICED = "unpriced"
    TIME_MISMATCH = "time_mismatch"
    ANSWER_MISMATCH = "answer_mismatch"
    NUMBER_ONLY = "number_only"
    MISSING_AT_CARRIER = "missing_at_carrier"
    MISSING_IN_SWITCH = "missing_in_switch"
    DUP_A = "dup_a"
    DUP_B = "dup_b"
    CREDITED = "credited"
    OTHER_CHARGE = "other_charge"
    OUT_OF_INTERVAL = "out_of_interval"
    UNBILLABLE = "unbillable"
    REJECTED = "rejected"

    @property
    def is_break(self) -> bool:
        """Whether the class needs a decision by a person."""
        return self not in _AGREED


class Cause(StrEnum):
    """Why a pair differs, if known: the first cause that explains the difference to the last decimal."""

    NO_PRICE = "no_price"
    NO_AMOUNT = "no_amount"
    RINGING = "ringing_billed"
    SPLIT = "split"
    CREDIT = "credit"
    CURRENCY = "currency"
    FEE = "fee"
    ROUNDING = "rounding"
    INCREMENT = "increment"
    MINIMUM = "minimum"
    FREE_SECONDS = "free_seconds"
    SURCHARGE = "surcharge"
    BREAKOUT = "breakout"
    FACTOR = "factor"
    RATE = "rate"
    DURATION = "duration"
    ZONE = "zone"
    START_OR_END = "start_or_end"
    CLOCK = "clock"


_AGREED: Final = frozenset(
    {
        MatchClass.MATCHED, MatchClass.MATCHED_TOL, MatchClass.CREDITED, MatchClass.OUT_OF_INTERVAL,
        MatchClass.UNBILLABLE,
    }
)  # fmt: skip
# Classes of the switch's calls that we will owe: the carrier's records do not have them, or not yet.
NOT_CHARGED: Final = (MatchClass.MISSING_AT_CARRIER, MatchClass.OUT_OF_INTERVAL)
CLASSES: Final = tuple(MatchClass)
CAUSES: Final = tuple(Cause)
# An Enum column takes one byte per row, a text column sixteen.
CLASS_TYPE: Final = pl.Enum([item.value for item in CLASSES])
CAUSE_TYPE: Final = pl.Enum([item.value for item in CAUSES])
SIDE_TYPE: Final = pl.Enum(["switch", "carrier"])


def code_of(item: MatchClass | Cause) -> int:
    """Code of a class or cause: its position in its Enum."""
    return CLASSES.index(item) if isinstance(item, MatchClass) else CAUSES.index(item)
