"""Random trees for property tests: every construct of the language, small."""

from __future__ import annotations

from hypothesis import strategies as st

from nl2dsl.dsl.functions import FUNCTIONS
from nl2dsl.dsl.tree import (
    Annotation,
    Array,
    Assign,
    Binary,
    Call,
    Case,
    Entry,
    Flow,
    For,
    Function,
    If,
    Let,
    Literal,
    Name,
    Not,
    Object,
    Opaque,
    Parallel,
    Path,
    Scope,
    Segment,
    Switch,
    Template,
    Try,
    Until,
)

ODD = "a`\\\"${}'\n\r\té \u2028\ud800@/.-0"
names = st.sampled_from(["item", "total", "triggerOutputs", "outputs_shared_x_Get", "outputs_shared_x_Get_2", "größe", "$x", "a-b", "scopes"])
odd = st.text(ODD, max_size=6)
keys = st.one_of(st.sampled_from(["to", "emailMessage/To", "item/Title", "if", "$top", ""]), odd)
functions = st.sampled_from([s.name for s in FUNCTIONS.values()])
literals = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    odd,
    st.text(max_size=8),
    st.just("line one\n" + "x" * 80 + "\n`${end}$"),
).map(Literal)


def _segments(inner):
    key = st.one_of(keys, st.integers(-3, 9), inner.filter(lambda e: not (isinstance(e, Literal) and type(e.value) in (str, int))))
    return st.lists(st.builds(Segment, key, st.booleans()), min_size=1, max_size=3).map(tuple)


def _template(parts):
    """Parts as the reader makes them: no two texts side by side, no empty text, at least one expression."""
    merged = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return Template(tuple(merged)) if any(not isinstance(p, str) for p in merged) else Literal("".join(merged))


def _compound(inner):
    arguments = st.lists(inner, max_size=3).map(tuple)
    function = st.builds(Function, functions, arguments)
    entries = st.lists(st.builds(Entry, keys, inner), max_size=3).map(tuple)
    return st.one_of(
        function,
        st.builds(Array, arguments),
        st.builds(Object, entries),
        st.builds(Path, st.one_of(names.map(Name), function), _segments(inner)),
        st.lists(st.one_of(odd, inner), max_size=4).map(_template),
        st.builds(Binary, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "&&", "||"]), inner, inner),
        st.builds(Not, inner),
    )


expressions = st.recursive(st.one_of(literals, names.map(Name)), _compound, max_leaves=6)
comments = st.sampled_from(["", "", "what it does", "two\nlines", "  indented", "// twice", "a\n\nb"])
annotations = st.lists(
    st.builds(Annotation, st.sampled_from(["name", "retry", "run-after"]), st.lists(expressions, max_size=2).map(tuple)), max_size=2
).map(tuple)
settings = {"comment": comments, "annotations": annotations}
parameters = st.lists(st.builds(Entry, keys, expressions), max_size=4).map(tuple)
callees = st.one_of(
    st.tuples(
        st.sampled_from(["shared_x", "shared_service-now", "builtin", "if", "odd name"]),
        st.sampled_from(["Get", "Get-All", "list.users", "default", "a`b\\"]),
    ),
    st.tuples(st.just(""), st.sampled_from(["Send", "concat", "Some Op/1.0", "opaque", "if", "a.b", "x${y}"])),
)


def _call(callee, parameters, result, comment, annotations):
    return Call(callee[0], callee[1], parameters, result, comment, annotations)


calls = st.builds(_call, callees, parameters, st.one_of(st.none(), names), comments, annotations)
plain = st.one_of(
    calls,
    st.builds(Let, names, st.sampled_from(["integer", "string", ""]), st.one_of(st.none(), expressions), **settings),
    st.builds(
        Assign, names, st.sampled_from(["=", "+=", "-="]), st.one_of(expressions, st.builds(Function, st.just("mystery"), st.just(()))), **settings
    ),
    st.builds(Opaque, st.builds(Object, parameters), **settings),
)


def _containers(inner):
    block = st.lists(inner, max_size=3).map(tuple)
    cases = st.lists(st.builds(Case, expressions, block), max_size=2).map(tuple)
    return st.one_of(
        st.builds(If, expressions, block, block, **settings),
        st.builds(For, names, expressions, block, **settings),
        st.builds(Switch, expressions, cases, block, **settings),
        st.builds(Until, block, expressions, **settings),
        st.builds(Scope, block, **settings),
        st.builds(Try, block, block, block, **settings),
        st.builds(Parallel, st.lists(block, max_size=3).map(tuple), **settings),
    )


statements = st.recursive(plain, _containers, max_leaves=5)
flows = st.builds(Flow, calls, st.lists(statements, max_size=4).map(tuple), annotations, comments)
