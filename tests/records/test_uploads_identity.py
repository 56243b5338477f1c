"""Identity of imported records: ids belong to their source, and an id that returns for another call replaces none."""

from pathlib import Path

import pytest

from cdr_pipeline.errors import UploadHeld
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.decide_uploads import release_upload
from cdr_pipeline.steps.uploads.load_uploads import load_uploads
from cdr_pipeline.steps.uploads.preview_upload import preview_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, register_upload
from cdr_pipeline.steps.uploads.replay_uploads import ReplayRequest, replay_upload
from tests.support.nights import require_sound, warehouse
from tests.support.uploads import fed, opened, own_profile, stored

HEADER = "id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency\n"
JANUARY = HEADER + (
    "1,+493012340001,+442055500001,2026-01-05T09:00:00Z,60,60,0.10,EUR\n"
    "2,+493012340001,+442055500002,2026-01-06T09:00:00Z,120,120,0.20,EUR\n"
    "3,+493012340001,+442055500003,2026-01-07T09:00:00Z,180,180,0.30,EUR\n"
)
FEBRUARY = HEADER + (
    "1,+493012349999,+442055577701,2026-02-05T09:00:00Z,30,30,0.01,EUR\n"
    "2,+493012349999,+442055577702,2026-02-06T09:00:00Z,60,60,0.02,EUR\n"
    "3,+493012349999,+442055577703,2026-02-07T09:00:00Z,90,90,0.03,EUR\n"
)
OTHER_CARRIER = (
    "native_id = ['ref']\n[layout]\ndelimiter = ';'\n[time]\nnotation = 'iso8601'\n[fields]\n"
    "caller_id_number = 'von'\ncallee_id_number = 'nach'\nstarted_at = 'zeit'\nduration_seconds = 'sek'\n"
    "[constants]\ncarrier = 'other'\n"
)
OTHER_FILE = (
    "ref;von;nach;zeit;sek\n1;+43155500001;+43155500002;2026-02-05T08:00:00Z;5\n"
    "2;+43155500001;+43155500003;2026-02-05T09:00:00Z;6\n"
)


def row(
    given: str = "1",
    *,
    start: str = "2026-01-05T09:00:00Z",
    caller: str = "+493012340001",
    callee: str = "+442055500001",
    seconds: str = "60",
    cost: str = "0.10",
) -> str:
    """A file of one record, by default the first of January."""
    return HEADER + f"{given},{caller},{callee},{start},{seconds},{seconds},{cost},EUR\n"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    return opened(ctx)


def costs(ctx: RunContext) -> list[str]:
    """Costs of all imported records that have one, by start."""
    return [f"{cost:.2f}" for (cost,) in stored(ctx, "cost", "cost IS NOT NULL")]


def held(ctx: RunContext, path: Path, content: str, profile: str = "generic") -> str:
    """Feeds a file that must be held; its message."""
    with pytest.raises(UploadHeld) as raised:
        fed(ctx, path, content, profile)
    require_sound(ctx)
    return raised.value.message


# two sources


@pytest.mark.fault("R101")
def test_two_carriers_with_the_same_ids_keep_all_their_calls(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "other", OTHER_CARRIER)
    fed(place, tmp_path / "a.csv", JANUARY)
    assert fed(place, tmp_path / "b.csv", OTHER_FILE, "other").counts.inserted == 2
    ids = [record_id for (record_id,) in stored(place)]
    assert ids == ["generic:id:1", "generic:id:2", "generic:id:3", "other:id:1", "other:id:2"]
    assert warehouse(place, "SELECT count(*) FROM cdr_history") == [(0,)]


@pytest.mark.fault("R101")
def test_a_call_is_updated_only_by_its_own_source(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "other", OTHER_CARRIER)
    fed(place, tmp_path / "a.csv", JANUARY)
    fed(place, tmp_path / "b.csv", OTHER_FILE, "other")
    assert fed(place, tmp_path / "c.csv", OTHER_FILE.replace(";5\n", ";7\n"), "other").counts.updated == 1
    assert costs(place)[:3] == ["0.10", "0.20", "0.30"]


# an id that returns


@pytest.mark.fault("R102")
def test_a_file_that_numbers_its_records_anew_is_held(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "january.csv", JANUARY)
    assert "3 records carry ids of other calls" in held(place, tmp_path / "february.csv", FEBRUARY)
    assert costs(place) == ["0.10", "0.20", "0.30"]
    assert warehouse(place, "SELECT state, other_calls, error_message FROM uploads WHERE state = 'held'") == [
        ("held", 3, "february.csv: 3 records carry ids of other calls")
    ]


@pytest.mark.fault("R102")
def test_a_preview_says_that_ids_are_those_of_other_calls(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "january.csv", JANUARY)
    (tmp_path / "february.csv").write_text(FEBRUARY)
    preview = preview_upload(UploadRequest(tmp_path / "february.csv", "acct", "generic"), place)
    assert (preview.other_calls, preview.counts.updated) == (3, 0)


@pytest.mark.fault("R102")
def test_releasing_such_a_file_adds_its_calls_and_replaces_none(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "january.csv", JANUARY)
    held(place, tmp_path / "february.csv", FEBRUARY)
    ((upload,),) = warehouse(place, "SELECT sha256 FROM uploads WHERE state = 'held'")
    assert release_upload(upload, place, decided_by="controller").counts.inserted == 3
    require_sound(place)
    assert costs(place) == ["0.10", "0.20", "0.30", "0.01", "0.02", "0.03"]
    assert warehouse(place, "SELECT count(*) FROM cdr_history") == [(0,)]


@pytest.mark.fault("R102")
def test_released_calls_are_known_when_they_come_again(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "january.csv", JANUARY)
    held(place, tmp_path / "february.csv", FEBRUARY)
    ((upload,),) = warehouse(place, "SELECT sha256 FROM uploads WHERE state = 'held'")
    release_upload(upload, place, decided_by="controller")
    with place.ledger() as ledger:
        (line,) = ledger.uploads.list_all(["acct"], sha256_prefix=upload)
    replayed = replay_upload(ReplayRequest(line), place)
    assert (replayed.upload.counts.unchanged, replayed.withdrawn) == (3, 0)
    assert "3 of 4 records were delivered" in held(
        place, tmp_path / "again.csv", FEBRUARY + row("4", start="2026-02-08T09:00:00Z").removeprefix(HEADER)
    )


@pytest.mark.fault("R102")
@pytest.mark.parametrize(
    "other",
    [
        {"caller": "+493012349999"},
        {"callee": "+442055500009"},
        {"start": "2026-01-06T09:00:00Z"},
        {"start": "2026-01-05T09:16:00Z"},
        {"start": "2026-01-05T08:00:00Z"},
    ],
    ids=["other caller", "other callee", "next day", "a quarter later", "an hour earlier"],
)
def test_an_id_with_another_number_or_time_is_another_call(
    place: RunContext, tmp_path: Path, other: dict[str, str]
) -> None:
    fed(place, tmp_path / "a.csv", row())
    assert "1 records carry ids of other calls" in held(place, tmp_path / "b.csv", row(**other))
    assert costs(place) == ["0.10"]


@pytest.mark.fault("R102")
@pytest.mark.parametrize(
    "corrected",
    [
        {"cost": "0.12"},
        {"seconds": "61"},
        {"start": "2026-01-05T09:00:07Z"},
        {"start": "2026-01-05T08:45:00Z"},
        {"caller": "493012340001"},
        {"caller": ""},
    ],
    ids=["cost", "duration", "seconds later", "a quarter earlier", "number's form", "number left out"],
)
def test_a_correction_of_the_same_call_updates_it(place: RunContext, tmp_path: Path, corrected: dict[str, str]) -> None:
    fed(place, tmp_path / "a.csv", row())
    assert fed(place, tmp_path / "b.csv", row(**corrected)).counts.updated == 1
    assert warehouse(place, "SELECT count(*) FROM cdr_history") == [(1,)]


@pytest.mark.fault("R102")
def test_a_profile_that_merges_repeats_holds_ids_of_other_calls_too(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "other", "overlap = 'merge'\n" + OTHER_CARRIER)
    fed(place, tmp_path / "a.csv", OTHER_FILE, "other")
    moved = OTHER_FILE.replace("2026-02-05", "2026-03-05")
    assert "2 records carry ids of other calls" in held(place, tmp_path / "b.csv", moved, "other")


@pytest.mark.fault("R102")
def test_a_correction_of_a_masked_record_updates_it(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", row())
    masked = ("caller_id_number", "caller_e164", "callee_id_number", "callee_e164")
    warehouse(place, f"UPDATE cdr SET {', '.join(f'{name} = cdr_masked({name})' for name in masked)} RETURNING 1")
    assert fed(place, tmp_path / "b.csv", row(cost="0.12")).counts.updated == 1


# ids that look like fingerprints


@pytest.mark.fault("R103")
def test_ids_that_begin_like_fingerprints_are_ids(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "plain.csv", HEADER.removeprefix("id,") + row().removeprefix(HEADER).removeprefix("1,"))
    ((print_,),) = stored(place)
    assert print_.startswith("generic:fp:")
    text = print_.removeprefix("generic:fp:")
    for number, given in enumerate((f"fp-{text}", f"fx-{text}", print_, f"fp:{text}", text)):
        loaded = fed(place, tmp_path / f"{number}.csv", row(given, start=f"2026-01-0{number + 1}T10:00:00Z"))
        assert loaded.counts.inserted == 1
    assert len(stored(place)) == 6


# one id twice in a file


@pytest.mark.fault("R104")
@pytest.mark.parametrize("second", [{"cost": "0.15"}, {"seconds": "70"}], ids=["amount", "duration"])
def test_rows_of_one_id_that_contradict_each_other_are_reported(
    place: RunContext, tmp_path: Path, second: dict[str, str]
) -> None:
    loaded = fed(place, tmp_path / "a.csv", row() + row(**second).removeprefix(HEADER))
    assert (loaded.counts.inserted, loaded.counts.duplicate, loaded.counts.rejected) == (1, 0, 1)
    assert loaded.reject_reasons == {"conflicting_row": 1}
    assert warehouse(place, "SELECT line, field, reason, raw FROM rejects") == [
        (2, "record_id", "conflicting_row", row().removeprefix(HEADER).strip())
    ]
    (tmp_path / "b.csv").write_text(row("7") + row("7", **second).removeprefix(HEADER))
    preview = preview_upload(UploadRequest(tmp_path / "b.csv", "acct", "generic"), place)
    assert preview.lines["class"].to_list() == ["filtered", "rejected", "inserted"]


@pytest.mark.fault("R104")
def test_a_known_row_that_a_new_one_contradicts_is_reported(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "a.csv", row())
    loaded = fed(place, tmp_path / "b.csv", row() + row(cost="0.15").removeprefix(HEADER))
    assert (loaded.counts.updated, loaded.counts.rejected) == (1, 1)
    assert costs(place) == ["0.15"]


@pytest.mark.fault("R104")
def test_equal_rows_of_one_id_are_duplicates(place: RunContext, tmp_path: Path) -> None:
    loaded = fed(place, tmp_path / "a.csv", row() + row().removeprefix(HEADER))
    assert (loaded.counts.inserted, loaded.counts.duplicate, loaded.counts.rejected) == (1, 1, 0)


@pytest.mark.fault("R104")
def test_two_calls_of_one_id_in_a_file_are_held(place: RunContext, tmp_path: Path) -> None:
    both = row() + row(callee="+442055500009", cost="0.15").removeprefix(HEADER)
    assert "1 records carry ids of other calls" in held(place, tmp_path / "a.csv", both)
    ((upload,),) = warehouse(place, "SELECT sha256 FROM uploads WHERE state = 'held'")
    assert release_upload(upload, place, decided_by="controller").counts.inserted == 2
    assert sorted(costs(place)) == ["0.10", "0.15"]


# one file under two profiles


@pytest.mark.fault("R105")
def test_the_same_bytes_with_another_profile_are_another_upload(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "other", OTHER_CARRIER)
    own_profile(place, "third", OTHER_CARRIER)
    fed(place, tmp_path / "a.csv", OTHER_FILE, "other")
    message = held(place, tmp_path / "a.csv", OTHER_FILE, "third")
    assert "loaded with profile other before" in message
    uploads = warehouse(place, "SELECT profile, state, sha256 = content_sha256 FROM uploads ORDER BY state DESC")
    assert uploads == [("other", "loaded", True), ("third", "held", False)]
    ((upload,),) = warehouse(place, "SELECT sha256 FROM uploads WHERE state = 'held'")
    assert release_upload(upload, place, decided_by="controller").counts.inserted == 2
    assert fed(place, tmp_path / "a.csv", OTHER_FILE, "third").known
    assert len(stored(place)) == 4


@pytest.mark.fault("R105")
def test_one_file_dropped_for_two_profiles_is_taken_in_twice(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "other", OTHER_CARRIER)
    own_profile(place, "third", OTHER_CARRIER)
    (tmp_path / "a.csv").write_text(OTHER_FILE)
    taken = [
        register_upload(UploadRequest(tmp_path / "a.csv", "acct", profile), place) for profile in ("other", "third")
    ]
    assert taken[0].sha256 != taken[1].sha256
    loaded = load_uploads(place)
    assert (len(loaded.files), len(loaded.held), loaded.failures) == (1, 1, ())
