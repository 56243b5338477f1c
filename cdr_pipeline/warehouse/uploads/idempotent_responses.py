"""Stored responses to requests with an Idempotency-Key: a repeated request gets the first response."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg.types.json import Jsonb

from cdr_pipeline.warehouse.statement_runner import LedgerTables

# How long a response is repeated. After that, the content of the upload leads to the same result.
KEPT: Final = timedelta(hours=24)
# A request that holds a key longer than this is considered dead.
_LEASE: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """Result of the first request with a key.

    Attributes:
        state: ``working`` while the first request runs, ``other`` if the key was used for a different request,
            ``done`` if there is a response.
        status: HTTP status of the response; 0 without one.
        answer: body of the response; None without one.
    """

    state: Literal["working", "other", "done"]
    status: int = 0
    answer: dict[str, Any] | None = None


class IdempotentResponses(LedgerTables):
    """Stored responses by account and hash of the client's key."""

    def begin(self, *, account_id: str, key: str, fingerprint: str, now: datetime) -> StoredResponse | None:
        """Claims the key for a request.

        Returns:
            None if this request now holds the key, else the state of the first request with this key.
        """
        digest = _digest(key)
        claimed = self._execute(
            "uploads/claim_key",
            account_id=account_id, key_digest=digest, fingerprint=fingerprint, now=now,
            forgotten=now - KEPT, died=now - _LEASE,
        )  # fmt: skip
        if claimed:
            return None
        rows = self._rows("uploads/stored_response", account_id=account_id, key_digest=digest)
        if not rows:
            return StoredResponse("working")
        row = rows[0]
        if row["fingerprint"] != fingerprint:
            return StoredResponse("other")
        return StoredResponse(row["state"], row["status"] or 0, row["answer"])

    def finish(self, *, account_id: str, key: str, status: int, answer: dict[str, Any]) -> None:
        """Stores the response to the request that holds the key."""
        self._execute(
            "uploads/store_response",
            account_id=account_id, key_digest=_digest(key), status=status, answer=Jsonb(answer),
        )  # fmt: skip

    def release(self, *, account_id: str, key: str) -> None:
        """Releases the key after its request failed, so that it can be retried."""
        self._execute("uploads/release_key", account_id=account_id, key_digest=_digest(key))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
