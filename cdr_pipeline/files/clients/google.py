"""Google Cloud Storage, by gcsfs."""

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from cdr_pipeline.files.clients.client import (
    ATTEMPTS,
    CONNECT_SECONDS,
    READ_SECONDS,
    Failure,
    ListedObject,
    StoreClient,
    of_files,
)

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem


class GoogleClient(StoreClient):
    """``gs://BUCKET/FOLDER``. A put with ``ifGenerationMatch=0`` does not overwrite."""

    extra: ClassVar[str] = "google"
    credentials: ClassVar[str] = "GOOGLE_APPLICATION_CREDENTIALS or the service account of the machine"

    def connect(self) -> "AbstractFileSystem":
        """Finds the credentials, and connects when the first object is asked for."""
        import aiohttp  # noqa: PLC0415
        from gcsfs.core import GCSFileSystem  # noqa: PLC0415 - most installations never need it
        from gcsfs.retry import retry_request  # noqa: PLC0415

        # The library logs every failed request with its URL and the store's text.
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)

        library: Any = GCSFileSystem
        again: Any = retry_request

        class Files(GCSFileSystem):
            """Gives an unavailable store up after five seconds; the library tries for half a minute."""

            _request = again(retries=ATTEMPTS)(library._request.__wrapped__)  # noqa: SLF001
            _get_file_request = again(retries=ATTEMPTS)(library._get_file_request.__wrapped__)  # noqa: SLF001

        return Files(
            # The library's last resort would be a request without credentials.
            token="google_default",  # noqa: S106 - the kind of credentials
            use_listings_cache=False,
            skip_instance_cache=True,
            requests_timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
        )

    @classmethod
    def errors(cls) -> tuple[type[Exception], ...]:
        """Errors of the system, Google's libraries, aiohttp, requests and fsspec."""
        from aiohttp import ClientError as HttpError  # noqa: PLC0415
        from fsspec.exceptions import FSTimeoutError  # noqa: PLC0415
        from gcsfs.retry import ChecksumError  # noqa: PLC0415
        from gcsfs.retry import HttpError as StoreHttpError  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415

        # A response with the status 400 is a ValueError.
        return (
            OSError,
            StoreHttpError,
            ChecksumError,
            FSTimeoutError,
            HttpError,
            GoogleAuthError,
            ValueError,
            NoBucketError,
        )

    @classmethod
    def failure_of(cls, error: Exception) -> tuple[Failure, str]:
        """By the status of the store's response."""
        from gcsfs.retry import HttpError as StoreHttpError  # noqa: PLC0415
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError  # noqa: PLC0415

        if isinstance(error, NoBucketError):
            return Failure.NO_BUCKET, "404"
        if isinstance(error, DefaultCredentialsError):
            return Failure.NO_CREDENTIALS, ""
        if isinstance(error, GoogleAuthError):
            return Failure.REFUSED, type(error).__name__
        if isinstance(error, StoreHttpError):
            code = str(error.code or "")
            return (Failure.REFUSED if code in ("401", "403") else Failure.UNAVAILABLE), code
        if type(error) is OSError and str(error).startswith("Forbidden:"):
            return Failure.REFUSED, "403"
        return of_files(error), ""

    def entry(self, info: dict[str, Any]) -> ListedObject:
        """The object of a request for its properties."""
        if info["type"] != "file":
            return ListedObject(str(info["name"]).rstrip("/"), is_folder=True)
        return ListedObject(info["name"], False, int(info["size"]), info["mtime"], str(info.get("etag", "")))

    def folder(self, key: str, prefix: str) -> list[ListedObject]:
        """One listing with a delimiter."""
        return self._listed(f"{key}/{prefix}", delimiter="/")

    def below(self, key: str) -> list[ListedObject]:
        """One listing without a delimiter."""
        return self._listed(f"{key}/", delimiter=None)

    def _listed(self, start: str, *, delimiter: str | None) -> list[ListedObject]:
        """Objects whose names begin with a text; gcsfs reports an empty folder and a missing bucket alike."""
        files: Any = self.files
        bucket, _, prefix = start.partition("/")
        found: list[ListedObject] = []
        page_token: str | None = None
        while True:
            try:
                page = cast(
                    "dict[str, Any]",
                    files.call(
                        "GET",
                        "b/{}/o",
                        bucket,
                        delimiter=delimiter,
                        prefix=prefix,
                        pageToken=page_token,
                        json_out=True,
                    ),
                )
            except FileNotFoundError:
                raise NoBucketError from None
            found += [ListedObject(f"{bucket}/{name}".rstrip("/"), is_folder=True) for name in page.get("prefixes", ())]
            found += [_entry(bucket, item) for item in page.get("items", ()) if not item["name"].endswith("/")]
            page_token = page.get("nextPageToken")
            if not page_token:
                return found


class NoBucketError(Exception):
    """The bucket does not exist."""


def _entry(bucket: str, item: dict[str, Any]) -> ListedObject:
    return ListedObject(
        f"{bucket}/{item['name']}",
        False,
        int(item["size"]),
        datetime.fromisoformat(item["updated"]),
        str(item.get("etag", "")),
    )
