"""Small flows to run on the simulator: a catalog, steps that read and write, and how to run them."""

from __future__ import annotations

from typing import Any

from nl2dsl.catalog.read import builtin
from nl2dsl.dsl.text import parse
from nl2dsl.dsl.tree import Flow
from nl2dsl.simulator import Run, run

CATALOG = builtin()
MANUAL = "await commonTrigger.manual({});\n"
MAIL = 'shared_office365.SendEmailV2({ "emailMessage/To": "a@contoso.com", "emailMessage/Subject": "s", "emailMessage/Body": "b" });\n'
READ = 'items = shared_sharepointonline.GetItems({ "dataset": "s", "table": "Invoices" });\n'


def flow(source: str) -> Flow:
    tree, found = parse(source)
    assert tree is not None, found
    return tree


def ran(source: str, **options: Any) -> Run:
    return run(flow(source if "await" in source else MANUAL + source), CATALOG, **options)
