"""Condition phrases: the words of a test and the test they mean.

In: a random generator and the outputs of the operation the test is about. Out: `Tested` with the clause ("the amount is over 500"), a note ("amount
> 500"), the clause for
"unless" where it has one, words that stand before a plural ("high priority"), and the `Test`. Left and right of a test are words of the clause.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from nl2dsl.corpus.values import People
from nl2dsl.dsl.sketch import NEGATED, Condition, Test

_NUMBERS = (
    "amount", "total", "price", "cost", "quantity", "score", "rating", "budget", "hours", "stock", "discount", "order value", "invoice total",
    "headcount", "days left", "balance", "weight", "deal size",
    "number of guests", "mileage", "duration", "percentage", "salary", "points", "order total", "expense", "sum", "count", "fee", "number of people",
)  # fmt: skip
_CHOICES: dict[str, tuple[str, ...]] = {
    "status": ("Done", "Approved", "Open", "Closed", "Pending", "Overdue", "Rejected", "In progress", "Cancelled", "Shipped", "Paid", "Unpaid",
    "New", "Active", "Expired", "On hold", "Completed", "Draft", "Failed", "Ready", "Confirmed"),
    "priority": ("High", "Urgent", "Low", "Critical", "P1", "Medium", "Normal"),
    "category": ("Complaint", "Hardware", "Software", "Billing", "Safety", "Travel", "Training", "Maintenance", "Question", "Bug"),
    "department": ("HR", "IT", "Sales", "Finance", "Marketing", "Legal", "Operations"),
    "country": ("Germany", "France", "Spain", "UK", "US", "Norway", "Japan", "Kenya"),
    "type": ("Incident", "Request", "Contract", "Invoice", "Holiday", "Sick leave", "Return", "Order", "External", "Internal"),
    "region": ("North", "EMEA", "West", "APAC", "Nordics", "South"),
    "stage": ("Won", "Lost", "Negotiation", "Qualified", "Proposal", "Closed Won"),
    "severity": ("Critical", "High", "Medium", "Low", "Sev1"),
    "plan": ("Premium", "Gold", "Basic", "Enterprise", "Trial"),
    "language": ("German", "French", "Spanish", "English", "Dutch"),
    "location": ("Head office", "Leeds", "Plant 2", "Remote", "Warehouse"),
    "role": ("Manager", "Contractor", "Intern", "Teacher", "Nurse"),
    "source": ("Website", "Referral", "Phone", "Trade fair"),
    "size": ("Large", "Small", "XL"),
    "sentiment": ("negative", "positive", "neutral"),
    "result": ("Failed", "Passed", "OK", "failed"),
    "answer": ("Yes", "No", "Maybe", "yes", "no"),
    "payment": ("failed", "received", "late"),
    "phase": ("Design", "Build", "Go live", "Closing"),
    "class": ("Spam", "VIP", "Partner"),
}  # fmt: skip
_FLAGS = (
    "urgent",
    "VIP",
    "paid",
    "completed",
    "active",
    "confidential",
    "consent",
    "newsletter",
    "signed",
    "laptop needed",
    "travel required",
    "first aid",
    "parking",
    "approved by finance",
    "remote",
    "vegan",
    "escalated",
    "billable",
)
_TEXTS = {
    "mail": ("subject", "body", "sender", "subject line", "message", "sender address"),
    "file": ("name", "file name", "filename", "title", "path"),
    "row": ("title", "description", "name", "comment", "notes", "company", "remarks", "email", "address"),
}
WORDS = (
    "invoice",
    "urgent",
    "order",
    "complaint",
    "refund",
    "contract",
    "offer",
    "cancel",
    "quote",
    "error",
    "holiday",
    "report",
    "newsletter",
    "CV",
    "delivery",
    "final",
    "draft",
    "test",
    "VIP",
    "warranty",
    "budget",
    "signed",
    "unsubscribe",
    "Acme",
    "PO",
    "payment",
    "demo",
    "outage",
    "password",
    "meeting",
)
_ENDINGS = (".pdf", ".xlsx", ".docx", ".csv", ".zip", ".jpg", ".png")


@dataclass(frozen=True, slots=True)
class Tested:
    clause: str
    note: str
    test: Test
    before: str = ""
    unless: str = ""
    inverse: Test | None = None


def kind_of_source(operation: str) -> str:
    low = operation.lower()
    if re.search(r"mail|inbox|message(?!to)", low):
        return "mail"
    if re.search(r"file|folder|blob|document|attachment", low):
        return "file"
    return "row"


def _humanise(path: str) -> str:
    last = path.split("/")[-1]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", last).replace("_", " ").strip()
    return words.lower() if not re.search(r"[A-Z]{2}", words) else words


_DULL = re.compile(r"\bid$|\bids$|^id$|@|value$|link|key|token|href|guid|url|etag|^type$", re.IGNORECASE)


def _output_field(rng: Random, outputs: Mapping[str, str]) -> tuple[str, str] | None:
    useful = [
        (p, r)
        for p, r in outputs.items()
        if r in ("status", "choice", "number", "money", "boolean", "title", "text", "country") and not _DULL.search(p)
    ]
    if not useful:
        return None
    path, role = rng.choice(useful)
    field = _humanise(path)
    return (field, role) if 2 < len(field) < 22 and re.fullmatch(r"[A-Za-z ]+", field) else None


_MONEY = re.compile(r"amount|total|price|cost|budget|value|balance|salary|expense|sum|fee|deal size|discount")


def _amount(rng: Random, money: bool) -> tuple[str, int]:
    n = rng.choice(
        (
            2,
            3,
            5,
            10,
            15,
            20,
            25,
            30,
            40,
            50,
            75,
            80,
            90,
            100,
            120,
            150,
            200,
            250,
            300,
            400,
            500,
            500,
            750,
            1000,
            1000,
            1500,
            2000,
            2500,
            5000,
            5000,
            10000,
            20000,
            50000,
            100000,
        )
    )
    pick = rng.random()
    if n >= 1000 and pick < 0.35:
        return rng.choice((f"{n:,}", f"{n:,}", f"{n // 1000}k" if n % 1000 == 0 else f"{n:,}")), n
    if money and n >= 20 and pick < 0.55:
        return rng.choice((f"${n}", f"€{n}", f"£{n}", f"{n} euro", f"{n} dollars", f"{n} EUR", f"{n} USD", f"{n}€")), n
    return str(n), n


_COMPARE: dict[str, tuple[str, ...]] = {
    ">": ("{the} is over {v}", "{the} is above {v}", "{the} is more than {v}", "{the} is greater than {v}", "{the} exceeds {v}",
    "{the} goes over {v}", "{the} is higher than {v}", "{the} > {v}", "{the} tops {v}", "{the} is bigger than {v}", "{the} is beyond {v}"),
    "<": ("{the} is under {v}", "{the} is below {v}", "{the} is less than {v}", "{the} is lower than {v}", "{the} drops below {v}", "{the} < {v}",
    "{the} is smaller than {v}", "{the} falls under {v}"),
    ">=": ("{the} is at least {v}", "{the} is {v} or more", "{the} is {v} or higher", "{the} >= {v}", "{the} reaches {v}", "{the} is {v} and up"),
    "<=": ("{the} is at most {v}", "{the} is {v} or less", "{the} is no more than {v}", "{the} <= {v}", "{the} is {v} or below",
    "{the} doesn't exceed {v}"),
}  # fmt: skip


def _numeric(rng: Random, field: str) -> Tested:
    operator = rng.choices((">", "<", ">=", "<="), (52, 24, 15, 9))[0]
    words, n = _amount(rng, bool(_MONEY.search(field)))
    the = rng.choice((f"the {field}", f"the {field}", field, f"its {field}"))
    clause = rng.choice(_COMPARE[operator]).format(the=the, v=words)
    opposite = NEGATED[operator]
    unless = rng.choice(_COMPARE[opposite]).format(the=f"the {field}", v=words)
    return Tested(clause, f"{field} {operator} {words}", Test("compare", field, operator, n), "", unless, Test("compare", field, operator, n))


def _choice(rng: Random, field: str, values: tuple[str, ...]) -> Tested:
    value = rng.choice(values)
    if rng.random() < 0.35:
        value = value.lower() if len(value) > 3 else value
    said = value if rng.random() < 0.8 else rng.choice((f'"{value}"', f"'{value}'"))
    name = field if rng.random() < 0.75 else field.capitalize()
    the = rng.choice((f"the {name}", f"the {name}", name, f"its {name}", f"the {name} column", f"the {name} field"))
    if rng.random() < 0.13:
        clause = rng.choice(
            (
                "{the} is not {v}",
                "{the} isn't {v}",
                "{the} is anything but {v}",
                "{the} is something other than {v}",
                "{the} != {v}",
                "{the} differs from {v}",
            )
        ).format(the=the, v=said)
        return Tested(clause, f"{name} != {said}", Test("compare", name, "!=", value))
    clause = rng.choice(
        (
            "{the} is {v}",
            "{the} is {v}",
            "{the} is {v}",
            "{the} equals {v}",
            "{the} = {v}",
            "{the} is set to {v}",
            "{the} says {v}",
            "{the} reads {v}",
            "{the} is marked as {v}",
            "{the} turns {v}",
            "{the} shows {v}",
            "it has {v} as {name}",
            "it has the {name} {v}",
        )
    ).format(the=the, v=said, name=name)
    before = (
        f"{value} {name}"
        if field in ("priority", "severity", "stage", "region", "plan")
        else f"{value}"
        if field in ("status", "type") and value[0].islower()
        else ""
    )
    return Tested(
        clause,
        rng.choice((f"{name} = {said}", f"{name} is {said}", f"{name}: {said}", f"{name} == {said}")),
        Test("compare", name, "==", value),
        before,
        f"{the} is {said}",
        Test("compare", name, "!=", value),
    )


def _text(rng: Random, field: str, kind: str) -> Tested:
    value = rng.choice(WORDS)
    if kind == "file" and rng.random() < 0.45:
        value = rng.choice(_ENDINGS)
        clause = rng.choice(("the {f} ends with {v}", "the {f} ends in {v}", "its {f} ends with {v}", "{f} ends on {v}")).format(f=field, v=value)
        return Tested(clause, f"{field} ends with {value}", Test("compare", field, "endsWith", value))
    said = rng.choice((value, f'"{value}"', f'"{value}"', f"'{value}'", f"the word {value}"))
    bare = said.removeprefix("the word ")
    if rng.random() < 0.14:
        clause = rng.choice(("the {f} starts with {v}", "the {f} begins with {v}", "{f} starts with {v}")).format(f=field, v=bare)
        return Tested(clause, f"{field} starts with {bare}", Test("compare", field, "startsWith", value))
    clause = rng.choice(
        (
            "the {f} contains {v}",
            "the {f} contains {v}",
            "the {f} has {v} in it",
            "{v} is in the {f}",
            "the {f} mentions {v}",
            "the {f} includes {v}",
            "there's {v} in the {f}",
            "{f} contains {v}",
            "it has {v} in the {f}",
            "it says {v} in the {f}",
        )
    ).format(f=field, v=said)
    return Tested(
        clause, rng.choice((f"{field} contains {bare}", f"{bare} in {field}", f"{field} has {bare}")), Test("compare", field, "contains", value)
    )


def _flag(rng: Random, field: str) -> Tested:
    value = rng.random() < 0.75
    yes = ("{f} is ticked", "{f} is checked", "{f} is true", "{f} is set to yes", "the {f} box is ticked", "{f} = yes", "the answer to {f} is yes")
    no = (
        "{f} is not ticked",
        "{f} isn't checked",
        "{f} is false",
        "{f} is set to no",
        "the {f} box is unticked",
        "{f} = no",
        "the answer to {f} is no",
    )
    clause = rng.choice(yes if value else no).format(f=field)
    return Tested(
        clause,
        f"{field} = {'yes' if value else 'no'}",
        Test("compare", field, "==", value),
        "",
        rng.choice(no if value else yes).format(f=field),
        Test("compare", field, "==", value),
    )


def _blank(rng: Random, field: str) -> Tested:
    if rng.random() < 0.7:
        return Tested(
            rng.choice(("the {f} is empty", "the {f} is blank", "there's no {f}", "the {f} is missing", "{f} is empty", "no {f} is given")).format(
                f=field
            ),
            f"no {field}",
            Test("compare", field, "==", ""),
            "",
            f"the {field} is filled in",
            Test("compare", field, "==", ""),
        )
    return Tested(
        rng.choice(("the {f} is filled in", "there is a {f}", "the {f} is not empty", "{f} isn't blank")).format(f=field),
        f"{field} filled",
        Test("compare", field, "!=", ""),
    )


def _date(rng: Random) -> Tested:
    field = rng.choice(
        (
            "due date",
            "deadline",
            "expiry date",
            "end date",
            "start date",
            "renewal date",
            "date",
            "delivery date",
            "birthday",
            "last modified",
            "created date",
            "review date",
        )
    )
    day = rng.choice(("today", "today", "tomorrow", "today", "yesterday"))
    pick = rng.random()
    if pick < 0.45:
        clause = rng.choice(("the {f} is {d}", "{f} = {d}", "its {f} is {d}", "the {f} falls on {d}", "the {f} equals {d}")).format(f=field, d=day)
        return Tested(clause, f"{field} = {day}", Test("compare", field, "==", day))
    if pick < 0.75:
        clause = rng.choice(("the {f} is before {d}", "the {f} is earlier than {d}", "{f} < {d}", "the {f} lies before {d}")).format(f=field, d=day)
        return Tested(clause, f"{field} < {day}", Test("compare", field, "<", day))
    span = f"{rng.choice((7, 10, 14, 30, 60, 90))} days"
    clause = rng.choice(("the {f} is more than {s} ago", "the {f} is older than {s}", "the {f} is over {s} ago")).format(f=field, s=span)
    return Tested(clause, f"{field} older than {span}", Test("compare", field, "<", span))


def _sender(rng: Random) -> Tested:
    who = People(rng).address()
    return Tested(
        rng.choice((f"the sender is {who}", f"sender = {who}", f"the sender address is {who}")),
        f"sender = {who}",
        Test("compare", "sender", "==", who),
    )


def tested(rng: Random, operation: str, outputs: Mapping[str, str], filtered: bool = False) -> Tested:
    """One test about what an operation delivers; `filtered`: a mail trigger that has parameters for subject and sender, so that no test is about
    those."""
    kind = kind_of_source(operation)
    pick = rng.random()
    if filtered:
        if pick < 0.5:
            return _text(rng, rng.choice(("body", "text", "message", "body text", "mail body", "message text")), "mail")
        if pick < 0.7:
            return _text(rng, rng.choice(("attachment name", "file name", "attachment")), "file")
        return _choice(rng, "sentiment" if pick < 0.85 else "category", _CHOICES["sentiment" if pick < 0.85 else "category"])
    if kind == "mail" and pick > 0.96:
        return _sender(rng)
    if 0.5 < pick < 0.56:
        return _date(rng)
    if pick < 0.3 and (found := _output_field(rng, outputs)):
        field, role = found
        if role in ("number", "money"):
            return _numeric(rng, field)
        if role == "boolean":
            return _flag(rng, field)
        if role in ("status", "choice", "country"):
            return _choice(
                rng,
                field,
                _CHOICES.get(field, _CHOICES[rng.choice(("status", "priority", "type", "result"))] if role != "country" else _CHOICES["country"]),
            )
        return _text(rng, field, kind)
    if kind in ("mail", "file") and pick < 0.75:
        return _text(rng, rng.choice(_TEXTS[kind]), kind)
    if pick < 0.55:
        return _numeric(rng, rng.choice(_NUMBERS))
    if pick < 0.84:
        field = rng.choice(tuple(_CHOICES)) if rng.random() < 0.6 else rng.choice(("status", "priority"))
        return _choice(rng, field, _CHOICES[field])
    if pick < 0.91:
        return _text(rng, rng.choice(_TEXTS["row"]), "row")
    if pick < 0.97:
        return _flag(rng, rng.choice(_FLAGS))
    return _blank(rng, rng.choice(("phone", "email", "address", "manager", "due date", "PO number", "comment", "owner", "cost centre")))


@dataclass(frozen=True, slots=True)
class Tests:
    """One test or two joined, in words; `before` are words to stand before the thing tested ("high priority")."""

    clause: str
    note: str
    condition: Condition
    before: str = ""


def both(rng: Random, operation: str, outputs: Mapping[str, str], filtered: bool = False) -> Tests:
    """Mostly one test, now and then two joined."""
    first = tested(rng, operation, outputs, filtered)
    single = Tests(first.clause, first.note, Condition((first.test,)), first.before)
    if rng.random() > 0.06:
        return single
    second = tested(rng, operation, outputs, filtered)
    if second.test.left == first.test.left:
        return single
    joined = rng.choice(("&&", "||"))
    word = {"&&": "and", "||": "or"}[joined]
    return Tests(f"{first.clause} {word} {second.clause}", f"{first.note} {word} {second.note}", Condition((first.test, second.test), joined))


_FIELD = re.compile(
    r"(?!.*\b(?:says?|is|are|has|have|called|named|for|to|by|with|than|if|the|"
    r"older|over|under|more|less|comes?|came|gets?)\b)[A-Za-z][A-Za-z -]{1,24}"
)


def names_a_field(words: str) -> bool:
    """Whether words can stand after "the" as the thing tested."""
    return _FIELD.fullmatch(words) is not None


def said(rng: Random, test: Test) -> Tests | None:
    """A given comparison in new words; None when its sides cannot stand in a sentence of ours."""
    field, operator, right = test.left, test.operator, test.right
    if not names_a_field(field) or (isinstance(right, str) and len(right) > 30):
        return None
    if isinstance(right, bool):
        yes = ("{f} is ticked", "{f} is checked", "{f} is true", "{f} is yes", "it is {f}")
        no = ("{f} is not ticked", "{f} isn't checked", "{f} is false", "{f} is no", "it is not {f}")
        return Tests(rng.choice(yes if right else no).format(f=field), f"{field} = {'yes' if right else 'no'}", Condition((test,)))
    words = str(right) if not isinstance(right, int) or right < 1000 or rng.random() < 0.6 else f"{right:,}"
    the = rng.choice((f"the {field}", f"the {field}", field, f"its {field}"))
    if operator in _COMPARE:
        return Tests(rng.choice(_COMPARE[operator]).format(the=the, v=words), f"{field} {operator} {words}", Condition((test,)))
    if right == "":
        return Tests(
            f"the {field} is {'empty' if operator == '==' else 'not empty'}", f"{'no ' if operator == '==' else 'has '}{field}", Condition((test,))
        )
    quoted = words if rng.random() < 0.75 else f'"{words}"'
    verbs = {
        "==": ("is", "is", "equals", "=", "is set to", "says", "reads", "is marked as", "shows"),
        "!=": ("is not", "isn't", "is anything but", "!=", "is something other than"),
        "contains": ("contains", "includes", "mentions", "has"),
        "startsWith": ("starts with", "begins with"),
        "endsWith": ("ends with", "ends in"),
    }[operator]
    return Tests(f"{the} {rng.choice(verbs)} {quoted}", f"{field} {verbs[0] if operator != '==' else '='} {quoted}", Condition((test,)))


def cases(rng: Random) -> tuple[str, tuple[str, ...]]:
    """A subject and two or three of its values, for a switch."""
    field = rng.choice([f for f in _CHOICES if len(_CHOICES[f]) >= 3])
    values = [v for i, v in enumerate(_CHOICES[field]) if v.lower() not in {w.lower() for w in _CHOICES[field][:i]}]
    return field, tuple(rng.sample(values, min(len(values), rng.choice((2, 2, 3)))))


def goal(rng: Random) -> Tests:
    """What a repetition waits for."""
    field = rng.choice(("status", "state", "status", "result", "progress"))
    value = rng.choice(
        ("Completed", "done", "Succeeded", "finished", "ready", "completed", "Signed", "closed", "delivered", "Approved", "running", "success")
    )
    clause = rng.choice(
        (
            "the {f} is {v}",
            "the {f} says {v}",
            "the {f} is {v}",
            "{f} = {v}",
            "the {f} turns {v}",
            "the {f} becomes {v}",
            "its {f} reads {v}",
            "the {f} comes back as {v}",
        )
    ).format(f=field, v=value)
    return Tests(clause, f"{field} = {value}", Condition((Test("compare", field, "==", value),)))
