"""What changed between two catalogs, and what that does to flows, corpora and models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nl2dsl import cli
from nl2dsl.catalog.diff import Change, diff
from nl2dsl.catalog.model import Catalog, Connector, Operation, Output, Parameter
from nl2dsl.catalog.read import load, write
from nl2dsl.dsl.impact import Impact, Judge, card_verdict

GET = Operation(
    "shared_shop",
    "GetOrders",
    "action",
    title="Get orders",
    parameters=(
        Parameter("status", enum=("open", "paid")),
        Parameter("top", "integer"),
        Parameter("item", "object", open=True),
        Parameter("secret", internal=True),
    ),
    outputs=(Output("value", "list_of_items", "array"), Output("value/id", "record_id", "string"), Output("count", "number", "integer")),
)
SELL = Operation("shared_shop", "Sell", "action", title="Sell a thing", parameters=(Parameter("thing", required=True), Parameter("price", "number")))
SOLD = Operation("shared_shop", "OnSold", "trigger", title="When a thing is sold", outputs=(Output("thing", "title", "string"),))
OLD = Catalog([GET, SELL, SOLD], [Connector("shared_shop", "Shop")])


def changed(*operations: Operation) -> Catalog:
    """The catalog with these operations instead of those of the same id."""
    return Catalog({**OLD.operations, **{o.id: o for o in operations}}, OLD.connectors.values())


def without(*ids: str) -> dict[str, Operation]:
    return {id: o for id, o in OLD.operations.items() if id not in ids}


def with_parameter(operation: Operation, name: str, **changes: object) -> Operation:
    return replace(operation, parameters=tuple(replace(p, **changes) if p.name == name else p for p in operation.parameters))  # type: ignore[arg-type]


def whats(changes: list[Change]) -> list[tuple[str, str, bool]]:
    return [(c.what, c.parameter, c.breaking) for c in changes]


def test_the_same_catalog_has_no_changes() -> None:
    assert diff(OLD, Catalog(reversed(list(OLD)))) == []
    assert diff(OLD, changed(replace(SELL, title="Sell something", summary="sells"))) == []


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        (with_parameter(SELL, "price", type="string"), ("type changed", "price", False)),
        (with_parameter(SELL, "price", type="any"), ("type changed", "price", False)),
        (with_parameter(SELL, "price", type="boolean"), ("type changed", "price", True)),
        (with_parameter(GET, "top", type="number"), ("type changed", "top", False)),
        (with_parameter(SELL, "thing", type="integer"), ("type changed", "thing", True)),
        (with_parameter(SELL, "price", required=True), ("now required", "price", True)),
        (with_parameter(SELL, "price", default=1), ("default changed", "price", False)),
        (with_parameter(SELL, "thing", required=False), ("no longer required", "thing", False)),
        (with_parameter(SELL, "price", internal=True), ("now hidden", "price", True)),
        (with_parameter(GET, "status", enum=("open",)), ("values removed", "status", True)),
        (with_parameter(GET, "status", enum=("open", "paid", "new")), ("values added", "status", False)),
        (with_parameter(GET, "status", enum=()), ("any value now", "status", False)),
        (with_parameter(SELL, "thing", enum=("a",)), ("fixed values now", "thing", True)),
        (with_parameter(GET, "item", open=False), ("only known fields now", "item", True)),
        (with_parameter(SELL, "price", format="double"), ("format changed", "price", False)),
        (replace(SELL, parameters=SELL.parameters[:1]), ("parameter removed", "price", True)),
        (replace(GET, parameters=GET.parameters[:3]), ("parameter removed", "secret", False)),
        (replace(SELL, parameters=(*SELL.parameters, Parameter("note"))), ("parameter added", "note", False)),
        (replace(SELL, parameters=(*SELL.parameters, Parameter("note", required=True))), ("required parameter added", "note", True)),
        (replace(SELL, kind="trigger"), ("kind changed", "", True)),
        (replace(SELL, deprecated=True), ("now deprecated", "", False)),
        (replace(SELL, internal=True), ("now hidden", "", True)),
        (replace(SOLD, batch=True), ("delivery changed", "", True)),
        (replace(SOLD, flow_type="OpenApiConnectionWebhook"), ("called another way", "", False)),
        (replace(GET, outputs=GET.outputs[:2]), ("result removed", "count", True)),
        (replace(GET, outputs=(*GET.outputs, Output("next"))), ("result added", "next", False)),
        (replace(GET, outputs=()), ("results no longer described", "", False)),
    ],
)
def test_each_change_has_a_name_and_a_weight(operation: Operation, found: tuple[str, str, bool]) -> None:
    assert whats(diff(OLD, changed(operation))) == [found]


def test_a_batch_that_is_split_on_another_list_is_told() -> None:
    old, new = (Catalog([replace(SOLD, batch=True, split=split)]) for split in ("value", ""))
    (change,) = diff(old, new)
    assert (change.what, change.old, change.new, change.breaking) == ("split on another list", "value", "the body", False)


def test_operations_that_come_go_and_are_renamed() -> None:
    come = Operation("shared_shop", "RefundCustomer", "action", title="Refund")
    assert whats(diff(OLD, changed(come))) == [("operation added", "", False)]
    gone = diff(OLD, Catalog(without(SELL.id)))
    assert whats(gone) == [("operation removed", "", True)] and gone[0].operation == SELL.id
    (renamed,) = diff(OLD, Catalog({**without(GET.id), "shared_shop.GetOrders_V2": replace(GET, name="GetOrders_V2")}))
    assert (renamed.what, renamed.old, renamed.new, renamed.breaking) == ("operation renamed", GET.id, "shared_shop.GetOrders_V2", True)


def test_a_renamed_operation_is_compared_too_and_a_trigger_never_becomes_an_action() -> None:
    new = replace(with_parameter(GET, "top", required=True), name="ListOrders")
    assert [c.what for c in diff(OLD, Catalog({**without(GET.id), new.id: new}))] == ["operation renamed", "now required"]
    action = replace(SOLD, name="OnSoldThing", kind="action")
    assert sorted(c.what for c in diff(OLD, Catalog({**without(SOLD.id), action.id: action}))) == ["operation added", "operation removed"]


def test_a_renamed_connector_keeps_its_operations() -> None:
    moved = Catalog(replace(o, connector="shared_bigshop") for o in OLD)
    assert {(c.what, c.new) for c in diff(OLD, moved)} == {("operation renamed", o.id) for o in moved}


def test_a_renamed_key_is_found_by_its_last_step() -> None:
    new = replace(SELL, parameters=(Parameter("body/thing", required=True), Parameter("price", "number")))
    (change,) = diff(OLD, changed(new))
    assert (change.what, change.old, change.new, change.breaking) == ("parameter renamed", "thing", "body/thing", True)


# --- flows

TRIGGER = 'triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Day", "interval": 1 });\n'


def judged(new: Catalog, steps: str, trigger: str = TRIGGER) -> Impact | None:
    return Judge(OLD, new, diff(OLD, new)).impact("a.flow", trigger + steps)


def breaks(new: Catalog, steps: str, trigger: str = TRIGGER) -> list[tuple[str, int, str]]:
    found = judged(new, steps, trigger)
    return [(d.code, d.span.line, d.hint) for d in found.breaks] if found else []


def test_a_flow_that_uses_nothing_that_changed_is_untouched() -> None:
    assert judged(Catalog(without(GET.id)), 'shared_shop.Sell({ "thing": `a` });\n') is None


def test_a_renamed_operation_breaks_and_its_new_name_is_told() -> None:
    new = Catalog({**without(SELL.id), "shared_shop.SellV2": replace(SELL, name="SellV2")})
    assert breaks(new, 'shared_shop.Sell({ "thing": "a" });\n') == [("N201", 2, "it is likely `shared_shop.SellV2` now")]


def test_a_renamed_key_breaks_once() -> None:
    new = changed(replace(SELL, parameters=(Parameter("item/thing", required=True),)))
    assert breaks(new, 'shared_shop.Sell({ "thing": "a" });\n') == [("P301", 2, "it is likely `item/thing` now")]


def test_a_value_that_is_required_now_breaks_only_flows_without_it() -> None:
    new = changed(with_parameter(SELL, "price", required=True))
    assert [code for code, _, _ in breaks(new, 'shared_shop.Sell({ "thing": "a" });\n')] == ["D802"]
    assert breaks(new, 'shared_shop.Sell({ "thing": "a", "price": 2 });\n') == []


def test_a_value_that_is_gone_and_a_narrower_type_break() -> None:
    assert [c for c, _, _ in breaks(changed(with_parameter(GET, "status", enum=("open",))), 'shared_shop.GetOrders({ "status": "paid" });\n')] == [
        "P304"
    ]
    assert [c for c, _, _ in breaks(changed(with_parameter(SELL, "thing", type="boolean")), 'shared_shop.Sell({ "thing": "a" });\n')] == ["P303"]


def test_reading_a_result_that_is_gone_breaks_also_in_loops_and_templates() -> None:
    new = changed(replace(GET, outputs=GET.outputs[:1]), replace(SOLD, outputs=()))
    steps = """orders = shared_shop.GetOrders({});
shared_shop.Sell({ "thing": `${orders.body.count} orders` });
for (order of orders.body.value) {
  shared_shop.Sell({ "thing": order.id });
}
"""
    assert [(code, line) for code, line, _ in breaks(new, steps)] == [("D801", 3), ("D801", 5)]


def test_what_was_wrong_before_is_not_blamed_on_the_change() -> None:
    new = changed(with_parameter(SELL, "price", type="string"))
    assert judged(new, 'shared_shop.Sell({ "thing": "a", "colour": "red" });\n') is None


def test_a_deprecated_operation_is_a_note_and_no_break() -> None:
    found = judged(changed(replace(SELL, deprecated=True)), 'shared_shop.Sell({ "thing": "a" });\n')
    assert found is not None and found.breaks == () and [d.code for d in found.notes] == ["N206"]


def test_a_card_is_judged_by_the_digest_it_names() -> None:
    new = Catalog(without(SELL.id))
    changes = diff(OLD, new)
    assert card_verdict({"catalog": OLD.digest}, OLD, new, changes)[0]
    assert not card_verdict({"catalog": new.digest}, OLD, new, changes)[0]
    assert "neither" in card_verdict({"catalog": "0" * 64}, OLD, new, changes)[1]
    safe = changed(replace(SELL, deprecated=True))
    assert card_verdict({"catalog": OLD.digest}, OLD, safe, diff(OLD, safe)) == (
        False,
        "was made for the old catalog; nothing it learned is wrong now",
    )


# --- the verb


def run(*words: object) -> int:
    return cli.main(["catalog", "diff", *map(str, words)])


def test_the_verb_tells_changes_flows_rows_and_cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, flows = tmp_path / "old.jsonl", tmp_path / "new.jsonl", tmp_path / "flows"
    write(OLD, old)
    write(Catalog({**without(SELL.id), "shared_shop.SellV2": replace(SELL, name="SellV2")}, OLD.connectors.values()), new)
    flows.mkdir()
    flow = TRIGGER + 'shared_shop.Sell({ "thing": "a" });\n'
    (flows / "sell.flow").write_text(flow)
    (flows / "other.flow").write_text(TRIGGER + "shared_shop.GetOrders({});\n")
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"dsl": flow}) + "\n" + json.dumps({"dsl": "shared_shop.Sell("}) + "\n")
    (tmp_path / "card.json").write_text(json.dumps({"catalog": load(old).digest}))
    assert run(old, old) == 0
    assert run(old, new) == 1
    assert "shared_shop.Sell → shared_shop.SellV2" in capsys.readouterr().out
    assert run(old, new, "--flows", flows / "other.flow") == 0
    assert run(old, new, "--flows", flows, tmp_path / "corpus.jsonl", "--flows", tmp_path / "card.json") == 1
    printed = capsys.readouterr()
    assert f"{flows / 'sell.flow'}:2:1" in printed.out and f"{tmp_path / 'corpus.jsonl'}:1:2:1" in printed.out and "cannot be read" in printed.out
    assert f"breaks: {tmp_path / 'card.json'}" in printed.out and "2 of 4 flows break" in printed.err
    assert run(old, new, "--flows", flows, "--json") == 1
    made = json.loads(capsys.readouterr().out)
    assert made["changes"][0]["what"] == "operation renamed" and made["old"] == load(old).digest
    assert [(i["flow"], i["breaks"][0]["code"], i["breaks"][0]["line"]) for i in made["impacts"]] == [(str(flows / "sell.flow"), "N201", 2)]


@pytest.mark.parametrize(("name", "text"), [("rows.jsonl", '{"query": "x"}\n'), ("card.json", "[1]"), ("card.json", "{"), ("none.flow", None)])
def test_what_is_no_flow_is_an_error_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None) -> None:
    write(OLD, tmp_path / "old.jsonl")
    if text is not None:
        (tmp_path / name).write_text(text)
    assert run(tmp_path / "old.jsonl", tmp_path / "old.jsonl", "--flows", tmp_path / name) == 2
    assert name in capsys.readouterr().err
