"""Errors that the libraries of SFTP and S3 raise, by what they mean. A library is imported only where it is used."""

from dataclasses import dataclass

_Types = tuple[type[Exception], ...]


@dataclass(frozen=True, slots=True)
class ProtocolErrors:
    """Types of the errors of a protocol's library.

    Attributes:
        any: all of them.
        unknown_host: the host's key is unknown or has changed.
        refused: the user, key or folder is rejected.
        missing: the path does not exist.
    """

    any: _Types = ()
    unknown_host: _Types = ()
    refused: _Types = ()
    missing: _Types = ()


def errors_of(kind: str) -> ProtocolErrors:
    """Errors of a kind of place or target: those of ``sftp`` and ``s3``; other kinds raise errors of Python only."""
    match kind:
        case "sftp":
            import asyncssh  # noqa: PLC0415 - of an extra

            return ProtocolErrors(
                any=(asyncssh.Error,),
                unknown_host=(asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed),
                refused=(asyncssh.PermissionDenied, asyncssh.SFTPPermissionDenied),
                missing=(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath),
            )
        case "s3":
            from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415 - of an extra

            return ProtocolErrors(any=(BotoCoreError, ClientError), refused=(NoCredentialsError,))
        case _:
            return ProtocolErrors()
