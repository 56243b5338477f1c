"""Drafts an import profile from files of one kind: what they show is decided, what they cannot show is a question."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import orjson

from cdr_pipeline.core.normalize.causes import CauseCodes, cause_names
from cdr_pipeline.errors import InvalidProfile, UnreadableUpload
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.draft_columns import (
    CLOCK_2,
    FIRST_TIMES,
    INBOUND,
    LENGTHS,
    MONEY,
    NOT_CALLS,
    NUMBERS,
    OUTBOUND,
    OUTCOMES,
    TIMES,
    Choice,
    Contents,
    choose,
    contents_of,
)
from cdr_pipeline.sources.uploads.draft_events import Events, events_of
from cdr_pipeline.sources.uploads.draft_sheet import Sheet, read_sheet
from cdr_pipeline.sources.uploads.draft_times import has_seconds, hours_from_epoch, proven_order
from cdr_pipeline.sources.uploads.draft_trial import Trial, fitting_profiles, try_profile
from cdr_pipeline.sources.uploads.draft_words import DATE, KIND, TIME_OF_DAY, ZONE, currency_of, meanings_of, words_of
from cdr_pipeline.sources.uploads.profiles import read_profile

UNKNOWN_ZONE: Final = "FILL IN, such as Europe/Berlin"
UNKNOWN_FORMAT: Final = "FILL IN: %d/%m/%Y %H:%M:%S or %m/%d/%Y %H:%M:%S"
# Order of the fields in a draft.
_FIELDS: Final = (
    "call_id", "caller_id_number", "caller_id_name", "callee_id_number", "callee_id_name", "dialed_number",
    "call_direction", "started_at", "answered_at", "ended_at", "duration_seconds", "billing_seconds",
    "ringing_seconds", "disposition", "hangup_cause", "cost", "cost_currency", "rate", "trunk", "username",
    "interaction_id",
)  # fmt: skip
_DURATIONS: Final = {"m:ss": "hh:mm:ss", "h:mm": "hh:mm"}
_UNITS: Final = ("seconds", "centiseconds", "milliseconds", "minutes", "hh:mm:ss", "hh:mm", "text")
_QUALITY: Final = frozenset({"jitter", "packets", "latency", "mos", "mlqk"})
_AMOUNT_SIGN: Final = re.compile(r"US\$|R\$|[$€£¥₹]|zł|[A-Z]{3}")
_GROUPS: Final = re.compile(r"[1-9][0-9]{0,2}([.,])[0-9]{3}")
_BY_PARTS: Final = re.compile(r"[^0-9.,]")
_INBOUND_MARK: Final = re.compile(r"^(?:<I>|<IN>|\[I\]|\(I\))")
_MOST_WORDS: Final = 20
_MOST_KINDS: Final = 8
# Names of ids of rows and of calls, without marks between their words.
_ROW_IDS: Final = frozenset({"id", "acctid", "cdrid", "recordid", "rowid", "pkid"})
_CALL_IDS: Final = frozenset({"uniqueid", "callid", "calluuid", "callreference", "sessionid"})
# Words of a column of own numbers, in calls of both directions.
_OWN: Final = frozenset(
    [
        "own", "eigene", "extension", "ext", "station", "nebenstelle", "agent", "internal", "interne", "interno",
        "anexo", "ramal", "toestel",
    ]
)  # fmt: skip
_SIDES: Final = ("caller_id_number", "callee_id_number")


@dataclass(frozen=True, slots=True)
class Question:
    """Something that no file can show.

    Attributes:
        key: name of the answer.
        text: the question with its evidence.
        choices: possible answers, or examples of them.
        assumed: answer that the trial uses.
    """

    key: str
    text: str
    choices: tuple[str, ...]
    assumed: str


@dataclass(slots=True)
class Draft:
    """A drafted profile.

    Attributes:
        text: TOML of the profile; ``profiles check`` fails as long as it contains FILL IN.
        decided: sentences about what the file shows.
        unknown: sentences about what the file does not show.
        questions: open questions with possible answers.
        resembles: names of profiles that read the file as it is.
        trial: what the draft makes of the files, with the assumed answers for open questions; None if it cannot be
            tried, because no column is the start of a call.
    """

    text: str = ""
    decided: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])
    questions: list[Question] = field(default_factory=list[Question])
    resembles: list[str] = field(default_factory=list[str])
    trial: Trial | None = None


def draft_profile(
    path: Path, folder: Path | None = None, *, more: Sequence[Path] = (), answers: Mapping[str, str] | None = None
) -> Draft:
    """Drafts a profile from files and tries it on them.

    Args:
        path: file of calls, packed or not.
        folder: folder of the operator's own profiles, which are compared with the file too.
        more: more files of the same kind.
        answers: answers to questions by key, and columns of fields by the field's name.

    Raises:
        UnreadableUpload: a file cannot be opened, holds no rows or no calls, or the files are of different kinds; or an
            answer is not possible.
    """
    sheet = _joined([path, *more])
    contents = contents_of(sheet)
    given = dict(answers or {})
    draft = _Composer(sheet, contents, path, given).draft()
    draft.resembles = fitting_profiles(path, folder)
    assumed = {question.key: question.assumed for question in draft.questions}
    # The assumed answers may lead to further questions, such as the zone of times whose format was one.
    complete = _Composer(sheet, contents, path, given | assumed).draft()
    further = {question.key: question.assumed for question in complete.questions}
    complete = _Composer(sheet, contents, path, given | assumed | further).draft()
    try:
        profile = read_profile("draft", complete.text)
    except InvalidProfile:
        return draft
    draft.trial = try_profile([path, *more], profile)
    return draft


def _joined(paths: Sequence[Path]) -> Sheet:
    """The shape of the first file with the values of all."""
    sheets = [read_sheet(path) for path in paths]
    first = sheets[0]
    for path, sheet in zip(paths[1:], sheets[1:], strict=True):
        if sheet.names != first.names and not sheet.nested:
            raise UnreadableUpload(
                f"{path.name} has other columns than {paths[0].name}", hint="draft a profile for each kind of file"
            )
        for name in first.names:
            first.columns[name] += sheet.columns.get(name, [""] * sheet.rows)
    return first


class _Composer:
    """Writes the text of a draft with the answers so far, and collects what is decided and what is asked."""

    def __init__(self, sheet: Sheet, contents: Mapping[str, Contents], path: Path, answers: Mapping[str, str]) -> None:
        self.sheet, self.contents, self.path, self.answers = sheet, contents, path, answers
        self.result = Draft(decided=list(sheet.decided))
        self.words = {name: words_of(title) for name, title in zip(sheet.names, sheet.titles, strict=True)}
        self.choices = choose(sheet, self.contents)
        self.events: Events | None = None
        self.derived: list[str] = []
        # Fields that derived columns hold.
        self.made: dict[str, str | list[str]] = {}
        self.marked: list[str] = []
        self.record_id = self.open_clock = ""
        self._answer_fields()

    def draft(self) -> Draft:
        self._refuse_others()
        self._settle_clock()
        self.events = events_of(self.sheet, self.contents, self.choices)
        if self.events:
            self.result.decided.append(self.events.decided)
        self._swap()
        self._separate_ids()
        head = [f"description = {_quoted(f'Files such as {self.path.name}')}"]
        head += self._identity()
        head += self._durations()
        head += self._money()
        head += self._causes()
        not_calls = self._not_calls()
        time = self._time()
        combine = self._combine()
        fields, values = self._fields(), self._values()
        control = self._control()
        layout = dict(self.sheet.layout)
        widths = layout.pop("widths", None)
        lines = [*head, "", "[layout]", *(f"{key} = {_toml(value)}" for key, value in layout.items())]
        if widths:
            lines += ["", "[layout.widths]", *(f"{_key(name)} = {_toml(place)}" for name, place in widths.items())]
        if self.events:
            lines += ["", "[segments]", *self.events.segments]
        lines += ["", "[time]", *time, *combine, *not_calls]
        for derived in (*self.derived, *(self.events.derived if self.events else ())):
            lines += ["", derived]
        lines += ["", "[fields]", *fields, *values, *control]
        if carrier := self.answers.get("carrier"):
            lines += ["", "[constants]", f"carrier = {_quoted(carrier)}"]
        self.result.text = "\n".join(lines) + "\n"
        self.result.decided = list(dict.fromkeys(self.result.decided))
        self.result.unknown[:0] = [question.text for question in self.result.questions]
        return self.result

    def _ask(self, key: str, text: str, choices: Sequence[str], assumed: str) -> str | None:
        """The answer to a question; None if it is open. Then it is added to the questions."""
        answer = self.answers.get(key)
        if answer is None:
            self.result.questions.append(Question(key, text, tuple(choices), assumed))
        return answer

    def _answer_fields(self) -> None:
        for role in _FIELDS:
            answer = self.answers.get(role)
            if answer is None:
                continue
            columns = [column.strip().lower() for column in answer.split(",") if column.strip()]
            missing = [column for column in columns if column not in self.sheet.columns]
            if missing:
                raise UnreadableUpload(
                    f"answer {role}: the file has no column {', '.join(missing)}",
                    hint=f"choose from: {', '.join(self.sheet.names)}",
                )
            for other in [key for key, choice in self.choices.items() if set(choice.columns) & set(columns)]:
                del self.choices[other]
            self.choices.pop(role, None)
            if columns:
                self.choices[role] = Choice(columns, "certain", "answered")

    def _refuse_others(self) -> None:
        """Refuses files that hold no calls."""
        sheet, choices = self.sheet, self.choices
        tokens = {token for words in self.words.values() for token in words.tokens}
        has_sides = any(role in choices for role in NUMBERS)
        if len(_QUALITY & tokens) > 1 and not {"started_at", "duration_seconds"} <= choices.keys():
            raise UnreadableUpload(
                f"{self.path.name} holds records of call quality (CMR), not calls", hint="import the file of the calls"
            )
        kinds = self._column(KIND)
        if (
            kinds
            and self.contents[kinds].filled
            and all(NOT_CALLS.fullmatch(word) for word in self.contents[kinds].distinct)
        ):
            raise UnreadableUpload(
                f"{self.path.name} holds no calls: its rows are {', '.join(self.contents[kinds].distinct[:3])}",
                hint="import the file of the calls",
            )
        form = sheet.layout.get("format")
        if form in ("json", "xml") and not has_sides and not {"started_at", "call_id"} <= choices.keys():
            raise UnreadableUpload(
                f"{self.path.name} is {form.upper()}, but holds no calls: no key is a number and a time",
                hint="check that it is no error message",
            )

    def _settle_clock(self) -> None:
        """Asks which of two columns of clocks is the time of day, if place and values disagree."""
        choice = self.choices.get(TIME_OF_DAY)
        if choice is None or choice.confidence != "guess" or not choice.others:
            return
        columns = [*choice.columns, *choice.others]
        text = f"which column is the time of day at which a call starts: {' or '.join(columns)}"
        answer = self._ask("time_of_day", text, columns, columns[0])
        if answer is not None and answer not in columns:
            raise UnreadableUpload(
                f"answer time_of_day: {answer} is no column of times of day", hint=f"choose from: {', '.join(columns)}"
            )
        if answer is None:
            self.open_clock = f"FILL IN: {' or '.join(columns)}"
            return
        self.choices[TIME_OF_DAY] = Choice([answer], "certain", "answered")
        length = self.choices.get("duration_seconds")
        if length and answer in length.columns:
            self.choices["duration_seconds"] = Choice([columns[0]], "likely", "the other column of clocks")

    def _swap(self) -> None:
        """Settles numbers: callers marked <I> among the dialled numbers, and a lone dialled number as the callee."""
        if "callee_id_number" not in self.choices and "dialed_number" in self.choices:
            self.choices["callee_id_number"] = self.choices.pop("dialed_number")
        if (
            "ringing_seconds" in self.choices
            and "billing_seconds" not in self.choices
            and "duration_seconds" in self.choices
        ):
            choice = self.choices.pop("duration_seconds")
            self.choices["billing_seconds"] = Choice(
                choice.columns, "likely", "without the ringing, which has its own column"
            )
        own, number = map(self._column, _SIDES)
        if number is None or own is None or any(side in self.answers for side in _SIDES):
            return
        if self._swap_by_direction(own, number):
            return
        marks = {mark for value in self.contents[number].filled for mark in _INBOUND_MARK.findall(value)}
        if len(marks) != 1 or len(marks) == len(self.contents[number].filled):
            return
        mark = next(iter(marks))
        pattern = f"^{re.escape(mark)}"
        self._swap_where({number: pattern}, own, number, inbound=f"match = {_quoted(f'{pattern}(.*)$')}")
        self.made["call_direction"] = "marked_direction"
        self.derived.append(
            f"[derive.marked_direction]\nsource = {_quoted(number)}\nmatch = {_quoted(f'^({re.escape(mark)})')}\n"
            'default = "outbound"'
        )
        self.marked = [mark]
        self.result.decided.append(f"{mark} before a number marks inbound calls: caller and callee are swapped there")

    def _swap_where(self, inbound_rows: Mapping[str, str], own: str, number: str, *, inbound: str = "") -> None:
        """Makes the outside number the caller of inbound calls, and the callee of all others."""
        rows = "{ " + ", ".join(f"{_key(name)} = {_quoted(text)}" for name, text in inbound_rows.items()) + " }"
        self.made |= {
            "caller_id_number": ["inbound_caller", "outbound_caller"],
            "callee_id_number": ["outbound_callee", "inbound_callee"],
        }
        self.derived += [
            f"[derive.inbound_caller]\nsource = {_quoted(number)}\n{inbound or f'when = {rows}'}",
            f"[derive.outbound_caller]\nsource = {_quoted(own)}\nunless = {rows}",
            f"[derive.outbound_callee]\nsource = {_quoted(number)}\nunless = {rows}",
            f"[derive.inbound_callee]\nsource = {_quoted(own)}\nwhen = {rows}",
        ]

    def _swap_by_direction(self, own: str, number: str) -> bool:
        """Whether one column is the own side of every call; then the direction tells caller from callee."""
        if not _OWN & set(self.words[own].tokens) or "place" not in self.choices["callee_id_number"].because:
            return False
        name = self._column("call_direction")
        words = [word for word in self.contents[name].distinct if word.lower() in INBOUND] if name else []
        kind = self._column(KIND)
        if name is None and kind is None:
            candidates = (column for column in self.sheet.names if KIND in meanings_of(self.words[column].tokens))
            kind = next((column for column in candidates if self._has_few_codes(column)), None)
        if name is None and kind:
            counted = Counter(self.contents[kind].filled)
            listed = ", ".join(f"{word} ({count})" for word, count in counted.most_common(_MOST_KINDS))
            answer = self._ask(
                "inbound",
                f"which values of {kind} mark inbound calls, whose caller is {number}: {listed}",
                (next(iter(counted)), "none"),
                "none",
            )
            if answer is None:
                self.made["call_direction"] = f"FILL IN: answer which values of {kind} mark inbound calls"
            words = [] if answer in (None, "none") else [word.strip() for word in str(answer).split(",")]
            unknown = [word for word in words if word not in counted]
            if unknown:
                raise UnreadableUpload(
                    f"answer inbound: {kind} has no value {', '.join(unknown)}",
                    hint=f"choose from: none, {', '.join(counted)}",
                )
            name = kind
            if words:
                self.made["call_direction"] = "stated_direction"
                self.marked = words
                self.derived.append(
                    f"[derive.stated_direction]\nsource = {_quoted(name)}\n"
                    f'match = {_quoted("^(" + "|".join(map(re.escape, words)) + ")$")}\ndefault = "outbound"'
                )
        if not words or name is None:
            return False
        self._swap_where({name: f"(?i)^(?:{'|'.join(map(re.escape, words))})$"}, own, number)
        self.result.decided.append(
            f"{own} is the own side of every call: in rows with {name} {' or '.join(words)}, {number} is the caller"
        )
        return True

    def _has_few_codes(self, column: str) -> bool:
        return bool(self.contents[column].filled) and len(self.contents[column].distinct) <= _MOST_KINDS

    def _separate_ids(self) -> None:
        """Tells the id of a row (Asterisk's acctid) from the id of its call, if both are there."""
        choice = self.choices.get("call_id")
        if choice is None or "call_id" in self.answers or self.events:
            return
        name = choice.columns[0]
        calls = [other for other in choice.others if "".join(self.words[other].tokens) in _CALL_IDS]
        if "".join(self.words[name].tokens) in _ROW_IDS and self.contents[name].is_identity and calls:
            self.record_id = name
            self.choices["call_id"] = Choice(calls[:1], "certain", f"name and values; {name} is the id of the row")

    def _causes(self) -> list[str]:
        """Notation of numeric causes, and the one that counts of two: each side has 0 if the other one hung up."""
        if self.events:
            return [f"cause_codes = {_quoted(self.events.codes)}"] if self.events.codes else []
        name = self._column("hangup_cause")
        if name is None or "hangup_cause" in self.answers:
            return []
        columns = [
            other
            for other in (name, *self.choices["hangup_cause"].others)
            if self.contents[other].filled and all(value.isdecimal() for value in self.contents[other].distinct)
        ]
        codes = {value for column in columns for value in self.contents[column].distinct} - {"0"}
        if name not in columns or not codes:
            return []
        both = zip(*(self.contents[column].values for column in columns[:2]), strict=True)
        sides = columns[:2] if all(sum(value not in ("", "0") for value in row) < 2 for row in both) else [name]  # noqa: PLR2004 - both sides
        if len(sides) > 1 or "0" in self.contents[name].distinct:
            made = [f"{column}_code" for column in sides]
            self.made["hangup_cause"] = made if len(made) > 1 else made[0]
            self.derived += [
                f'[derive.{_key(new)}]\nsource = {_quoted(column)}\nnothing = ["0"]'
                for new, column in zip(made, sides, strict=True)
            ]
            self.result.decided.append(f"the cause is in {' or '.join(sides)}; 0 means no cause")
        notations: tuple[CauseCodes, ...] = ("q850", "sip")
        notation = max(notations, key=lambda kind: len(codes & cause_names(kind).keys()))
        others = sorted(codes - cause_names(notation).keys())
        if others:
            self.result.unknown.append(f"what these causes in {' and '.join(sides)} mean: {', '.join(others[:5])}")
        if len(others) == len(codes):
            return []
        self.result.decided.append(f"causes are codes of {'Q.850' if notation == 'q850' else 'SIP'}")
        return [f"cause_codes = {_quoted(notation)}"]

    def _column(self, role: str) -> str | None:
        return self.choices[role].columns[0] if role in self.choices else None

    def _values_of(self, role: str) -> list[str]:
        return (
            [value for column in self.choices[role].columns for value in self.contents[column].filled]
            if role in self.choices
            else []
        )

    def _identity(self) -> list[str]:
        answer = self.answers.get("identity")
        if answer is not None:
            columns = [] if answer == "none" else [column.strip().lower() for column in answer.split(",")]
            return [f"native_id = {_toml(columns)}"] if columns else []
        name = self.record_id or self._column("call_id")
        if name is None or not self.contents[name].is_identity or self.events:
            self.result.unknown.append(
                "which column identifies a record: none was found, so the import uses a fingerprint of the row"
            )
            return []
        lines = [f"native_id = {_toml([name])}"]
        if self.contents[name].counts_rows:
            lines.insert(
                0,
                f"# {name} counts the rows. If the count restarts in every file, it does not identify a record: add"
                " columns that distinguish the records, such as the day, or delete the next line.",
            )
            self._ask(
                "identity",
                f"whether {name} identifies a record: it counts the rows, and the count may restart in the next file",
                (name, "none", f"{name},COLUMN"),
                name,
            )
        else:
            self.result.decided.append(
                f"{name} identifies a record: in the sample it is never empty and has no duplicates"
            )
        return lines

    # durations

    def _durations(self) -> list[str]:
        roles = [role for role in LENGTHS if role in self.choices]
        main = [role for role in roles if role != "ringing_seconds"]
        if not main:
            if self.events is None and not {"started_at", "ended_at"} <= self.choices.keys():
                self.result.unknown.append("how long calls are: no column of durations was found")
            return []
        units = {role: self._unit(role) for role in roles}
        first = units[main[0]]
        lines = [] if first == "seconds" else [f"duration_unit = {_quoted(first)}"]
        others = {role: unit for role, unit in units.items() if unit != first}
        if others:
            lines.append(
                "duration_units = { " + ", ".join(f"{role} = {_quoted(unit)}" for role, unit in others.items()) + " }"
            )
        return lines

    def _unit(self, role: str) -> str:  # noqa: PLR0911 - one result for each kind of evidence
        column = self.choices[role].columns[0]
        values = self.contents[column].distinct
        stated = self.words[column].unit
        name = f"{column} ({role})" if role != "duration_seconds" else column
        if not values:
            return "seconds"
        if all(":" in value and "'" not in value for value in values):
            return self._clock_unit(role, name, values, stated)
        if not all(_is_decimal(value) for value in values):
            self.result.decided.append(f"durations in {name} state their units, such as {values[0]}")
            return "text"
        if stated in ("seconds", "minutes", "milliseconds"):
            self.result.decided.append(f"durations in {name} are {stated}, by its name")
            return stated
        compared = self._compared_unit(role, column)
        if compared:
            self.result.decided.append(f"durations in {name} are {compared}, by the times of the same rows")
            return compared
        if all(value.isdecimal() for value in values):
            self.result.decided.append("durations are whole numbers, read as seconds")
            return "seconds"
        answer = self._ask(
            "duration",
            "the unit of durations: they have decimals; seconds, milliseconds or minutes",
            ("seconds", "minutes", "milliseconds"),
            "seconds",
        )
        return "FILL IN: seconds, milliseconds or minutes" if answer is None else _unit_of(answer)

    def _clock_unit(self, role: str, name: str, values: Sequence[str], stated: str) -> str:
        if stated in ("hh:mm", "hh:mm:ss") and not (
            stated == "hh:mm" and any(value.count(":") > 1 for value in values)
        ):
            return stated
        if not all(CLOCK_2.fullmatch(value) for value in values):
            self.result.decided.append("durations are HH:MM:SS")
            return "hh:mm:ss"
        compared = self._compared_clock(role)
        if compared:
            self.result.decided.append(f"durations in {name} are {compared}, by the times of the same rows")
            return _DURATIONS[compared]
        if all(value.startswith(("0:", "00:")) for value in values):
            why = "no value is longer than 59 parts"
        else:
            why = f"values such as {values[0]} fit both"
        answer = self._ask(
            "duration",
            f"whether durations in {name} are minutes:seconds or hours:minutes: {why}",
            ("m:ss", "h:mm"),
            "m:ss",
        )
        return "FILL IN: hh:mm:ss (for m:ss) or hh:mm" if answer is None else _unit_of(answer)

    def _compared_clock(self, role: str) -> str:
        """m:ss or h:mm, by start and end of the same rows; "" if they do not show it."""
        column = self.choices[role].columns[0]
        seconds = self._elapsed("answered_at" if role == "billing_seconds" else "started_at")
        for name, factor in (("m:ss", 1), ("h:mm", 60)):
            pairs = [
                ((int(value.split(":")[0]) * 60 + int(value.split(":")[1])) * factor, second)
                for value, second in zip(self.contents[column].values, seconds, strict=False)
                if value and second
            ]
            if pairs and all(abs(one - other) <= factor for one, other in pairs):
                return name
        return ""

    def _elapsed(self, first: str) -> list[float | None]:
        one, other = self._column(first), self._column("ended_at")
        if one is None or other is None:
            return []
        return [
            (end - start).total_seconds() if start and end else None
            for start, end in zip(self.contents[one].times(), self.contents[other].times(), strict=True)
        ]

    def _compared_unit(self, role: str, column: str) -> str:
        seconds = self._elapsed("answered_at" if role == "billing_seconds" else "started_at")
        for unit, factor, slack in (("seconds", 1.0, 1.0), ("milliseconds", 0.001, 1.0), ("minutes", 60.0, 60.0)):
            pairs = [
                (float(value.replace(",", ".")) * factor, second)
                for value, second in zip(self.contents[column].values, seconds, strict=False)
                if value and second is not None
            ]
            if pairs and any(one for one, _ in pairs) and all(abs(one - other) <= slack for one, other in pairs):
                return unit
        return ""

    # money

    def _money(self) -> list[str]:
        values = [value for role in MONEY for value in self._values_of(role)]
        if not values:
            return self._decimal_durations()
        lines: list[str] = []
        signs = list(dict.fromkeys(sign for value in values for sign in _AMOUNT_SIGN.findall(value)))
        currencies = {currency_of(sign) for sign in signs} - {""}
        stated = {self.words[self.choices[role].columns[0]].currency for role in MONEY if role in self.choices} - {""}
        currency = self.answers.get("currency") or next(iter(currencies | stated), "")
        if len(currencies | stated) > 1:
            currency = self.answers.get("currency", "")
            self.result.decided.append(f"several currencies are named: {', '.join(sorted(currencies | stated))}")
        if currency:
            because = "a sign in the amounts" if currencies else "the name of its column" if stated else "the answer"
            self.result.decided.append(f"amounts are in {currency}, by {because}")
            lines.append(f"currency = {_quoted(currency.upper())}")
        elif "cost_currency" not in self.choices:
            self._ask("currency", "which currency the money is in", ("EUR", "USD"), "EUR")
            lines.append('currency = "FILL IN, such as EUR"')
        if signs:
            lines.append(f"currency_marks = {_toml(signs)}")
        return lines + self._marks([_BY_PARTS.sub("", value) for value in values])

    def _decimal_durations(self) -> list[str]:
        values = [value for role in LENGTHS for value in self._values_of(role) if "," in value]
        return ['decimal_mark = ","'] if values else []

    def _marks(self, numbers: Sequence[str]) -> list[str]:
        """Decimal and thousands marks of amounts."""
        both = [number for number in numbers if "." in number and "," in number]
        if both:
            comma = all(number.rindex(",") > number.rindex(".") for number in both)
            if comma:
                self.result.decided.append("the decimal mark is a comma")
            return ['decimal_mark = ","'] if comma else ['thousands_mark = ","']
        for mark in (",", "."):
            marked = [number for number in numbers if mark in number]
            if not marked:
                continue
            if any(number.count(mark) > 1 for number in marked):
                return [f"thousands_mark = {_quoted(mark)}"] + (['decimal_mark = ","'] if mark == "." else [])
            if all(_GROUPS.fullmatch(number) for number in marked) and len(marked) > 0:
                text = f"whether {marked[0]} is an amount with decimals or with thousands"
                answer = self._ask("decimal_mark", text, (".", ","), mark)
                if answer is None:
                    return ['decimal_mark = "FILL IN: . or ,"']
                decimal = answer.strip()
                lines = ['decimal_mark = ","'] if decimal == "," else []
                return lines if decimal == mark else [*lines, f"thousands_mark = {_quoted(mark)}"]
            if mark == ",":
                self.result.decided.append("the decimal mark is a comma")
                return ['decimal_mark = ","']
        return []

    # times

    def _time(self) -> list[str]:
        lines, formats = self._notation()
        if formats is None:
            return lines
        zone_column = self._column(ZONE)
        if zone_column:
            lines.append(f"zone_column = {_quoted(zone_column)}")
            self.result.decided.append(f"the zone of the times is in {zone_column}")
        texts = self._start_texts()
        others = {name: values for name, values in self.sheet.columns.items() if name not in self._start_columns()}
        evidence = hours_from_epoch(formats[0], texts, others) if formats else ""
        text = "the zone of the times: the file does not state it" + (f"; {evidence}" if evidence else "")
        if zone_column:
            return lines
        answer = self._ask("zone", text, ("Europe/Berlin", "America/New_York", "UTC", "account"), "UTC")
        lines.append(f"zone = {_quoted(answer or UNKNOWN_ZONE)}")
        if formats and not all(has_seconds(layout) for layout in formats):
            lines.append('precision = "minute"')
            self.result.decided.append("times are precise to the minute")
        return lines

    def _start_columns(self) -> list[str]:
        if "started_at" in self.choices:
            return self.choices["started_at"].columns[:1]
        return [self.choices[role].columns[0] for role in (DATE, TIME_OF_DAY) if role in self.choices]

    def _start_texts(self) -> list[str]:
        columns = self._start_columns()
        if not columns:
            return []
        return [
            " ".join(parts) if all(parts) else ""
            for parts in zip(*(self.sheet.columns[name] for name in columns), strict=True)
        ]

    def _notation(self) -> tuple[list[str], list[str] | None]:  # noqa: C901 - one case for each notation
        """Lines of ``[time]``, and the formats of local times; None if the times need no zone."""
        columns = [name for role in TIMES if role in self.choices for name in self.choices[role].columns[:1]]
        kinds = {name: _kind_of(self.contents[name]) for name in columns if self.contents[name].filled}
        start = self._start_columns()
        if "started_at" not in self.choices and len(start) == 2:  # noqa: PLR2004 - date and time of day
            layouts = [
                f"{day} {clock}" for day in self.contents[start[0]].dates for clock in self.contents[start[1]].clocks
            ]
            kinds[" ".join(start)] = "local"
        elif start:
            layouts = list(self.contents[start[0]].date_times or self.contents[start[0]].dates)
        else:
            return [], []
        found = set(kinds.values())
        zeros = any(
            "0" in self.contents[name].values for name in columns if kinds.get(name, "").startswith(("epoch", "greg"))
        )
        zero = ["zero_is_no_time = true"] if zeros else []
        if zeros:
            self.result.decided.append("a time of 0 means no time")
        if len(found) == 1 and next(iter(found)) in ("epoch_seconds", "epoch_milliseconds", "gregorian_seconds"):
            (notation,) = found
            self.result.decided.append(f"times are {notation.replace('_', ' ')}, which have no zone")
            return [f"notation = {_quoted(notation)}", *zero], None
        if found == {"iso8601"}:
            self.result.decided.append("times are ISO 8601 with an offset")
            return ['notation = "iso8601"'], None
        if found == {"rfc2822"}:
            self.result.decided.append("times are RFC 2822 with an offset")
            return ['notation = "rfc2822"'], None
        formats, unknown = self._formats(layouts)
        # Formats that only answer and end times have.
        for name in columns[1:]:
            for layout in self.contents[name].date_times:
                if formats and not set(self.contents[name].date_times) & set(formats):
                    formats.append(layout)
                break
        mixed = ['notation = "any"'] if found - {"local"} else []
        if found <= {"iso8601", "epoch_seconds"} and found:
            return [*mixed, *zero], None
        lines = [*mixed, f"formats = {_toml(formats or [unknown])}", *zero]
        return lines, formats

    def _formats(self, layouts: Sequence[str]) -> tuple[list[str], str]:
        texts = self._start_texts()
        if not layouts:
            answer = self._ask("time_format", "how the times are written", ("%d/%m/%Y %H:%M:%S",), "%d/%m/%Y %H:%M:%S")
            return ([answer], "") if answer else ([], UNKNOWN_FORMAT)
        others = {name: values for name, values in self.sheet.columns.items() if name not in self._start_columns()}
        order = proven_order(layouts, texts, others)
        if len(order.formats) == 1:
            self.result.decided.append(
                f"times are written {order.formats[0]}" + (f": {order.proof}" if order.proof else "")
            )
            return [order.formats[0]], ""
        answer = self._ask(
            "date_order",
            "whether the day or the month comes first: every date of the sample fits both, such as "
            f"{next((text for text in texts if text), '')}",
            ("day", "month"),
            "day",
        )
        if answer is None:
            return [], "FILL IN: " + " or ".join(order.formats[:3])
        chosen = [layout for layout in order.formats if answer in (layout, _first_part(layout))]
        if not chosen:
            raise UnreadableUpload(
                f"answer date_order: {answer!r} fits no format",
                hint=f"choose from: day, month, {', '.join(order.formats)}",
            )
        return [chosen[0]], ""

    # tables

    def _combine(self) -> list[str]:
        columns = self._start_columns()
        if "started_at" in self.choices or len(columns) < 2:  # noqa: PLR2004 - date and time of day
            return []
        self.result.decided.append(f"the start of a call is {columns[0]} and {columns[1]} together")
        return ["", "[combine]", f"call_start = {_toml([columns[0], self.open_clock or columns[1]])}"]

    def _not_calls(self) -> list[str]:
        name = self._column(KIND)
        if name is None:
            return []
        words = self.contents[name].words
        others = [word for word in words if NOT_CALLS.fullmatch(word)]
        if "call_direction" not in self.choices and words and all(word.lower() in INBOUND | OUTBOUND for word in words):
            self.choices["call_direction"] = self.choices.pop(KIND)
            return []
        if not others:
            return []
        self.result.decided.append(
            "rows that are no calls are skipped: " + ", ".join(f"{word} ({words[word]})" for word in others)
        )
        pattern = "(?i)^(?:" + "|".join(map(re.escape, others)) + ")$"
        return ["", "[not_calls]", f"{_key(name)} = {_quoted(pattern)}"]

    def _fields(self) -> list[str]:  # noqa: C901 - one line for each field, then what is left
        lines: list[str] = []
        fields: dict[str, str | list[str]] = {}
        for role in _FIELDS:
            choice = self.choices.get(role)
            if choice is not None:
                fields[role] = choice.columns[0] if len(choice.columns) == 1 else choice.columns
        if "started_at" not in fields and len(self._start_columns()) > 1:
            fields["started_at"] = "call_start"
        if "started_at" not in fields and self._start_columns():
            fields["started_at"] = self._start_columns()[0]
        if self.events:
            fields |= self.events.fields
        fields |= self.made
        for role in (*_FIELDS, *(role for role in fields if role not in _FIELDS)):
            if role not in fields:
                continue
            choice = None if role in self.made else self.choices.get(role)
            note = ""
            if choice is not None:
                note = f"  # {choice.confidence}: {choice.because}"
                note += f"; or {', '.join(choice.others[:3])}" if choice.others else ""
            if role == "started_at" and choice is not None and self._is_guessed_start(choice):
                lines.append(f'started_at = "FILL IN: {" or ".join([*choice.columns, *choice.others])}"')
                continue
            lines.append(f"{role} = {_toml(fields[role])}{note}")
        if "started_at" not in fields:
            self.result.questions.append(
                Question("started_at", "which column is the start of a call", tuple(self.sheet.names[:5]), "")
            )
            lines.append('started_at = "FILL IN"')
        used = {column for choice in self.choices.values() for column in choice.columns} | {self.record_id}
        rest = [name for name in self.sheet.names if name not in used]
        if rest:
            lines.append(f"# not used, kept with the record: {', '.join(rest)}")
            self.result.unknown.append(f"what these columns mean: {', '.join(rest)}")
        return lines

    def _is_guessed_start(self, choice: Choice) -> bool:
        """Whether the start is only a column of times whose name does not say what it is; then it is asked."""
        if choice.confidence != "guess" or choice.because != FIRST_TIMES:
            return False
        columns = [*choice.columns, *choice.others]
        text = f"which column is the start of a call: no name states it; columns of times are {', '.join(columns)}"
        self._ask("started_at", text, columns, columns[0])
        return True

    def _values(self) -> list[str]:
        lines: list[str] = []
        if self.marked:
            lines += ["", "[values.call_direction]", *(f'{_key(word)} = "inbound"' for word in self.marked)]
        elif "call_direction" in self.choices:
            known = {
                word: "inbound" if word.lower() in INBOUND else "outbound"
                for word in self._counted("call_direction")
                if word.lower() in INBOUND | OUTBOUND
            }
            lines += self._words("call_direction", known, 'inbound, outbound, or "" for neither')
        if "disposition" in self.choices:
            words = self._counted("disposition")
            known = {word: OUTCOMES[word.lower()] for word in words if word.lower() in OUTCOMES}
            lines += self._words("disposition", known, "ANSWERED, NO ANSWER, BUSY, FAILED, CANCELLED")
        return lines

    def _counted(self, role: str) -> Counter[str]:
        return Counter(self._values_of(role))

    def _words(self, role: str, known: Mapping[str, str], choices: str) -> list[str]:
        counted = self._counted(role)
        changed = {word: meaning for word, meaning in known.items() if word != meaning}
        unknown = [word for word in counted if word not in known][:_MOST_WORDS]
        if role == "disposition" and any(word.isdecimal() for word in unknown):
            unknown = []
        if not changed and not unknown:
            return []
        if unknown:
            listed = ", ".join(f"{word} ({counted[word]})" for word in unknown)
            self.result.unknown.append(f"what these words of {role} mean: {listed}")
        lines = ["", f"[values.{role}]", *(f"{_key(word)} = {_quoted(meaning)}" for word, meaning in changed.items())]
        return [*lines, *(f'# {_key(word)} = ""  # {count_of(counted[word], "row")}; {choices}' for word in unknown)]

    def _control(self) -> list[str]:
        """``[control]`` if the last line states totals that are those of the rows."""
        if len(self.sheet.footers) != 1 or self.sheet.layout.get("format") == "fixed":
            return []
        (footer,) = self.sheet.footers
        if len(footer) != len(self.sheet.names):
            return []
        groups: dict[str, str] = {}
        for role, name in (("duration_seconds", "seconds"), ("billing_seconds", "seconds"), ("cost", "cost")):
            column = self._column(role)
            text = footer[self.sheet.names.index(column)].strip() if column else ""
            if column and text and _sum(self.sheet.columns[column]) == _amount(text):
                groups[column] = name
        if not groups:
            return []
        mark = re.escape(self.sheet.layout["delimiter"])
        word = re.escape(footer[0].strip())
        cells = [
            (rf'"?(?P<{groups[name]}>[^"{mark}]+(?:[.,][0-9]+)?)"?' if name in groups else rf'(?:"[^"]*"|[^{mark}]*)')
            if index
            else rf'"?{word}"?'
            for index, name in enumerate(self.sheet.names)
        ]
        cells = [cell.replace(rf'[^"{mark}]+(?:[.,][0-9]+)?', "[0-9][0-9.,]*") for cell in cells]
        self.result.decided.append(f"the last line states totals of {', '.join(groups)}, which are those of the rows")
        return ["", "[control]", f"line = {_quoted('^' + mark.join(cells) + '$')}"]


def _kind_of(contents: Contents) -> str:
    return contents.epoch or ("iso8601" if contents.iso else "rfc2822" if contents.rfc else "local")


def _first_part(layout: str) -> str:
    if "%d" not in layout or "%m" not in layout:
        return ""
    return "day" if layout.index("%d") < layout.index("%m") else "month"


def _unit_of(answer: str) -> str:
    unit = _DURATIONS.get(answer, answer)
    if unit not in _UNITS:
        raise UnreadableUpload(
            f"answer duration: {answer!r} is no unit", hint=f"choose from: {', '.join((*_DURATIONS, *_UNITS))}"
        )
    return unit


def _is_decimal(value: str) -> bool:
    return value.replace(".", "", 1).replace(",", "", 1).isdecimal()


def _amount(text: str) -> Decimal | None:
    digits = re.sub(r"[^0-9.,\-]", "", text)
    if "," in digits and (digits.rfind(",") > digits.rfind(".")):
        digits = digits.replace(".", "").replace(",", ".")
    try:
        return Decimal(digits.replace(",", ""))
    except InvalidOperation:
        return None


def _sum(values: Sequence[str]) -> Decimal | None:
    numbers = [_amount(value) for value in values if value]
    return (
        None
        if not numbers or None in numbers
        else sum((number for number in numbers if number is not None), Decimal(0))
    )


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _toml(value: Any) -> str:  # noqa: ANN401 - any value of TOML
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"  # type: ignore[reportUnknownVariableType]
    return _quoted(value) if isinstance(value, str) else str(value)
