"""Shapes of the frames that travel between the layers, generated from the field dictionary."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.dictionary import canonical_schema

LINE: Final = "line"
RAW: Final = "raw"
EXTRA: Final = "extra_source"
# Digest of the text of an imported row that has an id of its own, should that id turn out to be another call's.
FINGERPRINT: Final = "fingerprint"

# What travels with each canonical row until it is merged.
#   line          physical line in the file (from 1), or row number in the window (from 1)
#   raw           the row as it came: the file's text, or the JSON of the list row
#   extra_source  JSON object of what the source sent beyond the canonical fields; null when nothing
ESCORT_SCHEMA: Final[dict[str, pl.DataType]] = {LINE: pl.Int64(), RAW: pl.String(), EXTRA: pl.String()}

REJECT_SCHEMA: Final[dict[str, pl.DataType]] = {
    LINE: pl.Int64(),
    "field": pl.String(),
    "reason": pl.String(),
    RAW: pl.String(),
}


def working_schema() -> dict[str, pl.DataType]:
    """Canonical columns, then line, raw and extra_source."""
    return canonical_schema() | ESCORT_SCHEMA


def no_rejects() -> pl.DataFrame:
    """An empty frame of rejects."""
    return pl.DataFrame(schema=REJECT_SCHEMA)


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """Rows that may go on and rows that may not; together they are all rows that came in.

    Attributes:
        rows: ``working_schema()``, one row per record, in the order of ``line``.
        rejects: ``REJECT_SCHEMA``, one row per refused row: the first thing found wrong with it.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
