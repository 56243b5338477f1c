"""Stored responses to requests with an Idempotency-Key: a repeated request gets the first response."""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg.types.json import Jsonb

from cdr_pipeline.warehouse.statement_runner import LedgerTables

# How long a response is repeated. After that, the content of the upload leads to the same result.
KEPT: Final = timedelta(hours=24)
# A request that holds a key longer than this loses it, even if its session is still connected.
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


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A request's claim on a key. No later request gets the same ``claim_id``."""

    account_id: str
    key_digest: str
    claim_id: str


class IdempotentResponses(LedgerTables):
    """Stored responses by account and hash of the client's key."""

    def begin(self, *, account_id: str, key: str, fingerprint: str, now: datetime) -> KeyClaim | StoredResponse:
        """Claims the key for a request that runs over this connection.

        A claim ends with its connection, so that the client can retry at once after a worker was killed. A request that
        takes longer than its lease loses the claim to the next one and cannot store its response any more.

        Returns:
            The claim if this request now holds the key, else the state of the first request with this key.
        """
        row_key = {"account_id": account_id, "key_digest": _digest(key)}
        with self.connection.transaction():
            self.statements.execute("uploads/ensure_key", **row_key, fingerprint=fingerprint, now=now)
            (row,) = self.statements.rows("uploads/lock_key", **row_key)
            if self._taken(row, now):
                if row["fingerprint"] != fingerprint:
                    return StoredResponse("other")
                return StoredResponse(row["state"], row["status"] or 0, row["answer"])
            (session,) = self.statements.rows("collect/current_session")
            claim = KeyClaim(**row_key, claim_id=secrets.token_hex(16))
            self.statements.execute(
                "uploads/claim_key", **row_key, **session, fingerprint=fingerprint, now=now, claim_id=claim.claim_id
            )
        return claim

    def finish(self, claim: KeyClaim, *, status: int, answer: dict[str, Any]) -> bool:
        """Stores the response to a request. Returns false if another request has claimed the key since."""
        return bool(
            self.statements.execute("uploads/store_response", **asdict(claim), status=status, answer=Jsonb(answer))
        )

    def release(self, claim: KeyClaim) -> None:
        """Releases the key after its request failed, so that it can be retried."""
        self.statements.execute("uploads/release_key", **asdict(claim))

    def _taken(self, row: dict[str, Any], now: datetime) -> bool:
        """Whether a locked key has a response that is still kept, or a request that still runs."""
        if row["state"] == "done":
            return bool(row["asked_at"] >= now - KEPT)
        if row["holder_pid"] is None or row["asked_at"] < now - _LEASE:
            return False
        (session,) = self.statements.rows(
            "collect/session_alive", holder_pid=row["holder_pid"], holder_started=row["holder_started"]
        )
        return bool(session["alive"])


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
