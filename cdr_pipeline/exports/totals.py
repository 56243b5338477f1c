"""Control totals of daily files, by origin and currency."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Any, Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind
from cdr_pipeline.errors import ExportError

# Key of the totals of all rows of a file; each row is one leg.
ALL: Final = "all"
# Columns that totals need, besides those that they are grouped by.
COUNTED: Final = ("answered", "duration_seconds", "billing_seconds", "cost", "cost_currency")
_ORDER: Final = ("started_at", "origin", "record_id")
_NUMBERS: Final = (Kind.SECONDS, Kind.MONEY)


@dataclass(slots=True)
class GroupTotals:
    """Totals of a group of rows; money by currency, ``""`` if a record names none."""

    legs: int = 0
    answered_legs: int = 0
    duration_seconds: Decimal = Decimal(0)
    billing_seconds: Decimal = Decimal(0)
    cost: dict[str, Decimal] = field(default_factory=dict[str, Decimal])

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> "GroupTotals":
        """Totals from the JSON form in a manifest."""
        return cls(
            stated["legs"],
            stated["answered_legs"],
            Decimal(stated["duration_seconds"]),
            Decimal(stated["billing_seconds"]),
            {currency: Decimal(amount) for currency, amount in stated["cost"].items()},
        )

    def plus(self, other: "GroupTotals") -> "GroupTotals":
        """Sum of both."""
        return GroupTotals(
            self.legs + other.legs,
            self.answered_legs + other.answered_legs,
            self.duration_seconds + other.duration_seconds,
            self.billing_seconds + other.billing_seconds,
            {
                currency: self.cost.get(currency, Decimal(0)) + other.cost.get(currency, Decimal(0))
                for currency in self.cost.keys() | other.cost.keys()
            },
        )

    def as_json(self) -> dict[str, Any]:
        """JSON form; decimals are text, so that no reader rounds them."""
        return {
            "legs": self.legs,
            "answered_legs": self.answered_legs,
            "duration_seconds": plain(self.duration_seconds),
            "billing_seconds": plain(self.billing_seconds),
            "cost": {currency: f"{amount:.8f}" for currency, amount in sorted(self.cost.items())},
        }


@dataclass(slots=True)
class FileTotals:
    """Totals by the values of some columns (``origin`` in a daily file), added up chunk by chunk."""

    by: tuple[str, ...] = ("origin",)
    groups: dict[str, GroupTotals] = field(default_factory=dict[str, GroupTotals])

    def add(self, records: pl.DataFrame) -> None:
        """Adds a chunk of records.

        Args:
            records: at least the columns ``by`` and ``answered, duration_seconds, billing_seconds, cost,
                cost_currency``, typed.
        """
        for row in _sums(records, pl.concat_str(*self.by, separator=" ").alias("group")):
            self.add_sums(row)

    def add_sums(self, row: dict[str, Any]) -> None:
        """Adds the sums of the rows of a group in one currency."""
        priced = {row["cost_currency"]: row["cost"]} if row["priced"] else {}
        added = GroupTotals(
            row["legs"],
            row["answered_legs"],
            row["duration_seconds"] or Decimal(0),
            row["billing_seconds"] or Decimal(0),
            priced,
        )
        self.groups[row["group"]] = self.groups.get(row["group"], GroupTotals()).plus(added)

    @classmethod
    def by_account(cls, records: pl.DataFrame) -> dict[str, "FileTotals"]:
        """Totals of the daily files of several accounts.

        Args:
            records: as in ``add``, plus the column ``account_id``.
        """
        totals: dict[str, FileTotals] = {}
        for row in _sums(records, "account_id", pl.col("origin").alias("group")):
            totals.setdefault(row["account_id"], cls()).add_sums(row)
        return totals

    def as_json(self) -> dict[str, Any]:
        """JSON form by group, sorted; if the groups are origins, also of all rows together."""
        totals = {group: total.as_json() for group, total in sorted(self.groups.items())}
        if self.by == ("origin",):
            totals[ALL] = reduce(GroupTotals.plus, self.groups.values(), GroupTotals()).as_json()
        return totals


def _sums(records: pl.DataFrame, *by: pl.Expr | str) -> Iterator[dict[str, Any]]:
    """Sums of the counted columns by some columns and currency."""
    sums = records.group_by(*by, pl.col("cost_currency").fill_null("")).agg(
        pl.len().alias("legs"),
        pl.col("answered").sum().alias("answered_legs"),
        pl.col("duration_seconds").sum(),
        pl.col("billing_seconds").sum(),
        pl.col("cost").sum(),
        pl.col("cost").count().alias("priced"),
    )
    return sums.sort("group", "cost_currency").iter_rows(named=True)


@dataclass(slots=True)
class ManifestTotals:
    """Counts rows and totals of the bytes that are written, and checks their order.

    Attributes:
        columns: columns of the lines.
        totals: totals of the lines so far.
        rows: number of lines so far.
    """

    columns: Sequence[str]
    totals: FileTotals = field(default_factory=FileTotals)
    rows: int = 0
    _last: tuple[str, ...] | None = None

    def add_lines(self, content: bytes) -> None:
        """Adds lines.

        Raises:
            ExportError: the lines are out of order, or are not lines of a daily file.
        """
        if not content:
            return
        columns = [name for name in self.columns if name in {*self.totals.by, *COUNTED, *_ORDER}]
        try:
            scan = pl.scan_csv(content, has_header=False, infer_schema=False, new_columns=list(self.columns))
            texts = scan.select(columns).collect()
            self.totals.add(with_typed_values(texts))
        except pl.exceptions.PolarsError:
            raise ExportError("the warehouse returned invalid lines for a daily file; nothing was written") from None
        self.rows += texts.height
        self._require_order(texts)

    def _require_order(self, texts: pl.DataFrame) -> None:
        """Checks that sort keys increase, within the lines and from the previous lines."""
        keys = _sort_keys(texts)
        grows = _grows(*(pl.col(name) for name in _ORDER))
        ordered = keys.select(grows.slice(1).all()).item() and (self._last is None or keys.row(0) > self._last)
        if not ordered:
            raise ExportError("records of a daily file are out of order; nothing was written")
        self._last = keys.row(-1)


def ordered_by_account(texts: pl.DataFrame) -> bool:
    """Whether sort keys increase within the lines of each account, which follow each other.

    Args:
        texts: text columns ``account_id``, ``started_at``, ``origin`` and ``record_id``.
    """
    keys = _sort_keys(texts, "account_id")
    another = pl.col("account_id") != pl.col("account_id").shift(1)
    return bool(keys.select((another | _grows(*(pl.col(name) for name in _ORDER))).slice(1).all()).item())


def _sort_keys(texts: pl.DataFrame, *others: str) -> pl.DataFrame:
    """The columns that lines are ordered by, after other ones."""
    # Without the Z, a time without fraction sorts before times with one.
    return texts.select(*others, pl.col("started_at").str.strip_suffix("Z"), "origin", "record_id")


def _grows(started: pl.Expr, origin: pl.Expr, record: pl.Expr) -> pl.Expr:
    """Whether the sort key of a row is greater than that of the row before."""
    before = [column.shift(1) for column in (started, origin, record)]
    return (started > before[0]) | (
        (started == before[0]) & ((origin > before[1]) | ((origin == before[1]) & (record > before[2])))
    )


def with_typed_values(texts: pl.DataFrame) -> pl.DataFrame:
    """Casts the columns that totals need to their types; others stay text.

    Raises:
        PolarsError: a text is not a number.
    """
    return texts.with_columns(
        pl.col("answered") == "true",
        *(pl.col(name).cast(BY_NAME[name].kind.dtype) for name in COUNTED if BY_NAME[name].kind in _NUMBERS),
    )


def plain(seconds: Decimal) -> str:
    """Seconds without trailing zeros."""
    text = f"{seconds:.3f}".rstrip("0")
    return text.removesuffix(".")
