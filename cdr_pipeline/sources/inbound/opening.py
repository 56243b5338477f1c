"""Opens places, and converts the errors of their libraries: they say whether a retry can help."""

import ftplib
import imaplib
import ssl
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

import httpx2
from fsspec.exceptions import FSTimeoutError

from cdr_pipeline.errors import InboundError, InboundRefused, InboundUnavailable
from cdr_pipeline.files.protocol_errors import errors_of
from cdr_pipeline.sources.inbound.connection import PlaceConnection
from cdr_pipeline.sources.inbound.folder_place import FolderConnection
from cdr_pipeline.sources.inbound.ftps_place import FtpsConnection
from cdr_pipeline.sources.inbound.https_place import HttpsConnection
from cdr_pipeline.sources.inbound.imap_place import ImapConnection
from cdr_pipeline.sources.inbound.places import Place
from cdr_pipeline.sources.inbound.s3_place import S3Connection

_ERRORS: Final = (
    OSError, EOFError, ValueError, FSTimeoutError, ftplib.Error, httpx2.HTTPError, imaplib.IMAP4.error,
)  # fmt: skip
_LOGIN: Final = (PermissionError, ftplib.error_perm)
_MISSING: Final = (FileNotFoundError, NotADirectoryError)
_FTP_LOGIN: Final = ("530", "532")
# Errors of a library are wrapped so many times at most.
_CAUSES: Final = 5


@contextmanager
def open_place(place: Place) -> Generator[PlaceConnection]:
    """An open connection to a place, closed at the end of the block.

    Raises:
        InboundRefused: the host key or certificate is not valid, or the login is refused.
        InboundUnavailable: the place cannot be reached or broke off.
    """
    with as_inbound_error(place):
        connection = _connection(place)
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
    except (*_ERRORS, *errors_of(place.kind).any) as error:
        raise _converted(place, error) from None


def _connection(place: Place) -> PlaceConnection:
    match place.kind:
        case "folder":
            return FolderConnection(place)
        case "ftps":
            return FtpsConnection(place)
        case "https":
            return HttpsConnection(place)
        case "imap":
            return ImapConnection(place)
        case "s3":
            return S3Connection(place)
        case "sftp":
            from cdr_pipeline.sources.inbound.sftp_place import SftpConnection  # noqa: PLC0415 - of an extra

            return SftpConnection(place)


def _converted(place: Place, error: Exception) -> InboundError:
    errors = errors_of(place.kind)
    if isinstance(error, errors.unknown_host):
        return InboundRefused(
            f"place {place.name}: the host's key is unknown or has changed; nothing was fetched",
            hint="ask the owner of the host for its key, then correct the known_hosts file of the place",
        )
    if _is_untrusted(error):
        return InboundRefused(
            f"place {place.name}: the server's certificate is expired or not valid",
            hint="ask the owner of the server to renew it; for an authority of its own, set ca_file in inbound.toml",
        )
    if isinstance(error, ftplib.error_perm) and not str(error).startswith(_FTP_LOGIN):
        return InboundRefused(
            f"place {place.name}: the server refuses a command (FTP {str(error)[:3]})",
            hint="correct the folder in url; the server must offer AUTH TLS, PROT P and MLSD",
        )
    if isinstance(error, (*_LOGIN, *errors.refused)):
        return InboundRefused(
            f"place {place.name}: user, password, key or folder was refused", hint="correct them in inbound.toml"
        )
    if isinstance(error, (*_MISSING, *errors.missing)):
        return InboundRefused(
            f"place {place.name}: the folder does not exist", hint="correct url in inbound.toml, or mount the share"
        )
    return InboundUnavailable(
        f"place {place.name}: cannot be reached or broke off ({type(error).__name__})",
        hint=f"'cdr-pipeline inbound check {place.name}' tries it again; the next run continues where it stopped",
    )


def _is_untrusted(error: BaseException | None) -> bool:
    """Whether an error, or one that it comes from, is about a certificate."""
    for _ in range(_CAUSES):
        if error is None or isinstance(error, ssl.SSLCertVerificationError):
            break
        error = error.__cause__ or error.__context__
    return isinstance(error, ssl.SSLCertVerificationError)
