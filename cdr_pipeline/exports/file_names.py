"""Names of all exported files, and what they state."""

import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.compression import SUFFIXES, Compression
from cdr_pipeline.exports.dialects.registry import EXACT, all_dialects, dialect_named

_ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAILY_NAME: Final = re.compile(r"cdrs_([A-Za-z0-9_-]{1,64})_(\d{4}-\d{2}-\d{2})_v([1-9]\d{0,8})\..+")
MANIFEST_SUFFIX: Final = ".manifest.json"
# Prefixes of the names of monthly files.
MONTH_FILES: Final = ("month_", "summary_", "journal_")


def file_name(
    account_id: str,
    business_date: str,
    version: int,
    dialect: str = EXACT,
    compression: Compression = "none",
) -> str:
    """Name of a daily file, such as ``cdrs_{account_id}_{yyyy-mm-dd}_v{n}.csv``.

    Raises:
        ExportError: the account id contains other characters and could leave its folder; or the dialect is not known.
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise ExportError("an account id must be 1 to 64 letters, digits, '-' or '_'")
    written = dialect_named(dialect)
    compression_suffix = SUFFIXES[compression] if written.is_text else ""
    return f"cdrs_{account_id}_{business_date}_v{version}{written.suffix}{compression_suffix}"


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
    return not name.startswith((".", *MONTH_FILES)) and name.endswith(_data_suffixes())


@cache
def _data_suffixes() -> tuple[str, ...]:
    """Last part of every dialect's suffix, such as ``.csv``, with and without compression."""
    kinds = {Path(f"name{dialect.suffix}").suffix for dialect in all_dialects()}
    return tuple(sorted(kind + compression for kind in kinds for compression in SUFFIXES.values()))
