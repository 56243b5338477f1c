"""The detail document of a record: the switch's keys, filled from columns and from the record's ``extra`` keys.

Kazoo's ``filter_KEY`` parameters name paths of this document. A filter may name the paths of the field dictionary, the
keys in the switch's own schema, and any key directly below the three objects with free keys.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from cdr_pipeline.core.fields.dictionary import FIELDS, Field, Kind
from cdr_pipeline.core.time.timestamps import to_gregorian

_OPEN: Final = ("custom_channel_vars", "custom_application_vars", "custom_sip_headers")
_FREE_KEY: Final = re.compile(r"(?!pvt_)[a-z][a-z0-9_]{0,63}")
_SCHEMA: Final = (
    "channel_created_time", "channel_name", "channel_state", "channel_call_state", "channel_is_loopback",
    "channel_loopback_leg", "channel_loopback_other_leg_id", "channel_loopback_bowout",
    "channel_loopback_bowout_execute", "fax_bad_rows", "fax_transferred_pages", "fax_total_pages",
    "fax_result_code", "fax_result_text", "fax_ecm_used", "fax_transfer_rate", "fax_local_station_id",
    "fax_remote_station_id", "fax_remote_country", "fax_remote_vendor", "fax_remote_model", "fax_encoding",
    "fax_success", "fax_timezone", "fax_identity_name", "fax_identity_number", "fax_doc_id", "fax_t38_used",
    "fax_doc_type", "from", "from_tag", "to", "to_tag", "request", "hangup_code", "interaction_key",
    "interaction_time", "node", "switch_hostname", "switch_nodename", "switch_uri", "switch_url",
    "other_leg_caller_id_name", "other_leg_caller_id_number", "other_leg_destination_number",
    "other_leg_direction", "presence_id", "msg_id", "call_priority", "e164_destination", "e164_origination",
    "did_classifier", "is_conference", "media_server",
)  # fmt: skip
# The end of the leg: the only key of the document that no column holds as it is.
TIMESTAMP: Final = ("timestamp",)

BY_PATH: Final[dict[tuple[str, ...], Field]] = {
    tuple(field.detail_path.split(".")): field for field in FIELDS if field.detail_path
} | {("custom_channel_vars", "account_id"): FIELDS[0]}

KNOWN_PATHS: Final = tuple(
    sorted({".".join(path) for path in BY_PATH} | set(_SCHEMA) | {"timestamp"} | {f"{name}.*" for name in _OPEN})
)
# Key for the values that only our documents have. Documents of the switch do not use it.
ADDED: Final = "cdr_pipeline"
_ADDED_FIELDS: Final = tuple(
    field
    for field in FIELDS
    if not field.detail_path and field.name not in ("account_id", "record_id") and field.name != "business_date"
)


def known_path(text: str) -> tuple[str, ...] | None:
    """Keys of a dotted path, from the outside in; None when filters do not support the path."""
    path = tuple(text.split("."))
    if path in BY_PATH or path == TIMESTAMP or (len(path) == 1 and text in _SCHEMA):
        return path
    if len(path) == 2 and path[0] in _OPEN and _FREE_KEY.fullmatch(path[1]):  # noqa: PLR2004 - object and key
        return path
    return None


def document_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Builds the detail document of a record of the merged view.

    Args:
        record: columns of the record, with ``extra`` and ``linked_record_id``, typed as in the field dictionary; with
            ``further_record_ids`` if known.

    Returns:
        The switch's keys in the notation of Kazoo 4.3 and later (integers; ``timestamp`` is the end of the leg in
        Gregorian seconds), and the key ``cdr_pipeline`` with origin, business date, money, E.164 numbers and media
        addresses.
    """
    document: dict[str, Any] = {
        key: value for key, value in record["extra"].items() if not key.startswith(("_", "pvt_"))
    }
    for path, field in BY_PATH.items():
        value = record[field.name]
        if value is not None:
            _put(document, path, _plain(field, value))
    ended: datetime = record["ended_at"] or record["started_at"]
    document["timestamp"] = to_gregorian(ended)
    added = {field.name: _plain(field, record[field.name]) for field in _ADDED_FIELDS}
    added |= {"business_date": str(record["business_date"]), "linked_record_id": record["linked_record_id"]}
    added["further_record_ids"] = record.get("further_record_ids") or None
    document[ADDED] = {key: value for key, value in added.items() if value is not None}
    return document


def _put(document: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        child = document.get(key)
        if not isinstance(child, dict):
            child = document[key] = {}
        document = child
    document[path[-1]] = value


def _plain(field: Field, value: Any) -> Any:  # noqa: ANN401 - any column
    """A value as JSON: seconds as numbers, money as exact text, instants in ISO 8601 with Z."""
    if value is None:
        return None
    if field.name == "media_recordings":
        return recordings_of(str(value))
    if isinstance(value, Decimal):
        if field.kind is Kind.MONEY:
            return f"{value:f}"
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def recordings_of(text: str) -> object:
    """The list of recordings as JSON; text that is not JSON stays text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
