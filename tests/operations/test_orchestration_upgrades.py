"""What earlier versions have left behind, and what later ones have: read as it was meant, or refused by name."""

import base64
import hashlib
import hmac
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import orjson
import psycopg
import pytest

from cdr_pipeline.api import cursors
from cdr_pipeline.api.refusals import RequestRefused
from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.jobs import NIGHTLY
from cdr_pipeline.defs.lease import step_key
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import read_manifest
from cdr_pipeline.exports.verify import verify_file
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.listing import list_row
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.pages import parse_page
from cdr_pipeline.sources.landing import LandingDamaged, LandingFile, LandingWriter, window_path
from cdr_pipeline.sources.upstream import Window
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.engine import warehouse_url as warehouse_url_of
from cdr_pipeline.warehouse.server.migrate import current, upgrade
from tests.support import played
from tests.support.daily_files import records, write
from tests.support.nights import truth_of
from tests.support.old_versions import first_version_at

DAY = date(2026, 3, 2)
# Wide enough for the day in every zone.
WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))
LANDED_AT = datetime(2026, 3, 4, 2, 30, tzinfo=UTC)


def land(folder: Path, switch: SimulatedSwitch) -> tuple[Path, int]:
    """The day's page of the switch's first account in landing, and how many rows it has."""
    account_id = switch.accounts[0].account_id
    rows = [list_row(document, switch.dialect) for document in switch.documents(account_id, DAY)]
    body = orjson.dumps({"data": rows, "status": "success", "page_size": len(rows)})
    path = window_path(folder, account_id, WINDOW, LANDED_AT)
    with LandingWriter(path, account_id=account_id, window=WINDOW, upstream="kazoo", dialect=switch.dialect) as writer:
        writer.add_page(body, parse_page(body))
    return path, len(rows)


def change_index(path: Path, change: dict[str, object]) -> None:
    """An index as another version writes it: its entries knew no keys at first."""
    index = path.with_name(path.name + ".index.json")
    found = orjson.loads(index.read_bytes())
    for entry in found["entries"]:
        del entry["keys"]
    index.write_bytes(orjson.dumps(found | change))


class UpgradedInMidNight(RunContexts):
    """Before the load opens its context, another process migrates the warehouse to a later version."""

    def open(
        self, context: dg.AssetExecutionContext | dg.OpExecutionContext | dg.AssetCheckExecutionContext
    ) -> RunContext:
        if not isinstance(context, dg.AssetCheckExecutionContext) and step_key(context) == "load":
            stamp(self.settings(), "9999")
        return super().open(context)


def stamp(settings: Settings, revision: str) -> str:
    """Sets the revision of the warehouse; the one before."""
    with psycopg.connect(warehouse_url_of(settings), autocommit=True) as connection:
        ((before,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        connection.execute("UPDATE alembic_version SET version_num = %s", [revision])
    return before


@pytest.mark.slow
def test_a_night_that_an_upgrade_cuts_is_completed_after_it(settings: Settings) -> None:
    switch, day = SimulatedSwitch.build(accounts=2, calls_per_day=20), played.DAY
    with played.playing(settings, switch, collect_reread_days=0) as made, open_instance(made) as instance:
        known = current(warehouse_url_of(made))
        job = build_definitions(made, contexts=UpgradedInMidNight(made)).resolve_job_def(NIGHTLY)
        cut = job.execute_in_process(
            instance=instance, partition_key=str(day), raise_on_error=False, run_config=played.QUIET
        )
        failures = {event.step_key: str(event.step_failure_data) for event in cut.all_events if event.is_step_failure}
        # The old version collected, and does nothing in tables that it does not know.
        assert not cut.success
        assert "warehouse_newer_than_code" in failures["load"]
        stamp(made, str(known))
        assert played.hashes(made) == {}
        assert played.table_of_records(made) == []
        assert played.run_job(made, instance, day).success
        assert {(row[0], row[2]) for row in played.table_of_records(made) if row[3] == day} == {
            (leg[0], leg[1]) for leg in truth_of(switch, day)
        }
        assert sum(str(day) in path for path in played.hashes(made)) == len(switch.accounts)


@pytest.mark.fault("G10")
def test_a_window_landed_by_the_first_version_is_loaded_by_this_one(settings: Settings, warehouse_url: str) -> None:
    switch = SimulatedSwitch.build(accounts=1, calls_per_day=20)
    account = switch.accounts[0]
    path, rows = land(settings.landing_dir, switch)
    change_index(path, {})
    with psycopg.connect(first_version_at(warehouse_url), autocommit=True) as old:
        old.execute(
            "INSERT INTO accounts (account_id, name, time_zone, active, added_at) VALUES (%s, '', %s, true, %s)",
            [account.account_id, account.time_zone, LANDED_AT],
        )
        old.execute(
            "INSERT INTO windows (account_id, starts_at, ends_at, business_date, state, dialect, rows_landed,"
            " landing_path, landed_at, attempted_at) VALUES (%s, %s, %s, %s, 'landed', %s, %s, %s, %s, %s)",
            [account.account_id, WINDOW.starts_at, WINDOW.ends_at, DAY, switch.dialect.value, rows,
             str(path.relative_to(settings.landing_dir)), LANDED_AT, LANDED_AT],
        )  # fmt: skip
    upgrade(warehouse_url)
    (loaded,) = load_day(LoadRequest(DAY), RunContext.open(settings)).accounts
    assert loaded.failure is None
    assert loaded.complete
    assert loaded.counts.read == loaded.counts.inserted == rows > 0


@pytest.mark.fault("G10")
def test_a_landing_file_of_a_later_version_is_refused_by_its_schema(tmp_path: Path) -> None:
    path, _ = land(tmp_path, SimulatedSwitch.build(accounts=1, calls_per_day=5))
    change_index(path, {"landing_schema": 2})
    with pytest.raises(LandingDamaged, match="of another schema than 1"):
        LandingFile.open(path)


@pytest.mark.fault("G10")
def test_a_manifest_of_the_version_without_reasons_still_proves_its_file(tmp_path: Path) -> None:
    file = write(tmp_path, records({}))
    note = manifest_path(file.path)
    old = orjson.loads(note.read_bytes())
    del old["reasons"]
    note.write_bytes(orjson.dumps(old))
    assert read_manifest(note) == file.manifest
    assert verify_file(file.path) == []


@pytest.mark.fault("G10")
def test_a_manifest_of_a_later_version_is_refused_by_its_schema(tmp_path: Path) -> None:
    note = manifest_path(write(tmp_path, records({})).path)
    note.write_bytes(orjson.dumps(orjson.loads(note.read_bytes()) | {"manifest_schema": 2, "more": 1}))
    with pytest.raises(ExportError, match="not a manifest of schema 1"):
        read_manifest(note)


@pytest.mark.fault("G10")
@pytest.mark.parametrize("rest", [[], ["digest"], [*range(12)]], ids=len)
def test_a_page_key_of_another_version_is_refused_however_much_is_in_it(rest: list[object]) -> None:
    body = orjson.dumps([2, *rest])
    signature = hmac.new(b"secret", body, hashlib.sha256).digest()[:16]
    with pytest.raises(RequestRefused, match="bad_cursor"):
        cursors.decode_cursor(base64.urlsafe_b64encode(signature + body).decode(), "digest", b"secret")


@pytest.mark.fault("G10")
def test_the_upload_sensors_first_cursor_still_says_what_was_seen(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CDR_WAREHOUSE_URL", str(settings.warehouse_url and settings.warehouse_url.get_secret_value()))
    monkeypatch.setenv("CDR_UPLOAD_SETTLE_SECONDS", "0")
    folder = settings.upload_dir / "acct" / "generic"
    folder.mkdir(parents=True)
    for name in ("one.csv", "two.csv"):
        (folder / name).write_text("id\n1\n")
    sensor = build_definitions(settings).resolve_sensor_def("upload_sensor")
    with open_instance(settings) as instance:
        first = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(first, dg.SensorResult)
        assert first.cursor is not None
        stamps: list[str] = orjson.loads(first.cursor)
        assert len(stamps) == 2
        again = sensor(dg.build_sensor_context(instance=instance, cursor=";".join(stamps)))
        assert isinstance(again, dg.SkipReason)
        third = sensor(dg.build_sensor_context(instance=instance, cursor=stamps[0]))
        assert isinstance(third, dg.SensorResult)
