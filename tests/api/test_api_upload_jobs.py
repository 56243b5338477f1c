"""Uploads that are loaded in the background: 202, their state, one account's queue, cancelling, and their limits."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import psycopg
import pytest

from cdr_pipeline.api import upload_queue
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads import load_uploads as loading
from cdr_pipeline.steps.uploads.decide_uploads import discard_upload
from cdr_pipeline.steps.uploads.load_uploads import import_upload, load_uploads
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest, register_upload
from tests.support.serving import PERIOD, Served, know, serving, token_for

LATER = {"Prefer": "respond-async", "Content-Type": "text/csv"}
# Seconds within which a background load ends on any machine.
_PATIENCE = 60


def file(name: str) -> bytes:
    return f"id,caller,callee,start_time,duration\r\n{name},100,200,2026-03-02T10:00:00Z,60\r\n".encode()


class Uploads(Served):
    """An API with a token that may upload to self."""

    def send(self, content: bytes, **headers: str) -> httpx2.Response:
        """One upload that is not waited for."""
        with self.client(token_for(self.ctx, "self", "upload"), **(LATER | headers)) as client:
            return client.post("/v2/accounts/self/cdrs", content=content)

    def state(self, upload: str) -> dict[str, Any]:
        """State of an upload."""
        return self.get(f"/v2/accounts/self/uploads/{upload}").json()["data"]

    def ended(self, upload: str) -> dict[str, Any]:
        """State of an upload when it is not landed any more."""
        end = time.monotonic() + _PATIENCE
        while (state := self.state(upload))["state"] == "landed" and time.monotonic() < end:
            time.sleep(0.02)
        return state

    def cancel(self, upload: str) -> httpx2.Response:
        """Cancels an upload."""
        with self.client(token_for(self.ctx, "self", "upload")) as client:
            return client.delete(f"/v2/accounts/self/uploads/{upload}")


@contextmanager
def uploading(ctx: RunContext, **settings: object) -> Generator[Uploads]:
    with serving(replace(ctx, settings=ctx.settings.model_copy(update=settings))) as api:
        yield Uploads(api.url, api.ctx, api.tokens)


@contextmanager
def loads_wait(ctx: RunContext) -> Generator[None]:
    """Loads of account self wait for the lock of the account while the block runs."""
    with psycopg.connect(ctx.url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('cdr_pipeline.merge:self', 0))")
        yield


def landed(ctx: RunContext) -> str:
    """Id of an upload that has landed and is not loaded, as that of a server that ended."""
    path = ctx.settings.data_dir / "a.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file("a"))
    return register_upload(UploadRequest(path, "self", "generic", None), ctx).sha256


@pytest.fixture(autouse=True)
def _known(ctx: RunContext) -> None:
    know(ctx)


def test_an_upload_that_is_not_waited_for_gets_202_and_is_loaded(ctx: RunContext) -> None:
    with uploading(ctx) as api:
        accepted = api.send(file("a"))
        upload = accepted.json()["data"]["upload_id"]
        assert (accepted.status_code, accepted.json()["data"]["state"]) == (202, "landed")
        assert accepted.headers["Location"] == f"/v2/accounts/self/uploads/{upload}"
        assert int(accepted.headers["Retry-After"]) > 0
        done = api.ended(upload)
        assert (done["state"], done["rows_inserted"]) == ("loaded", 1)
        assert len(api.get("/v2/accounts/self/cdrs", origin="imported", **PERIOD).json()["data"]) == 1
        again = api.send(file("a"))
        assert (again.status_code, again.json()["data"]["state"]) == (200, "loaded")
        refused = api.cancel(upload)
        assert (refused.status_code, refused.json()["message"]) == (409, "upload_not_waiting")


def test_a_long_body_is_loaded_later_without_being_asked(ctx: RunContext) -> None:
    with uploading(ctx, serve_upload_wait_bytes=50) as api:
        accepted = api.send(file("a"), Prefer="wait=10")
        assert accepted.status_code == 202
        assert api.ended(accepted.json()["data"]["upload_id"])["state"] == "loaded"


def test_a_key_repeats_the_202(ctx: RunContext) -> None:
    with uploading(ctx) as api:
        first, second = (api.send(file("a"), **{"Idempotency-Key": "k"}) for _ in range(2))
        assert (first.status_code, second.status_code) == (202, 202)
        assert second.headers["Idempotent-Replayed"] == "true"
        assert api.ended(first.json()["data"]["upload_id"])["state"] == "loaded"


def test_a_landed_upload_is_cancelled_and_never_loaded(ctx: RunContext) -> None:
    upload = landed(ctx)
    with uploading(ctx) as api:
        assert api.cancel(upload).json()["data"]["state"] == "discarded"
        assert api.cancel("0" * 64).status_code == 404
    assert load_uploads(ctx).files == ()


def test_an_upload_leaves_the_queue_when_it_is_cancelled(ctx: RunContext) -> None:
    with uploading(ctx, serve_search_seconds=0.5) as api:
        with loads_wait(ctx):
            first, second = (api.send(file(name)).json()["data"]["upload_id"] for name in "ab")
            # It is out of the queue at once; the ledger records it when the account's lock is free.
            assert api.cancel(second).status_code == 504
        assert api.ended(first)["state"] == "loaded"
        assert api.state(second)["state"] == "landed"
        assert api.cancel(second).json()["data"]["state"] == "discarded"


def test_the_number_of_waiting_files_is_bounded(ctx: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_queue, "_MOST_WAITING", 1)
    with uploading(ctx) as api:
        with loads_wait(ctx):
            first = api.send(file("a"))
            refused = api.send(file("b"))
            assert (refused.status_code, refused.json()["message"]) == (503, "busy")
            assert int(refused.headers["Retry-After"]) > 0
        assert api.ended(first.json()["data"]["upload_id"])["state"] == "loaded"


def test_a_load_that_uses_up_its_processor_time_is_refused(ctx: RunContext) -> None:
    with uploading(ctx, serve_upload_seconds=1e-6) as api:
        upload = api.send(file("a")).json()["data"]["upload_id"]
        assert (api.ended(upload)["state"], api.state(upload)["error_code"]) == ("refused", "unreadable_upload")


def test_a_server_that_ends_leaves_its_files_for_the_next_night(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_queue, "_STOP_SECONDS", 0.1)
    with loads_wait(ctx), uploading(ctx) as api:
        ids = [api.send(file(name)).json()["data"]["upload_id"] for name in "ab"]
        assert [api.state(upload)["state"] for upload in ids] == ["landed", "landed"]
    load_uploads(ctx)
    with ctx.ledger() as ledger:
        assert {item.state for item in ledger.uploads.list_all(["self"])} == {"loaded"}


def test_a_file_that_is_discarded_while_it_waits_is_not_loaded(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = landed(ctx)
    begin = loading.upload_batch

    def discarding(*args: Any) -> Any:
        discard_upload(upload, ctx, decided_by="A. Controller")
        return begin(*args)

    monkeypatch.setattr(loading, "upload_batch", discarding)
    done = load_uploads(ctx)
    assert (done.files, done.failures, done.held) == ((), (), ())
    with ctx.ledger() as ledger:
        assert [item.state for item in ledger.uploads.list_all(["self"])] == ["discarded"]


@pytest.mark.parametrize("later", [True, False])
def test_a_file_with_too_many_lines_is_refused_and_can_be_imported(ctx: RunContext, later: bool) -> None:
    lines = b"".join(file(f"r{number}").splitlines(keepends=True)[1] for number in range(6))
    content = file("r6").splitlines(keepends=True)[0] + lines
    with uploading(ctx, serve_upload_lines=5) as api:
        sent = api.send(content, Prefer="respond-async" if later else "wait=60")
        if later:
            state = api.ended(sent.json()["data"]["upload_id"])
            assert (state["state"], state["error_code"]) == ("refused", "too_many_lines")
        else:
            assert (sent.status_code, sent.json()["message"]) == (413, "too_many_lines")
            assert "line 6" in sent.text
            assert "cdr-pipeline import" in sent.text
        assert api.get("/v2/accounts/self/cdrs", **PERIOD).json()["data"] == []
        # The bytes are in landing, and an operator loads them without the limit.
        (upload,) = api.get("/v2/accounts/self/uploads").json()["data"]
        path = ctx.settings.data_dir / "calls.csv"
        path.write_bytes(content)
        assert import_upload(UploadRequest(path, "self", "generic"), ctx).counts.inserted == 6
        assert api.state(upload["upload_id"])["state"] == "loaded"
        assert len(api.get("/v2/accounts/self/cdrs", **PERIOD).json()["data"]) == 6
