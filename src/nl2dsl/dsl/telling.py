"""Titles, messages and other texts for parameters, made of what earlier steps deliver.

In: a step in the making and one of its parameters. Out: an expression, or None. Templates hold outputs and punctuation, never words of their
own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nl2dsl.catalog.model import Parameter
from nl2dsl.dsl.profiles import Field, Profile, words
from nl2dsl.dsl.scope import Source, Step, call_of, path
from nl2dsl.dsl.tree import Array, Entry, Expression, Literal, Name, Object, Template

_TITLES = ("subject", "title", "name", "summary", "text", "content")
_TEXTS = (
    "body",
    "bodyhtml",
    "bodytext",
    "bodypreview",
    "snippet",
    "content",
    "text",
    "tweettext",
    "description",
    "summary",
    "details",
    "message",
    "notes",
    "comments",
)
_DULL = re.compile(
    r"(?i).*(id|type|code|token|etag|version|kind|key|url|uri|error|department|job ?title|company\w*|aboutme|address|schema|tag|label|status|language"
    r"|locale|timezone|model|finishreason|mailnickname|link|statusmessage)\Z"
)  # fields nobody writes about


_TECHNICAL = re.compile(r"(?i)self|uri|api.*|.*uris|.*(avatar|icon|image|photo|repository|logo|callback|resource|webhook).*")  # links nobody follows


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
    title = pick(named, ("title",), _TITLES) or pick(named, ("file_name",), ("{filenamewithextension}", "name", "x-ms-file-name"))
    text = pick(named, ("text", "html"), _TEXTS)
    person = pick(named, ("person_name", "person_email"), ("from", "sendername", "displayname", "tweetedby", "responder", "author", "name", "email"))
    link = pick(
        [f for f in source.fields if f.role == "url" and not _TECHNICAL.fullmatch(f.name)],
        ("url",),
        ("{link}", "weblink", "weburl", "primarylink", "htmlurl", "html_url", "url", "link", "htmllink"),
    )
    state = pick(
        [f for f in source.fields if not f.name.lower().endswith(("id", "code", "sum"))],
        ("status", "number", "money", "date_time", "choice"),
        ("status", "statuscode", "amount", "due date", "submitdate", "start"),
    )
    return Digest(title, text, person, link, state)


def pick(fields: list[Field], roles: tuple[str, ...], names: tuple[str, ...]) -> Field | None:
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


def made_only(step: Step, parameter: Parameter) -> Expression | None:
    return made_text(step)


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


def title_column(step: Step) -> None:
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
    if step.profile.makes or not (step.profile.writes or step.profile.asks):
        return input_text(step, parameter)
    told = next((s for s in step.scope.telling() if _tells(s)), None) or next((s for s in step.scope.telling() if _tells_state(s)), None)
    shared = _shared_link(step)
    if shared is not None:
        name = digest(told).title if told else None
        return Template((told.at(name), " ", shared)) if told and name and not step.titled else shared
    answer = _answered(step)
    if answer is not None:
        known = digest(told) if told and not told.profile.writes else None
        head = (known.title or known.text or known.person) if known else None
        return Template((told.at(head), ": ", answer)) if told and head else answer
    if told is None and step.scope.trigger.profile.operation.id == "commonTrigger.Http":
        return call_of("string", path(step.scope.trigger.name, ("body",)))
    whole = parameter.role == "html" and not parameter.name.lower().endswith("messagebody")
    return _telling(step, told, whole) if told else None


def _tells(source: Source) -> bool:
    """Whether there is something to say about a source; what the flow itself wrote needs a title or a link."""
    if source.profile.asks:
        return False
    d = digest(source)
    if source.profile.writes and not source.trigger:
        return bool(d.title or d.link)
    return bool(d.title or d.text or d.link or d.person)


def _tells_state(source: Source) -> bool:
    """Whether at least a status or a number is known."""
    if source.profile.asks or (source.profile.writes and not source.trigger):
        return False
    state = digest(source).state
    return state is not None and state.role != "date_time"


def _shared_link(step: Step) -> Expression | None:
    """A link that was made to be passed on."""
    for source in step.scope.steps():
        if "link" in words(source.profile.operation.name) and source.profile.writes:
            found = next((f for f in source.fields if f.role == "url"), None)
            if found is not None:
                return source.at(found)
    return None


def _answered(step: Step) -> Expression | None:
    """The outcome of an approval before this step."""
    source = next((s for s in step.scope.steps() if s.profile.asks), None)
    found = source and next((f for f in source.fields if f.name in ("outcome", "SelectedOption", "selectedOption")), None)
    return source.at(found) if source and found else None


def _telling(step: Step, source: Source, whole: bool) -> Expression:
    d = digest(source)
    if whole and d.title is not None and d.text is not None and not step.titled:
        return _line(source, d.title, ": ", d.text)
    own = source.profile.writes and not source.trigger and not source.item  # written by this flow: its text is no news
    if d.text is not None and not own and (step.titled or d.title is None):
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
    if sends_mail(step.profile):
        return message(step, parameter)
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
    source = next((s for s in step.scope.steps() if (s.fields or s.lists) and not s.profile.secret), None)
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


def sends_mail(profile: Profile) -> bool:
    spoken = words(profile.operation.name)
    return "send" in spoken and not {"mail", "email"}.isdisjoint(spoken)


def link(step: Step, parameter: Parameter) -> Expression | None:
    for source in step.scope.telling():
        found = digest(source).link
        if found is not None:
            return source.at(found)
    return None
