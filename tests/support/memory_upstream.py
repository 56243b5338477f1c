"""A second upstream, without a network: calls in memory, listed as text lines in pages of three.

It has none of Kazoo's traits: no month edges, no JSON, no token. It shows what the protocol requires of an upstream.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import orjson
import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, CheckedRows, no_rejects, working_schema
from cdr_pipeline.core.time.account_zones import AccountZones
from cdr_pipeline.errors import ConfigurationError, DialectChanged, UpstreamAccountNotFound, WindowTooHeavy
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.upstream import (
    LandedReply,
    LighterWindows,
    ListReply,
    RecordOwner,
    SmallWindow,
    Span,
    UpstreamAccount,
    Window,
)

_PAGE_ROWS: Final = 3
_LONGEST_WINDOW: Final = timedelta(hours=8)
_SEPARATORS: Final = {"tabs": "\t", "bars": "|"}


@dataclass(frozen=True, slots=True)
class MemoryCall:
    """A call: id, start, seconds, and the time at which it was saved."""

    call_id: str
    began: datetime
    seconds: int
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class MemorySystem:
    """Accounts, root first, and the calls of each. ``heaviest`` is the longest window that it answers."""

    accounts: tuple[UpstreamAccount, ...]
    calls: dict[str, list[MemoryCall]]
    dialect: str = "tabs"
    heaviest: timedelta = _LONGEST_WINDOW
    unreadable_zones: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """Lines of a page."""

    lines: tuple[str, ...]
    separator: str

    @property
    def rows(self) -> int:
        """Number of lines."""
        return len(self.lines)

    @property
    def listed(self) -> bytes:
        """The lines."""
        return "\n".join(self.lines).encode()

    @property
    def keys(self) -> frozenset[str]:
        """Lines have no keys."""
        return frozenset()

    @property
    def plain(self) -> bool:
        """Reading a line needs no keys."""
        return False

    @property
    def record_ids(self) -> list[str]:
        """Ids of the calls."""
        return list(dict.fromkeys(line.split(self.separator)[0] for line in self.lines))


@dataclass(frozen=True, slots=True)
class MemoryUpstream:
    """Implements ``Upstream`` for a system in memory."""

    settings: Settings
    system: MemorySystem
    name: str = "memory"
    dialects: tuple[str, ...] = tuple(_SEPARATORS)

    def plan_windows(self, first: datetime, last: datetime, dialect: str) -> tuple[Window, ...]:
        """Windows of at most eight hours."""
        assert dialect in _SEPARATORS
        windows: list[Window] = []
        while first < last:
            windows.append(Window(first, min(first + _LONGEST_WINDOW, last)))
            first = windows[-1].ends_at
        return tuple(windows)

    def needed_spans(self, first: datetime, last: datetime, dialect: str) -> list[Span]:
        """None: any windows that cover the interval will do."""
        assert first < last
        assert dialect in _SEPARATORS
        return []

    def windows_again(self, spans: Sequence[Span]) -> tuple[Window, ...]:
        """The same windows."""
        return tuple(Window(*span) for span in spans)

    def lighter_windows(self, window: Window) -> LighterWindows:
        """Two halves."""
        seconds = int((window.ends_at - window.starts_at).total_seconds())
        middle = window.starts_at + timedelta(seconds=seconds // 2)
        halves = (Window(window.starts_at, middle), Window(middle, window.ends_at))
        return LighterWindows(halves if seconds > 1 else ())

    def dialects_unlike(self, dialect: str) -> tuple[str, ...]:
        """None: both dialects list the same calls."""
        assert dialect in _SEPARATORS
        return ()

    def normalized(self, replies: Iterable[LandedReply], owner: RecordOwner) -> Iterator[CheckedRows]:
        """One frame a window, which is small."""
        lines: list[str] = []
        details: dict[str, str] = {}
        for reply in replies:
            if reply.part == "page":
                lines += reply.body.decode().splitlines()
            else:
                details[orjson.loads(reply.body)["id"]] = reply.body.decode()
        zones = AccountZones(owner.time_zone, tuple(owner.earlier_zones))
        rows = [_canonical(number, line, details, owner) for number, line in enumerate(lines, start=1)]
        schema = working_schema() | {"has_detail": pl.Boolean(), "detail_source": pl.String()}
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        yield CheckedRows(frame.with_columns(business_date=zones.business_date(pl.col("started_at"))), no_rejects())

    def normalized_together(self, windows: Sequence[SmallWindow], owner: RecordOwner) -> CheckedRows:
        """The frames of the windows, one below the other."""
        frames: list[pl.DataFrame] = []
        before = 0
        for window in windows:
            (checked,) = self.normalized(window.replies, replace(owner, account_id=window.account_id))
            if checked.rows.height != window.rows:
                raise ValueError("a window has other rows than expected")
            frames.append(checked.rows.with_columns(pl.col(LINE) + before))
            before += window.rows
        return CheckedRows(pl.concat(frames), no_rejects())

    def clock(self) -> datetime | None:
        """This process has the same clock."""
        return datetime.now(UTC)

    def connect(
        self,
        *,
        wall_clock: Callable[[], datetime] | None = None,
        reserve: Callable[[str, float, int], float] | None = None,
    ) -> "MemoryClient":
        """Opens a client. The clock cannot differ, and no request needs a reservation."""
        assert reserve is None or callable(reserve)
        assert wall_clock is None or wall_clock().tzinfo is not None
        if self.settings.api_url is None:
            raise ConfigurationError("CDR_API_URL is not set")
        return MemoryClient(self.system)


@dataclass(frozen=True, slots=True)
class MemoryClient:
    """Implements ``UpstreamClient`` for a system in memory."""

    system: MemorySystem

    def __enter__(self) -> Self:
        """Returns the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to close."""

    def detect_dialect(self, account_id: str) -> str:
        """The dialect of the system."""
        self._require(account_id)
        return self.system.dialect

    def pages(self, account_id: str, window: Window, dialect: str) -> Iterator[ListReply]:
        """Three calls a page. A window without calls has one empty page."""
        self._require(account_id)
        if dialect != self.system.dialect:
            raise DialectChanged(f"account {account_id}: the system does not speak {dialect}")
        if window.ends_at - window.starts_at > self.system.heaviest:
            raise WindowTooHeavy(f"account {account_id}: the window is too long")
        separator = _SEPARATORS[dialect]
        lines = [
            separator.join((call.call_id, call.began.isoformat(), str(call.seconds)))
            for call in self.system.calls.get(account_id, [])
            if window.starts_at <= call.saved_at < window.ends_at
        ]
        for start in range(0, max(len(lines), 1), _PAGE_ROWS):
            page = MemoryPage(tuple(lines[start : start + _PAGE_ROWS]), separator)
            yield ListReply(page.listed, page)

    def detail(self, account_id: str, record_id: str, dialect: str) -> bytes:
        """The server that handled the call."""
        self._require(account_id)
        assert dialect == self.system.dialect
        return orjson.dumps({"id": record_id, "host": "node-1"})

    def own_account(self) -> str:
        """The root."""
        return self.system.accounts[0].account_id

    def accounts(self, root: str, dialect: str) -> list[UpstreamAccount]:
        """All accounts; the tree has two levels."""
        self._require(root)
        assert dialect == self.system.dialect
        return list(self.system.accounts)

    def time_zone(self, account_id: str, dialect: str) -> str:
        """The zone of an account that the list leaves out."""
        self._require(account_id)
        assert dialect == self.system.dialect
        if account_id in self.system.unreadable_zones:
            raise UpstreamAccountNotFound(f"account {account_id}: not found")
        return "Europe/Berlin"

    def _require(self, account_id: str) -> None:
        if account_id not in {account.account_id for account in self.system.accounts}:
            raise UpstreamAccountNotFound(f"account {account_id}: not found")


def _canonical(number: int, line: str, details: dict[str, str], owner: RecordOwner) -> dict[str, Any]:
    call_id, began, seconds = line.replace("|", "\t").split("\t")
    started, duration = datetime.fromisoformat(began), Decimal(seconds)
    detail = details.get(call_id)
    return dict.fromkeys(working_schema()) | {
        "account_id": owner.account_id,
        "origin": "api",
        "record_id": call_id,
        "call_id": call_id,
        "call_direction": "inbound",
        "started_at": started,
        "ended_at": started + timedelta(seconds=int(seconds)),
        "duration_seconds": duration,
        "billing_seconds": duration,
        "handling_server_name": None if detail is None else orjson.loads(detail)["host"],
        "line": number,
        "raw": line,
        "has_detail": detail is not None,
        "detail_source": detail,
    }
