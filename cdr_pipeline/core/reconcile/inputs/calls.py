"""A side as arrays, ordered by row id: the result does not depend on the order of the input."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from cdr_pipeline.core.reconcile.inputs.columns import RINGING_SCHEMA
from cdr_pipeline.core.reconcile.inputs.notation import Notation, canonical
from cdr_pipeline.core.reconcile.inputs.presented import presented_caller
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.inputs.row_order import order_of_ids
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.sides import currency_of
from cdr_pipeline.errors import InvalidSide

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int32]
_Value = TypeVar("_Value", bound=np.generic)

# Seeds of two independent hashes: one finds candidates, the other confirms them. Results do not depend on the seeds.
_FIND: Final = 1
_CONFIRM: Final = 2
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Calls:
    """Rows of a side, ordered by ``row_id``; every array has one value per row.

    Attributes:
        name: ``switch`` or ``carrier``.
        source: the side as it was passed in.
        order: index of each row in ``source``; None if ``source`` is ordered by ``row_id``.
        start_ms: start on the side's own clock, milliseconds since 1970.
        duration_ms: answered length, milliseconds.
        amount: price in units of 1e-8; 0 if there is none.
        priced: whether there is an amount.
        currency: code of the currency within the reconciliation.
        billable: answered, longer than 0 and not free; or charged by the carrier.
        answered: whether the side recorded the call as answered.
        dialled: hash of the called number; 0 if there is none.
        dialled_check: second, independent hash of the called number.
        caller: hash of the calling number.
        caller_check: second, independent hash of the calling number.
        withheld: whether the calling number is unknown.
        ringing_ms: how long the call rang, milliseconds; None if the side does not state it.
        invited_ms: when the call was sent, milliseconds since 1970; None if the side does not state it.
    """

    name: str
    source: pl.LazyFrame
    order: Rows | None
    start_ms: Integers
    duration_ms: Integers
    amount: Integers
    priced: Flags
    currency: npt.NDArray[np.uint8]
    billable: Flags
    answered: Flags
    dialled: Hashes
    dialled_check: Hashes
    caller: Hashes
    caller_check: Hashes
    withheld: Flags
    ringing_ms: Integers | None = None
    invited_ms: Integers | None = None

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.duration_ms)

    def column(self, name: str, dtype: pl.DataType | None = None) -> pl.Series:
        """A column of the source in the order of the arrays, cast to ``dtype`` if one is given."""
        return _ordered(self.source, self.order, pl.col(name) if dtype is None else pl.col(name).cast(dtype))

    def without_numbers(self) -> "Calls":
        """Copy without the hashes, which take a third of the memory; they are not needed after matching."""
        none = np.zeros(0, np.uint64)
        return replace(self, dialled=none, dialled_check=none, caller=none, caller_check=none)

    def lengths_and_amounts(self) -> "Calls":
        """Copy with lengths and amounts only, a third of the memory; enough after classification."""
        none, no_flags = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return replace(
            self.without_numbers(), order=None, start_ms=none, billable=no_flags, answered=no_flags, withheld=no_flags,
            ringing_ms=None, invited_ms=None,
        )  # fmt: skip

    def from_invite(self) -> "Calls":
        """The calls as a carrier records them that bills from the INVITE: ringing is part of the length."""
        if self.ringing_ms is None or self.invited_ms is None:
            return self
        rings = self.billable & (self.duration_ms > 0)
        return replace(
            self, start_ms=self.invited_ms, duration_ms=self.duration_ms + np.where(rings, self.ringing_ms, 0)
        )

    def block(self) -> Hashes:
        """Hash of both numbers."""
        return combine_hashes(self.dialled, self.caller)

    def block_check(self) -> Hashes:
        """The second hash of both numbers."""
        return combine_hashes(self.dialled_check, self.caller_check)


def combine_hashes(one: Hashes, other: Hashes) -> Hashes:
    """Combines two hashes into one; their order matters."""
    blended = (one ^ (one >> _SHIFT)) * _MIX + other
    return (blended ^ (blended >> _SHIFT)) * _MIX


def is_among(values: Hashes, few: Hashes) -> Flags:
    """Whether each value is one of ``few``."""
    return pl.Series(values).is_in(pl.Series(few).unique().implode()).to_numpy()


def read_calls(
    name: str, side: pl.LazyFrame, currencies: Sequence[str], rules: Rules, notation: Notation | None = None
) -> Calls:
    """Reads a side column by column, so that a file is never entirely in memory.

    Args:
        name: ``switch`` or ``carrier``.
        side: ``SIDE_SCHEMA``.
        currencies: every currency of either side, and the default one; the index is the code.
        rules: number plans, the default currency and the free destinations.
        notation: how numbers are read; as they are when None.

    Raises:
        InvalidSide: a row id repeats.
    """
    plan = rules.switch_plan if name == "switch" else rules.carrier_plan
    ids = side.select("row_id").collect()["row_id"]
    order = None if ids.is_sorted() else order_of_ids(ids).astype(np.int32)
    _require_unique(ids if order is None else ids.gather(order), name)
    del ids
    reading = notation or Notation()
    callee = reading.read(name, "callee", canonical("callee", plan))
    caller = reading.read(name, "caller", presented_caller(canonical("caller", plan), names=name == "switch"))
    dialled, dialled_check, no_callee = _hashed(side, order, callee)
    dialled = np.where(no_callee, np.uint64(0), dialled)
    calling, calling_check, withheld = _hashed(side, order, caller)
    answered = _values(side, order, pl.col("answered"))
    length = _values(side, order, pl.col("duration_ms"))
    price = side.select("amount").collect()["amount"]
    priced = _in_order(price.is_not_null().to_numpy(), order)
    amount = _in_order(price.to_physical().cast(pl.Int64).fill_null(0).to_numpy(), order)
    del price
    currency = _currency_codes(side, order, currencies, rules.currency)
    # Every charge of a carrier must be explained; an amount that the switch writes for an attempt is not a charge.
    charged = amount > 0 if name == "carrier" else np.zeros(len(amount), np.bool_)
    billable = (answered & (length > 0)) | charged
    if rules.free_destinations:
        free = pl.col("destination").is_in(sorted(rules.free_destinations)).fill_null(value=False)
        billable &= ~_values(side, order, free) | charged
    ringing = invited = None
    if RINGING_SCHEMA.keys() <= set(side.collect_schema()):
        ringing = _values(side, order, pl.col("ringing_ms").fill_null(0))
        invited = _values(side, order, pl.coalesce("invited_at", "started_at").dt.epoch("ms"))
    return Calls(
        name=name,
        source=side,
        order=order,
        start_ms=_values(side, order, pl.col("started_at").dt.epoch("ms")),
        duration_ms=length,
        amount=amount,
        priced=priced,
        currency=currency,
        billable=billable,
        answered=answered,
        dialled=dialled,
        dialled_check=dialled_check,
        caller=calling,
        caller_check=calling_check,
        withheld=withheld,
        ringing_ms=ringing,
        invited_ms=invited,
    )


def currencies_of(sides: Sequence[pl.LazyFrame], rules: Rules) -> list[str]:
    """Every currency of the sides and of the rate card, and the default one; sorted."""
    currencies = {rules.currency}
    if rules.rate_card is not None:
        currencies |= {rate.currency for rate in rules.rate_card.rates if rate.currency}
    for side in sides:
        named = side.select(pl.col("currency").unique()).collect()["currency"].drop_nulls()
        currencies |= set(named.str.to_uppercase())
    return sorted(currencies)


def _require_unique(ordered_ids: pl.Series, name: str) -> None:
    if (ordered_ids == ordered_ids.shift(1)).any():
        raise InvalidSide(f"row ids of the {name} side repeat", hint="give each row its own id")


def _ordered(side: pl.LazyFrame, order: Rows | None, column: pl.Expr) -> pl.Series:
    values = side.select(column.alias("value")).collect()["value"]
    # Nulls have no order, and a column that nothing fills is common.
    return values if order is None or values.null_count() == len(values) else values.gather(order)


def _values(side: pl.LazyFrame, order: Rows | None, column: pl.Expr) -> npt.NDArray[Any]:
    return _in_order(side.select(column.alias("value")).collect()["value"].to_numpy(), order)


def _in_order(values: npt.NDArray[_Value], order: Rows | None) -> npt.NDArray[_Value]:
    return values if order is None else np.take(values, order)


def _hashed(side: pl.LazyFrame, order: Rows | None, number: pl.Expr) -> tuple[Hashes, Hashes, Flags]:
    """Both hashes of a number, and whether there is none. Texts are hashed where they are; only hashes are moved."""
    texts = side.select(number.alias("value")).collect()["value"]
    absent = (texts.is_null() | (texts == "").fill_null(value=False)).to_numpy()
    find, confirm = (texts.hash(seed=seed).to_numpy() for seed in (_FIND, _CONFIRM))
    return _in_order(find, order), _in_order(confirm, order), _in_order(absent, order)


def _currency_codes(
    side: pl.LazyFrame, order: Rows | None, currencies: Sequence[str], default: str
) -> npt.NDArray[np.uint8]:
    """Code of the currency of each row; few texts are distinct."""
    codes = {currency: code for code, currency in enumerate(currencies)}
    written = side.select("currency").collect()["currency"]
    texts = written.unique()
    of_texts = pl.select(currency_of(pl.lit(texts), default)).to_series().replace_strict(codes, return_dtype=pl.UInt8)
    if len(texts) == 1:
        return np.full(len(written), of_texts.item(), np.uint8)
    by_row = written.replace_strict(texts.drop_nulls(), of_texts.filter(texts.is_not_null()), default=codes[default])
    return _in_order(by_row.cast(pl.UInt8).to_numpy(), order)
