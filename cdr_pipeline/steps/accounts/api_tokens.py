"""Tokens of the API: keys that operators create and revoke, and short-lived tokens that clients request with a key."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, get_args

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.steps.accounts.user_logins import LoggedIn, logged_in
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.tokens import Scope, Token

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_LONGEST_DAYS: Final = 3_650
_LONGEST_LABEL: Final = 100


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token to create: top account of its subtree, scope, label of its user, and lifetime in days."""

    account_id: str
    scope: str
    label: str
    days: int


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """A new token. ``token`` is shown once; the warehouse stores only its hash."""

    token: str
    token_id: str
    expires_at: datetime


def create_token(request: TokenRequest, ctx: RunContext) -> CreatedToken:
    """Creates a token.

    Raises:
        AccountNotFound: the account is not registered.
        ConfigurationError: scope, label or lifetime is invalid.
    """
    if request.scope not in SCOPES:
        raise ConfigurationError(f"a scope is one of: {', '.join(SCOPES)}")
    if not 1 <= request.days <= _LONGEST_DAYS:
        raise ConfigurationError(f"a token lives 1 to {_LONGEST_DAYS} days")
    if len(request.label) > _LONGEST_LABEL:
        raise ConfigurationError(f"a label has at most {_LONGEST_LABEL} characters")
    now = ctx.clock()
    expires_at = now + timedelta(days=request.days)
    with ctx.ledger() as ledger:
        (account,) = ledger.accounts.active([request.account_id])
        token, token_id = ledger.tokens.create(
            account_id=account.account_id,
            scope=request.scope,
            label=request.label,
            now=now,
            expires_at=expires_at,
        )
    return CreatedToken(token, token_id, expires_at)


def issue_token(key: Token, expires_at: datetime, ctx: RunContext) -> LoggedIn:
    """Creates a short-lived token with the account and scope of its key. Revoking the key ends it too."""
    with ctx.ledger() as ledger:
        tokens = ledger.tokens
        tokens.forget_expired(now=ctx.clock())
        token, _ = tokens.create(
            account_id=key.account_id,
            scope=key.scope,
            label="",
            now=ctx.clock(),
            expires_at=expires_at,
            parent_token_id=key.token_id,
        )
        return logged_in(token, key.account_id, key.scope, ledger)


def describe_token(token: Token, ctx: RunContext) -> LoggedIn:
    """What the login answered that a token comes from, without the token."""
    with ctx.ledger() as ledger:
        return logged_in("", token.account_id, token.scope, ledger, owner_id=ledger.tokens.user_of(token))


def list_tokens(ctx: RunContext) -> list[Token]:
    """Tokens created by operators, ordered by account and age, without their secrets."""
    with ctx.ledger() as ledger:
        return ledger.tokens.tokens()


def tokens_below(account_id: str, ctx: RunContext) -> list[Token]:
    """Tokens that operators or programs created for an account and those below it, by account and age."""
    with ctx.ledger() as ledger:
        below = set(ledger.accounts.subtree(account_id))
        return [token for token in ledger.tokens.tokens() if token.account_id in below]


def rotate_token(token: Token, overlap: timedelta, ctx: RunContext) -> CreatedToken:
    """Creates a token like another one, which then expires after the overlap, so that clients can change over.

    Args:
        token: the token to replace.
        overlap: time for which both are valid.
        ctx: settings, warehouse and clock.
    """
    now = ctx.clock()
    with ctx.ledger() as ledger, ledger.transaction():
        expires_at = now + (token.expires_at - token.created_at)
        new, token_id = ledger.tokens.create(
            account_id=token.account_id, scope=token.scope, label=token.label, now=now, expires_at=expires_at
        )
        ledger.tokens.shorten(token.token_id, expires_at=now + overlap)
    return CreatedToken(new, token_id, expires_at)


def record_use(token_ids: Collection[str], ctx: RunContext) -> None:
    """Records that tokens were used just now."""
    with ctx.ledger() as ledger:
        ledger.tokens.record_use(token_ids, now=ctx.clock())


def revoke_token(token_id: str, ctx: RunContext) -> bool:
    """Revokes a token and the tokens requested with it. Returns False when no valid token has that id."""
    with ctx.ledger() as ledger:
        return ledger.tokens.revoke(token_id, now=ctx.clock())
