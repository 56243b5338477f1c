"""The account tree."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.account_zones import AccountZones, EarlierZone
from cdr_pipeline.errors import AccountNotFound
from cdr_pipeline.warehouse.statement_runner import LedgerTables

# Two zones show dates that are at most this many days apart.
_EDGE_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Account:
    """A node of the account tree.

    Attributes:
        account_id: the switch's id.
        name: for people.
        parent_id: the account above it, if any.
        time_zone: IANA name; decides the business date of its calls.
        country_code: E.164 country code of national numbers, digits only, if known.
        dialect: what its switch was found to speak, if contacted.
        dialect_seen_at: when its switch was last seen to speak it.
        active: whether the nightly run collects it.
        earlier_zones: in which its days were before, oldest first.
    """

    account_id: str
    name: str = ""
    parent_id: str | None = None
    time_zone: str = "UTC"
    country_code: str | None = None
    dialect: str | None = None
    dialect_seen_at: datetime | None = None
    active: bool = True
    earlier_zones: tuple[EarlierZone, ...] = ()

    @property
    def zones(self) -> AccountZones:
        """The zone of each of its days."""
        return AccountZones(self.time_zone, self.earlier_zones)


class AccountTable(LedgerTables):
    """Accounts, known by the switch's id."""

    @contextmanager
    def no_loads(self, account_id: str) -> Generator[None]:
        """A transaction in which no load of the account runs and no day of it is sealed; waits for those that do."""
        with self.connection.transaction():
            self._rows("records/lock_account", account_id=account_id)
            yield

    def add(self, account: Account, *, now: datetime) -> None:
        """Adds an account; one that is known stays as it is."""
        self._execute(
            "accounts/add_account",
            account_id=account.account_id,
            name=account.name,
            parent_id=account.parent_id,
            time_zone=account.time_zone,
            country_code=account.country_code,
            active=account.active,
            now=now,
        )

    def change_account(self, account: Account) -> None:
        """Changes name, parent, zone, country code and activity of a known account."""
        self._execute(
            "accounts/change_account",
            account_id=account.account_id,
            name=account.name,
            parent_id=account.parent_id,
            time_zone=account.time_zone,
            country_code=account.country_code,
            active=account.active,
        )

    def place_in_tree(self, account_id: str, *, name: str, parent_id: str | None) -> None:
        """Changes what the switch decides of a known account: its name and the account above it."""
        self._execute("accounts/place_in_tree", account_id=account_id, name=name, parent_id=parent_id)

    def deactivate_account(self, account_id: str) -> None:
        """Ends the collection of an account."""
        self._execute("accounts/deactivate_account", account_id=account_id)

    def all(self) -> list[Account]:
        """Every account, inactive ones included, in the order of their ids."""
        return self._accounts(None)

    def find_account(self, account_id: str) -> Account | None:
        """An account as it is now; None when there is none of that id."""
        return next(iter(self._accounts(account_id)), None)

    def reread_account(self, account: Account) -> Account:
        """The account as it is now. A load rereads it under the account's lock: its zone cannot change any more."""
        return self.find_account(account.account_id) or account

    def _accounts(self, account_id: str | None) -> list[Account]:
        return [
            Account(**row, earlier_zones=tuple(map(EarlierZone, zones, dates)))
            for row in self._rows("accounts/accounts", account_id=account_id)
            for zones, dates in [(row.pop("zones"), row.pop("dates"))]
        ]

    def active(self, only: Sequence[str] | None = None) -> list[Account]:
        """Active accounts, or those named, in the order of their ids.

        Raises:
            AccountNotFound: one of those named is unknown.
        """
        known = {account.account_id: account for account in self.all()}
        if only is None:
            return [account for account in known.values() if account.active]
        unknown = [account_id for account_id in only if account_id not in known]
        if unknown:
            raise AccountNotFound(
                f"no such account in the warehouse: {', '.join(unknown)}",
                hint="'cdr-pipeline accounts list' shows the known ones, 'cdr-pipeline accounts add' makes one known",
            )
        return [known[account_id] for account_id in sorted(set(only))]

    def move(self, account: Account, *, until: date, before: str, now: datetime) -> None:
        """Changes an account whose days before ``until`` stay in the zone ``before``."""
        with self.connection.transaction():
            self._execute(
                "accounts/add_earlier_zone", account_id=account.account_id, until=until, time_zone=before, now=now
            )
            self.change_account(account)

    def has_records_from(self, account_id: str, instant: datetime, *, before: date) -> bool:
        """Whether a call that started at an instant or later is on a day before a date."""
        (row,) = self._rows(
            "records/records_from",
            account_id=account_id,
            instant=instant,
            first_date=before - timedelta(days=_EDGE_DAYS),
            before=before,
        )
        return bool(row["found"])

    def final_days(self, account_id: str, business_dates: Sequence[date]) -> list[date]:
        """Which of some days are sealed or restated, in the order of their dates."""
        rows = self._rows("days/final_days", account_id=account_id, business_dates=list(business_dates))
        return [row["business_date"] for row in rows]

    def newest_day(self, account_id: str) -> date | None:
        """The newest day that holds records, was collected or is final."""
        (row,) = self._rows("days/newest_day", account_id=account_id)
        return row["business_date"]

    def record_dialect(self, account_id: str, dialect: str, *, now: datetime) -> None:
        """Remembers which dialect the switch speaks for an account, and that it was seen to do so now."""
        self._execute("collect/record_dialect", account_id=account_id, dialect=dialect, now=now)

    def forget_dialects(self, account_ids: Sequence[str]) -> None:
        """Has the dialect of accounts found out anew by their next collection."""
        self._execute("collect/forget_dialects", account_ids=list(account_ids))
