"""Files that need work: rejected lines are corrected in a table, and profiles are proposed, tried and saved."""

import re
from typing import Any

from tests.support.console import Person, ServedConsole, visible_text

HEADER = "id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency"


def line(name: str, start: str = "2026-03-05T08:00:00Z", seconds: str = "60") -> str:
    """A line of the generic profile."""
    return f"{name},+442079460001,+447700900001,{start},{seconds},60,0.20,USD"


def sent(person: Person, content: str, profile: str, name: str = "carrier.csv") -> str:
    """The page after a file was sent."""
    person.get("/uploads")
    data = {"csrf": person.csrf, "account": "self", "profile": profile}
    return person.client.post("/uploads", data=data, files={"file": (name, content.encode(), "text/csv")}).text


def key_of(page: str) -> str:
    """Key of the staged file."""
    found = re.search(r'name="key" value="(\w+)"', page)
    assert found is not None
    return found[1]


def with_rejects(person: Person, prefix: str) -> str:
    """Path of the rejected lines of a loaded file with one valid and two invalid lines."""
    bad = [line(f"{prefix}2", start="never"), line(f"{prefix}3", seconds="long")]
    page = sent(person, "\n".join([HEADER, line(f"{prefix}1"), *bad]), "generic", f"{prefix}.csv")
    assert person.send("/uploads/load", key=key_of(page)).status_code == 303
    listed = person.get("/uploads").text
    found = re.search(rf'{prefix}\.csv.*?href="(/uploads/self/\w+/rejects)"', listed, flags=re.DOTALL)
    assert found is not None
    return found[1]


def cells_of(page: str) -> dict[str, str]:
    """Values of the cells of a table by name."""
    return dict(re.findall(r'<input name="(cell-\d+-\d+)" value="([^"]*)"', page))


def test_two_lines_are_corrected_and_the_day_changes(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    path = with_rejects(person, "m")
    assert "imported 1" in person.text("/days/self/2026-03-05")
    cells = cells_of(person.get(path).text)
    assert len(cells) == 16
    cells |= {"cell-3-3": "2026-03-05T09:00:00Z", "cell-4-4": "61"}
    answer = person.send(path, **cells)
    assert answer.status_code == 303
    text = person.text(answer.headers["location"])
    assert "The changed lines are imported." in text
    assert "No line is rejected any more." in text
    assert "imported 3" in person.text("/days/self/2026-03-05")
    assert "corrected rejected lines" in person.text("/audit")


def test_a_line_that_is_still_wrong_stays_in_the_table(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    path = with_rejects(person, "w")
    answer = person.send(path, **(cells_of(person.get(path).text) | {"cell-3-3": "tomorrow"}))
    text = person.text(answer.headers["location"])
    assert "still rejected" in text
    assert 'value="tomorrow"' in person.get(answer.headers["location"]).text
    assert 'value="long"' in person.get(path).text


def test_unchanged_cells_import_nothing(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    path = with_rejects(person, "u")
    answer = person.send(path, **cells_of(person.get(path).text))
    assert answer.status_code == 400
    assert "no line was changed" in visible_text(answer.text)


def test_lines_are_dismissed_with_a_reason(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    path = with_rejects(person, "d")
    assert person.send(path, dismiss="all", reason=" ").status_code == 400
    answer = person.send(path, dismiss="all", reason="totals of the carrier")
    assert answer.status_code == 303
    assert "No line is rejected any more." in person.text(path)
    assert "totals of the carrier" in person.text("/audit")


def test_a_viewer_sees_reasons_and_no_cells(shared_console: ServedConsole) -> None:
    path = with_rejects(shared_console.person("finance"), "v")
    viewer = shared_console.person("viewer")
    page = viewer.get(path).text
    assert "start" in page
    assert "+442079460001" not in page
    assert viewer.send(path, **{"cell-3-3": "2026-03-05"}).status_code == 403


def test_a_file_without_a_profile_gets_proposals_and_is_loaded(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance")
    page = sent(person, f"{HEADER}\n{line('p1')}\n{line('p2')}\n", "", "proposal.csv")
    assert "These profiles read the file as it is" in page
    tried = person.send("/uploads/try", key=key_of(page), profile="generic")
    assert "All 2 lines can be loaded" in tried.text
    assert "Thu" not in tried.text
    assert "5 Mar 2026 08:00" in tried.text
    assert person.send("/uploads/load", key=key_of(tried.text)).status_code == 303


def test_a_drafted_profile_is_previewed_and_saved_by_an_operator(shared_console: ServedConsole) -> None:
    person = shared_console.person("operator")
    rows = [f"2026-03-05 08:0{n}:00;+44207946000{n};+44770090000{n};6{n};0.2{n}" for n in range(8)]
    page = sent(person, "\n".join(["Zeitpunkt;Von;Nach;Dauer;Preis", *rows]), "", "bell_2026-03-05.csv")
    form: dict[str, Any] = {"key": key_of(page), "answer-zone": "Europe/London", "answer-caller_id_number": "Von"}
    drafted = person.send("/profiles/draft", **form, **{"answer-callee_id_number": "Nach"})
    assert drafted.status_code == 200
    generic = person.get("/profiles/edit", name="generic").text
    assert "duration" in generic
    broken = person.send("/profiles/edit", name="mine", text="no = [toml")
    assert (broken.status_code, 'class="fault"' in broken.text) == (400, True)
    toml = re.search(r'<textarea id="text"[^>]*>(.*?)</textarea>', generic, flags=re.DOTALL)
    assert toml is not None
    text = toml[1].replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">")
    text = text.replace("&amp;", "&")
    files = {"file": ("sample.csv", f"{HEADER}\n{line('s1')}\n".encode(), "text/csv")}
    data = {"csrf": person.csrf, "name": "mine", "text": text}
    preview = visible_text(person.client.post("/profiles/edit", data=data, files=files).text)
    assert "The profile is valid." in preview
    assert "Read 2 lines: 1 accepted, 0 rejected, 1 left out." in preview
    assert person.send("/profiles/edit", name="../mine", text=text, action="save").status_code == 400
    assert person.send("/profiles/edit", name="mine", text=text, action="save").status_code == 303
    assert "mine" in person.text("/profiles")
    assert (shared_console.ctx.settings.profile_dir / "mine.toml").read_text(encoding="utf-8").strip() == text.strip()


def test_only_operators_of_all_accounts_save_profiles(shared_console: ServedConsole) -> None:
    for person in (shared_console.person("finance"), shared_console.person("operator", "self")):
        text = person.get("/profiles/edit", name="generic").text
        assert "An operator of all accounts can save a profile." in text
        saved = person.send("/profiles/edit", name="other", text='description = "x"', action="save")
        assert saved.status_code in (400, 403)
    assert not (shared_console.ctx.settings.profile_dir / "other.toml").exists()
