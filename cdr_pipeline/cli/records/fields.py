"""``cdr-pipeline fields``: the field dictionary."""


def fields() -> None:
    """Print the columns of the daily files as a Markdown table: name, type, meaning, Kazoo name, source."""
    import typer

    from cdr_pipeline.core.fields.field_table import markdown_table

    typer.echo(markdown_table())
