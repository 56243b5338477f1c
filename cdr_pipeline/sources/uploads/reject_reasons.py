"""Rejected rows of a file by reason, with what an operator needs to correct the file or its profile.

A reason names field, column, first line, shape of the value and the allowed words, but no value: values are personal
data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME
from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.normalize.imported import combined
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.uploads.profile import Profile

_LONGEST_SHAPE: Final = 40
_TIMES: Final = frozenset({Reject.NOT_A_TIME, Reject.TIME_EPOCH})


@dataclass(frozen=True, slots=True)
class RejectReason:
    """Rejected rows of one kind.

    Attributes:
        reason: code of the reason.
        field: canonical field, "" for the row as a whole.
        column: column of the file that the field is read from, "" for none.
        rows: number of rows.
        line: first line.
        shape: shape of the value in that line: digits as 9, letters as a.
        expected: allowed words of the field, or the formats of the profile's times; "" where neither applies.
    """

    reason: str
    field: str
    column: str
    rows: int
    line: int
    shape: str
    expected: str = ""

    @property
    def text(self) -> str:
        """One line for the operator."""
        where = f" in {self.field}" if self.field else ""
        column = f" (column {self.column})" if self.column else ""
        expected = f"; expected {self.expected}" if self.expected else ""
        shape = f": {self.shape}" if self.shape else ": no value"
        return f"{self.rows} {self.reason}{where}{column}, first in line {self.line}{shape}{expected}"


@dataclass(slots=True)
class RejectReasons:
    """Collects the reasons of a file, block by block."""

    _found: dict[tuple[str, str], RejectReason] = field(default_factory=dict[tuple[str, str], RejectReason])

    def add(self, rejects: pl.DataFrame, rows: pl.DataFrame, profile: Profile) -> None:
        """Adds the rejects of a block.

        Args:
            rejects: ``REJECT_SCHEMA``.
            rows: rows of the block before they were normalized, with the columns of the file.
            profile: profile that reads the file.
        """
        if rejects.is_empty():
            return
        kinds = rejects.sort(LINE).group_by("reason", "field", maintain_order=True)
        for reason, name, number, line, raw in kinds.agg(
            pl.len(), pl.col(LINE).first().alias("first"), pl.col(RAW).first()
        ).iter_rows():
            before = self._found.get((reason, name))
            if before is not None:
                self._found[reason, name] = replace(before, rows=before.rows + number)
                continue
            row = combined(rows.filter(pl.col(LINE) == line), profile)
            columns = [column for column in profile.fields.get(name, ()) if column in row.columns]
            values = [row[column].item(0) for column in columns] if row.height else []
            text = next((value for value in values if value), "") if columns else raw
            self._found[reason, name] = RejectReason(
                reason,
                name,
                _source(columns[0], profile) if columns else "",
                number,
                line,
                value_shape(text),
                _expected(reason, name, profile),
            )

    def listed(self) -> tuple[RejectReason, ...]:
        """Reasons, the most frequent first."""
        return tuple(sorted(self._found.values(), key=lambda item: (-item.rows, item.reason, item.field)))


def value_shape(text: str) -> str:
    """Shape of a value without its content: digits as 9, letters as a."""
    return "".join(
        "9" if character.isdigit() else "a" if character.isalpha() else character for character in text[:_LONGEST_SHAPE]
    )


def _source(column: str, profile: Profile) -> str:
    """Columns of the file from which a column is made."""
    if column in profile.combine:
        return " and ".join(profile.combine[column])
    return " or ".join(profile.derive[column].source) if column in profile.derive else column


def _expected(reason: str, name: str, profile: Profile) -> str:
    if reason in _TIMES:
        formats = ", ".join(profile.time_formats) if profile.time_notation in ("local", "any") else ""
        return formats or profile.time_notation.replace("_", " ")
    if reason == Reject.NOT_ALLOWED and name in BY_NAME:
        return _either(BY_NAME[name].allowed or ())
    return ""


def _either(words: Sequence[str]) -> str:
    return " or ".join(words) + "; [values] in the profile translates other words" if words else ""
