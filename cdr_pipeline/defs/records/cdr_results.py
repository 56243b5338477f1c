# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""Metadata and check results of a load, for the assets ``cdr`` and ``rejects``."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.core.records.reasons import EXPLANATIONS, Reject
from cdr_pipeline.defs.day_asset import DayResult
from cdr_pipeline.defs.metadata import (
    FAILED_IDS,
    AccountTitles,
    console_link,
    counts_metadata,
    failures_metadata,
    plot,
    reasons_metadata,
    scope_metadata,
    table,
)
from cdr_pipeline.steps.collect.load_day import LoadedDay
from cdr_pipeline.steps.operations.remedies import nightly_command
from cdr_pipeline.steps.uploads.load_uploads import LoadedUploads

BALANCE = "every_row_is_accounted_for"
VALID = "every_row_is_valid"
COMPLETE = "every_account_is_complete"
VOLUME = "volume_is_usual"
FOREIGN = "no_row_of_another_account"


def _total(loaded: list[LoadedDay], uploads: LoadedUploads) -> BatchCounts:
    return sum((day.counts for day in loaded), BatchCounts()) + uploads.counts


def touched_days(loaded: list[LoadedDay], uploads: LoadedUploads) -> set[date]:
    """Business dates whose records changed."""
    return {date for day in loaded for account in day.accounts for date in account.touched} | uploads.touched


def cdr_result(
    loaded: list[LoadedDay],
    uploads: LoadedUploads,
    accounts: list[str] | None,
    summary: dict[str, dg.MetadataValue],
    titles: AccountTitles,
) -> DayResult:
    """Metadata and check results of the table ``cdr``.

    Args:
        loaded: loaded days of the switch.
        uploads: loaded files.
        accounts: accounts of the run; None for all.
        summary: metadata computed from the warehouse after the load.
        titles: names and links of accounts.
    """
    names = titles.names
    counts = _total(loaded, uploads)
    failures = [failure for day in loaded for failure in day.failures]
    touched = touched_days(loaded, uploads)
    per_account = [
        (
            day.business_date,
            titles.day(part.account_id, day.business_date),
            *_classes(part.counts),
            "complete" if part.complete else "incomplete",
        )
        for day in loaded
        for part in day.accounts
    ]
    per_file = [
        (item.file_name, titles.name(item.account_id), *_classes(item.counts), "loaded") for item in uploads.files
    ]
    header = (
        "day or file",
        "account",
        "read",
        "merged",
        "unchanged",
        "duplicate",
        "rejected",
        "filtered",
        "outcome",
    )
    return DayResult(
        asset="cdr",
        metadata={
            **scope_metadata(accounts),
            "dagster/row_count": counts.merged + counts.unchanged,
            **counts_metadata(counts),
            **summary,
            "days_changed": ", ".join(str(date) for date in sorted(touched)) or "none",
            "batches": table(header, (per_account + per_file)[:200]),
            **failures_metadata(failures + list(uploads.failures), names),
        },
        checks=lambda dates: [
            dg.AssetCheckResult(
                check_name=BALANCE,
                asset_key="cdr",
                passed=counts.read == counts.accounted,
                metadata={"rows_read": counts.read, "rows_accounted_for": counts.accounted},
            ),
            _complete_result(_of(loaded, dates), uploads, names),
            _volume_result(_of(loaded, dates), titles),
        ],
    )


def _of(loaded: list[LoadedDay], dates: Sequence[date]) -> list[LoadedDay]:
    return [day for day in loaded if day.business_date in dates]


def _complete_result(loaded: list[LoadedDay], uploads: LoadedUploads, names: Mapping[str, str]) -> dg.AssetCheckResult:
    missing = [(day.business_date, account_id) for day in loaded for account_id in day.incomplete]
    expected = sum(len(day.accounts) for day in loaded)
    failures = [failure for day in loaded for failure in (*day.failures, *day.unfinished)] + list(uploads.failures)
    rows = [(day, account_id, names.get(account_id, "")) for day, account_id in missing[:200]]
    accounts = sorted({account_id for _, account_id in missing} | {failure.account_id for failure in failures})
    days = sorted({day for day, _ in missing}) or [day.business_date for day in loaded]
    return dg.AssetCheckResult(
        check_name=COMPLETE,
        asset_key="cdr",
        passed=not accounts,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "account_days_expected": expected,
            "account_days_complete": expected - len(missing),
            **({"missing": table(("day", "account", "name"), rows)} if missing else {}),
            **failures_metadata(failures, names),
            **(
                {
                    FAILED_IDS: ", ".join(accounts),
                    "what_to_do": nightly_command(accounts, days, [failure.code for failure in failures]),
                }
                if accounts
                else {}
            ),
        },
    )


def _volume_result(loaded: list[LoadedDay], titles: AccountTitles) -> dg.AssetCheckResult:
    judged = [
        (day.business_date, part.account_id, part.volume)
        for day in loaded
        for part in day.accounts
        if part.volume is not None
    ]
    suspicious = [
        (day, titles.day(account_id, day), volume.rows, volume.usual_rows, volume.verdict)
        for day, account_id, volume in judged
        if volume.suspicious
    ]
    return dg.AssetCheckResult(
        check_name=VOLUME,
        asset_key="cdr",
        passed=not suspicious,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "account_days_judged": sum(volume.verdict != "unknown" for _, _, volume in judged),
            "threshold": "below 30 % of the median of the same weekday in the four weeks before",
            **(
                {
                    "suspicious": table(("day", "account", "rows", "usual rows", "verdict"), suspicious[:200]),
                    "what_to_do": "collect the day again; if it still has few rows, ask the switch's operator",
                }
                if suspicious
                else {}
            ),
        },
    )


def _foreign_result(loaded: list[LoadedDay], titles: AccountTitles) -> dg.AssetCheckResult:
    foreign = [
        (day.business_date, titles.name(part.account_id), part.foreign_rows)
        for day in loaded
        for part in day.accounts
        if part.foreign_rows
    ]
    return dg.AssetCheckResult(
        check_name=FOREIGN,
        asset_key="rejects",
        passed=not foreign,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "rows": sum(rows for _, _, rows in foreign),
            **(
                {
                    "accounts": table(("day", "requested account", "foreign rows"), foreign[:200]),
                    "what_to_do": "the rows are rejected, not merged; ask the switch's operator how tenants got mixed",
                }
                if foreign
                else {}
            ),
        },
    )


def _classes(counts: BatchCounts) -> tuple[int, ...]:
    return (
        counts.read,
        counts.merged,
        counts.unchanged,
        counts.duplicate,
        counts.rejected,
        counts.filtered,
    )


def rejects_result(loaded: list[LoadedDay], uploads: LoadedUploads, titles: AccountTitles) -> DayResult:
    """Metadata and check results of the table ``rejects``."""
    reasons: Counter[str] = Counter(uploads.reject_reasons)
    for day in loaded:
        reasons.update(day.reject_reasons)
    explained = [(reason, count, EXPLANATIONS[Reject(reason)]) for reason, count in sorted(reasons.items())]
    return DayResult(
        asset="rejects",
        metadata={
            "dagster/row_count": reasons.total(),
            **reasons_metadata(dict(sorted(reasons.items()))),
            **console_link(titles.settings, "/uploads"),
            **plot("Rejected rows by reason", [(name, {"rows": count}) for name, count, _ in explained]),
            **({"what_they_mean": table(("reason", "rows", "meaning"), explained)} if explained else {}),
        },
        checks=lambda dates: [_foreign_result(_of(loaded, dates), titles), _valid_result(_of(loaded, dates), uploads)],
    )


def _valid_result(loaded: list[LoadedDay], uploads: LoadedUploads) -> dg.AssetCheckResult:
    reasons: Counter[str] = Counter(uploads.reject_reasons)
    for day in loaded:
        reasons.update(day.reject_reasons)
    return dg.AssetCheckResult(
        check_name=VALID,
        asset_key="rejects",
        passed=not reasons,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rows_rejected": reasons.total(),
            **dict(reasons),
            **({"what_to_do": "cdr-pipeline rejects list"} if reasons else {}),
        },
    )
