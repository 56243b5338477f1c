"""Values in files: numbers, dates, formulas, other tenants, bad lines, changed rules. Cases B15 to B20, B22, B25."""

from pathlib import Path
from uuid import uuid4

import pytest

from cdr_pipeline.core.records.reasons import EXPLANATIONS, Reject
from cdr_pipeline.errors import AmbiguousDates, UnreadableUpload
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.rejects import export_rejects, find_upload
from cdr_pipeline.steps.uploads.replay_uploads import ReplayRequest, replay_upload
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from tests.support.nights import require_sound, warehouse
from tests.support.records import rows
from tests.support.uploads import HEADER, carrier_row, carrier_text, fed, opened, own_profile, stored

BOTH_ORDERS = '[time]\nformats = ["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"]\n[fields]\nstarted_at = "start"\n'
BOTH_AND_ENDS = BOTH_ORDERS.replace("[time]", '[time]\nnotation = "any"') + 'ended_at = "end"\n'
# A zone between the time of day and the date, as session border controllers write it.
WITHIN = """
[time]
formats = ["%H:%M:%S%.f %b %d %Y"]
zone_column = "zone"
[time.zones]
PST = "-08:00"
[derive.clock]
source = "start"
match = "^([0-9:.]+)"
[derive.zone]
source = "start"
match = " ([A-Z]{3,4}) "
[derive.day]
source = "start"
match = "([A-Z]{3} [0-9]{1,2} [0-9]{4})$"
[combine]
moment = ["clock", "day"]
[fields]
started_at = "moment"
"""
DAYS = "start\n03/04/2026 10:00:00\n"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    return opened(ctx)


def one(ctx: RunContext, path: Path, **values: str) -> dict[str, int]:
    """Rejects of a file of one row."""
    return fed(ctx, path, HEADER + carrier_row(1, **values)).reject_reasons


# B16


@pytest.mark.fault("B16")
@pytest.mark.parametrize("number", ["1.23E+15", "4.42055E+11", "1,5E+10", "4.9e+12"])
def test_a_number_in_scientific_notation_is_rejected_with_a_hint(
    place: RunContext, tmp_path: Path, number: str
) -> None:
    assert one(place, tmp_path / "f.csv", caller=f'"{number}"') == {"scientific_notation": 1}
    assert "spreadsheet" in EXPLANATIONS[Reject.SCIENTIFIC_NOTATION]
    assert stored(place) == []


@pytest.mark.fault("B16")
def test_leading_zeros_plus_signs_and_hexadecimal_ids_are_kept(place: RunContext, tmp_path: Path) -> None:
    assert one(place, tmp_path / "f.csv", id="5e10", caller="00123", callee="+15550100199") == {}
    assert stored(place, "record_id, caller_id_number, callee_id_number") == [
        ("generic:id:5e10", "00123", "+15550100199")
    ]


@pytest.mark.fault("B16")
@pytest.mark.parametrize(("text", "mark", "said"), [("1,234.5", ".", 1), ("1.234,5", ",", 0), ("1.234", ",", 0)])
def test_thousands_are_read_only_where_the_profile_states_the_decimal_mark(
    place: RunContext, tmp_path: Path, text: str, mark: str, said: int
) -> None:
    own_profile(place, "m", f"decimal_mark = '{mark}'\n[fields]\nstarted_at = 'start'\nbilling_seconds = 's'\n")
    loaded = fed(place, tmp_path / "f.csv", f'start,s\n2026-03-02 09:00:00,"{text}"\n', "m")
    assert loaded.counts.rejected == said
    if not said:
        assert stored(place, "billing_seconds::float") == [(1234.5 if "," in text else 1234.0,)]


# B17


@pytest.mark.fault("B17")
@pytest.mark.parametrize(
    ("start", "reason"),
    [
        ("2026-02-30T10:00:00Z", "not_a_time"),
        ("2026-03-29 02:30:00", "time_gap"),
        ("2026-10-25 02:30:00", "time_gap"),
        ("12", "time_epoch"),
    ],
    ids=["no such day", "spring gap", "autumn fold", "no epoch"],
)
def test_a_time_that_is_not_one_instant_rejects_its_row(
    place: RunContext, tmp_path: Path, start: str, reason: str
) -> None:
    assert one(place, tmp_path / "f.csv", start=start) == {reason: 1}


@pytest.mark.fault("B17")
def test_an_offset_makes_the_fold_exact(place: RunContext, tmp_path: Path) -> None:
    assert one(place, tmp_path / "f.csv", start="2026-10-25T02:30:00+01:00") == {}
    assert stored(place, "started_at::text") == [("2026-10-25 01:30:00+00",)]


@pytest.mark.fault("B17")
def test_a_date_that_fits_both_orders_refuses_the_file(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "both", BOTH_ORDERS)
    with pytest.raises(AmbiguousDates, match="every date"):
        fed(place, tmp_path / "f.csv", DAYS, "both")
    assert warehouse(place, "SELECT state, error_code FROM uploads") == [("refused", "ambiguous_dates")]


@pytest.mark.fault("B17")
@pytest.mark.parametrize(
    ("more", "first"), [("13/04/2026 10:00:00\n", "2026-04-03"), ("04/13/2026 10:00:00\n", "2026-03-04")]
)
def test_one_date_of_a_file_decides_the_order_of_all(place: RunContext, tmp_path: Path, more: str, first: str) -> None:
    own_profile(place, "both", BOTH_ORDERS)
    assert fed(place, tmp_path / "f.csv", DAYS + more, "both").counts.merged == 2
    assert stored(place, "business_date::text")[0] == (first,)


@pytest.mark.fault("B17")
def test_dates_of_both_orders_refuse_the_file(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "both", BOTH_ORDERS)
    text = DAYS + "13/04/2026 10:00:00\n04/13/2026 10:00:00\n"
    with pytest.raises(AmbiguousDates, match="day first and dates with the month first"):
        fed(place, tmp_path / "f.csv", text, "both")


@pytest.mark.fault("B17")
@pytest.mark.parametrize(
    ("ends", "first"),
    [
        (["1775210400"], "2026-04-03"),
        (["1772618400"], "2026-03-04"),
        (["2026-04-03T10:05:00Z"], "2026-04-03"),
        (["2026-03-04 10:05:00"], "2026-03-04"),
        (["1772618400", "2026-04-03T10:05:00Z"], None),
        (["1788170400"], None),
    ],
    ids=["epoch, day", "epoch, month", "ISO, day", "ISO, month", "contradiction", "neither"],
)
def test_a_time_next_to_an_ambiguous_date_decides_or_refuses_the_file(
    place: RunContext, tmp_path: Path, ends: list[str], first: str | None
) -> None:
    own_profile(place, "both", BOTH_AND_ENDS)
    text = "start,end\n" + "".join(f"03/04/2026 10:00:00,{end}\n" for end in ends)
    if first is None:
        with pytest.raises(AmbiguousDates):
            fed(place, tmp_path / "f.csv", text, "both")
        return
    assert fed(place, tmp_path / "f.csv", text, "both").counts.merged == 1
    assert stored(place, "business_date::text") == [(first,)]


@pytest.mark.fault("B17")
def test_a_profile_that_names_one_order_needs_no_proof(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "day", BOTH_ORDERS.replace(', "%m/%d/%Y %H:%M:%S"', ""))
    assert fed(place, tmp_path / "f.csv", DAYS, "day").counts.merged == 1
    assert stored(place, "business_date::text") == [("2026-04-03",)]


@pytest.mark.fault("B17")
def test_a_row_may_name_its_zone_and_a_word_that_is_none_is_rejected(place: RunContext, tmp_path: Path) -> None:
    own_profile(
        place,
        "zones",
        "[time]\nzone_column = 'tz'\n[time.zones]\nPST = '-08:00'\n[fields]\nstarted_at = 'start'\n",
    )
    text = "start,tz\n2026-03-02 09:00:00,PST\n2026-03-02 09:00:00,Asia/Tokyo\n2026-03-02 09:00:00,MARS\n"
    assert fed(place, tmp_path / "f.csv", text, "zones").reject_reasons == {"unknown_zone": 1}
    assert stored(place, "started_at::text") == [("2026-03-02 00:00:00+00",), ("2026-03-02 17:00:00+00",)]


@pytest.mark.fault("B17")
def test_an_abbreviation_within_a_time_is_the_zone_of_its_row(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "within", WITHIN)
    text = "start\n15:54:56.868 PST DEC 18 2025\n15:54:56.868 CET DEC 18 2025\n15:54:56.868 MARS DEC 18 2025\n"
    assert fed(place, tmp_path / "f.csv", text, "within").reject_reasons == {"unknown_zone": 1}
    assert stored(place, "started_at::text") == [("2025-12-18 14:54:56.868+00",), ("2025-12-18 23:54:56.868+00",)]


# B18, B19


@pytest.mark.fault("B18", "B19")
@pytest.mark.parametrize(
    "name", ["=cmd|'/c calc'!A1", "@SUM(A1)", "+1+1", "-2", "<script>alert(1)</script>", "\u202eevil", "=1+1\t"]
)
def test_what_a_spreadsheet_or_browser_would_run_is_stored_as_it_is(
    place: RunContext, tmp_path: Path, name: str
) -> None:
    own_profile(place, "named", "[time]\nnotation = 'iso8601'\n[fields]\nstarted_at = 's'\ncaller_id_name = 'n'\n")
    fed(place, tmp_path / "f.csv", f's,n\n2026-03-02T09:00:00Z,"{name}"\n', "named")
    assert stored(place, "caller_id_name") == [(name.strip(),)]


# B20


@pytest.mark.fault("B20")
def test_a_row_of_another_tenant_is_rejected_whole(ctx: RunContext, tmp_path: Path) -> None:
    place = opened(ctx, "acct", "other")
    own_profile(
        place,
        "tenants",
        "account_column = 'customer'\n[account_names]\nAcme = 'acct'\nRival = 'other'\n[fields]\nstarted_at = 's'\n",
    )
    text = "s,customer\n2026-03-02 09:00:00,Acme\n2026-03-02 09:01:00,Rival\n2026-03-02 09:02:00,acct\n"
    loaded = fed(place, tmp_path / "f.csv", text, "tenants")
    assert loaded.reject_reasons == {"other_account": 1}
    assert warehouse(place, "SELECT DISTINCT account_id FROM cdr") == [("acct",)]


# B22


@pytest.mark.fault("B22")
def test_ten_thousand_bad_lines_are_counted_and_can_be_exported(place: RunContext, tmp_path: Path) -> None:
    bad = "".join(carrier_row(number, start="never") for number in range(10_000))
    loaded = fed(place, tmp_path / "f.csv", carrier_text(1) + bad)
    assert (loaded.counts.rejected, loaded.reject_reasons) == (10_000, {"not_a_time": 10_000})
    assert export_rejects(loaded.sha256, place).rows == 10_000
    assert sum(1 for _ in export_rejects(loaded.sha256, place).lines) == 10_001


# B25


@pytest.mark.fault("B25")
def test_a_file_replayed_under_a_new_rule_is_a_new_batch_with_history(place: RunContext, tmp_path: Path) -> None:
    rule = (
        "native_id = 'id'\n[time]\nnotation = 'iso8601'\n[fields]\nstarted_at = 'start'\nbilling_seconds = 'length'\n"
    )
    own_profile(place, "rules", rule)
    text = "id,start,length\n1,2026-03-02T09:00:00Z,60\n2,2026-03-02T09:01:00Z,1.5\n3,2026-03-02T09:02:00Z,00:01\n"
    first = fed(place, tmp_path / "f.csv", text, "rules")
    assert first.reject_reasons == {"not_a_number": 1}
    own_profile(place, "rules", "duration_unit = 'minutes'\n" + rule)
    with place.ledger() as ledger:
        upload = find_upload(ledger, first.sha256[:12])
    again = replay_upload(ReplayRequest(upload), place)
    require_sound(place)
    assert again.before == first.counts
    assert (again.upload.counts.updated, again.upload.counts.rejected, again.withdrawn) == (2, 1, 0)
    assert stored(place, "record_id, billing_seconds::int") == [("rules:id:1", 3600), ("rules:id:2", 90)]
    assert warehouse(place, "SELECT billing_seconds::float FROM cdr_history ORDER BY 1") == [(1.5,), (60.0,)]
    assert warehouse(place, "SELECT count(*) FROM batches") == [(2,)]


@pytest.mark.fault("B25")
def test_rejects_accepted_under_a_new_rule_are_closed(place: RunContext, tmp_path: Path) -> None:
    rule = "native_id = 'id'\n[time]\nformats = ['%Y-%m-%d %H:%M:%S']\n[fields]\nstarted_at = 'start'\n"
    own_profile(place, "rules", rule)
    text = "id,start\n1,2026-03-02 09:00:00\n2,02.03.2026 09:01:00\n"
    first = fed(place, tmp_path / "f.csv", text, "rules")
    own_profile(place, "rules", rule.replace("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S"))
    with place.ledger() as ledger:
        upload = find_upload(ledger, first.sha256)
    again = replay_upload(ReplayRequest(upload), place)
    assert (again.upload.counts.inserted, again.upload.counts.rejected, again.withdrawn) == (1, 1, 1)
    assert warehouse(place, "SELECT line, state FROM rejects ORDER BY line") == [(2, "open"), (3, "corrected")]
    assert stored(place) == [("rules:id:2",)]
    assert warehouse(place, "SELECT record_id FROM cdr_history") == [("rules:id:1",)]


@pytest.mark.fault("B25")
def test_a_refused_file_stays_refused_if_it_is_read_again(place: RunContext, tmp_path: Path) -> None:
    with pytest.raises(UnreadableUpload):
        fed(place, tmp_path / "f.csv", carrier_text(1), "freepbx")
    with place.ledger() as ledger:
        (upload,) = ledger.uploads.list_all(["acct"])
    with pytest.raises(UnreadableUpload, match="is not a freepbx file"):
        replay_upload(ReplayRequest(upload), place)


# B15


@pytest.mark.fault("B15")
def test_a_switch_record_with_the_same_call_id_is_the_same_leg(place: RunContext, tmp_path: Path) -> None:
    leg = rows({"account_id": "acct", "call_id": "leg-1", "cost": None, "caller_id_name": "Ada"}).drop("raw")
    with place.ledger() as ledger:
        header = BatchHeader("acct", uuid4(), "window", "landing/page", place.clock(), leg["business_date"].item())
        with batch_load(ledger.connection, header) as load:
            load.stage(leg)
            load.finish(read=1)
    text = "id,call_id,start_time,billing_seconds,cost,currency\nx1,leg-1,2026-03-02T09:30:00Z,20,0.05,EUR\n"
    loaded = fed(place, tmp_path / "f.csv", text)
    assert loaded.counts.inserted == 1
    assert warehouse(place, "SELECT origin, record_id, source_line FROM cdr ORDER BY origin") == [
        ("api", "r1", 1), ("imported", "generic:id:x1", 2),
    ]  # fmt: skip
    merged = "SELECT origin, record_id, linked_record_id, caller_id_name, cost::float, cost_currency FROM cdr_merged"
    assert warehouse(place, merged) == [("api+imported", "r1", "generic:id:x1", "Ada", 0.05, "EUR")]
