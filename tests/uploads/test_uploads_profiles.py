"""Profiles that are faulty are refused when they are read, not when a file meets them."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cdr_pipeline.cli.uploads.profiles import profiles_app
from cdr_pipeline.core.fields.schemas import working_schema
from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.errors import InvalidProfile
from cdr_pipeline.sources.uploads import profile_file
from cdr_pipeline.sources.uploads.profiles import list_profiles, load_profile

START = "[fields]\nstarted_at = 'start'\n"


def own(folder: Path, text: str) -> None:
    """Writes the operator's profile ``mine``."""
    (folder / "mine.toml").write_text(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("description = 'x'", "fields.started_at must name"),
        ("[fields]\nstarted_at = []", "fields.started_at must name"),
        ("[fields]\nstarted_at = 5", "fields.started_at"),
        ("fields = 'x'", r"\[fields\]"),
        (START + "[time]\nnotation = 'epoch'", r"time\.notation: .*'epoch_seconds'"),
        (START + "[time]\nzone = 'Europe/Nowhere'", "IANA"),
        (START + "[time]\nformats = []", "names no format"),
        (START + "[time]\nformats = '%Y'", r"time\.formats"),
        ("duration_unit = 'min'\n" + START, "duration_unit"),
        (START + "[layout]\nencoding = 'cp99999'", "layout.encoding"),
        (START + "[layout]\nquoted = 'perhaps'", "layout.quoted"),
        (START + "[layout]\ndelimiter = '\"'", "neither a quote"),
        (START + "[layout]\nheader = false\ncolumns = ['start', 'Start']", "names a column twice"),
        (START + "[layout]\nheader = false\ncolumns = [['start'], ['end']]", "two lists of one length"),
        (START + "[layout]\nheader = false\ncolumns = ['begin']", "that layout.columns lacks"),
        (START + "[plan]\ncountry_code = '+49'", "country_code is digits"),
        (START + "[plan]\ninternational_prefix = '('", "regular expressions"),
        ("[fields]\nstarted_at = 's'\nanswered = 'a'", "unknown key fields.answered"),
        ("[fields]\nstarted_at = 's'\naccount_id = 'a'", "unknown key fields.account_id"),
        (START + "[layout]\ndelimeter = ';'", "unknown key layout.delimeter; did you mean 'delimiter'"),
        (START + "[time]\nzones = {}\nzon = 'UTC'", "unknown key time.zon; did you mean 'zone'"),
        (START + "[reconcile]\ncarier = 'x'", "unknown key reconcile.carier; did you mean 'carrier'"),
        (START + "[layout]\ntype_rows = '1'", "layout.type_rows: Input should be a valid integer"),
        (START + "[layout]\nquoted = 'yes'", "layout.quoted: Input should be a valid boolean"),
        (START + "[layout]\nwidths = { start = [1] }", "layout.widths.start"),
        (START + "[constants]\ncarrier = 2026-03-02", "constants.carrier: Input should be a valid string"),
        (START + "layout = 5", "unknown key fields.layout"),
        ("time = 'UTC'\n" + START, r"time must be a table, \[time\]"),
        (START + "[constants]\nbusiness_date = '2026-03-02'", "unknown key constants.business_date"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_with_its_name_and_key(tmp_path: Path, text: str, said: str) -> None:
    own(tmp_path, text)
    with pytest.raises(InvalidProfile, match=said) as raised:
        load_profile("mine", tmp_path)
    assert "mine" in str(raised.value)
    assert "profiles check" in raised.value.hint


def test_a_fault_of_a_profile_does_not_repeat_the_value(tmp_path: Path) -> None:
    own(tmp_path, START + "[rating]\nincrement_seconds = 'CANARY'")
    with pytest.raises(InvalidProfile) as raised:
        load_profile("mine", tmp_path)
    assert "CANARY" not in str(raised.value)


def test_a_profile_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes("description = 'Zoë'".encode("cp1252"))
    with pytest.raises(InvalidProfile, match="at byte 17"):
        load_profile("mine", tmp_path)


def test_columns_are_named_in_any_case_alone_or_in_a_list(tmp_path: Path) -> None:
    own(
        tmp_path,
        "native_id = 'CallID'\n[fields]\nstarted_at = ['Start', 'BEGIN']\ntrunk = 'Line'\n"
        "[values.disposition]\nOK = 'ANSWERED'",
    )
    profile = load_profile("mine", tmp_path)
    assert profile.native_id == ("callid",)
    assert profile.fields == {"started_at": ("start", "begin"), "trunk": ("source_line",)}
    assert profile.values == {"disposition": {"ok": "ANSWERED"}}


@pytest.mark.parametrize("name", list_profiles())
def test_every_built_in_profile_is_described_and_yields_the_schema(name: str) -> None:
    profile = load_profile(name)
    assert profile.description
    columns = sorted({column for names in profile.fields.values() for column in names} | set(profile.native_id))
    records = pl.DataFrame({"line": [1], "raw": ["x"], **{column: [None] for column in columns}}).cast(
        dict.fromkeys(columns, pl.String)  # type: ignore[arg-type]
    )
    sifted = normalize_imported(records, profile, account_id="acct", account_time_zone="Europe/Berlin")
    assert dict(sifted.rows.schema) == working_schema()
    assert sifted.rejects.select("field", "reason").rows() == [("started_at", "missing_value")]


def test_addresses_and_ports_of_media_may_be_columns(tmp_path: Path) -> None:
    own(tmp_path, START + "remote_rtp_address = 'ip'\nremote_rtp_port = 'port'\n")
    records = pl.DataFrame(
        {
            "line": [1, 2],
            "raw": ["a", "b"],
            "start": ["2026-03-02 10:00:00"] * 2,
            "ip": ["192.0.2.7", None],
            "port": ["16384", "many"],
        }
    )
    sifted = normalize_imported(
        records, load_profile("mine", tmp_path), account_id="acct", account_time_zone="Europe/Berlin"
    )
    assert sifted.rows.select("remote_rtp_address", "remote_rtp_port").rows() == [("192.0.2.7", 16384)]
    assert sifted.rejects.drop("business_date").rows() == [(2, "remote_rtp_port", "not_a_number", "b", None)]


def profile_files() -> list[Path]:
    """Built-in profiles and examples."""
    package = Path(profile_file.__file__).parents[2]
    examples = [package / "docs/examples" / name for name in ("mycarrier.toml", "webhook_json.toml")]
    return [*sorted((package / "sources/uploads/profiles").glob("*.toml")), *examples]


@pytest.mark.parametrize("path", profile_files(), ids=lambda path: path.stem)
def test_every_profile_names_the_schema_for_editors(path: Path) -> None:
    directive, _, name = path.read_text().partition("\n")[0].partition(" ")
    assert directive == "#:schema"
    assert (path.parent / name).resolve() == Path(profile_file.__file__).with_name("profiles") / "schema.json"


def test_the_schema_knows_every_key_and_says_what_it_means() -> None:
    schema = profile_file.profile_schema()
    tables = [schema, *schema["$defs"].values()]
    assert {"layout", "time", "fields", "reconcile"} <= schema["properties"].keys()
    assert all(table["additionalProperties"] is False for table in tables)
    assert [key for table in tables for key, value in table["properties"].items() if not value.get("description")] == []


def test_the_schema_lists_fields_and_allowed_words() -> None:
    schema = profile_file.profile_schema()
    assert schema["$defs"]["TimeTable"]["properties"]["notation"]["enum"][0] == "local"
    assert "started_at" in schema["properties"]["fields"]["propertyNames"]["enum"]
    assert "answered" not in schema["properties"]["fields"]["propertyNames"]["enum"]


def test_the_command_prints_the_schema() -> None:
    printed = CliRunner().invoke(profiles_app, ["schema"])
    assert json.loads(printed.stdout)["title"] == "Import profile of cdr_pipeline"
