"""How fast clients may ask, by a clock that is told."""

from dataclasses import dataclass

import pytest
from fastapi import Request

from cdr_pipeline.api.rates import Buckets, Rates
from cdr_pipeline.errors import RequestRefused
from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import serving, token_for


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def request_from(address: str) -> Request:
    return Request({"type": "http", "client": (address, 1), "headers": []})


def test_a_bucket_fills_again_and_says_when_it_will_hold_enough() -> None:
    clock = Clock()
    buckets = Buckets(2.0, 4.0, clock, "account")
    assert [buckets.wait_for("a", 1, take=True) for _ in range(5)] == [0, 0, 0, 0, 1]
    assert buckets.wait_for("b", 4, take=True) == 0
    clock.now = 1.0
    assert [buckets.wait_for("a", 1, take=True) for _ in range(3)] == [0, 0, 1]


def test_guessing_tokens_locks_out_no_known_token_of_the_same_address() -> None:
    rates = Rates(10.0, 1, Clock())
    rates.note_success("right")
    for _ in range(30):
        rates.note_failure(request_from("192.0.2.1"))
    rates.require_unsuspected(request_from("192.0.2.1"), "right")
    rates.require_unsuspected(request_from("192.0.2.2"), "new")
    with pytest.raises(RequestRefused) as refused:
        rates.require_unsuspected(request_from("192.0.2.1"), "new")
    assert refused.value.status == 429
    assert int(refused.value.headers["Retry-After"]) >= 1


def test_several_processes_share_one_limit() -> None:
    rates = Rates(4.0, 4, Clock())
    for _ in range(10):
        rates.take(request_from("192.0.2.1"), "t")
    with pytest.raises(RequestRefused):
        rates.take(request_from("192.0.2.1"), "t")


def test_more_tokens_of_an_account_do_not_raise_its_limit(ctx: RunContext) -> None:
    with serving(ctx, serve_requests_per_second=0.2) as api:
        statuses = [api.get("/v2/accounts/self", token=token_for(ctx, "self")).status_code for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        assert api.get("/v2/accounts/top", "top").status_code == 200


def test_accounts_below_a_reseller_share_its_limit(ctx: RunContext) -> None:
    with serving(ctx, serve_requests_per_second=0.2, serve_subtree_requests_per_second=0.3) as api:
        # Two a token would be allowed; the tokens of child, self and sibling have three together.
        answers = [api.get(f"/v2/accounts/{name}", name) for name in ("child", "self", "sibling", "child", "self")]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[3].headers["RateLimit"].startswith('"subtree";r=0')
        assert int(answers[3].headers["Retry-After"]) >= 1
        # A tree of its own has a limit of its own.
        assert api.get("/v2/accounts/stranger", "stranger").status_code == 200


def test_the_only_root_of_all_accounts_has_no_limit_for_all(ctx: RunContext) -> None:
    with serving(ctx, serve_requests_per_second=0.2, serve_subtree_requests_per_second=0.2) as api:
        with ctx.ledger() as ledger:
            ledger.connection.execute("UPDATE accounts SET parent_id = 'top' WHERE account_id = 'stranger'")
        for name in ("self", "sibling", "stranger"):
            assert [api.get(f"/v2/accounts/{name}", name).status_code for _ in range(3)] == [200, 200, 429]


def test_a_refused_request_uses_up_nothing_of_others() -> None:
    rates = Rates(0.1, 1, Clock(), subtree_per_second=0.2)
    request = request_from("192.0.2.1")
    rates.take(request, "greedy", ["greedy", "reseller"])
    for _ in range(5):
        with pytest.raises(RequestRefused):
            rates.take(request, "greedy", ["greedy", "reseller"])
    rates.take(request, "modest", ["modest", "reseller"])


def test_every_answer_says_what_is_left_of_the_limit(ctx: RunContext) -> None:
    with serving(ctx, serve_requests_per_second=0.3) as api:
        answers = [api.get("/v2/accounts/self") for _ in range(4)]
        assert [answer.headers["RateLimit-Policy"] for answer in answers] == ['"account";q=3;w=10'] * 4
        assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers] == [
            f'"account";r={left}' for left in (2, 1, 0, 0)
        ]


def test_no_limit_is_no_limit() -> None:
    rates = Rates(0.0, 1, Clock())
    for _ in range(1_000):
        rates.take(request_from("192.0.2.1"), "t")
        rates.note_failure(request_from("192.0.2.1"))
    rates.require_unsuspected(request_from("192.0.2.1"), "any")


def test_a_refused_token_is_told_how_many_more_may_fail(ctx: RunContext) -> None:
    rates = Rates(10.0, 1, Clock())
    left: list[str] = []
    for _ in range(20):
        request = request_from("192.0.2.1")
        rates.note_failure(request)
        left.append(request.state.rate.state)
    assert left == [f'"failures";r={20 - failed};t={2 * failed}' for failed in range(1, 21)]
    with serving(ctx) as api, api.client("wrong" * 10) as client:
        answer = client.get("/v2/accounts/self")
    assert answer.status_code == 401
    assert answer.headers["RateLimit-Policy"] == '"failures";q=20;w=40'
