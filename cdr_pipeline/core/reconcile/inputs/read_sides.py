"""Reads both sides of a reconciliation with the carrier's numbers in the notation of the switch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from cdr_pipeline.core.reconcile.inputs.callers import comparable_callers
from cdr_pipeline.core.reconcile.inputs.calls import Calls, Flags, currencies_of, is_among, read_calls
from cdr_pipeline.core.reconcile.inputs.notation import masked_example, notation_of
from cdr_pipeline.core.reconcile.inputs.rules import Rules

_SAMPLE: Final = 2_000
_LEAST_ROWS: Final = 10
_FITTING: Final = 0.05


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides as arrays.

    Attributes:
        switch: side A.
        carrier: side B.
        currencies: currencies in the order of their codes.
        other_caller: rows of the carrier whose caller is shown and not compared.
        findings: what a person should know about the numbers.
    """

    switch: Calls
    carrier: Calls
    currencies: list[str]
    other_caller: Flags
    findings: tuple[str, ...]


def read_sides(switch: pl.LazyFrame, carrier: pl.LazyFrame, rules: Rules) -> Sides:
    """Reads both sides.

    Raises:
        InvalidSide: a row id repeats.
    """
    currencies = currencies_of((switch, carrier), rules)
    notation = notation_of(switch, carrier, rules)
    ours = read_calls("switch", switch, currencies, rules, notation)
    theirs = read_calls("carrier", carrier, currencies, rules, notation)
    reading = comparable_callers(ours, theirs, rules)
    findings = (*notation.findings, reading.finding, _foreign_numbers(ours, theirs))
    return Sides(ours, reading.carrier, currencies, reading.silent, tuple(filter(None, findings)))


def _foreign_numbers(switch: Calls, carrier: Calls) -> str:
    """A finding if almost none of the called numbers of the carrier's file occurs on the switch."""
    rows = np.flatnonzero(carrier.billable & (carrier.dialled != 0))[:_SAMPLE]
    if len(rows) < _LEAST_ROWS or not switch.billable.any():
        return ""
    occurring = switch.dialled[is_among(switch.dialled, carrier.dialled[rows])]
    fitting = is_among(carrier.dialled[rows], occurring).mean()
    if fitting >= _FITTING:
        return ""
    examples = [masked_example(_examples(side)) for side in (carrier, switch)]
    return (
        "none of the called numbers of this file fits the switch's"
        if not fitting
        else f"only {fitting:.0%} of the called numbers of this file fit the switch's"
    ) + (
        f": the file has numbers such as {examples[0]}, the switch {examples[1]}; set the [plan] of the profile, or"
        " remove_prefixes or digits in [reconcile]"
    )


def _examples(calls: Calls) -> Sequence[str]:
    return (
        calls.source.select("callee").filter(pl.col("callee").str.len_bytes() > 0).head(1).collect()["callee"].to_list()
    )
