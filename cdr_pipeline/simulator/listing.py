"""Rows and details of the API: the columns of each version in their order, with the types of that version."""

import math
from datetime import UTC, datetime
from typing import Any, Final

from cdr_pipeline.core.time.timestamps import GREGORIAN_UNIX_OFFSET, from_gregorian
from cdr_pipeline.simulator.traffic import Document
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect

_UNITS_PER_DOLLAR: Final = 10_000
_OLD_DIALECTS: Final = (SwitchDialect.SEED_V1, SwitchDialect.V2_K3)


def list_row(document: Document, dialect: SwitchDialect) -> dict[str, Any]:
    """A row of ``/cdrs``. Its ``timestamp`` is the stored one minus the duration: the start of the leg."""
    old = dialect in _OLD_DIALECTS
    variables: Document = document.get("custom_channel_vars", {})
    duration = int(document.get("duration_seconds") or 0)
    start = int(document.get("timestamp") or 0) - duration
    moment = from_gregorian(start) if start > GREGORIAN_UNIX_OFFSET else datetime(1970, 1, 1, tzinfo=UTC)
    per_minute = variables.get("account_billing") == "per_minute"
    request, target = _user(document.get("request")), _user(document.get("to"))
    inbound = document.get("call_direction") == "inbound"
    authorizing = variables.get("authorizing_id", "")
    quoted = '"{}"'.format if old else "{}".format

    row: dict[str, Any] = {
        "id": document["_id"],
        "call_id": document.get("call_id", ""),
        "caller_id_number": document.get("caller_id_number", ""),
        "caller_id_name": document.get("caller_id_name", ""),
        "callee_id_number": document.get("callee_id_number", ""),
        "callee_id_name": document.get("callee_id_name", ""),
        "duration_seconds": _number(document.get("duration_seconds"), as_text=old),
        "billing_seconds": _number(document.get("billing_seconds"), as_text=old),
        "timestamp": str(start),
        "hangup_cause": document.get("hangup_cause", ""),
    }
    if not old:
        row["disposition"] = document.get("disposition", "")
    row |= {
        "other_leg_call_id": document.get("other_leg_call_id", ""),
        "owner_id": variables.get("owner_id", ""),
        "to": document.get("to", ""),
        "from": document.get("from", ""),
        "direction": document.get("call_direction", ""),
        "request": document.get("request", ""),
        "authorizing_id": "" if authorizing == variables.get("account_id") else authorizing,
        "cost": str(cost_units(document)) if per_minute else "0",
        "dialed_number": request if inbound else target,
        "calling_from": document.get("caller_id_number", "") if inbound else _user(document.get("from_uri")),
        "datetime": f"{moment:%Y-%m-%d %H:%M:%S}",
        "unix_timestamp": str(start - GREGORIAN_UNIX_OFFSET),
    }
    if dialect is SwitchDialect.K5:
        row["unix_timestamp_micro"] = str(float(document.get("channel_created_time", 0)))
    row |= {
        "rfc_1036": quoted(f"{moment:%a, %d %b %Y %H:%M:%S} GMT"),
        "iso_8601": quoted(f"{moment:%Y-%m-%d}"),
    }
    if not old:
        row["iso_8601_combined"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    row |= {
        "call_type": variables.get("account_billing", ""),
        "rate": str(int(variables.get("rate", 0)) / _UNITS_PER_DOLLAR),
        "rate_name": variables.get("rate_name", ""),
        "bridge_id": variables.get("bridge_id", ""),
        "recording_url": document.get("recording_url", ""),
    }
    if not old:
        row |= {
            "media_recordings": variables.get("media_recordings", []),
            "media_server": document.get("media_server", ""),
        }
    row["call_priority"] = document.get("call_priority", "")
    if not old:
        row["interaction_id"] = document.get("interaction_id", "")
    return row


def detail(document: Document, dialect: SwitchDialect) -> Document:
    """The stored document without private keys; 3.x sends numbers as text. Its ``timestamp`` is the end of the leg."""
    public = {key: value for key, value in document.items() if not key.startswith(("_", "pvt_"))}
    if dialect in _OLD_DIALECTS:
        for key in ("duration_seconds", "billing_seconds", "ringing_seconds", "timestamp"):
            if key in public:
                public[key] = str(public[key])
    return public | {"id": document["_id"]}


def cost_units(document: Document) -> int:
    """Price in 1/10000 dollar, by Kazoo's formula (calculate_call)."""
    variables: Document = document.get("custom_channel_vars", {})
    seconds = int(document.get("billing_seconds") or 0)
    rate = int(variables.get("rate", 0))
    increment = int(variables.get("rate_increment", 0)) or 60
    minimum = int(variables.get("rate_minimum", 0))
    if seconds <= 0 or not rate:
        return 0
    first = minimum / 60 * rate
    if seconds <= minimum:
        return math.trunc(first)
    return math.trunc(first + math.ceil((seconds - minimum) / increment) * (increment / 60 * rate))


def _user(uri: object) -> str:
    return str(uri or "").removeprefix("sip:").partition("@")[0]


def _number(value: object, *, as_text: bool) -> object:
    if value is None:
        return ""
    return str(value) if as_text else value
