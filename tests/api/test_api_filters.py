"""Filters: the switch's own with their meaning, and ours."""

import pytest

from cdr_pipeline.api.filters.conditions import conditions_of
from cdr_pipeline.core.records.search import AnyOf, Compare
from cdr_pipeline.warehouse.ledger import Account
from tests.support.serving import PERIOD, Served

BOTH = ["202603-call2", "202603-call1"]
FIRST = ["202603-call1"]
SECOND = ["202603-call2"]


def found(api: Served, **query: str | list[str]) -> list[str]:
    """Ids of what a query finds."""
    answer = api.get("/v2/accounts/self/cdrs", **PERIOD, **query)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # by the key of the detail document, exactly, as text
        ({"filter_hangup_cause": "NO_ANSWER"}, SECOND),
        ({"filter_hangup_cause": "no_answer"}, []),
        ({"filter_hangup_cause": '["NO_ANSWER","NORMAL_CLEARING"]'}, BOTH),
        ({"filter_call_direction": "inbound"}, FIRST),
        ({"filter_not_call_direction": "inbound"}, SECOND),
        ({"filter_not_hangup_cause": '["NO_ANSWER"]'}, FIRST),
        ({"filter_duration_seconds": "30"}, BOTH),
        ({"filter_custom_channel_vars.owner_id": "u1"}, FIRST),
        ({"filter_custom_channel_vars.anything": "x"}, []),
        ({"filter_timestamp": "63939663060"}, FIRST),
        # a missing key is ""
        ({"filter_custom_channel_vars.owner_id": ""}, SECOND),
        ({"filter_not_custom_channel_vars.owner_id": "u1"}, SECOND),
        # the id of a record stands for its call id
        ({"filter_call_id": "202603-call1"}, FIRST),
        ({"filter_call_id": "call1"}, FIRST),
        ({"has_key": "user_agent"}, FIRST),
        ({"key_missing": "user_agent"}, SECOND),
        ({"has_value": "custom_channel_vars.owner_id"}, FIRST),
        ({"value_missing": "custom_channel_vars.owner_id"}, SECOND),
        ({"modified_from": "2026-03-01T00:00:00Z"}, BOTH),
        ({"modified_to": "2026-03-01T00:00:00Z"}, []),
        # several: all of them
        ({"filter_hangup_cause": "NORMAL_CLEARING", "filter_call_direction": "outbound"}, []),
    ],
)
def test_the_switchs_filters_keep_their_meaning(api: Served, query: dict[str, str], expected: list[str]) -> None:
    assert found(api, **query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"customer": "u1"}, FIRST),
        ({"customer": "self"}, BOTH),
        ({"owner": "u1"}, FIRST),
        ({"tenant": "t1"}, FIRST),
        ({"realm": "pbx0.example"}, FIRST),
        ({"endpoint": "d1"}, FIRST),
        ({"group": "sales"}, FIRST),
        ({"area_code": "212"}, FIRST),
        ({"area_code": "0212"}, FIRST),
        ({"area_code": "+4930"}, FIRST),
        ({"area_code": "213"}, []),
        ({"prefix": "+1212"}, FIRST),
        ({"prefix": "03012"}, FIRST),
        ({"to": "+4930123456"}, FIRST),
        ({"to": "030 123-456"}, FIRST),
        ({"to": "+4930*"}, FIRST),
        ({"from": "2125550100"}, FIRST),
        ({"from": "(212) 555-0100"}, FIRST),
        ({"from": "1-212-555-0100"}, FIRST),
        ({"from": "011 1 212 555 0100"}, FIRST),
        ({"to": "011 49 30 123456"}, FIRST),
        ({"from": "2125550101"}, []),
        ({"to": "200@pbx0.example"}, FIRST),
        ({"to": "+12125550100"}, []),
        ({"from": "12125550100"}, FIRST),
        ({"from": " 12125550100"}, FIRST),
        ({"from": "100@192.0.2.7"}, FIRST),
        ({"ip": "192.0.2.0/24"}, FIRST),
        ({"ip": "198.51.100.7"}, FIRST),
        ({"ip": "2001:db8::/32"}, FIRST),
        ({"ip": "203.0.113.0/24"}, []),
        ({"rtp": "198.51.100.0/29"}, FIRST),
        ({"rtp": "192.0.2.0/24"}, []),
        ({"sip": "200@pbx0.example"}, FIRST),
        ({"sip": "PBX0.example"}, FIRST),
        ({"sip": "192.0.2.7"}, FIRST),
        ({"origin": "api"}, BOTH),
        ({"origin": "imported"}, []),
        ({"cause": "NO_ANSWER"}, SECOND),
        ({"cause": ["NO_ANSWER", "NORMAL_CLEARING"]}, BOTH),
        ({"direction": "inbound"}, FIRST),
        ({"answered": "true"}, FIRST),
        ({"carrier": "acme"}, FIRST),
        ({"min_duration": "30", "max_duration": "30"}, BOTH),
        ({"min_billing": "21"}, []),
        ({"business_date": "2026-03-02"}, BOTH),
        ({"business_date": ["2026-03-01", "2026-03-03"]}, []),
        ({"started_from": "2026-03-02T09:31:00Z"}, SECOND),
        ({"started_to": "2026-03-02T09:30:59Z"}, FIRST),
        ({"search": "bakery"}, FIRST),
        ({"search": "100%_o"}, FIRST),
        ({"search": "100__o"}, []),
        ({"owner": "u1", "cause": "NO_ANSWER"}, []),
    ],
)
def test_ours_find_by_customer_number_address_and_text(
    api: Served, query: dict[str, str | list[str]], expected: list[str]
) -> None:
    assert found(api, **query) == expected


def test_a_business_day_needs_no_other_bound(api: Served) -> None:
    rows = api.get("/v2/accounts/self/cdrs", business_date="2026-03-02").json()["data"]
    assert [row["id"] for row in rows] == BOTH


def test_filters_narrow_csv_and_summaries_too(api: Served) -> None:
    text = api.get("/v2/accounts/self/cdrs", cause="NO_ANSWER", headers={"Accept": "text/csv"}, **PERIOD).text
    assert [line.split(",")[0] for line in text.splitlines()] == ["id", '"202603-call2"']
    summary = api.get("/v2/accounts/self/cdrs/summary", direction="outbound", **PERIOD).json()["data"]
    assert list(summary) == ["outbound"]


def test_pages_of_a_filtered_list_are_full(api: Served) -> None:
    first = api.get("/v2/accounts/self/cdrs", cause="NORMAL_CLEARING", page_size="1", **PERIOD).json()
    assert [row["id"] for row in first["data"]] == FIRST
    assert "next_start_key" not in first


def test_an_unknown_filter_is_an_error_that_lists_the_known_ones(api: Served) -> None:
    answer = api.get("/v2/accounts/self/cdrs", area="212", **PERIOD)
    assert answer.status_code == 400
    said = answer.json()["data"]["area"]["unknown"]["message"]
    assert "area_code" in said
    assert "filter_KEY" in said


@pytest.mark.parametrize(
    ("country_code", "prefix", "found_by"),
    [
        ("49", "030", ("030", "+4930")),
        ("49", "4930", ("4930", "+4930")),
        ("49", "004930", ("004930", "+4930")),
        ("49", "+4930", ("+4930",)),
        ("49", "0", ("0",)),
        ("49", "00", ("00",)),
        ("49", "+0030", ("+0030",)),
        ("1", "1212", ("1212", "+1212")),
        ("44", "020", ("020", "+4420")),
    ],
)
def test_first_digits_may_be_in_any_notation(country_code: str, prefix: str, found_by: tuple[str, ...]) -> None:
    account = Account("self", country_code=country_code)
    (condition,) = conditions_of([("prefix", prefix)], account, frozenset())
    assert isinstance(condition, Compare)
    assert condition.values == found_by
    (condition,) = conditions_of([("to", f"{prefix}*")], account, frozenset())
    assert isinstance(condition, AnyOf)
    assert condition.parts[0].values == found_by
