# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false
# Dagster reads the return annotation and knows only the bare class.
"""The warehouse's tables: records and rejects."""

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from cdr_pipeline.core.accounting import BatchCounts
from cdr_pipeline.core.fields import FIELDS
from cdr_pipeline.core.reasons import EXPLANATIONS, Reject
from cdr_pipeline.defs.metadata import (
    counts_metadata,
    failures_metadata,
    reasons_metadata,
    scope_metadata,
    table,
)
from cdr_pipeline.defs.resources import Workplaces
from cdr_pipeline.defs.scope import asked_accounts, asked_dates, asked_replay
from cdr_pipeline.steps.load_day import LoadedDay, LoadRequest, load_day
from cdr_pipeline.steps.load_uploads import LoadedUploads, load_uploads

BALANCE = "every_row_is_accounted_for"
VALID = "every_row_is_valid"
COMPLETE = "every_account_is_complete"
VOLUME = "volume_is_usual"
FOREIGN = "no_row_of_another_account"


def cdr_assets(days: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The assets ``cdr`` and ``rejects``, made together: every row ends in one of them."""

    @dg.multi_asset(
        name="load",
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="warehouse",
        pool="warehouse",
        specs=[
            dg.AssetSpec(
                "cdr",
                deps=["api_pages", "uploads"],
                kinds={"postgres", "table"},
                description=(
                    "Call detail records, one row per record as its origin delivered it, tagged api or imported.\n\n"
                    "Merged from landing files: new rows inserted, changed ones updated with their history kept, "
                    "equal ones left alone."
                ),
                metadata={
                    "dagster/table_name": "cdr",
                    "dagster/column_schema": dg.TableSchema(
                        columns=[
                            dg.TableColumn(field.name, field.kind.value, description=field.description)
                            for field in FIELDS
                        ]
                    ),
                },
            ),
            dg.AssetSpec(
                "rejects",
                deps=["api_pages", "uploads"],
                kinds={"postgres", "table"},
                description="Rows that were refused, each with file or window, line, field, reason and raw text.",
                metadata={"dagster/table_name": "rejects"},
            ),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                BALANCE,
                asset="cdr",
                blocking=True,
                description="read = merged + unchanged + duplicate + rejected + filtered, for every batch.",
            ),
            dg.AssetCheckSpec(
                COMPLETE,
                asset="cdr",
                description="Loaded windows cover the whole day of every account that is expected.",
            ),
            dg.AssetCheckSpec(
                VOLUME,
                asset="cdr",
                description=(
                    "No account's day is empty or thin beside the same weekday of the four weeks before: a switch may "
                    "answer 'no rows' where its database failed."
                ),
            ),
            dg.AssetCheckSpec(
                FOREIGN,
                asset="rejects",
                description="The switch delivered no row that belongs to another account than the one asked for.",
            ),
            dg.AssetCheckSpec(
                VALID, asset="rejects", description="No row broke a rule of the field dictionary (Pandera)."
            ),
        ],
    )
    def load(
        context: dg.AssetExecutionContext, workplace: dg.ResourceParam[Workplaces]
    ) -> Iterator[dg.MaterializeResult]:
        accounts = asked_accounts(context)
        at = workplace.open(context)
        loaded = [
            load_day(LoadRequest(day, accounts, replay=asked_replay(context)), at) for day in asked_dates(context)
        ]
        uploads = load_uploads(at, accounts)
        yield _cdr_result(loaded, uploads, accounts)
        yield _rejects_result(loaded, uploads)

    return load


def _total(loaded: list[LoadedDay], uploads: LoadedUploads) -> BatchCounts:
    return sum((day.counts for day in loaded), BatchCounts()) + uploads.counts


def _cdr_result(loaded: list[LoadedDay], uploads: LoadedUploads, accounts: list[str] | None) -> dg.MaterializeResult:
    counts = _total(loaded, uploads)
    failures = [failure for day in loaded for failure in day.failures]
    missing = [(day.business_date, account_id) for day in loaded for account_id in day.incomplete]
    expected = sum(len(day.accounts) for day in loaded)
    touched = {date for day in loaded for account in day.accounts for date in account.touched} | uploads.touched
    per_account = [
        (
            day.business_date,
            part.account_id,
            *_classes(part.counts),
            "complete" if part.complete else "incomplete",
        )
        for day in loaded
        for part in day.accounts
    ]
    per_file = [(item.file_name, item.account_id, *_classes(item.counts), "loaded") for item in uploads.files]
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
    return dg.MaterializeResult(
        asset_key="cdr",
        metadata={
            **scope_metadata(accounts),
            "dagster/row_count": counts.merged + counts.unchanged,
            **counts_metadata(counts),
            "days_changed": ", ".join(str(date) for date in sorted(touched)) or "none",
            "batches": table(header, (per_account + per_file)[:200]),
            **failures_metadata(failures + list(uploads.failures)),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=BALANCE,
                asset_key="cdr",
                passed=counts.read == counts.accounted,
                metadata={"rows_read": counts.read, "rows_accounted_for": counts.accounted},
            ),
            dg.AssetCheckResult(
                check_name=COMPLETE,
                asset_key="cdr",
                passed=not missing,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "account_days_expected": expected,
                    "account_days_complete": expected - len(missing),
                    **({"missing": table(("day", "account"), missing[:200])} if missing else {}),
                },
            ),
            _volume_result(loaded),
        ],
    )


def _volume_result(loaded: list[LoadedDay]) -> dg.AssetCheckResult:
    judged = [
        (day.business_date, part.account_id, part.volume)
        for day in loaded
        for part in day.accounts
        if part.volume is not None
    ]
    suspicious = [
        (day, account_id, volume.rows, volume.usual_rows, volume.verdict)
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
                    "what_to_do": "collect the day again; when it stays thin, ask the switch's operator",
                }
                if suspicious
                else {}
            ),
        },
    )


def _foreign_result(loaded: list[LoadedDay]) -> dg.AssetCheckResult:
    foreign = [
        (day.business_date, part.account_id, part.foreign_rows)
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
                    "accounts": table(("day", "account asked", "foreign rows"), foreign[:200]),
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


def _rejects_result(loaded: list[LoadedDay], uploads: LoadedUploads) -> dg.MaterializeResult:
    reasons: Counter[str] = Counter(uploads.reject_reasons)
    for day in loaded:
        reasons.update(day.reject_reasons)
    explained = [(reason, count, EXPLANATIONS[Reject(reason)]) for reason, count in sorted(reasons.items())]
    return dg.MaterializeResult(
        asset_key="rejects",
        metadata={
            "dagster/row_count": reasons.total(),
            **reasons_metadata(dict(sorted(reasons.items()))),
            **({"what_they_mean": table(("reason", "rows", "meaning"), explained)} if explained else {}),
        },
        check_results=[
            _foreign_result(loaded),
            dg.AssetCheckResult(
                check_name=VALID,
                asset_key="rejects",
                passed=not reasons,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "rows_rejected": reasons.total(),
                    **dict(reasons),
                },
            ),
        ],
    )
