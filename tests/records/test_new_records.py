"""Records that are inserted without the stage end as those that are staged: in values, counts, rejects and links."""

from collections.abc import Callable
from datetime import UTC, date, timedelta
from decimal import Decimal
from random import Random
from threading import Event
from typing import Any, Literal
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from psycopg import sql

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.core.fields.schemas import LINE
from cdr_pipeline.core.records.identity import with_record_ids
from cdr_pipeline.errors import ValueNotStorable
from cdr_pipeline.warehouse.records import loading, new_records
from cdr_pipeline.warehouse.records.batch import BatchHeader, LoadedBatch
from cdr_pipeline.warehouse.records.loading import BatchLoad, batch_load
from cdr_pipeline.warehouse.server import engine
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.records import STARTED, rows

NOW = STARTED.replace(tzinfo=UTC) + timedelta(days=1)
Kind = Literal["window", "upload"]
EXTRA = (
    '{"custom": {"a": null, "list": [1.50, null, {"x": null}]}, "none": null, "big": 123456789012345678901.10}',
    '{"sip": "nu\\u00fcll \\"null\\""}',
    None,
)


def _copied_from(monkeypatch: pytest.MonkeyPatch, rows_of_first_chunk: int) -> None:
    monkeypatch.setattr(new_records, "COPIED_FROM", rows_of_first_chunk)


def _load(url: str, kind: Kind, *chunks: pl.DataFrame, account: str = "acct") -> tuple[LoadedBatch, list[int]]:
    header = BatchHeader(account, uuid4(), kind, "source", NOW, date(2026, 3, 2))
    with connect(url) as connection, batch_load(connection, header) as load:
        for chunk in chunks:
            load.stage(chunk.with_columns(pl.lit(account).alias("account_id")))
        rejected = load.settle()[LINE].to_list()
        return load.finish(read=sum(chunk.height for chunk in chunks) - len(rejected)), rejected


def _state(url: str, account: str) -> list[list[tuple[Any, ...]]]:
    columns = ", ".join(name for name in names() if name != "account_id")
    keys = "origin, record_id, business_date, list_digest, row_digest, has_detail"
    queries = [
        f"SELECT {columns}, extra::text, has_detail, list_digest, row_digest, source_line FROM cdr",
        f"SELECT {keys} FROM cdr_keys",
        f"SELECT {columns}, extra::text FROM cdr_history",
        "SELECT imported_record_id, api_record_id, basis FROM cdr_links",
        "SELECT business_date, changes FROM days",
    ]
    with psycopg.connect(url) as connection:
        return [
            sorted(connection.execute(f"{query} WHERE account_id = %s".encode(), [account]).fetchall(), key=repr)
            for query in queries
        ]


def _chunk(chance: Random, kind: Kind, first_line: int, size: int, ids: int) -> pl.DataFrame:
    """Rows with few ids and values, so that they meet."""
    made: list[dict[str, Any]] = []
    for line in range(first_line, first_line + size):
        began = STARTED + timedelta(minutes=chance.choice((0, 0, 0, 2, 60 * 24, 60 * 24 * 40)))
        made.append(
            {
                "origin": "api" if kind == "window" else "imported",
                "record_id": str(chance.randrange(ids)) if kind == "window" or chance.random() < 0.9 else None,
                "line": line,
                "started_at": began,
                "ended_at": began + timedelta(seconds=chance.choice((5, 9))),
                "business_date": began.date(),
                "call_id": f"call-{chance.randrange(ids)}",
                "caller_id_name": chance.choice((None, 'quoted "name", comma', "")),
                "callee_e164": chance.choice(("+4930123456", "+4930123457")),
                "extra_source": chance.choice(EXTRA),
                "raw": str(chance.randrange(3)),
            }
        )
    frame = rows(*made)
    if kind == "upload":
        return with_record_ids(frame, "carrier")
    detailed = pl.Series([chance.random() < 0.5 for _ in made])
    return frame.with_columns(
        detailed.alias("has_detail"),
        pl.when(detailed).then(pl.lit('{"custom": {"b": 2.0}, "_id": "x", "nothing": null}')).alias("detail_source"),
    )


@pytest.mark.parametrize("seed", range(12))
def test_any_batches_end_as_if_all_rows_were_staged(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = Random(seed)
    monkeypatch.setattr(new_records, "WORTH_FILLING", chance.choice((1, 6, 1_000)))
    monkeypatch.setattr(new_records, "_MOST_STAGED", chance.choice((0, 2, 1_000)))
    monkeypatch.setattr(loading, "BEHIND_FROM", chance.choice((1, 6, 1_000)))
    for _ in range(5):
        kind: Kind = chance.choice(("window", "upload"))
        sizes = [chance.randrange(1, 9) for _ in range(chance.randrange(1, 5))]
        batch = [_chunk(chance, kind, sum(sizes[:number]) + 1, size, 14) for number, size in enumerate(sizes)]
        results: list[Any] = []
        for account, copied_from in (("copied", 1), ("staged", 1_000_000)):
            _copied_from(monkeypatch, copied_from)
            loaded, rejected = _load(warehouse_url, kind, *batch, account=account)
            results.append((loaded.counts, loaded.touched, rejected))
        assert results[0] == results[1]
        assert _state(warehouse_url, "copied") == _state(warehouse_url, "staged")


def test_new_records_of_a_large_batch_do_not_pass_the_stage(warehouse_url: str) -> None:
    header = BatchHeader("acct", uuid4(), "window", "source", NOW, date(2026, 3, 2))
    frame = rows(*({"record_id": f"r{number}"} for number in range(new_records.COPIED_FROM + 1)))
    with connect(warehouse_url) as connection, batch_load(connection, header) as load:
        load.stage(frame.head(frame.height - 1))
        load.stage(frame.tail(1))
        load.settle()
        assert connection.execute("SELECT count(*) FROM cdr_stage").fetchone() == (0,)
        assert load.finish(read=frame.height).counts.inserted == frame.height
    assert len(_state(warehouse_url, "acct")[0]) == frame.height


def test_a_record_of_a_copied_chunk_that_comes_again_is_a_duplicate(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _copied_from(monkeypatch, 1)
    first = rows({"record_id": "a", "ended_at": STARTED, "line": 1}, {"record_id": "b", "line": 2})
    later = rows({"record_id": "a", "ended_at": STARTED + timedelta(seconds=5), "line": 3})
    loaded, _ = _load(warehouse_url, "window", first, later)
    assert (loaded.counts.inserted, loaded.counts.duplicate) == (2, 1)
    with psycopg.connect(warehouse_url) as connection:
        lines = connection.execute("SELECT record_id, source_line FROM cdr ORDER BY record_id").fetchall()
    assert lines == [("a", 3), ("b", 2)]


def test_a_copied_line_that_a_later_line_contradicts_is_rejected(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _copied_from(monkeypatch, 1)
    chunks = [
        with_record_ids(rows({"origin": "imported", "record_id": "7", "line": line, "cost": Decimal(line)}), "carrier")
        for line in (1, 2)
    ]
    loaded, rejected = _load(warehouse_url, "upload", *chunks)
    assert rejected == [1]
    assert loaded.counts.inserted == 1
    with psycopg.connect(warehouse_url) as connection:
        assert connection.execute("SELECT source_line FROM cdr").fetchall() == [(2,)]


@pytest.mark.parametrize("filled_from", [1, 1_000])
def test_a_load_that_fails_leaves_no_copied_record(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch, filled_from: int
) -> None:
    _copied_from(monkeypatch, 1)
    monkeypatch.setattr(new_records, "WORTH_FILLING", filled_from)

    def fails(load: BatchLoad) -> None:
        load.stage(rows({"record_id": "a"}, {"record_id": "b"}))
        load.settle()
        raise RuntimeError

    _raising(warehouse_url, fails)
    assert _state(warehouse_url, "acct") == [[], [], [], [], []]
    assert _load(warehouse_url, "window", rows({"record_id": "a"}))[0].counts.inserted == 1


def _wait_at_most(monkeypatch: pytest.MonkeyPatch, time: str) -> None:
    """Limits how long all sessions wait for a lock."""
    settings = engine._SESSION_SET  # pyright: ignore[reportPrivateUsage]
    limited = sql.SQL("{}, set_config('lock_timeout', {}, false)").format(settings, sql.Literal(time))
    monkeypatch.setattr(engine, "_SESSION_SET", limited)


def _rows_of(account: str, day: date, *record_ids: str) -> pl.DataFrame:
    began = STARTED.replace(year=day.year, month=day.month, day=day.day)
    return rows(
        *(
            {"account_id": account, "record_id": record_id, "line": line, "started_at": began, "business_date": day}
            for line, record_id in enumerate(record_ids)
        )
    )


@pytest.mark.parametrize("filled_from", [1, 1_000])
def test_loads_that_need_new_months_do_not_wait_for_a_load_that_has_begun(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch, filled_from: int
) -> None:
    _copied_from(monkeypatch, 1)
    monkeypatch.setattr(new_records, "WORTH_FILLING", filled_from)
    _wait_at_most(monkeypatch, "3s")
    may, june = date(2026, 5, 4), date(2026, 6, 4)
    header = BatchHeader("long", uuid4(), "window", "source", NOW, date(2026, 3, 2))
    with connect(warehouse_url) as connection, batch_load(connection, header) as load:
        load.stage(_rows_of("long", may, "a", "b", "c"))
        load.stage(_rows_of("long", may, "c"))
        for day in (may, june):
            assert _load(warehouse_url, "window", _rows_of("other", day, f"{day}"), account="other")[0].counts.inserted
        load.stage(_rows_of("long", may, "d"))
        load.settle()
        counts = load.finish(read=5).counts
    assert (counts.inserted, counts.duplicate) == (4, 1)
    with psycopg.connect(warehouse_url) as reader:
        stored = reader.execute("SELECT account_id, record_id FROM cdr_y2026m05 ORDER BY 1, 2").fetchall()
        left = reader.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'cdr_filling%'").fetchone()
    assert stored == [*(("long", record_id) for record_id in "abcd"), ("other", "2026-05-04")]
    assert left == (0,)


def test_a_month_that_was_filled_has_the_indexes_of_the_others(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _copied_from(monkeypatch, 1)
    monkeypatch.setattr(new_records, "WORTH_FILLING", 1)
    # The second chunk has a record of the first, so that the table gets its key before it is attached.
    repeated = [_rows_of("acct", date(2026, 7, 4), *ids) for ids in ("ab", "bc")]
    assert _load(warehouse_url, "window", *repeated)[0].counts.inserted == 3
    _load(warehouse_url, "window", _rows_of("acct", date(2026, 8, 4), "d"))
    parents = (
        "SELECT i.inhparent::regclass::text FROM pg_inherits AS i INNER JOIN pg_index AS x ON x.indexrelid = i.inhrelid"
        " WHERE x.indrelid = %s::regclass ORDER BY 1"
    )
    with psycopg.connect(warehouse_url) as reader:
        filled, other = (reader.execute(parents, [f"cdr_y2026m{month}"]).fetchall() for month in ("07", "08"))
        assert reader.execute("SELECT count(*) FROM cdr_history_y2026m07").fetchone() == (0,)
    assert filled == other
    assert ("cdr_pkey",) in filled


def test_a_month_that_is_created_within_a_load_that_has_attached_one(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _copied_from(monkeypatch, 1)
    monkeypatch.setattr(new_records, "WORTH_FILLING", 2)
    _wait_at_most(monkeypatch, "3s")
    header = BatchHeader("acct", uuid4(), "upload", "source", NOW)
    lines = [frame.with_columns(pl.lit("imported").alias("origin")) for frame in (
        _rows_of("acct", date(2026, 9, 4), "a", "b"), _rows_of("acct", date(2026, 10, 4), "c")
    )]  # fmt: skip
    with connect(warehouse_url) as connection, batch_load(connection, header) as load:
        load.stage(lines[0])
        load.close_replayed_rejects()
        load.stage(lines[1])
        load.settle()
        assert load.finish(read=3).counts.inserted == 3


def _raising(url: str, work: Callable[[BatchLoad], None]) -> None:
    header = BatchHeader("acct", uuid4(), "window", "source", NOW, date(2026, 3, 2))
    with pytest.raises(RuntimeError), connect(url) as connection, batch_load(connection, header) as load:
        work(load)


def test_a_text_that_is_no_object_cannot_be_stored(warehouse_url: str) -> None:
    frame = rows({"extra_source": "[1]"})
    with pytest.raises(ValueNotStorable):
        _load(warehouse_url, "window", frame)
    assert _state(warehouse_url, "acct")[0] == []


def test_an_error_of_a_chunk_that_a_thread_writes_ends_the_load(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BEHIND_FROM", 1)
    good, bad = rows({"record_id": "a"}), rows({"record_id": "b", "extra_source": "[1]"})
    with pytest.raises(ValueNotStorable):
        _only_stage(warehouse_url, good, bad)
    assert _state(warehouse_url, "acct") == [[], [], [], [], []]


def _only_stage(url: str, *chunks: pl.DataFrame) -> None:
    """Ends the block of a load without settling it."""
    header = BatchHeader("acct", uuid4(), "window", "source", NOW, date(2026, 3, 2))
    with connect(url) as connection, batch_load(connection, header) as load:
        for chunk in chunks:
            load.stage(chunk)


def test_a_load_that_fails_while_a_thread_writes_leaves_nothing(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BEHIND_FROM", 1)
    written = Event()
    write = BatchLoad._write  # pyright: ignore[reportPrivateUsage]

    def slow(load: BatchLoad, frame: pl.DataFrame) -> None:
        written.wait(0.1)
        write(load, frame)
        written.set()

    def fails(load: BatchLoad) -> None:
        load.stage(rows({"record_id": "a"}))
        raise RuntimeError

    monkeypatch.setattr(BatchLoad, "_write", slow)
    _raising(warehouse_url, fails)
    assert written.is_set()
    assert _state(warehouse_url, "acct") == [[], [], [], [], []]
    assert _load(warehouse_url, "window", rows({"record_id": "a"}))[0].counts.inserted == 1


def test_ids_with_any_character_are_found_again(warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _copied_from(monkeypatch, 1)
    ids = ["a,b", "NULL", "", ' "quoted" ', "back\\slash", "{brace}", "line\nbreak", "ü\x1f", "it's"]
    frame = rows(*({"record_id": record_id} for record_id in ids))
    assert _load(warehouse_url, "window", frame)[0].counts.inserted == len(ids)
    assert _load(warehouse_url, "window", frame)[0].counts.unchanged == len(ids)
    again = rows(
        *({"record_id": record_id, "ended_at": STARTED, "line": 10 + line} for line, record_id in enumerate(ids))
    )
    loaded, _ = _load(warehouse_url, "window", rows({"record_id": "other", "line": 99}), frame, again)
    assert (loaded.counts.updated, loaded.counts.duplicate) == (len(ids), len(ids))
