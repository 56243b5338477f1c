"""Places where carriers put files: ``inbound.toml`` in the data folder, one table for each place.

[mycarrier]
url = "sftp://cdr@files.example.com:22/outgoing"   # or ftps://, s3://bucket/folder, https://, imaps://, /a/folder
known_hosts = "known_hosts"                        # SFTP: required; absolute, or relative to the TOML file
key_file = "id_ed25519"                            # SFTP: or password = "..."
pattern = "cdr_%Y%m%d_{sequence}.csv"
account = "5e6b0c0f1d2a4b7c8e9f0a1b2c3d4e5f"       # or {account} in the pattern, or account = "column"
profile = "mycarrier"                              # or {profile} in the pattern
"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from cdr_pipeline.core.uploads.inbound_files import Expected, Limits, Whole, WholeRule
from cdr_pipeline.core.uploads.inbound_pattern import NamePattern, name_pattern
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.files.extras import require_extra
from cdr_pipeline.files.toml_tables import path_from, read_tables

Kind = Literal["folder", "sftp", "ftps", "s3", "https", "imap"]
_KNOWN_KEYS: Final = ConfigDict(extra="forbid")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_HIDDEN: Final = frozenset({"password", "key", "secret", "token"})
_SCHEMES: Final[Mapping[str, Kind]] = {
    "": "folder", "sftp": "sftp", "ftps": "ftps", "s3": "s3", "https": "https", "imaps": "imap",
}  # fmt: skip
_PORTS: Final = {"sftp": 22, "ftps": 21, "s3": 443, "https": 443, "imap": 993, "folder": 0}
# Value of ``account``: the column of the file that the profile names.
COLUMN: Final = "column"
# Settings of one pattern; in the place's table they hold for all of its patterns.
_RULE_KEYS: Final = frozenset(
    {
        "pattern", "account", "accounts", "profile", "time_zone", "every", "due", "due_days", "weekdays", "first_date",
        "day_offset",
    }
)  # fmt: skip
_COMPANIONS: Final[Mapping[Whole, str]] = {"marker": "{name}.ready", "manifest": "{name}.sha256"}


def _pattern(text: str) -> str:
    name_pattern(text)
    return text


def _companion(text: str) -> str:
    if "/" in text or text.format(name="a", stem="b") == "a":
        raise ValueError("not the name of another file in the same folder")
    return text


PatternText = Annotated[str, AfterValidator(_pattern)]
CompanionText = Annotated[str, AfterValidator(_companion)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@dataclass(frozen=True, slots=True)
class FileRule:
    """Files of one name pattern at a place.

    Attributes:
        pattern: pattern of the path below the place's folder.
        account: account that owns the records; ``column`` if the profile's account_column says; "" if {account} in the
            pattern says.
        accounts: texts of {account} to account ids.
        profile: import profile; "" if {profile} in the pattern says.
        time_zone: IANA zone of local times; None for that of the profile or the account.
        every: "day" if a file is expected for every day.
        due: time of day at which a file is due, in the operator's time zone.
        due_days: days from the file's day to the day on which it is due.
        weekdays: weekdays of the days for which a file is expected; all if empty.
        first_date: first day for which a file is expected; by default the day on which the place was first looked at.
        day_offset: days from the date in the name to the day of its calls: -1 if the name has the day after.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _KNOWN_KEYS

    pattern: PatternText
    account: str = ""
    accounts: Mapping[str, str] = field(default_factory=dict[str, str])
    profile: str = ""
    time_zone: str | None = None
    every: Literal["", "day"] = ""
    due: time = time(6)
    due_days: Annotated[int, Field(ge=0, le=31)] = 1
    weekdays: tuple[Weekday, ...] = ()
    first_date: date | None = None
    day_offset: Annotated[int, Field(ge=-31, le=31)] = 0

    @property
    def compiled(self) -> NamePattern:
        """The pattern, ready to match."""
        return name_pattern(self.pattern)

    def expected(self, first_looked: date, zone: str) -> Expected | None:
        """Days for which a file is expected; None if the rule expects none.

        Args:
            first_looked: day on which the place was first looked at.
            zone: the operator's time zone.
        """
        if not self.every:
            return None
        return Expected(self.due, self.due_days, self.weekdays, self.first_date or first_looked, zone)


@dataclass(frozen=True, slots=True)
class Place:
    """A place where carriers put files.

    Attributes:
        name: stable name, which the ledger records.
        url: address without a password: ``sftp://user@host:port/folder``, ``ftps://user@host:port/folder``,
            ``s3://bucket/folder``, ``https://host/page``, ``imaps://user@host:port/mailbox``, or a folder.
        files: patterns and what they mean.
        known_hosts, key_file: SFTP: files of host keys and of the private key.
        password: SFTP without a key, FTPS, IMAP, HTTPS with a user.
        token: HTTPS: bearer token.
        endpoint_url, key, secret: S3: address of the service and credentials; by default those of the machine.
        ca_file: FTPS, HTTPS, IMAP: certificates of authorities to trust; those of the machine by default.
        urls: HTTPS: addresses of files, with codes of a date; instead of the links of an index page.
        days_back: HTTPS with ``urls``, and IMAP: days that are looked at.
        senders: IMAP: addresses or domains whose mails count; all if empty.
        whole: how a whole file is recognised; by default ``at_once`` for S3 and IMAP, else ``stable``.
        stable_seconds: least time between the two looks.
        marker, manifest: name of the marker or manifest of a file {name}, {stem}.
        after: end of a fetched file at the place: ``leave``, ``move`` or ``delete``.
        move_to: folder below the place's folder, or mailbox, for fetched files.
        delete_after_days: days from the fetch to the deletion.
        max_bytes: most bytes of a file.
        max_files: most files at the place.
        timeout_seconds: time for one answer of the server.
        folder: folder of the TOML file.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _KNOWN_KEYS

    name: str
    url: str
    files: tuple[FileRule, ...]
    known_hosts: Path | None = None
    key_file: Path | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    endpoint_url: str | None = None
    key: SecretStr | None = None
    secret: SecretStr | None = None
    ca_file: Path | None = None
    urls: tuple[str, ...] = ()
    days_back: Annotated[int, Field(ge=1, le=366)] = 30
    senders: tuple[str, ...] = ()
    whole: Whole | None = None
    stable_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
    marker: CompanionText = _COMPANIONS["marker"]
    manifest: CompanionText = _COMPANIONS["manifest"]
    after: Literal["leave", "move", "delete"] = "leave"
    move_to: str = ""
    delete_after_days: Annotated[int, Field(ge=0, le=3650)] = 30
    max_bytes: Annotated[int, Field(gt=0)] = 2_000_000_000
    max_files: Annotated[int, Field(gt=0)] = 10_000
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    folder: Path = field(default=Path())

    @property
    def kind(self) -> Kind:
        """Protocol of the place."""
        return _SCHEMES[urlsplit(self.url).scheme]

    @property
    def host(self) -> str:
        """What connections are limited by: host and port, or the folder."""
        if self.kind == "folder":
            return "folder"
        parts = urlsplit(self.endpoint_url or "https://s3.amazonaws.com") if self.kind == "s3" else urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or _PORTS[self.kind]}"

    @property
    def whole_rule(self) -> WholeRule:
        """How a whole file is recognised."""
        how: Whole = self.whole or ("at_once" if self.kind in ("s3", "imap") else "stable")
        companion = {"marker": self.marker, "manifest": self.manifest}.get(how, "")
        return WholeRule(how, self.stable_seconds, companion)

    @property
    def limits(self) -> Limits:
        """Limits of size and count."""
        return Limits(self.max_bytes, self.max_files)

    @property
    def patterns(self) -> tuple[NamePattern, ...]:
        """Patterns of the rules, ready to match."""
        if self.kind == "imap":
            # Mail and section are the folder of an attachment.
            return tuple(name_pattern(f"*/{rule.pattern}") for rule in self.files)
        return tuple(rule.compiled for rule in self.files)

    @property
    def depth(self) -> int:
        """Number of folders below the place's folder that are looked into."""
        return max(pattern.depth for pattern in self.patterns)

    def resolve(self, path: Path) -> Path:
        """Absolute form of a path in the TOML file; relative paths start at the file's folder.

        Raises:
            ConfigurationError: the path is relative, and the TOML file is in an object store.
        """
        return path_from(self.folder, path, f"place {self.name}", "inbound.toml")


_STRICT: Final = TypeAdapter(Place)


def load_places(file: Path) -> list[Place]:
    """The places of a file, by name; none if the file is missing.

    Raises:
        ConfigurationError: the file cannot be read, other users may read its secrets, or a place is invalid.
    """
    tables = read_tables(file)
    places = [_place(name, table, file) for name, table in sorted(tables.items())]
    secret = any(_HIDDEN & table.keys() for table in tables.values()) or any(place.urls for place in places)
    if secret and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigurationError(f"others may read the secrets in {file.name}", hint=f"chmod 600 {file}")
    return places


def _place(name: str, table: object, file: Path) -> Place:
    if not isinstance(table, dict) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{file.name}: a place must be a table with a name of lower-case letters, such as [mycarrier]"
        )
    values = cast("dict[str, Any]", table)
    fields = {key: value for key, value in values.items() if key not in _RULE_KEYS}
    common = {key: value for key, value in values.items() if key in _RULE_KEYS}
    listed = fields.pop("files", None)
    rules = [common] if listed is None else [common | rule for rule in listed] if _is_tables(listed) else listed
    try:
        place = _STRICT.validate_python(fields | {"name": name, "files": rules, "folder": file.parent})
    except ValidationError as error:
        texts = sorted(f"{'.'.join(map(str, item['loc']))}: {_message(item)}" for item in error.errors())
        raise ConfigurationError(f"{file.name}: place {name}: {'; '.join(texts)}") from None
    _require_consistent(place, file)
    if place.kind in ("s3", "sftp"):
        require_extra(place.kind, f"{file.name}: place {place.name}: {place.kind}://")
    return replace(place, url=place.url.rstrip("/") if place.kind == "folder" and place.url != "/" else place.url)


def _is_tables(listed: object) -> bool:
    return isinstance(listed, list) and all(isinstance(rule, dict) for rule in cast("list[object]", listed))


def _message(item: Any) -> str:  # noqa: ANN401 - details of Pydantic
    """What is wrong with a value, without the value, which may be a secret."""
    text = str(item["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:200]


def _require_consistent(place: Place, file: Path) -> None:
    """Raises ConfigurationError with what a place lacks."""
    where = f"{file.name}: place {place.name}"
    parts = urlsplit(place.url)
    if parts.scheme not in _SCHEMES or parts.password:
        raise ConfigurationError(
            f"{where}: url must begin with sftp://, ftps://, s3://, https://, imaps:// or /, and contain no password",
            hint='write password = "..." below it',
        )
    faults = {
        "url must be an absolute path": place.kind == "folder" and not Path(place.url).is_absolute(),
        "url needs a host": place.kind != "folder" and not parts.hostname,
        "SFTP needs known_hosts to verify the host": place.kind == "sftp" and place.known_hosts is None,
        "SFTP needs key_file or password": place.kind == "sftp" and not (place.key_file or place.password),
        "url needs a user, as in imaps://user@host": place.kind in ("sftp", "ftps", "imap") and not parts.username,
        "password is missing": place.kind in ("ftps", "imap") and place.password is None,
        "urls must begin with https:// and contain no password": any(
            urlsplit(url).scheme != "https" or urlsplit(url).password for url in place.urls
        ),
        "a web server's files can only be left there: after": place.kind == "https" and place.after != "leave",
        'after = "move" needs move_to': place.after == "move" and not place.move_to,
        "move_to must be a folder below the place's folder": place.kind != "imap"
        and (place.move_to.startswith("/") or ".." in place.move_to.split("/")),
        "files is empty: a pattern is needed": not place.files,
    }
    for rule in place.files:
        words = rule.compiled.words
        faults |= {
            f"{rule.pattern}: account is missing": not (rule.account or "account" in words),
            f"{rule.pattern}: profile is missing": not (rule.profile or "profile" in words),
            f'{rule.pattern}: every = "day" needs a date in the pattern, such as %Y%m%d': bool(rule.every)
            and not rule.compiled.has_date,
            f'{rule.pattern}: every = "day" needs a profile': bool(rule.every) and not rule.profile,
        }
    for fault, applies in faults.items():
        if applies:
            raise ConfigurationError(
                f"{where}: {fault}", hint="'cdr-pipeline docs inbound' has an example of each kind"
            )
