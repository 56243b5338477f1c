"""Columns of the assets and where each comes from: generated from the field dictionary, as everything else is."""

from typing import Final

import dagster as dg

from cdr_pipeline.core.fields.dictionary import FIELDS, Field

_PAGES: Final = "api_pages"
_RECORDS: Final = "cdr"
_REJECT_COLUMNS: Final = (
    ("account_id", "text", "Whose row it was."),
    ("reject_id", "text", "Identity of the reject: the same bad row is kept once."),
    ("batch_id", "uuid", "The load that refused it."),
    ("origin", "text", "Who delivered it: api or imported."),
    ("source", "text", "Landing path of the window, or sha256 of the file."),
    ("line", "bigint", "Row of the window, or line of the file."),
    ("field", "text", "The field that broke a rule."),
    ("reason", "text", "Which rule, as a stable code."),
    ("raw", "text", "The row as it was delivered. Personal data: never in metadata."),
    ("business_date", "date", "The day that the window was collected for; none for a file."),
    ("rejected_at", "timestamptz", "When, UTC."),
)


def page_columns() -> dg.TableSchema:
    """Keys of a row of the switch's list, and of a detail document."""
    columns = [
        dg.TableColumn(name, "json", description=f"Becomes {field.name}. {field.description}")
        for field in FIELDS
        for name in [_delivered_as(field)]
        if name
    ]
    return dg.TableSchema(columns=list({column.name: column for column in columns}.values()))


def record_columns() -> dg.TableSchema:
    """Columns of the table of records."""
    return dg.TableSchema(columns=[_column(field) for field in FIELDS])


def file_columns() -> dg.TableSchema:
    """Columns of a daily file."""
    return dg.TableSchema(columns=[_column(field) for field in FIELDS if field.exported])


def reject_columns() -> dg.TableSchema:
    """Columns of the table of rejects."""
    return dg.TableSchema(
        columns=[dg.TableColumn(name, kind, description=said) for name, kind, said in _REJECT_COLUMNS]
    )


def record_lineage() -> dg.TableColumnLineage:
    """Records from pages; what a carrier's file is called before is its profile's business."""
    return dg.TableColumnLineage(
        {
            field.name: [dg.TableColumnDep(asset_key=dg.AssetKey(_PAGES), column_name=name)]
            for field in FIELDS
            for name in [_delivered_as(field)]
            if name
        }
    )


def file_lineage() -> dg.TableColumnLineage:
    """Files from records: the same names."""
    return dg.TableColumnLineage(
        {
            field.name: [dg.TableColumnDep(asset_key=dg.AssetKey(_RECORDS), column_name=field.name)]
            for field in FIELDS
            if field.exported
        }
    )


def _column(field: Field) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=not field.required, other=list(field.allowed))
    return dg.TableColumn(field.name, field.kind.value, description=field.description, constraints=constraints)


def _delivered_as(field: Field) -> str:
    return field.list_key or field.detail_path
