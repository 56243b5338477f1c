"""Opens a target: one interface over folders, object stores and SFTP, errors told apart by whether to try again."""

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
def opened_place(target: Target) -> Generator[tuple[AbstractFileSystem, str]]:
    """The file system of a target and the folder in it; a fresh connection, which ends with the block.

    Raises:
        DeliveryRefused: the host's key is unknown or another one, or the credentials are refused.
        DeliveryError: it cannot be reached.
    """
    files, folder = _open(target)
    try:
        yield files, folder
    finally:
        if isinstance(files, SSHFileSystem):
            _hang_up(files)


def _open(target: Target) -> tuple[AbstractFileSystem, str]:
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
    """Whatever a library raises becomes one of ours; its text, which may hold paths and secrets, is left out.

    Raises:
        DeliveryRefused: trying again will not help.
        DeliveryError: it may.
    """
    try:
        yield
    except (DeliveryError, DeliveryRefused):
        raise
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
        raise DeliveryRefused(
            f"target {target.name}: the host's key is unknown or not the one that is known; nothing was sent",
            hint="ask the host's owner whether the key was changed, then correct known_hosts",
        ) from None
    except (asyncssh.PermissionDenied, PermissionError, NoCredentialsError):
        raise DeliveryRefused(
            f"target {target.name}: it refuses user, key or folder", hint="check them in targets.toml"
        ) from None
    # ValueError is what sshfs raises when a connected host opens no channel.
    except (OSError, asyncssh.Error, BotoCoreError, ClientError, FSTimeoutError, ValueError) as error:
        raise DeliveryError(f"target {target.name}: it cannot be reached or failed ({type(error).__name__})") from None


def _hang_up(files: SSHFileSystem) -> None:
    """Ends the connection now; the library would only when its object is collected."""

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
        # An empty list would know no host; None would take any.
        "known_hosts": str(target.beside(target.known_hosts)) if target.known_hosts else [],
        # Neither the operator's own SSH settings nor an agent of theirs decide where finance's files go.
        "config": None,
        "agent_path": None,
        "connect_timeout": _CONNECT_SECONDS,
        "skip_instance_cache": True,
    }
    if parts.username:
        options["username"] = unquote(parts.username)
    if target.key_file:
        options["client_keys"] = [str(target.beside(target.key_file))]
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
