"""What a file says about itself in its header or trailer, against what it has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import polars as pl

from cdr_pipeline.errors import ControlTotalsDiffer


@dataclass(slots=True)
class ControlTotals:
    """Totals of a file's records so far, and those that it states.

    Attributes:
        stated: ``rows``, ``seconds`` or ``cost`` to the text that stands there.
        rows: records, rejected ones included.
        rejected: of them.
        seconds: billed, of the accepted ones.
        cost: of the accepted ones.
    """

    stated: dict[str, str] = field(default_factory=dict[str, str])
    rows: int = 0
    rejected: int = 0
    seconds: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    def add(self, accepted: pl.DataFrame, *, rows: int, rejected: int, stated: Mapping[str, str]) -> None:
        """Counts a block: its accepted rows (working schema), all its records, the rejected ones of them."""
        self.stated |= stated
        self.rows += rows
        self.rejected += rejected
        self.seconds += Decimal(accepted["billing_seconds"].sum() or 0)
        self.cost += Decimal(accepted["cost"].sum() or 0)

    def require_equal(self) -> None:
        """Compares the two.

        Raises:
            ControlTotalsDiffer: the file is not all there, or damaged.
        """
        if not self.stated:
            raise ControlTotalsDiffer(
                "the line with the file's totals is missing: the file may be cut", hint="fetch the file again"
            )
        has = {"rows": Decimal(self.rows), "seconds": self.seconds, "cost": self.cost}
        for name, text in self.stated.items():
            # Money and seconds of rejected rows cannot be added up; their number can.
            comparable = name in has and (name == "rows" or not self.rejected)
            if comparable and _decimal(text) != has[name]:
                raise ControlTotalsDiffer(
                    f"the file states {name} {text.strip()} and has {has[name].normalize():f}",
                    hint="fetch the file again",
                )


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None
