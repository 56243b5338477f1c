"""Words of directions, of outcomes and of records that are no calls, in seven languages."""

import re
from collections.abc import Mapping
from typing import Final

INBOUND: Final = frozenset(
    [
        "in",
        "i",
        "inbound",
        "incoming",
        "terminating",
        "received",
        "missed",
        "mt",
        "eingehend",
        "ankommend",
        "entrant",
        "entrante",
        "entrada",
        "arrivo",
        "inkomend",
    ]
) | {"incoming call", "in arrivo", "llamada entrante", "missed call"}
OUTBOUND: Final = frozenset(
    [
        "out",
        "o",
        "outbound",
        "outgoing",
        "originating",
        "placed",
        "dialed",
        "dialled",
        "made",
        "mo",
        "ausgehend",
        "abgehend",
        "sortant",
        "saliente",
        "saida",
        "uscita",
        "uitgaand",
    ]
) | {"outgoing call", "in uscita", "llamada saliente"}
OUTCOMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("answered", "answer", "connected", "completed", "success", "successful", "ok", "accepted", "beantwortet",
         "angenommen", "verbunden", "atendida", "atendido", "contestada", "respondida", "repondu", "decroche",
         "risposta", "beantwoord", "yes", "true"),
        "ANSWERED",
    ),
    **dict.fromkeys(("call connected", "call completed", "normal clearing"), "ANSWERED"),
    **dict.fromkeys(
        ("no answer", "noanswer", "no_answer", "no-answer", "missed", "unanswered", "not answered", "verpasst",
         "nicht angenommen", "unbeantwortet", "perdida", "no contestada", "nao atendida", "manque", "sans reponse",
         "persa", "gemist", "missed call", "no", "false"),
        "NO ANSWER",
    ),
    **dict.fromkeys(("busy", "user busy", "besetzt", "occupe", "ocupado", "occupato", "bezet"), "BUSY"),
    **dict.fromkeys(
        ("failed", "failure", "rejected", "declined", "error", "congestion", "abgelehnt", "fehlgeschlagen", "echec",
         "fallida", "rechazada", "falha", "fallita", "mislukt", "chanunavail", "call failed"),
        "FAILED",
    ),
    **dict.fromkeys(
        ("cancelled", "canceled", "cancel", "abandoned", "abgebrochen", "annule", "cancelada"), "CANCELLED"
    ),
}  # fmt: skip
NOT_CALLS: Final = re.compile(
    r"(?i)sms|mms|data|gprs|text|message|internet|messaging|fax|cmr|daten|nachricht|donnees|datos|dados|dati|gegevens"
)
