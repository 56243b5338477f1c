"""Problems of daily files: outdated, late after sealing, damaged, not delivered."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath

from cdr_pipeline.core.charts.composed_text import ComposedText, counted
from cdr_pipeline.steps.days.sealed_files import FileFault
from cdr_pipeline.steps.operations.health.problem import (
    FORGOTTEN,
    Problem,
    Subject,
    titled,
)
from cdr_pipeline.warehouse.ledger import Ledger, SealedFile

_SEALED_FAULTS: dict[str, str] = {
    FileFault.MISSING: "the file is missing",
    FileFault.CHANGED: "the file has other bytes than were sealed",
    FileFault.MANIFEST_MISSING: "the manifest is missing",
    FileFault.MANIFEST_CHANGED: "the manifest has changed",
    FileFault.NOT_LISTED: "SHA256SUMS does not list it with its hash",
    FileFault.RECORDS_DIFFER: "the restored warehouse has other records than the file",
}
# Codes of problems with sealed files.
SEALED_CODES = frozenset(f"sealed_{fault}" for fault in _SEALED_FAULTS)


def outdated_file_problems(ledger: Ledger, account_ids: list[str], now: datetime) -> Iterator[Problem]:
    """Daily files of open days that do not show the latest records."""
    for files in ledger.health.outdated_files(account_ids, before=now - FORGOTTEN):
        if files.still_open:
            yield Problem(
                ComposedText(
                    "{day}: files without their latest records: {accounts}",
                    day=files.business_date,
                    accounts=counted(files.accounts, "{count} account", "{count} accounts"),
                ),
                "file_outdated",
                files.since,
                f"cdr-pipeline export --date {files.business_date}",
                str(files.business_date),
                subject=Subject("night", business_date=files.business_date),
            )


def late_day_problems(ledger: Ledger, account_ids: list[str], before: datetime) -> Iterator[Problem]:
    """Sealed days that are ``late_pending`` since before an instant."""
    for files in ledger.health.outdated_files(account_ids, before=before):
        if not files.still_open:
            yield Problem(
                ComposedText(
                    "{day}: late_pending for {accounts}: records arrived or changed after the day was sealed",
                    day=files.business_date,
                    accounts=counted(files.accounts, "{count} account", "{count} accounts"),
                ),
                "restatement_due",
                files.since,
                f"cdr-pipeline days restate --by NAME --reason WHY --date {files.business_date}",
                str(files.business_date),
                subject=Subject("late_days", business_date=files.business_date),
            )


def sealed_file_problems(ledger: Ledger, names: Mapping[str, str]) -> Iterator[Problem]:
    """Faults that the last run of ``check_sealed_files`` recorded."""
    by_fault: dict[tuple[str, str], list[SealedFile]] = {}
    for file in ledger.sealed_files.faulty_files():
        by_fault.setdefault((file.account_id, file.fault or ""), []).append(file)
    for (account_id, fault), files in by_fault.items():
        first = files[0]
        more = ComposedText(" and {count} more", count=len(files) - 1) if len(files) > 1 else ""
        if fault == FileFault.RECORDS_DIFFER:
            command = f"cdr-pipeline collect --replay --date {first.business_date} --account {account_id}"
        else:
            command = f"cdr-pipeline days repair --account {account_id}"
        yield Problem(
            ComposedText(
                "account {account}: {file}{more}, sealed: {fault}",
                account=titled(account_id, names),
                file=PurePosixPath(first.path).name,
                more=more,
                fault=ComposedText(_SEALED_FAULTS[fault]),
            ),
            f"sealed_{fault}",
            min(file.fault_since for file in files if file.fault_since is not None),
            command,
            f"account {account_id}",
        )


def delivery_problems(ledger: Ledger, account_ids: list[str], now: datetime) -> Iterator[Problem]:
    """Files that a target refused, or that are due there for hours."""
    by_target: dict[tuple[str, str, str], list[datetime]] = {}
    for delivery in ledger.deliveries.list_all(account_ids, ["pending", "refused"]):
        if delivery.state == "refused" or delivery.age(now) > FORGOTTEN:
            key = (delivery.target, delivery.state, delivery.error_code or "delivery")
            by_target.setdefault(key, []).append(delivery.due_at)
    for (target, state, code), due in by_target.items():
        again = " --again" if state == "refused" else ""
        yield Problem(
            ComposedText(
                "{files} not yet delivered to {target}",
                files=counted(len(due), "{count} file", "{count} files"),
                target=target,
            ),
            code,
            min(due),
            f"cdr-pipeline deliver --target {target}{again}",
            f"{target} {state}",
            subject=Subject("delivery", name=state),
        )
