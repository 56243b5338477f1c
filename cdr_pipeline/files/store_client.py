"""Access to the object store: one client for each process, and its errors as those of the product."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdr_pipeline.errors import StoreRefused, StoreUnavailable
from cdr_pipeline.files.clients.azure import AzureClient
from cdr_pipeline.files.clients.client import Failure, StoreClient
from cdr_pipeline.files.clients.google import GoogleClient
from cdr_pipeline.files.clients.s3 import S3Client

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

CLIENTS: Final[dict[str, type[StoreClient]]] = {"s3": S3Client, "abfs": AzureClient, "gs": GoogleClient}
UNAVAILABLE_HINT: Final = "try again; 'cdr-pipeline config check' tries the store that CDR_DATA_DIR names"


@lru_cache(maxsize=4)
def made_in(_: int, scheme: str) -> StoreClient:
    """The client of a process, by its id; made once, with the store's address and credentials of that moment."""
    return CLIENTS[scheme]()


def client_of(path: Path) -> StoreClient:
    """The client of this process for the store of a path; a forked process needs its own."""
    return made_in(os.getpid(), _scheme(path))


def file_system(path: Path) -> "AbstractFileSystem":
    """The file system of this process for the store of a path."""
    return client_of(path).files


@contextmanager
def translated(path: Path, *, creates: bool = False) -> Generator[None]:
    """Converts errors of the libraries. Their texts may contain secrets and are dropped; the code is kept.

    Args:
        path: path in the store.
        creates: whether the block creates the object, so that only its bucket can be missing.
    """
    kind = CLIENTS[_scheme(path)]
    try:
        yield
    except kind.errors() as error:
        failure, code = kind.failure_of(error)
        if failure is Failure.MISSING and creates:
            failure = Failure.NO_BUCKET
        raise _error(path, failure, code or type(error).__name__) from None


def _scheme(path: Path) -> str:
    return path.parts[0].rstrip(":")


def _error(path: Path, failure: Failure, code: str) -> Exception:
    """Error of the product for what failed at a path."""
    kind = CLIENTS[_scheme(path)]
    named = f"{kind.bucket} {path.parts[1]}"
    hint = f"check CDR_DATA_DIR and the store's credentials ({kind.credentials}), then 'cdr-pipeline config check'"
    if failure is Failure.MISSING:
        return FileNotFoundError(errno.ENOENT, "No such file", str(path))
    if failure is Failure.EXISTS:
        return FileExistsError(errno.EEXIST, "Another file has this name", str(path))
    if failure is Failure.NO_BUCKET:
        return StoreRefused(f"the {named} does not exist", hint=hint)
    if failure is Failure.NO_CREDENTIALS:
        return StoreRefused(f"no credentials for the object store of {named}", hint=hint)
    if failure is Failure.REFUSED:
        return StoreRefused(f"the object store rejects the credentials for {named} ({code})", hint=hint)
    return StoreUnavailable(f"the object store of {named} failed ({code})", hint=UNAVAILABLE_HINT)
