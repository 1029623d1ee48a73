"""Expression functions give what the platform documents, and the platform's messages for what they do not take."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nl2dsl.dsl.functions import FUNCTIONS
from nl2dsl.simulator import evaluate, zones
from nl2dsl.simulator.evaluate import Context, Frame
from nl2dsl.simulator.mock import Mocks
from nl2dsl.simulator.values import TemplateError, Unknown, plain, to_json

NOW = datetime(2026, 3, 15, 13, 5, 9, 123456, tzinfo=UTC)


class Standing:
    """A run that stands still: what expressions ask of one, and no more."""

    def __init__(self) -> None:
        self.mocks = Mocks(1, NOW)
        self.variables: dict[str, Any] = {"n": 3, "list": [1, 2, 3], "who": {"Name": "Ana", "a/b": 1}, "any": self.mocks.unknown("any", "any")}
        self.trigger: dict[str, Any] = {"outputs": {"body": {"who": "me"}}}
        self.nodes = 0

    def now(self) -> datetime:
        return NOW

    def draw(self) -> Random:
        return Random(1)

    def spend(self, cost: int = 1) -> None:
        self.nodes += cost

    def record(self, name: str, frame: Frame) -> dict[str, Any] | None:
        return {"outputs": {"body": {"value": [{"a": 1}]}}} if name == "get" else None

    def has_action(self, name: str) -> bool:
        return name in ("get", "later")

    def children(self, name: str, frame: Frame) -> list[dict[str, Any]] | None:
        return None

    def parameter(self, name: str) -> Any:
        return name

    def workflow(self) -> Any:
        return {"run": {"name": "1"}}

    def unknown(self, key: str, name: str) -> Unknown:
        return self.mocks.unknown(key, name)


def value(text: Any, item: Any = None) -> Any:
    return evaluate.value(text, Context(Standing(), Frame(), item))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # text
        ("concat('a', 1, true, null)", "a1True"),
        ("substring('hello world', 6, 5)", "world"),
        ("slice('Hello World', -5)", "World"),
        ("slice('Hello World', 2, -1)", "llo Worl"),
        ("replace('the old', 'old', 'new')", "the new"),
        ("split('a;b;c', ';')", ["a", "b", "c"]),
        ("join(createArray('a', 'b'), '.')", "a.b"),
        ("indexOf('Hello World', 'world')", 6),
        ("lastIndexOf('a.b.c', '.')", 3),
        ("nthIndexOf('123456789123465789', '1', 2)", 9),
        ("startsWith('Hello', 'hell')", True),
        ("endsWith('Hello', 'x')", False),
        ("trim('  a ')", "a"),
        ("toUpper('abc')", "ABC"),
        ("formatNumber(1234567890, '0,0.00', 'en-us')", "1,234,567,890.00"),
        ("formatNumber(17.35, 'C2')", "$17.35"),
        ("formatNumber(1234.5, 'N2', 'de-DE')", "1.234,50"),
        ("isInt('10')", True),
        ("isFloat('10.5a')", False),
        # lists and objects
        ("length('abc')", 3),
        ("first('hello')", "h"),
        ("last(createArray(0, 1, 2))", 2),
        ("first(json('[]'))", None),
        ("skip(createArray(0, 1, 2, 3), 1)", [1, 2, 3]),
        ("take(createArray(0, 1, 2), 2)", [0, 1]),
        ("union(createArray(1, 2, 3), createArray(1, 2, 10, 101))", [1, 2, 3, 10, 101]),
        ("intersection(createArray(1, 2, 3), createArray(101, 2, 1, 10))", [1, 2]),
        ("union(json('{\"a\": 1}'), json('{\"a\": 2, \"b\": 3}'))", {"a": 2, "b": 3}),
        ("chunk(createArray(1, 2, 3), 2)", [[1, 2], [3]]),
        ("reverse(range(0, 4))", [3, 2, 1, 0]),
        ("sort(createArray(2, 1, 3))", [1, 2, 3]),
        ("contains(createArray('a', 'b'), 'b')", True),
        ("contains(variables('who'), 'Name')", True),
        ("empty('')", True),
        ("empty(null)", True),
        ("addProperty(json('{\"a\": 1}'), 'b', 2)", {"a": 1, "b": 2}),
        ("setProperty(json('{\"a\": 1}'), 'a', 2)", {"a": 2}),
        ("removeProperty(json('{\"a\": 1, \"b\": 2}'), 'b')", {"a": 1}),
        # logic
        ("equals(1, 1.0)", True),
        ("equals('a', 'A')", False),
        ("equals(1, '1')", False),
        ("and(true, not(false))", True),
        ("or(false, greater(2, 1))", True),
        ("if(equals(1, 1), 'yes', int('x'))", "yes"),
        ("coalesce(null, null, 'x')", "x"),
        ("greaterOrEquals('b', 'a')", True),
        # conversion
        ("int('10')", 10),
        ("float('10.333')", 10.333),
        ("bool('false')", False),
        ("string(createArray(1, 'a'))", '[1,"a"]'),
        ("json('{\"a\": [1, null]}')", {"a": [1, None]}),
        ("base64('hello')", "aGVsbG8="),
        ("base64ToString('aGVsbG8=')", "hello"),
        ("dataUri('hello')", "data:text/plain;charset=utf-8;base64,aGVsbG8="),
        ("dataUriToString('data:text/plain;charset=utf-8;base64,aGVsbG8=')", "hello"),
        ("encodeUriComponent('https://contoso.com/a b')", "https%3A%2F%2Fcontoso.com%2Fa%20b"),
        ("decodeUriComponent('a%20b')", "a b"),
        ("uriHost('https://www.localhost.com:8080/x?y=1')", "www.localhost.com"),
        ("uriPort('https://www.localhost.com:8080')", 8080),
        ("uriPathAndQuery('http://www.contoso.com/catalog/shownew.htm?date=today')", "/catalog/shownew.htm?date=today"),
        ("string(xml(json('{\"r\": {\"n\": [1, 2], \"@id\": \"x\"}}')))", '<r id="x"><n>1</n><n>2</n></r>'),
        ("xpath(xml('<r><n>1</n><n>2.5</n></r>'), 'sum(/r/n)')", 3.5),
        ("xpath(xml('<r><n>1</n><n>2</n></r>'), '/r/n[2]/text()')", ["2"]),
        ("json(xml('<r><n>1</n></r>'))", {"r": {"n": "1"}}),
        # numbers
        ("add(1, 1.5)", 2.5),
        ("sub(10.3, .3)", 10.0),
        ("mul(3, 2)", 6),
        ("div(11, 5)", 2),
        ("div(-7, 2)", -3),
        ("div(11.0, 5)", 2.2),
        ("mod(-7, 3)", -1),
        ("max(1, 3, 2)", 3),
        ("min(createArray(4, 2))", 2),
        # dates and times
        ("utcNow()", "2026-03-15T13:05:09.1234560Z"),
        ("utcNow('D')", "Sunday, March 15, 2026"),
        ("addDays('2018-03-15T00:00:00Z', 10)", "2018-03-25T00:00:00.0000000Z"),
        ("addDays('2018-03-15T00:00:00Z', -5, 'yyyy-MM-dd')", "2018-03-10"),
        ("addToTime('2018-01-31T00:00:00Z', 1, 'Month')", "2018-02-28T00:00:00.0000000Z"),
        ("subtractFromTime('2018-01-02T00:00:00Z', 1, 'Day', 'D')", "Monday, January 1, 2018"),
        ("formatDateTime('03/15/2018')", "2018-03-15T00:00:00.0000000"),
        ("formatDateTime('03/15/2018 12:00:00', 'yyyy-MM-ddTHH:mm:ss')", "2018-03-15T12:00:00"),
        ("formatDateTime('2018-03-15T10:00:00+02:00', 'HH:mm')", "08:00"),
        ("formatDateTime('2018-03-05', 'ddd d MMM yy h:mm tt')", "Mon 5 Mar 18 12:00 AM"),
        ("formatDateTime('01/31/2016', 'dddd MMMM d', 'fr-fr')", "dimanche janvier 31"),
        ("convertTimeZone('2018-01-01T08:00:00.0000000Z', 'UTC', 'Pacific Standard Time')", "2018-01-01T00:00:00.0000000"),
        ("convertFromUtc('2018-07-01T08:00:00Z', 'W. Europe Standard Time', 'HH:mm')", "10:00"),
        ("convertToUtc('01/01/2018 00:00:00', 'Pacific Standard Time')", "2018-01-01T08:00:00.0000000Z"),
        ("dayOfWeek('2018-03-18T13:27:36Z')", 0),
        ("dayOfYear('2018-03-15T13:27:36Z')", 74),
        ("startOfMonth('2018-03-15T13:30:30Z')", "2018-03-01T00:00:00.0000000Z"),
        ("startOfHour('2018-03-15T13:30:30Z', 'HH:mm')", "13:00"),
        ("ticks('0001-01-02T00:00:00Z')", 864_000_000_000),
        ("dateDifference('2015-02-08', '2018-07-30')", "1268.00:00:00"),
        ("getPastTime(5, 'Day', 'yyyy-MM-dd')", "2026-03-10"),
        # the run
        ("triggerBody()?['who']", "me"),
        ("triggerOutputs()?['body/who']", "me"),
        ("body('Get')?['value'][0]['a']", 1),
        ("outputs('Get')?['body/value']", [{"a": 1}]),
        ("outputs('Later')?['body']?['x']", None),
        ("variables('who')?['name']", "Ana"),
        ("variables('who')?['a/b']", 1),
        ("variables('who')?['x']?['y']", None),
        ("variables('list')?[7]", None),
        ("workflow()['run']['name']", "1"),
    ],
)  # fmt: skip
def test_values(expression: str, expected: Any) -> None:
    assert plain(value("@" + expression)) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("int('x')", "cannot be converted to the target type"),
        (
            "length(null)",
            "The template language function 'length' expects its parameter to be an array or a string. The provided value is of type 'Null'.",
        ),
        ("toLower(null)", "The template language function 'toLower' expects its parameter to be a string. The provided value is of type 'Null'."),
        ("split(null, ',')", "'split' expects its first parameter to be of type string. The provided value is of type 'Null'."),
        ("substring('abc', 2, 5)", "must refer to a location within the string with length '3'"),
        ("add('1', 2)", "'add' expects its first parameter to be an integer or a decimal number. The provided value is of type 'String'."),
        ("div(1, 0)", "divide an integral or decimal value by zero"),
        ("greater(null, 1)", "values of type 'Null' and 'Integer' that do not match"),
        ("contains(null, 'a')", "expects its first argument 'collection' to be a dictionary (object), an array or a string"),
        ("json('{')", "cannot be parsed"),
        ("formatDateTime('soon')", "was not valid. The datetime string must match ISO 8601 format."),
        ("convertFromUtc('2018-01-01', 'Nowhere')", "'Nowhere' was not valid"),
        ("variables('who')['x']", "property 'x' doesn't exist, available properties are 'Name, a/b'"),
        ("variables('list')[3]", "array index '3' is outside bounds (0, 2) of array"),
        ("variables('list')?['x']", "Array elements can only be selected using an integer index"),
        ("variables('n')?['x']", "Property selection is not supported on values of type 'Integer'"),
        ("outputs('Later')['body']", "property 'body' cannot be selected"),
        ("outputs('Nowhere')", "the action 'Nowhere' referenced by 'outputs' is not defined in the template"),
        ("variables('none')", "The variable 'none' must be initialized"),
        ("nosuch(1)", "The template function 'nosuch' is not defined or not valid."),
        ("items('Loop')", "this is not inside the loop 'Loop'"),
        ("range(0, 100001)", "'count' to be from 0 to 100000"),
        ("xml('<a>')", "cannot be converted to XML"),
        ("xml('<!DOCTYPE a [<!ENTITY b \"c\">]><a/>')", "a DTD is not allowed"),
    ],
)
def test_messages(expression: str, message: str) -> None:
    with pytest.raises(TemplateError) as error:
        value("@" + expression)
    assert message in str(error.value)


def test_interpolation_writes_as_dotnet_does() -> None:
    assert value("n=@{variables('n')} @{true} @{null} @{createArray(1,2)} @@{x}") == "n=3 True  [1,2] @{x}"


def test_items_of_data_operations() -> None:
    assert value("@item()?['a']", {"a": 5}) == 5


def test_all_windows_zones_are_known() -> None:
    assert len(zones.WINDOWS) > 130 and all(zones.find(name) for name in zones.WINDOWS)


def test_every_function_of_the_checker_is_simulated() -> None:
    assert [name for name in FUNCTIONS if not evaluate.known(name)] == ["ismatch", "raw"]  # no functions of the platform


def test_unknown_values_take_the_type_that_is_asked_for() -> None:
    assert isinstance(value("@add(variables('any'), 1)"), int) and isinstance(value("@toUpper(variables('any'))"), str)
    assert len(value("@split(variables('any'), ',')")) >= 1 and value("@equals(variables('any'), null)") is False
    assert value("@variables('any')?['x']?['y']").key == value("@variables('any')?['x']?['y']").key


# --- fuzzing -------------------------------------------------------------------------------------------------------------------

_NAMES = sorted(s.name for s in FUNCTIONS.values())
_ATOMS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda f: f"{f:f}"),
    st.text(max_size=12).map(lambda t: "'" + t.replace("'", "''") + "'"),
    st.sampled_from(
        ["true", "false", "null", "item()", "variables('any')", "variables('who')", "variables('list')", "body('Get')", "json('{\"a\": [1, {}]}')"]
    ),
    st.sampled_from(
        [
            "'2018-03-15T10:00:00Z'",
            "'Day'",
            "'UTC'",
            "'Pacific Standard Time'",
            "'o'",
            "'yyyy-MM-dd'",
            "'C2'",
            "'aGVsbG8='",
            "'<r><n>1</n></r>'",
            "'//n[1]'",
        ]
    ),
)
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds(lambda name, args: f"{name}({', '.join(args)})", st.sampled_from(_NAMES), st.lists(inner, max_size=4)),
        st.builds(lambda name, args, key: f"{name}({', '.join(args)})?[{key}]", st.sampled_from(_NAMES), st.lists(inner, max_size=3), inner),
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(_EXPRESSIONS, st.sampled_from([None, 1, "x", [1], {"a": 1}]))
def test_expressions_give_json_or_the_words_of_the_platform(expression: str, item: Any) -> None:
    try:
        found = value("@" + expression, item)
    except TemplateError as error:
        assert str(error)
        return
    assert json.loads(to_json(found)) == json.loads(json.dumps(plain(found)))
