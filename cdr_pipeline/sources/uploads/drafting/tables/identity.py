"""What identifies a record, and what identifies its call."""

from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import toml_value

# Names of ids of rows and of calls, without marks between their words.
_ROW_IDS: Final = frozenset({"id", "acctid", "cdrid", "recordid", "rowid", "pkid"})
_CALL_IDS: Final = frozenset({"uniqueid", "callid", "calluuid", "callreference", "sessionid"})


def separate_ids(state: DraftState) -> None:
    """Tells the id of a row (Asterisk's acctid) from the id of its call, if both are there."""
    choice = state.choices.get("call_id")
    if choice is None or "call_id" in state.answers or state.events:
        return
    name = choice.columns[0]
    calls = [other for other in choice.others if "".join(state.words[other].tokens) in _CALL_IDS]
    if "".join(state.words[name].tokens) in _ROW_IDS and state.contents[name].is_identity and calls:
        state.record_id = name
        state.choices["call_id"] = Choice(calls[:1], "certain", f"name and values; {name} is the id of the row")


def identity_lines(state: DraftState) -> list[str]:
    """``native_id``, if a column identifies records."""
    answer = state.answers.get("identity")
    if answer is not None:
        columns = [] if answer == "none" else [column.strip().lower() for column in answer.split(",")]
        return [f"native_id = {toml_value(columns)}"] if columns else []
    name = state.record_id or state.column("call_id")
    if name is None or not state.contents[name].is_identity or state.events:
        state.result.unknown.append(
            "which column identifies a record: none was found, so the import uses a fingerprint of the row"
        )
        return []
    lines = [f"native_id = {toml_value([name])}"]
    if state.contents[name].counts_rows:
        lines.insert(
            0,
            f"# {name} counts the rows. If the count restarts in every file, it does not identify a record: add"
            " columns that distinguish the records, such as the day, or delete the next line.",
        )
        state.ask(
            "identity",
            f"whether {name} identifies a record: it counts the rows, and the count may restart in the next file",
            (name, "none", f"{name},COLUMN"),
            name,
        )
    else:
        state.result.decided.append(
            f"{name} identifies a record: in the sample it is never empty and has no duplicates"
        )
    return lines
