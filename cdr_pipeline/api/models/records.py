"""Rows of lists of records, detail documents and the summary. The warehouse writes rows as JSON."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from cdr_pipeline.api.models.envelopes import Body
from cdr_pipeline.warehouse.records.list_columns import NAMES, NUMBERS, RECORDINGS, RESELLER_NAMES

# An enumeration instead of a constant, which generated clients require in every value of a union.
_SECONDS: Final[dict[str, Any]] = {"anyOf": [{"type": "string", "enum": [""]}, {"type": "number", "minimum": 0}]}
# Any value, because the generator of Java clients makes code that does not compile of "an array or a text".
_RECORDINGS: Final[dict[str, Any]] = {
    "description": "names of recordings as an array, as on the switch; a text if the source delivered one",
    "example": [],
}
_Recordings = Annotated[list[str] | str, WithJsonSchema(_RECORDINGS)]
_Seconds = Annotated[Literal[""] | Annotated[float, Field(ge=0)], WithJsonSchema(_SECONDS)]


def _column(name: str) -> object:
    if name in NUMBERS:
        return _Seconds
    return _Recordings if name == RECORDINGS else str


# Only tokens of an account above get the columns of resellers.
_columns: dict[str, Any] = {
    name: (_column(name), ... if name in NAMES else Field(default="")) for name in RESELLER_NAMES
}
# A row of a list of records; its columns are those of the list.
RecordRow: Final = create_model("RecordRow", __base__=Body, **_columns)
_first_leg: dict[str, Any] = {"inception_direction": (str, ...)}
# A row of a list of interactions: the first leg of each.
InteractionRow: Final = create_model("InteractionRow", __base__=RecordRow, **_first_leg)


class RecordDocument(BaseModel):
    """Detail document of a record, with the keys that its source delivered."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    timestamp: int


# Direction, far side, kind of number, rate: seconds.
Summary = dict[str, dict[str, dict[str, dict[str, int]]]]
