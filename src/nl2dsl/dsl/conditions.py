"""Conditions of a sketch, made into expressions over what is in scope.

In: `approved`, `found`, `"due date" < "30 days"` and the scope at that place. Out: an expression of type boolean, or the subject of a switch.
The words on the left find the output whose name they say; where none does, they are taken for a column of the nearest data
(`triggerOutputs.body["Due date"]`).
"""

from __future__ import annotations

import re
from functools import reduce
from typing import NamedTuple

from nl2dsl.dsl.profiles import Field, Key, Listing, words
from nl2dsl.dsl.scope import Scope, Source, call_of, path
from nl2dsl.dsl.sketch import Condition, Scalar, Test
from nl2dsl.dsl.tree import Binary, Expression, Function, Literal, Name, Not

_SYNONYMS = {
    word: tuple(line.split()[1:])
    for line in """
    sender from
    from sender
    requester author responder requestor requester
    author createdby
    submitter responder author
    owner ownerid organizer
    organiser organizer
    recipient recipients to
    subject title subject
    title subject name
    name title displayname
    called subject title name
    headline title
    message body preview text content
    text body preview content tweettext
    body preview text content
    content body text
    email mail from
    mail subject preview
    attachment attachments
    created createdon created createddatetime createdate
    modified lastmodified modifiedon updated
    edited modified lastmodified
    changed modified lastmodified
    received received
    sent received
    due due deadline
    deadline due
    size size
    forecast cap summary
    weather cap summary
    mood sentiment
    result outcome result
    decision outcome
    answer selectedoption outcome
    choice selectedoption outcome
    response selectedoption outcome
    status statuscode statecode state status outcome
    state status statuscode statecode
    stage stagename
    urgency importance priority
    priority importance
    price price amount
    language language
    location location
    begin start
    start start
    end end
    caption text
    followers followers
    """.strip().splitlines()
    for word in (line.split()[0],)
}
_IDLE = frozenset(("the", "a", "an", "of", "is", "in", "its", "it", "s", "column", "field", "value", "this", "that", "their", "there", "has", "have"))
_COUNTS = frozenset(("count", "row", "number", "many", "result", "total", "item", "record", "entry", "entrie", "list"))
_ASPECTS = frozenset(("type", "id", "code", "count", "url", "link", "encoded", "version"))  # of a thing, not the thing
_OUTCOMES = ("outcome", "selectedOption", "SelectedOption", "submitActionId")

_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBERS = {w: n for n, w in enumerate(_SPELLED)} | {"a": 1, "an": 1, "": 1, "thirty": 30}
_DURATION = re.compile(
    r"(?:within |next |last |past |the |in |over |this )*(?P<n>\d+|[a-z]*?) ?"
    r"(?P<unit>minutes?|mins?|hours?|hrs?|h|days?|d|weeks?|wks?|months?|years?|yrs?|yr)(?: old| ago)?",
    re.IGNORECASE,
)
_ADDS = {"m": ("addMinutes", 1), "h": ("addHours", 1), "d": ("addDays", 1), "w": ("addDays", 7)}
_DAYS = {"today": 0, "now": 0, "tomorrow": 1, "yesterday": -1}
_DAY = "yyyy-MM-dd"
_MONTH = "yyyy-MM"
_SIZES = {"k": 1_000, "kb": 1_024, "mb": 1_048_576, "gb": 1_073_741_824, "m": 1_000_000, "%": 1, "": 1}
_AMOUNT = re.compile(r"[^\w-]*(?P<n>-?\d[\d,]*(?:\.\d+)?)\s?(?P<unit>k|kb|mb|gb|m|%|)\Z", re.IGNORECASE)


class Found(NamedTuple):
    """What the words of a left side mean."""

    value: Expression
    role: str
    listing: bool = False


def expression(condition: Condition, scope: Scope) -> Expression:
    """The whole condition. An empty one is true."""
    tests = [_test(t, scope) for t in condition.tests]
    return reduce(lambda a, b: Binary(condition.joined, a, b), tests) if tests else Literal(True)


def subject(text: str, scope: Scope) -> Expression:
    """What a switch looks at."""
    return find(text, scope).value


def _test(test: Test, scope: Scope) -> Expression:
    match test.kind:
        case "approved" | "rejected":
            return _outcome(test.kind == "approved", scope)
        case "found" | "none":
            return _presence(test.kind == "found", scope)
        case _:
            return _compare(test, scope)


# --- answers and look-ups ------------------------------------------------------------------------------------------------------


def _outcome(accepted: bool, scope: Scope) -> Expression:
    """The nearest answer somebody gave, compared with the word for yes or no."""
    source = next((s for s in scope.steps() if s.profile.asks), None) or next((s for s in scope.near() if _answer(s)), None)
    if source is None:
        near = scope.last_step() or scope.trigger
        return Binary("==", path(near.name, ("body", "outcome")), Literal("Approve" if accepted else "Reject"))
    field = _answer(source)
    value = source.at(field) if field else path(source.name, ("body", "outcome"))
    return Binary("==", value, Literal(_answer_word(source, accepted)))


def _answer(source: Source) -> Field | None:
    return next((f for name in _OUTCOMES for f in source.fields if f.name == name), None)


def _answer_word(source: Source, accepted: bool) -> str:
    """The first option offered means yes, the last one no."""
    for entry in source.call.parameters:
        if entry.key.lower().endswith("options") and isinstance(entry.value, Literal):
            options = [o.strip() for o in re.split(r"[,;/]| or ", str(entry.value.value)) if o.strip()]
            if len(options) > 1:
                return options[0] if accepted else options[-1]
    return "Approve" if accepted else "Reject"


def _presence(found: bool, scope: Scope) -> Expression:
    """Whether the look-up just made returned something."""
    source = next((s for s in scope.steps() if s.profile.reads), None) or scope.last_step() or next(scope.items(), scope.trigger)
    listing = next((x for x in source.lists if x.main), None) or (source.lists[0] if source.lists and not source.fields else None)
    if listing is not None:
        return _some(path(source.name, listing.path), found)
    field = next((f for role in ("record_id", "title", "person_email", "person_name") for f in source.fields if f.role == role), None)
    value = source.at(field) if field else (Name(source.name) if source.item else path(source.name, ("body",)))
    return Binary("!=" if found else "==", value, Literal(None))


def _some(value: Expression, found: bool) -> Expression:
    return Binary(">" if found else "==", call_of("length", value), Literal(0))


# --- comparisons ---------------------------------------------------------------------------------------------------------------


def _compare(test: Test, scope: Scope) -> Expression:
    right, operator = test.right, test.operator
    left = find(test.left, scope, right)
    if left.listing and not operator[0].isalpha():
        return _compare_list(left.value, operator, right)
    if isinstance(right, bool):
        return Binary("!=" if operator == "!=" else "==", left.value, Literal(right))
    if operator in ("contains", "startsWith", "endsWith"):
        return Function(operator, (left.value, Literal(right if operator == "contains" else str(right))))
    if isinstance(right, str):
        if right == "" and operator in ("==", "!="):
            empty = call_of("empty", left.value)
            return empty if operator == "==" else Not(empty)
        return _compare_date(left, operator, right.strip()) or _compare_text(left, operator, right)
    return Binary(operator, left.value, Literal(right))


def _compare_list(value: Expression, operator: str, right: Scalar) -> Expression:
    if isinstance(right, int | float) and not isinstance(right, bool):
        return Binary(operator, call_of("length", value), Literal(right))
    if isinstance(right, str) and right and operator in ("==", "!="):
        held = call_of("contains", value, Literal(right))
        return held if operator == "==" else Not(held)
    return _some(value, (right is True or right == "") == (operator != "!=") if right != "" else operator == "!=")


def _compare_text(left: Found, operator: str, right: str) -> Expression:
    match = _AMOUNT.match(right) if operator in ("<", "<=", ">", ">=") else None
    if match:
        number = float(match["n"].replace(",", "")) * _SIZES[match["unit"].lower()]
        return Binary(operator, left.value, Literal(int(number) if number.is_integer() else number))
    return Binary(operator, left.value, Literal(right))


def _compare_date(left: Found, operator: str, right: str) -> Expression | None:
    """`today`, `30 days`: `<` is longer ago than that, `<=` is within that from now, `==` is that day."""
    if right.lower() in _DAYS:
        return _compare_day(left.value, operator, _moved("addDays", _DAYS[right.lower()]), right.lower() == "now")
    if right.lower() in ("this month", "current month", "the month", "within the month"):
        return _compare_month(left.value, operator)
    match = _DURATION.fullmatch(right)
    if match is None:
        return None
    word = match["n"].lower()
    number = int(word) if word.isdigit() else _NUMBERS.get(word)
    if number is None or number > 100_000:
        return None
    unit = match["unit"].lower()
    ahead = _shift(unit, number)
    if operator == "==":
        return _compare_day(left.value, operator, ahead, False)
    if operator == "<=":
        return Binary("<=", left.value, ahead)
    ago = _shift(unit, -number)
    if operator == "<":
        return Binary("<", left.value, ago)
    if operator in (">", ">=") and left.role == "date_time":
        return Binary("<" if operator == ">" else "<=", left.value, ago)
    return Binary(operator, left.value, Literal(number))


def _shift(unit: str, number: int) -> Expression:
    if unit.startswith("mo"):
        return call_of("addToTime", Function("utcNow", ()), Literal(number), Literal("Month"))
    if unit.startswith("y"):
        return call_of("addToTime", Function("utcNow", ()), Literal(number), Literal("Year"))
    name, factor = _ADDS[unit[0]]
    return _moved(name, number * factor)


def _moved(name: str, number: int) -> Expression:
    return call_of(name, Function("utcNow", ()), Literal(number)) if number else Function("utcNow", ())


def _compare_day(value: Expression, operator: str, day: Expression, exact: bool) -> Expression:
    if exact:
        return Binary(operator, value, day)
    return Binary(operator, call_of("formatDateTime", value, Literal(_DAY)), call_of("formatDateTime", day, Literal(_DAY)))


def _compare_month(value: Expression, operator: str) -> Expression:
    if operator in ("==", "!="):
        return Binary(operator, call_of("formatDateTime", value, Literal(_MONTH)), call_of("formatDateTime", Function("utcNow", ()), Literal(_MONTH)))
    return Binary(operator, value, call_of("startOfMonth", Function("utcNow", ())))


# --- what the left side means --------------------------------------------------------------------------------------------------


def find(text: str, scope: Scope, right: Scalar = "") -> Found:
    """The output the words name best, nearest first; else a column of that name."""
    said = [w for w in words(text) if w not in _IDLE]
    number = isinstance(right, int | float) and not isinstance(right, bool)
    if number and said and _COUNTS.issuperset(said) and (counted := _counted(scope)) is not None:
        return counted
    best, score = None, 0.0
    for source in scope.near():
        cost = 0.6 if source.profile.writes and not source.item and not source.trigger else 0.0
        for field, keys in _fields(source):
            points = (_score(said, field, text) or _file_score(said, field, right)) - cost
            if points > score:
                best, score = Found(path(source.name, keys), field.role), points
        for listing in source.lists:
            points = _score(said, Field(listing.path, "", words=words(str(listing.path[-1])) if listing.path else ()), text) - cost - 0.05
            if points > score:
                best, score = Found(path(source.name, listing.path), "", True), points
    return best or _column(text, scope)


def _counted(scope: Scope) -> Found | None:
    """The list whose things are counted: that of the nearest step that has one."""
    for source in scope.steps():
        listing = source.profile.main_list
        if listing is not None and not source.item:
            return Found(path(source.name, listing.path), "", True)
    return None


def _fields(source: Source) -> list[tuple[Field, tuple[Key, ...]]]:
    """Fields with their place; those of a list that nobody walks are those of its first thing."""
    found = [(f, f.path) for f in source.fields]
    if not source.item and not source.trigger:
        found.extend((f, (*x.path, 0, *f.path)) for x in source.lists for f in x.items if x.noun != "attachment")
    return found


def _score(said: list[str], field: Field, text: str) -> float:
    """How well words name a field: 4 the same, 3 part of it, 2.5 a synonym; 0 not at all."""
    if not said or not field.words:
        return 0.0
    wanted, named = set(said), set(field.words)
    joined = "".join(said)
    if wanted == named or joined == "".join(field.words):
        return 4.0
    if field.role == "record_id":
        return 0.0
    for rank, synonym in enumerate(_SYNONYMS.get(joined, ())):
        if synonym in named or synonym == "".join(field.words):
            return (2.5 if len(named) == 1 else 2.4 - len(named) / 100) - rank / 50
    if wanted <= named and len(named - wanted) <= 2:
        return (3.0 if _ASPECTS.isdisjoint(named - wanted) else 2.2) - len(named - wanted) / 10
    return 0.0


def _file_score(said: list[str], field: Field, right: Scalar) -> float:
    """`file` is the name of a file: with its extension where one is looked for."""
    if field.role != "file_name" or not {"file", "document", "name", "filename", "extension", "pdf"}.issuperset(said) or not said:
        return 0.0
    whole = isinstance(right, str) and "." in right
    return 2.3 if whole == ("extension" in field.words) else 2.2


def _column(text: str, scope: Scope) -> Found:
    """The words as the name of a column of the nearest thing that has columns."""
    key = text.strip() or "value"
    item = next(scope.items(), None)
    if item is not None:
        return Found(path(item.name, (key,)), "")
    for source in scope.steps():
        if source.profile.writes or source.profile.asks or source.profile.people or _idle(source):
            continue
        listing: Listing | None = source.profile.main_list
        return Found(path(source.name, (*listing.path, 0, key) if listing else ("body", key)), "")
    near = scope.trigger if scope.trigger.profile.operation.id not in _SCHEDULES else scope.last_step() or scope.trigger
    return Found(path(near.name, ("body", key)), "")


_SCHEDULES = ("commonTrigger.Recurrence", "commonTrigger.SlidingWindow")


def _idle(source: Source) -> bool:
    """Built-in steps that deliver no data of their own."""
    return source.connector == "builtin" and not source.fields and not source.lists
