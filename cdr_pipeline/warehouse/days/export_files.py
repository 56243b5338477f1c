"""Daily files that were written, as others fetch them."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple, Self

from cdr_pipeline.warehouse.statement_runner import LedgerTables

_ID: Final = re.compile(r"(\d{4}-\d{2}-\d{2})_v([1-9]\d{0,8})_([a-z][a-z0-9_]{0,31})")


class FileKey(NamedTuple):
    """What the id of a file says."""

    business_date: date
    version: int
    dialect: str


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A daily file on record."""

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
        """Its id within its account."""
        return f"{self.business_date}_v{self.version}_{self.dialect}"

    @classmethod
    def key_of(cls: type[Self], file_id: str) -> FileKey | None:
        """What an id names; None for what is no id."""
        found = _ID.fullmatch(file_id)
        if found is None:
            return None
        try:
            return FileKey(date.fromisoformat(found[1]), int(found[2]), found[3])
        except ValueError:
            return None


class FileTable(LedgerTables):
    """Daily files, by account, business date, version and dialect."""

    def published_files(self, account_id: str, first_date: date, last_date: date) -> list[PublishedFile]:
        """Files of an account's days, by day, version and dialect."""
        rows = self._rows("days/published_files", account_id=account_id, first_date=first_date, last_date=last_date)
        return [PublishedFile(**row) for row in rows]
