"""``cdr-pipeline profiles``: how files are written, the built-in ones and your own."""

from pathlib import Path
from typing import Annotated

import typer

profiles_app = typer.Typer(help="Import profiles: how files are written.", no_args_is_help=True)


@profiles_app.command("list")
def list_all() -> None:
    """Show every profile, built in or your own."""
    from cdr_pipeline.cli.console import out, ready_settings, table
    from cdr_pipeline.sources.uploads.profiles import list_profiles

    settings = ready_settings()
    listing = table("Profiles", "profile", "files of", "format", "where from")
    for name, profile in list_profiles(settings.profile_dir).items():
        own = (settings.profile_dir / f"{name}.toml").is_file()
        listing.add_row(name, profile.description, profile.layout.format, "your own" if own else "built in")
    out.print(listing)


@profiles_app.command("show")
def show(name: Annotated[str, typer.Argument(help="Name of the profile.")]) -> None:
    """Print a profile's TOML, to copy and change."""
    from cdr_pipeline.cli.console import out, ready_settings
    from cdr_pipeline.sources.uploads.profiles import profile_text

    out.print(profile_text(name, ready_settings().profile_dir), markup=False, soft_wrap=True, end="")


@profiles_app.command("check")
def check(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A profile, TOML.")]) -> None:
    """Check a profile of your own and say what is wrong with it. Exits 5 when something is."""
    from cdr_pipeline.cli.console import out
    from cdr_pipeline.sources.uploads.profiles import check_profile

    profile = check_profile(file)
    out.print(f"{profile.name}: {len(profile.fields)} fields; put it into the folder profiles/ of CDR_DATA_DIR")


@profiles_app.command("new")
def new(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file of the source.")],
    *,
    target: Annotated[
        Path | None, typer.Option("--out", help="Where to write the draft; standard output when omitted.")
    ] = None,
) -> None:
    """Look at a file and draft a profile for it, saying what it decided and what no file can tell.

    What cannot be known (the zone, the order of day and month) is left to be filled in, never guessed.
    """
    import sys

    from cdr_pipeline.cli.console import err, ready_settings
    from cdr_pipeline.sources.uploads.drafting import draft_profile

    draft = draft_profile(file, ready_settings().profile_dir)
    for text in draft.decided:
        err.print(f"decided: {text}", markup=False)
    for text in draft.unknown:
        err.print(f"not known: {text}", markup=False)
    if draft.resembles:
        err.print(f"it may be a file of: {', '.join(draft.resembles)}", markup=False)
    if target is None:
        sys.stdout.write(draft.text)
    else:
        target.write_text(draft.text, "utf-8")
        err.print(f"written to {target}; fill in what is missing, then: cdr-pipeline profiles check {target}")
