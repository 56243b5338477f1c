"""The dialect ``adjustment``: differences between two versions of a day. ``exports.adjustment`` computes them."""

from typing import Final

from cdr_pipeline.exports.dialects.dialect import ExportDialect
from cdr_pipeline.exports.exact_csv import header, read_csv

DIALECT: Final = ExportDialect(
    name="adjustment",
    suffix=".adjustment.csv",
    description="rows that a restated day has added, changed and withdrawn, as `exact`; written when a day is restated",
    read=read_csv,
    header=header,
    totals_by=("change", "side"),
)
