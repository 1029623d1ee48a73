"""Two flows are the same when they do the same to the world."""

from __future__ import annotations

import pytest

from nl2dsl.simulator import effects_equal, equivalent, run
from running import CATALOG, MAIL, READ, flow

TRIGGER = 'await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\n'
FLOW = TRIGGER + READ + 'for (item of items.body.value) { if (item.Status == "Overdue") { ' + MAIL + "} }"


def same(other: str, first: str = FLOW) -> bool:
    return equivalent(flow(first), flow(other), CATALOG).equal


def test_names_order_of_parameters_and_helping_steps_do_not_matter() -> None:
    read = 'rows = shared_sharepointonline.GetItems({ "table": "Invoices", "dataset": "s" });\n'
    loop = 'for (row of rows.body.value) { if (row.Status == "Overdue") { ' + MAIL + "} }\n"
    assert same(TRIGGER + read + loop + 'x = builtin.Compose({ "inputs": 1 });')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"Overdue"', '"Paid"'),
        ("==", "!="),
        ('"emailMessage/Subject": "s"', '"emailMessage/Subject": "t"'),
        ("SendEmailV2", "SharedMailboxSendEmailV2"),
        ('"Day"', '"Week"'),
    ],
)
def test_what_a_person_would_notice_matters(old: str, new: str) -> None:
    assert old in FLOW
    found = equivalent(flow(FLOW), flow(FLOW.replace(old, new)), CATALOG)
    assert not found.equal and found.difference


def test_reading_elsewhere_matters_where_the_data_is_used() -> None:
    source = TRIGGER + READ + "for (item of items.body.value) { " + MAIL.replace('"s"', "item.Title") + "}"
    assert same(source, source) and not same(source.replace('"Invoices"', '"Orders"'), source)


def test_effects_of_runs_are_compared_in_order() -> None:
    one, two = MAIL, MAIL.replace('"b"', '"c"')
    runs = [run(flow(TRIGGER + steps), CATALOG) for steps in (one + two, two + one, one + two)]
    assert effects_equal(runs[0], runs[2]) and not effects_equal(runs[0], runs[1])


def test_a_different_trigger_is_a_different_flow() -> None:
    found = equivalent(flow(FLOW), flow(FLOW.replace(TRIGGER, "await commonTrigger.manual({});\n")), CATALOG, seeds=(0, 1))
    assert (found.agreed, found.n, found.share) == (0, 2, 0.0)
