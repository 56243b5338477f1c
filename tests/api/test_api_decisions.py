"""Breaks, seals and restatements over the API: by people, with the roles of the console, in the audit log."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from cdr_pipeline.steps.accounts.users import UserRequest, accept_invitation, change_user, invite_user
from cdr_pipeline.steps.run_context import RunContext
from tests.support.console import DAY, PASSWORD, red_day
from tests.support.serving import Served, know, serving, store, token_for

BREAKS = "/v2/accounts/self/breaks"
SPAN = {"from_date": "2026-03-01", "to_date": "2026-03-31"}


class Place(Served):
    """A served red day with two breaks."""

    def log_in(self, role: str, account_id: str | None = "self") -> str:
        """Token of a new user of this role."""
        name = f"{role} {account_id}"
        accept_invitation(invite_user(UserRequest(name, role, account_id), self.ctx).secret, PASSWORD, self.ctx)
        digest = hashlib.sha1(f"{name}:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
        with self.client() as client:
            body = {"data": {"credentials": digest, "account_name": "name of self"}}
            return str(client.put("/v2/user_auth", json=body).json()["auth_token"])

    def put(self, path: str, data: dict[str, Any], token: str) -> httpx2.Response:
        """One request with a JSON body."""
        with self.client(token) as client:
            return client.put(f"/v2/accounts/self/{path}", json={"data": data})

    def breaks(self, **query: str) -> list[dict[str, Any]]:
        """Breaks as listed."""
        return self.get(BREAKS, **SPAN, **query).json()["data"]

    def decide(self, token: str, decision: str = "accepted") -> httpx2.Response:
        """Decides all breaks as they are listed now."""
        listed = [{"id": item["id"], "decisions": item["decisions"]} for item in self.breaks()]
        data = {"decision": decision, "reason": "agreed", "breaks": listed}
        return self.put("breaks/decisions", data, token)


@pytest.fixture
def place(ctx: RunContext) -> Any:
    know(ctx)
    red_day(ctx, calls=2)
    with serving(ctx) as api:
        yield Place(api.url, api.ctx, api.tokens)


def test_a_day_is_decided_sealed_and_restated_over_the_api(place: Place) -> None:
    approver = place.log_in("approver")
    found = place.breaks()
    assert [(item["carrier"], item["exposure"], item["currency"], item["state"]) for item in found] == [
        ("bell", "0.10000000", "USD", "open")
    ] * 2
    assert [item["switch"]["amount"] for item in found] == ["0.10000000"] * 2
    decided = place.decide(approver)
    assert decided.json()["data"] == [
        {"business_date": str(DAY), "carrier": "bell", "open_breaks": 0, "light": "settled"}
    ]
    assert {item["state"] for item in place.breaks()} == {"accepted"}
    assert place.breaks(state="open") == []
    assert len(place.breaks(state="open,accepted", carrier="bell")) == 2
    assert place.breaks(carrier="other") == []
    sealed = place.put(f"days/{DAY}/seal", {"reason": "checked"}, approver)
    assert sealed.json()["data"] == {"account_id": "self", "business_date": str(DAY), "outcome": "sealed"}
    assert place.put(f"days/{DAY}/seal", {}, approver).json()["data"]["outcome"] == "already"
    assert place.put(f"days/{DAY}/restate", {"reason": "late"}, approver).status_code == 409
    store(place.ctx, "self", {"record_id": "late", "call_id": "l", "started_at": datetime(2026, 3, 2, 20, tzinfo=UTC)})
    restated = place.put(f"days/{DAY}/restate", {"reason": "late record"}, approver)
    assert restated.json()["data"]["outcome"] == "restated"
    with place.ctx.ledger() as ledger:
        acts = [(event.user_name, event.action, event.reason) for event in ledger.users.events(None)]
    assert set(acts) >= {
        ("approver self", "breaks accepted", "agreed"),
        ("approver self", "seal", "checked"),
        ("approver self", "restate", "late record"),
    }


def test_obstacles_of_a_seal_are_named(place: Place) -> None:
    refused = place.put(f"days/{DAY}/seal", {}, place.log_in("finance"))
    assert (refused.status_code, refused.json()["message"]) == (409, "day_not_sealable")
    assert "reconciliation_red" in refused.json()["data"]["obstacles"]


def test_an_act_needs_a_person_with_the_role(place: Place) -> None:
    key = token_for(place.ctx, "self", scope="admin")
    assert place.decide(key).json()["message"] == "person_required"
    assert place.decide(place.log_in("viewer")).status_code == 403
    finance = place.log_in("finance")
    assert place.put(f"days/{DAY}/seal", {"reason": "in spite"}, finance).status_code == 403
    assert place.put(f"days/{DAY}/restate", {"reason": "late"}, finance).status_code == 403
    change_user("finance self", place.ctx, role="viewer")
    assert place.decide(finance).status_code in (401, 403)
    assert {item["state"] for item in place.breaks()} == {"open"}


def test_a_decision_made_meanwhile_is_not_overwritten(place: Place) -> None:
    finance = place.log_in("finance")
    listed = [{"id": item["id"], "decisions": item["decisions"]} for item in place.breaks()]
    assert place.decide(finance, "disputed").status_code == 200
    late = place.put("breaks/decisions", {"decision": "accepted", "reason": "x", "breaks": listed}, finance)
    assert (late.status_code, late.json()["message"]) == (409, "decision_conflict")
    assert {item["state"] for item in place.breaks()} == {"disputed"}


FAULTY: list[dict[str, Any]] = [
    {},
    {"decision": "maybe", "reason": "x", "breaks": [{"id": "0" * 32, "decisions": 0}]},
    {"decision": "accepted", "reason": "", "breaks": [{"id": "0" * 32, "decisions": 0}]},
    {"decision": "accepted", "reason": "x", "breaks": []},
    {"decision": "accepted", "reason": "x", "breaks": [{"id": "'; --", "decisions": 0}]},
]


def test_faulty_decisions_and_foreign_breaks_are_refused(place: Place) -> None:
    finance = place.log_in("finance", None)
    assert [place.put("breaks/decisions", data, finance).status_code for data in FAULTY] == [400] * len(FAULTY)
    red_day(place.ctx, "sibling", calls=3)
    ids = {item["id"] for item in place.get("/v2/accounts/sibling/breaks", "sibling", **SPAN).json()["data"]}
    foreign = sorted(ids - {item["id"] for item in place.breaks()})
    data = {"decision": "accepted", "reason": "x", "breaks": [{"id": foreign[0], "decisions": 0}]}
    assert place.put("breaks/decisions", data, finance).status_code == 404
