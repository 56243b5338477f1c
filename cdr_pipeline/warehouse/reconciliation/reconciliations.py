"""Queries on stored reconciliations: verdict of a day, trend of a carrier, breaks and decisions about them.

``versions`` reads the records to reconcile and writes new versions.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from cdr_pipeline.core.reconcile.result.breaks import Break, CauseSum, OpenBreaks, TrendDay
from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria, day_light
from cdr_pipeline.warehouse.statement_runner import LedgerTables

# A carrier without records is still expected for this many days after its last reconciliation.
_KNOWN_DAYS: Final = 28
_MOST: Final = 1_000_000
_ALL: Final = BreakCriteria()
DayVerdict = Literal["none", "green", "red", "settled", "provisional"]


class DayReconciliation(NamedTuple):
    """An account's day over all its carriers.

    Attributes:
        status: ``none`` if nothing was reconciled; ``red`` if the breaks of a carrier exceed what its profile
            tolerates; ``provisional`` if no carrier is red, but records of a carrier or of the switch may be missing;
            ``settled`` if a carrier would be red, and all its breaks are decided; ``green`` otherwise.
        breaks: number of breaks of all carriers, including decided ones.
        exposure: money at risk over all carriers, each in its own currency.
    """

    status: DayVerdict
    breaks: int
    exposure: Decimal


NEVER_RECONCILED: Final = DayReconciliation("none", 0, Decimal(0))


class _RecordKey(NamedTuple):
    account_id: str
    record_id: str
    business_date: date


# Fields of a break that come from its records, None for a side without a record.
_OF_SWITCH: Final = (
    "switch_call_id", "switch_caller", "switch_callee", "switch_started_at", "switch_answered_at",
)  # fmt: skip
_OF_CARRIER: Final = (
    "carrier_call_id", "carrier_caller", "carrier_callee", "carrier_started_at", "carrier_answered_at", "carrier_rate",
    "carrier_currency", "carrier_file", "carrier_line",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CarrierOfDay:
    """A carrier, the profile that reads its files, and the number of its records around the day."""

    carrier: str
    profile: str
    row_count: int


@dataclass(frozen=True, slots=True)
class SourceHour:
    """Calls and minutes of one source in one hour (UTC) of a business date.

    The last four are numbers of records with implausible values.
    """

    account_id: str
    business_date: date
    source: str
    hour: int
    row_count: int
    minutes: Decimal
    in_future: int
    longer_than_a_day: int
    billed_beyond_length: int
    dear: int


@dataclass(frozen=True, slots=True)
class UnpricedCharges:
    """Charges of a carrier to one destination that nothing verifies."""

    account_id: str
    carrier: str
    destination: str
    call_count: int
    amount: Decimal


class ReconciliationTable(LedgerTables):
    """Reconciliations, by account, carrier and business date."""

    def of_day(self, account_id: str, business_date: date) -> DayReconciliation:
        """Verdict on the day from the newest version of each carrier's reconciliation."""
        carriers = self.statements.rows(
            "reconciliation/day_verdict", account_id=account_id, business_date=business_date
        )
        return DayReconciliation(
            _verdict(
                {
                    (
                        row["status"],
                        day_light(
                            row["light"],
                            breaks=row["breaks"],
                            open_breaks=row["undecided"],
                            unverified=row["unverified"],
                        ),
                    )
                    for row in carriers
                }
            ),
            sum(row["breaks"] for row in carriers),
            sum((row["exposure"] for row in carriers), Decimal(0)),
        )

    def reconciled_carriers(self, account_id: str, business_date: date) -> list[str]:
        """Carriers that have a reconciliation of an account's day."""
        rows = self.statements.rows("reconciliation/day_verdict", account_id=account_id, business_date=business_date)
        return [row["carrier"] for row in rows]

    def days_changed_since(self, account_ids: Sequence[str], since: datetime) -> list[date]:
        """Business dates with decisions about breaks, or with new versions, since a time; oldest first."""
        rows = self.statements.rows("reconciliation/days_changed_since", account_ids=list(account_ids), since=since)
        return [row["business_date"] for row in rows]

    def carriers_of_day(self, account_id: str, business_date: date) -> list[CarrierOfDay]:
        """Carriers that have records around the day or were reconciled in the four weeks before it.

        Ordered by carrier and profile.
        """
        return self.statements.records(
            CarrierOfDay,
            "reconciliation/carriers_of_day",
            account_id=account_id,
            business_date=business_date,
            near_dates=_around(business_date),
            known_since=business_date - timedelta(days=_KNOWN_DAYS),
        )

    def day_state(self, account_id: str, business_date: date) -> tuple[int, datetime | None]:
        """Number of changes of the day and the days next to it, and the time up to which the switch was collected."""
        (row,) = self.statements.rows(
            "reconciliation/day_state",
            account_id=account_id,
            business_date=business_date,
            near_dates=_around(business_date),
        )
        return row["changes"], row["complete_through"]

    def due_days(self, account_id: str, first_date: date, last_date: date) -> list[date]:
        """Reconciled days between two dates that must be reconciled again: their records or neighbours have changed."""
        rows = self.statements.rows(
            "reconciliation/due_days", account_id=account_id, first_date=first_date, last_date=last_date
        )
        return [row["business_date"] for row in rows]

    def trend(self, account_id: str, carrier: str, first_date: date, last_date: date) -> list[TrendDay]:
        """Reconciled days of a carrier, oldest first."""
        return self.statements.records(
            TrendDay,
            "reconciliation/trend",
            account_id=account_id,
            carrier=carrier,
            first_date=first_date,
            last_date=last_date,
        )

    def open_breaks(self, account_id: str, carrier: str, last_date: date, currency: str) -> list[OpenBreaks]:
        """Undecided breaks of a carrier up to a day, by business date; exposure in one currency only."""
        return self.statements.records(
            OpenBreaks,
            "reconciliation/open_breaks_by_day",
            account_id=account_id,
            carrier=carrier,
            last_date=last_date,
            currency=currency,
        )

    def causes(self, account_id: str, carrier: str, business_date: date, currency: str) -> list[CauseSum]:
        """Calls of a day by cause, detail and currency, most calls first; ``currency`` is for calls that name none."""
        return self.statements.records(
            CauseSum,
            "reconciliation/cause_sums",
            account_id=account_id,
            carrier=carrier,
            business_date=business_date,
            currency=currency,
        )

    def breaks(
        self,
        account_ids: Sequence[str],
        *,
        first_date: date = date.min,
        last_date: date = date.max,
        carrier: str | None = None,
        criteria: BreakCriteria = _ALL,
        states: Sequence[str] = (),
        assignee: str | None = None,
        id_prefix: str = "",
        most: int = _MOST,
    ) -> list[Break]:
        """Breaks of the newest versions, the largest amount at risk first.

        Args:
            account_ids: accounts that own the records.
            first_date: first business date to look at.
            last_date: last business date to look at.
            carrier: only breaks of this carrier; None for that of the criteria.
            criteria: which breaks.
            states: decisions, or ``open``; empty for all.
            assignee: only breaks that this person is in charge of; None for all.
            id_prefix: beginning of the ids of the breaks.
            most: largest number of breaks to return.
        """
        rows = self.statements.rows(
            "reconciliation/breaks",
            account_ids=list(account_ids),
            first_date=first_date,
            last_date=last_date,
            **criteria_parameters(criteria if carrier is None else replace(criteria, carrier=carrier)),
            states=list(states),
            assignee=assignee,
            id_prefix=id_prefix,
            most=most,
        )
        legs = self._records_of(rows, "reconciliation/legs_of_breaks", "switch")
        records = self._records_of(rows, "reconciliation/records_of_breaks", "carrier")
        return [_break(row, legs, records) for row in rows]

    def _records_of(self, rows: Sequence[dict[str, Any]], name: str, side: str) -> dict[_RecordKey, dict[str, Any]]:
        """Records of one side of breaks by their keys."""
        keys = [_key(row, side) for row in rows if row[f"{side}_record_id"] is not None]
        if not keys:
            return {}
        records = self.statements.rows(
            name,
            account_ids=sorted({key.account_id for key in keys}),
            record_ids=sorted({key.record_id for key in keys}),
            business_dates=sorted({key.business_date for key in keys}),
        )
        return {_RecordKey(*(record.pop(part) for part in _RecordKey._fields)): record for record in records}

    def source_hours(
        self, account_ids: Sequence[str], business_dates: Sequence[date], *, now: datetime
    ) -> list[SourceHour]:
        """Calls, minutes and implausible values by account, business date, source and hour."""
        return self.statements.records(
            SourceHour,
            "reconciliation/source_hours",
            account_ids=list(account_ids),
            business_dates=list(business_dates),
            now=now,
        )

    def unpriced_charges(self, account_ids: Sequence[str], business_date: date) -> list[UnpricedCharges]:
        """Charges of a day that nothing verifies, by account, carrier and destination; most calls first."""
        return self.statements.records(
            UnpricedCharges,
            "reconciliation/unpriced_charges",
            account_ids=list(account_ids),
            business_date=business_date,
        )

    def accounts_of_carriers(self, account_ids: Sequence[str]) -> frozenset[str]:
        """Those of some accounts that have files of carriers, or were ever reconciled."""
        rows = self.statements.tuples("reconciliation/accounts_of_carriers", account_ids=list(account_ids))
        return frozenset(account_id for (account_id,) in rows)


def _key(row: dict[str, Any], side: str) -> _RecordKey:
    return _RecordKey(row["account_id"], row[f"{side}_record_id"], row[f"{side}_date"])


def _break(
    row: dict[str, Any], legs: dict[_RecordKey, dict[str, Any]], records: dict[_RecordKey, dict[str, Any]]
) -> Break:
    leg, record = legs.get(_key(row, "switch"), {}), records.get(_key(row, "carrier"), {})
    name = leg.get("caller_id_name")
    values: dict[str, Any] = {
        part: value for part, value in row.items() if part not in {"class", "switch_date", "carrier_date"}
    }
    values["match_class"] = row["class"]
    values["carrier_record_id"] = _carriers_id(row["carrier_record_id"])
    values["caller_id_name"] = record.get("caller_id_name") if name is None else name
    values |= {part: leg.get(part) for part in _OF_SWITCH} | {part: record.get(part) for part in _OF_CARRIER}
    return Break(**values)


def _carriers_id(record_id: str | None) -> str | None:
    """The id as the carrier has it: without our source and the mark of a native id."""
    if record_id is None:
        return None
    parts = record_id.split(":", 2)
    return parts[2] if len(parts) == 3 and parts[1] == "id" else record_id  # noqa: PLR2004 - source, kind, id


def _around(business_date: date) -> list[date]:
    return [business_date + timedelta(days=off) for off in (-1, 0, 1)]


def _verdict(carriers: set[tuple[str, str]]) -> DayVerdict:
    if not carriers:
        return "none"
    if ("final", "red") in carriers:
        return "red"
    if any(status == "provisional" for status, _ in carriers):
        return "provisional"
    return "settled" if ("final", "settled") in carriers else "green"


def criteria_parameters(criteria: BreakCriteria) -> dict[str, Any]:
    """Parameters of a statement that selects breaks."""
    return asdict(criteria) | {"classes": list(criteria.classes), "causes": list(criteria.causes)}
