"""Control totals: the totals in a file's header or trailer, compared with the file's records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import polars as pl

from cdr_pipeline.errors import ControlTotalsDiffer


@dataclass(slots=True)
class ControlTotals:
    """Totals of a file's records so far, and the totals that the file states.

    Attributes:
        stated: ``rows``, ``seconds`` or ``cost`` to its text in the header or trailer.
        rows: number of records, with rejected ones.
        rejected: number of rejected records.
        seconds: billed seconds of the accepted records; the duration of records without billed seconds.
        cost: cost of the accepted records.
        decimal_mark: decimal mark of the stated totals.
    """

    stated: dict[str, str] = field(default_factory=dict[str, str])
    rows: int = 0
    rejected: int = 0
    seconds: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    decimal_mark: str = "."

    def add(self, accepted: pl.DataFrame, *, rows: int, rejected: int, stated: Mapping[str, str]) -> None:
        """Adds a block of the file.

        Args:
            accepted: accepted rows, working schema.
            rows: number of records in the block, with rejected ones.
            rejected: number of rejected records in the block.
            stated: totals that the block states.
        """
        self.stated |= stated
        self.rows += rows
        self.rejected += rejected
        seconds = accepted.select(pl.coalesce("billing_seconds", "duration_seconds")).to_series()
        self.seconds += Decimal(seconds.sum() or 0)
        self.cost += Decimal(accepted["cost"].sum() or 0)

    def require_equal(self) -> None:
        """Compares the totals that the file states with those of its records.

        Raises:
            ControlTotalsDiffer: the file is incomplete or damaged.
        """
        if not self.stated:
            raise ControlTotalsDiffer(
                "the line with the file's totals is missing: the file may be truncated", hint="fetch the file again"
            )
        computed = {"rows": Decimal(self.rows), "seconds": self.seconds, "cost": self.cost}
        for name, text in self.stated.items():
            # Cost and seconds of rejected rows are unknown, so these totals are only compared when no row is rejected.
            comparable = name in computed and (name == "rows" or not self.rejected)
            if comparable and _decimal(text, self.decimal_mark) != computed[name]:
                raise ControlTotalsDiffer(
                    f"the file states {name} {text.strip()} and has {computed[name].normalize():f}",
                    hint="fetch the file again",
                )


def _decimal(text: str, decimal_mark: str) -> Decimal | None:
    plain = text.strip()
    if decimal_mark == ",":
        plain = plain.replace(".", "").replace(",", ".")
    try:
        return Decimal(plain)
    except InvalidOperation:
        return None
