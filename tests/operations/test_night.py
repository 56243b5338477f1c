"""Nights over HTTP, through the steps, into a real warehouse and onto disk."""

import gzip
from dataclasses import replace
from datetime import date, timedelta

import pytest

from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.simulator.carrier_file import carrier_file
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import LoadRequest, load_day
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import load_uploads
from cdr_pipeline.steps.uploads.register_uploads import register_dropped_files
from tests.support.nights import DAY, night, playing, warehouse


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=40)


def test_every_call_of_the_day_is_there_once_with_its_fields(place: RunContext, switch: SimulatedSwitch) -> None:
    _, loaded = night(place)
    assert loaded.incomplete == ()
    for account in switch.accounts:
        truth = {
            document["_id"]: document
            for day in (DAY + timedelta(days=number) for number in range(-4, 2))
            for document in switch.documents(account.account_id, day)
        }
        found = warehouse(
            place,
            "SELECT record_id, caller_id_name, user_agent, extract(epoch FROM ended_at), billing_seconds, from_host"
            f" FROM cdr WHERE account_id = '{account.account_id}'",
        )
        assert len(found) > 20
        for record_id, name, agent, ended, billed, host in found:
            document = truth[record_id]
            assert name == (document["caller_id_name"] or None)
            assert agent == document["user_agent"]
            assert int(ended) + 62_167_219_200 == document["timestamp"]
            assert billed == document["billing_seconds"]
            assert host == account.realm


def test_a_day_holds_the_calls_that_began_in_it_in_the_accounts_zone(
    place: RunContext, switch: SimulatedSwitch
) -> None:
    night(place)
    for account in switch.accounts:
        with place.ledger() as ledger:
            (known,) = ledger.accounts.active([account.account_id])
        first, end = day_bounds(DAY, known.time_zone)
        began = {
            document["_id"]
            for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1))
            for document in switch.documents(account.account_id, day)
            if to_gregorian(first) <= document["timestamp"] - document["duration_seconds"] < to_gregorian(end)
        }
        found = warehouse(
            place,
            f"SELECT record_id FROM cdr WHERE account_id = '{account.account_id}' AND business_date = '{DAY}'",
        )
        assert {row[0] for row in found} == began


def test_the_same_night_twice_changes_no_row_and_no_byte(place: RunContext) -> None:
    night(place)
    export_days(ExportRequest([DAY]), place)
    rows = warehouse(place, "SELECT * FROM cdr ORDER BY account_id, record_id")
    files = {path: path.read_bytes() for path in place.settings.export_dir.rglob("*") if path.is_file()}
    _, again = night(place)
    export_days(ExportRequest([DAY]), replace(place, run_id="another run"))
    assert again.counts.merged == 0
    assert again.counts.unchanged == again.counts.read > 0
    assert warehouse(place, "SELECT * FROM cdr ORDER BY account_id, record_id") == rows
    assert {path: path.read_bytes() for path in place.settings.export_dir.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
def test_every_dialect_ends_in_the_same_calls(ctx: RunContext, dialect: SwitchDialect) -> None:
    switch = SimulatedSwitch.build(calls_per_day=30, accounts=1, dialect=dialect)
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url, api_page_size=9)
        _, loaded = night(place, date(2026, 2, 28))
        _, second = night(place, date(2026, 3, 1))
    assert loaded.incomplete == second.incomplete == ()
    (account,) = switch.accounts
    first = to_gregorian(day_bounds(date(2026, 2, 28), account.time_zone)[0])
    end = to_gregorian(day_bounds(date(2026, 3, 1), account.time_zone)[1])
    began = [
        document["call_id"]
        for day in (date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2))
        for document in switch.documents(account.account_id, day)
        if first <= document["timestamp"] - document["duration_seconds"] < end
    ]
    found = warehouse(place, "SELECT call_id FROM cdr WHERE business_date IN ('2026-02-28', '2026-03-01')")
    assert sorted(row[0] for row in found) == sorted(began)


@pytest.mark.fault("G11")
def test_one_failing_account_leaves_the_others_done_and_names_itself(ctx: RunContext) -> None:
    base = SimulatedSwitch.build(calls_per_day=20)
    broken = base.accounts[1].account_id
    with run_switch(replace(base, failing=frozenset({broken}))) as running:
        place = playing(ctx, base, running.url, api_dialect="v2_k43")
        collected, loaded = night(place)
    assert [failure.account_id for failure in collected.failures] == [broken]
    assert collected.failures[0].retryable
    assert loaded.incomplete == (broken,)
    counted = dict(warehouse(ctx, "SELECT account_id, count(*) FROM cdr GROUP BY account_id"))
    assert set(counted) == {account.account_id for account in base.accounts} - {broken}
    with run_switch(base) as running:
        _, mended = night(playing(ctx, base, running.url), accounts=[broken])
    assert mended.incomplete == ()
    assert warehouse(ctx, "SELECT count(*) FROM windows WHERE state <> 'loaded'") == [(0,)]


def test_a_day_is_loaded_again_from_landing_without_the_switch(place: RunContext, ctx: RunContext) -> None:
    night(place)
    before = warehouse(place, "SELECT * FROM cdr ORDER BY account_id, record_id")
    warehouse(place, "DELETE FROM cdr RETURNING 1")
    warehouse(place, "DELETE FROM cdr_keys RETURNING 1")
    loaded = load_day(LoadRequest(DAY, replay=True), ctx)
    assert loaded.counts.inserted == len(before)
    columns = "account_id, record_id, started_at, user_agent, extra, row_digest"
    again = warehouse(place, f"SELECT {columns} FROM cdr ORDER BY account_id, record_id")
    assert len(again) == len(before)


def test_a_damaged_landing_fails_its_account_alone(place: RunContext, switch: SimulatedSwitch) -> None:
    ids = sorted(account.account_id for account in switch.accounts)
    collect_day(CollectRequest(DAY), place)
    for pages in (place.settings.landing_dir / "api" / ids[0]).rglob("*.pages.gz"):
        pages.write_bytes(pages.read_bytes()[:-9])
    loaded = load_day(LoadRequest(DAY), place)
    assert [account.account_id for account in loaded.accounts] == ids
    assert [failure.account_id for failure in loaded.failures] == ids[:1]
    assert loaded.incomplete == (ids[0],)
    assert warehouse(place, "SELECT DISTINCT account_id FROM cdr ORDER BY 1") == [(one,) for one in ids[1:]]


def test_a_one_account_run_leaves_the_day_incomplete_for_the_others(place: RunContext, switch: SimulatedSwitch) -> None:
    only = switch.accounts[0].account_id
    night(place, accounts=[only])
    loaded = load_day(LoadRequest(DAY), place)
    assert loaded.incomplete == tuple(
        sorted(account.account_id for account in switch.accounts if account.account_id != only)
    )


def test_carriers_files_are_taken_in_loaded_and_accounted_for(place: RunContext, switch: SimulatedSwitch) -> None:
    account = switch.accounts[0]
    folder = place.settings.upload_dir / account.account_id / "generic"
    folder.mkdir(parents=True)
    file = carrier_file(switch.documents(account.account_id, DAY), account_id=account.account_id)
    (folder / "day.csv").write_bytes(file.content)
    taken = register_dropped_files(place)
    assert [item.file_name for item in taken.files] == ["day.csv"]
    assert list(folder.iterdir()) == []
    loaded = load_uploads(place)
    counts = loaded.counts
    assert (counts.read, counts.filtered, counts.rejected, counts.duplicate) == (file.lines + 1, 1, 2, 1)
    assert counts.inserted == file.lines - 3
    assert loaded.reject_reasons == {"not_a_time": 1, "ragged_row": 1}
    assert warehouse(place, "SELECT DISTINCT origin FROM cdr") == [("imported",)]


@pytest.mark.fault("B12")
def test_the_same_bytes_twice_are_one_upload(place: RunContext, switch: SimulatedSwitch) -> None:
    account = switch.accounts[0]
    folder = place.settings.upload_dir / account.account_id / "generic"
    folder.mkdir(parents=True)
    content = carrier_file(switch.documents(account.account_id, DAY), account_id=account.account_id).content
    for name in ("one.csv", "two.csv"):
        (folder / name).write_bytes(content)
        register_dropped_files(place)
        load_uploads(place)
    assert warehouse(place, "SELECT count(*) FROM batches") == [(1,)]


@pytest.mark.parametrize("place_of_file", ["nobody/generic", "{account}/nonsense"])
def test_a_file_without_a_place_stays_and_is_named(
    place: RunContext, switch: SimulatedSwitch, place_of_file: str
) -> None:
    folder = place.settings.upload_dir / place_of_file.format(account=switch.accounts[0].account_id)
    folder.mkdir(parents=True)
    (folder / "day.csv").write_text("id\n1\n")
    taken = register_dropped_files(place)
    assert [item.code for item in taken.refused] in (["account_not_found"], ["unknown_profile"])
    assert (folder / "day.csv").exists()


def test_every_file_of_the_night_matches_its_manifest(place: RunContext) -> None:
    night(place)
    exported = export_days(ExportRequest([DAY, date(2026, 2, 1)]), place)
    assert {item.business_date for item in exported} >= {DAY, date(2026, 2, 1)}
    found = verify_tree(place.settings.export_dir)
    assert len(found) == len(exported)
    assert not any(found.values())


def test_a_late_record_remakes_the_file_of_its_open_day(place: RunContext, switch: SimulatedSwitch) -> None:
    night(place)
    export_days(ExportRequest([DAY]), place)
    account = switch.accounts[2].account_id
    folder = place.settings.upload_dir / account / "generic"
    folder.mkdir(parents=True)
    (folder / "late.csv").write_text("id,start_time,duration\nlate-1,2026-03-02T10:00:00Z,60\n")
    register_dropped_files(place)
    load_uploads(place)
    (item,) = (item for item in export_days(ExportRequest(()), place) if item.file.changed)
    assert (item.account_id, item.business_date) == (account, DAY)
    assert "late-1" in item.file.path.read_text()


@pytest.mark.fault("F03")
def test_no_token_reaches_landing_files_or_tables(place: RunContext, switch: SimulatedSwitch) -> None:
    night(place)
    for path in place.settings.landing_dir.rglob("*.gz"):
        assert switch.token.encode() not in gzip.decompress(path.read_bytes())
    assert warehouse(place, f"SELECT count(*) FROM cdr WHERE cdr::text LIKE '%{switch.token}%'") == [(0,)]
