"""Writes the report of a carrier's day as a page. An equal file is not rewritten."""

import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cdr_pipeline.core.charts.day_bars import DAYS
from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria, day_light, undecided
from cdr_pipeline.core.reconcile.result.verdict import VerdictTotals
from cdr_pipeline.errors import CdrError
from cdr_pipeline.exports.atomic import new_file, sole_writer
from cdr_pipeline.exports.reconciliation_report import ClassTotal, ReportPage, render
from cdr_pipeline.sources.uploads.profiles import list_profiles
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay, StoredVersion

# Maximum number of calls on a page; the dispute pack contains all of them.
_MOST_CALLS: Final = 500
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_MONEY: Final = ("switch_seconds", "carrier_seconds", "switch_amount", "carrier_amount", "exposure")


def write_report(stored: StoredVersion, account: Account, rules: CarrierRules, ledger: Ledger, ctx: RunContext) -> Path:
    """Writes the page of a version. An existing file with the same content is not touched.

    Returns:
        Path of the page.

    Raises:
        ExportError: the page cannot be written.
    """
    path = report_path(stored.day, ctx.settings.reconciliation_dir, f"_v{stored.number}.html")
    content = render(_page(stored, account, rules, ledger))
    with sole_writer(path.parent):
        if path.exists() and path.read_bytes() == content:
            return path
        with new_file(path) as writing:
            writing.write(content)
            writing.place()
    return path


def refresh_reports(days: Iterable[CarrierDay], ledger: Ledger, ctx: RunContext) -> list[AccountFailure]:
    """Writes the pages of the newest versions again, after decisions. Returns the pages that could not be written."""
    profiles = list_profiles(ctx.settings.profile_dir)
    failures: list[AccountFailure] = []
    for day in days:
        try:
            stored = ledger.versions.newest(day)
            (account,) = ledger.accounts.active([day.account_id])
            if stored is not None:
                profile = profiles.get(stored.version.profile or "")
                write_report(stored, account, profile.reconcile if profile else CarrierRules(), ledger, ctx)
        except (CdrError, OSError) as error:
            failures.append(contained(day.account_id, f"page of {day.carrier} {day.business_date}", error))
    return failures


def report_path(day: CarrierDay, folder: Path, ending: str) -> Path:
    """``{account}/{carrier}/{yyyy}/reconciliation_{carrier}_{date}{ending}``, of safe characters only."""
    account, carrier = safe_name(day.account_id), safe_name(day.carrier)
    name = f"reconciliation_{carrier}_{day.business_date}{ending}"
    return folder / account / carrier / f"{day.business_date:%Y}" / name


def safe_name(name: str) -> str:
    """A safe path component for a name. Different names give different components."""
    plain = _UNSAFE.sub("_", name)[:64]
    return plain if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:8]}"


def _page(stored: StoredVersion, account: Account, rules: CarrierRules, ledger: Ledger) -> ReportPage:
    day, version = stored.day, stored.version
    first = day.business_date - timedelta(days=DAYS - 1)
    sums = ledger.decisions.sums(day.account_id, day.business_date, day.carrier)
    return ReportPage(
        account_id=account.account_id,
        account_name=account.name,
        carrier=day.carrier,
        business_date=day.business_date,
        time_zone=account.time_zone,
        version=stored.number,
        status=version.status,
        light=day_light(
            version.light, breaks=version.breaks, open_breaks=undecided(sums), unverified=version.unverified
        ),
        findings=version.findings,
        currency=version.currency,
        switch=VerdictTotals(version.switch_rows, version.switch_seconds, version.switch_amount),
        carrier_side=VerdictTotals(version.carrier_rows, version.carrier_seconds, version.carrier_amount),
        breaks=version.breaks,
        exposure=version.exposure,
        offset_status=version.offset_status,
        offset_ms=version.offset_ms,
        drift_ppm=version.drift_ppm,
        spread_ms=version.spread_ms,
        offset_pairs=version.offset_pairs,
        appeared=stored.appeared,
        resolved=stored.resolved,
        changed=stored.changed,
        totals=[_class_total(row) for row in version.totals],
        calls=ledger.reconciliations.breaks(
            [day.account_id],
            first_date=day.business_date,
            last_date=day.business_date,
            criteria=BreakCriteria(day.carrier),
            most=_MOST_CALLS,
        ),
        causes=ledger.reconciliations.causes(day.account_id, day.carrier, day.business_date, version.currency),
        decisions=sums,
        trend=ledger.reconciliations.trend(day.account_id, day.carrier, first, day.business_date),
        open_breaks=ledger.reconciliations.open_breaks(
            day.account_id, day.carrier, day.business_date, version.currency
        ),
        method=method_of(stored, rules),
        reconciled_at=stored.reconciled_at,
    )


def _class_total(row: dict[str, Any]) -> ClassTotal:
    """Converts a row of totals. Money and seconds are text when read from JSON, and numbers in a new version."""
    # Versions of earlier releases lack the last two.
    exact = {name: Decimal(str(row.get(name, 0))) for name in (*_MONEY, "undercharged", "accrued")}
    return ClassTotal(
        destination=row["destination"],
        match_class=row["class"],
        is_break=row["is_break"],
        switch_rows=row["switch_rows"],
        carrier_rows=row["carrier_rows"],
        currency=row.get("currency", ""),
        **exact,
    )


def method_of(stored: StoredVersion, rules: CarrierRules) -> list[tuple[str, str]]:
    """The rules of a version for display, as pairs of name and value."""
    version = stored.version
    return [
        ("Legs compared", f"{rules.direction}, trunks: {', '.join(rules.trunks) or 'all that leave or come in'}"),
        ("Time compared", f"{rules.clock}; {rules.window_seconds} s apart at most, then {rules.fallback_seconds} s"),
        ("Tolerated in a call", f"{rules.duration_tolerance_seconds} s, {rules.amount_tolerance} {version.currency}"),
        ("Billing steps", rules.increments or "those of the profile"),
        ("Prices", _prices(rules)),
        ("Money at risk tolerated", f"{_per_cent(rules.tolerated_exposure_share)} of the charges"),
        ("Breaks tolerated", f"{_per_cent(rules.tolerated_break_share)} of the calls"),
        ("Profile", version.profile or ""),
        ("Inputs", version.inputs_hash[:16]),
        ("Rules", version.rules_hash[:16]),
        ("Code", version.code_version),
    ]


def _per_cent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"


def _prices(rules: CarrierRules) -> str:
    if rules.rate_card:
        return f"rate card {rules.rate_card}"
    return "the switch's" if rules.compare_amounts else "not compared"
