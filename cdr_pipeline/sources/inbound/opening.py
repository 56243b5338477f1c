"""Opens places, and converts the errors of their libraries: they say whether a retry can help."""

import imaplib
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Final

import asyncssh
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from fsspec.exceptions import FSTimeoutError

from cdr_pipeline.errors import InboundError, InboundRefused, InboundUnavailable
from cdr_pipeline.sources.inbound.connection import PlaceConnection
from cdr_pipeline.sources.inbound.folder_place import FolderConnection
from cdr_pipeline.sources.inbound.places import Kind, Place
from cdr_pipeline.sources.inbound.sftp_place import SftpConnection

_CONNECTIONS: Final[dict[Kind, Callable[[Place], PlaceConnection]]] = {
    "folder": FolderConnection,
    "sftp": SftpConnection,
}


@contextmanager
def open_place(place: Place) -> Generator[PlaceConnection]:
    """An open connection to a place, closed at the end of the block.

    Raises:
        InboundRefused: the host key or certificate is not valid, or the login is refused.
        InboundUnavailable: the place cannot be reached or broke off.
    """
    with as_inbound_error(place):
        connection = _CONNECTIONS[place.kind](place)
        try:
            yield connection
        finally:
            with suppress(Exception):
                connection.close()


@contextmanager
def as_inbound_error(place: Place) -> Generator[None]:
    """Converts errors of the libraries; their texts may contain addresses and secrets and are dropped.

    Raises:
        InboundRefused: a retry cannot help.
        InboundUnavailable: a retry may help.
    """
    try:
        yield
    except InboundError:
        raise
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
        raise InboundRefused(
            f"place {place.name}: the host's key is unknown or has changed; nothing was fetched",
            hint="ask the owner of the host for its key, then correct the known_hosts file of the place",
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise InboundRefused(
            f"place {place.name}: the server's certificate is not valid: {error.verify_message}",
            hint="ask the owner of the server to renew it; for an authority of its own, set ca_file in inbound.toml",
        ) from None
    except (asyncssh.PermissionDenied, asyncssh.SFTPPermissionDenied, PermissionError, NoCredentialsError):
        raise _refused(place) from None
    except (FileNotFoundError, NotADirectoryError, asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        raise InboundRefused(
            f"place {place.name}: the folder does not exist",
            hint="correct url in inbound.toml, or mount the share",
        ) from None
    except (
        OSError, EOFError, asyncssh.Error, BotoCoreError, ClientError, FSTimeoutError, imaplib.IMAP4.error, ValueError,
    ) as error:  # fmt: skip
        raise InboundUnavailable(
            f"place {place.name}: cannot be reached or broke off ({type(error).__name__})",
            hint=f"'cdr-pipeline inbound check {place.name}' tries it again; the next run continues where it stopped",
        ) from None


def _refused(place: Place) -> InboundRefused:
    return InboundRefused(
        f"place {place.name}: user, password, key or folder was refused", hint="correct them in inbound.toml"
    )
