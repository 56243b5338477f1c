"""Which of the switch's legs a carrier bills: the rule that decides what is compared with its records.

A call through the switch is at least two legs, and a carrier bills one. For termination (it takes our calls to the
world) that is the outbound leg on one of its trunks; for origination (it brings the world's calls) the inbound one.
The other leg of the same call has the same numbers and times, and would be taken for a call that the carrier forgot.
"""

from dataclasses import dataclass
from typing import Literal

import polars as pl

Direction = Literal["outbound", "inbound", "any"]


@dataclass(frozen=True, slots=True)
class LegRule:
    """Legs that are compared.

    Attributes:
        direction: ``outbound`` for termination, ``inbound`` for origination. ``any`` for a carrier that does both, and
            for files without directions: every leg except an inbound one whose outbound leg is there too.
        trunks: values of trunk, resource_id or authorizing_id that are the carrier's; empty for every leg of that
            direction: of an account that has one carrier, or where the switch does not say which trunk it took.
    """

    direction: Direction = "outbound"
    trunks: frozenset[str] = frozenset()


def is_billable_leg(rule: LegRule) -> pl.Expr:
    """Whether a canonical row is compared, never null. A row without direction counts as of the one asked for."""
    if rule.direction == "any":
        outbound = pl.col("call_direction") == "outbound"
        partner = pl.when(outbound).then(pl.col("other_leg_call_id"))
        bridged = pl.when(outbound).then(pl.col("bridge_id"))
        taken = pl.col("call_id").is_in(partner.drop_nulls().implode()) | pl.col("call_id").is_in(
            bridged.drop_nulls().implode()
        )
        linked = pl.col("other_leg_call_id").is_in(pl.when(outbound).then(pl.col("call_id")).drop_nulls().implode())
        asked = ~((pl.col("call_direction") == "inbound") & (taken | linked).fill_null(value=False))
    else:
        asked = pl.col("call_direction") == rule.direction
    chosen = asked.fill_null(value=True)
    if not rule.trunks:
        return chosen
    trunks = sorted(rule.trunks)
    named = [pl.col(name).is_in(trunks).fill_null(value=False) for name in ("trunk", "resource_id", "authorizing_id")]
    return chosen & pl.any_horizontal(named)
