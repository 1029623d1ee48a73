"""Rows hold the decisions of a request and what was legal at each, and lose nothing that decisions can say."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import tiny
from nl2dsl.decoding.actions import FIXED, SYMBOL, Decision, Kind, NotSayable, decode
from nl2dsl.decoding.automaton import Automaton, Role
from nl2dsl.dsl import sketch
from nl2dsl.training.rows import FixedSets, query_of, row, rows
from nl2dsl.training.scoring import gold

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Every Monday at 9 mail ann@x.example the subject Plan", 'commonTrigger.Recurrence(frequency="Week", interval=1, hours=[9], weekDays=["Monday"]); '
         'shared_office365.SendEmailV2(emailMessage/To="ann@x.example", emailMessage/Subject="Plan")'),
        ("Add a task in list Errands when a mail from ben@x.example is in", 'shared_office365.OnNewEmailV3(from="ben@x.example"); shared_todo.CreateToDoV3(folderId="Errands")'),
        ("Form Leave: if days is over 5, ask eva@x.example for approval, else mail", 'shared_microsoftforms.CreateFormWebhook(form_id="Leave"); if ("days" > 5) '
         '{ shared_approvals.StartAndWaitForAnApproval(WebhookApprovalCreationInput/assignedTo="eva@x.example") } else { shared_office365.SendEmailV2() }'),
        ("Each attachment of a mail: wait 3 minutes, then forward", 'shared_office365.OnNewEmailV3(); for () { builtin.Delay(interval/count=3, interval/unit="Minute"); shared_office365.ForwardEmail_V2() }'),
        ("ask until approved", "commonTrigger.manual(); do { shared_approvals.StartAndWaitForAnApproval() } until (approved)"),
    ],
)  # fmt: skip
def test_a_row_decodes_to_the_sketch_it_was_made_of(text: str, line: str) -> None:
    asked = sketch.parse(line)
    made, dropped = row(text, asked, tiny.tables(), tiny.tokenizer(), FixedSets())
    query, ids = query_of(text, tiny.tokenizer())
    assert (decode(gold(made), query, tiny.tables().list), dropped) == (asked, 0)
    assert made.tokens.tolist() == ids


def test_curated_requests_keep_their_operations_and_control() -> None:
    sets = FixedSets()
    made, counts = rows(((r.query, r.sketch, 1.0) for r in tiny.curated()), tiny.tables(), tiny.tokenizer(), sets)
    asked = {r.query: r.sketch for r in tiny.curated()}
    assert len(made) > 0.9 * len(asked) > 20
    assert counts["rows"] + counts["left out"] == len(asked)
    for one in made:
        back = decode(gold(one), query_of(one.query, tiny.tokenizer())[0], tiny.tables().list)
        assert sketch.operations(back) == sketch.operations(asked[one.query])
        assert [type(n) for n in sketch.walk(back.steps)] == [type(n) for n in sketch.walk(asked[one.query].steps)]


def test_the_masks_of_a_row_are_what_the_automaton_allows() -> None:
    sets = FixedSets()
    made, _ = rows(((r.query, r.sketch, 1.0) for r in tiny.curated()[:12]), tiny.tables(), tiny.tokenizer(), sets)
    matrix = sets.matrix()
    for one in made:
        automaton = Automaton(tiny.tables().list, query_of(one.query, tiny.tokenizer())[0])
        for place, decision in enumerate(gold(one)):
            allowed = automaton.allowed()
            assert np.flatnonzero(matrix[one.fixed_set[place]]).tolist() == sorted(allowed.fixed)
            assert one.role[place] == allowed.operations
            assert (one.operation[place] >= 0) == bool(allowed.parameters)
            assert (one.enum[place] >= 0) == bool(allowed.enums)
            assert bool(one.start[place]) == bool(allowed.starts)
            assert one.first[place] == (allowed.ends[0] if allowed.ends else -1)
            automaton.push(decision)
        assert automaton.done


def test_the_trigger_comes_first_and_end_comes_last() -> None:
    made, _ = row("mail me", sketch.parse("commonTrigger.manual(); shared_office365.SendEmailV2()"), tiny.tables(), tiny.tokenizer(), FixedSets())
    assert made.role.tolist() == [Role.TRIGGER, Role.STEP, Role.STEP]
    assert gold(made)[-1] == Decision(Kind.FIXED, SYMBOL["end"])


def test_sets_of_symbols_are_numbered_once() -> None:
    sets = FixedSets()
    assert [sets.number(s) for s in ((3, 1), (2,), (1, 3))] == [0, 1, 0]
    assert sets.matrix().shape == (2, len(FIXED))


def test_what_cannot_be_said_is_left_out_and_counted() -> None:
    bad = sketch.parse('commonTrigger.manual(); if ("nobody says this" == "x") { shared_office365.SendEmailV2() }')
    with pytest.raises(NotSayable):
        row("mail me", bad, tiny.tables(), tiny.tokenizer(), FixedSets())
    made, counts = rows([("mail me", bad, 1.0)], tiny.tables(), tiny.tokenizer(), FixedSets())
    assert (made, counts["left out"]) == ([], 1)
