"""The OpenAPI document about uploads."""

from typing import Final

from cdr_pipeline.api import examples
from cdr_pipeline.api.documentation.groups import ACCEPT, IDEMPOTENCY_KEY, RETRY_AFTER, TEXT, Group, body_of
from cdr_pipeline.api.models.envelopes import enveloped
from cdr_pipeline.api.models.uploads import DECISION_SCHEMA, RejectedLine, UploadResult, UploadState
from cdr_pipeline.api.parameters import UploadQuery, documented

UPLOAD: Final = Group(
    enveloped("Uploaded", UploadResult),
    [
        *documented(UploadQuery),
        ACCEPT,
        IDEMPOTENCY_KEY,
    ],
    example=examples.UPLOADED,
    codes=(403, 408, 409, 413, 415, 422),
    status=201,
    extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string", "minLength": 1},
                    "example": "caller,callee,start_time,duration\r\n100,200,2026-11-23T10:00:00Z,60\r\n",
                },
                "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            },
        }
    },
)
UPLOAD.responses[200] = UPLOAD.responses[201] | {"description": "the file was imported before, or a dry run"}
UPLOAD.responses[202] = UPLOAD.responses[201] | {
    "description": "the file is landed and loaded in the background; Location has its state",
    "headers": {
        "Location": {"description": "path of the state of the upload", "schema": TEXT},
        "Retry-After": RETRY_AFTER,
    },
}
UPLOADS: Final = Group(enveloped("Uploads", list[UploadState]), [ACCEPT], example=[examples.UPLOAD])
UPLOAD_STATE: Final = Group(enveloped("UploadDetail", UploadState), [ACCEPT], example=examples.UPLOAD)
DECISION: Final = Group(
    enveloped("UploadDecided", UploadState),
    [ACCEPT],
    example=examples.UPLOAD,
    codes=(403, 408, 409, 413),
    extra=body_of(DECISION_SCHEMA, {"decision": "release"}),
)
CANCELLED: Final = Group(enveloped("UploadCancelled", UploadState), [ACCEPT], example=examples.UPLOAD, codes=(403, 409))
REJECTS: Final = Group(
    enveloped("Rejects", list[RejectedLine]),
    [ACCEPT],
    example=[examples.REJECT],
)
