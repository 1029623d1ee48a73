"""Schedules the platform does not take, or that never start.

In: a recurrence trigger. Out: findings C514 and C515. Only literal values are judged. The limits are those of the recurrence trigger: 500 days at most from one run to the
next, and in Power Automate a minute at least.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.tree import Array, Call, Entry, Expression, Literal

_MOST = {"Second": 9_999_999, "Minute": 72_000, "Hour": 12_000, "Day": 500, "Week": 71, "Month": 16}
_FITTING = {"hours": ("Day", "Week", "Month"), "minutes": ("Day", "Week", "Month"), "weekDays": ("Week", "Month"), "monthDays": ("Month",)}
_RANGES: dict[str, tuple[Callable[[int], bool], str]] = {
    "hours": (lambda n: 0 <= n <= 23, "0 to 23"),
    "minutes": (lambda n: 0 <= n <= 59, "0 to 59"),
    "monthDays": (lambda n: n != 0 and -31 <= n <= 31, "1 to 31, or -1 to -31 from the end"),
}
_ZONE = re.compile(
    r"(Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[A-Za-z_/]+\Z|(CET|CEST|EST|EDT|PST|PDT|MST|CST|GMT[+-]\d+)\Z"
)


def check_schedule(trigger: Call) -> Iterator[Diagnostic]:
    """What is wrong with a recurrence."""
    given = {e.key: e for e in trigger.parameters}
    frequency = _text(given.get("frequency"))
    interval = given.get("interval")
    if interval is not None and frequency:
        yield from _interval(interval, frequency)
    for key, (fits, range_) in _RANGES.items():
        for item in _items(given.get(key)):
            number = _number(item)
            if number is not None and not fits(number):
                yield Diagnostic("C514", f"`{key}` has no {number}", item.span, "warning", f"the values are {range_}")
    for key, frequencies in _FITTING.items():
        if key in given and frequency in _MOST and frequency not in frequencies:
            hint = f'use "frequency": "{frequencies[0]}", or remove `{key}`'
            yield Diagnostic("C514", f"`{key}` means nothing for a schedule by {frequency}", given[key].span, "warning", hint)
    yield from _times(given)


def _interval(entry: Entry, frequency: str) -> Iterator[Diagnostic]:
    number = _number(entry.value)
    if number is None or frequency not in _MOST:
        return
    if not 1 <= number <= _MOST[frequency]:
        hint = f"1 to {_MOST[frequency]:,} for {frequency}"
        yield Diagnostic("C514", f"the platform takes no interval of {number}", entry.value.span, "warning", hint)
    elif frequency == "Second" and number < 60:
        yield Diagnostic(
            "C515", f"every {number} seconds is faster than Power Automate runs a flow", entry.value.span, "warning", "60 seconds is the least"
        )


def _times(given: dict[str, Entry]) -> Iterator[Diagnostic]:
    start, end = _time(given.get("startTime")), _time(given.get("endTime"))
    if start is not None and end is not None and (start.tzinfo is None) == (end.tzinfo is None) and end <= start:
        yield Diagnostic("C514", "the schedule ends before it starts", given["endTime"].value.span, "warning", "`endTime` lies behind `startTime`")
    zone = given.get("timeZone")
    if zone is not None and _ZONE.match(_text(zone)):
        hint = 'the platform has names such as "W. Europe Standard Time", "Eastern Standard Time", "UTC"'
        yield Diagnostic("C514", f"`{_text(zone)}` is not a name of a time zone here", zone.value.span, "warning", hint)


def _time(entry: Entry | None) -> datetime | None:
    try:
        return datetime.fromisoformat(_text(entry))
    except ValueError:
        return None


def _text(entry: Entry | None) -> str:
    value = entry.value if entry is not None else None
    return value.value if isinstance(value, Literal) and isinstance(value.value, str) else ""


def _items(entry: Entry | None) -> tuple[Expression, ...]:
    return entry.value.items if entry is not None and isinstance(entry.value, Array) else ()


def _number(value: Expression) -> int | None:
    if not isinstance(value, Literal) or isinstance(value.value, bool):
        return None
    text = str(value.value)
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else None
