"""A stranger finds the place for a change by folder names alone: the same topics in every layer."""

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

from cdr_pipeline.warehouse.statements import statement_texts

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "cdr_pipeline"
TOPICS: Final = frozenset(
    {"accounts", "collect", "uploads", "records", "days", "reconciliation", "invoices", "retention", "operations"}
    | {"inbound"}
)
# Folders that a layer has besides the topics.
OTHERS: Final[dict[Path, frozenset[str]]] = {
    PACKAGE / "steps": frozenset(),
    PACKAGE / "warehouse": frozenset({"server"}),
    PACKAGE / "defs": frozenset(),
    PACKAGE / "cli": frozenset(),
    ROOT / "sql": frozenset({"migrations"}),
    ROOT / "tests": frozenset({"api", "benchmarks", "console", "docs", "golden", "samples", "support"}),
}
# Names of commands and routes are those that users type.
NAMED_BY_USERS: Final = ("cli", "api/routes")
MOST_FILES_IN_CORE: Final = 1


def folders(path: Path) -> set[str]:
    """Names of the folders in a folder."""
    return {entry.name for entry in path.iterdir() if entry.is_dir() and entry.name != "__pycache__"}


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def definitions(
    kind: type[ast.stmt] | tuple[type[ast.stmt], ...], *, leave_out: tuple[str, ...]
) -> dict[str, set[str]]:
    """Modules that define a public name at their top level, by name."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in modules():
        place = str(path.relative_to(PACKAGE))
        if place.startswith(leave_out):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, kind) and not node.name.startswith("_"):  # type: ignore[union-attr]
                places[node.name].add(place)  # type: ignore[union-attr]
    return places


@pytest.mark.parametrize("layer", OTHERS, ids=lambda path: path.name)
def test_a_layer_has_the_topic_folders_and_no_others(layer: Path) -> None:
    assert folders(layer) <= TOPICS | OTHERS[layer]


@pytest.mark.parametrize("layer", [PACKAGE / "steps", ROOT / "sql", ROOT / "tests"], ids=lambda path: path.name)
def test_every_topic_has_a_folder(layer: Path) -> None:
    assert folders(layer) >= TOPICS


def test_core_has_at_most_seven_folders_and_no_loose_files() -> None:
    core = PACKAGE / "core"
    assert len(folders(core)) <= 7
    assert len(list(core.glob("*.py"))) == MOST_FILES_IN_CORE


def test_a_class_name_means_one_thing() -> None:
    several = {name: places for name, places in definitions(ast.ClassDef, leave_out=()).items() if len(places) > 1}
    assert several == {}


def test_no_module_is_a_place_for_leftovers() -> None:
    names = {path.stem for path in modules()} | {path.parent.name for path in modules()}
    assert not names & {"utils", "util", "helpers", "common", "manager", "misc"}


def test_every_statement_is_used() -> None:
    code = "\n".join(path.read_text() for path in [*modules(), *(ROOT / "tests").rglob("*.py")])
    assert [name for name in statement_texts() if f'"{name}"' not in code] == []


def test_every_statement_has_a_header() -> None:
    assert [name for name, text in statement_texts().items() if not text.startswith("-- Purpose:")] == []
