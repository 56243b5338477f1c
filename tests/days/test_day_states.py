"""Days that are open, sealed, restated: cases D01 to D05 and what guards them."""

import stat
import threading
from dataclasses import replace
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from cdr_pipeline.errors import DayNotSealable, WarehouseContended
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days import restate_days as restate_step
from cdr_pipeline.steps.days import seal_days as seal_step
from cdr_pipeline.steps.days.restate_days import RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import Obstacle, Override, SealedDay, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.day_states import DayStateTable
from cdr_pipeline.warehouse.ledger import Account, DayEvent
from tests.support.days import (
    DAY,
    PERSON,
    collected,
    deliver,
    export,
    files,
    later,
    loading,
    manifest,
    restate,
    seal,
    state,
)

ONE = {"record_id": "a", "cost": Decimal("0.5"), "cost_currency": "USD"}
TWO = {"record_id": "b"}


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A day of two calls, collected whole, long ago."""
    collected(ctx)
    deliver(ctx, ONE, TWO)
    return ctx


def events(ctx: RunContext) -> list[DayEvent]:
    with ctx.ledger() as ledger:
        return ledger.day_states.events("acct", DAY)


def whole(ctx: RunContext) -> None:
    assert not any(verify_tree(ctx.settings.export_dir).values())


@pytest.mark.fault("D01")
def test_a_late_record_of_an_open_day_rewrites_its_file(place: RunContext) -> None:
    first = export(place)
    deliver(place, {"record_id": "c"})
    second = export(place)
    assert (first.file.path, first.file.rows) == (second.file.path, 2)
    assert (second.file.rows, second.file.manifest.version, second.file.manifest.state) == (3, 1, "open")
    whole(place)


def test_a_sealed_file_says_so_and_nobody_may_write_to_it(place: RunContext) -> None:
    sealed = seal(place)
    assert sealed.outcome == "sealed"
    note = manifest(sealed.files[0].path)
    assert (note.state, note.version, note.rows, note.supersedes) == ("sealed", 1, 2, None)
    modes = {stat.S_IMODE(mode) for name, (_, mode) in files(place).items() if "SHA256SUMS" not in name}
    assert modes == {0o440}
    assert state(place) == "sealed"
    whole(place)


def test_a_file_of_a_dropped_dialect_is_sealed_with_the_others(place: RunContext) -> None:
    more = replace(place, settings=place.settings.model_copy(update={"export_dialects": "exact,parquet"}))
    export(more)
    assert [manifest(file.path).state for file in seal(place).files] == ["sealed", "sealed"]
    whole(place)


@pytest.mark.fault("D02")
def test_a_late_record_changes_no_sealed_file_until_the_day_is_restated(place: RunContext) -> None:
    sealed = seal(place)
    before = files(place)
    deliver(later(place, hours=1), {"record_id": "c"})
    assert state(place) == "late_pending"
    exported = export(place)
    assert (exported.state, exported.file.changed) == ("late_pending", False)
    assert files(place) == before
    restated = restate(later(place, hours=2))
    after = files(place)
    assert {name: after[name] for name in before if "SHA256SUMS" not in name} == {
        name: content for name, content in before.items() if "SHA256SUMS" not in name
    }
    note = manifest(restated.files[0].path)
    assert (note.version, note.state, note.rows, note.late_rows) == (2, "restated", 3, 1)
    assert note.supersedes == sealed.files[0].sha256
    assert (restated.reasons, state(place)) == ({"late": 1}, "restated")
    whole(place)


@pytest.mark.fault("D02")
def test_the_adjustment_holds_what_was_added_changed_and_withdrawn(place: RunContext) -> None:
    seal(place)
    deliver(place, {**ONE, "cost": Decimal("0.75")}, {"record_id": "c"})
    deliver(place, {"record_id": "b", "business_date": date(2026, 3, 3)})
    restated = restate(place)
    path = restated.files[-1].path
    rows = pl.read_csv(path, infer_schema=False)
    assert rows.select("change", "side", "reason", "record_id", "cost").rows() == [
        ("added", "after", "late", "c", None),
        ("changed", "before", "corrected", "a", "0.50000000"),
        ("changed", "after", "corrected", "a", "0.75000000"),
        ("withdrawn", "before", "gone", "b", None),
    ]
    note = manifest(path)
    assert (note.dialect, note.late_rows, note.rows) == ("adjustment", 3, 4)
    assert note.reasons == {"corrected": 1, "gone": 1, "late": 1}
    assert note.supersedes == manifest(path.with_name("cdrs_acct_2026-03-02_v1.csv")).sha256
    whole(place)


def test_the_new_versions_totals_are_the_old_ones_and_the_adjustment(place: RunContext) -> None:
    sealed = seal(place)
    deliver(place, {**ONE, "cost": Decimal("0.75")}, {"record_id": "c"})
    deliver(place, {"record_id": "b", "business_date": date(2026, 3, 3)})
    restated = restate(place)
    old, new, changes = (file.manifest.totals for file in (sealed.files[0], restated.files[0], restated.files[-1]))
    for key in ("legs", "billing_seconds"):
        signed = sum(Decimal(group[key]) * (1 if name.endswith("after") else -1) for name, group in changes.items())
        assert Decimal(old["all"][key]) + signed == Decimal(new["all"][key])


@pytest.mark.fault("D03")
def test_a_correction_and_its_reverse_end_in_the_first_versions_bytes(place: RunContext) -> None:
    first = seal(place).files[0]
    deliver(later(place, hours=1), {**ONE, "cost": Decimal("0.75")})
    second = restate(later(place, hours=2)).files[0]
    deliver(later(place, hours=3), ONE)
    third = restate(later(place, hours=4)).files[0]
    assert third.path.read_bytes() == first.path.read_bytes() != second.path.read_bytes()
    assert manifest(third.path).version == 3
    assert manifest(third.path).supersedes == second.sha256
    audit = [(event.event, event.version, event.before_sha256, event.after_sha256) for event in events(place)]
    assert audit == [
        ("sealed", 1, None, first.sha256),
        ("restated", 2, first.sha256, second.sha256),
        ("restated", 3, second.sha256, first.sha256),
    ]
    whole(place)


def test_changes_that_cancel_out_before_a_restatement_make_no_version(place: RunContext) -> None:
    seal(place)
    deliver(later(place, hours=1), {**ONE, "cost": Decimal("0.75")})
    deliver(later(place, hours=2), ONE)
    before = files(place)
    assert restate(later(place, hours=3)).outcome == "unchanged"
    assert (files(place), state(place)) == (before, "sealed")


@pytest.mark.fault("D04")
def test_a_day_is_not_sealed_while_a_load_runs_not_even_by_a_person(place: RunContext) -> None:
    with loading(place, {"record_id": "c"}):
        for override in (None, PERSON):
            refused = seal(place, override)
            assert (refused.outcome, refused.obstacles) == ("refused", (Obstacle.LOADING,))
    sealed = seal(place)
    assert (sealed.outcome, sealed.files[0].rows) == ("sealed", 3)


@pytest.mark.fault("D04")
def test_a_day_is_not_sealed_while_it_is_collected_not_even_by_a_person(place: RunContext) -> None:
    with place.ledger() as ledger:
        claim = ledger.windows.claim("acct", DAY, lease_seconds=60)
        assert claim is not None
        assert seal(place, PERSON).obstacles == (Obstacle.COLLECTING,)
        ledger.windows.release(claim)
    assert seal(place).outcome == "sealed"


@pytest.mark.fault("D05")
def test_sealing_twice_and_by_many_at_once_is_one_seal(place: RunContext) -> None:
    outcomes: list[SealedDay] = []
    racing = [threading.Thread(target=lambda: outcomes.append(seal(place))) for _ in range(4)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    outcomes.append(seal(later(place, hours=1)))
    assert sorted(outcome.outcome for outcome in outcomes) == ["already"] * 4 + ["sealed"]
    assert [event.event for event in events(place)] == ["sealed"]
    whole(place)


@pytest.mark.fault("D17")
def test_an_export_and_a_seal_of_a_day_do_not_mix(place: RunContext) -> None:
    threads = [threading.Thread(target=action, args=[place]) for action in (export, seal, export)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(place) == "sealed"
    whole(place)


def test_what_is_in_the_way_is_named_and_a_person_may_answer_for_it(place: RunContext) -> None:
    early = later(place, days=-262)
    collected(place, volume="empty")
    refused = seal(early)
    assert refused.obstacles == (Obstacle.GRACE, Obstacle.VOLUME)
    assert state(place) == "open"
    sealed = seal(early, PERSON)
    assert sealed.outcome == "sealed"
    (event,) = events(place)
    assert (event.actor, event.reason, event.overridden) == (
        "A. Controller", "checked by hand", ["grace_period", "volume_suspicious"],
    )  # fmt: skip


def test_a_day_with_a_missing_window_is_not_sealed(ctx: RunContext) -> None:
    collected(ctx)
    assert seal(ctx, day=date(2026, 3, 5)).obstacles == (Obstacle.INCOMPLETE,)


@pytest.mark.parametrize("override", [Override("", "why"), Override("who", " ")])
def test_an_override_without_name_or_reason_is_refused(place: RunContext, override: Override) -> None:
    with pytest.raises(DayNotSealable):
        seal(place, override)


def test_a_restatement_without_name_or_reason_is_refused(place: RunContext) -> None:
    with pytest.raises(DayNotSealable):
        restate_days(RestateRequest("", "why"), place)


def test_by_itself_only_what_is_due_is_sealed(place: RunContext) -> None:
    collected(place, date(2026, 11, 19))
    sealed = seal_days(SealRequest(), place)
    assert [(day.business_date, day.outcome) for day in sealed] == [(DAY, "sealed")]


def test_nothing_is_built_upon_a_sealed_file_that_was_changed(place: RunContext) -> None:
    path = seal(place).files[0].path
    path.chmod(0o640)
    path.write_bytes(path.read_bytes().replace(b"inbound", b"outbound"))
    deliver(place, {"record_id": "c"})
    restated = restate(place)
    assert restated.failure is not None
    assert restated.failure.code == "sealed_file_damaged"
    assert [event.event for event in events(place)] == ["sealed"]


def test_an_imported_record_linked_later_loses_its_row_and_is_counted(place: RunContext) -> None:
    deliver(place, {"record_id": "x", "carrier": "c1"}, kind="upload")
    seal(place)
    with place.ledger() as ledger, ledger.connection.transaction():
        ledger.connection.execute(
            "INSERT INTO cdr_links"
            " VALUES ('acct', 'x', '2026-03-02', 'a', '2026-03-02', 'reconciled', NULL, NULL, now())"
        )
        ledger.connection.execute("UPDATE days SET changes = changes + 1")
    restated = restate(place)
    assert restated.reasons == {"linked": 2}
    totals = restated.files[0].manifest.totals
    assert (totals["all"]["legs"], totals["api"]["legs"], totals["api+imported"]["legs"]) == (2, 1, 1)
    whole(place)


@pytest.mark.fault("D12")
def test_a_moved_time_zone_keeps_the_bounds_of_sealed_days(place: RunContext) -> None:
    first = seal(place).files[0].manifest
    with place.ledger() as ledger:
        ledger.accounts.add(Account("acct", time_zone="Asia/Tokyo"), now=place.clock())
    assert export(place).file.manifest == first
    deliver(place, {"record_id": "c"})
    second = restate(place).files[0].manifest
    for key in ("time_zone", "window_start_utc", "window_end_utc"):
        assert getattr(second, key) == getattr(first, key)
    whole(place)


class Died(BaseException):
    """The process ends here."""


@pytest.mark.fault("D14")
@pytest.mark.parametrize("point", ["publish", "_record_published"])
def test_what_was_sealed_by_a_process_that_died_is_announced_by_the_next(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(seal_step, point, die)
        with pytest.raises(Died):
            seal(place)
    assert manifest(export(later(place, hours=1)).file.path).state == "sealed"
    assert seal(place).outcome == "already"
    assert [event.event for event in events(place)] == ["sealed"]
    whole(place)


def test_a_seal_whose_publication_is_not_recorded_is_failed_until_it_is(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise WarehouseContended("two processes waited for each other")

    with monkeypatch.context() as patch:
        patch.setattr(DayStateTable, "record_published", fail)
        day = seal(place)
        assert (day.outcome, day.failure and day.failure.code) == ("failed", WarehouseContended.code)
    assert seal(place).outcome == "already"
    assert manifest(export(later(place, hours=1)).file.path).state == "sealed"
    whole(place)


@pytest.mark.fault("D14")
@pytest.mark.parametrize("point", ["write_adjustment", "record_file", "publish_day"])
def test_a_restatement_that_died_is_no_version_or_a_whole_one(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Died

    seal(place)
    deliver(place, {"record_id": "c"})
    with monkeypatch.context() as patch:
        patch.setattr(restate_step, point, die)
        with pytest.raises(Died):
            restate(place)
    announced = [path.name for path in place.settings.export_dir.rglob("*_v2*.manifest.json")]
    assert announced == []
    again = restate_days(RestateRequest("A. Controller", "late file of a carrier"), later(place, hours=1))
    # What the ledger had already is only announced.
    assert [day.outcome for day in again] == ([] if point == "publish_day" else ["restated"])
    assert (state(place), len(events(place))) == ("restated", 2)
    whole(place)


def test_the_first_files_are_read_with_statistics(place: RunContext) -> None:
    export(place)
    with place.ledger() as ledger:
        assert ledger.records.statements.rows("records/unanalyzed_tables") == []
