"""The queue of uploads: fair between accounts, and never endless."""

import threading

import anyio
import pytest

from cdr_pipeline.api import upload_queue
from cdr_pipeline.api.upload_queue import UploadQueue
from cdr_pipeline.errors import RequestRefused


def test_two_large_files_of_one_account_hold_up_no_other_account() -> None:
    queue, release, done = UploadQueue(), threading.Event(), list[str]()

    def load_large() -> None:
        release.wait(30)
        done.append("large")

    async def upload() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(queue.run, "hungry", load_large)
            await queue.run("modest", done.append, "modest")
            release.set()

    anyio.run(upload)
    assert done == ["modest", *["large"] * 6]


def test_files_of_one_account_are_loaded_one_after_the_other() -> None:
    queue, running, most = UploadQueue(), list[int](), list[int]()

    def load() -> None:
        running.append(1)
        most.append(len(running))
        running.pop()

    async def upload() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(queue.run, "a", load)

    anyio.run(upload)
    assert most == [1] * 5


def test_a_file_that_would_wait_too_long_is_refused_with_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_queue, "_WAIT_SECONDS", 0.05)
    queue, release = UploadQueue(), threading.Event()

    async def upload() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(queue.run, "a", lambda: release.wait(30))
            await anyio.sleep(0.01)
            with pytest.raises(RequestRefused) as refused:
                await queue.run("a", lambda: None)
            release.set()
            assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "30")

    anyio.run(upload)


def test_the_wait_covers_the_files_of_other_accounts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_queue, "_WAIT_SECONDS", 0.2)
    queue, release, done = UploadQueue(), threading.Event(), list[str]()

    async def upload() -> None:
        async with anyio.create_task_group() as tasks:
            for account in ("a", "b", "c", "d"):
                tasks.start_soon(queue.run, account, lambda: release.wait(30))
            await anyio.sleep(0.05)
            with pytest.raises(RequestRefused) as refused:
                await queue.run("e", lambda: None)
            release.set()
            assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "30")
            assert "as many files as allowed" in str(refused.value.data)
        # The account that gave up is not locked, and no slot is lost.
        for account in ("a", "b", "c", "d", "e"):
            await queue.run(account, done.append, account)

    anyio.run(upload)
    assert done == ["a", "b", "c", "d", "e"]
