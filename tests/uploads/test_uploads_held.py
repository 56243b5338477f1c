"""Files that repeat others, files that come twice, files that come in series."""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from cdr_pipeline.core.fields.schemas import CheckedRows
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.errors import UnreadableUpload, UploadHeld, WarehouseContended
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.decide_uploads import count_held_uploads, discard_upload, release_upload
from cdr_pipeline.steps.uploads.load_uploads import import_upload, load_uploads
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, register_dropped_files
from cdr_pipeline.steps.uploads.upload_series import upload_series
from cdr_pipeline.warehouse.records.loading import BatchLoad
from tests.support.nights import require_sound, warehouse
from tests.support.uploads import HEADER, carrier_row, carrier_text, fed, opened, own_profile, stored

SERIES = """
[fields]
started_at = "start"
billing_seconds = "billed"
[control]
name = '^cdr_(?P<date>[0-9]{8})_(?P<sequence>[0-9]+)'
every = "day"
grace_days = 1
"""
TOTALS = """
[fields]
started_at = "start"
billing_seconds = "billed"
cost = "cost"
[control]
line = '^TRAILER,(?P<rows>[0-9]+),(?P<seconds>[0-9.]+),(?P<cost>[0-9.]+)$'
"""
ROWS = "start,billed,cost\n2026-03-02 09:00:00,60,0.01\n2026-03-02 09:01:00,30,0.005\n"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    return opened(ctx)


def state_of(ctx: RunContext, name: str) -> tuple[object, ...]:
    """State, error code and overlap of an upload."""
    ((found),) = warehouse(ctx, f"SELECT state, error_code, overlap_rows FROM uploads WHERE file_name = '{name}'")
    return found


# the same records in another file


def test_a_file_that_repeats_records_of_another_is_held_and_not_merged(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", carrier_text(1, 2, 3))
    with pytest.raises(UploadHeld, match="2 of 3 records"):
        fed(place, tmp_path / "b.csv", carrier_text(2, 3, 4))
    assert len(stored(place)) == 3
    assert state_of(place, "b.csv") == ("held", "upload_held", 2)
    assert count_held_uploads(place) == 1
    require_sound(place)


def test_one_record_that_another_file_has_too_holds_no_file_of_several(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", carrier_text(1, 2))
    assert fed(place, tmp_path / "b.csv", carrier_text(2, 3)).counts.unchanged == 1


def test_a_file_of_one_record_that_another_file_has_is_held(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", carrier_text(1, 2))
    with pytest.raises(UploadHeld):
        fed(place, tmp_path / "b.csv", carrier_text(2))


def test_a_released_file_is_loaded_and_the_decision_recorded(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", carrier_text(1, 2, 3))
    with pytest.raises(UploadHeld):
        fed(place, tmp_path / "b.csv", carrier_text(2, 3, 4))
    ((sha256,),) = warehouse(place, "SELECT sha256 FROM uploads WHERE state = 'held'")
    released = release_upload(sha256[:10], place, decided_by="controller")
    assert (released.counts.merged, released.counts.unchanged) == (1, 2)
    assert warehouse(place, "SELECT state, decided_by FROM uploads WHERE file_name = 'b.csv'") == [
        ("loaded", "controller")
    ]
    with pytest.raises(UnreadableUpload, match="is loaded, not held"):
        release_upload(sha256, place, decided_by="controller")


def test_a_discarded_file_is_never_loaded_however_often_it_comes(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", carrier_text(1, 2, 3))
    with pytest.raises(UploadHeld):
        fed(place, tmp_path / "b.csv", carrier_text(2, 3, 4))
    ((sha256,),) = warehouse(place, "SELECT sha256 FROM uploads WHERE state = 'held'")
    assert discard_upload(sha256, place, decided_by="controller").file_name == "b.csv"
    with pytest.raises(UnreadableUpload, match="was discarded before"):
        fed(place, tmp_path / "c.csv", carrier_text(2, 3, 4))
    assert load_uploads(place).files == ()
    assert len(stored(place)) == 3


def test_a_held_file_that_comes_again_is_still_held(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", carrier_text(1, 2, 3))
    for name in ("b.csv", "c.csv"):
        with pytest.raises(UploadHeld, match="2 of 3"):
            fed(place, tmp_path / name, carrier_text(2, 3, 4))
    assert count_held_uploads(place) == 1


def test_a_profile_of_cumulative_files_merges_what_repeats(place: RunContext, tmp_path: Path) -> None:
    own_profile(
        place, "grows", "overlap = 'merge'\n[time]\nnotation = 'iso8601'\n[fields]\nstarted_at = 'start_time'\n"
    )
    fed(place, tmp_path / "a.csv", carrier_text(1, 2, 3), "grows")
    again = fed(place, tmp_path / "b.csv", carrier_text(1, 2, 3, 4), "grows")
    assert (again.counts.unchanged, again.counts.merged) == (3, 1)


def failing_over(rows: int) -> Callable[..., CheckedRows]:
    """Validation with a fault that shows over so many rows."""

    def failing(frame: pl.DataFrame, *, latest: datetime) -> CheckedRows:
        assert 1 / (frame.height - rows)
        return validate(frame, latest=latest)

    return failing


def test_the_night_holds_what_repeats_and_loads_the_rest(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", carrier_text(1, 2, 3))
    folder = place.settings.upload_dir / "acct" / "generic"
    folder.mkdir(parents=True)
    (folder / "b.csv").write_text(carrier_text(2, 3, 4))
    (folder / "c.csv").write_text(carrier_text(7, 8))
    register_dropped_files(place)
    loaded = load_uploads(place)
    assert [file.file_name for file in loaded.files] == ["c.csv"]
    assert [failure.code for failure in loaded.held] == ["upload_held"]
    assert loaded.failures == ()


def test_a_file_that_the_program_fails_on_is_named_and_the_others_load(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = place.settings.upload_dir / "acct" / "generic"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text(carrier_text(1, 2))
    (folder / "b.csv").write_text(carrier_text(7, 8, 9))
    register_dropped_files(place)
    with monkeypatch.context() as broken:
        broken.setattr("cdr_pipeline.steps.uploads.upload_batch.validate", failing_over(3))
        loaded = load_uploads(place)
    assert [file.file_name for file in loaded.files] == ["a.csv"]
    (failure,) = loaded.failures
    assert (failure.account_id, failure.code, failure.retryable) == ("acct", "fault_of_the_program", False)
    assert re.fullmatch(r"b\.csv \([0-9a-f]{12}\): ZeroDivisionError in test_uploads_held\.py:\d+", failure.message)
    require_sound(place)
    assert [file.counts.merged for file in load_uploads(place).files] == [3]


@pytest.mark.fault("C03")
def test_a_file_that_another_load_stands_in_the_way_of_is_loaded_again(
    place: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    settle = BatchLoad.settle

    def contended(load: BatchLoad) -> pl.DataFrame:
        tries.append(load.staged)
        if len(tries) == 1:
            raise WarehouseContended("a deadlock")
        return settle(load)

    monkeypatch.setattr(BatchLoad, "settle", contended)
    assert fed(place, tmp_path / "a.csv", carrier_text(1, 2)).counts.merged == 2
    assert len(set(tries)) == 1
    (folder := place.settings.upload_dir / "acct" / "generic").mkdir(parents=True)
    (folder / "b.csv").write_text(carrier_text(3))
    tries.clear()
    register_dropped_files(place)
    assert [file.counts.merged for file in load_uploads(place).files] == [1]
    assert load_uploads(place).failures == ()


# totals that files state


def test_totals_of_a_trailer_that_are_right_let_the_file_in(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "totals", TOTALS)
    loaded = fed(place, tmp_path / "f.csv", ROWS + "TRAILER,2,90,0.015\n", "totals")
    assert (loaded.counts.merged, loaded.filtered_reasons) == (2, {"header": 1, "footer": 1})


@pytest.mark.parametrize(
    ("trailer", "said"),
    [
        ("TRAILER,3,90,0.015\n", "rows 3 and has 2"),
        ("TRAILER,2,91,0.015\n", "seconds 91 and has 90"),
        ("TRAILER,2,90,0.016\n", "cost 0.016 and has 0.015"),
        ("", "is missing"),
    ],
)
def test_totals_that_differ_refuse_the_whole_file(place: RunContext, tmp_path: Path, trailer: str, said: str) -> None:
    own_profile(place, "totals", TOTALS)
    with pytest.raises(UnreadableUpload, match=said):
        fed(place, tmp_path / "f.csv", ROWS + trailer, "totals")
    assert stored(place) == []
    assert state_of(place, "f.csv") == ("refused", "control_totals_differ", None)


def test_rejected_rows_count_but_their_money_is_not_compared(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "totals", TOTALS)
    text = ROWS + "2026-03-02 09:02:00,30,free\nTRAILER,3,120,0.02\n"
    assert fed(place, tmp_path / "f.csv", text, "totals").counts.rejected == 1


# series


def test_missing_days_skipped_numbers_and_late_files_of_a_series_are_named(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "series", SERIES)
    then = replace(place, clock=lambda: datetime(2026, 3, 8, 12, tzinfo=UTC))
    for name, minute in (("cdr_20260302_7.csv", 0), ("cdr_20260305_9.csv", 1), ("cdr_20260306_10.csv", 2)):
        fed(then, tmp_path / name, f"start,billed\n2026-03-02 09:{minute:02d}:00,60\n", "series")
    (series,) = upload_series(then)
    assert (series.account_id, series.profile, series.files) == ("acct", "series", 3)
    assert series.last_date == date(2026, 3, 6)
    assert series.missing_days == (date(2026, 3, 3), date(2026, 3, 4))
    assert series.missing_numbers == (8,)
    assert set(series.late_files) == {"cdr_20260302_7.csv", "cdr_20260305_9.csv"}
    assert not series.whole


def test_a_day_is_missing_only_when_its_grace_is_over(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "series", SERIES)
    on = [
        replace(place, clock=lambda day=day: datetime(2026, 3, day, 12, tzinfo=UTC))  # type: ignore[misc]
        for day in (3, 4, 5)
    ]
    fed(on[0], tmp_path / "cdr_20260302_1.csv", "start,billed\n2026-03-02 09:00:00,60\n", "series")
    assert [upload_series(at)[0].missing_days for at in on] == [(), (), (date(2026, 3, 3),)]


def test_names_that_say_nothing_and_profiles_without_series_are_no_series(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "series", SERIES)
    fed(place, tmp_path / "whatever.csv", "start,billed\n2026-03-02 09:00:00,60\n", "series")
    fed(place, tmp_path / "cdr_20260302_1.csv", carrier_text(1))
    (series,) = upload_series(place)
    assert (series.files, series.whole, series.last_date) == (1, True, None)


def test_days_without_calls_are_not_missing_days(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "series", SERIES)
    then = replace(place, clock=lambda: datetime(2026, 3, 6, 12, tzinfo=UTC))
    for day in (2, 3, 4):
        fed(then, tmp_path / f"cdr_202603{day:02d}_{day}.csv", "start,billed\n", "series")
    (series,) = upload_series(then)
    assert (series.files, series.last_date, series.whole) == (3, date(2026, 3, 4), True)
    assert warehouse(place, "SELECT count(*) FROM uploads") == [(1,)]


# the same bytes


@pytest.mark.fault("B12")
def test_the_same_bytes_under_another_name_give_the_first_result(place: RunContext, tmp_path: Path) -> None:
    first = fed(place, tmp_path / "a.csv", carrier_text(1, 2) + "cut\n")
    again = fed(place, tmp_path / "b.csv", carrier_text(1, 2) + "cut\n")
    assert again.known
    assert (again.sha256, again.counts, again.reject_reasons) == (first.sha256, first.counts, {"ragged_row": 1})
    assert warehouse(place, "SELECT count(*) FROM batches") == [(1,)]


@pytest.mark.fault("B12")
def test_the_same_bytes_of_two_accounts_are_two_uploads(ctx: RunContext, tmp_path: Path) -> None:
    place = opened(ctx, "one", "two")
    for account in ("one", "two"):
        assert not fed(place, tmp_path / "a.csv", carrier_text(1), account=account).known
    assert stored(place, "account_id, record_id") == [("one", "generic:id:c1"), ("two", "generic:id:c1")]


@pytest.mark.fault("B14")
def test_the_later_file_wins_and_the_earlier_value_is_history(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", carrier_text(1, 2, cost="0.01"))
    later = fed(place, tmp_path / "b.csv", HEADER + carrier_row(1, cost="0.02") + carrier_row(3))
    assert (later.counts.updated, later.counts.inserted) == (1, 1)
    assert stored(place, "cost::float", "record_id = 'generic:id:c1'") == [(0.02,)]
    assert warehouse(place, "SELECT record_id, cost::float FROM cdr_history") == [("generic:id:c1", 0.01)]


def test_a_file_that_was_refused_may_be_fed_again_under_the_right_profile(place: RunContext, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(UnreadableUpload):
        fed(place, path, carrier_text(1), "freepbx")
    assert import_upload(UploadRequest(path, "acct", "generic"), place).counts.merged == 1


def test_a_series_whose_profile_broke_is_listed_with_its_fault(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "series", SERIES)
    fed(place, tmp_path / "cdr_20260302_1.csv", "start,billed\n2026-03-02 09:00:00,60\n", "series")
    own_profile(place, "series", SERIES + "[layout\n")
    (series,) = upload_series(place)
    assert (series.files, series.last_date, series.whole) == (1, date(2026, 3, 2), False)
    assert "series" in series.fault


def test_a_missing_file_is_a_problem_until_it_is_imported(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "series", SERIES)
    then = replace(place, clock=lambda: datetime(2026, 3, 6, 12, tzinfo=UTC))
    for name, minute in (("cdr_20260302_1.csv", 0), ("cdr_20260304_3.csv", 1)):
        fed(then, tmp_path / name, f"start,billed\n2026-03-02 09:{minute:02d}:00,60\n", "series")
    (problem,) = (item for item in find_problems(then) if item.code == "file_missing")
    assert "2026-03-03, expected: cdr_20260303_2.csv;" in problem.what
    command = shlex.split(problem.command.replace("FILE", "cdr_20260303_2.csv"))
    fed(then, tmp_path / command[2], "start,billed\n", command[6], command[4])
    assert "file_missing" not in {item.code for item in find_problems(then)}
