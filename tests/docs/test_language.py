"""Plain English: words and patterns that documents, help texts, errors, docstrings and comments must not use.

``NOT_REWRITTEN`` lists the folders of code whose docstrings, comments and messages are still to be rewritten. The
list only gets shorter: the last test fails when a folder in it no longer needs to be there.
"""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from cdr_pipeline import errors
from cdr_pipeline.cli.operations.docs import pages
from cdr_pipeline.settings import Settings
from tests.support.reference_pages import commands

ROOT = Path(__file__).parents[2]
# Pattern and what to write instead.
REFUSED = {
    r"\b(who|what|which|when|where|how)(so)?ever\b(?! is)": "say who or what acts",
    r"\b(nobody|somebody)\b": "say who acts",
    r"\bmend(s|ed|ing)?\b": "fix, repair, correct",
    r"\bbeside\b": "next to, compared with, in addition to",
    r"\b(lies|lie|lay) (in|on|below|under|beside|next|there)\b": "is",
    r"\b(it|they|that|which|there|row|rows|record|file|page|day) stands?\b": "is, exists",
    r"\bstands? (in|for|still|there|as|alone|on|before)\b": "is, means, blocks",
    r"\blets? (it |them )?go\b": "release, drop",
    r"\bgives? (it |them )?back\b": "return, revoke",
    r"\b(buy|buys|bought)\b": "request",
    r"\bplays? (a |real |three |the )?nights?\b": "run",
    r"\btaken? in\b|\btakes? in\b": "import",
    r"\bmakes? (it |them )?known\b": "register",
    r"\bfor people\b(?! who)": "display, readable",
    r"\bdoing it again\b": "running it again",
    r"\bwhat (became|becomes) of\b": "result, state",
    r"\bit says (that|what|so)\b|\bsays? so\b": "report, state",
    r"\bthe other way round\b": "vice versa, reversed",
    r"\bin the way of\b|\bstood in\b": "block",
    r"\bso long\b(?! as)": "name the unit",
    r"\bthe same again\b": "repeat",
    r"\bis no (more|longer than|break|file|page|record)\b": "is not a",
    r"\blest\b|\bwhence\b|\bthereof\b|\bwherein\b|\bhence\b|\bthus\b": "use a modern word",
}
PATTERNS = {re.compile(pattern, re.IGNORECASE): instead for pattern, instead in REFUSED.items()}
# Names of functions, table rows of benchmarks and quotations that contain a refused word.
ALLOWED = ("| the same again |", "doctor --mend", "--mend", "found.mended", "item.mend")
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / ".github").rglob("*.md")),
    *pages().values(),
    *sorted((ROOT / "cdr_pipeline/docs/examples").iterdir()),
]
NOT_REWRITTEN: frozenset[str] = frozenset()
CODE = sorted(
    path
    for path in (ROOT / "cdr_pipeline").rglob("*.py")
    if "/".join(path.relative_to(ROOT).parts[:2]) not in NOT_REWRITTEN
)


def faults(text: str) -> list[str]:
    """Refused words of a text, each with its context and what to write instead."""
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    return [
        f"{text[max(0, match.start() - 30) : match.end() + 30]!r}: {instead}"
        for pattern, instead in PATTERNS.items()
        for match in pattern.finditer(text)
    ]


def prose(path: Path) -> str:
    """Docstrings, comments and texts of a Python file: every string with a space in it, and every comment."""
    source = path.read_text(encoding="utf-8")
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join([*texts, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_plain_words(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


def test_help_texts_use_plain_words() -> None:
    texts = [command.help or "" for command in commands().values()]
    texts += [getattr(option, "help", None) or "" for command in commands().values() for option in command.params]
    assert faults("\n".join(texts)) == []


def test_settings_and_errors_use_plain_words() -> None:
    kinds = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.CdrError)]
    texts = [field.description or "" for field in Settings.model_fields.values()]
    assert faults("\n".join([*texts, *(kind.__doc__ or "" for kind in kinds)])) == []


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_rewritten_code_uses_plain_words(path: Path) -> None:
    assert faults(prose(path)) == []


@pytest.mark.parametrize("folder", sorted(NOT_REWRITTEN))
def test_a_folder_is_listed_only_until_it_is_rewritten(folder: str) -> None:
    assert any(faults(prose(path)) for path in (ROOT / folder).rglob("*.py")), "remove it from NOT_REWRITTEN"
