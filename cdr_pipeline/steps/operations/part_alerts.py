"""Alerts about parts of ``cdr-pipeline up`` that ended: told once, again when one is given up, and when it is over."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cdr_pipeline.errors import CdrError
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.alert import Incident
from cdr_pipeline.steps.operations.alert_channels import alert_channels
from cdr_pipeline.steps.operations.alert_outbox import tell
from cdr_pipeline.steps.run_context import Clock, utc_now

PARTS: Final = "part: "
# A part that runs this long after it was started again is good.
_STEADY: Final = timedelta(minutes=5)
_LOOK_SECONDS: Final = 10.0
_PATIENCE: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Fall:
    """The last end of a part: when, with which exit code, and whether it was not started again."""

    at: datetime
    code: int
    given_up: bool


class PartAlerts:
    """Tells about parts from a thread of its own, so that a slow channel does not delay the start of a part.

    Args:
        settings: settings of this process.
        say: prints a line, when an alert could not be raised.
        clock: returns the current time in UTC.
        steady: time without an end after which a part is good again.
        look_seconds: seconds between two looks.
    """

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str, str], None],
        *,
        clock: Clock = utc_now,
        steady: timedelta = _STEADY,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._settings = settings
        self._say = say
        self._clock = clock
        self._steady = steady
        self._look_seconds = look_seconds
        self._falls: dict[str, Fall] = {}
        self._woken = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="part alerts", daemon=True)

    def start(self) -> None:
        """Starts telling; an incident of an earlier ``up`` is over when all parts run."""
        self._thread.start()

    def fell(self, name: str, code: int, *, given_up: bool) -> None:
        """Records that a part ended by itself."""
        self._falls[name] = Fall(self._clock(), code, given_up)
        self._woken.set()

    def stop(self) -> None:
        """Tells what is still to be told, and stops."""
        self._ending.set()
        self._woken.set()
        self._thread.join(_PATIENCE.total_seconds() * 2)

    def incidents(self) -> list[Incident]:
        """An incident for each part that ended a short time ago or was given up."""
        now = self._clock()
        return [
            Incident(
                f"{PARTS}{name}",
                f"the part '{name}' of 'cdr-pipeline up' ended with code {fall.code} "
                + ("again and again: 'up' has stopped" if fall.given_up else "and was started again"),
                "given up" if fall.given_up else "",
                "cdr-pipeline up" if fall.given_up else "cdr-pipeline doctor",
                facts={"part": name, "code": str(fall.code)},
            )
            for name, fall in sorted(self._falls.items())
            if fall.given_up or now - fall.at < self._steady
        ]

    def _run(self) -> None:
        if not alert_channels(self._settings):
            return
        told: list[tuple[str, str]] | None = None
        while True:
            found = self.incidents()
            state = [(item.topic, item.cause) for item in found]
            if state != told:
                self._tell(found)
                told = state
                continue
            if self._ending.is_set():
                return
            self._woken.wait(self._look_seconds)
            self._woken.clear()

    def _tell(self, found: list[Incident]) -> None:
        try:
            tell(
                self._settings,
                lambda _: found,
                covers=lambda: (PARTS,),
                without_warehouse=found,
                clock=self._clock,
                patience=_PATIENCE if self._ending.is_set() else timedelta(),
            )
        except CdrError as error:
            self._say("up", f"an alert could not be raised: {error.message}")
