"""Users of the console, their one-time links and sessions, and the log of what they did.

The warehouse stores only hashes of links, sessions and passwords.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, get_args
from uuid import uuid4

from cdr_pipeline.warehouse.statement_runner import LedgerTables

Role = Literal["viewer", "finance", "approver", "operator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
LinkPurpose = Literal["invitation", "sign_in"]
# 256 bits cannot be guessed, so an unsalted hash is enough.
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class User:
    """A user of the console.

    Attributes:
        user_id: stable id.
        name: name that the user signs in with; recorded as the actor of decisions.
        role: what the user may do; each role includes those before it in ``ROLES``.
        account_id: root of the subtree that the user sees; None for all accounts.
        has_password: whether the user has accepted the invitation.
        created_at, signed_in_at, disabled_at: times of creation, last sign-in, and the end of access.
    """

    user_id: str
    name: str
    role: Role
    account_id: str | None
    has_password: bool
    created_at: datetime
    signed_in_at: datetime | None = None
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SessionUser:
    """User of a valid session."""

    user_id: str
    name: str
    role: Role
    account_id: str | None
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class UsedLink:
    """User and purpose of a link."""

    user_id: str
    purpose: LinkPurpose


@dataclass(frozen=True, slots=True)
class ConsoleEvent:
    """One act of a user. ``subject`` names what was changed, without numbers and names of callers."""

    happened_at: datetime
    user_name: str
    action: str
    account_id: str | None
    business_date: date | None
    subject: str
    reason: str


def new_secret() -> str:
    """Generates the secret of a link or a session."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class UserTable(LedgerTables):
    """Users of the console, by id."""

    def add(self, name: str, role: Role, account_id: str | None, *, now: datetime) -> bool:
        """Adds a user without a password; False if a user of this name exists."""
        return bool(
            self.statements.execute(
                "accounts/add_user",
                user_id=secrets.token_hex(8),
                name=name,
                role=role,
                account_id=account_id,
                now=now,
            )
        )

    def all(self) -> list[User]:
        """All users by name, including disabled ones."""
        return self.statements.records(User, "accounts/users", user_id=None, name=None)

    def find(self, *, user_id: str | None = None, name: str | None = None) -> User | None:
        """The user of an id or a name; upper and lower case of names are equal."""
        if user_id is None and name is None:
            return None
        return next(iter(self.statements.records(User, "accounts/users", user_id=user_id, name=name)), None)

    def find_by_identity(self, issuer: str, subject: str) -> User | None:
        """The user who is bound to a person of an identity provider."""
        rows = self.statements.rows("accounts/user_of_identity", issuer=issuer, subject=subject)
        return self.find(user_id=rows[0]["user_id"]) if rows else None

    def bind_identity(self, user_id: str, issuer: str, subject: str) -> bool:
        """Binds a user to a person of an identity provider; False if the user is bound to another one."""
        return bool(self.statements.execute("accounts/bind_identity", user_id=user_id, issuer=issuer, subject=subject))

    def change(self, user: User) -> None:
        """Changes role, account and access of a user."""
        self.statements.execute(
            "accounts/change_user",
            user_id=user.user_id,
            role=user.role,
            account_id=user.account_id,
            disabled_at=user.disabled_at,
        )

    def password_hash(self, user_id: str) -> str | None:
        """Hash of the user's password; None without one."""
        rows = self.statements.rows("accounts/password_hash", user_id=user_id)
        return rows[0]["password_hash"] if rows else None

    def lacks_api_credentials(self, user_id: str) -> bool:
        """Whether the password was stored without the hashes that logins over the API are compared with."""
        rows = self.statements.rows("accounts/lacks_api_credentials", user_id=user_id)
        return bool(rows and rows[0]["lacks"])

    def find_by_api_credentials(self, credentials: str) -> User | None:
        """The active user whose name and password have a hash of ``set_password``."""
        rows = self.statements.rows("accounts/user_of_api_credentials", credentials=credentials)
        return self.find(user_id=rows[0]["user_id"]) if rows else None

    def set_password(self, user_id: str, password_hash: str, api_credentials: Sequence[str]) -> None:
        """Replaces the hashes of the user's password.

        Args:
            user_id: id of the user.
            password_hash: hash of the password.
            api_credentials: hashes of name and password as clients of the API send them.
        """
        self.statements.execute(
            "accounts/set_password",
            user_id=user_id,
            password_hash=password_hash,
            api_credentials=list(api_credentials),
        )

    def add_link(self, user_id: str, purpose: LinkPurpose, *, now: datetime, expires_at: datetime) -> str:
        """Creates a one-time link and returns its secret. Earlier unused links of the user become invalid."""
        secret = new_secret()
        self.statements.execute("accounts/cancel_links", user_id=user_id, now=now)
        self.statements.execute(
            "accounts/add_link",
            digest=_digest(secret),
            user_id=user_id,
            purpose=purpose,
            now=now,
            expires_at=expires_at,
        )
        return secret

    def find_link(self, secret: str, *, now: datetime) -> UsedLink | None:
        """User and purpose of an unused link; None for any other secret."""
        rows = self.statements.records(UsedLink, "accounts/find_link", digest=_digest(secret), now=now)
        return rows[0] if rows else None

    def use_link(self, secret: str, *, now: datetime) -> bool:
        """Uses a link; False if it was used before or has expired."""
        return bool(self.statements.execute("accounts/use_link", digest=_digest(secret), now=now))

    def add_session(self, user_id: str, *, now: datetime, expires_at: datetime) -> str:
        """Creates a session and returns its secret."""
        secret = new_secret()
        self.statements.execute(
            "accounts/add_session", digest=_digest(secret), user_id=user_id, now=now, expires_at=expires_at
        )
        self.statements.execute("accounts/note_sign_in", user_id=user_id, now=now)
        return secret

    def find_session(self, secret: str, *, now: datetime, idle_since: datetime) -> SessionUser | None:
        """User of a valid session that was used after ``idle_since``; None for any other secret."""
        rows = self.statements.records(
            SessionUser, "accounts/find_session", digest=_digest(secret), now=now, idle_since=idle_since
        )
        return rows[0] if rows else None

    def touch_session(self, secret: str, *, now: datetime) -> None:
        """Records that a session is in use."""
        self.statements.execute("accounts/touch_session", digest=_digest(secret), now=now)

    def end_session(self, secret: str, *, now: datetime) -> None:
        """Ends a session."""
        self.statements.execute("accounts/end_session", digest=_digest(secret), now=now)

    def end_sessions(self, user_id: str, *, now: datetime) -> None:
        """Ends all sessions and tokens of a user and makes unused links invalid."""
        self.statements.execute("accounts/end_sessions", user_id=user_id, now=now)
        self.statements.execute("accounts/cancel_links", user_id=user_id, now=now)
        self.statements.execute("accounts/revoke_user_tokens", user_id=user_id, now=now)

    def forget_sessions(self, *, before: datetime) -> None:
        """Deletes sessions and links that expired before an instant."""
        self.statements.execute("accounts/forget_sessions", before=before)

    def record_event(
        self,
        user_id: str,
        action: str,
        *,
        now: datetime,
        account_id: str | None = None,
        business_date: date | None = None,
        subject: str = "",
        reason: str = "",
    ) -> None:
        """Records what a user did."""
        self.statements.execute(
            "accounts/add_console_event",
            event_id=uuid4(),
            now=now,
            user_id=user_id,
            action=action,
            account_id=account_id,
            business_date=business_date,
            subject=subject,
            reason=reason,
        )

    def events(
        self,
        account_ids: Sequence[str] | None,
        *,
        business_date: date | None = None,
        actions: Sequence[str] | None = None,
        user_name: str | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        most: int | None = 200,
    ) -> list[ConsoleEvent]:
        """What users did, newest first.

        Args:
            account_ids: accounts of the events; None for all, and for events without an account.
            business_date: day of the events; None for any.
            actions: actions of the events; None for any.
            user_name: part of the user's name; None for any.
            from_time: first instant of the events; None for any.
            to_time: end of the events' times, exclusive; None for any.
            most: maximum number of events; None for all.
        """
        return self.statements.records(
            ConsoleEvent,
            "accounts/console_events",
            account_ids=None if account_ids is None else list(account_ids),
            business_date=business_date,
            actions=None if actions is None else list(actions),
            user_name=user_name,
            from_time=from_time,
            to_time=to_time,
            most=most,
        )
