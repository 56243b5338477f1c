"""Converts canonical rows to the two sides of a reconciliation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl

from cdr_pipeline.core.normalize.numbers import NumberPlan, e164
from cdr_pipeline.core.reconcile.inputs.columns import RINGING_SCHEMA, SIDE_SCHEMA
from cdr_pipeline.core.reconcile.inputs.presented import presented_caller

Clock = Literal["answer", "start"]

_FAILED: Final = (
    "no answer", "no_answer", "noanswer", "no-answer", "busy", "failed", "canceled", "cancelled", "cancel",
    "congestion", "rejected", "unanswered", "not answered", "missed",
)  # fmt: skip
_MILLISECONDS: Final = 1_000
# Enough digits to distinguish calls by number and time; the shortest notation of a number has as many.
_TELLING_DIGITS: Final = 8
_TYPES: Final = pl.Schema(SIDE_SCHEMA)


def switch_side(rows: pl.DataFrame, *, clock: Clock = "answer", ringing: bool = False) -> pl.DataFrame:
    """Billable legs of the switch (``legs.is_billable_leg``) in ``SIDE_SCHEMA``.

    A cost of 0 counts as unknown: switches without rating write it.

    Args:
        rows: canonical columns, one row per leg; ``record_id`` unique.
        clock: time to compare: of the answer if known, or of the start.
        ringing: whether to add ``RINGING_SCHEMA``, by which calls billed from the INVITE are recognised.
    """
    rated = pl.when(pl.col("cost") != 0).then(pl.col("cost"))
    # The currency of a cost that is unknown would make a total of nothing in that currency.
    currency = pl.when(rated.is_not_null()).then(pl.col("cost_currency"))
    columns = _columns(clock, names=True) | {"amount": rated, "currency": currency}
    if not ringing:
        return rows.select(**columns).select(SIDE_SCHEMA.keys()).cast(_TYPES)
    rang = pl.coalesce("ringing_seconds", pl.col("duration_seconds") - pl.col("billing_seconds")).fill_null(0)
    invited = pl.coalesce(
        pl.col("answered_at") - pl.duration(milliseconds=(rang * _MILLISECONDS).cast(pl.Int64)), "started_at"
    )
    columns |= {"invited_at": invited, "ringing_ms": (rang * _MILLISECONDS).clip(lower_bound=0).cast(pl.Int64)}
    return rows.select(**columns).select(*SIDE_SCHEMA, *RINGING_SCHEMA).cast(pl.Schema(SIDE_SCHEMA | RINGING_SCHEMA))


@dataclass(frozen=True, slots=True)
class NumberRules:
    """How a carrier's numbers are rewritten before they are compared.

    Attributes:
        remove: regular expressions of beginnings that are removed, such as technical prefixes; the first that matches.
        translate: number as the carrier writes it, to the number that the switch has; for toll-free numbers.
        withheld: regular expressions of texts for withheld callers, in lower case.
        plan: number plan of what remains.
    """

    remove: tuple[str, ...] = ()
    translate: Mapping[str, str] = field(default_factory=dict[str, str])
    withheld: tuple[str, ...] = ()
    plan: NumberPlan = field(default_factory=NumberPlan)


def carrier_side(rows: pl.DataFrame, *, clock: Clock = "answer", numbers: NumberRules | None = None) -> pl.DataFrame:
    """Imported records of the carrier in ``SIDE_SCHEMA``.

    Args:
        rows: canonical columns, one row per record; ``record_id`` unique.
        clock: as in ``switch_side``.
        numbers: how numbers are rewritten.
    """
    columns = _columns(clock, names=False)
    if numbers is not None and (numbers.remove or numbers.translate or numbers.withheld):
        called = pl.coalesce(_text("dialed_number"), _text("callee_id_number"))
        columns["callee"] = _rewritten(called, columns["callee"], numbers).fill_null("")
        caller = pl.coalesce("caller_e164", pl.col("caller_id_number"))
        presented = presented_caller(_rewritten(pl.col("caller_id_number"), caller, numbers), numbers.withheld)
        hidden = presented_caller(pl.col("caller_id_number"), numbers.withheld).is_null()
        columns["caller"] = pl.when(~hidden).then(presented)
    return rows.select(**columns).select(SIDE_SCHEMA.keys()).cast(_TYPES)


def _rewritten(text: pl.Expr, read: pl.Expr, numbers: NumberRules) -> pl.Expr:
    """A number with its beginning removed and translated; ``read`` where no rule applies."""
    beginnings = [f"(?:{pattern})" for pattern in numbers.remove]
    cut = text.str.strip_chars()
    if beginnings:
        cut = cut.str.replace(f"^(?:{'|'.join(beginnings)})", "")
        read = pl.when(cut != text.str.strip_chars()).then(pl.coalesce(e164(cut, numbers.plan), cut)).otherwise(read)
    if numbers.translate:
        table = dict(numbers.translate)
        translated = cut.replace_strict(table, default=None, return_dtype=pl.String)
        read = pl.coalesce(translated, read.replace_strict(table, default=read, return_dtype=pl.String))
    return read


def _columns(clock: Clock, *, names: bool) -> dict[str, pl.Expr]:
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
        "caller": pl.coalesce("caller_e164", presented_caller(pl.col("caller_id_number"), names=names)),
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


def _text(name: str) -> pl.Expr:
    plain = pl.col(name).str.strip_chars()
    return pl.when(plain != "").then(plain)
