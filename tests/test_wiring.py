"""From a sketch to a whole flow: no errors ever, canonical names, and data bound by what it means."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nl2dsl.catalog import read
from nl2dsl.catalog.model import Catalog, Operation
from nl2dsl.dsl import checker, sketch, text
from nl2dsl.dsl.sketch import Choose, Condition, Each, Repeat, Sketch, Step, When
from nl2dsl.dsl.tree import calls
from nl2dsl.dsl.wiring import complete

CATALOG = read.builtin()
_CONTROL = {f"builtin.{name}" for name in checker.STATEMENTS}
TRIGGERS = [o.id for o in CATALOG if o.kind == "trigger" and o.id not in _CONTROL]
ACTIONS = [o.id for o in CATALOG if o.kind == "action" and o.id not in _CONTROL]
FOREIGN = Catalog([Operation("", n, "any") for n in ("Some Op/1.0", "sendMail", "length", "weather.today", "for", "größe", "a b", "opaque")])
EXPERTS = ("shared_office365", "shared_sharepointonline", "shared_microsoftforms", "shared_approvals", "shared_teams", "builtin", "shared_encodian")
FAMILIAR = [i for i in ACTIONS if i.startswith(EXPERTS)]


def wired(line: str, query: str = "") -> str:
    """The text of the flow that a sketch means, each step on one line."""
    return re.sub(r"\n +", " ", text.unparse(complete(sketch.parse(line), CATALOG, query)))


# --- the guarantee -------------------------------------------------------------------------------------------------------------

scalars = st.one_of(st.text(max_size=12), st.integers(-5, 10**6), st.floats(allow_nan=False, allow_infinity=False, width=32), st.booleans())
lefts = st.one_of(st.sampled_from(["Status", "due date", "sender", "attachments", "row count", "file", ""]), st.text(max_size=8))
rights = st.one_of(scalars, st.sampled_from(["30 days", "today", "this month", "10k", "", "a week", "1 MB", "2 years", "now"]))
tests = st.one_of(
    st.sampled_from(["approved", "rejected", "found", "none"]).map(sketch.Test),
    st.builds(sketch.Test, st.just("compare"), lefts, st.sampled_from(sketch.OPERATORS), rights),
)
conditions = st.builds(Condition, st.lists(tests, min_size=1, max_size=3).map(tuple), st.sampled_from(["&&", "||"]))


def values(draw: st.DrawFn, operation: Operation) -> tuple[tuple[str, sketch.Value], ...]:
    """Some stated values of the right shape, and some that people would say all the same."""
    found: list[tuple[str, sketch.Value]] = []
    for p in draw(st.lists(st.sampled_from(operation.parameters), max_size=3)) if operation.parameters else []:
        if p.enum and draw(st.booleans()):
            found.append((p.name, draw(st.sampled_from(p.enum))))
        elif p.open:
            found.append((f"{p.name}/{draw(st.sampled_from(['Status', 'Due Date', 'x']))}", draw(scalars)))
        else:
            found.append((p.name, draw(st.one_of(scalars, st.lists(st.text(max_size=4), max_size=2).map(tuple)))))
    return tuple(found)


@st.composite
def sketches(draw: st.DrawFn, catalog: Catalog, triggers: list[str], actions: list[str]) -> Sketch:
    def step(ids: list[str]) -> Step:
        operation = catalog.operations[draw(st.sampled_from(ids))]
        return Step(operation.id, values(draw, operation))

    def block(depth: int, least: int = 0) -> tuple[sketch.Node, ...]:
        return tuple(node(depth) for _ in range(draw(st.integers(least, 3))))

    def node(depth: int) -> sketch.Node:
        kind = draw(st.integers(0, 8)) if depth < 3 else 8
        match kind:
            case 0:
                return When(draw(conditions), block(depth + 1), block(depth + 1))
            case 1 | 2:
                return Each(block(depth + 1, 1))
            case 3:
                cases = draw(st.lists(scalars, max_size=3))
                return Choose(draw(lefts), tuple((v, block(depth + 1)) for v in cases), block(depth + 1))
            case 4:
                return Repeat(block(depth + 1, 1), draw(conditions))
            case _:
                return step(actions)

    return Sketch(step(triggers), block(0))


def sound(drawn: Sketch, catalog: Catalog, query: str) -> None:
    flow = complete(drawn, catalog, query)
    errors = [d for d in checker.check(flow, catalog) if d.severity == "error"]
    assert not errors, (errors, text.unparse(flow))
    written = text.unparse(flow)
    read_again, problems = text.parse(written)
    assert not problems and read_again == flow and text.unparse(read_again) == written
    assert sorted(c.id for c in calls(flow)) == sorted(sketch.operations(drawn))
    assert complete(drawn, catalog, query) == flow


_QUERIES = st.sampled_from(["", "attach the file and tell them", "thank the requester", "ask my manager"])
_SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@given(drawn=sketches(CATALOG, TRIGGERS, ACTIONS), query=_QUERIES)
@_SETTINGS
def test_any_sketch_becomes_a_flow_without_errors(drawn: Sketch, query: str) -> None:
    sound(drawn, CATALOG, query)


@given(drawn=sketches(CATALOG, [t for t in TRIGGERS if t.startswith(EXPERTS)], FAMILIAR), query=_QUERIES)
@_SETTINGS
def test_sketches_of_connectors_with_much_to_bind_have_no_errors_either(drawn: Sketch, query: str) -> None:
    sound(drawn, CATALOG, query)


@given(drawn=sketches(FOREIGN, list(FOREIGN.operations), list(FOREIGN.operations)), query=_QUERIES)
@_SETTINGS
def test_a_catalog_of_bare_ids_is_enough(drawn: Sketch, query: str) -> None:
    sound(drawn, FOREIGN, query)


def test_an_operation_the_catalog_lacks_still_becomes_a_call() -> None:
    assert "shared_x.Nothing({" in wired("commonTrigger.manual(); shared_x.Nothing()").replace("Nothing({})", "Nothing({")


# --- names ---------------------------------------------------------------------------------------------------------------------


def test_results_are_named_after_their_operation_and_numbered() -> None:
    flow = complete(sketch.parse("commonTrigger.manual(); shared_flowpush.SendNotification(); shared_flowpush.SendNotification()"), CATALOG)
    name = "outputs_shared_flowpush_SendNotification"
    assert [c.result for c in calls(flow)] == ["triggerOutputs", name, name + "_2"]


MAIL = "shared_office365.OnNewEmailV3()"
ITEM = 'shared_sharepointonline.GetOnNewItems(table="Visits")'
FORM = 'shared_microsoftforms.CreateFormWebhook(form_id="Site visit"); shared_microsoftforms.GetFormResponseById()'
ROWS = 'commonTrigger.Recurrence(frequency="Day", interval=1); shared_sharepointonline.GetItems(table="Visits")'
APPROVAL = "shared_approvals.StartAndWaitForAnApproval()"

BOUND = [
    # titles and texts
    (f"{MAIL}; shared_planner.CreateTask_V4()", '"body/title": triggerOutputs.body.subject'),
    (f"{ITEM}; shared_office365.SendEmailV2()", '"emailMessage/Body": `${triggerOutputs.body.Title} ${triggerOutputs.body["{Link}"]}`'),
    (f"{MAIL}; shared_flowpush.SendNotification()", "`${triggerOutputs.body.from}: ${triggerOutputs.body.subject}`"),
    (f'{ITEM}; shared_sharepointonline.PostItem(table="Archive")', '"item/Title": triggerOutputs.body.Title'),
    (f"{ROWS}; builtin.TableHtml(); shared_office365.SendEmailV2()", '"emailMessage/Body": outputs_builtin_TableHtml.body'),
    (f"{ROWS}; builtin.TableHtml()", '"from": outputs_shared_sharepointonline_GetItems.body.value'),
    (f"{ITEM}; {APPROVAL}; shared_slack.PostMessage()", ".body.Title}: ${outputs_shared_approvals_StartAndWaitForAnApproval.body.outcome}`"),
    # files
    ("shared_onedriveforbusiness.OnNewFileV2(); shared_dropbox.CreateFile()", '"name": triggerOutputs.headers.x-ms-file-name'),
    ("shared_onedriveforbusiness.OnNewFileV2(); shared_dropbox.CreateFile()", '"body": triggerOutputs.body }'),
    (f"{MAIL}; shared_dropbox.CreateFile()", "for (attachment of triggerOutputs.body.attachments) {"),
    (f"{MAIL}; for () {{ shared_dropbox.CreateFile() }}", '"name": attachment.name, "body": attachment.contentBytes'),
    ("shared_gmail.OnNewEmail(); for () { shared_dropbox.CreateFile() }", '"body": attachment.ContentBytes'),
    # ids and their objects
    (FORM, '"form_id": "Site visit"'),
    (FORM, '"response_id": triggerOutputs.body.resourceData.responseId'),
    (
        f'{ITEM}; shared_sharepointonline.PatchItem(item/Status="Done")',
        '"table": "Visits", "id": triggerOutputs.body.ID, "item/Status/Value": "Done"',
    ),
    (f"{MAIL}; shared_office365.ReplyToV3()", '"messageId": triggerOutputs.body.id'),
    (f"{ROWS}; for () {{ shared_sharepointonline.DeleteItem() }}", '"id": item.ID'),
    (f"{ROWS}; shared_sharepointonline.DeleteItem()", '"id": outputs_shared_sharepointonline_GetItems.body.value[0].ID'),
    # people
    (f"{FORM}; shared_office365users.Manager_V2(); {APPROVAL}", 'assignedTo": outputs_shared_office365users_Manager_V2.body.mail'),
    (
        "commonTrigger.manual(); shared_office365groups.ListGroupMembers(); for () { shared_office365.SendEmailV2() }",
        '"emailMessage/To": member.mail',
    ),
    # loops
    ("commonTrigger.manual(); shared_excelonlinebusiness.GetItems(); for () { shared_flowpush.SendNotification() }", "for (row of "),
    (
        "commonTrigger.manual(); shared_office365.GetEmailsV3(); for () { for () { shared_dropbox.CreateFile() } }",
        "for (attachment of mail.attachments)",
    ),
    # values
    ('commonTrigger.Recurrence(frequency="day", interval="2")', '{ "frequency": "Day", "interval": 2 }'),
    ('shared_commondataserviceforapps.SubscribeWebhookTrigger(subscriptionRequest/message="added or changed")', '"subscriptionRequest/message": 4'),
    ('commonTrigger.Recurrence(frequency="Week", interval=1, weekDays=["Monday"])', '"weekDays": ["Monday"]'),
]


@pytest.mark.parametrize(("line", "expected"), BOUND)
def test_data_is_bound_by_what_it_means(line: str, expected: str) -> None:
    assert expected in wired(line)


CONDITIONS = [
    (f"{ITEM}; {APPROVAL}; if (approved) {{}}", 'if (outputs_shared_approvals_StartAndWaitForAnApproval.body.outcome == "Approve")'),
    ('commonTrigger.manual(); shared_office365.SendMailWithOptions(optionsEmailSubscription/Message/Options="Yes, No"); if (rejected) {}',
     'outputs_shared_office365_SendMailWithOptions.body.SelectedOption == "No"'),
    (f"{ROWS}; if (none) {{}}", "if (length(outputs_shared_sharepointonline_GetItems.body.value) == 0)"),
    (f'{ROWS}; if ("number of rows" > 5) {{}}', "if (length(outputs_shared_sharepointonline_GetItems.body.value) > 5)"),
    (f"{MAIL}; shared_office365users.UserProfile_V2(); if (found) {{}}", "outputs_shared_office365users_UserProfile_V2.body.id != null"),
    (f'{MAIL}; if ("sender" == "a@b.c") {{}}', 'if (triggerOutputs.body.from == "a@b.c")'),
    (f'{MAIL}; if ("subject" contains "urgent") {{}}', 'if (contains(triggerOutputs.body.subject, "urgent"))'),
    (f'{MAIL}; if ("attachments" == true) {{}}', "if (length(triggerOutputs.body.attachments) > 0)"),
    (f'{ITEM}; if ("Due date" == "") {{}}', 'if (empty(triggerOutputs.body["Due date"]))'),
    (f'{ITEM}; if ("amount" > 500 && "Paid" == false) {{}}', "if (triggerOutputs.body.amount > 500 && triggerOutputs.body.Paid == false)"),
    (f'{ITEM}; if ("created" < "30 days") {{}}', "if (triggerOutputs.body.Created < addDays(utcNow(), -30))"),
    (f'{ITEM}; if ("expiry" <= "2 weeks") {{}}', "if (triggerOutputs.body.expiry <= addDays(utcNow(), 14))"),
    (f'{ROWS}; for () {{ if ("due" == "today") {{}} }}', 'if (formatDateTime(item.due, "yyyy-MM-dd") == formatDateTime(utcNow(), "yyyy-MM-dd"))'),
    (f'{ITEM}; switch ("Type") {{ "A": {{}} "A": {{ shared_flowpush.SendNotification() }} }}', "switch (triggerOutputs.body.Type)"),
    ('commonTrigger.manual(); do { builtin.Http() } until ("status code" == 200)', "} until (outputs_builtin_Http.statusCode == 200);"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), CONDITIONS)
def test_conditions_are_about_what_the_words_name(line: str, expected: str) -> None:
    assert expected in wired(line)


# --- what stays open -----------------------------------------------------------------------------------------------------------


def test_nothing_is_invented_where_nothing_is_known() -> None:
    assert wired("commonTrigger.manual(); shared_office365.SendEmailV2()").endswith("shared_office365.SendEmailV2({});\n")


def test_a_mail_to_me_has_no_recipient() -> None:
    assert "emailMessage/To" not in wired(f"{MAIL}; shared_office365.SendEmailV2()", "email me when they write")


def test_the_requester_is_answered_when_the_request_says_so() -> None:
    assert '"emailMessage/To": outputs_shared_microsoftforms_GetFormResponseById.body.responder' in wired(
        f"{FORM}; shared_office365.SendEmailV2()", "thank the respondent"
    )


def test_my_own_manager_is_nobody_elses() -> None:
    line = f"{FORM}; shared_office365users.Manager_V2()"
    assert '"id": ' in wired(line, "ask the person's manager")
    assert '"id": ' not in wired(line, "ask my manager")


def test_an_id_of_another_list_is_not_taken() -> None:
    assert '"id"' not in wired(f'{ITEM}; shared_sharepointonline.PatchItem(table="Other")')


def test_lists_and_binaries_are_no_messages() -> None:
    assert "Body" not in wired(f"{ROWS}; shared_office365.SendEmailV2()")
    assert "Body" not in wired("commonTrigger.manual(); shared_onedriveforbusiness.GetFileContent(); shared_office365.SendEmailV2()")


def test_words_that_are_no_number_are_asked_for() -> None:
    assert "group_id" not in wired('commonTrigger.manual(); shared_yammer.PostMessageV2(input/group_id="All Company")')


def test_secrets_are_not_told() -> None:
    assert "keyvault" not in wired("commonTrigger.Http(); shared_keyvault.GetSecret(); builtin.Response()").rpartition("builtin_Response")[2]


def test_wiring_a_flow_takes_well_under_a_few_milliseconds() -> None:
    drawn = sketch.parse(f"{ITEM}; shared_office365users.Manager_V2(); {APPROVAL}; if (approved) {{ shared_office365.SendEmailV2() }}")
    complete(drawn, CATALOG)
    best = min(_seconds(drawn) for _ in range(20))
    assert best < 0.003


def _seconds(drawn: Sketch) -> float:
    start = time.perf_counter()
    complete(drawn, CATALOG)
    return time.perf_counter() - start


def test_what_is_said_twice_in_a_row_is_said_once() -> None:
    twice = 'b.Trigger(); a.X(to="1"); a.X(to="1"); a.X(to="2"); for () { c.Y(); d.Z(); c.Y(); d.Z(); c.Y() }; if (approved) { c.Y() }; if (approved) { c.Y() }'
    once = 'b.Trigger(); a.X(to="1"); a.X(to="2"); for () { c.Y(); d.Z(); c.Y() }; if (approved) { c.Y() }'
    assert sketch.unparse(sketch.once(sketch.parse(twice))) == once
    assert sketch.once(sketch.parse(once)) == sketch.parse(once)
