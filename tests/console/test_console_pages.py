"""What pages say and send: headers, languages, previews of files, searches, verification."""

import ast
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, Final

import pytest

from cdr_pipeline.console import meanings
from cdr_pipeline.console.catalog import LANGUAGES, language, preferred_language
from cdr_pipeline.console.rendering import NOTICES
from cdr_pipeline.console.screens.search import condition_of
from cdr_pipeline.core.records.search import Compare, Operator
from cdr_pipeline.errors import BreakNotFound, CdrError
from cdr_pipeline.exports.reconciliation_words import CAUSES
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from cdr_pipeline.steps.reconciliation.decisions import decide_breaks
from tests.support.console import DAY, Person, ServedConsole, red_day, visible_text
from tests.support.serving import store

CONSOLE: Final = Path(__file__).parents[2] / "cdr_pipeline" / "console"
HEADER: Final = "id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency"
LINE: Final = "c1,+442079460001,+447700900001,2026-03-02T08:00:00Z,60,60,0.20,USD"


def templates() -> list[Path]:
    """Every template."""
    return sorted((CONSOLE / "templates").glob("*.html"))


def texts_of_templates() -> set[str]:
    """English texts that templates translate."""
    found: set[str] = set()
    for path in templates():
        for match in re.finditer(r"""_\(\s*(?:"([^"]*)"|'([^']*)')""", path.read_text(encoding="utf-8")):
            found.add(match[1] or match[2])
    return found


def composed_texts() -> set[str]:
    """English templates of the composed texts of steps, written at the call or in a name or table of the module."""
    found: set[str] = set()
    for path in (CONSOLE.parent / "steps", CONSOLE.parent / "core"):
        for file in path.rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            if "ComposedText(" not in text or file.name == "composed_text.py":
                continue
            tree = ast.parse(text)
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            named = [(node.func.id, node.args[0]) for node in calls if isinstance(node.func, ast.Name) and node.args]
            used = [first for name, first in named if name in ("ComposedText", "_money")]
            names = {part.id for node in used for part in ast.walk(node) if isinstance(part, ast.Name)}
            used += [
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
                and {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & names
                and not any(isinstance(part, ast.Call | ast.JoinedStr) for part in ast.walk(node.value))
            ]  # fmt: skip
            found |= {
                part.value
                for node in used
                for part in _values(node)
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value
            }
    return found


def _values(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of an expression without the keys of tables and the conditions of choices."""
    if isinstance(node, ast.Dict):
        for value in node.values:
            yield from _values(value)
    elif isinstance(node, ast.IfExp):
        yield from _values(node.body)
        yield from _values(node.orelse)
    elif isinstance(node, ast.Subscript):
        return
    else:
        yield node


def sent(person: Person, content: bytes, name: str = "carrier.csv", profile: str = "generic") -> str:
    """Sends a file to the dry run; the page."""
    person.get("/uploads")
    response = person.client.post(
        "/uploads",
        data={"csrf": person.csrf, "account": "self", "profile": profile},
        files={"file": (name, content, "text/csv")},
    )
    return response.text


@pytest.mark.parametrize("path", ["/sign-in", "/", "/breaks", "/help", "/nowhere"])
def test_every_response_forbids_foreign_scripts_frames_and_caches(console: ServedConsole, path: str) -> None:
    headers = console.person("viewer").get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("template", templates(), ids=lambda path: path.name)
def test_a_template_has_no_inline_script_style_or_foreign_address(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", text)


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_text_is_translated(code: str) -> None:
    wanted = texts_of_templates() | set(NOTICES.values()) | composed_texts()
    for words in (meanings.ERRORS, meanings.ACTIONS, meanings.ROLES, meanings.UPLOAD_STATES, meanings.ORIGINS):
        wanted |= set(words.values())
    for words in (meanings.REJECTS, meanings.CLASS_NAMES, meanings.CLASS_MEANINGS, CAUSES):
        wanted |= set(words.values())
    assert len(wanted) > 500
    assert wanted - set(language(code).texts) == set()


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_a_translation_has_the_same_values(code: str) -> None:
    differing = [
        english
        for english, translated in language(code).texts.items()
        if sorted(re.findall(r"\{\w+\}", english)) != sorted(re.findall(r"\{\w+\}", translated))
    ]
    assert differing == []


def test_every_error_has_a_meaning_in_plain_words() -> None:
    pending, codes = [CdrError], set[str]()
    while pending:
        error = pending.pop()
        pending += error.__subclasses__()
        if error is not CdrError and error.__module__.startswith("cdr_pipeline.errors"):
            codes.add(error.code)
    assert codes - set(meanings.ERRORS) == set()


@pytest.mark.parametrize(
    ("header", "code"),
    [("de-DE,de;q=0.9,en;q=0.8", "de"), ("fr,en;q=0.5,de;q=0.4", "en"), ("en;q=0.1,de;q=0.2", "de"), ("", "en")],
)
def test_the_language_is_that_of_the_browser(header: str, code: str) -> None:
    assert preferred_language(header).code == code


def test_a_page_is_german_for_a_german_browser(console: ServedConsole) -> None:
    person = console.person("viewer")
    person.client.headers["Accept-Language"] = "de"
    response = person.get("/calendar")
    assert response.headers["content-language"] == "de"
    assert "Kalender" in response.text


def test_names_and_ids_are_shown_as_text_never_as_markup(console: ServedConsole) -> None:
    with console.ctx.ledger() as ledger:
        ledger.connection.execute("UPDATE accounts SET name = '<script>alert(1)</script>' WHERE account_id = 'self'")
    store(console.ctx, "self", {"caller_id_name": "<img src=x onerror=alert(1)>"})
    person = console.person("viewer")
    pages = [person.get(path).text for path in (f"/days/self/{DAY}", "/calendar?month=2026-03", "/breaks")]
    pages.append(person.get("/search", account="self", q="", first="2026-03-01", last="2026-03-05").text)
    pages.append(person.get("/records/self/202603-call1").text)
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;img src=x" in pages[-1]


def test_the_first_page_names_what_waits_with_its_button(console: ServedConsole) -> None:
    red_day(console.ctx, calls=12)
    page = console.person("finance").get("/calendar", month="2026-03").text
    assert f'href="/days/self/{DAY}"' in page
    text = console.person("finance").text(f"/days/self/{DAY}")
    assert "The reconciliation with a carrier is red" in text
    assert "Decide the breaks" in text


def test_deciding_records_person_and_reason(console: ServedConsole) -> None:
    red_day(console.ctx, calls=12)
    person = console.person("finance")
    page = person.get("/breaks", account="self", state="open")
    ids = re.findall(r'name="break" value="(\w+:\w+:0)"', page.text)
    assert len(ids) == 12
    answer = person.send("/breaks/decide", decision="disputed", reason="twice the price", **{"break": ids})
    assert answer.status_code == 303
    text = person.text("/breaks", account="self", state="disputed")
    assert "12 breaks" in text
    assert "finance of all: twice the price" in text
    assert "No breaks match" in person.text("/breaks", account="self", state="open")


def test_breaks_of_two_accounts_with_one_id_are_decided_apart(console: ServedConsole) -> None:
    for account_id in ("self", "stranger"):
        red_day(console.ctx, account_id, calls=12)
    listed = list_breaks(BreakFilter(), console.ctx)
    assert len({item.outcome_id for item in listed}) == 12 == len(listed) // 2
    person = console.person("finance")
    ids = re.findall(r'name="break" value="(self:\w+:0)"', person.get("/breaks").text)
    assert person.send("/breaks/decide", decision="accepted", reason="small", **{"break": ids}).status_code == 303
    states = {(item.account_id, item.state) for item in list_breaks(BreakFilter(), console.ctx)}
    assert states == {("self", "accepted"), ("stranger", "open")}
    one = [listed[0].outcome_id]
    chosen: dict[str, Any] = {"decision": "disputed", "reason": "rate", "decided_by": "ada"}
    with pytest.raises(BreakNotFound, match="2 accounts have a break") as refused:
        decide_breaks(one, console.ctx, **chosen)
    assert refused.value.hint == "add --account: self, stranger"
    assert len(decide_breaks(one, console.ctx, accounts=["stranger"], **chosen).breaks) == 1


def test_a_break_decided_meanwhile_is_not_decided_again(console: ServedConsole) -> None:
    red_day(console.ctx, calls=12)
    first, second = console.person("finance"), console.person("approver")
    seen = re.findall(r'name="break" value="(\w+:\w+:0)"', first.get("/breaks", account="self").text)
    assert second.send("/breaks/decide", decision="accepted", reason="small", **{"break": seen[:1]}).status_code == 303
    refused = first.send("/breaks/decide", decision="disputed", reason="too much", **{"break": seen})
    assert refused.status_code == 409
    assert "nothing was decided" in refused.text
    assert "11 breaks" in first.text("/breaks", account="self")


def test_a_decision_about_no_break_says_that_nothing_was_decided(console: ServedConsole) -> None:
    person = console.person("finance")
    answer = person.send("/breaks/decide", decision="disputed", reason="rate", back="account=self&state=open")
    assert answer.headers["location"] == "/breaks?account=self&state=open&notice=none_selected"
    assert "Nothing was decided: select at least one break." in person.text(answer.headers["location"])


def test_a_form_that_lacks_a_value_names_it(console: ServedConsole) -> None:
    answer = console.person("finance").send("/breaks/decide", decision="disputed", reason="")
    assert answer.status_code == 400
    assert "Nothing was changed. Go back and fill in, or correct: reason" in visible_text(answer.text)


def test_over_and_undercharges_are_never_netted(console: ServedConsole) -> None:
    red_day(console.ctx, calls=12)
    text = console.person("viewer").text("/breaks", account="self")
    assert "Charged too much" in text
    assert "1.20 USD 0.00 USD" in text


def test_a_dry_run_loads_nothing_and_shows_each_rejected_line(console: ServedConsole) -> None:
    person = console.person("finance")
    page = sent(person, f"{HEADER}\n{LINE}\nc2,+442079460001,+447700900002,never,60,60,0.20,USD\n".encode())
    assert "1 of 2 lines would be rejected" in page
    assert "start" in page
    assert "No file matches" in person.text("/uploads")


def test_a_file_is_loaded_after_its_dry_run(console: ServedConsole) -> None:
    person = console.person("finance")
    page = sent(person, f"{HEADER}\n{LINE}\n".encode())
    key = re.search(r'name="key" value="(\w+)"', page)
    assert key is not None
    assert person.send("/uploads/load", key=key[1]).headers["location"] == "/uploads?notice=loaded"
    assert "carrier.csv" in person.text("/uploads")
    assert "imported 1" in person.text(f"/days/self/{DAY}")
    assert person.send("/uploads/load", key=key[1]).status_code == 404


def test_a_staged_file_belongs_to_its_sender(console: ServedConsole) -> None:
    page = sent(console.person("finance"), f"{HEADER}\n{LINE}\n".encode())
    key = re.search(r'name="key" value="(\w+)"', page)
    assert key is not None
    assert console.person("operator").send("/uploads/load", key=key[1]).status_code == 404


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\boot.ini", "a/b/c.csv", "\x00.csv", "." * 300])
def test_a_file_name_is_never_a_path(console: ServedConsole, name: str) -> None:
    page = sent(console.person("finance"), f"{HEADER}\n{LINE}\n".encode(), name=name)
    assert "The line can be loaded" in page


def test_a_file_that_its_profile_cannot_read_says_why(console: ServedConsole) -> None:
    page = sent(console.person("finance"), b"\x00\x01\x02 no table", profile="generic")
    assert 'class="fault"' in page


def test_verification_names_the_file_that_was_changed(console: ServedConsole) -> None:
    ctx = console.ctx
    store(ctx, "self", {})
    (day,) = seal_days(SealRequest([DAY], ["self"], Override("A. Controller", "checked")), ctx)
    person = console.person("viewer")
    assert "agrees" in person.send(f"/days/self/{DAY}/verify").text
    path = day.files[0].path
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"NORMAL", b"NORMAN"))
    assert "differs" in person.send(f"/days/self/{DAY}/verify").text


def test_a_call_shows_where_it_went(console: ServedConsole) -> None:
    store(console.ctx, "self", {})
    text = console.person("viewer").text("/records/self/202603-call1")
    assert "Mon 2 Mar 2026 : open" in text
    assert "Legs of this call" in text


def test_a_call_shows_its_file_line_and_decided_break(console: ServedConsole) -> None:
    red_day(console.ctx, calls=2)
    person = console.person("finance")
    ids = re.findall(r'name="break" value="(\w+:\w+:0)"', person.get("/breaks", account="self").text)
    person.send("/breaks/decide", decision="disputed", reason="twice the price", **{"break": ids[:1]})
    links = re.findall(r'href="(/records/self/[^"]+)"', person.get("/breaks", account="self", state="disputed").text)
    assert len(links) == 2
    for link in links:
        text = person.text(unescape(link))
        assert re.search(r"imported ?: carrier\.csv ?, line [23]\b", text), text[:900]
        assert "switch loaded" in text
        assert "Other price , bell, 0.10 USD disputed finance of all: twice the price" in text
    undecided = re.findall(r'href="(/records/self/[^"]+)"', person.get("/breaks", account="self").text)
    assert "0.10 USD open" in person.text(unescape(undecided[0]))


def test_a_call_without_a_break_says_so(console: ServedConsole) -> None:
    store(console.ctx, "self", {})
    assert "It has no break." in console.person("viewer").text("/records/self/202603-call1")


@pytest.mark.parametrize("text", ["+1 212 555 0103", "(212) 555-0103", "212.555.0103", "12125550103"])
def test_a_number_is_found_in_any_notation(text: str) -> None:
    condition = condition_of(text, "1")
    assert isinstance(condition, Compare)
    assert condition.operator is Operator.EQUALS
    assert "+12125550103" in condition.values


def test_addresses_and_texts_are_searched_as_such() -> None:
    address, text = condition_of("192.0.2.0/24", "1"), condition_of("NORMAL_CLEARING", "1")
    assert isinstance(address, Compare)
    assert isinstance(text, Compare)
    assert (address.operator, text.operator) == (Operator.WITHIN, Operator.CONTAINS)


def test_every_page_of_documentation_is_shown(console: ServedConsole) -> None:
    person = console.person("viewer")
    topics = re.findall(r'href="(/help/[^"]+)"', person.get("/help").text)
    assert len(topics) > 15
    assert {person.get(topic).status_code for topic in topics} == {200}


def test_a_fault_shows_an_id_and_no_details(console: ServedConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("cdr_pipeline.console.screens.audit.list_events", broken)
    response = console.person("viewer").get("/audit")
    assert response.status_code == 500
    assert "secret detail" not in response.text
    assert "Something failed in the program" in response.text
