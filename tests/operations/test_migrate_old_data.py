"""A warehouse of the first version, with rows in it, becomes one of this version without losing or changing any."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.reconciliation.decisions import decide_breaks
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.replay_uploads import ReplayRequest, replay_upload
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import require_current, upgrade
from tests.support.carriers import drop, reconciled
from tests.support.days import files
from tests.support.nights import warehouse
from tests.support.old_versions import downgraded, first_release, first_version_at
from tests.support.uploads import carrier_text, fed, opened, stored

OPEN_ACCOUNT = "c2f56d9a93588893597784f72fafcc1d"
RELEASED = date(2026, 11, 20)
NIGHT = datetime(2026, 11, 27, 1, tzinfo=UTC)
ROWS = """
    INSERT INTO cdr (account_id, origin, record_id, business_date, started_at, cost, extra, has_detail, list_digest,
        row_digest, batch_id, source_line, changed_at)
    SELECT 'acct', origin, 'r' || n, date '2025-11-15' + n * 20,
        timestamptz '2025-11-15 12:00Z' + n * interval '20 days', n, '{"k": 1}', true, md5('l' || n), md5('r' || n),
        gen_random_uuid(), n, timestamptz '2026-03-01Z'
    FROM generate_series(1, 6) AS n, unnest(ARRAY['api', 'imported']) AS origin
"""
SHOWN = "SELECT origin, record_id, business_date, started_at, cost, extra, list_digest FROM cdr ORDER BY 1, 2"


@pytest.fixture
def first_version(warehouse_url: str) -> str:
    return first_version_at(warehouse_url)


def test_rows_of_the_first_version_come_through_every_migration(first_version: str) -> None:
    with psycopg.connect(first_version, autocommit=True) as connection:
        connection.execute(ROWS)
        before = [
            (row[0], f"unknown:id:{row[1]}" if row[0] == "imported" else row[1], *row[2:])
            for row in connection.execute(SHOWN).fetchall()
        ]
    assert upgrade(first_version).before == "0001"
    require_current(first_version)
    with connect(first_version) as connection:
        assert connection.execute(SHOWN).fetchall() == before
        keys = connection.execute(
            "SELECT count(*) FROM cdr JOIN cdr_keys AS k USING (account_id, origin, record_id, business_date)"
            " WHERE k.list_digest = cdr.list_digest::uuid"
        ).fetchone()
        months = connection.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'cdr'::regclass").fetchone()
    assert keys == (12,)
    assert months == (4,)


@pytest.mark.fault("G10")
def test_a_night_of_the_first_release_keeps_its_files(settings: Settings, warehouse_url: str) -> None:
    settings.data_dir.mkdir(parents=True)
    first_release(warehouse_url, settings.data_dir)
    assert upgrade(warehouse_url).before == "0012"
    ctx = RunContext.open(settings, clock=lambda: NIGHT)
    before = files(ctx)
    assert sum(name.endswith(".csv") for name in before) == 3
    assert not any(verify_tree(settings.export_dir).values())
    again = load_day(LoadRequest(RELEASED, replay=True), ctx).accounts
    assert [(item.failure, item.counts.read, item.counts.unchanged) for item in again] == [
        (None, 18, 18),
        (None, 22, 22),
    ]
    exported = [
        *export_days(ExportRequest([RELEASED]), ctx),
        *export_days(ExportRequest([RELEASED + timedelta(days=1)], [OPEN_ACCOUNT]), ctx),
    ]
    assert {(day.business_date.day, day.state) for day in exported} == {(20, "sealed"), (21, "open")}
    assert files(ctx) == before


@pytest.mark.fault("R106")
def test_records_keep_their_identity_when_ids_get_their_source(
    ctx: RunContext, warehouse_url: str, tmp_path: Path
) -> None:
    opened(ctx)
    native, plain = carrier_text(1, 2), carrier_text(3, 4).replace("id,", "", 1).replace("c3,", "").replace("c4,", "")
    with_ids, without = (fed(ctx, tmp_path / name, text) for name, text in (("a.csv", native), ("b.csv", plain)))
    after = stored(ctx, "record_id, list_digest, batch_id")
    downgraded(warehouse_url, "0015")
    before = [record_id for (record_id,) in stored(ctx)]
    assert before[:2] == ["c1", "c2"]
    assert all(record_id.startswith("fp-") for record_id in before[2:])
    upgrade(warehouse_url)
    assert stored(ctx, "record_id, list_digest, batch_id") == after
    with ctx.ledger() as ledger:
        lines = {line.sha256: line for line in ledger.uploads.list_all(["acct"])}
    for loaded in (with_ids, without):
        replayed = replay_upload(ReplayRequest(lines[loaded.sha256]), ctx)
        assert (replayed.upload.counts.unchanged, replayed.withdrawn) == (2, 0)


@pytest.mark.fault("R106")
def test_decisions_about_breaks_outlive_the_change_of_ids(ctx: RunContext, warehouse_url: str) -> None:
    opened(ctx)
    drop(ctx, "acct", carrier_text(1, 2).replace(",USD", ",USD,bell").replace("currency", "currency,carrier"))
    reconciled(ctx, date(2026, 3, 2))
    outcomes = "SELECT outcome_id, carrier_record_id FROM reconciled_calls ORDER BY 1"
    ((first, _), (_, _)) = before = warehouse(ctx, outcomes)
    decide_breaks([first], ctx, decision="accepted", reason="known", decided_by="controller")
    downgraded(warehouse_url, "0015")
    assert {record_id for _, record_id in warehouse(ctx, outcomes)} == {"c1", "c2"}
    assert not {outcome for outcome, _ in warehouse(ctx, outcomes)} & {outcome for outcome, _ in before}
    upgrade(warehouse_url)
    assert warehouse(ctx, outcomes) == before
    assert warehouse(ctx, "SELECT outcome_id, decision FROM break_decisions") == [(first, "accepted")]
