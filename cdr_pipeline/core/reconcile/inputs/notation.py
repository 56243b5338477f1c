"""Numbers of the carrier's file in the notation of the switch: found from the data where no rule of a profile says it.

Most numbers are in E.164 on both sides. A number in another notation (without ``+``, national without ``0``, after a
technical or routing prefix) ends with the same digits as its E.164 form, so the switch's number with that end is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from cdr_pipeline.core.normalize.numbers import NumberPlan, e164
from cdr_pipeline.core.reconcile.inputs.presented import presented_caller
from cdr_pipeline.core.reconcile.inputs.rules import Rules

# Enough digits to identify a number among those of a day; the shortest notation of a number has as many.
_END: Final = 8
_SEPARATORS: Final = r"[+ ().\-/#]"
_MASKED_END: Final = r"^[+0-9]{5,}[xX*]+$"
_MASKED_BEGINNING: Final = r"^[+0-9]{0,4}[xX*]+[0-9]{4,}$"
_MOST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Notation:
    """How the numbers of two sides are read.

    Attributes:
        tables: field (caller, callee) to the carrier's numbers in another notation and the switch's: ``text, number``.
        first: leading characters of called numbers that are compared; 0 for all. For called numbers with masked ends.
        last: last digits of numbers that are compared, 0 for all.
        findings: what a person should know.
    """

    tables: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    first: int = 0
    last: int = 0
    findings: tuple[str, ...] = ()

    def read(self, side: str, name: str, number: pl.Expr) -> pl.Expr:
        """The number as it is compared.

        Args:
            side: ``switch`` or ``carrier``.
            name: ``caller`` or ``callee``.
            number: the number in canonical form.
        """
        table = self.tables.get(name)
        if side == "carrier" and table is not None:
            number = number.replace(table["text"], table["number"])
        if self.last:
            digits = number.str.replace_all(r"[^0-9]", "").str.tail(self.last)
            return pl.when(digits != "").then(digits).otherwise(number)
        return number.str.replace(r"[xX*]+$", "").str.head(self.first) if self.first and name == "callee" else number


def canonical(name: str, plan: NumberPlan | None) -> pl.Expr:
    """E.164 if the number is a public one by the plan, otherwise as written."""
    text = pl.col(name).str.strip_chars()
    return text if plan is None else pl.coalesce(e164(pl.col(name), plan), text)


def notation_of(switch: pl.LazyFrame, carrier: pl.LazyFrame, rules: Rules) -> Notation:
    """The notation of the carrier's numbers.

    Args:
        switch: ``SIDE_SCHEMA``.
        carrier: ``SIDE_SCHEMA``.
        rules: number plans, and the number of digits that are compared if the profile states it.
    """
    if rules.digits:
        return Notation(last=rules.digits)
    called = _texts(carrier, "callee", rules.carrier_plan)
    masked = _masked(carrier, called, rules)
    if masked is not None:
        return masked
    tables: dict[str, pl.DataFrame] = {}
    for name in ("callee", "caller"):
        texts = called if name == "callee" else _texts(carrier, name, rules.carrier_plan)
        table = _translations(texts, switch, name, rules.switch_plan) if len(texts) else None
        if table is not None and table.height:
            tables[name] = table
    return Notation(tables)


def _texts(side: pl.LazyFrame, name: str, plan: NumberPlan | None) -> pl.Series:
    """Distinct numbers of the carrier that are not in E.164."""
    texts = side.select(canonical(name, plan).alias("text")).filter(~pl.col("text").str.starts_with("+")).unique()
    if name == "caller":
        texts = texts.select(presented_caller(pl.col("text"))).drop_nulls().unique()
    return texts.collect()["text"]


def _translations(texts: pl.Series, switch: pl.LazyFrame, name: str, plan: NumberPlan | None) -> pl.DataFrame:
    """``text, number``: for each text the only number of the switch that ends with the same digits."""
    others = (
        pl.DataFrame({"text": texts})
        .with_columns(digits=pl.col("text").str.replace_all(_SEPARATORS, ""))
        .filter(pl.col("digits").str.contains(rf"[0-9]{{{_END}}}$"))
        .with_columns(end=pl.col("digits").str.tail(_END))
    )
    if others.is_empty():
        return pl.DataFrame(schema={"text": pl.String, "number": pl.String})
    numbers = (
        switch.select(canonical(name, plan).alias("number"))
        .filter(pl.col("number").str.len_bytes() >= _END)
        .with_columns(end=pl.col("number").str.tail(_END))
        .filter(pl.col("end").is_in(others["end"].unique().implode()))
        .unique()
        .collect()
    )
    pairs = others.join(numbers, on="end")
    whole = pl.col("digits").str.ends_with(pl.col("number").str.strip_prefix("+"))
    # A text that ends with the whole number is certain even if another number has the same end.
    best = pairs.with_columns(whole=whole).filter(pl.col("whole") == pl.col("whole").max().over("text"))
    return best.filter(pl.len().over("text") == 1).select("text", "number").sort("text")


def _masked(carrier: pl.LazyFrame, called: pl.Series, rules: Rules) -> Notation | None:
    """The notation if most called numbers are masked at their end or beginning."""
    masked = called.filter(called.str.contains(r"[xX*]"))
    shown = canonical("callee", rules.carrier_plan)
    # A number is read much faster than a pattern is matched.
    other = shown.str.strip_prefix("+").cast(pl.Int64, strict=False).is_null()
    matching = shown.filter(other).str.contains(_MASKED_END).sum()
    ending = carrier.select(matching, total=pl.len()).collect().row(0)
    if not len(masked) and not ending[0]:
        return None
    if ending[0] and ending[0] >= _MOST * ending[1]:
        visible = carrier.select(
            shown.filter(shown.str.contains(_MASKED_END)).str.replace(r"[xX*]+$", "").str.len_bytes().min()
        ).collect()
        first = int(visible.item())
        return Notation(
            first=first, findings=(f"called numbers are masked: their first {first - 1} digits are compared",)
        )
    beginnings = masked.filter(masked.str.contains(_MASKED_BEGINNING))
    if len(beginnings) and len(beginnings) >= _MOST * max(len(called), 1):
        last = int(beginnings.str.extract(r"([0-9]+)$", 1).str.len_bytes().min())  # type: ignore[arg-type]
        return Notation(last=last, findings=(f"called numbers are masked: their last {last} digits are compared",))
    return None


def masked_example(texts: Sequence[str]) -> str:
    """A number whose digits after the first four are hidden, to show its notation."""
    if not texts:
        return "none"
    text = texts[0]
    return text[:4] + "".join("x" if sign.isdigit() else sign for sign in text[4:])
