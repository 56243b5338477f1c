"""The switch's token: bought with an API key or a user's credentials, kept in a file, shared by every process here.

A login costs 35 of the 100 requests that a switch allows in ten seconds, and locks a user out when it is repeated: one
process logs in for all, and a refusal is remembered for a while.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import orjson

from cdr_pipeline.errors import ConfigurationError, UpstreamAuthError
from cdr_pipeline.files.durable import make_folder, write_file
from cdr_pipeline.files.lock import file_lock
from cdr_pipeline.settings import Settings

# How long a refusal keeps every process here from trying the same credentials again.
_REFUSAL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a token is bought with; at most one of token alone, API key, and user.

    Attributes:
        token: used as it is, and never renewed unless there is a key or a user too.
        api_key: of the account.
        user, password: of a user of the account.
        account_name, account_realm: which account the user is of; one of them.
        method: how user and password are hashed, md5 or sha.
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
        """As configured.

        Raises:
            ConfigurationError: nothing is, or half of what a user needs.
        """
        found = cls(
            token=settings.api_token.get_secret_value() if settings.api_token else "",
            api_key=settings.api_key.get_secret_value() if settings.api_key else "",
            user=settings.api_user or "",
            password=settings.api_password.get_secret_value() if settings.api_password else "",
            account_name=settings.api_account_name or "",
            account_realm=settings.api_account_realm or "",
            method=settings.api_user_method,
        )
        if found.user and not (found.password and (found.account_name or found.account_realm)):
            raise ConfigurationError(
                "CDR_API_USER needs CDR_API_PASSWORD and CDR_API_ACCOUNT_NAME or CDR_API_ACCOUNT_REALM beside it"
            )
        if not (found.token or found.renewable):
            raise ConfigurationError("none of CDR_API_TOKEN, CDR_API_KEY and CDR_API_USER is set")
        return found

    @property
    def renewable(self) -> bool:
        """Whether a new token can be bought."""
        return bool(self.api_key or self.user)

    @property
    def setting(self) -> str:
        """The setting to check when the switch refuses."""
        return "CDR_API_KEY" if self.api_key else "CDR_API_USER and CDR_API_PASSWORD"

    def login(self) -> tuple[str, bytes]:
        """Route and body of the request that buys a token (Kazoo: api_auth, user_auth; user names in lower case)."""
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
        """Names the session of these credentials on that server, without telling them."""
        parts = (base_url, self.api_key, self.user.lower(), self.password, self.account_name, self.account_realm)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


@dataclass(slots=True)
class Session:
    """The token that is valid now, for all threads and processes that share the folder.

    Attributes:
        credentials: what it is bought with.
        folder: where tokens are kept, mode 0700; None keeps them in memory.
        name: of the session's file.
    """

    credentials: Credentials
    folder: Path | None
    name: str
    clock: Callable[[], float] = time.time
    _token: str = field(default="", repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def token(self) -> str:
        """The token known here, "" when one has to be bought first."""
        if self.credentials.token and not self._token:
            self._token = self.credentials.token
        if not self._token:
            self._token = self._stored().get("token", "")
        return self._token

    def renew(self, expired: str, log_in: Callable[[], str]) -> str:
        """A token other than the expired one: another process's, or a new one.

        Args:
            expired: the one that the switch refused, "" for none.
            log_in: buys one; raises UpstreamAuthError when the switch refuses.

        Raises:
            UpstreamAuthError: refused, now or to another process within the last minute.
        """
        with self._lock, self._alone():
            if self._token not in ("", expired):
                return self._token
            known = self._stored()
            if known.get("token") and known["token"] != expired:
                self._token = known["token"]
                return self._token
            if self.clock() - float(known.get("refused_at", 0)) < _REFUSAL_SECONDS:
                raise UpstreamAuthError(
                    "the switch refused these credentials less than a minute ago",
                    hint=f"check {self.credentials.setting}; nothing was collected",
                )
            try:
                self._token = log_in()
            except UpstreamAuthError:
                self._store({"refused_at": self.clock()})
                raise
            self._store({"token": self._token})
            return self._token

    @contextmanager
    def _alone(self) -> Generator[None]:
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
            found = orjson.loads((self.folder / f"{self.name}.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    def _store(self, known: dict[str, Any]) -> None:
        if self.folder is None:
            return
        write_file(self.folder / f"{self.name}.json", orjson.dumps(known))
