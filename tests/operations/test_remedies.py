"""Every command that a problem, an error or a page names exists, and those of problems can be run as printed."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cdr_pipeline
from cdr_pipeline.cli import account_options
from tests.support.reference_pages import commands

PACKAGE = Path(cdr_pipeline.__file__).parent
# Modules whose texts are commands to run as they are, with names in capitals to fill in.
REMEDIES = ("steps/operations/health/*.py", "steps/operations/remedies.py")
_WORDS = re.compile(r"'cdr-pipeline ([^'\n]+)'")
_VALUES = {"date": "2026-03-02", "day": "2026-03-02", "source": "2026-03-02", "path": __file__, "before": ""}


def texts(path: Path) -> Iterator[str]:
    """Texts of a module, with a value of the right kind for each part that is computed."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(_value(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def _value(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    source = ast.unparse(part)
    if "only" in source:
        return " --account acct"
    value = next((value for word, value in _VALUES.items() if word in source), "x")
    return shlex.quote(value) if "quote" in source else value


def parsed(command: str) -> tuple[str, Any]:
    """Words of a command and its parsed arguments. Raises an error of the command line if they are wrong."""
    arguments = shlex.split(command)[1:]
    known = commands()
    for length in (3, 2, 1):
        words = " ".join(arguments[:length])
        if words in known:
            with known[words].make_context(words, arguments[length:]) as context:
                return words, context.params
    raise LookupError(command)


def remedies() -> list[str]:
    found = set[str]()
    for path in (path for pattern in REMEDIES for path in PACKAGE.glob(pattern)):
        for text in texts(path):
            parts = [part.strip() for part in text.split("&&")]
            found |= {part[part.index("cdr-pipeline ") :] for part in parts if part.startswith(("cdr-pipeline ", "x"))
                      and "cdr-pipeline " in part}  # fmt: skip
    return sorted(found)


@pytest.mark.parametrize("command", remedies())
def test_a_remedy_has_every_argument_that_its_command_needs(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_options, "_registered", lambda **_: [])
    filled = re.sub(r"\$\{EDITOR:-vi\}.*", "", command).replace("--as DECISION", "--as accepted")
    words, _ = parsed(filled)
    assert words in commands()


def test_the_remedies_are_found() -> None:
    assert len(remedies()) >= 12


def test_a_remedy_without_a_required_option_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_options, "_registered", lambda **_: [])
    with pytest.raises(Exception, match="by"):
        parsed("cdr-pipeline uploads release abc")
    with pytest.raises(LookupError):
        parsed("cdr-pipeline upload list")


def test_every_command_in_a_text_exists_with_its_options() -> None:
    known = commands()
    groups = {" ".join(words.split()[:length]) for words in known for length in (1, 2)}
    wrong = list[str]()
    for path in sorted(PACKAGE.rglob("*.py")):
        for text in texts(path):
            for match in _WORDS.finditer(text):
                words = [word for word in match[1].split() if re.fullmatch(r"[a-z-]+", word)]
                named = next((" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in known), None)
                if named is None:
                    if not words or (" ".join(words[:2]) not in groups and words[0] not in groups):
                        wrong.append(match[0])
                    continue
                options = {name for option in known[named].params for name in (*option.opts, *option.secondary_opts)}
                wrong += [match[0] for word in match[1].split() if word.startswith("--") and word not in options]
    assert [text for text in wrong if "--help" not in text and "COMMAND" not in text] == []
