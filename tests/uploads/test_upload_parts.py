"""A profile that only divides files: by the command import, in the drop folder, and where it cannot be used."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cdr_pipeline.cli.registry import register
from cdr_pipeline.errors import InvalidProfile, RowsRejected, UnknownProfile, UnreadableUpload
from cdr_pipeline.sources.uploads.profiles import load_profile, read_profile
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload, load_uploads
from cdr_pipeline.steps.uploads.preview_upload import preview_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, register_dropped_files
from cdr_pipeline.steps.uploads.upload_parts import upload_parts
from tests.support.uploads import opened, own_profile, stored

COMMANDS = typer.Typer()
register(COMMANDS)
READER = """description = "calls"
[layout]
delimiter = ";"
[time]
notation = "epoch_seconds"
[fields]
started_at = "start"
duration_seconds = "seconds"
"""
DIVIDER = """description = "rows of two systems"
profile_column = "system"
[layout]
delimiter = ";"
[profile_names]
A = "first"
B = "second"
"""
ROWS = "start;seconds;system\n1772442000;60;A\n1772442060;61;B\n1772442120;x;B\n1772442180;63;A\n"


@pytest.fixture
def place(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    """An account, two profiles that read rows, and one that divides files among them."""
    own_profile(ctx, "first", READER)
    own_profile(ctx, "second", READER)
    own_profile(ctx, "mixed", DIVIDER)
    monkeypatch.setenv("CDR_DATA_DIR", str(ctx.settings.data_dir))
    monkeypatch.setenv("CDR_WAREHOUSE_URL", ctx.url)
    monkeypatch.setenv("COLUMNS", "200")
    return opened(ctx)


def test_import_loads_one_upload_for_each_profile(place: RunContext, tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    file.write_text(ROWS)
    command = ["import", str(file), "--account", "acct", "--profile", "mixed"]
    looked = CliRunner().invoke(COMMANDS, [*command, "--dry-run", "--json"])
    assert isinstance(looked.exception, RowsRejected), looked.output
    assert stored(place) == []
    done = CliRunner().invoke(COMMANDS, [*command, "--json"])
    assert isinstance(done.exception, RowsRejected), done.output
    for printed in (looked, done):
        document = json.loads(printed.stdout)
        assert [(part["profile"], part["merged"], part["rejected"]) for part in document["parts"]] == [
            ("first", 2, 0),
            ("second", 1, 1),
        ]
        assert document["counts"] is None
    assert [row[0] for row in stored(place, "split_part(record_id, ':', 1)")] == ["first", "second", "first"]
    again = CliRunner().invoke(COMMANDS, command)
    assert "these bytes were imported before" in again.stdout


def test_dropped_files_are_divided_and_a_refused_one_stays(place: RunContext) -> None:
    folder = place.settings.upload_dir / "acct" / "mixed"
    folder.mkdir(parents=True)
    (folder / "good.csv").write_text(ROWS.replace("x", "62"))
    (folder / "odd.csv").write_text(ROWS.replace(";A", ";C"))
    taken = register_dropped_files(place)
    assert [(file.file_name, file.profile) for file in taken.files] == [("good.csv", "first"), ("good.csv", "second")]
    assert [(file.place, file.code) for file in taken.refused] == [("acct/mixed/odd.csv", "unreadable_upload")]
    assert [path.name for path in folder.iterdir()] == ["odd.csv"]
    assert load_uploads(place).counts.merged == 4


def test_a_file_without_records_is_an_upload_of_the_first_profile(place: RunContext, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("start;seconds;system\n")
    with upload_parts(UploadRequest(tmp_path / "none.csv", "acct", "mixed"), place) as parts:
        assert [(part.profile, import_upload(part, place).counts.merged) for part in parts] == [("first", 0)]


def test_a_dividing_profile_reads_no_rows_itself(place: RunContext, tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text(ROWS)
    request = UploadRequest(tmp_path / "calls.csv", "acct", "mixed")
    for step in (import_upload, preview_upload):
        with pytest.raises(InvalidProfile, match="only divides files by system"):
            step(request, place)
    checked = CliRunner().invoke(COMMANDS, ["profiles", "check", "mixed"])
    assert "mixed: valid, divides files among first, second" in checked.stdout
    own_profile(place, "odd", DIVIDER.replace("second", "absent"))
    assert isinstance(CliRunner().invoke(COMMANDS, ["profiles", "check", "odd"]).exception, UnknownProfile)
    own_profile(place, "second", DIVIDER.replace('"second"', '"first"'))
    with pytest.raises(InvalidProfile, match="names second, which divides files itself"), upload_parts(request, place):
        pass
    assert load_profile("first", place.settings.profile_dir).fields
    (tmp_path / "calls.csv").write_text(ROWS.replace("system", "other"))
    own_profile(place, "second", READER)
    with pytest.raises(UnreadableUpload, match="has no column system"), upload_parts(request, place):
        pass


@pytest.mark.parametrize(
    "text",
    [
        DIVIDER + '[fields]\nstarted_at = "start"\n',
        DIVIDER + "[control]\nname = '(?P<date>[0-9]{8})'\n",
        DIVIDER.partition("[profile_names]")[0],
        DIVIDER.replace("second", "mixed"),
        DIVIDER.replace('profile_column = "system"\n', ""),
        DIVIDER.replace("[layout]", 'account_column = "system"\n[layout]'),
    ],
)
def test_a_dividing_profile_that_contradicts_itself_is_invalid(text: str) -> None:
    with pytest.raises(InvalidProfile, match=r"profile_column needs|fields\.started_at must"):
        read_profile("mixed", text)
