"""What the tests of decoding share: tokens of a query without a tokenizer, catalogs, random scorers and walks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random

import numpy as np
from hypothesis import strategies as st

from nl2dsl.catalog import read
from nl2dsl.catalog.model import Catalog, Operation, Parameter
from nl2dsl.decoding.actions import FIXED, Decision, Kind, Query, choices
from nl2dsl.decoding.automaton import Allowed, Automaton, Role
from nl2dsl.decoding.tables import Floats, Tables, assemble, texts

BUILTIN = read.builtin()

# A catalog of somebody else: no kinds, no connectors, odd ids, and parameters whose names and types do not fit what the platform's mean.
FOREIGN = read.with_platform(Catalog([
    Operation("", "Some Op/1.0", "any"),
    Operation("", "send mail", "any", parameters=(Parameter("to"), Parameter("html", "boolean"), Parameter("retries", "integer"), Parameter("share", "number"))),
    Operation("crm", "create", "any", parameters=(
        Parameter("item", "object", open=True), Parameter("item/Status", "integer"), Parameter("item/Owner", enum=("me", "you")), Parameter("raw", "object"), Parameter("photo", "file"))),
    Operation("crm", "plan", "any", parameters=(
        Parameter("weekDays"), Parameter("hours"), Parameter("minutes", "integer"), Parameter("monthDays", "array"), Parameter("interval", "integer"), Parameter("tags", "array"))),
    Operation("crm", "choose", "any", parameters=(
        Parameter("level", "integer", enum=("1", "2")), Parameter("on", "boolean", enum=("true", "false")), Parameter("kinds", "array", enum=("A", "B")),
        Parameter("shape", "object", enum=("x",)), Parameter("free", "any"), Parameter("secret", internal=True), Parameter("weekDays", "array", enum=("Mo", "Tu")))),
    Operation("größe", "messen", "any", parameters=(Parameter("wert", "number"), Parameter("date", format="date-time"), Parameter("an", open=True, type="any"))),
    Operation("crm", "hidden", "any", internal=True),
    Operation("crm", "watch", "trigger", parameters=(Parameter("hours", "integer"), Parameter("only", enum=("a",)))),
]))  # fmt: skip


def tables(catalog: Catalog) -> Tables:
    """Tables without a model: one random row for each text."""
    rng = np.random.default_rng(0)
    return assemble(catalog, *(rng.standard_normal((len(t), 4)).astype(np.float32) for t in texts(catalog)))


TABLES = {"builtin": tables(BUILTIN), "foreign": tables(FOREIGN)}


def query(text: str, longest: int = 99, most: int = 160) -> Query:
    """The text in words, signs and pieces of at most `longest` characters, between two special tokens, cut off like a tokenizer cuts."""
    pieces = re.compile(rf"\w{{1,{longest}}}|[^\w\s]")
    return Query(text, ((0, 0), *[m.span() for m in pieces.finditer(text)][:most], (0, 0)))


WORDS = (
    "when",
    "mail",
    "the",
    "Status",
    "of",
    "5",
    "1,000",
    "2.5",
    "-3",
    "25",
    "31",
    "every",
    "Monday",
    "yes",
    "true",
    "“Sales”",
    "it's",
    "a/b",
    "#1",
    "99999999999999999999",
    "007",
    "1.50",
    "%",
    "no",
)
OTHER = (
    "",
    " ",
    "每天早上给我发邮件",
    "отправь письмо в 9:00",
    "٣ رسائل",
    "👍👍",
    "\u200b",
    "Ⅷ ² ½",
    "e\u0301a",
    "१२ ईमेल",
    '"quoted" `ticks` ${x}',
    "\\ / \x7f",
    "1 2 3",
    "1.2.3,4",
)
sentences = st.one_of(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), st.sampled_from(OTHER), st.text(max_size=40))
queries = st.one_of(st.builds(query, sentences, st.sampled_from([2, 3, 99])), sentences.map(lambda s: Query(s, ())))


def options(allowed: Allowed, tables: Tables) -> list[Decision]:
    """Everything that is allowed, one by one."""
    found = [Decision(Kind.FIXED, i) for i in allowed.fixed]
    if allowed.operations:
        mask = tables.triggers if allowed.operations == Role.TRIGGER else tables.steps
        found += [Decision(Kind.OPERATION, int(i)) for i in np.flatnonzero(mask)]
    found += [Decision(Kind.PARAMETER, i) for i in allowed.parameters]
    found += [Decision(Kind.ENUM, i) for i in range(allowed.enums)]
    found += [Decision(Kind.START, i) for i in allowed.starts]
    return found + [Decision(Kind.END, i) for i in allowed.ends]


def pick(allowed: Allowed, tables: Tables, rng: Random) -> Decision:
    """One allowed decision: first its class, so that the many operations do not drown the rest."""
    found = options(allowed, tables)
    kind = rng.choice(sorted({d.kind for d in found}))
    return rng.choice([d for d in found if d.kind == kind])


def start(tables: Tables, query: Query) -> Automaton:
    return Automaton(tables.list, query)


@dataclass
class RandomScorer:
    """Scores that depend on nothing but the seed and the decisions so far; `bias` prefers classes of decisions."""

    tables: Tables
    query: Query
    seed: int
    bias: tuple[float, ...] = (0.0,) * 6
    history: list[Decision] = field(default_factory=list)
    asked: int = 0

    def push(self, decisions: list[Decision]) -> RandomScores:
        self.history += decisions
        self.asked += 1
        return RandomScores(self, np.random.default_rng([self.seed, *(n for d in self.history for n in d)]).standard_normal(4096).astype(np.float32))


@dataclass
class RandomScores:
    scorer: RandomScorer
    noise: Floats

    def _of(self, kind: Kind, n: int) -> Floats:
        return np.roll(self.noise, 31 * kind)[:n] + np.float32(self.scorer.bias[kind])

    @property
    def fixed(self) -> Floats:
        return self._of(Kind.FIXED, len(FIXED))

    def operations(self) -> Floats:
        return self._of(Kind.OPERATION, len(self.scorer.tables.list))

    def parameters(self, operation: int) -> Floats:
        return self._of(Kind.PARAMETER, len(choices(self.scorer.tables.list[operation])))

    def enums(self, operation: int, parameter: int) -> Floats:
        return self._of(Kind.ENUM, len(choices(self.scorer.tables.list[operation])[parameter].enum))

    def starts(self) -> Floats:
        return self._of(Kind.START, len(self.scorer.query.offsets))

    def ends(self) -> Floats:
        return self._of(Kind.END, len(self.scorer.query.offsets))
