"""Files are fetched from a folder: each version once, whole, for the right account, and named when it is not."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.inbound.expected_files import late_files
from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files
from cdr_pipeline.steps.inbound.import_fetched import import_fetched
from cdr_pipeline.steps.inbound.place_results import PlaceResult
from cdr_pipeline.steps.run_context import RunContext
from tests.support.uploads import HEADER, carrier_row, carrier_text, opened, own_profile, stored

RULE = 'account = "acct"\nprofile = "generic"\n'


@pytest.fixture
def place(ctx: RunContext, tmp_path: Path) -> RunContext:
    """Two accounts, and the folder of a carrier."""
    (tmp_path / "carrier").mkdir()
    return opened(ctx, "acct", "other")


def configured(ctx: RunContext, tmp_path: Path, text: str = RULE, pattern: str = "cdr_%Y%m%d*.csv") -> Path:
    """Writes inbound.toml with one folder; returns the folder."""
    folder = tmp_path / "carrier"
    ctx.settings.inbound_file.parent.mkdir(parents=True, exist_ok=True)
    ctx.settings.inbound_file.write_text(f'[mine]\nurl = "{folder}"\npattern = "{pattern}"\n{text}')
    return folder


def fetched(ctx: RunContext, *, dry_run: bool = False) -> PlaceResult:
    """Fetches from the only place, without waiting between two looks of a file that does not change."""
    (result,) = fetch_files(FetchRequest(dry_run=dry_run), Ticking(ctx).ctx, sleep=lambda _: None)
    return result


class Ticking:
    """A run whose clock goes on by a minute with each look."""

    def __init__(self, ctx: RunContext) -> None:
        self.now = ctx.clock()
        self.ctx = replace(ctx, clock=self.tick)

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


def outcomes(result: PlaceResult) -> dict[str, str]:
    assert not result.code, result.message
    return {file.path: file.outcome for file in result.files}


def test_a_file_is_fetched_registered_and_merged_once(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path)
    (folder / "cdr_20260302.csv").write_text(carrier_text(1, 2))
    result = fetched(place)
    (file,) = result.files
    assert (file.outcome, file.account_ids, file.profile, file.file_date) == (
        "fetched", ("acct",), "generic", date(2026, 3, 2),
    )  # fmt: skip
    assert import_fetched([result], place).loaded.counts.merged == 2
    assert outcomes(fetched(place)) == {"cdr_20260302.csv": "known"}
    assert len(stored(place)) == 2
    assert (folder / "cdr_20260302.csv").exists()


def test_a_changed_file_is_fetched_again_and_held_as_correction(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path)
    (folder / "cdr_20260302.csv").write_text(carrier_text(*range(20)))
    import_fetched([fetched(place)], place)
    (folder / "cdr_20260302.csv").write_text(carrier_text(*range(21)))
    result = fetched(place)
    assert outcomes(result) == {"cdr_20260302.csv": "fetched"}
    assert [held.code for held in import_fetched([result], place).loaded.held] == ["upload_held"]


def test_a_file_that_still_grows_waits_for_the_next_run(place: RunContext, tmp_path: Path) -> None:
    path = configured(place, tmp_path) / "cdr_20260302.csv"
    path.write_text(carrier_text(1))

    def grow(_: float) -> None:
        path.write_text(path.read_text() + carrier_row(2))

    ticking = Ticking(place).ctx
    (result,) = fetch_files(FetchRequest(), ticking, sleep=grow)
    assert outcomes(result) == {"cdr_20260302.csv": "growing"}
    (result,) = fetch_files(FetchRequest(), ticking, sleep=lambda _: None)
    assert outcomes(result) == {"cdr_20260302.csv": "fetched"}


@pytest.mark.parametrize(
    ("how", "companion"),
    [('whole = "marker"', "cdr_20260302.csv.ready"), ('whole = "marker"\nmarker = "{stem}.FIN"', "cdr_20260302.FIN")],
)
def test_a_file_waits_for_its_marker(place: RunContext, tmp_path: Path, how: str, companion: str) -> None:
    folder = configured(place, tmp_path, RULE + how + "\n")
    (folder / "cdr_20260302.csv").write_text(carrier_text(1))
    assert outcomes(fetched(place)) == {"cdr_20260302.csv": "no_marker"}
    (folder / companion).touch()
    assert outcomes(fetched(place)) == {"cdr_20260302.csv": "fetched"}


def test_a_file_that_differs_from_its_manifest_is_refused(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path, RULE + 'whole = "manifest"\nmanifest = "SHA256SUMS"\n', "*.csv")
    (folder / "a.csv").write_text("half")
    assert outcomes(fetched(place)) == {"a.csv": "no_manifest"}
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  a.csv\n")
    (file,) = fetched(place).files
    assert (file.outcome, file.code) == ("refused", "inbound_file_refused")
    assert "sha256 differs" in file.message
    (folder / "SHA256SUMS").write_text("5000 a.csv\n")
    assert "it has 4 bytes" in fetched(place).files[0].message


def test_fetched_files_are_moved_with_their_markers(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path, RULE + 'whole = "marker"\nafter = "move"\nmove_to = "done"\n')
    for text in (carrier_text(1), carrier_text(2)):
        (folder / "cdr_20260302.csv").write_text(text)
        (folder / "cdr_20260302.csv.ready").touch()
        (file,) = fetched(place).files
        assert (file.outcome, file.cleared) == ("fetched", "moved")
    assert [path.name for path in folder.iterdir()] == ["done"]
    assert len(list((folder / "done").iterdir())) == 4


def test_fetched_files_are_deleted_after_days_and_not_before(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path, RULE + 'after = "delete"\ndelete_after_days = 2\n')
    (folder / "cdr_20260302.csv").write_text(carrier_text(1))
    fetched(place)
    assert fetched(place).files[0].cleared == ""
    later = replace(place, clock=lambda: datetime(2026, 11, 23, tzinfo=UTC))
    assert fetched(later).files[0].cleared == "deleted"
    assert list(folder.iterdir()) == []


def test_account_and_profile_come_from_the_name(place: RunContext, tmp_path: Path) -> None:
    text = '[mine.accounts]\nC-7 = "other"\n'
    folder = configured(place, tmp_path, text, "*/{profile}_{account}_%Y-%m-%d.csv")
    (folder / "2026").mkdir()
    (folder / "2026" / "generic_C-7_2026-03-02.csv").write_text(carrier_text(1))
    (folder / "2026" / "generic_nobody_2026-03-02.csv").write_text(carrier_text(2))
    known, unknown = fetched(place).files
    assert (known.outcome, known.account_ids, known.profile) == ("fetched", ("other",), "generic")
    assert (unknown.outcome, unknown.code) == ("refused", "account_not_found")


def test_a_file_of_several_accounts_is_split_by_its_column(place: RunContext, tmp_path: Path) -> None:
    base = """description = "calls of several customers"
account_column = "customer"
[account_names]
C-1 = "acct"
C-2 = "other"
[time]
notation = "iso8601"
[fields]
started_at = "start"
caller_id_number = "caller"
callee_id_number = "callee"
duration_seconds = "seconds"
billing_seconds = "seconds"
"""
    own_profile(place, "many", base)
    folder = configured(place, tmp_path, 'account = "column"\nprofile = "many"\n')
    header = "customer,start,caller,callee,seconds\n"
    rows = [f"C-{number % 2 + 1},2026-03-02T10:00:0{number}Z,+4930{number}1234,+4420555,60\n" for number in range(5)]
    (folder / "cdr_20260302.csv").write_text(header + "".join(rows))
    result = fetched(place)
    assert result.files[0].account_ids == ("acct", "other"), result.files[0].message
    imported = import_fetched([result], place).loaded
    assert {file.account_id: file.counts.merged for file in imported.files} == {"acct": 3, "other": 2}
    (folder / "cdr_20260303.csv").write_text(header + rows[0] + rows[1].replace("C-2", "C-9"))
    (_, refused) = fetched(place).files
    assert (refused.outcome, refused.code) == ("refused", "inbound_file_refused")
    assert "1 row from line 3" in refused.message


@pytest.mark.parametrize("shape", ["one a line", "list"])
def test_json_of_several_accounts_is_split_by_a_path(place: RunContext, tmp_path: Path, shape: str) -> None:
    profile = """description = "calls of several customers"
account_column = "customer.id"
native_id = ["call_id"]
[layout]
format = "json"
[time]
notation = "epoch_seconds"
[fields]
started_at = "start"
duration_seconds = "seconds"
"""
    own_profile(place, "many", profile)
    folder = configured(place, tmp_path, 'account = "column"\nprofile = "many"\n')
    calls = [
        {"call_id": f"c{number}", "start": 1772442000, "seconds": 60, "customer": {"id": account}}
        for number, account in enumerate(["acct", "other", "acct"])
    ]
    text = json.dumps(calls) if shape == "list" else "".join(json.dumps(call) + "\n" for call in calls)
    (folder / "cdr_20260302.csv").write_text(text)
    imported = import_fetched([fetched(place)], place).loaded
    assert {file.account_id: file.counts.merged for file in imported.files} == {"acct": 2, "other": 1}


def test_a_dry_run_says_what_would_be_fetched_and_changes_nothing(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path)
    (folder / "cdr_20260302.csv").write_text(carrier_text(1))
    (folder / "readme.txt").write_text("")
    assert outcomes(fetched(place, dry_run=True)) == {"cdr_20260302.csv": "would_fetch", "readme.txt": "unmatched"}
    with place.ledger() as ledger:
        assert ledger.inbound.places() == []


def test_links_and_large_files_are_refused_and_others_are_fetched(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path, RULE + f"max_bytes = {len(carrier_text(1))}\n")
    (folder / "cdr_20260302.csv").symlink_to("/etc/passwd")
    (folder / "cdr_20260303.csv").write_text(carrier_text(1, 2))
    (folder / "cdr_20260304.csv").write_text(carrier_text(1))
    (folder / "cdr_20260305\n.csv").write_text(carrier_text(1))
    assert sorted(outcomes(fetched(place)).values()) == ["fetched", "refused", "refused", "refused"]


def test_a_folder_with_too_many_files_is_named(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path, RULE + "max_files = 1\n")
    for number in (1, 2):
        (folder / f"cdr_2026030{number}.csv").write_text(carrier_text(number))
    result = fetched(place)
    assert (result.code, result.files) == ("inbound", ())
    assert "max_files = 1" in result.message


def test_a_missing_folder_is_an_error_and_the_other_place_is_fetched(place: RunContext, tmp_path: Path) -> None:
    folder = configured(place, tmp_path)
    (folder / "cdr_20260302.csv").write_text(carrier_text(1))
    with place.settings.inbound_file.open("a") as config:
        config.write(f'\n[gone]\nurl = "{tmp_path}/away"\npattern = "*"\n{RULE}')
    gone, mine = fetch_files(FetchRequest(), Ticking(place).ctx, sleep=lambda _: None)
    assert (gone.place, gone.code) == ("gone", "inbound_refused")
    assert outcomes(mine) == {"cdr_20260302.csv": "fetched"}
    with place.ledger() as ledger:
        assert [item.failed_since is not None for item in ledger.inbound.places()] == [True, False]


def test_an_expected_file_is_late_until_it_is_fetched(place: RunContext, tmp_path: Path) -> None:
    text = RULE + 'every = "day"\ndue = "06:00"\nfirst_date = 2026-11-18\n'
    folder = configured(place, tmp_path, text)
    assert [item.day for item in late_files(place)] == [date(2026, 11, 18), date(2026, 11, 19)]
    (folder / "cdr_20261118.csv").write_text(HEADER)
    fetched(place)
    assert [item.day for item in late_files(place)] == [date(2026, 11, 19)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('url = "ftp://h/x"', "url must begin with"),
        ('url = "sftp://u@h/x"\npassword = "s"', "known_hosts"),
        ('url = "sftp://u:secret@h/x"\nknown_hosts = "k"', "contain no password"),
        ('url = "/x"\nafter = "move"', "move_to"),
        ('url = "/x"\nafter = "move"\nmove_to = "../x"', "below"),
        ('url = "/x"\npattern = "/etc/*"', "pattern"),
        ('url = "/x"\npattern = "%Q"', "%Q is unknown"),
        ('url = "/x"\nevery = "day"', "needs a date"),
        ('url = "/x"\nwat = 1', "wat"),
    ],
)
def test_a_wrong_place_is_named_without_its_secrets(ctx: RunContext, text: str, expected: str) -> None:
    pattern = "" if "pattern" in text else 'pattern = "*"\n'
    ctx.settings.inbound_file.write_text(f"[mine]\n{RULE}{pattern}{text}\n")
    ctx.settings.inbound_file.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        fetch_files(FetchRequest(), ctx)
    assert expected in caught.value.message
    assert "secret" not in caught.value.message


def test_secrets_that_others_may_read_are_refused(ctx: RunContext) -> None:
    ctx.settings.inbound_file.write_text(f'[mine]\nurl = "ftps://u@h/x"\npassword = "s"\npattern = "*"\n{RULE}')
    ctx.settings.inbound_file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others may read"):
        fetch_files(FetchRequest(), ctx)


XML_OF_MANY = """description = "calls of several customers"
account_column = "customer.@id"
native_id = ["call_id"]
[layout]
format = "xml"
records = "calls.call"
[time]
notation = "epoch_seconds"
[fields]
started_at = "start"
duration_seconds = "seconds"
caller_id_name = "name"
"""


def test_xml_of_several_accounts_is_split_by_a_path(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "many", XML_OF_MANY.replace(".@id", ".id"))
    folder = configured(place, tmp_path, 'account = "column"\nprofile = "many"\n')
    calls = "".join(
        f"<call><call_id>c{number}</call_id><start>1772442000</start><seconds>60</seconds>"
        f'<customer id="{account}"/><name>A &amp; B &lt;{number}&gt;</name></call>\n'
        for number, account in enumerate(["acct", "other", "acct"])
    )
    (folder / "cdr_20260302.csv").write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<Calls>{calls}</Calls>')
    imported = import_fetched([fetched(place)], place).loaded
    assert {file.account_id: file.counts.merged for file in imported.files} == {"acct": 2, "other": 1}
    names = [name for (name,) in stored(place, "caller_id_name")]
    assert sorted(names) == ["A & B <0>", "A & B <1>", "A & B <2>"]


def test_rows_of_several_profiles_and_accounts_become_uploads_of_each(place: RunContext, tmp_path: Path) -> None:
    reader = """description = "calls"
native_id = ["call_id"]
[time]
notation = "epoch_seconds"
[fields]
started_at = "start"
duration_seconds = "seconds"
"""
    own_profile(place, "first", reader)
    own_profile(place, "second", reader + '[constants]\ncarrier = "second"\n')
    divider = """description = "rows of two systems"
profile_column = "system"
account_column = "customer"
[profile_names]
A = "first"
B = "second"
"""
    own_profile(place, "many", divider)
    folder = configured(place, tmp_path, 'account = "column"\nprofile = "many"\n')
    rows = [("acct", "A"), ("acct", "B"), ("other", "B"), ("acct", "B")]
    lines = [f"c{at},1772442000,60,{account},{system}\n" for at, (account, system) in enumerate(rows)]
    (folder / "cdr_20260302.csv").write_text("call_id,start,seconds,customer,system\n" + "".join(lines))
    (file,) = fetched(place).files
    assert (file.account_ids, len(file.uploads)) == (("acct", "other"), 3), file.message
    loaded = import_fetched([replace(fetched(place), files=(file,))], place).loaded
    counts = {(item.account_id, item.profile): item.counts.merged for item in loaded.files}
    assert counts == {("acct", "first"): 1, ("acct", "second"): 2, ("other", "second"): 1}
    assert outcomes(fetched(place)) == {"cdr_20260302.csv": "known"}
    unknown = "".join([*lines, "c9,1772442000,60,acct,C\n"])
    (folder / "cdr_20260303.csv").write_text("call_id,start,seconds,customer,system\n" + unknown)
    (_, refused) = fetched(place).files
    assert (refused.outcome, refused.code) == ("refused", "inbound_file_refused")
    assert "1 row from line 6 on without a profile that profile many knows" in refused.message
