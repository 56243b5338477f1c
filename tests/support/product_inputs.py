"""Inputs of a product that several processes work on: a switch's documents and carriers' files, made from a seed.

Two accounts in two time zones have four business dates around the edge of a month. Legs and their imported twins lie on
both sides of every midnight; files are corrected, records are linked and unlinked by their call ids, and some documents
appear on the switch only later.
"""

import copy
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.core.time.timestamps import from_gregorian, to_gregorian
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.simulator.traffic import Document, SimulatedAccount, documents_of_day
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect

DAYS: Final = tuple(date(2025, 8, 30) + timedelta(days=number) for number in range(4))
MONTH: Final = date(2025, 8, 1)
ACCOUNTS: Final = (
    SimulatedAccount("alpha", "Alpha", "alpha.example", "Europe/Berlin"),
    SimulatedAccount("beta", "Beta", "beta.example", "America/New_York"),
)
# The names of the profiles are those of two sources that number their records alike.
PROFILES: Final = ("carrier", "trunks")
_HEADER: Final = "id,call_id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency,carrier\n"
_REFUSED: Final = "bad,,+15550100001,+15550100002,never,1,1,0.01,USD,c1\n"
_CALLS_PER_DAY: Final = 14


@dataclass(frozen=True, slots=True)
class CarrierText:
    """A file to import: file name, account, profile, content."""

    name: str
    account_id: str
    profile: str
    content: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that comes in.

    Attributes:
        switch: serves the documents that exist from the beginning; ``appear`` adds the others.
        later: account and document, in the order in which they appear; the same id again replaces the document.
        series: files of each source, every series to be imported in its order.
        again: files that repeat the last state of records under other bytes.
        erased: numbers that are erased at some time, by account.
    """

    switch: SimulatedSwitch
    later: list[tuple[str, Document]]
    series: list[list[CarrierText]]
    again: list[CarrierText]
    erased: dict[str, str]
    _appeared: list[int] = field(default_factory=lambda: [0])

    @property
    def waiting(self) -> int:
        """Documents that have not appeared yet."""
        return len(self.later) - self._appeared[0]

    def appear(self) -> None:
        """Adds the next document to the switch."""
        account_id, document = self.later[self._appeared[0]]
        stored = (self.switch.stored or {})[account_id]
        others = [other for other in stored if other["_id"] != document["_id"]]
        stored[:] = sorted([*others, document], key=lambda one: (one["pvt_created"], one["_id"]))
        self._appeared[0] += 1


def make_inputs(seed: int) -> Inputs:
    """The inputs of a seed: the same ones in any process."""
    chance = random.Random(f"inputs/{seed}")
    dialect = chance.choice((SwitchDialect.V2_K3, SwitchDialect.V2_K43, SwitchDialect.K5))
    early: dict[str, list[Document]] = {}
    later: list[tuple[str, Document]] = []
    series: list[list[CarrierText]] = []
    erased: dict[str, str] = {}
    for account in ACCOUNTS:
        documents = _documents(account, seed, dialect)
        edges = [_edge(account, day, sign, documents, dialect) for day in DAYS[1:] for sign in (-1, 1)]
        made = _Account(account, documents, edges, chance)
        erased[account.account_id] = made.erased_number()
        series += made.series()
        everything = documents + edges
        chosen = chance.sample(everything, 5)
        later += [(account.account_id, document) for document in chosen]
        rated = [one for one in everything if one["custom_channel_vars"].get("rate")]
        later += [(account.account_id, _dearer(document)) for document in chance.sample(rated, 2)]
        early[account.account_id] = sorted(
            (one for one in everything if one not in chosen), key=lambda one: (one["pvt_created"], one["_id"])
        )
    built = SimulatedSwitch.build(seed=seed, dialect=dialect)
    switch = SimulatedSwitch(ACCOUNTS, built.token, built.api_key, dialect, seed, stored=early)
    twins = [files[-1] for files in series if "-twins-" in files[-1].name]
    again = [replace(file, name=f"again-{file.name}", content=file.content + _REFUSED) for file in twins]
    return Inputs(switch, later, series, again, erased)


@dataclass(slots=True)
class _Account:
    """Makes the files of one account from the documents of its switch."""

    account: SimulatedAccount
    documents: list[Document]
    edges: list[Document]
    chance: random.Random

    def erased_number(self) -> str:
        """Gives two legs a number that no other has, and returns it."""
        number = "+4930" + f"{self.chance.randrange(10**7):07d}"
        for document in self.chance.sample(self._answered(), 2):
            document["callee_id_number"] = number
        return number

    def series(self) -> list[list[CarrierText]]:
        """Every series of files."""
        answered = self._answered()
        self.chance.shuffle(answered)
        half = len(answered) // 2
        # The rare number must not decide what reconciliation matches: its legs are linked by their call ids.
        answered.sort(key=lambda one: not str(one["callee_id_number"]).startswith("+4930"))
        by_call, by_match = answered[:half], answered[half:]
        return [
            self._named(by_call),
            self._twins(),
            self._matched(by_match[2:]),
            self._relinked(by_match[:2]),
            self._without_ids(),
            self._of_another_source(),
        ]

    def _answered(self) -> list[Document]:
        first, end = day_bounds(DAYS[0], self.account.time_zone)[0], day_bounds(DAYS[-1], self.account.time_zone)[1]
        return [
            one
            for one in self.documents
            if one["billing_seconds"] and one["custom_channel_vars"].get("rate") and first <= started(one) < end
        ]

    def _named(self, documents: list[Document]) -> list[CarrierText]:
        """Records with call ids, corrected, and corrected back in part."""
        rows = [_row(f"n{number}", one, call_id=one["call_id"]) for number, one in enumerate(documents)]
        corrected = [row | {"cost": "0.7500"} for row in rows[::2]]
        return self._files("named", [rows, corrected, rows[:3:2]])

    def _twins(self) -> list[CarrierText]:
        """Twins of the legs at midnight on the other side of it; the second file says another cost."""
        rows: list[dict[str, str]] = []
        for number, one in enumerate(self.edges):
            across = timedelta(seconds=3 if number % 2 == 0 else -3)
            rows.append(_row(f"t{number}", one, call_id=one["call_id"], shift=across) | {"cost": "1.25"})
        return self._files("twins", [rows, [row | {"cost": "99.75"} for row in rows]])

    def _matched(self, documents: list[Document]) -> list[CarrierText]:
        """Records without call ids, which reconciliation links."""
        rows = [_row(f"m{number}", one) for number, one in enumerate(documents)]
        return self._files("matched", [rows, [row | {"cost": "0.5000"} for row in rows[1::3]]])

    def _relinked(self, documents: list[Document]) -> list[CarrierText]:
        """A record that reconciliation links to one leg, a call id to another, and then no call id again."""
        mine, other = documents
        row = _row("x1", mine)
        return self._files("relinked", [[row], [row | {"call_id": other["call_id"]}], [row]])

    def _without_ids(self) -> list[CarrierText]:
        """Records that are known by their content; two are alike."""
        base = day_bounds(DAYS[1], self.account.time_zone)[1] - timedelta(minutes=3)
        rows = [_plain_row("", base + timedelta(seconds=50 * number), number) for number in range(6)]
        return self._files("anonymous", [[*rows, rows[0]]])

    def _of_another_source(self) -> list[CarrierText]:
        """Another source that numbers its records as the first one does."""
        base = day_bounds(DAYS[2], self.account.time_zone)[0] - timedelta(minutes=2)
        rows = [_plain_row(f"n{number}", base + timedelta(seconds=40 * number), 50 + number) for number in range(6)]
        return self._files("trunks", [rows, [row | {"cost": "3.0000"} for row in rows[:2]]], profile=PROFILES[1])

    def _files(self, name: str, contents: list[list[dict[str, str]]], profile: str = PROFILES[0]) -> list[CarrierText]:
        account_id = self.account.account_id
        return [
            CarrierText(f"{account_id}-{name}-{number}.csv", account_id, profile, _text(rows))
            for number, rows in enumerate(contents, 1)
        ]


def started(document: Document) -> datetime:
    """When the leg began."""
    return from_gregorian(int(document["timestamp"]) - int(document["duration_seconds"]))


def _documents(account: SimulatedAccount, seed: int, dialect: SwitchDialect) -> list[Document]:
    found: list[Document] = []
    for number in range(-1, len(DAYS) + 1):
        day = DAYS[0] + timedelta(days=number)
        found += documents_of_day(
            account, day, seed=seed, calls=_CALLS_PER_DAY, month_of_hangup=not dialect.hides_month_edges
        )
    return found


def _edge(
    account: SimulatedAccount, day: date, sign: int, documents: list[Document], dialect: SwitchDialect
) -> Document:
    """A rated leg that begins two seconds before or one second after the midnight that begins the day."""
    pattern = next(one for one in documents if one["billing_seconds"] and one["custom_channel_vars"].get("rate"))
    document = copy.deepcopy(pattern)
    began = day_bounds(day, account.time_zone)[0] + timedelta(seconds=-2 if sign < 0 else 1)
    ended = began + timedelta(seconds=int(document["duration_seconds"]))
    saved = ended + timedelta(seconds=1)
    call_id = f"edge-{account.account_id}-{day:%m%d}-{'before' if sign < 0 else 'after'}"
    month = began if dialect.hides_month_edges else saved
    return document | {
        "call_id": call_id,
        "_id": f"{month:%Y%m}-{call_id}",
        "timestamp": to_gregorian(ended),
        "pvt_created": to_gregorian(saved),
        "channel_created_time": int(began.timestamp()) * 1_000_000,
    }


def _dearer(document: Document) -> Document:
    """The document as the switch shows it after its rate has been corrected."""
    dearer = copy.deepcopy(document)
    dearer["custom_channel_vars"]["rate"] = str(int(dearer["custom_channel_vars"]["rate"]) * 2)
    return dearer


def _row(record_id: str, document: Document, *, call_id: str = "", shift: timedelta = timedelta()) -> dict[str, str]:
    return {
        "id": record_id,
        "call_id": call_id,
        "caller": str(document["caller_id_number"]),
        "callee": str(document["callee_id_number"]),
        "start": f"{started(document) + shift:%Y-%m-%dT%H:%M:%SZ}",
        "duration": str(document["duration_seconds"]),
        "billed": str(document["billing_seconds"]),
        "cost": "0.2500",
        "currency": "USD",
        "carrier": "c1",
    }


def _plain_row(record_id: str, start: datetime, number: int) -> dict[str, str]:
    document: dict[str, Any] = {
        "caller_id_number": "+15550109999",
        "callee_id_number": f"+1555010{number:04d}",
        "timestamp": to_gregorian(start.astimezone(UTC)) + 20,
        "duration_seconds": 20,
        "billing_seconds": 20,
    }
    return _row(record_id, document) | {"carrier": "c2"}


def _text(rows: Iterable[dict[str, str]]) -> str:
    return _HEADER + "".join(",".join(row.values()) + "\n" for row in rows) + _REFUSED
