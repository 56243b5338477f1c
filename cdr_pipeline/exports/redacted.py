"""The dialect ``redacted``: as ``exact``, for readers who may see calls and prices but not the parties.

Rule ``keyed-hash-v1``: numbers, addresses and ids become ``x-`` and 16 digits of a keyed hash. The same text has the
same digits, so that calls of one party can be counted. Names, links and media are removed. The privacy class of a field
in the field dictionary decides. Without the key, neither the text nor the row in another file can be recovered.
"""

from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.fields.dictionary import DROPPED, HASHED

RULE: Final = "keyed-hash-v1"


def redacted(texts: pl.DataFrame, key: str) -> pl.DataFrame:
    """Masks cells of the exact dialect.

    Args:
        texts: text columns; fields of the privacy class ``NONE`` are unchanged.
        key: secret key of the hash.
    """
    return texts.with_columns(
        *(_hashed(name, key) for name in HASHED if name in texts.columns),
        *(pl.lit(None, pl.String).alias(name) for name in DROPPED if name in texts.columns),
    )


def _hashed(name: str, key: str) -> pl.Expr:
    """Hashes twice with the key, so that known masks do not help to compute others."""
    inner = plh.concat_str(pl.lit(f"{key}\x1f"), pl.col(name)).chash.sha2_256()
    digest = plh.concat_str(pl.lit(f"{key}\x1f"), inner).chash.sha2_256()
    masked = pl.lit("x-") + digest.str.head(16)
    return pl.when(pl.col(name).is_not_null()).then(masked).alias(name)
