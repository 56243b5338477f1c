"""Generates the calls of one account and day, as documents that the switch stores.

The same seed, account and day result in the same documents in every process.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from cdr_pipeline.core.time.timestamps import to_gregorian

Document = dict[str, Any]

# Relative number of calls per hour of the day, with peaks before and after noon.
_HOURS: Final = (2, 1, 1, 1, 2, 4, 10, 25, 60, 90, 95, 80, 60, 75, 90, 85, 70, 50, 30, 20, 14, 9, 6, 4)
_WEEKEND: Final = 0.35
# Share of calls that are answered, outbound, between extensions, with withheld number, transferred, hours long, and
# of legs that are saved within seconds.
_ANSWERED: Final = 0.7
_OUTBOUND: Final = 0.6
_INTERNAL: Final = 0.15
_WITHHELD: Final = 0.06
_TRANSFERRED: Final = 0.05
_HOURS_LONG: Final = 0.004
_SAVED_AT_ONCE: Final = 0.98
_UNANSWERED: Final = (
    ("NO_ANSWER", 34), ("ORIGINATOR_CANCEL", 26), ("USER_BUSY", 18), ("CALL_REJECTED", 7), ("NO_USER_RESPONSE", 6),
    ("UNALLOCATED_NUMBER", 5), ("NORMAL_TEMPORARY_FAILURE", 4),
)  # fmt: skip
_NAMES: Final = (
    "Front Desk", "Sales, North", 'The "Old" Office', "Zoë Example", "Ünal & Söhne", "=1+1", "+Support", "O'Example",
    "山田 太郎", "Night 🌙 Shift", "-", "@reception", "Anonymous", "", "Accounts\tPayable", "Example; GmbH",
)  # fmt: skip
# Prefixes reserved for fiction: prefix, fixed infix, number of random digits, price of a minute in 1/10000 dollar,
# weight.
_DESTINATIONS: Final = (
    ("+1212555", "01", 2, 85, 46), ("+1415555", "01", 2, 85, 22), ("+447700900", "", 3, 420, 12),
    ("+442079460", "", 3, 180, 8), ("+61491570", "", 3, 510, 4), ("+33639980", "", 3, 640, 4),
    ("+4915550", "", 5, 390, 4),
)  # fmt: skip
_AGENTS: Final = ("Example-Desk/4.2", "Softphone 1.9.0", "PBX-Trunk/13", "Conference Unit 7")


@dataclass(frozen=True, slots=True)
class SimulatedAccount:
    """An account of the simulated switch."""

    account_id: str
    name: str
    realm: str
    time_zone: str
    parent_id: str | None = None


def documents_of_day(
    account: SimulatedAccount, day: date, *, seed: int, calls: int, month_of_hangup: bool
) -> list[Document]:
    """Documents of the calls that begin on a UTC day, one per leg, in the order of their save time.

    Args:
        account: account that owns the calls.
        day: UTC day on which the calls begin; some end on the next day.
        seed: seed of the random numbers.
        calls: number of calls on a working day; a weekend day has about a third.
        month_of_hangup: whether ids begin with the month in which the leg ended (3.x), instead of the month in which
            the call began (4.3).
    """
    chance = random.Random(f"{seed}/{account.account_id}/{day.isoformat()}")
    weekend = day.weekday() >= 5  # noqa: PLR2004 - Saturday and Sunday
    number = round(calls * (_WEEKEND if weekend else 1.0) * chance.uniform(0.9, 1.1))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    legs: list[Document] = []
    for _ in range(number):
        hour = chance.choices(range(24), weights=_HOURS)[0]
        started = midnight + timedelta(hours=hour, seconds=chance.randrange(3600))
        legs += _call(account, started, chance)
    for leg in legs:
        month = leg.pop("__ended" if month_of_hangup else "__began")
        leg.pop("__began" if month_of_hangup else "__ended")
        leg["_id"] = f"{month:%Y%m}-{leg['call_id']}"
    return sorted(legs, key=lambda leg: (leg["pvt_created"], leg["_id"]))


def _call(account: SimulatedAccount, started: datetime, chance: random.Random) -> list[Document]:
    """The legs of one call: the caller's leg, the callee's leg, and a third one if the call is transferred."""
    answered = chance.random() < _ANSWERED
    ringing = chance.randint(2, 45)
    talking = _talk_seconds(chance) if answered else 0
    outbound = chance.random() < _OUTBOUND
    number, rate = _destination(chance)
    extension = str(chance.randint(1001, 1040))
    internal = not outbound and chance.random() < _INTERNAL
    caller = extension if outbound or internal else ("anonymous" if chance.random() < _WITHHELD else number)
    callee = number if outbound else extension
    interaction = f"{to_gregorian(started)}-{chance.getrandbits(32):08x}"
    shared = _Call(account, started, interaction, number, chance)
    cause = "NORMAL_CLEARING" if answered else chance.choices(*zip(*_UNANSWERED, strict=True))[0]
    a_leg = shared.leg(
        "inbound", caller, callee, ringing=ringing, talking=talking, cause=cause, rate=None, delay=0, outward=outbound
    )
    b_leg = shared.leg(
        "outbound", caller, callee, ringing=ringing, talking=talking, cause=cause,
        rate=rate if outbound else None, delay=chance.randint(0, 1), outward=outbound,
    )  # fmt: skip
    legs = [a_leg, b_leg]
    b_leg["custom_channel_vars"]["bridge_id"] = a_leg["call_id"]
    if answered:
        a_leg["other_leg_call_id"], b_leg["other_leg_call_id"] = b_leg["call_id"], a_leg["call_id"]
        if chance.random() < _TRANSFERRED:
            legs.append(_transfer(shared, caller, a_leg, ringing + talking, chance))
    return legs


def _transfer(call: "_Call", caller: str, a_leg: Document, after: int, chance: random.Random) -> Document:
    target = str(chance.randint(1041, 1060))
    leg = call.leg(
        "outbound", caller, target, ringing=chance.randint(1, 15), talking=_talk_seconds(chance),
        cause="ATTENDED_TRANSFER", rate=None, delay=after, outward=False,
    )  # fmt: skip
    leg["other_leg_call_id"] = a_leg["call_id"]
    leg["custom_channel_vars"]["referred_by"] = f"<sip:{caller}@{call.account.realm}>"
    return leg


def _talk_seconds(chance: random.Random) -> int:
    """Random talk time. Most calls take one or two minutes; a few take hours and cross midnight."""
    if chance.random() < _HOURS_LONG:
        return chance.randint(3600, 4 * 3600)
    return max(1, round(chance.lognormvariate(4.3, 1.0)))


def _destination(chance: random.Random) -> tuple[str, int]:
    prefix, infix, digits, rate, _ = chance.choices(_DESTINATIONS, weights=[item[4] for item in _DESTINATIONS])[0]
    return f"{prefix}{infix}{chance.randrange(10**digits):0{digits}d}", rate


@dataclass(frozen=True, slots=True)
class _Call:
    """Values that all legs of a call share."""

    account: SimulatedAccount
    started: datetime
    interaction_id: str
    number: str
    chance: random.Random

    def leg(
        self,
        direction: str,
        caller: str,
        callee: str,
        *,
        ringing: int,
        talking: int,
        cause: str,
        rate: int | None,
        delay: int,
        outward: bool,
    ) -> Document:
        """One document as the switch stores it, without its id."""
        chance, account = self.chance, self.account
        began = self.started + timedelta(seconds=delay)
        ended = began + timedelta(seconds=ringing + talking)
        saved = ended + timedelta(
            seconds=chance.randint(1, 5) if chance.random() < _SAVED_AT_ONCE else chance.randint(60, 1800)
        )
        call_id = f"{chance.getrandbits(128):032x}"[:24] + f"@{chance.choice(('10.26.0.7', '10.26.0.8'))}"
        far_host = "sip.carrier.example" if outward and direction == "outbound" else account.realm
        document: Document = {
            "pvt_account_id": account.account_id,
            "pvt_created": to_gregorian(saved),
            "pvt_type": "cdr",
            "app_name": "cdr",
            "app_version": "4.0.0",
            "event_category": "call_event",
            "event_name": "CHANNEL_DESTROY",
            "call_id": call_id,
            "call_direction": direction,
            "timestamp": to_gregorian(ended),
            "channel_created_time": int(began.timestamp()) * 1_000_000 + chance.randrange(1_000_000),
            "duration_seconds": ringing + talking,
            "billing_seconds": talking,
            "ringing_seconds": ringing,
            "hangup_cause": cause,
            "disposition": "ANSWER" if talking else cause,
            "caller_id_name": chance.choice(_NAMES),
            "caller_id_number": caller,
            "callee_id_name": "" if outward else f"Extension {callee}",
            "callee_id_number": callee,
            "digits_dialed": callee.lstrip("+") if direction == "inbound" and outward else "none",
            "cid_type": "external" if outward else "internal",
            "from": f"{caller}@{account.realm}",
            "from_uri": f"sip:{caller}@{account.realm}",
            "to": f"{callee}@{far_host}",
            "to_uri": f"sip:{callee}@{far_host}:5060",
            "request": f"{callee}@{far_host}",
            "interaction_id": self.interaction_id,
            "media_server": chance.choice(("media-1.example", "media-2.example")),
            "handling_server_name": "media-1.example",
            "user_agent": chance.choice(_AGENTS),
            "custom_channel_vars": self._channel_vars(rate, caller, outward=outward),
            "__began": self.started,
            "__ended": ended,
        }
        if talking:
            document["remote_sdp"] = _description(f"198.51.100.{chance.randint(1, 254)}", chance)
            document["local_sdp"] = _description(f"203.0.113.{chance.randint(1, 254)}", chance)
        return document

    def _channel_vars(self, rate: int | None, caller: str, *, outward: bool) -> Document:
        account = self.account
        owner = f"{account.account_id[:8]}{int(caller) if caller.isdigit() else 0:024d}"
        variables: Document = {
            "account_id": account.account_id,
            "account_name": account.name,
            "realm": account.realm,
            "username": f"user_{caller}" if caller.isdigit() else "trunk",
            "owner_id": owner,
            "authorizing_id": owner[::-1],
            "authorizing_type": "device" if outward else "resource",
            "channel_authorized": "true",
            "global_resource": "false",
        }
        if not outward:
            variables["inception"] = self.number
        if rate is not None:
            variables |= {
                "resource_id": "carrier-1",
                "account_billing": "per_minute",
                "rate": str(rate),
                "rate_increment": "6",
                "rate_minimum": "6",
                "rate_name": f"rate_{rate}",
            }
        return variables


def _description(address: str, chance: random.Random) -> str:
    port = chance.randrange(16_384, 32_768, 2)
    return (
        f"v=0\r\no=FreeSWITCH 1 1 IN IP4 {address}\r\ns=FreeSWITCH\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0 8 101\r\na=sendrecv\r\n"
    )
