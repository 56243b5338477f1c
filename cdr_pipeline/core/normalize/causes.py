"""Numeric causes as the switch's cause names: Q.850 causes of ISDN, and final responses of SIP (RFC 3398)."""

from collections.abc import Mapping
from typing import Final, Literal

CauseCodes = Literal["", "q850", "sip"]

_Q850: Final = {
    1: "UNALLOCATED_NUMBER",
    2: "NO_ROUTE_TRANSIT_NET",
    3: "NO_ROUTE_DESTINATION",
    6: "CHANNEL_UNACCEPTABLE",
    7: "CALL_AWARDED_DELIVERED",
    16: "NORMAL_CLEARING",
    17: "USER_BUSY",
    18: "NO_USER_RESPONSE",
    19: "NO_ANSWER",
    20: "SUBSCRIBER_ABSENT",
    21: "CALL_REJECTED",
    22: "NUMBER_CHANGED",
    25: "EXCHANGE_ROUTING_ERROR",
    27: "DESTINATION_OUT_OF_ORDER",
    28: "INVALID_NUMBER_FORMAT",
    29: "FACILITY_REJECTED",
    30: "RESPONSE_TO_STATUS_ENQUIRY",
    31: "NORMAL_UNSPECIFIED",
    34: "NORMAL_CIRCUIT_CONGESTION",
    38: "NETWORK_OUT_OF_ORDER",
    41: "NORMAL_TEMPORARY_FAILURE",
    42: "SWITCH_CONGESTION",
    43: "ACCESS_INFO_DISCARDED",
    44: "REQUESTED_CHAN_UNAVAIL",
    45: "PRE_EMPTED",
    50: "FACILITY_NOT_SUBSCRIBED",
    52: "OUTGOING_CALL_BARRED",
    54: "INCOMING_CALL_BARRED",
    57: "BEARERCAPABILITY_NOTAUTH",
    58: "BEARERCAPABILITY_NOTAVAIL",
    63: "SERVICE_UNAVAILABLE",
    65: "BEARERCAPABILITY_NOTIMPL",
    66: "CHAN_NOT_IMPLEMENTED",
    69: "FACILITY_NOT_IMPLEMENTED",
    79: "SERVICE_NOT_IMPLEMENTED",
    81: "INVALID_CALL_REFERENCE",
    88: "INCOMPATIBLE_DESTINATION",
    95: "INVALID_MSG_UNSPECIFIED",
    96: "MANDATORY_IE_MISSING",
    97: "MESSAGE_TYPE_NONEXIST",
    98: "WRONG_MESSAGE",
    99: "IE_NONEXIST",
    100: "INVALID_IE_CONTENTS",
    101: "WRONG_CALL_STATE",
    102: "RECOVERY_ON_TIMER_EXPIRE",
    103: "MANDATORY_IE_LENGTH_ERROR",
    111: "PROTOCOL_ERROR",
    127: "INTERWORKING",
}
_SIP: Final = {
    "NORMAL_CLEARING": (200,),
    "CALL_REJECTED": (401, 402, 403, 407, 603),
    "UNALLOCATED_NUMBER": (404,),
    "NO_ROUTE_DESTINATION": (485, 604),
    "RECOVERY_ON_TIMER_EXPIRE": (408, 504),
    "NUMBER_CHANGED": (410,),
    "INTERWORKING": (413, 414, 416, 420, 421, 423, 505, 513),
    "NO_USER_RESPONSE": (480,),
    "NORMAL_TEMPORARY_FAILURE": (400, 481, 500, 503),
    "USER_BUSY": (486, 600),
    "INVALID_NUMBER_FORMAT": (484,),
    "INCOMPATIBLE_DESTINATION": (488, 606),
    "NETWORK_OUT_OF_ORDER": (502,),
    "SERVICE_UNAVAILABLE": (405,),
    "SERVICE_NOT_IMPLEMENTED": (406, 415, 501),
    "EXCHANGE_ROUTING_ERROR": (482, 483),
    "ORIGINATOR_CANCEL": (487,),
}


def cause_names(codes: CauseCodes) -> Mapping[str, str]:
    """Code as text to the switch's cause name; empty if the source writes no codes."""
    match codes:
        case "":
            return {}
        case "q850":
            return {str(code): name for code, name in _Q850.items()}
        case "sip":
            return {str(code): name for name, listed in _SIP.items() for code in listed}
