"""Small days of carriers with what a controller expects, from loose files and from the warehouse: both say the same."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import uuid4

import polars as pl
import pytest

from cdr_pipeline.core.fields.schemas import working_schema
from cdr_pipeline.errors import InvalidRateCard
from cdr_pipeline.steps.reconciliation.read_loose_file import ReadingDefaults, read_switch_file
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconcileRequest, reconcile_day
from cdr_pipeline.steps.reconciliation.reconcile_files import ReconcileFilesRequest, reconcile_files
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import load_uploads
from cdr_pipeline.steps.uploads.register_uploads import register_dropped_files
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from tests.support.nights import warehouse

# A folder with one folder per case: switch.ndjson, carrier.csv, case.toml (the profile) and card.csv (the prices).
CASES: Final = Path(os.environ.get("CDR_TEST_CASES", "cases-are-not-here"))
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="CDR_TEST_CASES names no folder with cases")


@dataclass(frozen=True, slots=True)
class Expected:
    """What is right: light, classes of the carrier's records, charge and money at risk, and a part of a finding."""

    light: str
    classes: dict[str, int]
    charged: str
    exposure: str = "0"
    finding: str = ""


EXPECTED: Final = {
    "01_partial_no_flag": Expected("green", {"matched": 44}, "5.1720"),
    "02_partial_segments": Expected("green", {"matched": 41}, "5.1720"),
    "04b_all_60_60_for_1_1": Expected(
        "red",
        {"duration_mismatch": 39, "matched_tol": 1},
        "4.0320",
        "0.2504",
        "increment 60/60 instead of 1/1: 40 calls",
    ),
    "06_bills_from_invite": Expected(
        "red", {"duration_mismatch": 40}, "3.8720", "0.0906", "ringing billed: 40 calls, 0.0906 EUR too much"
    ),
    "07_bare_e164_foreign": Expected("green", {"matched": 44}, "4.1160"),
    "08_anonymous_words": Expected("green", {"matched": 40}, "4.0320"),
    "09_a_overwritten": Expected("green", {"matched": 40}, "4.0320", finding="they are paired by called number"),
    "14d_same_id_other_call": Expected("green", {"matched": 40}, "4.0320", finding="10 ids repeat with other content"),
    "15_credit_and_rebill": Expected("green", {"credited": 2, "matched": 41}, "4.0920", finding="credited: 2 records"),
    "23_tariff_change_at_midnight": Expected("green", {"matched": 80}, "9.0840"),
    "24b_prefix_not_in_card": Expected(
        "red", {"matched": 40, "unpriced": 1}, "8.5320", "4.50", "1 call of 4.5000 EUR: no price in the rate card"
    ),
    "43_dst_repeated_hour": Expected("green", {"matched": 60}, "1.4280"),
    "54_fas_by_ringing": Expected(
        "red", {"duration_mismatch": 8, "matched": 40}, "3.8920", "0.0410", "ringing billed: 8 calls"
    ),
    "57_card_expired": Expected(
        "red", {"unpriced": 40}, "332.64", "332.64", "40 calls of 332.6400 EUR: no price in the rate card"
    ),
    "73_segments_callcount": Expected("green", {"matched": 42}, "4.0597"),
}
PRICES_TWICE: Final = "24_prefix_tie"
# The warehouse holds a file whose ids repeat with other content until a person decides about it.
HELD: Final = "14d_same_id_other_call"


def from_files(name: str, folder: Path) -> tuple[Expected, str]:
    """The result of loose files, without its finding, and all findings."""
    case = CASES / name
    folder.mkdir(exist_ok=True)
    (folder / "case.toml").write_text((case / "case.toml").read_text())
    done = reconcile_files(
        ReconcileFilesRequest(
            [case / "switch.ndjson"], [case / "carrier.csv"], "case", folder / "out", profiles=folder,
            country_code="49", currency="EUR", rate_card=case / "card.csv",
        )
    )  # fmt: skip
    carrier = done.result.rows.filter(pl.col("side") == "carrier").with_columns(pl.col("class").cast(pl.String))
    classes = dict(carrier.group_by("class").len().sort("class").rows())
    charged = carrier["amount"].sum()
    found = Expected(done.verdict.light, classes, str(charged), str(done.verdict.exposure))
    return found, "; ".join(done.verdict.findings)


def loaded(name: str, ctx: RunContext) -> list[date]:
    """An account of the case's name with its profile, prices and records. Returns the days."""
    case, account = CASES / name, f"case-{name}"
    profiles = ctx.settings.profile_dir
    profiles.mkdir(parents=True, exist_ok=True)
    text = (case / "case.toml").read_text().replace('carrier = "case"', f'carrier = "{name}"')
    (profiles / f"{name}.toml").write_text(text.replace("[reconcile]", f'[reconcile]\nrate_card = "{name}.csv"'))
    (profiles / f"{name}.csv").write_bytes((case / "card.csv").read_bytes())
    legs = read_switch_file(case / "switch.ndjson", ReadingDefaults("UTC", "49", profiles, "EUR")).rows
    days = sorted(set(legs["started_at"].dt.date()))
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account(account, country_code="49"), now=ctx.clock())
        for day in days:
            ledger.connection.execute(
                "INSERT INTO days (account_id, business_date, state, changes, exported_changes, complete_through)"
                " VALUES (%s, %s, 'open', 0, 0, %s::date + interval '1 day')",
                (account, day, day),
            )
            of_day = legs.filter(pl.col("started_at").dt.date() == day).with_columns(
                account_id=pl.lit(account), origin=pl.lit("api"), business_date=pl.lit(day), raw=pl.lit("{}")
            )
            frame = of_day.with_columns(
                pl.lit(None, dtype).alias(column) for column, dtype in working_schema().items() if column not in of_day
            ).select(pl.col(column).cast(dtype) for column, dtype in working_schema().items())
            header = BatchHeader(account, uuid4(), "window", str(day), now=ctx.clock(), business_date=day)
            with batch_load(ledger.connection, header) as load:
                load.stage(frame)
                load.finish(read=frame.height)
    folder = ctx.settings.upload_dir / account / name
    folder.mkdir(parents=True)
    (folder / "carrier.csv").write_bytes((case / "carrier.csv").read_bytes())
    return days


def from_warehouse(name: str, days: list[date], ctx: RunContext) -> tuple[Expected, str]:
    """The result of the case's days, without its finding, and all findings."""
    account = f"case-{name}"
    done = [item for day in days for item in reconcile_day(ReconcileRequest(day, [account]), ctx).carriers]
    rows = warehouse(
        ctx,
        "SELECT class, count(*), sum(carrier_amount) FROM reconciled_calls WHERE until_version IS NULL"
        f" AND carrier_record_id IS NOT NULL AND account_id = '{account}' GROUP BY class ORDER BY class",
    )
    light = "red" if any(item.light == "red" for item in done) else "green"
    exposure = sum((item.kept.version.exposure for item in done), Decimal(0))
    charged = sum((row[2] for row in rows), Decimal(0))
    findings = "; ".join(finding for item in done for finding in item.kept.version.findings)
    return Expected(light, {row[0]: row[1] for row in rows}, str(charged), str(exposure)), findings


def faults(name: str, found: Expected, findings: str) -> Iterator[str]:
    """Differences from what is expected."""
    expected = EXPECTED[name]
    if (found.light, found.classes) != (expected.light, expected.classes):
        yield f"{name}: {found.light} {found.classes}"
    if (Decimal(found.charged), Decimal(found.exposure)) != (Decimal(expected.charged), Decimal(expected.exposure)):
        yield f"{name}: charged {found.charged}, at risk {found.exposure}"
    if expected.finding not in findings:
        yield f"{name}: {findings}"


def test_every_case_comes_out_from_loose_files_as_expected(tmp_path: Path) -> None:
    assert [fault for name in EXPECTED for fault in faults(name, *from_files(name, tmp_path / name))] == []
    with pytest.raises(InvalidRateCard, match="lines 2 and 3: prefix 49 has two prices"):
        from_files(PRICES_TWICE, tmp_path / PRICES_TWICE)


@pytest.mark.slow
def test_every_case_comes_out_of_the_warehouse_as_expected(ctx: RunContext) -> None:
    later = RunContext(ctx.settings, ctx.url, lambda: datetime(2026, 11, 2, tzinfo=UTC), ctx.progress)
    days = {name: loaded(name, later) for name in [*EXPECTED, PRICES_TWICE]}
    assert register_dropped_files(later).refused == ()
    uploads = load_uploads(later)
    assert [failure.account_id for failure in (*uploads.failures, *uploads.held)] == [f"case-{HELD}"]
    known = [name for name in EXPECTED if name != HELD]
    assert [fault for name in known for fault in faults(name, *from_warehouse(name, days[name], later))] == []
    refused = reconcile_day(ReconcileRequest(days[PRICES_TWICE][0], [f"case-{PRICES_TWICE}"]), later)
    assert [failure.code for failure in refused.failures] == [InvalidRateCard.code]
