"""Content negotiation: the media type of responses, by Accept or Kazoo's ``accept`` parameter, and of bodies."""

from typing import Final, Literal

from cdr_pipeline.api.refusals import not_acceptable, unsupported

Form = Literal["json", "csv", "json_lines", "arrow", "xlsx"]
BodyForm = Literal["json", "csv"]

CSV_TYPES: Final = ("text/csv", "application/octet-stream", "text/comma-separated-values", "application/csv")
JSON_TYPES: Final = ("application/json", "application/x-json")
JSON_LINES: Final = "application/x-ndjson"
ARROW: Final = "application/vnd.apache.arrow.stream"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_EITHER: Final = (*JSON_TYPES, *CSV_TYPES)
_WILD: Final = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/csv"}
# Short names that Kazoo allows in the parameter accept.
_SHORT: Final = {
    "csv": "text/csv", "json": "application/json", "ndjson": JSON_LINES, "arrow": ARROW, "xlsx": XLSX,
}  # fmt: skip
# Forms that only lists of records have, which they give without pages.
_OF_LISTS: Final[dict[str, Form]] = {JSON_LINES: "json_lines", ARROW: "arrow", XLSX: "xlsx"}
BODY_JSON: Final = ("application/json", JSON_LINES)
BODY_CSV: Final = ("text/csv", "application/csv", "text/comma-separated-values", "application/octet-stream")
_TYPES_READ: Final = (*BODY_CSV, *BODY_JSON)
# Entries of the Accept header that are read; no real client sends more.
_MOST_ENTRIES: Final = 32


def media_type(accept: str | None, parameter: str | None = None, *, lines: bool = False) -> str:
    """The media type of the response.

    Args:
        accept: header Accept; the first supported type of the highest quality is chosen.
        parameter: query parameter ``accept``, used only if the header admits JSON.
        lines: whether the forms of lists of records are among the supported types.

    Raises:
        RequestRefused: 406, the client accepts none of the supported types.
    """
    types = (*_EITHER, *_OF_LISTS) if lines else _EITHER
    best: tuple[float, str] | None = None
    for entry in (accept or "*/*").split(",")[:_MOST_ENTRIES]:
        name, quality = _entry(entry)
        supported = name if name in types else _WILD.get(name)
        if supported is not None and quality > 0 and (best is None or quality > best[0]):
            best = (quality, supported)
    if best is None:
        raise not_acceptable(types)
    if parameter and best[1] in JSON_TYPES:
        media = _SHORT.get(parameter.lower(), parameter.lower())
        if media not in types:
            raise not_acceptable(types)
        return media
    return best[1]


def form_of(media: str) -> Form:
    """Form of a media type of a response."""
    return _OF_LISTS.get(media) or ("csv" if media in CSV_TYPES else "json")


def body_form(content_type: str | None) -> BodyForm:
    """Form of a request body: CSV or JSON.

    Raises:
        RequestRefused: 415, the content type is missing or not supported.
    """
    name = (content_type or "").partition(";")[0].strip().lower()
    if name in BODY_CSV:
        return "csv"
    if name in BODY_JSON:
        return "json"
    raise unsupported(_TYPES_READ)


def _entry(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return name, 0.0
    return name, 1.0
