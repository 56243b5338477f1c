"""The README and the pages of documentation agree with the program and with each other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cdr_pipeline import errors
from cdr_pipeline.cli.operations.docs import FOLDER, pages
from cdr_pipeline.core.fields.dictionary import FIELDS, names
from cdr_pipeline.core.fields.field_table import markdown_table
from cdr_pipeline.settings import Settings, variable_of
from cdr_pipeline.sources.uploads.profiles import list_profiles
from tests.support.commands import run_command
from tests.support.reference_pages import commands

ROOT = Path(__file__).parents[2]
CALL = "from cdr_pipeline.cli import main; main()"
README = (ROOT / "README.md").read_text()
DOCUMENTS = {"README.md": ROOT / "README.md"} | {f"{name}.md": path for name, path in pages().items()}
# The two tables of the Kazoo CDR API (2017 page), name by name.
SEED = (ROOT / "tests/golden/seed_fields.txt").read_text().split()
# "cdr-pipeline accounts sync" in text, code and tables; options and arguments follow.
SHOWN_COMMAND = re.compile(r"cdr-pipeline((?: [a-z][a-z-]*)+)")
SHOWN_OPTION = re.compile(r"cdr-pipeline((?: [a-z][a-z-]*)+)([^\n`#&|]*)")


def page(topic: str) -> str:
    return (FOLDER / f"{topic}.md").read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_field_of_the_seed_is_in_the_dictionary() -> None:
    assert set(SEED) == {field.seed for field in FIELDS if field.seed}


def test_names_are_unique_lower_case_words() -> None:
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", field.name) for field in FIELDS)
    assert all(field.description.endswith(".") for field in FIELDS)


def test_the_field_table_has_a_row_for_every_exported_column() -> None:
    lines = markdown_table().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(names(exported_only=True))


def test_the_readme_fits_on_three_screens() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_link_resolves(name: str) -> None:
    path = DOCUMENTS[name]
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        linked = (path.parent / target).resolve() if target else path
        assert linked.is_file(), link
        assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), link


def test_the_readme_links_every_page() -> None:
    assert [name for name, path in pages().items() if str(path.relative_to(ROOT)) not in README] == []


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_table_has_rows_of_equal_width(name: str) -> None:
    lines = [line for line in DOCUMENTS[name].read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    for position in range(1, len(lines)):
        if re.fullmatch(r"\|[ -|]+\|", lines[position]) and set(lines[position]) <= set("|- "):
            assert widths[position] == widths[position - 1], lines[position - 1]


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_explains_itself_and_its_options(words: str) -> None:
    command = commands()[words]
    assert command.help
    assert all(getattr(option, "help", None) for option in command.params if option.name != "help")


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_is_in_a_guide(words: str) -> None:
    guides = README + "".join(page(name) for name in pages() if not name.startswith("reference/"))
    *groups, name = words.split()
    group = " ".join(groups)
    named = rf"`{group} {name}\b" if group else rf"`{name}\b"
    # "`accounts sync`", "cdr-pipeline accounts sync", or "`start`" near "`warehouse stop`".
    assert re.search(rf"cdr-pipeline {words}\b|{named}|\b{group}\b[^\n]*`{name}`", guides), words


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_command_shown_exists(name: str) -> None:
    known = commands()
    for shown in SHOWN_COMMAND.findall(DOCUMENTS[name].read_text(encoding="utf-8")):
        words = shown.split()
        assert any(" ".join(words[:length]) in known for length in (1, 2, 3)), shown


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_option_shown_exists(name: str) -> None:
    known = commands()
    for shown, rest in SHOWN_OPTION.findall(DOCUMENTS[name].read_text(encoding="utf-8")):
        words = shown.split()
        length = next((length for length in (3, 2, 1) if " ".join(words[:length]) in known), None)
        if length is None:
            continue
        options = {option for item in known[" ".join(words[:length])].params for option in item.opts} | {"--help"}
        assert {option for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", rest) if option not in options} == set(), (
            shown
        )


def test_every_setting_is_documented() -> None:
    text = page("reference/settings")
    assert [variable_of(name) for name in Settings.model_fields if f"`{variable_of(name)}`" not in text] == []


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_setting_shown_exists(name: str) -> None:
    known = {variable_of(field) for field in Settings.model_fields}
    shown = set(re.findall(r"\bCDR_[A-Z_]+[A-Z]\b", DOCUMENTS[name].read_text(encoding="utf-8")))
    assert {variable for variable in shown - known if not variable.startswith("CDR_TEST_")} == set()


def test_every_profile_is_documented() -> None:
    assert [name for name in list_profiles() if f"| `{name}` |" not in page("reference/profiles")] == []


def test_every_exit_code_is_documented() -> None:
    codes = {
        kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CdrError)
    }
    assert [code for code in codes if f"| {code} |" not in page("reference/exit-codes")] == []


def test_help_is_quick_enough_to_be_used(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", CALL, "--help"],
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
        ({}, ["verify-export", "{tmp}"], 0, "0 files checked"),
        ({}, ["config", "check"], 0, "all settings are valid"),
        ({}, ["fields"], 0, "| account_id |"),
    ],
)
def test_commands_end_with_the_documented_code_and_no_traceback(
    tmp_path: Path, variables: dict[str, str], arguments: list[str], code: int, said: str
) -> None:
    environment = {"CDR_DATA_DIR": str(tmp_path / "data")} | variables
    done = run_command(*(argument.format(tmp=tmp_path) for argument in arguments), environment=environment)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "CANARY" not in done.stdout + done.stderr


def test_pictures_are_small() -> None:
    assert [path.name for path in (FOLDER / "pictures").iterdir() if path.stat().st_size > 150_000] == []
