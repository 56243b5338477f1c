"""Before an upgrade: which migrations are pending, what they need, and what must be stopped first."""

import re
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from cdr_pipeline.cli import terminal
from cdr_pipeline.cli.operations.upgrade import upgrade as upgrade_command
from cdr_pipeline.errors import ProblemsFound, WarehouseNotMigrated
from cdr_pipeline.files.lock import sole_lock
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.upgrade_check import UpgradeCheck, check_upgrade
from cdr_pipeline.warehouse.server.migrate import current, head, scripts
from cdr_pipeline.warehouse.server.pending import REWRITES
from tests.support.old_versions import first_version_at

RECORDS = """
    INSERT INTO cdr (account_id, origin, record_id, business_date, started_at, extra, has_detail, list_digest,
        row_digest, batch_id, source_line, changed_at)
    SELECT 'acct', 'api', 'r' || n, '2026-03-02', '2026-03-02 12:00Z', '{}', false, md5('l' || n), md5('r' || n),
        gen_random_uuid(), n, '2026-03-03Z'
    FROM generate_series(1, 200) AS n
"""
# Statements that write rows which earlier versions have stored, in proportion to their number.
WRITES_RECORDS = re.compile(
    r"(UPDATE|INSERT INTO|ON) \{?(cdr|cdr_history|cdr_keys|cdr_links|reconciled_calls|table)\b", re.IGNORECASE
)


@pytest.fixture
def old(settings: Settings, warehouse_url: str) -> Settings:
    """Settings of a warehouse of the first version with 200 records."""
    with psycopg.connect(first_version_at(warehouse_url), autocommit=True) as connection:
        connection.execute(RECORDS)
    return settings


def test_the_check_lists_pending_migrations_and_changes_nothing(old: Settings, warehouse_url: str) -> None:
    found = check_upgrade(old)
    assert (found.revision, found.newest) == ("0001", head(scripts())[0])
    assert [item.revision for item in found.pending] == [f"{number:04}" for number in range(2, int(found.newest) + 1)]
    by_revision = {item.revision: item for item in found.pending}
    assert by_revision["0004"].purpose.startswith("Records in monthly partitions")
    assert by_revision["0004"].needed_bytes > 8192
    assert by_revision["0020"].needed_bytes == 0
    assert found.obstacles == []
    assert current(warehouse_url) == "0001"


def test_exit_codes_tell_pending_from_blocked_and_done(
    old: Settings, warehouse_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "ready_settings", lambda: old)
    with pytest.raises(WarehouseNotMigrated, match="are pending"):
        upgrade_command(check=True)
    with closing(psycopg.connect(warehouse_url, application_name="cdr_pipeline api")):
        with pytest.raises(ProblemsFound):
            upgrade_command()
        assert current(warehouse_url) == "0001"
    assert "1 connection of 'cdr_pipeline api'" in capsys.readouterr().out
    upgrade_command()
    assert current(warehouse_url) == head(scripts())[0]
    upgrade_command(check=True)
    assert "nothing to do" in capsys.readouterr().out


def test_a_running_up_and_a_full_disk_are_obstacles(old: Settings) -> None:
    old.dagster_home.mkdir(parents=True)
    with sole_lock(old.dagster_home / ".up.lock") as alone:
        assert alone
        found = check_upgrade(old)
    assert "'cdr-pipeline up' runs" in found.obstacles[0]
    full = UpgradeCheck("1", "0001", "0002", found.pending, needed_bytes=2 * 10**9, free_bytes=10**9)
    assert full.obstacles == ["the disk has 1.0 GB free, and up to 2.0 GB are needed"]


def test_migrations_that_rewrite_records_have_an_estimate() -> None:
    writing = {
        path.name[:4]
        for path in sorted(Path(scripts() / "versions").glob("*.py"))
        if WRITES_RECORDS.search(path.read_text().partition("def downgrade")[0])
    }
    # New tables, and an index of the few links over midnight.
    small = {"0001", "0005", "0014"}
    assert writing - small == set(REWRITES)
