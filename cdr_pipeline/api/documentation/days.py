"""The OpenAPI document about days, daily files and breaks."""

from typing import Final

from cdr_pipeline.api import examples
from cdr_pipeline.api.documentation.groups import ACCEPT, Group, body_of
from cdr_pipeline.api.models.breaks import BREAK_DECISION_SCHEMA, BreakBody, DecidedCarrierDay
from cdr_pipeline.api.models.days import DAY_ACT_SCHEMA, ActedDay, DailyFileBody, DayBody
from cdr_pipeline.api.models.envelopes import enveloped
from cdr_pipeline.api.parameters import BreaksQuery, DaysQuery, documented

_DATES: Final = documented(DaysQuery)
DAYS: Final = Group(enveloped("Days", list[DayBody]), [*_DATES, ACCEPT], example=[examples.DAY])
DAY: Final = Group(enveloped("DayDetail", DayBody), [ACCEPT], example=examples.DAY)
EXPORTS: Final = Group(enveloped("Exports", list[DailyFileBody]), [*_DATES, ACCEPT], example=[examples.FILE])
BREAKS: Final = Group(
    enveloped("Breaks", list[BreakBody]), [*_DATES, *documented(BreaksQuery), ACCEPT], example=[examples.BREAK]
)
BREAK_DECISIONS: Final = Group(
    enveloped("BreaksDecided", list[DecidedCarrierDay]),
    [ACCEPT],
    example=[examples.DECIDED],
    codes=(403, 408, 409, 413),
    extra=body_of(
        BREAK_DECISION_SCHEMA,
        {"decision": "accepted", "reason": "agreed", "breaks": [{"id": examples.BREAK["id"], "decisions": 0}]},
    ),
)
ACT: Final = Group(
    enveloped("DayActed", ActedDay),
    [ACCEPT],
    example=examples.ACTED,
    codes=(403, 408, 409, 413),
    extra=body_of(DAY_ACT_SCHEMA, {"reason": "checked by phone"}),
)
FILE: Final = Group(None, [], example=None, csv=False)
FILE.responses[200] = {
    "description": "the file",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
