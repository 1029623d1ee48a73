"""The sketch of a flow says what its request says, and there is none where the request says less than the flow does."""

from __future__ import annotations

from pathlib import Path

import pytest

from nl2dsl.catalog import read as catalogs
from nl2dsl.corpus import requests, sketching
from nl2dsl.corpus.sketching import Unsaid
from nl2dsl.dsl import sketch, tree, wiring
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.tree import Flow

HERE = Path(__file__).parent.parent
NEW = 'triggerOutputs = await shared_sharepointonline.GetOnNewItems({ "table": "Visits" });\n'
MAIL = 'shared_office365.SendEmailV2({ "emailMessage/To": "anna@contoso.com", "emailMessage/Subject": "Visit is done" });\n'


def flow(text: str) -> Flow:
    found, problems = parse(text)
    assert found is not None, problems
    return found


def told(text: str, query: str) -> str:
    return sketching.of(flow(text), query, catalogs.builtin())


def test_it_states_the_values_that_the_request_states_and_no_others() -> None:
    assert told(NEW + MAIL, "when an item is created in the list visits, email anna@contoso.com") == (
        'shared_sharepointonline.GetOnNewItems(table="visits"); shared_office365.SendEmailV2(emailMessage/To="anna@contoso.com")'
    )


@pytest.mark.parametrize(
    ("test", "words", "wanted"),
    [
        ('triggerOutputs.body.Status == "Done"', "the status is Done", '"status" == "Done"'),
        ("!(triggerOutputs.body.Amount <= 500)", "the amount is over 500", '"amount" > 500'),
        ("100 < triggerOutputs.body.Amount", "the amount is over 100", '"amount" > 100'),
        ('contains(triggerOutputs.body.Title, "urgent")', "the title contains urgent", '"title" contains "urgent"'),
        ("empty(triggerOutputs.body.Owner)", "the owner is empty", '"owner" == ""'),
        ("triggerOutputs.body.Owner != null", "the owner is not empty", '"owner" != ""'),
        ('triggerOutputs.body.Status == "A" && triggerOutputs.body.Stage == "B"', "status A and stage B", '"status" == "A" && "stage" == "B"'),
    ],
)
def test_conditions_are_said_in_the_words_of_the_request(test: str, words: str, wanted: str) -> None:
    made = told(f"{NEW}if ({test}) {{ {MAIL} }}", f"When an item is created in SharePoint and {words}, send an email")
    assert made == f"shared_sharepointonline.GetOnNewItems(); if ({wanted}) {{ shared_office365.SendEmailV2() }}"


def test_an_answer_is_approved_and_its_other_branch_stays() -> None:
    text = NEW + (
        'outputs_a = shared_approvals.StartAndWaitForAnApproval({ "approvalType": "Basic" });\n'
        f'if (outputs_a.body.outcome == "Approve") {{ {MAIL} }} else {{ shared_sharepointonline.DeleteItem({{ "table": "Visits" }}); }}'
    )
    made = told(text, "New SharePoint item: start an approval, if it is approved send an email, otherwise delete the item")
    assert made.endswith("if (approved) { shared_office365.SendEmailV2() } else { shared_sharepointonline.DeleteItem() }")


@pytest.mark.parametrize(
    ("schedule", "words", "wanted"),
    [
        ('"frequency": "Week", "interval": 2, "weekDays": ["Monday"], "hours": ["9"], "minutes": [30]', "every 2 weeks on Monday at 9:30",
         'frequency="Week", interval=2, weekDays=["Monday"], hours=[9], minutes=[30]'),
        ('"frequency": "Day", "interval": 1, "hours": [16]', "every day at 4 pm", 'frequency="Day", interval=1, hours=[16]'),
        ('"frequency": "Day", "interval": 1, "hours": [16], "timeZone": "UTC"', "every day", 'frequency="Day", interval=1'),
        ('"frequency": "Week", "interval": 1, "weekDays": "[\'Mon"', "every week", 'frequency="Week", interval=1'),
    ],
)  # fmt: skip
def test_a_schedule_is_stated_as_far_as_it_is_said(schedule: str, words: str, wanted: str) -> None:
    made = told(f"triggerOutputs = await commonTrigger.Recurrence({{ {schedule} }});\n{MAIL}", f"{words} send an email")
    assert made == f"commonTrigger.Recurrence({wanted}); shared_office365.SendEmailV2()"


def test_moving_data_about_is_not_said() -> None:
    text = NEW + 'let n: integer = 0;\nouts = builtin.Compose({ "inputs": "x" });\n' + MAIL
    assert sketch.operations(sketch.parse(told(text, "new SharePoint item: send an email"))) == [
        "shared_sharepointonline.GetOnNewItems",
        "shared_office365.SendEmailV2",
    ]


@pytest.mark.parametrize(
    ("text", "query", "kind"),
    [
        (NEW + MAIL, "when an item is created in SharePoint, do the needful", "a step"),
        (NEW + "x = shared_no.Such({});\n", "when an item is created in SharePoint, such", "an operation the catalog does not know"),
        (f'{NEW}if (triggerOutputs.body.Status == "Done") {{ {MAIL} }}', "new SharePoint item: send an email", "a condition"),
        (f"{NEW}try {{ {MAIL} }} catch {{ {MAIL} }}", "new SharePoint item: send an email", "what to do when something fails"),
        (NEW + 'x = builtin.Compose({ "inputs": "x" });\n', "new SharePoint item: compose", "nothing but moving data"),
        (
            f'triggerOutputs = await commonTrigger.Recurrence({{ "frequency": "Week", "interval": 1 }});\n{MAIL}',
            "every day send an email",
            "a schedule",
        ),
        (f"{NEW}do {{ {MAIL} }} until (triggerOutputs.body.Done == true);", "new SharePoint item: send an email", "a repetition"),
    ],
)
def test_what_is_not_said_is_named(text: str, query: str, kind: str) -> None:
    with pytest.raises(Unsaid) as found:
        told(text, query)
    assert found.value.kind == kind


def test_it_is_the_inverse_of_wiring_for_most_written_requests() -> None:
    """Flows wired from written sketches come back with the same operations, and with values that were stated."""
    catalog, same, values, unsaid = catalogs.builtin(), 0, 0, 0
    rows = [r for r in requests.load(HERE / "recipes" / "corpus") if all(o in catalog for o in sketch.operations(r.sketch))]
    for r in rows:
        try:
            made = sketch.parse(sketching.of(wiring.complete(r.sketch, catalog, r.query), r.query, catalog))
        except Unsaid:
            unsaid += 1
            continue
        same += sketch.operations(made) == sketch.operations(r.sketch)
        stated = {(s.operation, key, str(v)) for s in sketch.steps(r.sketch) for key, v in s.stated}
        values += {(s.operation, key, str(v)) for s in sketch.steps(made) for key, v in s.stated} <= stated
    assert same == len(rows) - unsaid
    assert same > len(rows) / 4
    assert values > 0.85 * same  # a form is stated once in a written sketch and twice in its flow


def test_a_sketched_flow_wires_to_the_same_operations() -> None:
    catalog = catalogs.builtin()
    text = NEW + MAIL
    wired = wiring.complete(sketch.parse(told(text, "new SharePoint item: send an email to anna@contoso.com")), catalog)
    assert tree.operations(wired) == tree.operations(flow(text))
