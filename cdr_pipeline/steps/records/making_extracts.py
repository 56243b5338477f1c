"""Makes the files of extracts in slices. All rows are those that were known at the time of the request.

The rows of a slice are added to the file when it is complete. A slice that takes too long or has too many rows is
divided, and one that fails for a moment is repeated, without losing the file so far.

A process claims an extract and extends the claim while it works. If the process is killed, another one makes the file
again from the beginning.
"""

import logging
import secrets
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from shutil import disk_usage
from time import monotonic
from typing import Final

from cdr_pipeline.core.records.search import Search
from cdr_pipeline.errors import CdrError, ExtractAbandoned, FolderNotWritable, WarehouseTimeout
from cdr_pipeline.exports.extract_file import FROM_JSON, ExtractFile, remove_extract
from cdr_pipeline.exports.slice_rows import SliceRows
from cdr_pipeline.files.durable import remove
from cdr_pipeline.files.store import StorePath
from cdr_pipeline.steps.failure import folder_fault
from cdr_pipeline.steps.operations.disk import LEAST_FREE_BYTES
from cdr_pipeline.steps.records.extract_slices import ExtractSlices
from cdr_pipeline.steps.records.extracts import extract_path
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.records.extracts import Extract, ExtractProgress, ExtractTable

# Seconds after which the extract of a process that is dead or hangs is made by another one.
CLAIM_SECONDS: Final = 30.0
_MOST_ATTEMPTS: Final = 5
# Pause after the first temporary failure; it grows with the attempts.
_PAUSE: Final = timedelta(seconds=30)
# Seconds between the attempts to read a slice while the warehouse cannot be reached.
_RETRY_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
# Bytes of the rows of a slice that can be divided.
_MOST_SLICE_BYTES: Final = 256 * 1024**2
_log = logging.getLogger(__name__)


class MakingStopped(Exception):
    """The server ends, or the extract was cancelled or is made by another process."""


class _SliceTooLarge(Exception):
    """The slice has more bytes than are kept apart from the file."""


@dataclass(slots=True, eq=False)
class Making:
    """An extract that this process makes.

    Attributes:
        extract: the claimed extract.
        ctx: settings, warehouse and clock.
        claim: id of the claim.
    """

    extract: Extract
    ctx: RunContext
    claim: str
    _progress: ExtractProgress = field(default_factory=ExtractProgress)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _lost: bool = False
    _file: ExtractFile | None = None
    _slices: ExtractSlices | None = None
    _failures: int = 0
    _is_partial: bool = False
    _reading: ExtractTable | None = None

    def begin(self, search: Search) -> None:
        """Begins the file.

        Args:
            search: what the extract lists, with its whole period.

        Raises:
            ExtractAbandoned: the processes that made it before have ended.
            CdrError: the file cannot be created.
        """
        if self.extract.attempts > _MOST_ATTEMPTS:
            raise ExtractAbandoned(
                f"the processes that made the file ended {_MOST_ATTEMPTS} times before it was complete",
                hint="request it again; the log of the server has the cause",
            )
        settings, extract = self.ctx.settings, self.extract
        search = replace(search, known_at=extract.created_at)
        with self._ledger() as ledger:
            used = ledger.extracts.use_of(extract.owner_id, without=extract.extract_id)
            days = None if search.span is None else ledger.extracts.recorded_days(extract.account_id)
        self._slices = ExtractSlices(search, days)
        self._progress = ExtractProgress(slices=self._slices.total)
        # A process that was killed has left what it had written.
        remove_extract(settings.extract_dir / extract.account_id, extract.extract_id)
        target = extract_path(settings, extract, self.claim)
        most_bytes = max(0, settings.serve_extract_bytes - used.byte_count)
        self._file = ExtractFile(target, extract.form, extract.compression, most_bytes)

    def step(self) -> bool:
        """Writes the next slice, or completes the file after the last one. Returns whether there is more to do.

        Raises:
            MakingStopped: nothing more is to be written.
            CdrError: the file cannot be made.
        """
        file, slices = self._file, self._slices
        assert file is not None and slices is not None  # noqa: S101, PT018 - begin comes first
        if self._stopped.is_set():
            raise MakingStopped
        if slices.is_done:
            self._complete(file)
            return False
        self._require_space()
        try:
            self._write_slice(slices, file)
        except (_SliceTooLarge, CdrError) as error:
            if self._stopped.is_set():
                raise MakingStopped from None
            self._try_again(error, slices)
        else:
            self._failures = 0
            self._progress = replace(self._progress, slices_done=slices.done)
        return True

    def keep(self) -> None:
        """Extends the claim and records how far the file is. Stops the making if the claim is lost."""
        with self._ledger() as ledger:
            kept = ledger.extracts.keep(self.extract.extract_id, self.claim, self._progress, seconds=CLAIM_SECONDS)
        if not kept:
            self._lost = True
            self.stop()

    def stop(self) -> None:
        """Stops the current slice; its statement is cancelled."""
        self._stopped.set()
        reading = self._reading
        if reading is not None:
            reading.cancel()

    def fail(self, error: Exception) -> None:
        """Records a failure: a temporary one is tried again, at most five times."""
        fault = error if isinstance(error, CdrError) else folder_fault(error)
        if fault is None:
            _log.error("extract %s failed", self.extract.extract_id, exc_info=error)
            fault = CdrError("unexpected error; the log of the server has it under the id of the extract")
        else:
            _log.warning("extract %s was not made: %s", self.extract.extract_id, fault.code)
        shown = {"code": fault.code, "message": fault.message, "hint": fault.hint}
        now, attempts = self.ctx.clock(), self.extract.attempts
        with self._ledger() as ledger:
            if fault.retryable and attempts < _MOST_ATTEMPTS:
                ledger.extracts.postpone(
                    self.extract.extract_id, self.claim, error=shown, next_attempt_at=now + _PAUSE * attempts
                )
            else:
                ledger.extracts.fail(self.extract.extract_id, self.claim, shown, now=now)

    def give_back(self) -> None:
        """Lets another process make the file, because this one ends."""
        if not self._lost:
            with self._ledger() as ledger:
                ledger.extracts.postpone(
                    self.extract.extract_id, self.claim, error=None, next_attempt_at=self.ctx.clock()
                )

    def close(self) -> None:
        """Deletes what is not complete."""
        if self._file is not None:
            self._file.close()

    def _ledger(self) -> AbstractContextManager[Ledger]:
        """The ledger with the time limit of a search: a locked table must not hold up the other extracts."""
        return replace(self.ctx, statement_seconds=self.ctx.settings.serve_search_seconds).ledger()

    def _write_slice(self, slices: ExtractSlices, file: ExtractFile) -> None:
        began_at, limit = monotonic(), self.ctx.settings.serve_download_seconds
        with SliceRows(self.ctx.settings.local_dir) as kept:
            for piece, lines in self._read(slices, kept, limit):
                self._add(piece, lines, file)
            share = max((monotonic() - began_at) / limit, kept.size / _MOST_SLICE_BYTES)
            for piece, lines in kept.pieces():
                self._add(piece, lines, file)
        self._is_partial = False
        slices.complete(monotonic() - began_at, share)

    def _read(self, slices: ExtractSlices, kept: SliceRows, seconds: float) -> Generator[tuple[bytes, int]]:
        """Reads the current slice into ``kept``; yields only what is too much of a slice that cannot be divided."""
        with self.ctx.ledger() as ledger:
            self._reading = ledger.extracts
            try:
                rows = ledger.extracts.rows(slices.current(), as_json=self._is_json, seconds=seconds)
                with closing(rows):
                    for piece, lines in rows:
                        if self._stopped.is_set():
                            raise MakingStopped
                        kept.add(piece, lines)
                        if kept.size > _MOST_SLICE_BYTES:
                            if not slices.is_shortest:
                                raise _SliceTooLarge
                            yield from kept.pieces()
                            kept.clear()
            finally:
                self._reading = None

    def _add(self, piece: bytes, lines: int, file: ExtractFile) -> None:
        begins = not self._is_partial
        self._is_partial = True
        file.add(piece, begins=begins)
        rows = self._progress.row_count + lines - (begins and not self._is_json)
        self._progress = replace(self._progress, row_count=rows, byte_count=file.size)

    def _try_again(self, error: Exception, slices: ExtractSlices) -> None:
        """Divides the slice, or waits for a moment. Raises the error if neither helps."""
        if not self._is_partial:
            if isinstance(error, _SliceTooLarge) or (isinstance(error, WarehouseTimeout) and not slices.is_shortest):
                slices.divide()
                return
            if isinstance(error, CdrError) and error.retryable and self._failures < len(_RETRY_SECONDS):
                self._stopped.wait(_RETRY_SECONDS[self._failures])
                self._failures += 1
                return
        if isinstance(error, WarehouseTimeout):
            raise WarehouseTimeout(
                f"{slices.named} took longer than {self.ctx.settings.serve_download_seconds:g} seconds",
                hint="request fewer columns or a narrower search, or have CDR_SERVE_DOWNLOAD_SECONDS raised",
            ) from None
        raise error

    @property
    def _is_json(self) -> bool:
        return self.extract.form in FROM_JSON

    def _complete(self, file: ExtractFile) -> None:
        sha256 = file.place()
        self._progress = replace(self._progress, byte_count=file.size)
        now, hours = self.ctx.clock(), self.ctx.settings.serve_extract_hours
        with self._ledger() as ledger:
            is_ready = ledger.extracts.complete(
                self.extract.extract_id, self.claim, self._progress,
                sha256=sha256, now=now, expires_at=now + timedelta(hours=hours),
            )  # fmt: skip
        # Another thread may find no claim any more as soon as the file is recorded; only this result counts.
        if not is_ready:
            self._lost = True
            # It was cancelled or withdrawn meanwhile, or another process makes it: this file belongs to nothing.
            remove(extract_path(self.ctx.settings, self.extract, self.claim))
            raise MakingStopped

    def _require_space(self) -> None:
        folder = self.ctx.settings.local_dir
        free = disk_usage(folder).free
        if free < LEAST_FREE_BYTES:
            where = "the temporary folder" if isinstance(self.ctx.settings.data_dir, StorePath) else "the data folder"
            raise FolderNotWritable(
                f"the disk of {where} has {free // 1024**2} MB left, which other work needs",
                hint="free some space on this disk",
            )


def claim_extract(ctx: RunContext) -> Making | None:
    """Claims the next extract to make; None if there is none."""
    claim = secrets.token_hex(8)
    with ctx.ledger() as ledger:
        extract = ledger.extracts.claim(claim, seconds=CLAIM_SECONDS, now=ctx.clock())
    return None if extract is None else Making(extract, ctx, claim)
