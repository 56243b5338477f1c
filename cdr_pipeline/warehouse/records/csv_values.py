"""Columns of records in the forms in which PostgreSQL reads many values fast."""

import polars as pl

from cdr_pipeline.core.fields.dictionary import Kind


def csv_value(name: str, kind: Kind) -> pl.Expr:
    """A column for COPY; instants are written as ISO 8601, which PostgreSQL reads with any session settings."""
    if kind is Kind.INSTANT:
        return pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias(name)
    return pl.col(name)


def text_array(values: pl.Series) -> str:
    """Texts without null as PostgreSQL writes an array; psycopg takes ten times as long for a list of texts."""
    escaped = values.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
    return '{"' + '","'.join(escaped) + '"}' if values.len() else "{}"
