"""Reading and writing: the two are each other's inverse, and nothing a person types makes the reader raise."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import trees
from nl2dsl.dsl import text
from nl2dsl.dsl.text import parse, parse_expression, unparse, unparse_expression
from nl2dsl.dsl.tree import (
    Assign,
    Binary,
    Call,
    Entry,
    Expression,
    Flow,
    Function,
    If,
    Literal,
    Name,
    Object,
    Segment,
    Template,
)
from nl2dsl.dsl.tree import Path as PropertyPath
from nl2dsl.dsl.words import KEYWORDS, MAX_NESTING

FLOWS = sorted((Path(__file__).parent / "flows").glob("*.flow"))
TRIGGER = "await commonTrigger.Recurrence({});\n"


def flow_of(source: str) -> Flow:
    flow, problems = parse(source)
    assert problems == []
    assert flow is not None
    return flow


def steps_of(source: str) -> tuple[object, ...]:
    return flow_of(TRIGGER + source).steps


def expression_of(source: str) -> Expression:
    expression, problems = parse_expression(source)
    assert problems == []
    assert expression is not None
    return expression


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.flows)
def test_reading_what_was_written_gives_the_same_tree(flow: Flow) -> None:
    source = unparse(flow)
    again, problems = parse(source)
    assert problems == []
    assert again == flow
    assert unparse(again) == source


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.expressions)
def test_an_expression_survives_writing_and_reading(expression: Expression) -> None:
    assert expression_of(unparse_expression(expression)) == expression


@pytest.mark.parametrize("path", FLOWS, ids=lambda p: p.stem)
def test_formatting_twice_changes_nothing(path: Path) -> None:
    flow, _ = parse(path.read_text(encoding="utf-8"))
    if flow is not None:
        once = unparse(flow)
        assert unparse(flow_of(once)) == once
        assert flow_of(once) == flow


def test_the_brace_less_form_means_the_same() -> None:
    braces = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\nx.Op({});\n'
    assert flow_of('triggerOutputs = await commonTrigger.Recurrence( "frequency": "Day", "interval": 1 );\nx.Op();') == flow_of(braces)
    assert unparse(flow_of(braces)) == braces


def test_await_may_stand_before_any_call_and_may_be_left_out() -> None:
    assert flow_of("a.B({});\nx = await c.D({});\nawait e.F({});") == flow_of("await a.B({});\nx = c.D({});\ne.F({});")


def test_keys_may_be_bare_words_and_lists_may_end_in_a_comma() -> None:
    assert steps_of("a.B({ to: [1, 2,], if: 3, });") == steps_of('a.B({ "to": [1, 2], "if": 3 });')


def test_names_with_odd_characters_stand_in_backticks() -> None:
    source = (
        TRIGGER
        + "shared_x.`list.users`({});\nshared_service-now.GetRecords({});\nshared_x.Get-AdminApps({});\n`Some Op/1.0`({});\nx = `concat`({});\n"
    )
    flow = flow_of(source)
    calls = [s for s in flow.steps if isinstance(s, Call)]
    assert [(c.connector, c.operation) for c in calls] == [
        ("shared_x", "list.users"),
        ("shared_service-now", "GetRecords"),
        ("shared_x", "Get-AdminApps"),
        ("", "Some Op/1.0"),
        ("", "concat"),
    ]
    assert unparse(flow).endswith(source[len(TRIGGER) :])


def test_a_call_without_connector_is_a_step_and_a_function_is_a_value() -> None:
    assert steps_of("x = SendMail({});") == (Call("", "SendMail", (), "x"),)
    assert steps_of("x = utcNow();") == (Assign("x", "=", Function("utcNow", ())),)


def test_odd_keys_and_strict_segments() -> None:
    name = Name("x")
    assert expression_of('x.a["odd/key"][0]!.b!["c d"][y]') == PropertyPath(
        name, (Segment("a"), Segment("odd/key"), Segment(0), Segment("b", True), Segment("c d", True), Segment(Name("y")))
    )


def test_keywords_are_names_where_no_statement_can_begin() -> None:
    assert expression_of('if(x, item.default, y["case"])') == Function(
        "if", (Name("x"), PropertyPath(Name("item"), (Segment("default"),)), PropertyPath(Name("y"), (Segment("case"),)))
    )


def test_operators_bind_as_in_javascript() -> None:
    a, b, c, d = (Name(n) for n in "abcd")
    assert expression_of("a || b && c == d") == Binary("||", a, Binary("&&", b, Binary("==", c, d)))
    assert expression_of("a == b < c") == Binary("==", a, Binary("<", b, c))
    assert unparse_expression(expression_of("(a || b) && !(c == d)")) == "(a || b) && !(c == d)"
    assert unparse_expression(expression_of("((a && b) && c)")) == "a && b && c"


def test_templates_nest_and_a_template_without_expressions_is_a_string() -> None:
    assert expression_of('`a ${concat("b", `c ${d}`)} e`') == Template(("a ", Function("concat", (Literal("b"), Template(("c ", Name("d"))))), " e"))
    assert expression_of("`two\nlines \\` \\${x}`") == Literal("two\nlines ` ${x}")


def test_else_if_reads_as_an_if_inside_else_and_is_written_flat() -> None:
    source = TRIGGER + "if (a) {\n  x.A({});\n} else if (b) {\n  x.B({});\n} else {\n  x.C({});\n}\n"
    (outer,) = flow_of(source).steps
    assert isinstance(outer, If)
    assert isinstance(outer.otherwise[0], If)
    assert unparse(flow_of(source)) == source


def test_long_parameters_are_written_one_a_line() -> None:
    call = Call("x", "Op", (Entry("text", Literal("y" * 150)), Entry("object", Object((Entry("a", Literal(1)),)))))
    written = unparse(Flow(call, ()))
    assert written == f'await x.Op({{\n  "text": "{"y" * 150}",\n  "object": {{ "a": 1 }}\n}});\n'


def test_comments_go_to_the_step_below_the_step_they_end_or_the_block_they_are_in() -> None:
    source = '// the flow\n\n// daily\na.B({});  // at six\n// first\n// second\nc.D({\n  // inner\n  "x": 1\n});\nif (y) {\n  // nothing yet\n}\n// the end\n'
    flow = flow_of(source)
    assert flow.comment == "the flow\nthe end"
    assert [s.comment for s in (flow.trigger, *flow.steps)] == ["daily\nat six", "first\nsecond\ninner", "nothing yet"]


def test_annotations_belong_to_the_step_below_and_double_ones_to_the_flow() -> None:
    source = '@@name("Tour")\n\nawait a.B({});\n// why\n@retry({ "type": "none" }) @secure\nc.D({});\n'
    flow = flow_of(source)
    assert [a.name for a in flow.annotations] == ["name"]
    assert [a.name for a in flow.steps[0].annotations] == ["retry", "secure"]
    assert flow.steps[0].comment == "why"
    assert unparse(flow) == source


def test_spans_point_at_the_text() -> None:
    source = TRIGGER + 'y = shared_x.Op({\n  "to": item.owner\n});\n'
    (call,) = flow_of(source).steps
    assert isinstance(call, Call)
    entry = call.parameters[0]
    for span, shown in ((call.span, "shared_x.Op"), (entry.span, '"to"'), (entry.value.span, "item.owner")):
        assert source[span.start : span.end] == shown
        assert source.split("\n")[span.line - 1].startswith(shown, span.column - 1)


def test_windows_line_ends_and_a_byte_order_mark_are_no_obstacle() -> None:
    assert flow_of("\ufeffawait a.B({});\r\n// why\r\nc.D({});\r\n") == flow_of("await a.B({});\n// why\nc.D({});\n")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ('a.B({ "x": ' + "[" * 5000, "S107"),
        ('a.B({ "x": ' + "(" * 5000, "S107"),
        ('a.B({ "x": ' + "`${" * 5000, "S107"),
        ('a.B({ "x": ' + "!" * 5000 + "y });", "S107"),
        (TRIGGER + "x = " + " && ".join("y" * 5000) + ";", "S107"),
        (TRIGGER + "if (a) { }" + " else if (a) { }" * 2000, "S107"),
        (TRIGGER + "if (a) { " * 3000, "S107"),
        ("\x00", "S104"),
        ("\x1b[31m", "S104"),
        ("a" * 20_000, "S105"),
        ("a." * 10_000, "S105"),
        ('"' * 20_001, "S103"),
        ("`" * 3, "S103"),
        ("9" * 20_000, "S106"),
        ('a.B({ "x": 1e999 });', "S106"),
        (";" * 20_000, "S101"),
    ],
)
def test_hostile_text_gives_one_diagnostic(source: str, code: str) -> None:
    flow, problems = parse(source)
    assert flow is None
    assert [p.code for p in problems] == [code]


def test_the_deepest_flow_that_is_read_can_be_written_and_compared() -> None:
    levels = MAX_NESTING - 3
    source = TRIGGER + "if (a) {\n" * 30 + f'x.Op({{ "y": {"[" * (levels - 30)}{"]" * (levels - 30)} }});\n' + "}\n" * 30
    assert flow_of(unparse(flow_of(source))) == flow_of(source)


def test_mutated_text_never_raises() -> None:
    rng = random.Random(7)
    sources = [p.read_text(encoding="utf-8") for p in FLOWS]
    pieces = [*"{}[]();,:.\"'`$!@=<>&|\\\n\t /-+09aé\x00", "${", "//", "await ", "else ", "if (", "||", "outputs_x", "case 1: {"]
    for _ in range(600):
        source = rng.choice(sources)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(source) + 1)
            to = min(len(source), at + rng.choice([0, 1, 1, 5, 40]))
            source = source[:at] + rng.choice(["", rng.choice(pieces)]) + source[to:]
        flow, problems = parse(source)
        assert (flow is None) == bool(problems)
        for p in problems:
            assert 0 <= p.span.start <= p.span.end <= len(source) + 1
        if flow is not None:
            assert parse(unparse(flow))[0] == flow


def test_the_words_of_the_grammar_are_the_reserved_words() -> None:
    grammar = Path(text.__file__).with_name("flow.lark").read_text(encoding="utf-8")
    assert set(re.findall(r'^[A-Z]+: "([a-z]+)"$', grammar, re.MULTILINE)) == KEYWORDS


def test_importing_does_not_load_the_parser_library() -> None:
    code = "import sys, nl2dsl.dsl.text, nl2dsl.dsl.checker; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


def test_a_typical_flow_is_read_in_a_millisecond_or_so() -> None:
    source = (
        TRIGGER
        + 'outputs_a = shared_x.Get({ "table": "Invoices", "top": 10 });\n'
        + (
            'for (item of outputs_a.body.value) {\n  if (item.Status == "Late") {\n    shared_mail.Send({ "to": item.Owner, "body": `Pay ${item.Title}` });\n  }\n}\n'
        )
    )
    parse(source)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        parse(source)
        best = min(best, time.perf_counter() - start)
    assert best < 0.01  # about 0.4 ms; the margin is for slow machines
