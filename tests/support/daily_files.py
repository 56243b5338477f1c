"""Daily files of made records."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile, write_daily_file
from cdr_pipeline.exports.exact_csv import encode
from tests.support.records import rows

COLUMNS = list(names(exported_only=True))
DAY = DailyFile(
    account_id="acct",
    business_date=date(2026, 3, 2),
    version=1,
    time_zone="Europe/Berlin",
    watermark_utc=None,
    rejected_rows=0,
    run_id="run-1",
    created_utc=datetime(2026, 3, 3, 3, tzinfo=UTC),
)
NASTY = [
    "plain",
    "comma, here",
    'a "quote"',
    "line\nend",
    "lone\rreturn",
    "emoji 🌙",
    "\u202eright to left",
    "=1+1",
    ";",
]


def records(*changes: dict[str, Any]) -> pl.DataFrame:
    """Rows of a daily file."""
    return rows(*changes).select(COLUMNS)


def write(folder: Path, *chunks: pl.DataFrame, day: DailyFile = DAY) -> WrittenFile:
    """One daily file."""
    return write_daily_file(map(encode, chunks), day=day, export_dir=folder)
