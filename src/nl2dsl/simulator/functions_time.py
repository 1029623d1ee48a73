"""Expression functions on dates and times.

In: calls. Out: timestamps as documented for the platform, by default in the round-trip format.
"""

from __future__ import annotations

from collections.abc import Callable

from nl2dsl.simulator import dates
from nl2dsl.simulator.calls import Call, function
from nl2dsl.simulator.dates import ROUND_TRIP, Stamp
from nl2dsl.simulator.values import (
    Unknown,
    is_number,
)

# --- dates and times -----------------------------------------------------------------------------------------------------------


def _formatted(c: Call, stamp: Stamp, n: int, default: str = ROUND_TRIP) -> str:
    return dates.format_stamp(stamp, c.text(n, default), c.text(n + 1, "en-US") if c.name in ("formatDateTime", "parseDateTime") else "en-US")


@function("utcNow")
def _utc_now(c: Call) -> str:
    return _formatted(c, dates.of_datetime(c.runtime.now()), 0)


@function("formatDateTime")
def _format_date_time(c: Call) -> str:
    return _formatted(c, c.stamp(0), 1)


@function("parseDateTime")
def _parse_date_time(c: Call) -> str:
    return dates.format_stamp(c.stamp(0), ROUND_TRIP)


@function("addDays", "addHours", "addMinutes", "addSeconds")
def _add_time(c: Call) -> str:
    size = {"addDays": 86_400, "addHours": 3_600, "addMinutes": 60, "addSeconds": 1}[c.name]
    count = c.number(1) if is_number(c.any(1)) else c.integer(1)
    return _formatted(c, c.stamp(0).moved(dates.seconds(count * size)), 2)


@function("addToTime", "subtractFromTime")
def _add_to_time(c: Call) -> str:
    sign = 1 if c.name == "addToTime" else -1
    return _formatted(c, _moved(c, c.stamp(0), sign * c.integer(1), c.text(2)), 3)


@function("getFutureTime", "getPastTime")
def _from_now(c: Call) -> str:
    sign = 1 if c.name == "getFutureTime" else -1
    return _formatted(c, _moved(c, dates.of_datetime(c.runtime.now()), sign * c.integer(0), c.text(1)), 2)


def _moved(c: Call, stamp: Stamp, count: int, unit: str) -> Stamp:
    found = dates.add_units(stamp, count, unit)
    if found is None:
        raise c.error(f"was invoked with the time unit '{unit[:40]}', which is not valid: use Second, Minute, Hour, Day, Week, Month or Year.")
    return found


@function("convertFromUtc")
def _convert_from_utc(c: Call) -> str:
    return _formatted(c, _zoned(c, dates.to_zone, c.stamp(0), 1), 2)


@function("convertToUtc")
def _convert_to_utc(c: Call) -> str:
    return _formatted(c, _zoned(c, dates.from_zone, c.stamp(0), 1), 2)


@function("convertTimeZone")
def _convert_time_zone(c: Call) -> str:
    stamp = c.stamp(0)
    moment = stamp if stamp.utc else _zoned(c, dates.from_zone, stamp, 1)
    return _formatted(c, _zoned(c, dates.to_zone, moment, 2), 3)


def _zoned(c: Call, convert: Callable[[Stamp, str], Stamp | None], stamp: Stamp, n: int) -> Stamp:
    name = c.text(n)
    found = convert(stamp, name)
    if found is None and isinstance(c.any(n), Unknown):
        found = convert(stamp, "UTC")
    if found is None:
        raise c.error(
            f"parameter is not valid: in function '{c.name}', the value provided for the time zone id '{name[:60]}' was not valid. "
            "The time zone id must match a Windows time zone name."
        )
    return found


@function("startOfDay", "startOfHour", "startOfMonth")
def _start_of(c: Call) -> str:
    stamp = c.stamp(0)
    at = stamp.at.replace(minute=0, second=0, microsecond=0)
    if c.name != "startOfHour":
        at = at.replace(hour=0)
    if c.name == "startOfMonth":
        at = at.replace(day=1)
    return _formatted(c, Stamp(at, 0, stamp.utc), 1)


@function("dayOfMonth", "dayOfWeek", "dayOfYear")
def _day_of(c: Call) -> int:
    at = c.stamp(0).at
    found: dict[str, int] = {"dayOfMonth": at.day, "dayOfWeek": at.isoweekday() % 7, "dayOfYear": at.timetuple().tm_yday}
    return found[c.name]


@function("ticks")
def _ticks(c: Call) -> int:
    return dates.ticks(c.stamp(0))


@function("dateDifference")
def _date_difference(c: Call) -> str:
    """A .NET time span: `days.hh:mm:ss`."""
    total = dates.ticks(c.stamp(1)) - dates.ticks(c.stamp(0))
    sign, total = ("-", -total) if total < 0 else ("", total)
    seconds, fraction = divmod(total, 10_000_000)
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return sign + (f"{days}." if days else "") + clock + (f".{fraction:07d}" if fraction else "")
