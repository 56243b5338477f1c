"""Uploads over the API: all or nothing, once, visible at once; and what is done to them."""

import csv
import hashlib
import io
import json
import time
from datetime import timedelta
from pathlib import Path

import pytest

from cdr_pipeline.api import bodies
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.uploads.idempotent_responses import IdempotentResponses, KeyClaim, StoredResponse
from tests.support.serving import PERIOD, Served, serving, store, token_for
from tests.support.uploads import own_profile

LIST = "/v2/accounts/self/cdrs"
CSV = {"Content-Type": "text/csv"}
FILE = (
    b"id,caller,callee,start_time,duration,billsec,cost,currency\r\n"
    b"a1,100,200,2026-03-02T10:00:00Z,60,50,1.25,EUR\r\n"
    b"a2,100,200,2026-03-02T11:00:00Z,61,51,1.26,EUR\r\n"
)


@pytest.fixture(scope="module")
def uploading(api: Served) -> str:
    """A token that may upload to self and below."""
    return token_for(api.ctx, "self", "upload")


def send(api: Served, token: str, content: bytes, account: str = "self", /, **more: object):  # noqa: ANN201
    """One upload."""
    headers = CSV | dict(more.pop("headers", {}))  # type: ignore[call-overload]
    with api.client(token) as client:
        return client.post(f"/v2/accounts/{account}/cdrs", content=content, headers=headers, params=more)  # type: ignore[arg-type]


def fingerprint_of(content: bytes) -> str:
    """Fingerprint of an upload of the profile generic without options."""
    return hashlib.sha256(b"generic\x1f\x1f" + content).hexdigest()


def imported(api: Served, account: str = "self") -> list[str]:
    """Ids of an account's imported records."""
    rows = api.get(f"/v2/accounts/{account}/cdrs", origin="imported", **PERIOD).json()["data"]
    return sorted(row["id"] for row in rows)


def test_an_uploaded_record_is_in_the_list_at_once_tagged_imported(ctx: RunContext) -> None:
    with serving(ctx) as api:
        token = token_for(ctx, "self", "upload")
        answer = send(api, token, FILE)
        assert answer.status_code == 201
        data = answer.json()["data"]
        assert (data["state"], data["origin"], data["days"]) == ("loaded", "imported", ["2026-03-02"])
        assert (data["counts"]["read"], data["counts"]["inserted"], data["counts"]["filtered"]) == (3, 2, 1)
        assert imported(api) == ["generic:id:a1", "generic:id:a2"]
        state = api.get(f"/v2/accounts/self/uploads/{data['upload_id']}").json()["data"]
        assert (state["state"], state["rows_inserted"]) == ("loaded", 2)


@pytest.mark.fault("R101")
def test_records_of_two_sources_have_ids_and_details_of_their_own(ctx: RunContext) -> None:
    own_profile(ctx, "other", "native_id = ['ref']\n[time]\nnotation = 'iso8601'\n[fields]\nstarted_at = 'zeit'\n")
    with serving(ctx) as api:
        token = token_for(ctx, "self", "upload")
        send(api, token, FILE)
        send(api, token, b"ref,zeit\na1,2026-03-02T12:00:00Z\n", profile="other")
        assert imported(api) == ["generic:id:a1", "generic:id:a2", "other:id:a1"]
        for record_id, start in (("generic:id:a1", "10:00:00"), ("other:id:a1", "12:00:00")):
            detail = api.get(f"/v2/accounts/self/cdrs/{record_id}").json()["data"]
            assert (detail["id"], start in json.dumps(detail)) == (record_id, True)
        assert api.get("/v2/accounts/self/cdrs/a1").status_code == 404


@pytest.mark.fault("R102")
def test_an_upload_with_ids_of_other_calls_is_held(ctx: RunContext) -> None:
    with serving(ctx) as api:
        token = token_for(ctx, "self", "upload")
        send(api, token, FILE)
        other = FILE.replace(b"2026-03-02", b"2026-03-03")
        previewed = send(api, token, other, dry_run="true").json()["data"]
        assert (previewed["state"], previewed["other_calls"]) == ("previewed", 2)
        answer = send(api, token, other)
        assert (answer.status_code, answer.json()["data"]["other_calls"]) == (409, 2)
        assert answer.json()["data"]["state"] == "held"
        assert imported(api) == ["generic:id:a1", "generic:id:a2"]


@pytest.mark.parametrize(("decision", "state", "records"), [("release", "loaded", 4), ("discard", "discarded", 2)])
def test_a_held_upload_is_decided_once_over_the_api(ctx: RunContext, decision: str, state: str, records: int) -> None:
    with serving(ctx) as api, api.client(token_for(ctx, "self", "upload")) as client:
        client.post(LIST, content=FILE, headers=CSV)
        held = client.post(LIST, content=FILE.replace(b"2026-03-02", b"2026-03-03"), headers=CSV).json()["data"]
        path = f"/v2/accounts/self/uploads/{held['upload_id']}/decision"
        body = {"data": {"decision": decision}}
        with api.client(api.tokens["self"]) as reader:
            assert reader.put(path, json=body).status_code == 403
        assert client.put(path, json={"data": {"decision": "perhaps"}}).status_code == 400
        assert client.put(path.replace("self", "child"), json=body).status_code == 404
        decided = client.put(path, json=body)
        assert (decided.status_code, decided.json()["data"]["state"]) == (200, state)
        assert len(imported(api)) == records
        again = client.put(path, json=body)
        assert (again.status_code, again.json()["message"]) == (409, "upload_not_held")


def test_put_and_v1_do_the_same(ctx: RunContext) -> None:
    with serving(ctx) as api, api.client(token_for(ctx, "self", "upload")) as client:
        assert client.put("/v1/accounts/self/cdrs", content=FILE, headers=CSV).status_code == 201
        assert imported(api) == ["generic:id:a1", "generic:id:a2"]


def test_what_the_switch_lists_can_be_uploaded_as_json(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "child", {})
        listed = api.get("/v2/accounts/child/cdrs", **PERIOD).content
        token = token_for(ctx, "self", "upload")
        answer = send(api, token, listed, headers={"Content-Type": "application/json"})
        assert answer.status_code == 201, answer.text
        assert imported(api) == ["kazoo_json:id:202603-call1"]


@pytest.mark.fault("B12")
def test_the_same_bytes_twice_are_one_upload(ctx: RunContext) -> None:
    with serving(ctx) as api:
        token = token_for(ctx, "self", "upload")
        first, again = send(api, token, FILE), send(api, token, FILE, file_name="other.csv")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["data"]["upload_id"] == again.json()["data"]["upload_id"]
        assert first.json()["data"]["counts"] == again.json()["data"]["counts"]
        assert imported(api) == ["generic:id:a1", "generic:id:a2"]


@pytest.mark.fault("B13")
def test_an_idempotency_key_repeats_its_answer_and_fits_no_other_body(ctx: RunContext) -> None:
    with serving(ctx) as api:
        token = token_for(ctx, "self", "upload")
        keyed = {"Idempotency-Key": "day-1"}
        first, again = send(api, token, FILE, headers=keyed), send(api, token, FILE, headers=keyed)
        other = send(api, token, FILE.replace(b"a2", b"a3"), headers=keyed)
        assert first.status_code == again.status_code == 201
        assert first.json()["data"] == again.json()["data"]
        assert again.headers["idempotent-replayed"] == "true"
        assert (other.status_code, other.json()["message"]) == (422, "idempotency_mismatch")
        assert imported(api) == ["generic:id:a1", "generic:id:a2"]


@pytest.mark.fault("B13")
def test_a_key_whose_request_failed_is_free_again(api: Served, uploading: str) -> None:
    keyed = {"Idempotency-Key": "retry"}
    assert send(api, uploading, b"a,b\n1,2\n", headers=keyed, profile="no_such_profile").status_code == 400
    assert send(api, uploading, FILE, "child", headers=keyed, dry_run="true").status_code == 200


@pytest.mark.fault("B13")
def test_a_key_in_use_answers_409_and_says_when_to_retry(ctx: RunContext) -> None:
    with serving(ctx) as api, ctx.ledger() as ledger:
        responses = IdempotentResponses(ledger.connection)
        responses.begin(account_id="self", key="busy", fingerprint=fingerprint_of(FILE), now=ctx.clock())
        refused = send(api, token_for(ctx, "self", "upload"), FILE, headers={"Idempotency-Key": "busy"})
    assert (refused.status_code, refused.json()["message"]) == (409, "idempotency_in_flight")
    assert refused.headers["retry-after"] == "5"


@pytest.mark.fault("B13")
def test_a_key_is_free_when_the_session_of_its_request_has_ended(ctx: RunContext) -> None:
    with serving(ctx) as api:
        with ctx.ledger() as killed:
            IdempotentResponses(killed.connection).begin(
                account_id="self", key="k", fingerprint=fingerprint_of(FILE), now=ctx.clock()
            )
        assert send(api, token_for(ctx, "self", "upload"), FILE, headers={"Idempotency-Key": "k"}).status_code == 201


@pytest.mark.fault("B13")
@pytest.mark.parametrize("ending", ["finish", "release"])
def test_a_request_past_its_lease_cannot_change_the_key_of_another(ctx: RunContext, ending: str) -> None:
    request = {"account_id": "self", "key": "k", "fingerprint": "f"}
    started = ctx.clock()
    with ctx.ledger() as first, ctx.ledger() as second:
        slow, quick = IdempotentResponses(first.connection), IdempotentResponses(second.connection)
        slow_claim = slow.begin(**request, now=started)
        assert quick.begin(**request, now=started + timedelta(minutes=29)) == StoredResponse("working")
        quick_claim = quick.begin(**request, now=started + timedelta(minutes=31))
        assert isinstance(slow_claim, KeyClaim)
        assert isinstance(quick_claim, KeyClaim)
        assert quick.finish(quick_claim, status=201, answer={"of": "quick"})
        if ending == "finish":
            assert not slow.finish(slow_claim, status=201, answer={"of": "slow"})
        else:
            slow.release(slow_claim)
        stored = slow.begin(**request, now=started + timedelta(minutes=32))
    assert stored == StoredResponse("done", 201, {"of": "quick"})


@pytest.mark.fault("B13")
def test_a_key_that_was_released_cannot_be_claimed_by_an_earlier_request(ctx: RunContext) -> None:
    request = {"account_id": "self", "key": "k", "fingerprint": "f"}
    started = ctx.clock()
    with ctx.ledger() as first, ctx.ledger() as second:
        slow, quick = IdempotentResponses(first.connection), IdempotentResponses(second.connection)
        slow_claim = slow.begin(**request, now=started)
        quick_claim = quick.begin(**request, now=started + timedelta(minutes=31))
        assert isinstance(slow_claim, KeyClaim)
        assert isinstance(quick_claim, KeyClaim)
        quick.release(quick_claim)
        assert isinstance(quick.begin(**request, now=started + timedelta(minutes=32)), KeyClaim)
        assert not slow.finish(slow_claim, status=201, answer={"of": "slow"})


@pytest.mark.fault("B15")
def test_an_uploaded_leg_that_the_switch_has_too_counts_once(ctx: RunContext) -> None:
    content = (
        b"call_id,caller,callee,start_time,duration,cost,currency\r\ncall1,1,2,2026-03-02T09:30:30Z,30,2.5,EUR\r\n"
    )
    with serving(ctx) as api:
        store(ctx, "self", {})
        assert send(api, token_for(ctx, "self", "upload"), content).status_code == 201
        rows = api.get(LIST, **PERIOD).json()["data"]
    assert [(row["id"], row["origin"], row["cost"]) for row in rows] == [("202603-call1", "api+imported", "25000")]


def test_a_dry_run_says_what_would_be_and_keeps_nothing(api: Served, uploading: str) -> None:
    before = api.get("/v2/accounts/child/uploads").json()["data"]
    answer = send(api, uploading, FILE, "child", dry_run="true")
    assert answer.status_code == 200
    assert answer.json()["data"]["counts"]["inserted"] == 2
    assert imported(api, "child") == []
    assert api.get("/v2/accounts/child/uploads").json()["data"] == before


def test_what_our_api_shows_is_read_back_without_naming_a_profile(ctx: RunContext) -> None:
    with serving(ctx) as api:
        token = token_for(ctx, "top", "upload")
        store(ctx, "self", {"duration_seconds": "66", "caller_id_name": "Ada", "cost": "0.12", "cost_currency": "USD"})
        detail = api.get("/v2/accounts/self/cdrs/202603-call1").json()["data"]
        rows = api.get(LIST, **PERIOD).json()["data"]
        with api.client(api.tokens["self"]) as client:
            text = client.get(LIST, params=PERIOD, headers={"Accept": "text/csv"}).content
        profiles: list[str] = []
        as_json = {"Content-Type": "application/json"}
        for content, headers, other in (
            (json.dumps(detail).encode(), as_json, "child"),
            (json.dumps(rows).encode(), as_json, "sibling"),
            (text, CSV, "top"),
        ):
            data = send(api, token, content, other, headers=headers).json()["data"]
            profiles.append(data["profile"])
            assert data["counts"]["rejected"] == 0
            (read,) = api.get(f"/v2/accounts/{other}/cdrs", other, **PERIOD).json()["data"][:1]
            assert (read["timestamp"], read["duration_seconds"], read["caller_id_name"], read["cost"]) == (
                rows[0]["timestamp"], rows[0]["duration_seconds"], "Ada", rows[0]["cost"],
            )  # fmt: skip
        assert profiles == ["kazoo_detail", "kazoo_json", "kazoo_csv"]


def test_an_empty_list_is_an_upload_without_records(ctx: RunContext) -> None:
    with serving(ctx) as api:
        answer = send(
            api, token_for(ctx, "self", "upload"), b'{"data": []}', headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 201
    counts = answer.json()["data"]["counts"]
    assert (counts["read"], counts["rejected"]) == (0, 0)


@pytest.mark.fault("B22")
def test_rejected_lines_are_counted_and_listed_with_line_and_reason(ctx: RunContext) -> None:
    bad = FILE + b"a3,100,200,not a time,60,50,1,EUR\r\n"
    with serving(ctx) as api:
        data = send(api, token_for(ctx, "self", "upload"), bad).json()["data"]
        assert data["counts"]["rejected"] == 1
        path = f"/v2/accounts/self/uploads/{data['upload_id']}/rejects"
        (reject,) = api.get(path).json()["data"]
        text = api.get(path, headers={"Accept": "text/csv"}).text
    assert (reject["line"], reject["reason"]) == (4, "not_a_time")
    assert next(csv.DictReader(io.StringIO(text)))["reason"] == "not_a_time"


@pytest.mark.fault("B23")
@pytest.mark.parametrize(
    "content_type", ["image/png", "text/html", "", "multipart/form-data; boundary=x", "application/xml"]
)
def test_a_body_in_another_form_is_415(api: Served, uploading: str, content_type: str) -> None:
    answer = send(api, uploading, FILE, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["message"]) == (415, "unsupported_media_type")
    assert "text/csv" in answer.headers["accept-post"]


@pytest.mark.fault("B23")
def test_without_a_token_it_is_401(api: Served) -> None:
    with api.client() as client:
        assert client.post(LIST, content=FILE, headers=CSV).status_code == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"profile": "../../etc/passwd"}, "profile"),
        ({"time_zone": "../zone"}, "time_zone"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"dry_run": "maybe"}, "dry_run"),
    ],
)
def test_what_is_wrong_with_the_request_is_named(
    api: Served, uploading: str, query: dict[str, str], field: str
) -> None:
    answer = send(api, uploading, FILE, **query)
    assert answer.status_code == 400
    assert field in answer.json()["data"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01binary", b"no such,header\r\n1,2\r\n"])
def test_what_is_no_file_of_the_profile_is_400_and_nothing_stays(api: Served, uploading: str, content: bytes) -> None:
    assert send(api, uploading, content, "child").status_code == 400
    assert imported(api, "child") == []
    assert _left(api) == []


@pytest.mark.fault("E27")
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 50_000,
        b"{" + b",".join(b'"k%d":1' % number for number in range(8_000)) + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'[{"id": NaN}]',
        b'{"data": null}',
    ],
)
def test_deep_and_wide_json_costs_one_refusal(api: Served, uploading: str, content: bytes) -> None:
    answer = send(api, uploading, content, "child", headers={"Content-Type": "application/json"})
    assert answer.status_code in (201, 400), answer.text
    assert imported(api, "child") == []
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b'[{"id": "a1"}, {"id": "a2"',
        b'[\n{"id": "a1"},\n{"id": "a2"}\n',
        b'{"id": "a1", "call_',
        b"id,call_id\na1,c1\n",
        b" \n",
    ],
)
@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_json_that_is_cut_off_or_none_is_400(api: Served, uploading: str, content: bytes, dry_run: str) -> None:
    answer = send(api, uploading, content, "child", headers={"Content-Type": "application/json"}, dry_run=dry_run)
    assert (answer.status_code, answer.json()["message"]) == (400, "unreadable_upload")
    assert "cut off" in answer.json()["data"]["message"]


@pytest.mark.fault("B24")
def test_a_body_that_drips_or_breaks_off_leaves_nothing(
    api: Served, uploading: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_GRACE_SECONDS", 0.5)

    def dripping():  # noqa: ANN202
        for _ in range(20):
            yield b"x"
            time.sleep(0.2)

    with api.client(uploading) as client:
        slow = client.post(LIST, content=dripping(), headers=CSV)
    assert (slow.status_code, slow.json()["message"]) == (408, "request_timeout")
    assert _left(api) == []


def test_names_of_files_are_only_shown(ctx: RunContext) -> None:
    with serving(ctx) as api:
        token = token_for(ctx, "self", "upload")
        send(api, token, FILE, headers={"X-File-Name": "../../etc/passwd"})
        (upload,) = api.get("/v2/accounts/self/uploads").json()["data"]
    assert upload["file_name"] == "etc_passwd"
    assert json.dumps(upload).count("/") == 0


def _left(api: Served) -> list[Path]:
    folder = api.ctx.settings.data_dir / "serve" / "bodies"
    return list(folder.iterdir()) if folder.exists() else []
