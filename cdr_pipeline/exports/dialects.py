"""The kinds of file that a day has, and how each is named."""

import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.compression import SUFFIXES, Compression

_ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAILY_NAME: Final = re.compile(r"cdrs_([A-Za-z0-9_-]{1,64})_(\d{4}-\d{2}-\d{2})_v([1-9]\d{0,8})\..+")
MANIFEST_SUFFIX: Final = ".manifest.json"
# What the names of files begin with that are made of a month's days.
MONTH_FILES: Final = ("month_", "summary_", "journal_")


class ExportDialect(StrEnum):
    """How a file is written. ``exact`` is what the others are made of, and what is sealed.

    exact        RFC 4180, UTF-8, for machines.
    spreadsheet  CSV that a spreadsheet opens without damage: marked, quoted, formulas and long digits neutralised.
    xlsx         a workbook of text cells.
    parquet      typed columns.
    redacted     as exact, with numbers masked by a keyed hash and names left out.
    adjustment   what a version changed against the one before: rows added, changed, withdrawn.
    """

    EXACT = "exact"
    SPREADSHEET = "spreadsheet"
    XLSX = "xlsx"
    PARQUET = "parquet"
    REDACTED = "redacted"
    ADJUSTMENT = "adjustment"

    @property
    def suffix(self) -> str:
        """What its files' names end with, before that of their compression."""
        return _SUFFIXES[self]

    @property
    def is_text(self) -> bool:
        """Whether it is a CSV, and so may be packed."""
        return self.suffix.endswith(".csv")


_SUFFIXES: Final = {
    ExportDialect.EXACT: ".csv",
    ExportDialect.SPREADSHEET: ".spreadsheet.csv",
    ExportDialect.XLSX: ".xlsx",
    ExportDialect.PARQUET: ".parquet",
    ExportDialect.REDACTED: ".redacted.csv",
    ExportDialect.ADJUSTMENT: ".adjustment.csv",
}


def file_name(
    account_id: str,
    business_date: str,
    version: int,
    dialect: ExportDialect = ExportDialect.EXACT,
    compression: Compression = "none",
) -> str:
    """Name of a daily file: ``cdrs_{account_id}_{yyyy-mm-dd}_v{n}.csv`` and its like.

    Raises:
        ExportError: the account id could leave its folder.
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise ExportError("an account id is 1 to 64 letters, digits, '-' or '_'")
    packed = SUFFIXES[compression] if dialect.is_text else ""
    return f"cdrs_{account_id}_{business_date}_v{version}{dialect.suffix}{packed}"


def day_of_name(name: str) -> tuple[str, date, int] | None:
    """Account, business date and version that the name of a daily file or of its manifest states."""
    found = _DAILY_NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return found[1], date.fromisoformat(found[2]), int(found[3])
    except ValueError:
        return None


def month_folder(export_dir: Path, account_id: str, day: date) -> Path:
    """``{account_id}/{yyyy}/{mm}`` below the root of all exports."""
    return export_dir / account_id / f"{day:%Y}" / f"{day:%m}"


def manifest_path(file: Path) -> Path:
    """Where the manifest of a file lies."""
    return file.with_name(file.name + MANIFEST_SUFFIX)


def is_data_file(path: Path) -> bool:
    """Whether a file must have a manifest beside it; those of a month have a note of another kind."""
    name = path.name
    return not name.startswith((".", *MONTH_FILES)) and any(
        name.endswith(suffix + packed) for suffix in (".csv", ".xlsx", ".parquet") for packed in SUFFIXES.values()
    )
