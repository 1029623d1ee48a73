"""The workflow expression language: reading, printing, and both together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nl2dsl.dsl.expressions import Joined, Reading, flattened, read, read_condition, read_raw, write, write_condition, write_raw
from nl2dsl.dsl.tree import Array, Binary, Function, Literal, Name, Not, Path, Segment, Template

READING = Reading(
    {"get_items": "outputs_Get_items", "it's odd": "outputs_odd"}, {"each": "item"}, {"total": "total"}, "item", frozenset({"outputs_Get_items"})
)
NAMES = {
    "triggerOutputs": "triggerOutputs()",
    "outputs_Get_items": Joined("outputs('Get_items')"),
    "outputs_odd": "outputs('It''s odd')",
    "item": "items('Each')",
    "total": "variables('total')",
}


def path(base: str, *keys: str | int, strict: bool = False) -> Path:
    return Path(Name(base), tuple(Segment(key, strict) for key in keys))


# what is read is printed again, letter by letter
CANONICAL = [
    ("plain text", Literal("plain text")),
    ("@outputs('Get_items')?['body/value']", path("outputs_Get_items", "body", "value")),
    ("@outputs('Get_items')?['body/value']?[0]?['a']?['b/c']", path("outputs_Get_items", "body", "value", 0, "a", "b/c")),
    ("@body('Get_items')?['a/b']", path("outputs_Get_items", "body", "a/b")),
    ("@body('It''s odd')?['a']?['b/c']", path("outputs_odd", "body", "a", "b/c")),
    ("@body('Get_items')", path("outputs_Get_items", "body")),
    ("@body('It''s odd')?[0]?['a']", path("outputs_odd", "body", 0, "a")),
    ("@triggerBody()", path("triggerOutputs", "body")),
    ("@triggerBody()?['from']?['address']", path("triggerOutputs", "body", "from", "address")),
    ("@triggerOutputs()?['headers']", path("triggerOutputs", "headers")),
    ("@items('Each')?['Author/Email']", path("item", "Author/Email")),
    ("@items('Each')?['Author']?['Email']", path("item", "Author", "Email")),
    ("@items('Each')", Name("item")),
    ("@items('Each')['a/b']", path("item", "a/b", strict=True)),
    ("@variables('total')", Name("total")),
    ("@variables('total')?['a']?['b/c']", path("total", "a", "b/c")),
    ("@first(body('Get_items'))?['a']", Path(Function("first", (path("outputs_Get_items", "body"),)), (Segment("a"),))),
    ("@body('Get_items')[variables('total')]", Path(Name("outputs_Get_items"), (Segment("body"), Segment(Name("total"), True)))),
    ("@equals(variables('total'), 'it''s')", Binary("==", Name("total"), Literal("it's"))),
    ("@not(equals(1, 2.5))", Binary("!=", Literal(1), Literal(2.5))),
    ("@and(a(), b(), c())", Binary("&&", Binary("&&", Function("a", ()), Function("b", ())), Function("c", ()))),
    ("@and(a(), and(b(), c()))", Binary("&&", Function("a", ()), Binary("&&", Function("b", ()), Function("c", ())))),
    ("@not(empty(null))", Not(Function("empty", (Literal(None),)))),
    ("@if(true, createArray(1, -2), false)", Function("if", (Literal(True), Array((Literal(1), Literal(-2))), Literal(False)))),
    ("Pay @{items('Each')?['Title']} now", Template(("Pay ", path("item", "Title"), " now"))),
    ("@{variables('total')}", Template((Name("total"),))),
    ("a@{concat('}', '@{')}", Template(("a", Function("concat", (Literal("}"), Literal("@{")))))),
    ("@", Literal("@")),
    ("@@mention", Literal("@mention")),
    ("@@{x}", Literal("@{x}")),
    ("me@example.com", Literal("me@example.com")),
    ("mail me@@{x} @{guid()}", Template(("mail me@{x} ", Function("guid", ())))),
    ("@parameters('Site (x_Site)')", Function("parameters", (Literal("Site (x_Site)"),))),
    ("@outputs('Nowhere')?['body/a']", Path(Function("outputs", (Literal("Nowhere"),)), (Segment("body/a"),))),
    ("@raw('x')", Function("raw", (Literal("@raw('x')"),))),
    ("@null", Literal(None)),
]

# other spellings of the same
RESPELT = [
    ("@body('Get_items')?['value']", "@outputs('Get_items')?['body/value']"),
    ("@outputs('Get_items')?['body']?['value']", "@outputs('Get_items')?['body/value']"),
    ("@actionBody('GET_items')", "@body('Get_items')"),
    ("@triggerOutputs()?['body']?['a']", "@triggerBody()?['a']"),
    ("@triggerOutputs().headers['X-Y']", "@triggerOutputs()['headers']['X-Y']"),
    ("@triggerBody()?.a", "@triggerBody()?['a']"),
    ("@item()?['a']", "@items('Each')?['a']"),
    ("@CONCAT( 'a' ,\n 'b' )", "@concat('a', 'b')"),
    ("@and(and(a(), b()), c())", "@and(a(), b(), c())"),
    ("@{'text'} more", "text more"),
    ("@true", True),
    ("@createArray(1, 'a')", [1, "a"]),
]

NOT_EXPRESSIONS = ["@mention you", "@outputs('x'", "@{x", "a @{} b", "@concat('a',)", "@'a'?['b']", "@x.y", "@items('Each')?['a'] and more"]


@pytest.mark.parametrize(("text", "tree"), CANONICAL)
def test_canonical_expressions_are_read_and_printed_unchanged(text: str, tree: object) -> None:
    assert read(text, READING) == tree
    assert write(read(text, READING), NAMES) == text


@pytest.mark.parametrize(("text", "canonical"), RESPELT)
def test_other_spellings_print_as_the_designer_writes_them(text: str, canonical: object) -> None:
    assert write(read(text, READING), NAMES) == canonical


@pytest.mark.parametrize("text", NOT_EXPRESSIONS)
def test_what_only_looks_like_an_expression_passes_through_unchanged(text: str) -> None:
    assert read(text, READING) == Function("raw", (Literal(text),))
    assert write(read(text, READING), NAMES) == text


def test_item_of_a_data_operation_is_not_the_loop_item() -> None:
    assert read("@item()?['a']", Reading()) == Path(Function("item", ()), (Segment("a"),))


def test_an_at_sign_before_an_expression_is_not_taken_for_an_escape() -> None:
    tree = Template(("me@", Name("total")))
    assert write(tree, NAMES) == "me@{'@'}@{variables('total')}"
    assert read(write(tree, NAMES), READING) == tree


def test_templates_and_objects_inside_expressions_become_functions() -> None:
    assert write(Function("toUpper", (Template(("Hi ", Name("total"))),)), NAMES) == "@toUpper(concat('Hi ', variables('total')))"
    constant = read({"a": [1, "b"]}, READING)
    assert write(Function("string", (constant,)), NAMES) == """@string(json('{"a": [1, "b"]}'))"""
    assert write(Function("string", (read({"a": "@guid()"}, READING),)), NAMES) == "@string(setProperty(json('{}'), 'a', guid()))"


def test_unknown_names_print_as_their_spelling_suggests() -> None:
    assert write(path("outputs_Later", "body", "a"), {}) == "@body('Later')?['a']"
    assert write(Name("x"), {}) == "@variables('x')"


def test_deeply_nested_text_does_not_crash() -> None:
    text = "@" + "not(" * 20_000 + "true" + ")" * 20_000
    assert write(read(text, READING), NAMES) == text


def test_flattened_takes_the_left_spine_only() -> None:
    tree = read("@or(a(), b(), or(c(), d()))", READING)
    assert isinstance(tree, Binary)
    assert len(flattened(tree)) == 3


@given(st.text(alphabet="@{}'ab(\\") | st.text())
def test_every_literal_text_survives(text: str) -> None:
    assert read(write(Literal(text), {}), READING) == Literal(text)


@given(st.lists(st.text(alphabet="@{}'ab", min_size=1), min_size=1, max_size=3))
def test_every_text_around_expressions_survives(texts: list[str]) -> None:
    parts = [part for text in texts for part in (text, Name("total"))]
    tree = Template(tuple(parts))
    assert read(write(tree, NAMES), READING) == tree


@given(st.text(alphabet="@{}'ab() ,[]?./0+"))
def test_any_string_of_a_definition_can_be_read_and_stays_put_once_printed(text: str) -> None:
    printed = write(read(text, READING), NAMES)
    assert write(read(printed, READING), NAMES) == printed


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8)


@given(JSON)
def test_raw_json_survives(value: object) -> None:
    assert write_raw(read_raw(value)) == value


# --- conditions ----------------------------------------------------------------------------------------------------------------

CONDITIONS = [
    {"and": [{"equals": ["@items('Each')?['Paid']", True]}]},
    {"and": [{"equals": ["@items('Each')?['A']", "x"]}, {"greater": ["@variables('total')", 3]}]},
    {"or": [{"not": {"equals": ["@variables('total')", ""]}}, {"and": [{"less": [1, 2]}, {"lessOrEquals": [1, 2]}, {"greaterOrEquals": [1, 2]}]}]},
    {"and": [{"contains": ["@variables('total')", "a"]}, {"not": {"startsWith": ["@variables('total')", "b"]}}]},
    {"and": [{"equals": ["@empty(variables('total'))", True]}]},
    {"and": [{"not": {"or": [{"endsWith": ["a", "b"]}, {"equals": ["@null", True]}]}}]},
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_structured_conditions_are_read_and_written_unchanged(condition: object) -> None:
    tree = read_condition(condition, READING)
    assert tree is not None
    assert write_condition(tree, NAMES) == condition


def test_a_boolean_function_needs_no_comparison_with_true() -> None:
    assert read_condition({"equals": ["@empty(variables('total'))", True]}, READING) == Function("empty", (Name("total"),))
    assert read_condition({"equals": ["@variables('total')", True]}, READING) == Binary("==", Name("total"), Literal(True))


def test_a_condition_in_one_string_is_the_same_tree() -> None:
    structured = {"and": [{"equals": ["@variables('total')", 1]}, {"not": {"equals": ["@variables('total')", 2]}}]}
    text = "@and(equals(variables('total'), 1), not(equals(variables('total'), 2)))"
    assert read_condition(text, READING) == read_condition(structured, READING)


@pytest.mark.parametrize("condition", [{}, {"and": []}, {"unknown": [1, 2]}, {"equals": [1]}, {"equals": 1, "and": []}, 5, None])
def test_what_is_no_condition_is_said_to_be_none(condition: object) -> None:
    assert read_condition(condition, READING) is None
