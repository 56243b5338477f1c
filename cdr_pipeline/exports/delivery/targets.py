"""Where daily files go: ``targets.toml`` in the data folder, one table a target.

[finance]
url = "sftp://cdr@files.example.com:22/incoming"   # or s3://bucket/folder, or /a/folder
accounts = ["..."]                                 # all when left out
dialects = ["exact", "adjustment"]                 # all that are written when left out
known_hosts = "known_hosts"                        # SFTP: demanded; a path beside the TOML file, or absolute
key_file = "id_ed25519"                            # SFTP: or password = "..."
endpoint_url = "https://s3.example.com"            # S3: of another maker's; key = "...", secret = "..."
"""

import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, SecretStr, TypeAdapter, ValidationError

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.exports.dialects import ExportDialect

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_HIDDEN: Final = frozenset({"password", "key", "secret"})


@dataclass(frozen=True, slots=True)
class Target:
    """One place that files are delivered to.

    Attributes:
        name: stable, for the ledger.
        url: ``sftp://user@host:port/folder``, ``s3://bucket/folder`` or a folder; never with a password.
        accounts: whose files; everybody's when empty.
        dialects: which files; all when empty.
        known_hosts: SFTP: file of the host keys that are known; nothing else is spoken to.
        key_file, password: SFTP: one of them.
        endpoint_url, key, secret: S3: the maker's address and the credentials; from the machine's own when omitted.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    url: str
    accounts: tuple[str, ...] = ()
    dialects: tuple[ExportDialect, ...] = ()
    known_hosts: Path | None = None
    key_file: Path | None = None
    password: SecretStr | None = None
    endpoint_url: str | None = None
    key: SecretStr | None = None
    secret: SecretStr | None = None
    folder: Path = field(default=Path())

    @property
    def kind(self) -> Literal["folder", "s3", "sftp"]:
        """How it is spoken to."""
        scheme = urlsplit(self.url).scheme
        return "s3" if scheme == "s3" else "sftp" if scheme == "sftp" else "folder"

    def takes(self, account_id: str) -> bool:
        """Whether files of an account are for it."""
        return not self.accounts or account_id in self.accounts

    def beside(self, path: Path) -> Path:
        """A path of the TOML file, which may be relative to it."""
        return path if path.is_absolute() else self.folder / path


_STRICT: Final = TypeAdapter(Target)


def load_targets(file: Path) -> list[Target]:
    """The targets of a file, by name; none without a file.

    Raises:
        ConfigurationError: it cannot be read, others may read its secrets, or a target contradicts itself.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"{file.name} cannot be read: {error.strerror}") from None
    try:
        tables = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file.name} is no TOML file", hint=_place(error)) from None
    targets = [_target(name, table, file) for name, table in sorted(tables.items())]
    secret = any(_HIDDEN & table.keys() for table in tables.values())
    if secret and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigurationError(f"others may read the secrets in {file.name}", hint=f"chmod 600 {file.name}")
    return targets


def _target(name: str, table: object, file: Path) -> Target:
    if not isinstance(table, dict) or not _NAME.fullmatch(name):
        raise ConfigurationError(f"{file.name}: a target is a table with a name of small letters, such as [finance]")
    fields: dict[str, Any] = {str(key): value for key, value in table.items()}
    try:
        target = _STRICT.validate_python(fields | {"name": name, "folder": file.parent})
    except ValidationError as error:
        wrong = sorted({".".join(map(str, found["loc"])) for found in error.errors()})
        raise ConfigurationError(f"{file.name}: target {name}: {', '.join(wrong)} is wrong or unknown") from None
    parts = urlsplit(target.url)
    if parts.scheme not in ("sftp", "s3", "") or parts.password:
        raise ConfigurationError(
            f"{file.name}: target {name}: url must begin with sftp://, s3:// or /, and hold no password"
        )
    if target.kind == "folder" and not Path(target.url).is_absolute():
        raise ConfigurationError(f"{file.name}: target {name}: a folder is given by its whole path")
    if target.kind == "sftp" and target.known_hosts is None:
        raise ConfigurationError(
            f"{file.name}: target {name}: SFTP needs known_hosts: without it any host could take the files",
            hint="ssh-keyscan writes such a file; compare its keys with those the host's owner tells you",
        )
    return target


def _place(error: Exception) -> str:
    """Line and column, without the text, which may be a secret."""
    found = re.search(r"line \d+, column \d+", str(error))
    return f"look at {found[0]}" if found else "it is not UTF-8"
