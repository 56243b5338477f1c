"""A drafted profile, and the questions that no file answers."""

from dataclasses import dataclass, field

from cdr_pipeline.sources.uploads.drafting.trial import Trial


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
