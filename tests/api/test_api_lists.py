"""Lists, as clients of a Kazoo switch know them (4.3 and later; v1 whole, v2 in pages)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from cdr_pipeline.core.fields.dictionary import FIELDS
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import PERIOD, STARTED, Served, gregorian, serving, store

# kazoo-api: the columns since 4.3, in their order.
KAZOO = """
    id call_id caller_id_number caller_id_name callee_id_number callee_id_name duration_seconds billing_seconds
    timestamp hangup_cause disposition other_leg_call_id owner_id to from direction request authorizing_id cost
    dialed_number calling_from datetime unix_timestamp rfc_1036 iso_8601 iso_8601_combined call_type rate rate_name
    bridge_id recording_url media_recordings media_server call_priority interaction_id
""".split()  # noqa: SIM905 - read as a table
# The seed's first table.
SEED_LIST = """
    id digits_dialed duration_seconds billing_seconds ringing_seconds call_direction timestamp hangup_cause call_id
    to_uri from_uri
""".split()  # noqa: SIM905 - read as a table
FULL = {
    "caller_id_number": "+12125550100",
    "caller_id_name": 'O"Hara, Zoë\nx\\y',
    "callee_id_number": "200",
    "sip_to": "200@pbx0.example",
    "sip_from": "100@pbx0.example",
    "cost": "0.0421",
    "rate": "0.042",
    "cost_currency": "USD",
    "media_recordings": '["a","b"]',
    "authorizing_id": "self",
    "interaction_id": "63939663000-1f",
}


def ids(answer: object) -> list[str]:
    """Ids of a page, in order."""
    return [row["id"] for row in answer.json()["data"]]  # type: ignore[attr-defined]


def walk(api: Served, path: str = "/v2/accounts/self/cdrs", **query: str) -> list[str]:
    """Ids of all pages."""
    found: list[str] = []
    while True:
        body = api.get(path, **query).json()
        found += [row["id"] for row in body["data"]]
        if "next_start_key" not in body:
            return found
        query["start_key"] = body["next_start_key"]


def test_rows_have_the_switchs_columns_then_the_seeds_and_the_origin(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", FULL)
        row = api.get("/v2/accounts/self/cdrs", **PERIOD).json()["data"][0]
    assert list(row)[: len(KAZOO)] == KAZOO
    assert set(SEED_LIST) <= set(row)
    assert list(row)[len(KAZOO) :] == [
        "call_direction", "ringing_seconds", "digits_dialed", "to_uri", "from_uri", "origin", "cost_currency",
        "business_date",
    ]  # fmt: skip


def test_values_are_text_but_for_seconds_and_money_is_in_the_switchs_units(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", FULL)
        row = api.get("/v2/accounts/self/cdrs", **PERIOD).json()["data"][0]
    started = STARTED + timedelta(seconds=30)
    assert (row["duration_seconds"], row["billing_seconds"], row["ringing_seconds"]) == (30, 20, "")
    assert (row["cost"], row["rate"]) == ("421", "0.042")
    assert row["timestamp"] == gregorian(started)
    assert row["unix_timestamp"] == str(int(started.timestamp()))
    assert row["datetime"] == "2026-03-02 09:30:30"
    assert (row["iso_8601"], row["iso_8601_combined"]) == ("2026-03-02", "2026-03-02T09:30:30Z")
    assert row["rfc_1036"] == "Mon, 02 Mar 2026 09:30:30 GMT"
    assert row["media_recordings"] == ["a", "b"]
    assert row["authorizing_id"] == ""
    assert row["caller_id_name"] == FULL["caller_id_name"]


def test_the_detail_has_every_field_of_the_seeds_second_table(ctx: RunContext) -> None:
    texts = {
        field.name: f"value of {field.name}"
        for field in FIELDS
        if field.seed and field.kind == "text" and field.name not in ("record_id", "account_id", "call_direction")
    }
    with serving(ctx) as api:
        store(ctx, "self", texts | {"ringing_seconds": "4"})
        document = api.get("/v2/accounts/self/cdrs/202603-call1").json()["data"]
    for field in FIELDS:
        if field.seed:
            value = document
            for key in field.seed.split("."):
                value = value[key]
            assert value is not None
    assert document["timestamp"] == int(gregorian(STARTED + timedelta(seconds=60)))
    assert document["ringing_seconds"] == 4
    assert document["cdr_pipeline"]["origin"] == "api"


def test_v1_streams_the_whole_period_without_keys_of_pages(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", *({} for _ in range(60)))
        body = api.get("/v1/accounts/self/cdrs", **PERIOD).json()
    assert len(body["data"]) == 60
    assert body["status"] == "success"
    assert not {"next_start_key", "start_key", "page_size"} & set(body)


def test_v2_pages_hold_fifty_rows_and_paginate_false_holds_all(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", *({} for _ in range(60)))
        first = api.get("/v2/accounts/self/cdrs", **PERIOD).json()
        whole = api.get("/v2/accounts/self/cdrs", paginate="false", **PERIOD).json()
    assert (len(first["data"]), first["page_size"]) == (50, "50")
    assert first["next_start_key"]
    assert len(whole["data"]) == 60
    assert "page_size" not in whole


def test_an_empty_list_is_the_plain_envelope(ctx: RunContext) -> None:
    with serving(ctx) as api:
        body = api.get("/v2/accounts/self/cdrs", **PERIOD).json()
        streamed = api.get("/v1/accounts/self/cdrs", **PERIOD).json()
    assert body["data"] == streamed["data"] == []
    assert "page_size" not in body
    assert {"status", "request_id", "node", "version", "timestamp"} <= set(body)


@pytest.mark.parametrize("size", ["1", "7", "50"])
@pytest.mark.parametrize("order", [{}, {"ascending": "true"}, {"descending": "false"}])
def test_pages_show_every_record_once_even_with_one_save_second(
    ctx: RunContext, size: str, order: dict[str, str]
) -> None:
    with serving(ctx) as api:
        store(ctx, "self", *({"started_at": STARTED} for _ in range(23)))
        found = walk(api, page_size=size, **PERIOD, **order)
    expected = sorted(f"202603-call{number}" for number in range(1, 24))
    assert found == (expected if order else expected[::-1])


def test_pages_stay_exact_while_records_arrive_and_change(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", *({} for _ in range(9)))
        query = {"page_size": "3", **PERIOD}
        body = api.get("/v2/accounts/self/cdrs", **query).json()
        seen = [row["id"] for row in body["data"]]
        later = ctx.clock() + timedelta(minutes=1)
        # One among the pages to come, and one that was there changes.
        store(ctx, "self", {"record_id": "202603-new", "call_id": "new"}, now=later)
        store(ctx, "self", {"hangup_cause": "NO_ANSWER"}, now=later)
        while "next_start_key" in body:
            body = api.get("/v2/accounts/self/cdrs", start_key=body["next_start_key"], **query).json()
            seen += [row["id"] for row in body["data"]]
        assert sorted(seen) == sorted(f"202603-call{number}" for number in range(1, 10))
        assert body["data"][-1]["hangup_cause"] == "NO_ANSWER"


def test_both_ends_of_the_period_are_inclusive_by_the_end_of_the_leg(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {}, {}, {})
        # Saved at +60, +90 and +120 seconds.
        ends = [STARTED + timedelta(seconds=seconds) for seconds in (60, 90, 120)]
        got = api.get("/v2/accounts/self/cdrs", created_from=gregorian(ends[0]), created_to=gregorian(ends[1]))
        second = api.get("/v2/accounts/self/cdrs", created_from=gregorian(ends[1]), created_to=gregorian(ends[1]))
    assert ids(got) == ["202603-call2", "202603-call1"]
    assert ids(second) == ["202603-call2"]


def test_a_call_over_a_months_edge_is_in_one_of_two_adjacent_periods(ctx: RunContext) -> None:
    edge = STARTED.replace(day=31, hour=23, minute=59)
    with serving(ctx) as api:
        store(ctx, "self", {"started_at": edge, "duration_seconds": "360", "billing_seconds": "300"})
        march = api.get(
            "/v2/accounts/self/cdrs", created_from="2026-03-01T00:00:00Z", created_to="2026-03-31T23:59:59Z"
        )
        april = api.get(
            "/v2/accounts/self/cdrs", created_from="2026-04-01T00:00:00Z", created_to="2026-04-30T23:59:59Z"
        )
    assert (ids(march), ids(april)) == ([], ["202603-call1"])


@pytest.mark.parametrize(
    "moment",
    [
        "63939663060",
        "1772443860",
        "1772443860000000",
        "2026-03-02T09:31:00Z",
        "2026-03-02T10:31:00+01:00",
        "2026-03-02T10:31:00 01:00",
    ],
)
def test_times_may_be_gregorian_unix_or_iso(ctx: RunContext, moment: str) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {}, {})
        got = api.get("/v2/accounts/self/cdrs", created_from="2026-03-02T00:00:00Z", created_to=moment)
    assert ids(got) == ["202603-call1"]


def test_utc_offset_moves_the_column_datetime_and_nothing_else(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {})
        plain = api.get("/v2/accounts/self/cdrs", **PERIOD).json()["data"][0]
        moved = api.get("/v2/accounts/self/cdrs", utc_offset="3600", **PERIOD).json()["data"][0]
    assert moved["datetime"] == "2026-03-02 10:30:30"
    assert {key for key in plain if plain[key] != moved[key]} == {"datetime"}


def test_a_users_list_has_the_records_of_his_devices(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {"owner_id": "u1"}, {"owner_id": "u2"})
        got = api.get("/v2/accounts/self/users/u1/cdrs", **PERIOD)
    assert ids(got) == ["202603-call1"]


def test_interactions_show_their_first_leg_and_legs_all_oldest_first(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {"interaction_id": "i1"}, {"interaction_id": "i1"}, {"interaction_id": "i2"}, {})
        firsts = api.get("/v2/accounts/self/cdrs/interaction", **PERIOD)
        by_interaction = api.get("/v2/accounts/self/cdrs/legs/i1")
        by_leg = api.get("/v2/accounts/self/cdrs/legs/202603-call2")
    assert ids(firsts) == ["202603-call4", "202603-call3", "202603-call1"]
    assert firsts.json()["data"][0]["inception_direction"] == "termination"
    assert ids(by_interaction) == ids(by_leg) == ["202603-call1", "202603-call2"]


def test_adjacent_periods_of_interactions_lose_no_call_in_progress(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {"interaction_id": "i1", "duration_seconds": "7200", "billing_seconds": "7100"})
        first = api.get(
            "/v2/accounts/self/cdrs/interaction", created_from="2026-03-02T09:00:00Z", created_to="2026-03-02T09:59:59Z"
        )
        second = api.get(
            "/v2/accounts/self/cdrs/interaction", created_from="2026-03-02T10:00:00Z", created_to="2026-03-02T12:59:59Z"
        )
    assert ids(first) + ids(second) == ["202603-call1"]


def test_the_summary_counts_each_leg_once_and_skips_calls_within_the_realm(ctx: RunContext) -> None:
    leg = {"call_direction": "outbound", "to_host": "carrier.example", "realm": "pbx0.example", "rate_name": "gold"}
    with serving(ctx) as api:
        store(
            ctx, "self",
            leg | {"callee_e164": "+12125550100"},
            leg | {"callee_e164": "+12125550101", "started_at": STARTED - timedelta(days=5)},
            leg | {"callee_e164": "+18005550100", "rate_name": None},
            leg | {"to_host": "pbx0.example"},
        )  # fmt: skip
        period = {"created_from": "2026-02-20T00:00:00Z", "created_to": "2026-03-10T00:00:00Z"}
        data = api.get("/v2/accounts/self/cdrs/summary", **period).json()["data"]
    assert data == {
        "outbound": {"carrier.example": {"did_us": {"total": 40, "gold": 40}, "tollfree_us": {"total": 20}}}
    }


def test_linked_records_are_one_row_with_both_origins(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {"cost": "0"})
        store(ctx, "self", {"cost": "1.25", "cost_currency": "EUR", "record_id": "c-1"}, origin="imported")
        rows = api.get("/v2/accounts/self/cdrs", **PERIOD).json()["data"]
        detail = api.get("/v2/accounts/self/cdrs/c-1").json()["data"]
    assert [(row["id"], row["origin"], row["cost"], row["cost_currency"]) for row in rows] == [
        ("202603-call1", "api+imported", "12500", "EUR")
    ]
    assert detail["id"] == "202603-call1"
    assert detail["cdr_pipeline"]["linked_record_id"] == "c-1"


def test_only_the_account_above_sees_what_a_reseller_pays(ctx: RunContext) -> None:
    more = ["reseller_cost", "reseller_call_type"]
    with serving(ctx) as api:
        store(ctx, "child", {"reseller_cost": Decimal("0.0123"), "reseller_call_type": "per_minute"})
        path = "/v2/accounts/child/cdrs"
        (above,) = api.get(path, account="self", **PERIOD).json()["data"]
        (own,) = api.get(path, account="child", **PERIOD).json()["data"]
        assert [above[name] for name in more] == ["123", "per_minute"]
        assert [name for name in above if name not in more] == list(own)
        assert list(above)[35:37] == more
        assert api.get(path, account="self", accept="csv", **PERIOD).text.splitlines()[0].split(",")[35:37] == more
        assert api.get(path, account="self", fields="reseller_cost", **PERIOD).json()["data"] == [{more[0]: "123"}]
        assert api.get(path, account="child", fields="reseller_cost", **PERIOD).status_code == 400
        store(ctx, "sibling", {"interaction_id": "i1"})
        (first,) = api.get("/v2/accounts/sibling/cdrs/interaction", account="top", **PERIOD).json()["data"]
        assert list(first)[-1] == "inception_direction"
        # A cost that the source has not stated is not zero.
        assert first["reseller_cost"] == ""
