"""Filters of our own, by number, address, person, time and outcome of a call."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_network
from typing import Any, Final

from cdr_pipeline.api.filters.numbers import DEFAULT_COUNTRY, bare, notations, prefix_notations
from cdr_pipeline.api.parameters import MOMENT
from cdr_pipeline.api.refusals import invalid
from cdr_pipeline.api.times import instant
from cdr_pipeline.core.records.search import AnyOf, Compare, Condition, Operator
from cdr_pipeline.warehouse.ledger import Account

_ORIGINS: Final = ("api", "imported", "api+imported")
_NUMBERS_TO: Final = ("callee_e164", "callee_id_number", "dialed_number")
_NUMBERS_FROM: Final = ("caller_e164", "caller_id_number", "calling_from")
_E164: Final = ("caller_e164", "callee_e164")
_SIP: Final = ("sip_to", "sip_from", "sip_request", "to_uri", "from_uri")
_SEARCHED: Final = (
    "record_id", "call_id", "caller_id_name", "callee_id_name", "caller_id_number", "callee_id_number",
    "dialed_number", "caller_e164", "callee_e164", "sip_from", "sip_to", "hangup_cause", "user_agent", "carrier",
)  # fmt: skip
_SHORTEST_TEXT: Final = 2

Values = tuple[str, ...]
Build = Callable[[str, Values, Account], Condition]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of our own.

    Attributes:
        build: builds the condition from the values.
        description: text for the documentation.
        example: example value for the documentation.
        schema: JSON Schema of a value for the documentation; None if any text is allowed.
    """

    build: Build
    description: str
    example: str
    schema: dict[str, Any] | None = None


def _equals(*columns: str) -> Build:
    return lambda _name, values, _account: Compare(columns, Operator.EQUALS, values)


def _number(*columns: str) -> Build:
    """Matches numbers in any notation, prefixes (``*`` at the end), and SIP addresses ``user@host``."""

    def build(name: str, values: Values, account: Account) -> Condition:
        parts: list[Compare] = []
        numbers = tuple(bare(value) for value in values if not value.endswith("*") and "@" not in value)
        prefixes = tuple(bare(value[:-1]) for value in values if value.endswith("*"))
        addresses = tuple(value for value in values if "@" in value)
        if any(not value for value in numbers + prefixes):
            raise invalid(name, "number", "must be a number, its first digits followed by *, or user@host")
        if numbers:
            parts.append(Compare(columns, Operator.EQUALS, notations(numbers, account)))
        if prefixes:
            parts.append(Compare(columns, Operator.PREFIX, prefix_notations(prefixes, account)))
        if addresses:
            side = ("sip_to", "to_uri", "sip_request") if columns == _NUMBERS_TO else ("sip_from", "from_uri")
            parts.append(_address(side, addresses))
        return AnyOf(tuple(parts))

    return build


def _address(columns: tuple[str, ...], addresses: Values) -> Compare:
    """Matches ``user@host`` with or without the scheme."""
    plain = [value.removeprefix("sip:") for value in addresses]
    return Compare(columns, Operator.EQUALS, tuple(plain + [f"sip:{value}" for value in plain]))


def _prefix(name: str, values: Values, account: Account) -> Condition:
    prefixes = tuple(bare(value) for value in values)
    if not all(re.fullmatch(r"\+?\d{1,15}", value) for value in prefixes):
        raise invalid(name, "number", "must be the first digits of a number, with + and country code for E.164")
    columns = (*_NUMBERS_FROM, *_NUMBERS_TO)
    return Compare(columns, Operator.PREFIX, prefix_notations(prefixes, account))


def _area_code(name: str, values: Values, account: Account) -> Condition:
    """Matches E.164 numbers by area code. Without +, the country code of the account is added."""
    prefixes: list[str] = []
    for value in map(bare, values):
        if not re.fullmatch(r"\+?\d{1,8}", value):
            raise invalid(name, "number", "must be an area code, such as 212, or +4930 with its country code")
        country = account.country_code or DEFAULT_COUNTRY
        prefixes.append(value if value.startswith("+") else f"+{country}{value.lstrip('0')}")
    return Compare(_E164, Operator.PREFIX, tuple(prefixes))


def _within(*columns: str) -> Build:
    def build(name: str, values: Values, _account: Account) -> Condition:
        try:
            networks = tuple(str(ip_network(value, strict=False)) for value in values)
        except ValueError:
            raise invalid(name, "address", "must be an IP address or a network such as 192.0.2.0/24") from None
        return Compare(columns, Operator.WITHIN, networks)

    return build


def _sip(name: str, values: Values, _account: Account) -> Condition:
    """Matches a SIP address ``user@host``, or a host or realm."""
    if not all(re.fullmatch(r"(sips?:)?[^\s%*]{1,255}", value) for value in values):
        raise invalid(name, "sip", "must be user@host, or a host")
    addresses = tuple(value for value in values if "@" in value)
    hosts = tuple(value.removeprefix("sip:").lower() for value in values if "@" not in value)
    parts: list[Compare] = []
    if addresses:
        parts.append(_address(_SIP, addresses))
    if hosts:
        parts.append(Compare(("to_host", "from_host", "realm"), Operator.EQUALS, hosts))
        parts += [Compare(("sip_to", "sip_from"), Operator.SUFFIX, tuple(f"@{host}" for host in hosts))]
    return AnyOf(tuple(parts))


def _origin(name: str, values: Values, _account: Account) -> Condition:
    # In a URL an unencoded plus sign is a space.
    origins = tuple(value.replace(" ", "+") for value in values)
    if not set(origins) <= set(_ORIGINS):
        raise invalid(name, "allowed", f"must be one of: {', '.join(_ORIGINS)}")
    return Compare(("origin",), Operator.EQUALS, origins)


def _direction(name: str, values: Values, _account: Account) -> Condition:
    if not set(values) <= {"inbound", "outbound"}:
        raise invalid(name, "allowed", "must be one of: inbound, outbound")
    return Compare(("call_direction",), Operator.EQUALS, values)


def _answered(name: str, values: Values, _account: Account) -> Condition:
    if not set(values) <= {"true", "false"}:
        raise invalid(name, "allowed", "must be one of: true, false")
    return Compare(("answered",), Operator.EQUALS, tuple(value == "true" for value in values))


def _bound(column: str, operator: Operator) -> Build:
    def build(name: str, values: Values, _account: Account) -> Condition:
        if len(values) != 1 or not re.fullmatch(r"\d{1,8}", values[0]):
            raise invalid(name, "number", "must be whole seconds, given once")
        return Compare((column,), operator, (int(values[0]),))

    return build


def _business_date(name: str, values: Values, _account: Account) -> Condition:
    try:
        days = tuple(date.fromisoformat(value) for value in values)
    except ValueError:
        raise invalid(name, "date", "must be a calendar date such as 2026-11-23") from None
    return Compare(("business_date",), Operator.EQUALS, days)


def _started(operator: Operator) -> Build:
    def build(name: str, values: Values, _account: Account) -> Condition:
        if len(values) != 1:
            raise invalid(name, "once", "must be given once")
        return Compare(("started_at",), operator, (instant(name, values[0]),))

    return build


def _search(name: str, values: Values, _account: Account) -> Condition:
    if any(len(value.strip()) < _SHORTEST_TEXT for value in values):
        raise invalid(name, "length", f"at least {_SHORTEST_TEXT} characters")
    return Compare(_SEARCHED, Operator.CONTAINS, tuple(value.strip() for value in values))


_FLAG: Final[dict[str, Any]] = {"type": "string", "enum": ["true", "false"]}
_WHOLE: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9]{1,8}$"}
_BYTE: Final = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_ADDRESS: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": rf"^({_BYTE}\.){{3}}{_BYTE}(/(3[0-2]|[12]?[0-9]))?$",
}
_NUMBER: Final[dict[str, Any]] = {"type": "string", "pattern": r"^\+?[0-9]{1,15}\*?$"}
FILTERS: Final[dict[str, Filter]] = {
    "customer": Filter(
        _equals("account_id", "owner_id", "tenant_id", "realm", "endpoint_id", "access_group"),
        "account, owner, tenant, realm, endpoint or access group",
        "pbx0.example",
    ),
    "owner": Filter(_equals("owner_id"), "user that owns the device", "5e6b0c"),
    "tenant": Filter(_equals("tenant_id"), "tenant", "tenant-7"),
    "realm": Filter(_equals("realm"), "SIP realm of the account", "pbx0.example"),
    "endpoint": Filter(_equals("endpoint_id", "authorizing_id"), "endpoint or device", "device-1"),
    "group": Filter(_equals("access_group"), "access group", "sales"),
    "area_code": Filter(
        _area_code,
        "area code of either number, within the account's country code",
        "212",
        {"type": "string", "pattern": r"^\+?[0-9]{1,8}$"},
    ),
    "prefix": Filter(
        _prefix, "first digits of either number", "+4930", {"type": "string", "pattern": r"^\+?[0-9]{1,15}$"}
    ),
    "to": Filter(
        _number(*_NUMBERS_TO), "called number, its first digits followed by *, or user@host", "+4930*", _NUMBER
    ),
    "from": Filter(
        _number(*_NUMBERS_FROM), "calling number, its first digits followed by *, or user@host", "+12125550100", _NUMBER
    ),
    "ip": Filter(
        _within("from_host", "to_host", "remote_rtp_address", "local_rtp_address"),
        "address or network of signalling or media",
        "192.0.2.0/24",
        _ADDRESS,
    ),
    "sip": Filter(
        _sip,
        "SIP address user@host, or a host or realm",
        "user@pbx0.example",
        {"type": "string", "pattern": r"^[a-z0-9.@-]{1,100}$"},
    ),
    "rtp": Filter(
        _within("remote_rtp_address", "local_rtp_address"), "address or network of media", "198.51.100.7", _ADDRESS
    ),
    "origin": Filter(
        _origin,
        "who delivered the record: api, imported or api+imported",
        "imported",
        {"type": "string", "enum": ["api", "imported", "api+imported"]},
    ),
    "cause": Filter(_equals("hangup_cause"), "hangup cause", "NORMAL_CLEARING"),
    "direction": Filter(
        _direction, "inbound or outbound", "inbound", {"type": "string", "enum": ["inbound", "outbound"]}
    ),
    "answered": Filter(_answered, "whether the call was answered", "true", _FLAG),
    "carrier": Filter(_equals("carrier"), "carrier whose file delivered the record", "carrier-1"),
    "min_duration": Filter(_bound("duration_seconds", Operator.AT_LEAST), "shortest duration in seconds", "60", _WHOLE),
    "max_duration": Filter(_bound("duration_seconds", Operator.AT_MOST), "longest duration in seconds", "3600", _WHOLE),
    "min_billing": Filter(_bound("billing_seconds", Operator.AT_LEAST), "fewest billed seconds", "1", _WHOLE),
    "max_billing": Filter(_bound("billing_seconds", Operator.AT_MOST), "most billed seconds", "3600", _WHOLE),
    "business_date": Filter(
        _business_date,
        "day on which the call started, in the account's time zone",
        "2026-11-23",
        {"type": "string", "format": "date"},
    ),
    "started_from": Filter(
        _started(Operator.AT_LEAST), "started at or after this time", "2026-11-23T08:00:00Z", MOMENT
    ),
    "started_to": Filter(_started(Operator.AT_MOST), "started at or before this time", "2026-11-23T18:00:00Z", MOMENT),
    "search": Filter(
        _search,
        "text in names, numbers, ids, addresses, hangup cause or user agent",
        "bakery",
        {"type": "string", "pattern": r"^[A-Za-z0-9]{2,100}$"},
    ),
}
