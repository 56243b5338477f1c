"""What happened to the days of an account, in the order of the commits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import orjson

from cdr_pipeline.warehouse.statement_runner import LedgerTables

ChangeKind = Literal["records", "sealed", "restated", "reconciled", "decided"]


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A change of an account.

    Attributes:
        change_no: number within the account; a reader that has seen one has seen all smaller ones that are kept.
        kind: what happened: records of the day were merged, changed or withdrawn; the day was sealed or restated; its
            reconciliation has a new version; breaks were decided.
        business_date: the day; None if a decision is about several days.
        details: facts about the change, depending on its kind.
        happened_at: time of the change, UTC.
    """

    change_no: int
    kind: ChangeKind
    business_date: date | None
    details: dict[str, Any]
    happened_at: datetime


class ChangeTable(LedgerTables):
    """Changes of accounts."""

    def add(
        self,
        account_id: str,
        kind: ChangeKind,
        dates: Iterable[date | None],
        *,
        now: datetime,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds a change of each date, near the end of a transaction: others of the account wait for its end."""
        changed = sorted(dates, key=lambda day: day or date.min)
        if not changed:
            return
        self.statements.rows("accounts/lock_changes", account_id=account_id)
        self.statements.execute(
            "accounts/add_changes",
            account_id=account_id,
            kind=kind,
            dates=changed,
            details=orjson.dumps(details or {}).decode(),
            now=now,
        )

    def after(self, account_id: str, change_no: int, *, most: int) -> list[AccountChange]:
        """Changes of an account after a number, oldest first."""
        return self.statements.records(
            AccountChange, "accounts/changes_after", account_id=account_id, after=change_no, most=most
        )

    def bounds(self, account_id: str) -> tuple[int, int] | None:
        """Smallest and largest number that are kept; None without a change."""
        first, last = self.statements.tuples("accounts/bounds_of_changes", account_id=account_id)[0]
        return None if first is None else (first, last)

    def forget(self, *, before: datetime) -> int:
        """Removes changes that are older than an instant, except for each account's newest. Returns their number."""
        return self.statements.execute("accounts/forget_changes", before=before)
