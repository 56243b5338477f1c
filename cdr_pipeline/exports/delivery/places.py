"""Opens delivery targets: one interface for folders, object stores and SFTP; errors say whether a retry can help."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import asyncssh
import fsspec
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from fsspec.asyn import sync
from fsspec.exceptions import FSTimeoutError
from fsspec.spec import AbstractFileSystem
from sshfs import SSHFileSystem

from cdr_pipeline.errors import DeliveryError, DeliveryRefused
from cdr_pipeline.exports.delivery.targets import Target

_CONNECT_SECONDS: Final = 20
_CLOSE_SECONDS: Final = 5


@contextmanager
def open_target(target: Target) -> Generator[tuple[AbstractFileSystem, str]]:
    """File system of a target and the folder in it, over a new connection that is closed at the end of the block.

    Raises:
        DeliveryRefused: the host's key is unknown or has changed, or the credentials are rejected.
        DeliveryError: the target cannot be reached.
    """
    files, folder = _open_file_system(target)
    try:
        yield files, folder
    finally:
        if isinstance(files, SSHFileSystem):
            _close_connection(files)


def _open_file_system(target: Target) -> tuple[AbstractFileSystem, str]:
    with as_delivery_error(target):
        parts = urlsplit(target.url)
        match target.kind:
            case "sftp":
                return SSHFileSystem(**_ssh_options(target)), unquote(parts.path)
            case "s3":
                return fsspec.filesystem("s3", **_s3_options(target)), f"{parts.netloc}{parts.path}".rstrip("/")
            case "folder":
                return fsspec.filesystem("file", auto_mkdir=True), target.url.rstrip("/")


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
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
        raise DeliveryRefused(
            f"target {target.name}: the host's key is unknown or has changed; nothing was sent",
            hint="ask the owner of the host for its key, then correct the known_hosts file of the target",
        ) from None
    except (asyncssh.PermissionDenied, PermissionError, NoCredentialsError):
        raise DeliveryRefused(
            f"target {target.name}: user, key or folder was rejected", hint="correct them in targets.toml"
        ) from None
    # sshfs raises ValueError if a connected host opens no channel.
    except (OSError, asyncssh.Error, BotoCoreError, ClientError, FSTimeoutError, ValueError) as error:
        raise DeliveryError(f"target {target.name}: cannot be reached or failed ({type(error).__name__})") from None


def _close_connection(files: SSHFileSystem) -> None:
    """Closes the connection now; the library closes it only at garbage collection."""

    async def close() -> None:
        files.client.close()
        await files.client.wait_closed()

    with suppress(OSError, asyncssh.Error, FSTimeoutError):
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
