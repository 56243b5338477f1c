"""The asset ``reconciliation``: carriers against the switch, with the controls of every source as checks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

import dagster as dg
from pydantic import TypeAdapter

from cdr_pipeline.core.reconcile.result.controls import ControlName, DayControl
from cdr_pipeline.defs.day_asset import DayAsset, DayCheck, DayResult, DayRun
from cdr_pipeline.defs.metadata import (
    AccountTitles,
    failures_metadata,
    folder_metadata,
    plot,
    scope_metadata,
    table,
)
from cdr_pipeline.defs.pools import WAREHOUSE
from cdr_pipeline.defs.shards import AccountWork, day_asset
from cdr_pipeline.errors import UnbalancedReconciliation
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.operations.remedies import dismiss_command, remedy_of, settle_command
from cdr_pipeline.steps.reconciliation.controls import control_day
from cdr_pipeline.steps.reconciliation.reconcile_day import (
    ReconciledCarrier,
    ReconciledDay,
    ReconcileRequest,
    reconcile_day,
)

BALANCE = "every_call_is_in_one_class"
DONE = "every_carrier_is_reconciled"
TOLERATED = "breaks_are_within_what_is_tolerated"
_MOST = 200
_DESCRIPTIONS = {
    ControlName.FILES: "No day and no number is missing in a series of a carrier's files.",
    ControlName.CALLS: "Calls of every source are usual compared with the same weekday of the four weeks before.",
    ControlName.MINUTES: "Minutes of every source are usual compared with the same weekday of the four weeks before.",
    ControlName.HOURS: "No hour that is usually busy is empty.",
    ControlName.PRICES: "The rate card has a price for every call that a carrier charges.",
    ControlName.VALUES: "No record starts in the future, is longer than a day, or has an absurdly high cost.",
}


@dataclass(frozen=True, slots=True)
class ReconciledDays:
    """Reconciled carriers and controls by requested day."""

    reconciled: dict[date, ReconciledDay]
    controls: dict[date, list[DayControl]]


def reconciliation_asset(days: dg.PartitionsDefinition[str], settings: Settings) -> dg.AssetsDefinition:
    """The asset ``reconciliation``."""

    def reconciliation(run: DayRun) -> ReconciledDays:
        """The class of every call that a carrier bills: matched, or a kind of break, with the money at risk.

        Also repeats every earlier day whose records have changed while late records are still expected. Records of the
        same leg are linked and count once. Each day of a carrier has a page below `reconciliation/`.
        """
        reconciled = {
            day: reconcile_day(ReconcileRequest(day, run.accounts, changed_days=day == run.dates[0]), run.ctx)
            for day in run.dates
        }
        controls = {day: control_day(day, run.ctx, run.accounts) for day in run.dates}
        return ReconciledDays(reconciled, controls)

    asset = DayAsset(
        days,
        "finance",
        {"postgres", "html"},
        deps=("cdr",),
        checks=(
            DayCheck(
                BALANCE,
                "Every leg and record is in exactly one class; a result whose sums differ is not stored.",
                blocking=True,
            ),
            DayCheck(DONE, "No carrier's reconciliation failed."),
            DayCheck(
                TOLERATED,
                "Every carrier's breaks and money at risk are tolerated by its profile, or are decided. The sensor"
                " `decided_days` evaluates it again within a minute of a decision.",
            ),
            *(DayCheck(name.value, _DESCRIPTIONS[name]) for name in ControlName),
        ),
    )
    work = AccountWork(
        work=reconciliation,
        results=lambda days, run: [_result(days.reconciled, days.controls, run)],
        join=_joined,
        fail=_failed,
        kind=TypeAdapter(ReconciledDays),
        pool=WAREHOUSE,
    )
    return day_asset(asset, work, settings)


def _joined(shards: Sequence[ReconciledDays], run: DayRun) -> ReconciledDays:
    reconciled, controls = dict[date, ReconciledDay](), dict[date, list[DayControl]]()
    for day in run.dates:
        days = [shard.reconciled[day] for shard in shards]
        carriers = [item for part in days for item in part.carriers]
        carriers.sort(key=lambda item: (item.kept.day.account_id, item.kept.day.business_date, item.kept.day.carrier))
        reconciled[day] = ReconciledDay(day, tuple(carriers), tuple(item for part in days for item in part.failures))
        judged = [control for shard in shards for control in shard.controls[day]]
        controls[day] = sorted(judged, key=lambda control: control.account_id)
    return ReconciledDays(reconciled, controls)


def _failed(failures: Sequence[AccountFailure], run: DayRun) -> ReconciledDays:
    return ReconciledDays(
        {day: ReconciledDay(day, (), tuple(failures)) for day in run.dates}, {day: [] for day in run.dates}
    )


def _result(
    reconciled: Mapping[date, ReconciledDay], controls: Mapping[date, Sequence[DayControl]], run: DayRun
) -> DayResult:
    carriers = [item for day in reconciled.values() for item in day.carriers]
    failures = [failure for day in reconciled.values() for failure in day.failures]
    titles = AccountTitles.of(run.ctx)
    names = titles.names
    classes: Counter[str] = Counter()
    for item in carriers:
        for total in item.kept.version.totals:
            if total["is_break"]:
                classes[total["class"]] += max(total["switch_rows"], total["carrier_rows"])
    return DayResult(
        metadata={
            **scope_metadata(run.accounts),
            "carriers": len(carriers),
            "breaks": sum(item.kept.version.breaks for item in carriers),
            **_exposures(carriers),
            "versions_written": sum(item.kept.fresh for item in carriers),
            "earlier_days_done_again": sum(not item.asked for item in carriers),
            **folder_metadata(run.ctx.settings, "/breaks", str(run.ctx.settings.reconciliation_dir)),
            "per_carrier": table(
                (
                    "day", "account", "carrier", "light", "status", "legs", "records", "breaks", "at risk", "offset ms",
                    "version", "page",
                ),
                [_line(item, titles) for item in carriers[:_MOST]],
            ),
            **plot("Calls and charges of carriers, by day", _by_day(carriers)),
            **({"breaks_by_class": table(("class", "breaks"), sorted(classes.items()))} if classes else {}),
            **failures_metadata(failures, names),
        },
        checks=lambda dates: [
            *_reconciled({day: reconciled[day] for day in dates}, titles),
            *(_control(name, [control for day in dates for control in controls[day]], titles) for name in ControlName),
        ],
    )  # fmt: skip


def _reconciled(reconciled: Mapping[date, ReconciledDay], titles: AccountTitles) -> Sequence[dg.AssetCheckResult]:
    names = titles.names
    carriers = [item for day in reconciled.values() for item in day.carriers]
    failures = [failure for day in reconciled.values() for failure in day.failures]
    unbalanced = [failure for failure in failures if failure.code == UnbalancedReconciliation.code]
    days = [day for day, result in reconciled.items() if result.failures]
    remedy = {"what_to_do": remedy_of(failures, days)} if failures else {}
    return [
        dg.AssetCheckResult(
            check_name=BALANCE,
            passed=not unbalanced,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "carriers_done": len(carriers),
                "carriers_unbalanced": len(unbalanced),
                **failures_metadata(unbalanced, names),
            },
        ),
        dg.AssetCheckResult(
            check_name=DONE,
            passed=not failures,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "carriers_done": len(carriers),
                "carriers_failed": len(failures),
                **failures_metadata(failures, names),
                **remedy,
            },
        ),
        tolerated(carriers, names),
    ]


def _exposures(carriers: Sequence[ReconciledCarrier]) -> dict[str, float]:
    """Money at risk, one number per currency.

    With a single currency the key is ``exposure``, so that the UI plots one continuous line.
    """
    amounts: dict[str, Decimal] = {}
    for item in carriers:
        version = item.kept.version
        amounts[version.currency] = amounts.get(version.currency, Decimal(0)) + version.exposure
    if len(amounts) <= 1:
        return {"exposure": float(sum(amounts.values(), Decimal(0)))}
    return {f"exposure_{currency or 'unknown'}": float(amount) for currency, amount in sorted(amounts.items())}


def _by_day(carriers: Sequence[ReconciledCarrier]) -> list[tuple[str, Mapping[str, float | None]]]:
    """Calls that match and breaks of each day, oldest first. A break is counted as in ``breaks_by_class``."""
    matched, breaks = Counter[date](), Counter[date]()
    for item in carriers:
        for total in item.kept.version.totals:
            counts = breaks if total["is_break"] else matched
            counts[item.kept.day.business_date] += max(total["switch_rows"], total["carrier_rows"])
    return [
        (f"{day:%d.%m.}", {"no break": float(matched[day]), "breaks": float(breaks[day])})
        for day in sorted(matched.keys() | breaks.keys())
    ]


def _line(item: ReconciledCarrier, titles: AccountTitles) -> tuple[object, ...]:
    stored, version = item.kept, item.kept.version
    day = stored.day
    query = {"account": day.account_id, "carrier": day.carrier, "first": day.business_date, "last": day.business_date}
    breaks = titles.link(version.breaks, f"/breaks?{urlencode(query)}")
    return (
        day.business_date, titles.day(day.account_id, day.business_date), day.carrier, item.light, version.status,
        version.switch_rows, version.carrier_rows, breaks, f"{version.exposure:.4f} {version.currency}",
        version.offset_ms, stored.number, item.report.name,
    )  # fmt: skip


def tolerated(carriers: Sequence[ReconciledCarrier], names: Mapping[str, str] | None = None) -> dg.AssetCheckResult:
    """The check of breaks: fails if a final day is red. A day all of whose breaks are decided is settled."""
    # Breaks of a day that is not final do not count, because records may be missing; the table of carriers shows them.
    red = [item for item in carriers if (item.light, item.kept.version.status) == ("red", "final")]
    days = sorted({item.kept.day.business_date for item in red})
    findings = [
        (
            item.kept.day.business_date,
            (names or {}).get(item.kept.day.account_id) or item.kept.day.account_id,
            item.kept.day.carrier,
            finding,
        )
        for item in red
        for finding in item.kept.version.findings
    ]
    return dg.AssetCheckResult(
        check_name=TOLERATED,
        passed=not red,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "carriers": len(carriers),
            "red": len(red),
            "settled": sum(item.light == "settled" for item in carriers),
            **(
                {
                    "findings": table(("day", "account", "carrier", "finding"), findings[:_MOST]),
                    "what_to_do": "; ".join(command for day in days for command in _remedies(day, red)),
                }
                if red
                else {}
            ),
        },
    )


def _remedies(day: date, red: Sequence[ReconciledCarrier]) -> list[str]:
    """Commands that change the state of a red day: of its rejected lines, its open breaks, or its prices."""
    items = [item for item in red if item.kept.day.business_date == day]
    commands: list[str] = []
    if any(item.rejected_lines for item in items):
        commands.append(f"cdr-pipeline rejects list, then correct them or: {dismiss_command(day)}")
    if any(item.open_breaks for item in items):
        commands.append(settle_command(day))
    if any(item.kept.version.unverified and not item.rejected_lines for item in items):
        commands.append(f"give the profile a rate_card, then: cdr-pipeline reconcile --date {day}")
    return commands or [f"cdr-pipeline reconcile --date {day}"]


def _control(name: ControlName, controls: Sequence[DayControl], titles: AccountTitles) -> dg.AssetCheckResult:
    results = [control for control in controls if control.name is name]
    failed = [control for control in results if not control.passed]
    evidence = [
        (titles.name(item.account_id), item.source, item.value, item.threshold, item.evidence)
        for item in failed or results
    ]
    return dg.AssetCheckResult(
        check_name=name.value,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "controlled": len(results),
            "failed": len(failed),
            **(
                {"evidence": table(("account", "source", "value", "threshold", "evidence"), evidence[:_MOST])}
                if evidence
                else {}
            ),
        },
    )
