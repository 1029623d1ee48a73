"""Dates and times as the platform has them: .NET's parsing, format strings, cultures and units.

In: timestamps as text, .NET standard and custom format strings, Windows zone names. Out: text. A `Stamp` keeps seven digits behind the second and
whether the text said UTC; a timestamp with an offset is turned into UTC first, one without any stays without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from nl2dsl.simulator import zones
from nl2dsl.simulator.values import TemplateError

ROUND_TRIP = "yyyy-MM-ddTHH:mm:ss.fffffffK"
_EPOCH = datetime(1, 1, 1)

MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
# Names of months and days in the cultures that flows ask for most; other cultures get the English ones.
_CULTURES: dict[str, tuple[list[str], list[str]]] = {
    "en": (MONTHS, DAYS),
    "de": (
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag".split(),
    ),
    "fr": (
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
        "lundi mardi mercredi jeudi vendredi samedi dimanche".split(),
    ),
    "es": (
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),
        "lunes martes miércoles jueves viernes sábado domingo".split(),
    ),
    "pt": (
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro".split(),
        "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo".split(),
    ),
    "it": (
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre".split(),
        "lunedì martedì mercoledì giovedì venerdì sabato domenica".split(),
    ),
    "nl": (
        "januari februari maart april mei juni juli augustus september oktober november december".split(),
        "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag".split(),
    ),
}
_SHORT_DATE = {
    "en-us": "M/d/yyyy",
    "en-gb": "dd/MM/yyyy",
    "de": "dd.MM.yyyy",
    "fr": "dd/MM/yyyy",
    "es": "dd/MM/yyyy",
    "pt": "dd/MM/yyyy",
    "it": "dd/MM/yyyy",
    "nl": "dd-MM-yyyy",
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment: `at` without zone, `ticks` the seventh digit (100 ns), `utc` whether it is known to be UTC."""

    at: datetime
    ticks: int = 0
    utc: bool = True

    def moved(self, delta: timedelta) -> Stamp:
        try:
            return replace(self, at=self.at + delta)
        except OverflowError:
            raise TemplateError("The added or subtracted value results in an un-representable DateTime.", "ExpressionEvaluationFailed") from None


def of_datetime(moment: datetime) -> Stamp:
    return Stamp(moment.astimezone(UTC).replace(tzinfo=None))


_ISO = re.compile(
    r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(Z|z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2})?\Z"
)
_SLASHES = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?\Z")
_WORDS = re.compile(
    r"(?:[A-Za-z]+,?\s+)?(?:(\d{1,2})\s+([A-Za-z]{3,9})|([A-Za-z]{3,9})\s+(\d{1,2}))\.?,?\s+(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?\Z"
)


def parse(text: str) -> Stamp | None:
    """The moment a text means; None when it means none. Ambiguous `1/2/2026` is read as in the United States, the platform's default."""
    text = text.strip()
    try:
        if match := _ISO.match(text):
            return _of_iso(match)
        if match := _SLASHES.match(text):
            month, day, year, hour, minute, second, half = match.groups()
            return Stamp(datetime(int(year), int(month), int(day), _hour(hour, half), int(minute or 0), int(second or 0)), utc=False)
        if match := _WORDS.match(text):
            return _of_words(match)
        if text.endswith("GMT"):
            return of_datetime(parsedate_to_datetime(text))
    except (ValueError, OverflowError, TypeError):
        return None
    return None


def _of_iso(match: re.Match[str]) -> Stamp:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    digits = (fraction or "").ljust(7, "0")[:7]
    at = datetime(int(year), int(month), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), int(digits[:6]))
    if zone and zone not in ("Z", "z", "UTC"):
        sign = -1 if zone[0] == "-" else 1
        at -= sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[3:].lstrip(":") or 0))
    return Stamp(at, int(digits[6]), bool(zone))


def _of_words(match: re.Match[str]) -> Stamp:
    day, month, month_first, day_second, year, hour, minute, second, half = match.groups()
    name = (month or month_first).lower()
    number = next((n for n, full in enumerate(MONTHS, 1) if full.lower() == name or full[:3].lower() == name), 0)
    return Stamp(datetime(int(year), number, int(day or day_second), _hour(hour, half), int(minute or 0), int(second or 0)), utc=False)


def _hour(text: str | None, half: str | None) -> int:
    hour = int(text or 0)
    return hour % 12 + (12 if half.lower() == "pm" else 0) if half else hour


def ticks(stamp: Stamp) -> int:
    """100-nanosecond steps since the year 1."""
    return (stamp.at - _EPOCH) // timedelta(microseconds=1) * 10 + stamp.ticks


# --- format strings ------------------------------------------------------------------------------------------------------------


def _standard(letter: str, culture: str) -> str | None:
    short = _SHORT_DATE.get(culture.lower()) or _SHORT_DATE.get(culture.lower().partition("-")[0], "M/d/yyyy")
    english = culture.lower() in ("en-us", "")
    long = "dddd, MMMM d, yyyy" if english else "dddd, d MMMM yyyy" if culture.lower().startswith("en") else "dddd d MMMM yyyy"
    time, full_time = ("h:mm tt", "h:mm:ss tt") if english else ("HH:mm", "HH:mm:ss")
    return {
        **{"d": short, "D": long, "f": f"{long} {time}", "F": f"{long} {full_time}", "g": f"{short} {time}", "G": f"{short} {full_time}"},
        **{"t": time, "T": full_time, "m": "MMMM d", "M": "MMMM d", "y": "MMMM yyyy", "Y": "MMMM yyyy", "o": ROUND_TRIP, "O": ROUND_TRIP},
        **{"r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'", "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'", "s": "yyyy-MM-ddTHH:mm:ss"},
        **{"u": "yyyy-MM-dd HH:mm:ss'Z'", "U": f"{long} {full_time}"},
    }.get(letter)


_RUN = re.compile(r"d+|f+|F+|g+|h+|H+|K|m+|M+|s+|t+|y+|z+|'[^']*'|\"[^\"]*\"|\\.|%|.", re.DOTALL)


def format_stamp(stamp: Stamp, format: str, culture: str = "en-US") -> str:
    """A moment by a .NET format string, standard (one letter) or custom. Raises `TemplateError` for one that .NET does not take."""
    if not format:
        format = "G"
    if len(format) == 1:
        custom = _standard(format, culture)
        if custom is None:
            raise bad_format(format)
        format = custom
        if custom.endswith("'GMT'"):
            culture = "en-US"
    months, days = _CULTURES.get(culture.lower().partition("-")[0], _CULTURES["en"])
    return "".join(_piece(piece, stamp, months, days, culture) for piece in _RUN.findall(format))


def bad_format(format: str) -> TemplateError:
    return TemplateError(f"The format string '{format}' is not valid: it must be a standard or custom date and time format string of .NET.")


def _piece(piece: str, stamp: Stamp, months: list[str], days: list[str], culture: str) -> str:
    at, size = stamp.at, len(piece)
    match piece[0]:
        case "d":
            day = days[at.weekday()]
            return (str(at.day), f"{at.day:02d}", day[:3] if culture.startswith("en") else day[:2], day)[min(size, 4) - 1]
        case "M":
            month = months[at.month - 1]
            return (str(at.month), f"{at.month:02d}", month[:3], month)[min(size, 4) - 1]
        case "y":
            return str(at.year % 100) if size == 1 else f"{at.year % 100:02d}" if size == 2 else str(at.year).zfill(size)
        case "H":
            return str(at.hour) if size == 1 else f"{at.hour:02d}"
        case "h":
            hour = at.hour % 12 or 12
            return str(hour) if size == 1 else f"{hour:02d}"
        case "m":
            return str(at.minute) if size == 1 else f"{at.minute:02d}"
        case "s":
            return str(at.second) if size == 1 else f"{at.second:02d}"
        case "f" | "F":
            if size > 7:
                raise bad_format(piece)
            digits = f"{at.microsecond:06d}{stamp.ticks}"[:size]
            return digits if piece[0] == "f" else digits.rstrip("0")
        case "t":
            half = "AM" if at.hour < 12 else "PM"
            return half[0] if size == 1 else half
        case "K":
            return "Z" if stamp.utc else ""
        case "z":
            return ("+0", "+00", "+00:00")[min(size, 3) - 1]
        case "g":
            return "A.D."
        case "'" | '"':
            return piece[1:-1] if size > 1 else piece
        case "\\":
            return piece[1:]
        case "%":
            return ""
        case _:
            return piece


# --- units and zones -----------------------------------------------------------------------------------------------------------


def add_units(stamp: Stamp, count: int, unit: str) -> Stamp | None:
    """A moment moved by so many Second(s) … Year(s); None for another unit. The 31st of a shorter month is its last day."""
    match unit.lower().rstrip("s"):
        case "second":
            return stamp.moved(_delta(seconds=count))
        case "minute":
            return stamp.moved(_delta(minutes=count))
        case "hour":
            return stamp.moved(_delta(hours=count))
        case "day":
            return stamp.moved(_delta(days=count))
        case "week":
            return stamp.moved(_delta(weeks=count))
        case "month":
            return _add_months(stamp, count)
        case "year":
            return _add_months(stamp, count * 12)
        case _:
            return None


def _delta(**parts: float) -> timedelta:
    try:
        return timedelta(**parts)
    except OverflowError:
        raise TemplateError("The added or subtracted value results in an un-representable DateTime.", "ExpressionEvaluationFailed") from None


def seconds(count: float) -> timedelta:
    return _delta(seconds=count)


def _add_months(stamp: Stamp, count: int) -> Stamp:
    year, month = divmod(stamp.at.year * 12 + stamp.at.month - 1 + count, 12)
    if not 1 <= year <= 9999:
        raise TemplateError("The added or subtracted value results in an un-representable DateTime.", "ExpressionEvaluationFailed")
    for day in range(stamp.at.day, stamp.at.day - 4, -1):
        try:
            return replace(stamp, at=stamp.at.replace(year=year, month=month + 1, day=day))
        except ValueError:
            continue
    return stamp


def to_zone(stamp: Stamp, zone: str) -> Stamp | None:
    """What the clocks of a zone show at a moment (read as UTC), as on the platform without an offset; None when there is no such zone."""
    found = zones.find(zone)
    if found is None:
        return None
    try:
        local = stamp.at.replace(tzinfo=UTC).astimezone(found)
    except OverflowError:
        return None
    return Stamp(local.replace(tzinfo=None), stamp.ticks, utc=found is UTC)


def from_zone(stamp: Stamp, zone: str) -> Stamp | None:
    """The moment in UTC of what a zone's clocks show."""
    found = zones.find(zone)
    if found is None:
        return None
    try:
        return Stamp(stamp.at.replace(tzinfo=found).astimezone(UTC).replace(tzinfo=None), stamp.ticks)
    except OverflowError:
        return None


_DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?\Z")


def duration(text: object) -> float | None:
    """Seconds of an ISO 8601 duration (`PT1H`); months count 30 days, years 365."""
    match = _DURATION.match(text) if isinstance(text, str) and len(text) > 1 else None
    if match is None:
        return None
    years, months, weeks, days, hours, minutes, seconds = (float(g or 0) for g in match.groups())
    return (((years * 365 + months * 30 + weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds
