"""Protocol of a pulled source: a system with an API from which records are collected account by account.

``Upstream`` plans windows and reads landed replies, without a request. ``UpstreamClient`` sends the requests. Landing
and the steps depend on this module only; ``upstream_registry`` lists the implementations.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Literal, Protocol, Self

from cdr_pipeline.core.fields.schemas import CheckedRows
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.time.account_zones import EarlierZone
from cdr_pipeline.errors import CallTooLong

Span = tuple[datetime, datetime]
Part = Literal["page", "detail"]


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open UTC interval of the upstream's save time, in whole seconds.

    Attributes:
        starts_at: first second.
        ends_at: the second after the last.
    """

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class LighterWindows:
    """Shorter windows to request in place of one that is too heavy for the upstream.

    Attributes:
        parts: the windows; none if the window cannot be shortened.
        missing: records that the parts may miss, as the end of a sentence; "" if they cover the window.
        hint: next step of the operator if records may be missing.
    """

    parts: tuple[Window, ...]
    missing: str = ""
    hint: str = ""


class ListPage(Protocol):
    """One page of a list of records."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def listed(self) -> bytes:
        """The rows. A window whose rows have the same bytes as before has not changed."""
        ...

    @property
    def keys(self) -> frozenset[str]:
        """Union of the rows' keys."""
        ...

    @property
    def plain(self) -> bool:
        """Whether a reader may take the rows from the landed body with ``keys``, without checking them again."""
        ...

    @property
    def record_ids(self) -> list[str]:
        """Distinct ids of the rows that have a detail document, in order."""
        ...


@dataclass(frozen=True, slots=True)
class ListReply:
    """A complete page as the upstream sent it.

    Attributes:
        body: bytes to land; contains no token.
        page: the rows of the body.
        gap: error to raise after the window has landed, if a call in the page is longer than windows cover, so that
            others like it may be missing.
    """

    body: bytes
    page: ListPage
    gap: CallTooLong | None = None


@dataclass(frozen=True, slots=True)
class LandedReply:
    """A reply as it is read back from landing.

    Attributes:
        part: list page or detail document.
        body: bytes that landed.
        rows: number of list rows.
        keys: keys of the page if it was ``plain``, else None.
    """

    part: Part
    body: bytes
    rows: int
    keys: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class SmallWindow:
    """A landed window that is read together with others.

    Attributes:
        account_id: account that owns the records.
        replies: its list pages; it has no detail documents.
        rows: number of list rows.
    """

    account_id: str
    replies: Iterable[LandedReply]
    rows: int


@dataclass(frozen=True, slots=True)
class RecordOwner:
    """Account that owns the records.

    Attributes:
        account_id: id of the account.
        time_zone: IANA zone of the account; decides the business date.
        plan: number plan of the account.
        earlier_zones: earlier zones of the account, oldest first.
    """

    account_id: str
    time_zone: str
    plan: NumberPlan
    earlier_zones: Sequence[EarlierZone] = ()


@dataclass(frozen=True, slots=True)
class UpstreamAccount:
    """An account as the upstream lists it.

    Attributes:
        account_id: id of the account; not checked.
        name: display name, "" if the upstream has none.
        parent_id: account above it; None if the upstream does not name it.
        time_zone: IANA name; "" if the account has none; None if the list does not contain time zones.
        realm: SIP realm, "" if the upstream has none.
    """

    account_id: str
    name: str = ""
    parent_id: str | None = None
    time_zone: str | None = None
    realm: str = ""


class UpstreamClient(Protocol):
    """One upstream, one set of credentials. A context manager that is safe for several threads.

    Every request is bounded in time and size. Its errors tell whether a retry can help, and contain no token, number or
    name. A method raises TransientUpstreamError when a later run can succeed and PermanentUpstreamError when it cannot.
    """

    def __enter__(self) -> Self:
        """Returns the client."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        ...

    def detect_dialect(self, account_id: str) -> str:
        """Detects in which of the upstream's ``dialects`` it answers for an account."""
        ...

    def pages(self, account_id: str, window: Window, dialect: str) -> Iterator[ListReply]:
        """Yields every page of a window. Rows may occur twice; a missing row is an error.

        Raises:
            WindowTooHeavy: ``lighter`` windows may work.
            DialectChanged: a page shows that the upstream speaks another dialect.
        """
        ...

    def detail(self, account_id: str, record_id: str, dialect: str) -> bytes:
        """The detail document of a record, as bytes to land that contain no token."""
        ...

    def own_account(self) -> str:
        """Id of the account that the credentials belong to.

        Raises:
            ConfigurationError: the credentials do not show it.
        """
        ...

    def accounts(self, root: str, dialect: str) -> list[UpstreamAccount]:
        """The account ``root``, then every account below it."""
        ...

    def time_zone(self, account_id: str, dialect: str) -> str:
        """Time zone of an account whose ``UpstreamAccount`` has None; "" if the account has none."""
        ...


class Upstream(Protocol):
    """A kind of upstream, with the settings of this installation. Only ``clock`` and ``connect`` use the network."""

    @property
    def name(self) -> str:
        """Name in the registry. Landing files keep it, so that their upstream reads them again."""
        ...

    @property
    def dialects(self) -> tuple[str, ...]:
        """Names of the API versions that the upstream can have."""
        ...

    def plan_windows(self, first: datetime, last: datetime, dialect: str) -> tuple[Window, ...]:
        """Windows that together return every record saved in ``[first, last)``; both are in whole seconds."""
        ...

    def needed_spans(self, first: datetime, last: datetime, dialect: str) -> list[Span]:
        """Intervals that single windows must contain, in addition to windows that cover ``[first, last)``."""
        ...

    def windows_again(self, spans: Sequence[Span]) -> tuple[Window, ...]:
        """Windows that return the records of recorded windows again."""
        ...

    def lighter_windows(self, window: Window) -> LighterWindows:
        """Shorter windows to use if this one is too heavy for the upstream."""
        ...

    def dialects_unlike(self, dialect: str) -> tuple[str, ...]:
        """Dialects whose windows may miss records that windows planned for ``dialect`` return."""
        ...

    def normalized(self, replies: Iterable[LandedReply], owner: RecordOwner) -> Iterator[CheckedRows]:
        """Canonical rows of a landed window, in frames of bounded size. Each list row is in exactly one frame, once.

        The frames have the columns of ``working_schema()`` and, if the upstream has detail documents, ``has_detail``
        and ``detail_source``. ``line`` counts the list rows of the window from 1. ``origin`` is ``api``.

        Only fields that are ``detail_only`` in the field dictionary may come from a detail document. A document is
        fetched once; when the window is read again, the list row alone must give the same other fields.
        """
        ...

    def normalized_together(self, windows: Sequence[SmallWindow], owner: RecordOwner) -> CheckedRows:
        """Canonical rows of several small windows in one frame, because a frame for each takes much longer.

        Each row is as ``normalized`` returns it, except that ``line`` counts the list rows of all windows.

        Args:
            windows: windows that together fit into one frame.
            owner: values that are the same for all of their accounts; its ``account_id`` has no meaning.

        Raises:
            ValueError: a window has another number of rows than expected.
        """
        ...

    def clock(self) -> datetime | None:
        """Current time by the upstream's clock, from a request without credentials; None if it does not tell."""
        ...

    def connect(
        self,
        *,
        wall_clock: Callable[[], datetime] | None = None,
        reserve: Callable[[str, float, int], float] | None = None,
    ) -> UpstreamClient:
        """Opens a client.

        Args:
            wall_clock: current time in UTC, which the client compares with the upstream's clock; None disables the
                comparison.
            reserve: reserves requests of a place at a rate among all processes, and returns the seconds until they may
                be sent; None if this process is alone.

        Raises:
            ConfigurationError: the address or the credentials are missing.
        """
        ...
