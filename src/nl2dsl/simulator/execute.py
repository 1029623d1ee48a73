"""Runs a definition on a virtual clock: run-after order, containers, loops, retries, failure, the end.

In: a definition (JSON), what is known of its actions, mock data, faults, limits. Out: a `trace.Run`. One task for each action; what runs side by side is interleaved
by virtual time. The rules are the platform's:
    * an action runs when all actions it runs after ended as asked for; else it is skipped;
    * a level (the flow, a scope, a branch, an iteration) fails when one of its last actions failed, where a skipped one counts as those before it;
    * a for-each runs all items and fails if one fails; an until ends with its condition, its count or its time, and fails if its last round does.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from nl2dsl.catalog.model import Catalog
from nl2dsl.dsl import runafter
from nl2dsl.simulator import actions, dates, evaluate
from nl2dsl.simulator.actions import Outcome
from nl2dsl.simulator.evaluate import Context, Frame
from nl2dsl.simulator.mock import Mocks, call_key
from nl2dsl.simulator.schedule import Clock, Event
from nl2dsl.simulator.trace import Effect, Entry, Run
from nl2dsl.simulator.values import MockObject, TemplateError, Unknown, same, to_text, type_name, weigh

Json = dict[str, Any]
Work = Generator["float | Event", None, Any]

_FAILURES = {"Failed", "TimedOut"}
_RETRIED = (408, 429, 500, 502, 503, 504)
_DEFAULT_RETRY = (4, 7.0)  # attempts after the first, seconds
_MONTH = 30 * 86_400.0  # longest run of the platform
_CALL_TIMEOUT = 120.0  # seconds until an unanswered request times out
_CHANGES = ("setvariable", "incrementvariable", "decrementvariable", "appendtostringvariable", "appendtoarrayvariable")
_CONTAINERS = ("if", "switch", "foreach", "until", "scope")


@dataclass(frozen=True, slots=True)
class Limits:
    """When the simulator stops: actions run, expression nodes worked out. Both are counts, so a run ends the same way on every machine."""

    steps: int = 10_000
    nodes: int = 3_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure to inject: HTTP status, or 0 for a time-out; `times` attempts fail, all of them for 0."""

    status: int = 500
    times: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What the flow says about an action: the operation it calls, and its line in the text."""

    operation: str
    line: int = 0


@dataclass(slots=True)
class Plan:
    """What to run: `known`, `faults` by the lower-case name of the action."""

    definition: Json
    catalog: Catalog
    mocks: Mocks
    known: Mapping[str, Known]
    faults: Mapping[str, Fault] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    instant: bool = False  # calls take no time: two flows that do the same do it at the same time


class _Ended(Exception):
    """The run is over: by Terminate, by a limit."""

    def __init__(self, status: str, error: dict[str, str] | None, declared: bool) -> None:
        self.status = status
        self.error = error
        self.declared = declared


@dataclass(slots=True)
class _Place:
    """Where an action runs: results around it, the entry that holds it, the iteration."""

    frame: Frame
    children: list[Entry]
    number: int = 0


class Engine:
    """One run. Also what expressions see of it (`evaluate.Run`)."""

    def __init__(self, plan: Plan, trigger: Json) -> None:
        self.plan = plan
        self.mocks = plan.mocks
        self.clock = Clock(plan.mocks.start)
        self.trigger = trigger
        self.variables: dict[str, Any] = {}
        self.types: dict[str, str] = {}
        self.index: dict[str, Json] = {}
        self.steps = self.nodes = self.draws = 0
        self.calls: dict[str, int] = {}
        self.effects: list[Effect] = []
        self._survey(plan.definition.get("actions"))

    def _survey(self, level: Any) -> None:
        for name, action in _level(level).items():
            self.index[name.lower()] = action
            for inner in _levels(action):
                self._survey(inner)

    # --- what expressions see

    def now(self) -> datetime:
        return self.clock.now()

    def draw(self) -> Random:
        """A fresh random generator, the same one at the same point of a run."""
        self.draws += 1
        return self.mocks.random("draw", str(self.draws))

    def spend(self, cost: int = 1) -> None:
        self.nodes += cost
        if self.nodes > self.plan.limits.nodes:
            raise _Ended("Stopped", _error("Budget", f"the simulator stops after {self.plan.limits.nodes} expression nodes"), False)

    def record(self, name: str, frame: Frame) -> Json | None:
        return frame.find(name)

    def has_action(self, name: str) -> bool:
        return name in self.index

    def children(self, name: str, frame: Frame) -> list[Json] | None:
        action = self.index.get(name)
        if action is None or str(action.get("type", "")).lower() not in _CONTAINERS:
            return None
        for around in frame.outwards():
            if name in around.repeats:
                return around.repeats[name]
        found = (frame.find(inner.lower()) for level in _levels(action) for inner in level)
        return [record for record in found if record is not None]

    def parameter(self, name: str) -> Any:
        declared = self.plan.definition.get("parameters")
        found = next((p for key, p in declared.items() if key.lower() == name.lower()), None) if isinstance(declared, dict) else None
        if name in ("$connections", "$authentication"):
            return MockObject({}, self.unknown(f"parameter/{name}", name))
        if not isinstance(found, dict):  # an app's parameters stand in a file of their own
            return self.unknown(f"parameter/{name}", name)
        default = found.get("defaultValue", found.get("value"))
        if default is None or (isinstance(default, str) and default.startswith("[")):  # to be given, or worked out, at deployment
            return self.mocks.of_schema({"type": str(found.get("type", "any")).lower().replace("secure", "")}, f"parameter/{name}", name)
        return default

    def workflow(self) -> Any:
        origin = self.unknown("workflow", "workflow")
        run = MockObject({"id": "/workflows/simulated/runs/08584", "name": "08584", "type": "Microsoft.Logic/workflows/runs"}, origin.child("run"))
        tags = MockObject({"flowDisplayName": "Simulated flow", "environmentName": "Default-00000000"}, origin.child("tags"))
        return MockObject({"id": "/workflows/simulated", "name": "simulated", "type": "Microsoft.Logic/workflows", "run": run, "tags": tags}, origin)

    def unknown(self, key: str, name: str) -> Unknown:
        return self.mocks.unknown(key, name)

    # --- the run

    def run(self, trigger: Entry, seed: int) -> Run:
        trace: list[Entry] = []
        result = Run("Succeeded", seed, self.clock.start, self.clock.start, trigger, trace, self.effects)
        result.trace = trace
        try:
            self.clock.spawn(self._whole(_Place(Frame(), trace), result))
            self.clock.run()
        except _Ended as end:
            result.status, result.error, result.declared = end.status, end.error, end.declared
            self._cancel(trace, end.status if end.declared else "Cancelled")
        self.clock.close()
        result.end = self.clock.now()
        result.steps = self.steps
        return result

    def _whole(self, place: _Place, result: Run) -> Work:
        result.status = yield from self.block(_level(self.plan.definition.get("actions")), place)
        if result.status != "Succeeded":
            causes = [e.error for e in result.entries() if e.status in _FAILURES and e.error and e.error["code"] != "ActionFailed"]
            result.error = causes[-1] if causes else None

    def _cancel(self, trace: list[Entry], status: str) -> None:
        """What was under way when the run was ended; containers of the step that ended it take its status."""
        for entry in trace:
            for one in entry.walk():
                if one.status == "Running":
                    inside = any(e.status != "Running" and e.operation == "builtin.Terminate" for e in one.walk())
                    one.status, one.end = (status if inside else "Cancelled"), self.clock.now()

    # --- levels

    def block(self, level: Mapping[str, Json], place: _Place) -> Work:
        """Runs a level of actions; returns its status."""
        runner = _Level(self, level, place)
        yield from runner.work()
        return runner.status()

    def start(self, name: str, action: Json, place: _Place) -> Work:
        """Runs one action; returns its status."""
        if self.steps >= self.plan.limits.steps:
            raise _Ended("Stopped", _error("Budget", f"the simulator stops after {self.plan.limits.steps} steps"), False)
        if self.clock.seconds > _MONTH:
            raise _Ended("TimedOut", _error("RunTimedOut", "the run took longer than 30 days"), False)
        self.steps += 1
        kind = str(action.get("type", ""))
        entry = self._entry(name, action, place)
        entry.start = self.now()
        context = Context(self, place.frame)
        fault = self.plan.faults.get(name.lower())
        try:
            if fault is not None and kind.lower() in (
                *_CONTAINERS,
                *_CHANGES,
                *actions.DATA_OPERATIONS,
                "compose",
                "initializevariable",
                "parsejson",
                "terminate",
            ):
                outcome = _faulty(fault, None)
            else:
                outcome = yield from self._perform(kind, name, action, entry, context)
            self.spend((weigh(outcome.outputs) + weigh(outcome.inputs)) >> 4)
        except TemplateError as error:
            outcome = Outcome(status="Failed", code=error.code, message=_in_action(name, str(error), error.code))
        except RecursionError:
            outcome = Outcome(
                status="Failed", code="InvalidTemplate", message=_in_action(name, "the expression is nested too deeply", "InvalidTemplate")
            )
        if outcome.seconds:
            yield outcome.seconds
        self._finish(entry, outcome, context, place.frame)
        return entry.status

    def _entry(self, name: str, action: Json, place: _Place) -> Entry:
        known = self.plan.known.get(name.lower(), Known(""))
        runtime = action.get("runtimeConfiguration")
        secure = runtime.get("secureData") if isinstance(runtime, dict) else None
        hidden = secure.get("properties") if isinstance(secure, dict) else None
        entry = Entry(
            name,
            known.operation,
            number=place.number,
            line=known.line,
            secured=frozenset(map(str, hidden)) if isinstance(hidden, list) else frozenset(),
        )
        place.children.append(entry)
        return entry

    def _finish(self, entry: Entry, outcome: Outcome, context: Context, frame: Frame) -> None:
        entry.status, entry.end = outcome.status, self.now()
        entry.inputs = outcome.inputs if entry.inputs is None else entry.inputs
        entry.outputs = outcome.outputs
        entry.notes = tuple(context.notes)
        if outcome.status in _FAILURES:
            entry.error = _error(outcome.code, outcome.message)
        frame.results[entry.name.lower()] = self._recorded(entry, outcome)

    def _recorded(self, entry: Entry, outcome: Outcome) -> Json:
        """What `actions()` and `result()` show of an action."""
        stamp = dates.ROUND_TRIP
        times = {k: dates.format_stamp(dates.of_datetime(t), stamp) for k, t in (("startTime", entry.start), ("endTime", entry.end)) if t}
        found: Json = {"name": entry.name, "inputs": entry.inputs, "outputs": outcome.outputs, **times}
        found |= {
            "trackingId": "",
            "clientTrackingId": "08584",
            "status": entry.status,
            "code": outcome.code or ("OK" if entry.status == "Succeeded" else ""),
        }
        return found | ({"error": entry.error} if entry.error else {})

    def skip(self, name: str, action: Json, place: _Place, why: str = "") -> None:
        """Marks an action, and what is inside, as skipped."""
        entry = self._entry(name, action, place)
        entry.status = "Skipped"
        entry.notes = (why,) if why else ()
        self._mark_skipped(name, action, place.frame)

    def _mark_skipped(self, name: str, action: Json, frame: Frame) -> None:
        frame.results[name.lower()] = {"name": name, "status": "Skipped", "code": "ActionSkipped", "inputs": None, "outputs": None}
        for level in _levels(action):
            for inner, nested in level.items():
                self._mark_skipped(inner, nested, frame)

    # --- actions

    def _perform(self, kind: str, name: str, action: Json, entry: Entry, context: Context) -> Work:
        inputs = action.get("inputs", {})
        match kind.lower():
            case "if":
                return (yield from self._if(action, entry, context))
            case "switch":
                return (yield from self._switch(action, entry, context))
            case "foreach":
                return (yield from self._foreach(name, action, entry, context))
            case "until":
                return (yield from self._until(action, entry, context))
            case "scope":
                return (yield from self._inside(_level(action.get("actions")), entry, context))
            case "terminate":
                return self._terminate(inputs, entry, context)
            case "compose":
                return actions.compose(inputs, context)
            case "initializevariable":
                return actions.initialize(_object(inputs), context, self.types)
            case "parsejson":
                return actions.parse_json(_object(inputs), context, self.mocks)
            case "expression":
                found = actions.expression(str(action.get("kind", "")), _object(inputs), context)
                return found if found is not None else (yield from self._call(kind, name, action, entry, context))
            case change if change in _CHANGES:
                return actions.change(change, _object(inputs), context, self.types)
            case operation if operation in actions.DATA_OPERATIONS:
                return actions.DATA_OPERATIONS[operation](_object(inputs), context)
            case _:
                return (yield from self._call(kind, name, action, entry, context))

    def _terminate(self, inputs: Any, entry: Entry, context: Context) -> Outcome:
        found = evaluate.value(inputs, context)
        status = to_text(found.get("runStatus")) if isinstance(found, dict) else ""
        status = {"succeeded": "Succeeded", "failed": "Failed"}.get(status.lower(), "Cancelled")
        given = found.get("runError") if isinstance(found, dict) else None
        error = _error(to_text(given.get("code")), to_text(given.get("message"))) if isinstance(given, dict) else None
        entry.status, entry.inputs, entry.end, entry.notes = "Succeeded", found, self.now(), tuple(context.notes)
        raise _Ended(status, error, True)

    def _inside(self, level: Mapping[str, Json], entry: Entry, context: Context) -> Work:
        status = yield from self.block(level, _Place(context.frame, entry.children))
        return _contained(status)

    def _if(self, action: Json, entry: Entry, context: Context) -> Work:
        true = evaluate.condition(action.get("expression", True), context)
        entry.inputs = {"expressionResult": true}
        branches = (_level(action.get("actions")), _level(_object(action.get("else")).get("actions")))
        self._skip_level(branches[1 if true else 0], context.frame)
        return (yield from self._inside(branches[0 if true else 1], entry, context))

    def _switch(self, action: Json, entry: Entry, context: Context) -> Work:
        subject = evaluate.value(action.get("expression"), context)
        entry.inputs = {"expressionResult": subject}
        chosen = None
        for case in _level(action.get("cases")).values():
            level = _level(case.get("actions"))
            if chosen is None and same(subject, evaluate.value(case.get("case"), context)):
                chosen = level
            else:
                self._skip_level(level, context.frame)
        default = _level(_object(action.get("default")).get("actions"))
        if chosen is not None:
            self._skip_level(default, context.frame)
        return (yield from self._inside(default if chosen is None else chosen, entry, context))

    def _skip_level(self, level: Mapping[str, Json], frame: Frame) -> None:
        for name, action in level.items():
            self._mark_skipped(name, action, frame)

    def _foreach(self, name: str, action: Json, entry: Entry, context: Context) -> Work:
        found = evaluate.value(action.get("foreach"), context)
        if isinstance(found, Unknown):
            found = found.items()
        if isinstance(found, MockObject):
            found = found.origin.items()
        if not isinstance(found, list):
            return actions.failed(
                found,
                "ExpressionEvaluationFailed",
                f"The execution of template action '{name}' failed: the result of the evaluation of 'foreach' expression "
                f"'{to_text(action.get('foreach'))[:200]}' is of type '{type_name(found)}'. The result must be a valid array.",
            )
        entry.inputs = {"items": len(found)}
        loop = _Loop(self, name, _level(action.get("actions")), found, entry, context.frame)
        yield from loop.work(_width(action))
        return _contained(loop.status())

    def _until(self, action: Json, entry: Entry, context: Context) -> Work:
        limit = _object(evaluate.value(action.get("limit"), context))
        most = limit.get("count", 60)
        most = most if isinstance(most, int) and 1 <= most <= 5000 else 60
        longest = dates.duration(limit.get("timeout")) or 3600.0
        began = self.clock.seconds
        level = _level(action.get("actions"))
        status, met, rounds = "Succeeded", False, 0
        while not met and rounds < most and self.clock.seconds - began < longest:
            rounds += 1
            place = _Place(Frame(context.frame, entry.name.lower(), index=rounds - 1), entry.children, rounds)
            status = yield from self.block(level, place)
            context.frame.results |= place.frame.results
            met = evaluate.condition(action.get("expression", True), context)
        entry.inputs = {"rounds": rounds, "expressionResult": met}
        if not met:
            context.note("the limit was reached before the condition was true")
            if "failwhenlimitsreached" in str(action.get("operationOptions", "")).lower():
                return actions.failed(entry.inputs, "UntilLimitReached", "The loop reached its limit before its condition was true.")
        return _contained(status)

    # --- calls

    def _call(self, kind: str, name: str, action: Json, entry: Entry, context: Context) -> Work:
        inputs = actions.call_inputs(action.get("inputs", {}), context)
        entry.inputs = inputs
        id = entry.operation or f"builtin.{kind or 'Action'}"
        target = actions.target(id, kind, inputs, self.plan.catalog)
        asked = call_key(id, inputs)
        self.calls[asked] = self.calls.get(asked, 0) + 1
        key = f"{asked}#{self.calls[asked]}"
        rng = self.mocks.random(key, "time")
        if kind.lower() == "response":
            self._did(target, inputs, entry)
            return Outcome(inputs, {"statusCode": inputs.get("statusCode", 200)} if isinstance(inputs, dict) else None)
        fault = self.plan.faults.get(name.lower())
        if fault is not None and (outcome := (yield from self._attempts(action, entry, fault, inputs, rng))) is not None:
            return outcome
        if target.effect:
            self._did(target, inputs, entry)
        seconds = rng.uniform(60, 8 * 3600) if target.asks else rng.uniform(0.2, 0.9)
        allowed = dates.duration(_object(action.get("limit")).get("timeout"))
        if allowed is not None and seconds > allowed:
            return Outcome(inputs, None, "TimedOut", "ActionTimedOut", f"The action timed out after {allowed:g} seconds.", allowed)
        if kind.lower() in _FOREIGN:
            context.note(f"{kind} is not run: seeded result")
        elif target.operation is None or not target.operation.outputs:
            context.note("the catalog does not describe the result: seeded values")
        return Outcome(inputs, actions.answer(target, key, self.mocks), seconds=0.0 if self.plan.instant and not target.asks else round(seconds, 1))

    def _attempts(self, action: Json, entry: Entry, fault: Fault, inputs: Any, rng: Random) -> Work:
        """The failed attempts of a call; returns the failure, or None when an attempt succeeds."""
        retries, delays = _policy(_object(action.get("inputs")).get("retryPolicy"))
        for attempt in range(1, retries + 2):
            entry.attempts = attempt
            if fault.times and attempt > fault.times:
                return None
            yield _CALL_TIMEOUT if fault.status in (0, 408) else round(rng.uniform(0.2, 0.9), 1)
            if attempt <= retries and (fault.status == 0 or fault.status in _RETRIED):
                yield delays[attempt - 1]
            else:
                break
        return _faulty(fault, inputs)

    def _did(self, target: actions.Target, inputs: Any, entry: Entry) -> None:
        self.effects.append(Effect(target.id, inputs, self.now(), entry.name))


_FOREIGN = (
    "javascriptcode",
    "xslt",
    "function",
    "agent",
    "csharpscriptcode",
    "powershellcode",
    "xmlvalidation",
    "flatfiledecoding",
    "flatfileencoding",
    "liquid",
)


class _Level:
    """One level under way: starts what may run, skips what may not, until all have ended."""

    def __init__(self, engine: Engine, level: Mapping[str, Json], place: _Place) -> None:
        self.engine = engine
        self.level = level
        self.place = place
        self.names = {name.lower(): name for name in level}
        self.after: dict[str, runafter.After] = {}
        self.followers: dict[str, list[str]] = {name: [] for name in level}
        self.ended: dict[str, str] = {}
        self.begun: set[str] = set()
        self.running = 0
        self.done = Event()
        for name, action in level.items():
            raw = action.get("runAfter")
            after = runafter.read(raw) if isinstance(raw, dict) else {}
            self.after[name] = {self.names[n.lower()]: statuses for n, statuses in after.items() if n.lower() in self.names}
            for before in self.after[name]:
                self.followers[before].append(name)

    def work(self) -> Work:
        for name in self.level:
            if not self.after[name]:
                self._begin(name)
        if not self.running:
            self._drop_circles()
            return
        yield self.done
        self._drop_circles()

    def _begin(self, name: str) -> None:
        self.begun.add(name)
        self.running += 1
        self.engine.clock.spawn(self._one(name))

    def _one(self, name: str) -> Work:
        status = yield from self.engine.start(name, self.level[name], self.place)
        self.running -= 1
        self._end(name, status)
        if not self.running:
            self.engine.clock.set(self.done)

    def _end(self, name: str, status: str) -> None:
        self.ended[name] = status
        waiting = [name]
        while waiting:
            for follower in self.followers[waiting.pop()]:
                after = self.after[follower]
                if follower in self.begun or follower in self.ended or not all(before in self.ended for before in after):
                    continue
                if all(self.ended[before] in statuses for before, statuses in after.items()):
                    self._begin(follower)
                    continue
                self.ended[follower] = "Skipped"
                self.engine.skip(follower, self.level[follower], self.place)
                waiting.append(follower)

    def _drop_circles(self) -> None:
        for name in self.level:
            if name not in self.ended:
                self.ended[name] = "Skipped"
                self.engine.skip(name, self.level[name], self.place, "it waits for an action that waits for it")

    def status(self) -> str:
        """Failed if a last action failed, where a skipped one counts as those it runs after."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [name for name in self.level if not self.followers[name]]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if self.ended[name] == "Skipped":
                waiting += self.after[name]
            else:
                found.add(self.ended[name])
        return "Failed" if found & _FAILURES else "Cancelled" if "Cancelled" in found else "Succeeded"


class _Loop:
    """A for-each under way; `width` iterations run side by side."""

    def __init__(self, engine: Engine, name: str, level: Mapping[str, Json], items: Sequence[Any], entry: Entry, frame: Frame) -> None:
        self.engine, self.name, self.level, self.items, self.entry, self.frame = engine, name, level, items, entry, frame
        self.next = 0
        self.statuses: list[str] = []
        self.done = Event()
        self.frames: list[Frame] = [Frame(frame, name.lower(), item, index) for index, item in enumerate(items)]

    def work(self, width: int) -> Work:
        if self.items:
            if width == 1:
                yield from self._worker()
            else:
                for _ in range(min(width, len(self.items))):
                    self.engine.clock.spawn(self._worker())
                yield self.done
        for inner in self.frames:
            self.frame.results |= inner.results
        children = [name.lower() for name in self.level]
        self.frame.repeats[self.name.lower()] = [frame.results[name] for frame in self.frames for name in children if name in frame.results]

    def _worker(self) -> Work:
        while self.next < len(self.items):
            number = self.next
            self.next += 1
            status = yield from self.engine.block(self.level, _Place(self.frames[number], self.entry.children, number + 1))
            self.statuses.append(status)
        if len(self.statuses) == len(self.items) and not self.done.is_set:
            self.engine.clock.set(self.done)

    def status(self) -> str:
        return "Failed" if "Failed" in self.statuses else "Cancelled" if "Cancelled" in self.statuses else "Succeeded"


# --- small things --------------------------------------------------------------------------------------------------------------


def _contained(status: str) -> Outcome:
    if status == "Succeeded":
        return Outcome()
    return Outcome(status=status, code="ActionFailed", message="An action failed. No dependent actions succeeded.")


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message}


def _in_action(name: str, message: str, code: str) -> str:
    if code != "InvalidTemplate":
        return message
    return f"Unable to process template language expressions in action '{name}' inputs at line '0' and column '0': '{message}'."


def _faulty(fault: Fault, inputs: Any) -> Outcome:
    if fault.status == 0:
        return Outcome(inputs, None, "TimedOut", "ActionTimedOut", "The action timed out (injected).")
    code = {
        400: "BadRequest",
        401: "Unauthorized",
        403: "Forbidden",
        404: "NotFound",
        408: "RequestTimeout",
        409: "Conflict",
        429: "TooManyRequests",
    }.get(fault.status, "InternalServerError" if fault.status == 500 else str(fault.status))
    message = f"The request failed with status code {fault.status} (injected)."
    body = {"error": {"code": code, "message": message}, "message": message}
    return Outcome(inputs, {"statusCode": fault.status, "headers": {}, "body": body}, "Failed", code, message)


def _policy(policy: Any) -> tuple[int, list[float]]:
    """Retries after the first attempt, and the seconds before each. Exponential ones double; what cannot be read is the default."""
    count, interval = _DEFAULT_RETRY
    kind = str(policy.get("type", "")).lower() if isinstance(policy, dict) else ""
    if kind == "none":
        return 0, []
    if isinstance(policy, dict):
        given = policy.get("count")
        count = min(max(int(given), 0), 90) if isinstance(given, int) or (isinstance(given, str) and given.isdigit()) else count
        interval = dates.duration(policy.get("interval")) or interval
    most = dates.duration(policy.get("maximumInterval")) if isinstance(policy, dict) else None
    waits = [interval if kind == "fixed" else min(interval * 2**n, most or 86_400.0) for n in range(count)]
    return count, waits


def _width(action: Json) -> int:
    """How many iterations run side by side: one unless the loop says otherwise, as in Power Automate."""
    concurrency = _object(_object(action.get("runtimeConfiguration")).get("concurrency"))
    found = concurrency.get("repetitions", 1)
    return found if isinstance(found, int) and 1 <= found <= 50 else 1


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _level(value: Any) -> dict[str, Json]:
    return {name: action for name, action in value.items() if isinstance(action, dict)} if isinstance(value, dict) else {}


def _levels(action: Json) -> list[dict[str, Json]]:
    """The levels inside an action."""
    levels = [
        _level(action.get("actions")),
        _level(_object(action.get("else")).get("actions")),
        _level(_object(action.get("default")).get("actions")),
    ]
    levels += [_level(case.get("actions")) for case in _level(action.get("cases")).values()]
    return [level for level in levels if level]
