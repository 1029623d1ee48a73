"""The sampler: deterministic, true to its words, wide, and quick."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from random import Random

import pytest

from nl2dsl.catalog import read
from nl2dsl.corpus import frames, noise, schedules, wording
from nl2dsl.corpus.pool import Weights
from nl2dsl.corpus.sample import Sampled, sample
from nl2dsl.dsl import sketch
from nl2dsl.dsl.sketch import Choose, Each, Repeat, Step, When

INVENTORY = wording.load()
ROWS = list(sample(7, 3000, INVENTORY))


def conditions_of(row: Sampled) -> list[sketch.Test]:
    return [t for node in sketch.walk(row.sketch.steps) if isinstance(node, When | Repeat) for t in node.condition.tests]


def test_the_same_seed_gives_the_same_rows() -> None:
    assert ROWS[:200] == list(sample(7, 200, INVENTORY))
    assert ROWS[:50] != list(sample(8, 50, INVENTORY))


def test_every_row_is_another_sentence() -> None:
    assert len({row.query.lower() for row in ROWS}) == len(ROWS) == 3000


def test_a_sketch_survives_its_text() -> None:
    assert all(sketch.parse(sketch.unparse(row.sketch)) == row.sketch for row in ROWS)


def test_every_operation_and_key_is_in_the_catalog() -> None:
    catalog = read.builtin()
    for row in ROWS:
        for i, step in enumerate(sketch.steps(row.sketch)):
            operation = catalog.get(step.operation)
            assert operation is not None
            assert (operation.kind == "trigger") == (i == 0), row.query
            for key, value in step.stated:
                parameter = operation.parameter(key)
                assert parameter is not None, (step.operation, key)
                if parameter.enum:
                    assert str(value) in parameter.enum, (step.operation, key, value)
                if parameter.type in ("integer", "number"):
                    assert not isinstance(value, str), (step.operation, key, value)


def test_every_stated_string_is_in_the_query() -> None:
    catalog = read.builtin()
    for row in ROWS:
        for step in sketch.steps(row.sketch):
            operation = catalog.operations[step.operation]
            for key, value in step.stated:
                parameter = operation.parameter(key)
                if isinstance(value, str) and parameter is not None and not parameter.enum:
                    assert value in row.query, (key, value, row.query)


def test_both_sides_of_a_test_are_in_the_query() -> None:
    for row in ROWS:
        for test in conditions_of(row):
            assert test.left in row.query
            assert not isinstance(test.right, str) or test.right in row.query, row.query
        for node in sketch.walk(row.sketch.steps):
            if isinstance(node, Choose):
                assert node.subject in row.query
                assert all(str(value) in row.query for value, _ in node.cases)


def test_no_slot_is_left_open() -> None:
    for row in ROWS:
        slots = {slot for clause in row.clauses for slot in re.findall(r"\{[^{}]+\}", clause)}
        assert not [slot for slot in slots if slot in row.query], row.query


def test_the_mix_is_that_of_real_requests() -> None:
    n = len(ROWS)
    nodes = [list(sketch.walk(row.sketch.steps)) for row in ROWS]
    branching = sum(any(isinstance(x, When | Choose) for x in found) for found in nodes) / n
    loops = sum(any(isinstance(x, Each) for x in found) for found in nodes) / n
    until = sum(any(isinstance(x, Repeat) for x in found) for found in nodes) / n
    assert 0.28 < branching < 0.44 and 0.10 < loops < 0.20 and 0.02 < until < 0.06
    triggers = Counter(row.sketch.trigger.operation for row in ROWS)
    assert 0.2 < triggers["commonTrigger.Recurrence"] / n < 0.3 and 0.06 < triggers["commonTrigger.manual"] / n < 0.14
    styles = Counter(row.style for row in ROWS)
    assert 0.12 < styles["terse"] / n < 0.18 and 0.4 < styles["one"] / n < 0.5


def test_rare_operations_come_as_often_as_the_deck_promises() -> None:
    seen = Counter(o for row in sample(3, 6000, INVENTORY) for o in sketch.operations(row.sketch))
    assert sum(1 for name in INVENTORY.wordings if seen[name] == 0) <= 0.02 * len(INVENTORY.wordings)


def test_held_out_operations_and_clauses_never_occur() -> None:
    kept = {n for n in INVENTORY.wordings if not n.startswith(("shared_slack.", "shared_trello."))}
    rows = list(sample(5, 400, INVENTORY, operations=kept, clauses=lambda c: c.bucket(5) != 0))
    assert len(rows) == 400
    assert all(o in kept or o in ("shared_microsoftforms.GetFormResponseById",) for row in rows for o in sketch.operations(row.sketch))
    held = {c.id for w in INVENTORY.wordings.values() for cs in w.clauses.values() for c in cs if c.bucket(5) == 0}
    assert not held & {c for row in rows for c in row.clauses}


def test_a_few_operations_are_enough() -> None:
    few = {"commonTrigger.manual", "shared_slack.PostMessage", "shared_trello.CreateCard"}
    rows = list(sample(1, 60, INVENTORY, operations=few))
    assert len(rows) == 60 and all(o in few for row in rows for o in sketch.operations(row.sketch))


def test_no_action_no_request() -> None:
    with pytest.raises(ValueError, match="at least one trigger and one action"):
        next(sample(1, 1, INVENTORY, operations={"commonTrigger.manual"}))


def test_a_frame_says_nothing_about_the_operation() -> None:
    rows = list(sample(2, 1500, INVENTORY, weights=Weights(noise=0)))
    by_frame: dict[str, set[str]] = {}
    for row in rows:
        by_frame.setdefault(" ".join(row.query.split()[:2]), set()).update(sketch.operations(row.sketch)[1:])
    common = [operations for start, operations in by_frame.items() if len(operations) > 1]
    assert len(common) > 60
    assert (
        sum(
            map(
                len,
                (
                    frames.TRIGGER_FIRST,
                    frames.TRIGGER_FIRST_VERB,
                    frames.TRIGGER_LAST,
                    frames.TRIGGER_LAST_VERB,
                    frames.GERUND,
                    frames.NOUN,
                    frames.PASSIVE,
                    frames.TERSE,
                ),
            )
        )
        > 150
    )


def test_noise_leaves_protected_words_alone() -> None:
    query = "Please send the weekly message to Dana Fox when a new item arrives in Site Visits, thanks"
    for seed in range(300):
        noisy = noise.typos(query, ("Dana Fox", "Site Visits"), Random(seed), rate=0.5)
        assert "Dana Fox" in noisy and "Site Visits" in noisy
        assert "Dana Fox" in noise.unpunctuated(noisy, ("Dana Fox",), Random(seed))
        assert "dana fox" in noise.noisy(query, ("Dana Fox",), Random(seed)).lower()


def test_schedules_state_only_what_they_say() -> None:
    rng = Random(0)
    for timed in itertools.islice(iter(lambda: schedules.schedule(rng), None), 2000):
        said = dict(timed.stated)
        assert {"frequency", "interval"} <= said.keys()
        if "hours" not in said:
            assert not re.search(r"\d ?[ap]m\b|\d:\d\d|\bnoon|midnight", timed.adverb), timed
        if "weekDays" in said:
            assert said["frequency"] == "Week"
        if "monthDays" in said:
            assert said["frequency"] == "Month"


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        ("every quarter of an hour", ("Minute", 15)),
        ("fortnightly", ("Week", 2)),
        ("quarterly", ("Month", 3)),
        ("every other day", ("Day", 2)),
        ("nightly", ("Day", 1)),
    ],
)
def test_well_known_rhythms_are_normalised(words: str, stated: tuple[str, int]) -> None:
    rng = Random(1)
    found = {(dict(t.stated)["frequency"], dict(t.stated)["interval"]) for t in (schedules.schedule(rng) for _ in range(20_000)) if t.adverb == words}
    assert found == {stated}


def test_pointing_words_are_said_but_not_stated() -> None:
    for row in ROWS:
        for step in sketch.steps(row.sketch):
            for key, value in step.stated:
                if "emailMessage/To" in key:
                    assert str(value).lower() not in ("me", "us", "my boss", "my manager", "the requester", "them")


def test_my_manager_is_looked_up_first() -> None:
    rows = [row for row in ROWS if re.search(r"\b(ask|past|let|have) my (manager|boss)\b", row.query)]
    assert rows
    assert all("shared_office365users.Manager_V2" in sketch.operations(row.sketch) for row in rows)


def test_form_answers_are_always_fetched() -> None:
    rows = [row for row in ROWS if row.sketch.trigger.operation == "shared_microsoftforms.CreateFormWebhook"]
    assert rows and all(
        isinstance(r.sketch.steps[0], Step) and "shared_microsoftforms.GetFormResponseById" in sketch.operations(r.sketch) for r in rows
    )


def test_thousands_of_rows_a_minute() -> None:
    start = time.process_time()
    list(sample(4, 500, INVENTORY))
    assert time.process_time() - start < 3
