"""Columns of records in the form in which COPY reads them."""

import polars as pl

from cdr_pipeline.core.fields.dictionary import Kind


def csv_value(name: str, kind: Kind) -> pl.Expr:
    """A column for COPY; instants are written as ISO 8601, which PostgreSQL reads with any session settings."""
    if kind is Kind.INSTANT:
        return pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias(name)
    return pl.col(name)
