"""The simulated switch speaks as the API does, and a client that walks its pages gets the truth."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.simulator.carrier_file import carrier_file
from cdr_pipeline.simulator.listing import list_row
from cdr_pipeline.simulator.paging import decode_key, encode_key
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.session import Credentials
from cdr_pipeline.sources.kazoo.windows import plan_windows

DAY = date(2026, 3, 2)


@pytest.fixture(params=SwitchDialect, ids=str)
def switch(request: pytest.FixtureRequest) -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=60, dialect=request.param)


@pytest.fixture
def url(switch: SimulatedSwitch) -> Iterator[str]:
    with run_switch(switch) as running:
        yield running.url


def account(switch: SimulatedSwitch) -> str:
    """Its first account."""
    return switch.accounts[0].account_id


def get(switch: SimulatedSwitch, url: str, path: str, **query: Any) -> httpx2.Response:
    """One request with the token."""
    version = switch.dialect.version
    return httpx2.get(f"{url}/{version}{path}", params=query, headers={"X-Auth-Token": switch.token})


def window() -> dict[str, int]:
    """The day by save time."""
    start = to_gregorian(datetime(2026, 3, 2, tzinfo=UTC))
    return {"created_from": start, "created_to": start + 86_399}


def test_the_client_finds_out_the_dialect(switch: SimulatedSwitch, url: str) -> None:
    with KazooClient(url, Credentials(token=switch.token), requests_per_second=10_000) as client:
        assert client.detect_dialect(account(switch)) is switch.dialect


@pytest.mark.parametrize("days", [1, 3])
def test_the_union_of_all_pages_is_the_truth(switch: SimulatedSwitch, url: str, days: int) -> None:
    first = datetime(2026, 2, 27, 12, tzinfo=UTC)
    last = first + timedelta(days=days)
    found: set[str] = set()
    with KazooClient(url, Credentials(token=switch.token), page_size=7, requests_per_second=10_000) as client:
        for asked in plan_windows(first, last, switch.dialect):
            for _, page in client.pages(account(switch), asked, switch.dialect):
                found |= {orjson.loads(line)["id"] for line in page.ndjson.splitlines()}
    truth = switch.saved_between(account(switch), to_gregorian(first), to_gregorian(last) - 1)
    assert {document["_id"] for document in truth} <= found


def test_rows_have_the_documented_columns_in_their_order(switch: SimulatedSwitch) -> None:
    document = switch.documents(account(switch), DAY)[0]
    columns = list(list_row(document, switch.dialect))
    begin = ["id", "call_id", "caller_id_number", "caller_id_name", "callee_id_number", "callee_id_name"]
    assert columns[:6] == begin
    old = switch.dialect in (SwitchDialect.SEED_V1, SwitchDialect.V2_K3)
    assert len(columns) == (30 if old else 36 if switch.dialect is SwitchDialect.K5 else 35)
    assert columns[-1] == ("call_priority" if old else "interaction_id")


def test_the_lists_timestamp_is_the_start_and_the_documents_the_end(switch: SimulatedSwitch, url: str) -> None:
    row = get(switch, url, f"/accounts/{account(switch)}/cdrs", **window()).json()["data"][0]
    document = get(switch, url, f"/accounts/{account(switch)}/cdrs/{row['id']}").json()["data"]
    assert int(row["timestamp"]) + int(row["duration_seconds"]) == int(document["timestamp"])
    assert not [key for key in document if key.startswith(("pvt_", "_"))]


def test_numbers_are_text_on_3x_and_numbers_since(switch: SimulatedSwitch, url: str) -> None:
    row = get(switch, url, f"/accounts/{account(switch)}/cdrs", **window()).json()["data"][0]
    old = switch.dialect in (SwitchDialect.SEED_V1, SwitchDialect.V2_K3)
    assert isinstance(row["duration_seconds"], str if old else int)
    assert row["rfc_1036"].startswith('"') is old


def test_a_wrong_token_is_401_in_the_versions_shape(switch: SimulatedSwitch, url: str) -> None:
    path = f"{url}/{switch.dialect.version}/accounts/{account(switch)}/cdrs"
    reply = httpx2.get(path, headers={"X-Auth-Token": "wrong"})
    text = "invalid credentials"
    assert reply.status_code == 401
    assert reply.json()["data"] == (text if switch.dialect is SwitchDialect.SEED_V1 else {"message": text})
    assert reply.json()["error"] == "401"


def test_a_window_that_is_too_long_is_500_on_3x_and_400_since(switch: SimulatedSwitch, url: str) -> None:
    start = window()["created_from"]
    reply = get(switch, url, f"/accounts/{account(switch)}/cdrs", created_from=start, created_to=start + 2_682_001)
    old = switch.dialect in (SwitchDialect.SEED_V1, SwitchDialect.V2_K3)
    assert reply.status_code == (500 if old else 400)
    assert "date_range" in reply.json()["data"]["created_from"]


def test_only_reading_is_allowed(switch: SimulatedSwitch, url: str) -> None:
    path = f"{url}/{switch.dialect.version}/accounts/{account(switch)}/cdrs"
    assert httpx2.put(path, headers={"X-Auth-Token": switch.token}).status_code == 405


def test_an_api_key_buys_a_token(switch: SimulatedSwitch, url: str) -> None:
    with KazooClient(url, Credentials(api_key=switch.api_key), requests_per_second=10_000) as client:
        asked = plan_windows(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC), switch.dialect)[0]
        assert sum(page.rows for _, page in client.pages(account(switch), asked, switch.dialect)) > 0


def test_v1_is_gone_from_5x() -> None:
    switch = SimulatedSwitch.build(dialect="k5")
    with run_switch(switch) as running:
        reply = httpx2.get(f"{running.url}/v1/accounts/x", headers={"X-Auth-Token": switch.token})
    assert reply.status_code == 410


def test_the_page_key_is_the_documented_erlang_term() -> None:
    document = {"pvt_created": 63_691_980_222, "_id": "98016800"}
    assert encode_key(document) == "g2wAAAACbgUAvn1W1A5tAAAACDk4MDE2ODAwag"
    assert decode_key(encode_key(document)) == (63_691_980_222, "98016800")


def test_the_same_seed_makes_the_same_traffic_in_any_process() -> None:
    program = (
        "import hashlib, datetime, orjson; from cdr_pipeline.simulator.switch import SimulatedSwitch as S;"
        "s = S.build(calls_per_day=20); d = s.documents(s.accounts[0].account_id, datetime.date(2026, 3, 2));"
        "print(hashlib.sha256(orjson.dumps(d)).hexdigest())"
    )
    said = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(said) == 1


def test_traffic_looks_like_a_carriers_day() -> None:
    switch = SimulatedSwitch.build(calls_per_day=2000)
    legs = switch.documents(account(switch), DAY)
    answered = sum(leg["billing_seconds"] > 0 for leg in legs) / len(legs)
    assert 0.6 < answered < 0.8
    assert len({leg["hangup_cause"] for leg in legs}) > 6
    assert any(leg["call_id"] != leg.get("other_leg_call_id") and leg.get("other_leg_call_id") for leg in legs)
    assert any(leg["hangup_cause"] == "ATTENDED_TRANSFER" for leg in legs)
    midnight = to_gregorian(datetime(2026, 3, 3, tzinfo=UTC))
    assert any(leg["timestamp"] >= midnight for leg in legs)


def test_the_carriers_file_differs_as_it_says() -> None:
    switch = SimulatedSwitch.build(calls_per_day=300)
    legs = switch.documents(account(switch), DAY)
    file = carrier_file(legs, account_id=account(switch))
    text = file.content.decode()
    differences = file.differences
    assert all(call_id not in text for call_id in differences.missing_at_carrier)
    assert all(text.count(call_id) == 2 for call_id in differences.twice_at_carrier)
    assert all(call_id in text for call_id in differences.missing_in_switch)
    assert len(text.splitlines()) == file.lines + 1
    assert carrier_file(legs, account_id=account(switch)) == file


def test_a_stored_document_without_a_time_takes_the_one_of_its_creation(tmp_path: Path) -> None:
    (tmp_path / "cdr.json").write_bytes(
        orjson.dumps({"call_id": "x", "pvt_created": 63_542_353_959, "pvt_account_id": "a" * 32 + "-201307"})
    )
    switch = SimulatedSwitch.build(documents=tmp_path / "cdr.json")
    assert [item.account_id for item in switch.accounts] == ["a" * 32]
    (document,) = switch.saved_between("a" * 32, 63_542_353_959, 63_542_353_959)
    assert (document["_id"], document["timestamp"]) == ("201307-x", 63_542_353_959)
