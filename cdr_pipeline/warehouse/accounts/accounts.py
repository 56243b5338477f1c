"""Accounts: their place in the account tree, time zones, and the API dialect of their switch."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.account_zones import AccountZones, EarlierZone
from cdr_pipeline.errors import AccountNotFound
from cdr_pipeline.warehouse.statement_runner import LedgerTables

# Days around a date that may hold a call of that date in another time zone.
_EDGE_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Account:
    """A node of the account tree.

    Attributes:
        account_id: id of the account on the switch.
        name: display name.
        parent_id: parent account; None for a root.
        time_zone: IANA name of the time zone that decides the business date of its calls.
        country_code: E.164 country code of national numbers, digits only; None if it is not set.
        dialect: dialect of the switch's API; None until the switch has been contacted.
        dialect_seen_at: when the switch last answered in this dialect.
        active: whether the nightly run collects the account.
        earlier_zones: time zones that applied to earlier days, oldest first.
        realm: SIP realm of the account on the switch; "" if it is unknown.
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
    realm: str = ""

    @property
    def zones(self) -> AccountZones:
        """Time zone of each day of the account."""
        return AccountZones(self.time_zone, self.earlier_zones)


class AccountTable(LedgerTables):
    """Accounts, by the id that the switch gives them."""

    @contextmanager
    def lock_out_loads(self, account_id: str) -> Generator[None]:
        """Open a transaction that blocks loads and sealing of the account; waits for those that already run."""
        with self.connection.transaction():
            self.statements.rows("records/lock_account", account_id=account_id)
            yield

    def add(self, account: Account, *, now: datetime) -> None:
        """Adds an account; does nothing if an account of that id exists."""
        self.statements.execute(
            "accounts/add_account",
            account_id=account.account_id,
            name=account.name,
            parent_id=account.parent_id,
            time_zone=account.time_zone,
            country_code=account.country_code,
            active=account.active,
            realm=account.realm,
            now=now,
        )

    def change_account(self, account: Account) -> None:
        """Changes name, parent, time zone, country code and ``active`` of an existing account."""
        self.statements.execute(
            "accounts/change_account",
            account_id=account.account_id,
            name=account.name,
            parent_id=account.parent_id,
            time_zone=account.time_zone,
            country_code=account.country_code,
            active=account.active,
        )

    def set_name_and_parent(self, account_id: str, *, name: str, parent_id: str | None, realm: str = "") -> None:
        """Changes the values that the switch decides: name, parent account and realm."""
        self.statements.execute(
            "accounts/set_name_and_parent", account_id=account_id, name=name, parent_id=parent_id, realm=realm
        )

    def deactivate_account(self, account_id: str) -> None:
        """Stops the nightly collection of an account."""
        self.statements.execute("accounts/deactivate_account", account_id=account_id)

    def all(self) -> list[Account]:
        """All accounts, including inactive ones, by id."""
        return self._accounts(None)

    def find_account(self, account_id: str) -> Account | None:
        """Current state of an account; None if no account has this id."""
        return next(iter(self._accounts([account_id])), None)

    def find_accounts(self, account_ids: Sequence[str]) -> list[Account]:
        """Current state of accounts, by id; ids of no account are left out."""
        return self._accounts(list(account_ids))

    def named(self, *, name: str | None = None, realm: str | None = None) -> list[str]:
        """Ids of the accounts of a name, compared by its letters and digits, or of a realm."""
        return [row["account_id"] for row in self.statements.rows("accounts/named_accounts", name=name, realm=realm)]

    def reread_account(self, account: Account) -> Account:
        """Current state of the account. A load rereads it after locking the account, so the time zone cannot change."""
        return self.find_account(account.account_id) or account

    def subtree(self, account_id: str) -> tuple[str, ...]:
        """Ids of an account and of all accounts below it; empty if the account is not registered."""
        (row,) = self.statements.rows("accounts/account_scope", account_id=account_id)
        return tuple(row["account_ids"] or ())

    def _accounts(self, account_ids: list[str] | None) -> list[Account]:
        return [
            Account(**row, earlier_zones=tuple(map(EarlierZone, zones, dates)))
            for row in self.statements.rows("accounts/accounts", account_ids=account_ids)
            for zones, dates in [(row.pop("zones"), row.pop("dates"))]
        ]

    def active(self, only: Sequence[str] | None = None) -> list[Account]:
        """Active accounts, or exactly the given ones, by id.

        Args:
            only: ids of the accounts to return, active or not; None for all active accounts.

        Raises:
            AccountNotFound: the warehouse does not have one of the given accounts.
        """
        accounts = {account.account_id: account for account in self.all()}
        if only is None:
            return [account for account in accounts.values() if account.active]
        missing = [account_id for account_id in only if account_id not in accounts]
        if missing:
            raise AccountNotFound(
                f"no such account in the warehouse: {', '.join(missing)}",
                hint="'cdr-pipeline accounts list' shows all accounts, 'cdr-pipeline accounts add' adds one",
            )
        return [accounts[account_id] for account_id in sorted(set(only))]

    def move(self, account: Account, *, until: date, before: str, now: datetime) -> None:
        """Changes an account, including its time zone.

        Args:
            account: the account with its new values.
            until: first business date in the new time zone.
            before: IANA name of the time zone of earlier days.
            now: time of the change.
        """
        with self.connection.transaction():
            self.statements.execute(
                "accounts/add_earlier_zone", account_id=account.account_id, until=until, time_zone=before, now=now
            )
            self.change_account(account)

    def has_records_from(self, account_id: str, instant: datetime, *, before: date) -> bool:
        """Whether a call that started at ``instant`` or later has a business date before ``before``."""
        (row,) = self.statements.rows(
            "records/records_from",
            account_id=account_id,
            instant=instant,
            first_date=before - timedelta(days=_EDGE_DAYS),
            before=before,
        )
        return bool(row["found"])

    def final_days(self, account_id: str, business_dates: Sequence[date]) -> list[date]:
        """Those of the given days that are sealed or restated, by date."""
        rows = self.statements.rows("days/final_days", account_id=account_id, business_dates=list(business_dates))
        return [row["business_date"] for row in rows]

    def newest_day(self, account_id: str) -> date | None:
        """The newest day that has records, was collected, or is final; None if there is none."""
        (row,) = self.statements.rows("days/newest_day", account_id=account_id)
        return row["business_date"]

    def record_dialect(self, account_id: str, dialect: str, *, now: datetime) -> None:
        """Stores the API dialect that the switch uses for an account, and ``now`` as the time it was last seen."""
        self.statements.execute("collect/record_dialect", account_id=account_id, dialect=dialect, now=now)

    def forget_dialects(self, account_ids: Sequence[str]) -> None:
        """Clears the API dialect of accounts; the next collection detects it again."""
        self.statements.execute("collect/forget_dialects", account_ids=list(account_ids))
