"""A file that was read with a wrong profile: read again with the right one, or discarded."""

from datetime import date
from pathlib import Path

import pytest

from cdr_pipeline.errors import UnreadableUpload, UploadHeld, UploadSealed
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.decide_uploads import discard_upload
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.steps.uploads.rejects import find_upload
from cdr_pipeline.steps.uploads.replay_uploads import ReplayedUpload, ReplayRequest, replay_upload
from tests.support.nights import require_sound, warehouse
from tests.support.uploads import fed, opened, own_profile, stored

DAY = date(2026, 3, 2)
WRONG = """
[layout]
delimiter = ";"
[time]
formats = ["%d.%m.%Y %H:%M:%S"]
zone = "UTC"
[fields]
started_at = "start"
caller_id_number = "to"
callee_id_number = "from"
duration_seconds = "length"
"""
RIGHT = (
    WRONG.replace('"to"', '"x"')
    .replace('"from"', '"to"')
    .replace('"x"', '"from"')
    .replace("[layout]", 'duration_unit = "minutes"\n[layout]')
)
TEXT = "from;to;start;length\n1001;4930555;02.03.2026 09:00:00;2\n1002;4930556;02.03.2026 10:00:00;3\n"
SHOWN = "split_part(record_id, ':', 1), caller_id_number, duration_seconds::int"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    opened(ctx, time_zone="UTC")
    own_profile(ctx, "wrong", WRONG)
    own_profile(ctx, "right", RIGHT)
    return ctx


def replayed(ctx: RunContext, upload: str, profile: str | None = None) -> ReplayedUpload:
    with ctx.ledger() as ledger:
        line = find_upload(ledger, upload)
    result = replay_upload(ReplayRequest(line, profile, decided_by="controller"), ctx)
    require_sound(ctx)
    return result


def sealed(ctx: RunContext) -> None:
    export_days(ExportRequest((), ["acct"]), ctx)
    seal_days(SealRequest([DAY], ["acct"], Override("a person", "for the test")), ctx)


def day_state(ctx: RunContext) -> str:
    with ctx.ledger() as ledger:
        (day,) = ledger.day_states.lines(["acct"], DAY, DAY)
    return day.state


def test_the_right_profile_replaces_what_a_wrong_one_merged(place: RunContext, tmp_path: Path) -> None:
    first = fed(place, tmp_path / "f.csv", TEXT, "wrong")
    again = replayed(place, first.sha256, "right")
    assert (again.upload.counts.inserted, again.withdrawn, again.before) == (2, 2, first.counts)
    assert stored(place, SHOWN) == [("right", "1001", 120), ("right", "1002", 180)]
    assert warehouse(place, f"SELECT {SHOWN} FROM cdr_history ORDER BY 2") == [
        ("wrong", "4930555", 2), ("wrong", "4930556", 3),
    ]  # fmt: skip
    assert warehouse(place, "SELECT profile, state, decided_by FROM uploads ORDER BY profile") == [
        ("right", "loaded", None), ("wrong", "discarded", "controller"),
    ]  # fmt: skip
    assert fed(place, tmp_path / "f.csv", TEXT, "right").known
    with pytest.raises(UnreadableUpload, match="was discarded before"):
        fed(place, tmp_path / "f.csv", TEXT, "wrong")


def test_a_replay_that_cannot_be_read_changes_nothing(place: RunContext, tmp_path: Path) -> None:
    first = fed(place, tmp_path / "f.csv", TEXT, "wrong")
    before = stored(place, "record_id, batch_id"), warehouse(place, "SELECT sha256, state, profile FROM uploads")
    with pytest.raises(UnreadableUpload, match=r"^f\.csv is not a freepbx file"):
        replayed(place, first.sha256, "freepbx")
    assert (
        stored(place, "record_id, batch_id"),
        warehouse(place, "SELECT sha256, state, profile FROM uploads"),
    ) == before


def test_a_refused_file_is_loaded_by_a_replay_with_another_profile(place: RunContext, tmp_path: Path) -> None:
    with pytest.raises(UnreadableUpload):
        fed(place, tmp_path / "f.csv", TEXT, "freepbx")
    ((upload,),) = warehouse(place, "SELECT sha256 FROM uploads")
    again = replayed(place, upload, "right")
    assert (again.upload.counts.inserted, again.before) == (2, None)
    assert warehouse(place, "SELECT profile, state FROM uploads") == [("right", "loaded")]


def test_a_file_held_for_a_second_profile_names_the_replay(place: RunContext, tmp_path: Path) -> None:
    first = fed(place, tmp_path / "f.csv", TEXT, "wrong")
    with pytest.raises(UploadHeld) as held:
        import_upload(UploadRequest(tmp_path / "f.csv", "acct", "right"), place)
    assert f"uploads replay {first.sha256[:12]} --profile right" in held.value.hint
    assert replayed(place, first.sha256, "right").withdrawn == 2
    assert stored(place, SHOWN) == [("right", "1001", 120), ("right", "1002", 180)]


def test_a_replay_of_a_sealed_day_makes_it_late_and_a_discard_is_refused(place: RunContext, tmp_path: Path) -> None:
    first = fed(place, tmp_path / "f.csv", TEXT, "wrong")
    sealed(place)
    assert day_state(place) == "sealed"
    with pytest.raises(UploadSealed, match=r"1 sealed day has records of it: 2026-03-02"):
        discard_upload(first.sha256, place, decided_by="controller")
    assert (day_state(place), len(stored(place))) == ("sealed", 2)
    replayed(place, first.sha256, "right")
    assert day_state(place) == "late_pending"


def test_a_discarded_file_leaves_no_record_and_its_day_changes(place: RunContext, tmp_path: Path) -> None:
    rejected = TEXT + "1003;4930557;never;3\n"
    first = fed(place, tmp_path / "f.csv", rejected, "wrong")
    changes = "SELECT changes FROM days"
    ((before,),) = warehouse(place, changes)
    discard_upload(first.sha256, place, decided_by="controller")
    require_sound(place)
    assert stored(place) == []
    assert warehouse(place, changes)[0][0] > before
    assert warehouse(place, "SELECT count(*) FROM cdr_history") == [(2,)]
    assert warehouse(place, "SELECT state, decided_by FROM rejects") == [("corrected", "controller")]
    with pytest.raises(UnreadableUpload, match="is discarded already"):
        discard_upload(first.sha256, place, decided_by="controller")


def test_records_that_another_file_has_too_outlive_a_discard(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "right", 'overlap = "merge"\n' + RIGHT)
    first = fed(place, tmp_path / "f.csv", TEXT, "right")
    header, *rows = TEXT.splitlines(keepends=True)
    fed(place, tmp_path / "g.csv", header + rows[1] + "1003;4930557;02.03.2026 11:00:00;1\n", "right")
    discard_upload(first.sha256, place, decided_by="controller")
    require_sound(place)
    assert stored(place, "caller_id_number") == [("1002",), ("1003",)]


def test_a_replay_in_another_zone_moves_calls_and_adds_none(place: RunContext, tmp_path: Path) -> None:
    text = "native_id = 'from'\n" + RIGHT
    own_profile(place, "zoned", text)
    first = fed(place, tmp_path / "f.csv", TEXT, "zoned")
    own_profile(place, "zoned", text.replace('"UTC"', '"America/New_York"'))
    again = replayed(place, first.sha256)
    assert (again.upload.counts.updated, again.withdrawn) == (2, 0)
    assert stored(place, "record_id, started_at::time::text") == [
        ("zoned:id:1001", "14:00:00"), ("zoned:id:1002", "15:00:00"),
    ]  # fmt: skip
