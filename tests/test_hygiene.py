"""Nothing personal stays in a flow and all of it comes back; copies go; planted leaks are caught, each kind of them; stages run once and resume."""

from __future__ import annotations

import json
import re
import stat
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nl2dsl.catalog.read import builtin
from nl2dsl.corpus import build as builds
from nl2dsl.corpus import hygiene, stages
from nl2dsl.corpus.build import CorpusRecipe, build
from nl2dsl.corpus.enrich import EnrichRecipe
from nl2dsl.corpus.hygiene import Apart, SplitRecipe, copies, demand_no_leaks, flow_shingles, leaks, query_shingles, skeleton, split, term_shingles
from nl2dsl.corpus.scan import scan
from nl2dsl.corpus.scrub import Scrubber, find, read_mapping, restore
from nl2dsl.corpus.stages import FlowsRecipe, ParaphraseRecipe, ScrubRecipe
from nl2dsl.corpus.tasks import Item, Rejected, describe_ask
from nl2dsl.corpus.teacher import Budget, TeacherRecipe
from nl2dsl.dsl import definition, sketch
from nl2dsl.dsl.text import parse
from nl2dsl.errors import CorpusError
from nl2dsl.example import Example, write

HERE = Path(__file__).parent.parent
CATALOG = builtin()

# --- scrubbing -----------------------------------------------------------------------------------------------------------------

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PLANTED = {
    "email": ["anna.berg@fabrikam.com", "o'neil+x@mail.fabrikam.co.uk"],
    "guid": ["1b4e28ba-2fa1-11d2-883f-0016d3cca427", "1B4E28BA-2FA1-11D2-883F-0016D3CCA428"],
    "url": [
        "https://fabrikam.sharepoint.com/sites/Payroll/Lists/Bonus",
        "ftp://files.fabrikam.com/in",
        "https://prod-07.westeurope.logic.azure.com/workflows/abc/run?sig=Zm9vYmFyMTIzNDU2&sp=run",
    ],
    "host": ["fabrikam.onmicrosoft.com", "fabrikamstore.blob.core.windows.net", "fabrikam.crm4.dynamics.com"],
    "phone": ["+49 30 1234567", "(425) 555-0123"],
    "ip": ["20.113.44.9"],
    "name": ["Lena van der Berg", "Martin Kowalski"],
    "secret": [
        "AccountName=fabrikam;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        JWT,
        "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "q8Zr2kLm9XwPv4TnB7cJ1hYd6sFg3aQe",
        "d41d8cd98f00b204e9800998ecf8427e",
        "01ZX7QWLB2KD5RNTY3HVGE6MOPJC4SAFUI",
    ],
}
ALL = [(kind, text) for kind, texts in PLANTED.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), ALL)
def test_what_is_planted_in_a_sentence_is_found(kind: str, text: str) -> None:
    found = find(f"Please use {text} for it, thanks")
    assert any(text in piece for piece, k in found.items() if k == kind), found


@pytest.mark.parametrize(("kind", "text"), ALL)
def test_the_independent_scan_sees_what_the_scrubber_takes(kind: str, text: str) -> None:
    if kind in ("name", "ip", "host"):
        pytest.skip("the scan has no means to tell these from other words")
    assert scan(f"Please use {text} for it, thanks")
    assert not scan(Scrubber().scrub(f"Please use {text} for it, thanks"))


@pytest.mark.parametrize(
    "text",
    [
        "https://management.azure.com/subscriptions?api-version=2016-06-01",
        "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
        "@outputs('Get_items')?['body/value']",
        "cat_Review@odata.bind",
        "@{items('For_each')?['OData.Community.Display.V1.FormattedValue']}",
        "Send_an_email_(V2)_to_the_team_of_reviewers_2",
        "shared_office365users.UserProfile_V2",
        "GetFileMetadataByPath_V2",
        "2024-05-01T12:30:00Z",
        "contentVersion 1.0.0.0",
        "Dear team, the report is ready",
        "@parameters('secret')",
    ],
)
def test_what_belongs_to_everybody_stays(text: str) -> None:
    assert find(text) == {}
    assert scan(text) == []


@pytest.mark.parametrize(
    "value",
    [
        {"clientSecret": "hunter2-forever"},
        {"headers": {"Ocp-Apim-Subscription-Key": "0000-abcd-1234"}},
        {"variables": [{"name": "ApiKey", "type": "string", "value": "pa55w0rd!"}]},
        {"WorkspaceKey": {"type": "String", "defaultValue": "my-key-77"}},
        {"text": "password=pa55w0rd!; and so on"},
    ],
)
def test_a_value_is_a_secret_because_of_what_it_is_called(value: dict[str, Any]) -> None:
    clean = Scrubber().scrub(value)
    assert "SECRET-0001" in json.dumps(clean)


@pytest.mark.parametrize("value", [{"password": "@parameters('p')"}, {"secret": "[parameters('x')]"}, {"token": "none"}, {"apiKey": ""}])
def test_expressions_and_words_are_no_secrets(value: dict[str, Any]) -> None:
    assert Scrubber().scrub(value) == value


def test_one_original_has_one_placeholder_everywhere_keys_and_expressions_too() -> None:
    scrubber = Scrubber()
    flow = {"Mail_anna@fabrikam.com": {"to": "anna@fabrikam.com"}, "next": "@outputs('Mail_anna@fabrikam.com')?['body']"}
    clean = scrubber.scrub(flow)
    assert "fabrikam" not in json.dumps(clean)
    key = next(iter(clean))
    assert key in clean["next"]
    assert scrubber.scrub({"again": "anna@fabrikam.com"}) == {"again": clean[key]["to"]}  # type: ignore[index]
    assert scrubber.restore(clean) == flow


def test_a_person_known_by_address_is_known_by_name() -> None:
    assert find({"to": "lisa.marzipan@fabrikam.com", "text": "ask Lisa Marzipan"})["Lisa Marzipan"] == "name"


def test_the_mapping_is_apart_closed_to_others_and_the_way_back(tmp_path: Path) -> None:
    scrubber = Scrubber()
    clean = scrubber.scrub({"a": [text for _, text in ALL]})
    scrubber.write(tmp_path / "m.json")
    assert stat.S_IMODE((tmp_path / "m.json").stat().st_mode) == 0o600
    assert restore(clean, read_mapping(tmp_path / "m.json")) == {"a": [text for _, text in ALL]}


def test_a_text_that_looks_like_a_placeholder_is_not_taken_for_one() -> None:
    scrubber = Scrubber()
    value = {"a": "SECRET-0001 is a song", "b": "d41d8cd98f00b204e9800998ecf8427e"}
    assert scrubber.restore(scrubber.scrub(value)) == value


@pytest.mark.parametrize("text", ["[]", "no", '{"a": 1}'])
def test_what_is_no_mapping_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError):
        read_mapping(tmp_path / "m.json")


_PIECES = st.sampled_from([text for _, text in ALL] + ["@{", "}", "'", " and ", "/", "x", "Person 0001", "1", "\n", "é"])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.lists(_PIECES, max_size=6).map("".join), max_size=4))
def test_whatever_is_scrubbed_comes_back(value: dict[str, str]) -> None:
    scrubber = Scrubber()
    try:
        clean = scrubber.scrub(value)
    except CorpusError:
        return
    assert scrubber.restore(clean) == value


# --- copies --------------------------------------------------------------------------------------------------------------------

MAIL = """triggerOutputs = await shared_sharepointonline.GetOnNewItems({ "table": "Visits" });
if (triggerOutputs.body.Status == "Done") {
  outputs_shared_office365_SendEmailV2 = shared_office365.SendEmailV2({ "emailMessage/To": "anna@contoso.com" });
}
"""


def test_near_duplicates_are_found_and_others_are_not() -> None:
    queries = [
        "When an item is added to the Visits list, send an email to Anna",
        "when an item is added to the Visits list send an email to anna!",
        "Post a message in Teams every Monday morning",
        "When an item is added to the Visits list, send an email to Anna.",
    ]
    assert copies([query_shingles(q) for q in queries], 0.85) == {1: 0, 3: 0}
    assert copies([term_shingles("mail Anna the weekly numbers of sales"), term_shingles("the weekly sales numbers, mail to Anna")], 0.85) == {1: 0}


def test_flows_that_differ_in_values_only_are_copies() -> None:
    other = MAIL.replace("Visits", "Holidays").replace("anna", "bert").replace("outputs_shared_office365_SendEmailV2", "outputs_Mail")
    assert flow_shingles(MAIL) == flow_shingles(other)
    assert copies([flow_shingles(MAIL), flow_shingles(MAIL.replace("SendEmailV2(", "MarkAsRead_V3("))], 0.9) == {}


def test_the_bare_flow_has_no_plumbing_and_the_same_skeleton() -> None:
    noisy = '// a comment\n@connection("c1")\n@metadata({ "x": "y" })\n@name("Mail Anna")\noutputs_Mail_Anna = shared_office365.SendEmailV2({});\n'
    flow, problems = parse("triggerOutputs = await commonTrigger.manual({});\n" + noisy)
    assert flow is not None, problems
    bare, text = hygiene.tidy(flow) or (None, "")
    assert bare is not None
    assert "@" not in text and "//" not in text
    assert skeleton(bare) == skeleton(flow) == "commonTrigger.manual; shared_office365.SendEmailV2"


# --- splits --------------------------------------------------------------------------------------------------------------------


def flows(n: int) -> list[Apart]:
    return [Apart(f"f{i}", f"skeleton {i % (n // 2)}", (f"shared_a.Op{i % 7}",), f"2025-{1 + i % 12:02}-01") for i in range(n)]


def test_a_skeleton_is_in_one_split_only() -> None:
    found = split(flows(400), SplitRecipe(test=0.2, validation=0.1))
    by_skeleton: dict[str, set[str]] = {}
    for flow in flows(400):
        by_skeleton.setdefault(flow.skeleton, set()).add(found[flow.id])
    assert all(len(s) == 1 for s in by_skeleton.values())
    assert 0.1 < sum(s == {"test"} for s in by_skeleton.values()) / len(by_skeleton) < 0.3
    assert {"train", "validation", "test"} == {s for each in by_skeleton.values() for s in each}


def test_withheld_operations_are_unseen_and_their_skeletons_leave_training() -> None:
    found = split(flows(40), SplitRecipe(unseen=("shared_a.Op3",)))
    for flow in flows(40):
        assert (found[flow.id] == "unseen") == (flow.operations == ("shared_a.Op3",))
    held = {f.skeleton for f in flows(40) if found[f.id] == "unseen"}
    assert all(found[f.id] in ("unseen", "", "test") for f in flows(40) if f.skeleton in held)


def test_a_split_by_time_tests_what_is_new_and_trains_nothing_like_it() -> None:
    found = split(flows(240), SplitRecipe(by="time", after="2025-10-01", validation=0.1))
    tested = {f.skeleton for f in flows(240) if found[f.id] == "test"}
    for flow in flows(240):
        assert (found[flow.id] == "test") == (flow.time >= "2025-10-01")
        if found[flow.id] in ("train", "validation"):
            assert flow.skeleton not in tested


@pytest.mark.parametrize("changes", [{"test": 0.9, "validation": 0.2}, {"by": "time"}, {"after": "2025-01-01"}, {"by": "time", "after": "July"}])
def test_a_split_that_cannot_be_is_told(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SplitRecipe(**changes)


# --- leaks ---------------------------------------------------------------------------------------------------------------------

TEAMS = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\noutputs_a = shared_teams.PostMessageToConversation({ "body/messageBody": "hi" });\n'
OTHER = 'triggerOutputs = await commonTrigger.manual({});\noutputs_a = shared_trello.CreateCard({ "body/name": "x" });\n'


def example(id: str, query: str, dsl: str, split: str) -> Example:
    flow, problems = parse(dsl)
    assert flow is not None, problems
    from nl2dsl.dsl import tree

    return Example(id, query, "", dsl, tuple(tree.operations(flow)), "x", split)


TEST = [example("te1", "When an item is added to the Visits list and it is done, send an email to anna@contoso.com", MAIL, "test")]
CLEAN = [example("tr1", "Say hi in Teams every day", TEAMS, "train"), example("tr2", "Make a Trello card when I press the button", OTHER, "train")]
LONGER = MAIL + "outputs_b = shared_office365.MarkAsRead_V3();\n"


def test_a_clean_corpus_has_no_leaks() -> None:
    assert leaks(CLEAN, TEST, {"tr1": [{"id": "tr2", "query": CLEAN[1].query, "dsl": OTHER}]}) == []


@pytest.mark.parametrize(
    ("kind", "planted"),
    [
        (
            "skeleton",
            example(
                "x",
                "Tell Bert by mail about each holiday that is over",
                MAIL.replace("Visits", "Holidays").replace("anna", "bert").replace("Done", "Over"),
                "train",
            ),
        ),
        ("query", example("x", "when an item is added to the visits list and it is done send an email to anna@contoso.com", OTHER, "train")),
        ("query", example("x", "Send an email to anna@contoso.com when an item added to the Visits list is done", LONGER, "train")),
        (
            "paraphrase",
            example(
                "x",
                "Send anna@contoso.com an email about every done item that was added to our Visits",
                MAIL.replace("if (", "do { outputs_c = builtin.Compose({}); } until (true);\nif ("),
                "train",
            ),
        ),
        ("flow", example("x", "Please keep the good lady informed", MAIL, "train")),
        ("operation", example("x", "Make a card", OTHER, "train")),
    ],
)
def test_a_planted_leak_is_caught(kind: str, planted: Example) -> None:
    if kind == "paraphrase":  # the same operations in another order of control: neither skeleton nor flow is the same
        planted = replace(planted, operations=TEST[0].operations)
    found = leaks([*CLEAN, planted], TEST, withheld=("shared_trello.CreateCard",) if kind == "operation" else ())
    assert kind in {leak.kind for leak in found if leak.train == "x"}
    assert {leak.train for leak in found} <= {"x", "tr2"}
    with pytest.raises(CorpusError, match="the corpus leaks"):
        demand_no_leaks(found)


@pytest.mark.parametrize(
    "shot", [{"id": "te1", "query": "q", "dsl": "d"}, {"id": "?", "query": TEST[0].query.upper(), "dsl": "d"}, {"id": "?", "query": "q", "dsl": MAIL}]
)
def test_a_test_row_in_a_prompt_is_caught_by_id_request_or_flow(shot: dict[str, str]) -> None:
    found = leaks(CLEAN, TEST, {"tr1": [{"id": "tr2", "query": "fine", "dsl": OTHER}, shot]})
    assert [(leak.kind, leak.train, leak.test) for leak in found] == [("shot", "tr1", "te1")]


# --- stages --------------------------------------------------------------------------------------------------------------------


def recipe(out: Path, **changes: Any) -> CorpusRecipe:
    given: dict[str, Any] = {
        "requests": "",
        "flows": FlowsRecipe((str(HERE / "recipes" / "corpus" / "smoke.flows.jsonl"),)),
        "split": SplitRecipe(test=0.2, validation=0.1, unseen=("shared_todo",)),
        "paraphrase": ParaphraseRecipe(n=2, share=0.5),
        "enrich": EnrichRecipe(share=0.5),
    }
    return CorpusRecipe(out=str(out), **{**given, **changes})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("staged") / "corpus"
    build(recipe(out), CATALOG)
    return out


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def card(out: Path) -> dict[str, Any]:
    return json.loads((out / "card.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_production_flows_become_a_corpus_without_secrets(made: Path) -> None:
    told = card(made)["stages"]
    assert told["flows"]["kept"] > 10 and told["flows"]["near-duplicates"] == 1
    assert told["flows"]["left after scrubbing, by the independent scan"] == 0
    assert {"email", "guid", "url", "phone", "name", "secret"} <= told["flows"]["scrubbed"].keys()
    assert told["leaks"]["leaks"] == 0
    everything = "".join(p.read_text(encoding="utf-8") for p in made.rglob("*") if p.is_file())
    for secret in read_mapping(made.with_name("corpus-private") / "mapping.json").values():
        assert secret not in everything
    for name in ("flows-train", "flows-test", "flows-unseen", "paraphrases", "enriched"):
        assert rows(made / f"{name}.jsonl"), name


def test_every_flow_is_kept_or_rejected_with_a_reason(made: Path) -> None:
    told = card(made)["stages"]
    read = {r["id"] for r in rows(HERE / "recipes" / "corpus" / "smoke.flows.jsonl")}
    kept, rejected = {r["id"] for r in rows(made / "flows.jsonl")}, rows(made / "rejected-flows.jsonl")
    assert kept | {r["id"] for r in rejected} == read
    assert told["describe"]["described"] + len(rows(made / "rejected-describe.jsonl")) >= told["describe"]["flows"] == len(kept)
    assert all(r["reason"] for name in ("flows", "describe", "paraphrase", "enrich") for r in rows(made / f"rejected-{name}.jsonl"))


def test_flows_whose_requests_say_all_of_them_have_a_sketch_that_training_can_read(made: Path) -> None:
    told = card(made)["stages"]["describe"]
    train = rows(made / "flows-train.jsonl")
    sketched = [r for r in train if r["sketch"]]
    assert len(sketched) == told["rows with a sketch"]["train"] > len(train) / 2
    for row in sketched:
        assert set(sketch.operations(sketch.parse(row["sketch"]))) <= set(row["operations"])


def test_the_teacher_rewords_every_row_of_a_rare_operation(tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    build(recipe(out, paraphrase=ParaphraseRecipe(n=1, share=0.000001, below=4), enrich=None), CATALOG)
    train = rows(out / "flows-train.jsonl")
    rare = {r["id"] for r in train if any(sum(o in other["operations"] for other in train) < 4 for o in r["operations"])}
    reworded = {r["id"].rpartition("p")[0] for r in rows(out / "paraphrases.jsonl")}
    refused = {r["id"] for r in rows(out / "rejected-paraphrase.jsonl")}  # said before, in other words than the teacher's
    assert reworded <= rare <= reworded | refused
    assert 0 < len(rare) < len(train)


def test_a_sample_of_flows_is_told_with_its_distance(tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    flows = FlowsRecipe((str(HERE / "recipes" / "corpus" / "smoke.flows.jsonl"),), sample=8)
    told = build(recipe(out, flows=flows, paraphrase=None, enrich=None), CATALOG)["stages"]["flows"]  # type: ignore[index]
    assert len(rows(out / "flows.jsonl")) == told["kept"] == 8 < told["sampled from"]
    assert 0 < told["distance of distributions"] < 1


def test_flows_of_withheld_connectors_are_only_in_unseen(made: Path) -> None:
    for name in ("flows-train", "flows-validation", "flows-test", "paraphrases", "enriched"):
        assert not [r for r in rows(made / f"{name}.jsonl") if any(o.startswith("shared_todo.") for o in r["operations"])]


def test_the_same_recipe_gives_the_same_digest_and_runs_no_stage_again(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = tmp_path / "corpus"
    assert build(recipe(second), CATALOG)["digest"] == card(made)["digest"]
    ran: list[str] = []
    monkeypatch.setattr(stages.Stages, "consult", lambda *_: ran.append("teacher"))
    assert build(recipe(second), CATALOG)["digest"] == card(made)["digest"]
    assert ran == []


def test_a_stage_runs_again_when_its_file_was_changed(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    build(recipe(out), CATALOG)
    (out / "enriched.jsonl").write_text("", encoding="utf-8")
    assert build(recipe(out), CATALOG)["digest"] == card(made)["digest"]


def test_a_capped_run_says_what_it_left_and_goes_on_with_a_higher_cap(made: Path, tmp_path: Path) -> None:
    from fake_server import FakeServer
    from test_tasks import smart

    items = [Item(r["id"], parse(r["dsl"])[0], r["dsl"]) for r in rows(made / "flows.jsonl")]  # type: ignore[arg-type]
    with FakeServer(smart) as host:
        teacher = TeacherRecipe(engine=f"openai:{host.url}#m", pause=0.01, price_in=100, price_out=100, cap=1000.0, idempotent=True)
        dearest = max(Budget.of(teacher).most(describe_ask(items[i : i + 5])) for i in range(0, len(items), 5))
        cap = float(dearest) * 1.05  # one batch fits, a second one beside it does not
        stingy = recipe(tmp_path / "c", teacher=replace(teacher, cap=cap), paraphrase=None, enrich=None)
        told = build(stingy, CATALOG)["stages"]["describe"]  # type: ignore[index]
        assert sum(n for reason, n in told["rejected"].items() if reason.startswith("the cap of")) > 0
        assert host.ledger.cost(100, 100) <= cap
        told = build(replace(stingy, teacher=teacher), CATALOG)["stages"]["describe"]  # type: ignore[index]
        assert not [reason for reason in told["rejected"] if "cap" in reason]
        charged = [key for key, _, _ in host.ledger.charged]
        assert len(charged) == len(set(charged))
        assert (tmp_path / "c" / "cost.json").exists()


def test_the_template_costs_nothing_whatever_the_prices(tmp_path: Path) -> None:
    dear = TeacherRecipe(price_in=1000, price_out=1000, cap=0.01)
    told = build(recipe(tmp_path / "c", teacher=dear, paraphrase=None, enrich=None), CATALOG)["stages"]["describe"]  # type: ignore[index]
    assert told["described"] > 10
    assert not (tmp_path / "c" / "teacher.jsonl").exists()


def test_a_corpus_that_leaks_has_no_card(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "_without_leaks", lambda out, found: (list(found), []))
    monkeypatch.setattr(hygiene, "split", lambda apart, *_: {a.id: "test" if n % 2 else "train" for n, a in enumerate(apart)})
    monkeypatch.setattr(
        stages, "_different", lambda found: ([replace(r, query="the same request for all the flows of the house") for r in found], [])
    )
    with pytest.raises(CorpusError, match="the corpus leaks"):
        build(recipe(tmp_path / "c", paraphrase=None, enrich=None), CATALOG)
    assert not (tmp_path / "c" / "card.json").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ('{"id": "a"}', "holds no definition"),
        ('{"id": "a", "dsl": "no flow"}', "not a flow"),
        ('{"id": "a", "definition": {"triggers": [], "actions": 5}}', "this is no workflow definition"),
    ],
)
def test_what_is_no_flow_is_rejected_by_name(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "f.jsonl").write_text(text + "\n", encoding="utf-8")
    stages_ = build(recipe(tmp_path / "c", flows=FlowsRecipe((str(tmp_path / "f.jsonl"),)), paraphrase=None, enrich=None), CATALOG)["stages"]
    assert stages_["flows"]["kept"] == 0  # type: ignore[index]
    (rejected,) = rows(tmp_path / "c" / "rejected-flows.jsonl")
    assert rejected["reason"].startswith(reason)


def test_a_definition_is_found_in_a_row_that_also_lists_its_actions() -> None:
    wanted = {"triggers": {}, "actions": {}}
    assert stages._definition({"actions": ["SendEmailV2"], "trigger": "Recurrence", "definition": wanted}) == wanted
    assert stages._definition({"name": "x", "properties": {"definition": wanted}}) == wanted
    assert stages._definition(wanted) == wanted
    assert stages._definition({"name": "x"}) is None and stages._definition([]) is None


def test_exports_are_read_with_their_names_and_times_and_no_two_have_the_same_id(tmp_path: Path) -> None:
    def definition(name: str) -> dict[str, Any]:
        return {
            "triggers": {"manual": {"type": "Request", "kind": "Button", "inputs": {}}},
            "actions": {name: {"type": "Compose", "inputs": name, "runAfter": {}}},
        }

    for number in (1, 2):  # unpacked packages: every definition has the same name of a file
        folder = tmp_path / f"p{number}" / "Microsoft.Flow" / "flows" / "x"
        folder.mkdir(parents=True)
        exported = {"properties": {"lastModifiedTime": f"2025-0{number}-03T04:05:06Z", "definition": definition(f"A{number}")}}
        (folder / "definition.json").write_text(json.dumps(exported))
    with zipfile.ZipFile(tmp_path / "solution.zip", "w") as packed:
        for number in (3, 4):
            packed.writestr(
                f"Workflows/Flow{number}-0000000{number}-0000-0000-0000-000000000000.json",
                json.dumps({"properties": {"definition": definition(f"A{number}")}}),
            )
    template = {"resources": [{"type": "Microsoft.Logic/workflows", "name": "five", "properties": {"definition": definition("A5")}}]}
    (tmp_path / "template.json").write_text(json.dumps(template))
    (tmp_path / "manifest.json").write_text('{"name": "no flow", "password": "geheim1234"}')
    found = list(stages.sources(FlowsRecipe((str(tmp_path),))))
    flows = [f for f in found if isinstance(f, stages.Source)]
    assert [(f.id, f.time[:7]) for f in flows] == [
        ("definition", "2025-01"),
        ("definition~2", "2025-02"),
        ("solution.zip:1", ""),
        ("solution.zip:2", ""),
        ("template", ""),
    ]
    assert [f.value.get("title") for f in flows] == [None, None, "Flow3", "Flow4", "five"]
    (rejected,) = [f for f in found if isinstance(f, Rejected)]
    assert rejected.reason.startswith("holds no definition") and "geheim" not in json.dumps(asdict(rejected))  # nothing that nobody scrubbed is kept


def test_what_a_flow_is_called_is_scrubbed_too(tmp_path: Path) -> None:
    row = {"id": "mail of anna.berg@contoso.com", "dsl": MAIL}
    (tmp_path / "flows.jsonl").write_text(json.dumps(row))
    build(recipe(tmp_path / "c", flows=FlowsRecipe((str(tmp_path / "flows.jsonl"),)), paraphrase=None, enrich=None), CATALOG)
    (kept,) = rows(tmp_path / "c" / "flows.jsonl")
    assert re.fullmatch(r"mail of user\d{4}@example\.com", kept["id"])
    assert restore(kept["id"], json.loads((tmp_path / "c-private" / "mapping.json").read_text())) == row["id"]


def test_all_requests_of_a_flow_that_trains_already_leave_the_rows_kept_apart(tmp_path: Path) -> None:
    write([replace(CLEAN[0], dsl=MAIL, operations=TEST[0].operations)], tmp_path / "train.jsonl")
    asked = ["Say when a visit is over", "Mail anna@contoso.com at the end of each visit", "Visits that are done go to Anna"]
    other = MAIL.replace("Visits", "Holidays").replace("Done", "Over")
    apart = [example(f"fl{n}", q, MAIL if n else other, "test") for n, q in enumerate(asked)]
    kept, rejected = stages._without_leaks(tmp_path, [*apart, example("fl9", "Make a card by hand", OTHER, "test")])
    assert [r.id for r in kept] == ["fl9"]
    assert [r.id for r in rejected] == ["fl0", "fl1", "fl2"]


def test_flows_without_times_cannot_be_split_by_time() -> None:
    flows = [Apart("a", "s", ("t.A",)), Apart("b", "r", ("t.B",), "yesterday")]
    with pytest.raises(CorpusError, match="no flow says when"):
        split(flows, SplitRecipe(by="time", after="2025-07-01"))
    assert split([*flows, Apart("c", "q", ("t.C",), "2025-07-01T08:00:00Z")], SplitRecipe(by="time", after="2025-07-01", validation=0)) == {
        "a": "train",
        "b": "train",
        "c": "test",
    }


def test_what_requests_hold_out_flows_hold_out_too(tmp_path: Path) -> None:
    both = CorpusRecipe(requests=str(HERE / "recipes" / "corpus"), held_out=("shared_todo",), split=SplitRecipe(unseen=("shared_teams",)))
    assert builds._withheld(both).unseen == ("shared_teams", "shared_todo")
    assert builds._withheld(replace(both, requests="")).unseen == ("shared_teams",)


def test_flows_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no flows at"):
        build(recipe(tmp_path / "c", flows=FlowsRecipe((str(tmp_path / "nowhere"),))), CATALOG)


def test_scrubbing_can_be_left_out_only_by_saying_so(tmp_path: Path) -> None:
    out = tmp_path / "c"
    build(recipe(out, scrub=ScrubRecipe(on=False), paraphrase=None, enrich=None), CATALOG)
    assert "fabrikam" in (out / "flows.jsonl").read_text(encoding="utf-8")
    assert not out.with_name("c-private").exists()


def test_the_recipe_without_stages_has_the_card_it_always_had() -> None:
    assert builds._told(CorpusRecipe()).keys() == {"requests", "sampled", "variants", "test", "seed", "held_out"}


def test_the_smoke_flows_are_ours_and_compile() -> None:
    for row in rows(HERE / "recipes" / "corpus" / "smoke.flows.jsonl"):
        if row["id"] == "not-a-flow":
            continue
        flow = parse(row["dsl"])[0] if "dsl" in row else definition.decompile(row["definition"])
        assert flow is not None, row["id"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["modified"])
