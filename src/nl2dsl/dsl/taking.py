"""Files, ids, people, dates and lists that a parameter takes from earlier steps.

In: a step in the making and one of its parameters. Out: an expression, or None. Ids come from the same connector only, a file's name from where
its content comes from, people from look-ups.
"""

from __future__ import annotations

import re

from nl2dsl.catalog.model import Parameter
from nl2dsl.dsl.profiles import Field, noun_of, words
from nl2dsl.dsl.scope import Source, Step, path, taken
from nl2dsl.dsl.telling import made_text, pick
from nl2dsl.dsl.tree import Array, Entry, Expression, Literal, Object

# --- files ---------------------------------------------------------------------------------------------------------------------

_NAMES = ("{filenamewithextension}", "x-ms-file-name", "filename", "name", "{name}", "displayname")


def content(step: Step, parameter: Parameter) -> Expression | None:
    """The nearest content of a file; inside a loop over files that one's, or what was read of it."""
    near = step.scope.near()
    item = next(step.scope.items(), None)
    if item is not None and item.noun in ("file", "attachment"):
        near = [item, *(s for s in step.scope.inside(item) if not s.item)]
    for source in near:
        found = next((f for f in source.fields if f.role == "file_content"), None)
        if found is not None:
            step.file = source
            return source.at(found)
    last = step.scope.last_step()
    if last is not None and last.profile.makes:
        return made_text(step)
    return None


def file_name(step: Step, parameter: Parameter) -> Expression | None:
    """The name of the file whose content is taken; where content and name come from different steps, the nearest name."""
    if step.file is None:
        return None
    found = pick(step.file.fields if isinstance(step.file.fields, list) else list(step.file.fields), ("file_name",), _NAMES)
    if found is not None:
        return step.file.at(found)
    if not step.file.profile.reads:
        return None
    for source in step.scope.near():
        found = pick(list(source.fields), ("file_name",), _NAMES)
        if found is not None and not source.profile.writes:
            return source.at(found)
    return None


def attachments(step: Step, parameter: Parameter) -> Expression | None:
    """Files to go with a mail, when the request speaks of attaching."""
    if not step.hints.file:
        return None
    for source in step.scope.near():
        listing = next((x for x in source.lists if x.noun == "attachment"), None)
        if listing is not None and step.hints.attach:
            return path(source.name, listing.path)
        body = next((f for f in source.fields if f.role == "file_content"), None)
        name = pick(list(source.fields), ("file_name",), _NAMES)
        if body is not None and name is not None:
            return Array((Object((Entry("Name", source.at(name)), Entry("ContentBytes", source.at(body)))),))
    return None


def file_id(step: Step, parameter: Parameter) -> Expression | None:
    """The file an earlier step of the same connector is about."""
    by_path = "path" in words(parameter.name)
    names = ("{fullpath}", "path", "x-ms-file-path") if by_path else ("{identifier}", "id", "x-ms-file-id")
    for source in step.scope.near():
        if source.connector != step.connector:
            continue
        found = pick(list(source.fields), ("file_path",), names)
        if found is not None and _same_object(step, source):
            step.object = source
            return source.at(found)
    return None


# --- ids and their tables ------------------------------------------------------------------------------------------------------

_CONTAINERS = frozenset(
    ("site", "table", "list", "project", "board", "team", "channel", "calendar", "repository", "container", "notebook", "other", "file_path", "title")
)
_CONTAINER_NAME = re.compile(r"(?i).*(id|name|dataset|table|site|drive|source|file|database|server|project|board|account|organization|form)\Z")
_DATAVERSE = {  # tables by what people call them, and the stem of their ids
    word: line.split()[0]
    for line in (
        "account account accounts", "contact contact contacts", "lead lead leads", "opportunity opportunity opportunities",
        "incident case cases incident incidents", "activity task tasks", "product product products",
        "quote quote quotes", "invoice invoice invoices", "systemuser user users",
    )
    for word in line.split()[1:]
}  # fmt: skip


def record(step: Step, parameter: Parameter) -> Expression | None:
    """The id of the thing an earlier step of the same connector is about."""
    if "commondataservice" in step.connector:
        return _row_id(step)
    for source in step.scope.near():
        if source.connector != step.connector or not _same_object(step, source):
            continue
        found = _best_id(step, parameter, source.fields, source.noun)
        if found is not None:
            step.object = step.object or source
            return source.at(found)
        listing = source.profile.main_list
        if listing is not None and not source.item and not source.trigger:
            found = _best_id(step, parameter, listing.items, listing.noun)
            if found is not None:
                step.object = step.object or source
                return path(source.name, (*listing.path, 0, *found.path))
    return None


def _best_id(step: Step, parameter: Parameter, fields: tuple[Field, ...], noun: str) -> Field | None:
    ids = [(f, _match(step, parameter, f, noun)) for f in fields if f.role == "record_id"]
    best = max(ids, key=lambda x: x[1], default=None)
    return best[0] if best and best[1] > 0 else None


_ID_WORDS = {"id", "name", "key", "power", "app", "parent", "source", "resource", "data"}  # `__PowerAppsId__` is the id of a row


def _match(step: Step, parameter: Parameter, field: Field, noun: str) -> float:
    """How well an id fits: named the same, or the plain id of the thing that is asked for."""
    wanted = set(words(parameter.name.rpartition("/")[2])) - _ID_WORDS
    named = set(field.words) - _ID_WORDS
    if wanted and wanted == named:
        return 3
    asked = {noun_of(w) for w in wanted}
    if "" in asked:  # names a thing that no step is known to be about
        return 0
    if not wanted:
        asked = {step.profile.noun}
    fits = noun in asked or (not wanted and "" in (noun, step.profile.noun))
    if not named:
        return 2 if fits else 0
    nouns = {noun_of(w) for w in named}
    return 1 if "" not in nouns and nouns <= asked | {noun} and fits else 0


def _row_id(step: Step) -> Expression | None:
    """Rows of Dataverse have an id named after their table."""
    for source in step.scope.near():
        if "commondataservice" not in source.connector or not _same_object(step, source):
            continue
        table = next((e.value for e in source.call.parameters if e.key.lower().endswith(("entityname", "table"))), None)
        stem = _DATAVERSE.get(str(table.value).lower()) if isinstance(table, Literal) else None
        if stem is None:
            continue
        step.object = source
        listing = source.profile.main_list
        before = () if source.item else ((*listing.path, 0) if listing else ("body",))
        return path(source.name, (*before, f"{stem}id"))
    return None


def _same_object(step: Step, source: Source) -> bool:
    """Whether the source may be about the thing the step is about: no table or site stated for both that differs."""
    for entry in source.call.parameters:
        mine = step.given.get(entry.key)
        if isinstance(mine, Literal) and isinstance(entry.value, Literal) and _container(step, entry.key) and mine.value != entry.value.value:
            return False
    return True


def _container(step: Step, key: str) -> bool:
    p = step.profile.operation.parameter(key)
    return p is not None and p.name == key and p.role in _CONTAINERS and bool(_CONTAINER_NAME.fullmatch(key.rpartition("/")[2]))


def copy_containers(step: Step) -> None:
    """The table, site, form … of the thing whose id was taken, where that step says it."""
    assert step.object is not None
    theirs = {e.key.rpartition("/")[2].lower(): e.value for e in step.object.call.parameters if isinstance(e.value, Literal)}
    for p in step.profile.operation.parameters:
        if p.required and not p.internal and _container(step, p.name) and not taken(step, p.name):
            value = theirs.get(p.name.rpartition("/")[2].lower())
            if value is not None:
                step.given[p.name] = value


# --- people, dates, lists ------------------------------------------------------------------------------------------------------

_MAIL_FIELDS = ("mail", "email", "emailaddress", "userprincipalname", "address", "email_address", "emailaddress1")
_ASKERS = ("responder", "from", "Author/Email", "Email", "email", "senderEmail", "From")


_LISTED = ("Email", "email", "mail", "from", "From")


def person(step: Step, parameter: Parameter) -> Expression | None:
    """Somebody a step looked up, or the person a loop has come to; else, where the request says so, the one it all came from."""
    if step.profile.people:
        return _looked_up(step)
    for source in step.scope.near():
        if source.profile.people or (source.item and source.noun in ("member", "contact", "customer", "lead", "row")):
            found = pick(
                [f for f in source.of("person_email") if f.name.lower() in _MAIL_FIELDS and len(f.path) < 3], ("person_email",), _MAIL_FIELDS
            )
            if found is not None and not _was_asked(step, source.at(found)):
                return source.at(found)
    return asker(step) if step.hints.person or "reply" in words(step.profile.operation.name) else None


def _was_asked(step: Step, person: Expression) -> bool:
    """Whether this person has already given an answer in this flow: news of it goes to somebody else."""
    return any(e.value == person for s in step.scope.steps() if s.profile.asks for e in s.call.parameters)


def _looked_up(step: Step) -> Expression | None:
    """Whose profile or manager is looked up."""
    return None if step.hints.own_manager else asker(step)


def asker(step: Step) -> Expression | None:
    """The person who sent, filled in or made the thing that started this."""
    for source in step.scope.near():
        if source.profile.people and not source.item:
            continue
        for name in _LISTED if source.item else _ASKERS:
            found = next(
                (f for f in source.of("person_email") if "/".join(str(k) for k in f.path).endswith(name) and not f.name.startswith("to")), None
            )
            if found is not None:
                return source.at(found)
    return None


_MOMENTS = {"start": ("start", "begin"), "end": ("end", "finish"), "due": ("due", "deadline")}


def moment(step: Step, parameter: Parameter) -> Expression | None:
    """A date of the same meaning: start to start, due to due. Conversions of times take any."""
    spoken = words(parameter.name.rpartition("/")[2])
    wanted = next((m for m in _MOMENTS.values() if not set(m).isdisjoint(spoken)), None)
    if wanted is None:
        return _any_moment(step) if step.connector == "builtin" and "base" in spoken else None
    for source in step.scope.telling():
        if (source.profile.writes and not source.trigger) or source.noun == "row":  # the columns of tables are not known
            continue
        found = next((f for f in source.fields if f.role == "date_time" and not set(wanted).isdisjoint(f.words) and "time" not in f.words[:-1]), None)
        if found is not None:
            return source.at(found)
    return None


def _any_moment(step: Step) -> Expression | None:
    for source in step.scope.telling():
        found = pick(source.of("date_time"), ("date_time",), ("start", "due", "duedatetime", "receiveddatetime"))
        if found is not None:
            return source.at(found)
    return None


def place(step: Step, parameter: Parameter) -> Expression | None:
    """Events take their place along."""
    source = next((s for s in step.scope.telling() if s.noun == "event"), None)
    found = next((f for f in source.fields if f.role == "location"), None) if source and step.profile.noun == "event" else None
    return source.at(found) if source and found else None


def rows(step: Step, parameter: Parameter) -> Expression | None:
    """The list of the nearest step that delivers one."""
    for source in step.scope.near():
        listing = next((x for x in source.lists if x.main and x.noun != "attachment"), None)
        if listing is not None:
            return path(source.name, listing.path)
    last = step.scope.last_step()
    return path(last.name, ("body",)) if last is not None and (last.fields or last.profile.reads) else None
