"""Input and output of a reconciliation: reads the records to compare and writes versions of the result.

A version is written in one transaction, and only if it differs from the newest one.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson
import polars as pl
from psycopg import Connection

from cdr_pipeline.core.fields.dictionary import BY_NAME, Kind
from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.inputs.compared_columns import COMPARED_COLUMNS
from cdr_pipeline.core.reconcile.result.money_totals import RejectedCharges
from cdr_pipeline.core.reconcile.result.outcomes import (
    LINKED_CLASSES,
    STORED_COLUMNS,
    Changes,
    changes_between,
    currency_of_outcome,
)
from cdr_pipeline.warehouse.accounts.changes import ChangeTable
from cdr_pipeline.warehouse.records.links import Link, set_links, set_parts, withdraw_links, withdraw_parts
from cdr_pipeline.warehouse.statement_runner import LedgerTables, StatementRunner
from cdr_pipeline.warehouse.statements import identifiers, statement

_CURRENT: Final = ("outcome_id", "class", "is_break", "switch_record_id", "carrier_record_id", "part_of")


@dataclass(frozen=True, slots=True)
class CarrierDay:
    """The unit of reconciliation: one account, one carrier, one business date."""

    account_id: str
    carrier: str
    business_date: date


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open time interval and the business dates that it touches."""

    starts_at: datetime
    ends_at: datetime
    first_date: date
    last_date: date


class InputHashes(NamedTuple):
    """Hashes of everything a reconciliation depends on; equal hashes give an equal result."""

    inputs_hash: str
    rules_hash: str
    code_version: str


@dataclass(frozen=True, slots=True)
class ReconciliationVersion:
    """A reconciliation as stored; the attributes are named like the columns of the table.

    Attributes:
        status: provisional while records may be missing, else final.
        light: red if the breaks exceed what the profile tolerates.
        findings: most important results as text, without personal data.
        inputs_hash, rules_hash, code_version: see ``InputHashes``.
        totals: rows of ``outcomes.totals_of``.
        seen_changes: change count of the day and its neighbours when the records were read.
        unverified: whether lines are rejected, or charges not compared at all, so that no decision settles the day.
    """

    status: str
    light: str
    findings: list[str]
    inputs_hash: str
    rules_hash: str
    code_version: str
    profile: str | None
    currency: str
    switch_rows: int
    switch_seconds: Decimal
    switch_amount: Decimal | None
    carrier_rows: int
    carrier_seconds: Decimal
    carrier_amount: Decimal | None
    breaks: int
    exposure: Decimal
    offset_status: str
    offset_ms: int
    drift_ppm: float
    spread_ms: int
    offset_pairs: int
    offset_finding: str
    totals: list[dict[str, Any]]
    seen_changes: int
    unverified: bool = False

    @property
    def basis(self) -> InputHashes:
        """Hashes of the inputs."""
        return InputHashes(self.inputs_hash, self.rules_hash, self.code_version)

    @property
    def rejected_lines(self) -> int:
        """Number of lines of the carrier's files of the day that cannot be read."""
        return sum(row["carrier_rows"] for row in self.totals if row["class"] == MatchClass.REJECTED.value)


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version in the warehouse.

    Attributes:
        day: account, carrier and business date.
        number: version number, starting at 1.
        version: content of the version.
        appeared, resolved, changed: breaks compared with the version before.
        reconciled_at: when the version was written.
        fresh: whether this call wrote the version; False if an equal one existed.
    """

    day: CarrierDay
    number: int
    version: ReconciliationVersion
    appeared: int
    resolved: int
    changed: int
    reconciled_at: datetime
    fresh: bool = False


class VersionTable(LedgerTables):
    """Records to compare and versions of reconciliations, by account, carrier and business date."""

    def compared_records(self, day: CarrierDay, span: TimeRange) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Reads the records of the switch and of the carrier that started in a time range, from one snapshot.

        Returns:
            Two frames of ``COMPARED_COLUMNS`` in the types of the field dictionary, one row per record, by record id.
        """
        parameters = asdict(span) | {"account_id": day.account_id, "carrier": day.carrier}
        with self.connection.transaction():
            self.connection.execute(statement("reconciliation/use_one_snapshot"))
            return (
                _copied(self.connection, "reconciliation/copy_switch_records", parameters),
                _copied(self.connection, "reconciliation/copy_carrier_records", parameters),
            )

    def rejected_charges(self, day: CarrierDay) -> list[RejectedCharges]:
        """Open rejected lines of a carrier's files on a day, by currency."""
        return self.statements.records(RejectedCharges, "reconciliation/rejected_charges", **asdict(day))

    def newest(self, day: CarrierDay) -> StoredVersion | None:
        """The newest version of a carrier's day; None if it was never reconciled."""
        rows = self.statements.rows("reconciliation/newest_version", **asdict(day))
        if not rows:
            return None
        row = rows[0]
        version = ReconciliationVersion(**{name: row[name] for name in ReconciliationVersion.__dataclass_fields__})
        return StoredVersion(
            day, row["version"], version, row["appeared"], row["resolved"], row["changed"], row["reconciled_at"]
        )

    def write(
        self,
        day: CarrierDay,
        version: ReconciliationVersion,
        outcomes: pl.DataFrame,
        *,
        now: datetime,
        run_id: str | None,
    ) -> StoredVersion:
        """Writes a version and links the records of its pairs, in one transaction, unless the newest version equals it.

        Args:
            day: account, carrier and business date.
            version: content of the version.
            outcomes: frame of ``OUTCOME_SCHEMA`` with every call of the day.
            now: time of the version.
            run_id: run of the orchestrator, if any.
        """
        key = asdict(day)
        with self.connection.transaction():
            self.connection.execute(statement("records/lock_account"), key)
            before = self.newest(day)
            if before is not None and before.version.basis == version.basis:
                return before
            number = before.number + 1 if before else 1
            with self.connection.cursor() as cursor:
                current = self.statements.frame("reconciliation/copy_current", _CURRENT, **key)
                changes = changes_between(current.with_columns(pl.col("is_break") == "t"), outcomes)
                if changes.removed.height:
                    ids = changes.removed["outcome_id"].to_list()
                    cursor.execute(
                        statement("reconciliation/close_outcomes"), key | {"version": number, "outcome_ids": ids}
                    )
                _insert(self.connection, day, number, changes.added, now)
                _link(self.connection, day, changes, outcomes, now=now, run_id=run_id)
                counts = {"appeared": changes.appeared, "resolved": changes.resolved, "changed": changes.changed}
                totals = orjson.dumps(version.totals, default=str).decode()
                values = asdict(version) | {"totals": totals}
                cursor.execute(
                    statement("reconciliation/record_version"),
                    key | values | counts | {"version": number, "run_id": run_id, "now": now},
                )
            ChangeTable(self.connection).add(
                day.account_id,
                "reconciled",
                [day.business_date],
                now=now,
                details={"carrier": day.carrier, "version": number, **counts},
            )
        return StoredVersion(day, number, version, **counts, reconciled_at=now, fresh=True)

    def restore_links(self, day: CarrierDay, *, now: datetime, run_id: str | None) -> None:
        """Sets missing links of the pairs of a carrier's newest version again.

        A link by call id replaces a link of reconciliation. When it ends, the reconciled records are the same as
        before, so no new version is written that would link them.
        """
        parameters = asdict(day) | {"classes": list(LINKED_CLASSES)}
        if self.connection.execute(statement("records/unlinked_pairs"), parameters).fetchone() is None and (
            self.connection.execute(statement("records/unlinked_parts"), parameters).fetchone() is None
        ):
            return
        with self.connection.transaction():
            self.connection.execute(statement("records/lock_account"), parameters)
            pairs = self.connection.execute(statement("records/unlinked_pairs"), parameters).fetchall()
            set_links(self.connection, day.account_id, [Link(*pair) for pair in pairs], now=now, run_id=run_id)
            parts = self.connection.execute(statement("records/unlinked_parts"), parameters).fetchall()
            set_parts(self.connection, day.account_id, [Link(*part) for part in parts], now=now, run_id=run_id)


def _copied(connection: Connection[Any], name: str, parameters: dict[str, Any]) -> pl.DataFrame:
    texts = StatementRunner(connection, parameters).frame(name, COMPARED_COLUMNS)
    return texts.select(_typed(column) if column in BY_NAME else column for column in COMPARED_COLUMNS).sort(
        "record_id"
    )


def _insert(connection: Connection[Any], day: CarrierDay, number: int, added: pl.DataFrame, now: datetime) -> None:
    if added.is_empty():
        return
    rows = added.with_columns(currency_of_outcome().alias("currency")).select(
        pl.lit(day.account_id).alias("account_id"),
        pl.lit(day.carrier).alias("carrier"),
        pl.lit(day.business_date).alias("business_date"),
        pl.lit(number).alias("since_version"),
        pl.lit(now.isoformat()).alias("found_at"),
        *(
            pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ") if name == "started_at" else pl.col(name)
            for name in STORED_COLUMNS
        ),
    )
    StatementRunner(connection).copy("reconciliation/copy_outcomes", rows, stored=identifiers(rows.columns))


def _link(
    connection: Connection[Any],
    day: CarrierDay,
    changes: Changes,
    outcomes: pl.DataFrame,
    *,
    now: datetime,
    run_id: str | None,
) -> None:
    """Links pairs that are one call and withdraws links of pairs that no longer are."""
    pairs = outcomes.filter(
        pl.col("class").is_in(LINKED_CLASSES),
        pl.col("switch_record_id").is_not_null(),
        pl.col("carrier_record_id").is_not_null(),
    )
    ended = changes.removed.drop_nulls(["switch_record_id", "carrier_record_id"]).join(
        pairs, on=["switch_record_id", "carrier_record_id"], how="anti"
    )
    if ended.height:
        withdraw_links(connection, day.account_id, _links(ended), now=now)
    former = changes.removed.drop_nulls("part_of")
    if former.height:
        withdraw_parts(connection, day.account_id, _parts(former), now=now)
    # Earlier pairs are linked already; restore_links sets links that another carrier has ended since.
    if (fresh := pairs.join(changes.added, on="outcome_id", how="semi")).height:
        set_links(connection, day.account_id, _links(fresh), now=now, run_id=run_id)
    parts = outcomes.drop_nulls("part_of")
    if parts.height:
        set_parts(connection, day.account_id, _parts(parts), now=now, run_id=run_id)


def _links(pairs: pl.DataFrame) -> list[Link]:
    return [Link(*pair) for pair in pairs.select("carrier_record_id", "switch_record_id").rows()]


def _parts(outcomes: pl.DataFrame) -> list[Link]:
    return [Link(*part) for part in outcomes.select("carrier_record_id", "part_of").rows()]


def _typed(name: str) -> pl.Expr:
    """Parses PostgreSQL's text of a value; the formats are those of the session's ISO settings."""
    kind = BY_NAME[name].kind
    column = pl.col(name)
    if kind is Kind.INSTANT:
        return column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", time_unit="us", time_zone="UTC")
    if kind is Kind.DATE:
        return column.str.to_date("%Y-%m-%d")
    if kind is Kind.FLAG:
        return column == "t"
    return column.cast(kind.dtype)
