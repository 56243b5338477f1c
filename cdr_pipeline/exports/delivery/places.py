"""Opens delivery targets: one interface for folders, object stores and SFTP; errors say whether a retry can help."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.asyn import sync
from fsspec.exceptions import FSTimeoutError
from fsspec.spec import AbstractFileSystem

from cdr_pipeline.errors import DeliveryError, DeliveryRefused
from cdr_pipeline.exports.delivery.targets import Target
from cdr_pipeline.files.protocol_errors import errors_of

if TYPE_CHECKING:
    from sshfs import SSHFileSystem

_CONNECT_SECONDS: Final = 20
_CLOSE_SECONDS: Final = 5


@contextmanager
def open_target(target: Target) -> Generator[tuple[AbstractFileSystem, str]]:
    """File system of a target and the folder in it, over a new connection that is closed at the end of the block.

    Raises:
        DeliveryRefused: the host's key is unknown or has changed, or the credentials are rejected.
        DeliveryError: the target cannot be reached.
    """
    parts = urlsplit(target.url)
    match target.kind:
        case "sftp":
            with as_delivery_error(target):
                files = _ssh_connection(target)
            try:
                yield files, unquote(parts.path)
            finally:
                _close_connection(files)
        case "s3":
            with as_delivery_error(target):
                bucket = fsspec.filesystem("s3", **_s3_options(target))
            yield bucket, f"{parts.netloc}{parts.path}".rstrip("/")
        case "folder":
            yield fsspec.filesystem("file", auto_mkdir=True), target.url.rstrip("/")


@contextmanager
def as_delivery_error(target: Target) -> Generator[None]:
    """Converts errors of the libraries; their texts may contain paths and secrets and are dropped.

    Raises:
        DeliveryRefused: a retry cannot help.
        DeliveryError: a retry may help.
    """
    try:
        yield
    except (DeliveryError, DeliveryRefused):
        raise
    # sshfs raises ValueError if a connected host opens no channel.
    except (OSError, FSTimeoutError, ValueError, *errors_of(target.kind).any) as error:
        raise _converted(target, error) from None


def _converted(target: Target, error: Exception) -> DeliveryError | DeliveryRefused:
    errors = errors_of(target.kind)
    if isinstance(error, errors.unknown_host):
        return DeliveryRefused(
            f"target {target.name}: the host's key is unknown or has changed; nothing was sent",
            hint="ask the owner of the host for its key, then correct the known_hosts file of the target",
        )
    if isinstance(error, (PermissionError, *errors.refused)):
        return DeliveryRefused(
            f"target {target.name}: user, key or folder was rejected", hint="correct them in targets.toml"
        )
    return DeliveryError(f"target {target.name}: cannot be reached or failed ({type(error).__name__})")


def _ssh_connection(target: Target) -> "SSHFileSystem":
    from sshfs import SSHFileSystem  # noqa: PLC0415 - of an extra

    return SSHFileSystem(**_ssh_options(target))


def _close_connection(files: "SSHFileSystem") -> None:
    """Closes the connection now; the library closes it only at garbage collection."""

    async def close() -> None:
        files.client.close()
        await files.client.wait_closed()

    with suppress(OSError, FSTimeoutError, *errors_of("sftp").any):
        sync(files.loop, close, timeout=_CLOSE_SECONDS)


def _ssh_options(target: Target) -> dict[str, Any]:
    parts = urlsplit(target.url)
    options: dict[str, Any] = {
        "host": parts.hostname,
        "port": parts.port or 22,
        # With an empty list every host is rejected; None would accept any.
        "known_hosts": str(target.resolve(target.known_hosts)) if target.known_hosts else [],
        # The operator's SSH configuration and agent must not affect deliveries.
        "config": None,
        "agent_path": None,
        "connect_timeout": _CONNECT_SECONDS,
        "skip_instance_cache": True,
    }
    if parts.username:
        options["username"] = unquote(parts.username)
    if target.key_file:
        options["client_keys"] = [str(target.resolve(target.key_file))]
    if target.password:
        options |= {"password": target.password.get_secret_value(), "client_keys": None}
    return options


def _s3_options(target: Target) -> dict[str, Any]:
    options: dict[str, Any] = {
        "use_listings_cache": False,
        "skip_instance_cache": True,
        "config_kwargs": {"connect_timeout": _CONNECT_SECONDS, "retries": {"max_attempts": 2}},
    }
    if target.endpoint_url:
        options["endpoint_url"] = target.endpoint_url
    if target.key and target.secret:
        options |= {"key": target.key.get_secret_value(), "secret": target.secret.get_secret_value()}
    return options
