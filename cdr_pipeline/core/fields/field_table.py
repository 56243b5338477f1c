"""The field dictionary as a readable table."""

from cdr_pipeline.core.fields.dictionary import FIELDS, Field


def rows() -> list[tuple[str, str, str, str, str, str]]:
    """Name, type, meaning, Kazoo's name, source of the value and privacy class of each column of daily files."""
    return [
        (field.name, _type(field), field.description, field.seed, _source(field), field.privacy.value)
        for field in FIELDS
        if field.exported
    ]


def markdown_table() -> str:
    """The table as Markdown."""
    header = [("column", "type", "meaning", "seed", "from", "privacy"), ("---",) * 6]
    body = [tuple(cell.replace("|", r"\|") for cell in cells) for cells in rows()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [*header, *body])


def _type(field: Field) -> str:
    return field.kind.value if field.longest is None else f"{field.kind.value}, at most {field.longest:,} bytes"


def _source(field: Field) -> str:
    if field.derived:
        return field.derived
    if field.list_key and field.detail_path:
        return f"list `{field.list_key}`, document `{field.detail_path}`"
    if field.list_key:
        return f"list `{field.list_key}`"
    return f"document `{field.detail_path}`" if field.detail_path else "imported files"
