"""Logins of users over the API, with name and password hashed as clients of a switch send them.

Such a client sends the MD5 or SHA-1 digest of "name:password", which is as good as the password. The warehouse stores
only a slow hash of each digest. The name is a part of what is hashed, so equal passwords have different hashes.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.tokens import Scope
from cdr_pipeline.warehouse.accounts.users import Role
from cdr_pipeline.warehouse.ledger import Ledger

# Memory and time of one hash: 16 MiB, about 50 ms.
_COST: Final = 2**14
_BLOCK: Final = 8
_MEMORY: Final = 64 * 1024 * 1024
_DIGESTS: Final = ("md5", "sha1")
_SCOPES: Final[dict[Role, Scope]] = {"viewer": "read", "finance": "upload", "approver": "upload", "operator": "upload"}
# Lifetime of a token, as on the switch.
TOKEN_LIFE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """Credentials of a login, and name or realm of the account."""

    credentials: str
    account_name: str | None = None
    account_realm: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A new token and what clients of a switch read about it.

    Attributes:
        token: the token; shown once.
        account_id, account_name: account whose subtree the token gives access to.
        scope: what the token permits.
        owner_id: the user; None for a token of an API key.
        reseller_id: account above; the account itself at the top of the tree.
        is_reseller: whether the account has accounts below it.
    """

    token: str
    account_id: str
    account_name: str
    scope: Scope
    owner_id: str | None
    reseller_id: str
    is_reseller: bool


def api_credentials(name: str, password: str, ledger: Ledger) -> tuple[str, ...]:
    """Hashes of the digests that clients send: of the name as it is and, as Kazoo documents, in lower case."""
    texts = [f"{spelling}:{password}".encode() for spelling in sorted({name, name.lower()})]
    sent = [hashlib.new(digest, text, usedforsecurity=False).hexdigest() for digest in _DIGESTS for text in texts]
    salt = ledger.tokens.secret()
    return tuple(_hashed(digest, salt) for digest in sent)


def log_in(request: PasswordLogin, ctx: RunContext) -> LoggedIn | None:
    """Logs a user in to an account that the user sees; None if credentials or account are wrong."""
    if not ctx.settings.password_sign_in:
        return None
    now = ctx.clock()
    with ctx.ledger() as ledger:
        hashed = _hashed(request.credentials.lower(), ledger.tokens.secret())
        user = ledger.users.find_by_api_credentials(hashed)
        if user is None:
            return None
        named = ledger.accounts.named(name=request.account_name, realm=request.account_realm)
        if user.account_id is not None:
            visible = ledger.accounts.subtree(user.account_id)
            named = [account_id for account_id in named if account_id in visible]
        # Of several accounts of one name, only the user's own is meant without doubt.
        chosen = user.account_id if user.account_id in named else named[0] if len(named) == 1 else None
        if chosen is None:
            return None
        scope = _SCOPES[user.role]
        with ledger.transaction():
            ledger.tokens.forget_expired(now=now)
            token, _ = ledger.tokens.create(
                account_id=chosen, scope=scope, label="", now=now, expires_at=now + TOKEN_LIFE, user_id=user.user_id
            )
        return logged_in(token, chosen, scope, ledger, owner_id=user.user_id)


def logged_in(token: str, account_id: str, scope: Scope, ledger: Ledger, *, owner_id: str | None = None) -> LoggedIn:
    """Description of a new token."""
    account = ledger.accounts.find_account(account_id)
    assert account is not None  # noqa: S101 - accounts are never deleted
    below = ledger.accounts.subtree(account_id)
    return LoggedIn(
        token,
        account_id,
        account.name,
        scope,
        owner_id,
        reseller_id=account.parent_id or account_id,
        is_reseller=len(below) > 1,
    )


def _hashed(digest: str, salt: bytes) -> str:
    return hashlib.scrypt(digest.encode(), salt=salt, n=_COST, r=_BLOCK, p=1, maxmem=_MEMORY, dklen=32).hex()
