"""Data of the simulated switch: accounts, credentials and stored documents."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self, cast

import orjson

from cdr_pipeline.core.time.timestamps import from_gregorian
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.simulator.traffic import Document, SimulatedAccount, documents_of_day
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect

_NAMES: Final = ("Example Logistics", "Sample Clinic", "Demo Bakery")
_ZONES: Final = ("America/New_York", "Europe/Berlin", "UTC")
# Longest time between the start of a simulated call and its save.
_LONGEST: Final = timedelta(hours=6)


@dataclass(frozen=True)
class SimulatedSwitch:
    """A switch with generated traffic, or with the documents of a file.

    Attributes:
        accounts: accounts of the switch.
        token, api_key: credentials that the switch accepts.
        dialect: simulated version of the API.
        seed, calls_per_day: parameters of the generated traffic.
        stored: documents of a file by account; None for generated traffic.
        failing: ids of accounts for which the switch answers 503.
        forbidden: ids of accounts for which it answers 403.
        faults: names of active faults, see ``simulator.faults.catalogue``.
    """

    accounts: tuple[SimulatedAccount, ...]
    token: str
    api_key: str
    dialect: SwitchDialect = SwitchDialect.V2_K43
    seed: int = 1
    calls_per_day: int = 200
    stored: dict[str, list[Document]] | None = None
    failing: frozenset[str] = field(default_factory=frozenset[str])
    forbidden: frozenset[str] = field(default_factory=frozenset[str])
    faults: tuple[str, ...] = ()

    @property
    def user(self) -> tuple[str, str]:
        """Name and password of the user that the switch accepts in addition to the API key."""
        return "operator", _hex(self.seed, "password")

    @classmethod
    def build(
        cls,
        *,
        seed: int = 1,
        accounts: int = 3,
        calls_per_day: int = 200,
        dialect: str = "v2_k43",
        documents: Path | None = None,
        faults: Sequence[str] = (),
    ) -> Self:
        """Builds a switch with accounts and credentials derived from the seed, or with the accounts of a file.

        Raises:
            ConfigurationError: the dialect is unknown, or the file holds no documents.
        """
        if dialect not in set(SwitchDialect):
            raise ConfigurationError(f"unknown dialect; choose one of: {', '.join(SwitchDialect)}")
        stored = None if documents is None else _stored(documents)
        all_accounts = tuple(_account(seed, number) for number in range(accounts))
        if stored is not None:
            all_accounts = tuple(
                SimulatedAccount(account_id, "From file", "file.example", "UTC") for account_id in sorted(stored)
            )
        return cls(
            accounts=all_accounts,
            token=f"simulated-token-{_hex(seed, 'token')}",
            api_key=_hex(seed, "key") * 2,
            dialect=SwitchDialect(dialect),
            seed=seed,
            calls_per_day=calls_per_day,
            stored=stored,
            faults=tuple(faults),
        )

    def account(self, account_id: str) -> SimulatedAccount | None:
        """The account with this id, None if there is none."""
        return next((account for account in self.accounts if account.account_id == account_id), None)

    def documents(self, account_id: str, day: date) -> list[Document]:
        """Documents of the account's calls that began on a UTC day."""
        if self.stored is not None:
            return [doc for doc in self.stored.get(account_id, []) if from_gregorian(doc["timestamp"]).date() == day]
        account = self.account(account_id)
        if account is None:
            return []
        return _made(account, day, *self._traffic)

    def saved_between(self, account_id: str, first: int, last: int) -> list[Document]:
        """The account's documents saved in an interval of Gregorian seconds, both ends included."""
        if self.stored is not None:
            documents = self.stored.get(account_id, [])
        else:
            day = (from_gregorian(first) - _LONGEST).date()
            end = from_gregorian(last).date()
            documents = []
            while day <= end:
                documents += self.documents(account_id, day)
                day += timedelta(days=1)
        return [document for document in documents if first <= document["pvt_created"] <= last]

    def document(self, account_id: str, record_id: str) -> Document | None:
        """The account's document with this id, None if there is none."""
        if self.stored is not None:
            return next((made for made in self.stored.get(account_id, []) if made["_id"] == record_id), None)
        account = self.account(account_id)
        if account is None:
            return None
        of_days = (_made_by_id(account, day, *self._traffic) for day in _days_of(record_id))
        return next((by_id[record_id] for by_id in of_days if record_id in by_id), None)

    @property
    def _traffic(self) -> tuple[int, int, bool]:
        return self.seed, self.calls_per_day, not self.dialect.hides_month_edges


def _days_of(record_id: str) -> list[date]:
    """Days on which a call with this id may have begun: its month, and the last day of the previous month."""
    try:
        first = date(int(record_id[:4]), int(record_id[4:6]), 1)
    except ValueError:
        return []
    return [first + timedelta(days=number) for number in range(-1, 31)]


@lru_cache(maxsize=512)
def _made(account: SimulatedAccount, day: date, seed: int, calls: int, month_of_hangup: bool) -> list[Document]:  # noqa: FBT001
    return documents_of_day(account, day, seed=seed, calls=calls, month_of_hangup=month_of_hangup)


@lru_cache(maxsize=512)
def _made_by_id(account: SimulatedAccount, day: date, *traffic: *tuple[int, int, bool]) -> dict[str, Document]:
    return {document["_id"]: document for document in reversed(_made(account, day, *traffic))}


def _hex(seed: int, purpose: str) -> str:
    return hashlib.sha256(f"{seed}/{purpose}".encode()).hexdigest()[:32]


def _account(seed: int, number: int) -> SimulatedAccount:
    name = _NAMES[number % len(_NAMES)] + ("" if number < len(_NAMES) else f" {number}")
    parent = None if number == 0 else _hex(seed, "account 0")
    return SimulatedAccount(
        _hex(seed, f"account {number}"), name, f"pbx{number}.example", _ZONES[number % len(_ZONES)], parent
    )


def _stored(path: Path) -> dict[str, list[Document]]:
    """Documents of a file by account. The file holds one document, a list, or one document a line.

    Missing fields are filled like in Kazoo 5: the time from the creation time, the id from month and call id.
    """
    text = path.read_bytes()
    try:
        parsed: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            parsed = [orjson.loads(line) for line in text.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            raise ConfigurationError(f"{path.name} holds no JSON documents") from None
    documents = cast("list[Document]", parsed if isinstance(parsed, list) else [parsed])
    by_account: dict[str, list[Document]] = {}
    for document in documents:
        account_id = str(
            document.get("pvt_account_id") or document.get("custom_channel_vars", {}).get("account_id", "")
        )
        created = int(document.get("pvt_created") or document.get("timestamp") or 0)
        if not account_id or not created:
            raise ConfigurationError(f"{path.name} holds a document without account or time")
        account_id = account_id.partition("-")[0]
        filled = {"timestamp": created, "pvt_created": created} | document
        filled["timestamp"] = int(filled["timestamp"])
        filled.setdefault("_id", f"{from_gregorian(created):%Y%m}-{document['call_id']}")
        by_account.setdefault(account_id, []).append(filled)
    return by_account
