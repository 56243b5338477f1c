"""The switch's token: requested with an API key or a user's credentials, and shared by all processes in a file.

A login costs 35 of the 100 requests that a switch allows in ten seconds, and repeated failures lock a user out.
Therefore one process logs in for all, and no process retries refused credentials for a minute.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import orjson

from cdr_pipeline.errors import ConfigurationError, UpstreamAuthError
from cdr_pipeline.files.durable import make_folder, write_file
from cdr_pipeline.files.lock import file_lock
from cdr_pipeline.settings import Settings

# After a refusal, no process tries the same credentials for this time.
_REFUSAL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """A fixed token, an API key, or a user's name and password.

    Attributes:
        token: used unchanged; it can be renewed only if an API key or a user is set too.
        api_key: API key of the account.
        user, password: credentials of a user of the account.
        account_name, account_realm: name or realm of the user's account; one of them is enough.
        method: hash function for user and password, md5 or sha.
    """

    token: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    account_name: str = ""
    account_realm: str = ""
    method: str = "md5"

    @classmethod
    def from_settings(cls, settings: Settings) -> "Credentials":
        """Reads the credentials from settings.

        Raises:
            ConfigurationError: no credentials are set, or those of a user are incomplete.
        """
        credentials = cls(
            token=settings.api_token.get_secret_value() if settings.api_token else "",
            api_key=settings.api_key.get_secret_value() if settings.api_key else "",
            user=settings.api_user or "",
            password=settings.api_password.get_secret_value() if settings.api_password else "",
            account_name=settings.api_account_name or "",
            account_realm=settings.api_account_realm or "",
            method=settings.api_user_method,
        )
        has_account = credentials.account_name or credentials.account_realm
        if credentials.user and not (credentials.password and has_account):
            raise ConfigurationError(
                "CDR_API_USER also needs CDR_API_PASSWORD and one of CDR_API_ACCOUNT_NAME and CDR_API_ACCOUNT_REALM"
            )
        if not (credentials.token or credentials.renewable):
            raise ConfigurationError("none of CDR_API_TOKEN, CDR_API_KEY and CDR_API_USER is set")
        return credentials

    @property
    def renewable(self) -> bool:
        """Whether a new token can be requested."""
        return bool(self.api_key or self.user)

    @property
    def setting(self) -> str:
        """Setting to check when the switch refuses the credentials."""
        return "CDR_API_KEY" if self.api_key else "CDR_API_USER and CDR_API_PASSWORD"

    def login(self) -> tuple[str, bytes]:
        """Route and body of the login request (Kazoo: api_auth, user_auth; user names in lower case)."""
        if self.api_key:
            return "api_auth", orjson.dumps({"data": {"api_key": self.api_key}})
        digest = hashlib.new("sha1" if self.method == "sha" else "md5", usedforsecurity=False)
        digest.update(f"{self.user.lower()}:{self.password}".encode())
        data = {"credentials": digest.hexdigest(), "method": self.method}
        if self.account_name:
            data["account_name"] = self.account_name
        else:
            data["account_realm"] = self.account_realm
        return "user_auth", orjson.dumps({"data": data})

    def fingerprint(self, base_url: str) -> str:
        """Name of the session of these credentials on a server: a hash that does not reveal them."""
        parts = (base_url, self.api_key, self.user.lower(), self.password, self.account_name, self.account_realm)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


class Login(NamedTuple):
    """Result of a login: the token, and the account of the credentials ("" if the switch did not name it)."""

    token: str
    account_id: str = ""


@dataclass(slots=True)
class Session:
    """The current token, for all threads and processes that share the folder.

    Attributes:
        credentials: credentials for the login.
        folder: folder of the session files, mode 0700; None keeps the token in memory.
        name: name of the session's file, without suffix.
        clock: Unix seconds.
    """

    credentials: Credentials
    folder: Path | None
    name: str
    clock: Callable[[], float] = time.time
    _token: str = field(default="", repr=False)
    _account_id: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def token(self) -> str:
        """The stored token, "" if a login is needed."""
        if self.credentials.token and not self._token:
            self._token = self.credentials.token
        if not self._token:
            self._token = self._stored().get("token", "")
        return self._token

    def renew(self, expired: str, log_in: Callable[[], Login]) -> str:
        """Returns a token other than the expired one: one that another process stored, or a new one.

        Args:
            expired: token that the switch refused, "" for none.
            log_in: requests a new token; raises UpstreamAuthError if the switch refuses the credentials.

        Raises:
            UpstreamAuthError: the switch refused the credentials now, or within the last minute in any process.
        """
        with self._lock, self._exclusive():
            if self._token not in ("", expired):
                return self._token
            stored = self._stored()
            if stored.get("token") and stored["token"] != expired:
                self._token = stored["token"]
                return self._token
            self._new_login(stored, log_in)
            return self._token

    def own_account(self, log_in: Callable[[], Login]) -> str:
        """Id of the account of the credentials, as the last login of any process named it; "" if it named none.

        Logs in only if no login has named the account so far. An expired token does not matter.

        Args:
            log_in: requests a new token; raises UpstreamAuthError if the switch refuses the credentials.

        Raises:
            UpstreamAuthError: the switch refused the credentials now, or within the last minute in any process.
        """
        with self._lock, self._exclusive():
            stored = self._stored()
            self._account_id = self._account_id or stored.get("account_id", "")
            if not self._account_id:
                self._new_login(stored, log_in)
            return self._account_id

    def _new_login(self, stored: dict[str, Any], log_in: Callable[[], Login]) -> None:
        """Logs in and stores the result. The caller holds the locks and passes the session's stored state."""
        if self.clock() - float(stored.get("refused_at", 0)) < _REFUSAL_SECONDS:
            raise UpstreamAuthError(
                "the switch refused these credentials less than a minute ago",
                hint=f"check {self.credentials.setting}; nothing was collected",
            )
        try:
            self._token, account_id = log_in()
        except UpstreamAuthError:
            self._store({"refused_at": self.clock()})
            raise
        self._account_id = account_id or self._account_id or stored.get("account_id", "")
        self._store({"token": self._token, "account_id": self._account_id})

    @contextmanager
    def _exclusive(self) -> Generator[None]:
        if self.folder is None:
            yield
            return
        make_folder(self.folder, levels=1)
        with file_lock(self.folder / f"{self.name}.lock"):
            yield

    def _stored(self) -> dict[str, Any]:
        if self.folder is None:
            return {}
        try:
            state = orjson.loads((self.folder / f"{self.name}.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return cast("dict[str, Any]", state) if isinstance(state, dict) else {}

    def _store(self, state: dict[str, Any]) -> None:
        if self.folder is None:
            return
        write_file(self.folder / f"{self.name}.json", orjson.dumps(state))
