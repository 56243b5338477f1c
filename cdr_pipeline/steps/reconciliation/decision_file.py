"""A CSV file of decisions about breaks, such as the internal pack with its columns filled in."""

import csv
from dataclasses import dataclass
from pathlib import Path

from cdr_pipeline.core.reconcile.result.decisions import CHOICES, Choice
from cdr_pipeline.errors import InvalidDecision


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A row with a decision.

    Attributes:
        outcome_id: beginning of the id of the break.
        decision: the decision.
        reason: reason of the decision.
        expected: number of decisions about the break when the file was made.
    """

    outcome_id: str
    decision: Choice
    reason: str
    expected: int


def read_decisions(path: Path, reason: str) -> list[DecisionRow]:
    """Rows of a file that have a decision; ``reason`` is that of rows without one.

    Raises:
        InvalidDecision: the file cannot be read, or a row lacks a valid decision or a reason; names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidDecision(
            f"{path.name} cannot be read: {type(error).__name__}", hint="give a CSV file in UTF-8"
        ) from error
    if not lines or not {"outcome_id", "decision"} <= lines[0].keys():
        raise InvalidDecision(
            f"{path.name} has no row, or lacks the columns outcome_id and decision",
            hint="'cdr-pipeline breaks export --internal' writes a file with these columns",
        )
    rows: list[DecisionRow] = []
    for number, line in enumerate(lines, start=2):
        decision = (line["decision"] or "").strip().lower()
        if not decision:
            continue
        why = (line.get("decision_reason") or "").strip() or reason
        known = (line.get("decisions") or "0").strip()
        if decision not in CHOICES or not why or not known.isdecimal():
            wrong = "decision" if decision not in CHOICES else "reason" if not why else "number of decisions"
            raise InvalidDecision(
                f"{path.name}, line {number}: no valid {wrong}; nothing was decided",
                hint=f"decisions are {', '.join(CHOICES)}; reasons may be given by --reason",
            )
        rows.append(DecisionRow((line["outcome_id"] or "").strip(), decision, why, int(known)))
    if not rows:
        raise InvalidDecision(f"{path.name} has no decision", hint="fill in the column decision")
    return rows
