"""The list of Kazoo, as its clients know it."""

from serving import PERIOD, serving, store

from cdr_pipeline.steps.workplace import Workplace


def test_a_list_is_newest_first_in_the_envelope_of_the_switch(at: Workplace) -> None:
    with serving(at) as api:
        store(at, "self", {}, {}, {})
        answer = api.get("/v2/accounts/self/cdrs", **PERIOD)
    assert answer.status_code == 200
    body = answer.json()
    assert [row["id"] for row in body["data"]] == ["202603-call3", "202603-call2", "202603-call1"]
