"""The dialect ``redacted``: as ``exact``, for readers who may see calls and prices but not the parties.

Rule ``keyed-hash-v1``: numbers, addresses and ids become ``x-`` and 16 digits of a keyed hash. The same text has the
same digits, so that calls of one party can be counted. Names, links and media are removed. The privacy class of a field
in the field dictionary decides. Without the key, neither the text nor the row in another file can be recovered.
"""

from typing import Final

import polars as pl
import polars_hash as plh

from cdr_pipeline.core.fields.dictionary import DROPPED, HASHED
from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.exports.atomic import AtomicFile
from cdr_pipeline.exports.content import Content
from cdr_pipeline.exports.dialects.dialect import ExactRows, ExportDialect
from cdr_pipeline.exports.exact_csv import header, lines, read_csv


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


def _write(rows: ExactRows, writing: AtomicFile) -> str:
    if rows.redaction_key is None:
        raise ConfigurationError(
            "redacted files need a key",
            hint="set CDR_REDACTION_KEY to a long random text, and keep it: another key produces other masks",
        )
    content = Content(writing, rows.compression)
    content.write(header(rows.columns))
    for frame in rows.frames():
        content.write(lines(redacted(frame, rows.redaction_key)))
    return content.finish()


DIALECT: Final = ExportDialect(
    name="redacted",
    suffix=".redacted.csv",
    description="as `exact` with equal totals, but numbers and ids as keyed hashes, and without names",
    read=read_csv,
    write=_write,
    header=header,
    rule="keyed-hash-v1",
)
