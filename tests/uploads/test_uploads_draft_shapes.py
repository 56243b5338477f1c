"""Drafts of files of any shape: nearly all are right, and none is wrong without a question or a visible gap."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting import profile_draft
from cdr_pipeline.sources.uploads.drafting.draft import Draft
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.profiles import read_profile
from tests.support.uploads import normalized

# Names of start, caller, callee, duration, cost, outcome and id in the languages of carriers, and of a date and a time.
LANGUAGES = {
    "English": ("Start Time", "From", "To", "Duration (s)", "Cost", "Status", "Call ID"),
    "technical": ("start_time", "src", "dst", "billsec", "price", "disposition", "uniqueid"),
    "German": ("Beginn", "Anrufer", "Zielrufnummer", "Dauer", "Preis", "Status", "ID"),
    "French": ("Date et heure", "Appelant", "Appelé", "Durée", "Coût", "Statut", "Identifiant"),
    "Spanish": ("Fecha y hora", "Origen", "Destino", "Duración", "Costo", "Estado", "ID"),
    "Portuguese": ("Data e hora", "Origem", "Destino", "Duração", "Custo", "Estado", "Identificador"),
    "Italian": ("Data e ora", "Chiamante", "Chiamato", "Durata", "Costo", "Stato", "ID chiamata"),
    "Dutch": ("Begintijd", "Beller", "Gebeld nummer", "Duur", "Kosten", "Status", "Gesprek-ID"),
    # Two columns of one name, as some portals write caller and callee.
    "equal names": ("Date", "Number", "Number", "Duration", "Cost", "Status", "ID"),
}
APART = {
    "English": ("Date", "Time"), "technical": ("call_date", "call_time"), "German": ("Datum", "Uhrzeit"),
    "French": ("Date", "Heure"), "Spanish": ("Fecha", "Hora"),
    "Portuguese": ("Data", "Hora"), "Italian": ("Data", "Ora"), "Dutch": ("Datum", "Tijd"),
    "equal names": ("Date", "Time"),
}  # fmt: skip
TIMES: dict[str, Callable[[datetime], str]] = {
    name: (lambda moment, layout=name: moment.strftime(layout))
    for name in (
        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M:%S %p", "%d.%m.%y %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%Y%m%d%H%M%S",
    )
} | {
    "epoch": lambda moment: str(int(moment.timestamp())),
    "milliseconds": lambda moment: str(int(moment.timestamp() * 1000)),
}  # fmt: skip
LENGTHS: dict[str, Callable[[int], str]] = {
    "seconds": str,
    "hh:mm:ss": lambda seconds: f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}",
    "words": lambda seconds: f"{seconds // 60}m{seconds % 60}s",
}
AMOUNTS: dict[str, Callable[[Decimal], str]] = {
    "point": str,
    "comma": lambda amount: str(amount).replace(".", ","),
    "dollar": lambda amount: f"${amount}",
}
FIRST = datetime(2026, 3, 2, 8, 15, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Call:
    """One call of a file."""

    start: datetime
    caller: str
    callee: str
    seconds: int
    cost: Decimal
    outcome: str

    def values(self) -> tuple[object, ...]:
        return self.start, self.caller, self.callee, self.seconds, self.cost


@dataclass(frozen=True)
class Shape:
    """How a file is written."""

    language: str
    order: tuple[int, ...]
    delimiter: str
    time: str
    length: str
    amount: str
    encoding: str
    titles: int
    footer: bool
    apart: bool
    quoted: bool
    whole: bool
    separator_line: bool
    page: int
    line_end: str
    calls: tuple[Call, ...]

    def text(self) -> str:
        """The file."""
        lines = [f"sep={self.delimiter}"] if self.separator_line else []
        lines += ["Report of calls", "March 2026"][: self.titles]
        header = ""
        if self.language:
            start, *names = LANGUAGES[self.language]
            header = self._row([APART[self.language] if self.apart else (start,), *((name,) for name in names)])
            lines.append(header)
        for number, call in enumerate(self.calls):
            if self.page and number and number % self.page == 0:
                lines.append(header)
            lines.append(self._row(self._cells(number, call)))
        if self.footer:
            lines.append(self._line(["Total", *[""] * (len(self.order) - 2 + self.apart), str(len(self.calls))]))
        return self.line_end.join(lines) + self.line_end

    def _cells(self, number: int, call: Call) -> list[tuple[str, ...]]:
        time, length, amount = TIMES[self.time](call.start), LENGTHS[self.length](call.seconds), AMOUNTS[self.amount]
        start = tuple(time.split(" ", 1)) if self.apart else (time,)
        rest = (call.caller, call.callee, length, amount(call.cost), call.outcome, f"x-{number:02d}{call.seconds}")
        return [start, *((cell,) for cell in rest)]

    def _row(self, cells: list[tuple[str, ...]]) -> str:
        return self._line([cell for column in self.order for cell in cells[column]])

    def _line(self, cells: list[str]) -> str:
        line = self.delimiter.join(f'"{cell}"' if self.quoted or self.delimiter in cell else cell for cell in cells)
        # Some exports quote each line as if it were one value.
        return '"' + line.replace('"', '""') + '"' if self.whole else line


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Files that a person can read without a description."""
    language = draw(st.sampled_from([*LANGUAGES, ""]))
    # Without names only the places of caller and callee tell them apart.
    order = draw(st.permutations(range(7))) if language not in ("", "equal names") else (6, 0, 1, 2, 3, 4, 5)
    number = draw(st.integers(6, 12))
    calls = tuple(
        Call(
            FIRST + timedelta(days=2 * row, seconds=draw(st.integers(0, 30_000))),
            f"+4930{draw(st.integers(1_000_000, 9_999_999))}",
            f"0044{draw(st.integers(100_000_000, 999_999_999))}",
            draw(st.integers(1, 3_000)),
            Decimal(draw(st.integers(1, 99_999))).scaleb(-4),
            draw(st.sampled_from(["ANSWERED", "NO ANSWER", "BUSY"])),
        )
        for row in range(number)
    )
    time = draw(st.sampled_from(list(TIMES)))
    quoted = draw(st.booleans())
    whole = not quoted and draw(st.integers(0, 5)) == 0
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    amount = draw(st.sampled_from(list(AMOUNTS)))
    return Shape(
        language,
        tuple(order),
        delimiter,
        time,
        draw(st.sampled_from(list(LENGTHS))),
        amount,
        draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"])),
        draw(st.integers(0, 2)) if language else 0,
        draw(st.booleans()),
        " " in time and draw(st.booleans()),
        quoted,
        whole,
        draw(st.integers(0, 4)) == 0,
        draw(st.sampled_from([0, 0, 3])) if language else 0,
        draw(st.sampled_from(["\n", "\r\n"])),
        calls,
    )


def answered(path: Path, shape: Shape) -> Draft:
    """A draft with the answers of a person who knows the file."""
    day_first = shape.time.index("%d") < shape.time.index("%m") if "%d" in shape.time and "%m" in shape.time else True
    known = {"zone": "UTC", "currency": "USD", "date_order": "day" if day_first else "month"}
    known |= {"duration": "seconds" if shape.length == "seconds" else "hh:mm:ss"}
    known |= {"decimal_mark": "," if shape.amount == "comma" else "."}
    asked = {question.key for question in draft_profile(path).questions}
    return draft_profile(path, answers={key: value for key, value in known.items() if key in asked | {"zone"}})


def outcome(path: Path, shape: Shape) -> str:
    """``right``; ``asks`` if something is open or visibly missing; ``wrong`` if values are other ones."""
    path.write_bytes(shape.text().encode(shape.encoding))
    try:
        draft = answered(path, shape)
        if "FILL IN" in draft.text:
            return "asks"
        rows, rejects, _ = normalized(path, read_profile("drafted", draft.text), zone="UTC")
    except UnreadableUpload:
        return "asks"
    columns = ["started_at", "caller_id_number", "callee_id_number"]
    lengths = [
        duration if duration is not None else billed
        for duration, billed in rows.select("duration_seconds", "billing_seconds").rows()
    ]
    found = [(*row, length, cost) for row, length, cost in zip(rows.select(columns).rows(), lengths, rows["cost"])]  # noqa: B905
    expected = [call.values() for call in shape.calls]
    if found == expected and rejects.is_empty():
        return "right"
    if len(found) != len(expected):
        return "wrong" if len(found) > len(expected) or rejects.is_empty() else "asks"
    others = any(
        value is not None and value != wanted
        for row, values in zip(found, expected, strict=True)
        for value, wanted in zip(row, values, strict=True)
    )
    return "wrong" if others else "asks"


@pytest.fixture(autouse=True)
def without_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Built-in profiles are compared in other tests; here, that would take most of the time."""
    monkeypatch.setattr(profile_draft, "fitting_profiles", lambda *_: [])


def drafted(folder: Path, number: int) -> Counter[str]:
    """Outcomes of files of so many shapes; fails at the first file that is wrong without a question."""
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(shape=shapes())
    def each(shape: Shape) -> None:
        found = outcome(folder / "calls.csv", shape)
        outcomes[found] += 1
        assert found != "wrong", f"{shape}\n{shape.text()}"

    each()
    return outcomes


def test_drafts_of_files_of_some_shapes_are_right(tmp_path: Path) -> None:
    outcomes = drafted(tmp_path, 6)
    assert outcomes["right"] >= 0.9 * outcomes.total()


@pytest.mark.exhaustive
@pytest.mark.timeout(3_600)
def test_nearly_all_drafts_of_files_of_many_shapes_are_right(tmp_path: Path) -> None:
    outcomes = drafted(tmp_path, 1_000)
    print(dict(outcomes))  # noqa: T201 - the figure of the run
    assert outcomes["right"] >= 0.95 * outcomes.total()
