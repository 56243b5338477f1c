"""Access to the object store: one client for each process, and its errors as those of the product."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from cdr_pipeline.errors import StoreRefused, StoreUnavailable

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

_CONNECT_SECONDS: Final = 10
_REFUSED_HINT: Final = (
    "check CDR_DATA_DIR and the store's credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE or the "
    "role of the machine), then 'cdr-pipeline config check'"
)
UNAVAILABLE_HINT: Final = (
    "try again; 'cdr-pipeline config check' tries the store that CDR_DATA_DIR and AWS_ENDPOINT_URL name"
)


@lru_cache(maxsize=1)
def made_in(_: int) -> "AbstractFileSystem":
    """The file system of a process, by its id; made once, with the store's address and credentials of that moment."""
    import fsspec  # noqa: PLC0415 - most installations have a local folder and never need it

    return fsspec.filesystem(
        "s3",
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": 60,
            "retries": {"max_attempts": 3, "mode": "standard"},
        },
    )


def file_system() -> "AbstractFileSystem":
    """The file system of this process; a forked process needs its own."""
    return made_in(os.getpid())


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Converts errors of the libraries. Their texts may contain secrets and are dropped; the code is kept."""
    from aiohttp import ClientError as HttpError  # noqa: PLC0415
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
        ProfileNotFound,
    )
    from fsspec.exceptions import FSTimeoutError  # noqa: PLC0415

    bucket = path.parts[1]
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound):
        raise StoreRefused(f"no credentials for the object store of bucket {bucket}", hint=_REFUSED_HINT) from None
    except (OSError, BotoCoreError, ClientError, FSTimeoutError, HttpError) as error:
        code = _code_of(error)
        if code == "NoSuchBucket":
            raise StoreRefused(f"the bucket {bucket} does not exist", hint=_REFUSED_HINT) from None
        if isinstance(error, PermissionError) or code in ("403", "AccessDenied"):
            raise StoreRefused(
                f"the object store rejects the credentials for bucket {bucket} ({code or 'AccessDenied'})",
                hint=_REFUSED_HINT,
            ) from None
        if code in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
            raise FileExistsError(errno.EEXIST, "Another file has this name", str(path)) from None
        if isinstance(error, FileNotFoundError | FileExistsError):
            raise
        raise StoreUnavailable(
            f"the object store of bucket {bucket} failed ({code or type(error).__name__})", hint=UNAVAILABLE_HINT
        ) from None


def _code_of(error: BaseException) -> str:
    """Error code of the store's response, such as ``NoSuchBucket``; "" if there was no response."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return str(cast("dict[str, dict[str, Any]]", response).get("Error", {}).get("Code", ""))
    return ""
