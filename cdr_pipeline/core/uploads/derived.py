"""Columns that a profile derives from the columns of a file: a small closed set of steps, in a fixed order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl
from pydantic import ConfigDict

from cdr_pipeline.core.uploads.profile_values import STRICT, ColumnName, Columns, Texts


@dataclass(frozen=True, slots=True)
class Derived:
    """One derived column. The steps run in the order of the keys.

    Attributes:
        source: columns of the file; the first that has a value is used.
        when: column to the regular expression that its value must match; otherwise there is no value.
        unless: column to the regular expression that its value must not match; otherwise there is no value.
        remove_prefix: text that is removed from the beginning.
        split: text at which the value is split; "" for no split.
        part: part after the split, from 1; negative numbers count from the end.
        match: regular expression whose first group is the value; there is no value if it does not match.
        nothing: values that mean "no value".
        default: value of rows without a value; "" for none. ``when`` and ``unless`` do not apply to it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    source: Columns = ()
    when: Mapping[ColumnName, str] = field(default_factory=dict[str, str])
    unless: Mapping[ColumnName, str] = field(default_factory=dict[str, str])
    remove_prefix: str = ""
    split: str = ""
    part: int = 1
    match: str = ""
    nothing: Texts = ()
    default: str = ""

    @property
    def columns(self) -> frozenset[str]:
        """Columns of the file that the column depends on."""
        return frozenset({*self.source, *self.when, *self.unless})

    @property
    def expressions(self) -> tuple[str, ...]:
        """Regular expressions of the column."""
        return (*self.when.values(), *self.unless.values(), self.match)

    def value(self, present: Iterable[str]) -> pl.Expr:
        """Text of the column.

        Args:
            present: columns of the file. Conditions on a missing column see no value.
        """
        existing = frozenset(present)
        sources = [pl.col(name).str.strip_chars() for name in self.source if name in existing]
        text = pl.coalesce(sources) if sources else pl.lit(None, pl.String)

        def matches(column: str, pattern: str) -> pl.Expr:
            found = pl.col(column).str.contains(pattern) if column in existing else pl.lit(value=False)
            return found.fill_null(value=False)

        conditions = [matches(*item) for item in self.when.items()]
        conditions += [~matches(*item) for item in self.unless.items()]
        if self.remove_prefix:
            text = text.str.strip_prefix(self.remove_prefix)
        if self.split:
            index = self.part if self.part < 0 else self.part - 1
            text = text.str.split(self.split).list.get(index, null_on_oob=True).str.strip_chars()
        if self.match:
            text = text.str.extract(self.match, 1)
        if conditions:
            text = pl.when(pl.all_horizontal(conditions)).then(text)
        text = pl.when(~text.is_in(["", *self.nothing])).then(text)
        return text.fill_null(pl.lit(self.default)) if self.default else text
