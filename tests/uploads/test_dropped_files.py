"""Files in the drop folder: none is deleted unread, none waits in silence, and none is taken in twice."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cdr_pipeline.cli.registry import register
from cdr_pipeline.sources.uploads import waiting
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.operations.night_report import night_report
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads import register_uploads as taking
from cdr_pipeline.steps.uploads.register_uploads import RegisteredFile, UploadRequest, register_dropped_files
from tests.support.days import ACCOUNT, DAY, collected, deliver, seal, state
from tests.support.nights import warehouse
from tests.support.uploads import carrier_text

COMMANDS = typer.Typer()
register(COMMANDS)
OLD, NEW = carrier_text(1), carrier_text(2, 3)


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """One account with a day that could be sealed."""
    collected(ctx)
    deliver(ctx, {"record_id": "a"})
    return ctx


def drop(ctx: RunContext, where: str, text: str = OLD) -> Path:
    """Writes a file below the drop folder."""
    path = ctx.settings.upload_dir / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Has the sender change something after a file was read and before it is deleted."""
    take_in = taking.register_upload

    def changed(request: UploadRequest, ctx: RunContext) -> RegisteredFile:
        taken = take_in(request, ctx)
        change()
        return taken

    monkeypatch.setattr(taking, "register_upload", changed)


def landed(ctx: RunContext) -> set[str]:
    """Texts of the files in landing."""
    return {path.read_text() for path in (ctx.settings.landing_dir / "uploads").rglob("*") if path.is_file()}


@pytest.mark.fault("R602")
def test_a_file_renamed_over_while_it_is_taken_in_is_kept(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = drop(place, "acct/generic/f.csv")
    (tmp_path / "new").write_text(NEW)
    with monkeypatch.context() as during:
        meanwhile(during, lambda: (tmp_path / "new").replace(path))
        assert [file.file_name for file in register_dropped_files(place).files] == ["f.csv"]
    assert path.read_text() == NEW
    assert [file.file_name for file in register_dropped_files(place).files] == ["f.csv"]
    assert landed(place) == {OLD, NEW}
    assert list(path.parent.iterdir()) == []


@pytest.mark.fault("R602")
def test_a_file_appended_to_by_name_while_it_is_taken_in_is_kept(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(place, "acct/generic/f.csv")

    def append() -> None:
        with path.open("a") as more:
            more.write(NEW)

    with monkeypatch.context() as during:
        meanwhile(during, append)
        register_dropped_files(place)
    assert path.read_text() == NEW


@pytest.mark.fault("R602")
@pytest.mark.parametrize("is_seen", [True, False], ids=["lease", "size and time"])
def test_a_file_appended_to_through_an_open_handle_is_put_back(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, is_seen: bool
) -> None:
    path = drop(place, "acct/generic/f.csv")
    if not is_seen:
        monkeypatch.setattr(waiting, "_require_no_writer", lambda _: None)
    with path.open("a") as sender, monkeypatch.context() as during:
        meanwhile(during, lambda: (sender.write(NEW), sender.flush()))
        taken = register_dropped_files(place)
        assert [(file.place, file.code) for file in taken.refused] == [("acct/generic/f.csv", "unreadable_upload")]
        sender.write(NEW)
    text = path.read_text()
    assert text in (OLD + NEW + NEW, OLD + NEW)
    assert [file.file_name for file in register_dropped_files(place).files] == ["f.csv"]
    assert text in landed(place)


@pytest.mark.fault("R602")
def test_a_file_replaced_between_look_and_rename_waits_until_it_settles(
    place: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(place, "acct/generic/f.csv")
    found = taking.waiting_files(place.settings.upload_dir)
    path.unlink()
    path.with_name("other").write_text("x")
    path.write_text(NEW)
    with monkeypatch.context() as before:
        before.setattr(taking, "waiting_files", lambda *_, **__: found)
        (refused,) = register_dropped_files(place).refused
    assert "replaced" in refused.message
    assert path.read_text() == NEW


@pytest.mark.fault("R603")
def test_a_file_left_by_a_killed_run_is_taken_in_under_its_name(place: RunContext) -> None:
    left = drop(place, "acct/generic/.taking/0123456789abcdef/f.csv")
    assert [file.file_name for file in register_dropped_files(place).files] == ["f.csv"]
    assert not left.exists()
    assert list(left.parent.parent.parent.iterdir()) == []


@pytest.mark.fault("R603")
def test_two_take_ins_of_one_drop_folder_take_each_file_once(place: RunContext) -> None:
    for number in range(20):
        drop(place, f"acct/generic/f{number:02}.csv", carrier_text(number))
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: register_dropped_files(place), range(2))
    assert sorted(file.file_name for file in (*one.files, *two.files)) == [f"f{number:02}.csv" for number in range(20)]
    assert (one.refused, two.refused) == ((), ())
    assert warehouse(place, "SELECT count(*) FROM uploads") == [(20,)]


PLACES = {
    "acct/acmetle/late.csv": ("unknown_profile", ACCOUNT),
    "acme/generic/late.csv": ("account_not_found", "unknown"),
    "late.csv": ("misplaced_file", "unknown"),
    "acct/late.csv": ("misplaced_file", ACCOUNT),
    "acct/generic/2026/03/late.csv": ("misplaced_file", ACCOUNT),
}


@pytest.mark.fault("R604")
@pytest.mark.parametrize("where", PLACES)
def test_a_file_without_a_place_is_named_everywhere_and_keeps_days_open(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    code, _ = PLACES[where]
    assert what_is_broken_codes(place) == set()
    drop(place, where)
    taken = register_dropped_files(place)
    assert [(file.place, file.code) for file in taken.refused] == [(where, code)]
    assert code in what_is_broken_codes(place)
    report = night_report(DAY, place)
    assert not report.good
    assert "1 file refused in the drop folder" in report.verdict
    sealed = seal(place)
    assert (sealed.outcome, sealed.obstacles) == ("refused", ("upload_waits",))
    assert state(place) == "open"
    monkeypatch.setenv("CDR_DATA_DIR", str(place.settings.data_dir))
    monkeypatch.setenv("CDR_WAREHOUSE_URL", place.url)
    monkeypatch.setenv("COLUMNS", "250")
    for command in (["uploads", "list"], ["status"]):
        shown = CliRunner().invoke(COMMANDS, command)
        assert shown.exit_code == 0, shown.output
        assert where in shown.output
        assert code in shown.output


@pytest.mark.fault("R604")
@pytest.mark.parametrize("kind", ["link", "pipe", "link to a folder"])
def test_what_is_no_regular_file_is_named_as_refused(place: RunContext, tmp_path: Path, kind: str) -> None:
    folder = drop(place, "acct/generic/f.csv").parent
    (folder / "f.csv").unlink()
    match kind:
        case "link":
            (folder / "odd").symlink_to("/etc/passwd")
        case "pipe":
            os.mkfifo(folder / "odd")
        case _:
            (folder / "odd").symlink_to(tmp_path)
    assert [(file.place, file.code) for file in register_dropped_files(place).refused] == [
        ("acct/generic/odd", "unreadable_upload")
    ]


@pytest.mark.fault("R604")
def test_a_file_that_is_still_arriving_keeps_the_days_open_and_is_no_error(place: RunContext) -> None:
    part = drop(place, "acct/generic/f.csv.part")
    os.utime(part, (place.clock().timestamp(),) * 2)
    assert register_dropped_files(place).refused == ()
    assert seal(place).obstacles == ("upload_waits",)
    assert what_is_broken_codes(place) == set()
    os.utime(part, (place.clock().timestamp() - 7 * 3600,) * 2)
    assert what_is_broken_codes(place) == {"file_arriving"}
    part.unlink()
    assert seal(place).outcome == "sealed"


@pytest.mark.fault("R604")
def test_another_accounts_file_keeps_no_day_open(place: RunContext) -> None:
    with place.ledger() as ledger:
        (account,) = ledger.accounts.active([ACCOUNT])
        ledger.connection.execute(
            "INSERT INTO accounts SELECT 'other', name, parent_id, time_zone, country_code, dialect, active, added_at"
            " FROM accounts WHERE account_id = %s",
            [account.account_id],
        )
    drop(place, "other/acmetle/late.csv")
    assert seal(place).outcome == "sealed"


def what_is_broken_codes(ctx: RunContext) -> set[str]:
    """Codes of what is broken about dropped files."""
    return {item.code for item in find_problems(ctx) if "dropped file" in item.what}
