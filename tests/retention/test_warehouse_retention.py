"""Old records go by policy: whole months, their totals kept, archived on the way; or their numbers are masked."""

import warnings
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from psycopg import sql

from cdr_pipeline.core.fields.dictionary import canonical_schema
from cdr_pipeline.core.records.search import Compare, InstantRange, Operator, Search
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.retention.retained_records import retained_records_asset
from cdr_pipeline.defs.scope import Scope
from cdr_pipeline.errors import AccountNotFound, WarehouseContended, WarehouseError
from cdr_pipeline.exports import archive as archive_file
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.records.making_extracts import Making, MakingStopped, claim_extract
from cdr_pipeline.steps.retention import retain_records as retain_module
from cdr_pipeline.steps.retention.retain_records import (
    RetainedMonth,
    RetentionResult,
    list_policies,
    retain_records,
    set_policy,
)
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.preview_upload import preview_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.records.extracts import NewExtract
from cdr_pipeline.warehouse.retention.policies import MonthRemoval, RetentionTable
from cdr_pipeline.warehouse.server.engine import connect
from tests.support.days import ACCOUNT, DAY, PERSON, collected, deliver, files, later, seal
from tests.support.uploads import carrier_row, carrier_text

MARCH = date(2026, 3, 1)
NEXT = date(2026, 4, 1)
USD = {"cost": Decimal("0.5"), "cost_currency": "USD"}
NUMBERS = {
    "caller_id_number": "+4930123456", "caller_e164": "+4930123456", "callee_id_number": "101",
    "to_uri": "sip:+4930987654@pbx.example", "sip_from": "4930123456;x=1@pbx.example", "caller_id_name": "Someone",
    "remote_sdp": "v=0", "call_id": "call", "extra_source": '{"number": "+4930123456"}',
}  # fmt: skip
TOTALS = "SELECT business_date, origin, cost_currency, legs, duration_seconds, billing_seconds, cost FROM"


def query(ctx: RunContext, text: str) -> list[tuple[Any, ...]]:
    with connect(ctx.url) as connection:
        return connection.execute(sql.SQL(text)).fetchall()  # type: ignore[arg-type]


def counts(ctx: RunContext) -> dict[str, int]:
    tables = ("cdr", "cdr_history", "cdr_keys", "cdr_links")
    return {table: query(ctx, f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def policy(ctx: RunContext, *, keep: int | None = 3, archive: bool = False, mask: int | None = None) -> None:
    set_policy(ACCOUNT, ctx, keep_months=keep, archive=archive, mask_after_days=mask, actor="A. Controller")


def only(done: RetentionResult) -> RetainedMonth:
    (month,) = done.months
    return month


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """March: one leg of two records, one leg of one, a changed record; April: one leg."""
    collected(ctx)
    deliver(ctx, {"record_id": "a", "call_id": "x"} | USD, {"record_id": "b", "caller_id_name": "old"})
    deliver(ctx, {"record_id": "b", "caller_id_name": ""})
    deliver(ctx, {"record_id": "file", "call_id": "x"}, kind="upload")
    deliver(ctx, {"record_id": "c", "business_date": NEXT})
    return ctx


def test_a_month_is_removed_with_history_keys_and_links_but_not_its_totals(place: RunContext) -> None:
    assert counts(place) == {"cdr": 4, "cdr_history": 1, "cdr_keys": 4, "cdr_links": 1}
    seal(place)
    before = files(place)
    policy(place, keep=7)
    done = only(retain_records(place))
    assert (done.outcome, done.month, done.records, done.archived) == ("removed", MARCH, 3, None)
    assert counts(place) == {"cdr": 1, "cdr_history": 0, "cdr_keys": 1, "cdr_links": 0}
    assert query(place, f"{TOTALS} retained_totals ORDER BY 2") == [
        (DAY, "api", "", 1, Decimal("30.000"), Decimal("20.000"), 0),
        (DAY, "api+imported", "USD", 1, Decimal("30.000"), Decimal("20.000"), Decimal("0.5")),
    ]
    assert files(place) == before
    assert retain_records(place).months == ()


def test_a_month_with_an_open_or_a_late_day_is_refused_by_name_and_stays(place: RunContext) -> None:
    policy(place, keep=7)
    opened = only(retain_records(place))
    assert (opened.outcome, opened.unfinished) == ("refused", (DAY,))
    seal(place)
    deliver(place, {"record_id": "late"})
    assert only(retain_records(place)).unfinished == (DAY,)
    assert counts(place)["cdr"] == 5


def test_a_month_that_the_policy_keeps_stays(place: RunContext) -> None:
    seal(place)
    assert retain_records(place).months == ()
    policy(place, keep=8)
    assert retain_records(place).months == ()
    policy(place, keep=7)
    assert only(retain_records(place, dry_run=True)).outcome == "due"
    assert counts(place)["cdr"] == 4


def test_the_archive_holds_every_record_and_column_in_the_same_bytes(place: RunContext) -> None:
    seal(place)
    policy(place, keep=7, archive=True)
    with place.ledger() as ledger, ledger.retention.remove_month(ACCOUNT, MARCH) as removal:
        chunks = list(removal.records())
    first = archive_file.write_archive(chunks, place.settings.data_dir / "first.parquet")
    done = only(retain_records(place))
    assert done.archived is not None
    assert done.archived.path == place.settings.data_dir / "archive/acct/2026/cdr_acct_2026-03.parquet"
    assert done.archived.sha256 == first.sha256
    noted = query(place, "SELECT records, archived_path, archived_sha256 FROM removed_months")
    assert noted == [(3, "acct/2026/cdr_acct_2026-03.parquet", first.sha256)]
    kept = pl.read_parquet(done.archived.path)
    assert kept.select(canonical_schema().keys()).schema == canonical_schema()
    assert kept.select("record_id", "caller_id_name", "cost", "has_detail", "linked_record_id").rows() == [
        ("a", None, Decimal("0.5"), False, "file"),
        ("b", "", None, False, None),
        ("file", None, None, False, "a"),
    ]
    assert sorted(path.name for path in done.archived.path.parent.iterdir()) == [done.archived.path.name]


@pytest.mark.parametrize("statement", ["retained_totals", "removed_months"])
def test_a_run_that_dies_removes_nothing_and_the_next_one_converges(place: RunContext, statement: str) -> None:
    seal(place)
    policy(place, keep=7, archive=True)
    with connect(place.url) as connection:
        connection.execute(sql.SQL("ALTER TABLE {} ADD CONSTRAINT no CHECK (false)").format(sql.Identifier(statement)))
    failed = only(retain_records(place))
    assert (failed.outcome, failed.failure and failed.failure.code) == ("failed", WarehouseError.code)
    assert counts(place) == {"cdr": 4, "cdr_history": 1, "cdr_keys": 4, "cdr_links": 1}
    assert query(place, f"{TOTALS} retained_totals") == []
    with connect(place.url) as connection:
        connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT no").format(sql.Identifier(statement)))
    assert only(retain_records(place)).outcome == "removed"
    assert query(place, "SELECT sum(legs)::int FROM retained_totals") == [(2,)]


def test_a_run_killed_between_two_months_leaves_one_to_the_next(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected(place, NEXT)
    seal(place)
    seal(place, day=NEXT)
    policy(place, keep=6)
    remove, removed = MonthRemoval.remove, list[date]()

    def killed(removal: MonthRemoval, **values: Any) -> int:
        if removed:
            raise KeyboardInterrupt
        removed.append(removal.month)
        return remove(removal, **values)

    monkeypatch.setattr(MonthRemoval, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        retain_records(place)
    monkeypatch.undo()
    assert counts(place) == {"cdr": 1, "cdr_history": 0, "cdr_keys": 1, "cdr_links": 0}
    assert [(done.month, done.outcome) for done in retain_records(place).months] == [(NEXT, "removed")]
    assert query(place, "SELECT month, records FROM removed_months ORDER BY 1") == [(MARCH, 3), (NEXT, 1)]
    assert counts(place)["cdr"] == 0


def test_records_missing_from_the_table_stop_the_removal(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    seal(place)
    policy(place, keep=7)
    monkeypatch.setattr(MonthRemoval, "count", lambda _: 4)
    failed = only(retain_records(place))
    assert failed.failure is not None
    assert failed.failure.code == "unbalanced_batch"
    assert counts(place)["cdr"] == 4


def test_a_record_of_a_removed_month_is_rejected_and_only_its_id_is_kept(place: RunContext) -> None:
    seal(place)
    policy(place, keep=7)
    retain_records(place)
    for _ in range(2):
        deliver(place, {"record_id": "a", "raw": "+4930123456"}, {"record_id": "d", "business_date": NEXT})
    rejects = query(place, "SELECT reason, field, raw FROM rejects")
    assert rejects == [("month_removed", "business_date", "a")]
    assert query(place, "SELECT record_id FROM cdr ORDER BY 1") == [("c",), ("d",)]
    assert query(place, "SELECT changes = exported_changes FROM days WHERE business_date = '2026-03-02'") == [(True,)]


def test_a_preview_lists_lines_of_removed_months_by_their_reason(place: RunContext, tmp_path: Path) -> None:
    seal(place)
    policy(place, keep=7)
    retain_records(place)
    file = tmp_path / "calls.csv"
    file.write_text(carrier_text(1) + carrier_row(2, start="2026-04-01T09:00:00Z"))
    preview = preview_upload(UploadRequest(file, ACCOUNT, "generic"), place)
    assert preview.lines.rows() == [
        (1, "filtered", "header", None, None),
        (2, "rejected", "month_removed", "business_date", None),
        (3, "inserted", None, None, None),
    ]
    assert preview.reject_reasons == {"month_removed": 1}


def test_an_imported_record_of_the_next_month_is_removed_with_its_leg(ctx: RunContext) -> None:
    last = date(2026, 3, 31)
    late = datetime(2026, 3, 31, 21, 59, tzinfo=UTC)
    collected(ctx, last)
    deliver(ctx, {"record_id": "a", "call_id": "x", "business_date": last, "started_at": late})
    after = {"record_id": "f", "call_id": "x", "business_date": NEXT, "started_at": late + timedelta(minutes=2)}
    deliver(ctx, after, kind="upload")
    seal(ctx, PERSON, last)
    policy(ctx, keep=7)
    assert only(retain_records(ctx)).records == 2
    assert counts(ctx) == {"cdr": 0, "cdr_history": 0, "cdr_keys": 0, "cdr_links": 0}


def test_empty_partitions_are_dropped_and_recreated_when_needed(place: RunContext) -> None:
    seal(place)
    policy(place, keep=7)
    with connect(place.url) as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock_shared(7230114226003)")
        assert retain_records(place).dropped == ()
    assert retain_records(place).dropped == (MARCH,)
    assert query(place, "SELECT to_regclass('cdr_y2026m03'), to_regclass('cdr_history_y2026m03')") == [(None, None)]
    with connect(place.url) as connection:
        connection.execute("DELETE FROM removed_months")
    deliver(place, {"record_id": "again"})
    assert query(place, "SELECT record_id FROM cdr ORDER BY 1") == [("again",), ("c",)]


def test_masking_leaves_totals_and_a_replay_does_not_undo_it(ctx: RunContext) -> None:
    collected(ctx)
    deliver(ctx, {"record_id": "a", "callee_id_name": "old"} | NUMBERS | USD)
    deliver(ctx, {"record_id": "a"} | NUMBERS | USD)
    open_day = {"record_id": "open", "business_date": NEXT} | NUMBERS
    deliver(ctx, open_day)
    seal(ctx)
    before = files(ctx)
    legs = f"{TOTALS.replace('legs', 'answered')} cdr_merged ORDER BY record_id"
    totals = query(ctx, legs)
    policy(ctx, keep=None, mask=100)
    assert retain_records(ctx).masked == {ACCOUNT: 2}
    shown = "caller_id_number, caller_e164, callee_id_number, to_uri, sip_from, caller_id_name, remote_sdp, extra"
    masked = [
        ("+493012****", "+493012****", "****", "sip:+493098****@pbx.example", "493012****@pbx.example", None, None, {})
    ]
    for table in ("cdr", "cdr_history"):
        assert query(ctx, f"SELECT {shown} FROM {table} WHERE record_id = 'a'") == masked
    assert query(ctx, legs) == totals
    assert query(ctx, "SELECT caller_id_number FROM cdr WHERE record_id = 'open'") == [("+4930123456",)]
    deliver(ctx, {"record_id": "a"} | NUMBERS | USD)
    assert query(ctx, f"SELECT {shown} FROM cdr WHERE record_id = 'a'") == masked
    assert retain_records(ctx).masked == {ACCOUNT: 0}
    assert files(ctx) == before


@pytest.mark.parametrize(("keep", "mask"), [(7, None), (None, 100)], ids=["removed", "masked"])
def test_extracts_that_may_show_changed_records_are_withdrawn(
    place: RunContext, keep: int | None, mask: int | None
) -> None:
    seal(place)
    days = {"shown": DAY, "undated": None, "later": date(2026, 7, 1), "unmade": DAY, "begun": DAY}
    for name, day in days.items():
        requested(place, name, day)
    begun = make(place, until="begun")
    assert len(list((place.settings.extract_dir / ACCOUNT).iterdir())) == 4
    policy(place, keep=keep, mask=mask)
    assert not retain_records(place).failures
    states = dict(query(place, "SELECT extract_id, state FROM extracts"))
    assert states == dict.fromkeys(days, "withdrawn") | {"later": "ready"}
    begun.keep()
    with pytest.raises(MakingStopped):
        begun.step()
    begun.close()
    assert [path.name.partition(".")[0] for path in (place.settings.extract_dir / ACCOUNT).iterdir()] == ["later"]


@pytest.mark.parametrize(("keep", "mask"), [(7, None), (None, 100)], ids=["removed", "masked"])
def test_records_stay_until_their_extracts_can_be_withdrawn(
    place: RunContext, keep: int | None, mask: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    seal(place)
    policy(place, keep=keep, mask=mask)
    before = query(place, "SELECT record_id, caller_e164 FROM cdr ORDER BY 1")
    monkeypatch.setattr(retain_module, "withdraw_extracts", killed)
    with pytest.raises(KeyboardInterrupt):
        retain_records(place)
    assert query(place, "SELECT record_id, caller_e164 FROM cdr ORDER BY 1") == before


def requested(ctx: RunContext, name: str, day: date | None) -> None:
    """Requests an extract of the days from one on, or of business dates."""
    first = None if day is None else datetime.combine(day, time(), UTC)
    last = None if first is None else first + timedelta(days=5)
    with ctx.ledger() as ledger:
        wanted = NewExtract(ACCOUNT, name, name, "token", {"parameters": {}}, "csv", "none", first, last)
        ledger.extracts.add(wanted, now=ctx.clock() + timedelta(seconds="shown undated later begun unmade".index(name)))


def make(ctx: RunContext, *, until: str) -> Making:
    """Makes the requested extracts; the one of a name only begins."""
    while True:
        making = claim_extract(replace(ctx, clock=lambda: ctx.clock() + timedelta(hours=1)))
        assert making is not None
        extract = making.extract
        if extract.first_moment is None or extract.last_moment is None:
            search = Search((ACCOUNT,), (Compare(("business_date",), Operator.EQUALS, (DAY,)),))
        else:
            search = Search((ACCOUNT,), (), InstantRange("saved_at", extract.first_moment, extract.last_moment))
        making.begin(search)
        if extract.extract_id == until:
            assert making.step()
            return making
        while making.step():
            pass
        making.close()


def test_a_policy_is_of_a_known_account_and_replaces_the_one_before(ctx: RunContext) -> None:
    with pytest.raises(AccountNotFound):
        policy(ctx)
    collected(ctx)
    policy(ctx, keep=12, archive=True)
    policy(ctx, keep=24, mask=90)
    assert [(one.keep_months, one.archive, one.mask_after_days, one.set_by) for one in list_policies(ctx)] == [
        (24, False, 90, "A. Controller")
    ]


def test_a_night_applies_the_policies_and_says_what_it_removed(place: RunContext) -> None:
    seal(place)
    policy(place, keep=7, archive=True)
    result = applied(place)
    assert counts(place)["cdr"] == 1
    (night,) = result.asset_materializations_for_node("retained_records")
    assert (night.metadata["records_removed"].value, night.metadata["records_archived"].value) == (3, 3)
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True]


def test_a_month_that_a_night_cannot_remove_is_red_until_removed(place: RunContext) -> None:
    policy(place, keep=7)
    assert [check.passed for check in applied(place).get_asset_check_evaluations()] == [False]
    assert overdue(place) == []
    third_day = later(place, days=2)
    assert overdue(third_day) == [f"account {ACCOUNT}: 1 month from 2026-03 on should have been removed"]
    seal(third_day)
    applied(third_day)
    assert overdue(third_day) == []


def test_an_account_that_cannot_be_masked_leaves_the_others_and_is_named(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(place, keep=None, mask=1)

    def busy(*_: object) -> int:
        raise WarehouseContended("another load is at work")

    monkeypatch.setattr(RetentionTable, "mask", busy)
    seal(place)
    assert [(one.account_id, one.code) for one in retain_records(place).failures] == [(ACCOUNT, "warehouse_contended")]


def applied(ctx: RunContext) -> dg.ExecuteInProcessResult:
    """The asset of a night, materialized here."""
    days = dg.DailyPartitionsDefinition("2026-03-01")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        asset = retained_records_asset(days)
    places = RunContexts(ctx.settings, clock=ctx.clock)
    return dg.materialize([asset], partition_key=f"{DAY}", resources={"run_contexts": places, "scope": Scope()})


def overdue(ctx: RunContext) -> list[str]:
    """What the check-up says of retention."""
    return [item.what for item in find_problems(ctx) if item.code == "retention_due"]
