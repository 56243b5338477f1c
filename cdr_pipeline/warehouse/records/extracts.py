"""Extracts: files of records that accounts requested. The table has requests and states; the files are elsewhere."""

from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from cdr_pipeline.core.records.search import Search
from cdr_pipeline.warehouse.accounts.tenancy import scoped
from cdr_pipeline.warehouse.records.search import copy_rows
from cdr_pipeline.warehouse.statement_runner import LedgerTables

ExtractState = Literal["waiting", "running", "ready", "failed", "expired", "withdrawn", "deleted"]


@dataclass(frozen=True, slots=True)
class Extract:
    """A file of records that was requested.

    Attributes:
        account_id: account that owns the records.
        extract_id: public id.
        owner_id: account of the token that requested it, which is the account or one above it.
        token_id: that token.
        request: the request as it was read; empty once the extract is withdrawn.
        form: form of the list.
        compression: compression of the file.
        first_moment, last_moment: period of the records, both inclusive; None without a period.
        state: ``waiting``; ``running``; ``ready``, the file can be downloaded; ``failed``; ``expired``; ``withdrawn``,
            records were erased, masked or removed; ``deleted``.
        created_at: time of the request.
        attempts: how often a process has begun to make it.
        row_count, byte_count: rows and bytes of the file so far.
        slices, slices_done: parts of the period, and how many of them are in the file.
        file_id: part of the name of the complete file.
        sha256: hash of the complete file, as hex digits.
        error: code, message and hint of the last failure.
        ended_at: when the file was complete, or the extract failed or was withdrawn.
        expires_at: when the file is deleted.
    """

    account_id: str
    extract_id: str
    owner_id: str
    token_id: str
    request: dict[str, Any]
    form: str
    compression: str
    first_moment: datetime | None
    last_moment: datetime | None
    state: ExtractState
    created_at: datetime
    attempts: int
    row_count: int
    byte_count: int
    slices: int
    slices_done: int
    file_id: str | None
    sha256: str | None
    error: dict[str, str] | None
    ended_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewExtract:
    """A request; the attributes are those of ``Extract``."""

    account_id: str
    extract_id: str
    owner_id: str
    token_id: str
    request: Mapping[str, Any]
    form: str
    compression: str
    first_moment: datetime | None
    last_moment: datetime | None


@dataclass(frozen=True, slots=True)
class ExtractUse:
    """What an owner uses: extracts that are not made yet, and bytes of files."""

    waiting: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class ExtractProgress:
    """How far a file is; the attributes are those of ``Extract``."""

    row_count: int = 0
    byte_count: int = 0
    slices: int = 0
    slices_done: int = 0


class ExtractTable(LedgerTables):
    """Requested files of records. Claims use the clock of the warehouse."""

    def add(self, wanted: NewExtract, *, now: datetime) -> None:
        """Records a request."""
        self.statements.execute(
            "records/add_extract",
            account_id=wanted.account_id,
            extract_id=wanted.extract_id,
            owner_id=wanted.owner_id,
            token_id=wanted.token_id,
            request=Jsonb(dict(wanted.request)),
            form=wanted.form,
            compression=wanted.compression,
            first_moment=wanted.first_moment,
            last_moment=wanted.last_moment,
            now=now,
        )

    def use_of(self, owner_id: str, *, without: str | None = None) -> ExtractUse:
        """What an owner uses, without one extract if its id is given."""
        (use,) = self.statements.records(ExtractUse, "records/use_of_extracts", owner_id=owner_id, extract_id=without)
        return use

    def extracts(
        self, account_id: str, owners: Collection[str], *, extract_id: str | None = None, most: int = 1
    ) -> list[Extract]:
        """Extracts of an account that some owners requested, newest first; only that of an id if one is given."""
        return self.statements.records(
            Extract, "records/extracts", account_id=account_id, owners=sorted(owners), extract_id=extract_id, most=most
        )

    def claim(self, claim: str, *, seconds: float, now: datetime) -> Extract | None:
        """Claims the oldest extract that can be made now; None if there is none.

        Args:
            claim: id of the claim.
            seconds: how long it is valid unless it is extended.
            now: current time.
        """
        found = self.statements.records(Extract, "records/claim_extract", claim=claim, seconds=seconds, now=now)
        return found[0] if found else None

    def keep(self, extract_id: str, claim: str, progress: ExtractProgress, *, seconds: float) -> bool:
        """Extends a claim and records how far the file is. False if the claim is lost, as after a cancellation."""
        return bool(
            self.statements.execute(
                "records/keep_extract",
                extract_id=extract_id,
                claim=claim,
                seconds=seconds,
                row_count=progress.row_count,
                byte_count=progress.byte_count,
                slices=progress.slices,
                slices_done=progress.slices_done,
            )
        )

    def complete(
        self,
        extract_id: str,
        claim: str,
        progress: ExtractProgress,
        *,
        sha256: str,
        now: datetime,
        expires_at: datetime,
    ) -> bool:
        """Records that the file, which the claim is a part of the name of, is complete. False if the claim is lost."""
        return bool(
            self.statements.execute(
                "records/complete_extract",
                extract_id=extract_id,
                claim=claim,
                row_count=progress.row_count,
                byte_count=progress.byte_count,
                slices=progress.slices,
                sha256=sha256,
                now=now,
                expires_at=expires_at,
            )
        )

    def fail(self, extract_id: str, claim: str, error: Mapping[str, str], *, now: datetime) -> None:
        """Records why the file was not made."""
        self.statements.execute(
            "records/fail_extract", extract_id=extract_id, claim=claim, error=Jsonb(dict(error)), now=now
        )

    def postpone(
        self, extract_id: str, claim: str, *, error: Mapping[str, str] | None, next_attempt_at: datetime
    ) -> None:
        """Gives a claimed extract back; without an error, the attempt does not count."""
        self.statements.execute(
            "records/postpone_extract",
            extract_id=extract_id,
            claim=claim,
            error=None if error is None else Jsonb(dict(error)),
            next_attempt_at=next_attempt_at,
            taken_back=int(error is None),
        )

    def delete(self, account_id: str, extract_id: str, *, now: datetime) -> bool:
        """Cancels an extract or has its file deleted. Returns whether there was one."""
        return bool(
            self.statements.execute("records/delete_extract", account_id=account_id, extract_id=extract_id, now=now)
        )

    def withdraw(
        self,
        account_id: str,
        error: Mapping[str, str],
        *,
        now: datetime,
        before: datetime | None = None,
        pattern: str | None = None,
    ) -> int:
        """Ends extracts whose files may show what was erased, masked or removed.

        Args:
            account_id: account that owns the records.
            error: code, message and hint that are shown.
            now: current time.
            before: only extracts whose period begins before this time, or that have none.
            pattern: only extracts whose request contains what this regular expression describes.

        Returns:
            Number of extracts.
        """
        return self.statements.execute(
            "records/withdraw_extracts",
            account_id=account_id,
            error=Jsonb(dict(error)),
            now=now,
            before=before,
            pattern=pattern,
        )

    def expire(self, *, now: datetime) -> int:
        """Ends the extracts whose files have been kept long enough. Returns their number."""
        return self.statements.execute("records/expire_extracts", now=now)

    def to_clear(self) -> list[tuple[str, str]]:
        """Account and id of the ended extracts whose files are not known to be deleted."""
        return [
            (account_id, extract_id) for account_id, extract_id in self.statements.tuples("records/extracts_to_clear")
        ]

    def known(self) -> set[str]:
        """Ids of all extracts."""
        return {extract_id for (extract_id,) in self.statements.tuples("records/known_extracts")}

    def clear(self, extract_id: str) -> None:
        """Records that the file of an ended extract is deleted."""
        self.statements.execute("records/clear_extract", extract_id=extract_id)

    def forget(self, *, before: datetime) -> None:
        """Deletes extracts that ended before a time, and deleted ones."""
        self.statements.execute("records/forget_extracts", before=before)

    def recorded_days(self, account_id: str) -> tuple[date, date] | None:
        """First and last business date of the records of an account; None without records."""
        (row,) = self.statements.rows("records/recorded_days", account_id=account_id)
        return None if row["first_day"] is None else (row["first_day"], row["last_day"])

    def rows(self, search: Search, *, as_json: bool, seconds: float) -> Generator[tuple[bytes, int]]:
        """Rows of a search of one account, under row level security; the connection is busy until they are read.

        Args:
            search: the search.
            as_json: whether the rows are JSON lines instead of CSV with a header.
            seconds: time limit of the statement in seconds.

        Yields:
            Pieces of bounded size with the number of their lines, the header included.
        """
        (account_id,) = search.accounts
        with scoped(self.connection, account_id, seconds=seconds):
            yield from copy_rows(self.connection, search, as_json=as_json)

    def cancel(self) -> None:
        """Cancels the statement of ``rows`` that another thread reads."""
        self.connection.cancel()
