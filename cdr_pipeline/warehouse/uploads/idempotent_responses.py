"""Answers to requests that carry an Idempotency-Key: the same request again gets the first answer."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg.types.json import Jsonb

from cdr_pipeline.warehouse.statement_runner import LedgerTables

# An answer is repeated for so long; afterwards the content itself gives the same result.
KEPT: Final = timedelta(hours=24)
# Whoever holds a key longer than this has died.
_LEASE: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """What became of the first request: still being worked on, another request, or its answer."""

    state: Literal["working", "other", "done"]
    status: int = 0
    answer: dict[str, Any] | None = None


class IdempotentResponses(LedgerTables):
    """Answers by account and the hash of the client's key."""

    def begin(self, *, account_id: str, key: str, fingerprint: str, now: datetime) -> StoredResponse | None:
        """Takes the key for a request; None when it is now this one's, else what is known of the first."""
        digest = _digest(key)
        taken = self._execute(
            "uploads/claim_key",
            account_id=account_id, key_digest=digest, fingerprint=fingerprint, now=now,
            forgotten=now - KEPT, died=now - _LEASE,
        )  # fmt: skip
        if taken:
            return None
        rows = self._rows("uploads/stored_response", account_id=account_id, key_digest=digest)
        if not rows:
            return StoredResponse("working")
        row = rows[0]
        if row["fingerprint"] != fingerprint:
            return StoredResponse("other")
        return StoredResponse(row["state"], row["status"] or 0, row["answer"])

    def finish(self, *, account_id: str, key: str, status: int, answer: dict[str, Any]) -> None:
        """Keeps the answer."""
        self._execute(
            "uploads/store_response",
            account_id=account_id, key_digest=_digest(key), status=status, answer=Jsonb(answer),
        )  # fmt: skip

    def release(self, *, account_id: str, key: str) -> None:
        """Gives the key back: the request failed, and may be tried again."""
        self._execute("uploads/release_key", account_id=account_id, key_digest=_digest(key))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
