"""The account tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cdr_pipeline.core.account_zones import AccountZones, EarlierZone
from cdr_pipeline.errors import AccountNotFound
from cdr_pipeline.warehouse.ledger.base import LedgerTables


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
        active: whether the nightly run collects it.
        earlier_zones: in which its days were before, oldest first.
    """

    account_id: str
    name: str = ""
    parent_id: str | None = None
    time_zone: str = "UTC"
    country_code: str | None = None
    dialect: str | None = None
    active: bool = True
    earlier_zones: tuple[EarlierZone, ...] = ()

    @property
    def zones(self) -> AccountZones:
        """The zone of each of its days."""
        return AccountZones(self.time_zone, self.earlier_zones)


class AccountTable(LedgerTables):
    """Accounts, known by the switch's id."""

    def add_account(self, account: Account, *, now: datetime) -> None:
        """Makes an account known, or changes it. Its dialect and its earlier zones are not touched."""
        self._execute(
            "ledger/add_account",
            account_id=account.account_id,
            name=account.name,
            parent_id=account.parent_id,
            time_zone=account.time_zone,
            country_code=account.country_code,
            active=account.active,
            now=now,
        )

    def all_accounts(self) -> list[Account]:
        """Every account, inactive ones included, in the order of their ids."""
        return [
            Account(**row, earlier_zones=tuple(map(EarlierZone, zones, dates)))
            for row in self._rows("read/accounts")
            for zones, dates in [(row.pop("zones"), row.pop("dates"))]
        ]

    def accounts(self, only: Sequence[str] | None = None) -> list[Account]:
        """Active accounts, or those named, in the order of their ids.

        Raises:
            AccountNotFound: one of those named is unknown.
        """
        known = {account.account_id: account for account in self.all_accounts()}
        if only is None:
            return [account for account in known.values() if account.active]
        unknown = [account_id for account_id in only if account_id not in known]
        if unknown:
            raise AccountNotFound(
                f"no such account in the warehouse: {', '.join(unknown)}",
                hint="'cdr-pipeline accounts list' shows the known ones, 'cdr-pipeline accounts add' makes one known",
            )
        return [known[account_id] for account_id in sorted(set(only))]

    def move_account(self, account: Account, *, until: date, before: str, now: datetime) -> None:
        """Changes an account whose days before ``until`` stay in the zone ``before``."""
        with self.connection.transaction():
            self._execute(
                "ledger/add_earlier_zone", account_id=account.account_id, until=until, time_zone=before, now=now
            )
            self.add_account(account, now=now)

    def newest_day(self, account_id: str) -> date | None:
        """The newest day that holds records, was collected or is final."""
        (row,) = self._rows("read/newest_day", account_id=account_id)
        return row["business_date"]

    def record_dialect(self, account_id: str, dialect: str) -> None:
        """Remembers which dialect the switch speaks for an account."""
        self._execute("ledger/record_dialect", account_id=account_id, dialect=dialect)
