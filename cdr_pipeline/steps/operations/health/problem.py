"""A problem that needs action, and the words and periods that problems of all kinds share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

from cdr_pipeline.core.charts.composed_text import ComposedText

# The run that changes a day also writes its file. A file that is outdated for longer than this is a problem.
FORGOTTEN = timedelta(hours=6)
# A day with an unusual volume is reported for one week.
A_WEEK = timedelta(days=7)
# Longer than the time from one night to the end of the next.
A_NIGHT = timedelta(days=2)
NAMED = 3
LIST_UPLOADS = "cdr-pipeline uploads list"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a problem is about, for a page that leads to it.

    Attributes:
        kind: kind of the thing; empty if no page shows it.
        account_id: account that owns it; empty for several accounts or none.
        business_date: its day; None without one.
        name: id of an upload, name of a profile, a delivery target or an inbound place; otherwise empty.
    """

    kind: Literal[
        "",
        "night",
        "day",
        "upload",
        "rejects",
        "drop",
        "profile",
        "series",
        "breaks",
        "delivery",
        "late_days",
        "place",
    ] = ""
    account_id: str = ""
    business_date: date | None = None
    name: str = ""


_NO_PAGE: Final = Subject()


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that needs action.

    Attributes:
        what: description without personal data; a ``ComposedText`` where a page shows it in other languages.
        code: stable identifier of its kind or cause.
        since: start of the problem, UTC.
        command: command that fixes the problem or shows its details.
        about: what the problem is about, without counts that change while it lasts; empty if ``what`` has none.
        watched_until: instant after which the problem is not looked for any more; None if it always is.
        subject: what a page shows about it.
        otherwise: command that closes the problem where ``command`` cannot fix it; empty without one.
    """

    what: str
    code: str
    since: datetime
    command: str
    about: str = ""
    watched_until: datetime | None = None
    subject: Subject = field(default=_NO_PAGE, compare=False)
    otherwise: str = ""

    @property
    def key(self) -> str:
        """Identifies the problem across checks."""
        return f"{self.code}: {self.what}"

    @property
    def topic(self) -> str:
        """Identifies the problem as long as it lasts."""
        return f"{self.code}: {self.about or self.what}"


def last_look(day: date) -> datetime:
    """Instant after which a day is too old to be looked at."""
    return datetime.combine(day, time(), tzinfo=UTC) + A_WEEK


def titled(account_id: str, names: Mapping[str, str]) -> str:
    """An account by its name and id."""
    name = names.get(account_id, "")
    return f"{name} ({account_id})" if name and name != account_id else account_id


def some(accounts: Sequence[str]) -> ComposedText:
    """The first accounts, and how many more there are."""
    named = ", ".join(accounts[:NAMED])
    more = len(accounts) - NAMED
    return (
        ComposedText("{names} and {count} more", names=named, count=more)
        if more > 0
        else ComposedText("{names}", names=named)
    )
