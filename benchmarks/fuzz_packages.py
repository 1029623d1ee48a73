"""Damaged and hostile files into `decompile`, and what comes of them into `compile`: none may crash, hang or take much memory.

    python -m benchmarks.fuzz_packages [COUNT] [SEED]        100,000 files, seed 1

Each is a package, a solution, a Logic App or a template of our own with bytes changed, cut out, doubled or swapped, or with values of its JSON exchanged. What counts: exceptions
other than `UsageError`, the slowest file, the peak of memory.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

from nl2dsl.catalog import read
from nl2dsl.dsl import carrying, definition, flowfiles, logic_app, package
from nl2dsl.dsl.text import parse
from nl2dsl.errors import UsageError

FLOW = """\
triggerOutputs = await commonTrigger.Recurrence({ "frequency": "Week", "interval": 1 });
outputs_Rows = shared_sharepointonline.GetItems({ "dataset": "d", "table": "t" });
for (item of outputs_Rows.body.value) { if (item.A > 1) { shared_office365.SendEmailV2({ "emailMessage/To": `${item.B}` }); } }
"""


def seeds() -> list[bytes]:
    flow, _ = parse(FLOW)
    assert flow is not None
    compiled = definition.compile(flow, read.builtin())
    solution = {"properties": {"definition": compiled, "connectionReferences": {"a": {"api": {"name": "shared_a"}}}}, "schemaVersion": "1.0.0.0"}
    logic_app = {"definition": compiled, "parameters": {"$connections": {"value": {"a": {"id": "/managedApis/a"}}}}}
    template = {"resources": [{"type": "Microsoft.Logic/workflows", "name": "a", "properties": logic_app}]}
    texts = [json.dumps(value).encode() for value in (compiled, solution, logic_app, template)]
    return [package.write(flow, read.builtin())[0], zipped(texts[1]), *texts]


def zipped(text: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Workflows/a.json", text)
    return stream.getvalue()


def mutated(data: bytes, random: Random) -> bytes:
    made = bytearray(data)
    for _ in range(random.randint(1, 6)):
        at, length = random.randrange(len(made) + 1), random.randint(1, 40)
        match random.randrange(5):
            case 0 if at < len(made):
                made[at] = random.randrange(256)
            case 1:
                del made[at : at + length]
            case 2:
                made[at:at] = made[at : at + length]
            case 3:
                made[at:at] = bytes(random.choices(b'{}[]",:\\@$0\x00\xff', k=random.randint(1, 5)))
            case _:
                other = random.randrange(len(made) + 1)
                made[at : at + length] = made[other : other + length]
    return bytes(made)


def rearranged(data: bytes, random: Random) -> bytes:
    """JSON that is still JSON: some of its values are others, or other parts of it."""
    value = json.loads(data)
    for _ in range(random.randint(1, 4)):
        holders = list(inside(value))
        holder = random.choice(holders)
        key = random.choice(list(holder) if isinstance(holder, dict) else list(range(len(holder))))
        other = random.choice(holders)
        holder[key] = random.choice(
            [None, 0, -1.5, "", "@", "@{", "x", True, [], {}, [{}], json.loads(json.dumps(other)), {"actions": {"a": {"type": "If"}}}]
        )
    return json.dumps(value).encode()


def inside(value: Any) -> Iterator[Any]:
    """All objects and lists that hold something."""
    if isinstance(value, dict | list) and value:
        yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from inside(child)


def main(count: int = 100_000, seed: int = 1) -> None:
    random, originals, outcomes = Random(seed), seeds(), Counter[str]()
    slowest, start = 0.0, time.process_time()
    for _ in range(count):
        data = random.choice(originals)
        data = rearranged(data, random) if data[:1] == b"{" and random.random() < 0.8 else mutated(data, random)
        if random.random() < 0.2:
            data = zipped(data)
        began = time.process_time()
        try:
            for found in flowfiles.find(data, "x"):
                flow = carrying.flow_of(found)
                package.write(flow, read.builtin())
                logic_app.write(flow, read.builtin())
            outcomes["flows"] += 1
        except UsageError:
            outcomes["refused with a message"] += 1
        except Exception as problem:
            outcomes[f"CRASH {type(problem).__name__}: {str(problem)[:80]}"] += 1
        slowest = max(slowest, time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for what, number in outcomes.most_common():
        print(f"{number:8,}  {what}")
    print(
        f"{count:,} files in {time.process_time() - start:.0f} s of processor time, the slowest {1000 * slowest:.0f} ms, at most {peak:.0f} MiB in memory"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
