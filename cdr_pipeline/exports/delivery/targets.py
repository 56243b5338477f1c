"""Delivery targets of daily files: ``targets.toml`` in the data folder, one table per target.

[finance]
url = "sftp://cdr@files.example.com:22/incoming"   # or s3://bucket/folder, or /a/folder
accounts = ["..."]                                 # default: all
dialects = ["exact", "adjustment"]                 # default: all that are written
known_hosts = "known_hosts"                        # SFTP: required; absolute, or relative to the TOML file
key_file = "id_ed25519"                            # SFTP: or password = "..."
endpoint_url = "https://s3.example.com"            # S3: if not AWS; key = "...", secret = "..."
"""

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, SecretStr, TypeAdapter, ValidationError

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.exports.dialects.registry import NAMES
from cdr_pipeline.files.extras import require_extra
from cdr_pipeline.files.toml_tables import path_from, read_tables

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_HIDDEN: Final = frozenset({"password", "key", "secret"})


def _known_dialect(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"not among {', '.join(NAMES)}")
    return name


DialectName = Annotated[str, AfterValidator(_known_dialect)]


@dataclass(frozen=True, slots=True)
class Target:
    """A folder, bucket or server that files are delivered to.

    Attributes:
        name: stable name, which the ledger records.
        url: ``sftp://user@host:port/folder``, ``s3://bucket/folder`` or a folder; never with a password.
        accounts: accounts whose files are delivered; all if empty.
        dialects: dialects that are delivered; all if empty.
        known_hosts: SFTP: file of host keys; connections to other hosts are rejected.
        key_file, password: SFTP: one of them.
        endpoint_url, key, secret: S3: address of the service and credentials; by default those of the machine.
        folder: folder of the TOML file.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    url: str
    accounts: tuple[str, ...] = ()
    dialects: tuple[DialectName, ...] = ()
    known_hosts: Path | None = None
    key_file: Path | None = None
    password: SecretStr | None = None
    endpoint_url: str | None = None
    key: SecretStr | None = None
    secret: SecretStr | None = None
    folder: Path = field(default=Path())

    @property
    def kind(self) -> Literal["folder", "s3", "sftp"]:
        """Protocol of the target."""
        scheme = urlsplit(self.url).scheme
        return "s3" if scheme == "s3" else "sftp" if scheme == "sftp" else "folder"

    def takes(self, account_id: str) -> bool:
        """Whether files of an account are delivered to it."""
        return not self.accounts or account_id in self.accounts

    def resolve(self, path: Path) -> Path:
        """Absolute form of a path in the TOML file; relative paths start at the file's folder.

        Raises:
            ConfigurationError: the path is relative, and the TOML file is in an object store.
        """
        return path_from(self.folder, path, f"target {self.name}", "targets.toml")


_STRICT: Final = TypeAdapter(Target)


def load_targets(file: Path) -> list[Target]:
    """The targets of a file, by name; none if the file is missing.

    Raises:
        ConfigurationError: the file cannot be read, other users may read its secrets, or a target is invalid.
    """
    tables = read_tables(file)
    targets = [_target(name, table, file) for name, table in sorted(tables.items())]
    secret = any(_HIDDEN & table.keys() for table in tables.values())
    if secret and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigurationError(f"others may read the secrets in {file.name}", hint=f"chmod 600 {file.name}")
    return targets


def _target(name: str, table: object, file: Path) -> Target:
    if not isinstance(table, dict) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{file.name}: a target must be a table with a name of lower-case letters, such as [finance]"
        )
    fields: dict[str, Any] = {str(key): value for key, value in table.items()}
    try:
        target = _STRICT.validate_python(fields | {"name": name, "folder": file.parent})
    except ValidationError as error:
        invalid = sorted({".".join(map(str, item["loc"])) for item in error.errors()})
        raise ConfigurationError(f"{file.name}: target {name}: {', '.join(invalid)} is invalid or unknown") from None
    parts = urlsplit(target.url)
    if parts.scheme not in ("sftp", "s3", "") or parts.password:
        raise ConfigurationError(
            f"{file.name}: target {name}: url must begin with sftp://, s3:// or /, and contain no password"
        )
    if target.kind == "folder" and not Path(target.url).is_absolute():
        raise ConfigurationError(f"{file.name}: target {name}: url must be an absolute path")
    if target.kind == "sftp" and target.known_hosts is None:
        raise ConfigurationError(
            f"{file.name}: target {name}: SFTP needs known_hosts to verify the host",
            hint="create the file with ssh-keyscan, and compare its keys with those from the owner of the host",
        )
    if target.kind != "folder":
        require_extra(target.kind, f"{file.name}: target {name}: {target.kind}://")
    return target
