"""For every dialect and every corpus, the union of what comes back is the truth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.simulator.paging import Request, cut
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import MAX_RANGE_SECONDS, SwitchDialect
from cdr_pipeline.sources.kazoo.session import Credentials
from cdr_pipeline.sources.kazoo.windows import EdgeReach, plan_windows
from tests.support.examples import examples

EDGE = datetime(2026, 6, 1, tzinfo=UTC)
MINUTES = st.integers(-3 * 1440, 3 * 1440)
# When a call began around the month's edge, how long it lasted, how late it was saved, how many like it.
CALLS = st.lists(
    st.tuples(MINUTES, st.integers(0, 47 * 3600), st.sampled_from([0, 1, 3, 900]), st.sampled_from([1, 1, 1, 30])),
    max_size=12,
)
# Calls of up to two days, on servers that file them by their beginning, are what this reach covers.
REACH = EdgeReach(longest_call=timedelta(hours=48))
SPAN = st.tuples(MINUTES, st.integers(1, 4 * 1440)).map(
    lambda pair: (EDGE + timedelta(minutes=pair[0]), EDGE + timedelta(minutes=pair[0] + pair[1]))
)


def corpus(calls: list[tuple[int, int, int, int]], dialect: SwitchDialect) -> list[dict[str, Any]]:
    """Documents as the dialect's server files them: by the month of the hangup, or of the beginning."""
    documents: list[dict[str, Any]] = []
    for number, (minutes, duration, lag, alike) in enumerate(calls):
        began = EDGE + timedelta(minutes=minutes)
        saved = began + timedelta(seconds=duration + lag)
        month = began if dialect.hides_month_edges else began + timedelta(seconds=duration)
        documents += [
            {"_id": f"{month:%Y%m}-{number}-{twin}", "pvt_created": to_gregorian(saved)} for twin in range(alike)
        ]
    return documents


def serve(documents: list[dict[str, Any]], dialect: SwitchDialect) -> httpx2.MockTransport:
    """The pages of a server that holds these documents."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        query = request.url.params
        first, last = int(query["created_from"]), int(query["created_to"])
        assert last - first <= MAX_RANGE_SECONDS
        asked = Request(
            first, last, int(query.get("page_size", "50")), query.get("start_key"), query.get("paginate") != "false"
        )
        page = cut(documents, asked, dialect)
        envelope: dict[str, Any] = {"data": [{"id": found["_id"]} for found in page.documents], "status": "success"}
        if page.next_start_key:
            envelope["next_start_key"] = page.next_start_key
        stream = httpx2.ByteStream(orjson.dumps(envelope))
        return httpx2.Response(200, stream=stream, headers={"Content-Type": "application/json"})

    return httpx2.MockTransport(answer)


@pytest.mark.parametrize("dialect", SwitchDialect, ids=str)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(calls=CALLS, span=SPAN, page_size=st.sampled_from([1, 2, 7, 50]))
def test_the_union_of_what_comes_back_is_the_truth(
    dialect: SwitchDialect, calls: list[tuple[int, int, int, int]], span: tuple[datetime, datetime], page_size: int
) -> None:
    documents = corpus(calls, dialect)
    client = KazooClient(
        "http://127.0.0.1", Credentials(token="t"), page_size=page_size, requests_per_second=1e6,
        host_requests_per_second=1e6, transport=serve(documents, dialect),
    )  # fmt: skip
    found: list[str] = []
    with client:
        for window in plan_windows(*span, dialect, REACH):
            for _, page in client.pages("acct", window, dialect):
                found += [orjson.loads(line)["id"] for line in page.ndjson.splitlines()]
    first, last = map(to_gregorian, span)
    truth = {document["_id"] for document in documents if first <= document["pvt_created"] < last}
    assert truth <= set(found) <= {document["_id"] for document in documents}


@pytest.mark.fault("R407")
@pytest.mark.parametrize("dialect", [SwitchDialect.SEED_V1, SwitchDialect.V2_K3], ids=str)
def test_a_hangup_in_a_months_last_second_saved_after_it_is_found(dialect: SwitchDialect) -> None:
    documents = corpus([(-1, 59, 3, 1), (-1, 59, 900, 1)], dialect)
    assert {document["_id"][:6] for document in documents} == {"202605"}
    with KazooClient("http://127.0.0.1", Credentials(token="t"), transport=serve(documents, dialect)) as client:
        found = {
            orjson.loads(line)["id"]
            for window in plan_windows(EDGE, EDGE + timedelta(days=1), dialect)
            for _, page in client.pages("acct", window, dialect)
            for line in page.ndjson.splitlines()
        }
    assert found == {document["_id"] for document in documents}
