"""Run-after graphs: from "this action runs after those, when they ended so" to blocks, and back.

In: for one level of a definition, which action runs after which with which statuses. Out: units in the order of execution: single actions, scopes
that guard each other (try / catch / finally) and forks whose branches run side by side. A chain needs no words; whatever is neither chain nor guard
nor fork keeps its run-after written out (`after`). Key order of the JSON says nothing about the order of execution, except between actions that
are free to swap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STATUSES = ("Succeeded", "Failed", "Skipped", "TimedOut")
FAILURE = ("Failed", "Skipped", "TimedOut")
ALWAYS = STATUSES
_SPELLING = {status.lower(): status for status in STATUSES}

After = dict[str, tuple[str, ...]]
_Key = frozenset[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Step:
    """One action; `after` is written out when it is not simply the end of the unit before."""

    name: str
    after: After | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A scope, the scope that runs when it fails, and the scope that runs in any case; '' for one that is not there."""

    body: str
    catch: str
    final: str
    after: After | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    branches: tuple[tuple[Unit, ...], ...]


Unit = Step | Guard | Fork


def read(raw: Mapping[str, Any]) -> After:
    """A `runAfter` of a definition with statuses spelt and ordered as the platform does."""
    return {name: statuses(values) for name, values in raw.items()}


def statuses(values: Any) -> tuple[str, ...]:
    found = {_SPELLING.get(str(value).lower(), str(value)) for value in (values if isinstance(values, list | tuple) else [values])}
    return tuple(s for s in STATUSES if s in found) + tuple(sorted(found - set(STATUSES)))


def write(after: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(values) for name, values in after.items()}


def after_action(name: str) -> After:
    return {name: ("Succeeded",)}


def after_guard(body: str, catch: str, final: str) -> After:
    """What follows a guard: its last scope; a catch that was not needed is skipped."""
    if final:
        return after_action(final)
    return {catch: ("Succeeded", "Skipped")} if catch else after_action(body)


def after_unit(unit: Unit) -> After:
    match unit:
        case Step():
            return after_action(unit.name)
        case Guard():
            return after_guard(unit.body, unit.catch, unit.final)
        case Fork():
            merged: After = {}
            for branch in unit.branches:
                merged |= after_unit(branch[-1])
            return merged


def arrange(level: Mapping[str, After], scopes: frozenset[str]) -> tuple[Unit, ...]:
    """The units of one level; `scopes` are the actions that may form a guard."""
    return _Arranger(level, scopes).units()


class _Arranger:
    def __init__(self, level: Mapping[str, After], scopes: frozenset[str]) -> None:
        self.level = level
        self.scopes = scopes
        self.left = dict.fromkeys(level)
        self.followers: dict[_Key, list[str]] = {}  # by the exact run-after
        self.dependents: dict[str, list[str]] = {}  # by one action they run after
        for name, after in level.items():
            self.followers.setdefault(frozenset(after.items()), []).append(name)
            for before in after:
                self.dependents.setdefault(before, []).append(name)

    def units(self) -> tuple[Unit, ...]:
        units = self._chain({})
        while self.left:
            units.append(self._take(self._ready(), explicit=True))
            units += self._chain(after_unit(units[-1]))
        return tuple(units)

    def _chain(self, entry: After) -> list[Unit]:
        """Everything that runs exactly after `entry`, and what runs after that, and so on."""
        units: list[Unit] = []
        while candidates := self._after(entry):
            units.append(self._take(candidates[0]) if len(candidates) == 1 else self._fork(candidates))
            entry = after_unit(units[-1])
        return units

    def _after(self, entry: After) -> list[str]:
        return [name for name in self.followers.get(frozenset(entry.items()), ()) if name in self.left]

    def _fork(self, starts: list[str]) -> Fork:
        for name in starts:
            del self.left[name]
        branches = []
        for name in starts:
            first = self._take(name)
            branches.append((first, *self._chain(after_unit(first))))
        return Fork(tuple(branches))

    def _ready(self) -> str:
        """The first action that waits for none of those left; in a circle, the first."""
        for name in self.left:
            if not any(before in self.left for before in self.level[name]):
                return name
        return next(iter(self.left))

    def _take(self, name: str, explicit: bool = False) -> Step | Guard:
        self.left.pop(name, None)
        after = self.level[name] if explicit else None
        catch = self._guard_scope(name, lambda s: "Failed" in s and "Succeeded" not in s)
        final = self._guard_scope(catch or name, lambda s: "Failed" in s and "Succeeded" in s)
        if not (catch or final):
            return Step(name, after)
        for scope in (catch, final):
            self.left.pop(scope, None)
        return Guard(name, catch, final, after)

    def _guard_scope(self, name: str, fits: Any) -> str:
        """The one scope that runs after `name` alone with such statuses, when nothing else but that and a final scope runs after `name`."""
        if name not in self.scopes:
            return ""
        others = self.dependents.get(name, [])
        found = [n for n in others if n in self.left and n in self.scopes and len(self.level[n]) == 1 and fits(self.level[n][name])]
        return found[0] if len(found) == 1 and len(others) == 1 else ""
