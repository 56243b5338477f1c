"""What an operator types to import files: a new carrier, a dry run, rejects, held files, series."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cdr_pipeline.steps.run_context import RunContext
from tests.support.commands import run_command
from tests.support.uploads import HEADER, carrier_row, carrier_text, opened, own_profile, stored

Run = Callable[..., subprocess.CompletedProcess[str]]
# A carrier that nobody has heard of: day first, comma for decimals, minutes, a title and a trailer.
NEW_CARRIER = """Gesprächsübersicht März
Rufnummer;Ziel;Beginn;Minuten;Preis
030 5550101;0044 20 5550101;13.03.2026 09:00:00;1,5;0,03
030 5550102;0044 20 5550102;02.03.2026 09:05:00;0,5;0,01
Summe;2;120;0,04
"""
ONE_FILE = """
description = "Gespräche GmbH: monthly overview"
currency = "EUR"
duration_unit = "minutes"
decimal_mark = ","
[layout]
delimiter = ";"
encoding = "cp1252"
preamble = 1
[time]
formats = ["%d.%m.%Y %H:%M:%S"]
zone = "Europe/Berlin"
[plan]
country_code = "49"
[fields]
caller_id_number = "rufnummer"
callee_id_number = "ziel"
started_at = "beginn"
billing_seconds = "minuten"
cost = "preis"
[constants]
carrier = "gespraeche"
[control]
line = '^Summe;(?P<rows>[0-9]+);'
"""


@pytest.fixture
def run(ctx: RunContext) -> Run:
    """Runs the command line on the test's warehouse."""
    opened(ctx)
    environment = {
        "CDR_DATA_DIR": str(ctx.settings.data_dir),
        "CDR_WAREHOUSE_URL": ctx.url,
        "COLUMNS": "200",
    }

    def command(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = run_command(*arguments, environment=environment)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


def uploads(run: Run, *options: str) -> dict[str, str]:
    """Ids of uploads by file name."""
    return {
        item["file"]: item["upload"]
        for item in json.loads(run("uploads", "list", *options, "--json").stdout)["uploads"]
    }


def test_a_new_carriers_file_takes_one_toml_file_and_no_code(ctx: RunContext, run: Run, tmp_path: Path) -> None:
    (tmp_path / "march.csv").write_bytes(NEW_CARRIER.encode("cp1252"))
    own_profile(ctx, "gespraeche", ONE_FILE)
    run("profiles", "check", "gespraeche")
    assert "your own" in run("profiles", "list").stdout
    said = run("import", "march.csv", "--account", "acct", "--profile", "gespraeche").stdout
    assert "filtered: 1 preamble" in said
    assert stored(ctx, "caller_e164, callee_e164, started_at::text, billing_seconds::int, cost::text, carrier") == [
        ("+49305550102", "+44205550102", "2026-03-02 08:05:00+00", 30, "0.01000000", "gespraeche"),
        ("+49305550101", "+44205550101", "2026-03-13 08:00:00+00", 90, "0.03000000", "gespraeche"),
    ]


def test_a_draft_is_no_profile_until_its_questions_are_answered(ctx: RunContext, run: Run, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(
        "ref;from;to;start;seconds\n1;a;b;03/04/2026 09:00:00;60\n2;a;b;04/03/2026 09:00:00;5\n"
    )
    # The command makes the folder.
    target = ctx.settings.profile_dir / "drafted.toml"
    said = run("profiles", "new", "f.csv", "--out", str(target)).stderr
    assert "decided: 5 columns, delimiter ';'" in said
    assert "question: the zone of the times" in said
    assert "question: whether the day or the month comes first" in said
    refused = run("profiles", "check", str(target), code=5).stderr
    assert "still to be filled in" in refused
    filled = target.read_text().replace("FILL IN, such as Europe/Berlin", "Europe/Berlin")
    filled = filled.replace("FILL IN: %d/%m/%Y %H:%M:%S or %m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S")
    target.write_text(filled.replace("FILL IN: which system writes such files", "drafted"))
    run("profiles", "check", str(target))
    run("import", "f.csv", "--account", "acct", "--profile", "drafted")
    assert stored(ctx, "business_date::text, duration_seconds::int") == [("2026-03-04", 5), ("2026-04-03", 60)]


def test_a_dry_run_prints_the_class_of_every_line_and_changes_nothing(
    ctx: RunContext, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(carrier_text(1, 2))
    run("import", "a.csv", "--account", "acct", "--profile", "generic")
    text = HEADER + carrier_row(1) + carrier_row(2, cost="9") + carrier_row(3) + carrier_row(3) + "cut\n"
    (tmp_path / "b.csv").write_text(text)
    dry = ("import", "b.csv", "--account", "acct", "--profile", "generic", "--dry-run")
    found = json.loads(run(*dry, "--json", code=13).stdout)["lines"]
    assert {item["line"]: (item["class"], item["reason"]) for item in found} == {
        1: ("filtered", "header"), 2: ("unchanged", None), 3: ("updated", None), 4: ("duplicate", None),
        5: ("inserted", None), 6: ("rejected", "ragged_row"),
    }  # fmt: skip
    shown = run(*dry, code=13).stdout
    assert "ragged_row" in shown
    run(*dry, "--classes", "classes.csv", code=13)
    assert (tmp_path / "classes.csv").read_text().splitlines()[:3] == [
        "line,class,reason,field,detail", "1,filtered,header,,", "2,unchanged,,,",
    ]  # fmt: skip
    assert re.search(r"2026-03-02 09:00:02 +60 +60 ", shown)
    assert stored(ctx, "record_id, cost::float") == [("generic:id:c1", 0.01), ("generic:id:c2", 0.01)]
    assert "b.csv" not in run("uploads", "list").stdout


def test_rejects_are_listed_exported_corrected_and_fed_again(ctx: RunContext, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(carrier_text(1) + carrier_row(2, start="never"))
    said = run("import", "a.csv", "--account", "acct", "--profile", "generic", code=13).stdout
    upload = said.split("rejects export ")[1].split()[0]
    assert "1 not_a_time in started_at (column start_time), first in line 3: aaaaa; expected" in said
    assert "cannot be read as a time" in run("rejects", "list").stdout
    run("rejects", "export", upload, "--out", "r.csv")
    mended = (tmp_path / "r.csv").read_text().replace("never", "2026-03-02T10:00:00Z")
    (tmp_path / "r.csv").write_text(mended)
    assert "1 merged" in run("rejects", "replay", "r.csv").stdout
    assert stored(ctx) == [("generic:id:c1",), ("generic:id:c2",)]
    assert "never" not in run("rejects", "list").stdout
    assert "not_a_time" in run("rejects", "list", "--state", "corrected").stdout


@pytest.mark.fault("R610")
def test_a_dry_run_exits_as_the_import_would(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(carrier_text(1, 2))
    (tmp_path / "b.csv").write_text(carrier_text(1, 2, 3))
    (tmp_path / "c.csv").write_text(carrier_text(4) + carrier_row(5, start="never"))
    for name, code in (("a.csv", 0), ("a.csv", 0), ("b.csv", 5), ("c.csv", 13)):
        arguments = ("import", name, "--account", "acct", "--profile", "generic")
        run(*arguments, "--dry-run", code=code)
        run(*arguments, code=code)
    upload = uploads(run)["b.csv"]
    run("uploads", "discard", upload, "--by", "controller")
    for more in ((), ("--dry-run",)):
        discarded = run("import", "b.csv", "--account", "acct", "--profile", "generic", *more, code=5)
        assert "was discarded before" in discarded.stderr


@pytest.mark.fault("R610")
def test_an_import_with_rejected_rows_stores_the_others_and_exits_13(ctx: RunContext, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(carrier_text(1) + carrier_row(2, start="never"))
    done = run("import", "a.csv", "--account", "acct", "--profile", "generic", code=13)
    assert "[rows_rejected] 1 row of a.csv rejected; the others are stored" in done.stderr
    assert "1 daily file written" in done.stdout
    assert stored(ctx) == [("generic:id:c1",)]
    run("import", "a.csv", "--account", "acct", "--profile", "generic", code=13)
    upload = done.stdout.split("rejects export ")[1].split()[0]
    run("rejects", "export", upload, "--out", "r.csv")
    run("rejects", "replay", "r.csv", code=13)
    (tmp_path / "r.csv").write_text((tmp_path / "r.csv").read_text().replace("never", "2026-03-02T10:00:00Z"))
    run("rejects", "replay", "r.csv")
    run("import", "a.csv", "--account", "acct", "--profile", "generic")


@pytest.mark.fault("R610")
def test_replayed_and_released_rows_reach_the_daily_file(ctx: RunContext, run: Run, tmp_path: Path) -> None:
    def calls() -> int:
        (file,) = ctx.settings.export_dir.rglob("*_v1.csv")
        return len(file.read_text().splitlines()) - 1

    (tmp_path / "a.csv").write_text(carrier_text(1, 2) + carrier_row(3, start="never"))
    said = run("import", "a.csv", "--account", "acct", "--profile", "generic", code=13).stdout
    assert calls() == 2
    run("rejects", "export", said.split("rejects export ")[1].split()[0], "--out", "r.csv")
    (tmp_path / "r.csv").write_text((tmp_path / "r.csv").read_text().replace("never", "2026-03-02T10:00:00Z"))
    assert "1 daily file written" in run("rejects", "replay", "r.csv").stdout
    assert calls() == 3
    (tmp_path / "b.csv").write_text(carrier_text(1, 2, 4))
    run("import", "b.csv", "--account", "acct", "--profile", "generic", code=5)
    upload = uploads(run, "--state", "held")["b.csv"]
    assert "1 daily file written" in run("uploads", "release", upload, "--by", "controller").stdout
    assert calls() == 4


def test_a_held_file_is_shown_and_released_or_discarded_by_name(ctx: RunContext, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(carrier_text(1, 2, 3))
    run("import", "a.csv", "--account", "acct", "--profile", "generic")
    for name, numbers in (("b.csv", (2, 3, 4)), ("c.csv", (1, 2, 5))):
        (tmp_path / name).write_text(carrier_text(*numbers))
        refused = run("import", name, "--account", "acct", "--profile", "generic", code=5)
        assert "[upload_held]" in refused.stderr
    ids = uploads(run, "--state", "held")
    assert "b.csv" in run("uploads", "list").stdout
    assert "Files that wait for a person" in run("status").stdout
    assert "1 merged, 2 unchanged" in run("uploads", "release", ids["b.csv"], "--by", "controller").stdout
    assert "c.csv discarded" in run("uploads", "discard", ids["c.csv"], "--by", "controller").stdout
    assert json.loads(run("status", "--json").stdout)["waiting_uploads"] == []
    assert stored(ctx) == [(f"generic:id:c{number}",) for number in range(1, 5)]


def test_a_file_is_read_again_under_a_changed_profile(ctx: RunContext, run: Run, tmp_path: Path) -> None:
    rule = "native_id = 'id'\n[time]\nnotation = 'iso8601'\n[fields]\nstarted_at = 'start_time'\n"
    own_profile(ctx, "mine", rule)
    (tmp_path / "a.csv").write_text(carrier_text(1, 2))
    run("import", "a.csv", "--account", "acct", "--profile", "mine")
    own_profile(ctx, "mine", rule + "cost = 'cost'\n")
    assert "Read again" in run("uploads", "replay", uploads(run)["a.csv"]).stdout
    assert stored(ctx, "cost::float") == [(0.01,), (0.01,)]


def test_status_names_missing_and_late_files_of_a_series(ctx: RunContext, run: Run, tmp_path: Path) -> None:
    rule = "[time]\nnotation = 'iso8601'\n[fields]\nstarted_at = 'start_time'\n[control]\nevery = 'day'\n"
    own_profile(ctx, "daily", rule + "name = '^d(?P<date>[0-9]{8})_(?P<sequence>[0-9]+)'\n")
    for name, number in (("d20260302_1.csv", 1), ("d20260304_3.csv", 2)):
        (tmp_path / name).write_text(carrier_text(number))
        run("import", name, "--account", "acct", "--profile", "daily")
    said = run("status").stdout
    assert "Files in series" in said
    assert "2026-03-03" in said
    assert "d20260302_1.csv" in said


def test_a_profile_is_shown_as_it_is_written(run: Run) -> None:
    assert "[segments]" in run("profiles", "show", "avaya_smdr").stdout
    assert "there is no profile" in run("profiles", "show", "nothing", code=5).stderr


def test_drafts_of_json_say_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps([{"id": 1, "start": "2026-03-02T09:00:00Z", "duration": 5}]))
    done = run("profiles", "new", "f.json")
    assert "decided: times are ISO 8601 with an offset" in done.stderr
    assert 'format = "json"' in done.stdout
