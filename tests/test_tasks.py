"""What teachers say is read in whatever decoration, and kept only when it is complete, plain and true to the flow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_server import FakeServer, Mood
from nl2dsl.catalog.read import builtin
from nl2dsl.corpus import enrich, tasks
from nl2dsl.corpus.describe import Describer, Template, said, sayable
from nl2dsl.corpus.enrich import EnrichRecipe
from nl2dsl.corpus.tasks import Item, against_paraphrase, against_query, against_steps, facts, read_labelled, read_numbered
from nl2dsl.corpus.teacher import Answer, Ask, Consultation, Journal, TeacherRecipe, Unanswered, open_teacher
from nl2dsl.dsl import checker
from nl2dsl.dsl.text import parse
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example

CATALOG = builtin()
PROMPTS = Path(tasks.__file__).parents[1] / "prompts"
MAIL = """triggerOutputs = await shared_sharepointonline.GetOnNewItems({ "table": "Visits" });
if (triggerOutputs.body.Status == "Done") {
  outputs_shared_office365_SendEmailV2 = shared_office365.SendEmailV2({ "emailMessage/To": "anna@contoso.com", "emailMessage/Subject": "Visit is done" });
}
"""
WEEKLY = """triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Week", "interval": 1, "weekDays": ["Friday"], "hours": [16], "minutes": [30] });
outputs_shared_planner_ListMyTasks_V2 = shared_planner.ListMyTasks_V2();
for (task of outputs_shared_planner_ListMyTasks_V2.body.value) {
  outputs_shared_teams_PostMessageToConversation = shared_teams.PostMessageToConversation({ "body/recipient/channelId": "Reception", "body/messageBody": task.title });
}
"""


def item(dsl: str, id: str = "f1") -> Item:
    flow, problems = parse(dsl)
    assert flow is not None, problems
    return Item(id, flow, dsl)


Teach = Callable[[Callable[[Ask], str | Answer]], tuple[Consultation, list[Ask]]]


@pytest.fixture
def teach(tmp_path: Path) -> Iterator[Teach]:
    """Makes a consultation whose teacher says what a function says."""
    journal = Journal(tmp_path / "journal.jsonl")

    def made(answer: Callable[[Ask], str | Answer]) -> tuple[Consultation, list[Ask]]:
        asked: list[Ask] = []

        class Speaker:
            name = "speaker"

            def answer(self, ask: Ask) -> Answer:
                asked.append(ask)
                said = answer(ask)
                return Answer(said) if isinstance(said, str) else said

        return Consultation(Speaker(), TeacherRecipe(concurrency=1), journal), asked

    yield made
    journal.close()


# --- prompts -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["describe_flow", "write_steps"])
def test_the_worked_flows_of_a_prompt_are_flows(name: str) -> None:
    flows = [f for f in re.findall(r"```\n(.*?)```", (PROMPTS / f"{name}.md").read_text(encoding="utf-8"), re.DOTALL) if "{flow}" not in f]
    assert len(flows) >= 2
    for text in flows:
        flow, _ = parse(text)
        assert flow is not None
        assert not [d for d in checker.check(flow, CATALOG) if d.severity == "error"]


def test_the_worked_requests_pass_the_checks_that_answers_must_pass() -> None:
    text = (PROMPTS / "describe_flow.md").read_text(encoding="utf-8")
    flows = re.findall(r"Flow \d\n```\n(.*?)```", text, re.DOTALL)
    read = read_labelled(Answer(text))
    for number, dsl in enumerate(flows, 1):
        for letter in "abc":
            assert against_query(read[number, letter][0], facts(item(dsl), CATALOG), CATALOG) == ""


def test_an_ask_holds_five_flows_and_its_labels() -> None:
    ask = tasks.describe_ask([item(MAIL)] * 5)
    text = ask.prompt.messages[0].text
    assert "Answer with 15 lines" in text and "4a, 4b, 4c" in text and "8c" in text
    assert text.count("```") == 2 * (3 + 5)


def test_long_texts_and_long_flows_are_cut_for_the_teacher() -> None:
    long = MAIL.replace("Visit is done", "x" * 5000)
    assert len(tasks.shown(long)) < len(MAIL) + 300
    assert parse(tasks.shown(long))[0] is not None
    assert parse(tasks.shown(WEEKLY))[0] == item(WEEKLY).flow
    many = tasks.shown(MAIL + 'outputs_a = shared_teams.PostMessageToConversation({ "body/messageBody": "hello" });\n' * 200)
    assert len(many) < 6200 and re.search(r"// \.\.\. \d+ more lines$", many)


# --- reading -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "4a: Mail it",
        "**4a**: Mail it",
        "- 4a) Mail it",
        "completion 4a: Mail it",
        "4 a. Mail it",
        "> `4A:` Mail it",
        '4a: "Mail it"',
        "Query 4a - Mail it",
    ],
)
def test_labels_are_read_in_any_decoration(line: str) -> None:
    assert read_labelled(Answer(f"Sure!\n{line}\n")) == {(4, "a"): ["Mail it"]}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('4a: Mail me with the subject "Done"', 'Mail me with the subject "Done"'),
        ('4a: "Done" is the subject', '"Done" is the subject'),
        ('4a: "Mail me "Done""', '"Mail me "Done""'),
        ('4a: "Mail me', "Mail me"),
    ],
)
def test_quotes_inside_a_request_stay(line: str, text: str) -> None:
    assert read_labelled(Answer(line)) == {(4, "a"): [text]}


def test_the_last_line_of_a_cut_answer_is_not_trusted() -> None:
    assert list(read_labelled(Answer("4a: one two\n4b: three fo", cut=True))) == [(4, "a")]
    assert read_numbered(Answer("1: one\n2: tw", cut=True)) == ["one"]


def test_thoughts_are_not_answers() -> None:
    assert read_numbered(Answer("<think>\n1: no\n</think>\n1. yes")) == ["yes"]


# --- checks --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("When an item is added to the SharePoint list Visits and it is done, mail anna@contoso.com", ""),
        ("Send an email with Outlook for every new item of my SharePoint list", ""),
        ("Mail it", "2 words"),
        ("Wenn ein Element in SharePoint erstellt wird, schicke eine E-Mail mit Outlook und mir", "the language is `de`"),
        ("Quand un élément est créé dans SharePoint, envoie un e-mail avec Outlook à la direction", "the language is `fr`"),
        ("当 SharePoint 列表中创建新项目时 发送一封电子邮件 给 安娜 通过 邮箱", "the language is `other`"),
        ("When shared_sharepointonline has a new item, send an email", "holds code"),
        ("When a SharePoint item is created use SendEmailV2 to mail Anna", "holds code"),
        ("When a SharePoint item is created, mail {name} with Outlook", "holds code"),
        ("For the item 1b4e28ba-2fa1-11d2-883f-0016d3cca427 in SharePoint send an email", "holds code"),
        ("Every morning read the news to me on the balcony", "does not mention"),
        ("When an item is added in SharePoint, send an email and a Trello card", "names Trello"),
    ],
)
def test_requests_are_checked(query: str, reason: str) -> None:
    found = against_query(query, facts(item(MAIL), CATALOG), CATALOG)
    assert found.startswith(reason) if reason else found == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "The person wants a mail for visits that are done. GetOnNewItems of SharePoint starts the flow for each new item, and SendEmailV2 of Outlook sends the mail.",
            "",
        ),
        ("The person wants mails. When an item is created the flow begins, and then it is told to send an email to Anna.", ""),
        ("1. GetOnNewItems starts the flow\n2. SendEmailV2 sends the mail to the person", "is a list"),
        ("The flow uses shared_office365.SendEmailV2 and GetOnNewItems for the mail of the visits", "holds code"),
        ("GetOnNewItems starts the flow and SendSmsMessage and SendEmailV2 tell the people about it", "names `SendSmsMessage`"),
        ("The person wants to be told. GetOnNewItems of SharePoint starts the flow for each new item.", "leaves out shared_office365.SendEmailV2"),
    ],
)
def test_steps_are_checked(text: str, reason: str) -> None:
    found = against_steps(text, facts(item(MAIL), CATALOG), CATALOG)
    assert found.startswith(reason) if reason else found == ""


QUERY = "When an item is added to the list Visits, mail anna@contoso.com at 9"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Mail anna@contoso.com at 9 whenever the list Visits gets a new item", ""),
        ("when an item is added to the list Visits - mail anna@contoso.com at 9!", "is the request itself"),
        ("Mail Anna at 9 whenever the list Visits gets a new item", "lost `anna@contoso.com`"),
        ("Mail anna@contoso.com at 9 when the list gets a new item", "lost `Visits`"),
        ("Mail anna@contoso.com at 9 and at 17 when the list Visits gets a new item", "added `17`"),
        ("Tell anna@contoso.com 9 jokes about Visits to the moon in my dreams", "has too little in common"),
    ],
)
def test_paraphrases_are_checked(text: str, reason: str) -> None:
    found = against_paraphrase(text, QUERY)
    assert found.startswith(reason) if reason else found == ""


# --- asking --------------------------------------------------------------------------------------------------------------------

GOOD = [
    "When an item is added to the SharePoint list Visits, send an email to anna@contoso.com",
    "Send anna@contoso.com an Outlook mail for each new item in the list Visits",
    "New SharePoint item in Visits? Mail anna@contoso.com please",
]


def test_a_flow_is_described_three_times(teach: Teach) -> None:
    consultation, asked = teach(lambda a: "\n".join(f"{n}{x}: {q}" for n, _ in a.about for x, q in zip("abc", GOOD, strict=True)))
    kept, rejected = tasks.describe([item(MAIL, f"f{n}") for n in range(7)], consultation, CATALOG)
    assert rejected == []
    assert list(kept) == [f"f{n}" for n in range(7)]
    assert kept["f6"] == tuple(GOOD)
    assert [len(a.about) for a in asked] == [5, 2]


def test_what_fails_in_a_batch_is_asked_again_alone(teach: Teach) -> None:
    def answer(ask: Ask) -> str:
        lines = [f"{n}{x}: {q}" for n, _ in ask.about for x, q in zip("abc", GOOD, strict=True)]
        return "\n".join(lines[:-2] if len(ask.about) > 1 else lines)

    consultation, asked = teach(answer)
    kept, rejected = tasks.describe([item(MAIL, f"f{n}") for n in range(3)], consultation, CATALOG)
    assert len(kept) == 3 and not rejected
    assert [(len(a.about), a.round) for a in asked] == [(3, 0), (1, 1)]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (GOOD[:2], "2 of 3 requests"),
        ([GOOD[0], GOOD[1], GOOD[0].upper()], "the same request twice"),
        ([GOOD[0], GOOD[1], "Use SendEmailV2 when a SharePoint item is created"], "holds code: `SendEmailV2`"),
        ([], "0 of 3 requests"),
    ],
)
def test_what_fails_twice_is_rejected_with_its_reason(teach: Teach, lines: list[str], reason: str) -> None:
    consultation, asked = teach(lambda a: "\n".join(f"4{x}: {q}" for x, q in zip("abc", lines, strict=False)))
    kept, rejected = tasks.describe([item(MAIL)], consultation, CATALOG)
    assert kept == {}
    assert [(r.id, r.task, r.reason) for r in rejected] == [("f1", "describe", reason)]
    assert len(asked) == 2


def test_an_answer_for_another_flow_is_not_kept(teach: Teach) -> None:
    """Five flows in one answer: requests that stand at the wrong number do not mention what their flow does."""
    weekly = [f"{day} at 16:30 post each of my Planner tasks to Reception in Teams" for day in ("Every Friday", "On Fridays", "Each week on Friday")]
    consultation, _ = teach(
        lambda a: "\n".join([*(f"4{x}: {q}" for x, q in zip("abc", weekly, strict=True)), *(f"5{x}: {q}" for x, q in zip("abc", GOOD, strict=True))]),
    )
    kept, rejected = tasks.describe([item(MAIL, "mail"), item(WEEKLY, "weekly")], consultation, CATALOG)
    assert list(kept) == ["weekly"]  # alone, at the only number there is, its own requests came back
    assert all("does not mention" in r.reason or "of 3 requests" in r.reason for r in rejected)


def test_steps_and_paraphrases_are_kept_or_rejected(teach: Teach) -> None:
    steps = "The person wants a mail. GetOnNewItems of SharePoint starts the flow, and SendEmailV2 of Outlook sends the mail."
    consultation, _ = teach(lambda a: f"Explanation: {steps}" if a.task == "steps" else f"1: Please {GOOD[0].lower()}\n2: mail somebody")
    explained, rejected = tasks.explain([("r1", GOOD[0], item(MAIL))], consultation, CATALOG)
    assert explained == {"r1": steps} and not rejected
    said_again, rejected = tasks.rephrase([("r1", GOOD[0], steps)], 2, consultation)
    assert len(said_again["r1"]) == 1
    assert [r.reason for r in rejected] == ["2 words, not 3 to 120"]


def smart(asked: str) -> str:
    """What a good model answers: the flows are read out of the prompt and described by rule."""
    describer, found = Describer(CATALOG), []
    for number, dsl in re.findall(r"Flow (\d+)\n```\n(.*?)\n```", asked.rsplit("Now these flows", 1)[-1], re.DOTALL):
        flow, _ = parse(dsl)
        assert flow is not None
        found += [f"{number}{letter}: {query}" for letter, query in zip("abc", describer.queries(flow), strict=True)]
    return "\n".join(found)


def test_a_bad_host_leaves_every_flow_described_or_rejected(tmp_path: Path) -> None:
    items = [item((MAIL if n % 2 else WEEKLY).replace("Visits", f"List {n}").replace("Reception", f"Channel {n}"), f"f{n}") for n in range(60)]
    mood = Mood(busy=0.1, broken=0.1, hang=0.05, garbage=0.1, torn=0.1, cut=0.15, confused=0.15, refuses=0.05, limit=20, window=0.1, late=1.5)
    with FakeServer(smart, mood, seed=0) as host:
        settings = TeacherRecipe(engine=f"openai:{host.url}#m", timeout=1.0, pause=0.005, tries=8, price_in=1, price_out=1, idempotent=True)
        with Journal(tmp_path / "j.jsonl", True) as journal:
            kept, rejected = tasks.describe(items, Consultation(open_teacher(settings), settings, journal), CATALOG)
        charged = [key for key, _, _ in host.ledger.charged]
    assert sorted([*kept, *(r.id for r in rejected)]) == sorted(i.id for i in items)
    assert all(r.reason for r in rejected)
    assert len(kept) > 40
    assert len(charged) == len(set(charged))
    assert host.ledger.statuses["cut"] and host.ledger.statuses["confused"]


@pytest.mark.parametrize("name", ["well behaved", "off the form, refused"])
def test_the_account_of_a_whole_corpus_is_that_of_the_host(tmp_path: Path, name: str) -> None:
    """The benchmark of a teacher's moods with two of them; `python -m benchmarks.teacher` has all."""
    moods = pytest.importorskip("benchmarks.teacher", reason="run from the root of the repository")
    moods.flows(tmp_path / "flows.jsonl", 12)
    line, reasons, good = moods.measured(name, tmp_path / "flows.jsonl", tmp_path)
    assert good and line[3] == 0 and line[6] == 0  # no row open, nothing charged twice
    assert line[1] > 8
    assert all(reasons)


# --- the template teacher ------------------------------------------------------------------------------------------------------


def test_a_flow_is_said_in_plain_words() -> None:
    first, second, third = Describer(CATALOG).queries(item(MAIL).flow)
    assert (
        first
        == 'When an item is created in the SharePoint list Visits, if the status is Done, send an email in Outlook to anna@contoso.com with the subject "Visit is done"'
    )
    assert len({first, second, third}) == 3
    assert "every Friday at 16:30" in Describer(CATALOG).queries(item(WEEKLY).flow)[0].replace("Every", "every")


@pytest.mark.parametrize("dsl", [MAIL, WEEKLY, "triggerOutputs = await commonTrigger.manual({});\n"])
def test_the_template_passes_its_own_checks(tmp_path: Path, dsl: str) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        consultation = Consultation(Template(CATALOG), TeacherRecipe(), journal)
        kept, rejected = tasks.describe([item(dsl)], consultation, CATALOG)
        assert not rejected
        explained, rejected = tasks.explain([("r", kept["f1"][0], item(dsl))], consultation, CATALOG)
        assert not rejected
        rephrased, rejected = tasks.rephrase([("r", kept["f1"][0], explained["r"])], 4, consultation)
        assert not rejected and len(rephrased["r"]) == 4


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ('triggerOutputs.body.Status == "Done"', "the status is Done"),
        ("triggerOutputs.body.total > 5", "the total is more than 5"),
        ("length(triggerOutputs.body.rows) > 0", "there is any row"),
        ("length(triggerOutputs.body.rows) == 0", "there is no row"),
        ("!empty(triggerOutputs.body.title)", "the title is not empty"),
        ('contains(triggerOutputs.body.subject, "Invoice")', "the subject contains Invoice"),
        ('triggerOutputs.body.a == "x" && triggerOutputs.body.b != "y"', "the a is x and the b is not y"),
    ],
)
def test_conditions_are_said(condition: str, words: str) -> None:
    flow = item(f"triggerOutputs = await commonTrigger.manual({{}});\nif ({condition}) {{ outputs_a = shared_planner.ListMyTasks_V2(); }}\n").flow
    assert said(flow.steps[0].condition) == words  # type: ignore[union-attr]


def test_only_what_people_say_is_sayable() -> None:
    assert all(sayable(v) for v in ("Visits", "Team notes & more", "anna_b@contoso.com", "/Finance"[1:]))
    assert not any(sayable(v) for v in ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "https://contoso.com", "cr2a_projects", "<p>Hello</p>", "", "x" * 99))


# --- enrichment ----------------------------------------------------------------------------------------------------------------


def example(n: int, query: str, dsl: str = MAIL, split: str = "train") -> Example:
    return Example(f"{split[:2]}{n}", query, "", dsl, ("shared_sharepointonline.GetOnNewItems", "shared_office365.SendEmailV2"), "x", split)


def enriched(tmp_path: Path, rows: list[Example], **settings: Any) -> list[enrich.Enriched]:
    with Journal(tmp_path / "j.jsonl") as journal:
        consultation = Consultation(Template(CATALOG), TeacherRecipe(), journal)
        made, rejected = enrich.enrich(rows, range(len(rows)), EnrichRecipe(**settings), CATALOG, consultation)
    assert not rejected
    return made


def test_a_row_gets_signatures_near_examples_steps_and_instruction(tmp_path: Path) -> None:
    rows = [
        example(n, f"When a SharePoint item is created, mail {who}", MAIL.replace("Visits", who))
        for n, who in enumerate(["Anna", "Bert", "the team about budgets", "Carl"])
    ]
    made = enriched(tmp_path, rows, shots=3)[0]
    assert made.signatures == rows[0].operations
    assert [s["id"] for s in made.shots][-1] == "tr2"  # the least alike comes last
    assert "GetOnNewItems" in made.steps and made.instruction == tasks.instruction()


def test_no_example_gives_the_rows_own_flow_away(tmp_path: Path) -> None:
    rows = [example(n, f"When a SharePoint item is created, mail person {n}", MAIL if n < 6 else MAIL.replace("Visits", f"L{n}")) for n in range(12)]
    for made in enriched(tmp_path, rows, shots=5, steps=False):
        assert len(made.shots) == 5
        assert made.dsl not in [s["dsl"] for s in made.shots]
        assert len({s["dsl"] for s in made.shots}) == 5


def test_only_training_rows_are_enriched(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="row te1 is of the split `test`"):
        enriched(tmp_path, [example(0, "mail me"), example(1, "mail you", split="test")])


def test_an_unanswered_explanation_leaves_the_row_without_steps(teach: Teach) -> None:
    def answer(ask: Ask) -> str:
        return "no"

    consultation, _ = teach(answer)
    made, rejected = enrich.enrich([example(0, GOOD[0])], [0], EnrichRecipe(shots=0), CATALOG, consultation)
    assert made[0].steps == "" and [r.reason for r in rejected] == ["1 words, not 6 to 130"]
    assert not isinstance(rejected[0], Unanswered)
