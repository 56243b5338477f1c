"""What the columns of a sample hold, by their values, and which field each one is, by its name and its values."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Final

from cdr_pipeline.sources.uploads.draft_sheet import Sheet
from cdr_pipeline.sources.uploads.draft_times import (
    ISO,
    RFC,
    clock_formats,
    date_formats,
    date_time_formats,
    epoch_notation,
    read_times,
)
from cdr_pipeline.sources.uploads.draft_words import DATE, KIND, TIME_OF_DAY, ZONE, ColumnWords, meanings_of, words_of

TIMES: Final = ("started_at", "answered_at", "ended_at")
LENGTHS: Final = ("duration_seconds", "billing_seconds", "ringing_seconds")
NUMBERS: Final = ("caller_id_number", "callee_id_number", "dialed_number")
MONEY: Final = ("cost", "rate")
ANY_NUMBER: Final = "number"
_NAMES: Final = ("caller_id_name", "callee_id_name")
_NUMBER_WORDS: Final = frozenset(
    [
        "number",
        "phone",
        "telephone",
        "tel",
        "nummer",
        "telefon",
        "telefoon",
        "numero",
        "numer",
        "telefono",
        "telefone",
        "rufnummer",
        "msisdn",
    ]
)
_EXTENSIONS: Final = frozenset({"extension", "ext"})
_INTEGER: Final = re.compile(r"[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_MONEY: Final = re.compile(
    r"[+-]?\(?\s*(?:US\$|R\$|[$€£¥₹]|[A-Z]{3})?\s*[+-]?[0-9]{1,3}(?:[,.' ]?[0-9]{3})*(?:[.,][0-9]{1,8})?"
    r"\s*(?:[$€£¥₹]|zł|[A-Z]{3})?\)?-?"
)
CLOCK_2: Final = re.compile(r"[0-9]{1,4}:[0-5]?[0-9]")
CLOCK_3: Final = re.compile(r"(?:[0-9]{1,4}\.)?[0-9]{1,4}:[0-5]?[0-9]:[0-5][0-9](?:\.[0-9]+)?")
LENGTH_TEXT: Final = re.compile(
    r"(?i)P?T?(?=.*[0-9])(?:[0-9]+\s*d\w*\s*)?(?:T?[0-9]+\s*(?:h|hrs?|hours?|std)\.?\s*)?(?:[0-9]+\s*(?:m|mins?|minutes?)\.?\s*)?"
    r"(?:[0-9.]+\s*(?:s|secs?|seconds?|sek)\.?)?|(?:[0-9]+:)?[0-9]+'[0-9]{2}(?:''|\")?"
)
# An amount or a length, not a telephone number. The epoch of an id has more digits.
_FRACTION: Final = re.compile(r"[+-]?[0-9]{1,8}[.,][0-9]{1,8}")
_PHONE: Final = re.compile(r"(?:<?sips?:|tel:)?\+?[0-9*#(][0-9 ().\-/*#]{1,22}[0-9*#](?:[@;>].*)?|[0-9]{1,4}")
_URI: Final = re.compile(r"<?(?:sips?|tel):[^ ]+")
_WITHHELD: Final = re.compile(r"(?i)anonymous|unknown|restricted|private|withheld|unavailable|blocked|<I>.*|s")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_ID: Final = re.compile(r"[A-Za-z0-9._@:\-{}/=+]{6,}")
_NAMED: Final = re.compile(r'"?.*"? ?<([^<>]*)>')
_ZONE_TEXT: Final = re.compile(r"[A-Z]{2,5}|[+-][0-9]{2}:?[0-9]{2}|[A-Z][a-z]+/[A-Z][A-Za-z_]+")
INBOUND: Final = frozenset(
    [
        "in",
        "i",
        "inbound",
        "incoming",
        "terminating",
        "received",
        "missed",
        "mt",
        "eingehend",
        "ankommend",
        "entrant",
        "entrante",
        "entrada",
        "arrivo",
        "inkomend",
    ]
) | {"incoming call", "in arrivo", "llamada entrante", "missed call"}
OUTBOUND: Final = frozenset(
    [
        "out",
        "o",
        "outbound",
        "outgoing",
        "originating",
        "placed",
        "dialed",
        "dialled",
        "made",
        "mo",
        "ausgehend",
        "abgehend",
        "sortant",
        "saliente",
        "saida",
        "uscita",
        "uitgaand",
    ]
) | {"outgoing call", "in uscita", "llamada saliente"}
OUTCOMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("answered", "answer", "connected", "completed", "success", "successful", "ok", "accepted", "beantwortet",
         "angenommen", "verbunden", "atendida", "atendido", "contestada", "respondida", "repondu", "decroche",
         "risposta", "beantwoord", "yes", "true"),
        "ANSWERED",
    ),
    **dict.fromkeys(("call connected", "call completed", "normal clearing"), "ANSWERED"),
    **dict.fromkeys(
        ("no answer", "noanswer", "no_answer", "no-answer", "missed", "unanswered", "not answered", "verpasst",
         "nicht angenommen", "unbeantwortet", "perdida", "no contestada", "nao atendida", "manque", "sans reponse",
         "persa", "gemist", "missed call", "no", "false"),
        "NO ANSWER",
    ),
    **dict.fromkeys(("busy", "user busy", "besetzt", "occupe", "ocupado", "occupato", "bezet"), "BUSY"),
    **dict.fromkeys(
        ("failed", "failure", "rejected", "declined", "error", "congestion", "abgelehnt", "fehlgeschlagen", "echec",
         "fallida", "rechazada", "falha", "fallita", "mislukt", "chanunavail", "call failed"),
        "FAILED",
    ),
    **dict.fromkeys(
        ("cancelled", "canceled", "cancel", "abandoned", "abgebrochen", "annule", "cancelada"), "CANCELLED"
    ),
}  # fmt: skip
NOT_CALLS: Final = re.compile(
    r"(?i)sms|mms|data|gprs|text|message|internet|messaging|fax|cmr|daten|nachricht|donnees|datos|dados|dati|gegevens"
)
_CAUSE: Final = re.compile(r"[A-Z]{2,}(?:_[A-Z0-9]+)+")
FIRST_TIMES: Final = "the first column of times"
_FEW_WORDS: Final = 12
_SHORT, _LONG = 2, 5
_MOST_SECONDS: Final = 172_800
_ENOUGH = 0.6
_MOSTLY = 0.6
_CERTAIN, _LIKELY = 0.85, 0.7


@dataclass(slots=True)
class Choice:
    """The columns of one field.

    Attributes:
        columns: columns of the field; the first that has a value is used.
        confidence: certain, likely or guess.
        because: what the choice is based on.
        others: columns that may be meant instead.
    """

    columns: list[str]
    confidence: str
    because: str
    others: list[str] = field(default_factory=list[str])


class Contents:
    """What one column holds. Everything is computed from its values when it is first asked for."""

    def __init__(self, values: Sequence[str]) -> None:
        self.values = list(values)
        self.filled = [value for value in values if value]
        self.distinct = list(dict.fromkeys(self.filled))

    @cached_property
    def moments(self) -> list[str]:
        """Values without zeros, which mean "no time" in columns of epochs."""
        return [value for value in self.distinct if value.strip("0")]

    @cached_property
    def epoch(self) -> str:
        """Notation of counted times; "" if the column has none."""
        return epoch_notation(self.moments)

    @cached_property
    def iso(self) -> bool:
        """Whether all values are ISO 8601 with an offset."""
        return bool(self.filled) and all(ISO.fullmatch(value) for value in self.distinct)

    @cached_property
    def rfc(self) -> bool:
        """Whether all values are times of RFC 2822."""
        return bool(self.filled) and all(RFC.fullmatch(value) for value in self.distinct)

    @cached_property
    def date_times(self) -> tuple[str, ...]:
        """Formats of date and time."""
        return () if self.iso or self.epoch else date_time_formats(self.distinct)

    @cached_property
    def dates(self) -> tuple[str, ...]:
        """Formats of a date alone."""
        return () if self.date_times else date_formats(self.distinct)

    @cached_property
    def clocks(self) -> tuple[str, ...]:
        """Formats of a time of day alone."""
        return (
            ()
            if not all(":" in value or "." in value or len(value) in (4, 6) for value in self.distinct)
            else clock_formats(self.distinct)
        )

    @cached_property
    def clock_minutes(self) -> list[int]:
        """Minutes of the day of a column of times of day, to compare columns; none for other columns."""
        if not self.clocks:
            return []
        read = read_times([f"2026-11-25 {value}" for value in self.filled], "", [f"%Y-%m-%d {self.clocks[0]}"])
        return [moment.hour * 60 + moment.minute for moment in read if moment]

    @property
    def is_time(self) -> bool:
        """Whether the column holds instants."""
        return bool(self.filled) and bool(self.epoch or self.iso or self.rfc or self.date_times)

    @cached_property
    def is_count(self) -> bool:
        """Whether all values are whole numbers that a duration in seconds may have."""
        return bool(self.filled) and all(
            _INTEGER.fullmatch(value) and int(value) <= _MOST_SECONDS for value in self.distinct
        )

    @cached_property
    def is_written_length(self) -> bool:
        """Whether all values are durations that state their units, such as 2m56s or 0:02:56."""
        return (
            bool(self.filled)
            and not self.is_time
            and not self.is_count
            and (
                all(CLOCK_3.fullmatch(value) for value in self.distinct)
                or all(LENGTH_TEXT.fullmatch(value) and not value.isdecimal() for value in self.distinct)
            )
        )

    @cached_property
    def is_length(self) -> bool:
        """Whether all values may be durations."""
        return (
            bool(self.filled)
            and not self.is_time
            and (
                all(_DECIMAL.fullmatch(value) and not value.startswith("+") for value in self.distinct)
                or all(CLOCK_2.fullmatch(value) or CLOCK_3.fullmatch(value) for value in self.distinct)
                or all(LENGTH_TEXT.fullmatch(value) or CLOCK_3.fullmatch(value) for value in self.distinct)
            )
        )

    @cached_property
    def is_money(self) -> bool:
        """Whether all values may be amounts."""
        return bool(self.filled) and not self.is_time and all(_MONEY.fullmatch(value) for value in self.distinct)

    @cached_property
    def phones(self) -> float:
        """Share of the values that look like telephone numbers, extensions or addresses of phones."""
        if not self.filled or self.is_time:
            return 0.0
        return sum(
            bool(
                (_PHONE.fullmatch(value) and not _FRACTION.fullmatch(value))
                or _URI.fullmatch(value)
                or _WITHHELD.fullmatch(value)
            )
            for value in self.filled
        ) / len(self.filled)

    @cached_property
    def words(self) -> Counter[str]:
        """Words with their number of rows, if the column has few different ones; else nothing."""
        few = len(self.distinct) <= _FEW_WORDS and all(any(map(str.isalpha, value)) for value in self.distinct)
        return Counter(self.filled) if few else Counter()

    @cached_property
    def is_identity(self) -> bool:
        """Whether every row has a value and no two have the same."""
        return len(self.distinct) == len(self.values)

    @cached_property
    def counts_rows(self) -> bool:
        """Whether the column numbers the rows, from 0 or 1."""
        return any(self.values == [str(row + first) for row in range(len(self.values))] for first in (0, 1))

    def times(self) -> list[datetime | None]:
        """Values read as times without a zone."""
        return read_times(self.values, self.epoch, self.date_times)

    def fits(self, role: str) -> float:  # noqa: C901, PLR0911, PLR0912 - one case for each kind of role
        """How well the values fit a role, from 0 (not at all) to 1."""
        if not self.filled:
            return 0.0 if role in (DATE, TIME_OF_DAY, ZONE, KIND, "started_at") else 0.2
        if role in TIMES:
            return float(self.is_time)
        if role == DATE:
            return float(bool(self.dates))
        if role == TIME_OF_DAY:
            return float(bool(self.clocks))
        if role in LENGTHS:
            return float(self.is_length)
        if role in NUMBERS:
            return (
                self.phones
                if self.phones >= _MOSTLY and not self.date_times
                else (0.3 if not self.is_time and not self.words else 0.1 * (not self.is_time))
            )
        if role in MONEY:
            return float(self.is_money)
        if role == "cost_currency":
            return float(all(re.fullmatch(r"[A-Za-z]{3}", value) for value in self.distinct))
        if role == ZONE:
            return float(all(_ZONE_TEXT.fullmatch(value) for value in self.distinct))
        if role == "call_direction":
            known = sum(value.lower() in INBOUND | OUTBOUND for value in self.distinct)
            return known / len(self.distinct) if self.words else 0.0
        if role == KIND:
            return float(bool(self.words))
        if role == "call_id":
            return 1.0 if self.is_identity else 0.6 * (not self.words and not self.is_time)
        if role in _NAMES:
            return 0.0 if self.is_time else 1.0
        if role in ("hangup_cause", "interaction_id") and self.epoch:
            # Codes of vendors may be as large as an epoch, and ids of Asterisk begin with one.
            return 0.5
        return 0.0 if self.is_time else 0.8


def contents_of(sheet: Sheet) -> dict[str, Contents]:
    """Contents of every column."""
    return {name: Contents(values) for name, values in sheet.columns.items()}


def choose(sheet: Sheet, contents: Mapping[str, Contents]) -> dict[str, Choice]:
    """Chooses the columns of each role. No column has two roles."""
    words = {name: words_of(title or "") for name, title in zip(sheet.names, sheet.titles, strict=True)}
    choices = _by_names(sheet, contents, words) if sheet.has_header else {}
    _by_contents(sheet, contents, choices)
    if sheet.has_header and "started_at" not in choices and DATE not in choices:
        _unreadable_start(sheet, words, choices)
    _settle_lengths(contents, choices)
    return choices


def _by_names(  # noqa: C901 - one pass over the candidates, best first
    sheet: Sheet, contents: Mapping[str, Contents], words: Mapping[str, ColumnWords]
) -> dict[str, Choice]:
    scored: list[tuple[float, int, str, str]] = []
    for position, name in enumerate(sheet.names):
        for role, score in _meanings(name, words[name], sheet).items():
            actual = _by_kind_of_time(role, contents[name])
            fit = contents[name].fits(actual)
            if score >= _ENOUGH and fit > 0:
                scored.append((score * 0.7 + fit * 0.3, position, actual, name))
    scored.sort(key=lambda item: (-item[0], item[1]))
    choices: dict[str, Choice] = {}
    taken: set[str] = set()
    for score, _, role, name in scored:
        if name in taken:
            continue
        choice = choices.get(role)
        if choice is None:
            confidence = "certain" if score >= _CERTAIN else "likely" if score >= _LIKELY else "guess"
            choices[role] = Choice([name], confidence, "name and values")
            taken.add(name)
        elif role in NUMBERS and sheet.nested and _complement(choice, contents, name):
            choice.columns.append(name)
            taken.add(name)
        elif name not in choice.others:
            choice.others.append(name)
    for choice in choices.values():
        choice.others = [name for name in choice.others if name not in taken]
        # Of a telephone number and an extension, the number counts if a later file has both.
        choice.columns.sort(key=lambda name: bool(set(words[name].tokens) & _EXTENSIONS))
    plain = [
        name
        for name in sheet.names
        if name not in taken and set(words[name].tokens) & _NUMBER_WORDS and contents[name].phones >= _MOSTLY
    ]
    for role in NUMBERS[:2]:
        if role not in choices and plain:
            choices[role] = Choice([plain.pop(0)], "likely", "a column of numbers, by its place")
    _names_by_place(sheet, words, choices)
    return choices


def _unreadable_start(sheet: Sheet, words: Mapping[str, ColumnWords], choices: dict[str, Choice]) -> None:
    """A column that its name calls the start of a call, although its values are in no known format."""
    taken = {column for choice in choices.values() for column in choice.columns}
    for name in sheet.names:
        if name not in taken and any(sheet.columns[name]) and meanings_of(words[name].tokens).get("started_at", 0) == 1:
            choices["started_at"] = Choice([name], "guess", "its name; its values are in no known format")
            return


def _meanings(name: str, words: ColumnWords, sheet: Sheet) -> dict[str, float]:
    """Meanings of the name; of a path into JSON, of its last words."""
    if not sheet.nested:
        return meanings_of(words.tokens)
    parts = [part for part in name.split(".") if not part.isdecimal()]
    scores: dict[str, float] = {}
    for length in (1, 2, 3):
        tokens = tuple(token for part in parts[-length:] for token in words_of(part).tokens)
        for role, score in meanings_of(tokens).items():
            # Of two equal names, the one that is less deep.
            scores[role] = max(scores.get(role, 0.0), score - 0.02 * len(parts))
    return scores


def _by_kind_of_time(role: str, contents: Contents) -> str:
    """The role of a column of the start, by what it holds: date and time, a date, or a time of day."""
    if role not in ("started_at", DATE, TIME_OF_DAY) or not contents.filled:
        return role
    if contents.is_time:
        return "started_at"
    return DATE if contents.dates else TIME_OF_DAY if contents.clocks else role


def _complement(choice: Choice, contents: Mapping[str, Contents], name: str) -> bool:
    """Whether a column has values only in rows in which the chosen ones have none."""
    chosen = [any(values) for values in zip(*(contents[column].values for column in choice.columns), strict=True)]
    return bool(contents[name].filled) and not any(
        has and value for has, value in zip(chosen, contents[name].values, strict=True)
    )


def _names_by_place(sheet: Sheet, words: Mapping[str, ColumnWords], choices: dict[str, Choice]) -> None:
    """A column "name" right after a number is the name of that number."""
    taken = {column for choice in choices.values() for column in choice.columns}
    for number, name_role in (("caller_id_number", "caller_id_name"), ("callee_id_number", "callee_id_name")):
        if number not in choices or name_role in choices:
            continue
        place = sheet.names.index(choices[number].columns[0]) + 1
        if place < len(sheet.names):
            column = sheet.names[place]
            if column not in taken and set(words[column].tokens) & {"name", "nom", "nombre", "nome", "naam"}:
                choices[name_role] = Choice([column], "likely", "a name next to the number")
                taken.add(column)


def _by_contents(  # noqa: C901, PLR0912 - one rule after the other; later ones see what is taken
    sheet: Sheet, contents: Mapping[str, Contents], choices: dict[str, Choice]
) -> None:
    """Fills roles that no name shows. Without a header, everything is chosen here."""
    taken = {column for choice in choices.values() for column in choice.columns}

    def free(test: str) -> list[str]:
        return [name for name in sheet.names if name not in taken and getattr(contents[name], test)]

    def take(role: str, name: str, because: str, confidence: str = "likely") -> None:
        choices[role] = Choice([name], confidence, because)
        taken.add(name)

    if "started_at" not in choices and not {DATE, TIME_OF_DAY} <= choices.keys():
        instants = free("is_time")
        if instants:
            _take_times(instants, sheet, contents, choices, take)
        else:
            _take_date_and_clock(free, sheet, contents, choices, take)
    if sheet.has_header:
        return
    for name in sheet.names:
        inner = [_NAMED.fullmatch(value) for value in contents[name].filled]
        if name not in taken and inner and all(inner):
            pairs = [(match[1], row) for match, row in zip(inner, range(len(inner)), strict=True) if match]
            twin = next(
                (
                    other
                    for other in sheet.names
                    if other not in taken
                    and other != name
                    and [contents[other].values[row] for _, row in pairs] == [text for text, _ in pairs]
                ),
                None,
            )
            if twin and len(contents[name].filled) == sheet.rows:
                take("caller_id_name", name, "names with numbers in angle brackets")
                take("caller_id_number", twin, f"the numbers in the angle brackets of {name}", "certain")
                break
    _take_lengths(free("is_count"), contents, choices, take)
    written = free("is_written_length")
    if written and not {"duration_seconds", "billing_seconds"} & choices.keys():
        take("duration_seconds", written[0], "lengths that state their units")
    _take_words(free("filled"), contents, choices, take)
    phones = [
        name
        for name in free("filled")
        if contents[name].phones >= _MOSTLY
        and not contents[name].counts_rows
        and any(len(value) > _SHORT for value in contents[name].distinct)
    ]
    twins = [(one, other) for one, other in pairwise(phones) if contents[one].values == contents[other].values]
    if twins and "caller_id_name" not in choices and "caller_id_number" not in choices:
        take("caller_id_name", twins[0][0], "the same as the number after it")
        phones.remove(twins[0][0])
    for role in ("caller_id_number", "callee_id_number"):
        if role not in choices and phones:
            take(role, phones.pop(0), "numbers, by their place", "guess")
    if "call_id" not in choices:
        ids = [
            name
            for name in free("is_identity")
            if all(
                _ID.fullmatch(value) and any(map(str.isdigit, value)) and not _FRACTION.fullmatch(value)
                for value in contents[name].distinct
            )
        ]
        if ids and sheet.rows > 1:
            take("call_id", ids[0], "ids without duplicates", "guess")
    money = [
        name
        for name in free("is_money")
        if any("." in value or "," in value or not value[0].isdigit() for value in contents[name].distinct)
        and contents[name].phones < _MOSTLY
    ]
    if money and "cost" not in choices:
        take("cost", money[-1], "amounts with decimals", "guess")


def _take_date_and_clock(
    free: Callable[[str], list[str]],
    sheet: Sheet,
    contents: Mapping[str, Contents],
    choices: dict[str, Choice],
    take: Callable[..., None],
) -> None:
    """The start of a call as a date and a time of day; durations written as clocks have earlier hours."""
    dates, clocks = free("dates"), free("clocks")
    if DATE not in choices and dates and set(clocks) - {dates[0]}:
        take(DATE, dates[0], "a column of dates")
    clocks = [name for name in clocks if DATE in choices and name != choices[DATE].columns[0]]
    if not clocks or TIME_OF_DAY in choices:
        return
    date = sheet.names.index(choices[DATE].columns[0])
    nearest = min(clocks, key=lambda name: abs(sheet.names.index(name) - date))
    latest = max(clocks, key=lambda name: max(contents[name].clock_minutes, default=0))
    is_certain = contents[nearest].clock_minutes == contents[latest].clock_minutes
    take(TIME_OF_DAY, nearest, "a column of times of day", "likely" if is_certain else "guess")
    choices[TIME_OF_DAY].others = [name for name in clocks if name != nearest]


def _take_words(
    names: Sequence[str], contents: Mapping[str, Contents], choices: dict[str, Choice], take: Callable[..., None]
) -> None:
    """Outcomes, causes, directions and unique ids are told by their words."""
    for name in names:
        values = contents[name].distinct
        if "disposition" not in choices and contents[name].words and all(value.lower() in OUTCOMES for value in values):
            take("disposition", name, "outcomes of calls", "certain")
        elif "hangup_cause" not in choices and all(_CAUSE.fullmatch(value) for value in values):
            take("hangup_cause", name, "causes of hang-up", "certain")
        elif (
            "call_direction" not in choices
            and contents[name].words
            and len(values) > 1
            and all(value.lower() in INBOUND | OUTBOUND for value in values)
        ):
            take("call_direction", name, "words of directions", "certain")
        elif (
            "call_id" not in choices and contents[name].is_identity and all(_UUID.fullmatch(value) for value in values)
        ):
            take("call_id", name, "unique ids", "certain")


def _take_times(
    instants: list[str],
    sheet: Sheet,
    contents: Mapping[str, Contents],
    choices: dict[str, Choice],
    take: Callable[..., None],
) -> None:
    """Start, answer and end are columns of times in this order."""
    named = [name for name in instants if re.search(r"creat|start|begin", name)] if sheet.has_header else []
    start = (named or instants)[0]
    confidence = "likely" if len(instants) == 1 or not sheet.has_header else "guess"
    take("started_at", start, FIRST_TIMES, confidence)
    if sheet.has_header:
        choices["started_at"].others = [name for name in instants if name != start]
        return
    kind = (contents[start].epoch, contents[start].iso, contents[start].date_times[:1])
    later = [
        name
        for name in instants[1:]
        if (contents[name].epoch, contents[name].iso, contents[name].date_times[:1]) == kind
    ]
    ends = [name for name in later if _never_before(contents[start], contents[name])]
    if ends:
        take("ended_at", ends[-1], "times at or after the start", "likely")
        if len(ends) > 1:
            take("answered_at", ends[0], "times between start and end", "likely")
        else:
            # A column that is always empty between the two is the answer of calls that were never answered.
            between = sheet.names[sheet.names.index(start) + 1 : sheet.names.index(ends[-1])]
            if len(between) == 1 and not contents[between[0]].filled:
                take("answered_at", between[0], "empty, between start and end", "guess")


def _never_before(first: Contents, later: Contents) -> bool:
    pairs = [(one, other) for one, other in zip(first.times(), later.times(), strict=True) if one and other]
    return bool(pairs) and all(one <= other for one, other in pairs)


def _seconds_between(first: Contents | None, later: Contents | None) -> list[float | None]:
    if first is None or later is None:
        return []
    return [
        (other - one).total_seconds() if one is not None and other is not None else None
        for one, other in zip(first.times(), later.times(), strict=True)
    ]


def _agrees(counts: Sequence[str], seconds: Sequence[float | None]) -> bool:
    """Whether counts are the seconds between two times, within one second."""
    pairs = [
        (float(count), second)
        for count, second in zip(counts, seconds, strict=bool(seconds))
        if count and second is not None
    ]
    return bool(pairs) and sum(abs(count - second) <= 1 for count, second in pairs) >= len(pairs) * 0.9


def _take_lengths(
    counts: list[str], contents: Mapping[str, Contents], choices: dict[str, Choice], take: Callable[..., None]
) -> None:
    whole = _seconds_between(*(_chosen(role, contents, choices) for role in ("started_at", "ended_at")))
    talk = _seconds_between(*(_chosen(role, contents, choices) for role in ("answered_at", "ended_at")))
    rest = list(counts)
    for role, seconds, moment in (("duration_seconds", whole, "start"), ("billing_seconds", talk, "answer")):
        if role not in choices and seconds:
            proven = next((name for name in rest if _agrees(contents[name].values, seconds)), None)
            if proven:
                take(role, proven, f"the seconds between {moment} and end", "certain")
                rest.remove(proven)
    if "duration_seconds" in choices:
        if "billing_seconds" not in choices:
            after = choices["duration_seconds"].columns[0]
            following = [name for name in rest if list(contents).index(name) == list(contents).index(after) + 1]
            if following and _never_more(contents[following[0]], contents[after]):
                take("billing_seconds", following[0], "seconds after the duration, and never more", "likely")
        return
    lengths = [
        name
        for name in rest
        if len(contents[name].distinct) > 1
        and not contents[name].counts_rows
        and all(len(value) <= _LONG for value in contents[name].distinct)
    ]
    starts = choices.get("started_at") or choices.get(DATE)
    if starts and lengths:
        place = list(contents).index(starts.columns[0])
        after_start = [name for name in lengths if list(contents).index(name) > place]
        for name in (after_start or lengths)[:1]:
            take("duration_seconds", name, "small whole numbers", "guess")


def _never_more(some: Contents, whole: Contents) -> bool:
    pairs = [(one, other) for one, other in zip(some.values, whole.values, strict=True) if one and other]
    return bool(pairs) and all(float(one) <= float(other) + 1 for one, other in pairs)


def _chosen(role: str, contents: Mapping[str, Contents], choices: Mapping[str, Choice]) -> Contents | None:
    return contents[choices[role].columns[0]] if role in choices else None


def _settle_lengths(contents: Mapping[str, Contents], choices: dict[str, Choice]) -> None:
    """A duration that runs from the answer is the billed time (Cisco), by the times of the same rows."""
    if "billing_seconds" in choices or "duration_seconds" not in choices:
        return
    length = _chosen("duration_seconds", contents, choices)
    if length is None or not length.is_count:
        return
    whole = _seconds_between(*(_chosen(role, contents, choices) for role in ("started_at", "ended_at")))
    talk = _seconds_between(*(_chosen(role, contents, choices) for role in ("answered_at", "ended_at")))
    if talk and _agrees(length.values, talk) and not (whole and _agrees(length.values, whole)):
        choice = choices.pop("duration_seconds")
        choices["billing_seconds"] = Choice(
            choice.columns, "certain", "the seconds between answer and end", choice.others
        )
