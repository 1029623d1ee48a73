"""Readable words for catalog entries whose source has only an id: titles, one-line summaries, parameter titles, and the role of a value by its name.

In: operation ids, parameter and output keys. Out: strings. Rules only, no tables of single operations (those are data: `data/catalog/titles.jsonl`).
"""

from __future__ import annotations

import re

from nl2dsl.catalog.model import split_id

_WORD = re.compile(r"[A-Z]{2,}(?=s(?![a-z]))s|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+(?:\.\d+)*")
_VERSION = re.compile(r"(?:^[Vv](\d+)(?=[A-Z])|[_-]?[Vv](\d+(?:_\d+)?)$|_(Old)$)")


def _table(text: str) -> dict[str, str]:
    """`"a=b; c=d"` as a mapping: tables of words stay readable that way."""
    pairs = (entry.partition("=") for entry in " ".join(text.split()).split("; "))
    return {key.strip(): value.strip() for key, _, value in pairs}


# Spelling of words that an id writes in one case; only those that look wrong otherwise.
SPELLING = {
    w.lower(): w
    for w in """
    PDF HTML CSV XML JSON URL URI ID API SQL DLP AAD SMS QR OCR MCP JQL HTTP HMAC RSA AES GUID VM SAS GDPR WAF ISV CRM ERP OAuth OData EXIF TIFF
    JPG PNG RTF VIP SIT DSR AI FinOps PowerPoint InfoPath DevOps GitHub OneDrive SharePoint Dataverse Excel Word Outlook Kusto Jira DocuSign
    Visio ISO UTC NPS CAD SCIM ACL DB SKU DR
""".split()
}
_INNER = re.compile("|".join(sorted(w for w in SPELLING.values() if not w.isupper() and re.search("[a-z][A-Z]|[A-Z]{2}", w))))
# Long forms of what ids shorten.
LONG = _table("""
    num=number; info=information; msg=message; org=organization; repo=repository; config=configuration; params=parameters; env=environment;
    prefs=preferences; exec=execution; doc=document; docs=documents; dir=folder; auth=authentication; dest=destination; desc=description;
    trigr=trigger; todo=to-do; todos=to-dos; pdf2=PDF to; bitlink=short link; bitlinks=short links; chd=check digit; docx=Word documents;
    pptx=PowerPoint presentation; async=; bsds=branded domains; filer=Filer
""")
VERBS = _table("""
    get=gets; list=lists; create=creates; update=updates; delete=deletes; remove=removes; add=adds; send=sends; post=posts; patch=updates;
    search=searches; find=finds; read=reads; copy=copies; move=moves; rename=renames; extract=extracts; convert=converts; run=runs;
    execute=runs; invoke=calls; set=sets; clear=clears; cancel=cancels; start=starts; stop=stops; restart=restarts; enable=enables;
    disable=disables; archive=archives; merge=merges; split=splits; compress=compresses; compare=compares; generate=generates; validate=checks;
    verify=verifies; approve=approves; decline=declines; reply=replies; forward=forwards; mark=marks; flag=flags; respond=responds;
    export=exports; import=imports; insert=inserts; replace=replaces; lookup=looks up; download=downloads; upload=uploads; subscribe=subscribes;
    unsubscribe=unsubscribes; renew=renews; test=tests; check=checks; detect=detects; analyze=analyzes; fill=fills; flatten=flattens;
    parse=parses; rotate=rotates; escape=escapes; unescape=unescapes; encrypt=encrypts; decrypt=decrypts; secure=secures; unlock=unlocks;
    populate=fills; calculate=calculates; format=formats; clean=cleans; concatenate=joins; count=counts; filter=filters; sort=sorts;
    reverse=reverses; publish=publishes; refresh=refreshes; restore=restores; recover=recovers; install=installs; perform=performs;
    modify=changes; edit=edits; register=registers; unregister=unregisters; retrieve=gets; expand=expands; duplicate=duplicates; assign=assigns;
    reassign=reassigns; query=queries; collect=collects; restrict=restricts; unrestrict=lifts the limits on; initiate=starts; request=requests;
    fetch=gets; use=uses; share=shares; render=renders; discard=discards; notify=notifies; continue=continues; append=appends;
    dead-letter=dead-letters; defer=defers; receive=receives; apply=applies; associate=links; disassociate=unlinks; predict=predicts;
    print=prints; manage=manages; protect=protects; recognize=recognizes; translate=translates; bind=binds; terminate=ends; close=closes;
    reset=resets; configure=configures; unflag=unflags; link=links; unlink=unlinks; ask=asks; answer=answers; redeploy=redeploys;
    simulate=simulates; draw=draws; open=opens; wait=waits; make=makes; remind=reminds; poll=polls; lock=locks; new=creates; offer=offers;
    reject=rejects
""")
_AT = {
    "gets",
    "lists",
    "finds",
    "reads",
    "searches",
    "looks up",
    "downloads",
    "exports",
    "queries",
    "receives",
    "extracts",
}  # these take "from", the others "in"
_STOP = set(
    """
    and are as at between by for from in into is of on or that to using via when with
""".split()
)
_MASS = set(
    """
    access all any audio capacity content cross csv data details each every excel execution exif feedback gdpr github history html http infopath
    information json management me membership metadata multiple my oauth off one outlook permission powerpoint preference properties recovery
    scanning schema sharepoint status storage text this usage user's visio waf word work xml your
""".split()
)


def version_of(name: str) -> tuple[str, str]:
    """An operation name without its version, and the version as people write it: `SendEmailV2` -> (`SendEmail`, `V2`)."""
    m = _VERSION.search(name)
    if not m or m.end() - m.start() == len(name):
        return name, ""
    rest = name[: m.start()] + name[m.end() :]
    return rest, "old" if m[3] else "V" + (m[1] or m[2]).replace("_", ".")


def words(name: str) -> list[str]:
    """The words of a camelCase, snake_case or dotted name, spelled as people write them, lower case but for acronyms and product names."""
    out: list[str] = []
    for w in _WORD.findall(_INNER.sub(lambda m: m[0].capitalize(), name.replace("ToDo", "Todo"))):
        low = w.lower()
        long = LONG.get(low, low)
        if low.endswith("s") and low[:-1] in SPELLING and low not in SPELLING and len(low) < 6:
            out.append(SPELLING[low[:-1]] + "s")
        elif long:
            out.append(SPELLING.get(long, long))
    return out


def _plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith(("ss", "us", "is", "'s"))


def _article(word: str) -> str:
    if re.match(r"(?:uni|use|usa|one|eur|uti|url|uri)", word.lower()):
        return "a"
    return "an" if word[0] in "aeiouAEIO" or (re.match(r"(?:[FHLMNRSX][A-Z0-9]|hour|honest)", word) and word.isupper()) else "a"


def with_article(phrase: list[str]) -> list[str]:
    """`["file", "to", "folder"]` -> `["a", "file", "to", "a", "folder"]`; plural and mass nouns stay bare, and so does what follows "by"."""
    end = next((i for i, w in enumerate(phrase) if w.lower() in _STOP), len(phrase))
    rest = phrase[end:]
    if rest and rest[0].lower() in {"to", "from", "in", "of", "for", "on", "into"}:
        rest = [rest[0], *with_article(rest[1:])]
    noun = phrase[:end]
    if (
        not noun
        or noun[0].lower() in {"a", "an", "the", "all", "my", "multiple", "me", "this"}
        or _plural(noun[-1].lower())
        or noun[-1].lower() in _MASS
    ):
        return [*noun, *rest]
    return [_article(noun[0]), *noun, *rest]


def _sentence(parts: list[str]) -> str:
    text = " ".join(p for p in parts if p)
    return text[:1].upper() + text[1:]


_PAST = _table("""
    new=created; created=created; create=created; updated=updated; update=updated; changed=changed; deleted=deleted; delete=deleted;
    closed=closed; close=closed; completed=completed; complete=completed; assigned=assigned; flagged=flagged; added=added; removed=removed;
    modified=changed
""")


def _trigger_title(parts: list[str]) -> str:
    """`OnUpdatedFiles` -> "When files are updated"."""
    parts = [p for p in parts if p.lower() not in {"get", "trigger", "webhook", "subscribe", "on", "hook", "when"}] or parts
    at = next((i for i, p in enumerate(parts) if p.lower() in _PAST and i in (0, len(parts) - 1)), None)
    if at is None:
        return _sentence(["when", *with_article(parts), "happens" if not _plural(parts[-1]) else "happen"])
    noun = [p for i, p in enumerate(parts) if i != at]
    if not noun:
        return _sentence(["when", "something", "is", _PAST[parts[at].lower()]])
    end = next((i for i, w in enumerate(noun) if w.lower() in _STOP), len(noun)) or len(noun)
    many = _plural(noun[end - 1])
    state = _PAST[parts[at].lower()]
    new = ["new"] if parts[at].lower() == "new" and not many else []
    return _sentence(["when", *with_article([*new, *noun[:end]]), "are" if many else "is", state, *noun[end:]])


def _action_title(parts: list[str]) -> str:
    if parts[0].lower() not in VERBS:
        last = parts[-1].lower()
        if (
            len(parts) > 1
            and last in VERBS
            and last
            not in {
                "request",
                "list",
                "query",
                "share",
                "export",
                "import",
                "file",
                "flag",
                "answer",
                "format",
                "text",
                "print",
                "offer",
                "test",
                "update",
            }
        ):
            parts = [parts[-1], *parts[:-1]]  # `SwapShiftsChangeRequestApprove`
        else:
            return _sentence(parts)
    verb = {"patch": "update", "retrieve": "get", "fetch": "get", "execute": "run", "invoke": "call"}.get(parts[0].lower(), parts[0].lower())
    return _sentence([verb, *with_article(parts[1:])])


def title_of(name: str, kind: str) -> str:
    """A title for an operation that has only its name: `GetOnUpdatedItemsV2` -> "When items are updated (V2)"."""
    rest, version = version_of(name.removesuffix("Async").removesuffix("_Async"))
    rest = re.sub(r"^ODataStyle", "", rest)
    parts = words(rest.removesuffix("Async")) or [name]
    text = _trigger_title(parts) if kind == "trigger" else _action_title(parts)
    return f"{text} ({version})" if version else text


def summary_of(title: str, kind: str, connector: str, by: str = "", place: str = "in") -> str:
    """One line under a title: "Get a contact" of HubSpot CRM -> "gets a contact from HubSpot CRM by its id"."""
    plain = re.sub(r" \((?:V[\d.]+|old)\)$", "", title)
    plain = plain[:1].lower() + plain[1:] if plain[1:2].islower() or plain[1:2] == " " else plain
    there = f" {place} {connector}" if connector and connector.lower() not in plain.lower() else ""
    if kind == "trigger" or plain.startswith("when "):
        return ("fires " if plain.startswith("when ") else "starts on ") + plain + there
    verb, _, rest = plain.partition(" ")
    third = VERBS.get(verb)
    if third is None:
        return f"{plain}{there}{by}"
    if not re.search(r"\b(?:an?|the|my|all)\b", rest):
        rest = " ".join(with_article(rest.split()))
    if third in _AT and place == "in" and there and " from " not in rest:
        there = f" from {connector}"
    return f"{third}{' ' + rest if rest else ''}{there}{by}"


_NOISE = {
    "body",
    "recipient",
    "item",
    "inputs",
    "parameters",
    "request",
    "input",
    "operation",
    "emailmessage",
    "requestbody",
    "value",
    "content",
    "parameter",
}


def parameter_title(key: str) -> str:
    """`emailMessage/To` -> "To", `body/recipient/channelId` -> "Channel", `recurrence/startTime` -> "Start time"."""
    steps = [s for s in key.split("/") if s]
    leaf = steps[-1] if steps else key
    if leaf.lower() in {"value", "id", "content"} and len(steps) > 1 and steps[-2].lower() not in _NOISE:
        leaf = steps[-2]
    plain = {
        "dataset": "Data source",
        "$filter": "Filter",
        "$top": "How many",
        "$skip": "Skip",
        "$orderby": "Order by",
        "$select": "Columns",
        "$expand": "Expand",
        "id": "Id",
        "q": "Query",
        "@odata.id": "Reference",
    }.get(leaf)
    if plain:
        return plain
    parts = words(leaf)
    if len(parts) > 1 and parts[-1] == "ID":
        parts = parts[:-1]
    text = _sentence(parts)
    return text or key


# Role of a value by the last step of its key; the first rule that matches wins. Roles are those of the wording data.
_ROLES: list[tuple[str, str]] = [
    (r"(?:has|is|can|should|enable|allow|include|use)[A-Z_].*|overwrite|.*enabled", "boolean"),
    (
        r"(?:reply)?to(?:recipients?)?|cc|bcc|from|e?mail|.*e?mail(?:address(?:es)?)?|.*recipients?|.*attendees|upn|userprincipalname|"
        r"assign(?:ed)?to|assignees?|approvers?|owners?|mailbox.*|requestor|organizer|sender",
        "person_email",
    ),
    (r"file_?names?|.*file_?name(?:withextension)?|.*documentname", "file_name"),
    (r".*(?:file|document|image|pdf|template)_?(?:content|bytes)s?|contentbytes|.*photo|file|image|image_?stream", "file_content"),
    (r"attachments|files|documents", "list_of_files"),
    (r".*folder_?(?:path|id)?|directory|.*folder", "folder_path"),
    (r"path|.*file_?path|.*_path|source_?path|destination_?path|fileid|file_?identifier|.*filepath", "file_path"),
    (r"body|.*html.*|messagebody", "html"),
    (r"subject|title|name|display_?name|summary|.*title|.*subject|.*_?displayname|headline", "title"),
    (r".*(?:first|last|given|full|sur|user|middle|nick)_?name|surname|author|created_?by|modified_?by|.*person|creator|assignee.*", "person_name"),
    (r".*(?:url|uri|link|href)s?|websites?|permalink|domain|web_?page", "url"),
    (
        r".*(?:date|time|deadline|timestamp)(?:time|utc)?|.*(?:created|modified|updated|completed|closed|deleted)_?(?:on|at)?|"
        r"start|end|due|.*_at|.*since|.*until|.*date.*|expir.*|from_?date|lastmodified.*",
        "date_time",
    ),
    (r"dataset|site|siteurl|.*siteaddress", "site"),
    (r"table|table_?name|entity_?name|entity|sheet|worksheet|.*entitylogicalname", "table"),
    (r"(?:list|tasklist|listname)(?:_?id)?", "list"),
    (r"channel(?:_?id)?", "channel"),
    (r"(?:group|team)(?:_?id)?", "team"),
    (r"calendar(?:_?id)?", "calendar"),
    (r"notebook(?:_?(?:id|key))?", "notebook"),
    (r"board(?:_?id)?", "board"),
    (r"bucket(?:_?id)?", "bucket"),
    (r"(?:project|plan)(?:_?(?:id|key|name))?", "project"),
    (r"(?:repo|repository)(?:_?(?:id|name))?", "repository"),
    (r"queue(?:_?(?:id|name))?|topic_?name|eventhub_?name", "queue"),
    (r"(?:container|bucket|collection)(?:_?(?:id|name))?", "container"),
    (r"\$?filter|query|search.*|q|.*query|.*_?filter|keywords?|jql|where", "query_text"),
    (
        r"message|text|content|description|comments?|notes?|reason|details?|.*description|.*text|.*message|.*comment|.*notes?|"
        r"caption|answer|question|prompt|input|preview|.*preview",
        "text",
    ),
    (r"(?:amount|price|cost|total_?price|.*amount|.*price|salary|budget|revenue)", "money"),
    (r"duration|.*duration|timeout", "duration"),
    (r"phone.*|.*phone(?:_?number)?|mobile|.*fax", "phone"),
    (r"country.*", "country"),
    (r"location|address|city|.*address|street|place|latitude|longitude|.*location|postal_?code|zip", "location"),
    (r"language|locale|.*language|culture_?name|.*locale", "language"),
    (r"status|state|.*status|.*state|outcome|stage", "status"),
    (
        r"count|top|limit|size|number|page|.*count|.*number|.*size|max.*|min.*|skip|offset|\$top|\$skip|interval|page_?size|"
        r"quantity|.*limit|width|height|total.*|percent.*|score",
        "number",
    ),
    (
        r"type|importance|priority|.*type|color|.*mode|kind|severity|frequency|time_?unit|method|category|.*format|sensitivity|"
        r"time_?zone|.*level",
        "choice",
    ),
    (r"value|items|results|entries|records|rows|.*list|members|tags|labels|categories|.*users|.*ids", "list_of_items"),
    (r"id|.*_id|.*[a-z]Id|.*ID|key|.*_?key|guid|uuid|.*identifier|.*_?token|number", "record_id"),
    (r".*_?name|environment|app|flow|policy|template|tag|report|workspace|form|survey|procedure|workflow", "title"),
]
_COMPILED = [(re.compile(pattern, re.IGNORECASE), role) for pattern, role in _ROLES]
_BY_FORMAT = {
    "email": "person_email",
    "date-time": "date_time",
    "date": "date_time",
    "html": "html",
    "uri": "url",
    "url": "url",
    "binary": "file_content",
    "byte": "file_content",
}
_TYPED = {"boolean": "boolean", "integer": "number", "number": "number", "file": "file_content"}


def role_of(key: str, type: str = "string", format: str = "", enum: bool = False) -> str:
    """What a parameter means, by its format, its type and the last step of its name; "" when nothing fits."""
    if enum:
        return "choice"
    if format in _BY_FORMAT:
        return _BY_FORMAT[format]
    if type in _TYPED:
        return _TYPED[type]
    leaf = key.rstrip("/").rsplit("/", 1)[-1].strip("{}").removeprefix("$")
    role = next((role for pattern, role in _COMPILED if pattern.fullmatch(leaf)), "")
    if role == "boolean":
        return "choice" if type == "string" else ""
    if type == "array" and role not in {"list_of_files", "person_email", "list_of_items"}:
        return "list_of_items"
    if type == "object" and role not in {"", "file_content"}:
        return "other"
    return role


def output_role(key: str) -> str:
    """What a result field means, by the last step of its name."""
    leaf = key.rstrip("/").rsplit("/", 1)[-1].strip("{}")
    return next((role for pattern, role in _COMPILED if pattern.fullmatch(leaf)), "other") if leaf else "other"


OUTPUT_TYPES = {"list_of_items": "array", "list_of_files": "array", "boolean": "boolean", "number": "number", "money": "number", "other": "any"}
_TRIGGER_WORDS = re.compile(
    r"(?i:^(?:when(?:ever)?\b|once\b|fires\b|triggered\b|event:|this trigger\b|raised (?:when|for|by)\b|(?:[^:]{1,40}: )?starts? (?:when|on|for|once|after)\b|runs? (?:right )?(?:when|every|whenever|after)\b))|^[Oo]n(?=[A-Z_ ])"
    r"|(?i:\btriggers?(?=[ ]*(?:$|[.,:;()-])| (?:when|on|if|once|after|every|each|as|that|which|for|node|event)\b)|\btriggered (?:when|on|by|if|once|after|every)\b)"
    r"|(?i:\bpoller\b|\bpolls\b|\bwebhook event\b|\bevent source\b|\bon a schedule\b|\bscheduled?\b.*\bruns?\b|\bsubscri(?:be|ption) to\b|\blistens?\b)"
)
_EVENT_NAME = re.compile(r"(?i)(?:^|[._/ -])(?:triggers?|events?|pollers?)[._/ -]")
_VERBS = frozenset([*VERBS, *VERBS.values()])
# what nothing but an action is called after; VERBS has words, too, that also say what has happened ("updated" is read as none of them)
_DOING = frozenset(
    "add approve archive assign book cancel check clear close copy count create decline delete download edit export fetch filter find get if import insert invite is list lookup mark merge move patch post put query read "
    "remove release rename reply rerun reschedule respond run save search send set show sync trigger update upload upsert write".split()
)


def acts(id: str, description: str) -> bool:
    """Whether a line says what is done: a verb in its name, or first in its description."""
    if _DOING & {word.lower() for word in words(split_id(id)[1])}:
        return True
    first = re.match(r"(?:[^:]{1,40}: )?([A-Za-z]+)", description.strip())
    return first is not None and first[1].lower() in _VERBS


def kind_of(id: str, description: str) -> str:
    """Trigger or any: what a line that gives only an id and a description seems to be."""
    name = split_id(id)[1]
    if re.match(r"(?:On|When)(?=[A-Z_ ])", name) or re.search(r"(?i)(?:trigger|poller|webhook|listener)s?$|(?-i:(?:^|[._-])on[A-Z-])", name):
        return "trigger"
    said = [word.lower() for word in words(name)]
    happened = len(said) > 1 and len(said[-1]) > 4 and said[-1].endswith("ed") and not said[-1].endswith(("eed", "embed"))  # `leave_requested`
    if (happened or _EVENT_NAME.search(name)) and not _DOING.intersection(said):  # `gcal.event.create` is none
        return "trigger"
    return "trigger" if _TRIGGER_WORDS.search(description.strip()) else "any"
