"""Which legs of the switch a carrier bills; only these are compared with its records.

A call through the switch has at least two legs, and a carrier bills one of them. A terminating carrier (it delivers our
calls) bills the outbound leg on one of its trunks; an originating carrier (it brings calls to us) the inbound leg. The
other leg has the same numbers and times. If it were compared too, it would be reported as missing at the carrier.
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
            for files without directions: every leg except an inbound one whose outbound leg is present.
        trunks: values of trunk, resource_id or authorizing_id of the carrier's legs. If empty, every leg of the
            direction: for an account with one carrier, or a switch that does not record the trunk.
    """

    direction: Direction = "outbound"
    trunks: frozenset[str] = frozenset()


def is_billable_leg(rule: LegRule) -> pl.Expr:
    """Whether a canonical row is compared; never null. A row without direction has the direction of the rule."""
    if rule.direction == "any":
        outbound = pl.col("call_direction") == "outbound"
        partner = pl.when(outbound).then(pl.col("other_leg_call_id"))
        bridged = pl.when(outbound).then(pl.col("bridge_id"))
        is_partner = pl.col("call_id").is_in(partner.drop_nulls().implode()) | pl.col("call_id").is_in(
            bridged.drop_nulls().implode()
        )
        names_partner = pl.col("other_leg_call_id").is_in(
            pl.when(outbound).then(pl.col("call_id")).drop_nulls().implode()
        )
        in_direction = ~((pl.col("call_direction") == "inbound") & (is_partner | names_partner).fill_null(value=False))
    else:
        in_direction = pl.col("call_direction") == rule.direction
    selected = in_direction.fill_null(value=True)
    if not rule.trunks:
        return selected
    trunks = sorted(rule.trunks)
    on_trunk = [
        pl.col(name).is_in(trunks).fill_null(value=False) for name in ("trunk", "resource_id", "authorizing_id")
    ]
    return selected & pl.any_horizontal(on_trunk)
