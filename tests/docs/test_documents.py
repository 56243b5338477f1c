"""What is written for people agrees with what the program does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from cdr_pipeline import errors
from cdr_pipeline.cli.registry import register
from cdr_pipeline.core.field_table import markdown_table
from cdr_pipeline.core.fields import FIELDS, names
from cdr_pipeline.settings import Settings, variable_of
from cdr_pipeline.sources.uploads.profiles import list_profiles

ROOT = Path(__file__).parents[2]
CALL = "from cdr_pipeline.cli import main; main()"
README = (ROOT / "README.md").read_text()
# The two tables of the seed, name by name.
SEED = (ROOT / "tests/golden/seed_fields.txt").read_text().split()


def commands() -> dict[str, typer.core.TyperCommand]:
    """Every command by its words."""
    app = typer.Typer()
    register(app)
    found: dict[str, typer.core.TyperCommand] = {}

    def walk(command: object, words: tuple[str, ...]) -> None:
        below = getattr(command, "commands", None)
        if below is None:
            found[" ".join(words)] = command  # type: ignore[assignment]
            return
        for name, child in below.items():
            walk(child, (*words, name))

    walk(get_command(app), ())
    return found


def test_every_field_of_the_seed_is_in_the_dictionary() -> None:
    assert set(SEED) == {field.seed for field in FIELDS if field.seed}


def test_names_are_unique_lower_case_words() -> None:
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", field.name) for field in FIELDS)
    assert all(field.description.endswith(".") for field in FIELDS)


def test_the_field_table_has_a_row_for_every_exported_column() -> None:
    lines = markdown_table().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(names(exported_only=True))


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_explains_itself_and_its_options(words: str) -> None:
    command = commands()[words]
    assert command.help
    assert all(getattr(option, "help", None) for option in command.params if option.name != "help")


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_is_in_the_readme(words: str) -> None:
    first, _, second = words.partition(" ")
    assert re.search(rf"\b{first}\b", README)
    if second:
        assert re.search(rf"cdr-pipeline {first} [a-z|\\]*\b{second}\b", README)


def test_every_command_of_the_readme_exists() -> None:
    known = {words.split()[0] for words in commands()}
    assert set(re.findall(r"cdr-pipeline ([a-z][a-z-]*)", README)) <= known


def test_every_setting_is_in_the_readme() -> None:
    missing = [variable_of(name) for name in Settings.model_fields if variable_of(name) not in README]
    assert missing == []


def test_every_profile_is_in_the_readme() -> None:
    assert [name for name in list_profiles() if f"`{name}`" not in README] == []


def test_every_exit_code_is_in_the_readme_and_stands_for_one_branch() -> None:
    codes = {
        kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CdrError)
    }
    assert all(f"| {code} |" in README for code in codes - {1})


def test_help_is_quick_enough_to_be_used(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from cdr_pipeline.cli import main; main()", "--help"],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert "demo" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"dagster", "polars", "psycopg", "sqlalchemy", "fastapi", "pandera"}


@pytest.mark.parametrize(
    ("variables", "arguments", "code", "said"),
    [
        ({"CDR_TIME_ZONE": "Mars"}, ["status"], 2, "CDR_TIME_ZONE"),
        ({"CDR_WAREHOUSE_URL": "postgresql://nobody:CANARY@127.0.0.1:9/x"}, ["status"], 3, "warehouse_unavailable"),
        ({"CDR_API_URL": "https://x.example"}, ["demo"], 2, "CDR_API_URL"),
        ({}, ["verify-export", "{tmp}"], 0, "0 file(s) checked"),
        ({}, ["config", "check"], 0, "all settings are valid"),
        ({}, ["fields"], 0, "| account_id |"),
    ],
)
def test_commands_end_with_the_documented_code_and_no_traceback(
    tmp_path: Path, variables: dict[str, str], arguments: list[str], code: int, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALL, *(argument.format(tmp=tmp_path) for argument in arguments)],
        env=os.environ | {"CDR_DATA_DIR": str(tmp_path / "data")} | variables, capture_output=True, text=True,
        cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "CANARY" not in done.stdout + done.stderr
