"""``cdr-pipeline profiles``: how files are written, the built-in ones and your own."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show

profiles_app = typer.Typer(help="Import profiles: descriptions of file formats.", no_args_is_help=True)
_PROFILES: Final = listing(
    "profiles", "Profiles", "profile", "description", "format", "own", sentences=("description",),
    titles={"description": "files of", "own": "where from"},
)  # fmt: skip
_FAULTS: Final = listing(
    "invalid", "Not valid, so no file can be imported with them", "profile", "code", "what_is_wrong",
    sentences=("what_is_wrong",),
)  # fmt: skip


def complete_profile(incomplete: str) -> Iterator[str]:
    """Names of profiles, for the shell."""
    from cdr_pipeline.errors import CdrError
    from cdr_pipeline.settings import load_settings
    from cdr_pipeline.sources.uploads.profiles import list_profiles

    try:
        names = list_profiles(load_settings().profile_dir)
    except (CdrError, OSError):
        return
    yield from (name for name in names if name.startswith(incomplete))


@profiles_app.command("list")
@reports(_PROFILES, _FAULTS)
def list_all() -> None:
    """Show every profile: built-in ones and your own, and files of yours that are not valid yet."""
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.sources.uploads.profiles import broken_profiles, list_profiles

    settings = ready_settings()
    rows = list[tuple[object, ...]]()
    for name, profile in list_profiles(settings.profile_dir).items():
        own = (settings.profile_dir / f"{name}.toml").is_file()
        rows.append((name, profile.description, profile.layout.format, Cell(own, "your own" if own else "built in")))
    show(_PROFILES, rows)
    broken = broken_profiles(settings.profile_dir)
    if broken:
        show(_FAULTS, ((name, profile.error.code, profile.error.message) for name, profile in broken.items()))
        out.print(f"'cdr-pipeline profiles check {settings.profile_dir}/NAME.toml' checks one", markup=False)


@profiles_app.command("show")
def show_one(
    name: Annotated[str, typer.Argument(help="Name of the profile.", autocompletion=complete_profile)],
) -> None:
    """Print the TOML of a profile, to copy and change."""
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.sources.uploads.profiles import shown_text

    out.print(shown_text(name, ready_settings().profile_dir), markup=False, soft_wrap=True, end="")


@profiles_app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="Profile: a TOML file, or the name of one in the folder of profiles.")],
) -> None:
    """Check a profile of your own and report what is wrong. Exits with 5 if anything is."""
    from cdr_pipeline.cli.terminal import out, ready_settings
    from cdr_pipeline.sources.uploads.profiles import check_profile
    from cdr_pipeline.steps.uploads.upload_parts import require_readers

    folder = ready_settings().profile_dir
    if not file.is_file():
        own = folder / f"{file}.toml"
        if not own.is_file():
            raise typer.BadParameter(f"neither {file} nor {own} exists")
        file = own
    profile = check_profile(file)
    require_readers(profile, folder)
    readers = sorted(set(profile.profile_names.values()))
    what = f"divides files among {', '.join(readers)}" if readers else f"{len(profile.fields)} fields"
    out.print(f"{profile.name}: valid, {what}", markup=False)
    if file.resolve().parent != folder.resolve():
        place = shlex.quote(str(folder))
        command = f"mkdir -p {place} && cp {shlex.quote(str(file))} {place}"
        out.print(
            f"to import files with it, copy it to the folder of profiles: {command}", markup=False, soft_wrap=True
        )
    out.print(f"then: cdr-pipeline import FILE --account ACCOUNT --profile {shlex.quote(profile.name)}", markup=False)


@profiles_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of profiles, with which editors complete keys and mark errors.

    Save it next to your profiles and begin each with the line: #:schema ./schema.json
    """
    import sys

    from cdr_pipeline.sources.uploads.profile_file import schema_text

    sys.stdout.write(schema_text())


@profiles_app.command("new")
def new(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="Sample file of the source, or several of one kind."),
    ],
    *,
    target: Annotated[Path | None, typer.Option("--out", help="Output file; default: standard output.")] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            help="Answer to a question, such as zone=Europe/Berlin or caller_id_number=COLUMN; repeat for several."
        ),
    ] = None,
) -> None:
    """Draft a profile for a file, try it on the file, and print what a file cannot tell as questions.

    The first rows are printed as they would be merged, next to their text. Open questions are left as FILL IN, never
    guessed; answer them with --answers.
    """
    import sys

    from cdr_pipeline.cli.terminal import err, ready_settings
    from cdr_pipeline.cli.uploads.trials import print_trial
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile

    given = dict[str, str]()
    for text in answers or []:
        key, separator, answer = text.partition("=")
        if not separator or not key.strip():
            raise ConfigurationError(
                f"--answers {text!r} is not KEY=ANSWER", hint="such as --answers zone=Europe/Berlin"
            )
        given[key.strip()] = answer.strip()
    draft = draft_profile(files[0], ready_settings().profile_dir, more=files[1:], answers=given)
    for text in draft.decided:
        err.print(f"decided: {text}", markup=False)
    asked = {question.text for question in draft.questions}
    for text in draft.unknown:
        if text not in asked:
            err.print(f"not known: {text}", markup=False)
    if draft.trial is not None:
        print_trial(draft.trial, {question.key: question.assumed for question in draft.questions})
    for question in draft.questions:
        err.print(f"question: {question.text}", markup=False)
        options = " or ".join(f"--answers {question.key}={choice}" for choice in question.choices[:3])
        err.print(f"  answer: {options}", markup=False)
    if draft.resembles:
        err.print(f"these profiles read the file as it is: {', '.join(draft.resembles)}", markup=False)
    if target is None:
        sys.stdout.write(draft.text)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(draft.text, "utf-8")
    left = f"answer the questions, or fill in what is missing in {target}, then" if draft.questions else "next"
    err.print(f"written to {target}; {left}: cdr-pipeline profiles check {shlex.quote(str(target))}", markup=False)
