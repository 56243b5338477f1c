"""The demo's carrier: a profile, a rate card, and a file a day, right or with the faults of real carriers."""

import csv
import io
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final

from cdr_pipeline.core.time.timestamps import from_gregorian
from cdr_pipeline.simulator.listing import cost_units
from cdr_pipeline.simulator.traffic import Document

CARRIER: Final = "carrier-1"
PROFILE: Final = "demo_carrier"
_CARD: Final = "demo_carrier_rates.csv"
_PROFILE_TEXT: Final = f"""\
description = "the demo's carrier: prices in dollars, checked by a rate card"
native_id = ["id"]
currency = "USD"

[time]
notation = "local"
formats = ["%Y-%m-%d %H:%M:%S"]
zone = "UTC"

[fields]
caller_id_number = "caller"
callee_id_number = "callee"
answered_at = "answered"
started_at = "answered"
duration_seconds = "seconds"
billing_seconds = "seconds"
cost = "amount"
rate_name = "destination"

[constants]
carrier = "{CARRIER}"
call_direction = "outbound"

[reconcile]
carrier = "{CARRIER}"
increments = "6/6"
rate_card = "{_CARD}"
"""
# Prefix, destination and price of a minute; France is what is left.
_PRICES: Final = (
    ("1", "USA and Canada", "0.0051"),
    ("447", "UK mobile", "0.0252"),
    ("442", "UK London", "0.0108"),
    ("61", "Australia mobile", "0.0306"),
    ("49", "Germany mobile", "0.0234"),
)
_OTHERS: Final = ("33", "France mobile", "0.0384")
_PLACES: Final = Decimal("0.0001")
_TAX: Final = Decimal("1.19")
_HEADER: Final = ("id", "answered", "caller", "callee", "destination", "seconds", "amount")
# Each kind with the number of calls a file, and its words in the demo's last lines.
_FEW: Final = 2
_KINDS: Final = {
    "missing": "calls that the carrier forgot to charge",
    "invented": "calls that only the carrier has",
    "longer": "calls with 90 seconds too many",
    "ringing": "calls charged from the first ring",
    "increment": "calls to UK mobiles in steps of 60 instead of 6 seconds",
    "tax": "calls to Germany with 19 % tax on the agreed price",
    "split": "calls charged in two parts, which is right",
    "credit": "calls charged twice too high, credited and charged again, which is right",
    "unpriced": "calls to France without an amount",
    "fee": "fees without a call",
    "rejected": "lines that cannot be read",
}


@dataclass(slots=True)
class DemoFile:
    """A carrier's file of one account and day.

    Attributes:
        rows: its lines.
        planted: number of differences by kind, in the words of the demo.
    """

    rows: list[list[Any]] = field(default_factory=list[list[Any]])
    planted: Counter[str] = field(default_factory=Counter[str])

    @property
    def content(self) -> bytes:
        """The file as CSV; one with faults ends in two lines that cannot be read."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(_HEADER)
        writer.writerows(self.rows)
        if self.planted[_KINDS["rejected"]]:
            text.write("this line is cut o\r\n")
            writer.writerow(["bad-time", "not a time", "+12125550100", "+12125550101", "USA and Canada", 1, "0.0100"])
        return text.getvalue().encode()


def write_demo_profile(folder: Path) -> None:
    """Writes the profile and its rate card into the folder of the profiles."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{PROFILE}.toml").write_text(_PROFILE_TEXT, "utf-8")
    lines = [f"{prefix},{name},{rate},USD" for prefix, name, rate in (*_PRICES, _OTHERS)]
    (folder / _CARD).write_text("\n".join(["prefix,destination,rate,currency", *lines, ""]), "utf-8")


def demo_file(documents: list[Document], *, account_id: str, day: str, faults: bool = True) -> DemoFile:
    """The file for the answered legs of a day; the same arguments result in the same file.

    Args:
        documents: the switch's documents of the day.
        account_id: account that owns the calls.
        day: business date, written as in ISO 8601.
        faults: whether the file shows each kind of difference; otherwise it has every call with its agreed price.
    """
    billed = [document for document in documents if document.get("billing_seconds") and cost_units(document)]
    if not faults:
        return DemoFile([_row(document["call_id"], document) for document in billed])
    chance = random.Random(f"demo/{account_id}/{day}")
    kinds = _chosen(billed, chance)
    file = DemoFile()
    for document in billed:
        _charge(file, document, kinds.get(document["call_id"], ""))
    for document in billed[:_FEW]:
        number = f"+1212555{chance.randrange(200, 1000):04d}"
        file.rows.append(_row(f"extra-{chance.getrandbits(48):012x}", document | {"callee_id_number": number}))
        file.planted[_KINDS["invented"]] += 1
    if billed:
        file.rows.append([f"fee-{day}", file.rows[0][1], "", "", "Port fee", 0, "0.2000"])
        file.planted[_KINDS["fee"]] += 1
    file.planted[_KINDS["rejected"]] += 2
    return file


def _chosen(billed: list[Document], chance: random.Random) -> dict[str, str]:
    """A kind for some calls to the USA, by call id; kinds of destinations follow from the number."""
    domestic = [document for document in billed if _price(document)[1] == _PRICES[0][1]]
    long = [document for document in domestic if int(document["billing_seconds"]) >= 60]  # noqa: PLR2004 - two parts
    kinds: dict[str, str] = {}
    for kind in ("split", "credit", "ringing", "longer", "missing"):
        pool = [item for item in (long if kind == "split" else domestic) if item["call_id"] not in kinds]
        for document in chance.sample(pool, min(len(pool), _FEW)):
            kinds[document["call_id"]] = kind
    return kinds


def _charge(file: DemoFile, document: Document, kind: str) -> None:
    call_id, destination = document["call_id"], _price(document)[1]
    seconds = int(document["billing_seconds"])
    by_destination = {"UK mobile": "increment", "Germany mobile": "tax", "France mobile": "unpriced"}
    kind = kind or by_destination.get(destination, "")
    rows = [_row(call_id, document)]
    match kind:
        case "missing":
            rows = []
        case "longer":
            rows = [_row(call_id, document, seconds + 90)]
        case "ringing":
            ringing = int(document["ringing_seconds"])
            rows = [_row(call_id, document, seconds + ringing, after=-ringing)]
        case "increment":
            rows = [_row(call_id, document, seconds, step=60)]
        case "unpriced":
            rows[0][-1] = ""
        case "tax":
            rows = [_row(call_id, document, factor=_TAX)]
        case "split":
            first = seconds // 12 * 6
            rows = [
                _row(f"{call_id}-1", document, first),
                _row(f"{call_id}-2", document, seconds - first, after=first),
            ]
            # The parts of a call cost what the whole call costs.
            rows[1][-1] = f"{Decimal(_row(call_id, document)[-1]) - Decimal(rows[0][-1])}"
        case "credit":
            wrong = _row(call_id, document, factor=Decimal(3))
            credit = [f"{call_id}-credit", *wrong[1:-1], f"-{wrong[-1]}"]
            rows = [wrong, credit, _row(f"{call_id}-again", document)]
        case _:
            pass
    file.rows += rows
    if kind:
        file.planted[_KINDS[kind]] += 1


def _price(document: Document) -> tuple[str, str, str]:
    digits = str(document["callee_id_number"]).removeprefix("+")
    return next((price for price in _PRICES if digits.startswith(price[0])), _OTHERS)


def _row(
    record_id: str,
    document: Document,
    seconds: int | None = None,
    *,
    step: int = 6,
    factor: Decimal = Decimal(1),
    after: int = 0,
) -> list[Any]:
    """A record of a call.

    Args:
        record_id: the carrier's id.
        document: the switch's leg.
        seconds: measured length; None for the switch's.
        step: billing step in seconds.
        factor: factor on the agreed price.
        after: seconds from the answer to the start of the record.
    """
    length = int(document["billing_seconds"]) if seconds is None else seconds
    answered = from_gregorian(int(document["timestamp"]) - int(document["billing_seconds"])) + timedelta(seconds=after)
    _, destination, rate = _price(document)
    billed = -(-length // step) * step
    amount = (Decimal(rate) * billed / 60 * factor).quantize(_PLACES, ROUND_HALF_UP)
    caller, callee = document["caller_id_number"], document["callee_id_number"]
    return [record_id, f"{answered:%Y-%m-%d %H:%M:%S}", caller, callee, destination, length, f"{amount}"]
