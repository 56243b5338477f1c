"""The list of fault cases and the tests that cover them."""

import re
import tomllib
from pathlib import Path

import pytest

from cdr_pipeline.cli.operations.docs import FOLDER

ROOT = Path(__file__).parents[2]
LISTED = re.findall(r"^\| ([A-Z]\d+) \|", (FOLDER / "explanation/fault-cases.md").read_text(), flags=re.MULTILINE)
TESTS = "".join(path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py")))
MARKED = set(re.findall(r"fault\(([^)]*)\)", TESTS))
COVERED = {code for arguments in MARKED for code in re.findall(r'"([A-Z]\d+)"', arguments)}


def test_every_code_is_listed_once() -> None:
    assert len(set(LISTED)) == len(LISTED)


def test_no_name_of_a_test_carries_a_code() -> None:
    assert re.findall(r"def (test_[a-g]\d\d_\w+)", TESTS) == []


def test_names_of_tests_have_at_most_seventy_characters() -> None:
    assert [name for name in re.findall(r"def (test_\w+)", TESTS) if len(name) > 70] == []


def test_every_listed_case_has_a_test() -> None:
    assert [code for code in LISTED if code not in COVERED] == []


def test_every_code_of_a_test_is_listed() -> None:
    assert sorted(COVERED - set(LISTED)) == []


@pytest.mark.fault("F10")
def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(item for extra in project["optional-dependencies"].values() for item in extra),
    ]
    names = {re.split(r"[\[<>=~! ]", item)[0].lower().replace("_", "-") for item in wanted} - {"cdr-pipeline"}
    pins = (ROOT / "constraints.txt").read_text().lower().replace("_", "-")
    assert [name for name in sorted(names) if f"\n{name}==" not in "\n" + pins] == []
