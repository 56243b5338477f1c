"""A profile that is not valid affects only its own files and carrier, and is named with what is wrong."""

from pathlib import Path

import pytest

from cdr_pipeline.errors import InvalidProfile
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.profiles import broken_profiles, list_profiles, load_profile, profile_text, shown_text
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconcileRequest, reconcile_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import load_uploads
from cdr_pipeline.steps.uploads.register_uploads import register_dropped_files
from cdr_pipeline.steps.uploads.upload_series import upload_series
from tests.support.commands import run_command
from tests.support.days import DAY
from tests.support.uploads import carrier_text, fed, opened, own_profile, stored

BROKEN = {"half": "[layout\n", "draft": 'description = "FILL IN"\n', "latin": "# ü\n".encode("latin-1")}


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A place with profiles that are not valid."""
    opened(ctx)
    ctx.settings.profile_dir.mkdir(parents=True)
    for name, text in BROKEN.items():
        content = text if isinstance(text, bytes) else text.encode()
        (ctx.settings.profile_dir / f"{name}.toml").write_bytes(content)
    (ctx.settings.profile_dir / "gone.toml").symlink_to("nowhere.toml")
    return ctx


def drop(ctx: RunContext, profile: str, *calls: int) -> Path:
    path = ctx.settings.upload_dir / "acct" / profile / "f.csv"
    path.parent.mkdir(parents=True)
    path.write_text(carrier_text(*calls))
    return path


@pytest.mark.fault("R611")
def test_an_invalid_profile_leaves_the_others_usable(place: RunContext, tmp_path: Path) -> None:
    folder = place.settings.profile_dir
    assert broken_profiles(folder).keys() == {*BROKEN, "gone"}
    assert list_profiles(folder).keys() == list_profiles().keys()
    for name in (*BROKEN, "gone"):
        with pytest.raises(InvalidProfile, match=name):
            load_profile(name, folder)
    assert fed(place, tmp_path / "f.csv", carrier_text(1)).counts.inserted == 1
    assert draft_profile(tmp_path / "f.csv", folder).decided
    assert upload_series(place) == []


@pytest.mark.fault("R611")
def test_an_invalid_profile_hides_the_built_in_one_of_its_name(place: RunContext) -> None:
    own_profile(place, "asterisk", "[layout\n")
    assert "asterisk" not in list_profiles(place.settings.profile_dir)
    with pytest.raises(InvalidProfile, match="asterisk"):
        load_profile("asterisk", place.settings.profile_dir)


@pytest.mark.fault("R611")
def test_a_dropped_file_waits_for_its_invalid_profile(place: RunContext) -> None:
    waiting, other = drop(place, "draft", 1), drop(place, "generic", 2)
    registered = register_dropped_files(place)
    assert [file.profile for file in registered.files] == ["generic"]
    (refused,) = registered.refused
    assert (refused.place, refused.code) == ("acct/draft/f.csv", "invalid_profile")
    assert refused.message == "it waits for its profile; profile draft: still to be filled in: line 1"
    assert (waiting.exists(), other.exists()) == (True, False)
    assert [file.counts.inserted for file in load_uploads(place).files] == [1]


@pytest.mark.fault("R611")
def test_an_invalid_profile_is_a_problem_with_its_command(place: RunContext) -> None:
    problems = {item.what: item.command for item in find_problems(place) if item.code == "invalid_profile"}
    assert problems["profile draft: still to be filled in: line 1"] == (
        f"cdr-pipeline profiles check {place.settings.profile_dir}/draft.toml"
    )
    assert len(problems) == 4


@pytest.mark.fault("R611")
def test_commands_work_and_name_the_invalid_profiles(place: RunContext) -> None:
    environment = {
        "CDR_DATA_DIR": str(place.settings.data_dir),
        "CDR_WAREHOUSE_URL": place.url,
        "COLUMNS": "200",
    }
    listed = run_command("profiles", "list", environment=environment)
    assert listed.returncode == 0
    assert "profile draft: still to be filled in: line 1" in listed.stdout
    assert run_command("status", environment=environment).returncode == 0


@pytest.mark.fault("R611")
def test_only_the_carrier_of_an_invalid_profile_is_not_reconciled(place: RunContext, tmp_path: Path) -> None:
    text = 'native_id = ["id"]\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
    for number, name in enumerate(("bell", "west"), start=1):
        own_profile(place, name, f'{text}[constants]\ncarrier = "{name}"\n[reconcile]\ncarrier = "{name}"\n')
        fed(place, tmp_path / f"{name}.csv", carrier_text(number), name)
    # Another profile, with which the records were read, does not replace the rules of the invalid one.
    own_profile(place, "west", f'{text}[constants]\ncarrier = "west"\n')
    own_profile(place, "rules", '[reconcile]\ncarrier = "west"\ntolerance = \n')
    day = reconcile_day(ReconcileRequest(DAY), place)
    assert [item.kept.day.carrier for item in day.carriers] == ["bell"]
    (failure,) = day.failures
    assert failure.code == "invalid_profile"
    assert "profile rules is not TOML" in failure.message
    assert stored(place, "carrier") == [("bell",), ("west",)]


def test_an_empty_own_profile_is_not_valid_and_does_not_replace_another(place: RunContext) -> None:
    folder = place.settings.profile_dir
    own_profile(place, "generic", "\n")
    assert broken_profiles(folder)["generic"].error.message == "profile generic is an empty file"
    with pytest.raises(InvalidProfile, match="empty file"):
        load_profile("generic", folder)
    assert "profile generic is an empty file" in {item.what for item in find_problems(place)}


def test_showing_a_profile_into_its_own_file_writes_the_built_in_one(place: RunContext) -> None:
    own_profile(place, "generic", "")
    assert shown_text("generic", place.settings.profile_dir) == profile_text("generic")
