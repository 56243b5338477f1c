"""Schemas of the frames that the layers exchange, generated from the field dictionary."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import canonical_schema

LINE: Final = "line"
RAW: Final = "raw"
# What is wrong with a rejected value, without the value: its length and the limit. Null where the reason says it all.
DETAIL: Final = "detail"
DAY: Final = "business_date"
EXTRA: Final = "extra_source"
# Digest of the text of an imported row with an id of its own. It detects an id that returns for another call.
FINGERPRINT: Final = "fingerprint"

# Columns that accompany each canonical row until the merge.
#   line          physical line in the file (from 1), or row number in the window (from 1)
#   raw           the row as delivered: the text in the file, or the JSON of the list row
#   extra_source  JSON object of source values that no canonical field holds; null without such values
ESCORT_SCHEMA: Final[dict[str, pl.DataType]] = {LINE: pl.Int64(), RAW: pl.String(), EXTRA: pl.String()}

REJECT_SCHEMA: Final[dict[str, pl.DataType]] = {
    LINE: pl.Int64(),
    "field": pl.String(),
    "reason": pl.String(),
    RAW: pl.String(),
    DETAIL: pl.String(),
    # Business date of the row; null when its start cannot be read or believed.
    DAY: pl.Date(),
}


def working_schema() -> dict[str, pl.DataType]:
    """Canonical columns, then line, raw and extra_source."""
    return canonical_schema() | ESCORT_SCHEMA


def no_rejects() -> pl.DataFrame:
    """An empty frame of rejects."""
    return pl.DataFrame(schema=REJECT_SCHEMA)


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """Accepted rows and rejects of a check. Each input row is in exactly one of them.

    Attributes:
        rows: ``working_schema()``, one row per record, in the order of ``line``.
        rejects: ``REJECT_SCHEMA``, one row per rejected row: its first fault.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
