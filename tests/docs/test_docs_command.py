"""``cdr-pipeline docs`` and ``python -m cdr_pipeline``."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.markdown import Markdown

from cdr_pipeline.cli.operations.docs import pages, title_of
from tests.support.commands import run_command


def test_without_a_topic_every_page_is_listed() -> None:
    done = run_command("docs")
    assert done.returncode == 0
    assert [name for name in pages() if name not in done.stdout] == []
    assert run_command("docs", "--list").stdout == done.stdout


@pytest.mark.parametrize("topic", ["operator", "how-to/operator", "how-to/operator.md", "Operator"])
def test_a_piped_page_is_plain_markdown(topic: str) -> None:
    done = run_command("docs", topic)
    assert done.returncode == 0
    assert done.stdout == pages()["how-to/operator"].read_text()


def test_an_unknown_topic_exits_2_and_lists_the_pages() -> None:
    done = run_command("docs", "nonsense")
    assert done.returncode == 2
    assert "tutorial" in done.stderr


@pytest.mark.parametrize("name", sorted(pages()))
def test_every_page_has_a_title_and_renders_in_a_terminal(name: str) -> None:
    console = Console(width=100, record=True, file=StringIO())
    console.print(Markdown(pages()[name].read_text(encoding="utf-8")))
    assert title_of(pages()[name]) in console.export_text()


def test_the_module_runs_like_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cdr_pipeline", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True).stdout.strip()
