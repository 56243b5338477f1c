"""``--help`` lists every command in a group, with a whole sentence, in 80 columns."""

import pytest
import typer
from typer.testing import CliRunner

from cdr_pipeline.cli.grouped_help import GROUPS, GroupedCommands
from cdr_pipeline.cli.registry import register


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer(cls=GroupedCommands, rich_markup_mode=None)
    register(app)
    return app


def shown(app: typer.Typer, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    return result.output


def test_every_command_is_in_one_group(app: typer.Typer) -> None:
    text = shown(app)
    assert [line.removesuffix(":") for line in text.splitlines() if line.removesuffix(":") in GROUPS] == list(GROUPS)
    assert "Commands:" not in text
    names = [name for names in GROUPS.values() for name in names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("group", ["", "uploads", "days", "warehouse", "breaks"])
def test_no_text_of_the_help_is_cut(app: typer.Typer, group: str) -> None:
    text = shown(app, *group.split())
    assert "..." not in text.replace("[ARGS]...", "")
    assert max(map(len, text.splitlines())) <= 80
