"""Daily files on record, and the ids under which API clients download them."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple, Self

from cdr_pipeline.warehouse.statement_runner import LedgerTables

_ID: Final = re.compile(r"(\d{4}-\d{2}-\d{2})_v([1-9]\d{0,8})_([a-z][a-z0-9_]{0,31})")


class FileKey(NamedTuple):
    """The parts of a file id."""

    business_date: date
    version: int
    dialect: str


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A daily file on record; ``bytes`` is its size."""

    business_date: date
    version: int
    dialect: str
    path: str
    sha256: str
    bytes: int
    row_count: int
    written_at: datetime
    manifest: str | None

    @property
    def file_id(self) -> str:
        """Id of the file within its account."""
        return f"{self.business_date}_v{self.version}_{self.dialect}"

    @classmethod
    def key_of(cls: type[Self], file_id: str) -> FileKey | None:
        """Splits a file id into its parts; None if the text is not a file id."""
        match = _ID.fullmatch(file_id)
        if match is None:
            return None
        try:
            return FileKey(date.fromisoformat(match[1]), int(match[2]), match[3])
        except ValueError:
            return None


class FileTable(LedgerTables):
    """Daily files, by account, business date, version and dialect."""

    def published_files(self, account_id: str, first_date: date, last_date: date) -> list[PublishedFile]:
        """Daily files of an account, by day, version and dialect."""
        return self.statements.records(
            PublishedFile, "days/published_files", account_id=account_id, first_date=first_date, last_date=last_date
        )
