"""Columns that a comparison reads from the warehouse; ``sides`` builds both sides from them."""

from typing import Final

COMPARED_COLUMNS: Final = (
    "record_id", "business_date", "call_id", "other_leg_call_id", "bridge_id", "call_direction", "started_at",
    "answered_at", "duration_seconds", "billing_seconds", "ringing_seconds", "answered", "disposition",
    "caller_id_number", "caller_e164", "callee_id_number", "callee_e164", "dialed_number", "authorizing_id",
    "resource_id", "cost", "cost_currency", "rate_name", "trunk", "row_digest",
)  # fmt: skip
