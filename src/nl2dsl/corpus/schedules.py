"""Schedule and delay phrases with the exact values they mean.

In: a random generator. Out: `Timed` phrases: `adverb` stands beside a sentence ("every Monday at 9"), `noun` names the schedule or is an adjective
of it ("a weekly job"),
`terse` fits titles and notes ("Mon 9am"); `stated` are the normalised values of `commonTrigger.Recurrence` (frequency and interval always, days and
times only if said).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from nl2dsl.dsl.sketch import Value

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WORKDAYS = DAYS[:5]
_SHORT = {d: d[:3] for d in DAYS} | {"Tuesday": "Tues", "Thursday": "Thu"}
_COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_HOURS = (*_COUNTS[1:],)

Stated = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Timed:
    adverb: str
    noun: str
    terse: str
    stated: Stated


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day as said: `at` with its preposition, `bare` without."""

    at: str
    bare: str
    hour: int
    minute: int = 0

    @property
    def stated(self) -> Stated:
        return (("hours", (self.hour,)), *((("minutes", (self.minute,)),) if self.minute else ()))


def _twelve(hour: int) -> int:
    return hour % 12 or 12


def _part(hour: int) -> str:
    return "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"


def clock(rng: Random) -> Clock:
    hour = rng.choices(range(24), (1, 1, 2, 2, 2, 4, 9, 12, 14, 14, 8, 5, 6, 5, 5, 5, 7, 9, 7, 5, 4, 3, 3, 2))[0]
    minute = rng.choices((0, 30, 15, 45, 5, 10, 20, 25, 40, 50, 55), (60, 16, 7, 7, 2, 2, 2, 1, 1, 1, 1))[0]
    suffix = "am" if hour < 12 else "pm"
    hh = _twelve(hour)
    pick = rng.random()
    if minute == 0:
        if hour in (0, 12) and pick < 0.6:
            word = "midnight" if hour == 0 else rng.choice(("noon", "noon", "midday", "12 noon"))
            return Clock(f"at {word}", word, hour)
        if pick < 0.3:
            bare = rng.choice((f"{hh} {suffix}", f"{hh}{suffix}", f"{hh}{suffix}", f"{hh} {suffix.upper()}", f"{hh} {suffix[0]}.m."))
        elif pick < 0.6:
            bare = rng.choice((f"{hour}:00", f"{hour:02}:00", f"{hour}h", f"{hour}.00", f"{hh}:00 {suffix}"))
        elif pick < 0.72:
            bare = rng.choice((f"{_HOURS[hh - 1]} {_part(hour)}", f"{hh} {_part(hour)}", f"{hh} o'clock {_part(hour)}"))
        elif pick < 0.88 and 6 <= hour <= 11:
            bare = rng.choice((f"{hh}", f"{_HOURS[hh - 1]}", f"{hh} sharp", f"{hh} o'clock"))
        else:
            bare = f"{hh}{suffix}"
    elif minute == 30 and pick < 0.2:
        bare = rng.choice((f"half past {_HOURS[hh - 1]}", f"half {_HOURS[hh - 1]}")) + (
            f" {_part(hour)}" if hour > 11 else rng.choice(("", " " + _part(hour)))
        )
    elif minute in (15, 45) and pick < 0.2:
        words = f"quarter past {_HOURS[hh - 1]}" if minute == 15 else f"quarter to {_HOURS[_twelve(hour + 1) - 1]}"
        bare = rng.choice(("", "a ")) + words + (f" {_part(hour)}" if hour > 11 else "")
    elif pick < 0.6:
        bare = rng.choice((f"{hour}:{minute:02}", f"{hour:02}:{minute:02}", f"{hour}.{minute:02}", f"{hour}h{minute:02}"))
    else:
        bare = rng.choice((f"{hh}:{minute:02} {suffix}", f"{hh}:{minute:02}{suffix}", f"{hh}.{minute:02} {suffix}"))
    at = rng.choices(("at", "around", "at exactly", "@", "by"), (84, 8, 3, 3, 2))[0]
    return Clock(f"{at} {bare}", bare, hour, minute)


def _base(frequency: str, interval: int = 1) -> Stated:
    return (("frequency", frequency), ("interval", interval))


def _ordinal(n: int) -> str:
    suffix = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


def _a(word: str) -> str:
    return f"an {word}" if word == "hourly" else f"a {word}"


def _every_few(rng: Random) -> Timed:
    unit, n = rng.choice(
        (
            ("Minute", rng.choice((2, 3, 5, 5, 10, 10, 15, 15, 20, 30, 30, 45))),
            ("Hour", rng.choice((1, 1, 1, 2, 2, 3, 4, 6, 8, 12))),
            ("Second", rng.choice((10, 15, 30))),
        )
        if rng.random() < 0.9
        else (("Day", rng.choice((2, 3, 10, 14))), ("Week", rng.choice((2, 3, 4))), ("Month", rng.choice((2, 3, 4, 6))))
    )
    low = unit.lower()
    words = _COUNTS[n] if n <= 12 and rng.random() < 0.3 else str(n)
    short = {"Minute": "min", "Hour": "h", "Second": "sec", "Day": "d", "Week": "wks", "Month": "mths"}[unit]
    if n == 1:
        adverb = rng.choice(
            (
                f"every {low}",
                f"once an {low}",
                "hourly",
                f"each {low}",
                f"on the {low}",
                f"every single {low}",
                "at the top of every hour",
                f"every 1 {low}",
            )
        )
        noun, terse = (
            rng.choice(("an hourly check", "an hourly job", "an hourly run", "the hourly schedule")),
            rng.choice(("hourly", "every hr", "every hour", "1x/hour", "every 1h")),
        )
        return Timed(adverb, noun, terse, _base(unit))
    adverb = rng.choice(
        (
            f"every {words} {low}s",
            f"every {words} {low}s",
            f"once every {words} {low}s",
            f"each {words} {low}s",
            f"every {n} {short}",
            f"every {n} {low}s or so",
            f"in intervals of {words} {low}s",
        )
    )
    if (unit, n) == ("Minute", 15) and rng.random() < 0.4:
        adverb = rng.choice(("every quarter of an hour", "every quarter hour", "4 times an hour"))
    if (unit, n) == ("Minute", 30) and rng.random() < 0.4:
        adverb = rng.choice(("every half hour", "every half an hour", "half-hourly", "twice an hour"))
    if (unit, n) == ("Day", 2) and rng.random() < 0.5:
        adverb = rng.choice(("every other day", "every second day", "on alternate days"))
    noun = rng.choice((f"a {n}-{low} schedule", f"a check every {n} {low}s", f"a run every {words} {low}s"))
    return Timed(
        adverb,
        noun,
        rng.choice((f"every {n} {short}", f"every {n}{short[0]}" if unit in ("Hour", "Day") else f"every {n} {short}", f"each {n} {low}s")),
        _base(unit, n),
    )


_DAILY = (
    "every day",
    "daily",
    "each day",
    "once a day",
    "every single day",
    "on a daily basis",
    "day after day",
    "each and every day",
    "one time per day",
    "7 days a week",
    "once daily",
    "every calendar day",
)
_DAYPARTS = (
    "every morning",
    "each morning",
    "every evening",
    "each evening",
    "every night",
    "nightly",
    "each night",
    "every afternoon",
    "in the morning, every day",
    "first thing every morning",
    "every day after lunch",
    "at the end of each day",
    "at the start of every day",
    "every day at close of business",
    "overnight, every night",
    "before I get up, daily",
    "in the early hours, daily",
    "at the end of the day, every day",
    "every lunchtime",
    "daily before the shop opens",
    "once a night",
)


def _daily(rng: Random) -> Timed:
    stated = _base("Day")
    if rng.random() < 0.4:
        adverb = rng.choice(_DAILY if rng.random() < 0.55 else _DAYPARTS)
        noun = rng.choice(
            (
                "a daily run",
                "a daily job",
                "a daily reminder",
                "a nightly run" if "night" in adverb else "a daily routine",
                "the daily schedule",
                "a once-a-day run",
            )
        )
        return Timed(
            adverb,
            noun,
            rng.choice(("daily", "every day", "each morning" if "morning" in adverb else "daily", "nightly" if "night" in adverb else "1x/day")),
            stated,
        )
    time = clock(rng)
    every = rng.choice(("every day", "each day", "daily", "every day", "day by day"))
    adverb = rng.choice(
        (
            f"every day {time.at}",
            f"{every} {time.at}",
            f"{time.at} {every}",
            f"{time.at}, {every}",
            f"{every}, {time.at}",
            f"daily {time.bare}",
            f"once a day {time.at}",
            f"{time.at} every single day",
            f"each day {time.at}",
            f"every day, say {time.bare},",
        )
    )
    if time.minute == 0 and rng.random() < 0.2 and 5 <= time.hour <= 23:
        part = "morning" if time.hour < 12 else "afternoon" if time.hour < 18 else "evening" if time.hour < 22 else "night"
        adverb = rng.choice(
            (
                f"every {part} at {_twelve(time.hour)}",
                f"each {part} at {_twelve(time.hour)}",
                f"at {_HOURS[_twelve(time.hour) - 1]} every {part}",
                f"every {part} {time.at}",
            )
        )
    noun = rng.choice((f"a daily run {time.at}", f"a daily job {time.at}", f"the daily {time.bare} run", f"a {time.bare} daily schedule"))
    return Timed(
        adverb.rstrip(","),
        noun,
        rng.choice((f"daily {time.bare}", f"every day {time.bare}", f"{time.bare} daily", f"daily @ {time.bare}")),
        (*stated, *time.stated),
    )


def _weekdays(rng: Random) -> Timed:
    stated = (*_base("Week"), ("weekDays", WORKDAYS))
    words = rng.choice(
        (
            "every weekday",
            "on weekdays",
            "each weekday",
            "Monday to Friday",
            "Mon-Fri",
            "every working day",
            "on working days",
            "every workday",
            "on business days",
            "each business day",
            "weekdays only",
            "Monday through Friday",
            "from Monday to Friday",
            "mon to fri",
        )
    )
    if rng.random() < 0.4:
        words = rng.choice(
            (
                words,
                f"{words}, first thing in the morning",
                "every weekday morning",
                "on weekday mornings",
                "each weekday evening",
                "every working day after lunch",
                words,
            )
        )
        return Timed(words, rng.choice(("a weekday run", "a job on working days")), rng.choice(("weekdays", "Mon-Fri", "workdays")), stated)
    time = clock(rng)
    adverb = rng.choice((f"{words} {time.at}", f"{words} {time.at}", f"{time.at} {words}", f"{words}, {time.at}", f"{words} {time.bare}"))
    return Timed(
        adverb,
        f"a weekday run {time.at}",
        rng.choice((f"weekdays {time.bare}", f"Mon-Fri {time.bare}", f"{time.bare} workdays")),
        (*stated, *time.stated),
    )


def _weekly(rng: Random) -> Timed:
    if rng.random() < 0.15:
        adverb = rng.choice(
            ("every week", "weekly", "once a week", "each week", "on a weekly basis", "once per week", "week by week", "one time a week")
        )
        return Timed(
            adverb,
            rng.choice(("a weekly run", "a weekly job", "the weekly round", "a weekly reminder")),
            rng.choice(("weekly", "1x/week", "every week")),
            _base("Week"),
        )
    interval, base = 1, ""
    days: tuple[str, ...] = (rng.choice(DAYS),) if rng.random() < 0.7 else (rng.choice(WORKDAYS),)
    if rng.random() < 0.16:
        days = tuple(sorted(rng.sample(DAYS, rng.choice((2, 2, 3))), key=DAYS.index))
    if rng.random() < 0.07:
        days = ("Saturday", "Sunday")
    short = rng.random() < 0.12
    names = [_SHORT[d] if short else d for d in days]
    joined = names[0] if len(names) == 1 else ", ".join(names[:-1]) + rng.choice((" and ", " and ", " & ")) + names[-1]
    if days == ("Saturday", "Sunday") and rng.random() < 0.7:
        joined = rng.choice(("weekend", "Saturday and Sunday"))
    if len(days) == 1 and rng.random() < 0.15:
        interval = rng.choice((2, 2, 2, 3, 4))
        base = {
            2: rng.choice(("every other", "every second", "fortnightly on", "every two weeks on", "every 2 weeks on")),
            3: "every third",
            4: rng.choice(("every fourth", "every four weeks on")),
        }[interval]
    elif joined == "weekend":
        base = rng.choice(("every", "each"))
    else:
        base = rng.choice(("every", "every", "every", "each", "on", "weekly on", "once a week on" if len(days) == 1 else "every"))
    plural = base == "on" and joined != "weekend" and not short
    when = f"{base} {joined}{'s' if plural else ''}"
    stated: Stated = (*_base("Week", interval), ("weekDays", days))
    kind = "fortnightly" if interval == 2 else "weekly" if interval == 1 else f"{interval}-weekly"
    if rng.random() < 0.45:
        extra = (
            rng.choices(
                ("", " morning", " afternoon", " evening", ", first thing", " before the weekend" if days == ("Friday",) else "", " night"),
                (55, 15, 8, 8, 5, 4, 5),
            )[0]
            if len(days) == 1 and not plural
            else ""
        )
        return Timed(
            when + extra,
            rng.choice((f"a {kind} run on {joined}", f"a {joined} job" if interval == 1 else f"a {kind} {joined} job")),
            rng.choice((when, f"{joined}s" if len(days) == 1 and interval == 1 and not short else when, f"{kind} {joined}")),
            stated,
        )
    time = clock(rng)
    adverb = rng.choice((f"{when} {time.at}", f"{when} {time.at}", f"{time.at} {when}", f"{when}, {time.at}", f"{when} {time.bare}"))
    if len(days) == 1 and interval == 1 and not plural and time.minute == 0 and 6 <= time.hour <= 22 and rng.random() < 0.2:
        part = "morning" if time.hour < 12 else "afternoon" if time.hour < 18 else "evening"
        adverb = rng.choice((f"{when} {part} at {_twelve(time.hour)}", f"{when} {part} {time.at}"))
    return Timed(
        adverb,
        f"a {kind} run on {joined} {time.at}",
        rng.choice((f"{when} {time.bare}", f"{joined} {time.bare}" if interval == 1 else f"{when} {time.bare}", f"{kind}, {joined} {time.bare}")),
        (*stated, *time.stated),
    )


def _fortnight(rng: Random) -> Timed:
    adverb = rng.choice(
        (
            "every two weeks",
            "fortnightly",
            "every fortnight",
            "every other week",
            "once a fortnight",
            "every 2 weeks",
            "every second week",
            "biweekly",
        )
    )
    return Timed(
        adverb, rng.choice(("a fortnightly run", "a biweekly job")), rng.choice(("fortnightly", "every 2 wks", "biweekly")), _base("Week", 2)
    )


def _monthly(rng: Random) -> Timed:
    kind, interval = rng.choices((("month", 1), ("quarter", 3), ("half year", 6), ("year", 12)), (78, 14, 3, 5))[0]
    base = _base("Month", interval) if interval < 12 else _base("Year")
    adjective = {1: "monthly", 3: "quarterly", 6: "half-yearly", 12: "yearly"}[interval]
    if interval > 1 or rng.random() < 0.3:
        adverb = rng.choice((f"every {kind}", f"once a {kind}", adjective, f"each {kind}", f"on a {adjective} basis", f"every single {kind}"))
        if interval == 3 and rng.random() < 0.3:
            adverb = rng.choice(("every three months", "every 3 months", "four times a year"))
        if interval == 6:
            adverb = rng.choice(("every six months", "twice a year", "half-yearly", "every 6 months"))
        if interval == 1 and rng.random() < 0.2:
            adverb = rng.choice(("at month end", "at the end of the month", "month by month", "once per month"))
        if interval == 12:
            adverb = rng.choice((adverb, "annually", "once a year"))
        return Timed(
            adverb,
            rng.choice((f"a {adjective} run", f"a {adjective} job", f"the {adjective} round")),
            rng.choice((adjective, f"1x/{kind}" if interval == 1 else adjective)),
            base,
        )
    day = rng.choices((1, 15, -1, 2, 3, 5, 10, 20, 25, 28, 7, 12), (40, 12, 14, 3, 4, 6, 6, 4, 5, 3, 2, 1))[0]
    if day == 1:
        words = rng.choice(
            (
                "on the first of the month",
                "on the 1st of every month",
                "on the first day of each month",
                "every 1st of the month",
                "on the 1st",
                "every month on the 1st",
                "on day 1 of each month",
                "monthly on the 1st",
                "the first of every month",
            )
        )
        terse = rng.choice(("1st of month", "every 1st", "monthly on the 1st"))
    elif day == -1:
        words = rng.choice(
            ("on the last day of the month", "on the last day of each month", "every last day of the month", "on the final day of every month")
        )
        terse = "last day of month"
    else:
        words = rng.choice(
            (
                f"on the {_ordinal(day)} of the month",
                f"on the {_ordinal(day)} of every month",
                f"every month on the {_ordinal(day)}",
                f"on the {_ordinal(day)} each month",
                f"monthly on the {_ordinal(day)}",
                f"every {_ordinal(day)}",
                f"on day {day} of each month",
                f"on every {_ordinal(day)} of the month",
            )
        )
        terse = rng.choice((f"every {_ordinal(day)}", f"{_ordinal(day)} of month", f"monthly, {_ordinal(day)}"))
    stated: Stated = (*base, ("monthDays", (day,)))
    noun = rng.choice((f"a monthly run {words}", "a monthly run on the " + (_ordinal(day) if day > 0 else "last day")))
    if words.startswith(("every", "monthly", "the")):
        noun = "a monthly run on the " + (_ordinal(day) if day > 0 else "last day")
    if rng.random() < 0.6:
        return Timed(words, noun, terse, stated)
    time = clock(rng)
    return Timed(
        rng.choice((f"{words} {time.at}", f"{words}, {time.at}", f"{words} {time.at}")),
        f"{noun} {time.at}",
        f"{terse} {time.bare}",
        (*stated, *time.stated),
    )


def _times_a_day(rng: Random) -> Timed:
    n = rng.choice((2, 2, 3))
    times = (
        rng.choice(("twice a day", "twice daily", "two times a day")) if n == 2 else rng.choice(("three times a day", "3x a day", "3 times daily"))
    )
    if rng.random() < 0.35:
        return Timed(times, rng.choice(("a run " + times, "a check " + times)), rng.choice((times, f"{n}x/day")), _base("Day"))
    hours = (
        rng.choice(((8, 16), (9, 17), (7, 19), (8, 20), (6, 18), (10, 15), (9, 13), (12, 18)))
        if n == 2
        else rng.choice(((8, 12, 16), (9, 13, 17), (7, 12, 18), (6, 14, 22)))
    )
    how = rng.random()
    if how < 0.4:
        said = [f"{_twelve(h)}{'am' if h < 12 else 'pm'}" for h in hours]
    elif how < 0.7:
        said = [f"{h}:00" for h in hours]
    else:
        said = [f"{_twelve(h)} {_part(h)}" for h in hours]
    joined = ", ".join(said[:-1]) + " and " + said[-1]
    adverb = rng.choice(
        (
            f"{times} at {joined}",
            f"every day at {joined}",
            f"daily at {joined}",
            f"at {joined} every day",
            f"{times} ({', '.join(said)})",
            f"{times}, at {joined}",
        )
    )
    return Timed(
        adverb, f"a run {times} at {joined}", rng.choice((f"daily {joined}", f"{n}x/day {' + '.join(said)}")), (*_base("Day"), ("hours", hours))
    )


def _vague(rng: Random) -> Timed:
    """A schedule of which only the rhythm is said, in the words of an adjective that stands before a noun."""
    word, base = rng.choice(
        (
            ("daily", _base("Day")),
            ("weekly", _base("Week")),
            ("monthly", _base("Month")),
            ("hourly", _base("Hour")),
            ("nightly", _base("Day")),
            ("quarterly", _base("Month", 3)),
        )
    )
    return Timed(
        rng.choice((word, f"on {_a(word)} schedule", f"on {_a(word)} basis", f"as {_a(word)} job")),
        rng.choice((f"{_a(word)} job", f"{_a(word)} flow", f"{_a(word)} run")),
        word,
        base,
    )


_KINDS: tuple[tuple[Callable[[Random], Timed], int], ...] = (
    (_daily, 32), (_weekly, 28), (_weekdays, 12), (_every_few, 20), (_monthly, 15), (_times_a_day, 4), (_fortnight, 2), (_vague, 5),
)  # fmt: skip
_MAKERS = tuple(k for k, _ in _KINDS)
_WEIGHTS = tuple(w for _, w in _KINDS)


def schedule(rng: Random) -> Timed:
    return rng.choices(_MAKERS, _WEIGHTS)[0](rng)


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait: `imperative` and `noun` for sentences, `terse` for notes, `later` to introduce what comes after ("an hour later")."""

    imperative: str
    noun: str
    terse: str
    later: str
    stated: Stated


def pause(rng: Random) -> Pause:
    unit = rng.choices(("Minute", "Hour", "Day", "Week", "Second", "Month"), (32, 22, 32, 8, 6, 2))[0]
    n = rng.choice(
        {
            "Minute": (2, 5, 10, 15, 20, 30, 45, 1),
            "Hour": (1, 1, 2, 3, 4, 6, 12, 24, 48),
            "Day": (1, 1, 2, 3, 3, 5, 7, 10, 14),
            "Week": (1, 1, 2, 3),
            "Second": (5, 10, 30, 60),
            "Month": (1, 2),
        }[unit]
    )
    low = unit.lower()
    words = _COUNTS[n] if n <= 12 and rng.random() < 0.35 else str(n)
    if n == 1:
        article = "an" if unit == "Hour" else "a"
        length = rng.choice((f"{article} {low}", f"{article} {low}", f"one {low}", f"1 {low}", f"a full {low}"))
        size = f"1 {low}"
    else:
        length, size = f"{words} {low}s", f"{n} {low}s"
    imperative = rng.choice(
        (
            f"wait {length}",
            f"wait {length}",
            f"wait for {length}",
            f"hold on {length}",
            f"pause for {length}",
            f"pause {length}",
            f"let {length} go by",
            f"sit on it for {length}",
            f"leave it {length}",
            f"give it {length}",
            f"hold off for {length}",
            f"delay {length}",
            f"sleep for {length}",
            f"let it rest for {length}",
            f"wait another {length}" if n > 1 else f"wait {length}",
            f"add a delay of {length}",
            f"do nothing for {length}",
        )
    )
    noun = rng.choice((f"a delay of {length}", f"a pause of {length}", f"a wait of {length}", f"a {n}-{low} wait", f"a {n} {low} delay"))
    short = {"Minute": "min", "Hour": "h", "Day": "d", "Week": "w", "Second": "s", "Month": "mo"}[unit]
    terse = rng.choice((f"wait {n}{short}", f"wait {n} {short}", f"wait {size}", f"delay {size}", f"pause {size}", f"{size} delay", f"+{n}{short}"))
    return Pause(
        imperative,
        noun,
        terse,
        rng.choice(
            (
                f"{length} later",
                f"after {length}",
                f"{length} after that",
                f"once {length} {'has' if n == 1 else 'have'} passed",
                f"when {length} {'is' if n == 1 else 'are'} up",
            )
        ),
        (("interval/count", n), ("interval/unit", unit)),
    )
