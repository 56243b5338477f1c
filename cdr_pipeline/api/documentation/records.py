"""The OpenAPI document about lists and details of records."""

from typing import Final

from cdr_pipeline.api import examples
from cdr_pipeline.api.documentation.groups import ACCEPT, TEXT, Group, Schema
from cdr_pipeline.api.filters.own import FILTERS
from cdr_pipeline.api.models.envelopes import PagedEnvelope, enveloped
from cdr_pipeline.api.models.records import InteractionRow, RecordDocument, RecordRow, Summary
from cdr_pipeline.api.parameters import MOMENT, AcceptQuery, ListQuery, PeriodQuery, documented
from cdr_pipeline.core.records.document import KNOWN_PATHS


def _query(name: str, description: str, example: str, schema: Schema | None = None) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema or TEXT,
        "example": example,
    }


PERIOD: Final = documented(PeriodQuery)
KAZOO: Final = [
    _query("filter_hangup_cause", f"filter_KEY: text at a key of the document: {', '.join(KNOWN_PATHS)}", "NO_ANSWER"),
    _query(
        "filter_not_call_direction",
        "filter_not_KEY: records with a different value at a key of the document",
        "inbound",
    ),
    *(
        _query(
            name, f"{name.replace('_', ' ')} of the document", "user_agent", {"type": "string", "enum": ["user_agent"]}
        )
        for name in ("has_key", "key_missing", "has_value", "value_missing")
    ),
    _query(
        "filter_any_hangup_cause",
        "filter_any_KEY, filter_none_KEY: any or none of a JSON list at a key of the document",
        '["NO_ANSWER","USER_BUSY"]',
    ),
    _query(
        "filter_array_intersect_any_custom_channel_vars.media_names",
        "filter_array_intersect_all_KEY, _any_KEY, _none_KEY: a list at a key has all, any or none of a JSON list",
        '["first.mp3"]',
    ),
    _query("modified_from", "changed at or after this time", "63946000000", MOMENT),
    _query("modified_to", "changed at or before this time", "63946086400", MOMENT),
]
OURS: Final = [
    _query(name, f"{item.description}; repeated: any of them", item.example, item.schema)
    for name, item in FILTERS.items()
]
_PAGING: Final = documented(ListQuery, AcceptQuery)
LIST: Final = Group(
    enveloped("Records", list[RecordRow], PagedEnvelope),
    [*PERIOD, *_PAGING, *OURS, *KAZOO],
    example=[examples.ROW],
    lines=True,
)
INTERACTIONS: Final = Group(
    enveloped("Interactions", list[InteractionRow], PagedEnvelope),
    LIST.extra["parameters"],
    example=[examples.INTERACTION],
    lines=True,
)
SUMMARY: Final = Group(
    enveloped("RecordSummary", Summary),
    [*PERIOD, ACCEPT, *OURS, *KAZOO],
    example={"inbound": {"pbx0.example": {"did_us": {"total": 61}}}},
)
DETAIL: Final = Group(enveloped("RecordDetail", RecordDocument), [ACCEPT], example=examples.DOCUMENT)
LEGS: Final = Group(enveloped("Legs", list[RecordDocument]), [ACCEPT], example=[examples.DOCUMENT])
