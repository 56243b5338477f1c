"""Dialects of a day's files and the names of all exported files."""

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
# Prefixes of the names of monthly files.
MONTH_FILES: Final = ("month_", "summary_", "journal_")


class ExportDialect(StrEnum):
    """Dialects of a daily file. ``exact`` is the sealed one; the others are made from it.

    exact        RFC 4180, UTF-8, for machines.
    spreadsheet  CSV that spreadsheets open unchanged: byte order mark, quotes, formulas and long digits neutralised.
    xlsx         workbook of text cells.
    parquet      typed columns.
    redacted     as exact, with numbers masked by a keyed hash and without names.
    adjustment   differences from the previous version: rows added, changed, withdrawn.
    """

    EXACT = "exact"
    SPREADSHEET = "spreadsheet"
    XLSX = "xlsx"
    PARQUET = "parquet"
    REDACTED = "redacted"
    ADJUSTMENT = "adjustment"

    @property
    def suffix(self) -> str:
        """Suffix of its file names, before that of the compression."""
        return _SUFFIXES[self]

    @property
    def is_text(self) -> bool:
        """Whether it is a CSV dialect, which may be compressed."""
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
    """Name of a daily file, such as ``cdrs_{account_id}_{yyyy-mm-dd}_v{n}.csv``.

    Raises:
        ExportError: the account id contains other characters and could leave its folder.
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise ExportError("an account id must be 1 to 64 letters, digits, '-' or '_'")
    compression_suffix = SUFFIXES[compression] if dialect.is_text else ""
    return f"cdrs_{account_id}_{business_date}_v{version}{dialect.suffix}{compression_suffix}"


def day_of_name(name: str) -> tuple[str, date, int] | None:
    """Account, business date and version that the name of a daily file or of its manifest states."""
    match = _DAILY_NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return match[1], date.fromisoformat(match[2]), int(match[3])
    except ValueError:
        return None


def month_folder(export_dir: Path, account_id: str, day: date) -> Path:
    """Folder ``{account_id}/{yyyy}/{mm}`` below the root folder of all exports."""
    return export_dir / account_id / f"{day:%Y}" / f"{day:%m}"


def manifest_path(file: Path) -> Path:
    """Path of the manifest of a file."""
    return file.with_name(file.name + MANIFEST_SUFFIX)


def is_data_file(path: Path) -> bool:
    """Whether a file must have a manifest; monthly files have another kind of note."""
    name = path.name
    return not name.startswith((".", *MONTH_FILES)) and any(
        name.endswith(suffix + compression_suffix)
        for suffix in (".csv", ".xlsx", ".parquet")
        for compression_suffix in SUFFIXES.values()
    )
