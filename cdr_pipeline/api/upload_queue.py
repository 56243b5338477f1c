"""The queue of uploads: each account loads one file at a time, so that no account holds up the others."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import Final, TypeVar

from anyio import CapacityLimiter, Lock, fail_after, to_thread

from cdr_pipeline.api.refusals import busy
from cdr_pipeline.errors import CdrError, UnreadableUpload, UploadDiscarded
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import load_registered
from cdr_pipeline.steps.uploads.register_uploads import RegisteredFile

_log = logging.getLogger(__name__)
# Files that are loaded at a time; they compete for the same disks.
_AT_A_TIME: Final = 4
# Files that are loaded in the background at a time; they do not hold up the short ones of other accounts.
_IN_BACKGROUND: Final = 2
# Seconds that a request waits for its turn, and after which a refused one is sent again.
_WAIT_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 30
# Seconds that a cancelled load may take to stop.
_STOP_SECONDS: Final = 10.0
# Files of one account that wait on disk.
_MOST_WAITING: Final = 20

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Job:
    """A file that is loaded in the background."""

    account_id: str
    begun: Event
    cancelled: Event
    task: asyncio.Task[None]


class UploadQueue:
    """Runs the loads of one process. Bodies wait on disk."""

    def __init__(self) -> None:
        self._slots = CapacityLimiter(_AT_A_TIME)
        self._background = CapacityLimiter(_IN_BACKGROUND)
        self._turns: dict[str, tuple[Lock, int]] = {}
        self._jobs: dict[tuple[str, str], _Job] = {}

    async def run(self, account_id: str, load: Callable[..., _Result], *args: object) -> _Result:
        """Runs a load when no other one of the account is running.

        Args:
            account_id: account of the token that sent the file.
            load: function that loads it.
            args: its arguments.

        Raises:
            RequestRefused: 503, other files of the account, or of all accounts, take too long.
        """
        async with self._turn(account_id, self._slots, _WAIT_SECONDS):
            return await to_thread.run_sync(partial(load, *args), limiter=CapacityLimiter(1))

    def require_room(self, account_id: str) -> None:
        """Requires that another file of the account may wait. Raises RequestRefused: 503."""
        if sum(job.account_id == account_id for job in self._jobs.values()) >= _MOST_WAITING:
            raise busy("too many files of this account wait to be loaded", _RETRY_SECONDS)

    def start(self, account_id: str, registered: RegisteredFile, ctx: RunContext) -> None:
        """Loads a registered file in the background, when no other one of the account is running.

        The file is in landing: if this process ends before, the next night loads it.

        Args:
            account_id: account of the token that sent the file.
            registered: the file.
            ctx: settings, warehouse and clock.
        """
        key = (registered.account_id, registered.sha256)
        if key in self._jobs:
            return
        begun, cancelled = Event(), Event()
        work = self._work(account_id, partial(_load, registered, ctx, cancelled), registered.sha256[:12], begun)
        self._jobs[key] = _Job(account_id, begun, cancelled, asyncio.get_running_loop().create_task(work))
        task = self._jobs[key].task
        task.add_done_callback(lambda _: self._jobs.pop(key, None))

    async def cancel(self, account_id: str, upload_id: str) -> None:
        """Stops the load of a file that this process has begun, or keeps it from beginning. Nothing of it is loaded."""
        job = self._jobs.get((account_id, upload_id))
        if job is not None:
            await _stop([job])

    async def close(self) -> None:
        """Stops all loads at the end of the server; the next night loads the files."""
        if self._jobs:
            await _stop(list(self._jobs.values()))

    async def _work(self, account_id: str, load: Callable[[], None], name: str, begun: Event) -> None:
        async with self._turn(account_id, self._background, None):
            begun.set()
            try:
                await to_thread.run_sync(load, limiter=CapacityLimiter(1))
            except UploadDiscarded:
                _log.info("upload %s was cancelled", name)
            except CdrError as error:
                # The ledger has the error, which the state of the upload shows.
                _log.warning("upload %s was not loaded: %s", name, error.code)
            except Exception:  # noqa: BLE001 - the task has no caller; the next night loads the file
                _log.exception("upload %s was not loaded", name)

    @asynccontextmanager
    async def _turn(self, account_id: str, slots: CapacityLimiter, seconds: float | None) -> AsyncGenerator[None]:
        """The turn of a file: no other one of the account, and no more than allowed of all, are loaded meanwhile.

        Args:
            account_id: account of the token that sent the file.
            slots: how many files are loaded at a time.
            seconds: how long to wait for both; None for no limit.
        """
        lock, users = self._turns.get(account_id, (Lock(), 0))
        self._turns[account_id] = (lock, users + 1)
        borrower, waits_for = object(), "other files of this account are being loaded"
        try:
            async with AsyncExitStack() as held:
                try:
                    with fail_after(seconds):
                        await lock.acquire()
                        held.callback(lock.release)
                        waits_for = "as many files as allowed are being loaded"
                        await slots.acquire_on_behalf_of(borrower)
                        held.callback(slots.release_on_behalf_of, borrower)
                except TimeoutError:
                    raise busy(waits_for, _RETRY_SECONDS) from None
                yield
        finally:
            lock, users = self._turns.pop(account_id)
            if users > 1:
                self._turns[account_id] = (lock, users - 1)


async def _stop(jobs: Sequence[_Job]) -> None:
    """Stops jobs; those that have begun stop after a block of lines."""
    for job in jobs:
        job.cancelled.set()
        if not job.begun.is_set():
            job.task.cancel()
    await asyncio.wait([job.task for job in jobs], timeout=_STOP_SECONDS)


def _load(registered: RegisteredFile, ctx: RunContext, cancelled: Event) -> None:
    """Loads a file; stops after a block of lines when it is cancelled or has used up its processor time."""
    most = ctx.settings.serve_upload_seconds
    began = time.thread_time()

    def check(_: str) -> None:
        if cancelled.is_set():
            raise UploadDiscarded("the load was stopped; nothing of the file was loaded")
        if time.thread_time() - began > most:
            raise UnreadableUpload(
                f"the load used more than {most:g} seconds of processor time",
                hint="send the file in parts, or import it with 'cdr-pipeline import'",
            )

    load_registered(
        registered, replace(ctx, progress=check, most_upload_lines=ctx.settings.serve_upload_lines)
    )  # fmt: skip
