"""Which form an answer takes, by Accept or Kazoo's ``accept=`` parameter, and which bodies are read."""

from typing import Final, Literal

from cdr_pipeline.api.refusals import not_acceptable, unsupported

Form = Literal["json", "csv"]

CSV_TYPES: Final = ("text/csv", "application/octet-stream", "text/comma-separated-values", "application/csv")
JSON_TYPES: Final = ("application/json", "application/x-json")
_EITHER: Final = (*JSON_TYPES, *CSV_TYPES)
_WILD: Final = {"*/*": "application/json", "application/*": "application/json", "text/*": "text/csv"}
# Kazoo's short form in the query.
_SHORT: Final = {"csv": "text/csv", "json": "application/json"}
BODY_JSON: Final = ("application/json", "application/x-ndjson")
BODY_CSV: Final = ("text/csv", "application/csv", "text/comma-separated-values", "application/octet-stream")
_TYPES_READ: Final = (*BODY_CSV, *BODY_JSON)
# More entries than any client has; a longer header is not read to its end.
_MOST_ENTRIES: Final = 32


def media_type(accept: str | None, wanted: str | None = None) -> str:
    """The media type of the answer.

    Args:
        accept: the header; the first of the highest quality that exists wins.
        wanted: the parameter ``accept``, which counts where the header admits JSON.

    Raises:
        RequestRefused: 406, nothing that the client takes exists.
    """
    best: tuple[float, str] | None = None
    for entry in (accept or "*/*").split(",")[:_MOST_ENTRIES]:
        name, quality = _entry(entry)
        found = name if name in _EITHER else _WILD.get(name)
        if found is not None and quality > 0 and (best is None or quality > best[0]):
            best = (quality, found)
    if best is None:
        raise not_acceptable(_EITHER)
    if wanted and best[1] in JSON_TYPES:
        chosen = _SHORT.get(wanted.lower(), wanted.lower())
        if chosen not in _EITHER:
            raise not_acceptable(_EITHER)
        return chosen
    return best[1]


def form_of(media: str) -> Form:
    """Whether a media type is one of the CSV ones."""
    return "csv" if media in CSV_TYPES else "json"


def body_form(content_type: str | None) -> Form:
    """Whether a body is CSV or JSON.

    Raises:
        RequestRefused: 415, it is neither, or does not say.
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
