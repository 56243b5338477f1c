"""Values at and beyond what the warehouse can hold: the row is rejected, and its neighbours are loaded."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from cdr_pipeline.core.fields.dictionary import FIELDS, LONGEST_EXTRA, LONGEST_INDEXED, Field, Kind, Privacy
from cdr_pipeline.core.fields.schemas import CheckedRows, no_rejects
from cdr_pipeline.core.records import json_faults
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.errors import ValueNotStorable
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect import load_day
from cdr_pipeline.steps.operations.alert import LONGEST_TOPIC, Incident
from cdr_pipeline.steps.retention.erase_number import EraseRequest, erase_number
from cdr_pipeline.steps.retention.retain_records import retain_records, set_policy
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.records.batch_rejects import LONGEST_RAW
from cdr_pipeline.warehouse.records.long_values import LongValues, find_long_values, record_long_values
from cdr_pipeline.warehouse.server.engine import engine
from tests.support.days import ACCOUNT, DAY, collected, deliver, export, seal
from tests.support.landed import list_row, loaded_rows
from tests.support.nights import night, playing, require_sound, warehouse
from tests.support.records import rows
from tests.support.serving import PERIOD, serving, store, token_for
from tests.support.uploads import HEADER, carrier_row, fed, opened, stored

# An entry of a B-tree has at most 2,704 bytes, its header and padding included.
LARGEST_ENTRY: Final = 2_600
# Bytes of columns that are in an index and no field of a record; what bounds each of them.
BOUNDED: Final = {
    "file_name": 4 * 255,  # register_uploads.display_name, characters of four bytes
    "path": 512,  # export files: folders and names made of an account id, dates and a dialect; unsafe_path
    "stamp": 128,  # core/uploads/inbound_files: size, time and a tag of at most 64 characters
    "target": 64,  # exports/delivery/targets
    "sha256": 64, "digest": 64, "key_digest": 64, "call_digest": 64, "reject_id": 32, "outcome_id": 64, "token_id": 64,
    "dialect": 16, "field": 64, "name": 64, "revision": 32, "version_num": 32,
    "imported_record_id": LONGEST_INDEXED, "api_record_id": LONGEST_INDEXED, "part_of": LONGEST_INDEXED,
    "user_id": 16, "webhook_id": 16, "extract_id": 32,
    "alert_id": 64, "rule_id": 64, "run_id": 64,  # made by us or by Dagster
    "number": 4 * 100, "credit_note": 4 * 100,  # steps: 100 characters of four bytes
    "topic": LONGEST_TOPIC, "channel": 64,  # steps/operations/alert and alert_channels
    "step": 255,  # name of a step of a job
    "identity_issuer": 512, "identity_subject": 255,  # settings; sources/identity/oidc
    "place": 300,  # a host name, or an account of it
}  # fmt: skip
FIXED: Final = 32
LATEST: Final = datetime(2030, 1, 1, tzinfo=UTC)


def noise(length: int, seed: int = 1) -> str:
    """Text of exactly so many bytes that does not compress, with characters of four bytes where they fit."""
    chance = random.Random(seed)
    wide = "".join(chr(chance.randrange(0x10400, 0x10FFF)) for _ in range(length // 4))
    return wide + "".join(chance.choice("abcdefghij") for _ in range(length % 4))


def longest(field: Field) -> str:
    """The longest text that the field accepts."""
    assert field.longest is not None
    return noise(field.longest)


def changed(**changes: Any) -> SimulatedSwitch:
    """A switch whose first leg of the day is other than the rest."""
    made = SimulatedSwitch.build(calls_per_day=40, accounts=1)
    account = made.accounts[0].account_id
    first, *others = made.documents(account, DAY)
    return replace(made, stored={account: [first | changes, *others]})


@pytest.mark.fault("R501")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"_id": "202603-" + noise(3500)}, "record_id"),
        ({"call_id": noise(3500)}, "call_id"),
        ({"caller_id_number": noise(3500)}, "caller_id_number"),
        ({"from_uri": f"sip:{noise(3500)}@pbx.example", "call_direction": "outbound"}, "calling_from"),
        ({"caller_id_name": "x" * 3500}, "caller_id_name"),
    ],
    ids=["id", "call id", "caller id", "From user", "name"],
)
def test_a_text_too_long_rejects_its_row_and_loads_the_others(
    ctx: RunContext, change: dict[str, Any], field: str
) -> None:
    switch = changed(**change)
    with run_switch(switch) as running:
        collected_day, loaded = night(playing(ctx, switch, running.url, api_dialect=switch.dialect.value))
    assert collected_day.failures == ()
    assert loaded.failures == ()
    assert loaded.reject_reasons == {"too_long": 1}
    assert loaded.counts.inserted > 20
    assert loaded.incomplete == ()
    assert warehouse(ctx, "SELECT field, reason FROM rejects") == [(field, "too_long")]
    require_sound(ctx)


@pytest.mark.fault("R502")
def test_no_index_entry_can_outgrow_a_page(ctx: RunContext) -> None:
    limits = {field.name: field.longest or FIXED for field in FIELDS} | BOUNDED
    entries = warehouse(
        ctx,
        "SELECT indexrelid::regclass::text, array_agg(attname::text ORDER BY attname) FROM pg_index"
        " JOIN pg_class ON pg_class.oid = indrelid AND relnamespace = current_schema()::regnamespace"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)"
        " JOIN pg_type ON pg_type.oid = atttypid AND typname IN ('text', 'varchar', 'jsonb')"
        " GROUP BY indexrelid",
    )
    assert len(entries) > 30
    assert {column for _, columns in entries for column in columns if column not in limits} == set()
    sizes = {name: sum(limits[column] for column in columns) + 3 * FIXED for name, columns in entries}
    assert {name: size for name, size in sizes.items() if size > LARGEST_ENTRY} == {}


def test_a_long_topic_of_an_alert_is_cut_and_stays_its_own() -> None:
    topics = {Incident("problem " + noise(5_000, seed), "line").topic for seed in range(3)}
    assert len(topics) == 3
    assert max(len(topic.encode()) for topic in topics) <= LONGEST_TOPIC
    assert all(topic.startswith("problem ") for topic in topics)


@pytest.mark.fault("R503")
def test_longest_values_are_loaded_linked_exported_erased_and_retained(ctx: RunContext) -> None:
    full = {field.name: longest(field) for field in FIELDS if field.kind is Kind.TEXT and not field.allowed}
    del full["account_id"]
    extra = json.dumps({"more": noise(LONGEST_EXTRA - 20)}, ensure_ascii=False)
    record = full | {"caller_id_number": "+4930123456", "extra_source": extra}
    assert validate(rows(record), latest=LATEST).rejects.is_empty()
    collected(ctx)
    deliver(ctx, record)
    deliver(ctx, record | {"cost_currency": "EUR"})  # a change keeps the earlier version
    deliver(ctx, record | {"record_id": noise(LONGEST_INDEXED, seed=2)}, kind="upload")
    assert warehouse(ctx, "SELECT count(*) FROM cdr_links") == [(1,)]
    assert warehouse(ctx, "SELECT count(*) FROM cdr_history") == [(1,)]
    written = pl.read_csv(export(ctx).file.path, infer_schema=False)
    assert written["call_id"].to_list() == [full["call_id"]]
    (erased,) = erase_number(EraseRequest("+4930123456", "A. Controller", "asked for", reissue=True), ctx)
    assert erased.records == 2
    assert seal(ctx).outcome == "sealed"
    set_policy(ACCOUNT, ctx, keep_months=1, archive=True, mask_after_days=None, actor="A. Controller")
    (month,) = retain_records(ctx).months
    assert (month.outcome, month.records) == ("removed", 2)


@pytest.mark.fault("R503")
@pytest.mark.parametrize("column", ["call_id", "interaction_id", "caller_id_number", "from_uri", "hangup_cause"])
def test_longest_values_are_found_by_the_api(ctx: RunContext, column: str) -> None:
    text = noise(next(field.longest or 0 for field in FIELDS if field.name == column))
    with serving(ctx) as api:
        store(ctx, "self", {column: text}, {"call_id": "other"})
        found = api.get("/v2/accounts/self/cdrs", **PERIOD, **{f"filter_{column}": text})
    assert (found.status_code, len(found.json()["data"])) == (200, 1)


@pytest.mark.fault("R504")
def test_a_value_that_checks_let_through_names_batch_and_step(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_day, "validate", lambda checked, **_: CheckedRows(checked, no_rejects()))
    loaded = loaded_rows(ctx, [list_row(1), list_row(2, f'"caller_id_number":"{noise(3500)}"')])
    (failure,) = loaded.failures
    assert (failure.code, failure.retryable) == ("value_not_storable", False)
    assert "step merge" in failure.message
    assert "window api/acct/2026/03/02" in failure.message
    assert "try again" not in failure.message


@pytest.mark.fault("R504")
@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1/0",
        "SELECT '1e999999'::numeric",
        "SELECT 'x'::jsonb",
        "SELECT 'infinity'::timestamptz + '1 day' * 1e300",
    ],
)
def test_an_error_about_a_value_never_says_try_again(ctx: RunContext, query: str) -> None:
    with pytest.raises(ValueNotStorable) as raised:
        warehouse(ctx, query)
    assert not raised.value.retryable
    assert "try again" not in raised.value.message + raised.value.hint


@pytest.mark.fault("R502")
def test_a_reject_names_field_length_and_limit_of_a_long_value(ctx: RunContext, tmp_path: Path) -> None:
    loaded = fed(opened(ctx), tmp_path / "calls.csv", HEADER + carrier_row(1, caller="5" * 3_500))
    assert loaded.reject_reasons == {"too_long": 1}
    rejected = warehouse(ctx, "SELECT field, reason, detail FROM rejects")
    assert rejected == [("caller_id_number", "too_long", "3500 bytes, at most 512")]


def test_values_stored_before_their_limit_are_counted_once(ctx: RunContext) -> None:
    collected(ctx)
    deliver(ctx, {"call_id": "x" * 600}, {"call_id": "y" * 700, "trunk": "z" * 5_000}, {"call_id": "fine"})
    database = engine(ctx.url)
    with database.begin() as connection:
        record_long_values(connection)
    database.dispose()
    with ctx.ledger() as ledger:
        found = find_long_values(ledger.connection)
    assert found == [LongValues(ACCOUNT, "call_id", 512, 2, 700), LongValues(ACCOUNT, "trunk", 512, 1, 5_000)]


def test_a_reject_of_long_json_names_length_and_limit(ctx: RunContext) -> None:
    row = list_row(1, f'"more":"{"x" * LONGEST_EXTRA}"')
    loaded_rows(ctx, [row])
    assert warehouse(ctx, "SELECT detail FROM rejects") == [(f"{len(row)} bytes, at most {LONGEST_EXTRA}",)]


BAD_JSON: Final = {
    "NUL": ('"\\u0000"', "nul_character"),
    "lone surrogate": ('"\\ud800"', "invalid_text"),
    "number beyond numeric": ("1e999999", "invalid_json"),
    "number of many digits": ("1" * 200_000, "invalid_json"),
    "nested lists": ("[" * 500 + "]" * 500, "not_storable"),
    "two MiB": ('"' + "x" * 2 * LONGEST_EXTRA + '"', "too_long"),
}


@pytest.mark.fault("R505")
@pytest.mark.parametrize(("value", "reason"), BAD_JSON.values(), ids=BAD_JSON.keys())
def test_json_that_jsonb_cannot_hold_rejects_its_row(ctx: RunContext, value: str, reason: str) -> None:
    loaded = loaded_rows(ctx, [list_row(1, '"more":1'), list_row(2, f'"more":{value}'), list_row(3, '"more":3')])
    assert loaded.failures == ()
    assert loaded.reject_reasons == {reason: 1}
    assert warehouse(ctx, "SELECT record_id FROM cdr ORDER BY 1") == [("r1",), ("r3",)]
    require_sound(ctx)


@pytest.mark.fault("R505")
@pytest.mark.parametrize("kind", ["NUL", "nested lists", "two MiB"])
def test_a_detail_document_that_jsonb_cannot_hold_rejects_its_row(ctx: RunContext, kind: str) -> None:
    value, reason = BAD_JSON[kind]
    documents = ['{"id":"r1","more":1}', f'{{"id":"r2","more":{value}}}']
    loaded = loaded_rows(ctx, [list_row(1), list_row(2)], documents)
    assert loaded.failures == ()
    assert loaded.reject_reasons == {reason: 1}
    assert warehouse(ctx, "SELECT record_id FROM cdr") == [("r1",)]


@pytest.mark.fault("R505")
def test_text_that_only_looks_suspicious_is_stored(ctx: RunContext) -> None:
    fine = '"more":{"a":"\\ud83d\\ude00 \\\\u0000","b":"1e999999","c":1e30}'
    loaded = loaded_rows(ctx, [list_row(1, fine)])
    assert loaded.reject_reasons == {}
    ((extra,),) = warehouse(ctx, "SELECT extra FROM cdr")
    assert extra["more"] == {"a": "\U0001f600 \\u0000", "b": "1e999999", "c": 10**30}
    assert json_faults.json_faults(rows({"extra_source": "{}"})) == []


@pytest.mark.fault("R506")
@pytest.mark.parametrize(
    ("profile", "row", "reason"),
    [
        ("unit = 'minutes'", {"duration": "9" * 32}, "not_a_number"),
        ("unit = 'milliseconds'", {"duration": "9" * 38}, "not_a_number"),
        ("unit = 'seconds'", {"duration": "1e400"}, "not_a_number"),
        ("unit = 'seconds'", {"cost": "9" * 30}, "not_a_number"),
        ("unit = 'seconds'", {"start": "0001-01-01T00:00:00Z"}, "not_a_time"),
        ("unit = 'seconds'", {"start": "9999-12-31T23:59:59Z"}, "not_a_time"),
        ("unit = 'seconds'", {"start": "294276-12-31T23:59:59Z"}, "not_a_time"),
        ("unit = 'seconds'", {"start": "2149-12-31T23:59:59Z"}, "time_in_future"),
    ],
)
def test_numbers_and_dates_far_away_reject_their_row(
    ctx: RunContext, tmp_path: Path, profile: str, row: dict[str, str], reason: str
) -> None:
    place = opened(ctx)
    unit = profile.partition("'")[2].rstrip("'")
    folder = place.settings.profile_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "far.toml").write_text(
        'native_id = "id"\n'
        f'duration_unit = "{unit}"\n'
        '[time]\nnotation = "iso8601"\n'
        '[fields]\nstarted_at = "start_time"\nduration_seconds = "duration_seconds"\n'
        'billing_seconds = "billing_seconds"\ncost = "cost"\ncost_currency = "currency"\n'
    )
    loaded = fed(place, tmp_path / "f.csv", HEADER + carrier_row(1) + carrier_row(2, **row), profile="far")
    assert loaded.reject_reasons == {reason: 1}
    assert stored(place) == [("far:id:c1",)]


@pytest.mark.fault("R506")
def test_a_span_beyond_all_calls_does_not_fail_the_file(ctx: RunContext, tmp_path: Path) -> None:
    place = opened(ctx)
    folder = place.settings.profile_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spans.toml").write_text(
        'native_id = "id"\n[time]\nnotation = "iso8601"\n[fields]\nstarted_at = "start"\nended_at = "end"\n'
    )
    text = "id,start,end\n1,2026-03-02T09:00:00Z,2026-03-02T09:01:00Z\n2,1990-01-02T00:00:00Z,2149-12-30T00:00:00Z\n"
    loaded = fed(place, tmp_path / "f.csv", text, profile="spans")
    assert loaded.counts.read == 3
    assert ("spans:id:1",) in stored(place)


@pytest.mark.fault("R507")
def test_a_rejects_raw_text_is_bounded_and_says_that_it_is_cut(ctx: RunContext, tmp_path: Path) -> None:
    place = opened(ctx)
    text = HEADER + carrier_row(1) + carrier_row(2, caller="\U0001f600" * 40_000)
    loaded = fed(place, tmp_path / "f.csv", text)
    assert loaded.reject_reasons == {"too_long": 1}
    ((raw, field),) = warehouse(place, "SELECT raw, field FROM rejects")
    assert field == "caller_id_number"
    assert len(raw.encode()) <= LONGEST_RAW + 100
    assert "cut: 160" in raw
    assert raw.endswith("bytes, whole in landing")


@pytest.mark.fault("R508")
def test_an_upload_over_the_api_rejects_the_long_row_alone(ctx: RunContext) -> None:
    text = HEADER + carrier_row(1) + carrier_row(2, id=noise(3500))
    with serving(ctx) as api, api.client(token_for(ctx, "self", "upload")) as client:
        answer = client.post(
            "/v2/accounts/self/cdrs", content=text.encode(), headers={"Content-Type": "text/csv; charset=utf-8"}
        )
    data = answer.json()["data"]
    assert (answer.status_code, data["counts"]["inserted"], data["reject_reasons"]) == (201, 1, {"too_long": 1})


@pytest.mark.fault("R508")
@pytest.mark.parametrize("value", ["\x00", "x" * 3500, "1e999999", "\U0001f600" * 500])
@pytest.mark.parametrize("parameter", ["filter_call_id", "number", "filter_custom_channel_vars.more"])
def test_a_search_for_any_text_is_answered_and_never_says_try_again(
    ctx: RunContext, parameter: str, value: str
) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {})
        answer = api.get("/v2/accounts/self/cdrs", **PERIOD, **{parameter: value})
    assert answer.status_code in (200, 400)


@pytest.mark.fault("R509")
def test_a_text_field_without_a_limit_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="only for them"):
        Field("more", Kind.TEXT, "Something new.", Privacy.NONE)
    for field in FIELDS:
        assert (field.longest is not None) is (field.kind is Kind.TEXT)


@pytest.mark.fault("R501")
@pytest.mark.parametrize("over", [0, 1])
def test_each_field_takes_its_limit_and_not_a_byte_more(over: int) -> None:
    for field in FIELDS:
        if field.kind is Kind.TEXT and not field.allowed and field.longest is not None:
            changed_rows = rows({field.name: noise(field.longest) + "x" * over}, {})
            sifted = validate(changed_rows, latest=LATEST)
            expected = [(field.name, "too_long")] if over else []
            assert sifted.rejects.select("field", "reason").rows() == expected
            assert sifted.rows.height == 2 - over
