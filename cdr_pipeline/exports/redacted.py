"""The dialect ``redacted``: as ``exact``, for those who may know what was called and paid, but not by whom.

Rule ``keyed-hash-v1``: numbers, addresses and ids become ``x-`` and 16 digits that depend on a key; the same text has
the same digits, so that calls of one party can be counted. Names, links and media are left out. Which fields these are
follows from their privacy class in the field dictionary. Without the key, the text or the row of another file cannot be
recovered.
"""

from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.fields.dictionary import DROPPED, HASHED

RULE: Final = "keyed-hash-v1"


def redacted(texts: pl.DataFrame, key: str) -> pl.DataFrame:
    """Cells of the exact dialect, masked.

    Args:
        texts: text columns; fields of the class ``NONE`` stay as they are.
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
