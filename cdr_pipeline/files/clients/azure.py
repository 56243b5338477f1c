"""Azure Blob Storage and Data Lake Storage, by adlfs."""

import logging
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

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

# Folders of accounts with a hierarchical namespace are objects with this metadata.
_FOLDER: Final = ("hdi_isfolder", "Hdi_isfolder")
_RETRY_AFTER_SECONDS: Final = 1


class AzureClient(StoreClient):
    """``abfs://CONTAINER/FOLDER``. A put with ``If-None-Match: *`` does not overwrite."""

    extra: ClassVar[str] = "azure"
    bucket: ClassVar[str] = "container"
    credentials: ClassVar[str] = (
        "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY, "
        "AZURE_STORAGE_SAS_TOKEN or the identity of the machine"
    )

    def connect(self) -> "AbstractFileSystem":
        """Connects when the first object is asked for.

        Raises:
            NoAccountError: the environment names no account.
        """
        from adlfs import AzureBlobFileSystem  # noqa: PLC0415 - most installations never need it
        from azure.storage.blob.aio import BlobServiceClient, ExponentialRetry  # noqa: PLC0415

        # The library logs every request with its URL.
        logging.getLogger("azure").setLevel(logging.ERROR)
        try:
            files = AzureBlobFileSystem(use_listings_cache=False, skip_instance_cache=True)
        except ValueError:
            raise NoAccountError from None
        # adlfs keeps the defaults of the library, which waits a minute for a store that does not answer.
        options: dict[str, Any] = {
            "retry_policy": ExponentialRetry(
                initial_backoff=_RETRY_AFTER_SECONDS, increment_base=2, retry_total=ATTEMPTS, random_jitter_range=1
            ),
            "connection_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
        }
        if files.connection_string is not None:
            files.service_client = BlobServiceClient.from_connection_string(files.connection_string, **options)
        else:
            credential = files.credential or files.account_key or files.sas_token
            files.service_client = BlobServiceClient(files.account_url, credential=credential, **options)
        return files

    @classmethod
    def errors(cls) -> tuple[type[Exception], ...]:
        """Errors of the system, Azure's libraries, aiohttp and fsspec."""
        from aiohttp import ClientError as HttpError  # noqa: PLC0415
        from azure.core.exceptions import AzureError  # noqa: PLC0415
        from fsspec.exceptions import FSTimeoutError  # noqa: PLC0415

        return (OSError, AzureError, FSTimeoutError, HttpError, NoAccountError)

    @classmethod
    def failure_of(cls, error: Exception) -> tuple[Failure, str]:
        """By the code and the status of the store's response."""
        from azure.core.exceptions import ClientAuthenticationError, HttpResponseError  # noqa: PLC0415

        if isinstance(error, NoAccountError):
            return Failure.NO_CREDENTIALS, ""
        if not isinstance(error, HttpResponseError):
            return of_files(error), ""
        status = error.status_code
        code = str(getattr(error, "error_code", None) or status or "")
        if code == "ContainerNotFound":
            return Failure.NO_BUCKET, code
        if status is None and isinstance(error, ClientAuthenticationError):
            return Failure.NO_CREDENTIALS, code
        known = {
            401: Failure.REFUSED,
            403: Failure.REFUSED,
            404: Failure.MISSING,
            409: Failure.EXISTS,
            412: Failure.EXISTS,
        }
        return known.get(status or 0, Failure.UNAVAILABLE), code

    def entry(self, info: dict[str, Any]) -> ListedObject:
        """The object of a request for its properties."""
        if info["type"] != "file":
            return ListedObject(str(info["name"]).rstrip("/"), is_folder=True)
        return ListedObject(info["name"], False, int(info["size"]), info["last_modified"], _tag(info.get("etag")))

    def folder(self, key: str, prefix: str) -> list[ListedObject]:
        """One listing with a delimiter."""
        return self._listed(f"{key}/{prefix}", by_folder=True)

    def below(self, key: str) -> list[ListedObject]:
        """One listing without a delimiter."""
        return self._listed(f"{key}/", by_folder=False)

    def _listed(self, start: str, *, by_folder: bool) -> list[ListedObject]:
        """Objects whose names begin with a text; adlfs lists whole folders and hides a missing container."""
        from fsspec.asyn import sync  # noqa: PLC0415

        files: Any = self.files
        container, _, prefix = start.partition("/")

        async def entries() -> list[ListedObject]:
            async with files.service_client.get_container_client(container) as client:
                list_them = client.walk_blobs if by_folder else client.list_blobs
                return [
                    _entry(container, blob) async for blob in list_them(name_starts_with=prefix, include=["metadata"])
                ]

        found = cast("list[ListedObject]", sync(files.loop, entries))
        return [entry for entry in found if by_folder or not entry.is_folder]


class NoAccountError(Exception):
    """The environment names no storage account."""


def _entry(container: str, blob: Any) -> ListedObject:  # noqa: ANN401 - BlobProperties or BlobPrefix
    key = f"{container}/{blob.name}".rstrip("/")
    metadata: dict[str, str] = getattr(blob, "metadata", None) or {}
    if blob.name.endswith("/") or any(metadata.get(name) == "true" for name in _FOLDER):
        return ListedObject(key, is_folder=True)
    return ListedObject(key, False, int(blob.size), blob.last_modified, _tag(blob.etag))


def _tag(tag: str | None) -> str:
    """Entity tag without the quotes that a listing omits."""
    return (tag or "").strip('"')
