"""API tokens: creation, revocation and the lookup that authorizes each request.

The warehouse stores only the hash of a token.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from cdr_pipeline.warehouse.accounts.accounts import Account
from cdr_pipeline.warehouse.statement_runner import LedgerTables
from cdr_pipeline.warehouse.statements import statement

Scope = Literal["read", "upload", "admin"]
# 256 bits, as long as the switch's own API keys. They cannot be guessed, so an unsalted hash is enough.
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Token:
    """Stored properties of a token; the token itself is not stored.

    Attributes:
        account_id: root of the subtree that the token gives access to.
        token_id: public id of the token.
        scope: read; upload, which includes read; or admin, which includes both and can create tokens.
        label: display name, such as the person or system that uses the token.
        created_at, expires_at, revoked_at: times of creation, expiry and revocation.
        last_used_at: time of the last use, to the minute; only in lists.
    """

    account_id: str
    token_id: str
    scope: Scope
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def alive(self, now: datetime) -> bool:
        """Whether the token is valid at ``now``: neither revoked nor expired."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Authorized:
    """Token of a request, and the requested account if it is in the token's subtree."""

    token: Token
    account: Account | None


def digest_of(token: str) -> str:
    """Hash of a token as the warehouse stores it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token() -> str:
    """Generates a token of 64 hexadecimal digits."""
    return secrets.token_hex(_TOKEN_BYTES)


def new_login_token(account_id: str, user_id: str | None, expires_at: datetime) -> str:
    """Generates a token in the form of a JSON Web Token, which portals of a switch decode to read whose token it is.

    Only the server can tell whether it is valid: its last part is as random as other tokens, not a signature.
    """
    claims = {"iss": "cdr_pipeline", "account_id": account_id, "exp": int(expires_at.timestamp())}
    if user_id is not None:
        claims["owner_id"] = user_id
    parts = [json.dumps(part).encode() for part in ({"typ": "JWT", "alg": "HS256"}, claims)]
    parts.append(secrets.token_bytes(_TOKEN_BYTES))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class TokenTable(LedgerTables):
    """API tokens, by account and token id."""

    def create(
        self,
        *,
        account_id: str,
        scope: Scope,
        label: str,
        now: datetime,
        expires_at: datetime,
        parent_token_id: str | None = None,
        user_id: str | None = None,
    ) -> tuple[str, str]:
        """Creates a token and returns it with its id; the token cannot be read again later.

        Args:
            account_id: root of the subtree that the token gives access to.
            scope: what the token permits.
            label: display name.
            now: time of creation.
            expires_at: time of expiry.
            parent_token_id: API key that requested this token; revoking the key revokes the token too.
            user_id: user who requested this token with a password.
        """
        requested = parent_token_id is not None or user_id is not None
        token = new_login_token(account_id, user_id, expires_at) if requested else new_token()
        token_id = secrets.token_hex(8)
        self.statements.execute(
            "accounts/add_token",
            account_id=account_id,
            token_id=token_id,
            parent_token_id=parent_token_id,
            user_id=user_id,
            digest=digest_of(token),
            scope=scope,
            label=label,
            now=now,
            expires_at=expires_at,
        )
        return token, token_id

    def tokens(self) -> list[Token]:
        """Tokens that an operator created, by account and age; tokens requested with a key or password are left out."""
        return self.statements.records(Token, "accounts/tokens")

    def secret(self) -> bytes:
        """A key that only this warehouse has."""
        (row,) = self.statements.rows("accounts/cursor_secret")
        return bytes.fromhex(row["secret"])

    def record_use(self, token_ids: Collection[str], *, now: datetime) -> None:
        """Records that tokens were used."""
        if token_ids:
            self.statements.execute("accounts/record_use_of_tokens", token_ids=sorted(token_ids), now=now)

    def shorten(self, token_id: str, *, expires_at: datetime) -> bool:
        """Lets a valid token expire at a time if it would be later. Returns whether there is one."""
        return bool(self.statements.execute("accounts/shorten_token", token_id=token_id, expires_at=expires_at))

    def user_of(self, token: Token) -> str | None:
        """Id of the user who requested a token with a password; None for other tokens."""
        rows = self.statements.tuples("accounts/user_of_token", account_id=token.account_id, token_id=token.token_id)
        return rows[0][0] if rows else None

    def forget_expired(self, *, now: datetime) -> None:
        """Deletes expired tokens that were requested with a key or password; tokens that an operator created stay."""
        self.statements.execute("accounts/forget_expired_tokens", now=now)

    def revoke(self, token_id: str, *, now: datetime) -> bool:
        """Revokes a token and the tokens requested with it; False if no valid token has this id."""
        return bool(self.statements.execute("accounts/revoke_token", token_id=token_id, now=now))


async def authorize(connection: AsyncConnection[Any], token: str, account_id: str | None) -> Authorized | None:
    """Looks up the token of a request and the account it asks for; None for an unknown token.

    The caller checks whether the token is still valid.
    """
    digest = digest_of(token)
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("accounts/authorize"), {"digest": digest, "account_id": account_id})
        row = await cursor.fetchone()
    if row is None or not hmac.compare_digest(row["digest"], digest):
        return None
    values = {name: row[name] for name in ("account_id", "token_id", "scope", "label", "created_at", "expires_at")}
    account = None
    if row["target_id"] is not None:
        account = Account(
            row["target_id"],
            row["target_name"],
            row["target_parent_id"],
            row["target_time_zone"],
            row["target_country_code"],
            realm=row["target_realm"],
        )
    return Authorized(Token(**values, revoked_at=row["revoked_at"]), account)


async def find_ancestors(connection: AsyncConnection[Any], account_id: str, top: str) -> list[dict[str, Any]]:
    """Accounts above an account up to ``top``, as rows of ``account_id, name``, from the top."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("accounts/ancestors"), {"account_id": account_id, "top": top})
        return await cursor.fetchall()


async def find_sharing_limits(connection: AsyncConnection[Any], account_id: str) -> list[str]:
    """An account and those above it, without a root that is above all accounts."""
    cursor = await connection.execute(statement("accounts/sharing_limits"), {"account_id": account_id})
    return [above_id for (above_id,) in await cursor.fetchall()]


async def find_children(
    connection: AsyncConnection[Any], account_id: str, *, deep: bool, after: str, limit: int
) -> list[dict[str, Any]]:
    """Accounts below an account, as rows of ``account_id, name, parent_id, time_zone, realm, tree``, by id.

    Args:
        connection: to the warehouse.
        account_id: parent account.
        deep: all levels instead of only the next one.
        after: id of the last account of the page before; empty for the first page.
        limit: largest number of rows.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            statement("accounts/children"),
            {"account_id": account_id, "deep": deep, "after": after, "row_limit": limit},
        )
        return await cursor.fetchall()


async def cursor_secret(connection: AsyncConnection[Any]) -> bytes:
    """Key that signs page cursors; all API servers of a warehouse share it."""
    cursor = await connection.execute(statement("accounts/cursor_secret"))
    row = await cursor.fetchone()
    return bytes.fromhex(row[0]) if row else b""
