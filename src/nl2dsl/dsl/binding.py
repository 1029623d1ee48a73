"""Which earlier output a parameter takes, by the role of both.

In: an operation, the values stated for it and the scope. Out: entries for what is known, in the order of the catalog. The table `RULES` says
which kind of parameter is filled how; a parameter that no rule fills stays absent and is asked for. No literal is made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from nl2dsl.catalog.model import Catalog, Parameter
from nl2dsl.dsl.profiles import Profile
from nl2dsl.dsl.scope import Hints, Scope, Step, taken
from nl2dsl.dsl.taking import attachments, content, copy_containers, file_id, file_name, moment, person, place, record, rows
from nl2dsl.dsl.telling import anything, detail, link, made_only, message, payload, sends_mail, texts, title, title_column
from nl2dsl.dsl.tree import Entry, Expression

Rule = Callable[[Step, Parameter], Expression | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table: parameters of these roles whose last word matches are filled by the rule; optional ones where `optional` says so."""

    roles: tuple[str, ...]
    names: re.Pattern[str]
    rule: Rule
    optional: bool = False
    reading: bool = False  # also for operations that only look things up
    types: tuple[str, ...] = ()
    creating: bool = False  # optional ones only where the operation makes something new


_CREATES = re.compile(r"(?i)create|add|post|insert|new|approval|tweet|send|note")


def bind(catalog: Catalog, profile: Profile, stated: list[Entry], scope: Scope, said: Hints) -> tuple[Entry, ...]:
    """The stated values and what is bound, in the order of the catalog."""
    step = Step(profile, scope, said, {e.key: e.value for e in stated})
    planned = plan(catalog, profile)
    for parameter, kind in planned:
        if not taken(step, parameter.name):
            value = kind.rule(step, parameter)
            if value is not None:
                step.given[parameter.name] = value
    if step.object is not None:
        copy_containers(step)
    title_column(step)
    return _ordered(step)


def wants_file(catalog: Catalog, profile: Profile, stated: list[Entry]) -> bool:
    """Whether the operation needs the content of a file that is not stated."""
    keys = {e.key for e in stated}
    return any(k.rule is content and p.name not in keys for p, k in plan(catalog, profile))


_plans: WeakKeyDictionary[Catalog, dict[str, tuple[tuple[Parameter, Kind], ...]]] = WeakKeyDictionary()


def plan(catalog: Catalog, profile: Profile) -> tuple[tuple[Parameter, Kind], ...]:
    """The parameters of an operation that a rule may fill, with their rules, in the order of the table; worked out once."""
    known = _plans.setdefault(catalog, {})
    found = known.get(profile.operation.id)
    if found is None:
        found = known[profile.operation.id] = tuple(_plan(profile))
    return found


def _plan(profile: Profile) -> list[tuple[Parameter, Kind]]:
    found: list[tuple[Parameter, Kind]] = []
    done: set[str] = set()
    for kind in RULES:
        if profile.reads and not kind.reading:
            continue
        for p in profile.operation.parameters:
            if p.internal or p.name in done or p.role not in kind.roles or not (p.required or kind.optional):
                continue
            if (kind.types and p.type not in kind.types) or not kind.names.fullmatch(p.name.rpartition("/")[2].lower()):
                continue
            if not p.required and kind.creating and not _natural(profile, p):
                continue
            found.append((p, kind))
            done.add(p.name)
    return found


def _natural(profile: Profile, parameter: Parameter) -> bool:
    """Whether an optional text is one that people fill in: the thing's own, not that of a part of it; a subject only where it is a mail's."""
    if parameter.name.lower().endswith("subject"):
        return sends_mail(profile)
    return bool(_CREATES.search(profile.operation.name)) and parameter.name.count("/") < 2


def _ordered(step: Step) -> tuple[Entry, ...]:
    """Catalog order; children of an open object stand where the object does."""
    operation = step.profile.operation
    places = {p.name: i for i, p in enumerate(operation.parameters)}

    def place(key: str) -> int:
        if key in places:
            return places[key]
        parent = operation.parameter(key)
        return places[parent.name] if parent else len(places)

    return (
        tuple(Entry(k, step.given[k]) for k in sorted(step.given, key=place))
        if len(step.given) > 1
        else tuple(Entry(k, v) for k, v in step.given.items())
    )


def _names(names: str) -> re.Pattern[str]:
    return re.compile(names.replace(".", r"\.").replace(" ", "|"))


_ANY = re.compile(r".*")
_SUBJECTS = "subject title name summary content displayname heading topic emailsubject notificationsubject tasktitle event.name.html"
_MESSAGES = (
    "body messagebody text content pagecontent description details message notificationtext tweettext html createupdatetext updatetext"
    " event.description.html comment note notes suggestedtext desc input question"
)
RULES = (
    Kind(("text",), _names("body"), payload, optional=True, types=("any",)),
    Kind(("text",), _names("inputs content"), anything, types=("any",)),
    Kind(("file_content",), _ANY, content, reading=True, types=("file", "object")),
    Kind(("file_name",), _names("name filename documentname x-ms-file-name source_file_name"), file_name, reading=True),
    Kind(("file_content",), _names("filecontent source_file_content"), content, optional=True, types=("file",)),
    Kind(("file_name",), _names("filename source_file_name"), file_name, optional=True),
    Kind(("list_of_files",), _names("attachments"), attachments, optional=True),
    Kind(("record_id",), _ANY, record, reading=True),
    Kind(("file_path",), _names("id fileid path source filepath sourcefileid file itemid"), file_id, reading=True),
    Kind(("title",), _names(_SUBJECTS), title),
    Kind(("title",), _names("title name summary subject"), title, optional=True, creating=True),
    Kind(("text", "html"), _names(_MESSAGES), message, types=("string",)),
    Kind(("text", "html"), _names("body content description details desc notes tweettext"), detail, optional=True, types=("string",), creating=True),
    Kind(("text", "html"), _names("body content messagebody"), made_only, optional=True, types=("string",)),
    Kind(("text",), _names("body documents messages"), texts, optional=True, reading=True, types=("array",)),
    Kind(("url",), _names("itemlink"), link, optional=True),
    Kind(("person_email",), _names("to assignedto recipient id userprincipalname userupn upn"), person, reading=True),
    Kind(("date_time",), _ANY, moment, optional=True),
    Kind(("location",), _names("location"), place, optional=True),
    Kind(("list_of_items",), _names("from"), rows, reading=True, types=("array",)),
)
