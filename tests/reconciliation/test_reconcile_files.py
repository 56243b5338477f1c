"""Two loose files, compared on the command line."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from cdr_pipeline.cli.registry import register
from cdr_pipeline.errors import ConfigurationError, UnknownProfile, UnreadableUpload
from cdr_pipeline.steps.reconciliation.reconcile_files import ReconciledFiles, ReconcileFilesRequest, reconcile_files

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
GREGORIAN = 62_167_219_200
NUMBERS = [f"4930{1_000_000 + 7_919 * number}" for number in range(40)]
LENGTHS = [20 + 3 * number for number in range(40)]


def legs() -> list[dict[str, Any]]:
    """Forty calls as rows of Kazoo's list, each with the inbound leg that it came from."""
    rows = []
    for number, (callee, length) in enumerate(zip(NUMBERS, LENGTHS, strict=True)):
        begins = round((BEGIN + timedelta(minutes=number)).timestamp()) + GREGORIAN
        out = {
            "id": f"k{number:02d}", "call_id": f"out{number}", "other_leg_call_id": f"in{number}",
            "direction": "outbound", "caller_id_number": "+4940123456", "callee_id_number": f"+{callee}",
            "timestamp": str(begins), "duration_seconds": str(length + number % 9), "billing_seconds": str(length),
        }  # fmt: skip
        back = {"id": f"i{number:02d}", "call_id": f"in{number}", "other_leg_call_id": f"out{number}"}
        rows += [out, out | back | {"direction": "inbound"}]
    return rows


def documents() -> list[dict[str, Any]]:
    """The same as detail documents: their timestamp is the end."""
    made = []
    for row in legs():
        end = int(row["timestamp"]) + int(row["duration_seconds"])
        document = row | {
            "call_direction": row["direction"],
            "timestamp": end,
            "custom_channel_vars": {"resource_id": "t"},
        }
        made.append({key: value for key, value in document.items() if key != "direction"})
    return made


def carrier(folder: Path, *, without: int = 3, offset: int = 2) -> Path:
    """The carrier's file: starts at the answer, national numbers, one call lost, one record twice, one line broken."""
    lines = ["id,caller,callee,start,duration,cost,currency"]
    for number, (callee, length) in enumerate(zip(NUMBERS, LENGTHS, strict=True)):
        at = BEGIN + timedelta(minutes=number, seconds=number % 9 + offset)
        if number != without:
            lines.append(f"r{number:02d},004940123456,0{callee[2:]},{at:%Y-%m-%dT%H:%M:%SZ},{length},0.1,EUR")
    lines += [lines[-1], "r99,1,2,never,1,0,EUR"]
    path = folder / "carrier.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def exported(path: Path) -> Path:
    """The outbound legs as our export."""
    rows = [
        {
            "record_id": row["id"],
            "call_direction": row["direction"],
            "started_at": f"{BEGIN + timedelta(minutes=number // 2):%Y-%m-%dT%H:%M:%SZ}",
            "answered_at": f"{BEGIN + timedelta(minutes=number // 2, seconds=number // 2 % 9):%Y-%m-%dT%H:%M:%SZ}",
            "billing_seconds": row["billing_seconds"],
            "answered": "true",
            "caller_e164": row["caller_id_number"],
            "callee_e164": row["callee_id_number"],
        }
        for number, row in enumerate(legs())
        if row["direction"] == "outbound"
    ]
    frame = pl.DataFrame(rows)
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ndjson(path)
    return path


def run(folder: Path, switch: Path, **stated: Any) -> ReconciledFiles:
    return reconcile_files(
        ReconcileFilesRequest([switch], [carrier(folder)], "generic", folder / "out", profiles=folder, **stated)
    )


def test_kazoos_rows_and_documents_in_any_wrapping_give_the_same_pairs(tmp_path: Path) -> None:
    forms = {
        "rows.json": json.dumps({"data": legs()}),
        "rows.jsonl": "\n".join(map(json.dumps, legs())),
        "documents.json": json.dumps(documents()),
        "documents.jsonl": "\n".join(map(json.dumps, documents())),
    }
    found = set()
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        made = run(tmp_path, tmp_path / name)
        found.add((tmp_path / "out" / "pairs.csv").read_bytes())
        assert made.not_compared == 40
    (pairs,) = found
    assert pairs.startswith(b"switch_id,carrier_record_id,class,ambiguous,currency,agreed_rate,expected_amount,")
    assert pairs.count(b"\r\n") == 40


@pytest.mark.parametrize("name", ["legs.csv", "legs.parquet", "legs.jsonl"])
def test_our_export_is_read_in_each_of_its_forms(tmp_path: Path, name: str) -> None:
    made = run(tmp_path, exported(tmp_path / name))
    assert made.result.pairs.height == 39
    assert made.result.offset["offset_ms"].item() == 2_000


def test_every_record_of_either_file_has_a_class(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(legs()))
    run(tmp_path, tmp_path / "rows.json")
    classes = pl.read_csv(tmp_path / "out" / "classes.csv", schema_overrides={"amount": pl.String})
    assert classes.columns[:7] == ["side", "id", "class", "seconds", "amount", "exposure", "currency"]
    counted = dict(
        classes.group_by("side", "class").len().select(pl.concat_str("side", "class", separator=" "), "len").rows()
    )
    assert counted == {
        "switch matched": 39, "switch missing_at_carrier": 1, "switch unbillable": 40,
        "carrier matched": 39, "carrier dup_b": 1, "carrier rejected": 1,
    }  # fmt: skip
    totals = json.loads((tmp_path / "out" / "totals.json").read_text())
    charged = [(row["class"], row["exposure"]) for row in totals["classes"] if row["side"] == "carrier"]
    assert charged == [("matched", "0.00000000"), ("dup_b", "0.10000000"), ("rejected", "0.00000000")]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(legs()))
    results = []
    for _ in range(2):
        made = run(tmp_path, tmp_path / "rows.json")
        results.append([path.read_bytes() for path in made.files])
    assert results[0] == results[1]


def test_the_start_is_compared_where_the_carrier_writes_the_start(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(legs()))
    lines = carrier(tmp_path).read_text().splitlines()[:-2]
    moved = [lines[0]]
    for line in lines[1:]:
        number = int(line[1:3])
        fields = line.split(",")
        fields[3] = f"{BEGIN + timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}"
        moved.append(",".join(fields))
    (tmp_path / "starts.csv").write_text("\n".join(moved) + "\n")
    made = reconcile_files(
        ReconcileFilesRequest(
            [tmp_path / "rows.json"], [tmp_path / "starts.csv"], "generic", tmp_path / "out", profiles=tmp_path
        )
    )
    assert made.result.offset.select("offset_ms", "spread_ms").row(0) == (0, 0)
    assert made.result.pairs.height == 39


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnreadableUpload):
        run(tmp_path, tmp_path / "x.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "y.parquet")
    with pytest.raises(UnreadableUpload, match="is not an export"):
        run(tmp_path, tmp_path / "y.parquet")
    request = ReconcileFilesRequest(
        [tmp_path / "y.parquet"], [carrier(tmp_path)], "nobody", tmp_path, profiles=tmp_path
    )
    with pytest.raises(UnknownProfile):
        reconcile_files(request)


def test_the_command_prints_a_short_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDR_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "rows.json").write_text(json.dumps(legs()))
    app = typer.Typer()
    register(app)
    done = CliRunner().invoke(
        app,
        [
            "reconcile-files", "--switch", str(tmp_path / "rows.json"), "--carrier", str(carrier(tmp_path)),
            "--profile", "generic", "--out", str(tmp_path / "out"), "--country-code", "49",
        ],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "39 pairs; clocks differ by 2000 ms (found" in done.output
    assert "missing_at_carrier" in done.output


def test_the_stated_currency_reaches_both_files(tmp_path: Path) -> None:
    rows = [row | {"cost": "1000"} for row in legs()]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    file = carrier(tmp_path)
    file.write_text("\n".join(line.removesuffix("EUR").removesuffix("currency").rstrip(",")
                              for line in file.read_text().splitlines()))  # fmt: skip
    made = reconcile_files(
        ReconcileFilesRequest(
            [tmp_path / "rows.json"], [file], "generic", tmp_path / "out", profiles=tmp_path, country_code="49",
            currency="EUR",
        )
    )  # fmt: skip
    assert set(made.result.totals["currency"]) == {"EUR"}
    assert made.result.pairs["expected_amount"].unique().to_list() == [Decimal("0.1")]


def test_files_of_a_side_may_overlap_and_correct_each_other(tmp_path: Path) -> None:
    rows = legs()
    for name, part in (("legs-1.json", rows[:50]), ("legs-2.json", rows[30:])):
        (tmp_path / name).write_text(json.dumps(part))
    header, *lines = carrier(tmp_path, without=99).read_text().splitlines()
    lines = lines[:40]
    folder = tmp_path / "from carrier"
    folder.mkdir()
    (folder / "1.csv").write_text("\n".join([header, *lines[:25], "r98,1,2,never,1,0,EUR", ""]))
    corrected = lines[24].replace(",0.1,", ",0.2,")
    (folder / "2.csv").write_text("\n".join([header, *lines[20:24], corrected, *lines[25:], ""]))
    command = [
        "reconcile-files", "--switch", str(tmp_path / "legs-*.json"), "--carrier", str(folder), "--profile", "generic",
        "--out", str(tmp_path / "out"), "--country-code", "49",
    ]  # fmt: skip
    app = typer.Typer()
    register(app)
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0, ended.output
    told = json.loads((tmp_path / "out" / "totals.json").read_text())
    assert (told["pairs"], [file["name"] for file in told["carrier"]["files"]]) == (40, ["1.csv", "2.csv"])
    assert told["money"][0]["charged"] == "4.10000000"
    assert "4 records are in several files of the carrier and count once" in told["findings"]
    assert "1 records of the carrier are corrected by a later file" in told["findings"]
    assert "1.csv, line 27" in (tmp_path / "out" / "classes.csv").read_text()


def test_files_that_do_not_exist_are_named(tmp_path: Path) -> None:
    app = typer.Typer()
    register(app)
    options = ("--switch", str(tmp_path / "no-*.csv"), "--carrier", str(tmp_path), "--profile", "generic")
    ended = CliRunner().invoke(app, ["reconcile-files", *options, "--out", str(tmp_path / "out")])
    assert (type(ended.exception), "no-*.csv" in str(ended.exception)) == (ConfigurationError, True)
