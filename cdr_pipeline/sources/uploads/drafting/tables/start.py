"""Which columns are the start of a call."""

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.columns.by_time import FIRST_TIMES
from cdr_pipeline.sources.uploads.drafting.columns.column_words import TIME_OF_DAY
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import toml_value


def settle_clock(state: DraftState) -> None:
    """Asks which of two columns of clocks is the time of day, if place and values disagree."""
    choice = state.choices.get(TIME_OF_DAY)
    if choice is None or choice.confidence != "guess" or not choice.others:
        return
    columns = [*choice.columns, *choice.others]
    text = f"which column is the time of day at which a call starts: {' or '.join(columns)}"
    answer = state.ask("time_of_day", text, columns, columns[0])
    if answer is not None and answer not in columns:
        raise UnreadableUpload(
            f"answer time_of_day: {answer} is not a column of times of day", hint=f"choose from: {', '.join(columns)}"
        )
    if answer is None:
        state.open_clock = f"FILL IN: {' or '.join(columns)}"
        return
    state.choices[TIME_OF_DAY] = Choice([answer], "certain", "answered")
    length = state.choices.get("duration_seconds")
    if length and answer in length.columns:
        state.choices["duration_seconds"] = Choice([columns[0]], "likely", "the other column of clocks")


def combine_lines(state: DraftState) -> list[str]:
    """``[combine]``, if the start of a call is a date and a time of day."""
    columns = state.start_columns()
    if "started_at" in state.choices or len(columns) < 2:  # noqa: PLR2004 - date and time of day
        return []
    state.result.decided.append(f"the start of a call is {columns[0]} and {columns[1]} together")
    return ["", "[combine]", f"call_start = {toml_value([columns[0], state.open_clock or columns[1]])}"]


def is_guessed_start(state: DraftState, choice: Choice) -> bool:
    """Whether the start is only a column of times whose name does not say what it is; then it is asked."""
    if choice.confidence != "guess" or choice.because != FIRST_TIMES:
        return False
    columns = [*choice.columns, *choice.others]
    text = f"which column is the start of a call: no name states it; columns of times are {', '.join(columns)}"
    state.ask("started_at", text, columns, columns[0])
    return True
