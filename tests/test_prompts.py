"""The prompt of text models and the flow in their answers."""

from __future__ import annotations

import pytest

from nl2dsl import prompts
from nl2dsl.catalog.model import Operation, Output, Parameter
from nl2dsl.catalog.read import builtin
from nl2dsl.dsl.checker import check
from nl2dsl.dsl.text import parse, unparse
from nl2dsl.errors import ModelError
from nl2dsl.prompts import Message, Shot, fill, read_answer, repair, signature, write_flow

SEND = Operation(
    "shared_mail", "Send", "action", "Send a mail", "sends it", (Parameter("to", required=True), Parameter("cc"), Parameter("id", internal=True))
)


def test_a_prompt_is_system_examples_request() -> None:
    prompt = write_flow("mail me", [SEND], [Shot("a", "b;\n")])
    assert [m.role for m in prompt.messages] == ["system", "user", "assistant", "user"]
    assert prompt.messages[1:] == (Message("user", "a"), Message("assistant", "b;"), Message("user", "mail me"))
    assert signature(SEND) in prompt.messages[0].text
    assert prompt.text.endswith("Request: mail me\n\nFlow:\n")


def test_the_request_fills_no_slot_and_opens_none() -> None:
    prompt = write_flow("{operations} and {query}", [SEND])
    assert prompt.messages[-1].text == "{operations} and {query}"
    assert "{operations}" not in prompt.messages[0].text


def test_a_signature_shows_keys_types_and_what_may_be_left_out() -> None:
    assert signature(SEND) == 'action shared_mail.Send({ "to": string, "cc"?: string })  // Send a mail: sends it'


def test_a_signature_shows_values_open_objects_and_results() -> None:
    o = Operation(
        "", "Odd/Op", "any", parameters=(Parameter("u", enum=("I", "C"), required=True, default="I"), Parameter("item", "object", True, open=True))
    )
    assert signature(o) == 'trigger or action Odd/Op({ "u"?: "I" | "C", "item/...": object })'
    outputs = (Output("value", type="array"), Output("value/Title"), Output(""), Output("/Name"), Output("body/x"), Output("{Link}"))
    gives = 'body.value, body.value[].Title, body, body[].Name, body.x, body["{Link}"]'
    assert signature(Operation("s", "Get", "action", outputs=outputs)) == f"action s.Get({{}}) gives {gives}"


def test_a_long_signature_leaves_out_optional_keys_only() -> None:
    many = tuple(Parameter(f"p{i}", required=i == 39) for i in range(40))
    shown = signature(Operation("s", "Do", "action", parameters=many))
    assert '"p39": string' in shown
    assert '"p20"' not in shown
    assert ", ..." in shown


def test_slots_and_values_must_be_the_same() -> None:
    with pytest.raises(ModelError, match=r"prompts/repair.md: no value for \{findings\}, no slot \{other\}"):
        fill("repair", other="x")


def test_the_examples_that_ship_are_canonical_flows_without_errors() -> None:
    examples = prompts.shots(99)
    assert len(examples) >= 5
    for shot in examples:
        flow, found = parse(shot.dsl)
        assert flow is not None, found
        assert unparse(flow) == shot.dsl
        assert [d for d in check(flow, builtin()) if d.severity != "info"] == []


def test_shots_are_as_many_as_asked_for() -> None:
    assert [len(prompts.shots(n)) for n in (0, 3, 5)] == [0, 3, 5]


def test_the_digest_is_that_of_words_and_renderer() -> None:
    assert prompts.digest() == prompts.digest.__wrapped__()
    assert write_flow("a", [SEND]).digest != write_flow("b", [SEND]).digest


def test_a_repair_shows_attempt_and_findings() -> None:
    asked = write_flow("mail me", [SEND])
    again = repair(asked, "x();\n", "error[N201]: no")
    assert again.messages[:-2] == asked.messages
    assert again.query == "mail me"
    assert again.messages[-2] == Message("assistant", "x();")
    assert "error[N201]: no" in again.messages[-1].text


@pytest.mark.parametrize(
    ("answer", "flow"),
    [
        ("a();", "a();\n"),
        ("  a();\n\n", "a();\n"),
        ("Here it is:\n```flow\na();\nb();\n```\nEnjoy", "a();\nb();\n"),
        ("```\na();", "a();\n"),
        ("<think>x ```\nno\n``` </think>\na();", "a();\n"),
        ("<think>never ends", ""),
        ("", ""),
        ("x = `${a}`;", "x = `${a}`;\n"),
    ],
)
def test_the_flow_in_an_answer_is_found(answer: str, flow: str) -> None:
    assert read_answer(answer) == flow
