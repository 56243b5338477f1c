"""What a draft knows while it is written: the sample, the columns of each field, answers, open questions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.columns.choosing import choose
from cdr_pipeline.sources.uploads.drafting.columns.column_words import DATE, TIME_OF_DAY, words_of
from cdr_pipeline.sources.uploads.drafting.columns.contents import Contents
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice
from cdr_pipeline.sources.uploads.drafting.draft import Draft, Question
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet

if TYPE_CHECKING:
    from cdr_pipeline.sources.uploads.drafting.events import Events

# Order of the fields in a draft.
FIELDS: Final = (
    "call_id", "caller_id_number", "caller_id_name", "callee_id_number", "callee_id_name", "dialed_number",
    "call_direction", "started_at", "answered_at", "ended_at", "duration_seconds", "billing_seconds",
    "ringing_seconds", "disposition", "hangup_cause", "cost", "cost_currency", "rate", "trunk", "username",
    "interaction_id",
)  # fmt: skip


class DraftState:
    """What a draft knows so far. The functions that write its tables add to it."""

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
        self.answer_fields()

    def ask(self, key: str, text: str, choices: Sequence[str], assumed: str) -> str | None:
        """The answer to a question; None if it is open. Then it is added to the questions."""
        answer = self.answers.get(key)
        if answer is None:
            self.result.questions.append(Question(key, text, tuple(choices), assumed))
        return answer

    def answer_fields(self) -> None:
        """Takes columns that are answers: they belong to the field that the answer names, and to no other.

        Raises:
            UnreadableUpload: the file does not have a column.
        """
        for role in FIELDS:
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

    def column(self, role: str) -> str | None:
        """The first column of a field; None if it has none."""
        return self.choices[role].columns[0] if role in self.choices else None

    def values_of(self, role: str) -> list[str]:
        """Values of all columns of a field."""
        return (
            [value for column in self.choices[role].columns for value in self.contents[column].filled]
            if role in self.choices
            else []
        )

    def start_columns(self) -> list[str]:
        """The column of the start of a call, or those of its date and time of day."""
        if "started_at" in self.choices:
            return self.choices["started_at"].columns[:1]
        return [self.choices[role].columns[0] for role in (DATE, TIME_OF_DAY) if role in self.choices]

    def start_texts(self) -> list[str]:
        """Starts of calls as the file writes them; "" where a part is missing."""
        columns = self.start_columns()
        if not columns:
            return []
        return [
            " ".join(parts) if all(parts) else ""
            for parts in zip(*(self.sheet.columns[name] for name in columns), strict=True)
        ]
