"""Flows that start themselves: the trigger waits for changes of a thing, and a step changes that very thing.

In: the trigger, then every step. Out: findings L803. A step below a condition is taken to know what it does, and so is a trigger with a filter of its own.
"""

from __future__ import annotations

import re

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl.diagnostics import Diagnostic
from nl2dsl.dsl.profiles import profile
from nl2dsl.dsl.tree import Call, Expression, Literal

_WAITS_FOR_CHANGE = re.compile(r"updat|modif|chang|edit", re.IGNORECASE)
_WAITS_FOR_NEW = re.compile(r"new|creat|add", re.IGNORECASE)
_CHANGES = re.compile(r"update|patch|upsert|edit|set", re.IGNORECASE)
_CREATES = re.compile(r"create|add|post|insert|upsert|copy", re.IGNORECASE)
_BESIDE = re.compile(
    r"link|comment|attach|share|permission|access|label|reaction|member|approval|checklist", re.IGNORECASE
)  # what hangs on a thing, not the thing
_FILTERS = ("subscriptionRequest/filteringattributes", "subscriptionRequest/filterexpression", "$filter", "filter")
# what says which list, table or folder is meant; the rest of an address (site, server, database) must not differ
_PLACES = ("list", "table", "folder_path", "calendar", "board", "queue", "container", "notebook", "project", "repository")
_AROUND = ("site", "team", "channel")


class SelfStart:
    """Remembers what the trigger waits for, and tells of steps that make it happen again."""

    def __init__(self, trigger: Call, catalog: Catalog) -> None:
        self.catalog = catalog
        self.trigger = trigger
        self.pattern: re.Pattern[str] | None = None
        self.place: tuple[str, Expression] | None = None
        if not trigger.connector.startswith("shared_") or trigger.get("subscriptionRequest/message") is not None:
            self._webhook()
        elif profile(catalog, trigger.id) is not None:
            changes = _WAITS_FOR_CHANGE.search(trigger.operation)
            self.pattern = _CHANGES if changes else _CREATES if _WAITS_FOR_NEW.search(trigger.operation) else None
            self.place = self._place(trigger)
        if any(a.name == "condition" for a in trigger.annotations) or any(trigger.get(key) is not None for key in _FILTERS):
            self.pattern = None

    def _webhook(self) -> None:
        """Dataverse: one trigger for rows added (1), deleted (2), modified (3) and combinations of these."""
        message, entity = self.trigger.get("subscriptionRequest/message"), self.trigger.get("subscriptionRequest/entityname")
        if isinstance(message, Literal) and isinstance(entity, Literal):
            self.pattern = {1: _CREATES, 3: _CHANGES, 4: _CHANGES, 6: _CHANGES, 7: _CHANGES}.get(_int(message.value))
            self.place = ("table", entity)

    def look(self, call: Call, guarded: bool, found: list[Diagnostic]) -> None:
        """Adds a finding if the step makes the trigger fire again."""
        if self.pattern is None or self.place is None or guarded or call.connector != self.trigger.connector:
            return
        made = profile(self.catalog, call.id)
        if made is None or not made.writes or not self.pattern.search(call.operation) or _BESIDE.search(call.operation):
            return
        own = profile(self.catalog, self.trigger.id)
        if own is not None and own.noun and made.noun and own.noun != made.noun:
            return
        place = self._place(call)
        if place is None or place[0] != self.place[0] or not _same(place[1], self.place[1]) or self._elsewhere(call):
            return
        hint = "test before it whether there is anything to change (if), or give the trigger a condition"
        found.append(Diagnostic("L803", "this step starts the flow again, without end", call.span, "warning", hint))

    def _place(self, call: Call) -> tuple[str, Expression] | None:
        operation = self.catalog.get(call.id)
        for entry in call.parameters:
            parameter = operation.parameter(entry.key) if operation is not None else None
            if parameter is not None and parameter.role in _PLACES:
                return parameter.role, entry.value
        return None

    def _elsewhere(self, call: Call) -> bool:
        """Whether step and trigger name different sites, teams or channels."""
        operations = self.catalog.get(self.trigger.id), self.catalog.get(call.id)
        for role in _AROUND:
            values = [
                next((e.value for e in c.parameters if o and (p := o.parameter(e.key)) is not None and p.role == role), None)
                for o, c in zip(operations, (self.trigger, call), strict=True)
            ]
            if values[0] is not None and values[1] is not None and values[0] != values[1]:
                return True
        return False


def _int(value: object) -> int:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0


def _same(one: Expression, other: Expression) -> bool:
    """Equal, or one table in the singular and the plural: Dataverse triggers say `account`, its actions `accounts`."""
    if isinstance(one, Literal) and isinstance(other, Literal):
        first, second = sorted((str(one.value).lower(), str(other.value).lower()), key=len)
        return second in (first, f"{first}s", f"{first}es", f"{first[:-1]}ies")
    return one == other
