"""Errors of the API's requests."""

from cdr_pipeline.errors.base import CdrError


class RequestRefused(CdrError):
    """The API refused a request.

    Attributes:
        status: HTTP status of the response.
        title: short error code of Kazoo, or ours where Kazoo has none.
        data: value of ``data`` in the envelope; on v1 each ``{"message": text}`` in it becomes the text.
        headers: additional headers of the response.
    """

    code = "request_refused"
    http_status = 400

    def __init__(self, status: int, title: str, data: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.data = data
        self.headers = headers or {}
