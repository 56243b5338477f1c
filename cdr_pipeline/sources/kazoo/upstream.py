"""Kazoo as an upstream: the protocol's methods in terms of the client, the windows and the pages of this package."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import polars as pl

from cdr_pipeline.core.fields.dictionary import KNOWN_LIST_KEYS
from cdr_pipeline.core.fields.schemas import EXTRA, LINE, CheckedRows
from cdr_pipeline.core.normalize.kazoo import Rows, normalize_list
from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.errors import CallTooLong, DialectChanged
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.pace import Reserve
from cdr_pipeline.sources.kazoo.pages import Page, cut_page, longest_over, parse_detail, parse_page
from cdr_pipeline.sources.kazoo.server_clock import server_clock
from cdr_pipeline.sources.kazoo.windows import (
    EdgeReach,
    crosses_month,
    edge_spans,
    lighter_windows,
    month_edge,
    plan_windows,
    windows_again,
)
from cdr_pipeline.sources.upstream import (
    LandedReply,
    LighterWindows,
    ListReply,
    RecordOwner,
    SmallWindow,
    Span,
    UpstreamAccount,
    UpstreamClient,
    Window,
)

# Approximate rows per frame, independent of the page size.
_FRAME_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class KazooUpstream:
    """A switch of the Kazoo family, with the settings of this installation. Implements ``Upstream``."""

    settings: Settings

    @property
    def name(self) -> str:
        """Name in the registry."""
        return "kazoo"

    @property
    def dialects(self) -> tuple[str, ...]:
        """Names of the dialects of the switch's API."""
        return tuple(dialect.value for dialect in SwitchDialect)

    def plan_windows(self, first: datetime, last: datetime, dialect: str) -> tuple[Window, ...]:
        """Windows for every record saved in ``[first, last)``, with one across each month's edge."""
        return plan_windows(first, last, SwitchDialect(dialect), self._reach)

    def needed_spans(self, first: datetime, last: datetime, dialect: str) -> list[Span]:
        """Intervals across months' edges that single windows must contain."""
        return edge_spans(first, last, SwitchDialect(dialect), self._reach)

    def windows_again(self, spans: Sequence[Span]) -> tuple[Window, ...]:
        """Windows of recorded spans, without those inside another one of the same kind."""
        return windows_again(spans)

    def lighter_windows(self, window: Window) -> LighterWindows:
        """Two halves, or a shorter window across the month's edge."""
        return lighter_windows(window)

    def dialects_unlike(self, dialect: str) -> tuple[str, ...]:
        """Dialects that file calls across a month's edge in the other month."""
        hides = SwitchDialect(dialect).hides_month_edges
        return tuple(other.value for other in SwitchDialect if other.hides_month_edges != hides)

    def normalized(self, replies: Iterable[LandedReply], owner: RecordOwner) -> Iterator[CheckedRows]:
        """Canonical rows of a landed window, several pages at a time."""
        read = 0
        for rows, details in _frames(replies):
            checked = normalize_list(
                rows,
                account_id=owner.account_id,
                time_zone=owner.time_zone,
                plan=owner.plan,
                first_line=read + 1,
                details=details,
                earlier_zones=owner.earlier_zones,
                currency=self.settings.api_currency,
            )
            read += checked.rows.height + checked.rejects.height
            yield checked

    def normalized_together(self, windows: Sequence[SmallWindow], owner: RecordOwner) -> CheckedRows:
        """Canonical rows of several windows in one frame."""
        parts: list[Rows] = []
        for window in windows:
            ((rows, _),) = _frames(window.replies)
            if window.rows != (rows.ndjson.count(b"\n") + 1 if rows.ndjson else 0):
                raise ValueError(f"a window has other rows than the {window.rows} that landed")
            parts.append(rows)
        account_ids, plain = list[str](), list[bool]()
        for window, rows in zip(windows, parts, strict=True):
            account_ids += [window.account_id] * window.rows
            plain += [not rows.keys - KNOWN_LIST_KEYS] * window.rows
        together = normalize_list(
            _joined([rows.ndjson for rows in parts], set[str]().union(*(rows.keys for rows in parts))),
            account_id=pl.Series(account_ids, dtype=pl.String),
            time_zone=owner.time_zone,
            plan=owner.plan,
            earlier_zones=owner.earlier_zones,
            currency=self.settings.api_currency,
        )
        if not any(plain) or all(plain):
            return together
        # A window without unknown keys keeps no row as extra, even if other windows have some.
        without = pl.Series([line for line, is_plain in enumerate(plain, start=1) if is_plain], dtype=pl.Int64)
        extra = pl.when(~pl.col(LINE).is_in(without.implode())).then(pl.col(EXTRA)).alias(EXTRA)
        return replace(together, rows=together.rows.with_columns(extra))

    def clock(self) -> datetime | None:
        """The ``Date`` of a response of the switch; None without a URL or if the switch does not answer."""
        return None if self.settings.api_url is None else server_clock(self.settings.api_url)

    def connect(
        self, *, wall_clock: Callable[[], datetime] | None = None, reserve: Reserve | None = None
    ) -> UpstreamClient:
        """Opens a client.

        Raises:
            ConfigurationError: the URL or the credentials are missing.
        """
        client = KazooClient.from_settings(self.settings, wall_clock=wall_clock, reserve=reserve)
        return _KazooUpstreamClient(client, self.settings.collect_longest_call_hours)

    @property
    def _reach(self) -> EdgeReach:
        return EdgeReach(
            longest_call=timedelta(hours=self.settings.collect_longest_call_hours),
            save_lag=timedelta(hours=self.settings.collect_overlap_hours),
        )


@dataclass(frozen=True, slots=True)
class _KazooUpstreamClient:
    """Implements ``UpstreamClient`` with a client of the switch."""

    client: KazooClient
    longest_call_hours: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.__exit__(kind, error, trace)

    def detect_dialect(self, account_id: str) -> str:
        return self.client.detect_dialect(account_id).value

    def pages(self, account_id: str, window: Window, dialect: str) -> Iterator[ListReply]:
        spoken = SwitchDialect(dialect)
        for body, page in self.client.pages(account_id, window, spoken):
            if spoken.contradicted_by(page.envelope, page.next_start_key):
                raise DialectChanged(
                    f"account {account_id}: the switch does not speak {spoken}; with CDR_API_DIALECT=auto the "
                    "dialect is detected",
                    hint="set CDR_API_DIALECT=auto, then collect the day again",
                )
            over_edge = spoken.hides_month_edges and crosses_month(window)
            yield ListReply(body, page, self._gap(account_id, page, month_edge(window)) if over_edge else None)

    def _gap(self, account_id: str, page: Page, edge: datetime) -> CallTooLong | None:
        """Error if a call across the month's edge is longer than the window covers, because others may be missing."""
        longest, hours = longest_over(page.listed, to_gregorian(edge)), self.longest_call_hours
        if longest <= hours * 3600:
            return None
        return CallTooLong(
            f"account {account_id}: a call over the month's edge took more than {hours} hours; others "
            f"that long may be missing until CDR_COLLECT_LONGEST_CALL_HOURS is {-(-longest // 3600)} or more",
            hint="raise CDR_COLLECT_LONGEST_CALL_HOURS, then collect the day again",
        )

    def detail(self, account_id: str, record_id: str, dialect: str) -> bytes:
        return self.client.detail(account_id, record_id, SwitchDialect(dialect))

    def own_account(self) -> str:
        return self.client.own_account()

    def accounts(self, root: str, dialect: str) -> list[UpstreamAccount]:
        version = SwitchDialect(dialect).version
        top = _account(self.client.account(root, version=version))
        below = [_account(row) for row in self.client.descendants(root, version=version)]
        return [replace(top, account_id=top.account_id or root), *below]

    def time_zone(self, account_id: str, dialect: str) -> str:
        document = self.client.account(account_id, version=SwitchDialect(dialect).version)
        return str(document.get("timezone") or "")


def _account(row: dict[str, Any]) -> UpstreamAccount:
    """An account from its document or from a row of the list. ``tree`` has the ids of all accounts above it."""
    tree = row.get("tree")
    return UpstreamAccount(
        str(row.get("id") or ""),
        str(row.get("name") or ""),
        str(tree[-1]) if isinstance(tree, list) and tree else None,
        str(row["timezone"] or "") if "timezone" in row else None,
        str(row.get("realm") or ""),
    )


def _frames(replies: Iterable[LandedReply]) -> Iterator[tuple[Rows, Rows]]:
    """List rows with their detail documents, several pages at a time."""
    pages: list[bytes] = []
    keys: set[str] = set()
    documents: list[bytes] = []
    buffered = 0
    for reply in replies:
        if reply.part == "detail":
            documents.append(parse_detail(reply.body))
            continue
        if buffered >= _FRAME_ROWS:
            yield _joined(pages, keys), _joined(documents, set())
            pages, keys, documents, buffered = [], set(), [], 0
        if reply.keys is None:
            page = parse_page(reply.body)
            pages.append(page.ndjson)
            keys |= page.keys
        else:
            pages.append(cut_page(reply.body))
            keys |= set(reply.keys)
        buffered += reply.rows
    yield _joined(pages, keys), _joined(documents, set())


def _joined(parts: list[bytes], keys: set[str]) -> Rows:
    return Rows(b"\n".join(part for part in parts if part), frozenset(keys))
