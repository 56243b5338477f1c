"""Column schemas and column lineage of the assets, generated from the field dictionary."""

from typing import Final

import dagster as dg

from cdr_pipeline.core.fields.dictionary import FIELDS, Field

_PAGES: Final = "api_pages"
_RECORDS: Final = "cdr"
_REJECT_COLUMNS: Final = (
    ("account_id", "text", "Account that owns the row."),
    ("reject_id", "text", "Identity of the reject: the same bad row is stored once."),
    ("batch_id", "uuid", "Batch that rejected the row."),
    ("origin", "text", "Origin that delivered the row: api or imported."),
    ("source", "text", "Landing path of the window, or sha256 of the file."),
    ("line", "bigint", "Row of the window, or line of the file."),
    ("field", "text", "Field that broke a rule."),
    ("reason", "text", "Stable code of the rule."),
    ("raw", "text", "The row as it was delivered. Personal data: never in metadata."),
    ("business_date", "date", "Business date that the window was collected for; null for a file."),
    ("rejected_at", "timestamptz", "Time of the rejection, UTC."),
)


def page_columns() -> dg.TableSchema:
    """Keys of a row of the switch's list and of its detail document."""
    columns = [
        dg.TableColumn(name, "json", description=f"Becomes {field.name}. {field.description}")
        for field in FIELDS
        for name in [_delivered_as(field)]
        if name
    ]
    return dg.TableSchema(columns=list({column.name: column for column in columns}.values()))


def record_columns() -> dg.TableSchema:
    """Columns of the table ``cdr``."""
    return dg.TableSchema(columns=[_column(field, _source(field)) for field in FIELDS])


def file_columns() -> dg.TableSchema:
    """Columns of a daily file."""
    return dg.TableSchema(columns=[_column(field, f"{_RECORDS}.{field.name}") for field in FIELDS if field.exported])


def reject_columns() -> dg.TableSchema:
    """Columns of the table ``rejects``."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name, kind, description=description) for name, kind, description in _REJECT_COLUMNS]
    )


def record_lineage() -> dg.TableColumnLineage:
    """Columns of the records and the API keys that they come from.

    Imported files are not included: each profile maps its own column names.
    """
    return dg.TableColumnLineage(
        {
            field.name: [dg.TableColumnDep(asset_key=dg.AssetKey(_PAGES), column_name=name)]
            for field in FIELDS
            for name in [_delivered_as(field)]
            if name
        }
    )


def file_lineage() -> dg.TableColumnLineage:
    """Columns of the daily files, which have the names of the columns of the records."""
    return dg.TableColumnLineage(
        {
            field.name: [dg.TableColumnDep(asset_key=dg.AssetKey(_RECORDS), column_name=field.name)]
            for field in FIELDS
            if field.exported
        }
    )


def _column(field: Field, source: str) -> dg.TableColumn:
    """A column whose description names its source, because Dagster's open UI does not draw the lineage of columns."""
    constraints = dg.TableColumnConstraints(nullable=not field.required, other=list(field.allowed))
    description = f"{field.description} From {source}." if source else field.description
    return dg.TableColumn(field.name, field.kind.value, description=description, constraints=constraints)


def _source(field: Field) -> str:
    name = _delivered_as(field)
    return f"{_PAGES}.{name}" if name else ""


def _delivered_as(field: Field) -> str:
    return field.list_key or field.detail_path
