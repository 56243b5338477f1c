"""Amazon S3 and compatible stores, by s3fs."""

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


class S3Client(StoreClient):
    """``s3://BUCKET/FOLDER``. A put with ``If-None-Match: *`` does not overwrite."""

    extra: ClassVar[str] = "s3"
    credentials: ClassVar[str] = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE or the role of the machine"

    def connect(self) -> "AbstractFileSystem":
        """Connects when the first object is asked for."""
        import fsspec  # noqa: PLC0415 - most installations have a local folder and never need it

        return fsspec.filesystem(
            "s3",
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": READ_SECONDS,
                "retries": {"max_attempts": ATTEMPTS, "mode": "standard"},
            },
        )

    @classmethod
    def errors(cls) -> tuple[type[Exception], ...]:
        """Errors of the system, botocore, aiohttp and fsspec."""
        from aiohttp import ClientError as HttpError  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        from fsspec.exceptions import FSTimeoutError  # noqa: PLC0415

        return (OSError, BotoCoreError, ClientError, FSTimeoutError, HttpError)

    @classmethod
    def failure_of(cls, error: Exception) -> tuple[Failure, str]:
        """By the code of the store's response."""
        from botocore.exceptions import (  # noqa: PLC0415
            NoCredentialsError,
            PartialCredentialsError,
            ProfileNotFound,
        )

        if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
            return Failure.NO_CREDENTIALS, ""
        code = _code_of(error)
        if code == "NoSuchBucket":
            return Failure.NO_BUCKET, code
        if code in ("403", "AccessDenied"):
            return Failure.REFUSED, code
        if code in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
            return Failure.EXISTS, code
        return of_files(error), code

    def entry(self, info: dict[str, Any]) -> ListedObject:
        """The object of a HEAD request or of a listing."""
        if info["type"] != "file":
            return ListedObject(str(info["name"]).rstrip("/"), is_folder=True)
        return ListedObject(info["name"], False, int(info["size"]), info["LastModified"], str(info.get("ETag", "")))

    def folder(self, key: str, prefix: str) -> list[ListedObject]:
        """One listing with a delimiter."""
        found = self.files.find(key, maxdepth=1, withdirs=True, detail=True, prefix=prefix)
        return [self.entry(info) for info in cast("dict[str, Any]", found).values()]

    def below(self, key: str) -> list[ListedObject]:
        """One listing without a delimiter."""
        found = self.files.find(f"{key}/", detail=True)
        return [self.entry(info) for info in cast("dict[str, Any]", found).values()]


def _code_of(error: BaseException) -> str:
    """Error code of the store's response, such as ``NoSuchBucket``; "" if there was no response."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return str(cast("dict[str, dict[str, Any]]", response).get("Error", {}).get("Code", ""))
    return ""
