"""Which earlier output a parameter takes, by the role of both.

In: an operation, the values stated for it and the scope. Out: entries for what is known, in the order of the catalog. The table `RULES` says which kind of parameter is
filled how; a parameter that no rule fills stays absent and is asked for. No literal is made up: templates hold outputs and punctuation only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from nl2dsl.catalog.model import Catalog, Parameter
from nl2dsl.dsl.scope import Field, Profile, Scope, Source, noun_of, path, words
from nl2dsl.dsl.tree import Array, Entry, Expression, Literal, Name, Object, Template


@dataclass(frozen=True, slots=True)
class Hints:
    """What the words of the request say about data: attach files, answer the person it came from, the writer's own manager."""

    attach: bool = False
    person: bool = False
    own_manager: bool = False


def hints(query: str) -> Hints:
    if not query:
        return Hints()
    text = query.lower()
    return Hints(
        attach="attach" in text,
        person=bool(_PERSON.search(text)) and not re.search(r"\b(me|myself)\b", text),
        own_manager=bool(re.search(r"\bmy (\w+ )?(manager|boss|supervisor|lead|chef)", text)),
    )


_PERSON = re.compile(
    r"\b(requester|requestor|respondent|responder|submitter|applicant|sender|author|creator|customer|employee|staff member|whoever|thank them|thanks? (him|her|you)"
    r"|(mail|email|tell|notify|inform|answer|thank|let|write) (to )?(them|him|her|back)|confirmation to|the person who|person that)\b"
)


@dataclass(slots=True)
class Step:
    """One call in the making."""

    profile: Profile
    scope: Scope
    hints: Hints
    given: dict[str, Expression]
    file: Source | None = None  # where the content comes from: the name comes from there too
    object: Source | None = None  # whose id is taken: the table or site is that one's too
    titled: bool = False

    @property
    def connector(self) -> str:
        return self.profile.operation.connector


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
        if not _taken(step, parameter.name):
            value = kind.rule(step, parameter)
            if value is not None:
                step.given[parameter.name] = value
    if step.object is not None:
        _copy_containers(step)
    _title_column(step)
    return _ordered(step)


def wants_file(catalog: Catalog, profile: Profile, stated: list[Entry]) -> bool:
    """Whether the operation needs the content of a file that is not stated."""
    keys = {e.key for e in stated}
    return any(k.rule is content and p.required and p.name not in keys for p, k in plan(catalog, profile))


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
    if parameter.name.endswith("subject"):
        return False
    return bool(_CREATES.search(profile.operation.name)) and parameter.name.count("/") < 2


def _taken(step: Step, name: str) -> bool:
    return name in step.given or any(k.startswith(name + "/") or name.startswith(k + "/") for k in step.given)


def _ordered(step: Step) -> tuple[Entry, ...]:
    """Catalog order; children of an open object stand where the object does."""
    operation = step.profile.operation
    places = {p.name: i for i, p in enumerate(operation.parameters)}

    def place(key: str) -> int:
        if key in places:
            return places[key]
        parent = operation.parameter(key)
        return places[parent.name] if parent else len(places)

    return tuple(Entry(k, step.given[k]) for k in sorted(step.given, key=place)) if len(step.given) > 1 else tuple(Entry(k, v) for k, v in step.given.items())


# --- texts ---------------------------------------------------------------------------------------------------------------------

_TITLES = ("subject", "title", "name", "summary", "text", "content")
_TEXTS = ("body", "bodyhtml", "bodytext", "bodypreview", "snippet", "content", "text", "tweettext", "description", "summary", "details", "message", "notes", "comments")
_DULL = re.compile(r"(?i).*(id|type|code|token|etag|version|kind|key|url|error|department|job ?title|company\w*|aboutme|mimetype|contenttype|mediatype|address|schema)\Z")


@dataclass(frozen=True, slots=True)
class Digest:
    """What can be told about a source."""

    title: Field | None
    text: Field | None
    person: Field | None
    link: Field | None
    state: Field | None


def digest(source: Source) -> Digest:
    """The telling fields of a source."""
    named = [f for f in source.fields if not _DULL.fullmatch(f.name)]
    title = _pick(named, ("title",), _TITLES) or _pick(named, ("file_name",), ("{filenamewithextension}", "name", "x-ms-file-name"))
    text = _pick(named, ("text", "html"), _TEXTS)
    person = _pick(named, ("person_name", "person_email"), ("from", "sendername", "displayname", "tweetedby", "responder", "author", "name", "email"))
    link = _pick([f for f in source.fields if f.role == "url"], ("url",), ("{link}", "weblink", "weburl", "primarylink", "htmlurl", "html_url", "url", "link", "htmllink"))
    state = _pick(named, ("status", "number", "money", "date_time", "choice"), ("status", "statuscode", "amount", "due date", "submitdate", "start"))
    return Digest(title, text, person, link, state)


def _pick(fields: list[Field], roles: tuple[str, ...], names: tuple[str, ...]) -> Field | None:
    """The field of one of the roles whose name comes first, else the first one of them."""
    right = [f for f in fields if f.role in roles]
    if len(right) < 2:
        return right[0] if right else None
    ranks = {n: i for i, n in enumerate(names)}
    return min(right, key=lambda f: ranks.get(f.name.lower(), len(ranks) + len(f.path)))


def made_text(step: Step) -> Expression | None:
    """What an earlier step wrote to be passed on: an HTML table, an answer of a model, a translation."""
    for source in step.scope.steps():
        if source.profile.makes:
            if source.profile.operation.id == "builtin.Compose":
                return Name(source.name)
            for f in source.fields:
                if f.role in ("text", "html") and (not f.name or not _DULL.fullmatch(f.name)):
                    return source.at(f)
            for listing in source.lists:
                for f in listing.items:
                    if f.role == "text":
                        return path(source.name, (*listing.path, 0, *f.path))
    return None


def title(step: Step, parameter: Parameter) -> Expression | None:
    for source in step.scope.telling():
        if source.profile.makes and not source.item:
            continue
        found = digest(source).title
        if found is not None:
            step.titled = True
            return source.at(found)
    return None


_TITLE_COLUMNS = {
    "shared_sharepointonline.PostItem": "item/Title",
    "shared_service-now.CreateRecord": "body/short_description",
    "shared_visualstudioteamservices.CreateWorkItem": "workItem/title",
}


def _title_column(step: Step) -> None:
    """New items have a title column even where the other columns are known only at run time."""
    key = _TITLE_COLUMNS.get(step.profile.operation.id)
    if key is None or any(k.lower() == key.lower() or key.startswith(k + "/") for k in step.given):
        return
    value = next((source.at(found) for source in step.scope.telling() if (found := digest(source).title)), None)
    if value is not None:
        step.given[key] = value


def message(step: Step, parameter: Parameter) -> Expression | None:
    """A text somebody made, the answer to an approval, the text of what is told about, or what is known of it in one line."""
    made = made_text(step)
    if made is not None:
        return made
    if not step.profile.writes and not step.profile.asks:
        return input_text(step, parameter)
    told = next((s for s in step.scope.telling() if _tells(s)), None)
    answer = _answered(step)
    if answer is not None:
        d = digest(told) if told and not told.profile.writes else None
        head = d and (d.title or d.text or d.person)
        return Template((told.at(head), ": ", answer)) if told and head else answer
    return _telling(step, told) if told else None


def _tells(source: Source) -> bool:
    """Whether there is something to say about a source; what the flow itself wrote needs a title or a link."""
    if source.profile.asks:
        return False
    d = digest(source)
    if source.profile.writes and not source.trigger:
        return bool(d.title or d.link)
    return bool(d.title or d.text or d.link or d.person or (d.state and d.state.role != "date_time"))


def _answered(step: Step) -> Expression | None:
    """The outcome of an approval before this step."""
    source = next((s for s in step.scope.steps() if s.profile.asks), None)
    found = source and next((f for f in source.fields if f.name in ("outcome", "SelectedOption", "selectedOption")), None)
    return source.at(found) if source and found else None


def _telling(step: Step, source: Source) -> Expression:
    d = digest(source)
    if d.text is not None and (step.titled or d.title is None):
        return source.at(d.text)
    if d.title is None:
        return _line(source, d.person, ": ", d.state or d.link) if d.person else _line(source, d.state, " ", d.link)
    if source.noun in ("mail", "post") and d.person is not None and not step.titled:
        return _line(source, d.person, ": ", d.title)
    if d.link is not None:
        return _line(source, d.title, " ", d.link)
    return _line(source, d.title, ": ", d.state if source.item else d.text)


def _line(source: Source, first: Field | None, between: str, second: Field | None) -> Expression:
    known = [source.at(f) for f in (first, second) if f is not None]
    return Template((known[0], between, known[1])) if len(known) == 2 else known[0]


def detail(step: Step, parameter: Parameter) -> Expression | None:
    """An optional text: what somebody made, or the text of what is told about as it is."""
    made = made_text(step)
    if made is not None:
        return made
    for source in step.scope.telling():
        if source.profile.asks or (source.profile.writes and not source.trigger):
            continue
        d = digest(source)
        if d.text is not None:
            return source.at(d.text)
        if d.title is not None:
            return None
    return None


def input_text(step: Step, parameter: Parameter) -> Expression | None:
    """The text a model or translation works on: not what the last one made, unless nothing else is there."""
    for source in step.scope.telling():
        d = digest(source)
        if source.profile.asks:
            continue
        if d.text is not None or d.title is not None:
            return source.at(d.text or d.title)  # type: ignore[arg-type]
    return made_text(step)


_TEXT_KEYS = {"body": "Text", "documents": "text", "messages": "content"}


def texts(step: Step, parameter: Parameter) -> Expression | None:
    """One text where the operation takes a list of them."""
    value = input_text(step, parameter)
    key = _TEXT_KEYS.get(parameter.name.rpartition("/")[2])
    return Array((Object((Entry(key, value),)),)) if value is not None and key else None


def payload(step: Step, parameter: Parameter) -> Expression | None:
    """The body of a request or answer: the whole result of the step before, or of a trigger that brings one."""
    method = step.given.get("method")
    if step.profile.operation.name == "Http":
        if isinstance(method, Literal) and method.value in ("GET", "DELETE", "HEAD"):
            return None
        return path(step.scope.trigger.name, ("body",)) if step.scope.trigger.fields else None
    source = next((s for s in step.scope.steps() if s.fields or s.lists), None)
    if source is None:
        return None
    if source.profile.operation.id == "builtin.Compose":
        return Name(source.name)
    return path(source.name, source.profile.main_list.path if source.profile.main_list else ("body",))


def anything(step: Step, parameter: Parameter) -> Expression | None:
    """What Compose and ParseJson work on."""
    if step.profile.operation.name == "ParseJson":
        source = step.scope.last_step() or step.scope.trigger
        return path(source.name, ("body",)) if source.fields or source.lists else None
    return made_text(step) or input_text(step, parameter)


# --- files ---------------------------------------------------------------------------------------------------------------------

_NAMES = ("{filenamewithextension}", "x-ms-file-name", "filename", "name", "{name}", "displayname")


def content(step: Step, parameter: Parameter) -> Expression | None:
    for source in step.scope.near():
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
    found = _pick(step.file.fields if isinstance(step.file.fields, list) else list(step.file.fields), ("file_name",), _NAMES)
    if found is not None:
        return step.file.at(found)
    if not step.file.profile.reads:
        return None
    for source in step.scope.near():
        found = _pick(list(source.fields), ("file_name",), _NAMES)
        if found is not None and not source.profile.writes:
            return source.at(found)
    return None


def attachments(step: Step, parameter: Parameter) -> Expression | None:
    """Files to go with a mail, when the request speaks of attaching."""
    if not step.hints.attach:
        return None
    for source in step.scope.near():
        listing = next((x for x in source.lists if x.noun == "attachment"), None)
        if listing is not None:
            return path(source.name, listing.path)
        body = next((f for f in source.fields if f.role == "file_content"), None)
        name = _pick(list(source.fields), ("file_name",), _NAMES)
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
        found = _pick(list(source.fields), ("file_path",), names)
        if found is not None and _same_object(step, source):
            step.object = source
            return source.at(found)
    return None


# --- ids and their tables ------------------------------------------------------------------------------------------------------

_CONTAINERS = ("site", "table", "list", "project", "board", "team", "channel", "calendar", "repository", "container", "notebook", "other", "file_path", "title")
_CONTAINER_NAME = re.compile(r"(?i).*(id|name|dataset|table|site|drive|source|file|database|server|project|board|account|organization|form)\Z")
_DATAVERSE = {
    "account": "account", "accounts": "account", "contact": "contact", "contacts": "contact", "lead": "lead", "leads": "lead", "opportunity": "opportunity",
    "opportunities": "opportunity", "case": "incident", "cases": "incident", "incident": "incident", "incidents": "incident", "task": "activity",
    "product": "product", "products": "product", "quote": "quote", "quotes": "quote", "invoice": "invoice", "invoices": "invoice", "user": "systemuser",
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


_ID_WORDS = {"id", "name", "key", "power", "app"}  # `__PowerAppsId__` is the id of a row


def _match(step: Step, parameter: Parameter, field: Field, noun: str) -> float:
    """How well an id fits: named the same, or the plain id of the thing that is asked for."""
    wanted = set(words(parameter.name.rpartition("/")[2])) - _ID_WORDS
    named = set(field.words) - _ID_WORDS
    if wanted and wanted == named:
        return 3
    asked = {noun_of(w) for w in wanted} - {""} or ({step.profile.noun} if not wanted or step.profile.noun else set())
    if not named:
        return 2 if (noun in asked or not asked - {""} or not noun) and not (wanted and not {noun_of(w) for w in wanted} - {""}) else 0
    nouns = {noun_of(w) for w in named} - {""}
    return 1 if nouns and nouns <= asked | {noun} and noun in asked else 0


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


def _copy_containers(step: Step) -> None:
    """The table, site, form … of the thing whose id was taken, where that step says it."""
    assert step.object is not None
    theirs = {e.key.rpartition("/")[2].lower(): e.value for e in step.object.call.parameters if isinstance(e.value, Literal)}
    for p in step.profile.operation.parameters:
        if p.required and not p.internal and _container(step, p.name) and not _taken(step, p.name):
            value = theirs.get(p.name.rpartition("/")[2].lower())
            if value is not None:
                step.given[p.name] = value


# --- people, dates, lists ------------------------------------------------------------------------------------------------------

_MAIL_FIELDS = ("mail", "email", "emailaddress", "userprincipalname", "address", "email_address", "emailaddress1")
_ASKERS = ("responder", "from", "Author/Email", "Email", "email", "senderEmail", "From")


def person(step: Step, parameter: Parameter) -> Expression | None:
    """Somebody a step looked up, or the person a loop has come to; else, where the request says so, the one it all came from."""
    if step.profile.people:
        return _looked_up(step)
    for source in step.scope.near():
        if source.profile.people or (source.item and source.noun in ("member", "contact", "customer", "lead", "row")):
            found = _pick([f for f in source.of("person_email") if f.name.lower() in _MAIL_FIELDS and len(f.path) < 3], ("person_email",), _MAIL_FIELDS)
            if found is not None:
                return source.at(found)
    return asker(step) if step.hints.person or "reply" in words(step.profile.operation.name) else None


def _looked_up(step: Step) -> Expression | None:
    """Whose profile or manager is looked up."""
    return None if step.hints.own_manager else asker(step)


def asker(step: Step) -> Expression | None:
    """The person who sent, filled in or made the thing that started this."""
    for source in step.scope.near():
        if source.profile.people and not source.item:
            continue
        for name in _ASKERS:
            found = next((f for f in source.of("person_email") if "/".join(str(k) for k in f.path).endswith(name) and not f.name.startswith("to")), None)
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
        if source.profile.writes and not source.trigger:
            continue
        found = next((f for f in source.fields if f.role == "date_time" and not set(wanted).isdisjoint(f.words) and "time" not in f.words[:-1]), None)
        if found is not None:
            return source.at(found)
    return None


def _any_moment(step: Step) -> Expression | None:
    for source in step.scope.telling():
        found = _pick(source.of("date_time"), ("date_time",), ("start", "due", "duedatetime", "receiveddatetime"))
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
    source = step.scope.last_step()
    return path(source.name, ("body",)) if source is not None and (source.fields or source.profile.reads) else None


def link(step: Step, parameter: Parameter) -> Expression | None:
    for source in step.scope.telling():
        found = digest(source).link
        if found is not None:
            return source.at(found)
    return None


def _names(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words))


_ANY = re.compile(r".*")
RULES = (
    Kind(("text",), _names("body", "inputs", "content"), payload, optional=True, types=("any",)),
    Kind(("file_content",), _ANY, content, reading=True, types=("file", "object")),
    Kind(("file_name",), _names("name", "filename", "documentname", "x-ms-file-name", "source_file_name"), file_name, reading=True),
    Kind(("list_of_files",), _names("attachments"), attachments, optional=True),
    Kind(("record_id",), _ANY, record, reading=True),
    Kind(("file_path",), _names("id", "fileid", "path", "source", "filepath", "sourcefileid", "file", "itemid"), file_id, reading=True),
    Kind(
        ("title",),
        _names("subject", "title", "name", "summary", "content", "displayname", "emailsubject", "tasktitle", r"event\.name\.html", "heading", "topic", "notificationsubject"),
        title,
    ),
    Kind(("title",), _names("title", "name", "summary", "subject"), title, optional=True, creating=True),
    Kind(
        ("text", "html"),
        _names("body", "messagebody", "text", "content", "pagecontent", "description", "details", "message", "notificationtext", "tweettext", "html",
               "createupdatetext", r"event\.description\.html", "comment", "note", "notes", "updatetext", "suggestedtext", "desc", "input", "question"),  # fmt: skip
        message,
        types=("string",),
    ),
    Kind(("text", "html"), _names("body", "content", "description", "details", "desc", "notes", "tweettext"), detail, optional=True, types=("string",), creating=True),
    Kind(("text",), _names("body", "documents", "messages"), texts, optional=True, reading=True, types=("array",)),
    Kind(("url",), _names("itemlink"), link, optional=True),
    Kind(("person_email",), _names("to", "assignedto", "recipient", "id", "userprincipalname", "userupn", "upn"), person, reading=True),
    Kind(("date_time",), _ANY, moment, optional=True),
    Kind(("location",), _names("location"), place, optional=True),
    Kind(("list_of_items",), _names("from"), rows, reading=True, types=("array",)),
)
