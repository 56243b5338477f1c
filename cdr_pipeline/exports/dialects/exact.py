"""The dialect ``exact``: the sealed file of a day. ``exact_csv`` defines its lines; ``daily_file`` writes it."""

from typing import Final

from cdr_pipeline.exports.dialects.dialect import ExportDialect
from cdr_pipeline.exports.exact_csv import header, read_csv

DIALECT: Final = ExportDialect(
    name="exact",
    suffix=".csv",
    description="CSV (RFC 4180, UTF-8) for programs; always written and sealed; the other dialects are made from it",
    read=read_csv,
    header=header,
)
