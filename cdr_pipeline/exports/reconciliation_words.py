"""Display names of classes and causes, and number formats, of reconciliation reports."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

# Name and meaning of each class.
CLASSES: Final[dict[str, tuple[str, str]]] = {
    "matched": ("Matched", "both sides have it and agree"),
    "matched_tol": ("Matched within tolerance", "the durations differ by no more than the tolerance"),
    "duration_mismatch": ("Other duration", "the carrier's duration differs by more than the tolerance"),
    "cost_mismatch": ("Other price", "the duration agrees, the price does not"),
    "both_mismatch": ("Other duration and price", "neither duration nor price agrees"),
    "unpriced": (
        "Unpriced",
        "the charge cannot be verified: no price in the rate card, or a record without an amount",
    ),
    "time_mismatch": (
        "Other time",
        "the same call at a time too far off: wrong time zone, end instead of start, neighbouring day",
    ),
    "answer_mismatch": ("Answered on one side only", "only one side recorded an answer"),
    "number_only": ("Numbers agree only", "same numbers and duration at another time: possibly the same call"),
    "missing_at_carrier": (
        "Missing at the carrier",
        "the switch has the call and the carrier has not billed it: watch",
    ),
    "missing_in_switch": ("Missing in the switch", "the carrier bills a call that the switch does not have: dispute"),
    "dup_a": ("Duplicate in the switch", "the switch has the record twice"),
    "dup_b": ("Billed twice", "the carrier has the record twice: dispute"),
    "credited": ("Charged and credited", "a charge and the credit that cancels it"),
    "other_charge": ("Other charge", "a fee or credit without a call"),
    "out_of_interval": ("Not covered", "the other side's records do not cover its time"),
    "unbillable": ("Not billable", "not answered, zero duration, or free"),
    "rejected": ("Rejected", "the line could not be read"),
}
CAUSES: Final[dict[str, str]] = {
    "no_price": "no price in the rate card",
    "no_amount": "no amount in the record",
    "ringing_billed": "ringing billed",
    "split": "further record of a call that is charged in parts",
    "credit": "charge with credit",
    "minimum": "minimum charge",
    "free_seconds": "free seconds",
    "surcharge": "surcharge of short calls",
    "breakout": "price of another destination",
    "factor": "common factor, such as tax",
    "currency": "other currency",
    "fee": "set-up fee",
    "rounding": "rounding",
    "increment": "billing increment",
    "rate": "rate",
    "duration": "duration",
    "zone": "time zone",
    "start_or_end": "end instead of start, or start instead of end",
    "clock": "clock",
}
# What a claim is called in the pack for the carrier.
CLAIMS: Final[dict[str, str]] = {
    "duration_mismatch": "duration charged too long",
    "cost_mismatch": "price too high",
    "both_mismatch": "duration too long and price too high",
    "unpriced": "no agreed price",
    "time_mismatch": "charged at another time",
    "answer_mismatch": "call was not answered",
    "number_only": "call at another time",
    "missing_in_switch": "call unknown to us",
    "dup_b": "charged twice",
    "other_charge": "charge without a call",
}
_CENT: Final = Decimal("0.01")
_MOST_PLACES: Final = 8
_MILLISECONDS: Final = 1_000
_MINUTE: Final = 60
_HOUR: Final = 3_600


def class_name(name: str) -> str:
    """Display name of a class."""
    return CLASSES[name][0]


def class_meaning(name: str) -> str:
    """Explanation of a class."""
    return CLASSES[name][1]


def claim_words(name: str) -> str:
    """Name of a claim of a class in the pack for the carrier."""
    return CLAIMS[name]


def cause_words(name: str) -> str:
    """Display name of a cause."""
    return CAUSES[name]


def number(value: int) -> str:
    """An integer with thousands separators."""
    return f"{value:,}"


def amount(value: Decimal | None, *, places: int = 2) -> str:
    """Money with all its decimals, at least two; "" for None."""
    if value is None:
        return ""
    plain = Decimal(value).normalize()
    exponent = plain.as_tuple().exponent
    shown = max(places, min(_MOST_PLACES, -exponent if isinstance(exponent, int) else places))
    return f"{plain:,.{shown}f}".replace("-", "\N{MINUS SIGN}")


def minutes(value: Decimal) -> str:
    """Seconds as minutes with two decimals."""
    return f"{(Decimal(value) / _MINUTE).quantize(_CENT, ROUND_HALF_EVEN):,}".replace("-", "\N{MINUS SIGN}")


def seconds(value: Decimal | None) -> str:
    """Seconds without trailing zeros; "" for None."""
    return "" if value is None else f"{Decimal(value).normalize():f}".replace("-", "\N{MINUS SIGN}")


def span_words(milliseconds: int) -> str:
    """A signed duration in hours, minutes and seconds: ``+1 h 0 min 2.4 s``."""
    sign = "\N{MINUS SIGN}" if milliseconds < 0 else "+"
    remaining = Decimal(abs(milliseconds)) / _MILLISECONDS
    hours, remaining = divmod(remaining, _HOUR)
    full_minutes, remaining = divmod(remaining, _MINUTE)
    parts = [f"{hours} h"] if hours else []
    parts += [f"{full_minutes} min"] if hours or full_minutes else []
    return f"{sign}{' '.join([*parts, f'{remaining.normalize():f} s'])}"
