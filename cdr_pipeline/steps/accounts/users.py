"""Users of the console: invitations, passwords, sign-in, sessions and roles."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from pwdlib import PasswordHash

from cdr_pipeline.errors import ConfigurationError, SignInRefused
from cdr_pipeline.steps.accounts.user_logins import api_credentials
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.tokens import Token
from cdr_pipeline.warehouse.accounts.users import ROLES, ConsoleEvent, Role, SessionUser, User
from cdr_pipeline.warehouse.ledger import Account, Ledger

_INVITATION: Final = timedelta(days=7)
_SIGN_IN_LINK: Final = timedelta(minutes=15)
_SESSION: Final = timedelta(hours=12)
_IDLE: Final = timedelta(hours=1)
# A session's last use is recorded at most this often.
_TOUCHED_EVERY: Final = timedelta(minutes=1)
_LONGEST_NAME: Final = 100
SHORTEST_PASSWORD: Final = 12
_LONGEST_PASSWORD: Final = 1_000


class Permission(StrEnum):
    """What a user may do."""

    VIEW = "view"
    EXACT_FILES = "exact_files"
    DECIDE = "decide"
    UPLOAD = "upload"
    OVERRIDE = "override"
    OPERATE = "operate"


_ROLES: Final[dict[str, Role]] = {
    "viewer": "viewer", "finance": "finance", "approver": "approver", "operator": "operator",
}  # fmt: skip
# The least role that has a permission.
_LEAST_ROLE: Final[dict[Permission, Role]] = {
    Permission.VIEW: "viewer",
    Permission.EXACT_FILES: "finance",
    Permission.DECIDE: "finance",
    Permission.UPLOAD: "finance",
    Permission.OVERRIDE: "approver",
    Permission.OPERATE: "operator",
}


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Signed-in user of a request.

    Attributes:
        user_id, name, role: user and role.
        accounts: ids of the accounts that the user sees.
        everything: whether the user sees all accounts, including those that are added later.
        visible: these accounts by id.
    """

    user_id: str
    name: str
    role: Role
    accounts: tuple[str, ...]
    everything: bool
    visible: Mapping[str, Account] = field(default_factory=dict[str, Account], repr=False)

    def may(self, permission: Permission) -> bool:
        """Whether the role includes the permission."""
        return ROLES.index(self.role) >= ROLES.index(_LEAST_ROLE[permission])


@dataclass(frozen=True, slots=True)
class UserRequest:
    """A user to invite: name, role, and root of the visible subtree (None for all accounts)."""

    name: str
    role: str
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time link. ``secret`` is its last part and is shown once."""

    user: User
    secret: str
    expires_at: datetime


def invite_user(request: UserRequest, ctx: RunContext) -> Invitation:
    """Adds a user and creates the link with which the user chooses a password.

    A user who has not accepted the invitation yet, or has forgotten the password, gets a new link; role and account
    must then be those of the user.

    Raises:
        ConfigurationError: the name or role is invalid, or a user of this name has another role or account.
        AccountNotFound: the account is not registered.
    """
    name = request.name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ConfigurationError(f"a name has 1 to {_LONGEST_NAME} printable characters")
    role = _role(request.role)
    now = ctx.clock()
    with ctx.ledger() as ledger:
        if request.account_id is not None:
            ledger.accounts.active([request.account_id])
        with ledger.transaction():
            user = _known_or_new(name, role, request.account_id, ledger, now)
            secret = ledger.users.add_link(user.user_id, "invitation", now=now, expires_at=now + _INVITATION)
    return Invitation(user, secret, now + _INVITATION)


def _role(name: str) -> Role:
    if name not in _ROLES:
        raise ConfigurationError(f"a role is one of: {', '.join(ROLES)}")
    return _ROLES[name]


def _known_or_new(name: str, role: Role, account_id: str | None, ledger: Ledger, now: datetime) -> User:
    if ledger.users.add(name, role, account_id, now=now):
        added = ledger.users.find(name=name)
        assert added is not None  # noqa: S101 - added in this transaction
        return added
    known = ledger.users.find(name=name)
    assert known is not None  # noqa: S101 - users are never deleted
    if (known.role, known.account_id) != (role, account_id) or known.disabled_at is not None:
        raise ConfigurationError(
            f"a user of this name exists with role {known.role} and "
            + (f"account {known.account_id}" if known.account_id else "all accounts")
            + (", and is disabled" if known.disabled_at else ""),
            hint="'cdr-pipeline users change' changes a user",
        )
    return known


def sign_in_link(name: str, ctx: RunContext) -> Invitation:
    """Creates a link that signs the user in once, without a password, within some minutes.

    For the person who runs the server on this machine, and for users who sign in by other means.

    Raises:
        SignInRefused: no user of this name exists, or the user is disabled.
    """
    now = ctx.clock()
    with ctx.ledger() as ledger, ledger.transaction():
        user = ledger.users.find(name=name)
        if user is None or user.disabled_at is not None:
            raise SignInRefused(
                "there is no active user of this name", hint="'cdr-pipeline users list' shows all users"
            )
        secret = ledger.users.add_link(user.user_id, "sign_in", now=now, expires_at=now + _SIGN_IN_LINK)
    return Invitation(user, secret, now + _SIGN_IN_LINK)


def local_sign_in_link(name: str, ctx: RunContext) -> Invitation:
    """``sign_in_link`` for the person who runs the server; adds that user as an operator of all accounts if needed."""
    with ctx.ledger() as ledger:
        ledger.users.add(name, "operator", None, now=ctx.clock())
    return sign_in_link(name, ctx)


def find_link(secret: str, ctx: RunContext) -> User | None:
    """User of an unused invitation; None for a used, expired or unknown link."""
    with ctx.ledger() as ledger:
        link = ledger.users.find_link(secret, now=ctx.clock())
        if link is None or link.purpose != "invitation":
            return None
        return ledger.users.find(user_id=link.user_id)


def accept_invitation(secret: str, password: str, ctx: RunContext) -> str:
    """Sets the password of an invited user, ends all other sessions, and returns the secret of a new session.

    Raises:
        SignInRefused: the link is unknown, used or expired, the password is too short, or passwords are switched off.
    """
    _require_passwords(ctx)
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise SignInRefused(f"a password has at least {SHORTEST_PASSWORD} characters")
    hashed = _hasher().hash(password)
    now = ctx.clock()
    with ctx.ledger() as ledger, ledger.transaction():
        link = ledger.users.find_link(secret, now=now)
        if link is None or link.purpose != "invitation" or not ledger.users.use_link(secret, now=now):
            raise SignInRefused("this link was used before or has expired", hint="ask an operator for a new one")
        user = ledger.users.find(user_id=link.user_id)
        assert user is not None  # noqa: S101 - users are never deleted
        ledger.users.set_password(user.user_id, hashed, api_credentials(user.name, password, ledger))
        ledger.users.end_sessions(link.user_id, now=now)
        return start_session(link.user_id, ledger, now)


def follow_sign_in_link(secret: str, ctx: RunContext) -> str:
    """Uses a sign-in link and returns the secret of a new session. Raises SignInRefused."""
    now = ctx.clock()
    with ctx.ledger() as ledger, ledger.transaction():
        link = ledger.users.find_link(secret, now=now)
        if link is None or link.purpose != "sign_in" or not ledger.users.use_link(secret, now=now):
            raise SignInRefused("this link was used before or has expired", hint="create a new link")
        return start_session(link.user_id, ledger, now)


def sign_in(name: str, password: str, ctx: RunContext) -> str:
    """Checks a password and returns the secret of a new session.

    Takes as long for an unknown name as for a known one.

    Raises:
        SignInRefused: name or password is wrong; the message does not say which. Or passwords are switched off.
    """
    _require_passwords(ctx)
    now = ctx.clock()
    with ctx.ledger() as ledger:
        user = ledger.users.find(name=name)
        active = user is not None and user.disabled_at is None
        known_hash = ledger.users.password_hash(user.user_id) if user is not None and active else None
        valid, renewed = _hasher().verify_and_update(password[:_LONGEST_PASSWORD], known_hash or _unused_hash())
        if user is None or known_hash is None or not valid:
            raise SignInRefused("name or password is wrong")
        with ledger.transaction():
            if renewed is not None or ledger.users.lacks_api_credentials(user.user_id):
                hashes = api_credentials(user.name, password, ledger)
                ledger.users.set_password(user.user_id, renewed or known_hash, hashes)
            return start_session(user.user_id, ledger, now)


def _require_passwords(ctx: RunContext) -> None:
    if not ctx.settings.password_sign_in:
        raise SignInRefused("sign-in by password is switched off", hint="sign in with the identity provider")


def start_session(user_id: str, ledger: Ledger, now: datetime) -> str:
    """Secret of a new session of a user whose identity has been checked."""
    ledger.users.forget_sessions(before=now - _INVITATION)
    return ledger.users.add_session(user_id, now=now, expires_at=now + _SESSION)


def signed_in(secret: str, ctx: RunContext) -> SignedIn | None:
    """User of a session and the accounts that the user sees; None if the session is not valid."""
    now = ctx.clock()
    with ctx.ledger() as ledger:
        session = ledger.users.find_session(secret, now=now, idle_since=now - _IDLE)
        if session is None:
            return None
        if now - session.last_used_at > _TOUCHED_EVERY:
            ledger.users.touch_session(secret, now=now)
        return _with_accounts(session, ledger)


def user_of_token(token: Token, ctx: RunContext) -> SignedIn | None:
    """User who requested a token with a password, and the accounts of the token that the user sees now.

    Returns:
        None for a token that names no user, or whose user has no access any more.
    """
    with ctx.ledger() as ledger:
        user_id = ledger.tokens.user_of(token)
        user = ledger.users.find(user_id=user_id) if user_id else None
        if user is None or user.disabled_at is not None:
            return None
        signed = _with_accounts(SessionUser(user.user_id, user.name, user.role, user.account_id, ctx.clock()), ledger)
        below = set(ledger.accounts.subtree(token.account_id))
    visible = {account_id: account for account_id, account in signed.visible.items() if account_id in below}
    return replace(signed, accounts=tuple(visible), everything=False, visible=visible)


def _with_accounts(session: SessionUser, ledger: Ledger) -> SignedIn:
    known = ledger.accounts.all()
    everything = session.account_id is None
    if session.account_id is not None:
        below = set(ledger.accounts.subtree(session.account_id))
        known = [account for account in known if account.account_id in below]
    visible = {account.account_id: account for account in known}
    return SignedIn(session.user_id, session.name, session.role, tuple(visible), everything, visible)


def sign_out(secret: str, ctx: RunContext) -> None:
    """Ends a session."""
    with ctx.ledger() as ledger:
        ledger.users.end_session(secret, now=ctx.clock())


def list_users(ctx: RunContext) -> list[User]:
    """All users by name, including disabled ones."""
    with ctx.ledger() as ledger:
        return ledger.users.all()


def change_user(
    name: str, ctx: RunContext, *, role: str | None = None, account_id: str | None = None, disabled: bool | None = None
) -> User:
    """Changes role, account or access of a user and ends the user's sessions.

    Args:
        name: name of the user.
        ctx: settings, warehouse, clock and progress callback.
        role: new role; unchanged when omitted.
        account_id: new root of the visible subtree; empty for all accounts; unchanged when omitted.
        disabled: whether access ends; unchanged when omitted.

    Raises:
        ConfigurationError: the user or the role does not exist.
        AccountNotFound: the account is not registered.
    """
    now = ctx.clock()
    with ctx.ledger() as ledger, ledger.transaction():
        user = ledger.users.find(name=name)
        if user is None:
            raise ConfigurationError("there is no user of this name", hint="'cdr-pipeline users list' shows all users")
        if role is not None:
            user = replace(user, role=_role(role))
        if account_id:
            ledger.accounts.active([account_id])
        if account_id is not None:
            user = replace(user, account_id=account_id or None)
        if disabled is not None:
            user = replace(user, disabled_at=(user.disabled_at or now) if disabled else None)
        ledger.users.change(user)
        ledger.users.end_sessions(user.user_id, now=now)
    return user


def record_event(
    user: SignedIn,
    action: str,
    ctx: RunContext,
    *,
    account_id: str | None = None,
    business_date: date | None = None,
    subject: str = "",
    reason: str = "",
) -> None:
    """Records what a user did. ``subject`` must not contain numbers or names of callers."""
    with ctx.ledger() as ledger:
        ledger.users.record_event(
            user.user_id,
            action,
            now=ctx.clock(),
            account_id=account_id,
            business_date=business_date,
            subject=subject,
            reason=reason,
        )


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which acts to list.

    Attributes:
        account_id: account of the acts; empty for all that the user sees.
        business_date: day that the acts are about; None for any.
        user_name: part of the name of who acted; empty for any.
        first_date, last_date: days (UTC) of the acts; None for any.
    """

    account_id: str = ""
    business_date: date | None = None
    user_name: str = ""
    first_date: date | None = None
    last_date: date | None = None


def list_events(
    user: SignedIn, ctx: RunContext, wanted: EventFilter | None = None, *, most: int | None = 200
) -> list[ConsoleEvent]:
    """The newest acts of users on the accounts that the user sees; at most ``most``, or all for None."""
    wanted = wanted or EventFilter()
    visible = None if user.everything else user.accounts
    if wanted.account_id:
        visible = [wanted.account_id] if wanted.account_id in user.visible else []
    with ctx.ledger() as ledger:
        return ledger.users.events(
            visible,
            business_date=wanted.business_date,
            user_name=wanted.user_name or None,
            from_time=_midnight(wanted.first_date),
            to_time=_midnight(wanted.last_date and wanted.last_date + timedelta(days=1)),
            most=most,
        )


def _midnight(day: date | None) -> datetime | None:
    return day and datetime.combine(day, time(), UTC)


@lru_cache(1)
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@lru_cache(1)
def _unused_hash() -> str:
    """A hash that costs as much to check as that of a user."""
    return _hasher().hash("unused")
