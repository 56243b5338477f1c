"""Makes the files of extracts in slices of one day, or of several if they are fast, so that a slow day is named.

A process claims an extract and extends the claim while it works. If the process is killed, another one makes the file
again from the beginning. All rows are those that were known at the time of the request.
"""

import logging
import secrets
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from shutil import disk_usage
from time import monotonic
from typing import Final

from cdr_pipeline.core.records.search import Search
from cdr_pipeline.errors import CdrError, ExtractAbandoned, FolderNotWritable, WarehouseTimeout
from cdr_pipeline.exports.extract_file import FROM_JSON, ExtractFile, remove_extract
from cdr_pipeline.files.durable import remove
from cdr_pipeline.files.store import StorePath
from cdr_pipeline.steps.failure import folder_fault
from cdr_pipeline.steps.operations.disk import LEAST_FREE_BYTES
from cdr_pipeline.steps.records.extracts import extract_path
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.records.extracts import Extract, ExtractProgress, ExtractTable

# Seconds after which the extract of a process that is dead or hangs is made by another one.
CLAIM_SECONDS: Final = 30.0
_MOST_ATTEMPTS: Final = 5
# Pause after the first temporary failure; it grows with the attempts.
_PAUSE: Final = timedelta(seconds=30)
_DAY: Final = timedelta(days=1)
# The day of the single slice of a search without a period.
_ANY_DAY: Final = date(2000, 1, 1)
# Days of a slice, at most, and how long a slice takes that is fast or slow.
_MOST_DAYS: Final = 31
_FAST_SECONDS: Final = 1.0
_SLOW_SECONDS: Final = 10.0
# A record is saved at most this long after the business date on which it started; a zone adds a day on either side.
_LONGEST: Final = timedelta(days=33)
_log = logging.getLogger(__name__)


class MakingStopped(Exception):
    """The server ends, or the extract was cancelled or is made by another process."""


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
    _slices: "_Slices | None" = None
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
        self._slices = _Slices(search, days)
        self._progress = ExtractProgress(slices=self._slices.days_left)
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
        if not slices.days_left:
            self._complete(file)
            return False
        self._require_space()
        began_at = monotonic()
        search = slices.take()
        try:
            self._copy(search, file)
        except WarehouseTimeout:
            if self._stopped.is_set():
                raise MakingStopped from None
            raise _too_slow(search, self.ctx.settings.serve_download_seconds) from None
        except CdrError:
            if self._stopped.is_set():
                raise MakingStopped from None
            raise
        slices.note_seconds(monotonic() - began_at)
        self._progress = replace(self._progress, slices_done=self._progress.slices - slices.days_left)
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

    def _copy(self, search: Search, file: ExtractFile) -> None:
        seconds, as_json = self.ctx.settings.serve_download_seconds, self.extract.form in FROM_JSON
        with self.ctx.ledger() as ledger:
            self._reading = ledger.extracts
            try:
                begins = True
                for piece, lines in ledger.extracts.rows(search, as_json=as_json, seconds=seconds):
                    if self._stopped.is_set():
                        raise MakingStopped
                    file.add(piece, begins=begins)
                    rows = self._progress.row_count + lines - (begins and not as_json)
                    self._progress = replace(self._progress, row_count=rows, byte_count=file.size)
                    begins = False
            finally:
                self._reading = None

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


class _Slices:
    """The parts of a search in the order of its rows: days (UTC), without those on which the account has no records.

    Args:
        search: the search with its whole period; without one, it is a single part.
        days: first and last business date of the records of the account; None if there are none.
    """

    def __init__(self, search: Search, days: tuple[date, date] | None) -> None:
        self._search = search
        self._at_once = 1
        span = search.span
        self._first = self._last = _ANY_DAY
        if span is not None:
            self._first, self._last = span.first.date(), span.last.date()
            if days is None or days[1] + _LONGEST < self._first or days[0] - 2 * _DAY > self._last:
                # Nothing is found, but the file has a header.
                self._first = self._last
            else:
                self._first = max(self._first, days[0] - 2 * _DAY)
                self._last = min(self._last, days[1] + _LONGEST)

    @property
    def days_left(self) -> int:
        """Number of days that are not taken yet."""
        return max(0, (self._last - self._first).days + 1)

    def take(self) -> Search:
        """The next part of the search."""
        count = min(self._at_once, self.days_left) - 1
        if self._search.ascending:
            first, last = self._first, self._first + count * _DAY
            self._first = last + _DAY
        else:
            first, last = self._last - count * _DAY, self._last
            self._last = first - _DAY
        span = self._search.span
        if span is None:
            return self._search
        bounds = max(span.first, _begin_of(first)), min(span.last, _begin_of(last + _DAY) - timedelta(seconds=1))
        return replace(self._search, span=replace(span, first=bounds[0], last=bounds[1]))

    def note_seconds(self, seconds: float) -> None:
        """Takes more days at once after a fast part, one day after a slow one."""
        if seconds > _SLOW_SECONDS:
            self._at_once = 1
        elif seconds < _FAST_SECONDS:
            self._at_once = min(2 * self._at_once, _MOST_DAYS)


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _too_slow(search: Search, seconds: float) -> WarehouseTimeout:
    span = search.span
    days = "the records" if span is None else f"the records of {span.first:%Y-%m-%d}"
    if span is not None and span.last.date() > span.first.date():
        days += f" to {span.last:%Y-%m-%d}"
    return WarehouseTimeout(
        f"{days} took longer than {seconds:g} seconds",
        hint="request fewer columns or a narrower search, or have CDR_SERVE_DOWNLOAD_SECONDS raised",
    )
