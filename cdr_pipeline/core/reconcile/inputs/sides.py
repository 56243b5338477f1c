"""Canonical rows to the two sides of a reconciliation."""

from typing import Final, Literal

import polars as pl

from cdr_pipeline.core.reconcile.inputs.columns import SIDE_SCHEMA

Clock = Literal["answer", "start"]

# Texts for "no number" that switches and carriers write; all in lower case.
WITHHELD: Final = (
    "", "anonymous", "restricted", "private", "unavailable", "unknown", "withheld", "none", "null", "blocked",
    "anonymous@anonymous.invalid", "-", "n/a", "nobody", "+266696687", "266696687",
)  # fmt: skip
_FAILED: Final = (
    "no answer", "no_answer", "noanswer", "no-answer", "busy", "failed", "canceled", "cancelled", "cancel",
    "congestion", "rejected", "unanswered", "not answered", "missed",
)  # fmt: skip
_MILLISECONDS: Final = 1_000
# Enough to tell calls apart together with their times, and no more than the shortest way to write a number has.
_TELLING_DIGITS: Final = 8
_TYPES: Final = pl.Schema(SIDE_SCHEMA)


def switch_side(rows: pl.DataFrame, *, clock: Clock = "answer") -> pl.DataFrame:
    """The switch's side: billable legs (``legs.is_billable_leg``) in ``SIDE_SCHEMA``.

    A cost of 0 is that of a switch that rates nothing, and counts as unknown.

    Args:
        rows: canonical columns, one row per leg; ``record_id`` unique.
        clock: which of a leg's times is compared: that of its answer where it is known, or its start.
    """
    rated = pl.when(pl.col("cost") != 0).then(pl.col("cost"))
    return rows.select(**(_columns(clock) | {"amount": rated})).select(SIDE_SCHEMA.keys()).cast(_TYPES)


def carrier_side(rows: pl.DataFrame, *, clock: Clock = "answer") -> pl.DataFrame:
    """The carrier's side: imported records in ``SIDE_SCHEMA``.

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
    """A side with the last digits of its public numbers instead of them: +49 30 1, 0049 30 1 and 030 1 end alike."""
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
    """A currency as it is compared: in capitals, the default one where none is named."""
    return text.str.to_uppercase().fill_null(default)


def presented_caller(text: pl.Expr) -> pl.Expr:
    """A caller's number in lower case, null where it is one of the ways to withhold it."""
    plain = text.str.strip_chars().str.to_lowercase()
    return pl.when(~plain.is_in(WITHHELD)).then(plain)


def _text(name: str) -> pl.Expr:
    plain = pl.col(name).str.strip_chars()
    return pl.when(plain != "").then(plain)
