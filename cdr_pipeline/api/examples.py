"""Examples of response data in the OpenAPI document.

Each is complete, so that its model accepts it. None has a null: the framework drops such keys from the document.
"""

from typing import Any, Final

from cdr_pipeline.warehouse.records.list_columns import NAMES

Example = dict[str, Any]

ENVELOPE: Final[Example] = {
    "status": "success",
    "request_id": "0f2a7c",
    "node": "cdr_pipeline",
    "version": "4.3.0",
    "timestamp": "2026-11-24T10:00:00Z",
}
_KNOWN: Final[Example] = {
    "id": "202611-1f0c",
    "call_id": "1f0c",
    "caller_id_number": "+12125550100",
    "caller_id_name": "Example",
    "callee_id_number": "+12125550123",
    "duration_seconds": 61,
    "billing_seconds": 50,
    "ringing_seconds": 11,
    "timestamp": "63946000061",
    "hangup_cause": "NORMAL_CLEARING",
    "direction": "outbound",
    "call_direction": "outbound",
    "cost": "420",
    "cost_currency": "USD",
    "datetime": "2026-05-18 14:41:01",
    "unix_timestamp": "1778780861",
    "rate": "0.042",
    "media_recordings": [],
    "interaction_id": "63946000061-1f0c2a3b",
    "origin": "api",
    "business_date": "2026-05-18",
}
ROW: Final[Example] = {name: _KNOWN.get(name, "") for name in NAMES}
INTERACTION: Final[Example] = ROW | {"inception_direction": "origination"}
DOCUMENT: Final[Example] = {"id": "202611-1f0c", "call_id": "1f0c", "timestamp": 63946000122, "duration_seconds": 61}
ACCOUNT: Final[Example] = {
    "id": "a1", "name": "Example", "realm": "pbx0.example", "timezone": "Europe/Berlin",
}  # fmt: skip
NODE: Final[Example] = ACCOUNT | {"tree": ["a0"]}
TOKEN: Final[Example] = {
    "account_id": "a1", "token_id": "0123456789abcdef", "scope": "read", "expires_at": "2027-11-24T10:00:00Z",
}  # fmt: skip
MANAGED_TOKEN: Final[Example] = {
    "account_id": "a1",
    "token_id": "0123456789abcdef",
    "scope": "read",
    "label": "billing",
    "created_at": "2026-11-24T10:00:00Z",
    "expires_at": "2027-11-24T10:00:00Z",
    "revoked_at": "2027-01-24T10:00:00Z",
    "last_used_at": "2026-11-25T10:00:00Z",
}
CREATED_TOKEN: Final[Example] = {
    "token": "8c6976e5b5410415bde908bd4dee15df", "token_id": "0123456789abcdef", "expires_at": "2027-11-24T10:00:00Z",
}  # fmt: skip
WEBHOOK: Final[Example] = {
    "webhook_id": "0123456789abcdef",
    "account_id": "a1",
    "url": "https://billing.example/cdr-changes",
    "kinds": ["records", "sealed", "restated"],
    "label": "billing",
    "state": "working",
    "position": 43,
    "attempts": 1,
    "dead_letters": 0,
    "created_at": "2026-11-24T10:00:00Z",
    "delivered_at": "2026-11-26T02:01:05Z",
    "next_attempt_at": "2026-11-26T02:06:10Z",
    "error": "HTTP 503",
}
NEW_WEBHOOK: Final[Example] = WEBHOOK | {"secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
EXTRACT: Final[Example] = {
    "extract_id": "5f2b7c0d9e8a4b1c8d7e6f5a4b3c2d1e",
    "account_id": "a1",
    "state": "failed",
    "format": "csv",
    "compression": "gzip",
    "kind": "records",
    "user_id": "u1",
    "parameters": {"created_from": ["2026-01-01T00:00:00Z"], "created_to": ["2026-06-30T23:59:59Z"]},
    "created_from": "2026-01-01T00:00:00Z",
    "created_to": "2026-06-30T23:59:59Z",
    "rows": 120000,
    "bytes": 9400000,
    "slices": 181,
    "slices_done": 60,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "error": {"code": "warehouse_timeout", "message": "a slice took too long", "hint": "choose a shorter period"},
    "created_at": "2026-11-24T10:00:00Z",
    "ended_at": "2026-11-24T10:00:42Z",
    "expires_at": "2026-12-01T10:00:42Z",
}
DEAD_LETTER: Final[Example] = {
    "change": 43,
    "body": {
        "account_id": "a1", "webhook_id": "0123456789abcdef", "change": 43, "kind": "sealed",
        "business_date": "2026-11-23", "happened_at": "2026-11-26T02:01:00Z", "details": {"version": 1},
    },
    "attempts": 10,
    "error": "HTTP 500",
    "failed_at": "2026-11-26T18:01:00Z",
    "replay": False,
}  # fmt: skip
LOGIN: Final[Example] = {
    "account_id": "a1",
    "account_name": "Example",
    "scope": "read",
    "owner_id": "5e6b0c",
    "reseller_id": "a1",
    "is_reseller": False,
    "language": "en-us",
    "apps": [],
}
PORTAL_USER: Final[Example] = {
    "id": "5e6b0c", "username": "ann", "first_name": "ann", "last_name": "", "enabled": True, "priv_level": "user",
    "timezone": "Europe/Berlin",
}  # fmt: skip
PORTAL_APP: Final[Example] = {
    "id": "dt-calllogs",
    "name": "dt-calllogs",
    "i18n": {"en-US": {"label": "dt-calllogs", "description": ""}},
    "allowed_users": "all",
    "users": [],
}
NEW_TOKEN: Final[Example] = {"auth_token": "8c6976e5b5410415bde908bd4dee15df"}
_UPLOAD_ID: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
UPLOADED: Final[Example] = {
    "upload_id": _UPLOAD_ID,
    "origin": "imported",
    "profile": "generic",
    "state": "loaded",
    "bytes": 4096,
    "days": ["2026-11-23"],
    "counts": {
        "read": 2, "inserted": 1, "updated": 0, "unchanged": 0, "duplicate": 0, "rejected": 0, "filtered": 1,
    },
    "reject_reasons": {},
    "filtered_reasons": {"not_a_call": 1},
}  # fmt: skip
UPLOAD: Final[Example] = {
    "upload_id": _UPLOAD_ID,
    "origin": "imported",
    "profile": "generic",
    "time_zone": "Europe/Berlin",
    "file_name": "calls.csv",
    "state": "held",
    "received_at": "2026-11-24T10:00:00Z",
    "corrects": "0b1f4c",
    "overlap_rows": 12,
    "other_calls": 0,
    "error_code": "upload_held",
    "rows_read": 0,
    "rows_inserted": 0,
    "rows_updated": 0,
    "rows_rejected": 0,
}
REJECT: Final[Example] = {
    "line": 7, "field": "call_id", "reason": "too_long", "raw": "...", "detail": "900 bytes, at most 512",
}  # fmt: skip
DAY: Final[Example] = {
    "business_date": "2026-11-23",
    "state": "sealed",
    "complete_through": "2026-11-23T23:00:00Z",
    "changed_at": "2026-11-24T02:00:00Z",
    "exported_at": "2026-11-24T02:01:00Z",
    "records": {"api": 1200, "imported": 1198},
    "volume": "normal",
    "failed_windows": 0,
    "reconciliation": {"status": "green", "breaks": 2, "exposure": "0.42"},
}
_SIDE: Final[Example] = {
    "record_id": "202611-1f0c", "call_id": "1f0c", "started_at": "2026-11-23T10:00:00Z", "seconds": "61",
    "amount": "0.42",
}  # fmt: skip
BREAK: Final[Example] = {
    "id": "0123456789abcdef0123456789abcdef",
    "business_date": "2026-11-23",
    "carrier": "carrier-1",
    "kind": "amount",
    "cause": "increment",
    "detail": "60/60 instead of 6/6",
    "ambiguous": False,
    "destination": "44",
    "exposure": "0.21",
    "currency": "USD",
    "expected_amount": "0.21",
    "state": "credited",
    "decisions": 1,
    "decided_by": "ann",
    "reason": "credit note of the carrier",
    "credit_note": "CN-2026-11",
    "assignee": "ann",
    "switch": _SIDE,
    "carrier_side": _SIDE,
}
DECIDED: Final[Example] = {
    "business_date": "2026-11-23", "carrier": "carrier-1", "open_breaks": 0, "light": "settled",
}  # fmt: skip
ACTED: Final[Example] = {"account_id": "a1", "business_date": "2026-11-23", "outcome": "sealed"}
CHANGE: Final[Example] = {
    "change": 43,
    "kind": "sealed",
    "business_date": "2026-11-23",
    "happened_at": "2026-11-26T02:01:00Z",
    "details": {"version": 1, "sha256": _UPLOAD_ID},
}
FILE: Final[Example] = {
    "id": "2026-11-23_v1_exact",
    "business_date": "2026-11-23",
    "version": 1,
    "dialect": "exact",
    "file_name": "cdrs_a1_2026-11-23_v1.csv",
    "sha256": _UPLOAD_ID,
    "bytes": 4096,
    "rows": 20,
    "written_at": "2026-11-24T02:01:00Z",
    "manifest": {"state": "sealed"},
}
