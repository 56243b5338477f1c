"""Group C: the database is killed, contended, full or asked for too much; whole batches come through, or none."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.errors import MigrationEdited, WarehouseContended, WarehouseReadOnly, WarehouseUnavailable
from cdr_pipeline.warehouse.accounts.tenancy import scoped
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.loading import BatchLoad, batch_load, retried_load
from cdr_pipeline.warehouse.records.new_records import WORTH_FILLING
from cdr_pipeline.warehouse.server.cluster import is_cluster
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import require_current, scripts, upgrade
from tests.support.examples import examples
from tests.support.records import STARTED, rows

NOW = datetime(2026, 3, 9, tzinfo=UTC)
Records = list[dict[str, Any]]


def _load(
    url: str, *records: dict[str, Any], account: str = "acct", before_finish: Callable[[BatchLoad], None] | None = None
) -> LoadedBatch:
    frame = rows(*({"account_id": account} | record for record in records))
    with connect(url) as connection:
        header = BatchHeader(account, uuid4(), "window", "source", NOW, date(2026, 3, 2))
        with batch_load(connection, header) as load:
            load.stage(frame)
            if before_finish is not None:
                before_finish(load)
            return load.finish(read=frame.height)


def _state(url: str) -> list[tuple[Any, ...]]:
    with connect(url) as connection:
        return connection.execute(
            "SELECT account_id, record_id, business_date, caller_id_name FROM cdr ORDER BY 1, 2, 3"
        ).fetchall()


def _count(url: str, table: str) -> int:
    with connect(url) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(tmp_path_factory.mktemp("killed"))
    made.ensure_running()
    upgrade(made.url)
    yield made
    made.destroy()


def _kill(server: EmbeddedServer) -> None:
    server._run("pg_ctl", "stop", "-D", str(server.cluster), "-m", "immediate", "-w")  # pyright: ignore[reportPrivateUsage]


@pytest.mark.fault("C01")
@pytest.mark.slow
def test_a_server_killed_around_a_commit_leaves_whole_batches_or_none(
    server: EmbeddedServer,
) -> None:
    for point in ("before merge", "before commit", "after commit"):
        record = {"record_id": point}
        with suppress(WarehouseUnavailable), connect(server.url) as connection:
            header = BatchHeader("acct", uuid4(), "window", point, NOW, date(2026, 3, 2))
            with batch_load(connection, header) as load:
                load.stage(rows(record))
                if point == "before merge":
                    _kill(server)
                load.finish(read=1)
                if point == "before commit":
                    _kill(server)
            _kill(server)
        server.ensure_running()
        with connect(server.url) as connection:
            known = connection.execute("SELECT count(*) FROM batches WHERE source = %s", [point]).fetchone()
            there = connection.execute("SELECT count(*) FROM cdr WHERE record_id = %s", [point]).fetchone()
        assert known == there == ((1,) if point == "after commit" else (0,))
        assert _load(server.url, record).counts.inserted == (0 if point == "after commit" else 1)


@pytest.mark.fault("C02")
def test_a_terminated_backend_is_transient_and_its_connection_is_dropped(
    warehouse_url: str,
) -> None:
    def terminate(load: BatchLoad) -> None:
        pid = load.connection.info.backend_pid
        with psycopg.connect(warehouse_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s::integer)", [pid])

    with pytest.raises(WarehouseUnavailable) as raised:
        _load(warehouse_url, {"record_id": "a"}, before_finish=terminate)
    assert raised.value.retryable
    assert _state(warehouse_url) == []
    assert _load(warehouse_url, {"record_id": "a"}).counts.inserted == 1


@pytest.mark.fault("C03")
def test_a_lock_timeout_is_contention_and_the_whole_load_is_retried(warehouse_url: str) -> None:
    tries: list[int] = []

    def load() -> LoadedBatch:
        tries.append(1)
        with connect(warehouse_url) as connection:
            connection.execute("SET lock_timeout = '100ms'")
            with batch_load(connection, BatchHeader("acct", uuid4(), "window", "s", NOW)) as batch:
                batch.stage(rows({}))
                return batch.finish(read=1)

    with psycopg.connect(warehouse_url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(hashtextextended('cdr_pipeline.merge:acct', 0))")
        with pytest.raises(WarehouseContended):
            load()
        threading.Timer(0.3, holder.rollback).start()
        assert retried_load(load).counts.inserted == 1
    assert len(tries) > 2


@pytest.mark.fault("C03")
def test_a_deadlock_is_contention(warehouse_url: str) -> None:
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def cross(first: int, second: int) -> None:
        try:
            with connect(warehouse_url) as connection, connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [first])
                barrier.wait(20)
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [second])
            outcomes.append("done")
        except WarehouseContended as error:
            outcomes.append(error.code)

    _together(lambda: cross(1, 2), lambda: cross(2, 1))
    assert sorted(outcomes) == ["done", "warehouse_contended"]


def _together(*works: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is must reach the test
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.fault("C04")
def test_a_record_twice_in_one_stage_is_merged_once_and_one_duplicate(warehouse_url: str) -> None:
    twice = ({"record_id": "a"}, {"record_id": "a", "caller_id_name": "x"})
    counts = _load(warehouse_url, *twice).counts
    assert (counts.inserted, counts.duplicate) == (1, 1)
    again = _load(warehouse_url, *twice).counts
    assert (again.unchanged, again.duplicate, again.updated) == (1, 1, 0)


@pytest.mark.fault("C04")
def test_a_duplicate_of_a_record_that_stands_unchanged_still_decides(warehouse_url: str) -> None:
    _load(warehouse_url, {"record_id": "a"})
    later = {"record_id": "a", "ended_at": STARTED + timedelta(hours=1), "caller_id_name": "x"}
    counts = _load(warehouse_url, {"record_id": "a"}, later).counts
    assert (counts.updated, counts.duplicate, counts.unchanged) == (1, 1, 0)


OLD: Records = [{"record_id": "a"}, {"record_id": "b"}, {"record_id": "c"}]
NEW: Records = [{"record_id": "b", "caller_id_name": "new"}, {"record_id": "c"}, {"record_id": "d"}]


@pytest.mark.fault("C05")
@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD)], ids=["old first", "new first"])
def test_overlapping_batches_at_once_end_as_one_after_the_other(
    warehouse_url: str, order: tuple[Records, Records]
) -> None:
    """The second one is at its merge when the first one still holds the account: it waits, and sees what was merged."""
    first_holds = threading.Event()
    second_waits = threading.Event()

    def slow(_: BatchLoad) -> None:
        first_holds.set()
        assert second_waits.wait(10)
        time.sleep(0.2)

    def second() -> None:
        assert first_holds.wait(10)
        second_waits.set()
        _load(warehouse_url, *order[1])

    _together(lambda: _load(warehouse_url, *order[0], before_finish=slow), second)
    together = _state(warehouse_url)
    with connect(warehouse_url) as connection:
        connection.execute("TRUNCATE cdr, cdr_keys, cdr_history, batches, days")
    for batch in order:
        _load(warehouse_url, *batch)
    assert together == _state(warehouse_url)


@pytest.mark.fault("C05")
def test_accounts_that_open_a_new_month_at_once_lose_no_row(warehouse_url: str) -> None:
    barrier = threading.Barrier(4)

    def work(account: str) -> None:
        for month in (4, 5, 6):
            day = date(2026, month, 1)
            barrier.wait(20)
            _load(warehouse_url, {"record_id": f"{month}", "business_date": day}, account=account)

    _together(*(lambda name=name: work(name) for name in ("p", "q", "r", "s")))
    assert len(_state(warehouse_url)) == 12


@pytest.mark.fault("C05")
def test_accounts_that_fill_a_new_month_at_once_lose_no_row(warehouse_url: str) -> None:
    barrier = threading.Barrier(2)

    def work(account: str) -> None:
        many = [{"record_id": f"r{n}", "business_date": date(2026, 4, n % 30 + 1)} for n in range(WORTH_FILLING)]
        barrier.wait(20)
        assert _load(warehouse_url, *many, account=account).counts.inserted == WORTH_FILLING

    _together(lambda: work("p"), lambda: work("q"))
    assert _count(warehouse_url, "cdr") == 2 * WORTH_FILLING


def test_a_new_month_makes_no_reader_wait(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url) as reader:
        reader.execute("SELECT count(*) FROM cdr").fetchone()
        _load(warehouse_url, {"record_id": "a", "business_date": date(2027, 1, 1)})
        assert reader.execute("SELECT count(*) FROM cdr").fetchone() == (1,)


def test_a_new_month_is_filled_before_it_has_indexes_and_then_has_them_all(warehouse_url: str) -> None:
    many: Records = [{"record_id": f"r{n}", "business_date": date(2026, 4, n % 30 + 1)} for n in range(WORTH_FILLING)]
    few: Records = [{"record_id": "next month", "business_date": date(2026, 5, 1)}]
    known: Records = [{"record_id": "known", "business_date": date(2026, 3, 1)}]
    _load(warehouse_url, *known)
    with psycopg.connect(warehouse_url) as reader:
        assert reader.execute("SELECT count(*) FROM cdr").fetchone() == (1,)
        first = _load(warehouse_url, *many, *few, *known)
        assert reader.execute("SELECT count(*) FROM cdr").fetchone() == (WORTH_FILLING + 2,)
    assert (first.counts.inserted, first.counts.unchanged) == (WORTH_FILLING + 1, 1)
    again = _load(warehouse_url, *many, *few, *known)
    assert again.counts.unchanged == WORTH_FILLING + 2
    with connect(warehouse_url) as connection:
        indexes = connection.execute(
            "SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid IN"
            " ('cdr'::regclass, 'cdr_y2026m03'::regclass, 'cdr_y2026m04'::regclass, 'cdr_y2026m05'::regclass)"
            " GROUP BY indrelid"
        ).fetchall()
    assert len(indexes) == 4
    assert len(set(indexes)) == 1
    assert _count(warehouse_url, "cdr_keys") == _count(warehouse_url, "cdr") == WORTH_FILLING + 2


def test_a_new_month_that_was_filled_in_vain_leaves_nothing(warehouse_url: str) -> None:
    many: Records = [{"record_id": f"r{n}", "business_date": date(2026, 4, 1)} for n in range(WORTH_FILLING)]
    with connect(warehouse_url) as connection:
        header = BatchHeader("acct", uuid4(), "window", "source", NOW, date(2026, 3, 2))
        with batch_load(connection, header, keep=False) as load:
            load.stage(rows(*({"account_id": "acct"} | record for record in many)))
            assert load.finish(read=len(many)).counts.inserted == len(many)
            counted = connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'cdr_y2026m04'").fetchone()
            assert counted == (len(many),), "the planner has statistics before the next load"
        tables = connection.execute("SELECT to_regclass('cdr_y2026m04'), to_regclass('cdr_history_y2026m04')")
        assert tables.fetchone() == (None, None)
    assert _load(warehouse_url, *many).counts.inserted == len(many)


def test_a_moved_record_stands_once_in_its_new_month(warehouse_url: str) -> None:
    _load(warehouse_url, {"record_id": "a"}, {"record_id": "stays"})
    moved = _load(warehouse_url, {"record_id": "a", "business_date": date(2026, 8, 1)})
    assert moved.counts.updated == 1
    assert moved.touched == {date(2026, 3, 2), date(2026, 8, 1)}
    assert [row[1:3] for row in _state(warehouse_url)] == [("a", date(2026, 8, 1)), ("stays", date(2026, 3, 2))]
    assert _load(warehouse_url, {"record_id": "a", "business_date": date(2026, 8, 1)}).counts.unchanged == 1


def test_a_record_is_found_by_one_look_up_however_many_months_there_are(warehouse_url: str) -> None:
    for month in range(1, 13):
        _load(warehouse_url, {"record_id": f"m{month}", "business_date": date(2025, month, 1)})
    with connect(warehouse_url) as connection:
        if is_cluster(connection):
            pytest.skip("a cluster plans the look-up on the node of the account")
        plan = connection.execute(
            "EXPLAIN SELECT 1 FROM cdr_keys WHERE account_id = 'acct' AND origin = 'api' AND record_id = 'm3'"
        ).fetchall()
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute("INSERT INTO cdr_keys SELECT * FROM cdr_keys")
    assert "cdr_keys_pkey" in plan[0][0]


def _may_limit_temporary_files(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("SELECT has_parameter_privilege('temp_file_limit', 'SET')").fetchone() == (True,)


@pytest.mark.fault("C06")
def test_a_full_disk_aborts_the_load_and_a_retry_works_with_space(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        if is_cluster(connection) or not _may_limit_temporary_files(connection):
            pytest.skip("the user may not limit the disk for the statements of a load")
    # Records that come twice are staged.
    records = [{"record_id": f"r{number}" * 20} for number in range(3_000)] * 2

    def no_space(load: BatchLoad) -> None:
        load.connection.execute("SET LOCAL work_mem = '64kB'")
        load.connection.execute("SET LOCAL temp_file_limit = '64kB'")

    with pytest.raises(WarehouseUnavailable, match="53400"):
        _load(warehouse_url, *records, before_finish=no_space)
    assert _state(warehouse_url) == []
    assert _load(warehouse_url, *records).counts.inserted == 3_000


@pytest.mark.fault("C07")
def test_a_server_without_a_free_connection_is_waited_for(warehouse_url: str) -> None:
    taken: list[psycopg.Connection[Any]] = []
    with suppress(psycopg.OperationalError):
        while True:
            taken.append(psycopg.connect(warehouse_url))
    threading.Timer(0.5, taken.pop().close).start()
    with connect(warehouse_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    for one in taken:
        one.close()


@pytest.mark.fault("C08")
def test_a_warehouse_that_can_only_be_read_is_refused_at_the_start(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url, autocommit=True) as owner:
        database = sql.Identifier(owner.info.dbname)
        owner.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
        try:
            for check in (require_current, upgrade):
                with pytest.raises(WarehouseReadOnly, match="the warehouse is read-only") as raised:
                    check(warehouse_url)
                assert "primary" in raised.value.hint
        finally:
            owner.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(database))


@pytest.mark.fault("C09")
def test_an_edited_applied_migration_stops_everything_until_restored(warehouse_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(scripts(), folder)
    require_current(warehouse_url, folder)
    (edited,) = (folder / "versions").glob("0002_*.py")
    released = edited.read_text()
    edited.write_text(released + "# harmless, they said\n")
    for check in (require_current, upgrade):
        with pytest.raises(MigrationEdited, match="checksum mismatch: migration 0002") as raised:
            check(warehouse_url, folder)
        assert raised.value.code == "migration_edited"
        assert "put the released file back" in raised.value.hint
    edited.write_bytes(released.replace("\n", "\r\n").encode())
    require_current(warehouse_url, folder)
    assert upgrade(warehouse_url, folder).after is not None


@pytest.mark.fault("C10")
def test_a_search_that_takes_too_long_ends_and_its_connection_goes_on(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        Ledger(connection).accounts.add(Account("acct"), now=NOW)
        with pytest.raises(psycopg.errors.QueryCanceled):
            with scoped(connection, "acct", seconds=0.1):
                connection.execute("SELECT pg_sleep(5)")
        with scoped(connection, "acct"):
            assert connection.execute("SELECT count(*) FROM cdr_merged").fetchone() == (0,)


TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ANYTHING = st.fixed_dictionaries(
    {
        "record_id": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
        "caller_id_name": TEXT, "user_agent": TEXT, "call_id": TEXT,
        "started_at": st.datetimes(datetime(1, 1, 2), datetime(2026, 3, 8), timezones=st.just(UTC)),  # noqa: DTZ001
        "duration_seconds": st.none() | st.decimals(0, 999_999_999, places=3),
        "billing_seconds": st.none() | st.decimals(0, 999_999_999, places=3),
        "cost": st.none() | st.decimals(Decimal(-9_999_999_999), Decimal(9_999_999_999), places=8),
        "remote_rtp_port": st.none() | st.integers(-(2**31), 2**31 - 1),
    }
)  # fmt: skip


@pytest.mark.fault("C11")
@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))  # pyright: ignore[reportArgumentType]
@given(records=st.lists(ANYTHING, min_size=1, max_size=4))
def test_nothing_that_the_rules_accept_is_refused_by_the_database(warehouse_url: str, records: Records) -> None:
    days = [{"business_date": record["started_at"].date()} | record for record in records]
    accepted = validate(rows(*days), latest=NOW).rows
    with connect(warehouse_url) as connection:
        with batch_load(connection, BatchHeader("acct", uuid4(), "window", "s", NOW), keep=False) as load:
            load.stage(accepted)
            counts = load.finish(read=accepted.height, record=False).counts
            assert counts.inserted + counts.duplicate == accepted.height
            kept = connection.execute("SELECT record_id, caller_id_name, cost FROM cdr").fetchall()
    delivered = accepted.select("record_id", "caller_id_name", "cost").rows()
    # PostgreSQL keeps an empty text apart from none.
    assert set(kept) <= set(delivered)


CRASH = """
import os, sys
sys.path[:0] = sys.argv[2:]
from datetime import UTC, datetime
from uuid import uuid4
from tests.support.records import rows
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
with connect(sys.argv[1]) as connection:
    with batch_load(connection, BatchHeader("acct", uuid4(), "window", "s", datetime.now(UTC))) as load:
        load.stage(rows({}))
        os._exit(137)
"""


@pytest.mark.fault("C12")
def test_a_killed_load_leaves_no_stage_and_touches_no_other_stage(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        if is_cluster(connection):
            pytest.skip("loads of a cluster share one stage")

    def crash(load: BatchLoad) -> None:
        path = [str(Path(__file__).parents[2])]
        assert subprocess.run([sys.executable, "-c", CRASH, warehouse_url, *path], check=False).returncode == 137
        left = "SELECT count(*) FROM pg_class WHERE relname = 'cdr_stage' AND relpersistence = 't'"
        for _ in range(100):
            if load.connection.execute(left).fetchone() == (1,):
                break
            time.sleep(0.05)
        assert load.connection.execute(left).fetchone() == (1,)

    # Another account: the killed process may hold its own account's lock for a moment.
    assert _load(warehouse_url, {"record_id": "a"}, account="other", before_finish=crash).counts.inserted == 1
    with connect(warehouse_url) as connection:
        # Without a stage of its own, this session sees the shared one.
        assert connection.execute("SELECT count(*) FROM cdr_stage").fetchone() == (0,)


@pytest.mark.fault("C16")
def test_vacuum_and_reindex_during_loads_raise_no_unique_violation(warehouse_url: str) -> None:
    _load(warehouse_url, {"record_id": "a"})
    done = threading.Event()

    def maintain() -> None:
        with psycopg.connect(warehouse_url, autocommit=True) as connection:
            while not done.is_set():
                connection.execute("REINDEX TABLE CONCURRENTLY cdr_keys")
                connection.execute("VACUUM cdr_keys, cdr")

    def work() -> None:
        try:
            for number in range(12):
                _load(warehouse_url, {"record_id": f"r{number}"}, {"record_id": "a", "caller_id_name": f"{number}"})
        finally:
            done.set()

    _together(maintain, work)
    assert _count(warehouse_url, "cdr") == 13
    assert _count(warehouse_url, "cdr_keys") == 13


def test_texts_that_look_like_nothing_stay_what_they_are(warehouse_url: str) -> None:
    odd = ["", None, " ", "\\N", '"', "a,b", "line\nbreak", "tab\t", "ünï"]
    _load(warehouse_url, *({"record_id": f"r{place}", "caller_id_name": text} for place, text in enumerate(odd)))
    assert [row[3] for row in _state(warehouse_url)] == odd
    frame = pl.DataFrame({"odd": odd})
    assert frame["odd"].null_count() == 1
