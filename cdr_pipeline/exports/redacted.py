"""The dialect ``redacted``: as ``exact``, for those who may know what was called and paid, but not by whom.

Rule ``keyed-hash-v1``: numbers, addresses and ids become ``x-`` and 16 digits that depend on a key; the same text has
the same digits, so that calls of one party can be told apart and counted. Names, links and media are left out. Without
the key nobody gets back to the text or to the row of another file.
"""

from typing import Final

import polars as pl
import polars_hash as plh

RULE: Final = "keyed-hash-v1"
HASHED: Final = (
    "record_id", "call_id", "other_leg_call_id", "bridge_id", "interaction_id", "caller_id_number", "caller_e164",
    "callee_id_number", "callee_e164", "dialed_number", "calling_from", "owner_id", "authorizing_id", "endpoint_id",
)  # fmt: skip
DROPPED: Final = (
    "caller_id_name", "callee_id_name", "digits_dialed", "to_uri", "from_uri", "sip_to", "sip_from", "sip_request",
    "remote_rtp_address", "remote_rtp_port", "recording_url", "media_recordings", "username",
)  # fmt: skip


def redacted(texts: pl.DataFrame, key: str) -> pl.DataFrame:
    """Cells of the exact dialect, masked.

    Args:
        texts: text columns; one that is not named above is kept.
        key: what the masks depend on.
    """
    return texts.with_columns(
        *(_hashed(name, key) for name in HASHED if name in texts.columns),
        *(pl.lit(None, pl.String).alias(name) for name in DROPPED if name in texts.columns),
    )


def _hashed(name: str, key: str) -> pl.Expr:
    """Hashed within a hash: knowing some masks does not help to make others."""
    inner = plh.concat_str(pl.lit(f"{key}\x1f"), pl.col(name)).chash.sha2_256()
    digest = plh.concat_str(pl.lit(f"{key}\x1f"), inner).chash.sha2_256()
    masked = pl.lit("x-") + digest.str.head(16)
    return pl.when(pl.col(name).is_not_null()).then(masked).alias(name)
