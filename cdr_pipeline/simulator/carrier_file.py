"""A carrier's file of the simulated traffic, with planted differences, for the demo and for tests."""

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

# Value of ``resource_id`` in the switch's documents.
CARRIER: Final = "carrier-1"
# A number that occurs in no simulated call.
_ELSEWHERE: Final = {"callee_id_number": "+12125550199"}
_HEADER: Final = (
    "id", "account", "caller", "callee", "start_time", "answer_time", "end_time", "duration_seconds",
    "billing_seconds", "status", "rate_per_minute", "cost", "currency", "carrier",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlantedDifferences:
    """Ids of calls that differ between the carrier's file and the switch, by kind."""

    missing_at_carrier: tuple[str, ...]
    missing_in_switch: tuple[str, ...]
    longer_at_carrier: tuple[str, ...]
    dearer_at_carrier: tuple[str, ...]
    twice_at_carrier: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CarrierFile:
    """A carrier's file of one account, with its planted faults.

    Attributes:
        content: CSV that the profile ``generic`` reads.
        lines: number of data lines, without the header.
        broken_lines: number of lines that every importer must reject.
        differences: differences from the switch's calls.
    """

    content: bytes
    lines: int
    broken_lines: int
    differences: PlantedDifferences


def carrier_file(documents: list[Document], *, account_id: str) -> CarrierFile:
    """Builds the file that a carrier sends for the answered calls that it terminated, with planted differences.

    Args:
        documents: documents of one account; only answered legs with a carrier's rate are used.
        account_id: seed of the differences. The same account and documents result in the same file.
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
    """Documents of the legs that began on a calendar day in the account's zone, which a carrier bills for that day."""
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
