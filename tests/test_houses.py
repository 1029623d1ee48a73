"""Houses: their files are read as people's catalogs are, a broken line is named, some are kept for measuring."""

from __future__ import annotations

from pathlib import Path

import pytest

from nl2dsl.corpus import houses
from nl2dsl.dsl.sketch import Each, Step, operations, parse
from nl2dsl.errors import CorpusError

PLATFORMS = Path(__file__).parents[1] / "data" / "platforms"
BAKERY = Path(__file__).parent / "houses" / "bakery.house"


def test_a_house_is_a_catalog_of_bare_lines_and_requests_with_sketches() -> None:
    house = houses.read(BAKERY)
    asked = {a.query: a for a in house.asked}
    assert house.own[0] == "orders.placed" and len(house.own) == 6
    first = asked["when somebody orders, heat the oven and text them"]
    assert first.operations == ("orders.placed", "oven.heat", "customer.text") and first.sketch is not None
    assert first.sketch.trigger == Step("orders.placed") and first.sketch.steps == (Step("oven.heat"), Step("customer.text"))
    each = asked["knead all open orders"]
    assert each.operations == ("commonTrigger.manual", "shop.list_orders", "dough.knead")
    assert each.sketch is not None and each.sketch.steps == (Step("shop.list_orders"), Each((Step("dough.knead"),)))
    evening = asked["every evening close the shop"]
    assert evening.operations == ("commonTrigger.Recurrence", "shop.close") and evening.sketch is None
    conditional = asked["close if nothing is left to do, else heat the oven"]
    assert conditional.sketch is None and conditional.operations[1:] == ("shop.list_orders", "shop.close", "oven.heat")
    spelled = asked["mondays at 5, heat the oven if open orders are more than 3"]
    assert spelled.operations == ("commonTrigger.Recurrence", "shop.list_orders", "oven.heat") and spelled.sketch is not None
    assert ("weekDays", ("Monday",)) in spelled.sketch.trigger.stated
    assert spelled.sketch.steps == parse('x; shop.list_orders; if ("open orders" > 3) { oven.heat }').steps
    kinds = {id: o.kind for id in house.own if (o := house.catalog.get(id))}
    assert (
        kinds["orders.placed"] == "trigger"
        and kinds["shop.close"] == "action"
        and "kind" not in house.lines[0]
        and "commonTrigger.manual" in house.catalog
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("O: a.b | A | do\nQ: x\nF: a.c\n", "no operation `a.c`"),
        ("O: a.b | A | do\nQ: x\nF: ;\n", "without an operation"),
        ("O: a.b | X | do\n", "an operation is"),
        ("O: a.b | A | do\nF: a.b\n", "not a line of a house"),
        ("O: a.b | A | do\nQ: x\nF: a.b; for a.b\n", "`(` expected"),
        ("O: a.b | A | do\nQ: x\nF: a.b; }; a.b\n", "unexpected `}`"),
        ("O: a.b | A | do\nQ: x\nF: for { a.b\n", "`}` is expected"),
        ("O: a.b | A | do\nQ: x\nF: schedule(often=3); a.b\n", "no parameter `often`"),
        ("O: a.b | A | do\nQ: x\nF: a.b\nO: a.c | A | do\n", "not a line of a house"),
    ],
)
def test_a_broken_line_is_named(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.house"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"x\.house:\d: ") as caught:
        houses.read(path)
    assert says in str(caught.value)


def test_a_request_without_its_flow_and_a_folder_without_houses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no houses in"):
        houses.load(tmp_path)
    (tmp_path / "x.house").write_text("O: a.b | A | do\nQ: x\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="has no `F:`"):
        houses.load(tmp_path)


def test_every_house_of_the_project_reads_and_uses_all_of_its_operations() -> None:
    found, platforms = houses.load(), houses.load(PLATFORMS)
    assert sum(h.kept for h in found) >= 3 and sum(not h.kept for h in found) >= 15
    assert all(h.kept for h in platforms) and len(houses.together(platforms, 546)) == 1
    for house in [*found, *platforms]:
        unused = set(house.own) - {o for a in house.asked for o in a.operations}
        assert not unused and not house.catalog.warnings, (house.name, unused)
        assert sum(a.sketch is not None for a in house.asked) > len(house.asked) / 2


def test_a_trigger_whose_name_wants_quotes_starts_a_flow(tmp_path: Path) -> None:
    path = tmp_path / "x.house"
    path.write_text(
        "O: shop:order_made | T | When an order is made\nO: shop:ship | A | Ship it\nQ: ship orders\nF: `shop:order_made`; `shop:ship`\n",
        encoding="utf-8",
    )
    assert houses.read(path).asked[0].operations == ("shop:order_made", "shop:ship")


def test_several_houses_become_one_catalog_with_ids_of_their_own() -> None:
    bakery = houses.read(BAKERY)
    twice = [bakery, houses.House("other", bakery.catalog, bakery.own, bakery.lines, bakery.asked)]
    one = houses.merged(twice)
    assert len(one.own) == 12 and "oven.heat" in one.own and "other.oven.heat" in one.own and all(id in one.catalog for id in one.own)
    assert len(one.asked) == 2 * len(bakery.asked)
    of_the_other = one.asked[len(bakery.asked)]
    assert of_the_other.operations == ("other.orders.placed", "other.oven.heat", "other.customer.text") and of_the_other.sketch is not None
    assert operations(of_the_other.sketch) == list(of_the_other.operations)


def test_houses_are_grouped_up_to_a_number_of_operations() -> None:
    bakery = houses.read(BAKERY)
    many = [houses.House(f"h{i}", bakery.catalog, bakery.own, bakery.lines, bakery.asked) for i in range(5)]
    assert [len(h.own) for h in houses.together(many, 12)] == [12, 12, 6]
    assert [len(h.own) for h in houses.together(many, 1)] == [6] * 5
    assert houses.together([], 12) == []
