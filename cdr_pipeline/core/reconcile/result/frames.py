"""Converts the arrays of a reconciliation to the frames of ``Reconciled``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from cdr_pipeline.core.reconcile.classify.classes import (
    CAUSE_TYPE,
    CLASS_TYPE,
    NOT_CHARGED,
    SIDE_TYPE,
    MatchClass,
    code_of,
)
from cdr_pipeline.core.reconcile.classify.row_classes import Codes, PairOutcome, RowOutcome
from cdr_pipeline.core.reconcile.clock.clock import Clock
from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags
from cdr_pipeline.core.reconcile.inputs.rates import Integers, as_decimal, billed_seconds
from cdr_pipeline.core.reconcile.inputs.tariff import Tariff
from cdr_pipeline.core.reconcile.match.matching import Matches
from cdr_pipeline.core.reconcile.match.parts import Parts
from cdr_pipeline.core.reconcile.result.reconciled import (
    ACCRUAL_SCHEMA,
    CURRENCY_TYPE,
    DESTINATION_TYPE,
    MONEY,
    OFFSET_SCHEMA,
    PAIR_SCHEMA,
    PART_SCHEMA,
    ROW_SCHEMA,
)

_MILLI_PLACES = 3
# The first digits of a number identify a destination and not a subscriber.
_PREFIX = r"^(\+?[0-9]{1,4})"
_Value = TypeVar("_Value", bound=np.generic)


def pairs_frame(
    switch_ids: pl.Series, carrier_ids: pl.Series, matches: Matches, outcome: PairOutcome, counted: Flags
) -> pl.DataFrame:
    """``PAIR_SCHEMA`` of the pairs whose switch row is counted; ids are in the order of the arrays."""
    # Rows are in the order of their ids, and so are the pairs.
    pair_of_row = np.full(len(switch_ids), -1, np.int32)
    pair_of_row[matches.switch] = np.arange(len(matches.switch), dtype=np.int32)
    order = pair_of_row[(pair_of_row >= 0) & counted]
    difference = _money(outcome.amount_difference[order])
    known = pl.Series(outcome.amount_known[order])
    return pl.DataFrame(
        {
            "switch_row_id": switch_ids.gather(matches.switch[order]),
            "carrier_row_id": carrier_ids.gather(matches.carrier[order]),
            "class": _enum(outcome.classes[order], CLASS_TYPE),
            "ambiguous": matches.ambiguous[order],
            "delta_ms": outcome.delta_ms[order],
            "duration_difference_ms": outcome.duration_difference_ms[order],
            "amount_difference": difference.set(~known, None),
            "cause": _enum(outcome.causes[order], CAUSE_TYPE),
            "agreed_rate": outcome.rates.gather(order),
            "expected_amount": _money(outcome.expected[order]).set(~pl.Series(outcome.expected_known[order]), None),
            "detail": outcome.details.gather(order),
        },
        schema=PAIR_SCHEMA,
    )


def parts_frame(
    switch_ids: pl.Series, carrier_ids: pl.Series, matches: Matches, of_carrier: RowOutcome, parts: Parts
) -> pl.DataFrame:
    """``PART_SCHEMA`` of the further records of paired calls, by row of the carrier."""
    rows = np.flatnonzero(parts.of_call >= 0)
    pairs = of_carrier.pair[parts.of_call[rows]]
    rows, pairs = rows[pairs >= 0], pairs[pairs >= 0]
    ids = {"carrier_row_id": carrier_ids.gather(rows), "switch_row_id": switch_ids.gather(matches.switch[pairs])}
    return pl.DataFrame(ids, schema=PART_SCHEMA)


def accruals_frame(side: "SideOutcome", currencies: Sequence[str], *, compare_amounts: bool) -> pl.DataFrame:
    """``ACCRUAL_SCHEMA`` of the counted legs that the carrier has not charged, or whose time its records do not cover.

    Args:
        side: the switch's side.
        currencies: currencies in the order of their codes.
        compare_amounts: without a rate card, whether the switch's prices are what the carrier should charge.
    """
    calls, tariff = side.calls, side.tariff
    not_charged = np.isin(side.outcome.classes, [code_of(item) for item in NOT_CHARGED])
    rows = np.flatnonzero(side.counted & not_charged).astype(np.int32)
    if tariff.card is not None:
        known, expected = tariff.rated(rows), tariff.price(rows, calls.duration_ms[rows])
        codes = tariff.currency[tariff.rate[rows]] if tariff.rate is not None else calls.currency[rows]
    else:
        known, expected = calls.priced[rows] & compare_amounts, calls.amount[rows]
        codes = calls.currency[rows].astype(np.int64)
    rows, expected, codes = rows[known], expected[known], codes[known]
    names = pl.Series([*currencies, None], dtype=pl.String).cast(CURRENCY_TYPE)
    return pl.DataFrame(
        {
            "switch_row_id": side.ids.gather(rows),
            "agreed_rate": tariff.rate_texts(rows),
            "expected_amount": _money(expected),
            "currency": names.gather(np.where(codes < 0, len(currencies), codes)),
        },
        schema=ACCRUAL_SCHEMA,
    )


@dataclass(frozen=True, slots=True)
class SideOutcome:
    """A side with the classification of its rows, one value per row. Takes gigabytes: release it after conversion.

    Attributes:
        calls: lengths and amounts of the side.
        ids: ids of its rows.
        outcome: classes and exposures.
        tariff: billing steps of the rows.
        destination: ``DESTINATION_TYPE``, null if unknown.
        counted: rows that are in the result.
    """

    calls: Calls
    ids: pl.Series
    outcome: RowOutcome
    tariff: Tariff
    destination: pl.Series
    counted: Flags


def rows_frame(side: SideOutcome, currencies: Sequence[str]) -> pl.DataFrame:
    """``ROW_SCHEMA`` of the counted rows of a side; currencies are in the order of their codes."""
    calls, outcome = side.calls, side.outcome
    rows = None if side.counted.all() else np.flatnonzero(side.counted)
    steps = [part if isinstance(part, int) or rows is None else part[rows] for part in side.tariff.steps()]
    length = _chosen(calls.duration_ms, rows)
    names = pl.Series(currencies, dtype=pl.String).cast(CURRENCY_TYPE)
    return pl.DataFrame(
        {
            "side": pl.repeat(calls.name, len(length), dtype=pl.String, eager=True).cast(SIDE_TYPE),
            "row_id": side.ids if rows is None else side.ids.gather(rows),
            "class": _enum(_chosen(outcome.classes, rows), CLASS_TYPE),
            "seconds": as_decimal(pl.Series(length), _MILLI_PLACES),
            "billed_seconds": billed_seconds(length, steps[0], steps[1]),
            "currency": names.gather(_chosen(calls.currency, rows)),
            "amount": _amounts(calls, rows),
            "exposure": _money(_chosen(outcome.exposure, rows)),
            "destination": (side.destination if rows is None else side.destination.gather(rows)).fill_null(""),
            "ambiguous": _chosen(outcome.ambiguous, rows),
        },
        schema=ROW_SCHEMA,
    )


def destinations(calls: Calls, tariff: Tariff) -> pl.Series:
    """Destination of each row by the card, otherwise by the side itself; ``DESTINATION_TYPE``, null if unknown."""
    own = calls.column("destination", DESTINATION_TYPE)
    by_card = tariff.destinations()
    return own if by_card is None else by_card.zip_with(by_card.is_not_null(), own)


def with_prefixes(names: pl.Series, calls: Calls, outcome: RowOutcome) -> pl.Series:
    """Destinations in which those of unpriced calls begin with the prefix that the rate card lacks."""
    unpriced = np.flatnonzero(outcome.classes == code_of(MatchClass.UNPRICED))
    if not len(unpriced):
        return names
    prefixes = calls.column("callee").gather(unpriced).str.extract(_PREFIX, 1).fill_null("")
    own = names.gather(unpriced).cast(pl.String).fill_null("")
    labels = pl.select(
        pl.when(pl.lit(own).str.starts_with("+"))
        .then(pl.lit(prefixes))
        .otherwise(pl.concat_str(pl.lit(prefixes), pl.lit(own), separator=" ").str.strip_chars())
    ).to_series()
    return names.cast(pl.String).scatter(unpriced, labels).cast(DESTINATION_TYPE)


def shared_destinations(
    own: pl.Series, other: pl.Series, mine: npt.NDArray[np.int32], others: npt.NDArray[np.int32]
) -> pl.Series:
    """Destinations of a side; paired rows have the destination of the other side, if it has one."""
    is_named = other.is_not_null().to_numpy()[others]
    if not is_named.any():
        return own
    partner_row = np.full(len(own), -1, np.int32)
    partner_row[mine[is_named]] = others[is_named]
    partner = other.gather(np.maximum(partner_row, 0))
    return partner.zip_with(pl.Series(partner_row >= 0), own)


def offset_frame(clock: Clock) -> pl.DataFrame:
    """``OFFSET_SCHEMA``, one row."""
    row = (
        clock.status,
        clock.offset_ms,
        round(clock.drift_ppm, 3),
        clock.spread_ms,
        clock.pairs,
        clock.finding,
        clock.jump_at,
        clock.jump_ms,
    )
    return pl.DataFrame([row], schema=OFFSET_SCHEMA, orient="row")


def _chosen(values: npt.NDArray[_Value], rows: npt.NDArray[np.int64] | None) -> npt.NDArray[_Value]:
    return values if rows is None else values[rows]


def _amounts(calls: Calls, rows: npt.NDArray[np.int64] | None) -> pl.Series:
    """Amounts of the input, null if a row has none."""
    priced = _chosen(calls.priced, rows)
    amounts = as_decimal(pl.Series(_chosen(calls.amount, rows)))
    return amounts if priced.all() else amounts.set(pl.Series(~priced), None)


def _money(amounts: Integers) -> pl.Series:
    if not amounts.any():
        return pl.repeat(0, len(amounts), dtype=pl.Int64, eager=True).cast(MONEY)
    return as_decimal(pl.Series(amounts))


def _enum(codes: Codes, dtype: pl.Enum) -> pl.Series:
    """Codes to an Enum column; -1 is null."""
    names = pl.Series([*dtype.categories, None], dtype=dtype)
    return names.gather(np.where(codes < 0, len(dtype.categories), codes))
