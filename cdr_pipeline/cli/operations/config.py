"""``cdr-pipeline config``: what is set, where from, and what is wrong."""

import typer

config_app = typer.Typer(help="Settings: environment variables CDR_* and an optional .env.", no_args_is_help=True)


@config_app.callback()
def _group() -> None:
    """Settings."""


@config_app.command("check")
def check() -> None:
    """Show every setting with its value (secrets masked), source and problem. Exits with 2 if anything is wrong.

    Data in an object store: also writes, lists, reads and deletes a small file there. Exits with 14 if that fails.
    """
    from cdr_pipeline.cli.terminal import out, table
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.settings import inspect_settings
    from cdr_pipeline.steps.collect.switch_dialects import require_upstream
    from cdr_pipeline.steps.operations.data_folder import check_place

    reports, settings = inspect_settings()
    listing = table("Settings", "variable", "value", "from", "for", "problem")
    for report in reports:
        listing.add_row(
            report.variable,
            report.value,
            report.source,
            report.description,
            f"[red]{report.problem}[/red]" if report.problem else "",
        )
    out.print(listing)
    wrong = [report.variable for report in reports if report.problem]
    if wrong:
        raise ConfigurationError(f"{len(wrong)} setting(s) wrong: {', '.join(wrong)}", hint="see the column 'problem'")
    if settings is not None:
        require_upstream(settings)
        if tried := check_place(settings):
            out.print(tried, markup=False, soft_wrap=True)
    out.print("all settings are valid")
