"""Converts canonical rows to the two sides of a reconciliation."""

from typing import Final, Literal

import polars as pl

from cdr_pipeline.core.reconcile.inputs.columns import SIDE_SCHEMA

Clock = Literal["answer", "start"]

# Texts that switches and carriers write for a withheld number, in lower case.
WITHHELD: Final = (
    "", "anonymous", "restricted", "private", "unavailable", "unknown", "withheld", "none", "null", "blocked",
    "anonymous@anonymous.invalid", "-", "n/a", "nobody", "+266696687", "266696687",
)  # fmt: skip
_FAILED: Final = (
    "no answer", "no_answer", "noanswer", "no-answer", "busy", "failed", "canceled", "cancelled", "cancel",
    "congestion", "rejected", "unanswered", "not answered", "missed",
)  # fmt: skip
_MILLISECONDS: Final = 1_000
# Enough digits to distinguish calls by number and time; the shortest notation of a number has as many.
_TELLING_DIGITS: Final = 8
_TYPES: Final = pl.Schema(SIDE_SCHEMA)


def switch_side(rows: pl.DataFrame, *, clock: Clock = "answer") -> pl.DataFrame:
    """Billable legs of the switch (``legs.is_billable_leg``) in ``SIDE_SCHEMA``.

    A cost of 0 counts as unknown: switches without rating write it.

    Args:
        rows: canonical columns, one row per leg; ``record_id`` unique.
        clock: time to compare: of the answer if known, or of the start.
    """
    rated = pl.when(pl.col("cost") != 0).then(pl.col("cost"))
    # The currency of a cost that is unknown would make a total of nothing in that currency.
    currency = pl.when(rated.is_not_null()).then(pl.col("cost_currency"))
    columns = _columns(clock) | {"amount": rated, "currency": currency}
    return rows.select(**columns).select(SIDE_SCHEMA.keys()).cast(_TYPES)


def carrier_side(rows: pl.DataFrame, *, clock: Clock = "answer") -> pl.DataFrame:
    """Imported records of the carrier in ``SIDE_SCHEMA``.

    Args:
        rows: canonical columns, one row per record; ``record_id`` unique.
        clock: as in ``switch_side``.
    """
    return rows.select(**_columns(clock)).select(SIDE_SCHEMA.keys()).cast(_TYPES)


def _columns(clock: Clock) -> dict[str, pl.Expr]:
    length = pl.coalesce("billing_seconds", "duration_seconds")
    failed = pl.when(pl.col("disposition").str.strip_chars().str.to_lowercase().is_in(_FAILED)).then(
        pl.lit(value=False)
    )
    answered = pl.coalesce(pl.col("answered"), failed, length > 0).fill_null(value=False)
    started = pl.coalesce("answered_at", "started_at") if clock == "answer" else pl.col("started_at")
    callee = pl.coalesce("callee_e164", _text("dialed_number"), _text("callee_id_number"))
    return {
        "row_id": pl.col("record_id"),
        "call_id": _text("call_id"),
        "caller": pl.coalesce("caller_e164", presented_caller(pl.col("caller_id_number"))),
        "callee": callee.fill_null(""),
        "started_at": started,
        "duration_ms": pl.when(answered).then((length * _MILLISECONDS).cast(pl.Int64)).fill_null(0),
        "amount": pl.col("cost"),
        "currency": pl.col("cost_currency"),
        "answered": answered,
        "destination": _text("rate_name"),
    }


def with_number_endings(side: pl.DataFrame) -> pl.DataFrame:
    """Replaces public numbers by their last eight digits, which all notations (+49 30, 0049 30, 030) have in common."""
    numbers = ("caller", "callee")
    digits = {name: pl.col(name).str.replace_all(r"[+ ().\-/#]", "") for name in numbers}
    return side.with_columns(
        pl.when(text.str.contains(rf"^[0-9]{{{_TELLING_DIGITS},}}$"))
        .then(text.str.tail(_TELLING_DIGITS))
        .otherwise(name)
        .alias(name)
        for name, text in digits.items()
    )


def currency_of(text: pl.Expr, default: str) -> pl.Expr:
    """Currency in capitals; the default one if none is named."""
    return text.str.to_uppercase().fill_null(default)


def presented_caller(text: pl.Expr) -> pl.Expr:
    """A caller's number in lower case; null if it is a text for a withheld number."""
    plain = text.str.strip_chars().str.to_lowercase()
    return pl.when(~plain.is_in(WITHHELD)).then(plain)


def _text(name: str) -> pl.Expr:
    plain = pl.col(name).str.strip_chars()
    return pl.when(plain != "").then(plain)
