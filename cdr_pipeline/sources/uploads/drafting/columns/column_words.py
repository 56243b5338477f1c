"""Words of column names in seven languages, and what they mean: the field, its unit, its currency."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

# Helper roles of a draft that are no fields of a record.
DATE, TIME_OF_DAY, ZONE, KIND = "date", "time of day", "zone", "kind of record"

# English, German, French, Spanish, Portuguese, Italian, Dutch. Words of a phrase may be in any order. A word that
# ends with ~ is a stem, as compounds of German and Dutch need it. Earlier roles win between equal scores.
_PHRASES: Final[dict[str, str]] = {
    "answered_at": (
        "answer time, answered at, answer, answertime, answer date, answer stamp, answer epoch, connect time,"
        "connected at, connect, connect date, date time connect, connection time, time answered, pickup time,"
        "annahme~, verbunden~, rufannahme~, heure reponse, date reponse, decroche, hora respuesta, fecha respuesta,"
        "hora atendimento, data atendimento, ora risposta, data risposta, beantwoord~, opgenomen~"
    ),
    "ended_at": (
        "end time, ended at, end, end date, enddate, end stamp, end epoch, stop time, disconnect time, disconnected at,"
        "date time disconnect, disconnect date, hangup time, release time, finish time, time end, finished at,"
        "ende, endzeit, endezeit, gesprachsende~, heure fin, date fin, fin, hora fin, fecha fin, hora fim, data fim,"
        "fim, ora fine, data fine, eindtijd, einde"
    ),
    "ringing_seconds": (
        "ring time, ringing time, ring, ringing, ring duration, ringing seconds, ring seconds, alerting time, pdd,"
        "klingel~, sonnerie, tiempo timbre, tempo toque, squillo, beltijd~, wait time"
    ),
    "billing_seconds": (
        "billed seconds, billing seconds, billsec, bill sec, billable seconds, billed duration, billable duration,"
        "charged duration, charged seconds, billed time, billable time, talk time, talk duration, talk seconds,"
        "conversation time, conversation duration, connected time, connected duration, chargeable duration,"
        "charged time, chargeable time, talking time, rated duration, rounded duration, billed minutes, talk,"
        "abgerechnet~, gesprachszeit, sprechzeit, duree facturee, duree conversation, duracion facturada,"
        "tiempo facturado, duracao faturada, tempo faturado, durata fatturata, durata conversazione, gesprekstijd,"
        "gefactureerd~"
    ),
    "duration_seconds": (
        "duration, call duration, duration seconds, call length, length, seconds, secs, total duration, total time,"
        "call time seconds, duration sec, sec, elapsed, elapsed time, duration minutes, minutes, call seconds, dur,"
        "session time, dauer, gesprachsdauer, anrufdauer, verbindungsdauer, sek, sekunden, minuten, duree,"
        "duree appel, secondes, duracion, duracion llamada, segundos, duracao, duracao chamada, durata,"
        "durata chiamata, secondi, duur, gespreksduur, seconden"
    ),
    "started_at": (
        "start time, started at, start, start date, startdate, start stamp, start epoch, starting time, setup time,"
        "set up time, call start, call start time, begin time, begin, initiation time, date time, datetime,"
        "date time origination, call date time, call datetime, timestamp, time stamp, connect start, origination time,"
        "call started, time start, calldate, start datetime, start date time, event time, created at, creation time,"
        "date created, initiated, initiated at, setup, invite time, call initiated, date and time, utc time,"
        "beginn, startzeit, anfang, anrufbeginn, gesprachsbeginn, verbindungsbeginn, zeitpunkt, datum uhrzeit,"
        "datum zeit, zeitstempel, debut, date debut, heure debut, date heure, inicio, fecha inicio, hora inicio,"
        "fecha hora, data inicio, data hora, data inizio, ora inizio, inizio, data ora, starttijd, begintijd, aanvang,"
        "datum tijd, tijdstip"
    ),
    DATE: (
        "date, call date, day, start day, call day, datum, anrufdatum, tag, date appel, jour, fecha, fecha llamada,"
        "dia, data, data chamada, data chiamata, giorno, gespreksdatum, dag"
    ),
    TIME_OF_DAY: (
        "time, call time, time of day, time of call, uhrzeit, zeit, anrufzeit, heure, heure appel, hora,"
        "hora llamada, hora chamada, ora, ora chiamata, tijd, tijdstip"
    ),
    "dialed_number": (
        "dialed number, dialled number, dialed, dialled, dialed digits, dialled digits, digits dialed, dial no,"
        "original called party number, original called number, did, did number, dnis, dial number, gewahlt~,"
        "numero compose, numero marcado, numero discado, numero composto, gekozen~"
    ),
    "caller_id_number": (
        "caller, caller number, caller id, caller id number, callerid, caller no, calling number, calling,"
        "calling party, calling party number, calling phone no, calling phone number, caller phone number, from,"
        "from number, from phone number, from extension number, from uri user, source, source number, src, src number,"
        "ani, a number, anumber, a no, a party, a party number, a, orig, origin, origination, origination number,"
        "orig number, originating number, originating party, originator, originator number, cli, clid number,"
        "cli number, phone from, caller party, call from, number from, ext, extension, ext no, station, subscriber,"
        "account, username, msisdn, calling station id, src user, caller user, caller profile caller id number,"
        "von, anrufer, anrufernummer, rufnummer anrufer, a nummer, a rufnummer, rufende~, quellrufnummer, absender,"
        "eigene rufnummer, ursprung, appelant, numero appelant, de, emetteur, origine, origen, llamante,"
        "numero llamante, numero origen, desde, numero a, origem, numero origem, chamador, numero chamador, chamante,"
        "chiamante, numero chiamante, da, mittente, beller, bellernummer, oproeper, van, a nummer, bron"
    ),
    "callee_id_number": (
        "callee, callee number, called, called number, called party, called party number, called phone no,"
        "called phone number, called no, callee id, callee id number, to, to number, to phone number,"
        "to extension number, destination, destination number, dest, dest number, dst, dst number, b number, bnumber,"
        "b no, b party, b party number, b, term number, termination, termination number, terminating number,"
        "terminating party, final called party number, target, target number, recipient, receiver, called station id,"
        "phone to, call to, number to, dst user, destination phone number, number called, number dialed,"
        "calledid, nach, ziel, zielrufnummer, zielnummer, angerufen~, angerufene~,"
        "gerufene~, b nummer, b rufnummer, an, empfanger, appele, numero appele, vers, destinataire, destino, llamado,"
        "numero llamado, numero destino, hacia, numero b, chamado, numero chamado, para, destinazione, chiamato,"
        "numero chiamato, a numero, verso, bestemming, gebeld~, gebelde nummer, naar, b nummer, doelnummer"
    ),
    "caller_id_name": "caller name, caller id name, calling name, from name, source name, clid, anrufername",
    "callee_id_name": "callee name, called name, to name, destination contact, callee id name",
    "call_direction": (
        "direction, call direction, way, in out, inbound outbound, call way, richtung, anrufrichtung, sens, direccion,"
        "sentido, direcao, direzione, richting, leg direction"
    ),
    "disposition": (
        "disposition, status, call status, result, call result, outcome, state, call state, completion status,"
        "answered, call disposition, call outcome, ergebnis, anrufstatus, resultat, statut, etat, resultado, estado,"
        "situacao, esito, stato, resultaat"
    ),
    "hangup_cause": (
        "hangup cause, cause, release cause, disconnect cause, termination cause, cause code, disconnect reason,"
        "hangup reason, release reason, end reason, sip code, sip response, response code, orig cause value,"
        "dest cause value, cause value, release code, failure code, disconnect code, q850, reason terminated,"
        "trennungsgrund, motif, causa, motivo, oorzaak, ursache"
    ),
    "cost_currency": "currency, cost currency, currency code, price unit, wahrung, devise, moneda, moeda, valuta, munt",
    "rate": (
        "rate, rate per minute, cost per minute, price per minute, per minute, costperminute, tariff, unit price,"
        "minutenpreis, tarif, prix minute, tarifa, precio minuto, preco minuto, tariffa, prezzo minuto, tarief"
    ),
    "cost": (
        "cost, price, amount, charge, charges, charged amount, total cost, call cost, total, total charge, net amount,"
        "amount charged, total price, total amount, net charge, call charge, billed amount, bill amount, billamount,"
        "debit, net cost, kosten, preis, betrag, gebuhr, gesamtpreis, entgelt, cout, prix, montant, costo, coste,"
        "precio, importe, cargo, custo, preco, valor, prezzo, importo, prijs, bedrag"
    ),
    "call_id": (
        "id, uuid, call id, callid, call uuid, call reference, call ref, reference, ref, record id, cdr id, unique id,"
        "uniqueid, sid, call sid, session id, conversation id, call identifier, acct session id, pkid, acctid,"
        "transaction id, guid, referenz, anruf id, identifiant, reference appel, identificador, referencia, id chamada,"
        "id chiamata, riferimento, gesprek id, kenmerk, acct id, variables uuid"
    ),
    "interaction_id": "interaction id, linked id, linkedid, global call id call id, correlation id",
    "username": "calling party unicode login user id, login user id, login name, login user",
    "trunk": "dest device name, trunk, gateway, trunk group, route, trunk name, gw, leitung, peer, carrier trunk",
    ZONE: "time zone, timezone, zone, tz, utc offset, zeitzone, fuseau horaire, zona horaria, fuso orario, tijdzone",
    KIND: (
        "type, call type, record type, service, service type, usage type, event type, traffic type, typ, dienst,"
        "verbindungsart, type appel, tipo, tipo llamada, tipo chamada, tipo chiamata, soort, cdr type"
    ),
}
# Words that say nothing about the meaning of a column.
_FILLERS: Final = frozenset({"the", "of", "call", "cdr", "local", "gmt", "utc", "field", "value", "no", "number", "nr"})
# Words that turn a number or a time into something else.
_OTHERS: Final = frozenset(
    {
        "name", "country", "code", "description", "zone", "city", "region", "prefix", "type", "ip", "port", "host",
        "address", "domain", "device", "codec", "context", "channel", "location", "area", "network", "carrier", "group",
        "land", "pays", "pais", "paese", "bezeichnung", "netz", "uri", "tag", "agent", "span", "cost", "center",
    }
)  # fmt: skip
_UNITS: Final = {
    "s": "seconds", "sec": "seconds", "secs": "seconds", "seconds": "seconds", "second": "seconds", "sek": "seconds",
    "sekunden": "seconds", "secondes": "seconds", "segundos": "seconds", "secondi": "seconds", "seconden": "seconds",
    "ms": "milliseconds", "msec": "milliseconds", "milliseconds": "milliseconds", "millis": "milliseconds",
    "min": "minutes", "mins": "minutes", "minutes": "minutes", "minuten": "minutes", "minutos": "minutes",
    "minuti": "minutes", "m": "minutes",
    "h:mm": "hh:mm", "hh:mm": "hh:mm", "m:ss": "hh:mm:ss", "mm:ss": "hh:mm:ss", "h:mm:ss": "hh:mm:ss",
    "hh:mm:ss": "hh:mm:ss",
}  # fmt: skip
_CURRENCIES: Final = frozenset(
    [
        "EUR",
        "USD",
        "GBP",
        "CHF",
        "CAD",
        "AUD",
        "NZD",
        "SEK",
        "NOK",
        "DKK",
        "PLN",
        "CZK",
        "HUF",
        "RON",
        "BGN",
        "BRL",
        "MXN",
        "ARS",
        "CLP",
        "COP",
        "ZAR",
        "INR",
        "JPY",
        "CNY",
        "TRY",
        "ILS",
        "AED",
    ]
)
_SIGNS: Final = {"€": "EUR", "£": "GBP", "US$": "USD", "$": "USD", "R$": "BRL", "¥": "JPY", "₹": "INR", "zł": "PLN"}
_BRACKETS: Final = re.compile(r"[(\[]([^)\]]*)[)\]]")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_STEM: Final = 4
_EXACT, _ALL_WORDS, _IN_PART = 1.0, 0.9, 0.6


@dataclass(frozen=True, slots=True)
class ColumnWords:
    """What the name of a column says.

    Attributes:
        tokens: its words in lower case, without accents, units and currency.
        unit: unit of durations that it states; "" for none.
        currency: ISO 4217 code that it states; "" for none.
    """

    tokens: tuple[str, ...]
    unit: str
    currency: str


def words_of(name: str) -> ColumnWords:
    """Splits a name at blanks, punctuation and changes of case; what is in brackets may be a unit or a currency."""
    unit = currency = ""
    for inner in _BRACKETS.findall(name):
        unit = unit or _UNITS.get(inner.strip().lower(), "")
        currency = currency or currency_of(inner.strip())
    plain = _CAMEL.sub(" ", _BRACKETS.sub(" ", name))
    folded = unicodedata.normalize("NFKD", plain.replace("ß", "ss"))
    ascii_text = "".join(character for character in folded if not unicodedata.combining(character))
    tokens = [token for token in re.split(r"[^A-Za-z0-9€$£]+", ascii_text) if token]
    for token in tokens:
        currency = currency or (currency_of(token) if token.isupper() or token in _SIGNS else "")
    if not unit and len(tokens) > 1 and tokens[-1].lower() in _UNITS and tokens[-1].lower() not in ("m", "s"):
        unit = _UNITS[tokens[-1].lower()]
    lower = tuple(token.lower() for token in tokens if not (currency and currency_of(token) == currency))
    return ColumnWords(lower, unit or (_UNITS.get(lower[0], "") if len(lower) == 1 else ""), currency)


def currency_of(text: str) -> str:
    """ISO 4217 code of a code or a sign; "" if it is neither."""
    return text.upper() if text.upper() in _CURRENCIES else _SIGNS.get(text, "")


def meanings_of(tokens: tuple[str, ...]) -> dict[str, float]:
    """Roles that the words of a name may mean, with a score up to 1."""
    scores: dict[str, float] = {}
    if not tokens:
        return scores
    for role, phrases in _TABLE.items():
        best = max((_score(tokens, phrase, role) for phrase in phrases), default=0.0)
        if best > 0:
            scores[role] = best
    return scores


def _score(tokens: tuple[str, ...], phrase: tuple[str, ...], role: str) -> float:
    if tokens == phrase or "".join(tokens) == "".join(phrase):
        return _EXACT
    rest = list(tokens)
    for word in phrase:
        found = next((token for token in rest if _is_word(token, word)), None)
        if found is None:
            return 0.0
        rest.remove(found)
    if not rest:
        return _ALL_WORDS
    if any(token in _OTHERS for token in rest) and role not in ("caller_id_name", "callee_id_name"):
        return 0.0
    meaningful = [token for token in rest if token not in _FILLERS and token not in _UNITS and not token.isdecimal()]
    return max(0.0, _ALL_WORDS - 0.05 * (len(rest) - len(meaningful)) - 0.4 * len(meaningful) + 0.02 * len(phrase))


def _is_word(token: str, word: str) -> bool:
    if word.endswith("~"):
        return len(token) >= _STEM and token.startswith(word[:-1])
    return token == word


_TABLE: Final = {
    role: tuple(tuple(phrase.split()) for phrase in (text.strip() for text in phrases.split(",")) if phrase)
    for role, phrases in _PHRASES.items()
}
