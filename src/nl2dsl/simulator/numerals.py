"""Numbers as .NET writes them: `formatNumber` with standard (`C2`, `N0`, `P1`) and custom (`#,##0.00`) formats in a culture.

In: a number, a format, the name of a culture. Out: text. Cultures differ in their separators and the currency; unknown ones are read as `en-US`.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext

from nl2dsl.simulator.values import TemplateError

_SEPARATORS = {"en": (".", ","), "de": (",", "."), "es": (",", "."), "it": (",", "."), "pt": (",", "."), "nl": (",", "."), "fr": (",", " ")}
_CURRENCY = {
    "en-us": "${}",
    "en-gb": "£{}",
    "ja-jp": "¥{}",
    "en-in": "₹{}",
    "de": "{} €",
    "fr": "{} €",
    "es": "{} €",
    "it": "{} €",
    "nl": "€ {}",
    "pt-br": "R$ {}",
    "pt": "{} €",
}
_STANDARD = re.compile(r"([CDEFGNPXcdefgnpx])(\d{0,2})\Z")
_MAX_DIGITS = 400  # longer numbers are no use to anybody, and slow


def format_number(value: int | float, format: str, culture: str = "en-US") -> str:
    """Raises `TemplateError` for a format that .NET does not take."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if not number.is_finite() or abs(number.adjusted()) > _MAX_DIGITS:
        return str(value)
    language = culture.lower().partition("-")[0]
    point, group = _SEPARATORS.get(language, (".", ","))
    with localcontext(prec=1000):
        if match := _STANDARD.match(format):
            return _standard(number, match.group(1), int(match.group(2)) if match.group(2) else None, culture, point, group)
        return _custom(number, format, point, group)


def _standard(number: Decimal, letter: str, digits: int | None, culture: str, point: str, group: str) -> str:
    kind = letter.upper()
    if kind in ("D", "X") and number != number.to_integral_value():
        raise TemplateError(f"The format '{letter}' is not valid for the number {number}: it takes integers only.")
    match kind:
        case "C":
            pattern = _CURRENCY.get(culture.lower()) or _CURRENCY.get(culture.lower().partition("-")[0], "${}")
            text = pattern.format(_fixed(abs(number), 2 if digits is None else digits, point, group))
            return f"-{text}" if number < 0 else text
        case "D":
            return ("-" if number < 0 else "") + str(abs(int(number))).zfill(digits or 0)
        case "X":
            text = f"{int(number) & (2**64 - 1) if number < 0 else int(number):x}".zfill(digits or 0)
            return text.upper() if letter == "X" else text
        case "E":
            mantissa, _, exponent = f"{number:.{6 if digits is None else digits}e}".partition("e")
            return f"{mantissa.replace('.', point)}{letter}{exponent[0]}{exponent[1:].zfill(3)}"
        case "F":
            return _fixed(number, 2 if digits is None else digits, point, "")
        case "P":
            return _fixed(number * 100, 2 if digits is None else digits, point, group) + "%"
        case "N":
            return _fixed(number, 2 if digits is None else digits, point, group)
        case _:
            return f"{number:f}".replace(".", point)


def _fixed(number: Decimal, digits: int, point: str, group: str) -> str:
    rounded = number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    text = f"{rounded:,f}" if group else f"{rounded:f}"
    return "".join({",": group, ".": point}.get(c, c) for c in text)


_SECTION = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|[^;]|;", re.DOTALL)
_DIGITS = re.compile(r"[0#][0#,.]*[0#]|[0#]")


def _custom(number: Decimal, format: str, point: str, group: str) -> str:
    """`0` is a digit, `#` a digit if there is one, `,` between them groups, `%` multiplies; sections by `;` are for positive, negative, zero."""
    sections = _sections(format)
    negative = number < 0
    if number == 0 and len(sections) > 2:
        section = sections[2]
    elif negative and len(sections) > 1 and sections[1]:
        section, number, negative = sections[1], -number, False
    else:
        section = sections[0]
    number = abs(number)
    if "%" in section:
        number *= 100
    match = _DIGITS.search(section)
    if match is None:
        return _unquoted(section)
    whole, _, fraction = match.group().partition(".")
    places = len(fraction.replace(",", ""))
    least = fraction.rfind("0") + 1
    rounded = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    left, _, right = f"{rounded:f}".partition(".")
    while len(right) > least and right.endswith("0"):
        right = right[:-1]
    width = whole.count("0")
    left = left.zfill(width) if width else left.lstrip("0")
    if "," in whole:
        left = _grouped(left, group)
    text = left + (point + right if right else "")
    zero = rounded == 0
    return ("-" if negative and not zero else "") + _unquoted(section[: match.start()]) + text + _unquoted(section[match.end() :])


def _sections(format: str) -> list[str]:
    sections = [""]
    for piece in _SECTION.findall(format):
        if piece == ";":
            sections.append("")
        else:
            sections[-1] += piece
    return sections


def _grouped(digits: str, group: str) -> str:
    head = len(digits) % 3
    parts = [digits[:head]] if head else []
    return group.join(parts + [digits[i : i + 3] for i in range(head, len(digits), 3)])


def _unquoted(text: str) -> str:
    return re.sub(r"'([^']*)'|\"([^\"]*)\"|\\(.)", lambda m: m.group(1) or m.group(2) or m.group(3) or "", text)
