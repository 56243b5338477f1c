"""Tokens of the API: only their hashes are kept. Made and revoked by the command line, looked up at every request."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from cdr_pipeline.warehouse.accounts.accounts import Account
from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import statement

Scope = Literal["read", "upload", "admin"]
# 256 bits, as long as the switch's own API keys: too many to guess, so that a plain hash keeps them safe.
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """What the warehouse knows of a token; never the token itself.

    Attributes:
        account_id: the top of the subtree that it opens.
        token_id: its name, no secret.
        scope: read; upload, which includes read; or admin, which includes both and hands out no more than it has.
        label: for people: whose it is.
        created_at, expires_at, revoked_at: its life.
    """

    account_id: str
    token_id: str
    scope: Scope
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def alive(self, now: datetime) -> bool:
        """Whether it opens anything at that time."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Authorized:
    """A request's token, and the account it asks for where that lies in the token's subtree."""

    token: Token
    account: Account | None


def digest_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token() -> str:
    """A fresh token: 64 hexadecimal digits."""
    return secrets.token_hex(_TOKEN_BYTES)


class TokenTable(LedgerTables):
    """Tokens, for the command line and for logging in."""

    def create(
        self,
        *,
        account_id: str,
        scope: Scope,
        label: str,
        now: datetime,
        expires_at: datetime,
        parent_token_id: str | None = None,
    ) -> tuple[str, str]:
        """A new token and its id; the token is shown once and cannot be read again.

        Args:
            account_id: the top of the subtree.
            scope: what it may do.
            label: for people.
            now: time of creation.
            expires_at: its end.
            parent_token_id: the key that it was bought with; revoking that one ends this one too.
        """
        token, token_id = new_token(), secrets.token_hex(8)
        self._execute(
            "accounts/add_token",
            account_id=account_id,
            token_id=token_id,
            parent_token_id=parent_token_id,
            digest=digest_of(token),
            scope=scope,
            label=label,
            now=now,
            expires_at=expires_at,
        )
        return token, token_id

    def tokens(self) -> list[Token]:
        """All tokens that were made by hand, by account and age."""
        return [Token(**row) for row in self._rows("accounts/tokens")]

    def forget_expired(self, *, now: datetime) -> None:
        """Deletes tokens that were bought and have ended; those made by hand stay on record."""
        self._execute("accounts/forget_expired_tokens", now=now)

    def revoke(self, token_id: str, *, now: datetime) -> bool:
        """Ends a token and those bought with it; False when there is none alive of that id."""
        return bool(self._execute("accounts/revoke_token", token_id=token_id, now=now))


async def authorize(connection: AsyncConnection[Any], token: str, account_id: str | None) -> Authorized | None:
    """Who asks, and for what; None for a token that is unknown. Whether it is alive is for the caller to say."""
    digest = digest_of(token)
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("accounts/authorize"), {"digest": digest, "account_id": account_id})
        row = await cursor.fetchone()
    if row is None or not hmac.compare_digest(row["digest"], digest):
        return None
    known = {name: row[name] for name in ("account_id", "token_id", "scope", "label", "created_at", "expires_at")}
    account = None
    if row["target_id"] is not None:
        account = Account(
            row["target_id"],
            row["target_name"],
            row["target_parent_id"],
            row["target_time_zone"],
            row["target_country_code"],
        )
    return Authorized(Token(**known, revoked_at=row["revoked_at"]), account)


async def find_children(
    connection: AsyncConnection[Any], account_id: str, *, deep: bool, after: str, limit: int
) -> list[dict[str, Any]]:
    """Accounts below one: ``account_id, name, parent_id, time_zone, tree``."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            statement("accounts/children"),
            {"account_id": account_id, "deep": deep, "after": after, "row_limit": limit},
        )
        return await cursor.fetchall()


async def cursor_secret(connection: AsyncConnection[Any]) -> bytes:
    """The key that signs cursors, the same for every server of a warehouse."""
    cursor = await connection.execute(statement("accounts/cursor_secret"))
    row = await cursor.fetchone()
    return bytes.fromhex(row[0]) if row else b""
