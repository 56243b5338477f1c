"""Base class of the product's exceptions."""

from typing import ClassVar


class CdrError(Exception):
    """Base class of the product's exceptions.

    Attributes:
        code: stable identifier, lower case with underscores.
        retryable: whether the same call may succeed later without any change.
        exit_code: exit code of the CLI.
        http_status: HTTP status of the API response.
        hint: what the user should do next.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
