"""The carrier's view of the same traffic: a file with known differences, for demo and tests."""

import csv
import io
import random
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.core.time.timestamps import from_gregorian
from cdr_pipeline.simulator.listing import cost_units
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.simulator.traffic import Document, SimulatedAccount

# The switch's documents name their resource so.
CARRIER: Final = "carrier-1"
# Where nobody called.
_ELSEWHERE: Final = {"callee_id_number": "+12125550199"}
_HEADER: Final = (
    "id", "account", "caller", "callee", "start_time", "answer_time", "end_time", "duration_seconds",
    "billing_seconds", "status", "rate_per_minute", "cost", "currency", "carrier",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlantedDifferences:
    """Call ids that the carrier's file and the switch disagree about, by kind."""

    missing_at_carrier: tuple[str, ...]
    missing_in_switch: tuple[str, ...]
    longer_at_carrier: tuple[str, ...]
    dearer_at_carrier: tuple[str, ...]
    twice_at_carrier: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CarrierFile:
    """A carrier's file of one account: its bytes, its data lines, and what is wrong with it.

    Attributes:
        content: CSV in the shape that the profile ``generic`` reads.
        lines: data lines, the header not counted.
        broken_lines: lines that no importer can accept.
        differences: against the switch.
    """

    content: bytes
    lines: int
    broken_lines: int
    differences: PlantedDifferences


def carrier_file(documents: list[Document], *, account_id: str) -> CarrierFile:
    """What a carrier would send for the answered calls that it terminated, differences included.

    Args:
        documents: of one account; only answered legs that a carrier rated are used.
        account_id: seeds the differences: the same documents give the same file.
    """
    billed = [doc for doc in documents if doc.get("billing_seconds") and cost_units(doc)]
    chance = random.Random(f"carrier/{account_id}/{len(billed)}")
    ids = [doc["call_id"] for doc in billed]
    chosen = chance.sample(ids, min(len(ids), 7))
    missing, longer, dearer, twice = chosen[:2], chosen[2:4], chosen[4:6], chosen[6:7]
    extra = [f"extra-{chance.getrandbits(64):016x}" for _ in range(2 if billed else 0)]

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEADER)
    lines = 0
    for document in billed:
        call_id = document["call_id"]
        if call_id in missing:
            continue
        row = _row(document, longer=call_id in longer, dearer=call_id in dearer)
        for _ in range(2 if call_id in twice else 1):
            writer.writerow(row)
            lines += 1
    for call_id, document in zip(extra, billed, strict=False):
        writer.writerow([call_id, *_row(document | _ELSEWHERE, longer=False, dearer=False)[1:]])
        lines += 1
    text.write("this line is cut o\r\n")
    writer.writerow(
        [
            "bad-time",
            "",
            "+12125550100",
            "+12125550101",
            "not a time",
            "",
            "",
            1,
            1,
            "answered",
            "0.01",
            "0.01",
            "USD",
            CARRIER,
        ]
    )
    return CarrierFile(
        text.getvalue().encode(),
        lines + 2,
        2,
        PlantedDifferences(tuple(missing), tuple(extra), tuple(longer), tuple(dearer), tuple(twice)),
    )


def documents_of_business_day(switch: SimulatedSwitch, account: SimulatedAccount, day: date) -> list[Document]:
    """Documents of the legs that began on a calendar day of the account's zone: what a carrier bills for that day."""
    first, end = day_bounds(day, account.time_zone)
    return [
        document
        for near in (day - timedelta(days=1), day, day + timedelta(days=1))
        for document in switch.documents(account.account_id, near)
        if first <= from_gregorian(int(document["timestamp"]) - int(document["duration_seconds"])) < end
    ]


def _row(document: Document, *, longer: bool, dearer: bool) -> list[object]:
    seconds = int(document["billing_seconds"]) + (7 if longer else 0)
    ended = from_gregorian(int(document["timestamp"]))
    started = from_gregorian(int(document["timestamp"]) - int(document["duration_seconds"]))
    answered = from_gregorian(int(document["timestamp"]) - int(document["billing_seconds"]))
    rate = Decimal(document["custom_channel_vars"]["rate"]) / 10_000
    cost = Decimal(cost_units(document | {"billing_seconds": seconds})) / 10_000 * (2 if dearer else 1)
    return [
        document["call_id"], document["pvt_account_id"], document["caller_id_number"], document["callee_id_number"],
        f"{started:%Y-%m-%dT%H:%M:%SZ}", f"{answered:%Y-%m-%dT%H:%M:%SZ}", f"{ended:%Y-%m-%dT%H:%M:%SZ}",
        document["duration_seconds"], seconds, "answered", f"{rate:.4f}", f"{cost:.4f}", "USD", CARRIER,
    ]  # fmt: skip
