"""The OpenAPI document about extracts."""

from typing import Final

from cdr_pipeline.api import examples
from cdr_pipeline.api.documentation.groups import ACCEPT, IDEMPOTENCY_KEY, RETRY_AFTER, TEXT, Group, Schema, body_of
from cdr_pipeline.api.documentation.records import KAZOO, OURS, PERIOD
from cdr_pipeline.api.models.envelopes import enveloped
from cdr_pipeline.api.models.extracts import ExtractBody, ExtractWish
from cdr_pipeline.api.negotiation import ARROW, JSON_LINES, XLSX
from cdr_pipeline.api.parameters import ListQuery, documented

_CHOOSING: Final = [item for item in documented(ListQuery) if item["name"] in ("ascending", "descending", "utc_offset")]
_EXTRACT_PARAMETERS: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "description": "query parameters of the list; a single value of a filter may also be given without an array",
    "properties": {item["name"]: item["schema"] for item in (*PERIOD, *_CHOOSING)}
    # Arrays only: the generator of Java clients makes code that does not compile of "a text or an array".
    | {item["name"]: {"type": "array", "items": item["schema"], "maxItems": 50} for item in (*OURS, *KAZOO)},
}
_EXTRACT_WISH: Final = ExtractWish.model_json_schema()
EXTRACTS: Final = Group(enveloped("Extracts", list[ExtractBody]), [ACCEPT], example=[examples.EXTRACT])
EXTRACT: Final = Group(enveloped("ExtractDetail", ExtractBody), [ACCEPT], example=examples.EXTRACT, codes=(403,))
NEW_EXTRACT: Final = Group(
    enveloped("ExtractRequested", ExtractBody),
    [ACCEPT, IDEMPOTENCY_KEY],
    example=examples.EXTRACT | {"state": "waiting", "rows": 0, "bytes": 0, "slices": 0, "slices_done": 0},
    codes=(408, 409, 413, 422),
    status=202,
    extra=body_of(
        {
            "type": "object",
            "properties": {
                "data": _EXTRACT_WISH
                | {"properties": _EXTRACT_WISH["properties"] | {"parameters": _EXTRACT_PARAMETERS}}
            },
        },
        {
            "format": "csv",
            "compression": "gzip",
            "parameters": {
                "created_from": "2026-01-01T00:00:00Z",
                "created_to": "2026-06-30T23:59:59Z",
                "direction": ["inbound"],
            },
        },
    ),
)
EXTRACT_FILE: Final = Group(None, [], example=None, csv=False, codes=(409, 410))
EXTRACT_FILE.responses[200] = {
    "description": "the file",
    "content": {
        "text/csv": {"schema": TEXT},
        JSON_LINES: {"schema": TEXT},
        "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/RecordRow"}}},
    }
    | {media: {"schema": {"type": "string", "format": "binary"}} for media in (ARROW, XLSX, "application/gzip")},
}
EXTRACT_FILE.responses[206] = EXTRACT_FILE.responses[200] | {"description": "the range of bytes of the header Range"}
NEW_EXTRACT.responses[202] |= {
    "description": "the extract is made in the background; Location has its state",
    "headers": {
        "Location": {"description": "path of the state of the extract", "schema": TEXT},
        "Retry-After": RETRY_AFTER,
    },
}
