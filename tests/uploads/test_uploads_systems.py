"""Every built-in profile reads the synthetic example of its system: identity, times, lengths, numbers, money."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.profiles import list_profiles, load_profile
from cdr_pipeline.sources.uploads.recognition import usual_profile
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from tests.support.nights import require_sound
from tests.support.uploads import EXAMPLE_FILES, normalized, opened

FILES = EXAMPLE_FILES
# profile: lines, merged, rejected, filtered
LINES = {
    "asterisk": (3, 3, 0, 0),
    "asterisk_custom": (2, 2, 0, 0),
    "audiocodes": (4, 2, 0, 2),
    "avaya_cm": (4, 3, 0, 1),
    "avaya_smdr": (4, 2, 1, 1),
    "bandwidth": (1, 1, 0, 0),
    "broadsoft": (4, 2, 0, 2),
    "broadworks_xml": (3, 2, 0, 1),
    "cucm": (4, 2, 0, 2),
    "daily_file": (2, 1, 0, 1),
    "didww": (3, 2, 0, 1),
    "freepbx": (3, 2, 0, 1),
    "freeswitch": (3, 3, 0, 0),
    "freeswitch_asterisk": (1, 1, 0, 0),
    "freeswitch_json": (2, 2, 0, 0),
    "freeswitch_xml": (2, 2, 0, 0),
    "freeswitch_opencdrrate": (2, 2, 0, 0),
    "fritzbox": (5, 3, 0, 2),
    "generic": (4, 3, 0, 1),
    "grandstream_ucm": (3, 2, 0, 1),
    "kamailio_acc": (4, 2, 0, 2),
    "kazoo_csv": (2, 1, 0, 1),
    "kazoo_csv_3": (3, 2, 0, 1),
    "kazoo_detail": (1, 1, 0, 0),
    "kazoo_json": (1, 1, 0, 0),
    "mitel_smdr": (5, 4, 0, 1),
    "opensips_acc": (3, 2, 0, 1),
    "panasonic_smdr": (5, 3, 0, 2),
    "pbxware": (3, 2, 0, 1),
    "portaone": (2, 2, 0, 0),
    "ribbon_act": (4, 2, 0, 2),
    "ringcentral": (3, 2, 0, 1),
    "sansay": (3, 2, 0, 1),
    "sipgate": (3, 2, 0, 1),
    "teams_pstn": (2, 2, 0, 0),
    "telnyx": (1, 1, 0, 0),
    "threecx": (4, 2, 0, 2),
    "twilio": (2, 2, 0, 0),
    "voipms": (3, 2, 0, 1),
    "vos3000": (2, 2, 0, 0),
    "webex_calling": (3, 2, 0, 1),
    "zoom_phone": (2, 2, 0, 0),
}


# profile: start (UTC), seconds from start to end, billed seconds, answered, caller, callee and direction of each call
CALLS = {
    "audiocodes": [
        ("09:00:00", "65.15", "60", True, "+12125550100", "+442055501012", "inbound"),
        ("09:05:00", "2", "0", False, "+12125550101", "+442055501013", "inbound"),
    ],
    "avaya_cm": [
        ("08:04:30", "90", "90", True, "12000", "004420555010", "outbound"),
        ("07:59:42", "618", "618", True, "65550", "12010", "inbound"),
        ("08:20:00", "0", "0", False, "65551", "12010", "inbound"),
    ],
    "didww": [
        ("09:00:00", "65", "60", True, "12125550199", "442055501012", "inbound"),
        ("09:10:00", "20", "0", False, "12125550198", "442055501012", "inbound"),
    ],
    "broadworks_xml": [
        ("09:00:00", "65", "60", True, "+12125550100", "+442055501012", "outbound"),
        ("09:05:00", "20", None, False, "+12125550199", "+12125550100", "inbound"),
    ],
    "freeswitch_xml": [
        ("09:00:00", "64", "60", True, "+493055501", "200", "inbound"),
        ("09:01:40", "10", "0", False, "200", "004420555010", "outbound"),
    ],
    "freeswitch_json": [
        ("09:00:00", "64", "60", True, "+493055501", "200", "inbound"),
        ("09:01:40", "10", "0", False, "200", "004420555010", "outbound"),
    ],
    "fritzbox": [
        ("08:05:00", "180", None, None, "0305550101", "5550100", "inbound"),
        ("08:30:00", "0", None, None, "0305550102", "5550100", "inbound"),
        ("09:15:00", "4320", None, None, "5550100", "004420555010", "outbound"),
    ],
    "grandstream_ucm": [
        ("08:00:00", "65", "60", True, "1000", "004420555010", "outbound"),
        ("08:05:00", "20", "0", False, "0305550102", "1001", "inbound"),
    ],
    "kamailio_acc": [
        ("08:00:05", "60", "60", True, "1001", "004420555010", None),
        ("08:00:30", "0", None, False, "1002", "0305550102", None),
    ],
    "mitel_smdr": [
        ("08:00:00", "90", None, None, "1200", "004420555010", "outbound"),
        ("08:05:00", "41", None, None, "6465550103", "1201", "inbound"),
        ("08:10:00", "0", None, None, "6465550104", "1202", "inbound"),
        ("08:20:00", "360", None, None, "1203", "1204", None),
    ],
    "opensips_acc": [
        ("08:00:00", None, "60", True, "1001", "004420555010", None),
        ("08:05:00", None, "0", False, "1002", "0305550102", None),
    ],
    "panasonic_smdr": [
        ("08:04:30", "90", "90", True, "1200", "004420555010", "outbound"),
        ("08:09:19", "41", "41", True, "6465550103", "1201", "inbound"),
        ("08:20:00", "0", "0", False, "6465550104", "1202", "inbound"),
    ],
    "portaone": [
        ("09:00:00", "60", "60", True, "12125550100", "442055501012", None),
        ("09:01:40", "10", "0", False, "12125550100", "442055501013", None),
    ],
    "ribbon_act": [
        ("08:00:00", "65.2", "60", True, "12125550100", "442055501012", None),
        ("08:05:00", None, "0", False, "12125550101", "442055501013", None),
    ],
    "ringcentral": [
        ("09:00:00", "61", None, None, "+12125550100", "+442055501012", "outbound"),
        ("09:10:00", "18", None, None, "+12125550199", "+12125550100", "inbound"),
    ],
    "sipgate": [
        ("09:00:00", "60", None, None, "+493055501", "+442055501012", "outbound"),
        ("09:10:00", "0", None, None, "+493055502", "+493055501", "inbound"),
    ],
    "teams_pstn": [
        ("09:00:00", "60", "60", True, "+12125550100", "+442055501012", "outbound"),
        ("09:05:00", "30", "30", True, "+12125550199", "+12125550100", "inbound"),
    ],
    "vos3000": [
        ("09:00:00", "61", "61", True, "+12125550100", "442055501012", None),
        ("09:01:40", "0", "0", False, "+12125550100", "442055501013", None),
    ],
    "webex_calling": [
        ("09:00:00", "65", "60", True, "+12125550100", "+442055501012", "outbound"),
        ("09:10:00", "20", "0", False, "+12125550199", "+12125550100", "inbound"),
    ],
    "zoom_phone": [
        ("09:00:00", "66", "60", True, "+12125550100", "+442055501012", "outbound"),
        ("09:10:00", "20", "0", False, "+12125550199", "+12125550100", "inbound"),
    ],
}
# profile: causes or outcomes, and amounts with their currency
RESULTS = {
    "audiocodes": (["ANSWERED", "BUSY"], [None, None]),
    "didww": (["NORMAL_CLEARING", "USER_BUSY"], [None, None]),
    "broadworks_xml": (["NORMAL_CLEARING", "NO_ANSWER"], [None, None]),
    "freeswitch_xml": (["NORMAL_CLEARING", "USER_BUSY"], [None, None]),
    "freeswitch_json": (["NORMAL_CLEARING", "USER_BUSY"], [None, None]),
    "fritzbox": (["ANSWERED", "NO ANSWER", None], [None] * 3),
    "kamailio_acc": (["NORMAL_CLEARING", "USER_BUSY"], [None, None]),
    "mitel_smdr": (["ANSWERED", None, "BUSY", None], [None] * 4),
    "opensips_acc": (["NORMAL_CLEARING", "NO_USER_RESPONSE"], [None, None]),
    "panasonic_smdr": ([None, None, "NO ANSWER"], [None] * 3),
    "portaone": (["NORMAL_CLEARING", "USER_BUSY"], ["0.015", "0"]),
    "ribbon_act": (["NORMAL_CLEARING", "USER_BUSY"], [None, None]),
    "ringcentral": (["ANSWERED", "NO ANSWER"], ["0.04 USD", None]),
    "sipgate": (["ANSWERED", "NO ANSWER"], [None, None]),
    "teams_pstn": ([None, None], ["0.0118 USD", "0 USD"]),
    "vos3000": ([None, None], ["0.02", "0"]),
    "zoom_phone": (["ANSWERED", "NO ANSWER"], ["0.02 USD", None]),
}


def rows_of(name: str) -> pl.DataFrame:
    """Canonical rows of a system's example."""
    return normalized(FILES[name], load_profile(name))[0]


def column(name: str, field: str) -> list[object]:
    """One field of all rows; instants as text in UTC, numbers as text."""
    values = rows_of(name)[field]
    if values.dtype == pl.Datetime("us", "UTC"):
        return values.dt.strftime("%Y-%m-%d %H:%M:%S%.3f").to_list()
    return [f"{value.normalize():f}" if isinstance(value, Decimal) else value for value in values]


def test_every_built_in_profile_has_an_example() -> None:
    assert list(FILES) == sorted(list_profiles()) == sorted(LINES)


@pytest.mark.slow
def test_every_line_of_every_example_is_accounted_for(ctx: RunContext) -> None:
    place = opened(ctx, *FILES)
    for name, path in FILES.items():
        counts = import_upload(UploadRequest(path, name, name), place).counts
        assert (name, counts.read, counts.merged, counts.rejected, counts.filtered) == (name, *LINES[name])
    require_sound(ctx)


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_call_has_a_start_an_end_to_measure_by_and_a_carrier(name: str) -> None:
    rows = rows_of(name)
    assert rows["started_at"].null_count() == 0
    assert (rows["duration_seconds"].is_not_null() | rows["billing_seconds"].is_not_null()).all()
    assert rows["carrier"].null_count() == (rows.height if name == "generic" else 0)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_calls_of_a_system_have_their_times_numbers_and_direction(name: str) -> None:
    starts = [str(start)[11:19] for start in column(name, "started_at")]
    fields = ("duration_seconds", "billing_seconds", "answered", "caller_id_number", "callee_id_number")
    found = zip(starts, *(column(name, field) for field in (*fields, "call_direction")), strict=True)
    assert list(found) == CALLS[name]


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_calls_of_a_system_have_their_result_and_amount(name: str) -> None:
    causes, outcomes = column(name, "hangup_cause"), column(name, "disposition")
    costs, currencies = column(name, "cost"), column(name, "cost_currency")
    amounts = [cost and f"{cost} {currency or ''}".strip() for cost, currency in zip(costs, currencies, strict=True)]
    assert ([cause or outcome for cause, outcome in zip(causes, outcomes, strict=True)], amounts) == RESULTS[name]


def test_asterisk_has_sixteen_columns_plus_options_and_no_id() -> None:
    assert column("asterisk", "call_id") == [None, "1772442120.3", "1772442180.5"]
    assert column("asterisk", "record_id") == [None] * 3
    assert column("asterisk", "answered") == [True, False, True]
    assert column("asterisk", "started_at")[0] == "2026-03-02 08:00:00.000"


def test_an_empty_name_in_quotes_within_quotes_is_a_caller_id_of_asterisk() -> None:
    assert column("asterisk_custom", "caller_id_name") == ['"" <client1>', '"Eve" <client3>']


def test_a_caller_id_quoted_in_part_is_one_column_of_freepbx() -> None:
    assert column("freepbx", "caller_id_name") == ['"User 10" <114>', '"User 11" <115>']
    assert column("freepbx", "callee_id_number") == ["00493055501", None]


def test_the_word_null_is_empty_and_a_semicolon_in_a_channel_is_text() -> None:
    assert column("pbxware", "cost") == ["0.0125", None]
    assert column("pbxware", "dialed_number") == [None, None]


def test_freeswitch_templates_are_read_and_no_answer_is_no_answer() -> None:
    assert column("freeswitch", "answered") == [True, False, True]
    assert column("freeswitch", "user_agent") == [None, "Phone, 2.1", None]
    assert set(column("freeswitch", "hangup_cause")) == {"NORMAL_CLEARING"}
    assert column("freeswitch_asterisk", "caller_id_name") == ['"Ada" <1001>']
    assert column("freeswitch_opencdrrate", "answered_at") == ["2026-03-02 08:00:04.000", None]


def test_cucm_counts_seconds_in_utc_and_zero_is_no_connection() -> None:
    assert column("cucm", "started_at") == ["2026-03-02 09:00:00.000", "2026-03-02 09:01:40.000"]
    assert column("cucm", "answered_at") == ["2026-03-02 09:00:05.000", None]


def test_the_cause_of_cucm_is_that_of_the_side_that_cleared_the_call() -> None:
    assert column("cucm", "hangup_cause") == ["NORMAL_CLEARING", "NORMAL_CLEARING"]


def test_rows_of_one_avaya_call_are_one_record() -> None:
    rows, rejects, read = normalized(FILES["avaya_smdr"], load_profile("avaya_smdr"))
    assert read == 4
    assert rows.select(
        "call_id", "call_direction", "billing_seconds", "ringing_seconds", "callee_id_number"
    ).rows() == [
        ("1000014155", "inbound", Decimal(110), Decimal(4), "202"),
        ("1000014156", "outbound", Decimal(7), Decimal(3), "0044205550102"),
    ]
    assert rejects.select("line", "field", "reason").rows() == [(4, "continuation", "broken_call")]


def test_a_backslash_of_broadworks_keeps_a_comma_in_its_value() -> None:
    extra = rows_of("broadsoft")["extra_source"].to_list()
    assert '"network_translated_group":"acme, Inc."' in extra[0]
    assert column("broadsoft", "answered_at") == ["2026-03-02 09:00:05.623", None]
    assert column("broadsoft", "billing_seconds") == ["60", None]
    assert column("broadsoft", "answered") == [True, False]


def test_sansay_dates_in_words_na_and_minutes_west_are_read() -> None:
    assert column("sansay", "started_at") == ["2026-03-02 16:38:34.000", "2026-03-02 16:40:00.000"]
    assert column("sansay", "answered_at") == ["2026-03-02 16:38:40.000", None]
    assert column("sansay", "record_id") == ["1/c0ffee01", "3/c0ffee02"]


def test_every_second_line_of_3cx_is_blank_and_its_times_are_utc() -> None:
    assert column("threecx", "started_at") == ["2026-03-02 09:00:00.000"] * 2
    assert column("threecx", "billing_seconds") == ["60", None]


def test_voipms_bills_seconds_with_eight_decimals() -> None:
    assert column("voipms", "billing_seconds") == ["66", "0"]
    assert column("voipms", "cost") == ["0.011", "0"]


def test_charges_of_twilio_are_below_zero_and_its_times_are_those_of_mail() -> None:
    assert column("twilio", "cost") == ["0.024", None]
    assert column("twilio", "started_at") == ["2026-03-02 09:00:00.000", "2026-03-02 09:05:00.000"]
    assert column("twilio", "call_direction") == ["outbound", "inbound"]


def test_telnyx_and_bandwidth_are_json_with_fractions_of_seconds() -> None:
    assert column("telnyx", "answered_at") == ["2026-03-02 09:00:05.250"]
    assert column("bandwidth", "billing_seconds") == ["60"]


def test_a_comma_in_a_name_shifts_no_column_of_kazoos_unquoted_csv() -> None:
    assert column("kazoo_csv_3", "caller_id_name") == ["Lovelace, Ada", "Bob"]
    assert column("kazoo_csv_3", "started_at") == ["2026-03-02 09:00:00.000", "2026-03-02 09:01:50.000"]


def test_kazoos_cost_is_in_ten_thousandths_and_its_list_states_the_start() -> None:
    for name in ("kazoo_csv", "kazoo_json"):
        assert column(name, "cost") == ["0.12"]
        assert column(name, "started_at") == ["2026-03-02 09:00:00.000"]


def test_a_detail_document_states_the_end_and_a_list_row_the_start() -> None:
    assert column("kazoo_detail", "ended_at") == ["2026-03-02 09:01:06.000"]
    assert column("kazoo_detail", "started_at") == ["2026-03-02 09:00:00.000"]
    assert column("kazoo_detail", "owner_id") == ["user-1"]


@pytest.mark.parametrize(
    ("system", "profile", "key"),
    [("kazoo_detail", "kazoo_json", "custom_channel_vars"), ("kazoo_json", "kazoo_detail", "direction")],
)
def test_the_form_of_another_profile_is_refused_and_named(system: str, profile: str, key: str) -> None:
    with pytest.raises(UnreadableUpload, match=f"is not a {profile} file: its records have .*{key}"):
        normalized(FILES[system], load_profile(profile))


@pytest.mark.parametrize("name", ["kazoo_json", "kazoo_detail"])
def test_json_tells_its_profile_by_its_keys(name: str) -> None:
    assert usual_profile(FILES[name], "json") == name


@pytest.mark.parametrize("name", ["kazoo_csv", "daily_file", "generic"])
def test_csv_tells_its_profile_by_its_header(name: str) -> None:
    assert usual_profile(FILES[name], "csv") == name


def test_a_copy_for_spreadsheets_is_refused_because_its_cells_differ(tmp_path: Path) -> None:
    copy = tmp_path / "day.spreadsheet.csv"
    copy.write_text('\ufeff"account_id","origin","record_id","business_date","started_at"\r\n', "utf-8")
    with pytest.raises(UnreadableUpload, match="copy of a daily file for spreadsheets"):
        usual_profile(copy, "csv")


def test_generic_tells_iso_times_and_counted_seconds_apart() -> None:
    assert column("generic", "started_at") == ["2026-03-02 09:00:00.000"] * 3
    assert rows_of("generic")["extra_source"].to_list() == ['{"colour":"red"}', None, '{"colour":"blue"}']
